//! A caller's own way of making the connection below TLS.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::{BoxFuture, InstanceUri};

/// Where a dial goes.
#[derive(Clone, Debug)]
pub struct DialTarget {
    pub(crate) instance: InstanceUri,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl DialTarget {
    /// The instance that is dialled.
    pub fn instance(&self) -> &InstanceUri {
        &self.instance
    }

    /// An IP address (IPv6 without brackets), or a DNS name without a trailing dot.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Always 5433.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Makes the connection that TLS then runs on.
///
/// Any `Fn(DialTarget) -> impl Future<Output = io::Result<TcpStream>>` is one. The dialer's
/// connect timeout bounds it; the future is dropped when it passes or when the dial is dropped.
pub trait DialFunction: Send + Sync + 'static {
    /// Connects to the target, or to whatever stands in for it.
    fn dial(&self, target: DialTarget) -> BoxFuture<'static, io::Result<Socket>>;
}

impl<F, Fut, S> DialFunction for F
where
    F: Fn(DialTarget) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = io::Result<S>> + Send + 'static,
    S: Into<Socket>,
{
    fn dial(&self, target: DialTarget) -> BoxFuture<'static, io::Result<Socket>> {
        let dialled = self(target);
        Box::pin(async move { dialled.await.map(Into::into) })
    }
}

/// A connection below TLS: TCP, or anything that carries bytes both ways.
#[derive(Debug)]
pub struct Socket(pub(crate) Kind);

pub(crate) enum Kind {
    Tcp(TcpStream),
    Other(Box<dyn Carrier>),
}

/// What any connection must be able to do.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Carrier for T {}

impl Socket {
    /// Wraps any connection. For TCP, use `From`: keep-alive and [`Stream::tcp`] need the socket.
    ///
    /// [`Stream::tcp`]: crate::Stream::tcp
    pub fn new(carrier: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Kind::Other(Box::new(carrier)))
    }

    pub(crate) fn tcp(&self) -> Option<&TcpStream> {
        match &self.0 {
            Kind::Tcp(tcp) => Some(tcp),
            Kind::Other(_) => None,
        }
    }
}

impl From<TcpStream> for Socket {
    fn from(tcp: TcpStream) -> Self {
        Self(Kind::Tcp(tcp))
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(tcp) => formatter.debug_tuple("Tcp").field(tcp).finish(),
            Self::Other(_) => formatter.write_str("Other"),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Tcp(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Kind::Other(other) => Pin::new(other).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Tcp(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Kind::Other(other) => Pin::new(other).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Tcp(tcp) => Pin::new(tcp).poll_flush(context),
            Kind::Other(other) => Pin::new(other).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Tcp(tcp) => Pin::new(tcp).poll_shutdown(context),
            Kind::Other(other) => Pin::new(other).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(context, buffers),
            Kind::Other(other) => Pin::new(other).poll_write_vectored(context, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Kind::Tcp(tcp) => tcp.is_write_vectored(),
            Kind::Other(other) => other.is_write_vectored(),
        }
    }
}
