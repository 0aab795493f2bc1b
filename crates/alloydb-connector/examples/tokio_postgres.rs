//! One session with tokio-postgres: a prepared query, a pipeline, and a cancelled query.
#![expect(clippy::print_stdout, reason = "it is what an example is for")]

pub mod settings;

use alloydb_connector::drivers::iam_role;
use settings::{Failure, Settings};
use tokio_postgres::Config;
use tokio_postgres::error::SqlState;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    println!("{}", run(&Settings::from_environment()?).await?);
    Ok(())
}

/// Tells who we are, and what 1 to 3 add up to.
pub async fn run(settings: &Settings) -> Result<String, Failure> {
    let dialer = settings.dialer().await?;
    let (instance, options) = (&settings.instance, &settings.options);
    let mut config = Config::new();
    config.dbname(&settings.database);
    match &settings.password {
        Some(password) => config.user(&settings.user).password(password),
        None => config.user(iam_role(&settings.user)),
    };
    let (client, connection) = dialer.connect(instance, options, &config).await?;

    let user: String = client
        .query_one("SELECT current_user::text", &[])
        .await?
        .get(0);
    // Both are sent before the first answer comes.
    let sum = client.prepare("SELECT $1::int + $2::int").await?;
    let (three, six) = tokio::try_join!(
        client.query_one(&sum, &[&1, &2]),
        client.query_one(&sum, &[&3, &3]),
    )?;

    let token = client.cancel_token();
    let (sleep, cancel) = tokio::join!(
        client.batch_execute("SELECT pg_sleep(60)"),
        dialer.cancel(instance, options, &token),
    );
    cancel?;
    let cancelled = sleep.is_err_and(|error| error.code() == Some(&SqlState::QUERY_CANCELED));

    drop(client);
    connection.await??;
    let (three, six): (i32, i32) = (three.get(0), six.get(0));
    Ok(format!("{user}: {three}, {six}; cancelled: {cancelled}"))
}
