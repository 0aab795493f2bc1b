//! One client, from its accept to its last byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use alloydb_connector::Stream;
use querycop_serve::{PeerAddr, Socket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::InstanceName;
use crate::client_tls::{Client, Negotiated};
use crate::instance::{Current, Target};
use crate::log::{Logger, chain};
use crate::metrics::{Metrics, Open, Place, Places, Refused};
use crate::refusal::Refusal;
use crate::relay::{Break, End, relay};

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

/// A client that was let in, or is to be told that it isn't.
pub(crate) struct Accepted {
    sessions: Arc<Sessions>,
    target: Arc<Target>,
    current: Option<Arc<Current>>,
    entry: Entry,
    _open: Option<Open>,
}

enum Entry {
    /// It has a place.
    Place(Place),
    /// The limit is reached.
    Full {
        limit: i64,
        _permit: OwnedSemaphorePermit,
    },
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
            (Some(place), _) => Entry::Place(place),
            (None, limit) => {
                let limit = limit.unwrap_or_default();
                self.logger.info(format_args!(
                    "max connections ({limit}) exceeded, refusing new connection"
                ));
                if let Some(metrics) = metrics {
                    metrics.refused(Refused::Limit);
                }
                let _permit = Arc::clone(&self.refused).try_acquire_owned().ok()?;
                Entry::Full { limit, _permit }
            }
        };
        let is_in = matches!(entry, Entry::Place(_));
        Some(Accepted {
            sessions: Arc::clone(self),
            target: Arc::clone(target),
            _open: metrics.filter(|_| is_in).map(|metrics| metrics.open()),
            current,
            entry,
        })
    }
}

impl Accepted {
    /// Runs the session; whatever ends it is told to whom it concerns.
    pub(crate) async fn run(self, socket: Socket) {
        let sessions = Arc::clone(&self.sessions);
        // What is in use while a client waits is large, and nothing of it is needed afterwards.
        let serving = Box::pin(self.open(socket));
        let Some(Opened {
            mut client,
            mut server,
            first,
            current,
            label,
            _place,
            _open,
        }) = sessions.cut.run_until_cancelled(serving).await.flatten()
        else {
            return;
        };
        let connected = current.metrics.connected();
        let relayed = relay(&mut client, &mut server, &first, &current.metrics);
        tokio::select! {
            end = relayed => tell(&sessions.logger, &label, &end),
            () = current.replaced.cancelled() => {
                sessions.logger.info(format_args!(
                    "[{label}] connection closed: the name leads to another instance now"
                ));
            }
            () = sessions.cut.cancelled() => {}
        }
        drop(connected);
    }

    async fn open(self, socket: Socket) -> Option<Opened> {
        let place = match self.entry {
            Entry::Place(place) => place,
            Entry::Full { limit, .. } => {
                let mut client = Client::Plain(socket);
                Refusal::too_many(limit).tell(&mut client).await;
                return None;
            }
        };
        let label = self.target.label().to_owned();
        let logger = &self.sessions.logger;
        let negotiated = match self.target.acceptor() {
            None => Negotiated::Plain(Client::Plain(socket), Vec::new()),
            Some(acceptor) => match timeout(TLS_DEADLINE, acceptor.negotiate(socket)).await {
                Ok(Ok(negotiated)) => negotiated,
                Ok(Err(error)) => {
                    logger.info(format_args!("[{label}] client refused: {}", chain(&error)));
                    self.current?.metrics.refused(Refused::Tls);
                    return None;
                }
                Err(_) => {
                    logger.info(format_args!(
                        "[{label}] client refused: no TLS within {TLS_DEADLINE:?}"
                    ));
                    self.current?.metrics.refused(Refused::Tls);
                    return None;
                }
            },
        };
        let (mut client, first) = match negotiated {
            Negotiated::Tls(client) => (client, Vec::new()),
            Negotiated::Plain(client, first) => (client, first),
            Negotiated::Gone => return None,
            Negotiated::Refused(mut client) => {
                logger.info(format_args!("[{label}] client refused: it doesn't use TLS"));
                if let Some(current) = &self.current {
                    current.metrics.refused(Refused::Tls);
                }
                Refusal::tls_required().tell_opened(&mut client).await;
                return None;
            }
        };
        let refusal = match self.current {
            None => {
                let name = match self.target.name() {
                    InstanceName::Dns(name) => name.as_str(),
                    InstanceName::Uri(uri) => uri.as_str(),
                };
                logger.error(format_args!(
                    "[{label}] failed to connect to instance: the name leads nowhere"
                ));
                self.sessions.metrics.nameless(name);
                Refusal::nameless(name)
            }
            Some(current) => match self.target.dial(&current).await {
                Ok(server) => {
                    return Some(Opened {
                        client,
                        server,
                        first: first.into_boxed_slice(),
                        current,
                        label: label.into_boxed_str(),
                        _place: place,
                        _open: self._open,
                    });
                }
                Err(error) => {
                    let text = chain(&error);
                    logger.error(format_args!(
                        "[{label}] failed to connect to instance: {text}"
                    ));
                    current.metrics.refused(Refused::Dial);
                    Refusal::of(&error)
                }
            },
        };
        // Its place is free already: who waits for it need not wait for the reading of the news.
        drop(place);
        if first.is_empty() {
            refusal.tell(&mut client).await;
        } else {
            refusal.tell_opened(&mut client).await;
        }
        None
    }
}

/// A client with its instance.
struct Opened {
    client: Client,
    server: Stream,
    first: Box<[u8]>,
    current: Arc<Current>,
    label: Box<str>,
    _place: Place,
    _open: Option<Open>,
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
