//! tokio-postgres: a client on a dialled stream, and cancellation through the connector.
//!
//! ```no_run
//! use alloydb_connector::{DialOptions, Dialer};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let dialer = Dialer::builder().build().await?;
//! let instance = "projects/p/locations/europe-west1/clusters/c/instances/i".parse()?;
//! let options = DialOptions::default();
//! let mut config = tokio_postgres::Config::new();
//! config.user("app").password("secret").dbname("app");
//!
//! let (client, connection) = dialer.connect(&instance, &options, &config).await?;
//! let row = client.query_one("SELECT version()", &[]).await?;
//! println!("{}", row.get::<_, &str>(0));
//!
//! drop(client);
//! // Ended in order, or the reason why it broke.
//! connection.await??;
//! # Ok(())
//! # }
//! ```
//!
//! # Which settings of `Config` count
//!
//! | setting | |
//! |---|---|
//! | `user`, `password`, `dbname`, `options`, `application_name` | sent to the server |
//! | `connect_timeout` | bounds everything up to the session's readiness: refresh, dial and login; a minute where it isn't set |
//! | `target_session_attrs` | checked once the session is there; it is one instance, so there is no second one to try |
//! | `tcp_user_timeout`, `keepalives=0` | set on the stream's socket, where the platform has them |
//! | `keepalives_idle` and its like | not used: the dialer's own keep-alive holds |
//! | `host`, `hostaddr`, `port`, `load_balance_hosts` | not used: the instance URI says where to connect |
//! | `sslmode`, `sslnegotiation` | not used: the stream is TLS 1.3 already, and the server offers no second one |
//! | `channel_binding` | `require` is refused by the driver: SCRAM can't bind to a TLS session that it doesn't see |
//!
//! # Notices and notifications
//!
//! [`Dialer::connect`] drives the connection in a task, which logs notices through the `log` crate
//! and drops notifications, as tokio-postgres' `Connection` does as a future. Who wants them takes
//! [`Dialer::connect_raw`] and polls the connection for messages:
//!
//! ```no_run
//! # use alloydb_connector::{DialOptions, Dialer, InstanceUri, drivers::ConnectError};
//! # async fn example(dialer: Dialer, instance: InstanceUri, config: tokio_postgres::Config)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! use std::future::poll_fn;
//! use tokio_postgres::AsyncMessage;
//!
//! let options = DialOptions::default();
//! let (client, mut connection) = dialer.connect_raw(&instance, &options, &config).await?;
//! let listening = tokio::spawn(async move {
//!     while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
//!         match message? {
//!             AsyncMessage::Notification(it) => println!("{}: {}", it.channel(), it.payload()),
//!             AsyncMessage::Notice(notice) => println!("{notice}"),
//!             _ => {}
//!         }
//!     }
//!     Ok::<_, tokio_postgres::Error>(())
//! });
//! client.batch_execute("LISTEN jobs").await?;
//! # listening.await??;
//! # Ok(())
//! # }
//! ```

use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{CancelToken, Client, Config, Connection, Error, NoTls, SimpleQueryMessage};

use crate::drivers::ConnectError;
use crate::{DialOptions, Dialer, InstanceUri, Stream};

/// PostgreSQL's own `authentication_timeout`, for the whole way to a session.
///
/// <https://www.postgresql.org/docs/current/runtime-config-connection.html>
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_mins(1);

/// For the server to close the connection of a cancel request, which is its only answer.
const CANCEL_DEADLINE: Duration = Duration::from_secs(10);

/// What [`Dialer::connect_raw`] drives a client with.
pub type RawConnection = Connection<Stream, NoTlsStream>;

/// With the feature `tokio-postgres`; [see its module](self).
impl Dialer {
    /// Opens a session with `instance`, and spawns the task that drives its connection.
    ///
    /// The task ends when the client is dropped and all its work is done, with `Ok`, or with the
    /// error that broke the connection; a caller who drops the handle doesn't end the task.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Dial`] where the instance isn't reached, [`ConnectError::Login`] where the
    /// server refuses the session, and others of [`ConnectError`]. Cancel safe: a dropped call
    /// leaves nothing behind.
    pub async fn connect(
        &self,
        instance: &InstanceUri,
        options: &DialOptions,
        config: &Config,
    ) -> Result<(Client, JoinHandle<Result<(), Error>>), ConnectError> {
        let (client, connection) = self.connect_raw(instance, options, config).await?;
        Ok((client, tokio::spawn(connection)))
    }

