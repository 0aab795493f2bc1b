//! An instance as clients of a listener reach it: which one it is now, and how it is dialled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use alloydb_connector::{DialOptions, Dialer, Error, IamLogin, InstanceUri, Stream};
use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use thiserror::Error as ThisError;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::client_tls::{Acceptor, MaterialError};
use crate::dialers::{Dialers, same};
use crate::dns::{self, LookupError, Resolve};
use crate::log::{Logger, chain};
use crate::metrics::{InstanceMetrics, Metrics, Outcome, short};
use crate::{FailedInstance, Identity, Instance, InstanceName};

/// Where the clients of a listener are led.
pub(crate) struct Target {
    label: String,
    identity: Identity,
    dialer: Dialer,
    /// Dialled last.
    dialled: ArcSwapOption<Current>,
    options: DialOptions,
    acceptor: Option<Acceptor>,
    current: Arc<ArcSwapOption<Current>>,
    logger: Logger,
    /// Keeps `current` current, if it has a DNS name.
    _followed: Option<Arc<Followed>>,
}

/// A DNS name that is asked for again and again, while a target has it. All that have it share one, also
/// those before and after a reload: connections end when it leads elsewhere, whichever they came by.
struct Followed {
    current: Arc<ArcSwapOption<Current>>,
    _task: AbortOnDropHandle<()>,
}

/// The DNS names that are followed.
#[derive(Default)]
pub(crate) struct Names(Mutex<HashMap<String, Weak<Followed>>>);

/// The instance behind a name, until another takes its place.
pub(crate) struct Current {
    pub(crate) uri: InstanceUri,
    pub(crate) metrics: Arc<InstanceMetrics>,
    /// Cancelled when the name leads elsewhere: connections end then.
    pub(crate) replaced: CancellationToken,
}

/// What targets are made with.
pub(crate) struct Workshop {
    pub(crate) dialers: Dialers,
    pub(crate) identity: Identity,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) dns_period: Duration,
    pub(crate) names: Names,
    pub(crate) failed_instance: FailedInstance,
    pub(crate) logger: Logger,
}

/// An instance can't be set up.
#[derive(Debug, ThisError)]
pub(crate) enum TargetError {
    #[error(transparent)]
    Dialer(#[from] Error),
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error("TLS toward clients")]
    Tls(#[from] MaterialError),
}

impl Workshop {
    /// Sets an instance up: credentials, certificate, and where its name leads.
    pub(crate) async fn target(&self, instance: &Instance) -> Result<Arc<Target>, TargetError> {
        let identity = instance.identity.as_ref().unwrap_or(&self.identity);
        let dialer = self.dialers.of(identity).await?;
        let acceptor = match &instance.tls {
            Some(tls) => Some(Acceptor::load(tls)?),
            None => None,
        };
        let iam_login = if instance.auto_iam_authn {
            IamLogin::On
        } else {
            IamLogin::Off
        };
        let (current, followed) = match &instance.name {
            InstanceName::Uri(uri) => {
                let current = current(&self.metrics, uri.clone());
                (Arc::new(ArcSwapOption::from(Some(current))), None)
            }
            InstanceName::Dns(name) => {
                let followed = self.follow(name).await?;
                (Arc::clone(&followed.current), Some(followed))
            }
        };
        Ok(Arc::new(Target {
            label: label(&instance.name),
            identity: identity.clone(),
            dialer,
            dialled: ArcSwapOption::empty(),
            options: DialOptions::new()
                .ip_type(instance.ip_type)
                .iam_login(iam_login),
            acceptor,
            current,
            logger: self.logger.clone(),
            _followed: followed,
        }))
    }

    /// Looks the name up, and goes on doing so.
    async fn follow(&self, name: &str) -> Result<Arc<Followed>, LookupError> {
        let known = self.names.get(name);
        let current = known.as_ref().map(|known| Arc::clone(&known.current));
        let follower = Follower {
            name: name.to_owned(),
            current: current.unwrap_or_default(),
            metrics: Arc::clone(&self.metrics),
            resolver: Arc::clone(&self.resolver),
            logger: self.logger.clone(),
        };
        match dns::look_up(&self.resolver, name).await {
            Ok(uri) => follower.found(uri),
            Err(error) if follower.current.load().is_some() => follower.failed(&error),
            Err(error) => {
                self.metrics.name_failed(name);
                if self.failed_instance == FailedInstance::EndsAll {
                    return Err(error);
                }
                let period = self.dns_period;
                let error = chain(&error);
                self.logger.error(format_args!(
                    "[{name}] leads nowhere yet, the next lookup is in {period:?}: {error}"
                ));
            }
        }
        if let Some(known) = known {
            return Ok(known);
        }
        let made = Arc::new(Followed {
            current: Arc::clone(&follower.current),
            _task: AbortOnDropHandle::new(tokio::spawn(follower.run(self.dns_period))),
        });
        self.names.put(name, &made);
        Ok(made)
    }
}

impl Names {
    fn get(&self, name: &str) -> Option<Arc<Followed>> {
        self.all().get(name)?.upgrade()
    }

