//! Examines each step of the way to the database, with the very code that sessions take.

mod direct;
mod instance;
mod words;

use std::sync::Arc;
use std::time::Duration;

use alloydb_connector::Dialer;
use secrecy::SecretString;
use tokio::time::Instant;

use self::words::Words;
use crate::backend::Backend;
use crate::config::{self, Config, ScramOverTls};
use crate::leg::Leg;
use crate::login::{Credentials, Failure};
use crate::own_session::{OpenError, OwnSession, Role};
use crate::refusal::Refusal;
use crate::stop::chain;
use crate::token::{Bearer, IssueError, Tokens};

/// As whom the doctor logs in.
#[derive(Debug)]
pub struct Patient {
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
    /// The role's password; of no use where tokens are.
    pub password: Option<SecretString>,
}

/// One step of the way.
#[derive(Debug)]
pub struct Step {
    /// What was examined.
    pub name: &'static str,
    /// What came out.
    pub finding: Finding,
    /// How long it took.
    pub took: Duration,
}

/// What came out of a step.
#[derive(Debug)]
pub enum Finding {
    /// It worked.
    Ok {
        /// What was seen, a line each.
        details: Vec<String>,
    },
    /// It did not.
    Failed {
        /// Why.
        cause: String,
        /// What to do.
        cure: String,
        /// What was seen all the same, a line each.
        details: Vec<String>,
    },
    /// It was not tried.
    Skipped {
        /// Why not.
        reason: &'static str,
    },
}

/// Why a step failed and what to do.
struct Trouble {
    cause: String,
    cure: String,
    details: Vec<String>,
}

const AN_EARLIER_STEP: &str = "an earlier step failed";

/// The examination as far as it has come.
struct Examination {
    backend: Arc<Backend>,
    scram_over_tls: ScramOverTls,
    login_timeout: Duration,
    words: &'static Words,
    steps: Vec<Step>,
}

/// Examines the way to the database, step by step; the steps after a failed one are skipped.
///
/// Must be called within a runtime. Not cancel safe.
pub async fn examine(config: &Config, patient: &Patient) -> Vec<Step> {
    let mut steps = Vec::new();
    let started = Instant::now();
    let backend = match Backend::load(config.backend.clone()).await {
        Ok(backend) => backend,
        Err(error) => {
            let finding = Finding::Failed {
                cause: chain(&error),
                cure: "Correct the settings; \"querycop check\" shows where each comes from."
                    .to_owned(),
                details: Vec::new(),
            };
            steps.push(Step {
                name: "files",
                finding,
                took: started.elapsed(),
            });
            return steps;
        }
    };
    let examination = Examination {
        backend: Arc::new(backend),
        scram_over_tls: config.scram_over_tls,
        login_timeout: config.limits.login_timeout,
        words: &words::GATEWAY,
        steps,
    };
    examination.run(patient).await
}

/// Examines the auth-proxy's way to an instance, through its connector; `limit` is for the dial,
/// and again for the login.
///
/// Must be called within the connector's runtime. Not cancel safe.
pub async fn examine_instance(
    dialer: Dialer,
    instance: config::Instance,
    patient: &Patient,
    limit: Duration,
) -> Vec<Step> {
    let examination = Examination {
        backend: Arc::new(Backend::through(dialer, instance, limit)),
        scram_over_tls: ScramOverTls::Terminate,
        login_timeout: limit,
        words: &words::AUTH_PROXY,
        steps: Vec::new(),
    };
    examination.run(patient).await
}

impl Examination {
    async fn run(mut self, patient: &Patient) -> Vec<Step> {
        self.go_all_the_way(patient).await;
        self.steps
    }

    async fn go_all_the_way(&mut self, patient: &Patient) {
        let (leg, steps) = match self.backend.instance() {
            None => (self.reach_address().await, &direct::STEPS),
            Some(_) => (self.reach_instance().await, &instance::STEPS),
        };
        let Some(leg) = leg else {
            for name in steps
                .iter()
                .skip(self.steps.len())
                .chain(&["token", "login", "query"])
            {
                self.skip(name, AN_EARLIER_STEP);
            }
            return;
        };
        let credentials = match (&self.backend.settings.token, &patient.password) {
            (Some(_), _) => {
                let minted = self
                    .step("token", async |this| this.mint(patient).await)
                    .await;
                if minted.is_none() {
                    self.skip("login", AN_EARLIER_STEP);
                    self.skip("query", AN_EARLIER_STEP);
                    return;
                }
                minted.unwrap_or(Credentials::Unknown)
            }
            (None, _) if self.backend.logs_in_automatically() => {
                self.skip(
                    "token",
                    "the instance was given it in the metadata exchange",
                );
                Credentials::Unknown
            }
            (None, password) => {
                self.skip("token", self.words.no_token);
                password
                    .clone()
                    .map_or(Credentials::Unknown, Credentials::Password)
            }
        };
        let login = async |this: &mut Self| this.login(patient, leg, &credentials).await;
        match self.step("login", login).await {
            Some(session) => {
                self.step("query", async |_| select_one(session).await)
                    .await;
            }
            None => self.skip("query", AN_EARLIER_STEP),
        }
    }

