//! What a client sends before it is known, good and bad.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::LazyLock;

use querycop_testkit::gateway::{Builder, Gateway};
use querycop_testkit::peer::{Peer, Step};
use querycop_testkit::postgres::{Postgres, Transport, Version};
use querycop_testkit::psql::Libpq;
use querycop_testkit::wait::{DEADLINE, eventually};
use querycop_wire::startup::{gssenc_request, ssl_request};

use crate::relay::raw::{LOGGED_IN, Message, RawClient, ServerError, V3_0, cancel, message};
use crate::setup::{before, before_port, counter, session_log};

/// What is refused here never reaches the server, so nobody listens on its port.
fn alone() -> Builder {
    before_port(1)
}

static ALONE: LazyLock<Gateway> = LazyLock::new(|| alone().start());

static V18: LazyLock<(Postgres, Gateway)> = LazyLock::new(|| {
    let server = Postgres::builder()
        .version(Version::V18)
        .logins(Transport::Any)
        .start();
    let gateway = before(&server, "disable").start();
    (server, gateway)
});

/// A start-up packet of protocol 3.0 with these parameters.
fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    startup_of_version(V3_0, parameters)
}

fn startup_of_version(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
    }
    body.push(0);
    packet(&body)
}

fn packet(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("it is short");
    [&length.to_be_bytes(), body].concat()
}

/// Sends bytes to a gateway and returns the error that the connection ends with.
fn refusal_of(bytes: &[u8]) -> ServerError {
    let mut client = RawClient::connect(ALONE.port());
    client.send(bytes);
    let error = client.expect_last_words();
    assert_eq!(error.severity, "FATAL", "{error:?}");
    error
}

/// Sends bytes to a gateway and returns whatever it answers before it closes.
fn answer_to(gateway: &Gateway, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port())).expect("it listens");
    stream
        .set_read_timeout(Some(DEADLINE))
        .expect("the deadline is not zero");
    stream.write_all(bytes).expect("the gateway reads");
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .expect("the gateway answers and closes in good order");
    answer
}

#[test]
fn a_start_up_packet_of_impossible_length_is_refused() {
    for length in [0, 3, 4, 7, 10_001, 0x1000_0000, u32::MAX] {
        let error = refusal_of(&length.to_be_bytes());
        assert_eq!(error.code, "08P01", "{length}");
        assert!(error.message.contains(&length.to_string()), "{error:?}");
    }
}

#[test]
fn an_oversize_start_up_packet_is_refused_though_it_comes_whole() {
    let options = "x".repeat(10_000);
    let error = refusal_of(&startup(&[("user", "reader"), ("options", &options)]));
    assert_eq!(error.code, "08P01");
}

#[test]
fn a_large_start_up_packet_within_the_limit_is_served() {
    let (_, gateway) = &*V18;
    let mut client = RawClient::connect(gateway.port());
    let name = "x".repeat(9_000);
    client.send(&startup(&[
        ("user", "trust_user"),
        ("database", "postgres"),
        ("application_name", &name),
    ]));
    client.read_until_ready();
    assert_eq!(client.value("select 1"), "1");
}

#[test]
fn a_start_up_packet_may_come_byte_by_byte() {
    let (_, gateway) = &*V18;
    let mut client = RawClient::connect(gateway.port());
    for byte in startup(&[("user", "trust_user"), ("database", "postgres")]) {
        client.send(&[byte]);
    }
    client.read_until_ready();
}

#[test]
fn an_unknown_major_version_is_refused() {
    for major in [0, 1, 2, 4, 1233] {
        let packet = startup_of_version(major << 16, &[("user", "reader")]);
        let error = refusal_of(&packet);
        assert_eq!(error.code, "0A000", "{major}");
        assert!(error.message.contains(&format!("{major}.0")), "{error:?}");
        assert!(!error.hint.is_empty(), "{error:?}");
    }
}

#[test]
fn an_http_request_gets_an_answer_that_a_browser_shows() {
    for request in [
        "GET / HTTP/1.1\r\nHost: db\r\n\r\n",
        "POST /login HTTP/1.1\r\n\r\n",
    ] {
        let answer = String::from_utf8(answer_to(&ALONE, request.as_bytes())).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("PostgreSQL"), "{answer}");
    }
}

#[test]
fn tls_without_a_request_for_it_ends_quietly_where_there_is_no_certificate() {
    let gateway = alone().start();
    let hello = b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03";
    assert_eq!(answer_to(&gateway, hello), b"");
    let dropped = "querycop_startups_dropped_total{reason=\"foreign\"}";
    eventually("the connection to be counted", || {
        (counter(&gateway, dropped) > 0).then_some(())
    });
}

