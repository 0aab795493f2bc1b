//! A PostgreSQL with an emulator before it, started by the command that a user would start.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use querycop_testkit::command::{Output, Program};
use querycop_testkit::gateway::Gateway;
use querycop_testkit::postgres::{self, Auth, Postgres, Transport};
use querycop_testkit::wait::eventually_within;
use serde_json::Value;
use tempfile::TempDir;

use super::{CLIENTS, IpType, Login};
use crate::command::http::get_from;
use crate::setup::{querycop, temporary_directory};

/// The only port that Google's connectors dial.
pub(crate) const TUNNEL_PORT: u16 = 5433;

/// Five behaviours and the start of a Java machine, where other things run.
const DEADLINE: Duration = Duration::from_mins(5);

/// How long another process may keep the address that `localhost` leads to.
const PATIENCE: Duration = Duration::from_mins(2);

pub(super) const SERVICE_ACCOUNT: &str = "app@google-clients.iam.gserviceaccount.com";
const USER: &str = "dana@example.com";
const TOKEN: &str = "token-of-dana";
const PASSWORD: postgres::Login = postgres::Login::Scram;

/// Two clusters for each client: one to work in, one in which a single run is watched.
pub(super) static SHARED: LazyLock<Cloud> = LazyLock::new(|| {
    let mut clusters = String::new();
    let names = CLIENTS
        .map(str::to_owned)
        .into_iter()
        .chain(CLIENTS.map(watched));
    // Other emulators on this machine are on 127.0.0.x.
    for (number, name) in (1..).zip(names) {
        let addresses = format!(
            "private_address = \"127.51.{number}.1\"\npublic_address = \"127.51.{number}.2\""
        );
        clusters += &cluster(&name, &addresses);
    }
    Cloud::start(&SERVERS[0], &clusters)
});

/// Two emulators on one server would take the IAM roles' passwords from each other.
static SERVERS: LazyLock<[Postgres; 2]> = LazyLock::new(|| {
    [(); 2].map(|()| {
        Postgres::builder()
            .logins(Transport::Any)
            .hba("host all postgres 127.0.0.1/32 trust")
            .auth(Auth::Scram)
            .start()
    })
});

/// The name of the cluster in which one run of a client is watched.
pub(super) fn watched(client: &str) -> String {
    format!("{client}-watched")
}

/// How a run ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Every behaviour held.
    Worked,
    /// The client could not be had on this machine.
    Skipped,
}

/// A running emulator.
pub(super) struct Cloud {
    directory: TempDir,
    emulator: Gateway,
    http: u16,
    https: u16,
}

impl Cloud {
    /// One cluster, whose instance is reached by the name `localhost`.
    pub(super) fn with_psc_name(name: &str) -> Self {
        eventually_within("127.0.0.1:5433 to be free", PATIENCE, || {
            TcpListener::bind((Ipv4Addr::LOCALHOST, TUNNEL_PORT)).ok()
        });
        let addresses = "psc_dns_name = \"localhost\"\npsc_address = \"127.0.0.1\"";
        Self::start(&SERVERS[1], &cluster(name, addresses))
    }

    fn start(server: &Postgres, clusters: &str) -> Self {
        let directory = temporary_directory();
        let state = directory.path().join("emulator.toml");
        let description = format!(
            r#"
backend = "postgres://postgres@127.0.0.1:{port}/postgres"
directory = "{directory}"

[listen]
https = "127.0.0.1:0"
http = "127.0.0.1:0"
direct_port = 0

[[principals]]
email = "{SERVICE_ACCOUNT}"

[[principals]]
email = "{USER}"
tokens = ["{TOKEN}"]
{clusters}"#,
            port = server.port(),
            directory = directory.path().display(),
        );
        fs::write(&state, description).expect("the directory is writable");
        let (emulator, ready) = Gateway::builder(querycop())
            .argument("emulator")
            .argument("--config")
            .argument(state.to_str().expect("a temporary path is UTF-8"))
            .argument("--log-format")
            .argument("json")
            .start_command();
        Self {
            directory,
            emulator,
            http: port(&ready["http"]),
            https: port(&ready["https"]),
        }
    }

