//! A pool of sqlx, through the private Unix socket of a bridge.
#![expect(clippy::print_stdout, reason = "it is what an example is for")]

pub mod settings;

use alloydb_connector::bridge::Bridge;
use alloydb_connector::drivers::iam_role;
use settings::{Failure, Settings};
use sqlx::postgres::PgPoolOptions;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    println!("{}", run(&Settings::from_environment()?).await?);
    Ok(())
}

/// Tells who we are.
pub async fn run(settings: &Settings) -> Result<String, Failure> {
    let dialer = settings.dialer().await?;
    let bridge = Bridge::builder(&dialer, &settings.instance)
        .dial_options(settings.options.clone())
        .start()
        .await?;
    let options = bridge.pg_connect_options().database(&settings.database);
    let options = match &settings.password {
        Some(password) => options.username(&settings.user).password(password),
        None => options.username(&iam_role(&settings.user)),
    };
    let pool = PgPoolOptions::new()
        .max_connections(4)
        .connect_with(options)
        .await?;

    let user: String = sqlx::query_scalar("SELECT current_user::text")
        .fetch_one(&pool)
        .await?;
    // The pool opens connections until it is closed, so the bridge must outlive it.
    pool.close().await;
    bridge.close().await;
    Ok(user)
}