#[test]
fn a_parameter_given_twice_is_refused() {
    for name in ["user", "database", "search_path", "Search_Path"] {
        let packet = startup(&[
            ("user", "reader"),
            ("database", "postgres"),
            ("search_path", "public"),
            (name, "other"),
        ]);
        let error = refusal_of(&packet);
        assert_eq!(error.code, "08P01", "{name}");
        assert!(error.message.contains(name), "{error:?}");
    }
}

#[test]
fn names_over_63_bytes_are_refused() {
    let long = "x".repeat(64);
    for parameters in [
        [("user", long.as_str()), ("database", "postgres")],
        [("user", "reader"), ("database", long.as_str())],
    ] {
        let error = refusal_of(&startup(&parameters));
        assert_eq!(error.code, "08P01");
        assert!(error.message.contains("64 bytes"), "{error:?}");
    }
}

#[test]
fn a_start_up_packet_without_a_user_is_refused() {
    for parameters in [&[][..], &[("database", "postgres")], &[("user", "")]] {
        let error = refusal_of(&startup(parameters));
        assert_eq!(error.code, "28000", "{parameters:?}");
        assert!(error.message.contains("user name"), "{error:?}");
    }
}

#[test]
fn a_start_up_packet_that_is_not_made_of_pairs_is_refused() {
    for parameters in [
        &b""[..],
        b"user\0reader\0",
        b"user\0reader\0\0more",
        b"user\0",
    ] {
        let packet = packet(&[&V3_0.to_be_bytes(), parameters].concat());
        let error = refusal_of(&packet);
        assert_eq!(error.code, "08P01", "{parameters:?}");
    }
}

#[test]
fn who_says_nothing_is_dropped_and_counted() {
    let gateway = alone().env("GATEKEEPER_STARTUP_TIMEOUT", "1s").start();
    for said in [&b""[..], b"\0\0", &ssl_request()] {
        let mut raw = RawClient::connect(gateway.port());
        raw.send(said);
        let mut answer = Vec::new();
        raw.input().read_to_end(&mut answer).unwrap();
        assert!(answer.is_empty() || answer == b"N", "{answer:?}");
    }
    let dropped = "querycop_startups_dropped_total{reason=\"startup_timeout\"}";
    eventually("the connections to be counted", || {
        (counter(&gateway, dropped) == 3).then_some(())
    });
    let lines = gateway.logs();
    let said: Vec<_> = lines
        .iter()
        .filter(|line| line["reason"] == "startup_timeout")
        .collect();
    assert_eq!(said.len(), 1, "once for an address and minute: {said:#?}");
}

#[test]
fn who_leaves_without_a_word_is_no_line_in_the_log() {
    let gateway = alone().start();
    let stream = TcpStream::connect(("127.0.0.1", gateway.port())).unwrap();
    stream.shutdown(Shutdown::Both).unwrap();
    drop(stream);
    let accepted = "querycop_connections_total";
    eventually("the connection to be counted", || {
        (counter(&gateway, accepted) == 1).then_some(())
    });
    assert_eq!(session_log(&gateway, "WARN").len(), 0);
    assert_eq!(session_log(&gateway, "INFO").len(), 0);
}

#[test]
fn an_impossible_frame_length_ends_the_login() {
    for length in [0, 3, 65_537, 100_000, u32::MAX] {
        let mut client = RawClient::connect(V18.1.port());
        client.start_up("password_user", V3_0);
        assert_eq!(client.expect_message().tag, b'R');
        client.send(&[&b"p"[..], &length.to_be_bytes()].concat());
        let error = client.expect_last_words();
        assert_eq!(error.code, "08P01", "{length}");
        assert!(error.message.contains(&length.to_string()), "{error:?}");
    }
}

#[test]
fn an_impossible_frame_length_ends_the_session() {
    for length in [0, 3, 0x4000_0000, u32::MAX] {
        let mut client = RawClient::log_in_as(V18.1.port(), "trust_user", V3_0);
        client.send(&[&b"Q"[..], &length.to_be_bytes()].concat());
        let error = client.expect_last_words();
        assert_eq!(error.code, "08P01", "{length}");
        assert_eq!(error.severity, "FATAL");
    }
}

#[test]
fn another_message_than_the_password_ends_the_login() {
    let mut client = RawClient::connect(V18.1.port());
    client.start_up("password_user", V3_0);
    assert_eq!(client.expect_message().tag, b'R');
    client.send_query("select 1");
    assert_eq!(client.expect_last_words().code, "08P01");
}

