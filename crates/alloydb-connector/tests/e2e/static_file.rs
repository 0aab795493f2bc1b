//! Static connection info: many instances, read again.

use std::path::Path;
use std::time::{Duration, SystemTime};

use alloydb_connector::{DialOptions, Dialer, DialerBuilder, Error, IpType};
use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::dialling::echoes;
use crate::fake::{Fake, PRIVATE, TOKEN, instance, private};

const OTHER: &str = "projects/p/locations/l/clusters/c/instances/other";

fn entry(fake: &Fake, key: &KeyPair, life: Duration) -> Value {
    json!({
        "ipAddress": PRIVATE,
        "publicIpAddress": "",
        "pscInstanceConfig": {"pscDnsName": ""},
        "pemCertificateChain": fake.api.cluster.client_chain(&key.public_key_pem(), life),
        "caCert": fake.api.cluster.root_pem(),
    })
}

fn write(path: &Path, key: &KeyPair, instances: &[(&str, &Value)]) {
    let mut content = json!({"publicKey": key.public_key_pem(), "privateKey": key.serialize_pem()});
    for (uri, entry) in instances {
        content[*uri] = (*entry).clone();
    }
    std::fs::write(path, content.to_string()).unwrap();
}

fn builder(fake: &Fake, path: &Path) -> DialerBuilder {
    let tunnel = fake.tunnel;
    Dialer::builder()
        .credentials(alloydb_connector::Credentials::token(TOKEN.into()))
        .static_connection_info(path)
        .dial_function(move |_| tokio::net::TcpStream::connect(tunnel))
}

#[tokio::test]
async fn a_file_serves_many_instances_any_number_of_times() {
    let fake = Fake::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let hour = entry(&fake, &key, Duration::from_hours(1));
    write(
        file.path(),
        &key,
        &[(instance().as_str(), &hour), (OTHER, &hour)],
    );
    let dialer = builder(&fake, file.path()).build().await.unwrap();
    for uri in [instance(), OTHER.parse().unwrap(), instance()] {
        let mut stream = dialer.dial(&uri, &private()).await.unwrap();
        echoes(&mut stream).await;
    }
    assert_eq!(fake.calls(), (0, 0));
    assert_eq!(
        fake.server.exchanged()[0].token,
        TOKEN,
        "the exchange is made nonetheless"
    );
}

#[tokio::test]
async fn addresses_are_read_as_the_go_connector_reads_them() {
    let fake = Fake::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let mut entry = entry(&fake, &key, Duration::from_hours(1));
    let fields = entry.as_object_mut().unwrap();
    fields.insert("ipAddress".to_owned(), Value::Null);
    fields.remove("publicIpAddress");
    fields.insert("publicIPAddress".to_owned(), json!(PRIVATE));
    write(file.path(), &key, &[(instance().as_str(), &entry)]);
    let dialer = builder(&fake, file.path()).build().await.unwrap();
    let public = DialOptions::new().ip_type(IpType::Public);
    let mut stream = dialer.dial(&instance(), &public).await.unwrap();
    echoes(&mut stream).await;
    let error = dialer.dial(&instance(), &private()).await.unwrap_err();
    assert!(error.to_string().contains("no private address"), "{error}");
}

#[tokio::test]
async fn an_empty_address_and_an_unknown_instance_are_config_errors() {
    let fake = Fake::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let hour = entry(&fake, &key, Duration::from_hours(1));
    write(file.path(), &key, &[(instance().as_str(), &hour)]);
    let dialer = builder(&fake, file.path()).build().await.unwrap();
    let public = DialOptions::new().ip_type(IpType::Public);
    let error = dialer.dial(&instance(), &public).await.unwrap_err();
    assert!(error.to_string().contains("no public address"), "{error}");
    let error = dialer
        .dial(&OTHER.parse().unwrap(), &private())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Config(_)), "{error}");
    assert!(
        error.to_string().contains("doesn't have the instance"),
        "{error}"
    );
}

#[tokio::test]
async fn a_changed_file_is_read_again_and_a_broken_one_keeps_the_last() {
    let fake = Fake::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let hour = entry(&fake, &key, Duration::from_hours(1));
    write(file.path(), &key, &[(instance().as_str(), &hour)]);
    let dialer = builder(&fake, file.path()).build().await.unwrap();
    write(
        file.path(),
        &key,
        &[(instance().as_str(), &hour), (OTHER, &hour)],
    );
    dialer
        .dial(&OTHER.parse().unwrap(), &private())
        .await
        .unwrap();
    std::fs::write(file.path(), "half of").unwrap();
    dialer
        .dial(&OTHER.parse().unwrap(), &private())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_expired_certificate_is_replaced_from_the_file_or_told() {
    let fake = Fake::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let hour = entry(&fake, &key, Duration::from_hours(1));
    write(file.path(), &key, &[(instance().as_str(), &hour)]);
    let later = || SystemTime::now() + Duration::from_hours(2);
    let dialer = builder(&fake, file.path())
        .clock(later)
        .build()
        .await
        .unwrap();
    let error = dialer.dial(&instance(), &private()).await.unwrap_err();
    assert!(error.to_string().contains("has expired"), "{error}");
    let day = entry(&fake, &key, Duration::from_hours(24));
    write(
        file.path(),
        &key,
        &[(instance().as_str(), &day), (OTHER, &day)],
    );
    dialer.dial(&instance(), &private()).await.unwrap();
}

#[tokio::test]
async fn an_expired_certificate_is_looked_for_in_a_file_that_seems_unchanged() {
    let fake = Fake::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    // Both contents have the same length and the same time.
    let put = |life: Duration| {
        let entry = entry(&fake, &key, life);
        write(file.path(), &key, &[(instance().as_str(), &entry)]);
        let mut content = std::fs::read_to_string(file.path()).unwrap();
        content += &" ".repeat(32 * 1024 - content.len());
        std::fs::write(file.path(), content).unwrap();
        file.as_file().set_modified(std::time::UNIX_EPOCH).unwrap();
    };
    put(Duration::from_hours(1));
    let later = || SystemTime::now() + Duration::from_hours(2);
    let dialer = builder(&fake, file.path()).clock(later);
    let dialer = dialer.build().await.unwrap();
    put(Duration::from_hours(24));
    dialer.dial(&instance(), &private()).await.unwrap();
}

#[tokio::test]
async fn a_file_with_mistakes_is_a_config_error_without_its_key() {
    let fake = Fake::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    for text in ["", "{}", r#"{"privateKey":"secret"}"#] {
        std::fs::write(file.path(), text).unwrap();
        let error = builder(&fake, file.path()).build().await.unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
