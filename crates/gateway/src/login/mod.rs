//! Logs the client in at the server: relays its own authentication, or answers for it with a token.

mod scram;
mod server_error;

use std::io;
use std::sync::Arc;

use querycop_wire::backend::{self, Authentication};
use querycop_wire::frontend::{PasswordMessage, SaslInitialResponse, password_message};
use querycop_wire::md5::md5_password;
use querycop_wire::scram::SCRAM_SHA_256_PLUS;
use querycop_wire::tag;
use secrecy::{ExposeSecret, SecretString};

pub(crate) use server_error::{Rejected, ServerError};

use crate::config::ScramOverTls;
use crate::messages::{Messages, ReadError};
use crate::oversight::Learned;
use crate::refusal::{BadMessage, Refusal};
use crate::tls::BackendTlsError;
use crate::token::{Bearer, Issued, Token, Tokens};

/// Bytes of notices and parameters that a server may send during a login; a usual one sends a few
/// hundred.
const MAX_HELD: usize = 1 << 20;

/// A login in progress.
pub(crate) struct Login<'a> {
    pub(crate) scram_over_tls: ScramOverTls,
    pub(crate) credentials: &'a Credentials,
    pub(crate) bearer: Bearer,
    pub(crate) client: &'a mut Messages,
    pub(crate) backend: Messages,
    /// The token that the server was given.
    pub(crate) used: Option<Issued>,
    pub(crate) progress: Progress,
    /// Who is to blame when it takes too long.
    pub(crate) waiting_for: &'static str,
    /// What the server says of the session.
    pub(crate) learned: Learned,
}

/// How far a login has come. A server that goes back is not a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It has not asked for anything.
    Begun,
    /// It has been given a password or token.
    Answered,
    /// It has let the client in.
    Authenticated,
}

/// What a challenge of the server is answered with.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// The client's own answer, whatever it is.
    Relayed,
    /// A token, minted when it is needed.
    Minted(Arc<Tokens>),
    /// A token that is here already.
    Issued(Token),
    /// A password that is known.
    Password(SecretString),
    /// Nothing: only a server that asks for nothing lets us in.
    Unknown,
}

/// Why a login came to nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    Refused(Refusal),
    Rejected(Rejected),
    ClientLeft,
    ClientLost(io::Error),
}

/// What the server wants, freed from the buffer it was read into.
enum Challenge {
    /// Nothing: the client is let in.
    Ok,
    /// Nothing yet: the message only has to reach the client.
    Nothing,
    Cleartext,
    Md5([u8; 4]),
    Sasl(Vec<Vec<u8>>),
    /// Something that only the client can answer.
    Other(&'static str),
}

impl Login<'_> {
    /// Sends the start-up packet and goes on until the server is ready for the first statement. Its
    /// last words are then in the client's output, not yet sent. Not cancel safe.
    pub(crate) async fn run(&mut self, startup: &[u8]) -> Result<(), Failure> {
        self.backend.output().extend_from_slice(startup);
        loop {
            self.flush_backend().await?;
            let (tag, message) = self.read_backend().await?;
            match tag {
                tag::backend::AUTHENTICATION => self.answer(&message).await?,
                tag::backend::ERROR_RESPONSE => return Err(self.rejected(message)),
                tag::backend::READY_FOR_QUERY if self.progress == Progress::Authenticated => {
                    self.client.output().extend_from_slice(&message);
                    return Ok(());
                }
                _ if self.progress == Progress::Authenticated => {
                    self.learned.note(&message);
                    self.hold_for_client(&message)?;
                }
                tag::backend::NOTICE_RESPONSE | tag::backend::NEGOTIATE_PROTOCOL_VERSION => {
                    self.hold_for_client(&message)?;
                }
                tag => return Err(unexpected(tag)),
            }
        }
    }

    /// Keeps a message that the client is to have with the next one that it must answer.
    fn hold_for_client(&mut self, message: &[u8]) -> Result<(), Failure> {
        self.client.output().extend_from_slice(message);
        if self.client.output().len() > MAX_HELD {
            return Err(Failure::Refused(Refusal::BackendFlood));
        }
        Ok(())
    }

