//! How a client logs in: by itself, as the owner of a token, or with a token as its password.

use querycop_wire::SqlState;
use querycop_wire::backend::{authentication_cleartext, authentication_ok};
use querycop_wire::error_response::{ErrorResponse, Severity};
use querycop_wire::frontend::PasswordMessage;
use querycop_wire::startup::StartupMessage;
use querycop_wire::tag;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::relay::Opened;
use super::session::{Access, Client, ClientError};
use crate::backend::{LOGIN_DEADLINE, LoggedIn, LoginError, Stream};
use crate::description::{IamAuthentication, IamRoles};
use crate::identity::{Caller, Permission, Shown};

/// A login that was refused.
#[derive(Debug)]
pub(super) enum Refused {
    /// By the backend, in its own words.
    Backend(Vec<u8>),
    /// By the emulator.
    Emulator(ErrorResponse),
}

impl std::error::Error for Refused {}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl Refused {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Backend(_) => "refused by the backend",
            Self::Emulator(response) => response.message(),
        }
    }

    fn new(code: SqlState, message: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Emulator(ErrorResponse::new(Severity::Fatal, code, message).detail(detail))
    }

    /// What a client is told that announced its identity; the real text is not public.
    fn iam(user: &str, detail: impl Into<String>) -> Self {
        let message = format!("AlloyDB IAM user authentication failed for user \"{user}\"");
        Self::new(SqlState::INVALID_AUTHORIZATION, message, detail)
    }

    /// What PostgreSQL says, whatever was wrong; the detail is the emulator's courtesy.
    fn password(user: &str, detail: impl Into<String>) -> Self {
        let message = format!("password authentication failed for user \"{user}\"");
        Self::new(SqlState::INVALID_PASSWORD, message, detail)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) async fn log_in(
        &mut self,
        message: &StartupMessage,
        access: Access,
    ) -> Result<Opened, ClientError> {
        match access {
            Access::Iam(caller) => {
                let user = message.user();
                self.check_owner(user, &caller)
                    .map_err(|reason| Refused::iam(user, reason))?;
                self.on_behalf(message).await
            }
            Access::Native | Access::Untold if self.target.cluster.is_iam_user(message.user()) => {
                self.token_as_password(message).await
            }
            Access::Native | Access::Untold => self.by_itself(message).await,
        }
    }

    /// Lets the client and the backend settle it.
    async fn by_itself(&mut self, message: &StartupMessage) -> Result<Opened, ClientError> {
        let mut backend = self.dial().await?;
        let packet = self.startup_packet(message);
        let sent = backend.write(&packet).await;
        sent.map_err(backend_failure)?;
        Ok(Opened::new(backend))
    }

    /// Whether the token's owner may log in as this role.
    fn check_owner(&self, user: &str, caller: &Caller) -> Result<(), String> {
        let instance = &self.target.instance;
        if instance.now.borrow().iam_authentication == IamAuthentication::Off {
            return Err(format!(
                "The flag alloydb.iam_authentication is off on {}.",
                instance.name
            ));
        }
        let owner = caller.principal.database_user();
        if owner != user {
            return Err(format!("The token belongs to \"{owner}\"."));
        }
        if !self.target.cluster.is_iam_user(user) {
            return Err("The cluster has no IAM user of that name.".to_owned());
        }
        let allowed = caller.require(Permission::Login, instance.name.as_str());
        allowed.map_err(|denied| denied.to_string())
    }

    /// Asks for a token in the place of a password.
    async fn token_as_password(&mut self, message: &StartupMessage) -> Result<Opened, ClientError> {
        let mut request = Vec::new();
        authentication_cleartext(&mut request);
        self.send(&request).await?;
        let user = message.user();
        let (tag, body) = self.message().await?;
        let password = PasswordMessage::decode(&body).ok();
        let password = password.filter(|_| tag == tag::frontend::PASSWORD);
        let password = password.and_then(|message| str::from_utf8(message.password()).ok());
        let Some(token) = password else {
            return Err(Refused::password(user, "The client sent no token.").into());
        };
        let caller = self.target.state.identities.resolve(token, Shown::Password);
        let caller = caller.map_err(|error| Refused::password(user, format!("{error}")))?;
        self.record.principal = Some(caller.principal.email.clone());
        let instance = self.target.instance.name.as_str();
        caller
            .require(Permission::Connect, instance)
            .map_err(|denied| Refused::password(user, denied.to_string()))?;
        self.check_owner(user, &caller)
            .map_err(|reason| Refused::password(user, reason))?;
        self.on_behalf(message).await
    }

    /// Logs in to the backend as the role, with what the emulator knows.
    async fn on_behalf(&mut self, message: &StartupMessage) -> Result<Opened, ClientError> {
        let packet = self.startup_packet(message);
        let first = self.attempt(&packet, message.user()).await;
        let state = self.target.state.clone();
        let logged_in = match first {
            // Another emulator on the same backend may have changed the password since.
            Err(LoginError::Rejected(refused)) if state.iam_roles == IamRoles::Create => {
                let prepared = state.prepare_roles().await;
                prepared.map_err(|_| Refused::Backend(refused))?;
                self.attempt(&packet, message.user()).await
            }
            other => other,
        };
        let LoggedIn { stream, before } = logged_in.map_err(backend_failure)?;
        let mut welcome = before;
        authentication_ok(&mut welcome);
        self.send(&welcome).await?;
        Ok(Opened::new(stream))
    }

    async fn attempt(&self, packet: &[u8], user: &str) -> Result<LoggedIn, LoginError> {
        let state = &self.target.state;
        let log_in = async {
            let socket = state.backend.connect().await.map_err(LoginError::Connect)?;
            let stream = Stream::new(socket);
            stream.log_in(packet, user, &state.role_password).await
        };
        timeout(LOGIN_DEADLINE, log_in)
            .await
            .unwrap_or(Err(LoginError::Timeout))
    }

    async fn dial(&self) -> Result<Stream, Refused> {
        let socket = self.target.state.backend.connect().await;
        let socket = socket.map_err(|error| backend_failure(LoginError::Connect(error)))?;
        Ok(Stream::new(socket))
    }
}

fn backend_failure(error: LoginError) -> Refused {
    match error {
        LoginError::Rejected(message) => Refused::Backend(message),
        other => {
            let mut detail = other.to_string();
            if let Some(cause) = std::error::Error::source(&other) {
                detail.push_str(": ");
                detail.push_str(&cause.to_string());
            }
            let message = "the backend of the emulator can't be used";
            Refused::new(SqlState::CANNOT_CONNECT_NOW, message, detail)
        }
    }
}
