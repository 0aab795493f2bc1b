//! Whom the connector trusts, and who trusts it.

use alloydb_connector::{DialFailure, DialOptions, Error, ExchangeError, IpType};
use rustls::version::{TLS12, TLS13};

use crate::fake::server::config;
use crate::fake::{Answer, Cluster, Fake, PRIVATE, PSC, chain, instance, private, until};

async fn failure(fake: &Fake, options: &DialOptions) -> Error {
    let dialer = fake.dialer().await;
    let error = dialer.dial(&instance(), options).await.unwrap_err();
    until("a forced refresh", || fake.calls() == (2, 2)).await;
    error
}

fn dial_failure(error: &Error) -> &DialFailure {
    match error {
        Error::Dial(dial) => dial.failure(),
        other => panic!("it isn't the dial that failed: {other}"),
    }
}

#[tokio::test]
async fn a_server_of_another_name_is_refused() {
    let cluster = Cluster::new();
    let (chain_of, key) = cluster.server_for(&["10.0.0.6", "uid.server.alloydb"]);
    let tls = config(&cluster, chain_of, key, &[&TLS13]);
    let fake = Fake::with(cluster).await;
    fake.server.serve_with(tls);
    let error = failure(&fake, &private()).await;
    assert!(
        matches!(dial_failure(&error), DialFailure::WrongName),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn a_server_of_another_cluster_is_refused() {
    let fake = Fake::start().await;
    fake.api
        .set(|settings| settings.other_ca = Some(Cluster::new().root_pem()));
    let error = failure(&fake, &private()).await;
    assert!(
        matches!(dial_failure(&error), DialFailure::Tls),
        "{}",
        chain(&error)
    );
    assert!(chain(&error).contains("certificate"), "{}", chain(&error));
}

#[tokio::test]
async fn each_ca_is_trusted_while_a_clusters_ca_is_rotated() {
    let fake = Fake::start().await;
    let both = Cluster::new().root_pem() + &fake.api.cluster.root_pem();
    fake.api.set(|settings| settings.other_ca = Some(both));
    let dialer = fake.dialer().await;
    dialer.dial(&instance(), &private()).await.unwrap();
}

#[tokio::test]
async fn an_ipv6_address_is_dialled_verified_and_told_in_brackets() {
    const ADDRESS: &str = "fd00::5";
    let cluster = Cluster::new();
    let (chain_of, key) = cluster.server_for(&[ADDRESS]);
    let tls = config(&cluster, chain_of, key, &[&TLS13]);
    let fake = Fake::with(cluster).await;
    fake.server.serve_with(tls);
    fake.api
        .set(|settings| settings.info = serde_json::json!({"ipAddress": ADDRESS}));
    let dialer = fake.dialer().await;
    dialer.dial(&instance(), &private()).await.unwrap();
    assert_eq!(*fake.targets.lock().unwrap(), ["fd00::5:5433"]);
    fake.server.answers(Answer::refusal("no"));
    let error = dialer.dial(&instance(), &private()).await.unwrap_err();
    assert!(error.to_string().contains("at [fd00::5]:5433"), "{error}");
}

#[tokio::test]
async fn a_psc_name_with_a_dot_in_the_certificate_is_taken() {
    let cluster = Cluster::new();
    let dotted = format!("{PSC}.");
    let (chain_of, key) = cluster.server_for(&[&dotted]);
    let tls = config(&cluster, chain_of, key, &[&TLS13]);
    let fake = Fake::with(cluster).await;
    fake.server.serve_with(tls);
    let psc = DialOptions::new().ip_type(IpType::Psc);
    fake.dialer().await.dial(&instance(), &psc).await.unwrap();
}

#[tokio::test]
async fn a_dot_excuses_neither_another_name_nor_another_authority() {
    let cluster = Cluster::new();
    let (chain_of, key) = cluster.server_for(&["other.region.alloydb.goog.", "10.0.0.5."]);
    let tls = config(&cluster, chain_of, key, &[&TLS13]);
    let fake = Fake::with(cluster).await;
    fake.server.serve_with(tls);
    let psc = DialOptions::new().ip_type(IpType::Psc);
    let error = failure(&fake, &psc).await;
    assert!(
        matches!(dial_failure(&error), DialFailure::WrongName),
        "{}",
        chain(&error)
    );
    let error = fake
        .dialer()
        .await
        .dial(&instance(), &private())
        .await
        .unwrap_err();
    assert!(
        matches!(dial_failure(&error), DialFailure::WrongName),
        "{}",
        chain(&error)
    );

    let stranger = Cluster::new();
    let dotted = format!("{PSC}.");
    let (chain_of, key) = stranger.server_for(&[&dotted]);
    let fake = Fake::start().await;
    fake.server
        .serve_with(config(&fake.api.cluster, chain_of, key, &[&TLS13]));
    let error = failure(&fake, &psc).await;
    assert!(
        matches!(dial_failure(&error), DialFailure::Tls),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn a_server_without_tls_1_3_is_refused() {
    let cluster = Cluster::new();
    let (chain_of, key) = cluster.server();
    let tls = config(&cluster, chain_of, key, &[&TLS12]);
    let fake = Fake::with(cluster).await;
    fake.server.serve_with(tls);
    let error = failure(&fake, &private()).await;
    assert!(
        matches!(dial_failure(&error), DialFailure::Tls),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn a_rejected_client_certificate_is_named_at_the_exchange() {
    let cluster = Cluster::new();
    let (chain_of, key) = cluster.server_for(&[PRIVATE]);
    // The server knows clients of another cluster only.
    let tls = config(&Cluster::new(), chain_of, key, &[&TLS13]);
    let fake = Fake::with(cluster).await;
    fake.server.serve_with(tls);
    let error = failure(&fake, &private()).await;
    let DialFailure::MetadataExchange(failure) = dial_failure(&error) else {
        panic!("{}", chain(&error));
    };
    assert!(
        matches!(
            failure,
            ExchangeError::CertificateRejected { .. } | ExchangeError::Closed
        ),
        "{failure}"
    );
    assert!(
        failure.to_string().contains("client certificate"),
        "{failure}"
    );
}
