//! Copies bytes between a client and its instance.
//!
//! One task does both directions, so that a round trip wakes no other. The end of one direction is
//! passed on while the other goes on, and what is on its way is delivered; an idle connection holds
//! no buffer.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use querycop_serve::{Forward, Pipe, PipeError, Turns};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep};

use crate::metrics::InstanceMetrics;

/// How long a client may take to hang up once the instance has: PostgreSQL reads nothing after it
/// has closed, but what it said last may be unread, and a close would take it away.
const GRACE: Duration = Duration::from_secs(10);

/// A client that closes its socket and one that ends its own direction alone look the same until
/// something is written to it. After the end of a client the instance may be silent for this long
/// before the client counts as gone …
const ANSWER: Duration = Duration::from_secs(1);

/// … and for this long before the connection is closed: a server that is asked nothing more and has
/// nothing to say runs a query whose answer most likely nobody waits for.
const SILENCE: Duration = Duration::from_secs(10);

/// That a client is here: until it is dropped.
pub(crate) trait Presence {
    /// The client asks nothing any more, but may be answered.
    fn leave(&mut self);
}

/// What ended a connection.
#[derive(Debug)]
pub(crate) enum End {
    /// The client hung up.
    Client,
    /// The instance hung up.
    Instance,
    /// Something broke.
    Broken(Break, io::Error),
}

/// Where it broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    ReadingFromClient,
    ReadingFromInstance,
    WritingToClient,
    WritingToInstance,
}

/// One direction.
#[derive(Debug)]
struct Direction {
    pipe: Pipe,
    stage: Stage,
    counted: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Bytes go on.
    Open,
    /// The sender has ended, the receiver is told.
    Ending,
    /// Nothing more comes.
    Ended,
}

/// A client that has ended, and how long its instance has been silent since.
struct Leaving {
    timer: Pin<Box<Sleep>>,
    /// Bytes that had come from the instance when it was set.
    heard: u64,
    is_present: bool,
}

/// What a direction has come to.
enum Step {
    /// It waits.
    Waiting,
    /// Its sender has ended just now, with an error or without.
    SenderEnded(Option<io::Error>),
    /// Its receiver takes nothing any more.
    ReceiverGone(io::Error),
    /// It is over.
    Over,
}

/// Copies until both sides have ended; says what ended first. `first` goes to the instance ahead of
/// all else. `presence` is dropped at the end, or before it when the client seems to have gone. Not
/// cancel safe.
pub(crate) async fn relay<C, S>(
    client: &mut C,
    server: &mut S,
    first: &[u8],
    metrics: &InstanceMetrics,
    presence: impl Presence,
) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut up = Direction::new(Pipe::holding(first));
    let mut down = Direction::new(Pipe::default());
    let mut end = None;
    let mut grace: Option<Pin<Box<Sleep>>> = None;
    let mut presence = Some(presence);
    let mut leaving: Option<Leaving> = None;
    let mut turns = Turns::default();
    poll_fn(|cx| {
        let sides = turns.of(cx.waker());
        let mut goes_on = sides.up.is_due();
        while goes_on {
            let step = up.poll(&mut sides.up.context(), client, server);
            metrics_of(&mut up, |bytes| metrics.sent(bytes));
            match step {
                Step::Waiting | Step::Over => goes_on = false,
                Step::SenderEnded(None) => {
                    end.get_or_insert(End::Client);
                }
                // Nobody is there any more to be answered.
                Step::SenderEnded(Some(error)) => {
                    return Poll::Ready(
                        end.take()
                            .unwrap_or(End::Broken(Break::ReadingFromClient, error)),
                    );
                }
                Step::ReceiverGone(error) => {
                    // It may have said why, and that is still on its way.
                    end.get_or_insert(End::Broken(Break::WritingToInstance, error));
                    grace.get_or_insert_with(|| Box::pin(sleep(GRACE)));
                }
            }
        }
        goes_on = sides.down.is_due();
        while goes_on {
            let step = down.poll(&mut sides.down.context(), server, client);
            metrics_of(&mut down, |bytes| metrics.received(bytes));
            match step {
                Step::Waiting | Step::Over => goes_on = false,
                Step::SenderEnded(cause) => {
                    end.get_or_insert(match cause {
                        None => End::Instance,
                        Some(error) => End::Broken(Break::ReadingFromInstance, error),
                    });
                    grace.get_or_insert_with(|| Box::pin(sleep(GRACE)));
                }
                Step::ReceiverGone(error) => {
                    return Poll::Ready(
                        end.take()
                            .unwrap_or(End::Broken(Break::WritingToClient, error)),
                    );
                }
            }
        }
        let is_over = up.stage == Stage::Ended && down.stage == Stage::Ended;
        let is_late = grace
            .as_mut()
            .is_some_and(|grace| grace.as_mut().poll(cx).is_ready());
        let mut is_silent = false;
        if up.stage != Stage::Open && down.stage == Stage::Open {
            let leaving = leaving.get_or_insert_with(|| Leaving::new(&down));
            is_silent = leaving.poll(cx, &down).is_ready();
            presence = presence.take().filter(|_| leaving.is_present);
            if let Some(presence) = &mut presence {
                presence.leave();
            }
        }
        if is_over || is_late || is_silent {
            return Poll::Ready(end.take().unwrap_or(End::Instance));
        }
        Poll::Pending
    })
    .await
}