    /// Answers a challenge of the server, or lets the client answer it.
    async fn answer(&mut self, message: &[u8]) -> Result<(), Failure> {
        let challenge = Challenge::read(message)?;
        match (&challenge, self.progress) {
            (_, Progress::Authenticated) => return Err(unexpected(tag::backend::AUTHENTICATION)),
            (Challenge::Ok, _) => {
                self.progress = Progress::Authenticated;
                return self.hold_for_client(message);
            }
            (Challenge::Nothing, _) => return self.hold_for_client(message),
            _ => {}
        }
        if let Credentials::Relayed = self.credentials {
            return self.relay_challenge(message, challenge).await;
        }
        if let Challenge::Other(method) = challenge {
            let method = method.into();
            return Err(Failure::Refused(Refusal::Method { method }));
        }
        // One password is all that a server needs: each further one could be another token.
        if self.progress == Progress::Answered {
            return Err(unexpected(tag::backend::AUTHENTICATION));
        }
        self.progress = Progress::Answered;
        match self.credentials {
            Credentials::Minted(tokens) => {
                self.waiting_for = "the token";
                let issued = tokio::select! {
                    issued = tokens.issue(self.bearer.clone()) => issued.map_err(Refusal::from)?,
                    // Dropping the call kills a command that runs for this client alone.
                    () = self.client.left() => return Err(Failure::ClientLeft),
                };
                self.waiting_for = "the backend";
                self.used = Some(issued.clone());
                self.log_in_with(challenge, issued.token.expose()).await
            }
            Credentials::Issued(token) => self.log_in_with(challenge, token.expose()).await,
            Credentials::Password(password) => {
                self.log_in_with(challenge, password.expose_secret().as_bytes())
                    .await
            }
            Credentials::Relayed | Credentials::Unknown => {
                Err(Failure::Refused(Refusal::NoCredentials))
            }
        }
    }

    /// Lets the client answer.
    async fn relay_challenge(
        &mut self,
        message: &[u8],
        challenge: Challenge,
    ) -> Result<(), Failure> {
        if let Challenge::Sasl(offered) = challenge {
            return self.relay_sasl(message, offered).await;
        }
        self.client.output().extend_from_slice(message);
        self.relay_answer().await.map(drop)
    }

    /// Answers with a password that the gateway knows.
    async fn log_in_with(&mut self, challenge: Challenge, password: &[u8]) -> Result<(), Failure> {
        match challenge {
            Challenge::Cleartext => password_message(self.backend.output(), password),
            Challenge::Md5(salt) => {
                let answer = md5_password(self.bearer.user.as_bytes(), password, salt);
                password_message(self.backend.output(), answer.as_bytes());
            }
            Challenge::Sasl(offered) => self.scram(&offered, password).await?,
            Challenge::Ok | Challenge::Nothing | Challenge::Other(_) => {}
        }
        Ok(())
    }

    /// SASL between two legs of which one or both may be TLS (querycop.md §3).
    ///
    /// A client on TLS tells the server, under the protection of the proof, that it could have bound
    /// the login to its channel. A server on TLS that offered to do so takes that for an attack. So
    /// when both legs are TLS the exchange can't be relayed; when only the server's is, the offer is
    /// left out, and the client on its plain leg says truthfully that it can't bind.
    async fn relay_sasl(&mut self, message: &[u8], offered: Vec<Vec<u8>>) -> Result<(), Failure> {
        let plus = offered
            .iter()
            .any(|name| name == SCRAM_SHA_256_PLUS.as_bytes());
        let client_tls = self.client.leg().is_tls();
        if plus && client_tls && self.scram_over_tls == ScramOverTls::Terminate {
            return self.terminate_scram(&offered).await;
        }
        if plus {
            let rest = offered
                .iter()
                .filter(|name| *name != SCRAM_SHA_256_PLUS.as_bytes());
            backend::authentication_sasl(self.client.output(), rest.map(Vec::as_slice));
        } else {
            self.client.output().extend_from_slice(message);
        }
        let answer = self.relay_answer().await?;
        let first = SaslInitialResponse::decode(body(&answer))
            .map_err(|error| Refusal::ClientMessage(error.into()))?;
        let flag = first.data.and_then(|data| data.first());
        if first.mechanism == SCRAM_SHA_256_PLUS.as_bytes() || flag == Some(&b'p') {
            return Err(Failure::Refused(Refusal::ChannelBinding));
        }
        if plus && client_tls && flag == Some(&b'y') {
            return Err(Failure::Refused(Refusal::TwoTlsLegs));
        }
        Ok(())
    }

