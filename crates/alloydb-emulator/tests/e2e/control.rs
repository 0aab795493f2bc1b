//! What is done to a running emulator, by the handle and over HTTP.

use std::time::Duration;

use alloydb_emulator::{IpType, Rotation};
use serde_json::json;

use crate::client::{AUTO_IAM, Material, answer, exchange, get, post, postgres, value};
use crate::world::{ALICE, CLUSTER, PRIMARY, World};

const USER: &str = "SELECT current_user::text";

async fn log_in(world: &World, material: &Material) -> Result<tokio_postgres::Client, String> {
    let stream = material.dial(world.tunnel(PRIMARY), None).await;
    let mut stream = stream.map_err(|error| error.to_string())?;
    exchange(&mut stream, AUTO_IAM, "alices token").await?;
    postgres(stream, ALICE, None)
        .await
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_stopped_instance_refuses_and_comes_back_on_its_port() {
    let world = World::new().await;
    let material = Material::fetch(&world, true).await;
    let client = log_in(&world, &material).await.unwrap();
    let before = world.tunnel(PRIMARY);
    world.emulator.stop(PRIMARY).await.unwrap();
    assert!(client.simple_query("SELECT 1").await.is_err());
    assert!(
        log_in(&world, &material)
            .await
            .unwrap_err()
            .contains("refused")
    );
    world.emulator.resume(PRIMARY).await.unwrap();
    assert_eq!(world.tunnel(PRIMARY), before);
    let client = log_in(&world, &material).await.unwrap();
    world
        .emulator
        .restart(PRIMARY, Duration::ZERO)
        .await
        .unwrap();
    assert!(client.simple_query("SELECT 1").await.is_err());
    assert!(log_in(&world, &material).await.is_ok());
    assert!(world.emulator.stop("nothing").await.is_err());
}

#[tokio::test]
async fn a_failover_moves_the_primary_to_another_address() {
    let world = World::new().await;
    let material = Material::fetch(&world, true).await;
    let old = world.tunnel(PRIMARY);
    world.emulator.failover(PRIMARY).await.unwrap();
    let (_, info) = get(&world, &format!("/v1beta/{PRIMARY}/connectionInfo"), "x").await;
    assert_eq!(info["ipAddress"], "127.0.0.4");
    assert!(material.dial(old, None).await.is_err());
    let client = log_in(&world, &material).await.unwrap();
    assert_eq!(value(&client, USER).await, ALICE);
}

#[tokio::test]
async fn a_ca_is_replaced_at_once_or_with_an_overlap() {
    let world = World::new().await;
    let old = Material::fetch(&world, true).await;
    let living = log_in(&world, &old).await.unwrap();
    world.emulator.rotate(CLUSTER, Rotation::Replace).unwrap();
    assert!(
        log_in(&world, &old)
            .await
            .unwrap_err()
            .contains("UnknownIssuer")
    );
    assert_eq!(value(&living, USER).await, ALICE);
    let first = Material::fetch(&world, true).await;
    world.emulator.rotate(CLUSTER, Rotation::Begin).unwrap();
    let second = Material::fetch(&world, true).await;
    assert_eq!(second.ca.matches("BEGIN").count(), 2);
    assert!(log_in(&world, &first).await.is_ok() && log_in(&world, &second).await.is_ok());
    world.emulator.rotate(CLUSTER, Rotation::Server).unwrap();
    assert!(log_in(&world, &first).await.is_err());
    assert!(log_in(&world, &second).await.is_ok());
    world.emulator.rotate(CLUSTER, Rotation::Finish).unwrap();
    let third = Material::fetch(&world, true).await;
    assert_eq!(third.ca.matches("BEGIN").count(), 1);
    assert!(log_in(&world, &third).await.is_ok() && log_in(&world, &second).await.is_ok());
}

#[tokio::test]
async fn the_control_endpoint_does_what_the_handle_does() {
    let world = World::new().await;
    let control = async |path: &str, body| {
        let (status, answer) = post(&world, &format!("/emulator/v1/{path}"), "", &body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    };
    let fault = json!({"times": 1, "fault": {"kind": "api", "method": "connectionInfo",
        "failure": {"kind": "status", "code": 503}}});
    control("faults", fault).await;
    let info = format!("/v1beta/{PRIMARY}/connectionInfo");
    assert_eq!(get(&world, &info, "x").await.0, 503);
    assert_eq!(get(&world, &info, "x").await.0, 200);
    control("stop", json!({"instance": PRIMARY})).await;
    let (_, state) = get(&world, "/emulator/v1/state", "").await;
    assert_eq!(state["clusters"][0]["instances"][0]["state"], "down");
    control("start", json!({"instance": PRIMARY})).await;
    control("restart", json!({"instance": PRIMARY})).await;
    control("failover", json!({"instance": PRIMARY})).await;
    assert_eq!(world.tunnel(PRIMARY).ip().to_string(), "127.0.0.4");
    control("rotate", json!({"cluster": CLUSTER, "step": "replace"})).await;
    control(
        "flags",
        json!({"instance": PRIMARY, "iamAuthentication": "off"}),
    )
    .await;
    control(
        "roles",
        json!({"principal": ALICE, "roles": ["roles/alloydb.client"]}),
    )
    .await;
    assert_eq!(get(&world, &info, "alices token").await.0, 403);
    let issued = control("tokens", json!({"principal": ALICE, "lifetimeSeconds": 60})).await;
    assert_eq!(issued["expiresInSeconds"], 60);
    let token = format!("{}/emulator/v1/token/{ALICE}", world.emulator.http_url());
    let token = reqwest::get(token).await.unwrap().text().await.unwrap();
    assert!(token.starts_with("ya29.") && token.ends_with('\n'));
    let (_, requests) = get(&world, "/emulator/v1/requests", "").await;
    assert_eq!(requests.as_array().unwrap().len(), 3);
    for wrong in [
        json!({"instance": "x"}),
        json!({}),
        json!({"instance": PRIMARY, "x": 1}),
    ] {
        let url = format!("{}/emulator/v1/stop", world.emulator.http_url());
        assert_ne!(
            answer(reqwest::Client::new().post(url).json(&wrong))
                .await
                .0,
            200,
            "{wrong}"
        );
    }
    assert!(
        world
            .emulator
            .tunnel_addr(PRIMARY, IpType::Public)
            .is_some()
    );
}

#[tokio::test]
async fn a_fault_that_could_not_happen_is_refused() {
    let world = World::new().await;
    let arm = async |resource: &str| {
        let fault = json!({"resource": resource, "fault": {"kind": "tls12-only"}});
        post(&world, "/emulator/v1/faults", "", &fault).await
    };
    for known in [PRIMARY, CLUSTER, "projects/demo", ALICE] {
        assert_eq!(arm(known).await.0, 200, "{known}");
    }
    for unknown in ["projects/dem", "primary", "projects/demo/locations/x"] {
        let (status, answer) = arm(unknown).await;
        assert_eq!(status, 404, "{answer}");
        assert!(answer.to_string().contains(unknown), "{answer}");
    }
}
