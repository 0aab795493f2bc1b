//! sqlx: pools and connections through a [bridge](crate::bridge), since sqlx opens its sockets
//! itself. Unix only: sqlx knows no Unix sockets on Windows.
//!
//! ```no_run
//! use alloydb_connector::bridge::Bridge;
//! use alloydb_connector::{Dialer, IamLogin};
//! use sqlx::postgres::PgPoolOptions;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let dialer = Dialer::builder().iam_login(IamLogin::On).build().await?;
//! let instance = "projects/p/locations/europe-west1/clusters/c/instances/i".parse()?;
//! let bridge = Bridge::builder(&dialer, &instance).start().await?;
//!
//! let options = bridge.pg_connect_options().username("app@p.iam").database("app");
//! let pool = PgPoolOptions::new().max_connections(16).connect_with(options).await?;
//! let (two,): (i32,) = sqlx::query_as("SELECT 1 + 1").fetch_one(&pool).await?;
//! assert_eq!(two, 2);
//!
//! // The pool opens connections until the end, so the bridge must outlive it.
//! pool.close().await;
//! bridge.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! What the bridge couldn't do arrives as `sqlx::Error::Database` with a SQLSTATE
//! ([table](crate::bridge#what-the-client-sees)), the chain of causes as its message and the hint in
//! `PgDatabaseError::hint`. sqlx's pool passes it on at once.

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::bridge::Bridge;

/// With the feature `sqlx`; [see its module](self).
impl Bridge {
    /// sqlx's options for connections through this bridge, to which the user, the database and the
    /// like are to be added.
    ///
    /// As sqlx always does, `PGUSER`, `PGPASSWORD`, `PGDATABASE`, `PGAPPNAME` and `PGOPTIONS` are
    /// taken from the environment; `PGHOST`, `PGPORT`, `PGSSLMODE` and the password file are not.
    pub fn pg_connect_options(&self) -> PgConnectOptions {
        // Password files are by host, and have nothing to say of a directory with a random name.
        self.point(PgConnectOptions::new_without_pgpass())
    }

    /// Points options that have been made elsewhere, from a URL for instance, at this bridge: host,
    /// port and TLS mode are replaced.
    pub fn point(&self, options: PgConnectOptions) -> PgConnectOptions {
        options
            .socket(self.directory())
            .port(self.port())
            .ssl_mode(PgSslMode::Disable)
    }
}
