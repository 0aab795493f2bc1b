//! A client that has said who it wants to be, and its way to the server.

use std::sync::Arc;

use querycop_serve::PeerAddr;
use querycop_wire::startup::StartupMessage;
use tokio::time::{Instant, timeout};
use tracing::{Span, debug};
use uuid::Uuid;

use crate::backend::Attempt;
use crate::config::TlsMode;
use crate::gateway::Shared;
use crate::login::{Credentials, Failure, Login, Rejected};
use crate::messages::Messages;
use crate::refusal::Refusal;
use crate::registry::Admission;
use crate::relay::Relay;
use crate::session::Stop;
use crate::token::{Bearer, Token};

/// A client that has said who it wants to be.
pub(crate) struct Started {
    shared: Arc<Shared>,
    id: Uuid,
    client: Messages,
    peer: PeerAddr,
    startup: StartupMessage,
}

/// A client that has a place among those that are served.
pub(crate) struct Admitted {
    shared: Arc<Shared>,
    client: Messages,
    startup: StartupMessage,
    admission: Admission,
}

/// A client that the server has let in.
pub(crate) struct Connected {
    client: Messages,
    backend: Messages,
    admission: Admission,
}

/// A login that worked, or what to try next.
enum Attempted {
    LoggedIn(Messages),
    Again {
        attempt: Attempt,
        refused: Option<Token>,
    },
}

impl Started {
    pub(crate) fn new(
        shared: Arc<Shared>,
        id: Uuid,
        (client, peer): (Messages, PeerAddr),
        startup: StartupMessage,
    ) -> Self {
        Span::current()
            .record("db.user", startup.user())
            .record("db.name", startup.database());
        Self {
            shared,
            id,
            client,
            peer,
            startup,
        }
    }

    /// Gives the client a place, if there is one.
    pub(crate) async fn admit(self) -> Result<Admitted, Stop> {
        let Self {
            shared,
            id,
            client,
            peer,
            startup,
        } = self;
        match shared
            .registry
            .admit(id, (peer, client.leg().is_tls()), &startup)
        {
            Ok(admission) => Ok(Admitted {
                shared,
                client,
                startup,
                admission,
            }),
            Err(refusal) => Err(Stop::refuse(client, refusal).await),
        }
    }
}

impl Admitted {
    /// Connects to the server and logs in. Not cancel safe.
    pub(crate) async fn connect(mut self) -> Result<Connected, Stop> {
        match self.log_in().await {
            Ok(backend) => {
                self.shared.metrics.session_established();
                let Self {
                    client, admission, ..
                } = self;
                Ok(Connected {
                    client,
                    backend,
                    admission,
                })
            }
            Err(Failure::Refused(refusal)) => Err(Stop::refuse(self.client, refusal).await),
            Err(Failure::Rejected(Rejected { error, message, .. })) => {
                self.client.farewell(&message).await;
                Err(Stop::Rejected(error))
            }
            Err(Failure::ClientLeft) => Err(Stop::ClientLeft),
            Err(Failure::ClientLost(error)) => Err(Stop::ClientLost(error)),
        }
    }

    /// At most three attempts: as configured, without TLS where mode `prefer` allows it, and with a
    /// new token when the server did not take a kept one.
    async fn log_in(&mut self) -> Result<Messages, Failure> {
        let mut attempt = Attempt::First;
        let mut may_mint_again = true;
        loop {
            match self.attempt(attempt, may_mint_again).await? {
                Attempted::LoggedIn(backend) => return Ok(backend),
                Attempted::Again {
                    attempt: next,
                    refused,
                } => {
                    if let (Some(tokens), Some(refused)) = (&self.shared.tokens, refused) {
                        debug!("the backend refused a kept token, minting a new one");
                        tokens.forget(self.bearer(), &refused);
                        may_mint_again = false;
                    }
                    attempt = next;
                    self.client.output().clear();
                }
            }
        }
    }

    async fn attempt(
        &mut self,
        attempt: Attempt,
        may_mint_again: bool,
    ) -> Result<Attempted, Failure> {
        let started = Instant::now();
        let leg = self
            .shared
            .backend
            .connect(attempt)
            .await
            .map_err(Refusal::from)?;
        self.shared.metrics.backend_connected(started.elapsed());
        let in_prefer = self.shared.backend.settings.tls.mode == TlsMode::Prefer && leg.is_tls();
        let bearer = self.bearer();
        let credentials = self
            .shared
            .tokens
            .clone()
            .map_or(Credentials::Relayed, Credentials::Minted);
        let mut login = Login {
            scram_over_tls: self.shared.config.scram_over_tls,
            credentials: &credentials,
            bearer,
            client: &mut self.client,
            backend: Messages::new(leg, Vec::new()),
            used: None,
            waiting_for: "the backend",
        };
        let after = self.shared.config.limits.login_timeout;
        let outcome = timeout(after, login.run(self.startup.as_bytes())).await;
        let waiting_for = login.waiting_for;
        let outcome = outcome.unwrap_or_else(|_| {
            Err(Failure::Refused(Refusal::LoginTimeout {
                after,
                waiting_for,
            }))
        });
        match outcome {
            Ok(()) => Ok(Attempted::LoggedIn(login.backend)),
            Err(Failure::Rejected(rejected)) if rejected.before_any_word => {
                let refused = login
                    .used
                    .take()
                    .filter(|issued| issued.reused && may_mint_again);
                if rejected.error.is_authentication() && refused.is_some() {
                    Ok(Attempted::Again {
                        attempt,
                        refused: refused.map(|issued| issued.token),
                    })
                } else if in_prefer && rejected.error.is_not_for_this_encryption() {
                    Ok(Attempted::Again {
                        attempt: Attempt::InClear,
                        refused: None,
                    })
                } else {
                    Err(Failure::Rejected(rejected))
                }
            }
            Err(failure) => Err(failure),
        }
    }

    fn bearer(&self) -> Bearer {
        Bearer {
            user: self.startup.user().to_owned(),
            database: self.startup.database().to_owned(),
            client_addr: Some(self.admission.entry().client_addr.to_string()),
        }
    }
}

impl Connected {
    pub(crate) fn into_relay(self) -> Relay {
        let (client, from_client) = self.client.into_parts();
        let (backend, from_backend) = self.backend.into_parts();
        Relay::new(
            (client, &from_client),
            (backend, &from_backend),
            self.admission,
        )
    }
}
