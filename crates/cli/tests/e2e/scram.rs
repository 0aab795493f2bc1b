//! SCRAM through a gateway: which of two TLS legs is bound, and with whose password.

use std::sync::LazyLock;

use querycop_testkit::certificates::{Identity, Key, Leaf};
use querycop_testkit::command::Output;
use querycop_testkit::gateway::Gateway;
use querycop_testkit::peer::{Peer, Step};
use querycop_testkit::postgres::{Auth, Encryption, Login, Postgres, Transport, Version};
use querycop_testkit::psql::{Libpq, Psql};

use crate::relay::raw::{RawClient, V3_0, message};
use crate::setup::{Pki, before, before_port, session_log};

const SSL: &str = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";

static SERVER: LazyLock<(Pki, Postgres)> = LazyLock::new(|| server(Version::Packaged));

static SERVER_18: LazyLock<(Pki, Postgres)> = LazyLock::new(|| server(Version::V18));

fn server(version: Version) -> (Pki, Postgres) {
    let pki = Pki::new();
    let server = Postgres::builder()
        .version(version)
        .tls(&pki.server())
        .logins(Transport::Any)
        .start();
    (pki, server)
}

/// What becomes of a login.
#[derive(Clone, Copy)]
enum Expected {
    /// It works.
    In,
    /// The gateway refuses it with this code, these words and a hint.
    Gateway(&'static str, &'static str),
    /// libpq itself doesn't go on, with these words.
    Libpq(&'static str),
}

use Expected::{Gateway as GatewaySays, In, Libpq as LibpqSays};

const NO_TLS: Expected = LibpqSays("channel binding required, but SSL not in use");
const NOT_OFFERED: Expected = LibpqSays(
    "channel binding is required, but server did not offer an authentication method that \
     supports channel binding",
);
const PASSWORD_ASKED: Expected =
    LibpqSays("channel binding required but not supported by server's authentication request");
const TWO_LEGS: Expected = GatewaySays(
    "28000",
    "SCRAM can't be relayed between two TLS connections",
);

/// One row of the table below: the legs, the gateway's setting, and what becomes of a client with
/// `channel_binding` = disable, prefer and require.
struct Row {
    client_tls: &'static str,
    backend_tls: &'static str,
    scram_over_tls: &'static str,
    expected: [Expected; 3],
}

const TABLE: [Row; 8] = [
    // In clear on the client's leg: libpq says truthfully that it can't bind.
    row("disable", "disable", "terminate", [In, In, NO_TLS]),
    row("disable", "disable", "fail", [In, In, NO_TLS]),
    row("disable", "require", "terminate", [In, In, NO_TLS]),
    row("disable", "require", "fail", [In, In, NO_TLS]),
    // In clear on the server's leg: the server offers no binding.
    row("require", "disable", "terminate", [In, In, NOT_OFFERED]),
    row("require", "disable", "fail", [In, In, NOT_OFFERED]),
    // TLS on both legs: the gateway asks for the password, or refuses whoever could have bound.
    row("require", "require", "terminate", [In, In, PASSWORD_ASKED]),
    row("require", "require", "fail", [In, TWO_LEGS, NOT_OFFERED]),
];

const fn row(
    client_tls: &'static str,
    backend_tls: &'static str,
    scram_over_tls: &'static str,
    expected: [Expected; 3],
) -> Row {
    Row {
        client_tls,
        backend_tls,
        scram_over_tls,
        expected,
    }
}

fn gateway(row: &Row, (pki, server): &(Pki, Postgres)) -> Gateway {
    pki.serve_tls(before(server, row.backend_tls))
        .env("GATEKEEPER_SCRAM_OVER_TLS", row.scram_over_tls)
        .start()
}

fn client(gateway: &Gateway, channel_binding: &str, client_tls: &str) -> Psql {
    gateway
        .client()
        .user(Login::Scram.role())
        .password(&Login::Scram.password())
        .sslmode(client_tls)
        .option("channel_binding", channel_binding)
        .argument("-v")
        .argument("VERBOSITY=verbose")
}

fn every_channel_binding_does_what_the_table_says(server: &(Pki, Postgres), libpq: Libpq) {
    for row in &TABLE {
        let gateway = gateway(row, server);
        for (binding, expected) in ["disable", "prefer", "require"].iter().zip(row.expected) {
            let Row {
                client_tls,
                backend_tls,
                scram_over_tls,
                ..
            } = row;
            let cell = format!("{binding}: {client_tls}, {backend_tls}, {scram_over_tls}");
            let output = client(&gateway, binding, client_tls).libpq(libpq).run(SSL);
            expected.is(&cell, &output, *backend_tls == "require");
        }
    }
}

impl Expected {
    fn is(self, cell: &str, output: &Output, backend_tls: bool) {
        match self {
            In => {
                assert!(output.success(), "{cell}: {output}");
                let ssl = if backend_tls { "t" } else { "f" };
                assert_eq!(output.stdout.trim(), ssl, "{cell}");
            }
            GatewaySays(code, words) => {
                assert!(!output.success(), "{cell}: {output}");
                // During a login psql shows no code, so the raw client below looks at it.
                assert!(output.stderr.contains(words), "{cell}, {code}: {output}");
                assert!(
                    output.stderr.contains("HINT:  Connect with"),
                    "{cell}: {output}"
                );
            }
            LibpqSays(words) => {
                assert!(!output.success(), "{cell}: {output}");
                assert!(output.stderr.contains(words), "{cell}: {output}");
            }
        }
    }
}

#[test]
fn libpq_15_with_every_channel_binding_is_served_or_told_why_not() {
    every_channel_binding_does_what_the_table_says(&SERVER, Libpq::Packaged);
}

#[test]
fn libpq_18_with_every_channel_binding_is_served_or_told_why_not() {
    every_channel_binding_does_what_the_table_says(&SERVER_18, Libpq::V18);
}

#[test]
fn a_wrong_password_over_two_tls_legs_is_refused_in_the_server_s_words() {
    let (pki, server) = &*SERVER;
    let gateway = pki.serve_tls(before(server, "require")).start();
    let output = client(&gateway, "prefer", "require")
        .password("wrong")
        .run(SSL);
    let words = "FATAL:  password authentication failed for user \"scram_user\"";
    assert!(output.expect_failure().contains(words), "{output}");
    let warnings = session_log(&gateway, "WARN");
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert_eq!(warnings[0]["sqlstate"], "28P01");
}

#[test]
fn a_client_that_binds_though_nothing_to_bind_to_was_offered_is_told_why_it_is_refused() {
    let (_, server) = &*SERVER;
    let gateway = before(server, "require").start();
    for (mechanism, first) in [
        (
            "SCRAM-SHA-256-PLUS",
            "p=tls-server-end-point,,n=,r=abcdefghijklmnopqrstuvwx",
        ),
        (
            "SCRAM-SHA-256",
            "p=tls-server-end-point,,n=,r=abcdefghijklmnopqrstuvwx",
        ),
    ] {
        let mut client = RawClient::connect(gateway.port());
        client.start_up(Login::Scram.role(), V3_0);
        let offer = client.expect_message();
        // Method 10, one mechanism, end of the list: -PLUS was taken out.
        assert_eq!(offer.body, b"\0\0\0\x0aSCRAM-SHA-256\0\0");
        client.send(&sasl_initial_response(mechanism, first));
        let error = client.expect_last_words();
        assert_eq!(error.code, "28000");
        assert!(error.message.contains("channel binding"), "{error:?}");
        assert!(!error.hint.is_empty(), "{error:?}");
    }
}

fn sasl_initial_response(mechanism: &str, first: &str) -> Vec<u8> {
    let length = u32::try_from(first.len()).expect("it is short");
    let body = [
        mechanism.as_bytes(),
        b"\0",
        &length.to_be_bytes(),
        first.as_bytes(),
    ];
    message(b'p', &body.concat())
}

// With a token the gateway is the client.

/// The first SASL message of a gateway to a server on TLS with this certificate that offers these
/// mechanisms.
fn first_sasl_message(identity: &Identity, mechanisms: &str) -> String {
    let offer = [&[0, 0, 0, 10][..], mechanisms.as_bytes(), b"\0"].concat();
    let peer = Peer::listen()
        .script([
            Step::ExpectStartup,
            Step::Send(b"S".to_vec()),
            Step::TlsAccept(identity.clone()),
            Step::ExpectStartup,
            Step::Send(message(b'R', &offer)),
            Step::ExpectMessage(b'p'),
            Step::Send(message(b'E', b"SFATAL\0VFATAL\0C28P01\0Mseen\0\0")),
            Step::Hang,
        ])
        .start();
    let gateway = before_port(peer.port())
        .env("GATEKEEPER_BACKEND_TLS_MODE", "require")
        .env("GATEKEEPER_BACKEND_TOKEN_CMD", "echo token")
        .start();
    let error = RawClient::expect_refusal(gateway.port(), "reader");
    assert_eq!(error.message, "seen");
    let received = String::from_utf8_lossy(&peer.received().concat()).into_owned();
    let at = received.find("SCRAM").expect("a mechanism was chosen");
    received[at..].to_owned()
}

#[test]
fn a_token_is_bound_to_the_channel_where_the_server_offers_it() {
    let pki = Pki::new();
    let first = first_sasl_message(&pki.server(), "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0");
    assert!(first.starts_with("SCRAM-SHA-256-PLUS\0"), "{first:?}");
    assert!(first.contains("p=tls-server-end-point,,n=,r="), "{first:?}");
}

#[test]
fn a_gateway_that_could_bind_says_so_to_a_server_that_does_not_offer_it() {
    let pki = Pki::new();
    let first = first_sasl_message(&pki.server(), "SCRAM-SHA-256\0");
    assert!(first.starts_with("SCRAM-SHA-256\0"), "{first:?}");
    assert!(first.contains("y,,n=,r="), "{first:?}");
}

#[test]
fn a_certificate_without_a_hash_to_bind_to_is_not_bound_to() {
    let leaf = Leaf::server(&["127.0.0.1"]).key(Key::Ed25519);
    let offer = "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0";
    let first = first_sasl_message(&leaf.self_signed(), offer);
    assert!(first.starts_with("SCRAM-SHA-256\0"), "{first:?}");
    assert!(first.contains("n,,n=,r="), "{first:?}");
}

#[test]
fn the_mechanisms_that_a_token_can_t_answer_are_named() {
    let (identity, offer) = (Pki::new().server(), b"\0\0\0\x0aOAUTHBEARER\0X\xff\0\0");
    let peer = Peer::listen()
        .script([
            Step::ExpectStartup,
            Step::Send(b"S".to_vec()),
            Step::TlsAccept(identity),
            Step::ExpectStartup,
            Step::Send(message(b'R', offer)),
            Step::ReadToEnd,
        ])
        .start();
    let gateway = before_port(peer.port())
        .env("GATEKEEPER_BACKEND_TLS_MODE", "require")
        .env("GATEKEEPER_BACKEND_TOKEN_CMD", "echo token")
        .start();
    let error = RawClient::expect_refusal(gateway.port(), "reader");
    assert_eq!(error.code, "28000");
    let words = r"backend asks for SASL OAUTHBEARER, X\xff authentication";
    assert!(error.message.starts_with(words), "{error:?}");
}

/// Logs in with a token, and with a client's password over two TLS legs, at servers whose
/// certificate signs itself with such a key. A server that offered -PLUS takes nothing but a good
/// binding from a client that can bind.
fn scram_works_with(key: Key) {
    let pki = Pki::new();
    let identity = Leaf::server(&["127.0.0.1"]).key(key).self_signed();
    let itself = pki.write(&identity, "itself").certificate;
    for version in Version::ALL {
        let server = Postgres::builder()
            .version(version)
            .tls(&identity)
            .auth(Auth::Scram)
            .start();
        server.create_role("reader", "its-password", Encryption::Scram);
        let passing = pki
            .serve_tls(before(&server, "verify-full"))
            .env("GATEKEEPER_BACKEND_TLS_CA_FILE", itself.display());
        let minting = passing
            .clone()
            .env("GATEKEEPER_BACKEND_TOKEN_CMD", "echo its-password");
        let client = |gateway: &Gateway| gateway.client().user("reader").sslmode("require");
        let gateway = minting.start();
        let with_token = client(&gateway);
        assert_eq!(with_token.query(SSL), "t", "{key:?} {version:?}");
        let gateway = passing.start();
        let with_password = client(&gateway).password("its-password");
        assert_eq!(with_password.query(SSL), "t", "{key:?} {version:?}");
    }
}

#[test]
fn scram_works_with_an_ecdsa_p256_certificate() {
    scram_works_with(Key::EcdsaP256);
}

#[test]
fn scram_works_with_a_p384_certificate_whose_hash_is_longer() {
    scram_works_with(Key::EcdsaP384);
    let leaf = Leaf::server(&["127.0.0.1"]).key(Key::EcdsaP384);
    let offer = "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0";
    let first = first_sasl_message(&leaf.self_signed(), offer);
    assert!(first.starts_with("SCRAM-SHA-256-PLUS\0"), "{first:?}");
}

#[test]
fn scram_works_with_an_rsa_certificate() {
    scram_works_with(Key::Rsa2048);
}

#[test]
fn scram_works_with_an_ed25519_certificate_where_libpq_gives_up() {
    scram_works_with(Key::Ed25519);
    let leaf = Leaf::server(&["127.0.0.1"]).key(Key::Ed25519);
    let server = Postgres::builder()
        .tls(&leaf.self_signed())
        .auth(Auth::Scram)
        .start();
    server.create_role("reader", "its-password", Encryption::Scram);
    let client = server.client().user("reader").password("its-password");
    let output = client.sslmode("require").run(SSL);
    assert!(
        output.expect_failure().contains("could not find digest"),
        "{output}"
    );
}

#[test]
fn a_password_that_is_no_ascii_works_over_two_tls_legs_and_as_a_token() {
    let pki = Pki::new();
    let server = Postgres::builder()
        .tls(&pki.server())
        .auth(Auth::Scram)
        .start();
    // SASLprep makes a blank of the first one and one character of the last two.
    let password = "pass\u{a0}wo\u{308}rt";
    server.create_role("reader", password, Encryption::Scram);
    let gateway = pki.serve_tls(before(&server, "require")).start();
    let client = gateway.client().user("reader").sslmode("require");
    assert_eq!(client.password(password).query(SSL), "t");
    let gateway = before(&server, "require")
        .env(
            "GATEKEEPER_BACKEND_TOKEN_CMD",
            format!("printf '{password}'"),
        )
        .start();
    assert_eq!(gateway.client().user("reader").query(SSL), "t");
}
