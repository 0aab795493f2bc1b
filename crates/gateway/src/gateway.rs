//! Accepts clients, serves them, and comes to an orderly end.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use querycop_serve::{BindError, Endpoint, Listener, PeerAddr, Socket, Watch, Workers};
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::{info, warn};
use uuid::Uuid;

use crate::accepted::Accepted;
use crate::backend::LoadError;
use crate::catalogs::{self, CatalogCollector};
use crate::config::{Config, Route};
use crate::metrics::{Dropped, Metrics};
use crate::oversight::{AuditCollector, Governance};
use crate::readiness::{Readiness, prepare};
use crate::registry::Registry;
use crate::reload::reload;
use crate::session;
use crate::shared::Shared;
use crate::tls::{Acceptor, Connector};

/// Time for terminated sessions to say goodbye to their clients.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A gateway that is ready to be opened.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    startups: Arc<Semaphore>,
    reload: Arc<Notify>,
    watch: Option<Watch>,
}

/// A gateway whose port is open.
#[derive(Debug)]
pub struct Opened {
    gateway: Gateway,
    listener: Listener,
    workers: Workers,
}

/// How a gateway came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Every session had ended.
    Drained,
    /// Sessions were cut off when the drain timeout was over.
    Cut {
        /// How many.
        sessions: usize,
    },
}

/// The port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address can't be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The threads that run sessions can't be started.
    #[error("starting worker threads")]
    Workers(#[source] io::Error),
}

impl Gateway {
    /// Reads the files that the settings name. Must be called within a runtime that lives as long as
    /// the gateway: token commands run on it, and an instance's certificates are renewed on it.
    pub async fn new(config: Config, metrics: Arc<Metrics>) -> Result<Self, LoadError> {
        // Watched before they are read: a change in between is not missed.
        let watch = Watch::begin(&files(&config)).unwrap_or_else(|error| {
            warn!(%error, "certificate and policy files are not watched; SIGHUP still reads them");
            None
        });
        let startups = Arc::new(Semaphore::new(config.limits.max_startups));
        let shared = Arc::new(Shared::load(config, metrics).await?);
        Ok(Self {
            shared,
            startups,
            reload: Arc::default(),
            watch,
        })
    }

    /// The sessions that are being served.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.shared.registry)
    }

    /// Whether clients can be served.
    pub fn readiness(&self) -> Readiness {
        Readiness::new(Arc::clone(&self.shared))
    }

    /// What the audit store counts, if there is one.
    pub fn audit_collector(&self) -> Option<AuditCollector> {
        self.shared.governance.collector()
    }

    /// What is known of the catalogs that are read, if any are.
    pub fn catalog_collector(&self) -> Option<CatalogCollector> {
        CatalogCollector::new(&self.shared)
    }

    /// Waking this reads certificate files and policy again.
    pub fn reload_handle(&self) -> Arc<Notify> {
        Arc::clone(&self.reload)
    }

    /// Opens the port.
    pub fn open(self) -> Result<Opened, OpenError> {
        let listener = Listener::bind(&self.shared.config.listen)?;
        let workers = Workers::start(self.shared.config.limits.worker_threads, "session")
            .map_err(OpenError::Workers)?;
        Ok(Opened {
            gateway: self,
            listener,
            workers,
        })
    }
}

/// The files whose change is watched for.
fn files(config: &Config) -> BTreeSet<PathBuf> {
    let client = config.client_tls.iter().flat_map(Acceptor::files);
    let backend = match &config.backend.route {
        Route::Direct(direct) => Some(Connector::files(&direct.tls)),
        Route::Instance(_) => None,
    };
    client
        .chain(backend.into_iter().flatten())
        .chain(Governance::files(&config.governance))
        .map(PathBuf::from)
        .collect()
}

impl Opened {
    /// Where clients connect.
    pub fn endpoint(&self) -> &Endpoint {
        self.listener.endpoint()
    }

    /// Serves until `stop` is ready; then takes no more clients, ends sessions as they become idle,
    /// and cuts off the others after the drain timeout.
    ///
    /// Not cancel safe: a dropped call cuts off everybody at once.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Shutdown {
        let Self {
            mut gateway,
            mut listener,
            workers,
        } = self;
        let sessions = TaskTracker::new();
        let preparation =
            AbortOnDropHandle::new(tokio::spawn(prepare(Arc::clone(&gateway.shared))));
        let catalogs = catalogs::keep(Arc::clone(&gateway.shared));
        let catalogs = AbortOnDropHandle::new(tokio::spawn(catalogs));
        let mut stop = std::pin::pin!(stop);
        let mut watch = gateway.watch.take();
        loop {
            let changed = async {
                match &mut watch {
                    Some(watch) => watch.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut stop => break,
                (socket, peer) = listener.accept() => gateway.start(socket, peer, &workers, &sessions),
                () = changed => reload(&gateway.shared),
                () = gateway.reload.notified() => reload(&gateway.shared),
            }
        }
        drop((listener, preparation, catalogs));
        drain(&gateway.shared, &sessions).await
    }
}

impl Gateway {
    /// Hands a connection to the least busy worker.
    fn start(&self, socket: Socket, peer: PeerAddr, workers: &Workers, sessions: &TaskTracker) {
        let shared = Arc::clone(&self.shared);
        shared.metrics.connection_accepted();
        let Ok(startup) = Arc::clone(&self.startups).try_acquire_owned() else {
            shared.metrics.dropped(Dropped::TooManyStartups);
            if shared.dropped_log.admits(peer.ip()) {
                warn!(client.addr = %peer, "connection dropped: too many have not sent a start-up packet");
            }
            return;
        };
        let socket = match socket.detach() {
            Ok(socket) => socket,
            Err(error) => {
                warn!(client.addr = %peer, %error, "connection dropped: it can't be handed to a worker");
                return;
            }
        };
        let session = async move {
            match socket.attach() {
                Ok(socket) => {
                    let id = Uuid::now_v7();
                    session::serve(Accepted {
                        shared,
                        id,
                        socket,
                        peer,
                        startup,
                    })
                    .await;
                }
                Err(error) => {
                    warn!(client.addr = %peer, %error, "connection dropped: it can't be served");
                }
            }
        };
        workers.least_busy().spawn(sessions.track_future(session));
    }
}

/// Ends the sessions: the idle ones now, the busy ones when they are done or out of time.
async fn drain(shared: &Arc<Shared>, sessions: &TaskTracker) -> Shutdown {
    let limit = shared.config.limits.drain_timeout;
    let served = sessions.len();
    sessions.close();
    // Before it is told: whoever reads the line and connects then is to be refused.
    shared.registry.drain();
    info!(sessions = served, timeout = ?limit, "shutting down, waiting for sessions");
    if timeout(limit, sessions.wait()).await.is_ok() {
        return Shutdown::Drained;
    }
    let left = sessions.len();
    warn!(
        sessions = left,
        "drain timeout is over, sessions are cut off"
    );
    shared.registry.terminate();
    // Whoever does not even take the last words is cut off without them.
    let _ = timeout(LAST_WORDS, sessions.wait()).await;
    Shutdown::Cut { sessions: left }
}
