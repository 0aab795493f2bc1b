//! A project with two clusters in front of one PostgreSQL, and gateways before them.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, Ordering};

use alloydb_emulator::{Cluster, Emulator, EmulatorBuilder, Instance, Principal, Role};
use querycop_testkit::gateway::{Builder, Gateway};
use querycop_testkit::postgres::{Auth, Postgres, Transport};

use super::running::Running;
use crate::setup::querycop;

pub(crate) const CLUSTER: &str = "projects/my-project/locations/us-central1/clusters/my-cluster";
pub(crate) const PRIMARY: &str =
    "projects/my-project/locations/us-central1/clusters/my-cluster/instances/my-primary";
pub(crate) const READ_POOL: &str =
    "projects/my-project/locations/us-central1/clusters/my-cluster/instances/my-readpool";
pub(crate) const SECONDARY_CLUSTER: &str =
    "projects/my-project/locations/us-east1/clusters/my-secondary";
pub(crate) const SECONDARY: &str =
    "projects/my-project/locations/us-east1/clusters/my-secondary/instances/my-secondary-instance";

pub(crate) const SERVICE_ACCOUNT: &str = "my-sa@my-project.iam.gserviceaccount.com";
pub(crate) const SERVICE_ROLE: &str = "my-sa@my-project.iam";
pub(crate) const ALICE: &str = "alice@example.com";
/// May nothing.
pub(crate) const NOBODY: &str = "nobody@my-project.iam.gserviceaccount.com";

/// PostgreSQL with roles of all kinds. The emulator logs in as its superuser.
pub(crate) static SERVER: LazyLock<Postgres> = LazyLock::new(|| {
    let server = Postgres::builder()
        .logins(Transport::Any)
        .hba("host all postgres 127.0.0.1/32 trust")
        .auth(Auth::Scram)
        .start();
    server.psql("CREATE DATABASE appdb");
    server
});

/// An emulator with addresses of its own.
pub(crate) struct Cloud {
    pub(crate) emulator: Running,
    pub(crate) private: IpAddr,
}

impl Cloud {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// One whose primary is also reached by a name that leads to 127.0.0.1.
    pub(crate) fn with_psc_name(name: &str) -> Self {
        Self::build(
            |primary| primary.psc_dns_name(name).psc_address(Ipv4Addr::LOCALHOST),
            |builder| builder,
        )
    }

    pub(crate) fn with(adjust: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> Self {
        Self::build(|primary| primary, adjust)
    }

    fn build(
        place: impl FnOnce(Instance) -> Instance,
        adjust: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder,
    ) -> Self {
        static LAST: AtomicU8 = AtomicU8::new(0);
        // The connector dials port 5433 and no other, so that each emulator needs addresses of its own.
        let network = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let address = |host| IpAddr::from(Ipv4Addr::new(127, 52, network, host));
        let primary = Instance::primary("my-primary")
            .private_address(address(1))
            .public_address(address(2))
            .standby_address(address(5));
        let cluster = Cluster::new(CLUSTER)
            .instance(place(primary))
            .instance(Instance::read_pool("my-readpool", 1).private_address(address(3)));
        let secondary = Cluster::secondary(SECONDARY_CLUSTER)
            .instance(Instance::primary("my-secondary-instance").private_address(address(4)));
        let any_port = (Ipv4Addr::LOCALHOST, 0).into();
        let port = SERVER.port();
        let builder = Emulator::builder()
            .backend(format!("postgres://postgres@127.0.0.1:{port}/postgres"))
            .https(any_port)
            .http(any_port)
            .cluster(cluster)
            .cluster(secondary)
            .principal(Principal::new(SERVICE_ACCOUNT))
            .principal(Principal::new(ALICE))
            .principal(Principal::new(NOBODY).roles([Role::ServiceUsageConsumer]));
        Self {
            emulator: Running::start(adjust(builder)),
            private: address(1),
        }
    }

    /// A gateway that acts as the service account; what it stands before is to be said.
    pub(crate) fn gateway(&self) -> Builder {
        self.gateway_of(SERVICE_ACCOUNT)
    }

    /// A gateway that acts as somebody.
    pub(crate) fn gateway_of(&self, principal: &str) -> Builder {
        let credentials = self.emulator.credentials_file(principal);
        let credentials = credentials.expect("the principal is known");
        Gateway::builder(querycop())
            .env("GOOGLE_APPLICATION_CREDENTIALS", credentials.display())
            .env(
                "GATEKEEPER_BACKEND_ADMIN_ENDPOINT",
                self.emulator.http_url(),
            )
    }

    /// A gateway before an instance, through the connector.
    pub(crate) fn before(&self, instance: &str) -> Builder {
        self.gateway().env("GATEKEEPER_BACKEND_INSTANCE", instance)
    }

    /// The same with automatic IAM login.
    pub(crate) fn before_with_iam(&self, instance: &str) -> Builder {
        self.before(instance)
            .env("GATEKEEPER_BACKEND_IAM_AUTH", "true")
    }
}
