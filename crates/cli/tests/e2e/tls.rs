//! TLS on either leg: versions, modes, authorities, names, keys, and what must not get through.

use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::sync::LazyLock;

use querycop_testkit::certificates::{Authority, Identity, Key, Leaf};
use querycop_testkit::gateway::{Builder, Gateway};
use querycop_testkit::peer::{Peer, Step};
use querycop_testkit::postgres::{Postgres, Transport, Version};
use querycop_testkit::psql::Psql;
use querycop_testkit::wait::eventually;
use querycop_wire::startup::{gssenc_request, ssl_request};

use crate::relay::raw::{LOGGED_IN, RawClient, V3_0, cancel};
use crate::setup::{Pki, before, before_port, counter};

const SSL: &str = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";

/// A server in clear that trusts everybody.
static SERVER: LazyLock<Postgres> = LazyLock::new(|| Postgres::builder().start());

static PKI: LazyLock<Pki> = LazyLock::new(Pki::new);

/// A gateway with a certificate before the server in clear.
fn serving_tls() -> Builder {
    PKI.serve_tls(before(&SERVER, "disable"))
}

fn client(gateway: &Gateway) -> Psql {
    gateway.client().user("postgres")
}

// The client's leg.

#[test]
fn clients_speak_tls_1_2_or_1_3() {
    let gateway = serving_tls().start();
    for version in ["TLSv1.2", "TLSv1.3"] {
        let client = client(&gateway)
            .sslmode("verify-full")
            .option("sslrootcert", PKI.root.display())
            .option("ssl_min_protocol_version", version)
            .option("ssl_max_protocol_version", version);
        let output = client.script("\\conninfo");
        let words = format!("SSL connection (protocol: {version}, ");
        assert!(output.expect_success().contains(&words), "{output}");
    }
}

#[test]
fn clients_do_not_speak_older_versions_of_tls() {
    let gateway = serving_tls().start();
    let client = client(&gateway)
        .sslmode("require")
        .option("ssl_min_protocol_version", "TLSv1")
        .option("ssl_max_protocol_version", "TLSv1.1");
    let output = client.run("select 1");
    assert!(output.expect_failure().contains("SSL error"), "{output}");
}

#[test]
fn a_client_that_verifies_the_name_refuses_another() {
    let other = PKI.authority.server(&["another.test"]);
    let files = PKI.write(&other, "another");
    let gateway = before(&SERVER, "disable")
        .env("GATEKEEPER_PROXY_TLS_CERT", files.certificate.display())
        .env("GATEKEEPER_PROXY_TLS_KEY", files.key.display())
        .start();
    let client = client(&gateway).option("sslrootcert", PKI.root.display());
    assert_eq!(client.clone().sslmode("verify-ca").query("select 1"), "1");
    let output = client.sslmode("verify-full").run("select 1");
    assert!(output.expect_failure().contains("another.test"), "{output}");
}

#[test]
fn mode_require_refuses_clients_in_clear_with_a_hint() {
    let gateway = serving_tls()
        .env("GATEKEEPER_PROXY_TLS_MODE", "require")
        .start();
    let error = RawClient::expect_refusal(gateway.port(), "postgres");
    assert_eq!(
        (error.severity.as_str(), error.code.as_str()),
        ("FATAL", "28000")
    );
    assert!(error.message.contains("TLS is required"), "{error:?}");
    assert!(error.hint.contains("sslmode=require"), "{error:?}");
    let output = client(&gateway).sslmode("disable").run("select 1");
    assert!(output.expect_failure().contains("HINT:  "), "{output}");
    assert_eq!(client(&gateway).sslmode("require").query("select 1"), "1");
}

