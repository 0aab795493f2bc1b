//! A client that speaks PostgreSQL: its first packets, then its login.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use querycop_wire::SqlState;
use querycop_wire::error_response::{ErrorResponse, Severity};
use querycop_wire::frame::{self, MAX_PRE_AUTH_LEN};
use querycop_wire::startup::{self, StartupError, StartupMessage, StartupPacket};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::login::Refused;
use super::relay;
use crate::identity::Caller;
use crate::live::{Cluster, Instance};
use crate::requests::RecordedSession;
use crate::state::State;

/// Time for a client to say what it wants and to log in; PostgreSQL's `authentication_timeout`.
pub(super) const AUTHENTICATION: Duration = Duration::from_mins(1);

/// Which instance a connection is for.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) state: Arc<State>,
    pub(super) cluster: Arc<Cluster>,
    pub(super) instance: Arc<Instance>,
}

/// What is known about a client before its start-up packet.
#[derive(Debug)]
pub(super) enum Access {
    /// It announced in the metadata exchange to log in as the owner of its token.
    Iam(Caller),
    /// It announced to log in by itself, and may connect.
    Native,
    /// It has said nothing.
    Untold,
}

/// A client and what was read from it but not yet used.
pub(super) struct Client<S> {
    pub(super) target: Target,
    pub(super) stream: S,
    pub(super) unread: Vec<u8>,
    pub(super) record: RecordedSession,
}

/// A client that can't be served.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("the client is gone")]
    Io(#[from] io::Error),
    #[error("the client's first packet is wrong: {0}")]
    Startup(#[from] StartupError),
    #[error("the client's message is wrong: {0}")]
    Frame(#[from] frame::FrameError),
    #[error("the client took too long to log in")]
    Timeout,
    #[error("{}", .0.text())]
    Refused(#[from] Refused),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) fn new(target: Target, stream: S, record: RecordedSession) -> Self {
        Self {
            target,
            stream,
            unread: Vec::new(),
            record,
        }
    }

    /// Serves the client to its end. Not cancel safe: a dropped call drops the connection.
    pub(super) async fn run(mut self, access: Access) {
        let admitted = match timeout(AUTHENTICATION, self.admit(access)).await {
            Ok(admitted) => admitted,
            Err(_) => Err(ClientError::Timeout),
        };
        let ended = match admitted {
            Ok(Some(backend)) => {
                "relayed".clone_into(&mut self.record.outcome);
                self.log();
                self.target.state.requests.record_session(self.record);
                relay::relay(self.stream, self.unread, backend).await;
                return;
            }
            Ok(None) => Vec::new(),
            Err(error) => {
                self.record.outcome = error.to_string();
                last_words(&error)
            }
        };
        self.log();
        self.target.state.requests.record_session(self.record);
        relay::farewell(&mut self.stream, &ended).await;
    }

    fn log(&self) {
        let record = &self.record;
        tracing::info!(
            instance = record.instance,
            door = record.door,
            db.user = record.user.as_deref().unwrap_or_default(),
            principal = record.principal.as_deref().unwrap_or_default(),
            outcome = record.outcome,
            "session"
        );
    }

    /// Brings the client to a session in the backend; `None` if it wanted something else.
    async fn admit(&mut self, access: Access) -> Result<Option<relay::Opened>, ClientError> {
        let message = loop {
            match self.packet().await? {
                // There is encryption already, and none inside it.
                StartupPacket::SslRequest | StartupPacket::GssEncRequest => {
                    self.record.ssl_request = true;
                    self.send(b"N").await?;
                }
                StartupPacket::Cancel(request) => {
                    "cancel".clone_into(&mut self.record.outcome);
                    let cancelled = self.target.state.backend.cancel(&request).await;
                    if let Err(error) = cancelled {
                        tracing::warn!(%error, "request to cancel not passed on");
                    }
                    return Ok(None);
                }
                StartupPacket::Message(message) => break message,
            }
        };
        self.record.user = Some(message.user().to_owned());
        self.record.database = Some(message.database().to_owned());
        self.log_in(&message, access).await.map(Some)
    }

    /// The next packet of the start.
    pub(super) async fn packet(&mut self) -> Result<StartupPacket, ClientError> {
        loop {
            if let Some((packet, used)) = startup::decode(&self.unread)? {
                self.unread.drain(..used);
                return Ok(packet);
            }
            self.fill().await?;
        }
    }

    /// The next message, whole.
    pub(super) async fn message(&mut self) -> Result<(u8, Vec<u8>), ClientError> {
        loop {
            if let Some((frame, used)) = frame::decode(&self.unread, MAX_PRE_AUTH_LEN)? {
                let message = (frame.tag, frame.body.to_vec());
                self.unread.drain(..used);
                return Ok(message);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), ClientError> {
        // No packet before the login is longer than the limits that `decode` checks.
        match self.stream.read_buf(&mut self.unread).await? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// The start-up packet with what the instance adds to the options: which it is, and that a
    /// replica only reads.
    pub(super) fn startup_packet(&mut self, message: &StartupMessage) -> Vec<u8> {
        let instance = &self.target.instance;
        let node = instance.next_node();
        self.record.node = Some(node);
        let mut options = message.parameter("options").unwrap_or_default().to_vec();
        let id = instance.name.id();
        // The client's own options come last, and so may say otherwise, as on a real replica not.
        let mut added =
            format!("-c alloydb_emulator.instance={id} -c alloydb_emulator.node={node}");
        if instance.is_read_only() {
            added += " -c default_transaction_read_only=on";
        }
        if !options.is_empty() {
            added.push(' ');
        }
        options.splice(..0, added.into_bytes());
        let mut body = Vec::new();
        let others = message.parameters().filter(|(name, _)| *name != b"options");
        for (name, value) in others.chain([(b"options".as_slice(), options.as_slice())]) {
            body.extend(name);
            body.push(0);
            body.extend(value);
            body.push(0);
        }
        body.push(0);
        let version = message.version();
        let mut packet = Vec::new();
        packet.extend(
            u32::try_from(body.len() + 8)
                .unwrap_or(u32::MAX)
                .to_be_bytes(),
        );
        packet.extend(version.major.to_be_bytes());
        packet.extend(version.minor.to_be_bytes());
        packet.extend(body);
        packet
    }
}

/// What the client is told about its failure.
fn last_words(error: &ClientError) -> Vec<u8> {
    let mut bytes = Vec::new();
    let told = match error {
        ClientError::Io(_) => return bytes,
        ClientError::Refused(Refused::Backend(message)) => return message.clone(),
        ClientError::Refused(Refused::Emulator(response)) => response.clone(),
        ClientError::Startup(_) | ClientError::Frame(_) => ErrorResponse::new(
            Severity::Fatal,
            SqlState::PROTOCOL_VIOLATION,
            error.to_string(),
        ),
        ClientError::Timeout => ErrorResponse::new(
            Severity::Fatal,
            SqlState::PROTOCOL_VIOLATION,
            "canceling authentication due to timeout",
        ),
    };
    told.encode(&mut bytes);
    bytes
}
