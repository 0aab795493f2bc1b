//! One client, from its accept to its last byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use alloydb_connector::Stream;
use querycop_serve::{PeerAddr, Socket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::client_tls::{Client, Negotiated};
use crate::instance::{Current, Target};
use crate::log::{Logger, chain};
use crate::metrics::{InstanceMetrics, Metrics, Open, Refused};
use crate::places::{Place, Places};
use crate::refusal::Refusal;
use crate::relay::{Break, End, Presence, relay};

/// For a client to be led to TLS, handshake included.
const TLS_DEADLINE: Duration = Duration::from_secs(10);

/// Clients that are being told why they aren't served. What comes beyond them is closed in silence,
/// so that clients over the limit take no more than that of descriptors and memory.
const MAX_REFUSED: usize = 128;

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Sessions {
    places: Arc<Places>,
    refused: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    logger: Logger,
    /// Ends all of them.
    cut: CancellationToken,
}

/// A client that was accepted: it has a place, or is to be told that there is none.
pub(crate) struct Accepted {
    sessions: Arc<Sessions>,
    target: Arc<Target>,
    current: Option<Arc<Current>>,
    entry: Entry,
}

enum Entry {
    Admitted(Admission),
    /// The limit is reached; the permit is for being told so.
    Full(i64, OwnedSemaphorePermit),
}

/// A client's place, and that it is counted: held until the client has gone, or seems to have.
struct Admission {
    place: Place,
    _open: Option<Open>,
}

impl Presence for Admission {
    fn leave(&mut self) {
        self.place.leave();
    }
}

/// A client with its instance.
struct Connected {
    client: Client,
    server: Stream,
    /// What the client has said already.
    first: Box<[u8]>,
    current: Arc<Current>,
    label: Box<str>,
    admission: Admission,
}

impl Sessions {
    pub(crate) fn new(places: Arc<Places>, metrics: Arc<Metrics>, logger: Logger) -> Self {
        Self {
            places,
            refused: Arc::new(Semaphore::new(MAX_REFUSED)),
            metrics,
            logger,
            cut: CancellationToken::new(),
        }
    }

    /// Ends all sessions at once.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }

    /// Counts a client and gives it a place; `None` if it is to be closed without a word.
    pub(crate) fn accept(
        self: &Arc<Self>,
        target: &Arc<Target>,
        peer: PeerAddr,
    ) -> Option<Accepted> {
        let label = target.label();
        let current = target.current();
        // Go's name for the nameless end of a Unix socket.
        let peer = match peer {
            PeerAddr::Tcp(address) => {
                // A client of IPv4 on a listener for both.
                SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
            }
            PeerAddr::Unix => "@".to_owned(),
        };
        self.logger
            .info(format_args!("[{label}] accepted connection from {peer}"));
        let metrics = current.as_ref().map(|current| &current.metrics);
        if let Some(metrics) = metrics {
            metrics.accepted();
        }
        let entry = match (self.places.take(), self.places.limit()) {
            (Some(place), _) => {
                let open = metrics.map(InstanceMetrics::open);
                Entry::Admitted(Admission { place, _open: open })
            }
            (None, limit) => {
                let limit = limit.unwrap_or_default();
                self.logger.info(format_args!(
                    "max connections ({limit}) exceeded, refusing new connection"
                ));
                if let Some(metrics) = metrics {
                    metrics.refused(Refused::Limit);
                }
                Entry::Full(limit, Arc::clone(&self.refused).try_acquire_owned().ok()?)
            }
        };
        Some(Accepted {
            sessions: Arc::clone(self),
            target: Arc::clone(target),
            current,
            entry,
        })
    }
}

impl Accepted {
    /// Runs the session; whatever ends it is told to whom it concerns.
    pub(crate) async fn run(self, socket: Socket) {
        let sessions = Arc::clone(&self.sessions);
        // What is in use until the instance has answered is large, and not needed afterwards.
        let connecting = Box::pin(self.connect(socket));
        let connected = sessions.cut.run_until_cancelled(connecting).await;
        if let Some(Some(connected)) = connected {
            connected.serve(&sessions).await;
        }
    }

    /// Leads the client to its instance, or tells it why not.
    async fn connect(self, socket: Socket) -> Option<Connected> {
        let admission = match self.entry {
            Entry::Admitted(admission) => admission,
            Entry::Full(limit, _permit) => {
                let mut client = Client::Plain(socket);
                Refusal::too_many(limit).tell(&mut client).await;
                return None;
            }
        };
        let door = Door {
            sessions: &self.sessions,
            target: &self.target,
            current: self.current.as_ref(),
        };
        let (mut client, first) = door.negotiate(socket).await?;
        let dialled = tokio::select! {
            biased;
            dialled = door.dial() => dialled,
            () = client.left_unheard(), if first.is_empty() => {
                let label = self.target.label();
                self.sessions.logger.info(format_args!("[{label}] client closed the connection"));
                return None;
            }
        };
        match dialled {
            Ok((server, current)) => Some(Connected {
                client,
                server,
                first: first.into_boxed_slice(),
                current,
                label: self.target.label().into(),
                admission,
            }),
            Err(refusal) => {
                // Its place is free already: who comes next need not wait for the news to be read.
                drop(admission);
                if first.is_empty() {
                    refusal.tell(&mut client).await;
                } else {
                    refusal.tell_opened(&mut client).await;
                }
                None
            }
        }
    }
}

/// Where a client stands who is not let through yet.
struct Door<'a> {
    sessions: &'a Sessions,
    target: &'a Target,
    current: Option<&'a Arc<Current>>,
}

