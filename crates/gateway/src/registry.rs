//! The sessions that are being served, and how to end them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atomic_waker::AtomicWaker;
use jiff::Timestamp;
use querycop_serve::PeerAddr;
use querycop_wire::startup::StartupMessage;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Limits;
use crate::metrics::Metrics;
use crate::refusal::Refusal;

/// The sessions that are being served.
#[derive(Debug)]
pub struct Registry {
    inner: Mutex<Inner>,
    drain_begun: CancellationToken,
    max_sessions: usize,
    max_sessions_per_role: Option<usize>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<Uuid, Arc<Entry>>,
    per_role: HashMap<String, usize>,
    draining: bool,
}

/// One session, as others see it.
#[derive(Debug)]
pub struct Entry {
    /// The session's id, in every log line about it.
    pub id: Uuid,
    /// Where the client is.
    pub client_addr: PeerAddr,
    /// Whether the client leg is TLS.
    pub client_tls: bool,
    /// The role that the client asked for.
    pub user: String,
    /// The database that the client asked for.
    pub database: String,
    /// What the client calls itself: a hint, never a proof.
    pub application_name: Option<String>,
    /// When the start-up packet came.
    pub started_at: Timestamp,
    phase: AtomicU8,
    order: AtomicU8,
    to_backend: AtomicU64,
    to_client: AtomicU64,
    waker: AtomicWaker,
}

/// What a session is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Connecting to the backend and authenticating.
    Login,
    /// Waiting for a statement, outside a transaction.
    Idle,
    /// Waiting for a statement within a transaction.
    IdleInTransaction,
    /// Running a statement.
    Active,
}

/// What a session is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Order {
    /// Go on.
    Serve,
    /// End when there is nothing under way.
    Drain,
    /// End now.
    Terminate,
}

/// A session's place among those that are served; gives it up when dropped.
#[derive(Debug)]
pub(crate) struct Admission {
    registry: Arc<Registry>,
    entry: Arc<Entry>,
}

impl Entry {
    /// A client that has said who it wants to be.
    pub(crate) fn new(
        id: Uuid,
        (client_addr, client_tls): (PeerAddr, bool),
        startup: &StartupMessage,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            client_addr,
            client_tls,
            user: startup.user().to_owned(),
            database: startup.database().to_owned(),
            application_name: startup.application_name().map(Cow::into_owned),
            started_at: Timestamp::now(),
            phase: AtomicU8::new(Phase::Login as u8),
            order: AtomicU8::new(Order::Serve as u8),
            to_backend: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
            waker: AtomicWaker::new(),
        })
    }
}

// === impl Registry ===

impl Registry {
    pub(crate) fn new(limits: &Limits, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::default(),
            drain_begun: CancellationToken::new(),
            max_sessions: limits.max_sessions,
            max_sessions_per_role: limits.max_sessions_per_role,
            metrics,
        })
    }

    /// The sessions that are being served, oldest first.
    pub fn sessions(&self) -> Vec<Arc<Entry>> {
        let mut sessions: Vec<_> = self.lock().sessions.values().cloned().collect();
        // The ids are made from the time.
        sessions.sort_by_key(|session| session.id);
        sessions
    }

    /// Whether new sessions are still taken.
    pub fn is_draining(&self) -> bool {
        self.lock().draining
    }

    /// Gives a session its place.
    pub(crate) fn admit(self: &Arc<Self>, entry: Arc<Entry>) -> Result<Admission, Refusal> {
        let user = &*entry.user;
        let mut inner = self.lock();
        if inner.draining {
            return Err(Refusal::ShuttingDown);
        }
        if inner.sessions.len() >= self.max_sessions {
            return Err(Refusal::TooManySessions {
                limit: self.max_sessions,
            });
        }
        let of_role = inner.per_role.get(user).copied().unwrap_or(0);
        if let Some(limit) = self.max_sessions_per_role.filter(|limit| of_role >= *limit) {
            return Err(Refusal::TooManySessionsOfRole {
                role: user.to_owned(),
                limit,
            });
        }
        inner.per_role.insert(user.to_owned(), of_role + 1);
        inner.sessions.insert(entry.id, Arc::clone(&entry));
        self.metrics.active.inc();
        Ok(Admission {
            registry: Arc::clone(self),
            entry,
        })
    }

    /// Takes no new sessions, and ends each of the others as soon as it has nothing under way.
    pub(crate) fn drain(&self) {
        self.lock().draining = true;
        self.drain_begun.cancel();
        self.order(Order::Drain);
    }

    /// Waits until no new sessions are taken, and then this long. Cancel safe.
    pub(crate) async fn draining_for(&self, time: Duration) {
        self.drain_begun.cancelled().await;
        sleep(time).await;
    }

    /// Ends every session now.
    pub(crate) fn terminate(&self) {
        self.order(Order::Terminate);
    }

    fn order(&self, order: Order) {
        for session in self.sessions() {
            session.order.fetch_max(order as u8, Ordering::Relaxed);
            session.waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing is left half done under this lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Entry ===

impl Entry {
    /// What the session is doing.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            phase if phase == Phase::Login as u8 => Phase::Login,
            phase if phase == Phase::Idle as u8 => Phase::Idle,
            phase if phase == Phase::IdleInTransaction as u8 => Phase::IdleInTransaction,
            _ => Phase::Active,
        }
    }

    /// Bytes relayed to the backend since the login.
    pub fn to_backend(&self) -> u64 {
        self.to_backend.load(Ordering::Relaxed)
    }

    /// Bytes relayed to the client since the login.
    pub fn to_client(&self) -> u64 {
        self.to_client.load(Ordering::Relaxed)
    }

    pub(crate) fn set_progress(&self, phase: Phase, to_backend: u64, to_client: u64) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.to_backend.store(to_backend, Ordering::Relaxed);
        self.to_client.store(to_client, Ordering::Relaxed);
    }

    /// What the session is told from outside; `waker` is woken when that changes.
    pub(crate) fn listen(&self, waker: &std::task::Waker) -> Order {
        self.waker.register(waker);
        match self.order.load(Ordering::Relaxed) {
            order if order == Order::Serve as u8 => Order::Serve,
            order if order == Order::Drain as u8 => Order::Drain,
            _ => Order::Terminate,
        }
    }
}

