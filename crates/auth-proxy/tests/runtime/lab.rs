//! One PostgreSQL and one emulator for all tests, and what they know.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::thread;

use alloydb_emulator::{
    Cluster, Emulator, ExchangeFailure, Fault, Instance, Principal, Role, Script,
};
use querycop_testkit::postgres::{Auth, Encryption, Postgres};
use tokio::runtime::Runtime;

const CLUSTER: &str = "projects/p/locations/l/clusters/c";

/// Serves.
pub(crate) const PRIMARY: &str = "primary";
/// Serves, reading only.
pub(crate) const POOL: &str = "pool";
/// Refuses the metadata exchange.
pub(crate) const REFUSING: &str = "refusing";
/// Answers the metadata exchange with what the original panics of.
pub(crate) const ODD: &str = "odd";
/// For the one test that has the admin API fail for it.
pub(crate) const LATE: &str = "late";
/// Is where nobody listens.
pub(crate) const GONE: &str = "gone";

/// A service account that may do everything, …
pub(crate) const APP: &str = "app@prod.iam.gserviceaccount.com";
/// … and its role.
pub(crate) const APP_ROLE: &str = "app@prod.iam";
pub(crate) const APP_TOKEN: &str = "token-of-app";
/// Another one.
pub(crate) const OTHER: &str = "other@prod.iam.gserviceaccount.com";
pub(crate) const OTHER_ROLE: &str = "other@prod.iam";
/// Somebody who may do nothing.
pub(crate) const STRANGER_TOKEN: &str = "token-of-stranger";

/// A role with a password.
pub(crate) const ROLE: &str = "worker";
pub(crate) const PASSWORD: &str = "secret-of-worker";

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
        .https(any_port)
        .http(any_port)
        .direct_port(0)
        .strict_tokens()
        .cluster(cluster())
        .principal(Principal::new(APP).token(APP_TOKEN))
        .principal(Principal::new(OTHER))
        .principal(
            Principal::new("stranger@example.com")
                .roles([Role::ServiceUsageConsumer])
                .token(STRANGER_TOKEN),
        )
        .fault(exchange_fault(
            REFUSING,
            ExchangeFailure::Refused {
                message: "alloydb.instances.connect is missing".to_owned(),
            },
        ))
        .fault(exchange_fault(
            ODD,
            ExchangeFailure::ErrorResponse {
                message: "no such door".to_owned(),
            },
        ));
    let runtime = Runtime::new().expect("threads are left");
    let emulator = runtime.block_on(async {
        let emulator = builder.start().await.expect("the emulator starts");
        let stopped = emulator.stop(&uri(GONE)).await;
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
        .instance(
            Instance::primary(PRIMARY)
                .private_address(address(1))
                .public_address(address(6)),
        )
        .instance(Instance::read_pool(POOL, 1).private_address(address(2)))
        .instance(Instance::read_pool(REFUSING, 1).private_address(address(3)))
        .instance(Instance::read_pool(ODD, 1).private_address(address(4)))
        .instance(Instance::read_pool(GONE, 1).private_address(address(5)))
        .instance(Instance::read_pool(LATE, 1).private_address(address(7)))
}

fn exchange_fault(instance: &str, failure: ExchangeFailure) -> Script {
    Fault::Exchange { failure }.on(uri(instance))
}

/// The URI of an instance.
pub(crate) fn uri(instance: &str) -> String {
    format!("{CLUSTER}/instances/{instance}")
}