    /// As [`Self::connect`], but the connection is the caller's to drive: as a future, or message by
    /// message where notices and notifications are wanted. The client does nothing until it is
    /// driven.
    pub async fn connect_raw(
        &self,
        instance: &InstanceUri,
        options: &DialOptions,
        config: &Config,
    ) -> Result<(Client, RawConnection), ConnectError> {
        let configured = config.get_connect_timeout().copied();
        let after = configured.unwrap_or(DEFAULT_CONNECT_TIMEOUT);
        let connected = timeout(after, async {
            let stream = self.dial(instance, options).await?;
            if let Some(socket) = stream.tcp() {
                set_socket_options(socket, config);
            }
            login(stream, instance, config).await
        });
        connected.await.map_err(|_| ConnectError::Timeout {
            instance: instance.clone(),
            after,
        })?
    }

    /// Asks the instance to cancel what a client is doing. The driver's own
    /// [`CancelToken::cancel_query`] can't: it knows no way to the instance.
    ///
    /// A cancel request travels over a connection of its own, so this is a whole dial, for which
    /// `options` must lead to the server that the client is connected to. It returns when the
    /// server has closed that connection, by when it has signalled the session; whether anything
    /// was there to be cancelled is not said. The query fails with SQLSTATE `57014`.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Dial`] where the instance isn't reached, and [`ConnectError::Cancel`] where
    /// the request can't be sent or the server doesn't close within ten seconds.
    pub async fn cancel(
        &self,
        instance: &InstanceUri,
        options: &DialOptions,
        token: &CancelToken,
    ) -> Result<(), ConnectError> {
        let mut stream = self.dial(instance, options).await?;
        let cancelled = timeout(CANCEL_DEADLINE, async {
            let sent = token.cancel_query_raw(&mut stream, NoTls).await;
            sent.map_err(io::Error::other)?;
            // To close at once could overtake the request on its way.
            let mut unread = [0; 64];
            while stream.read(&mut unread).await.is_ok_and(|read| read > 0) {}
            Ok(())
        });
        let cancelled = cancelled.await.unwrap_or_else(|late| Err(late.into()));
        cancelled.map_err(|cause| ConnectError::Cancel {
            instance: instance.clone(),
            cause,
        })
    }
}

/// What the driver would have set on a socket of its own. A failure is no reason to do without the
/// session: the connector has set what the session depends on.
fn set_socket_options(socket: &TcpStream, config: &Config) {
    let socket = SockRef::from(socket);
    let mut set = Ok(());
    if !config.get_keepalives() {
        set = socket.set_keepalive(false);
    }
    #[cfg(target_os = "linux")]
    if let Some(timeout) = config.get_tcp_user_timeout() {
        set = set.and(socket.set_tcp_user_timeout(Some(*timeout)));
    }
    if let Err(error) = set {
        tracing::debug!(%error, "socket option not set");
    }
}

async fn login(
    stream: Stream,
    instance: &InstanceUri,
    config: &Config,
) -> Result<(Client, RawConnection), ConnectError> {
    let refused = |cause| ConnectError::Login {
        instance: instance.clone(),
        cause,
    };
    let mut config = config.clone();
    // A connection string for the direct way may demand TLS. It is there, beneath the driver.
    config.ssl_mode(SslMode::Disable);
    let (client, mut connection) = config.connect_raw(stream, NoTls).await.map_err(refused)?;
    let wanted = config.get_target_session_attrs();
    let hot_standby = match wanted {
        TargetSessionAttrs::ReadOnly => true,
        TargetSessionAttrs::ReadWrite => false,
        _ => return Ok((client, connection)),
    };
    let read_only = is_read_only(&client, &mut connection)
        .await
        .map_err(refused)?;
    if read_only != hot_standby {
        return Err(ConnectError::WrongSessionAttrs {
            instance: instance.clone(),
            wanted,
        });
    }
    Ok((client, connection))
}

/// Asks what libpq asks for `target_session_attrs`, while nobody drives the connection yet.
async fn is_read_only(client: &Client, connection: &mut RawConnection) -> Result<bool, Error> {
    let query = client.simple_query("SHOW transaction_read_only");
    let messages = tokio::select! {
        biased;
        messages = query => messages?,
        ended = &mut *connection => {
            ended?;
            // The client knows that its connection is gone, and says so.
            client.check_connection().await?;
            Vec::new()
        }
    };
    Ok(messages
        .iter()
        .any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("on"))))
}
