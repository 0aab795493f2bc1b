//! The PostgreSQL behind the emulator: where it is and how to open a session in it.

mod admin;
mod login;

use std::path::PathBuf;
use std::time::Duration;

use querycop_serve::Socket;
use querycop_wire::startup::CancelRequest;
use secrecy::SecretString;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use url::Url;

pub use admin::AdminError;
pub(crate) use login::{LoggedIn, LoginError, Stream};

/// Time to reach the backend and to log in.
pub(crate) const LOGIN_DEADLINE: Duration = Duration::from_secs(15);

/// A URL that names no backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendUrlError {
    /// It can't be read.
    #[error("backend is no URL: {0}")]
    Url(url::ParseError),
    /// It begins with something else than `postgres://` or `postgresql://`.
    #[error("backend begins with {0}:, not with postgres:")]
    Scheme(String),
    /// It names no host.
    #[error("backend names no host; a Unix socket's directory is written as %2Fvar%2Frun%2F…")]
    Host,
    /// It is not UTF-8 after its escapes were read.
    #[error("backend has an escape that is not UTF-8")]
    Escape,
}

/// Where PostgreSQL is, and who administers it.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    place: Place,
    pub(crate) user: String,
    pub(crate) password: SecretString,
    pub(crate) database: String,
}

#[derive(Clone, Debug)]
enum Place {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl Backend {
    /// Reads `postgres://user:password@host:port/database`; the host may be the escaped directory
    /// of a Unix socket.
    pub(crate) fn from_url(text: &str) -> Result<Self, BackendUrlError> {
        let url = Url::parse(text).map_err(BackendUrlError::Url)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(BackendUrlError::Scheme(url.scheme().to_owned()));
        }
        let unescape = |text: &str| crate::api::unescape(text).ok_or(BackendUrlError::Escape);
        let mut host = unescape(url.host_str().unwrap_or_default())?;
        if let Some((_, value)) = url.query_pairs().find(|(name, _)| name == "host") {
            host = value.into_owned();
        }
        let port = url.port().unwrap_or(crate::description::DIRECT_PORT);
        let place = if host.starts_with('/') {
            Place::Unix(PathBuf::from(host).join(format!(".s.PGSQL.{port}")))
        } else if host.is_empty() {
            return Err(BackendUrlError::Host);
        } else {
            let host = host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned();
            Place::Tcp { host, port }
        };
        let named = |text: String, default: &str| {
            if text.is_empty() {
                default.to_owned()
            } else {
                text
            }
        };
        let user = named(unescape(url.username())?, "postgres");
        let database = named(unescape(url.path().trim_start_matches('/'))?, &user);
        Ok(Self {
            place,
            password: unescape(url.password().unwrap_or_default())?.into(),
            user,
            database,
        })
    }

    /// Opens a connection. Cancel safe.
    pub(crate) async fn connect(&self) -> std::io::Result<Socket> {
        let connect = async {
            match &self.place {
                Place::Unix(path) => Socket::connect_unix(path).await,
                Place::Tcp { host, port } => {
                    let mut last = std::io::ErrorKind::NotFound.into();
                    for addr in tokio::net::lookup_host((host.as_str(), *port)).await? {
                        match Socket::connect_tcp(addr).await {
                            Ok(socket) => return Ok(socket),
                            Err(error) => last = error,
                        }
                    }
                    Err(last)
                }
            }
        };
        match timeout(LOGIN_DEADLINE, connect).await {
            Ok(connected) => connected,
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        }
    }

    /// Passes a request to cancel on, and waits until the backend has taken it.
    pub(crate) async fn cancel(&self, request: &CancelRequest) -> std::io::Result<()> {
        let mut socket = self.connect().await?;
        socket.write_all(request.as_bytes()).await?;
        // PostgreSQL closes when it has done it; a client takes our close for that.
        let mut rest = Vec::new();
        let closed = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut rest);
        let _ = timeout(LOGIN_DEADLINE, closed).await;
        Ok(())
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Tcp { host, port } => write!(f, "{host}:{port}"),
            Place::Unix(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_host_or_a_directory() {
        let tcp = Backend::from_url("postgres://al%40ice:se%3Acret@db:7/shop").unwrap();
        assert_eq!(tcp.to_string(), "db:7");
        assert_eq!(
            (tcp.user.as_str(), tcp.database.as_str()),
            ("al@ice", "shop")
        );
        assert!(!format!("{tcp:?}").contains("se:cret"));
        let unix = Backend::from_url("postgres://postgres@%2Frun%2Fpg").unwrap();
        assert_eq!(unix.to_string(), "/run/pg/.s.PGSQL.5432");
        let unix = Backend::from_url("postgres:///shop?host=/run/pg").unwrap();
        assert_eq!(unix.to_string(), "/run/pg/.s.PGSQL.5432");
        for wrong in ["", "db:5432", "mysql://db", "postgres:///shop"] {
            assert!(Backend::from_url(wrong).is_err(), "{wrong}");
        }
    }
}
