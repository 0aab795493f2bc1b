//! sea-orm: on sqlx, and therefore through a [bridge](crate::bridge). Unix only.
//!
//! ```no_run
//! use alloydb_connector::bridge::Bridge;
//! use alloydb_connector::{Dialer, IamLogin};
//! use sea_orm::Database;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let dialer = Dialer::builder().iam_login(IamLogin::On).build().await?;
//! let instance = "projects/p/locations/europe-west1/clusters/c/instances/i".parse()?;
//! let bridge = Bridge::builder(&dialer, &instance).start().await?;
//!
//! // The host is not used, but sea-orm wants a whole URL.
//! let mut options = bridge.sea_orm_options("postgres://app%40p.iam@alloydb/app");
//! options.max_connections(16);
//! let database = Database::connect(options).await?;
//! database.ping().await?;
//!
//! // Connections are opened until the end, so the bridge must outlive them.
//! database.close().await?;
//! bridge.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! A pool of sqlx with options from [`Bridge::pg_connect_options`] will do as well: `DatabaseConnection`
//! is made from it with `SqlxPostgresConnector::from_sqlx_postgres_pool`.
//!
//! # Errors
//!
//! What the bridge couldn't do arrives as `DbErr::Conn` around sqlx's error, with the chain of causes
//! in its text.

use sea_orm::ConnectOptions;
use sqlx::postgres::PgSslMode;

use crate::bridge::Bridge;

/// With the feature `sea-orm`; [see its module](self).
impl Bridge {
    /// sea-orm's options for connections through this bridge.
    ///
    /// `url` says who logs in to which database, and any other setting that sqlx reads from a URL;
    /// its host, port and `sslmode` are replaced. These options have taken the place of
    /// `map_sqlx_postgres_opts`, which must not be called on them again.
    pub fn sea_orm_options(&self, url: impl Into<String>) -> ConnectOptions {
        let directory = self.directory().to_owned();
        let port = self.port();
        let mut options = ConnectOptions::new(url);
        options.map_sqlx_postgres_opts(move |options| {
            options
                .socket(&directory)
                .port(port)
                .ssl_mode(PgSslMode::Disable)
        });
        options
    }
}
