//! Dials that succeed, and what they leave behind.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use alloydb_connector::{
    AccessToken, Credentials, DialOptions, Dialer, Error, IamLogin, IpType, Proxy, Stream,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::fake::{Call, Fake, PSC, TOKEN, chain, count, instance, private, until};

/// Sends something and reads it back.
pub(crate) async fn echoes(stream: &mut Stream) {
    stream.write_all(b"startup").await.expect("it is open");
    stream.flush().await.expect("it is open");
    let mut back = [0; 7];
    stream.read_exact(&mut back).await.expect("the fake echoes");
    assert_eq!(&back, b"startup");
}

#[tokio::test]
async fn a_dial_gives_a_stream_and_says_who_it_is() {
    let fake = Fake::start().await;
    let dialer = fake
        .builder()
        .user_agent("my-program/1.2")
        .user_agent("more/3");
    let dialer = dialer.build().await.unwrap();
    let mut stream = dialer.dial(&instance(), &private()).await.unwrap();
    echoes(&mut stream).await;

    assert_eq!(*fake.targets.lock().unwrap(), ["10.0.0.5:5433"]);
    assert_eq!(stream.tls().version(), "TLSv1.3");
    assert!(
        stream.tls().cipher_suite().starts_with("TLS_"),
        "{:?}",
        stream.tls()
    );
    assert_eq!(stream.peer_addr(), Some(fake.tunnel));
    assert!(stream.peer_certificate().is_some());
    let agent = format!(
        "alloydb-rust-connector/{} my-program/1.2 more/3",
        env!("CARGO_PKG_VERSION")
    );
    let exchanged = &fake.server.exchanged()[0];
    assert_eq!(exchanged.user_agent, agent);
    assert_eq!(exchanged.auth_type, 1);
    assert_eq!(exchanged.token, TOKEN);
    assert_eq!(
        *fake.server.server_names.lock().unwrap(),
        [None],
        "no SNI for an address"
    );
    assert!(!format!("{stream:?} {dialer:?}").contains(TOKEN));
}

