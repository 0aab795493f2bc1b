//! psql as a client, over the distribution's libpq or that of PostgreSQL 18.

use std::fmt::Display;
use std::time::Duration;

use crate::command::{Output, Program};
use crate::postgres::{Version, library_directory};
use crate::wait::DEADLINE;

/// Which libpq psql is run with; psql itself is always the distribution's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Libpq {
    /// The distribution's: 15 on Debian 12.
    #[default]
    Packaged,
    /// The one beside the PostgreSQL 18 server: knows `sslnegotiation=direct` and protocol 3.2.
    V18,
}

/// One connection's parameters; each run is a new connection.
#[derive(Clone)]
#[must_use = "psql connects when it is run"]
pub struct Psql {
    arguments: Vec<String>,
    deadline: Duration,
    libpq: Libpq,
    options: Vec<(String, String)>,
    password: Option<String>,
}

impl Psql {
    /// To a host name, an address, or the directory of a Unix socket; database `postgres`.
    pub fn new(host: &str, port: u16) -> Self {
        let psql = Self {
            arguments: Vec::new(),
            deadline: DEADLINE,
            libpq: Libpq::Packaged,
            options: Vec::new(),
            password: None,
        };
        psql.option("host", host)
            .option("port", port)
            .option("dbname", "postgres")
            .option("connect_timeout", 20)
    }

    /// The role to log in as.
    pub fn user(self, role: &str) -> Self {
        self.option("user", role)
    }

    /// The password; without one, psql fails where a password is asked for.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// The database.
    pub fn dbname(self, database: &str) -> Self {
        self.option("dbname", database)
    }

    /// libpq's `sslmode`.
    pub fn sslmode(self, mode: &str) -> Self {
        self.option("sslmode", mode)
    }

    /// Any connection parameter of libpq: `channel_binding`, `sslrootcert`, `sslnegotiation`, …
    pub fn option(mut self, name: &str, value: impl Display) -> Self {
        self.options.retain(|(known, _)| known != name);
        self.options.push((name.to_owned(), value.to_string()));
        self
    }

    /// Any argument of psql.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Which libpq.
    pub fn libpq(mut self, libpq: Libpq) -> Self {
        self.libpq = libpq;
        self
    }

    /// Another deadline than [`DEADLINE`].
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sends `sql` as one simple query; prints bare rows, fields divided by `|`.
    pub fn run(&self, sql: &str) -> Output {
        self.program().argument("-c").argument(sql).run()
    }

    /// Sends a script statement by statement, as from a file; backslash commands work.
    pub fn script(&self, script: &str) -> Output {
        self.program().input(script).run()
    }

    /// Runs `sql`, which must succeed, and returns what it prints.
    pub fn query(&self, sql: &str) -> String {
        self.run(sql).expect_success().to_owned()
    }

    fn program(&self) -> Program {
        let conninfo = self.options.iter().map(|(name, value)| {
            let value = value.replace('\\', r"\\").replace('\'', r"\'");
            format!("{name}='{value}' ")
        });
        let mut program = Program::postgresql("psql")
            .arguments(["-XAtqw", "-v", "ON_ERROR_STOP=1"])
            .argument("-d")
            .argument(conninfo.collect::<String>())
            .arguments(&self.arguments)
            .deadline(self.deadline);
        if let Some(password) = &self.password {
            program = program.environment("PGPASSWORD", password);
        }
        match self.libpq {
            Libpq::Packaged => program,
            Libpq::V18 => program.environment("LD_LIBRARY_PATH", library_directory(Version::V18)),
        }
    }
}
