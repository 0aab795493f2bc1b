//! bb8: a pool of dialled connections. (bb8-postgres has no hook for a stream that exists.)
//!
//! ```no_run
//! use alloydb_connector::Dialer;
//! use alloydb_connector::drivers::AlloyDbConnect;
//! use alloydb_connector::drivers::bb8::{LogErrors, Sessions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let dialer = Dialer::builder().build().await?;
//! let instance = "projects/p/locations/europe-west1/clusters/c/instances/i".parse()?;
//! let mut config = tokio_postgres::Config::new();
//! config.user("app").password("secret").dbname("app");
//!
//! let sessions = Sessions::new(AlloyDbConnect::new(&dialer, &instance), config);
//! let pool = bb8::Pool::builder()
//!     .max_size(16)
//!     .error_sink(Box::new(LogErrors))
//!     .build(sessions)
//!     .await?;
//! let client = pool.get().await?;
//! let two: i32 = client.query_one("SELECT 1 + 1", &[]).await?.get(0);
//! assert_eq!(two, 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! bb8 opens connections behind its caller's back: `pool.get()` knows only `RunError::TimedOut`, after
//! the pool's `connection_timeout` (30 s unless it is set), whatever the reason. The reasons go to the
//! pool's `error_sink`, which by default drops them; [`LogErrors`] logs them. The caller gets a
//! [`SessionError`] from `build()` where the pool has a `min_idle`, and from
//! `pool.dedicated_connection()`.

use bb8::{ErrorSink, ManageConnection};
use tokio_postgres::{Client, Config};

use crate::drivers::{AlloyDbConnect, ConnectError, one_line};

/// Makes the sessions of a bb8 pool.
#[derive(Clone, Debug)]
pub struct Sessions {
    connect: AlloyDbConnect,
    config: Config,
}

/// What the pool's connections fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// There is no new session.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A session that was to be reused is dead.
    #[error("pooled session is dead")]
    Dead(#[source] tokio_postgres::Error),
}

/// Logs at level `warn` what a pool has nobody to tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogErrors;

impl Sessions {
    /// Sessions that are opened by `connect`, each with this configuration; which of its settings
    /// count [is told here](crate::drivers::tokio_postgres).
    pub fn new(connect: AlloyDbConnect, config: Config) -> Self {
        Self { connect, config }
    }
}

impl ManageConnection for Sessions {
    type Connection = Client;
    type Error = SessionError;

    async fn connect(&self) -> Result<Client, SessionError> {
        // The task ends by itself when the client is dropped.
        let (client, _) = self.connect.connect(&self.config).await?;
        Ok(client)
    }

    async fn is_valid(&self, client: &mut Client) -> Result<(), SessionError> {
        client.check_connection().await.map_err(SessionError::Dead)
    }

    fn has_broken(&self, client: &mut Client) -> bool {
        client.is_closed()
    }
}

impl ErrorSink<SessionError> for LogErrors {
    fn sink(&self, error: SessionError) {
        tracing::warn!(error = one_line(&error), "pool got no session");
    }

    fn boxed_clone(&self) -> Box<dyn ErrorSink<SessionError>> {
        Box::new(*self)
    }
}