#[tokio::test]
async fn the_admin_api_is_asked_as_google_documents_it() {
    let fake = Fake::start().await;
    let dialer = fake
        .builder()
        .quota_project("billed")
        .user_agent("my-program/1.2");
    let dialer = dialer.build().await.unwrap();
    dialer.dial(&instance(), &private()).await.unwrap();

    let header = |call: &Call, name: &str| call.headers.get(name).cloned().unwrap_or_default();
    let info = &fake.api.calls_to("/connectionInfo")[0];
    assert_eq!(info.method, "GET");
    let cluster = "projects/google.com:proj/locations/l/clusters/c";
    assert_eq!(
        info.path,
        format!("/v1beta/{cluster}/instances/i/connectionInfo")
    );
    let escaped = "projects/google.com%3Aproj/locations/l/clusters/c";
    let routing = header(info, "x-goog-request-params");
    assert_eq!(routing, format!("parent={escaped}/instances/i"));

    let certificate = &fake.api.calls_to(":generateClientCertificate")[0];
    assert_eq!(certificate.method, "POST");
    assert_eq!(
        certificate.path,
        format!("/v1beta/{cluster}:generateClientCertificate")
    );
    assert_eq!(
        header(certificate, "x-goog-request-params"),
        format!("parent={escaped}")
    );
    assert!(
        certificate
            .body
            .contains(r#""publicKey":"-----BEGIN PUBLIC KEY-----\n"#)
    );
    assert!(
        certificate
            .body
            .contains(r#""certDuration":"3600s","useMetadataExchange":true"#)
    );
    for call in [info, certificate] {
        assert_eq!(header(call, "authorization"), format!("Bearer {TOKEN}"));
        assert!(header(call, "user-agent").starts_with("alloydb-rust-connector/"));
        assert!(header(call, "user-agent").ends_with(" my-program/1.2"));
        assert!(header(call, "x-goog-api-client").starts_with("gl-rust/"));
        assert_eq!(header(call, "x-goog-user-project"), "billed");
    }
}

#[tokio::test]
async fn snake_case_answers_are_read() {
    let fake = Fake::start().await;
    fake.api.set(|settings| settings.snake_case = true);
    fake.dialer()
        .await
        .dial(&instance(), &private())
        .await
        .unwrap();
}

#[tokio::test]
async fn the_ip_type_and_the_login_are_chosen_per_dial() {
    let fake = Fake::start().await;
    let dialer = fake
        .builder()
        .iam_login(IamLogin::On)
        .build()
        .await
        .unwrap();
    let public = DialOptions::new().ip_type(IpType::Public);
    dialer.dial(&instance(), &public).await.unwrap();
    let psc = DialOptions::new()
        .ip_type(IpType::Psc)
        .iam_login(IamLogin::Off);
    dialer.dial(&instance(), &psc).await.unwrap();

    let psc_target = format!("{PSC}:5433");
    assert_eq!(
        *fake.targets.lock().unwrap(),
        ["34.1.2.3:5433", psc_target.as_str()]
    );
    let auth_types: Vec<_> = fake
        .server
        .exchanged()
        .iter()
        .map(|seen| seen.auth_type)
        .collect();
    assert_eq!(auth_types, [2, 1]);
    let name = fake.server.server_names.lock().unwrap()[1].clone();
    assert_eq!(name.as_deref(), Some(PSC), "the dot is trimmed");
    assert_eq!(fake.calls(), (1, 1), "one certificate serves both");
}

#[tokio::test]
async fn the_automatic_psc_name_is_dialled_when_there_is_no_other() {
    let fake = Fake::start().await;
    fake.api.set(|settings| {
        settings.info = serde_json::json!({"pscAutoDnsName": format!("{PSC}.")});
    });
    let psc = DialOptions::new().ip_type(IpType::Psc);
    fake.dialer().await.dial(&instance(), &psc).await.unwrap();
}

#[tokio::test]
async fn a_thousand_first_dials_cost_two_admin_calls() {
    let fake = Fake::start().await;
    let held = fake.api.gate.acquire_many(1000).await.unwrap();
    let dialer = fake.dialer().await;
    let mut dials = JoinSet::new();
    for _ in 0..1000 {
        let dialer = dialer.clone();
        dials.spawn(async move { dialer.prepare(&instance()).await.is_ok() });
    }
    until("both calls", || fake.api.seen.lock().unwrap().len() == 2).await;
    drop(held);
    assert!(dials.join_all().await.into_iter().all(|prepared| prepared));
    assert_eq!(fake.calls(), (1, 1));
    dialer.dial(&instance(), &private()).await.unwrap();
    assert_eq!(fake.calls(), (1, 1));
}

#[tokio::test]
async fn two_instances_share_a_dialer_and_its_key() {
    let fake = Fake::start().await;
    let dialer = fake.dialer().await;
    let other = "projects/p/locations/l/clusters/c2/instances/i2"
        .parse()
        .unwrap();
    dialer.dial(&instance(), &private()).await.unwrap();
    dialer.dial(&other, &private()).await.unwrap();
    assert_eq!(fake.calls(), (2, 2));
    let keys = fake.api.calls_to(":generateClientCertificate");
    assert_eq!(keys[0].body, keys[1].body);
}

#[tokio::test]
async fn a_lazy_dialer_makes_its_key_at_the_first_dial() {
    let fake = Fake::start().await;
    let tunnel = fake.tunnel;
    let dialer = Dialer::builder()
        .credentials(Credentials::token(TOKEN.into()))
        .admin_endpoint(fake.endpoint())
        .proxy(Proxy::none())
        .refresh(alloydb_connector::RefreshStrategy::Lazy)
        .dial_function(move |_| TcpStream::connect(tunnel));
    let dialer = dialer.build().await.unwrap();
    let mut stream = dialer.dial(&instance(), &private()).await.unwrap();
    echoes(&mut stream).await;
}

#[tokio::test]
async fn a_dial_from_another_runtime_outlives_it_in_nothing() {
    let fake = Fake::start().await;
    let dialer = fake.dialer().await;
    for _ in 0..2 {
        let dialer = dialer.clone();
        let dialled = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.expect("a runtime");
            runtime.block_on(async {
                let mut stream = dialer
                    .dial(&instance(), &private())
                    .await
                    .expect("it dials");
                echoes(&mut stream).await;
            });
        });
        tokio::task::spawn_blocking(|| dialled.join().unwrap())
            .await
            .unwrap();
    }
    assert_eq!(fake.calls(), (1, 1), "the first runtime's end cost nothing");
}

#[tokio::test]
async fn closing_is_idempotent_and_streams_live_on() {
    let fake = Fake::start().await;
    let dialer = fake.dialer().await;
    let mut stream = dialer.dial(&instance(), &private()).await.unwrap();
    dialer.close().await;
    dialer.clone().close().await;
    echoes(&mut stream).await;
    let error = dialer.dial(&instance(), &private()).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    assert_eq!(error.instance(), Some(&instance()));
    assert!(dialer.login_token().await.is_err());
}

#[tokio::test]
async fn closing_during_the_first_refresh_lets_the_dial_fail() {
    let fake = Fake::start().await;
    let held = fake.api.gate.acquire_many(1000).await.unwrap();
    let dialer = fake.dialer().await;
    let waiting = tokio::spawn({
        let dialer = dialer.clone();
        async move { dialer.dial(&instance(), &private()).await.map(|_| ()) }
    });
    until("the calls", || fake.api.seen.lock().unwrap().len() == 2).await;
    dialer.close().await;
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    drop(held);
}

