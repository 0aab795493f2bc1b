//! A dialled connection, ready for the PostgreSQL protocol.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::InstanceUri;
use crate::dial_function::Socket;
use crate::telemetry::OpenConnection;

/// A TLS stream to an instance, on which PostgreSQL's startup message comes next.
///
/// Dropping it closes the connection; closing the [`Dialer`](crate::Dialer) doesn't.
pub struct Stream {
    tls: TlsStream<Socket>,
    instance: InstanceUri,
    open: OpenConnection,
}

/// What TLS agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsSummary {
    version: &'static str,
    cipher_suite: &'static str,
}

impl TlsSummary {
    /// The version's name as PostgreSQL has it: `TLSv1.3`.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// The cipher suite's name in RFC 8446, such as `TLS_AES_256_GCM_SHA384`.
    pub fn cipher_suite(&self) -> &'static str {
        self.cipher_suite
    }
}

impl Stream {
    pub(crate) fn new(tls: TlsStream<Socket>, instance: InstanceUri, open: OpenConnection) -> Self {
        Self {
            tls,
            instance,
            open,
        }
    }

    /// The instance at the other end.
    pub fn instance(&self) -> &InstanceUri {
        &self.instance
    }

    /// The TCP connection below. `None` if a dial function made something else.
    pub fn tcp(&self) -> Option<&TcpStream> {
        self.tls.get_ref().0.tcp()
    }

    /// The TCP peer: the instance, or the proxy on the way to it.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.tcp()?.peer_addr().ok()
    }

    /// What TLS agreed on.
    pub fn tls(&self) -> TlsSummary {
        let suite = self.tls.get_ref().1.negotiated_cipher_suite();
        let suite = suite.and_then(|suite| suite.suite().as_str());
        TlsSummary {
            // Nothing else is offered.
            version: "TLSv1.3",
            // rustls names TLS 1.3's suites TLS13_…; PostgreSQL and RFC 8446 say TLS_….
            cipher_suite: match suite {
                Some("TLS13_AES_256_GCM_SHA384") => "TLS_AES_256_GCM_SHA384",
                Some("TLS13_AES_128_GCM_SHA256") => "TLS_AES_128_GCM_SHA256",
                Some("TLS13_CHACHA20_POLY1305_SHA256") => "TLS_CHACHA20_POLY1305_SHA256",
                Some(other) => other,
                None => "",
            },
        }
    }

    /// The server's own certificate, in DER.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        let chain = self.tls.get_ref().1.peer_certificates()?;
        chain.first().map(AsRef::as_ref)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Stream")
            .field("instance", &self.instance)
            .field("peer_addr", &self.peer_addr())
            .finish_non_exhaustive()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut stream.tls).poll_read(context, buffer);
        stream.open.received(buffer.filled().len() - before);
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        let polled = Pin::new(&mut stream.tls).poll_write(context, bytes);
        stream.count_sent(&polled);
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        let polled = Pin::new(&mut stream.tls).poll_write_vectored(context, buffers);
        stream.count_sent(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tls).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tls).poll_shutdown(context)
    }
}

impl Stream {
    fn count_sent(&mut self, polled: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = polled {
            self.open.sent(*bytes);
        }
    }
}