#[test]
fn mode_prefer_is_the_default_with_a_certificate_and_serves_both() {
    for gateway in [
        serving_tls(),
        serving_tls().env("GATEKEEPER_PROXY_TLS_MODE", "prefer"),
    ] {
        let gateway = gateway.start();
        for mode in ["disable", "allow", "prefer", "require"] {
            let client = client(&gateway).sslmode(mode);
            assert_eq!(client.query("select 1"), "1", "{mode}");
        }
    }
}

#[test]
fn mode_disable_answers_no_in_spite_of_a_certificate() {
    let gateway = serving_tls()
        .env("GATEKEEPER_PROXY_TLS_MODE", "disable")
        .start();
    let mut raw = RawClient::connect(gateway.port());
    raw.send(&ssl_request());
    assert_eq!(read_byte(&mut raw), b'N');
    raw.start_up("postgres", V3_0);
    raw.read_until_ready();
    let output = client(&gateway).sslmode("require").run("select 1");
    let words = "server does not support SSL, but SSL was required";
    assert!(output.expect_failure().contains(words), "{output}");
}

/// A gateway that asks its clients for certificates, and a client that shows this one.
fn shows(gateway: &Gateway, shown: Option<&Identity>, directory: &Path) -> Psql {
    let client = client(gateway).sslmode("require");
    let Some(identity) = shown else {
        return client;
    };
    let files = identity.write(directory, "client");
    client
        .option("sslcert", files.certificate.display())
        .option("sslkey", files.key.display())
}

#[test]
fn with_a_client_authority_only_clients_with_its_certificates_are_served() {
    let pki = Pki::new();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let authority = ours.write(pki.path(), "clients");
    let gateway = pki
        .serve_tls(before(&SERVER, "disable"))
        .env("GATEKEEPER_PROXY_TLS_CLIENT_CA", authority.display())
        .start();
    let good = ours.client("reader");
    let issued_below = ours.intermediate("issuing").client("reader");
    for identity in [good, issued_below] {
        let client = shows(&gateway, Some(&identity), pki.path());
        assert_eq!(client.query("select 1"), "1");
        let tls_1_2 = client.option("ssl_max_protocol_version", "TLSv1.2");
        assert_eq!(tls_1_2.query("select 1"), "1");
    }
    let refused = [
        None,
        Some(theirs.client("reader")),
        Some(ours.issue(&Leaf::client("reader").expired())),
        // A server's certificate is no client's.
        Some(ours.server(&["reader"])),
    ];
    for identity in &refused {
        let client = shows(&gateway, identity.as_ref(), pki.path());
        client.run("select 1").expect_failure();
        let output = client
            .option("ssl_max_protocol_version", "TLSv1.2")
            .run("select 1");
        // In TLS 1.3 the client is done before it is refused, and may miss the reason.
        assert!(output.expect_failure().contains("alert"), "{output}");
    }
    // Nor is there a way around TLS.
    let error = RawClient::expect_refusal(gateway.port(), "postgres");
    assert_eq!(error.code, "28000");
    let dropped = "querycop_startups_dropped_total{reason=\"tls\"}";
    eventually("all refused to be counted", || {
        (counter(&gateway, dropped) == 8).then_some(())
    });
}

/// A TLS 1.3 `ClientHello` with these names in its ALPN extension, if any.
fn client_hello(names: Option<&str>) -> Vec<u8> {
    let extension = |number: u8, body: &[u8]| [&[0, number], &sized(body)[..]].concat();
    let mut extensions = [
        // The group x25519, a signature algorithm, TLS 1.3, and a share of that group.
        extension(10, &sized(&[0, 29])),
        extension(13, &sized(&[4, 3])),
        extension(43, &[2, 3, 4]),
        extension(51, &sized(&[&[0, 29], &sized(&[9; 32])[..]].concat())),
    ]
    .concat();
    if let Some(name) = names {
        let length = u8::try_from(name.len()).expect("it is short");
        let name = [&[length], name.as_bytes()].concat();
        extensions.extend(extension(16, &sized(&name)));
    }
    let hello = [
        &[3, 3][..],
        &[7; 32],
        // No session, one cipher suite, no compression.
        &[0, 0, 2, 0x13, 1, 1, 0],
        &sized(&extensions),
    ]
    .concat();
    let handshake = [&[1, 0], &sized(&hello)[..]].concat();
    [&[0x16, 3, 1], &sized(&handshake)[..]].concat()
}