    /// Asks the client for its password over its own protected leg and logs in with it.
    async fn terminate_scram(&mut self, offered: &[Vec<u8>]) -> Result<(), Failure> {
        backend::authentication_cleartext(self.client.output());
        let answer = self.read_answer().await?;
        let password = PasswordMessage::decode(body(&answer))
            .map_err(|error| Refusal::ClientMessage(error.into()))?;
        self.scram(offered, password.password()).await
    }

    /// Puts the client's answer on its way to the server, and returns it.
    async fn relay_answer(&mut self) -> Result<Vec<u8>, Failure> {
        let answer = self.read_answer().await?;
        self.backend.output().extend_from_slice(&answer);
        Ok(answer)
    }

    /// Waits for the client's answer to a challenge.
    async fn read_answer(&mut self) -> Result<Vec<u8>, Failure> {
        self.flush_client().await?;
        self.waiting_for = "the client";
        let frame = self.client.next().await.map_err(|error| match error {
            ReadError::Closed => Failure::ClientLeft,
            ReadError::Io(error) => Failure::ClientLost(error),
            ReadError::Frame(error) => Failure::Refused(Refusal::ClientMessage(error.into())),
        })?;
        if frame.tag != tag::frontend::PASSWORD {
            let left = frame.tag == tag::frontend::TERMINATE;
            let unexpected = Refusal::ClientUnexpected {
                tag: char::from(frame.tag),
            };
            return Err(if left {
                Failure::ClientLeft
            } else {
                unexpected.into()
            });
        }
        let answer = frame.raw().to_vec();
        self.waiting_for = "the backend";
        Ok(answer)
    }

    /// Waits for the server's next message. What the client is to have goes out first, once the
    /// server has nothing more to say for now.
    async fn read_backend(&mut self) -> Result<(u8, Vec<u8>), Failure> {
        let frame = tokio::select! {
            frame = self.backend.next() => frame.map_err(backend_failure)?,
            () = self.client.left() => return Err(Failure::ClientLeft),
        };
        Ok((frame.tag, frame.raw().to_vec()))
    }

    async fn flush_backend(&mut self) -> Result<(), Failure> {
        match self.backend.flush().await {
            Ok(()) => Ok(()),
            // The server may have said why before it closed.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(backend_failure(ReadError::Io(error))),
        }
    }

    async fn flush_client(&mut self) -> Result<(), Failure> {
        self.client.flush().await.map_err(Failure::ClientLost)
    }

    fn rejected(&mut self, message: Vec<u8>) -> Failure {
        let error = ServerError::read(body(&message));
        let before_any_word = !self.client.has_spoken();
        Failure::Rejected(Rejected {
            error,
            message,
            before_any_word,
        })
    }
}

impl Challenge {
    fn read(message: &[u8]) -> Result<Self, Failure> {
        let authentication = Authentication::decode(body(message))
            .map_err(|error| Refusal::BackendMessage(error.into()))?;
        let method = authentication.method_name();
        Ok(match authentication {
            Authentication::Ok => Self::Ok,
            Authentication::SaslFinal(_) => Self::Nothing,
            Authentication::CleartextPassword => Self::Cleartext,
            Authentication::Md5Password { salt } => Self::Md5(salt),
            Authentication::Sasl(mechanisms) => {
                Self::Sasl(mechanisms.iter().map(<[u8]>::to_vec).collect())
            }
            Authentication::KerberosV5
            | Authentication::Gss
            | Authentication::GssContinue(_)
            | Authentication::Sspi
            | Authentication::SaslContinue(_)
            | Authentication::Other(_) => Self::Other(method),
        })
    }
}

/// The body of a whole message.
fn body(message: &[u8]) -> &[u8] {
    message
        .get(querycop_wire::frame::Header::LEN..)
        .unwrap_or_default()
}

fn unexpected(tag: u8) -> Failure {
    Failure::Refused(Refusal::BackendUnexpected {
        tag: char::from(tag),
    })
}

fn backend_failure(error: ReadError) -> Failure {
    Failure::Refused(match error {
        ReadError::Closed => Refusal::BackendClosed,
        ReadError::Frame(error) => Refusal::BackendMessage(BadMessage::from(error)),
        // A server that wants a client certificate says so only now: in TLS 1.3 the handshake is
        // over for us before it has looked at ours.
        ReadError::Io(error) if BackendTlsError::library_error(&error).is_some() => {
            Refusal::Connect(BackendTlsError::from_io(error).into())
        }
        ReadError::Io(error) => Refusal::BackendLost(error),
    })
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
