//! A login to the backend on somebody's behalf, up to `AuthenticationOk`.

use std::io;

use querycop_serve::Socket;
use querycop_wire::backend::Authentication;
use querycop_wire::frame::{self, FrameError, MAX_PRE_AUTH_LEN};
use querycop_wire::frontend::{password_message, sasl_initial_response, sasl_response};
use querycop_wire::md5::md5_password;
use querycop_wire::scram::{ChannelBinding, Client, NONCE_LEN, Outcome, SCRAM_SHA_256, ScramError};
use querycop_wire::{MessageError, tag};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Why the backend let nobody in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("the backend can't be reached")]
    Connect(#[source] io::Error),
    #[error("the backend broke the connection")]
    Io(#[from] io::Error),
    #[error("the backend sent a message of a wrong length")]
    Frame(#[from] FrameError),
    #[error("the backend sent a malformed message")]
    Message(#[from] MessageError),
    #[error("the backend asks for {0}, which the emulator can't answer")]
    Method(&'static str),
    #[error("the backend breaks SCRAM")]
    Scram(#[from] ScramError),
    #[error("the backend took too long")]
    Timeout,
    /// The whole `ErrorResponse`.
    #[error("the backend refused the login: {}", text(.0))]
    Rejected(Vec<u8>),
}

fn text(message: &[u8]) -> String {
    let body = message.get(frame::Header::LEN..).unwrap_or_default();
    match querycop_wire::error_response::ErrorView::decode(body) {
        Ok(view) => view.message().into_owned(),
        Err(_) => "for a reason that can't be read".to_owned(),
    }
}

/// A connection and what was read from it beyond the last message.
pub(crate) struct Stream {
    pub(crate) socket: Socket,
    pub(crate) unread: Vec<u8>,
}

/// A session that has begun.
pub(crate) struct LoggedIn {
    pub(crate) stream: Stream,
    /// Notices and a negotiated version, which came before the login and are for the client.
    pub(crate) before: Vec<u8>,
}

impl Stream {
    pub(crate) fn new(socket: Socket) -> Self {
        Self {
            socket,
            unread: Vec::new(),
        }
    }

    /// Reads one message, whole. Not cancel safe.
    pub(crate) async fn read(&mut self) -> Result<(u8, Vec<u8>), LoginError> {
        loop {
            if let Some((frame, used)) = frame::decode(&self.unread, MAX_PRE_AUTH_LEN)? {
                let tag = frame.tag;
                return Ok((tag, self.unread.drain(..used).collect()));
            }
            if self.socket.read_buf(&mut self.unread).await? == 0 {
                return Err(LoginError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), LoginError> {
        self.socket.write_all(bytes).await?;
        Ok(())
    }

    /// Sends the packet and answers what the backend asks, until it is content. Not cancel safe.
    pub(crate) async fn log_in(
        mut self,
        startup: &[u8],
        user: &str,
        password: &SecretString,
    ) -> Result<LoggedIn, LoginError> {
        self.write(startup).await?;
        let mut before = Vec::new();
        loop {
            let (tag, message) = self.read().await?;
            if tag == tag::backend::ERROR_RESPONSE {
                return Err(LoginError::Rejected(message));
            }
            if tag != tag::backend::AUTHENTICATION {
                before.extend(message);
                continue;
            }
            let mut answer = Vec::new();
            match Authentication::decode(message.get(frame::Header::LEN..).unwrap_or_default())? {
                Authentication::Ok => {
                    let stream = self;
                    return Ok(LoggedIn { stream, before });
                }
                Authentication::CleartextPassword => {
                    password_message(&mut answer, password.expose_secret().as_bytes());
                }
                Authentication::Md5Password { salt } => {
                    let secret = password.expose_secret().as_bytes();
                    let hash = md5_password(user.as_bytes(), secret, salt);
                    password_message(&mut answer, hash.as_bytes());
                }
                Authentication::Sasl(mechanisms) if mechanisms.contains(SCRAM_SHA_256) => {
                    self.scram(password).await?;
                }
                other => return Err(LoginError::Method(other.method_name())),
            }
            self.write(&answer).await?;
        }
    }

    async fn scram(&mut self, password: &SecretString) -> Result<(), LoginError> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).expect("the operating system gives random bytes");
        let (expect, first) = Client::start(ChannelBinding::Unsupported, &nonce);
        let mut message = Vec::new();
        sasl_initial_response(&mut message, SCRAM_SHA_256.as_bytes(), Some(&first));
        self.write(&message).await?;
        let challenge = expect.server_first(&self.sasl().await?)?;
        let secret = password.clone();
        // Thousands of rounds of a hash, which other sessions must not wait for.
        let prove = move || challenge.prove(secret.expose_secret().as_bytes());
        let proved = tokio::task::spawn_blocking(prove).await;
        let (expect, proof) = proved.expect("deriving a key does not panic");
        message.clear();
        sasl_response(&mut message, &proof);
        self.write(&message).await?;
        match expect.server_final(&self.sasl().await?)? {
            Outcome::Authenticated => Ok(()),
            Outcome::Refused { .. } => Err(LoginError::Method("another password")),
        }
    }

    async fn sasl(&mut self) -> Result<Vec<u8>, LoginError> {
        let (tag, message) = self.read().await?;
        if tag == tag::backend::ERROR_RESPONSE {
            return Err(LoginError::Rejected(message));
        }
        match Authentication::decode(message.get(frame::Header::LEN..).unwrap_or_default())? {
            Authentication::SaslContinue(data) | Authentication::SaslFinal(data) => {
                Ok(data.to_vec())
            }
            other => Err(LoginError::Method(other.method_name())),
        }
    }
}
