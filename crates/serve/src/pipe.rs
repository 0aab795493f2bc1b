//! One direction of a relayed connection.
//!
//! Bytes are written to the other side from the buffer they were read into. An [`Inspect`] sees them
//! there and says how many may go on; the rest (the beginning of a message whose end has not come)
//! stays in the buffer until more arrives, so that the receiver's stream ends between two messages
//! even when the sender dies within one.
//!
//! Backpressure is the buffer: while the writer takes nothing, nothing is read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::buffer::Buffer;

/// Looks at relayed bytes where they lie.
pub trait Inspect {
    /// What is wrong with the bytes.
    type Error;

    /// Looks at `bytes`, which follow those that were let go before, and says how many may go on.
    ///
    /// Bytes that are not let go are shown again, at the front, together with what has come since.
    /// When `bytes` are [`BUFFER_SIZE`] long at least one must be let go.
    fn inspect(&mut self, bytes: &[u8]) -> Result<usize, Self::Error>;
}

/// Lets everything pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forward;

/// How a direction came to its end.
#[derive(Debug)]
pub struct Ended {
    /// Bytes that were read but never let go by the inspector.
    pub held: usize,
    /// `None` for an orderly end, else the error that took its place.
    pub cause: Option<io::Error>,
}

/// A direction that can't go on.
#[derive(Debug, Error)]
pub enum PipeError<E> {
    /// The receiving side is gone.
    #[error("write failed")]
    Write(#[source] io::Error),
    /// The inspector refused what was sent.
    #[error("inspection refused the bytes")]
    Inspect(E),
}

/// One direction of a relayed connection: what is on its way, and how far it has come.
#[derive(Debug, Default)]
pub struct Pipe {
    buffer: Option<Buffer>,
    /// Bytes `start..cleared` may be written, `cleared..end` are held by the inspector.
    start: usize,
    cleared: usize,
    end: usize,
    flush: bool,
    read_ended: Option<Ended>,
    total: u64,
}

impl Pipe {
    /// A direction with `first` already read from its sender.
    pub fn with_first<I: Inspect>(first: &[u8], inspect: &mut I) -> Result<Self, I::Error> {
        let mut pipe = Self::default();
        if !first.is_empty() {
            let buffer = Buffer::holding(first);
            pipe.cleared = inspect.inspect(first)?;
            pipe.end = first.len();
            pipe.buffer = Some(buffer);
        }
        Ok(pipe)
    }

    /// Bytes written to the receiver so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether nothing is on its way: neither to be written nor held.
    pub fn is_empty(&self) -> bool {
        self.start == self.end && !self.flush
    }

    /// Whether all that the inspector let go has been written: what it holds never will be.
    pub fn is_delivered(&self) -> bool {
        self.start == self.cleared && !self.flush
    }

    /// Moves bytes until a side makes it wait; ready when the sender has ended and all that may go
    /// on has been written. The receiver is flushed, not shut down.
    ///
    /// A read error counts as the sender's end, with the error as its cause: what was read before it
    /// is still delivered.
    pub fn poll<R, W, I>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        inspect: &mut I,
    ) -> Poll<Result<Ended, PipeError<I::Error>>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
        I: Inspect,
    {
        loop {
            ready!(self.poll_drain(cx, writer)).map_err(PipeError::Write)?;
            if let Some(ended) = self.read_ended.take() {
                self.buffer = None;
                return Poll::Ready(Ok(ended));
            }
            let waits = self.fill(cx, reader);
            if let Some(buffer) = &self.buffer {
                let seen = &buffer.bytes()[self.cleared..self.end];
                if !seen.is_empty() {
                    self.cleared += inspect.inspect(seen).map_err(PipeError::Inspect)?;
                }
            }
            if let Some(ended) = &mut self.read_ended {
                ended.held = self.end - self.cleared;
            } else if waits && self.start == self.cleared {
                if self.start == self.end {
                    self.buffer = None;
                }
                return Poll::Pending;
            }
        }
    }

