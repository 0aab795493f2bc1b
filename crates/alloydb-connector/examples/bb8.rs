//! A pool of bb8.
#![expect(clippy::print_stdout, reason = "it is what an example is for")]

pub mod settings;

use alloydb_connector::drivers::bb8::{LogErrors, Sessions};
use alloydb_connector::drivers::{AlloyDbConnect, iam_role};
use bb8::Pool;
use settings::{Failure, Settings};
use tokio_postgres::Config;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    println!("{}", run(&Settings::from_environment()?).await?);
    Ok(())
}

/// Tells who we are.
pub async fn run(settings: &Settings) -> Result<String, Failure> {
    let dialer = settings.dialer().await?;
    let connect = AlloyDbConnect::new(&dialer, &settings.instance);
    let connect = connect.dial_options(settings.options.clone());
    let mut config = Config::new();
    config.dbname(&settings.database);
    match &settings.password {
        Some(password) => config.user(&settings.user).password(password),
        None => config.user(iam_role(&settings.user)),
    };
    // With a session to begin with, a mistake is told here and now.
    let pool = Pool::builder()
        .max_size(4)
        .min_idle(1)
        .retry_connection(false)
        .error_sink(Box::new(LogErrors))
        .build(Sessions::new(connect, config))
        .await?;

    let client = pool.get().await?;
    let row = client.query_one("SELECT current_user::text", &[]).await?;
    Ok(row.get(0))
}
