//! What is known of one instance, and the one task that renews it.
//!
//! Everybody who dials reads the last published state; nobody who dials ever runs a refresh. So a
//! dropped dial cancels nothing, and a thousand first dials wait for one refresh. An entry is never
//! thrown away while its dialer lives, so its limiter survives every failure.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::limiter::{Limiter, Need};
use super::schedule::{self, BUFFER};
use super::{Fetch, Material};
use crate::clock::Clock;
use crate::step::{self, chain, step};
use crate::telemetry::{CacheUse, RefreshStatus, Telemetry};
use crate::{Error, InstanceStatus, InstanceUri, RefreshError, RefreshFailure, RefreshStrategy};

/// Longest wait for the limiter, which a caller's own wait has to include.
const LONGEST_PACE: Duration = Duration::from_secs(30);

/// How an entry goes about its refreshes.
#[derive(Clone)]
pub(crate) struct Pace {
    pub(crate) strategy: RefreshStrategy,
    /// For one refresh as a whole.
    pub(crate) refresh_timeout: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) closed: CancellationToken,
    pub(crate) telemetry: Telemetry,
}

pub(crate) struct Entry {
    instance: InstanceUri,
    pace: Pace,
    state: watch::Sender<State>,
    wake: Notify,
    limiter: Mutex<Limiter>,
}

#[derive(Clone, Debug, Default)]
struct State {
    material: Option<Arc<Material>>,
    /// Of the last refresh; none after a success.
    failure: Option<RefreshError>,
    /// How many refreshes have ended.
    finished: u64,
    /// A refresh runs, waits for the limiter, or has been asked for.
    busy: bool,
    /// Nobody dials it any more, so that it isn't renewed ahead.
    resting: bool,
    /// The task is gone, so there will be no further refresh.
    ended: bool,
}

/// An entry in its task's hands. A runtime that shuts down throws tasks away without a word; those
/// who wait learn of it here.
struct Running(Arc<Entry>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.ended = true);
    }
}

impl Entry {
    /// An entry and the task that is to be spawned for it.
    pub(crate) fn new(
        instance: InstanceUri,
        pace: Pace,
        fetch: Arc<dyn Fetch>,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + 'static) {
        let entry = Arc::new(Self {
            instance,
            pace,
            state: watch::Sender::default(),
            wake: Notify::new(),
            limiter: Mutex::new(Limiter::new(Instant::now())),
        });
        let run = Self::run(Running(entry.clone()), fetch);
        (entry, run)
    }

    /// Material that is valid now; waits for a refresh if there is none.
    ///
    /// Cancel safe: the refresh goes on.
    pub(crate) async fn material(&self) -> Result<(Arc<Material>, CacheUse), Error> {
        if self.pace.closed.is_cancelled() {
            return Err(self.closed());
        }
        // A copy, because to ask for a refresh is to write what is borrowed here.
        let state = self.state.borrow().clone();
        if state.resting {
            self.state
                .send_if_modified(|state| std::mem::take(&mut state.resting));
        }
        if let Some(material) = self.usable(&state) {
            return Ok((material, CacheUse::Hit));
        }
        // The answer won't be another one yet, and asking for it is not allowed yet.
        if let Some(failure) = state.failure
            && failure.is_terminal()
            && !state.busy
            && !self.is_ready()
            && self.limiter().has_just_failed(Instant::now())
        {
            return Err(failure.into());
        }
        let finished = state.finished;
        self.demand(|state| state.finished == finished);
        let state = self.next(finished).await?;
        if let Some(material) = state.valid(self.pace.clock.now()) {
            return Ok((material, CacheUse::Miss));
        }
        match state.failure {
            Some(failure) => Err(failure.into()),
            None => Err(self.expired(&state).into()),
        }
    }

    /// Newer material than `seen`, if a refresh may be made right now; else none.
    ///
    /// Cancel safe: the refresh goes on.
    pub(crate) async fn newer(&self, seen: &Arc<Material>) -> Result<Option<Arc<Material>>, Error> {
        let finished = {
            let state = self.state.borrow();
            match &state.material {
                Some(current) if !Arc::ptr_eq(current, seen) => return Ok(Some(current.clone())),
                _ if !state.busy && !self.is_ready() => return Ok(None),
                _ => state.finished,
            }
        };
        self.demand(|state| state.finished == finished);
        let state = self.next(finished).await?;
        Ok(state.material.filter(|now| !Arc::ptr_eq(now, seen)))
    }