fn metrics_of(direction: &mut Direction, count: impl FnOnce(u64)) {
    let total = direction.pipe.total();
    if total > direction.counted {
        count(total - direction.counted);
        direction.counted = total;
    }
}

impl Leaving {
    fn new(down: &Direction) -> Self {
        Self {
            timer: Box::pin(sleep(ANSWER)),
            heard: down.counted,
            is_present: true,
        }
    }

    /// Ready when the instance has been silent for too long.
    fn poll(&mut self, cx: &mut Context<'_>, down: &Direction) -> Poll<()> {
        loop {
            // What the client is slow to take is no silence.
            let is_silent = self.heard == down.counted && down.pipe.is_empty();
            self.heard = down.counted;
            if !is_silent {
                let limit = if self.is_present { ANSWER } else { SILENCE };
                self.timer.as_mut().reset(Instant::now() + limit);
            }
            ready!(self.timer.as_mut().poll(cx));
            if !is_silent {
                continue;
            }
            if !self.is_present {
                return Poll::Ready(());
            }
            self.is_present = false;
            self.timer
                .as_mut()
                .reset(Instant::now() + SILENCE.saturating_sub(ANSWER));
        }
    }
}

impl Direction {
    fn new(pipe: Pipe) -> Self {
        Self {
            pipe,
            stage: Stage::Open,
            counted: 0,
        }
    }