impl Door<'_> {
    /// Leads the client to TLS, if the listener has it.
    async fn negotiate(&self, socket: Socket) -> Option<(Client, Vec<u8>)> {
        let Some(acceptor) = self.target.acceptor() else {
            return Some((Client::Plain(socket), Vec::new()));
        };
        let reason = match timeout(TLS_DEADLINE, acceptor.negotiate(socket)).await {
            Ok(Ok(Negotiated::Tls(client))) => return Some((client, Vec::new())),
            Ok(Ok(Negotiated::Plain(client, first))) => return Some((client, first)),
            Ok(Ok(Negotiated::Gone)) => return None,
            Ok(Ok(Negotiated::Refused(mut client))) => {
                Refusal::tls_required().tell_opened(&mut client).await;
                "it does not use TLS".to_owned()
            }
            Ok(Err(error)) => chain(&error),
            Err(_) => format!("no TLS within {TLS_DEADLINE:?}"),
        };
        let label = self.target.label();
        self.sessions
            .logger
            .info(format_args!("[{label}] client refused: {reason}"));
        if let Some(current) = self.current {
            current.metrics.refused(Refused::Tls);
        }
        None
    }

    /// Dials the instance.
    async fn dial(&self) -> Result<(Stream, Arc<Current>), Refusal> {
        let (label, logger) = (self.target.label(), &self.sessions.logger);
        let Some(current) = self.current else {
            logger.error(format_args!(
                "[{label}] failed to connect to instance: the name leads nowhere"
            ));
            self.sessions.metrics.nameless(label);
            return Err(Refusal::nameless(label));
        };
        match self.target.dial(current).await {
            Ok(server) => Ok((server, Arc::clone(current))),
            Err(error) => {
                let text = chain(&error);
                logger.error(format_args!(
                    "[{label}] failed to connect to instance: {text}"
                ));
                current.metrics.refused(Refused::Dial);
                Err(Refusal::of(&error))
            }
        }
    }
}

impl Connected {
    /// Relays to the end.
    async fn serve(self, sessions: &Sessions) {
        let Self {
            mut client,
            mut server,
            first,
            current,
            label,
            admission,
        } = self;
        let _connected = current.metrics.connected();
        tokio::select! {
            end = relay(&mut client, &mut server, &first, &current.metrics, admission) => {
                tell(&sessions.logger, &label, &end);
            }
            () = current.replaced.cancelled() => {
                sessions.logger.info(format_args!(
                    "[{label}] connection closed: the name leads to another instance now"
                ));
            }
            () = sessions.cut.cancelled() => {}
        }
    }
}

fn tell(logger: &Logger, label: &str, end: &End) {
    match end {
        End::Client => logger.info(format_args!("[{label}] client closed the connection")),
        End::Instance => logger.info(format_args!("[{label}] instance closed the connection")),
        End::Broken(at, error) => {
            let at = match at {
                Break::ReadingFromClient => "error reading from client",
                Break::ReadingFromInstance => "error reading from instance",
                Break::WritingToClient => "error writing to client",
                Break::WritingToInstance => "error writing to instance",
            };
            logger.error(format_args!("[{label}] connection aborted - {at}: {error}"));
        }
    }
}
