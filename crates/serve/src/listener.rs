//! The socket that clients connect to.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Type};
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};

use crate::{PeerAddr, Socket};

/// Connections that may wait in the kernel for `accept`; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Pause after an `accept` that failed for want of descriptors or memory, doubled up to
/// [`ACCEPT_PAUSE_MAX`]: the connection stays in the backlog meanwhile.
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(5);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP address; port 0 lets the system choose one.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// An endpoint could not be opened.
#[derive(Debug, Error)]
#[error("listening on {endpoint}")]
pub struct BindError {
    endpoint: Endpoint,
    #[source]
    cause: io::Error,
}

/// A socket that accepts connections. Dropping it removes the file of a Unix socket, if that is still
/// its own.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    endpoint: Endpoint,
    /// Of a Unix socket.
    file: Option<FileIdentity>,
    pause: Duration,
}

/// Device and inode.
type FileIdentity = (u64, u64);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Opens the endpoint.
    ///
    /// The file of a Unix socket whose process is gone is replaced; one that still answers is not.
    pub fn bind(endpoint: &Endpoint) -> Result<Self, BindError> {
        let bound = match endpoint {
            Endpoint::Tcp(addr) => bind_tcp(*addr).and_then(|listener| {
                Ok((Endpoint::Tcp(listener.local_addr()?), Kind::Tcp(listener)))
            }),
            Endpoint::Unix(path) => {
                bind_unix(path).map(|listener| (endpoint.clone(), Kind::Unix(listener)))
            }
        };
        let (endpoint, kind) = bound.map_err(|cause| BindError {
            endpoint: endpoint.clone(),
            cause,
        })?;
        let file = match &endpoint {
            Endpoint::Tcp(_) => None,
            Endpoint::Unix(path) => identity(path),
        };
        Ok(Self {
            kind,
            endpoint,
            file,
            pause: ACCEPT_PAUSE_MIN,
        })
    }

    /// The endpoint as bound: a port 0 has become the real one.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Waits for the next connection. Cancel safe.
    ///
    /// Never fails: a connection that broke while it waited is skipped, and when descriptors or
    /// memory run out the call waits and tries again, with one warning each time.
    pub async fn accept(&mut self) -> (Socket, PeerAddr) {
        loop {
            match self.accept_once().await {
                Ok(accepted) => {
                    self.pause = ACCEPT_PAUSE_MIN;
                    return accepted;
                }
                Err(error) if concerns_one_connection(&error) => {
                    tracing::debug!(%error, "connection lost before it was accepted");
                }
                Err(error) => {
                    tracing::warn!(%error, pause = ?self.pause, "accept failed, will try again");
                    tokio::time::sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(ACCEPT_PAUSE_MAX);
                }
            }
        }
    }

    async fn accept_once(&self) -> io::Result<(Socket, PeerAddr)> {
        match &self.kind {
            Kind::Tcp(listener) => {
                let (stream, addr) = listener.accept().await?;
                Ok((Socket::accepted_tcp(stream)?, PeerAddr::Tcp(addr)))
            }
            Kind::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), PeerAddr::Unix))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Endpoint::Unix(path) = &self.endpoint
            // Somebody may have removed it, and another process put its own there.
            && self.file.is_some()
            && identity(path) == self.file
        {
            // Already gone is as good as removed.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

fn identity(path: &Path) -> Option<FileIdentity> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    Some((meta.dev(), meta.ino()))
}

fn bind_tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket =
        socket2::Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the connections of its predecessor to time out.
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(addr))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        outcome => outcome,
    }
}

/// Whether `path` is a Unix socket that nobody listens on any more.
fn is_stale(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;

    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    is_socket && is_refused(path).unwrap_or(false)
}

/// Whether a connection to the socket is refused. It isn't waited for: where it would have to wait
/// somebody listens who has many clients, or stands still.
fn is_refused(path: &Path) -> io::Result<bool> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let connected = socket.connect(&SockAddr::unix(path)?);
    Ok(connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}

/// Whether the failure is the connection's own, so that the next one is not affected (accept(2)).
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::InvalidInput
            | Kind::Interrupted
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::NotConnected
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_file_of_a_dead_process_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".s.PGSQL.5432");
        // The standard library's listener leaves its file behind, as a killed process does.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        Listener::bind(&Endpoint::Unix(path)).unwrap();
    }

    #[tokio::test]
    async fn a_live_socket_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::Unix(dir.path().join(".s.PGSQL.5432"));
        let _live = Listener::bind(&endpoint).unwrap();
        let error = Listener::bind(&endpoint).unwrap_err();
        assert_eq!(error.cause.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn a_live_socket_whose_clients_have_to_wait_is_left_alone_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".s.PGSQL.5432");
        let address = SockAddr::unix(&path).unwrap();
        let live = socket2::Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        live.bind(&address).unwrap();
        live.listen(0).unwrap();
        let mut waiting = Vec::new();
        loop {
            let client = socket2::Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            if client.connect(&address).is_err() {
                break;
            }
            waiting.push(client);
        }
        let error = Listener::bind(&Endpoint::Unix(path)).unwrap_err();
        assert_eq!(error.cause.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn a_socket_file_of_another_process_outlives_the_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".s.PGSQL.5432");
        let first = Listener::bind(&Endpoint::Unix(path.clone())).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = Listener::bind(&Endpoint::Unix(path.clone())).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("precious");
        std::fs::write(&path, "text").unwrap();
        Listener::bind(&Endpoint::Unix(path.clone())).unwrap_err();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "text");
    }

    #[tokio::test]
    async fn the_socket_file_goes_with_the_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".s.PGSQL.5432");
        drop(Listener::bind(&Endpoint::Unix(path.clone())).unwrap());
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn port_zero_becomes_a_real_port() {
        let listener = Listener::bind(&Endpoint::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
        let Endpoint::Tcp(addr) = listener.endpoint() else {
            panic!("not TCP")
        };
        assert_ne!(addr.port(), 0);
    }
}