/// Bytes behind their length.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("it is short");
    [&length.to_be_bytes(), bytes].concat()
}

#[test]
fn direct_tls_without_the_name_of_the_protocol_is_refused() {
    let gateway = serving_tls().env("GATEKEEPER_LOG_LEVEL", "debug").start();
    let answer = |names| {
        let mut raw = RawClient::connect(gateway.port());
        raw.send(&client_hello(names));
        let mut byte = [0];
        let read = raw.input().read(&mut byte).expect("an orderly end");
        byte[..read].to_vec()
    };
    // A handshake record: the server's hello.
    assert_eq!(answer(Some("postgresql")), [0x16]);
    for names in [None, Some("http/1.1")] {
        let answer = answer(names);
        // Closed, at most after an alert record.
        assert!(answer.is_empty() || answer == [0x15], "{answer:?}");
    }
    gateway.wait_for_log("the name's absence", |line| {
        line["cause"]
            .to_string()
            .contains("without the protocol name")
    });
    // With the one that went away after the server's hello.
    let dropped = "querycop_startups_dropped_total{reason=\"tls\"}";
    eventually("all three to be counted", || {
        (counter(&gateway, dropped) == 3).then_some(())
    });
}

#[test]
fn what_comes_in_clear_along_with_the_request_for_tls_is_refused() {
    // CVE-2021-23214: it would be taken for the beginning of the protected stream.
    let startup = b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0";
    for along in [&startup[..], b"\0", &ssl_request(), &client_hello(None)] {
        for gateway in [serving_tls(), before(&SERVER, "disable")] {
            let gateway = gateway.start();
            for request in [ssl_request(), gssenc_request()] {
                let mut raw = RawClient::connect(gateway.port());
                raw.send(&[&request[..], along].concat());
                let error = raw.expect_last_words();
                assert_eq!(error.code, "08P01");
                assert!(error.message.contains("ahead of TLS"), "{error:?}");
                assert!(!error.hint.is_empty(), "{error:?}");
            }
        }
    }
}

#[test]
fn after_a_request_for_gssapi_encryption_tls_may_be_asked_for() {
    let gateway = serving_tls().start();
    let mut raw = RawClient::connect(gateway.port());
    raw.send(&gssenc_request());
    assert_eq!(read_byte(&mut raw), b'N');
    raw.send(&ssl_request());
    assert_eq!(read_byte(&mut raw), b'S');
}

fn read_byte(raw: &mut RawClient) -> u8 {
    let mut byte = [0];
    raw.input().read_exact(&mut byte).expect("an answer");
    byte[0]
}

#[test]
fn a_cancel_request_in_clear_is_taken_where_tls_is_required_as_libpq_sends_it_so() {
    let gateway = serving_tls()
        .env("GATEKEEPER_PROXY_TLS_MODE", "require")
        .start();
    let mut session = RawClient::log_in(SERVER.port());
    session.send_query("select pg_sleep(1000)");
    let asleep = format!(
        "select count(*) from pg_stat_activity where pid = {} and wait_event = 'PgSleep'",
        session.backend_pid()
    );
    eventually("the statement to run", || {
        (SERVER.psql(&asleep) == "1").then_some(())
    });
    cancel(gateway.port(), session.key());
    let answer = session.read_until_ready();
    assert_eq!(answer[answer.len() - 2].error().code, "57014");
}

// The backend's leg.

fn server_with(identity: &Identity) -> Postgres {
    Postgres::builder().tls(identity).start()
}

