//! A client that has said who it wants to be, and its way to the server.

use std::sync::Arc;
use std::time::Duration;

use querycop_serve::PeerAddr;
use querycop_wire::startup::StartupMessage;
use tokio::time::{Instant, timeout_at};
use tracing::{Span, debug};
use uuid::Uuid;

use crate::backend::Attempt;
use crate::login::{Failure, Login, Progress, Rejected};
use crate::messages::Messages;
use crate::oversight::{Learned, Newcomer, Oversight};
use crate::refusal::Refusal;
use crate::registry::{Admission, Entry};
use crate::relay::Relay;
use crate::shared::Shared;
use crate::stop::Stop;
use crate::token::{Bearer, Issued};

/// Time for a login that is under way when the gateway shuts down: one that waits for somebody to
/// type a password must not hold up the end.
const LATE_LOGIN: Duration = Duration::from_secs(2);

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
    oversight: Option<Box<Oversight>>,
    admission: Admission,
}

/// What an attempt to log in was made with.
struct Tried {
    /// The token that the server was given.
    token: Option<Issued>,
    /// The server was reached under TLS, and mode `prefer` may do without.
    may_go_without_tls: bool,
    /// What the server said of the session.
    learned: Learned,
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
        let entry = Entry::new(id, (peer, client.leg().is_tls()), &startup);
        match shared.registry.admit(Arc::clone(&entry)) {
            Ok(admission) => Ok(Admitted {
                shared,
                client,
                startup,
                admission,
            }),
            Err(refusal) => {
                Oversight::refused(
                    &Newcomer {
                        shared: &shared,
                        entry: &entry,
                        client: client.leg(),
                        startup: &startup,
                        learned: Learned::default(),
                    },
                    &refusal,
                );
                Err(Stop::refuse(client, refusal).await)
            }
        }
    }
}

impl Admitted {
    /// Connects to the server and logs in. Not cancel safe.
    pub(crate) async fn connect(mut self) -> Result<Connected, Stop> {
        let registry = Arc::clone(&self.shared.registry);
        let outcome = tokio::select! {
            outcome = self.log_in() => outcome,
            () = registry.draining_for(LATE_LOGIN) => Err(Failure::Refused(Refusal::ShuttingDown)),
        };
        match outcome {
            Ok((backend, learned)) => self.connected(backend, learned).await,
            Err(Failure::Refused(refusal)) => {
                Oversight::refused(&self.newcomer(Learned::default()), &refusal);
                Err(Stop::refuse(self.client, refusal).await)
            }
            Err(Failure::Rejected(Rejected { error, message, .. })) => {
                Oversight::turned_away(
                    &self.newcomer(Learned::default()),
                    &error.code,
                    &error.message,
                );
                self.client.farewell(&message).await;
                Err(Stop::Rejected(error))
            }
            Err(Failure::ClientLeft) => Err(Stop::ClientLeft),
            Err(Failure::ClientLost(error)) => Err(Stop::ClientLost(error)),
        }
    }

    /// The server has let the client in: it is told once its session is under oversight.
    async fn connected(mut self, backend: Messages, learned: Learned) -> Result<Connected, Stop> {
        let overseen = Oversight::begin(&self.shared, &self.newcomer(learned));
        let oversight = match overseen {
            Ok(oversight) => oversight,
            Err(refusal) => return Err(Stop::refuse(self.client, refusal).await),
        };
        if let Err(error) = self.client.flush().await {
            return Err(Stop::ClientLost(error));
        }
        self.shared.metrics.session_established();
        let Self {
            client, admission, ..
        } = self;
        Ok(Connected {
            client,
            backend,
            oversight,
            admission,
        })
    }

    /// At most three attempts: as configured, without TLS where mode `prefer` allows it, and with a
    /// new token when the server did not take a kept one.
    async fn log_in(&mut self) -> Result<(Messages, Learned), Failure> {
        let deadline = Instant::now() + self.shared.config.limits.login_timeout;
        let mut attempt = Attempt::First;
        let mut may_mint_again = true;
        loop {
            let (outcome, tried) = self.attempt(attempt, deadline).await?;
            let rejected = match outcome {
                Ok(backend) => return Ok((backend, tried.learned)),
                Err(rejected) => rejected,
            };
            let kept = tried.token.filter(|issued| issued.reused && may_mint_again);
            match (kept, &self.shared.tokens) {
                (Some(kept), Some(tokens)) if rejected.error.is_authentication() => {
                    debug!("the backend refused a kept token, minting a new one");
                    tokens.forget(self.bearer(), &kept.token);
                    may_mint_again = false;
                }
                _ if tried.may_go_without_tls && rejected.error.is_not_for_this_encryption() => {
                    debug!("the backend refused the role with TLS, going on in clear");
                    attempt = Attempt::InClear;
                }
                _ => return Err(Failure::Rejected(rejected)),
            }
            self.client.output().clear();
        }
    }

    /// One attempt. A rejection is an outcome as long as the client has heard nothing of it.
    async fn attempt(
        &mut self,
        attempt: Attempt,
        deadline: Instant,
    ) -> Result<(Result<Messages, Rejected>, Tried), Failure> {
        let started = Instant::now();
        let leg = tokio::select! {
            leg = self.shared.backend.connect(attempt) => leg.map_err(Refusal::from)?,
            () = self.client.left() => return Err(Failure::ClientLeft),
        };
        self.shared.metrics.backend_connected(started.elapsed());
        let may_go_without_tls = self.shared.backend.prefers_tls() && leg.is_tls();
        let credentials = self.shared.credentials();
        let mut login = Login {
            scram_over_tls: self.shared.config.scram_over_tls,
            credentials: &credentials,
            bearer: self.bearer(),
            client: &mut self.client,
            backend: Messages::new(leg, Vec::new()),
            used: None,
            progress: Progress::Begun,
            waiting_for: "the backend",
            learned: Learned::default(),
        };
        let outcome = timeout_at(deadline, login.run(self.startup.as_bytes())).await;
        let Login {
            backend,
            used: token,
            waiting_for,
            learned,
            ..
        } = login;
        let tried = Tried {
            token,
            may_go_without_tls,
            learned,
        };
        match outcome {
            Ok(Ok(())) => Ok((Ok(backend), tried)),
            Ok(Err(Failure::Rejected(rejected))) if rejected.before_any_word => {
                Ok((Err(rejected), tried))
            }
            Ok(Err(failure)) => Err(failure),
            Err(_) => {
                let after = self.shared.config.limits.login_timeout;
                Err(Failure::Refused(Refusal::LoginTimeout {
                    after,
                    waiting_for,
                }))
            }
        }
    }

    fn newcomer(&self, learned: Learned) -> Newcomer<'_> {
        Newcomer {
            shared: &self.shared,
            entry: self.admission.entry(),
            client: self.client.leg(),
            startup: &self.startup,
            learned,
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
        Relay::new(client, backend, self.oversight, self.admission)
            .with_first(&from_client, &from_backend)
    }
}
