//! deadpool-postgres: a pool of dialled connections, with its statement cache and its recycling.
//!
//! ```no_run
//! use alloydb_connector::Dialer;
//! use alloydb_connector::drivers::{AlloyDbConnect, ConnectError};
//! use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let dialer = Dialer::builder().build().await?;
//! let instance = "projects/p/locations/europe-west1/clusters/c/instances/i".parse()?;
//! let connect = AlloyDbConnect::new(&dialer, &instance);
//! let mut config = tokio_postgres::Config::new();
//! config.user("app").password("secret").dbname("app");
//!
//! let manager = Manager::from_connect(config, connect.clone(), ManagerConfig::default());
//! let pool = Pool::builder(manager).max_size(16).build()?;
//! let client = match pool.get().await {
//!     Ok(client) => client,
//!     // The pool's error type is the driver's; the connector's own is in it.
//!     Err(PoolError::Backend(error)) if ConnectError::of(&error).is_some() => {
//!         eprintln!("AlloyDB: {}", ConnectError::of(&error).expect("just seen"));
//!         return Err(error.into());
//!     }
//!     Err(error) => return Err(error.into()),
//! };
//! let statement = client.prepare_cached("SELECT $1::int + 1").await?;
//! let two: i32 = client.query_one(&statement, &[&1]).await?.get(0);
//! assert_eq!(two, 2);
//!
//! // Cancels from elsewhere what this client does.
//! connect.cancel(&client.cancel_token()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! The pool returns `PoolError::Backend(tokio_postgres::Error)`. Where the server refused the
//! session it is the driver's own error, with its SQLSTATE. Everything before that arrives as the
//! cause of an error of the driver, *error communicating with the server*; [`ConnectError::of`] gets
//! it out, and a printed chain of causes has it.
//!
//! # Lifetime of connections
//!
//! An IAM token or certificate that expires ends no session, so pooled connections need no maximum
//! age. A dropped or removed client is closed without a farewell, as deadpool-postgres always does:
//! PostgreSQL logs an unexpected end of the connection.

use deadpool_postgres::Connect;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Error};

use crate::BoxFuture;
use crate::drivers::{AlloyDbConnect, ConnectError};

impl Connect for AlloyDbConnect {
    fn connect(&self, config: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        let config = config.clone();
        Box::pin(async move {
            match Self::connect(self, &config).await {
                Ok(connected) => Ok(connected),
                Err(error) => Err(ConnectError::into_driver_error(error).await),
            }
        })
    }
}
