//! A session of the gateway's own with the server: for the doctor, and to read the catalog.

use std::io;
use std::time::Duration;

use querycop_serve::Socket;
use querycop_wire::MessageError;
use querycop_wire::backend::DataRow;
use querycop_wire::error_response::ErrorView;
use querycop_wire::frontend::{query, terminate};
use querycop_wire::startup::{ProtocolVersion, StartupError, StartupMessage};
use querycop_wire::tag;
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::config::ScramOverTls;
use crate::leg::Leg;
use crate::login::{Credentials, Failure, Login, Progress};
use crate::messages::{Messages, ReadError};
use crate::oversight::Learned;
use crate::token::Bearer;

/// A session of the gateway's own, ready for a statement.
pub(crate) struct OwnSession {
    backend: Messages,
}

/// Who logs in, and how.
pub(crate) struct Role<'a> {
    pub(crate) user: &'a str,
    pub(crate) database: &'a str,
    pub(crate) application_name: &'a str,
    pub(crate) credentials: &'a Credentials,
    pub(crate) scram_over_tls: ScramOverTls,
}

/// There is no session.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    /// A name that no start-up packet can carry.
    #[error(transparent)]
    Name(#[from] StartupError),
    /// The system gives no sockets.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The login came to nothing.
    #[error("the login failed")]
    Login(Failure),
    /// It took too long.
    #[error("i/o timeout")]
    Timeout,
}

/// A statement did not run.
#[derive(Debug, Error)]
pub(crate) enum QueryError {
    /// The connection is of no use any more.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The statement can't be sent.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A row can't be read.
    #[error(transparent)]
    Row(#[from] MessageError),
    /// The server says so.
    #[error("{0}")]
    Server(String),
    /// The server says nothing.
    #[error("i/o timeout")]
    Timeout,
}

impl Role<'_> {
    /// For whom a token is minted.
    pub(crate) fn bearer(&self) -> Bearer {
        Bearer {
            user: self.user.to_owned(),
            database: self.database.to_owned(),
            client_addr: None,
        }
    }
}

impl OwnSession {
    /// Logs in over `leg`, within `limit`.
    pub(crate) async fn open(
        leg: Leg,
        role: &Role<'_>,
        limit: Duration,
    ) -> Result<Self, OpenError> {
        let startup = StartupMessage::new(
            ProtocolVersion::V3_0,
            &[
                ("user", role.user),
                ("database", role.database),
                ("application_name", role.application_name),
            ],
        )?;
        // The login speaks to a client as well: here to one that nobody listens to.
        let (client, _nobody) = UnixStream::pair()?;
        let mut client = Messages::new(Leg::Plain(Socket::Unix(client)), Vec::new());
        let mut login = Login {
            scram_over_tls: role.scram_over_tls,
            credentials: role.credentials,
            bearer: role.bearer(),
            client: &mut client,
            backend: Messages::new(leg, Vec::new()),
            used: None,
            progress: Progress::Begun,
            waiting_for: "the backend",
            learned: Learned::default(),
        };
        match timeout(limit, login.run(startup.as_bytes())).await {
            Ok(Ok(())) => Ok(Self {
                backend: login.backend,
            }),
            Ok(Err(failure)) => Err(OpenError::Login(failure)),
            Err(_) => Err(OpenError::Timeout),
        }
    }

    /// Runs a statement and hands its rows to `row`; each message must come within `limit`. Not cancel
    /// safe.
    pub(crate) async fn query(
        &mut self,
        sql: &str,
        limit: Duration,
        mut row: impl FnMut(DataRow<'_>) -> Result<(), MessageError>,
    ) -> Result<(), QueryError> {
        query(self.backend.output(), sql.as_bytes());
        self.backend.flush().await?;
        let mut refused = None;
        loop {
            let frame = timeout(limit, self.backend.next())
                .await
                .map_err(|_| QueryError::Timeout)??;
            match frame.tag {
                tag::backend::READY_FOR_QUERY => break,
                tag::backend::DATA_ROW => row(DataRow::decode(frame.body)?)?,
                tag::backend::ERROR_RESPONSE => {
                    let message = ErrorView::decode(frame.body)
                        .map(|error| error.message().into_owned())
                        .unwrap_or_default();
                    refused = Some(QueryError::Server(message));
                }
                _ => {}
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Says goodbye.
    pub(crate) async fn end(mut self) {
        terminate(self.backend.output());
        // Whether the server hears it is its own affair.
        let _ = self.backend.flush().await;
    }
}
