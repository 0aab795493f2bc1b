//! Six drivers through the gateway, each with every behaviour of `tests/clients`.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use querycop_testkit::command::Program;
use querycop_testkit::gateway::Gateway;
use querycop_testkit::postgres::{Login, Postgres, Transport, Version};

use crate::setup::{Pki, before};

/// Thirteen behaviours, some with many bytes, on a machine that has other things to do.
const DEADLINE: Duration = Duration::from_mins(8);

/// Every driver, and what `tests/clients/setup` makes for it.
const DRIVERS: [(&str, &str); 6] = [
    ("asyncpg", ".cache/clients/venv/bin/python"),
    ("node-postgres", "tests/clients/node/node_modules"),
    ("pgjdbc", ".cache/clients/java/Client.class"),
    ("pgx", ".cache/clients/pgx-client"),
    ("psycopg", ".cache/clients/venv/bin/python"),
    (
        "tokio-postgres",
        "target/clients/debug/querycop-client-tokio-postgres",
    ),
];

/// Drivers that run at a time: each keeps a core busy and takes much memory for its large values.
const AT_A_TIME: usize = 2;

/// How many more may run.
static PLACES: (Mutex<usize>, Condvar) = (Mutex::new(AT_A_TIME), Condvar::new());

/// One of the places; given back when dropped.
struct Place;

impl Place {
    fn take() -> Self {
        let (free, freed) = &PLACES;
        let free = free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = freed
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (free, freed) = &PLACES;
        *free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        freed.notify_one();
    }
}

/// A SCRAM server under TLS, and the gateway that verifies it and offers TLS itself.
struct Legs {
    _server: Postgres,
    gateway: Gateway,
    pki: Pki,
}

static V15: LazyLock<Legs> = LazyLock::new(|| Legs::of(Version::Packaged));
static V18: LazyLock<Legs> = LazyLock::new(|| Legs::of(Version::V18));

impl Legs {
    fn of(version: Version) -> Self {
        let pki = Pki::new();
        let server = Postgres::builder()
            .version(version)
            .tls(&pki.server())
            .logins(Transport::Tls)
            .start();
        let gateway = pki
            .serve_tls(before(&server, "verify-full"))
            .env("GATEKEEPER_BACKEND_TLS_CA_FILE", pki.root.display())
            .start();
        Self {
            _server: server,
            gateway,
            pki,
        }
    }

    /// Runs a driver's program with this `PGSSLMODE` on the client leg.
    fn serve(&self, driver: &str, sslmode: &str) {
        let run = root().join("tests/clients/run");
        let (_, prepared) = DRIVERS
            .iter()
            .find(|(name, _)| *name == driver)
            .expect("it is in the list");
        assert!(
            root().join(prepared).exists(),
            "{driver} is not prepared, {prepared} is missing: run scripts/bootstrap test"
        );
        let _place = Place::take();
        let output = Program::new(run)
            .argument(driver)
            .environment("PGHOST", "127.0.0.1")
            .environment("PGPORT", self.gateway.port().to_string())
            .environment("PGUSER", Login::Scram.role())
            .environment("PGPASSWORD", Login::Scram.password())
            .environment("PGDATABASE", "postgres")
            .environment("PGSSLMODE", sslmode)
            .environment("PGSSLROOTCERT", &self.pki.root)
            .deadline(DEADLINE)
            .run();
        assert!(output.success(), "{output}\n{}", self.gateway.stderr());
        let summary = output.expect_success().lines().last().unwrap_or_default();
        let passed = summary.split(' ').next().unwrap_or_default();
        let passed: u32 = passed.parse().expect("the last line counts");
        assert!(summary.contains(" 0 failed"), "{output}");
        assert!(passed >= 12, "{output}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_driver_has_its_tests() {
    let listed = Program::new(root().join("tests/clients/run"))
        .argument("--list")
        .run();
    let mut names: Vec<_> = listed.expect_success().lines().collect();
    names.sort_unstable();
    let tested = DRIVERS.map(|(name, _)| name);
    assert_eq!(names, tested);
}

/// The tests of one driver.
macro_rules! drive {
    ($module:ident, $driver:literal) => {
        mod $module {
            use super::{V15, V18};

            #[test]
            fn works_in_clear() {
                V18.serve($driver, "disable");
            }

            #[test]
            fn works_in_clear_with_postgresql_15() {
                V15.serve($driver, "disable");
            }

            #[test]
            fn works_under_verified_tls() {
                V18.serve($driver, "verify-full");
            }

            #[test]
            fn works_under_direct_tls() {
                V18.serve($driver, "direct");
            }
        }
    };
}

drive!(psycopg, "psycopg");
drive!(asyncpg, "asyncpg");
drive!(node_postgres, "node-postgres");
drive!(pgx, "pgx");
drive!(pgjdbc, "pgjdbc");
drive!(tokio_postgres, "tokio-postgres");
