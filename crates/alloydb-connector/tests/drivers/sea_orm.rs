//! sea-orm, through a bridge.

use alloydb_connector::IamLogin;
use alloydb_connector::bridge::Bridge;
use sea_orm::{Database, SqlxPostgresConnector};
use sqlx::postgres::PgPoolOptions;

use crate::lab::{
    APP_ROLE, APP_TOKEN, PASSWORD, PRIMARY, REFUSAL, REFUSING, ROLE, chain, lab, uri,
};

#[path = "../../examples/sea_orm.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is a program of its own")]
mod example;

#[tokio::test]
async fn the_example_queries() {
    let settings = example::settings::Settings::read(lab().iam_environment()).unwrap();
    assert_eq!(example::run(&settings).await.unwrap(), APP_ROLE);
    let settings = example::settings::Settings::read(lab().password_environment()).unwrap();
    assert_eq!(example::run(&settings).await.unwrap(), ROLE);
}

#[tokio::test]
async fn a_pool_of_sqlx_will_do() {
    let dialer = lab().dialer(APP_TOKEN, IamLogin::Off).await;
    let bridge = Bridge::builder(&dialer, &uri(PRIMARY))
        .start()
        .await
        .unwrap();
    let options = bridge
        .pg_connect_options()
        .username(ROLE)
        .password(PASSWORD);
    let pool = PgPoolOptions::new().connect_with(options.database("postgres"));
    let database = SqlxPostgresConnector::from_sqlx_postgres_pool(pool.await.unwrap());
    database.ping().await.unwrap();
}

#[tokio::test]
async fn a_dial_error_is_told_in_full() {
    let dialer = lab().dialer(APP_TOKEN, IamLogin::Off).await;
    let bridge = Bridge::builder(&dialer, &uri(REFUSING))
        .start()
        .await
        .unwrap();
    let options = bridge.sea_orm_options("postgres://a@alloydb/b");
    let error = Database::connect(options).await.unwrap_err();
    let text = chain(&error);
    assert!(
        text.contains(REFUSAL) && text.contains(uri(REFUSING).as_str()),
        "{text}"
    );
}