    /// Asks for a refresh because a dial with `failed` went wrong. What is newer already is not
    /// renewed again, so that a thousand failed dials force one refresh.
    pub(crate) fn force(&self, failed: &Arc<Material>) {
        self.demand(|state| state.has(failed));
    }

    /// Leaves it alone until it is dialled again.
    pub(crate) fn rest(&self) {
        self.state.send_if_modified(|state| {
            let was_resting = std::mem::replace(&mut state.resting, true);
            !was_resting
        });
    }

    pub(crate) fn status(&self) -> InstanceStatus {
        let state = self.state.borrow();
        let material = state.material.as_ref();
        InstanceStatus {
            addresses: material.map_or_else(Default::default, |known| known.addresses.clone()),
            certificate_expires_at: material.map(|known| known.expires_at),
            refreshed_at: material.map(|known| known.refreshed_at),
            last_failure: state.failure.as_ref().map(|failure| chain(failure)),
        }
    }

    /// What can be dialled with now. Asks for a renewal on the way if one is due.
    fn usable(&self, state: &State) -> Option<Arc<Material>> {
        let material = state.material.as_ref()?;
        let now = self.pace.clock.now();
        if !material.is_valid(now) {
            return None;
        }
        let life = material.life;
        let left = material.expires_at.duration_since(now).unwrap_or_default();
        let buffer = BUFFER.min(life / 2);
        if left > buffer {
            return Some(material.clone());
        }
        match self.pace.strategy {
            // The timer is late: the machine was asleep, or refreshes fail.
            RefreshStrategy::Ahead => {
                self.demand(|state| state.has(material));
                Some(material.clone())
            }
            // What is still valid is better than to wait for the limiter.
            RefreshStrategy::Lazy if state.failure.is_some() && !self.is_ready() => {
                Some(material.clone())
            }
            RefreshStrategy::Lazy => None,
        }
    }

    /// The state after the refresh that is under way.
    async fn next(&self, finished: u64) -> Result<State, Error> {
        let mut changes = self.state.subscribe();
        let ended = changes.wait_for(|state| state.finished != finished || state.ended);
        let patience = self.pace.refresh_timeout + LONGEST_PACE;
        tokio::select! {
            () = self.pace.closed.cancelled() => Err(self.closed()),
            ended = timeout(patience, ended) => match ended {
                Ok(Ok(state)) if state.finished != finished => Ok(state.clone()),
                Ok(Ok(_)) => Err(self.closed()),
                // The sender lives as long as this entry.
                Ok(Err(_)) | Err(_) => Err(self.timed_out().into()),
            },
        }
    }

    /// Asks for a refresh if none is under way, and if what it is wanted for still holds: between
    /// the look at the state and the demand another refresh may have brought what is wanted.
    fn demand(&self, wanted: impl FnOnce(&State) -> bool) {
        let asked = self.state.send_if_modified(|state| {
            let first = !state.busy && wanted(state);
            state.busy |= first;
            first
        });
        if asked {
            self.wake.notify_one();
        }
    }

    fn is_ready(&self) -> bool {
        let (need, _) = self.need();
        self.limiter().is_ready(need, Instant::now())
    }

    /// How much a refresh is needed, and for how long that stays so at most.
    fn need(&self) -> (Need, Duration) {
        let now = self.pace.clock.now();
        match self.state.borrow().valid(now) {
            Some(material) => {
                let left = material.expires_at.duration_since(now);
                (Need::Renewal, left.unwrap_or_default())
            }
            None => (Need::Everything, Duration::MAX),
        }
    }

    fn limiter(&self) -> std::sync::MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> Error {
        Error::Closed {
            instance: Some(self.instance.clone()),
        }
    }

    /// The clock jumped, or this task stood still for longer than the new certificate lived.
    fn expired(&self, state: &State) -> RefreshError {
        let end = state.material.as_ref().map(|material| material.expires_at);
        let now = self.pace.clock.now();
        let ago = end.and_then(|end| now.duration_since(end).ok());
        let ago = ago.unwrap_or_default();
        RefreshError::new(&self.instance, RefreshFailure::Expired { ago })
    }

    fn timed_out(&self) -> RefreshError {
        let after = self.pace.refresh_timeout;
        RefreshError::new(&self.instance, RefreshFailure::Timeout { after })
    }

