//! The bridge with psql, and with a driver that speaks to Unix sockets itself.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use alloydb_connector::bridge::Bridge;
use alloydb_connector::{DialOptions, IamLogin};
use querycop_testkit::command::Program;
use querycop_testkit::psql::Psql;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use crate::lab::{
    APP_ROLE, APP_TOKEN, GONE, PRIMARY, REFUSAL, REFUSING, asleep, lab, password_login, uri,
};

const SSL_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";

async fn bridge(instance: &str, login: IamLogin) -> Bridge {
    let dialer = lab().dialer(APP_TOKEN, IamLogin::Off).await;
    let options = DialOptions::new().iam_login(login);
    let bridge = Bridge::builder(&dialer, &uri(instance));
    let started = bridge.dial_options(options).start().await;
    started.expect("the temporary directory is writable")
}

fn psql(bridge: &Bridge) -> Psql {
    Psql::new(
        bridge.directory().to_str().expect("it is UTF-8"),
        bridge.port(),
    )
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(run)
        .await
        .expect("it doesn't panic")
}

#[tokio::test]
async fn psql_logs_in_by_iam_without_a_password() {
    let bridge = bridge(PRIMARY, IamLogin::On).await;
    let psql = psql(&bridge).user(APP_ROLE);
    let user = blocking(move || psql.query("SELECT current_user")).await;
    assert_eq!(user.trim(), APP_ROLE);
}

#[tokio::test]
async fn a_connection_string_is_all_that_libpq_needs() {
    let bridge = bridge(PRIMARY, IamLogin::On).await;
    let conninfo = format!("{} user={APP_ROLE} dbname=postgres", bridge.conninfo());
    let psql = Program::postgresql("psql").arguments(["-XAtqw", "-d", &conninfo, "-c", "SELECT 1"]);
    let output = blocking(move || psql.run()).await;
    assert_eq!(output.expect_success().trim(), "1");
}

#[tokio::test]
async fn psql_tells_reason_and_hint() {
    for (instance, reason, hint) in [
        (
            REFUSING,
            REFUSAL,
            "HINT:  The principal needs roles/alloydb.client",
        ),
        (
            GONE,
            "onnection refused",
            "HINT:  Port 5433 of the instance must be reachable",
        ),
    ] {
        let bridge = bridge(instance, IamLogin::On).await;
        let psql = psql(&bridge).user(APP_ROLE);
        let output = blocking(move || psql.run("SELECT 1")).await;
        let error = output.expect_failure();
        assert!(error.contains("FATAL:  "), "{error}");
        assert!(error.contains(reason) && error.contains(hint), "{error}");
    }
}

#[tokio::test]
async fn a_drivers_own_cancel_passes() {
    let bridge = bridge(PRIMARY, IamLogin::Off).await;
    let mut config = password_login();
    config.host_path(bridge.directory()).port(bridge.port());
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let token = client.cancel_token();
    let (sleep, cancel) = tokio::join!(
        client.batch_execute("SELECT pg_sleep(60) /* bridge */"),
        async {
            asleep("bridge").await;
            token.cancel_query(NoTls).await
        }
    );
    cancel.unwrap();
    assert_eq!(sleep.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
}

#[tokio::test]
async fn the_server_says_no_to_a_second_encryption() {
    let bridge = bridge(PRIMARY, IamLogin::Off).await;
    let mut client = UnixStream::connect(bridge.socket()).await.unwrap();
    client.write_all(SSL_REQUEST).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'N');
}

/// The directory would hold, so it is opened. Only the superuser can become somebody else.
#[tokio::test]
async fn another_user_of_the_machine_is_refused_even_if_the_directory_is_open() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let bridge = bridge(PRIMARY, IamLogin::On).await;
    let foreign = |bridge: &Bridge| {
        let conninfo = format!("{} user={APP_ROLE} dbname=postgres", bridge.conninfo());
        let become_nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "psql"];
        Program::new("setpriv")
            .arguments(become_nobody)
            .arguments(["-XAtqw", "-d", &conninfo, "-c", "SELECT 1"])
    };
    let shut_out = foreign(&bridge);
    let output = blocking(move || shut_out.run()).await;
    assert!(output.expect_failure().contains("Permission denied"));

    fs::set_permissions(bridge.directory(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(bridge.socket(), Permissions::from_mode(0o666)).unwrap();
    let refused = foreign(&bridge);
    let output = blocking(move || refused.run()).await;
    let error = output.expect_failure();
    assert!(
        error.contains("FATAL:  user 65534 of this machine may not use this bridge"),
        "{error}"
    );
}
