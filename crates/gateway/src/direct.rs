//! The way to a server that is reached by its address: name, dial, TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use querycop_serve::Socket;
use querycop_wire::startup;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::backend::{Attempt, ConnectError};
use crate::config::{self, BackendAddress, TlsMode, TlsNegotiation};
use crate::leg::Leg;
use crate::tls::{BackendTlsError, Connector, MaterialError};

/// A server that is reached by its address, ready to be connected to.
#[derive(Debug)]
pub(crate) struct Direct {
    settings: config::Direct,
    connect_timeout: Duration,
    /// `None` in mode `disable`. Swapped when a file changes; sessions keep what they began with.
    connector: ArcSwap<Option<Connector>>,
}

/// The server can't be reached.
#[derive(Debug, Error)]
pub(crate) enum DialError {
    /// The name has no address, or the lookup failed.
    #[error("lookup {host}: {cause}")]
    Lookup {
        /// The name.
        host: String,
        /// What the resolver said.
        cause: io::Error,
    },
    /// No address answered in time.
    #[error("i/o timeout after {after:?}")]
    Timeout {
        /// The time it had.
        after: Duration,
    },
    /// Every address refused; this is the last one's answer.
    #[error("{address}: {cause}")]
    Connect {
        /// The address.
        address: String,
        /// What the system said.
        cause: io::Error,
    },
}

impl Direct {
    /// Reads the files that `settings` name.
    pub(crate) fn load(
        settings: config::Direct,
        connect_timeout: Duration,
    ) -> Result<Self, MaterialError> {
        let connector = ArcSwap::from_pointee(Connector::load(&settings.tls)?);
        Ok(Self {
            settings,
            connect_timeout,
            connector,
        })
    }

    pub(crate) fn settings(&self) -> &config::Direct {
        &self.settings
    }

    /// Reads the files again. The old material stays in place if that fails.
    pub(crate) fn reload(&self) -> Result<(), MaterialError> {
        self.connector
            .store(Arc::new(Connector::load(&self.settings.tls)?));
        Ok(())
    }

    /// Dials and puts TLS on the connection as the mode asks, within the configured time.
    ///
    /// Cancel safe: dropping the call closes the connection.
    pub(crate) async fn connect(&self, attempt: Attempt) -> Result<Leg, ConnectError> {
        let deadline = Instant::now() + self.connect_timeout;
        let connector = self.connector.load_full();
        let Some(connector) = connector
            .as_ref()
            .as_ref()
            .filter(|_| attempt == Attempt::First)
        else {
            return Ok(Leg::Plain(self.dial(deadline).await?));
        };
        match self.connect_tls(connector, deadline).await {
            // libpq's `prefer` goes on in clear when TLS comes to nothing for whatever reason.
            Err(ConnectError::Tls(error)) if self.settings.tls.mode == TlsMode::Prefer => {
                tracing::debug!(%error, "TLS with the backend failed, going on in clear");
                Ok(Leg::Plain(self.dial(deadline).await?))
            }
            outcome => outcome,
        }
    }

    /// Dials and runs the TLS handshake.
    async fn connect_tls(
        &self,
        connector: &Connector,
        deadline: Instant,
    ) -> Result<Leg, ConnectError> {
        let mut socket = self.dial(deadline).await?;
        let negotiate = async {
            if connector.negotiation() == TlsNegotiation::Postgres
                && !request_tls(&mut socket).await?
            {
                if self.settings.tls.mode == TlsMode::Prefer {
                    return Ok(Leg::Plain(socket));
                }
                return Err(BackendTlsError::Unsupported);
            }
            connector.connect(socket).await
        };
        let negotiated = timeout_at(deadline, negotiate).await;
        Ok(negotiated.map_err(|_| BackendTlsError::Timeout)??)
    }

    /// Opens a connection. Cancel safe.
    pub(crate) async fn dial(&self, deadline: Instant) -> Result<Socket, DialError> {
        let address = &self.settings.address;
        let refused = |cause| DialError::Connect {
            address: address.to_string(),
            cause,
        };
        let dial = async {
            match address {
                BackendAddress::Unix(path) => Socket::connect_unix(path).await.map_err(refused),
                BackendAddress::Tcp { host, port } => dial_tcp(host, *port, deadline).await,
            }
        };
        match timeout_at(deadline, dial).await {
            Ok(dialled) => dialled,
            Err(_) => Err(self.timed_out()),
        }
    }

    fn timed_out(&self) -> DialError {
        DialError::Timeout {
            after: self.connect_timeout,
        }
    }
}

/// The addresses of a name.
pub(crate) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
    let failed = |cause| DialError::Lookup {
        host: host.to_owned(),
        cause,
    };
    let found: Vec<_> = tokio::net::lookup_host((host, port))
        .await
        .map_err(failed)?
        .collect();
    if found.is_empty() {
        return Err(failed(io::Error::other("no address")));
    }
    Ok(found)
}

/// Tries the addresses of a name one after the other, each with its share of the time that is left,
/// so that one dead address does not use up the time of the next.
async fn dial_tcp(host: &str, port: u16, deadline: Instant) -> Result<Socket, DialError> {
    let addresses = resolve(host, port).await?;
    let mut failure = None;
    for (tried, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
        let cause = match timeout_at(Instant::now() + share, Socket::connect_tcp(*address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(cause)) => cause,
            Err(_) => io::Error::new(io::ErrorKind::TimedOut, "i/o timeout"),
        };
        failure = Some(DialError::Connect {
            address: address.to_string(),
            cause,
        });
    }
    Err(failure.unwrap_or_else(|| DialError::Lookup {
        host: host.to_owned(),
        cause: io::Error::other("no address"),
    }))
}

/// Asks for TLS and says whether the server has it. Not cancel safe.
async fn request_tls(socket: &mut Socket) -> Result<bool, BackendTlsError> {
    socket
        .write_all(&startup::ssl_request())
        .await
        .map_err(BackendTlsError::from_io)?;
    // One byte is the whole answer. More than one byte is read to see whether there are any:
    // what follows in clear would otherwise be taken for a part of the protected stream.
    let mut answer = [0; 2];
    let read = socket
        .read(&mut answer)
        .await
        .map_err(BackendTlsError::from_io)?;
    match (read, answer[0]) {
        (0, _) => Err(BackendTlsError::Closed),
        (1, b'S') => Ok(true),
        (_, b'S') => Err(BackendTlsError::PlaintextAhead),
        (1, b'N') => Ok(false),
        (_, b'N') => Err(BackendTlsError::PlaintextAhead),
        (_, b'E') => Err(BackendTlsError::ErrorBeforeTls),
        (_, other) => Err(BackendTlsError::Answer(other)),
    }
}
