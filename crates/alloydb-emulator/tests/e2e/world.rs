//! An emulator with a PostgreSQL of its own.

use alloydb_emulator::{Cluster, Emulator, EmulatorBuilder, Instance, IpType, Listen, Principal};
use querycop_testkit::postgres::{Auth, Encryption, Postgres};

pub(crate) const CLUSTER: &str = "projects/demo/locations/local/clusters/main";
pub(crate) const PRIMARY: &str = "projects/demo/locations/local/clusters/main/instances/primary";
pub(crate) const POOL: &str = "projects/demo/locations/local/clusters/main/instances/pool";
pub(crate) const ALICE: &str = "alice@example.com";
pub(crate) const ROBOT: &str = "app@demo.iam.gserviceaccount.com";
pub(crate) const ROBOT_ROLE: &str = "app@demo.iam";

/// PostgreSQL that wants SCRAM, and an emulator in front of it.
pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) postgres: Postgres,
}

impl World {
    /// A primary with all kinds of addresses and a read pool of two nodes.
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> Self {
        let postgres = Postgres::builder().auth(Auth::Scram).start();
        postgres.create_role("bob", "bobs password", Encryption::Scram);
        postgres.psql("ALTER ROLE postgres PASSWORD 'root'");
        let primary = Instance::primary("primary")
            .private_address([127, 0, 0, 1])
            .public_address([127, 0, 0, 2])
            .psc_dns_name("localhost")
            .standby_address([127, 0, 0, 4]);
        let pool = Instance::read_pool("pool", 2).private_address([127, 0, 0, 3]);
        let port = postgres.port();
        let builder = Emulator::builder()
            .backend(format!(
                "postgres://postgres:root@127.0.0.1:{port}/postgres"
            ))
            .listen(Listen::any_port())
            .cluster(Cluster::new(CLUSTER).instance(primary).instance(pool))
            .principal(
                Principal::new(ALICE)
                    .token("alices token")
                    .may_act_as(ROBOT),
            )
            .principal(Principal::new(ROBOT).token("robots token"));
        let emulator = adjust(builder).start().await.expect("the emulator starts");
        Self { emulator, postgres }
    }

    pub(crate) fn tunnel(&self, instance: &str) -> std::net::SocketAddr {
        let addr = self.emulator.tunnel_addr(instance, IpType::Private);
        addr.expect("the instance has a private address")
    }
}
