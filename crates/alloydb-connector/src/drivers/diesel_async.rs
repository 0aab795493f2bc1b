//! diesel-async: connections and pools of `AsyncPgConnection` over dialled streams.
//!
//! ```no_run
//! use alloydb_connector::Dialer;
//! use alloydb_connector::drivers::{AlloyDbConnect, diesel_async::pool_config};
//! use diesel_async::AsyncPgConnection;
//! use diesel_async::pooled_connection::AsyncDieselConnectionManager;
//! use diesel_async::pooled_connection::deadpool::Pool;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let dialer = Dialer::builder().build().await?;
//! let instance = "projects/p/locations/europe-west1/clusters/c/instances/i".parse()?;
//! let connect = AlloyDbConnect::new(&dialer, &instance);
//!
//! // The URL says who logs in to which database; its host, if it has one, is not used.
//! let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(
//!     "postgres://app:secret@/app",
//!     pool_config(connect),
//! );
//! let pool = Pool::builder(manager).max_size(16).build()?;
//! let mut connection = pool.get().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What can't be had this way
//!
//! diesel-async takes a stream of a foreign type only as a finished client, without its connection.
//! So `notifications_stream` stays empty, and what broke a connection is in the log (level `warn`)
//! while diesel says *connection closed*. Who needs them, or diesel's synchronous `PgConnection`, goes
//! through a [bridge](crate::bridge) with an ordinary URL:
//! `postgres://app@%2Ftmp%2Falloydb-x1y2z3/app`.
//!
//! Errors are texts there: `ConnectionError::BadConnection` with the whole chain of causes.

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::{ManagerConfig, SetupCallback};
use tokio_postgres::Config;

use crate::drivers::{AlloyDbConnect, one_line};

/// Opens one connection; which settings of `config` count
/// [is told here](crate::drivers::tokio_postgres).
///
/// # Errors
///
/// `BadConnection` with the text of a [`ConnectError`](crate::drivers::ConnectError) and its causes.
pub async fn establish(
    connect: &AlloyDbConnect,
    config: &Config,
) -> ConnectionResult<AsyncPgConnection> {
    let connected = connect.connect(config).await;
    let (client, _) =
        connected.map_err(|error| ConnectionError::BadConnection(one_line(&error)))?;
    AsyncPgConnection::try_from(client).await
}

/// The closure that a pool of diesel-async makes its connections with: it reads the pool's URL, and
/// dials in place of connecting to the host in it.
///
/// # Errors
///
/// The closure's are those of [`establish`], and `InvalidConnectionUrl`.
pub fn setup_callback(connect: AlloyDbConnect) -> SetupCallback<AsyncPgConnection> {
    Box::new(move |url| {
        let connect = connect.clone();
        let config = url.parse::<Config>();
        Box::pin(async move {
            let config =
                config.map_err(|error| ConnectionError::InvalidConnectionUrl(one_line(&error)))?;
            establish(&connect, &config).await
        })
    })
}

/// A pool's configuration with [`setup_callback`] and diesel's defaults otherwise.
pub fn pool_config(connect: AlloyDbConnect) -> ManagerConfig<AsyncPgConnection> {
    let mut config = ManagerConfig::default();
    config.custom_setup = setup_callback(connect);
    config
}
