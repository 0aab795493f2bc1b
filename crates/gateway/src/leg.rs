//! One side of a session: a socket, plain or under TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use querycop_serve::{Socket, reset_on_close};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::TlsStream;

/// Time that a peer has to take our last words and close its side.
const FAREWELL: Duration = Duration::from_secs(2);

/// Bytes read from a peer that does not stop talking while we say goodbye.
const FAREWELL_BYTES: u64 = 1 << 20;

/// The client's or the server's side of a session.
#[derive(Debug)]
pub(crate) enum Leg {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
    /// A connection to an AlloyDB instance: TLS of the connector's.
    Instance(Box<alloydb_connector::Stream>),
}

impl Leg {
    pub(crate) fn is_tls(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(_) | Self::Instance(_) => true,
        }
    }

    /// The TLS state, for its certificate, version and cipher. An instance's is the connector's own
    /// affair: the server at the other end of that tunnel sees none.
    pub(crate) fn tls(&self) -> Option<&rustls::CommonState> {
        match self {
            Self::Plain(_) | Self::Instance(_) => None,
            Self::Tls(stream) => Some(stream.get_ref().1),
        }
    }

    /// The socket of a plain leg, to put TLS on it.
    pub(crate) fn into_socket(self) -> Option<Socket> {
        match self {
            Self::Plain(socket) => Some(socket),
            Self::Tls(_) | Self::Instance(_) => None,
        }
    }

    /// Writes `last_words` and closes so that the peer gets to read them.
    ///
    /// A socket that is closed with bytes unread sends a reset, which takes the last words from the
    /// peer's receive queue. So our side is shut down first, and what the peer still sends is read
    /// and thrown away until it closes too, or until it has had its time.
    pub(crate) async fn farewell(mut self, last_words: &[u8]) {
        // The peer may be gone already: then there is nobody to take leave of.
        let _ = timeout(FAREWELL, async {
            self.write_all(last_words).await?;
            self.shutdown().await?;
            let mut rest = (&mut self).take(FAREWELL_BYTES);
            tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
        })
        .await;
    }

    /// Closes with a reset: the stream was cut within a message.
    pub(crate) fn abort(self) {
        match &self {
            Self::Plain(socket) => socket.reset_on_close(),
            Self::Tls(stream) => stream.get_ref().0.reset_on_close(),
            Self::Instance(stream) => {
                if let Some(tcp) = stream.tcp() {
                    reset_on_close(tcp);
                }
            }
        }
    }
}

impl AsyncRead for Leg {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
            Self::Instance(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Leg {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
            Self::Instance(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            Self::Instance(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            Self::Instance(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
