//! Why a client is not served, and what it is told.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use querycop_policy::Denial;
use querycop_wire::error_response::{ErrorResponse, Severity};
use querycop_wire::frame::FrameError;
use querycop_wire::scram::ScramError;
use querycop_wire::startup::StartupError;
use querycop_wire::{MessageError, SqlState};
use thiserror::Error;

use crate::backend::ConnectError;
use crate::oversight::{Unrecorded, denied};
use crate::stop::chain;
use crate::token::{IssueError, TokenError};

/// Why a client is not served, or no longer.
///
/// The text is for the operator's log; [`client_message`](Self::client_message) is what the client
/// may read.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Startup(#[from] StartupError),
    #[error("bytes arrived in clear ahead of TLS")]
    PlaintextAhead,
    #[error("TLS is required")]
    TlsRequired,
    #[error("too many sessions: {limit} are served at a time")]
    TooManySessions { limit: usize },
    #[error("too many sessions for role {role:?}: {limit} are served at a time")]
    TooManySessionsOfRole { role: String, limit: usize },
    #[error("the gateway is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("backend token command failed: {0}")]
    Token(#[from] TokenError),
    #[error("backend IAM token failed: {}", chain(.0))]
    IamToken(#[source] alloydb_connector::Error),
    #[error("backend asks for {method} authentication, which the gateway can't answer")]
    Method { method: Cow<'static, str> },
    #[error("backend asks for a password and there is none to give")]
    NoCredentials,
    #[error("SCRAM can't be relayed between two TLS connections")]
    TwoTlsLegs,
    #[error("the client insists on channel binding, which ends at a gateway that ends TLS")]
    ChannelBinding,
    #[error("malformed message from the client: {0}")]
    ClientMessage(#[source] BadMessage),
    #[error("unexpected message {tag:?} from the client during login")]
    ClientUnexpected { tag: char },
    #[error("malformed message from the backend: {0}")]
    BackendMessage(#[source] BadMessage),
    #[error("backend failed to prove that it knows the password: {0}")]
    BackendScram(#[from] ScramError),
    #[error("backend refused the SCRAM proof: {0}")]
    ScramRefused(String),
    #[error("unexpected message {tag:?} from the backend during login")]
    BackendUnexpected { tag: char },
    #[error("backend sent more than 1 MiB during login")]
    BackendFlood,
    #[error("backend closed the connection during login")]
    BackendClosed,
    #[error("connection to the backend lost during login: {0}")]
    BackendLost(#[source] io::Error),
    #[error("denied by policy rule {rule:?}: {}", denial.message)]
    Denied { rule: Arc<str>, denial: Arc<Denial> },
    #[error("the session can't be recorded: {}", chain(.0))]
    Unrecorded(#[from] Unrecorded),
    #[error("the system has no random numbers to give")]
    NoRandomness,
    #[error("login did not finish within {after:?}, waiting for {waiting_for}")]
    LoginTimeout {
        after: Duration,
        waiting_for: &'static str,
    },
}

impl From<IssueError> for Refusal {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Command(error) => Self::Token(error),
            IssueError::Iam(error) => Self::IamToken(error),
        }
    }
}

/// A message that is none.
#[derive(Debug, Error)]
pub(crate) enum BadMessage {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Body(#[from] MessageError),
}

/// How loud a refusal is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The client made a mistake: nothing for an operator to mend.
    Client,
    /// The gateway, its settings or its backend did.
    Operator,
}

impl Refusal {
    /// The message that goes to the client.
    pub(crate) fn response(&self) -> ErrorResponse {
        if let Self::Denied { denial, .. } = self {
            return denied(Severity::Fatal, denial);
        }
        let response = ErrorResponse::new(Severity::Fatal, self.sqlstate(), self.client_message());
        match self.hint() {
            Some(hint) => response.hint(hint),
            None => response,
        }
    }

    /// The label in metrics.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Startup(_) => "startup",
            Self::PlaintextAhead => "plaintext_ahead",
            Self::TlsRequired => "tls_required",
            Self::TooManySessions { .. } => "too_many_sessions",
            Self::TooManySessionsOfRole { .. } => "too_many_sessions_of_role",
            Self::ShuttingDown => "shutting_down",
            Self::Connect(ConnectError::Dial(_)) => "backend_dial",
            Self::Connect(ConnectError::Tls(_)) => "backend_tls",
            Self::Connect(ConnectError::Instance(error)) => error.kind(),
            Self::Token(_) => "backend_token",
            Self::IamToken(_) => "backend_token",
            Self::Method { .. } => "backend_method",
            Self::NoCredentials => "no_credentials",
            Self::TwoTlsLegs => "two_tls_legs",
            Self::ChannelBinding => "channel_binding",
            Self::ClientMessage(_) => "client_message",
            Self::ClientUnexpected { .. } => "client_message",
            Self::BackendMessage(_) => "backend_message",
            Self::BackendScram(_) => "backend_scram",
            Self::ScramRefused(_) => "backend_scram",
            Self::BackendUnexpected { .. } => "backend_message",
            Self::BackendFlood => "backend_message",
            Self::BackendClosed => "backend_closed",
            Self::BackendLost(_) => "backend_closed",
            Self::Denied { .. } => "denied",
            Self::Unrecorded(_) => "audit",
            Self::NoRandomness => "internal",
            Self::LoginTimeout { .. } => "login_timeout",
        }
    }

    /// Who has to act.
    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Startup(_) => Blame::Client,
            Self::PlaintextAhead => Blame::Client,
            Self::TlsRequired => Blame::Client,
            Self::TooManySessions { .. } => Blame::Operator,
            Self::TooManySessionsOfRole { .. } => Blame::Operator,
            Self::ShuttingDown => Blame::Client,
            Self::Connect(_) => Blame::Operator,
            Self::Token(_) => Blame::Operator,
            Self::IamToken(_) => Blame::Operator,
            Self::Method { .. } => Blame::Operator,
            Self::NoCredentials => Blame::Operator,
            Self::TwoTlsLegs => Blame::Operator,
            Self::ChannelBinding => Blame::Client,
            Self::ClientMessage(_) => Blame::Client,
            Self::ClientUnexpected { .. } => Blame::Client,
            Self::BackendMessage(_) => Blame::Operator,
            Self::BackendScram(_) => Blame::Operator,
            Self::ScramRefused(_) => Blame::Operator,
            Self::BackendUnexpected { .. } => Blame::Operator,
            Self::BackendFlood => Blame::Operator,
            Self::BackendClosed => Blame::Operator,
            Self::BackendLost(_) => Blame::Operator,
            Self::Denied { .. } => Blame::Client,
            Self::Unrecorded(_) => Blame::Operator,
            Self::NoRandomness => Blame::Operator,
            Self::LoginTimeout { .. } => Blame::Operator,
        }
    }

    fn sqlstate(&self) -> SqlState {
        match self {
            Self::Startup(error) => error.sqlstate(),
            Self::PlaintextAhead => SqlState::PROTOCOL_VIOLATION,
            Self::TlsRequired => SqlState::INVALID_AUTHORIZATION,
            Self::TooManySessions { .. } => SqlState::TOO_MANY_CONNECTIONS,
            Self::TooManySessionsOfRole { .. } => SqlState::TOO_MANY_CONNECTIONS,
            Self::ShuttingDown => SqlState::CANNOT_CONNECT_NOW,
            Self::Connect(ConnectError::Instance(error)) if error.is_denial() => {
                SqlState::INVALID_AUTHORIZATION
            }
            Self::Connect(_) => SqlState::UNABLE_TO_CONNECT,
            Self::Token(_) => SqlState::INVALID_AUTHORIZATION,
            Self::IamToken(_) => SqlState::INVALID_AUTHORIZATION,
            Self::Method { .. } => SqlState::INVALID_AUTHORIZATION,
            Self::NoCredentials => SqlState::INVALID_AUTHORIZATION,
            Self::TwoTlsLegs => SqlState::INVALID_AUTHORIZATION,
            Self::ChannelBinding => SqlState::INVALID_AUTHORIZATION,
            Self::ClientMessage(_) => SqlState::PROTOCOL_VIOLATION,
            Self::ClientUnexpected { .. } => SqlState::PROTOCOL_VIOLATION,
            Self::BackendMessage(_) => SqlState::UNABLE_TO_CONNECT,
            Self::BackendScram(_) => SqlState::UNABLE_TO_CONNECT,
            Self::ScramRefused(_) => SqlState::INVALID_PASSWORD,
            Self::BackendUnexpected { .. } => SqlState::UNABLE_TO_CONNECT,
            Self::BackendFlood => SqlState::UNABLE_TO_CONNECT,
            Self::BackendClosed => SqlState::UNABLE_TO_CONNECT,
            Self::BackendLost(_) => SqlState::UNABLE_TO_CONNECT,
            Self::Denied { .. } => SqlState::INSUFFICIENT_PRIVILEGE,
            Self::Unrecorded(_) => SqlState::IO_ERROR,
            Self::NoRandomness => SqlState::INTERNAL_ERROR,
            Self::LoginTimeout { .. } => SqlState::UNABLE_TO_CONNECT,
        }
    }

    /// What the client may read: never what the token command printed.
    fn client_message(&self) -> String {
        match self {
            Self::Startup(_) => self.to_string(),
            Self::PlaintextAhead => self.to_string(),
            Self::TlsRequired => self.to_string(),
            Self::TooManySessions { .. } => "too many sessions".to_owned(),
            Self::TooManySessionsOfRole { role, .. } => {
                format!("too many sessions for role \"{role}\"")
            }
            Self::ShuttingDown => self.to_string(),
            Self::Connect(ConnectError::Instance(error)) => error.client_message(),
            Self::Connect(_) => self.to_string(),
            // Its causes name files and endpoints of the gateway's machine.
            Self::IamToken(error) => format!("backend IAM token failed: {error}"),
            Self::Token(error) => {
                format!("backend token command failed: {}", error.client_message())
            }
            Self::Method { .. } => self.to_string(),
            Self::NoCredentials => self.to_string(),
            Self::TwoTlsLegs => self.to_string(),
            Self::ChannelBinding => self.to_string(),
            Self::ClientMessage(_) => self.to_string(),
            Self::ClientUnexpected { .. } => self.to_string(),
            Self::BackendMessage(_) => "malformed message from the backend".to_owned(),
            Self::BackendScram(_) => self.to_string(),
            Self::ScramRefused(_) => "backend refused the password".to_owned(),
            Self::BackendUnexpected { .. } => self.to_string(),
            Self::BackendFlood => self.to_string(),
            Self::BackendClosed => self.to_string(),
            Self::BackendLost(_) => "connection to the backend lost during login".to_owned(),
            Self::Denied { denial, .. } => denial.message.to_string(),
            Self::Unrecorded(_) => "the session can't be recorded in the audit log".to_owned(),
            Self::NoRandomness => self.to_string(),
            Self::LoginTimeout { .. } => self.to_string(),
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Startup(StartupError::UnsupportedVersion { .. }) => {
                Some("Connect with protocol 3.0 or later.")
            }
            Self::Startup(_) => None,
            Self::PlaintextAhead => Some("Wait for the answer to SSLRequest before sending more."),
            Self::TlsRequired => Some("Connect with sslmode=require or stricter."),
            Self::TooManySessions { .. } => {
                Some("Close idle connections, or raise limits.max_sessions on the gateway.")
            }
            Self::TooManySessionsOfRole { .. } => Some(
                "Close idle connections, or raise limits.max_sessions_per_role on the gateway.",
            ),
            Self::ShuttingDown => Some("Connect again."),
            Self::Connect(ConnectError::Dial(_)) => Some(
                "The gateway can't reach the database: check its address, routes and firewalls; \
                 \"querycop doctor\" on the gateway shows which step fails.",
            ),
            Self::Connect(ConnectError::Tls(error)) => Some(error.hint()),
            Self::Connect(ConnectError::Instance(error)) => Some(error.hint()),
            Self::IamToken(_) => Some(
                "Check the gateway's credentials for Google Cloud; \"querycop doctor\" shows them.",
            ),
            Self::Token(_) => Some(
                "The gateway could not mint a token for the database; its log has the command's \
                 own words.",
            ),
            Self::Method { .. } => {
                Some("Give the role password, md5 or scram-sha-256 in the server's pg_hba.conf.")
            }
            Self::NoCredentials => None,
            Self::TwoTlsLegs => Some(
                "Connect with channel_binding=disable, or set GATEKEEPER_SCRAM_OVER_TLS=terminate \
                 on the gateway.",
            ),
            Self::ChannelBinding => Some("Connect with channel_binding=prefer."),
            Self::ClientMessage(_) => None,
            Self::ClientUnexpected { .. } => None,
            Self::BackendMessage(_) => Some("Is the backend a PostgreSQL server?"),
            Self::BackendScram(_) => {
                Some("The server, or somebody in between, is not what it claims to be.")
            }
            Self::ScramRefused(_) => Some("The database server's log has the reason."),
            Self::BackendUnexpected { .. } => Some("Is the backend a PostgreSQL server?"),
            Self::BackendFlood => Some("Is the backend a PostgreSQL server?"),
            Self::BackendClosed => Some("The database server's log has the reason."),
            Self::BackendLost(_) => Some("The database server's log has the reason."),
            Self::Denied { .. } => None,
            Self::NoRandomness => None,
            Self::Unrecorded(_) => Some(
                "The gateway has no room for audit records. Try again when its operator has made \
                 some.",
            ),
            Self::LoginTimeout { .. } => None,
        }
    }
}
