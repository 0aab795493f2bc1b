//! Six drivers through the gateway, each with every behaviour of `tests/clients`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use querycop_testkit::command::Program;
use querycop_testkit::gateway::{Builder, Gateway};
use querycop_testkit::postgres::{Login, Postgres, Transport, Version};

use crate::oversight::records;
use crate::setup::{Pki, before, temporary_directory};

/// Fourteen behaviours, some with many bytes, on a machine that has other things to do.
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

/// Each driver has a table of its own from which nobody deletes.
const NO_DELETES: &str = r#"
version: 1
mode: enforce
default: allow
rules:
  - name: no-deletes
    deny: { actions: [delete], tables: ["public.clients_denied_*"] }
    hint: "Mark the rows instead: UPDATE … SET removed = true."
"#;

/// A SCRAM server under TLS, and the gateway that verifies it and offers TLS itself.
struct Legs {
    server: Postgres,
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
        let gateway = pki.serve_tls(verifying(&server, &pki)).start();
        Self {
            server,
            gateway,
            pki,
        }
    }

    /// Runs a driver's program with this `PGSSLMODE` on the client leg.
    fn serve(&self, driver: &str, sslmode: &str) {
        let client = self.client(driver, &self.gateway, sslmode);
        let passed = passed(client, &self.gateway);
        assert!(passed >= 12, "{passed} behaviours passed");
    }

    /// Runs it in clear, through a gateway with a policy and an audit log of its own.
    fn serve_under_policy(&self, driver: &str) {
        let directory = temporary_directory();
        let policy = directory.path().join("policy.yaml");
        let audit = directory.path().join("audit");
        fs::write(&policy, NO_DELETES).expect("the directory is writable");
        let gateway = verifying(&self.server, &self.pki)
            .env("GATEKEEPER_POLICY_FILE", policy.display())
            .env("GATEKEEPER_AUDIT_DIR", audit.display())
            .start();
        let role = Login::Scram.role();
        let table = format!("clients_denied_{}", driver.replace('-', "_"));
        self.server.psql(&format!(
            "create table {table} as select n from generate_series(1, 3) n; \
             grant all on {table} to {role}"
        ));

        let client = self.client(driver, &gateway, "disable");
        let passed = passed(client.environment("CLIENTS_DENIED_TABLE", &table), &gateway);
        assert!(passed >= 13, "{passed} behaviours passed");

        let rows = self.server.psql(&format!("select n from {table}"));
        assert_eq!(rows.split_whitespace().collect::<Vec<_>>(), ["1", "2", "3"]);
        let records = records(&audit);
        for record in records.iter().filter(|record| record["verdict"] == "deny") {
            assert_eq!(record["rule"], "no-deletes", "{record}");
        }
        let denied: Vec<_> = records
            .into_iter()
            .filter(|record| record["outcome"] == "denied")
            .collect();
        for via in ["query", "parse"] {
            let mut ways = denied.iter().map(|record| &record["via"]);
            assert!(ways.any(|way| way == via), "none by {via}: {denied:?}");
        }
        for record in &denied {
            assert_eq!(record["user"], role, "{record}");
            assert_eq!(record["rule"], "no-deletes", "{record}");
            assert_eq!(record["sqlstate"], "42501", "{record}");
        }
    }

    fn client(&self, driver: &str, gateway: &Gateway, sslmode: &str) -> Program {
        let run = root().join("tests/clients/run");
        let (_, prepared) = DRIVERS
            .iter()
            .find(|(name, _)| *name == driver)
            .expect("it is in the list");
        assert!(
            root().join(prepared).exists(),
            "{driver} is not prepared, {prepared} is missing: run scripts/bootstrap test"
        );
        Program::new(run)
            .argument(driver)
            .environment("PGHOST", "127.0.0.1")
            .environment("PGPORT", gateway.port().to_string())
            .environment("PGUSER", Login::Scram.role())
            .environment("PGPASSWORD", Login::Scram.password())
            .environment("PGDATABASE", "postgres")
            .environment("PGSSLMODE", sslmode)
            .environment("PGSSLROOTCERT", &self.pki.root)
            .deadline(DEADLINE)
    }
}

/// A gateway before the server, whose certificate it verifies.
fn verifying(server: &Postgres, pki: &Pki) -> Builder {
    before(server, "verify-full").env("GATEKEEPER_BACKEND_TLS_CA_FILE", pki.root.display())
}

/// Runs a client, none of whose behaviours may fail, and says how many there were.
fn passed(client: Program, gateway: &Gateway) -> u32 {
    let _place = Place::take();
    let output = client.run();
    assert!(output.success(), "{output}\n{}", gateway.stderr());
    let summary = output.expect_success().lines().last().unwrap_or_default();
    assert!(summary.contains(" 0 failed"), "{output}");
    let passed = summary.split(' ').next().unwrap_or_default();
    passed.parse().expect("the last line counts")
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
            fn works_under_policy() {
                V18.serve_under_policy($driver);
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
