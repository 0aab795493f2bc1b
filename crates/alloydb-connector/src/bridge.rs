//! A private Unix socket in front of an instance, for drivers that open their sockets themselves.
//!
//! sqlx, sea-orm, the synchronous `postgres` crate, everything on libpq (diesel, psql, …) and
//! drivers of other languages can't be handed a stream, but all of them can connect to a Unix
//! socket. A [`Bridge`] listens on one, and each connection that it accepts becomes one
//! [dial](Dialer::dial), through which bytes then flow both ways as they came.
//!
//! ```no_run
//! use alloydb_connector::bridge::Bridge;
//! use alloydb_connector::{Dialer, IamLogin};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let dialer = Dialer::builder().iam_login(IamLogin::On).build().await?;
//! let instance = "projects/p/locations/europe-west1/clusters/c/instances/i".parse()?;
//! let bridge = Bridge::builder(&dialer, &instance).start().await?;
//! // For psql, or for any other driver on libpq.
//! println!("psql '{} user=alice@example.com dbname=app'", bridge.conninfo());
//! # Ok(())
//! # }
//! ```
//!
//! # Who may connect
//!
//! With [automatic IAM login](crate::IamLogin) whoever reaches the socket is logged in without a
//! password, so the socket is as good as a credential. It lies in a directory of its own with mode
//! 0700 and an unguessable name, has mode 0600 itself, and the bridge asks the kernel for each
//! client's user and refuses all but its own (`28000`), the superuser included. It never listens on
//! TCP.
//!
//! # What the client sees
//!
//! The server's own bytes: its greeting, its errors, its answer `N` to a request for TLS (the way to
//! the instance is encrypted already; use `sslmode=disable`, or a driver's default). A client's end
//! of its sending direction is passed on, and so is the server's. A cancel request is a connection
//! of its own and passes through like any other.
//!
//! Where there is no server to speak, the bridge speaks PostgreSQL's protocol itself, after it has
//! read the client's start-up packet: `FATAL`, with the whole chain of causes as the message and
//! what can be done as the hint.
//!
//! | SQLSTATE | when |
//! |---|---|
//! | `08001` | the instance was not reached: configuration, refresh, or dial |
//! | `28000` | IAM or the metadata exchange refused; or the client is another user of this machine |
//! | `53300` | [too many](BridgeBuilder::max_half_open) connections are being opened |
//! | `08P01` | what the client sent is not PostgreSQL's protocol |
//!
//! # How it ends
//!
//! Dropping the [`Bridge`] closes the listener and removes the directory; connections that were
//! established live on until one side ends them. [`Bridge::close`] ends those too. When the process
//! is killed, the directory stays behind, and a dead socket in it.

mod directory;
mod opening;
mod refusal;
mod session;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use self::directory::SocketDirectory;
use self::refusal::Refusal;
use self::session::{Instance, Upstream};
use crate::{DialOptions, Dialer, InstanceUri};

/// PostgreSQL's port, so that clients needn't be told one.
const DEFAULT_PORT: u16 = 5432;

/// A pool that fills itself opens some tens; this is far above, and far below a descriptor limit.
const DEFAULT_MAX_HALF_OPEN: usize = 128;

/// Pause after an `accept` that failed for want of descriptors or memory. The connection stays in
/// the backlog meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// A running bridge; [see the module](self) for what dropping it does.
#[derive(Debug)]
pub struct Bridge {
    directory: SocketDirectory,
    /// Ends the live sessions.
    ending: CancellationToken,
    /// Ends the listener when it is dropped.
    listening: DropGuard,
    sessions: TaskTracker,
}

/// Describes a bridge.
#[derive(Clone, Debug)]
#[must_use = "a bridge must be started"]
pub struct BridgeBuilder {
    directory: PathBuf,
    instance: Instance,
    max_half_open: usize,
    port: u16,
}

/// Why there is no bridge.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BridgeError {
    /// The private directory can't be made. Name another place with [`BridgeBuilder::directory`].
    #[error("making the bridge's private directory in {}", parent.display())]
    Directory {
        /// Where it should have been.
        parent: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The socket can't be listened on.
    #[error("listening on {}", socket.display())]
    Listen {
        /// Its path.
        socket: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The path doesn't fit into a socket address. Name a shorter place with
    /// [`BridgeBuilder::directory`].
    #[error(
        "the socket's path {} has {length} bytes, {longest} is the limit; choose a shorter directory",
        socket.display()
    )]
    PathTooLong {
        /// The path.
        socket: PathBuf,
        /// Its length, in bytes.
        length: usize,
        /// The operating system's limit, in bytes.
        longest: usize,
    },
    /// libpq and its relatives refuse port 0.
    #[error("port 0 can't be in the name of a PostgreSQL socket; use 1 to 65535")]
    PortZero,
}

// === impl Bridge ===

impl Bridge {
    /// Describes a bridge to `instance`.
    pub fn builder(dialer: &Dialer, instance: &InstanceUri) -> BridgeBuilder {
        BridgeBuilder {
            directory: std::env::temp_dir(),
            instance: Instance {
                dialer: dialer.clone(),
                options: DialOptions::default(),
                uri: instance.clone(),
            },
            max_half_open: DEFAULT_MAX_HALF_OPEN,
            port: DEFAULT_PORT,
        }
    }

    /// The private directory: what libpq and most drivers take as the host.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The number in the socket's name: what drivers take as the port.
    pub fn port(&self) -> u16 {
        self.directory.port()
    }

