//! One PostgreSQL and one emulator for all tests, and what they know.

use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::thread;

use alloydb_connector::drivers::AlloyDbConnect;
use alloydb_connector::{Credentials, Dialer, IamLogin, InstanceUri};
use alloydb_emulator::{Cluster, Emulator, ExchangeFailure, Fault, Instance, Principal, Role};
use querycop_testkit::postgres::{Auth, Encryption, Postgres};
use querycop_testkit::wait::eventually;
use tokio::runtime::Runtime;
use tokio_postgres::Config;

const CLUSTER: &str = "projects/p/locations/europe-west1/clusters/c";

/// Serves.
pub(crate) const PRIMARY: &str = "primary";
/// Serves, reading only.
pub(crate) const READ_POOL: &str = "pool";
/// Refuses the metadata exchange.
pub(crate) const REFUSING: &str = "refusing";
/// Doesn't answer the metadata exchange.
pub(crate) const SILENT: &str = "silent";
/// Is where nobody listens.
pub(crate) const GONE: &str = "gone";

/// A service account that may do everything.
pub(crate) const APP: &str = "app@prod.iam.gserviceaccount.com";
/// Its role.
pub(crate) const APP_ROLE: &str = "app@prod.iam";
pub(crate) const APP_TOKEN: &str = "token-of-app";
/// Somebody who may do nothing.
pub(crate) const STRANGER_TOKEN: &str = "token-of-stranger";

/// A role with a password.
pub(crate) const ROLE: &str = "worker";
pub(crate) const PASSWORD: &str = "secret-of-worker";

/// Why [`REFUSING`] refuses.
pub(crate) const REFUSAL: &str = "alloydb.instances.connect is missing";

/// The tests' world.
pub(crate) struct Lab {
    pub(crate) postgres: Postgres,
    pub(crate) emulator: Emulator,
    _runtime: Runtime,
}

/// The one lab of this process.
pub(crate) fn lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    // A runtime can't be waited for from within another one, so it is made on a thread of its own.
    LAB.get_or_init(|| thread::spawn(start).join().expect("the lab starts"))
}

fn start() -> Lab {
    let postgres = Postgres::builder().auth(Auth::Scram).start();
    postgres.create_role(ROLE, PASSWORD, Encryption::Scram);
    postgres.psql("ALTER ROLE postgres PASSWORD 'secret-of-postgres'");
    let backend = format!(
        "postgres://postgres:secret-of-postgres@{}:{}/postgres",
        postgres.host(),
        postgres.port()
    );
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let builder = Emulator::builder()
        .backend(backend)
        .directory(env!("CARGO_TARGET_TMPDIR"))
        .https(any_port)
        .http(any_port)
        .direct_port(0)
        .strict_tokens()
        .cluster(cluster())
        .principal(Principal::new(APP).token(APP_TOKEN))
        .principal(
            Principal::new("stranger@example.com")
                .roles([Role::ServiceUsageConsumer])
                .token(STRANGER_TOKEN),
        )
        .fault(exchange_fault(
            REFUSING,
            ExchangeFailure::Refused {
                message: REFUSAL.to_owned(),
            },
        ))
        .fault(exchange_fault(SILENT, ExchangeFailure::Silent));
    let runtime = Runtime::new().expect("threads are left");
    let emulator = runtime.block_on(async {
        let emulator = builder.start().await.expect("the emulator starts");
        let stopped = emulator.stop(uri(GONE).as_str()).await;
        stopped.expect("it is an instance");
        emulator
    });
    Lab {
        postgres,
        emulator,
        _runtime: runtime,
    }
}

/// Instances on a loopback network of their own: connectors dial no other port than 5433.
fn cluster() -> Cluster {
    let random = RandomState::new().hash_one("network").to_be_bytes();
    let address = |number| Ipv4Addr::new(127, 100 + random[0] % 100, random[1], number);
    Cluster::new(CLUSTER)
        .instance(Instance::primary(PRIMARY).private_address(address(1)))
        .instance(Instance::read_pool(READ_POOL, 1).private_address(address(2)))
        .instance(Instance::read_pool(REFUSING, 1).private_address(address(3)))
        .instance(Instance::read_pool(SILENT, 1).private_address(address(4)))
        .instance(Instance::read_pool(GONE, 1).private_address(address(5)))
}

fn exchange_fault(instance: &str, failure: ExchangeFailure) -> alloydb_emulator::Script {
    Fault::Exchange { failure }.on(uri(instance).as_str())
}

/// The URI of an instance.
pub(crate) fn uri(instance: &str) -> InstanceUri {
    let uri = format!("{CLUSTER}/instances/{instance}");
    uri.parse().expect("it is a URI")
}

/// A role's password login.
pub(crate) fn password_login() -> Config {
    let mut config = Config::new();
    config.user(ROLE).password(PASSWORD).dbname("postgres");
    config
}

/// Waits until the only sleeper of this name sleeps: before that there is nothing to cancel.
pub(crate) async fn asleep(name: &'static str) {
    let sleeps = format!(
        "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%{name}%'"
    );
    let waiting = tokio::task::spawn_blocking(move || {
        let postgres = &lab().postgres;
        eventually("the query to sleep", || {
            (!postgres.psql(&sleeps).is_empty()).then_some(())
        });
    });
    waiting.await.expect("it falls asleep");
}

/// An error and all its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl Lab {
    /// A dialer for whom the token stands for.
    pub(crate) async fn dialer(&self, token: &str, login: IamLogin) -> Dialer {
        Dialer::builder()
            .admin_endpoint(self.emulator.https_url())
            .root_certificates(self.emulator.admin_ca_pem())
            .credentials(Credentials::token(token.into()))
            .iam_login(login)
            .build()
            .await
            .expect("nothing is wrong with that")
    }

    /// The app's way to an instance, for password logins.
    pub(crate) async fn connect(&self, instance: &str) -> AlloyDbConnect {
        let dialer = self.dialer(APP_TOKEN, IamLogin::Off).await;
        AlloyDbConnect::new(&dialer, &uri(instance))
    }

    /// The environment of an example that logs in as a role with a password.
    pub(crate) fn password_environment(&self) -> impl Fn(&str) -> Option<String> {
        let iam = self.iam_environment();
        move |name| match name {
            "ALLOYDB_USER" => Some(ROLE.to_owned()),
            "ALLOYDB_PASSWORD" => Some(PASSWORD.to_owned()),
            _ => iam(name),
        }
    }

    /// The environment of an example that logs in as the app.
    pub(crate) fn iam_environment(&self) -> impl Fn(&str) -> Option<String> {
        let endpoint = self.emulator.https_url();
        let ca = self.emulator.admin_ca_file().display().to_string();
        move |name| match name {
            "ALLOYDB_INSTANCE_URI" => Some(uri(PRIMARY).to_string()),
            "ALLOYDB_USER" => Some(APP.to_owned()),
            "ALLOYDB_IP_TYPE" => Some("private".to_owned()),
            "ALLOYDB_ADMIN_ENDPOINT" => Some(endpoint.clone()),
            "ALLOYDB_ADMIN_CA" => Some(ca.clone()),
            "ALLOYDB_TOKEN" => Some(APP_TOKEN.to_owned()),
            _ => None,
        }
    }
}