    /// Writes what may go on, and flushes.
    fn poll_drain<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
    ) -> Poll<io::Result<()>> {
        if let Some(buffer) = &self.buffer {
            while self.start < self.cleared {
                let bytes = &buffer.bytes()[self.start..self.cleared];
                let written = ready!(Pin::new(&mut *writer).poll_write(cx, bytes))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.start += written;
                self.total += written as u64;
                self.flush = true;
            }
        }
        if self.flush {
            ready!(Pin::new(writer).poll_flush(cx))?;
            self.flush = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads until the buffer is full or the reader has no more for now; says whether it has none.
    ///
    /// Reading on after a short read costs no system call on a socket (the runtime knows that it is
    /// drained), and collects several TLS records into one write.
    fn fill<R: AsyncRead + Unpin>(&mut self, cx: &mut Context<'_>, reader: &mut R) -> bool {
        let mut buffer = self.buffer.take().unwrap_or_else(Buffer::take);
        self.make_room(&mut buffer);
        let waits = loop {
            if self.end == buffer.bytes().len() {
                break false;
            }
            let mut room = ReadBuf::new(&mut buffer.bytes_mut()[self.end..]);
            match Pin::new(&mut *reader).poll_read(cx, &mut room) {
                Poll::Pending => break true,
                Poll::Ready(Ok(())) if room.filled().is_empty() => {
                    self.read_ended = Some(Ended {
                        held: 0,
                        cause: None,
                    });
                    break true;
                }
                Poll::Ready(Ok(())) => self.end += room.filled().len(),
                Poll::Ready(Err(error)) => {
                    self.read_ended = Some(Ended {
                        held: 0,
                        cause: Some(error),
                    });
                    break true;
                }
            }
        };
        self.buffer = Some(buffer);
        waits
    }

    /// Moves what is held to the front: never more than the beginning of one message.
    fn make_room(&mut self, buffer: &mut Buffer) {
        if self.start == 0 {
            return;
        }
        buffer.bytes_mut().copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.cleared -= self.start;
        self.start = 0;
    }
}

impl Inspect for Forward {
    type Error = std::convert::Infallible;

    fn inspect(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        Ok(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::BUFFER_SIZE;

    /// Lets lines pass whole, unless a line fills the buffer.
    #[derive(Default)]
    struct Lines;

    impl Inspect for Lines {
        type Error = &'static str;

        fn inspect(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
            if bytes.contains(&0) {
                return Err("zero byte");
            }
            let whole = bytes
                .iter()
                .rposition(|&byte| byte == b'\n')
                .map_or(0, |at| at + 1);
            Ok(if whole == 0 && bytes.len() == BUFFER_SIZE {
                bytes.len()
            } else {
                whole
            })
        }
    }

    async fn run<I: Inspect>(
        pipe: &mut Pipe,
        mut reader: impl AsyncRead + Unpin,
        mut writer: impl AsyncWrite + Unpin,
        mut inspect: I,
    ) -> Result<Ended, PipeError<I::Error>> {
        poll_fn(|cx| pipe.poll(cx, &mut reader, &mut writer, &mut inspect)).await
    }

    #[tokio::test]
    async fn what_is_held_at_the_end_is_not_delivered() {
        let (mut sender, reader) = duplex(64);
        let (writer, mut receiver) = duplex(64);
        sender.write_all(b"one\ntwo\nthr").await.unwrap();
        drop(sender);
        let mut pipe = Pipe::default();
        let ended = run(&mut pipe, reader, writer, Lines).await.unwrap();
        assert_eq!(ended.held, 3);
        assert!(pipe.is_delivered());
        let mut got = String::new();
        receiver.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "one\ntwo\n");
    }

    #[tokio::test]
    async fn a_refusal_ends_the_direction() {
        let (mut sender, reader) = duplex(64);
        let (writer, _receiver) = duplex(64);
        sender.write_all(b"a\0").await.unwrap();
        let error = run(&mut Pipe::default(), reader, writer, Lines)
            .await
            .unwrap_err();
        assert!(matches!(error, PipeError::Inspect("zero byte")));
    }

    #[tokio::test]
    async fn a_lost_receiver_is_a_write_error() {
        let (mut sender, reader) = duplex(64);
        let (writer, receiver) = duplex(64);
        drop(receiver);
        sender.write_all(b"a\n").await.unwrap();
        let error = run(&mut Pipe::default(), reader, writer, Lines)
            .await
            .unwrap_err();
        assert!(matches!(error, PipeError::Write(_)));
    }

    #[tokio::test]
    async fn a_waiting_direction_holds_no_buffer() {
        let (mut sender, mut reader) = duplex(64);
        let (mut writer, _receiver) = duplex(64);
        let mut pipe = Pipe::default();
        sender.write_all(b"a\n").await.unwrap();
        let pending = poll_fn(|cx| {
            Poll::Ready(
                pipe.poll(cx, &mut reader, &mut writer, &mut Forward)
                    .is_pending(),
            )
        });
        assert!(pending.await);
        assert_eq!(pipe.total(), 2);
        assert!(pipe.buffer.is_none());
    }

    #[tokio::test]
    async fn bytes_read_before_the_relay_come_first() {
        let (mut sender, reader) = duplex(64);
        let (writer, mut receiver) = duplex(64);
        sender.write_all(b"ond\n").await.unwrap();
        drop(sender);
        let mut pipe = Pipe::with_first(b"first\nsec", &mut Lines).unwrap();
        run(&mut pipe, reader, writer, Lines).await.unwrap();
        let mut got = String::new();
        receiver.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "first\nsecond\n");
    }

    #[tokio::test]
    async fn no_byte_is_lost_however_much_was_read_before_the_relay() {
        let (sender, reader) = duplex(64);
        drop(sender);
        let (writer, mut receiver) = duplex(64);
        let first = b"0123456789abcde\n".repeat(BUFFER_SIZE / 16 * 3);
        let mut pipe = Pipe::with_first(&first, &mut Lines).unwrap();
        let relay = run(&mut pipe, reader, writer, Lines);
        let mut got = Vec::new();
        let (ended, read) = tokio::join!(relay, receiver.read_to_end(&mut got));
        ended.unwrap();
        read.unwrap();
        assert!(got == first);
    }

    proptest! {
        #[test]
        fn all_bytes_arrive_in_order(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..70_000), 0..8),
            reading in 1..5_000_usize,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (mut sender, reader) = duplex(reading);
                let (writer, mut receiver) = duplex(reading * 2);
                let expected = chunks.concat();
                let send = async {
                    for chunk in &chunks {
                        sender.write_all(chunk).await.unwrap();
                    }
                    drop(sender);
                };
                let mut pipe = Pipe::default();
                let relay = async { run(&mut pipe, reader, writer, Forward).await.unwrap() };
                let mut got = Vec::new();
                let receive = receiver.read_to_end(&mut got);
                let ((), _, received) = tokio::join!(send, relay, receive);
                received.unwrap();
                assert_eq!(got, expected);
            });
        }
    }
}