#[tokio::test]
async fn dropping_the_last_dialer_ends_its_tasks_and_no_stream() {
    let fake = Fake::start().await;
    // All that a dialer's tasks work with holds on to the token source.
    let held: Arc<str> = TOKEN.into();
    let seen = Arc::downgrade(&held);
    let source = move || {
        let token = AccessToken::new(String::from(&*held).into(), None);
        std::future::ready(Ok(token))
    };
    let dialer = fake.builder().credentials(Credentials::source(source));
    let dialer = dialer.build().await.unwrap();
    let clone = dialer.clone();
    let mut stream = dialer.dial(&instance(), &private()).await.unwrap();
    drop(dialer);
    clone.dial(&instance(), &private()).await.unwrap();
    assert!(seen.strong_count() > 0, "a clone is left");

    // One more refresh is under way meanwhile.
    let gate = fake.api.gate.acquire_many(1000).await.unwrap();
    let refused = |_| std::future::ready(Err::<TcpStream, _>(io::ErrorKind::Other.into()));
    let refused = DialOptions::new().dial_function(refused);
    clone.dial(&instance(), &refused).await.unwrap_err();
    until("the calls", || fake.api.seen.lock().unwrap().len() == 4).await;
    drop(clone);
    until("the tasks' end", || seen.strong_count() == 0).await;
    drop(gate);
    echoes(&mut stream).await;
}

#[tokio::test]
async fn a_dialer_whose_runtime_has_ended_says_so_at_once() {
    let fake = Fake::start().await;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.unwrap();
    let builder = fake.builder();
    let built = runtime.spawn(builder.build()).await;
    let dialer = built.unwrap().unwrap();
    let held = fake.api.gate.acquire_many(1000).await.unwrap();
    let waiting = tokio::spawn({
        let dialer = dialer.clone();
        async move { dialer.dial(&instance(), &private()).await.map(|_| ()) }
    });
    until("the calls", || fake.api.seen.lock().unwrap().len() == 2).await;
    runtime.shutdown_background();
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    // So does an instance that nobody has asked for yet.
    let other = "projects/p/locations/l/clusters/c2/instances/i2";
    let other = other.parse().unwrap();
    let error = dialer.dial(&other, &private()).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    dialer.close().await;
    drop(held);
}

#[tokio::test]
async fn a_dropped_stream_closes_its_socket() {
    let fake = Fake::start().await;
    let stream = fake
        .dialer()
        .await
        .dial(&instance(), &private())
        .await
        .unwrap();
    drop(stream);
    until("the end", || count(&fake.server.ended) == 1).await;
}

#[tokio::test]
async fn status_tells_what_is_known_without_asking() {
    let fake = Fake::start().await;
    let dialer = fake.dialer().await;
    assert!(dialer.status(&instance()).is_none());
    let prepared = dialer.prepare(&instance()).await.unwrap();
    let status = dialer.status(&instance()).unwrap();
    assert_eq!(prepared.addresses(), status.addresses());
    assert_eq!(status.addresses().psc(), Some(PSC));
    assert_eq!(
        status.addresses().of(IpType::Private).as_deref(),
        Some("10.0.0.5")
    );
    let left = status.certificate_expires_at().unwrap();
    let left = left.duration_since(std::time::SystemTime::now()).unwrap();
    assert!(left > Duration::from_mins(59), "the leaf's end, {left:?}");
    assert_eq!(status.last_failure(), None);
    assert_eq!(fake.calls(), (1, 1));
}

#[tokio::test]
async fn the_clusters_ca_is_always_asked_for() {
    let fake = Fake::start().await;
    let dialer = fake.dialer().await;
    let ca = dialer.cluster_ca(&instance()).await.unwrap();
    assert_eq!(ca, fake.api.cluster.root_pem());
    dialer.cluster_ca(&instance()).await.unwrap();
    assert_eq!(fake.calls(), (0, 2));
}

#[tokio::test]
async fn a_certificate_for_another_key_is_a_bad_answer() {
    let fake = Fake::start().await;
    fake.api.set(|settings| settings.other_key = true);
    let error = fake
        .dialer()
        .await
        .dial(&instance(), &private())
        .await
        .unwrap_err();
    assert!(
        chain(&error).contains("isn't for the key that was sent"),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn options_that_make_no_sense_are_config_errors() {
    let zero = Dialer::builder()
        .connect_timeout(Duration::ZERO)
        .build()
        .await;
    assert!(matches!(zero, Err(Error::Config(_))));
    let agent = Dialer::builder().user_agent("two\nlines").build().await;
    assert!(
        agent
            .unwrap_err()
            .to_string()
            .contains("can't be sent in a header")
    );
    let plain = Dialer::builder()
        .admin_endpoint("http://10.0.0.1")
        .build()
        .await;
    assert!(plain.unwrap_err().to_string().contains("loopback"));
    let conflict = Dialer::builder()
        .static_connection_info("x.json")
        .admin_endpoint("https://x")
        .build()
        .await;
    assert!(
        conflict
            .unwrap_err()
            .to_string()
            .contains("exclude each other")
    );
    let roots = Dialer::builder().root_certificates("no PEM").build().await;
    assert!(roots.unwrap_err().to_string().contains("root certificates"));
}