    /// Runs a client against the instance of a cluster and checks that every behaviour held.
    #[expect(clippy::print_stdout, reason = "a skip is to be seen, with its reason")]
    pub(super) fn check(
        &self,
        client: &str,
        cluster: &str,
        ip_type: IpType,
        login: Login,
    ) -> Outcome {
        let output = self.run(client, cluster, ip_type, login);
        assert!(output.success(), "{output}\n{}", self.emulator.stderr());
        let said = output.expect_success();
        if let Some(reason) = said.strip_prefix("skip all: ") {
            println!("{client} skipped: {reason}");
            return Outcome::Skipped;
        }
        let skips = said
            .lines()
            .filter(|line| line.starts_with("skip "))
            .count();
        // Python's drivers have no cancel that could work; see tests/clients/google/README.md.
        let expected = match client {
            "pg8000" | "psycopg" | "asyncpg" => 1,
            _ => 0,
        };
        let summary = said.lines().last().unwrap_or_default();
        let passed = 5 - expected;
        assert_eq!(
            summary,
            format!("{passed} passed, 0 failed, {expected} skipped"),
            "{output}"
        );
        assert_eq!(skips, expected, "{output}");
        Outcome::Worked
    }

    fn run(&self, client: &str, cluster: &str, ip_type: IpType, login: Login) -> Output {
        let port = self.https;
        let program = Program::new(clients().join("run"))
            .clean_environment()
            .argument(client)
            .environment("ALLOYDB_INSTANCE_URI", instance(cluster))
            .environment("ALLOYDB_IP_TYPE", ip_type.to_string())
            .environment("ALLOYDB_DATABASE", "postgres")
            .environment("ALLOYDB_ADMIN_URL", format!("https://localhost:{port}"))
            .environment("ALLOYDB_ADMIN_GRPC", format!("localhost:{port}"))
            .environment(
                "ALLOYDB_ADMIN_CA",
                self.directory.path().join("admin-ca.pem"),
            )
            .deadline(DEADLINE);
        let credentials = self
            .directory
            .path()
            .join(format!("credentials-{SERVICE_ACCOUNT}.json"));
        let program = match login {
            Login::Password => program
                .environment("ALLOYDB_LOGIN", "password")
                .environment("ALLOYDB_USER", PASSWORD.role())
                .environment("ALLOYDB_PASSWORD", PASSWORD.password())
                .environment("GOOGLE_APPLICATION_CREDENTIALS", credentials),
            Login::ServiceAccount => program
                .environment("ALLOYDB_LOGIN", "iam")
                .environment("ALLOYDB_USER", database_user(SERVICE_ACCOUNT))
                .environment("GOOGLE_APPLICATION_CREDENTIALS", credentials),
            Login::Token => program
                .environment("ALLOYDB_LOGIN", "iam")
                .environment("ALLOYDB_USER", USER)
                .environment("ALLOYDB_TOKEN", TOKEN),
        };
        program.run()
    }

    /// What the emulator has recorded of this kind: `requests`, `certificates` or `sessions`.
    pub(super) fn recorded(&self, kind: &str) -> Vec<Value> {
        let response = get_from(self.http, &format!("/emulator/v1/{kind}"), &[]);
        assert_eq!(response.status, 200, "{response:?}");
        let recorded = response.json().as_array().cloned();
        recorded.expect("it is a list")
    }
}

fn port(url: &Value) -> u16 {
    let url = url.as_str().expect("it is logged");
    let port = url.rsplit(':').next().unwrap_or_default();
    port.parse().expect("the URL ends with its port")
}

/// The role of a service account.
pub(super) fn database_user(email: &str) -> &str {
    email.trim_end_matches(".gserviceaccount.com")
}

/// The instance of a cluster.
pub(super) fn instance(cluster: &str) -> String {
    format!("{}/instances/primary", cluster_name(cluster))
}

/// The cluster's full name.
pub(super) fn cluster_name(cluster: &str) -> String {
    format!("projects/google-clients/locations/here/clusters/{cluster}")
}

fn cluster(name: &str, addresses: &str) -> String {
    let mut text = String::new();
    write!(
        text,
        "\n[[clusters]]\nname = \"{}\"\n\n[[clusters.instances]]\nname = \"primary\"\n{addresses}\n",
        cluster_name(name)
    )
    .expect("a string grows");
    text
}

/// The directory of the clients' programs.
pub(super) fn clients() -> PathBuf {
    root().join("tests/clients/google")
}

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