    fn put(&self, name: &str, followed: &Arc<Followed>) {
        let mut all = self.all();
        all.retain(|_, followed| followed.strong_count() > 0);
        all.insert(name.to_owned(), Arc::downgrade(followed));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Weak<Followed>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn current(metrics: &Arc<Metrics>, uri: InstanceUri) -> Arc<Current> {
    Arc::new(Current {
        metrics: Arc::new(metrics.of(&uri)),
        uri,
        replaced: CancellationToken::new(),
    })
}

/// How the log calls an instance.
pub(crate) fn label(name: &InstanceName) -> String {
    match name {
        InstanceName::Uri(uri) => short(uri),
        InstanceName::Dns(name) => name.clone(),
    }
}

impl Target {
    /// How the log calls it.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// TLS toward its clients.
    pub(crate) fn acceptor(&self) -> Option<&Acceptor> {
        self.acceptor.as_ref()
    }

    /// The instance now; `None` while its name leads nowhere.
    pub(crate) fn current(&self) -> Option<Arc<Current>> {
        self.current.load_full()
    }

    /// Whether it dials the same instance with the same certificate.
    pub(crate) fn shares_with(&self, other: &Self) -> bool {
        let uri = |target: &Self| target.current().map(|current| current.uri.clone());
        same(&self.identity, &other.identity) && uri(self) == uri(other)
    }

    /// Leaves the certificate of its instance as it is: nobody is led there any more.
    pub(crate) fn rest(&self) {
        for current in self.current().iter().chain(&self.dialled.load_full()) {
            self.dialer.rest(&current.uri);
        }
    }

    /// Dials it.
    pub(crate) async fn dial(&self, current: &Arc<Current>) -> Result<Stream, Error> {
        self.leave_behind(current);
        let label = &self.label;
        self.logger
            .debug(format_args!("[{label}] dialing {}", current.uri));
        let began = Instant::now();
        let dialled = self.dialer.dial(&current.uri, &self.options).await;
        let took = began.elapsed();
        current.metrics.dialled(Outcome::of(&dialled), took);
        match &dialled {
            Ok(stream) if self.logger.has_debug() => {
                let peer = stream.peer_addr().map(|peer| format!(" to {peer}"));
                let peer = peer.unwrap_or_default();
                let expiry = self.dialer.status(&current.uri);
                let expiry = expiry.and_then(|status| status.certificate_expires_at());
                let expiry = expiry.and_then(|at| Timestamp::try_from(at).ok());
                let expiry = expiry.map(|at| format!(", certificate expires at {at}"));
                self.logger.debug(format_args!(
                    "[{label}] connected{peer} in {took:?}{}",
                    expiry.unwrap_or_default()
                ));
            }
            Ok(_) => {}
            Err(_) => self
                .logger
                .debug(format_args!("[{label}] no connection after {took:?}")),
        }
        dialled
    }

    /// Of the instance that was dialled before, if this is another one, nobody needs the certificate.
    fn leave_behind(&self, current: &Arc<Current>) {
        let dialled = self.dialled.load();
        if dialled
            .as_ref()
            .is_some_and(|dialled| Arc::ptr_eq(dialled, current))
        {
            return;
        }
        let before = self.dialled.swap(Some(Arc::clone(current)));
        if let Some(before) = before
            && before.uri != current.uri
        {
            self.dialer.rest(&before.uri);
        }
    }

    /// Tells when the client certificate expires, if there is one.
    pub(crate) fn observe(&self, metrics: &Metrics) {
        let Some(current) = self.current() else {
            return;
        };
        let status = self.dialer.status(&current.uri);
        if let Some(expiry) = status.and_then(|status| status.certificate_expires_at()) {
            metrics.certificate_expires(&short(&current.uri), expiry);
        }
    }
}

/// Keeps a name's instance current.
struct Follower {
    name: String,
    current: Arc<ArcSwapOption<Current>>,
    metrics: Arc<Metrics>,
    resolver: Arc<dyn Resolve>,
    logger: Logger,
}

impl Follower {
    async fn run(self, period: Duration) {
        // A period of zero is none.
        let period = period.max(Duration::from_millis(1));
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match dns::look_up(&self.resolver, &self.name).await {
                Ok(uri) => self.found(uri),
                Err(error) => self.failed(&error),
            }
        }
    }

    fn failed(&self, error: &LookupError) {
        self.metrics.name_failed(&self.name);
        let (name, error) = (&self.name, chain(error));
        self.logger
            .error(format_args!("[{name}] stays where it was: {error}"));
    }

    fn found(&self, uri: InstanceUri) {
        let before = self.current.load_full();
        if before.as_ref().is_some_and(|before| before.uri == uri) {
            return;
        }
        let (name, to) = (&self.name, short(&uri));
        self.current.store(Some(current(&self.metrics, uri)));
        match before {
            Some(before) => {
                self.metrics.name_changed(name);
                let from = short(&before.uri);
                self.logger.info(format_args!(
                    "[{name}] leads to {to} now, connections to {from} are closed"
                ));
                before.replaced.cancel();
            }
            None => self.logger.info(format_args!("[{name}] leads to {to}")),
        }
    }
}
