//! bb8.

use alloydb_connector::drivers::ConnectError;
use alloydb_connector::drivers::bb8::{LogErrors, SessionError, Sessions};
use bb8::Pool;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::lab::{
    APP_ROLE, PRIMARY, REFUSAL, REFUSING, ROLE, asleep, chain, lab, password_login, uri,
};

#[path = "../../examples/bb8.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is a program of its own")]
mod example;

async fn pool(instance: &str) -> Result<Pool<Sessions>, SessionError> {
    let connect = lab().connect(instance).await;
    Pool::builder()
        .max_size(1)
        .min_idle(1)
        .retry_connection(false)
        .error_sink(Box::new(LogErrors))
        .build(Sessions::new(connect, password_login()))
        .await
}

async fn backend(client: &Client) -> i32 {
    let row = client.query_one("SELECT pg_backend_pid()", &[]).await;
    row.expect("it is a query").get(0)
}

#[tokio::test]
async fn the_example_queries() {
    let settings = example::settings::Settings::read(lab().iam_environment()).unwrap();
    assert_eq!(example::run(&settings).await.unwrap(), APP_ROLE);
    let settings = example::settings::Settings::read(lab().password_environment()).unwrap();
    assert_eq!(example::run(&settings).await.unwrap(), ROLE);
}

#[tokio::test]
async fn a_session_is_reused_until_it_breaks() {
    let pool = pool(PRIMARY).await.unwrap();
    let first = backend(&pool.get().await.unwrap()).await;
    let again = backend(&pool.get().await.unwrap()).await;
    assert_eq!(first, again);
    lab()
        .postgres
        .psql(&format!("SELECT pg_terminate_backend({first})"));
    // Whether the pool knows already or finds out by its own question, the next one works.
    let other = backend(&pool.get().await.unwrap()).await;
    assert_ne!(first, other);
}

#[tokio::test]
async fn a_dial_error_is_told_where_the_pool_has_somebody_to_tell() {
    let error = pool(REFUSING).await.unwrap_err();
    let text = chain(&error);
    assert!(
        text.contains(REFUSAL) && text.contains(uri(REFUSING).as_str()),
        "{text}"
    );
    assert!(
        matches!(error, SessionError::Connect(ConnectError::Dial(_))),
        "{text}"
    );
}

#[tokio::test]
async fn a_pooled_client_is_cancelled_through_the_connector() {
    let connect = lab().connect(PRIMARY).await;
    let pool = pool(PRIMARY).await.unwrap();
    let client = pool.get().await.unwrap();
    let token = client.cancel_token();
    let (sleep, cancel) = tokio::join!(
        client.batch_execute("SELECT pg_sleep(60) /* bb8 */"),
        async {
            asleep("bb8").await;
            connect.cancel(&token).await
        }
    );
    cancel.unwrap();
    assert_eq!(sleep.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
}
