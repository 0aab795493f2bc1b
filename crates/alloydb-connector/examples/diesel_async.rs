//! A pool of diesel-async.
#![expect(clippy::print_stdout, reason = "it is what an example is for")]

pub mod settings;

use alloydb_connector::drivers::diesel_async::pool_config;
use alloydb_connector::drivers::{AlloyDbConnect, iam_role};
use diesel::sql_types::Text;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use settings::{Failure, Settings};

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
    // Any text that tokio-postgres reads: a URL, or keywords as here.
    let login = match &settings.password {
        Some(password) => format!("user='{}' password='{password}'", settings.user),
        None => format!("user='{}'", iam_role(&settings.user)),
    };
    let url = format!("{login} dbname='{}'", settings.database);
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(
        url,
        pool_config(connect),
    );
    let pool = Pool::builder(manager).max_size(4).build()?;

    let mut user = String::new();
    for _ in 0..2 {
        let mut connection = pool.get().await?;
        let query = diesel::select(diesel::dsl::sql::<Text>("current_user::text"));
        user = query.get_result(&mut connection).await?;
    }
    Ok(format!("{user}: {} session", pool.status().size))
}
