//! diesel-async.

use alloydb_connector::drivers::diesel_async::{establish, pool_config};
use diesel::ConnectionError;
use diesel::sql_types::Integer;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use crate::lab::{
    APP_ROLE, PASSWORD, PRIMARY, REFUSAL, REFUSING, ROLE, asleep, chain, lab, password_login,
};

#[path = "../../examples/diesel_async.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is a program of its own")]
mod example;

async fn pool(instance: &str, url: &str) -> Pool<AsyncPgConnection> {
    let connect = lab().connect(instance).await;
    let manager = AsyncDieselConnectionManager::new_with_config(url, pool_config(connect));
    let built = Pool::builder(manager).max_size(1).build();
    built.expect("no timeout needs a runtime")
}

async fn backend(connection: &mut AsyncPgConnection) -> i32 {
    diesel::select(diesel::dsl::sql::<Integer>("pg_backend_pid()"))
        .get_result(connection)
        .await
        .expect("it is a query")
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
async fn a_pools_session_is_reused_until_it_breaks() {
    let url = format!("postgres://{ROLE}:{PASSWORD}@/postgres");
    let pool = pool(PRIMARY, &url).await;
    let first = backend(&mut pool.get().await.unwrap()).await;
    let again = backend(&mut pool.get().await.unwrap()).await;
    assert_eq!(first, again);
    lab()
        .postgres
        .psql(&format!("SELECT pg_terminate_backend({first})"));
    let other = backend(&mut pool.get().await.unwrap()).await;
    assert_ne!(first, other);
}

#[tokio::test]
async fn a_dial_error_is_told_in_full() {
    let connect = lab().connect(REFUSING).await;
    let error = establish(&connect, &password_login()).await.err().unwrap();
    assert!(
        matches!(&error, ConnectionError::BadConnection(text) if text.contains(REFUSAL)),
        "{error}"
    );
    let pool = pool(REFUSING, "user=a").await;
    let error = pool.get().await.err().unwrap();
    assert!(chain(&error).contains(REFUSAL), "{error}");
}

#[tokio::test]
async fn a_url_that_can_not_be_read_is_told() {
    let pool = pool(PRIMARY, "postgres://:::").await;
    let error = pool.get().await.err().unwrap();
    let text = chain(&error);
    assert!(text.contains("invalid connection string"), "{text}");
}

#[tokio::test]
async fn a_query_is_cancelled_through_the_connector() {
    let connect = lab().connect(PRIMARY).await;
    let mut connection = establish(&connect, &password_login()).await.unwrap();
    let token = connection.cancel_token();
    let (sleep, cancel) = tokio::join!(
        connection.batch_execute("SELECT pg_sleep(60) /* diesel */"),
        async {
            asleep("diesel").await;
            connect.cancel(&token).await
        }
    );
    cancel.unwrap();
    let error = sleep.unwrap_err().to_string();
    assert_eq!(error, "canceling statement due to user request");
}
