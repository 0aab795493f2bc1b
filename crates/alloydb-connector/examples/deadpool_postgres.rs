//! A pool of deadpool-postgres, with its cache of prepared statements.
#![expect(clippy::print_stdout, reason = "it is what an example is for")]

pub mod settings;

use alloydb_connector::drivers::{AlloyDbConnect, iam_role};
use deadpool_postgres::{Manager, ManagerConfig, Pool};
use settings::{Failure, Settings};
use tokio_postgres::Config;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    println!("{}", run(&Settings::from_environment()?).await?);
    Ok(())
}

/// Tells who we are, and how many sessions two queries took.
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
    let manager = Manager::from_connect(config, connect, ManagerConfig::default());
    let pool = Pool::builder(manager).max_size(4).build()?;

    let mut user = String::new();
    for _ in 0..2 {
        let client = pool.get().await?;
        let query = client.prepare_cached("SELECT current_user::text").await?;
        user = client.query_one(&query, &[]).await?.get(0);
    }
    Ok(format!("{user}: {} session", pool.status().size))
}
