//! Each error that operators search for, provoked for real: what the client is told and what the
//! log says.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::LazyLock;
use std::time::Duration;

use querycop_testkit::certificates::{Authority, Identity, Leaf};
use querycop_testkit::command::Program;
use querycop_testkit::gateway::{Builder, Gateway};
use querycop_testkit::peer::{Peer, Step};
use querycop_testkit::postgres::{Auth, Encryption, Postgres, Transport};
use querycop_testkit::wait::eventually;
use serde_json::Value;

use crate::command::http::get;
use crate::relay::raw::{Message, RawClient, ServerError, V3_0, message};
use crate::setup::{Pki, before, before_port, session_log};

/// The role of the clients here, unless the server has to know it.
const ROLE: &str = "reader";

/// Long enough for a loaded machine to see that nothing comes.
pub(crate) const SHORT: &str = "300ms";

/// A server without TLS.
static WITHOUT_TLS: LazyLock<Postgres> =
    LazyLock::new(|| Postgres::builder().logins(Transport::Any).start());

/// A server with TLS and every kind of login.
static WITH_TLS: LazyLock<(Pki, Postgres)> = LazyLock::new(|| {
    let pki = Pki::new();
    let server = Postgres::builder()
        .tls(&pki.server())
        .logins(Transport::Any)
        .start();
    (pki, server)
});

/// A client that wasn't served.
struct Refused {
    /// What it was told.
    client: ServerError,
    /// The only warning in the log.
    log: String,
}

/// Connects a client that is refused, ends the gateway, and finds its one warning in the log.
fn refuse(gateway: &Gateway, role: &str) -> Refused {
    let (client, addr) = connect(gateway, role);
    let client = { client }.expect_last_words();
    assert_eq!(client.severity, "FATAL", "{client:?}");
    let log = the_only_warning(gateway, role, addr);
    Refused { client, log }
}

/// A client that has sent its start-up packet, and its address.
fn connect(gateway: &Gateway, role: &str) -> (RawClient, SocketAddr) {
    let stream = TcpStream::connect(("127.0.0.1", gateway.port())).expect("the gateway listens");
    let addr = stream.local_addr().expect("it is connected");
    let mut client = RawClient::from(stream);
    client.start_up(role, V3_0);
    (client, addr)
}