    fn poll<R, W>(&mut self, cx: &mut Context<'_>, reader: &mut R, writer: &mut W) -> Step
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        match self.stage {
            Stage::Open => match self.pipe.poll(cx, reader, writer, &mut Forward) {
                Poll::Pending => Step::Waiting,
                Poll::Ready(Ok(ended)) => {
                    self.stage = Stage::Ending;
                    Step::SenderEnded(ended.cause)
                }
                Poll::Ready(Err(PipeError::Write(error))) => {
                    self.stage = Stage::Ended;
                    Step::ReceiverGone(error)
                }
                Poll::Ready(Err(PipeError::Inspect(never))) => match never {},
            },
            Stage::Ending => match Pin::new(writer).poll_shutdown(cx) {
                Poll::Pending => Step::Waiting,
                // A receiver that is gone already needs no end.
                Poll::Ready(_) => {
                    self.stage = Stage::Ended;
                    Step::Over
                }
            },
            Stage::Ended => Step::Over,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::metrics::Metrics;

    impl Presence for oneshot::Sender<()> {
        fn leave(&mut self) {}
    }

    /// A client and a server with a relay between them.
    fn between() -> (DuplexStream, DuplexStream, JoinHandle<End>) {
        between_with(oneshot::channel().0)
    }

    /// With something that is dropped when the client seems to have gone.
    fn between_with(
        presence: oneshot::Sender<()>,
    ) -> (DuplexStream, DuplexStream, JoinHandle<End>) {
        let metrics = Arc::new(Metrics::new("").unwrap());
        let uri = "projects/p/locations/l/clusters/c/instances/i";
        let metrics = metrics.of(&uri.parse().unwrap());
        let (client, mut near) = duplex(1 << 16);
        let (mut far, server) = duplex(1 << 16);
        let relay = async move { relay(&mut near, &mut far, b"first ", &metrics, presence).await };
        (client, server, tokio::spawn(relay))
    }

    #[tokio::test]
    async fn the_end_of_one_direction_leaves_the_other_open() {
        let (mut client, mut server, relay) = between();
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut question = String::new();
        server.read_to_string(&mut question).await.unwrap();
        assert_eq!(question, "first question");
        server.write_all(b"answer").await.unwrap();
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
        assert!(matches!(relay.await.unwrap(), End::Client));
    }

    #[tokio::test]
    async fn last_words_of_the_server_arrive() {
        let (mut client, mut server, relay) = between();
        server.write_all(b"terminating connection").await.unwrap();
        drop(server);
        let mut words = String::new();
        client.read_to_string(&mut words).await.unwrap();
        assert_eq!(words, "terminating connection");
        drop(client);
        assert!(matches!(
            relay.await.unwrap(),
            End::Instance | End::Broken(Break::WritingToInstance, _)
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_hang_up_is_not_waited_for() {
        let (_client, server, relay) = between();
        drop(server);
        relay.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_ended_is_given_up_and_then_the_silent_connection() {
        let (presence, given_up) = oneshot::channel::<()>();
        let (mut client, mut server, relay) = between_with(presence);
        let began = Instant::now();
        client.shutdown().await.unwrap();
        given_up.await.unwrap_err();
        assert_eq!(began.elapsed().as_secs(), ANSWER.as_secs());
        let mut heard = String::new();
        server.read_to_string(&mut heard).await.unwrap();
        assert!(matches!(relay.await.unwrap(), End::Client));
        assert_eq!(began.elapsed().as_secs(), SILENCE.as_secs());
        server.write_all(b"late").await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_ended_gets_all_that_comes_without_a_long_silence() {
        let (presence, mut given_up) = oneshot::channel::<()>();
        let (mut client, mut server, relay) = between_with(presence);
        client.shutdown().await.unwrap();
        for pause in [ANSWER / 2, ANSWER / 2, ANSWER / 2] {
            sleep(pause).await;
            server.write_all(b"row ").await.unwrap();
        }
        let is_empty = Err(oneshot::error::TryRecvError::Empty);
        assert_eq!(given_up.try_recv(), is_empty, "it is being answered");
        for pause in [
            SILENCE.saturating_sub(ANSWER),
            SILENCE / 2,
            SILENCE / 2,
            SILENCE.saturating_sub(ANSWER),
        ] {
            sleep(pause).await;
            server.write_all(b"row ").await.unwrap();
        }
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "row ".repeat(7));
        assert!(matches!(relay.await.unwrap(), End::Client));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_its_time_to_read_is_not_taken_for_gone() {
        let (mut client, mut server, relay) = between();
        client.shutdown().await.unwrap();
        let rows = vec![b'x'; 1 << 20];
        let sending = tokio::spawn(async move { server.write_all(&rows).await });
        sleep(SILENCE * 6).await;
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer.len(), 1 << 20);
        sending.await.unwrap().unwrap();
        assert!(matches!(relay.await.unwrap(), End::Client));
    }
}
