//! What goes wrong on port 5433 by script.

use alloydb_emulator::{ExchangeFailure, Fault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{AUTO_IAM, DB_NATIVE, Material, exchange, exchange_request, postgres, value};
use crate::world::{ALICE, CLUSTER, PRIMARY, World};

/// One exchange under a fault; what the client learns.
async fn under(world: &World, material: &Material, failure: ExchangeFailure) -> Result<(), String> {
    world.emulator.inject(Fault::Exchange { failure }.times(1));
    let mut stream = material
        .dial(world.tunnel(PRIMARY), None)
        .await
        .expect("TLS is right");
    exchange(&mut stream, DB_NATIVE, "alices token").await
}

#[tokio::test]
async fn an_exchange_fails_in_every_way() {
    let world = World::new().await;
    let material = Material::fetch(&world, true).await;
    let refused = ExchangeFailure::Refused {
        message: "no".to_owned(),
    };
    assert_eq!(
        under(&world, &material, refused).await,
        Err("no".to_owned())
    );
    assert_eq!(
        under(&world, &material, ExchangeFailure::SplitInBytes).await,
        Ok(())
    );
    let empty = under(&world, &material, ExchangeFailure::ZeroLength).await;
    assert_eq!(empty, Err("odd answer []".to_owned()));
    let eof = under(&world, &material, ExchangeFailure::Eof)
        .await
        .unwrap_err();
    assert!(eof.starts_with("i/o"), "{eof}");
    assert_eq!(
        under(&world, &material, ExchangeFailure::SplitInBytes).await,
        Ok(())
    );
}

#[tokio::test]
async fn an_announced_length_is_a_lie_and_an_error_is_postgresqls() {
    let world = World::new().await;
    let material = Material::fetch(&world, true).await;
    let error = ExchangeFailure::ErrorResponse {
        message: "starting".to_owned(),
    };
    for (failure, first) in [
        (ExchangeFailure::Length { bytes: 1 << 30 }, 0x40),
        (error, b'E'),
    ] {
        world.emulator.inject(Fault::Exchange { failure }.times(1));
        let mut stream = material.dial(world.tunnel(PRIMARY), None).await.unwrap();
        stream
            .write_all(&exchange_request(DB_NATIVE, "alices token"))
            .await
            .unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), first);
    }
}

#[tokio::test]
async fn a_silent_server_stays_silent_until_the_client_goes() {
    let world = World::new().await;
    let material = Material::fetch(&world, true).await;
    world.emulator.inject(Fault::Exchange {
        failure: ExchangeFailure::Silent,
    });
    let mut stream = material.dial(world.tunnel(PRIMARY), None).await.unwrap();
    stream
        .write_all(&exchange_request(DB_NATIVE, "alices token"))
        .await
        .unwrap();
    // The half that the client still reads ends because it has closed its own.
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn certificates_and_versions_are_wrong_by_script() {
    let world = World::new().await;
    world
        .emulator
        .inject(Fault::ShortCertificate { seconds: 0 }.on(CLUSTER).times(1));
    let expired = Material::fetch(&world, true).await;
    // TLS 1.3: the client learns of it when it reads.
    let refused = match expired.dial(world.tunnel(PRIMARY), None).await {
        Ok(mut stream) => exchange(&mut stream, DB_NATIVE, "alices token")
            .await
            .unwrap_err(),
        Err(error) => error.to_string(),
    };
    assert!(refused.contains("CertificateExpired"), "{refused}");
    world.emulator.inject(Fault::WrongCa.on(CLUSTER).times(1));
    let wrong = Material::fetch(&world, true).await;
    let refused = wrong.dial(world.tunnel(PRIMARY), None).await.err().unwrap();
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    let material = Material::fetch(&world, true).await;
    world.emulator.inject(Fault::Tls12Only.on(PRIMARY).times(1));
    assert!(material.dial(world.tunnel(PRIMARY), None).await.is_err());
    world
        .emulator
        .inject(Fault::TrailingDot.on(PRIMARY).times(1));
    let refused = material
        .dial(world.tunnel(PRIMARY), Some("localhost"))
        .await
        .err()
        .unwrap();
    assert!(refused.to_string().contains("certificate"), "{refused}");
    assert!(
        material
            .dial(world.tunnel(PRIMARY), Some("localhost"))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_client_without_certificate_or_permission_gets_nowhere() {
    let world = World::new().await;
    let material = Material::fetch(&world, true).await;
    world.emulator.set_roles(ALICE, []).unwrap();
    let mut stream = material.dial(world.tunnel(PRIMARY), None).await.unwrap();
    let refused = exchange(&mut stream, DB_NATIVE, "alices token")
        .await
        .unwrap_err();
    assert!(
        refused.contains("roles/serviceusage.serviceUsageConsumer"),
        "{refused}"
    );
    let other = World::new().await;
    let foreign = Material {
        ca: material.ca,
        ..Material::fetch(&other, true).await
    };
    let refused = match foreign.dial(world.tunnel(PRIMARY), None).await {
        Ok(mut stream) => exchange(&mut stream, DB_NATIVE, "alices token")
            .await
            .unwrap_err(),
        Err(error) => error.to_string(),
    };
    assert!(refused.contains("UnknownCA"), "{refused}");
}

#[tokio::test]
async fn without_exchange_the_password_is_the_token() {
    let world = World::new().await;
    let material = Material::fetch(&world, false).await;
    let stream = material.dial(world.tunnel(PRIMARY), None).await.unwrap();
    let client = postgres(stream, ALICE, Some("alices token")).await.unwrap();
    assert_eq!(value(&client, "SELECT current_user::text").await, ALICE);
    let stream = material.dial(world.tunnel(PRIMARY), None).await.unwrap();
    let refused = postgres(stream, ALICE, Some("x")).await.err().unwrap();
    assert_eq!(refused.code().unwrap().code(), "28P01");
    let stream = material.dial(world.tunnel(PRIMARY), None).await.unwrap();
    let client = postgres(stream, "bob", Some("bobs password"))
        .await
        .unwrap();
    assert_eq!(value(&client, "SELECT current_user::text").await, "bob");
}

#[tokio::test]
async fn encryption_inside_the_tunnel_is_declined_and_the_end_is_clean() {
    let world = World::new().await;
    let material = Material::fetch(&world, true).await;
    let mut stream = material.dial(world.tunnel(PRIMARY), None).await.unwrap();
    exchange(&mut stream, AUTO_IAM, "alices token")
        .await
        .unwrap();
    for request in [b"\0\0\0\x08\x04\xd2\x16\x30", b"\0\0\0\x08\x04\xd2\x16\x2f"] {
        stream.write_all(request).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'N');
    }
    stream
        .write_all(b"\0\0\0\x13\0\x03\0\0user\0nobo\0\0")
        .await
        .unwrap();
    let mut rest = Vec::new();
    // Without close_notify this would be an error.
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest[0], b'E');
    assert!(world.emulator.sessions()[0].ssl_request);
}