/// A gateway that trusts the certificates of a file.
fn trusting(server: &Postgres, tls_mode: &str, file: &Path) -> Builder {
    before(server, tls_mode).env("GATEKEEPER_BACKEND_TLS_CA_FILE", file.display())
}

fn is_served_over_tls(gateway: &Gateway) {
    assert_eq!(client(gateway).query(SSL), "t");
}

fn is_refused(gateway: &Gateway, words: &str) {
    let error = RawClient::expect_refusal(gateway.port(), "postgres");
    assert_eq!(error.code, "08001");
    let leading = "backend TLS negotiation failed: ";
    assert!(error.message.starts_with(leading), "{error:?}");
    assert!(error.message.contains(words), "{words:?}: {error:?}");
}

#[test]
fn verify_ca_minds_the_authority_and_not_the_name() {
    let pki = Pki::new();
    let server = server_with(&pki.authority.server(&["another.test"]));
    is_served_over_tls(&trusting(&server, "verify-ca", &pki.root).start());
    is_refused(
        &trusting(&server, "verify-full", &pki.root).start(),
        "another.test",
    );
    let other = Authority::new("other root").write(pki.path(), "other");
    is_refused(
        &trusting(&server, "verify-ca", &other).start(),
        "unknown authority",
    );
}

#[test]
fn an_authority_that_was_made_anew_under_its_old_name_is_unknown() {
    let pki = Pki::new();
    let server = server_with(&pki.server());
    let old = Authority::new("test root").write(pki.path(), "old");
    let gateway = trusting(&server, "verify-ca", &old).start();
    is_refused(
        &gateway,
        "unknown authority (one named \"CN=test root\" is trusted",
    );
    let error = RawClient::expect_refusal(gateway.port(), "postgres");
    assert!(
        error.hint.contains("GATEKEEPER_BACKEND_TLS_CA_FILE"),
        "{error:?}"
    );
}

#[test]
fn the_name_that_is_verified_may_be_another_than_the_host() {
    let pki = Pki::new();
    let server = server_with(
        &pki.authority
            .server(&["db.test", "*.pool.test", "10.1.2.3"]),
    );
    let named = |name: &str| {
        trusting(&server, "verify-full", &pki.root)
            .env("GATEKEEPER_BACKEND_TLS_SERVER_NAME", name)
            .start()
    };
    for name in ["db.test", "DB.TEST", "one.pool.test", "10.1.2.3"] {
        is_served_over_tls(&named(name));
    }
    for name in ["test", "sub.db.test", "one.two.pool.test", "10.1.2.4"] {
        is_refused(&named(name), name);
    }
}

#[test]
fn a_bundle_may_hold_several_authorities() {
    let pki = Pki::new();
    let bundle = pki.path().join("bundle.crt");
    let pems = [Authority::new("before").pem(), pki.authority.pem()].join("# comment\n");
    std::fs::write(&bundle, pems).unwrap();
    let server = server_with(&pki.server());
    is_served_over_tls(&trusting(&server, "verify-full", &bundle).start());
}

#[test]
fn a_self_signed_certificate_is_its_own_authority() {
    let pki = Pki::new();
    let identity = Leaf::server(&["127.0.0.1"]).self_signed();
    let itself = pki.write(&identity, "itself").certificate;
    let server = server_with(&identity);
    for tls_mode in ["verify-ca", "verify-full"] {
        is_served_over_tls(&trusting(&server, tls_mode, &itself).start());
    }
    let stranger = Leaf::server(&["127.0.0.1"]).self_signed();
    let stranger = pki.write(&stranger, "stranger").certificate;
    is_refused(
        &trusting(&server, "verify-ca", &stranger).start(),
        "unknown authority",
    );
    let named = trusting(&server, "verify-full", &itself)
        .env("GATEKEEPER_BACKEND_TLS_SERVER_NAME", "another.test");
    is_refused(&named.start(), "another.test");
}

