//! Bytes in both directions until both have ended.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use querycop_serve::Socket;

use crate::backend::Stream;

/// Time that a client has to take our last words and to close its side.
const FAREWELL: Duration = Duration::from_secs(5);

/// Bytes read from a peer that does not stop talking while we say goodbye.
const FAREWELL_BYTES: u64 = 1 << 20;

/// A session in the backend.
pub(super) struct Opened {
    socket: Socket,
    /// Read from the backend, not yet with the client.
    unread: Vec<u8>,
}

impl Opened {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            socket: stream.socket,
            unread: stream.unread,
        }
    }
}

/// Copies until both sides have ended, and closes each direction for itself: a client that has
/// sent its last word may still read. Not cancel safe: a dropped call drops both connections.
pub(super) async fn relay(
    client: impl AsyncRead + AsyncWrite + Unpin,
    from_client: Vec<u8>,
    backend: Opened,
) {
    let (mut client_reader, mut client_writer) = tokio::io::split(client);
    let (mut backend_reader, mut backend_writer) = tokio::io::split(backend.socket);
    let up = async {
        let copied = copy(&from_client, &mut client_reader, &mut backend_writer).await;
        if let Err(error) = copied {
            tracing::debug!(%error, "client lost");
        }
        // PostgreSQL ends a session whose client has closed.
        let _ = backend_writer.shutdown().await;
    };
    let down = async {
        let copied = copy(&backend.unread, &mut backend_reader, &mut client_writer).await;
        if let Err(error) = copied {
            tracing::debug!(%error, "backend lost");
        }
        // Under TLS this says so too, without which drivers wait for more.
        let _ = client_writer.shutdown().await;
    };
    tokio::pin!(up, down);
    tokio::select! {
        () = &mut up => down.await,
        // Nobody answers any more, so a client that doesn't close has nothing to wait for.
        () = &mut down => drop(timeout(FAREWELL, up).await),
    }
}

async fn copy(
    first: &[u8],
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<()> {
    writer.write_all(first).await?;
    writer.flush().await?;
    tokio::io::copy(reader, writer).await?;
    Ok(())
}

/// Writes the last words and closes so that the peer gets to read them: a socket that is closed
/// with bytes unread sends a reset.
pub(super) async fn farewell(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), words: &[u8]) {
    // The peer may be gone already: then there is nobody to take leave of.
    let _ = timeout(FAREWELL, async {
        stream.write_all(words).await?;
        stream.shutdown().await?;
        let mut rest = (&mut *stream).take(FAREWELL_BYTES);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    })
    .await;
}
