//! deadpool-postgres.

use alloydb_connector::drivers::ConnectError;
use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, PoolError};
use tokio_postgres::error::SqlState;

use crate::lab::{
    APP_ROLE, PRIMARY, REFUSAL, REFUSING, ROLE, asleep, chain, lab, password_login, uri,
};

#[path = "../../examples/deadpool_postgres.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is a program of its own")]
mod example;

async fn pool(instance: &str, config: tokio_postgres::Config) -> Pool {
    let connect = lab().connect(instance).await;
    let manager = Manager::from_connect(config, connect, ManagerConfig::default());
    let built = Pool::builder(manager).max_size(2).build();
    built.expect("no timeout needs a runtime")
}

async fn backend(client: &Client) -> i32 {
    let statement = client.prepare_cached("SELECT pg_backend_pid()").await;
    let row = client
        .query_one(&statement.expect("it is a query"), &[])
        .await;
    row.expect("it is a query").get(0)
}

#[tokio::test]
async fn the_example_reuses_its_session() {
    let settings = example::settings::Settings::read(lab().iam_environment()).unwrap();
    let told = example::run(&settings).await.unwrap();
    assert_eq!(told, format!("{APP_ROLE}: 1 session"));
    let settings = example::settings::Settings::read(lab().password_environment()).unwrap();
    let told = example::run(&settings).await.unwrap();
    assert_eq!(told, format!("{ROLE}: 1 session"));
}

#[tokio::test]
async fn sessions_and_their_prepared_statements_are_reused_until_they_break() {
    let pool = pool(PRIMARY, password_login()).await;
    let first = pool.get().await.unwrap();
    let pid = backend(&first).await;
    assert_eq!(first.statement_cache.size(), 1);
    drop(first);
    let again = pool.get().await.unwrap();
    assert_eq!(backend(&again).await, pid);
    assert_eq!(again.statement_cache.size(), 1);
    let terminated = format!("SELECT pg_terminate_backend({pid})");
    lab().postgres.psql(&terminated);
    while !again.is_closed() {
        tokio::task::yield_now().await;
    }
    drop(again);
    let other = pool.get().await.unwrap();
    assert_ne!(backend(&other).await, pid);
}

#[tokio::test]
async fn a_dial_error_is_the_cause_of_the_pools_error() {
    let pool = pool(REFUSING, password_login()).await;
    let error = pool.get().await.unwrap_err();
    let text = chain(&error);
    assert!(
        text.contains(REFUSAL) && text.contains(uri(REFUSING).as_str()),
        "{text}"
    );
    let PoolError::Backend(error) = error else {
        panic!("{text}");
    };
    assert!(
        matches!(ConnectError::of(&error), Some(ConnectError::Dial(_))),
        "{text}"
    );
}

#[tokio::test]
async fn a_refused_login_is_the_drivers_own_error() {
    let mut config = password_login();
    config.password("wrong");
    let pool = pool(PRIMARY, config).await;
    let error = pool.get().await.unwrap_err();
    let PoolError::Backend(error) = error else {
        panic!("{}", chain(&error));
    };
    assert_eq!(error.code(), Some(&SqlState::INVALID_PASSWORD));
    assert!(ConnectError::of(&error).is_none());
}

#[tokio::test]
async fn a_pooled_client_is_cancelled_through_the_connector() {
    let connect = lab().connect(PRIMARY).await;
    let pool = pool(PRIMARY, password_login()).await;
    let client = pool.get().await.unwrap();
    let token = client.cancel_token();
    let (sleep, cancel) = tokio::join!(
        client.batch_execute("SELECT pg_sleep(60) /* deadpool */"),
        async {
            asleep("deadpool").await;
            connect.cancel(&token).await
        }
    );
    cancel.unwrap();
    assert_eq!(sleep.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
}
