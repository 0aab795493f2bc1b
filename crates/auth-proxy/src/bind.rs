//! Opens the sockets that clients connect to.

use std::fs::{self, Permissions};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use querycop_serve::{BindError, Endpoint, Listener};
use thiserror::Error;

use crate::Bind;

/// The socket's name in an instance's directory; libpq makes it of the port, which is always this
/// one.
const SOCKET: &str = ".s.PGSQL.5432";

/// The longest path that a socket's address has room for (unix(7)).
const MAX_PATH: usize = 107;

/// A socket can't be opened.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("{port} is no port: ports are 0 to 65535")]
    Port { port: i64 },
    #[error("the directory {} must exist", parent.display())]
    Parent { parent: PathBuf },
    #[error("the directory {} can't be made", directory.display())]
    Directory {
        directory: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the path {} has {length} bytes, a socket's may have {MAX_PATH}: use a shorter directory", path.display())]
    Long { path: PathBuf, length: usize },
}

/// Opens it. What a dead process left of a Unix socket is replaced; a live one is never.
pub(crate) fn open(bind: &Bind) -> Result<Listener, OpenError> {
    match bind {
        Bind::Tcp { address, port } => open_tcp(*address, *port),
        Bind::Unix { parent, directory } => open_unix(parent, directory),
    }
}

fn open_tcp(address: IpAddr, port: i64) -> Result<Listener, OpenError> {
    let port = u16::try_from(port).map_err(|_| OpenError::Port { port })?;
    let exact = SocketAddr::new(address, port);
    if address == IpAddr::from([0; 4]) {
        // As the original: every address of both families, where the system has both.
        let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        if let Ok(listener) = Listener::bind(&Endpoint::Tcp(both)) {
            return Ok(listener);
        }
    }
    Ok(Listener::bind(&Endpoint::Tcp(exact))?)
}

fn open_unix(parent: &Path, directory: &Path) -> Result<Listener, OpenError> {
    if !parent.is_dir() {
        return Err(OpenError::Parent {
            parent: parent.to_owned(),
        });
    }
    let path = directory.join(SOCKET);
    let length = path.as_os_str().len();
    if length > MAX_PATH {
        return Err(OpenError::Long { path, length });
    }
    match fs::create_dir(directory) {
        Err(cause) if !directory.is_dir() => {
            return Err(OpenError::Directory {
                directory: directory.to_owned(),
                cause,
            });
        }
        _ => {}
    }
    let listener = Listener::bind(&Endpoint::Unix(path.clone()))?;
    // Who may connect is for the directory to say. A file system without modes is no obstacle.
    let _ = fs::set_permissions(&path, Permissions::from_mode(0o777));
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_for_everybody_and_its_directory_is_made() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("p.l.c.i");
        let bind = Bind::Unix {
            parent: parent.path().to_owned(),
            directory: directory.clone(),
        };
        let listener = open(&bind).unwrap();
        let socket = directory.join(SOCKET);
        let mode = fs::metadata(&socket).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o777);
        assert!(open(&bind).is_err(), "it is live");
        drop(listener);
        assert!(!socket.exists() && directory.exists());
        // As a process that was killed leaves it.
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        open(&bind).unwrap();
    }

    #[tokio::test]
    async fn what_can_not_be_opened_says_why() {
        let parent = tempfile::tempdir().unwrap();
        let missing = parent.path().join("missing");
        let error = open(&Bind::Unix {
            directory: missing.join("x"),
            parent: missing,
        });
        assert!(matches!(error, Err(OpenError::Parent { .. })));
        let error = open(&Bind::Unix {
            directory: parent.path().join("x".repeat(100)),
            parent: parent.path().to_owned(),
        });
        assert!(matches!(error, Err(OpenError::Long { .. })));
        let error = open(&Bind::Tcp {
            address: IpAddr::from([127, 0, 0, 1]),
            port: 70_000,
        });
        assert_eq!(
            error.unwrap_err().to_string(),
            "70000 is no port: ports are 0 to 65535"
        );
    }
}
