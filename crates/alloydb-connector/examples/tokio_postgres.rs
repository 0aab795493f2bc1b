//! One session with tokio-postgres: a prepared query, a pipeline, and a cancelled query.
#![expect(clippy::print_stdout, reason = "it is what an example is for")]

pub mod settings;

use std::pin::pin;
use std::time::Duration;

use alloydb_connector::Dialer;
use alloydb_connector::drivers::iam_role;
use settings::{Failure, Settings};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};

/// How long a query may take.
const PATIENCE: Duration = Duration::from_millis(500);

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

    let cancelled = gives_up(settings, &dialer, &client).await?;

    drop(client);
    connection.await??;
    let (three, six): (i32, i32) = (three.get(0), six.get(0));
    Ok(format!("{user}: {three}, {six}; cancelled: {cancelled}"))
}

/// Runs a query that takes too long; whether the server has cancelled it.
async fn gives_up(settings: &Settings, dialer: &Dialer, client: &Client) -> Result<bool, Failure> {
    let mut slow = pin!(client.batch_execute("SELECT pg_sleep(60)"));
    let ended = if let Ok(ended) = timeout(PATIENCE, &mut slow).await {
        ended
    } else {
        let token = client.cancel_token();
        dialer
            .cancel(&settings.instance, &settings.options, &token)
            .await?;
        slow.await
    };
    Ok(ended.is_err_and(|error| error.code() == Some(&SqlState::QUERY_CANCELED)))
}
