//! Port 5433.

use alloydb_emulator::IpType;

use crate::client::{AUTO_IAM, DB_NATIVE, Material, exchange, get, postgres, value};
use crate::world::{ALICE, POOL, PRIMARY, ROBOT_ROLE, World};

const USER: &str = "SELECT current_user::text";

#[tokio::test]
async fn a_connector_reaches_postgresql_with_the_users_own_password() {
    let world = World::new().await;
    let (status, info) = get(&world, &format!("/v1beta/{PRIMARY}/connectionInfo"), "x").await;
    assert_eq!(status, 200, "{info}");
    assert_eq!(info["ipAddress"], "127.0.0.1");
    assert_eq!(info["publicIpAddress"], "127.0.0.2");
    assert_eq!(info["pscDnsName"], "localhost");
    let material = Material::fetch(&world, true).await;
    let public = world.emulator.tunnel_addr(PRIMARY, IpType::Public).unwrap();
    let private = world.tunnel(PRIMARY);
    for (addr, name) in [
        (private, None),
        (public, None),
        (private, Some("localhost")),
    ] {
        let mut stream = material.dial(addr, name).await.unwrap();
        exchange(&mut stream, DB_NATIVE, "alices token")
            .await
            .unwrap();
        let client = postgres(stream, "bob", Some("bobs password"))
            .await
            .unwrap();
        assert_eq!(value(&client, USER).await, "bob");
    }
    let mut stream = material.dial(private, None).await.unwrap();
    exchange(&mut stream, DB_NATIVE, "alices token")
        .await
        .unwrap();
    let wrong = postgres(stream, "bob", Some("wrong")).await.err().unwrap();
    assert_eq!(wrong.code().unwrap().code(), "28P01");
}

#[tokio::test]
async fn automatic_iam_login_needs_no_password() {
    let world = World::new().await;
    let material = Material::fetch(&world, true).await;
    for (token, role) in [("alices token", ALICE), ("robots token", ROBOT_ROLE)] {
        let mut stream = material.dial(world.tunnel(PRIMARY), None).await.unwrap();
        exchange(&mut stream, AUTO_IAM, token).await.unwrap();
        let client = postgres(stream, role, None).await.unwrap();
        assert_eq!(value(&client, USER).await, role);
    }
    let mut stream = material.dial(world.tunnel(PRIMARY), None).await.unwrap();
    exchange(&mut stream, AUTO_IAM, "alices token")
        .await
        .unwrap();
    let refused = postgres(stream, ROBOT_ROLE, None).await.err().unwrap();
    assert_eq!(refused.code().unwrap().code(), "28000");
}

#[tokio::test]
async fn a_read_pool_serves_its_nodes_in_turn_and_only_reads() {
    let world = World::new().await;
    let material = Material::fetch(&world, true).await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let mut stream = material.dial(world.tunnel(POOL), None).await.unwrap();
        exchange(&mut stream, AUTO_IAM, "alices token")
            .await
            .unwrap();
        let client = postgres(stream, ALICE, None).await.unwrap();
        nodes.push(value(&client, "SHOW alloydb_emulator.node").await);
        let error = client.batch_execute("CREATE TEMP TABLE t ()").await;
        let error = client
            .batch_execute("CREATE TABLE t ()")
            .await
            .err()
            .or(error.err());
        assert_eq!(error.unwrap().code().unwrap().code(), "25006");
    }
    assert_eq!(nodes, ["1", "2", "1"]);
}
