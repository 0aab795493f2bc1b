//! A connection that has not yet said what it wants.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use querycop_serve::{PeerAddr, Socket};
use querycop_wire::startup::{
    self, CancelRequest, ForeignProtocol, StartupError, StartupMessage, StartupPacket,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use uuid::Uuid;

use crate::config::Requirement;
use crate::leg::Leg;
use crate::messages::Messages;
use crate::metrics::Dropped;
use crate::refusal::Refusal;
use crate::shared::Shared;
use crate::started::Started;
use crate::stop::Stop;
use crate::tls::AcceptError;

/// The first byte of a TLS handshake, and of no start-up packet: its length would be over 369 million.
const TLS_HANDSHAKE: u8 = 0x16;

/// Time for the first byte once the gateway shuts down: a start-up packet that is on its way still
/// gets an answer, and a health check that only connects does not hold up the end.
const LATE_START: Duration = Duration::from_secs(1);

/// What a web browser or a health check over HTTP gets to read.
const NOT_HTTP: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    This port speaks the PostgreSQL protocol, not HTTP.\r\n";

/// A connection that has not yet said what it wants.
pub(crate) struct Accepted {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: Uuid,
    pub(crate) socket: Socket,
    pub(crate) peer: PeerAddr,
    /// Its place among the connections that have not said it.
    pub(crate) startup: OwnedSemaphorePermit,
}

/// What the connection is for.
pub(crate) enum Negotiated {
    /// A session.
    Session(Started),
    /// Ending a statement of some other session.
    Cancel {
        request: CancelRequest,
        client: Leg,
        /// Kept until the request is delivered: each one opens a connection to the server, so their
        /// number must have a bound too.
        place: OwnedSemaphorePermit,
    },
}

/// The client leg while its start-up packet is on the way.
struct Negotiation {
    /// `None` once TLS on it has failed: then there is nobody to talk to.
    leg: Option<Leg>,
    input: Vec<u8>,
}

/// What the client wants, once it has said so.
enum Wanted {
    Session(StartupMessage),
    Cancel(CancelRequest),
}

/// Why there is no start-up packet.
enum Failure {
    Left,
    Lost(io::Error),
    ShuttingDown,
    Tls(AcceptError),
    Refused(Refusal),
}

impl Accepted {
    /// Answers the requests for encryption and reads the start-up packet. Not cancel safe.
    pub(crate) async fn negotiate(self) -> Result<Negotiated, Stop> {
        let Self {
            shared,
            id,
            socket,
            peer,
            startup,
        } = self;
        let mut negotiation = Negotiation {
            leg: Some(Leg::Plain(socket)),
            input: Vec::new(),
        };
        let limit = shared.config.limits.startup_timeout;
        let outcome = timeout(limit, negotiation.run(&shared)).await;
        let wanted = match outcome {
            Ok(Ok(wanted)) => wanted,
            Ok(Err(failure)) => return Err(failure.stop(negotiation.leg).await),
            Err(_) => return Err(Stop::Dropped(Dropped::StartupTimeout, None)),
        };
        let Some(leg) = negotiation.leg else {
            return Err(Stop::ClientLeft);
        };
        Ok(match wanted {
            Wanted::Cancel(request) => Negotiated::Cancel {
                request,
                client: leg,
                place: startup,
            },
            Wanted::Session(startup) => {
                let client = Messages::new(leg, negotiation.input);
                Negotiated::Session(Started::new(shared, id, (client, peer), startup))
            }
        })
    }
}

impl Negotiation {
    /// Not cancel safe.
    async fn run(&mut self, shared: &Shared) -> Result<Wanted, Failure> {
        let (mut asked_tls, mut asked_gss) = (false, false);
        tokio::select! {
            read = self.read() => read?,
            () = shared.registry.draining_for(LATE_START) => return Err(Failure::ShuttingDown),
        }
        loop {
            if self.input.is_empty() {
                self.read().await?;
            }
            if self.input.first() == Some(&TLS_HANDSHAKE) && !asked_tls && !self.is_tls() {
                self.accept_direct(shared).await?;
                continue;
            }
            match self.packet().await? {
                StartupPacket::SslRequest if !asked_tls && !self.is_tls() => {
                    asked_tls = true;
                    self.accept_tls(shared).await?;
                }
                StartupPacket::GssEncRequest if !asked_gss && !self.is_tls() => {
                    asked_gss = true;
                    self.answer(b'N').await?;
                }
                StartupPacket::SslRequest | StartupPacket::GssEncRequest => {
                    let twice = StartupError::Malformed("encryption is asked for twice");
                    return Err(Failure::Refused(twice.into()));
                }
                StartupPacket::Message(startup) => {
                    self.check_encryption(shared)?;
                    return Ok(Wanted::Session(startup));
                }
                // In clear also where TLS is required: that is how many drivers send it, and it
                // carries nothing but the key that it is good for.
                StartupPacket::Cancel(request) => return Ok(Wanted::Cancel(request)),
            }
        }
    }

    /// Waits for a whole packet and takes it from the input.
    async fn packet(&mut self) -> Result<StartupPacket, Failure> {
        loop {
            let decoded = startup::decode(&self.input).map_err(Refusal::from)?;
            if let Some((packet, used)) = decoded {
                self.input.drain(..used);
                return Ok(packet);
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let leg = self.leg.as_mut().ok_or(Failure::Left)?;
        if leg.read_buf(&mut self.input).await? == 0 {
            Err(Failure::Left)
        } else {
            Ok(())
        }
    }

    fn is_tls(&self) -> bool {
        self.leg.as_ref().is_some_and(Leg::is_tls)
    }

    /// Answers a request for encryption. Whatever came along with the request came in clear, and is
    /// refused before it can be taken for a part of the protected stream (CVE-2021-23214).
    async fn answer(&mut self, byte: u8) -> Result<(), Failure> {
        if !self.input.is_empty() {
            return Err(Failure::Refused(Refusal::PlaintextAhead));
        }
        self.leg
            .as_mut()
            .ok_or(Failure::Left)?
            .write_all(&[byte])
            .await?;
        Ok(())
    }

    async fn accept_tls(&mut self, shared: &Shared) -> Result<(), Failure> {
        let Some(acceptor) = shared.acceptor() else {
            return self.answer(b'N').await;
        };
        self.answer(b'S').await?;
        self.upgrade(async |socket, _| acceptor.accept(socket).await)
            .await
    }

    async fn accept_direct(&mut self, shared: &Shared) -> Result<(), Failure> {
        let Some(acceptor) = shared.acceptor() else {
            return Err(Failure::Refused(
                StartupError::Foreign(ForeignProtocol::Tls).into(),
            ));
        };
        self.upgrade(async |socket, first| acceptor.accept_direct(socket, first).await)
            .await
    }

    /// Puts TLS on the leg; `accept` gets the socket and what was read from it.
    async fn upgrade(
        &mut self,
        accept: impl AsyncFnOnce(Socket, &[u8]) -> Result<Leg, AcceptError>,
    ) -> Result<(), Failure> {
        let socket = self
            .leg
            .take()
            .and_then(Leg::into_socket)
            .ok_or(Failure::Left)?;
        self.leg = Some(accept(socket, &self.input).await.map_err(Failure::Tls)?);
        self.input.clear();
        Ok(())
    }

    fn check_encryption(&self, shared: &Shared) -> Result<(), Failure> {
        let required = shared
            .config
            .client_tls
            .as_ref()
            .is_some_and(|tls| tls.required == Requirement::Required);
        if required && !self.is_tls() {
            return Err(Failure::Refused(Refusal::TlsRequired));
        }
        Ok(())
    }
}

impl Failure {
    /// Tells the client where it can be told.
    async fn stop(self, leg: Option<Leg>) -> Stop {
        match self {
            Self::Left => Stop::ClientLeft,
            Self::Lost(error) => Stop::ClientLost(error),
            Self::ShuttingDown => Stop::Dropped(Dropped::ShuttingDown, None),
            Self::Tls(error) => Stop::Dropped(Dropped::Tls, Some(Box::new(error))),
            Self::Refused(Refusal::Startup(error @ StartupError::Foreign(protocol))) => {
                if let Some(leg) = leg.filter(|_| protocol == ForeignProtocol::Http) {
                    leg.farewell(NOT_HTTP).await;
                }
                Stop::Dropped(Dropped::Foreign, Some(Box::new(error)))
            }
            Self::Refused(refusal) => match leg {
                Some(leg) => Stop::refuse(Messages::new(leg, Vec::new()), refusal).await,
                None => Stop::Refused(refusal),
            },
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