#[test]
fn a_self_signed_certificate_that_has_expired_is_refused_though_it_is_its_own_authority() {
    let pki = Pki::new();
    let identity = Leaf::server(&["127.0.0.1"]).expired().self_signed();
    let itself = pki.write(&identity, "itself").certificate;
    let server = server_with(&identity);
    is_refused(&trusting(&server, "verify-ca", &itself).start(), "expired");
}

#[test]
fn a_chain_over_two_intermediate_authorities_is_followed_to_its_root() {
    let pki = Pki::new();
    let issuing = pki
        .authority
        .intermediate("between")
        .intermediate("issuing");
    let server = server_with(&issuing.server(&["127.0.0.1"]));
    is_served_over_tls(&trusting(&server, "verify-full", &pki.root).start());
}

#[test]
fn every_kind_of_key_is_accepted() {
    let pki = Pki::new();
    for key in [Key::EcdsaP256, Key::EcdsaP384, Key::Ed25519, Key::Rsa2048] {
        let leaf = Leaf::server(&["127.0.0.1"]).key(key);
        let server = server_with(&pki.authority.issue(&leaf));
        let gateway = trusting(&server, "verify-full", &pki.root).start();
        assert_eq!(client(&gateway).query(SSL), "t", "{key:?}");
    }
}

#[test]
fn a_server_that_speaks_tls_1_2_at_most_is_accepted() {
    let pki = Pki::new();
    let server = Postgres::builder()
        .tls(&pki.server())
        .setting("ssl_max_protocol_version", "TLSv1.2")
        .start();
    let gateway = trusting(&server, "verify-full", &pki.root).start();
    let version = "select version from pg_stat_ssl where pid = pg_backend_pid()";
    assert_eq!(client(&gateway).query(version), "TLSv1.2");
}

#[test]
fn the_system_s_authorities_do_not_know_a_test_s() {
    let pki = Pki::new();
    let server = server_with(&pki.server());
    for tls_mode in ["verify-ca", "verify-full"] {
        let gateway = before(&server, tls_mode).env("GATEKEEPER_BACKEND_TLS_CA_FILE", "system");
        is_refused(&gateway.start(), "unknown authority");
    }
    is_refused(&before(&server, "verify-full").start(), "unknown authority");
}

#[test]
fn the_gateway_shows_its_certificate_to_a_server_that_asks() {
    let pki = Pki::new();
    for version in Version::ALL {
        let server = Postgres::builder()
            .version(version)
            .tls(&pki.server())
            .client_authority(&pki.authority)
            .hba("hostssl all postgres all cert")
            .start();
        for issuer in [&pki.authority, &pki.authority.intermediate("issuing")] {
            let files = pki.write(&issuer.client("postgres"), "client");
            let gateway = trusting(&server, "verify-full", &pki.root)
                .env("GATEKEEPER_BACKEND_TLS_CERT", files.certificate.display())
                .env("GATEKEEPER_BACKEND_TLS_KEY", files.key.display())
                .start();
            let subject = "select client_dn from pg_stat_ssl where pid = pg_backend_pid()";
            assert_eq!(
                client(&gateway).query(subject),
                "/CN=postgres",
                "{version:?}"
            );
        }
    }
}

#[test]
fn mode_prefer_goes_on_in_clear_where_the_server_has_no_tls() {
    let gateway = before(&SERVER, "prefer").start();
    assert_eq!(client(&gateway).query(SSL), "f");
}

