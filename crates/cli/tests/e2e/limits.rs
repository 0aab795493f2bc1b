//! How many are served at a time, and what the others are told.

use std::io::Read;
use std::sync::LazyLock;

use querycop_testkit::gateway::Gateway;
use querycop_testkit::postgres::{Auth, Postgres, Transport};
use querycop_testkit::wait::eventually;

use crate::command::http::metric;
use crate::relay::raw::{RawClient, ServerError, V3_0};
use crate::setup::before;

/// Trusts everybody; has a second role, `trust_user`.
static SERVER: LazyLock<Postgres> = LazyLock::new(|| {
    let server = Postgres::builder().logins(Transport::Any);
    server.auth(Auth::Trust).start()
});

const ACTIVE: &str = "querycop_sessions_active";

fn gateway(limit: &str, count: u32) -> Gateway {
    before(&SERVER, "disable").env(limit, count).start()
}

/// Logs in as soon as there is a place.
fn log_in_at_last(gateway: &Gateway) -> RawClient {
    eventually("a place to be free", || {
        let mut client = RawClient::connect(gateway.port());
        client.start_up("postgres", V3_0);
        // The first message of a login that is granted, or the refusal.
        let first = client.expect_message();
        (first.tag == b'R').then(|| {
            client.read_until_ready();
            client
        })
    })
}

fn assert_too_many(error: &ServerError, words: &str, setting: &str) {
    assert_eq!(error.severity, "FATAL");
    assert_eq!(error.code, "53300");
    assert_eq!(error.message, words);
    assert!(error.hint.contains(setting), "{error:?}");
}

#[test]
fn a_session_too_many_is_refused_until_another_ends() {
    let gateway = gateway("GATEKEEPER_MAX_SESSIONS", 2);
    let mut first = RawClient::log_in(gateway.port());
    let second = RawClient::log_in(gateway.port());
    let error = RawClient::expect_refusal(gateway.port(), "postgres");
    assert_too_many(&error, "too many sessions", "limits.max_sessions");
    let refused = "querycop_refusals_total{kind=\"too_many_sessions\"}";
    eventually("the refusal to be counted", || {
        (metric(&gateway, refused) >= 1.0).then_some(())
    });
    assert_eq!(first.value("select 'still served'"), "still served");
    drop(second);
    let mut third = log_in_at_last(&gateway);
    assert_eq!(third.value("select 'served as well'"), "served as well");
    let line = gateway.wait_for_log("the refusal", |line| {
        line["message"]
            .as_str()
            .is_some_and(|message| message.starts_with("too many sessions"))
    });
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["span"]["db.user"], "postgres");
}

#[test]
fn a_role_has_its_own_share_of_the_sessions() {
    let gateway = gateway("GATEKEEPER_MAX_SESSIONS_PER_ROLE", 1);
    let first = RawClient::log_in(gateway.port());
    let error = RawClient::expect_refusal(gateway.port(), "postgres");
    let words = "too many sessions for role \"postgres\"";
    assert_too_many(&error, words, "limits.max_sessions_per_role");
    let mut other = RawClient::log_in_as(gateway.port(), "trust_user", V3_0);
    assert_eq!(other.value("select current_user"), "trust_user");
    drop(first);
    log_in_at_last(&gateway);
}

#[test]
fn a_refused_client_does_not_reach_the_server() {
    let gateway = gateway("GATEKEEPER_MAX_SESSIONS", 1);
    let _only = RawClient::log_in_as(gateway.port(), "trust_user", V3_0);
    RawClient::expect_refusal(gateway.port(), "never_seen");
    assert!(!SERVER.log().contains("never_seen"));
}

#[test]
fn connections_that_say_nothing_do_not_keep_out_sessions_for_long() {
    let gateway = before(&SERVER, "disable")
        .env("GATEKEEPER_MAX_STARTUPS", 2)
        .env("GATEKEEPER_STARTUP_TIMEOUT", "10m")
        .start();
    let mut session = RawClient::log_in(gateway.port());
    let silent = [0; 2].map(|_| RawClient::connect(gateway.port()));
    for _ in 0..3 {
        let mut dropped = RawClient::connect(gateway.port());
        // Closed without a word: there is no start-up packet to answer.
        let came = dropped.input().read(&mut [0]);
        assert!(matches!(came, Ok(0)), "{came:?}");
    }
    let dropped = "querycop_startups_dropped_total{reason=\"too_many_startups\"}";
    assert!((metric(&gateway, dropped) - 3.0).abs() < 0.1);
    assert_eq!(session.value("select 'still served'"), "still served");
    drop(silent);
    eventually("sessions to be taken again", || {
        let client = gateway.client().user("postgres");
        client.run("select 1").success().then_some(())
    });
    // Once for each address and minute.
    let message = "connection dropped: too many have not sent a start-up packet";
    let logs = gateway.logs();
    let lines: Vec<_> = logs
        .iter()
        .filter(|line| line["message"] == message)
        .collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["level"], "WARN");
}

#[test]
fn a_connection_that_says_nothing_is_closed_in_time() {
    let gateway = before(&SERVER, "disable")
        .env("GATEKEEPER_STARTUP_TIMEOUT", "100ms")
        .start();
    let mut silent = RawClient::connect(gateway.port());
    let came = silent.input().read(&mut [0]);
    assert!(matches!(came, Ok(0)), "{came:?}");
    let dropped = "querycop_startups_dropped_total{reason=\"startup_timeout\"}";
    eventually("the connection to be counted", || {
        (metric(&gateway, dropped) >= 1.0).then_some(())
    });
}

#[test]
fn sessions_and_their_bytes_are_counted() {
    let gateway = gateway("GATEKEEPER_MAX_SESSIONS", 10);
    let mut client = RawClient::log_in(gateway.port());
    assert!((metric(&gateway, ACTIVE) - 1.0).abs() < 0.1);
    client.value("select repeat('x', 100000)");
    drop(client);
    eventually("the session to end", || {
        (metric(&gateway, ACTIVE) < 0.1).then_some(())
    });
    assert!((metric(&gateway, "querycop_connections_total") - 1.0).abs() < 0.1);
    assert!((metric(&gateway, "querycop_sessions_total") - 1.0).abs() < 0.1);
    assert!(metric(&gateway, "querycop_to_client_bytes_total") > 100_000.0);
    assert!(metric(&gateway, "querycop_to_backend_bytes_total") > 20.0);
}
