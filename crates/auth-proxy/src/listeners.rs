//! The listeners of all instances, as a set that can change while clients are served.

use std::sync::Arc;

use arc_swap::ArcSwap;
use querycop_serve::{Endpoint, Listener, Workers};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::bind::{self, OpenError};
use crate::dialers::same_own;
use crate::instance::{Target, TargetError, Workshop, label};
use crate::log::{Logger, chain};
use crate::metrics::Metrics;
use crate::session::Sessions;
use crate::{FailedInstance, Instance};

/// What accept loops hand clients to.
#[derive(Clone)]
pub(crate) struct Serving {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) logger: Logger,
}

/// The set.
pub(crate) struct Listeners {
    workshop: Workshop,
    serving: Serving,
    entries: Vec<Entry>,
    skipped: Vec<Skipped>,
    is_open: bool,
}

/// An instance that was left out.
#[derive(Clone, Debug)]
pub(crate) struct Skipped {
    pub(crate) label: String,
    pub(crate) reason: String,
}

/// Instances that are to take the place of those that there are, and what leads to those of them that
/// are new or have changed.
pub(crate) struct Prepared(Vec<Wanted>);

/// An instance, and what leads to it if that was made already.
struct Wanted {
    instance: Instance,
    target: Option<Result<Arc<Target>, TargetError>>,
}

/// A listener and where its clients are led.
struct Entry {
    instance: Instance,
    endpoint: Endpoint,
    target: Arc<ArcSwap<Target>>,
    /// While clients wait in the kernel.
    listener: Option<Listener>,
    /// While they are accepted: until the guard is dropped.
    accepting: Option<(DropGuard, JoinHandle<()>)>,
}

/// An instance can't be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("[{label}] Unable to mount socket")]
    Open {
        label: String,
        #[source]
        cause: OpenError,
    },
    #[error("[{label}] can't be set up")]
    Target {
        label: String,
        #[source]
        cause: TargetError,
    },
    #[error("no instance could be set up")]
    Nothing,
}

impl Listeners {
    /// Opens a listener for each instance, in order; no client is accepted yet. What was opened is
    /// closed if one fails that may not be skipped.
    pub(crate) async fn bind(
        workshop: Workshop,
        serving: Serving,
        instances: Vec<Instance>,
    ) -> Result<Self, ServeError> {
        let mut set = Self {
            workshop,
            serving,
            entries: Vec::new(),
            skipped: Vec::new(),
            is_open: false,
        };
        for instance in instances {
            let target = None;
            let added = set.add(Wanted { instance, target }).await;
            match added {
                Err(error) if set.workshop.failed_instance == FailedInstance::EndsAll => {
                    return Err(error);
                }
                _ => {}
            }
        }
        if set.entries.is_empty() {
            return Err(ServeError::Nothing);
        }
        Ok(set)
    }

    /// Begins to accept.
    pub(crate) fn open(&mut self) {
        self.is_open = true;
        for entry in &mut self.entries {
            entry.open(&self.serving);
        }
    }

    /// Closes all listeners; returns when their sockets are closed.
    pub(crate) async fn close(&mut self) {
        for entry in self.entries.drain(..) {
            entry.close().await;
        }
    }

    /// What each listener is called and where it is.
    pub(crate) fn endpoints(&self) -> Vec<(String, Endpoint)> {
        let entries = self.entries.iter();
        entries
            .map(|entry| {
                (
                    entry.target.load().label().to_owned(),
                    entry.endpoint.clone(),
                )
            })
            .collect()
    }

    /// Where clients are led.
    pub(crate) fn targets(&self) -> Vec<Arc<Target>> {
        self.entries
            .iter()
            .map(|entry| entry.target.load_full())
            .collect()
    }

    /// The instances that were left out.
    pub(crate) fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// What the dialers are made with.
    pub(crate) fn workshop(&self) -> &Workshop {
        &self.workshop
    }