    /// The socket itself, for drivers that take its path.
    pub fn socket(&self) -> PathBuf {
        self.directory.socket()
    }

    /// A connection string in libpq's form, `host='…' port=… sslmode=disable`, to which `user`,
    /// `dbname` and the like are to be added.
    pub fn conninfo(&self) -> String {
        let host = self.directory().display().to_string();
        let host = host.replace('\\', r"\\").replace('\'', r"\'");
        format!("host='{host}' port={} sslmode=disable", self.port())
    }

    /// Closes the listener, removes the directory, and ends the established connections; returns
    /// when all of that is done. Cancel safe: what was begun goes on.
    pub async fn close(self) {
        let Self {
            directory,
            ending,
            listening,
            sessions,
        } = self;
        drop(listening);
        drop(directory);
        ending.cancel();
        sessions.wait().await;
    }

    fn start<U: Upstream>(
        (directory, listener): (SocketDirectory, UnixListener),
        max_half_open: usize,
        upstream: U,
        user: u32,
    ) -> Self {
        let stop = CancellationToken::new();
        let ending = CancellationToken::new();
        let sessions = TaskTracker::new();
        let reception = Arc::new(Reception {
            ending: ending.clone(),
            half_open: Arc::new(Semaphore::new(max_half_open)),
            max_half_open,
            refusals: Arc::new(Semaphore::new(max_half_open)),
            sessions: sessions.clone(),
            upstream,
            user,
        });
        let accepting = accept(listener, reception, stop.clone());
        sessions.spawn(accepting);
        // The tracker is done when the accepting task and all that it spawned are.
        sessions.close();
        Self {
            directory,
            ending,
            listening: stop.drop_guard(),
            sessions,
        }
    }
}

// === impl BridgeBuilder ===

impl BridgeBuilder {
    /// Where the private directory is made; the system's temporary directory unless this is called.
    ///
    /// The socket's whole path must fit into 107 bytes (103 on macOS and the BSDs), of which the
    /// bridge itself needs about 32.
    pub fn directory(mut self, parent: impl Into<PathBuf>) -> Self {
        self.directory = parent.into();
        self
    }

    /// How the instance is dialled: the kind of address, the kind of login, ….
    pub fn dial_options(mut self, options: DialOptions) -> Self {
        self.instance.options = options;
        self
    }

    /// How many connections may be on their way at once: accepted, but without a stream to the
    /// instance yet. 128 unless this is called; a client that gives up frees its place. Those beyond
    /// are refused with `53300`, and those beyond twice as many are closed without a word.
    ///
    /// Established connections are not counted: a pool's size and the server's `max_connections`
    /// limit those.
    pub fn max_half_open(mut self, limit: usize) -> Self {
        self.max_half_open = limit.min(Semaphore::MAX_PERMITS);
        self
    }

    /// The number in the socket's name, 5432 unless this is called. No network port has to do with
    /// it, so several bridges may have the same.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts to listen. Nothing is dialled until a client comes; call [`Dialer::prepare`] before
    /// to learn of mistakes early.
    ///
    /// The bridge runs on the tokio runtime that this is called on, which must keep running: a
    /// blocking driver belongs on threads of its own.
    #[expect(
        clippy::unused_async,
        reason = "it must be called on the runtime that the bridge runs on"
    )]
    pub async fn start(self) -> Result<Bridge, BridgeError> {
        if self.port == 0 {
            return Err(BridgeError::PortZero);
        }
        let listening = SocketDirectory::listen(&self.directory, self.port)?;
        let user = rustix::process::geteuid().as_raw();
        Ok(Bridge::start(
            listening,
            self.max_half_open,
            self.instance,
            user,
        ))
    }
}

// === Accepting ===

/// What decides about a client at the door.
struct Reception<U> {
    ending: CancellationToken,
    half_open: Arc<Semaphore>,
    max_half_open: usize,
    refusals: Arc<Semaphore>,
    sessions: TaskTracker,
    upstream: U,
    /// The only user of this machine that is let in.
    user: u32,
}

async fn accept<U: Upstream>(
    listener: UnixListener,
    reception: Arc<Reception<U>>,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((client, _)) => reception.receive(client),
            Err(error) => {
                tracing::warn!(%error, "bridge can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl<U: Upstream> Reception<U> {
    fn receive(self: &Arc<Self>, client: UnixStream) {
        match self.admit(&client) {
            Ok(permit) => {
                let reception = Arc::clone(self);
                self.sessions.spawn(async move {
                    let session = session::run(client, &reception.upstream, permit);
                    tokio::select! {
                        biased;
                        () = reception.ending.cancelled() => {}
                        () = session => {}
                    }
                });
            }
            Err(refusal) => {
                // A refusal costs a descriptor as well: those without end are not even refused.
                let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() else {
                    return;
                };
                let ending = self.ending.clone();
                self.sessions.spawn(async move {
                    tokio::select! {
                        biased;
                        () = ending.cancelled() => {}
                        () = session::refuse_at_door(client, &refusal) => {}
                    }
                    drop(permit);
                });
            }
        }
    }

    fn admit(&self, client: &UnixStream) -> Result<session::HalfOpen, Refusal> {
        // A client whose user the kernel doesn't name is as foreign as one that it names.
        let peer = client.peer_cred().ok().map(|peer| peer.uid());
        if peer != Some(self.user) {
            return Err(Refusal::foreign_user(peer));
        }
        Arc::clone(&self.half_open)
            .try_acquire_owned()
            .map_err(|_| Refusal::too_many(self.max_half_open))
    }
}