    /// The task: waits until a refresh is due or asked for, makes it, publishes what came.
    async fn run(running: Running, fetch: Arc<dyn Fetch>) {
        let entry = &running.0;
        let closed = entry.pace.closed.clone();
        let refreshes = async {
            let mut due = None;
            loop {
                if entry.wait(due).await {
                    due = entry.refresh(&fetch).await;
                }
            }
        };
        // The loop has no end of its own, so the result is that the dialer is closed.
        closed.run_until_cancelled(refreshes).await;
    }

    /// Whether a refresh is to be made, after the wait for either reason.
    async fn wait(&self, due: Option<Instant>) -> bool {
        let timer = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
            let mut changes = self.state.subscribe();
            // The sender lives as long as this entry.
            let _ = changes.wait_for(|state| !state.resting).await;
        };
        tokio::select! {
            () = timer => self.state.send_modify(|state| state.busy = true),
            () = self.wake.notified() => {}
        }
        // A wake-up may be left over from a demand that the timer's refresh has met.
        self.state.borrow().busy
    }

    /// One refresh at the limiter's pace; says when the next one is due.
    async fn refresh(&self, fetch: &Arc<dyn Fetch>) -> Option<Instant> {
        loop {
            let (need, until) = self.need();
            let taken = self.limiter().take(need, Instant::now());
            match taken {
                Ok(()) => break,
                Err(wait) => sleep(wait.min(until)).await,
            }
        }
        let span = step!("refresh", alloydb.instance = %self.instance);
        let outcome = async {
            let outcome = self.fetched(fetch.clone()).await;
            match &outcome {
                Ok(_) => tracing::debug!("certificate and addresses renewed"),
                Err(error) => tracing::warn!(error = %chain(error), "refresh failed"),
            }
            outcome
        };
        let outcome = step::take(span, outcome).await;
        let status = match &outcome {
            Ok(_) => RefreshStatus::Success,
            Err(_) => RefreshStatus::Failure,
        };
        let strategy = self.pace.strategy;
        let telemetry = &self.pace.telemetry;
        telemetry.refreshed(&self.instance, strategy, status);
        self.publish(outcome)
    }

    /// What comes within the timeout. Fetched in a task of its own, so that a token source that
    /// panics doesn't end this one, which all later dials wait for.
    async fn fetched(&self, fetch: Arc<dyn Fetch>) -> Result<Material, RefreshError> {
        let instance = self.instance.clone();
        let fetching = async move { fetch.fetch(&instance).await };
        let fetching = AbortOnDropHandle::new(tokio::spawn(fetching.in_current_span()));
        match timeout(self.pace.refresh_timeout, fetching).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(RefreshError::new(&self.instance, RefreshFailure::Panicked)),
            Err(_) => Err(self.timed_out()),
        }
    }

    fn publish(&self, outcome: Result<Material, RefreshError>) -> Option<Instant> {
        let now = Instant::now();
        let wall = self.pace.clock.now();
        let mut due = None;
        match &outcome {
            Ok(material) => {
                let life = material.life;
                self.limiter().succeeded(life, now);
                due = Some(now + schedule::jittered(schedule::wait(life), rand::random()));
            }
            Err(_) => self.limiter().failed(now),
        }
        self.state.send_modify(|state| {
            state.finished += 1;
            state.busy = false;
            match outcome {
                Ok(material) => {
                    state.material = Some(Arc::new(material));
                    state.failure = None;
                }
                Err(failure) => {
                    // While there is something to lose, it is tried again at the limiter's pace.
                    // Else, or if the answer was final, the next dial asks.
                    let valid = state.valid(wall).is_some();
                    due = (valid && !failure.is_terminal()).then_some(now);
                    state.failure = Some(failure);
                }
            }
        });
        match self.pace.strategy {
            RefreshStrategy::Ahead => due,
            RefreshStrategy::Lazy => None,
        }
    }
}

impl State {
    fn valid(&self, now: SystemTime) -> Option<Arc<Material>> {
        let material = self.material.as_ref();
        material.filter(|known| known.is_valid(now)).cloned()
    }

    fn has(&self, material: &Arc<Material>) -> bool {
        let current = self.material.as_ref();
        current.is_some_and(|current| Arc::ptr_eq(current, material))
    }
}

#[cfg(test)]
mod tests;