    /// Sets up what is new in `instances`: credentials, certificates, and where names lead. Cancel
    /// safe: nothing has changed before [`change`](Self::change).
    pub(crate) async fn prepare(&self, instances: Vec<Instance>) -> Prepared {
        let mut prepared = Vec::new();
        for instance in instances {
            let mut entries = self.entries.iter();
            let target = if entries.any(|entry| is_same(&entry.instance, &instance)) {
                None
            } else {
                Some(self.workshop.target(&instance).await)
            };
            prepared.push(Wanted { instance, target });
        }
        Prepared(prepared)
    }

    /// Makes the set that of `instances`: listeners that stay are left alone, those that go are
    /// closed, new ones are opened. Sessions go on whatever becomes of their listeners.
    ///
    /// One that can't be set up is skipped, and `false` is returned. Not cancel safe.
    pub(crate) async fn change(&mut self, Prepared(instances): Prepared) -> bool {
        let skipped_before = std::mem::take(&mut self.skipped);
        for skipped in &skipped_before {
            self.metrics().gone(&skipped.label);
        }
        let targets_before = self.targets();
        let mut old = std::mem::take(&mut self.entries);
        let mut kept = Vec::new();
        // First each instance's own socket, then one that another gives up.
        let mut others = Vec::new();
        for wanted in instances {
            match old.iter().position(|entry| is_own(entry, &wanted.instance)) {
                Some(position) => kept.push((old.remove(position), wanted)),
                None => others.push(wanted),
            }
        }
        let mut new = Vec::new();
        for wanted in others {
            match old
                .iter()
                .position(|entry| is_on_socket(entry, &wanted.instance))
            {
                Some(position) => kept.push((old.remove(position), wanted)),
                None => new.push(wanted),
            }
        }
        for entry in old {
            self.remove(entry).await;
        }
        for (entry, wanted) in kept {
            self.keep(entry, wanted).await;
        }
        for wanted in new {
            // It is told there.
            let _ = self.add(wanted).await;
        }
        // One that went may have had the name of one that stays.
        for entry in &self.entries {
            self.metrics().listening(entry.target.load().label(), true);
        }
        let targets = self.targets();
        for target in targets_before {
            if !targets.iter().any(|other| other.shares_with(&target)) {
                target.rest();
            }
        }
        self.skipped.is_empty()
    }

    async fn add(&mut self, wanted: Wanted) -> Result<(), ServeError> {
        let label = label(&wanted.instance.name);
        let made = self.make(&label, wanted).await;
        self.metrics().listening(&label, made.is_ok());
        match made {
            Ok(mut entry) => {
                self.serving
                    .logger
                    .info(format_args!("[{label}] Listening on {}", entry.endpoint));
                if self.is_open {
                    entry.open(&self.serving);
                }
                self.entries.push(entry);
                Ok(())
            }
            Err(error) => {
                self.skip(label, &error);
                Err(error)
            }
        }
    }

    async fn make(&self, label: &str, wanted: Wanted) -> Result<Entry, ServeError> {
        let Wanted { instance, target } = wanted;
        let target = self.target(&instance, target).await;
        let target = target.map_err(|cause| ServeError::Target {
            label: label.to_owned(),
            cause,
        })?;
        let listener = bind::open(&instance.bind).map_err(|cause| ServeError::Open {
            label: label.to_owned(),
            cause,
        })?;
        Ok(Entry {
            instance,
            endpoint: listener.endpoint().clone(),
            target: Arc::new(ArcSwap::new(target)),
            listener: Some(listener),
            accepting: None,
        })
    }

    /// What was made already, or else is made now.
    async fn target(
        &self,
        instance: &Instance,
        made: Option<Result<Arc<Target>, TargetError>>,
    ) -> Result<Arc<Target>, TargetError> {
        match made {
            Some(made) => made,
            None => self.workshop.target(instance).await,
        }
    }