#[test]
fn mode_prefer_goes_on_in_clear_where_the_server_s_tls_is_broken() {
    let broken = [
        vec![
            Step::Send(b"S".to_vec()),
            Step::ReadSome,
            Step::Send(vec![0; 64]),
            Step::Close,
        ],
        vec![Step::Send(b"S".to_vec()), Step::Reset],
        vec![Step::Send(b"?".to_vec()), Step::Close],
        vec![Step::Close],
    ];
    for broken in broken {
        let peer = Peer::listen()
            .script([vec![Step::ExpectStartup], broken].concat())
            .script([
                Step::ExpectStartup,
                Step::Send(LOGGED_IN.to_vec()),
                Step::Hang,
            ])
            .start();
        let gateway = before_port(peer.port())
            .env("GATEKEEPER_BACKEND_TLS_MODE", "prefer")
            .start();
        RawClient::log_in(gateway.port());
        let received = peer.received();
        assert_eq!(received.len(), 2);
        assert!(received[1].starts_with(b"\0\0\0"), "{received:?}");
        assert!(
            received[1].ends_with(b"database\0postgres\0\0"),
            "{received:?}"
        );
    }
}

#[test]
fn mode_prefer_goes_on_in_clear_where_the_server_s_rules_want_it() {
    let pki = Pki::new();
    for version in Version::ALL {
        let server = Postgres::builder()
            .version(version)
            .tls(&pki.server())
            .logins(Transport::Plaintext)
            .start();
        let gateway = before(&server, "prefer").start();
        let client = gateway.client();
        for role in ["trust_user", "password_user", "scram_user"] {
            let client = client.clone().user(role);
            let client = client.password(&format!("secret-of-{role}"));
            assert_eq!(client.query(SSL), "f", "{role}");
        }
        let gateway = before(&server, "require").start();
        let error = RawClient::expect_refusal(gateway.port(), "trust_user");
        assert_eq!(error.code, "28000");
        assert!(error.message.contains("no pg_hba.conf entry"), "{error:?}");
    }
}

#[test]
fn mode_prefer_does_not_give_a_wrong_password_a_second_try() {
    let pki = Pki::new();
    let server = Postgres::builder()
        .tls(&pki.server())
        .logins(Transport::Any)
        .start();
    let gateway = before(&server, "prefer").start();
    let client = gateway.client().user("password_user").password("wrong");
    client.run("select 1").expect_failure();
    let refused = server
        .log()
        .matches("password authentication failed")
        .count();
    assert_eq!(refused, 1, "{}", server.log());
}

#[test]
fn a_broken_certificate_file_is_refused_at_start() {
    let pki = Pki::new();
    let garbage = pki.path().join("garbage");
    std::fs::write(&garbage, "garbage").unwrap();
    let files = pki.write(&pki.server(), "good");
    let other = pki.write(&pki.server(), "other");
    let missing = pki.path().join("missing");
    for (certificate, key) in [
        (&garbage, &files.key),
        (&files.certificate, &garbage),
        (&missing, &files.key),
        (&files.certificate, &missing),
        (&files.certificate, &other.key),
    ] {
        let output = before(&SERVER, "disable")
            .env("GATEKEEPER_PROXY_TLS_CERT", certificate.display())
            .env("GATEKEEPER_PROXY_TLS_KEY", key.display())
            .start_expecting_failure();
        assert_eq!(output.status.code(), Some(78), "{output}");
        let culprit = if *certificate == files.certificate {
            key
        } else {
            certificate
        };
        let culprit = culprit.display().to_string();
        assert!(output.stderr.contains(&culprit), "{culprit}: {output}");
    }
    let output = trusting(&SERVER, "verify-ca", &missing).start_expecting_failure();
    assert_eq!(output.status.code(), Some(78), "{output}");
}

#[test]
fn a_client_that_gives_up_the_handshake_does_no_harm() {
    let gateway = serving_tls().start();
    for sent in [
        &b""[..],
        b"\x16",
        b"\x16\x03\x01",
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut raw = RawClient::connect(gateway.port());
        raw.send(&ssl_request());
        assert_eq!(read_byte(&mut raw), b'S');
        raw.send(sent);
    }
    drop(TcpStream::connect(("127.0.0.1", gateway.port())));
    assert_eq!(client(&gateway).sslmode("require").query("select 1"), "1");
}