    async fn step<T>(
        &mut self,
        name: &'static str,
        work: impl AsyncFnOnce(&mut Self) -> Result<(T, Vec<String>), Trouble>,
    ) -> Option<T> {
        let started = Instant::now();
        let outcome = work(self).await;
        let took = started.elapsed();
        let (value, finding) = match outcome {
            Ok((value, details)) => (Some(value), Finding::Ok { details }),
            Err(Trouble {
                cause,
                cure,
                details,
            }) => (
                None,
                Finding::Failed {
                    cause,
                    cure,
                    details,
                },
            ),
        };
        self.steps.push(Step {
            name,
            finding,
            took,
        });
        value
    }

    fn skip(&mut self, name: &'static str, reason: &'static str) {
        self.steps.push(Step {
            name,
            finding: Finding::Skipped { reason },
            took: Duration::ZERO,
        });
    }

    async fn mint(&mut self, patient: &Patient) -> Result<(Credentials, Vec<String>), Trouble> {
        let unable = |message: String, cure| Trouble::new(message, cure);
        let tokens = Tokens::load(&self.backend.settings, &Arc::default())
            .await
            .map_err(|error| unable(chain(&error), self.words.credentials))?;
        let Some(tokens) = tokens else {
            return Ok((Credentials::Unknown, Vec::new()));
        };
        let issued = tokens.issue(patient.bearer()).await.map_err(|error| {
            let cure = match &error {
                IssueError::Command(_) => {
                    "Run the command by hand, as the user and with the environment of the gateway."
                }
                IssueError::Iam(_) => self.words.credentials,
            };
            unable(Refusal::from(error).to_string(), cure)
        })?;
        let details = vec![format!("{} bytes", issued.token.expose().len())];
        Ok((Credentials::Issued(issued.token), details))
    }

    async fn login(
        &mut self,
        patient: &Patient,
        leg: Leg,
        credentials: &Credentials,
    ) -> Result<(OwnSession, Vec<String>), Trouble> {
        let role = Role {
            user: &patient.user,
            database: &patient.database,
            application_name: "querycop doctor",
            credentials,
            scram_over_tls: self.scram_over_tls,
        };
        let limit = self.login_timeout;
        match OwnSession::open(leg, &role, limit).await {
            Ok(session) => {
                let details = vec![format!("as {:?} to {:?}", patient.user, patient.database)];
                Ok((session, details))
            }
            Err(OpenError::Login(failure)) => Err(login_trouble(failure, self.words)),
            Err(error @ OpenError::Timeout) => Err(Trouble::new(
                error.to_string(),
                "See the database server's log.",
            )),
            Err(error @ (OpenError::Name(_) | OpenError::Io(_))) => {
                Err(Trouble::new(error.to_string(), ""))
            }
        }
    }
}

impl Trouble {
    fn new(cause: String, cure: &str) -> Self {
        Self {
            cause,
            cure: cure.to_owned(),
            details: Vec::new(),
        }
    }
}

impl Patient {
    fn bearer(&self) -> Bearer {
        Bearer {
            user: self.user.clone(),
            database: self.database.clone(),
            client_addr: None,
        }
    }
}

fn login_trouble(failure: Failure, words: &Words) -> Trouble {
    match failure {
        Failure::Rejected(rejected) => {
            let cure = match rejected.error.code.as_str() {
                "28P01" | "28000" => {
                    "The server does not let this role in with this password or token: check the role, \
                     its password or IAM binding, and pg_hba.conf. With an AlloyDB or Cloud SQL token \
                     the role must exist as an IAM user, and IAM authentication be on."
                }
                "3D000" => "Name an existing database with --database.",
                _ => "See the database server's log.",
            };
            Trouble::new(
                format!("{} ({})", rejected.error.message, rejected.error.code),
                cure,
            )
        }
        Failure::Refused(Refusal::NoCredentials) => Trouble::new(
            "the server asks for a password".to_owned(),
            words.no_password,
        ),
        Failure::Refused(refusal) => {
            Trouble::new(refusal.to_string(), refusal.hint().unwrap_or_default())
        }
        Failure::ClientLeft | Failure::ClientLost(_) => {
            Trouble::new("the login was given up".to_owned(), "")
        }
    }
}

/// Runs the one statement that every server can run.
async fn select_one(mut session: OwnSession) -> Result<((), Vec<String>), Trouble> {
    let cure = "See the database server's log.";
    let mut rows = 0_u32;
    let counted = session.query("select 1", Duration::from_secs(10), |_| {
        rows += 1;
        Ok(())
    });
    let outcome = counted.await;
    session.end().await;
    match outcome {
        Err(error) => Err(Trouble::new(error.to_string(), cure)),
        Ok(()) if rows != 1 => Err(Trouble::new(
            format!("{rows} rows in answer to select 1"),
            cure,
        )),
        Ok(()) => Ok(((), vec!["select 1".to_owned()])),
    }
}
