//! One client of the bridge, from its first packet to its last byte.

use std::io;
use std::time::Duration;

use rustix::net::RecvFlags;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, Ready,
    copy_bidirectional_with_sizes,
};
use tokio::net::UnixStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::opening::{Expects, Opening};
use super::refusal::Refusal;
use crate::{DialOptions, Dialer, InstanceUri, Stream};

/// A local client has its packet ready when it connects; this is for one that is being debugged.
const STARTUP_DEADLINE: Duration = Duration::from_secs(10);

/// For a few bytes into an empty buffer, and for the client's end after it has read them.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// One TLS record: a larger buffer would never be filled by one read.
const BUFFER_SIZE: usize = 16 * 1024;

/// The place of a client that has no stream yet.
pub(super) type HalfOpen = OwnedSemaphorePermit;

/// Where sessions lead.
pub(super) trait Upstream: Send + Sync + 'static {
    /// A stream that speaks PostgreSQL.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin;

    /// Opens a stream, within a time of its own.
    fn dial(&self) -> impl Future<Output = Result<Self::Stream, Refusal>> + Send;
}

/// An instance and how to dial it.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) dialer: Dialer,
    pub(super) options: DialOptions,
    pub(super) uri: InstanceUri,
}

impl Upstream for Instance {
    type Stream = Stream;

    async fn dial(&self) -> Result<Stream, Refusal> {
        let dialled = self.dialer.dial(&self.uri, &self.options).await;
        dialled.map_err(|error| {
            tracing::warn!(instance = %self.uri, %error, "bridge can't dial");
            Refusal::of(&error)
        })
    }
}

/// Runs a session; whatever ends it is told to whom it concerns, or logged.
pub(super) async fn run<U: Upstream>(mut client: UnixStream, upstream: &U, half_open: HalfOpen) {
    let Some(opening) = receive(&mut client).await else {
        return;
    };
    let dialled = tokio::select! {
        biased;
        dialled = upstream.dial() => dialled,
        () = abandoned(&client, &opening) => return,
    };
    let established = match dialled {
        Ok(server) => establish(server, &opening).await,
        Err(refusal) => return refuse(client, opening, &refusal).await,
    };
    // From here on it is the pool's or the server's to count.
    drop(half_open);
    let relayed = match established {
        Ok(mut server) => relay(&mut client, &mut server).await,
        Err(error) => Err(error),
    };
    if let Err(error) = relayed {
        tracing::debug!(%error, "bridged connection broke");
    }
}

/// Reads the packet of a client that is refused whatever it says, and tells it.
pub(super) async fn refuse_at_door(mut client: UnixStream, refusal: &Refusal) {
    tracing::warn!(reason = refusal.message, "bridge refuses a client");
    if let Some(opening) = receive(&mut client).await {
        refuse(client, opening, refusal).await;
    }
}

/// The first packet, if there is one that can be understood.
async fn receive(client: &mut UnixStream) -> Option<Opening> {
    let error = match timeout(STARTUP_DEADLINE, Opening::read(client)).await {
        Ok(Ok(opening)) => return opening,
        Ok(Err(error)) => error,
        Err(_) => io::ErrorKind::TimedOut.into(),
    };
    tracing::debug!(%error, "bridge got no start-up packet");
    if error.kind() == io::ErrorKind::InvalidData {
        tell(client, &Refusal::not_postgresql()).await;
    }
    None
}

/// Ready when the client has gone, as a pool's clients do when they have waited long enough: while an
/// instance doesn't answer, those would take the places of the clients that still wait.
///
/// The end of its sending direction alone is not enough, and who asks for a cancel goes at once.
async fn abandoned(client: &UnixStream, opening: &Opening) {
    if opening.expects() == Expects::Nothing || !has_gone(client).await {
        std::future::pending::<()>().await;
    }
}

/// Waits for the client to say more, or to close; whether it has closed both directions.
async fn has_gone(client: &UnixStream) -> bool {
    loop {
        if client.readable().await.is_err() {
            return true;
        }
        // Only looks: what is there is for the server.
        let peeked = client.try_io(Interest::READABLE, || {
            let (_, seen) = rustix::net::recv(client, &mut [0_u8; 1], RecvFlags::PEEK)?;
            Ok(seen)
        });
        match peeked {
            Ok(0) => break,
            Ok(_) => return false,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return true,
        }
    }
    let both = Interest::READABLE | Interest::WRITABLE;
    let ready = client.ready(both).await;
    ready.is_ok_and(Ready::is_write_closed)
}

async fn refuse(mut client: UnixStream, opening: Opening, refusal: &Refusal) {
    // A cancel request has no answer, not even this one.
    if opening.expects() == Expects::Nothing {
        return;
    }
    let settled = timeout(STARTUP_DEADLINE, opening.settle(&mut client)).await;
    if let Ok(Ok(true)) = settled {
        tell(&mut client, refusal).await;
    }
}

/// Sends a refusal, and waits for the client to read it: to close a socket whose input wasn't read
/// to its end would take from the client what it hasn't read yet.
async fn tell(client: &mut UnixStream, refusal: &Refusal) {
    let told = async {
        client.write_all(&refusal.encode()).await?;
        client.shutdown().await?;
        let mut unread = [0; 1024];
        while client.read(&mut unread).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    // Whether it was read is the client's affair.
    let _ = timeout(WRITE_DEADLINE, told).await;
}

async fn establish<S: AsyncWrite + Unpin>(mut server: S, opening: &Opening) -> io::Result<S> {
    let sent = async {
        server.write_all(opening.packet()).await?;
        server.flush().await
    };
    timeout(WRITE_DEADLINE, sent).await??;
    Ok(server)
}

/// Copies both ways. The end of one direction is passed on while the other goes on.
async fn relay<S>(client: &mut UnixStream, server: &mut S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    copy_bidirectional_with_sizes(client, server, BUFFER_SIZE, BUFFER_SIZE).await?;
    Ok(())
}