// === impl Phase ===

impl Phase {
    /// The word for it, as in `pg_stat_activity.state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Idle => "idle",
            Self::IdleInTransaction => "idle in transaction",
            Self::Active => "active",
        }
    }
}

// === impl Admission ===

impl Admission {
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let metrics = &self.registry.metrics;
        metrics.active.dec();
        metrics.bytes_to_backend.inc_by(self.entry.to_backend());
        metrics.bytes_to_client.inc_by(self.entry.to_client());
        let mut inner = self.registry.lock();
        inner.sessions.remove(&self.entry.id);
        if let Some(count) = inner.per_role.get_mut(&self.entry.user) {
            *count -= 1;
            if *count == 0 {
                inner.per_role.remove(&self.entry.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use querycop_wire::startup::ProtocolVersion;

    use super::*;

    fn registry(max_sessions: usize, per_role: Option<usize>) -> Arc<Registry> {
        let limits = Limits {
            max_sessions,
            max_sessions_per_role: per_role,
            max_startups: 1,
            startup_timeout: Duration::from_secs(1),
            login_timeout: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(1),
            worker_threads: 1,
        };
        Registry::new(&limits, Arc::default())
    }

    fn admit(registry: &Arc<Registry>, user: &str) -> Result<Admission, Refusal> {
        let startup = StartupMessage::new(ProtocolVersion::V3_0, &[("user", user)]).unwrap();
        registry.admit(Entry::new(
            Uuid::now_v7(),
            (PeerAddr::Unix, false),
            &startup,
        ))
    }

    #[test]
    fn a_place_is_free_again_when_its_session_ends() {
        let registry = registry(1, None);
        let first = admit(&registry, "alice").unwrap();
        assert!(matches!(
            admit(&registry, "bob"),
            Err(Refusal::TooManySessions { limit: 1 })
        ));
        drop(first);
        admit(&registry, "bob").unwrap();
    }

    #[test]
    fn a_role_has_its_share() {
        let registry = registry(10, Some(1));
        let _alice = admit(&registry, "alice").unwrap();
        let _bob = admit(&registry, "bob").unwrap();
        let refused = admit(&registry, "alice").unwrap_err();
        assert!(matches!(
            refused,
            Refusal::TooManySessionsOfRole { limit: 1, .. }
        ));
    }

    #[test]
    fn a_draining_gateway_takes_no_one() {
        let registry = registry(10, None);
        let session = admit(&registry, "alice").unwrap();
        registry.drain();
        assert!(matches!(
            admit(&registry, "bob"),
            Err(Refusal::ShuttingDown)
        ));
        assert_eq!(
            session.entry().listen(std::task::Waker::noop()),
            Order::Drain
        );
    }

    #[test]
    fn an_order_is_never_taken_back() {
        let registry = registry(10, None);
        let session = admit(&registry, "alice").unwrap();
        registry.terminate();
        registry.drain();
        assert_eq!(
            session.entry().listen(std::task::Waker::noop()),
            Order::Terminate
        );
    }
}