#[test]
fn a_password_of_the_greatest_length_reaches_the_server() {
    let mut client = RawClient::connect(V18.1.port());
    client.start_up("password_user", V3_0);
    assert_eq!(client.expect_message().tag, b'R');
    client.send(&message(
        b'p',
        format!("{}\0", "x".repeat(60_000)).as_bytes(),
    ));
    assert_eq!(client.expect_last_words().code, "28P01");
}

#[test]
fn a_request_for_gssapi_encryption_is_answered_no_and_the_client_may_go_on() {
    let mut client = RawClient::connect(V18.1.port());
    for request in [gssenc_request(), ssl_request()] {
        client.send(&request);
        assert_eq!(read_byte(&mut client), b'N');
    }
    client.start_up("trust_user", V3_0);
    client.read_until_ready();
}

#[test]
fn a_second_request_for_the_same_encryption_is_refused() {
    for request in [ssl_request(), gssenc_request()] {
        let mut client = RawClient::connect(ALONE.port());
        client.send(&request);
        assert_eq!(read_byte(&mut client), b'N');
        client.send(&request);
        let error = client.expect_last_words();
        assert_eq!(error.code, "08P01");
        assert!(error.message.contains("twice"), "{error:?}");
    }
}

fn read_byte(client: &mut RawClient) -> u8 {
    let mut byte = [0];
    client.input().read_exact(&mut byte).expect("an answer");
    byte[0]
}

#[test]
fn libpq_18_and_postgresql_18_agree_on_protocol_3_2() {
    let client = V18.1.client().user("trust_user").libpq(Libpq::V18);
    let client = client.option("min_protocol_version", "3.2");
    assert_eq!(client.query("select 1"), "1");
}

#[test]
fn the_long_cancel_key_of_protocol_3_2_works() {
    let (server, gateway) = &*V18;
    let version = V3_0 + 2;
    let mut client = RawClient::log_in_as(gateway.port(), "trust_user", version);
    assert_eq!(client.key().len(), 4 + 32);
    client.send_query("select pg_sleep(1000)");
    let pid = client.backend_pid();
    let asleep = format!(
        "select count(*) from pg_stat_activity where pid = {pid} and wait_event = 'PgSleep'"
    );
    eventually("the statement to run", || {
        (server.psql(&asleep) == "1").then_some(())
    });
    let key = client.key().to_vec();
    cancel(gateway.port(), &key);
    let answer = client.read_until_ready();
    assert_eq!(answer[answer.len() - 2].error().code, "57014");
}

/// The first message in answer to a start-up packet of a version that nobody knows yet.
fn answer_to_the_future(port: u16) -> Message {
    let mut client = RawClient::connect(port);
    client.send(&startup_of_version(
        V3_0 + 99,
        &[
            ("user", "trust_user"),
            ("database", "postgres"),
            ("_pq_.x", "1"),
        ],
    ));
    let first = client.expect_message();
    client.read_until_ready();
    assert_eq!(client.value("select 1"), "1");
    first
}

#[test]
fn a_later_minor_version_is_negotiated_by_the_server() {
    let server = Postgres::builder().logins(Transport::Any).start();
    let gateway = before(&server, "disable").start();
    for (server, gateway, newest) in [(&server, &gateway, 0), (&V18.0, &V18.1, 2)] {
        let answer = answer_to_the_future(gateway.port());
        assert_eq!(answer, answer_to_the_future(server.port()));
        let version = V3_0 + newest;
        let unknown = [&[0, 0, 0, 1][..], b"_pq_.x\0"].concat();
        let body = [&version.to_be_bytes()[..], &unknown].concat();
        assert_eq!((answer.tag, answer.body), (b'v', body));
    }
}

#[test]
fn the_start_up_packet_reaches_the_server_to_the_byte() {
    let sent = startup_of_version(
        V3_0 + 7,
        &[
            ("user", "reader"),
            ("database", "a b'c"),
            ("options", "-c geqo=off"),
            ("_pq_.future", ""),
            ("DateStyle", "ISO"),
        ],
    );
    let peer = Peer::listen()
        .script([
            Step::Expect(sent.clone()),
            Step::Send(LOGGED_IN.to_vec()),
            Step::ReadToEnd,
        ])
        .start();
    let gateway = before_port(peer.port())
        .env("GATEKEEPER_BACKEND_TLS_MODE", "disable")
        .start();
    let mut client = RawClient::connect(gateway.port());
    client.send(&sent);
    client.read_until_ready();
    drop(client);
    peer.finish();
}
