//! A server with something to lose, and a gateway with a policy before it.

use std::fs;
use std::path::{Path, PathBuf};

use querycop_testkit::gateway::Gateway;
use querycop_testkit::postgres::Postgres;
use tempfile::TempDir;

use super::cases::{Case, Harm};
use super::contents::{RESET, STATE, WORLD};
use super::session::{Answer, Session};
use crate::setup::{before, temporary_directory};

/// The database that is copied.
const MODEL: &str = "model";
/// The one behind the gateway.
const BEHIND: &str = "bypass";
/// The one that cases are tried on without the gateway.
const DIRECT: &str = "direct";

/// A server with something to lose, and gateways with a policy each before it.
pub(super) struct World {
    gates: Vec<Gate>,
    server: Postgres,
    /// What the server holds when nothing has happened.
    state: Vec<Vec<u8>>,
}

/// A gateway and the file of its policy.
pub(super) struct Gate {
    pub(super) gateway: Gateway,
    pub(super) policy: PathBuf,
    _directory: TempDir,
}

/// What a case did.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) changed: bool,
    pub(super) leaked: bool,
    /// The rule that the first denial names.
    pub(super) denied_by: Option<String>,
    /// The session runs statements afterwards.
    pub(super) lives: bool,
    /// What the errors said.
    pub(super) errors: Vec<(String, String)>,
}

impl Outcome {
    pub(super) fn did(&self, harm: Harm) -> bool {
        match harm {
            Harm::Changes => self.changed,
            Harm::Leaks => self.leaked,
        }
    }

    pub(super) fn did_any(&self) -> bool {
        self.changed || self.leaked
    }
}

impl Gate {
    fn start(server: &Postgres, policy: &str) -> Self {
        let directory = temporary_directory();
        let file = directory.path().join("policy.yaml");
        fs::write(&file, policy).expect("the directory is writable");
        let gateway = before(server, "disable")
            .env("GATEKEEPER_POLICY_FILE", file.display())
            .start();
        Self {
            gateway,
            policy: file,
            _directory: directory,
        }
    }

    fn session(&self) -> Session {
        Session::open(self.gateway.port(), BEHIND)
    }
}

impl World {
    pub(super) fn start(policies: &[&str]) -> Self {
        let server = Postgres::builder()
            .setting("wal_level", "logical")
            .setting("max_prepared_transactions", "2")
            .start();
        let gates = policies.iter().map(|policy| Gate::start(&server, policy));
        let mut world = Self {
            gates: gates.collect(),
            server,
            state: Vec::new(),
        };
        world.administer(&format!("CREATE DATABASE {MODEL}"));
        let filled = Session::open(world.server.port(), MODEL).query(WORLD.as_bytes());
        assert_eq!(filled.error, None, "filling the model");
        world.rebuild();
        world.state = world.state_of(BEHIND);
        world
    }

    /// The gateways, in the order of their policies.
    pub(super) fn gates(&self) -> &[Gate] {
        &self.gates
    }

    /// The port without the gateway.
    pub(super) fn server_port(&self) -> u16 {
        self.server.port()
    }

    /// A session through the first gateway.
    pub(super) fn session(&self) -> Session {
        self.gates[0].session()
    }

    /// A session through the first gateway, with more in its start-up packet.
    pub(super) fn try_session(&self, parameters: &[(&str, &str)]) -> Result<Session, Answer> {
        Session::try_open(self.gates[0].gateway.port(), BEHIND, parameters)
    }

    /// Whether something behind the gateway is other than it was.
    pub(super) fn is_changed(&self) -> bool {
        self.state_of(BEHIND) != self.state
    }

    /// Tries a case where nobody keeps it from anything.
    pub(super) fn directly(&self, case: &Case) -> Outcome {
        self.copy_model(DIRECT);
        let mut session = Session::open(self.server.port(), DIRECT);
        let mut outcome = self.run(&mut session, case, DIRECT);
        outcome.changed = self.state_of(DIRECT) != self.state;
        drop(session);
        if outcome.changed {
            self.drop_database(DIRECT);
            self.reset();
        }
        outcome
    }

    /// Tries a case through a gateway.
    pub(super) fn through(&self, gate: &Gate, case: &Case) -> Outcome {
        let mut session = gate.session();
        let mut outcome = self.run(&mut session, case, BEHIND);
        outcome.lives = session.lives();
        outcome.changed = self.is_changed();
        if outcome.changed {
            drop(session);
            self.rebuild();
        }
        outcome
    }

    /// Makes everything as it was.
    pub(super) fn rebuild(&self) {
        self.reset();
        self.copy_model(BEHIND);
    }

    fn run(&self, session: &mut Session, case: &Case, database: &str) -> Outcome {
        let mut outcome = Outcome::default();
        for step in case.steps {
            let answer = session.query(&self.filled(step, database));
            outcome.leaked |= answer.leaks();
            if outcome.denied_by.is_none() {
                outcome.denied_by = answer.denied_by();
            }
            outcome.errors.extend(answer.error);
            if answer.closed {
                break;
            }
        }
        outcome
    }

    /// A step with its places filled.
    fn filled(&self, step: &[u8], database: &str) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(step) else {
            return step.to_vec();
        };
        let data: &Path = &self.server.data_dir();
        text.replace("{data}", &data.display().to_string())
            .replace("{database}", database)
            .into_bytes()
    }

    fn copy_model(&self, database: &str) {
        self.drop_database(database);
        self.administer(&format!("CREATE DATABASE {database} TEMPLATE {MODEL}"));
    }

    fn drop_database(&self, database: &str) {
        self.administer(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"));
    }

    fn reset(&self) {
        for statement in RESET.lines().filter(|line| !line.is_empty()) {
            self.administer(statement);
        }
    }

    fn administer(&self, sql: &str) {
        let answer = Session::open(self.server.port(), "postgres").query(sql.as_bytes());
        assert_eq!(answer.error, None, "{sql}");
    }

    fn state_of(&self, database: &str) -> Vec<Vec<u8>> {
        let answer = Session::open(self.server.port(), database).query(STATE.as_bytes());
        assert_eq!(answer.error, None, "the state can be read");
        answer.rows
    }
}
