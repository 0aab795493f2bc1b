//! One connection, TCP or Unix.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// Idle time before the first keep-alive probe; below the five minutes after which common NAT
/// gateways and load balancers forget a connection.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
/// Time between keep-alive probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Probes without an answer after which a peer counts as gone.
const KEEPALIVE_PROBES: u32 = 6;

/// A connection over TCP or a Unix socket.
#[derive(Debug)]
pub enum Socket {
    /// A TCP connection, with `TCP_NODELAY` and keep-alive on.
    Tcp(TcpStream),
    /// A connection over a Unix socket.
    Unix(UnixStream),
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerAddr {
    /// The peer's address and port.
    Tcp(SocketAddr),
    /// A process of this machine over a Unix socket.
    Unix,
}

impl Socket {
    /// Connects to a TCP address. Cancel safe: a dropped call leaves nothing behind.
    pub async fn connect_tcp(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        prepare(&stream)?;
        Ok(Self::Tcp(stream))
    }

    /// Connects to a Unix socket. Cancel safe: a dropped call leaves nothing behind.
    pub async fn connect_unix(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path).await.map(Self::Unix)
    }

    pub(crate) fn accepted_tcp(stream: TcpStream) -> io::Result<Self> {
        prepare(&stream)?;
        Ok(Self::Tcp(stream))
    }

    /// Takes the socket off the reactor it was accepted on, to hand it to another thread's.
    pub fn detach(self) -> io::Result<Detached> {
        Ok(match self {
            Self::Tcp(stream) => Detached::Tcp(stream.into_std()?),
            Self::Unix(stream) => Detached::Unix(stream.into_std()?),
        })
    }

    /// Makes a close discard what was not yet sent, so that the peer sees a reset and not a clean
    /// end: the honest signal when a message has been cut in the middle.
    pub fn reset_on_close(&self) {
        if let Self::Tcp(stream) = self {
            reset_on_close(stream);
        }
    }
}

/// Makes a close discard what was not yet sent, so that the peer sees a reset and not a clean end.
pub fn reset_on_close(stream: &TcpStream) {
    // A socket that is already broken needs no reset.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// A socket between two reactors.
#[derive(Debug)]
pub enum Detached {
    /// A TCP connection.
    Tcp(std::net::TcpStream),
    /// A connection over a Unix socket.
    Unix(std::os::unix::net::UnixStream),
}

impl Detached {
    /// Registers the socket with the reactor of the current runtime.
    pub fn attach(self) -> io::Result<Socket> {
        Ok(match self {
            Self::Tcp(stream) => Socket::Tcp(TcpStream::from_std(stream)?),
            Self::Unix(stream) => Socket::Unix(UnixStream::from_std(stream)?),
        })
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    // A message is written whole, so there is nothing for Nagle's algorithm to collect.
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

// === impl PeerAddr ===

impl PeerAddr {
    /// The peer's address; `None` for a Unix socket.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Tcp(addr) => Some(addr.ip()),
            Self::Unix => None,
        }
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix => f.write_str("[local]"),
        }
    }
}

// === impl AsyncRead, AsyncWrite ===

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The kernel's socket buffer is the only buffer there is.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