/// Ends the gateway; of all its sessions one was warned of, with all that is known of it.
fn the_only_warning(gateway: &Gateway, role: &str, addr: SocketAddr) -> String {
    let warnings = session_log(gateway, "WARN");
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    let warning = &warnings[0];
    let field = |name: &str| text(&warning["span"][name]);
    assert_eq!(field("session.id").len(), 36, "{warning}");
    assert_eq!(field("client.addr"), addr.to_string());
    assert_eq!(field("db.user"), role);
    assert_eq!(field("db.name"), "postgres");
    let backend = field("backend");
    let (host, port) = backend.rsplit_once(':').expect("host and port");
    assert!(!host.is_empty() && port.parse::<u16>().is_ok(), "{backend}");
    text(&warning["message"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Refused {
    /// Client and log have it in these words, and the client has a hint.
    fn in_words(&self, code: &str, leading: &str, rest: &[&str]) {
        let Self { client, log } = self;
        assert_eq!(client.code, code, "{client:?}");
        assert!(!client.hint.is_empty(), "{client:?}");
        for said in [&client.message, log] {
            assert!(said.starts_with(leading), "{leading:?}: {said:?}");
            for words in rest {
                assert!(said.contains(words), "{words:?}: {said:?}");
            }
        }
    }

    fn is_dial_failure(&self, rest: &[&str]) {
        self.in_words("08001", "backend dial failed: ", rest);
    }

    fn is_tls_failure(&self, rest: &[&str]) {
        self.in_words("08001", "backend TLS negotiation failed: ", rest);
    }
}

// Dial.

/// A socket of 127.0.0.1 that is bound and doesn't listen.
fn bound() -> tokio::net::TcpSocket {
    let socket = tokio::net::TcpSocket::new_v4().expect("there are descriptors");
    let any = "127.0.0.1:0".parse().expect("it is an address");
    socket.bind(any).expect("there is a free port");
    socket
}

/// A listener that has as many connections waiting as it may, and those connections.
fn full_listener() -> (TcpListener, Vec<TcpStream>) {
    filled(bound())
}

/// Fills the queue of a socket that has its address.
pub(crate) fn filled(socket: tokio::net::TcpSocket) -> (TcpListener, Vec<TcpStream>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("there are descriptors");
    let listener = {
        let _entered = runtime.enter();
        let listener = socket.listen(1).expect("it is bound");
        listener.into_std().expect("it is a socket")
    };
    let addr = listener.local_addr().expect("it is bound");
    let connect = || TcpStream::connect_timeout(&addr, Duration::from_secs(1)).ok();
    let waiting: Vec<_> = std::iter::from_fn(connect).take(8).collect();
    assert!(waiting.len() < 8, "it has no limit");
    (listener, waiting)
}

#[test]
fn a_port_where_nobody_listens_is_a_dial_failure() {
    let socket = bound();
    let port = socket.local_addr().unwrap().port();
    let gateway = before_port(port).start();
    refuse(&gateway, ROLE).is_dial_failure(&["refused", &format!("127.0.0.1:{port}")]);
}

#[test]
fn a_server_that_does_not_accept_is_a_dial_failure_by_timeout() {
    let (listener, _waiting) = full_listener();
    let port = listener.local_addr().unwrap().port();
    let gateway = before_port(port)
        .env("GATEKEEPER_BACKEND_CONNECT_TIMEOUT", SHORT)
        .start();
    refuse(&gateway, ROLE).is_dial_failure(&["i/o timeout"]);
}

#[test]
fn an_unknown_host_is_a_dial_failure() {
    let gateway = before_port(5432)
        .env("GATEKEEPER_BACKEND_HOST", "no-such-host.invalid")
        .start();
    refuse(&gateway, ROLE).is_dial_failure(&["no-such-host.invalid"]);
}

// TLS.

/// A server with this certificate, and the gateway before it, which trusts the authority.
fn before_certificate(pki: &Pki, identity: &Identity, tls_mode: &str) -> (Postgres, Gateway) {
    let server = Postgres::builder().tls(identity).start();
    let gateway = before(&server, tls_mode)
        .env("GATEKEEPER_BACKEND_TLS_CA_FILE", pki.root.display())
        .start();
    (server, gateway)
}

/// A gateway that requires TLS of a peer that answers the request for it so.
fn before_answer(answer: impl IntoIterator<Item = Step>) -> (Peer, Gateway) {
    let script = std::iter::once(Step::ExpectStartup).chain(answer);
    let peer = Peer::listen().script(script).start();
    let gateway = requiring_tls(peer.port())
        .env("GATEKEEPER_BACKEND_CONNECT_TIMEOUT", "20s")
        .start();
    (peer, gateway)
}

fn requiring_tls(port: u16) -> Builder {
    before_port(port).env("GATEKEEPER_BACKEND_TLS_MODE", "require")
}

#[test]
fn a_server_without_tls_is_a_tls_failure() {
    let gateway = before(&WITHOUT_TLS, "require").start();
    refuse(&gateway, ROLE).is_tls_failure(&["server does not support TLS"]);
}

#[test]
fn an_unknown_authority_is_a_tls_failure() {
    let (pki, stranger) = (Pki::new(), Authority::new("stranger's root"));
    let (_server, gateway) =
        before_certificate(&pki, &stranger.server(&["127.0.0.1"]), "verify-ca");
    let refused = refuse(&gateway, ROLE);
    refused.is_tls_failure(&["unknown authority", "stranger's root"]);
    assert!(
        refused
            .client
            .hint
            .contains("GATEKEEPER_BACKEND_TLS_CA_FILE")
    );
}

#[test]
fn a_wrong_name_is_a_tls_failure_that_names_those_of_the_certificate_and_the_one_wanted() {
    let pki = Pki::new();
    let names = ["primary.db.test", "replica.db.test", "10.1.2.3"];
    let (_server, gateway) = before_certificate(&pki, &pki.authority.server(&names), "verify-full");
    let refused = refuse(&gateway, ROLE);
    refused.is_tls_failure(&names);
    refused.is_tls_failure(&["127.0.0.1"]);
    assert!(
        refused
            .client
            .hint
            .contains("GATEKEEPER_BACKEND_TLS_SERVER_NAME")
    );
}

#[test]
fn a_certificate_without_alternative_names_is_a_tls_failure_even_if_its_common_name_is_right() {
    let pki = Pki::new();
    let leaf = Leaf::server(&["localhost"]).without_names();
    let server = Postgres::builder().tls(&pki.authority.issue(&leaf)).start();
    let gateway = before(&server, "verify-full")
        .env("GATEKEEPER_BACKEND_HOST", "localhost")
        .env("GATEKEEPER_BACKEND_TLS_CA_FILE", pki.root.display())
        .start();
    refuse(&gateway, ROLE).is_tls_failure(&["localhost"]);
}

#[test]
fn an_expired_certificate_is_a_tls_failure() {
    let pki = Pki::new();
    let leaf = Leaf::server(&["127.0.0.1"]).expired();
    let (_server, gateway) = before_certificate(&pki, &pki.authority.issue(&leaf), "verify-full");
    refuse(&gateway, ROLE).is_tls_failure(&["expired"]);
}

#[test]
fn a_certificate_of_tomorrow_is_a_tls_failure() {
    let pki = Pki::new();
    let leaf = Leaf::server(&["127.0.0.1"]).not_yet_valid();
    let (_server, gateway) = before_certificate(&pki, &pki.authority.issue(&leaf), "verify-ca");
    refuse(&gateway, ROLE).is_tls_failure(&["not valid before"]);
}

#[test]
fn garbage_in_answer_to_the_request_for_tls_is_a_tls_failure() {
    let (_peer, gateway) = before_answer([Step::Send(b"HTTP/1.1 400 Bad".to_vec()), Step::Close]);
    refuse(&gateway, ROLE).is_tls_failure(&["not a PostgreSQL server?"]);
}

#[test]
fn garbage_in_place_of_a_handshake_is_a_tls_failure() {
    let hello_read_then_garbage = [
        Step::Send(b"S".to_vec()),
        Step::ReadSome,
        Step::Send(b"this is no handshake".to_vec()),
        Step::ReadToEnd,
    ];
    let (_peer, gateway) = before_answer(hello_read_then_garbage);
    refuse(&gateway, ROLE).is_tls_failure(&[]);
}

#[test]
fn a_server_that_closes_in_answer_to_the_request_for_tls_is_a_tls_failure() {
    let (_peer, gateway) = before_answer([Step::Close]);
    refuse(&gateway, ROLE).is_tls_failure(&["closed the connection"]);
}

#[test]
fn a_server_that_hangs_after_the_request_for_tls_is_a_tls_failure_by_timeout() {
    for before_hanging in [vec![], vec![Step::Send(b"S".to_vec())]] {
        let script = [vec![Step::ExpectStartup], before_hanging, vec![Step::Hang]].concat();
        let peer = Peer::listen().script(script).start();
        let gateway = requiring_tls(peer.port())
            .env("GATEKEEPER_BACKEND_CONNECT_TIMEOUT", SHORT)
            .start();
        refuse(&gateway, ROLE).is_tls_failure(&["i/o timeout"]);
    }
}

#[test]
fn bytes_in_clear_behind_the_consent_to_tls_are_a_tls_failure() {
    let forged = [&b"S"[..], &message(b'R', &[0; 4])].concat();
    let (_peer, gateway) = before_answer([Step::Send(forged), Step::Hang]);
    refuse(&gateway, ROLE).is_tls_failure(&["in clear ahead of TLS"]);
}

#[test]
fn an_error_in_answer_to_the_request_for_tls_is_a_tls_failure_and_not_believed() {
    let forged = message(
        b'E',
        b"SFATAL\0C28P01\0Msend your password to evil.test\0\0",
    );
    let (_peer, gateway) = before_answer([Step::Send(forged), Step::Hang]);
    let refused = refuse(&gateway, ROLE);
    refused.is_tls_failure(&["with an error"]);
    for said in [&refused.client.message, &refused.client.hint, &refused.log] {
        assert!(!said.contains("evil.test"), "{said}");
    }
}

#[test]
fn a_client_certificate_that_the_server_refuses_is_a_tls_failure() {
    let pki = Pki::new();
    let server = Postgres::builder()
        .tls(&pki.server())
        .client_authority(&pki.authority)
        .hba("hostssl all all all cert")
        .start();
    let stranger = Authority::new("stranger").client(ROLE);
    let files = pki.write(&stranger, "stranger");
    let gateway = before(&server, "require")
        .env("GATEKEEPER_BACKEND_TLS_CERT", files.certificate.display())
        .env("GATEKEEPER_BACKEND_TLS_KEY", files.key.display())
        .start();
    let refused = refuse(&gateway, ROLE);
    refused.is_tls_failure(&["alert"]);
    assert!(refused.client.hint.contains("GATEKEEPER_BACKEND_TLS_CERT"));
}

#[test]
fn a_server_that_demands_a_client_certificate_of_a_gateway_without_one_says_so_itself() {
    let pki = Pki::new();
    let server = Postgres::builder()
        .tls(&pki.server())
        .client_authority(&pki.authority)
        .hba("hostssl all all all cert")
        .start();
    let gateway = before(&server, "require").start();
    let refused = refuse(&gateway, ROLE);
    let words = "connection requires a valid client certificate";
    assert_eq!(
        (refused.client.message.as_str(), refused.log.as_str()),
        (words, words)
    );
    assert_eq!(refused.client.code, "28000");
}

// Token command.

/// A gateway with this token command before the server that has TLS.
fn minting(command: &str) -> Builder {
    before(&WITH_TLS.1, "require").env("GATEKEEPER_BACKEND_TOKEN_CMD", command)
}

/// The client of a failing token command, as a role that the server asks for a password.
fn refuse_token(gateway: &Gateway, rest: &[&str]) -> Refused {
    let refused = refuse(gateway, "password_user");
    refused.in_words("28000", "backend token command failed: ", rest);
    refused
}

#[test]
fn the_words_of_a_failing_token_command_are_for_the_log_only() {
    let gateway = minting("echo PERMISSION_DENIED on project-7 >&2; exit 3").start();
    let refused = refuse_token(&gateway, &["exit status: 3"]);
    assert!(
        refused.log.contains("PERMISSION_DENIED on project-7"),
        "{}",
        refused.log
    );
    let said = refused.client.message + &refused.client.hint;
    assert!(
        !said.contains("PERMISSION_DENIED") && !said.contains("project-7"),
        "{said}"
    );
}

#[test]
fn a_token_command_that_hangs_fails_by_timeout() {
    let gateway = minting("echo waiting for a browser >&2; sleep 1000")
        .env("GATEKEEPER_BACKEND_TOKEN_TIMEOUT", SHORT)
        .start();
    let refused = refuse_token(&gateway, &["i/o timeout"]);
    assert!(!refused.client.message.contains("browser"));
}

#[test]
fn a_token_command_that_prints_nothing_fails() {
    let gateway = minting("echo '  '; echo no credentials >&2").start();
    let refused = refuse_token(&gateway, &["empty output"]);
    assert!(refused.log.contains("no credentials"), "{}", refused.log);
    assert!(!refused.client.message.contains("no credentials"));
}

#[test]
fn a_token_command_that_is_not_there_fails() {
    let gateway = minting("no-such-command-here print-access-token").start();
    refuse_token(&gateway, &["executable file not found in $PATH"]);
}

#[test]
fn a_token_command_that_prints_two_lines_fails_and_neither_is_shown() {
    let gateway = minting("echo first-secret-line; echo second-secret-line").start();
    let refused = refuse_token(&gateway, &["not a single line"]);
    let said = refused.client.message + &refused.client.hint + &gateway.stderr();
    assert!(!said.contains("secret-line"), "{said}");
}

#[test]
fn a_token_command_that_prints_without_end_fails() {
    let gateway = minting("head -c 10485760 /dev/zero | tr '\\0' x").start();
    refuse_token(&gateway, &["64 KiB"]);
}

// Login.

/// The body of the error that a login with this password ends with.
fn rejection(port: u16, role: &str, password: &str) -> Message {
    let mut client = RawClient::connect(port);
    client.start_up(role, V3_0);
    assert_eq!(client.expect_message().tag, b'R');
    client.send(&message(b'p', format!("{password}\0").as_bytes()));
    let error = client.expect_message();
    assert_eq!(client.read_to_end(), []);
    error
}

#[test]
fn the_server_s_refusal_of_a_password_is_relayed_to_the_byte_and_logged() {
    let server = &*WITHOUT_TLS;
    let gateway = before(server, "disable").start();
    let relayed = rejection(gateway.port(), "password_user", "wrong");
    assert_eq!(relayed, rejection(server.port(), "password_user", "wrong"));
    let error = relayed.error();
    let words = "password authentication failed for user \"password_user\"";
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("28P01", words)
    );
    let warnings = session_log(&gateway, "WARN");
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    let warning = &warnings[0];
    assert_eq!(warning["message"], words);
    assert_eq!(warning["span"]["db.user"], "password_user");
}

#[test]
fn the_server_s_refusal_of_a_token_is_relayed_and_logged() {
    let gateway = minting("echo stale-token").start();
    let refused = refuse(&gateway, "token_user");
    let words = "password authentication failed for user \"token_user\"";
    assert_eq!(refused.client.code, "28P01");
    assert_eq!(
        (refused.client.message.as_str(), refused.log.as_str()),
        (words, words)
    );
}

#[test]
fn a_method_that_a_token_can_t_answer_is_named() {
    let identity = Authority::new("root").server(&["127.0.0.1"]);
    for (number, name) in [(7, "GSSAPI"), (9, "SSPI"), (2, "Kerberos")] {
        let (peer, gateway) = {
            let peer = Peer::listen()
                .script([
                    Step::ExpectStartup,
                    Step::Send(b"S".to_vec()),
                    Step::TlsAccept(identity.clone()),
                    Step::ExpectStartup,
                    Step::Send(message(b'R', &[0, 0, 0, number])),
                    Step::ReadToEnd,
                ])
                .start();
            let gateway = requiring_tls(peer.port())
                .env("GATEKEEPER_BACKEND_TOKEN_CMD", "echo some-token")
                .start();
            (peer, gateway)
        };
        let refused = refuse(&gateway, ROLE);
        refused.in_words("28000", "backend asks for ", &[name]);
        let received = String::from_utf8_lossy(&peer.received().concat()).into_owned();
        assert!(!received.contains("some-token"), "{received:?}");
    }
}

#[test]
fn a_server_that_dies_during_the_login_is_named_as_the_culprit() {
    let peer = Peer::listen()
        .script([Step::ExpectStartup, Step::Close])
        .start();
    let gateway = before_port(peer.port())
        .env("GATEKEEPER_BACKEND_TLS_MODE", "disable")
        .start();
    refuse(&gateway, ROLE).in_words("08001", "backend closed the connection", &[]);
}

#[test]
fn a_server_that_talks_without_end_during_the_login_is_cut_off() {
    let notice = message(b'N', &vec![b'x'; 50_000]);
    let peer = Peer::listen()
        .script([
            Step::ExpectStartup,
            Step::Send(notice.repeat(30)),
            Step::Hang,
        ])
        .start();
    let gateway = before_port(peer.port())
        .env("GATEKEEPER_BACKEND_TLS_MODE", "disable")
        .start();
    refuse(&gateway, ROLE).in_words("08001", "backend sent more than 1 MiB during login", &[]);
}

#[test]
fn a_server_that_goes_back_in_the_login_is_cut_off() {
    let ok = message(b'R', &[0; 4]);
    let ready = message(b'Z', b"I");
    let sasl_final = message(b'R', &[&[0, 0, 0, 12][..], &[b'x'; 10_000]].concat());
    for (script, words) in [
        (
            ok.repeat(2),
            "unexpected message 'R' from the backend during login",
        ),
        (
            ready,
            "unexpected message 'Z' from the backend during login",
        ),
        (
            sasl_final.repeat(200),
            "backend sent more than 1 MiB during login",
        ),
    ] {
        let script = [Step::ExpectStartup, Step::Send(script), Step::Hang];
        let peer = Peer::listen().script(script).start();
        let gateway = before_port(peer.port())
            .env("GATEKEEPER_BACKEND_TLS_MODE", "disable")
            .start();
        refuse(&gateway, ROLE).in_words("08001", words, &[]);
    }
}

#[test]
fn a_server_gets_one_token_however_often_it_asks() {
    let question = message(b'R', &[0, 0, 0, 3]);
    let peer = Peer::listen()
        .script([
            Step::ExpectStartup,
            Step::Send(question.repeat(20)),
            Step::ReadToEnd,
        ])
        .start();
    let gateway = before_port(peer.port())
        .env("GATEKEEPER_BACKEND_TLS_MODE", "disable")
        .env("GATEKEEPER_BACKEND_TOKEN_CMD", "echo some-token")
        .env("GATEKEEPER_BACKEND_TOKEN_ALLOW_PLAINTEXT_LOOPBACK", "true")
        .start();
    refuse(&gateway, ROLE).in_words("08001", "unexpected message 'R' from the backend", &[]);
    let received = String::from_utf8_lossy(&peer.received().concat()).into_owned();
    assert_eq!(received.matches("some-token").count(), 1, "{received:?}");
}

// After the login.

#[test]
fn a_server_that_dies_within_a_statement_is_reported_to_client_and_log() {
    let mut server = Postgres::builder().start();
    let gateway = before(&server, "disable").start();
    let mut client = RawClient::log_in(gateway.port());
    client.send_query("select pg_sleep(1000)");
    wait_for_sleeper(&server);
    server.crash();
    let error = client.expect_last_words();
    assert_eq!(
        (error.severity.as_str(), error.code.as_str()),
        ("FATAL", "08006")
    );
    assert!(!error.hint.is_empty(), "{error:?}");
    let warnings = session_log(&gateway, "WARN");
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert_eq!(
        warnings[0]["message"],
        "backend closed the connection unexpectedly"
    );
    assert_eq!(warnings[0]["span"]["db.user"], "postgres");
}

#[test]
fn psql_is_told_of_a_server_that_dies_within_a_statement() {
    let (pki, mut server) = {
        let pki = Pki::new();
        let server = Postgres::builder().tls(&pki.server()).start();
        (pki, server)
    };
    let gateway = pki.serve_tls(before(&server, "require")).start();
    let client = gateway.client().user("postgres").sslmode("require");
    let psql = std::thread::spawn(move || {
        client.script("\\set VERBOSITY verbose\nselect pg_sleep(1000);\n")
    });
    wait_for_sleeper(&server);
    server.crash();
    let output = psql.join().expect("psql only fails");
    let told = output.expect_failure();
    assert!(told.contains("FATAL:  08006: "), "{told}");
    assert!(told.contains("HINT:  "), "{told}");
}

fn wait_for_sleeper(server: &Postgres) {
    let asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
    eventually("the statement to run", || {
        (server.psql(asleep) == "1").then_some(())
    });
}

#[test]
fn a_session_that_the_server_ends_gets_the_server_s_words_and_no_others() {
    let server = Postgres::builder().logins(Transport::Any).start();
    let gateway = before(&server, "disable").start();
    let mut client = RawClient::log_in_as(gateway.port(), "trust_user", V3_0);
    assert_eq!(server.terminate_backends("trust_user"), 1);
    let error = client.expect_last_words();
    assert_eq!(error.code, "57P01");
    let words = "terminating connection due to administrator command";
    assert_eq!(error.message, words);
    assert_eq!(session_log(&gateway, "WARN"), Vec::<Value>::new());
}

// Secrets.

/// A secret, and what was said where it played a part.
struct Marked {
    secret: &'static str,
    said: Vec<String>,
}

impl Marked {
    fn new(secret: &'static str) -> Self {
        let said = Vec::new();
        Self { secret, said }
    }

    /// Remembers what a client was told.
    fn heard(&mut self, said: &impl std::fmt::Debug) {
        self.said.push(format!("{said:?}"));
    }

    /// The secret is in nothing that a client heard, nor where anybody else could look.
    fn is_nowhere(&self, gateway: &Gateway) {
        let processes = Program::new("ps").arguments(["-eww", "-o", "args="]).run();
        let said = self.said.join("\n");
        let places = [
            ("clients", said.as_str()),
            ("metrics", &get(gateway, "/metrics", &[]).body),
            ("processes", processes.expect_success()),
            ("standard output", &gateway.stdout()),
            ("log", &gateway.stderr()),
        ];
        for (place, content) in places {
            assert!(!content.contains(self.secret), "{place}: {content}");
        }
        assert!(gateway.stderr().contains("\"TRACE\""), "all is logged");
    }
}

#[test]
fn a_password_is_nowhere_to_be_seen() {
    let mut marked = Marked::new("marker-password-7d1f");
    let roles = [
        ("marked_clear", Encryption::Scram),
        ("marked_md5", Encryption::Md5),
        ("marked_scram", Encryption::Scram),
    ];
    let pki = Pki::new();
    let server = Postgres::builder()
        .tls(&pki.server())
        .hba("host all marked_clear all password")
        .auth(Auth::Md5)
        .start();
    let gateway = pki
        .serve_tls(before(&server, "require"))
        .env("GATEKEEPER_LOG_LEVEL", "trace")
        .start();
    for (role, encryption) in roles {
        server.create_role(role, marked.secret, encryption);
        for tls in ["disable", "require"] {
            let client = gateway.client().user(role).sslmode(tls);
            assert_eq!(
                client.clone().password(marked.secret).query("select 1"),
                "1"
            );
            // A mistyped password is nearly as good as a right one.
            let mistyped = client.password(&format!("{}-mistyped", marked.secret));
            marked.heard(&mistyped.run("select 1").expect_failure());
        }
    }
    let trailing = format!("{}\0bytes behind", marked.secret);
    marked.heard(&rejection(gateway.port(), "marked_clear", &trailing));
    marked.is_nowhere(&gateway);
}

#[test]
fn a_token_is_nowhere_to_be_seen() {
    let mut marked = Marked::new("marker-token-2b9c");
    let pki = Pki::new();
    let server = Postgres::builder()
        .tls(&pki.server())
        .hba("hostssl all marked_clear all password")
        .auth(Auth::Scram)
        .start();
    server.create_role("marked_clear", marked.secret, Encryption::Scram);
    server.create_role("marked_scram", marked.secret, Encryption::Scram);
    server.create_role("another", "another", Encryption::Scram);
    let token = pki.path().join("token");
    fs::write(&token, marked.secret).unwrap();
    let cat = format!("cat {}", token.display());
    let minting = |command: &str| {
        before(&server, "require")
            .env("GATEKEEPER_LOG_LEVEL", "trace")
            .env("GATEKEEPER_BACKEND_TOKEN_CMD", command)
            .start()
    };
    let gateway = minting(&cat);
    for role in ["marked_clear", "marked_scram"] {
        assert_eq!(gateway.client().user(role).query("select 1"), "1");
    }
    marked.heard(&RawClient::expect_refusal(gateway.port(), "another"));
    marked.is_nowhere(&gateway);
    for failing in [
        // As `sh -x` and debug switches do.
        format!("{cat}; {cat} >&2; exit 1"),
        format!("{cat}; echo; {cat}"),
    ] {
        let gateway = minting(&failing);
        marked.heard(&RawClient::expect_refusal(gateway.port(), "marked_clear"));
        marked.is_nowhere(&gateway);
    }
}
