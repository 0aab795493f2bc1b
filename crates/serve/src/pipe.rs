//! One direction of a relayed connection.
//!
//! Bytes are written to the other side from the buffer they were read into. An [`Inspect`] sees them
//! there and says how many may go on; the rest (the beginning of a message whose end has not come)
//! stays in the buffer until more arrives, so that the receiver's stream ends between two messages
//! even when the sender dies within one. It may also have a message wait, or put another in its
//! place.
//!
//! Backpressure is the buffer: while the writer takes nothing, and while a message waits, nothing is
//! read.

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
    /// When `bytes` are [`BUFFER_SIZE`](crate::BUFFER_SIZE) long or longer, one must be let go, or
    /// what is to happen next must be something else than [`Then::Read`].
    fn inspect(&mut self, bytes: &[u8]) -> Result<Passage, Self::Error>;
}

/// How far bytes may go on.
#[derive(Debug, PartialEq, Eq)]
pub struct Passage {
    /// So many from the front.
    pub cleared: usize,
    /// What is to happen with those behind them.
    pub then: Then,
}

/// What is to happen with bytes that may not go on as they are.
#[derive(Debug, PartialEq, Eq)]
pub enum Then {
    /// They are shown again when more have come.
    Read,
    /// They are shown again at the next poll, and nothing is read before they have gone on. The
    /// inspector sees to it that the task is woken.
    Wait,
    /// Nothing that is not written yet goes on, also of those that were let go. They are shown again
    /// at the next poll, also if there are none. The inspector sees to it that the task is woken.
    Hold,
    /// They are shown again when more have come, for which the buffer must be that large.
    Grow {
        /// Bytes that are to be shown together.
        size: usize,
    },
    /// The first `skip` of them, which need not have come yet, are left out, and `put` takes their
    /// place.
    Replace {
        /// Bytes that are left out.
        skip: usize,
        /// Bytes that go on instead.
        put: Vec<u8>,
    },
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
    /// What goes on behind the cleared bytes, and how much of it has.
    put: Vec<u8>,
    put_written: usize,
    /// Bytes behind the cleared ones that are left out.
    skip: usize,
    /// What the inspector wants.
    wish: Wish,
    /// What was let go waits, too.
    hold: bool,
    flush: bool,
    read_ended: Option<Ended>,
    total: u64,
}

/// What an inspector wants before it lets more bytes go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wish {
    /// More bytes.
    #[default]
    Bytes,
    /// Time.
    Time,
    /// Nothing: it is to see what is left.
    Rest,
}

impl Pipe {
    /// A direction with `first` already read from its sender. The inspector sees it at the first
    /// poll.
    pub fn holding(first: &[u8]) -> Self {
        let mut pipe = Self::default();
        if !first.is_empty() {
            pipe.end = first.len();
            pipe.buffer = Some(Buffer::holding(first));
            pipe.wish = Wish::Rest;
        }
        pipe
    }

    /// Bytes written to the receiver so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether nothing is on its way: neither to be written nor held.
    pub fn is_empty(&self) -> bool {
        self.start == self.end && self.put.is_empty() && !self.flush
    }

    /// Whether all that the inspector let go has been written: what it holds never will be.
    pub fn is_delivered(&self) -> bool {
        self.start == self.cleared && self.put.is_empty() && !self.flush
    }

    /// Whether it has to be polled whoever has woken the task: the inspector makes it wait, and nothing
    /// that it reads or writes.
    pub fn waits_for_inspector(&self) -> bool {
        self.hold || self.wish != Wish::Bytes
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
        // Whether the reader has said that it wakes the task when more comes.
        let mut waits = false;
        loop {
            if !self.hold {
                ready!(self.poll_drain(cx, writer)).map_err(PipeError::Write)?;
            }
            if self.wish != Wish::Bytes {
                self.look(inspect).map_err(PipeError::Inspect)?;
                if self.hold {
                    return Poll::Pending;
                }
                if !self.is_delivered() {
                    continue;
                }
                match self.wish {
                    Wish::Time => return Poll::Pending,
                    Wish::Rest => continue,
                    Wish::Bytes => {}
                }
            }
            if let Some(mut ended) = self.read_ended.take() {
                ended.held = self.end - self.cleared;
                self.buffer = None;
                return Poll::Ready(Ok(ended));
            }
            if waits {
                if self.start == self.end {
                    self.buffer = None;
                }
                return Poll::Pending;
            }
            waits = self.fill(cx, reader);
            self.look(inspect).map_err(PipeError::Inspect)?;
            if self.hold || (self.wish == Wish::Time && self.is_delivered()) {
                return Poll::Pending;
            }
        }
    }

