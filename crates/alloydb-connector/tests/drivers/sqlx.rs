//! sqlx, through a bridge.

use alloydb_connector::bridge::Bridge;
use alloydb_connector::{Dialer, IamLogin};
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgListener, PgPoolOptions};
use sqlx::{ConnectOptions, Error};

use crate::lab::{
    APP_ROLE, APP_TOKEN, PASSWORD, PRIMARY, REFUSAL, REFUSING, ROLE, STRANGER_TOKEN, lab, uri,
};

#[path = "../../examples/sqlx.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is a program of its own")]
mod example;

async fn bridge(dialer: &Dialer, instance: &str) -> Bridge {
    let started = Bridge::builder(dialer, &uri(instance)).start().await;
    started.expect("the temporary directory is writable")
}

fn login(bridge: &Bridge) -> PgConnectOptions {
    let options = bridge.pg_connect_options();
    options
        .username(ROLE)
        .password(PASSWORD)
        .database("postgres")
}

fn as_server_error(error: &Error) -> &PgDatabaseError {
    let error = error.as_database_error().expect("a server would say so");
    error.downcast_ref()
}

#[tokio::test]
async fn the_example_queries() {
    let settings = example::settings::Settings::read(lab().iam_environment()).unwrap();
    assert_eq!(example::run(&settings).await.unwrap(), APP_ROLE);
    let settings = example::settings::Settings::read(lab().password_environment()).unwrap();
    assert_eq!(example::run(&settings).await.unwrap(), ROLE);
}

#[tokio::test]
async fn a_pool_fills_itself_at_once() {
    let dialer = lab().dialer(APP_TOKEN, IamLogin::Off).await;
    let bridge = bridge(&dialer, PRIMARY).await;
    let pool = PgPoolOptions::new().max_connections(8);
    let pool = pool.connect_lazy_with(login(&bridge));
    let mut held = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let pool = pool.clone();
        held.spawn(async move { pool.acquire().await.unwrap() });
    }
    let mut held = held.join_all().await;
    let mut backends = Vec::new();
    for connection in &mut held {
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&mut **connection)
            .await
            .unwrap();
        backends.push(pid);
    }
    backends.sort_unstable();
    backends.dedup();
    assert_eq!(backends.len(), 8);
}

#[tokio::test]
async fn notifications_come_through() {
    let dialer = lab().dialer(APP_TOKEN, IamLogin::Off).await;
    let bridge = bridge(&dialer, PRIMARY).await;
    let pool = PgPoolOptions::new().max_connections(2);
    let pool = pool.connect_with(login(&bridge)).await.unwrap();
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen("sqlx_jobs").await.unwrap();
    sqlx::query("SELECT pg_notify('sqlx_jobs', 'the payload')")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(listener.recv().await.unwrap().payload(), "the payload");
}

#[tokio::test]
async fn a_dial_error_has_sqlstate_reason_and_hint() {
    let cases = [
        (
            APP_TOKEN,
            REFUSING,
            "28000",
            REFUSAL,
            "roles/alloydb.client",
        ),
        (
            STRANGER_TOKEN,
            PRIMARY,
            "28000",
            "403 PERMISSION_DENIED",
            "roles/alloydb.client",
        ),
        (
            APP_TOKEN,
            crate::lab::GONE,
            "08001",
            "onnection refused",
            "Port 5433",
        ),
        (
            APP_TOKEN,
            "missing",
            "08001",
            "404 NOT_FOUND",
            "instance URI",
        ),
    ];
    for (token, instance, code, reason, hint) in cases {
        let dialer = lab().dialer(token, IamLogin::Off).await;
        let bridge = bridge(&dialer, instance).await;
        let error = login(&bridge).connect().await.unwrap_err();
        let error = as_server_error(&error);
        assert_eq!(error.code(), code, "{error:?}");
        assert!(error.message().contains(reason), "{error:?}");
        assert!(
            error.message().contains(uri(instance).as_str()),
            "{error:?}"
        );
        assert!(
            error.hint().is_some_and(|text| text.contains(hint)),
            "{error:?}"
        );
        assert!(!format!("{error:?}").contains(token));
    }
}

#[tokio::test]
async fn a_servers_error_comes_through() {
    let dialer = lab().dialer(APP_TOKEN, IamLogin::Off).await;
    let bridge = bridge(&dialer, PRIMARY).await;
    let error = login(&bridge)
        .password("wrong")
        .connect()
        .await
        .unwrap_err();
    assert_eq!(as_server_error(&error).code(), "28P01");
}
