//! Clients with their instances.

use std::io::{Read, Write};
use std::net::Shutdown;

use querycop_auth_proxy::{Hooks, Refresh};
use querycop_testkit::wait::eventually;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use crate::lab::{APP_ROLE, PASSWORD, POOL, PRIMARY, ROLE, lab};
use crate::proxy::{instance, settings, start, try_start, worker};

#[test]
fn a_client_reaches_its_instance_and_the_log_tells_of_it() {
    let proxy = start(settings([instance(PRIMARY), instance(POOL)]));
    assert_eq!(proxy.psql(0).query("SELECT current_user"), ROLE);
    assert_eq!(proxy.psql(1).query("SHOW transaction_read_only"), "on");
    let (first, second) = (proxy.port(0), proxy.port(1));
    proxy.wait_for_out("[p.l.c.pool] client closed the connection");
    let out = proxy.out();
    for line in [
        format!("[p.l.c.primary] Listening on 127.0.0.1:{first}\n"),
        format!("[p.l.c.pool] Listening on 127.0.0.1:{second}\n"),
        "The proxy has started successfully and is ready for new connections!\n".to_owned(),
        "[p.l.c.primary] accepted connection from 127.0.0.1:".to_owned(),
    ] {
        assert!(out.contains(&line), "{out}");
    }
    assert!(!out.to_lowercase().contains("error"), "{out}");
    assert_eq!(proxy.err(), "");
    proxy.stop();
}

#[test]
fn iam_login_is_each_instance_s_own() {
    let mut iam = instance(PRIMARY);
    iam.auto_iam_authn = true;
    let proxy = start(settings([iam, instance(PRIMARY)]));
    let user = worker("127.0.0.1", proxy.port(0))
        .user(APP_ROLE)
        .query("SELECT current_user");
    assert_eq!(user, APP_ROLE);
    // Without IAM the token is no password, …
    worker("127.0.0.1", proxy.port(1))
        .user(APP_ROLE)
        .run("SELECT 1")
        .expect_failure();
    // … and the role's own is one.
    proxy.psql(1).query("SELECT 1");
    proxy.stop();
}

#[tokio::test]
async fn a_cancel_reaches_the_instance() {
    let proxy = start(settings([instance(PRIMARY)]));
    let mut config = tokio_postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(proxy.port(0))
        .user(ROLE)
        .password(PASSWORD);
    let (client, connection) = config.dbname("postgres").connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let cancel = async {
        let asleep = "SELECT 1 FROM pg_stat_activity \
                      WHERE wait_event = 'PgSleep' AND query = 'SELECT pg_sleep(601)'";
        let wait = || {
            eventually("the statement to sleep", || {
                (!lab().postgres.psql(asleep).is_empty()).then_some(())
            });
        };
        tokio::task::spawn_blocking(wait).await.unwrap();
        client.cancel_token().cancel_query(NoTls).await.unwrap();
    };
    let (slept, ()) = tokio::join!(client.batch_execute("SELECT pg_sleep(601)"), cancel);
    assert_eq!(slept.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
    drop(client);
    proxy.stop();
}

#[test]
fn the_answer_to_a_client_that_has_ended_its_side_arrives() {
    let proxy = start(settings([instance(PRIMARY)]));
    let mut client = proxy.connect(0);
    // A start-up packet of a protocol that there is none of: the server answers with an error.
    client.write_all(b"\0\0\0\x08\0\x09\0\0").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("unsupported frontend protocol"), "{answer}");
    proxy.stop();
}

#[test]
fn what_the_server_says_last_arrives() {
    let proxy = start(settings([instance(PRIMARY)]));
    let output = proxy
        .psql(0)
        .script("SELECT pg_terminate_backend(pg_backend_pid());");
    let words = "terminating connection due to administrator command";
    assert!(output.stderr.contains(words), "{}", output.stderr);
    proxy.stop();
}

#[test]
fn much_passes_both_ways() {
    let proxy = start(settings([instance(PRIMARY)]));
    let rows = proxy
        .psql(0)
        .query("SELECT repeat(md5(n::text), 30) FROM generate_series(1, 20000) n");
    assert_eq!(rows.len(), 20_000 * (32 * 30 + 1) - 1);
    let copied = proxy.psql(0).script(&format!(
        "CREATE TEMP TABLE t (a text);\nCOPY t FROM stdin;\n{rows}\n\\.\nSELECT sum(length(a)) FROM t;"
    ));
    assert!(copied.expect_success().ends_with("19200000"));
    proxy.stop();
}

#[test]
fn certificates_are_fetched_when_they_are_needed_only() {
    let mut lazy = settings([instance(PRIMARY)]);
    lazy.refresh = Refresh::Lazy;
    let proxy = start(lazy);
    assert_eq!(proxy.psql(0).query("SELECT 1"), "1");
    proxy.stop();
}

#[test]
fn a_port_that_is_taken_ends_the_start_and_frees_what_was_opened() {
    let proxy = start(settings([instance(PRIMARY)]));
    let mut taken = instance(POOL);
    taken.bind = querycop_auth_proxy::Bind::Tcp {
        address: [127, 0, 0, 1].into(),
        port: proxy.port(0).into(),
    };
    let failed = try_start(settings([instance(PRIMARY), taken]), Hooks::default());
    let error = failed.err().expect("the port is taken");
    let expected = "unable to start: [p.l.c.pool] Unable to mount socket: listening on 127.0.0.1:";
    assert!(error.starts_with(expected), "{error}");
    proxy.stop();
}

#[test]
fn an_idle_client_that_goes_is_noticed() {
    let proxy = start(settings([instance(PRIMARY)]));
    drop(proxy.connect(0));
    eventually("the client to be gone", || {
        proxy
            .out()
            .contains("client closed the connection")
            .then_some(())
    });
    assert!(!lab().emulator.sessions().is_empty());
    proxy.stop();
}