    /// Shows the inspector what it has not let go yet.
    fn look<I: Inspect>(&mut self, inspect: &mut I) -> Result<(), I::Error> {
        self.wish = Wish::Bytes;
        let was_held = std::mem::take(&mut self.hold);
        let Some(buffer) = &mut self.buffer else {
            return Ok(());
        };
        let seen = &buffer.bytes()[self.cleared..self.end];
        if seen.is_empty() && !was_held {
            return Ok(());
        }
        let Passage { cleared, then } = inspect.inspect(seen)?;
        self.cleared += cleared;
        match then {
            Then::Read => {}
            Then::Wait => self.wish = Wish::Time,
            Then::Hold => {
                self.wish = Wish::Time;
                self.hold = true;
            }
            Then::Grow { size } => buffer.grow(self.cleared + size),
            Then::Replace { skip, put } => {
                self.wish = Wish::Rest;
                self.skip = skip;
                self.put = put;
            }
        }
        Ok(())
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
        while self.put_written < self.put.len() {
            let bytes = &self.put[self.put_written..];
            let written = ready!(Pin::new(&mut *writer).poll_write(cx, bytes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.put_written += written;
            self.total += written as u64;
            self.flush = true;
        }
        self.put = Vec::new();
        self.put_written = 0;
        self.leave_out();
        if self.flush {
            ready!(Pin::new(writer).poll_flush(cx))?;
            self.flush = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Leaves out what is to be left out and has come.
    fn leave_out(&mut self) {
        let here = self.skip.min(self.end - self.cleared);
        self.skip -= here;
        self.cleared += here;
        self.start = self.cleared;
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
        self.leave_out();
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

    fn inspect(&mut self, bytes: &[u8]) -> Result<Passage, Self::Error> {
        Ok(Passage::of(bytes.len()))
    }
}

impl Passage {
    /// So many bytes may go on; the others need more behind them.
    #[inline]
    pub fn of(cleared: usize) -> Self {
        Self {
            cleared,
            then: Then::Read,
        }
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

        fn inspect(&mut self, bytes: &[u8]) -> Result<Passage, Self::Error> {
            if bytes.contains(&0) {
                return Err("zero byte");
            }
            let whole = bytes
                .iter()
                .rposition(|&byte| byte == b'\n')
                .map_or(0, |at| at + 1);
            Ok(Passage::of(if whole == 0 && bytes.len() == BUFFER_SIZE {
                bytes.len()
            } else {
                whole
            }))
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
        let mut pipe = Pipe::holding(b"first\nsec");
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
        let mut pipe = Pipe::holding(&first);
        let relay = run(&mut pipe, reader, writer, Lines);
        let mut got = Vec::new();
        let (ended, read) = tokio::join!(relay, receiver.read_to_end(&mut got));
        ended.unwrap();
        read.unwrap();
        assert!(got == first);
    }

    /// Lets lines pass, however long; `-line` is replaced by `+`, `#line` is left out, and `?line`
    /// waits once.
    #[derive(Default)]
    struct Editor {
        waited: bool,
    }

    impl Inspect for Editor {
        type Error = std::convert::Infallible;

        fn inspect(&mut self, bytes: &[u8]) -> Result<Passage, Self::Error> {
            let mut cleared = 0;
            let then = loop {
                let rest = &bytes[cleared..];
                let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
                    break unended(rest);
                };
                let skip = end + 1;
                match rest[0] {
                    b'-' => {
                        let put = b"+\n".to_vec();
                        break Then::Replace { skip, put };
                    }
                    b'#' => {
                        let put = Vec::new();
                        break Then::Replace { skip, put };
                    }
                    b'?' if !self.waited => {
                        self.waited = true;
                        break Then::Wait;
                    }
                    _ => {
                        self.waited = false;
                        cleared += skip;
                    }
                }
            };
            Ok(Passage { cleared, then })
        }
    }

    /// What a line needs that has no end yet.
    fn unended(line: &[u8]) -> Then {
        if line.len() < BUFFER_SIZE {
            return Then::Read;
        }
        let size = line.len() * 2;
        Then::Grow { size }
    }

    /// Lets a line go when it is asked for the third time.
    #[derive(Default)]
    struct Patient {
        asked: u32,
        seen: Vec<usize>,
    }

    impl Inspect for Patient {
        type Error = std::convert::Infallible;

        fn inspect(&mut self, bytes: &[u8]) -> Result<Passage, Self::Error> {
            self.seen.push(bytes.len());
            self.asked += 1;
            let then = if self.asked < 3 {
                Then::Hold
            } else {
                Then::Read
            };
            Ok(Passage {
                cleared: bytes.len(),
                then,
            })
        }
    }

    #[tokio::test]
    async fn what_was_let_go_waits_while_it_is_held() {
        let (mut sender, mut reader) = duplex(64);
        let (mut writer, mut receiver) = duplex(64);
        sender.write_all(b"whole").await.unwrap();
        drop(sender);
        let (mut pipe, mut inspect) = (Pipe::default(), Patient::default());
        let mut context = Context::from_waker(std::task::Waker::noop());
        for _ in 0..2 {
            let polled = pipe.poll(&mut context, &mut reader, &mut writer, &mut inspect);
            assert!(polled.is_pending());
            assert_eq!(pipe.total(), 0);
        }
        let polled = pipe.poll(&mut context, &mut reader, &mut writer, &mut inspect);
        assert!(polled.is_ready());
        drop(writer);
        let mut got = String::new();
        receiver.read_to_string(&mut got).await.unwrap();
        assert_eq!((got.as_str(), &inspect.seen[..]), ("whole", &[5, 0, 0][..]));
    }

    /// Leaves out far more than has come, once.
    struct First(bool);

    impl Inspect for First {
        type Error = std::convert::Infallible;

        fn inspect(&mut self, bytes: &[u8]) -> Result<Passage, Self::Error> {
            if std::mem::replace(&mut self.0, true) {
                return Ok(Passage::of(bytes.len()));
            }
            let then = Then::Replace {
                skip: BUFFER_SIZE * 4,
                put: b"short".to_vec(),
            };
            Ok(Passage { cleared: 1, then })
        }
    }

    #[tokio::test]
    async fn bytes_are_replaced_left_out_and_held_where_they_stand() {
        let (mut sender, reader) = duplex(1 << 20);
        let (writer, mut receiver) = duplex(1 << 20);
        let long = [vec![b'x'; BUFFER_SIZE * 3], b"\n".to_vec()].concat();
        let longer = [b"-".to_vec(), long.clone()].concat();
        for line in [b"a\n-b\n#c\n?d\n-e\n", &long[..], &longer, b"f\n#g\n"] {
            sender.write_all(line).await.unwrap();
        }
        drop(sender);
        let mut pipe = Pipe::default();
        let mut inspect = Editor::default();
        let (mut reader, mut writer) = (reader, writer);
        let ended = poll_fn(|cx| {
            // What waits asks nobody to wake the task: here it is asked again at once.
            match pipe.poll(cx, &mut reader, &mut writer, &mut inspect) {
                Poll::Pending => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                ready @ Poll::Ready(_) => ready,
            }
        });
        assert_eq!(ended.await.unwrap().held, 0);
        drop(writer);
        let mut got = Vec::new();
        receiver.read_to_end(&mut got).await.unwrap();
        let expected = [b"a\n+\n?d\n+\n".to_vec(), long, b"+\nf\n".to_vec()].concat();
        assert!(got == expected, "{}", got.len());
    }

    #[tokio::test]
    async fn more_can_be_left_out_than_has_come() {
        let (mut sender, reader) = duplex(1 << 20);
        let (writer, mut receiver) = duplex(64);
        let bytes = [b"<".to_vec(), vec![b'x'; BUFFER_SIZE * 4], b">".to_vec()].concat();
        sender.write_all(&bytes).await.unwrap();
        drop(sender);
        let mut pipe = Pipe::default();
        run(&mut pipe, reader, writer, First(false)).await.unwrap();
        let mut got = String::new();
        receiver.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "<short>");
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
