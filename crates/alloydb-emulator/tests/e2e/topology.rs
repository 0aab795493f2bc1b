//! Several clusters and instances, each found by its address or its PSC name.

use std::time::Duration;

use alloydb_emulator::{ApiMethod, Cluster, Instance, IpType, Ssl};
use querycop_testkit::psql::{Libpq, Psql};
use serde_json::json;

use crate::client::{AUTO_IAM, Material, exchange, get, post, postgres, public_key_pem, value};
use crate::world::{ALICE, CLUSTER, PRIMARY, World};

const SECONDARY: &str = "projects/demo/locations/far/clusters/copy";
const COPY: &str = "projects/demo/locations/far/clusters/copy/instances/copy";

/// The world with a secondary cluster whose PSC name leads to an address that it shares.
async fn with_secondary() -> World {
    World::with(|builder| {
        let copy = Instance::primary("copy")
            .private_address([127, 0, 0, 5])
            .psc_dns_name("copy.localhost")
            .psc_address([127, 0, 0, 1])
            .ssl(Ssl::Optional);
        builder.cluster(Cluster::secondary(SECONDARY).instance(copy))
    })
    .await
}

async fn material_of(world: &World, cluster: &str) -> Material {
    let body = json!({"publicKey": public_key_pem(), "useMetadataExchange": true});
    let path = format!("/v1beta/{cluster}:generateClientCertificate");
    let (status, made) = post(world, &path, "alices token", &body).await;
    assert_eq!(status, 200, "{made}");
    Material::of(&made)
}

#[tokio::test]
async fn a_secondary_cluster_has_its_own_ca_and_only_reads() {
    let world = with_secondary().await;
    let (own, other) = (
        material_of(&world, SECONDARY).await,
        material_of(&world, CLUSTER).await,
    );
    assert_ne!(own.ca, other.ca);
    let addr = world.tunnel(COPY);
    assert!(other.dial(addr, None).await.is_err());
    let mut stream = own.dial(addr, None).await.unwrap();
    exchange(&mut stream, AUTO_IAM, "alices token")
        .await
        .unwrap();
    let client = postgres(stream, ALICE, None).await.unwrap();
    assert_eq!(value(&client, "SHOW transaction_read_only").await, "on");
    assert_eq!(
        world
            .emulator
            .calls(ApiMethod::GenerateClientCertificate, SECONDARY),
        1
    );
}

#[tokio::test]
async fn a_psc_name_finds_its_instance_on_a_shared_address() {
    let world = with_secondary().await;
    let (own, other) = (
        material_of(&world, SECONDARY).await,
        material_of(&world, CLUSTER).await,
    );
    let shared = world.emulator.tunnel_addr(COPY, IpType::Psc).unwrap();
    assert_eq!(
        shared,
        world
            .emulator
            .tunnel_addr(PRIMARY, IpType::Private)
            .unwrap()
    );
    for (material, name, instance) in [
        (own, "copy.localhost", "copy"),
        (other, "localhost", "primary"),
    ] {
        let mut stream = material.dial(shared, Some(name)).await.unwrap();
        exchange(&mut stream, AUTO_IAM, "alices token")
            .await
            .unwrap();
        let client = postgres(stream, ALICE, None).await.unwrap();
        assert_eq!(
            value(&client, "SHOW alloydb_emulator.instance").await,
            instance
        );
    }
    let (_, info) = get(&world, &format!("/v1beta/{COPY}/connectionInfo"), "x").await;
    assert_eq!(info["pscDnsName"], "copy.localhost.");
}

#[tokio::test(flavor = "multi_thread")]
async fn port_5432_takes_direct_tls_and_plain_connections_where_allowed() {
    let world = with_secondary().await;
    let addr = world.emulator.direct_addr(COPY, IpType::Private).unwrap();
    let client = Psql::new(&addr.ip().to_string(), addr.port())
        .dbname("postgres")
        .user("bob")
        .password("bobs password");
    assert_eq!(client.clone().sslmode("disable").query("SELECT 1"), "1");
    let direct = client.libpq(Libpq::V18).sslmode("require");
    assert_eq!(
        direct.option("sslnegotiation", "direct").query("SELECT 1"),
        "1"
    );
    let sessions = world.emulator.sessions();
    assert_eq!(sessions[0].tls, None);
    assert_eq!(sessions[1].tls.as_deref(), Some("TLSv1_3"));
}

#[tokio::test]
async fn a_certificate_lives_an_hour_at_least_and_a_day_at_most() {
    let world = World::new().await;
    let path = format!("/v1beta/{CLUSTER}:generateClientCertificate");
    for (asked, hours) in [("20s", 1), ("7200s", 2), ("864000s", 24)] {
        let body = json!({"publicKey": public_key_pem(), "certDuration": asked});
        let (_, made) = post(&world, &path, "x", &body).await;
        let leaf = Material::of(&made).chain.remove(0);
        let (_, pem) = x509_parser::pem::parse_x509_pem(leaf.as_bytes()).unwrap();
        let validity = pem
            .parse_x509()
            .unwrap()
            .validity()
            .time_to_expiration()
            .unwrap();
        let left = Duration::from_hours(hours).as_secs_f64() - validity.as_seconds_f64();
        assert!((0.0..60.0).contains(&left), "{asked}: {left}");
    }
}
