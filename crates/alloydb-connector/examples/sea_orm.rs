//! A connection of sea-orm, through the private Unix socket of a bridge.
#![expect(clippy::print_stdout, reason = "it is what an example is for")]

pub mod settings;

use alloydb_connector::bridge::Bridge;
use alloydb_connector::drivers::iam_role;
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use settings::{Failure, Settings};
use url::Url;

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
    // The host is not used. The URL type escapes what a name may have in it, such as `@`.
    let mut url = Url::parse("postgres://alloydb")?;
    url.set_path(&settings.database);
    let set = match &settings.password {
        Some(password) => url
            .set_username(&settings.user)
            .and_then(|()| url.set_password(Some(password))),
        None => url.set_username(&iam_role(&settings.user)),
    };
    set.map_err(|()| "a name that can't be in a URL")?;
    let mut options = bridge.sea_orm_options(url);
    options.max_connections(4);
    let database = Database::connect(options).await?;

    let query = Statement::from_string(DbBackend::Postgres, "SELECT current_user::text");
    let row = database.query_one_raw(query).await?.ok_or("no row")?;
    let user: String = row.try_get_by_index(0)?;
    // Connections are opened until the end, so the bridge must outlive them.
    database.close().await?;
    bridge.close().await;
    Ok(user)
}