    /// Leaves the listener open, and leads its clients elsewhere if that has changed.
    async fn keep(&mut self, mut entry: Entry, wanted: Wanted) {
        let Wanted { instance, target } = wanted;
        if let Some(acceptor) = entry.target.load().acceptor()
            && let Err(error) = acceptor.reload()
        {
            let label = label(&instance.name);
            let error = chain(&error);
            self.serving.logger.error(format_args!(
                "[{label}] the certificate stays as it was, the new one can't be used: {error}"
            ));
        }
        if is_same(&entry.instance, &instance) {
            self.entries.push(entry);
            return;
        }
        let label = label(&instance.name);
        match self.target(&instance, target).await {
            Ok(target) => {
                if entry.instance.name != instance.name {
                    self.metrics().gone(entry.target.load().label());
                    self.metrics().listening(&label, true);
                }
                entry.target.store(target);
                entry.instance = instance;
                self.serving
                    .logger
                    .info(format_args!("[{label}] Listening on {}", entry.endpoint));
                self.entries.push(entry);
            }
            Err(cause) => {
                let is_other = entry.instance.name != instance.name;
                self.skip(label.clone(), &ServeError::Target { label, cause });
                // With other settings than before, but never in front of another instance.
                if is_other {
                    self.remove(entry).await;
                } else {
                    self.entries.push(entry);
                }
            }
        }
    }

    async fn remove(&mut self, entry: Entry) {
        let label = entry.target.load().label().to_owned();
        let endpoint = entry.endpoint.clone();
        entry.close().await;
        self.metrics().gone(&label);
        self.serving.logger.info(format_args!(
            "[{label}] no longer listening on {endpoint}, open connections go on"
        ));
    }

    fn skip(&mut self, label: String, error: &ServeError) {
        let reason = chain(error);
        if self.is_open || self.workshop.failed_instance == FailedInstance::IsSkipped {
            self.serving
                .logger
                .error(format_args!("instance skipped: {reason}"));
        }
        self.skipped.push(Skipped { label, reason });
    }

    fn metrics(&self) -> &Metrics {
        &self.workshop.metrics
    }
}

fn is_on_socket(entry: &Entry, instance: &Instance) -> bool {
    entry.instance.bind == instance.bind
}

fn is_own(entry: &Entry, instance: &Instance) -> bool {
    is_on_socket(entry, instance) && entry.instance.name == instance.name
}

fn is_same(one: &Instance, other: &Instance) -> bool {
    let Instance {
        name,
        bind,
        ip_type,
        auto_iam_authn,
        identity,
        tls,
    } = one;
    *name == other.name
        && *bind == other.bind
        && *ip_type == other.ip_type
        && *auto_iam_authn == other.auto_iam_authn
        && same_own(identity.as_ref(), other.identity.as_ref())
        && *tls == other.tls
}

// === impl Entry ===

impl Entry {
    fn open(&mut self, serving: &Serving) {
        let Some(listener) = self.listener.take() else {
            return;
        };
        let stop = CancellationToken::new();
        let accepting = accept(
            listener,
            Arc::clone(&self.target),
            serving.clone(),
            stop.clone(),
        );
        self.accepting = Some((stop.drop_guard(), tokio::spawn(accepting)));
    }

    async fn close(mut self) {
        if let Some((guard, accepting)) = self.accepting.take() {
            drop(guard);
            // It only ever ends as it is told.
            let _ = accepting.await;
        }
    }
}

/// Hands clients to the least busy worker.
async fn accept(
    mut listener: Listener,
    target: Arc<ArcSwap<Target>>,
    serving: Serving,
    stop: CancellationToken,
) {
    loop {
        let accepted = stop.run_until_cancelled(listener.accept()).await;
        let Some((socket, peer)) = accepted else {
            return;
        };
        let target = target.load_full();
        let Some(session) = serving.sessions.accept(&target, peer) else {
            continue;
        };
        let socket = match socket.detach() {
            Ok(socket) => socket,
            Err(error) => {
                let label = target.label();
                serving
                    .logger
                    .error(format_args!("[{label}] connection lost: {error}"));
                continue;
            }
        };
        serving.workers.least_busy().spawn(async move {
            // Without a place in the reactor there is nobody to be told, not even the client.
            if let Ok(socket) = socket.attach() {
                session.run(socket).await;
            }
        });
    }
}
