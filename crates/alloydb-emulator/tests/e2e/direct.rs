//! Port 5432, with psql.

use alloydb_emulator::{Fault, IamAuthentication, IpType, Role};
use querycop_testkit::psql::Psql;
use querycop_testkit::wait::eventually;

use crate::world::{ALICE, CLUSTER, POOL, PRIMARY, ROBOT_ROLE, World};

fn psql(world: &World, instance: &str) -> Psql {
    let addr = world
        .emulator
        .direct_addr(instance, IpType::Private)
        .expect("an address");
    let ca = world.emulator.cluster_ca_file(CLUSTER);
    Psql::new(&addr.ip().to_string(), addr.port())
        .dbname("postgres")
        .sslmode("verify-full")
        .option("sslrootcert", ca.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_the_backends_own_affair() {
    let world = World::new().await;
    let client = psql(&world, PRIMARY).user("bob");
    let user = client
        .clone()
        .password("bobs password")
        .query("SELECT current_user");
    assert_eq!(user, "bob");
    let refused = client.password("wrong").run("SELECT 1");
    assert!(
        refused
            .expect_failure()
            .contains("password authentication failed for user \"bob\"")
    );
    let instance = psql(&world, POOL).user("bob").password("bobs password");
    assert_eq!(instance.query("SHOW alloydb_emulator.instance"), "pool");
    assert_eq!(instance.query("SHOW transaction_read_only"), "on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_the_password_of_its_owner_only() {
    let world = World::new().await;
    let client = psql(&world, PRIMARY);
    for (role, token) in [(ALICE, "alices token"), (ROBOT_ROLE, "robots token")] {
        let user = client
            .clone()
            .user(role)
            .password(token)
            .query("SELECT current_user");
        assert_eq!(user, role);
    }
    for token in ["robots token", "unknown", "bobs password"] {
        let refused = client.clone().user(ALICE).password(token).run("SELECT 1");
        let expected = format!("password authentication failed for user \"{ALICE}\"");
        assert!(refused.expect_failure().contains(&expected), "{token}");
    }
    let alice = client.user(ALICE).password("alices token");
    let off = IamAuthentication::Off;
    world.emulator.set_iam_authentication(PRIMARY, off).unwrap();
    assert!(
        alice
            .run("SELECT 1")
            .expect_failure()
            .contains("password authentication failed")
    );
    world
        .emulator
        .set_iam_authentication(PRIMARY, IamAuthentication::On)
        .unwrap();
    world
        .emulator
        .set_roles(ALICE, [Role::Client, Role::ServiceUsageConsumer])
        .unwrap();
    assert!(
        alice
            .run("SELECT 1")
            .expect_failure()
            .contains("password authentication failed")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_connections_are_refused() {
    let world = World::new().await;
    let client = psql(&world, PRIMARY)
        .user("bob")
        .password("bobs password")
        .sslmode("disable");
    assert!(
        client
            .run("SELECT 1")
            .expect_failure()
            .contains("no encryption")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_can_lack_its_addresses() {
    let world = World::new().await;
    world.emulator.inject(Fault::CertificateWithoutAddresses);
    let client = psql(&world, PRIMARY).user("bob").password("bobs password");
    assert!(
        client
            .run("SELECT 1")
            .expect_failure()
            .contains("does not match host name")
    );
    assert_eq!(client.sslmode("verify-ca").query("SELECT 1"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_cancelled_over_a_dial_of_its_own() {
    use crate::client::{DB_NATIVE, Material, exchange, postgres};
    let world = World::new().await;
    let material = Material::fetch(&world, true).await;
    let mut stream = material.dial(world.tunnel(PRIMARY), None).await.unwrap();
    exchange(&mut stream, DB_NATIVE, "alices token")
        .await
        .unwrap();
    let client = postgres(stream, "bob", Some("bobs password"))
        .await
        .unwrap();
    let cancel = client.cancel_token();
    let sleeping = tokio::spawn(async move { client.batch_execute("SELECT pg_sleep(600)").await });
    eventually("the statement to run", || {
        let running = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'";
        (world.postgres.psql(running) == "1").then_some(())
    });
    let mut stream = material.dial(world.tunnel(PRIMARY), None).await.unwrap();
    exchange(&mut stream, DB_NATIVE, "alices token")
        .await
        .unwrap();
    cancel
        .cancel_query_raw(stream, tokio_postgres::NoTls)
        .await
        .unwrap();
    let cancelled = sleeping.await.unwrap().unwrap_err();
    assert_eq!(cancelled.code().unwrap().code(), "57014");
    // The client doesn't wait for the end of its request, and so may be here first.
    eventually("the request to be recorded", || {
        let sessions = world.emulator.sessions().into_iter();
        let outcomes: Vec<_> = sessions.map(|session| session.outcome).collect();
        (outcomes == ["relayed", "cancel"]).then_some(())
    });
}
