//! The directory in which a bridge's socket lies, and which nobody else may enter.

use std::fs::Permissions;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::net::UnixListener;

use super::BridgeError;

/// The longest path of a Unix socket, in bytes: `sun_path` holds a terminator too.
///
/// <https://man7.org/linux/man-pages/man7/unix.7.html>; the BSDs and macOS have four bytes less.
const MAX_PATH_LEN: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// A private directory; dropping it removes it with the socket in it.
#[derive(Debug)]
pub(super) struct SocketDirectory {
    directory: TempDir,
    port: u16,
}

impl SocketDirectory {
    /// Makes a directory with mode 0700 and an unguessable name in `parent`, and listens in it.
    pub(super) fn listen(parent: &Path, port: u16) -> Result<(Self, UnixListener), BridgeError> {
        let refused = |cause| BridgeError::Directory {
            parent: parent.to_owned(),
            cause,
        };
        // The mode is that of creation, so there is no moment in which others may enter.
        let directory = tempfile::Builder::new()
            .prefix("alloydb-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(refused)?;
        let directory = Self { directory, port };
        let socket = directory.socket();
        let length = socket.as_os_str().as_bytes().len();
        if length > MAX_PATH_LEN {
            return Err(BridgeError::PathTooLong {
                socket,
                length,
                longest: MAX_PATH_LEN,
            });
        }
        let listener = bind(&socket).map_err(|cause| BridgeError::Listen { socket, cause })?;
        Ok((directory, listener))
    }

    /// What libpq calls the host.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The number in the socket's name.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The socket, under the name that libpq and its relatives look for.
    ///
    /// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-HOST>
    pub(super) fn socket(&self) -> PathBuf {
        self.path().join(format!(".s.PGSQL.{}", self.port))
    }
}

fn bind(socket: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(socket)?;
    // The directory guards it already; this holds if somebody opens the directory later.
    std::fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}
