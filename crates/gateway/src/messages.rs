//! Reads and writes whole messages until the relay takes over.
//!
//! Deliberately no `AsyncRead` or `AsyncWrite`: nobody writes stray bytes into a framed protocol.

use std::io;

use querycop_wire::frame::{self, Frame, FrameError};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::leg::Leg;

/// Bytes read at a time: a whole login exchange fits.
const READ_SIZE: usize = 4096;

/// One side of a session that is being set up.
#[derive(Debug)]
pub(crate) struct Messages {
    leg: Leg,
    input: Vec<u8>,
    /// Bytes at the front of `input` that belong to the message handed out last.
    taken: usize,
    output: Vec<u8>,
    spoken: bool,
}

/// A message could not be read.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    #[error("connection closed")]
    Closed,
    #[error("connection lost")]
    Io(#[from] io::Error),
    #[error("malformed message")]
    Frame(#[from] FrameError),
}

impl Messages {
    /// Messages over `leg`, from which `input` was already read.
    pub(crate) fn new(leg: Leg, input: Vec<u8>) -> Self {
        Self {
            leg,
            input,
            taken: 0,
            output: Vec::new(),
            spoken: false,
        }
    }

    pub(crate) fn leg(&self) -> &Leg {
        &self.leg
    }

    /// The leg, and what was read from it beyond the last message.
    pub(crate) fn into_parts(mut self) -> (Leg, Vec<u8>) {
        self.input.drain(..self.taken);
        (self.leg, self.input)
    }

    /// Waits for the next message. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Frame<'_>, ReadError> {
        self.input.drain(..self.taken);
        self.taken = 0;
        while !self.has_message()? {
            if self.read().await? == 0 {
                return Err(ReadError::Closed);
            }
        }
        let (frame, taken) =
            frame::decode(&self.input, frame::MAX_PRE_AUTH_LEN)?.ok_or(ReadError::Closed)?;
        self.taken = taken;
        Ok(frame)
    }

    /// Waits until the peer is gone: it has closed its side and nothing that it sent is left to be
    /// done. What it sends meanwhile is kept for later, up to the length of a message; beyond that its
    /// end is no longer seen. Cancel safe.
    pub(crate) async fn left(&mut self) {
        while self.input.len() < frame::MAX_PRE_AUTH_LEN as usize {
            match self.read().await {
                Ok(0) if self.input.len() > self.taken => break,
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending::<()>().await;
    }

    /// Reads a little: what is read here and not used in the login has to wait for the relay.
    async fn read(&mut self) -> io::Result<usize> {
        self.input.reserve(READ_SIZE);
        (&mut self.leg)
            .take(READ_SIZE as u64)
            .read_buf(&mut self.input)
            .await
    }

    /// Whether the next message is here already.
    pub(crate) fn has_message(&self) -> Result<bool, FrameError> {
        Ok(frame::decode(&self.input[self.taken..], frame::MAX_PRE_AUTH_LEN)?.is_some())
    }

    /// What [`flush`](Self::flush) will send.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Whether anything has been sent.
    pub(crate) fn has_spoken(&self) -> bool {
        self.spoken
    }

    /// Sends what was put into the output. Not cancel safe.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            self.spoken = true;
            self.leg.write_all(&self.output).await?;
            self.leg.flush().await?;
            self.output.clear();
        }
        Ok(())
    }

    /// Sends what was put into the output, then `last_words`, and closes so that the peer gets to
    /// read them.
    pub(crate) async fn farewell(mut self, last_words: &[u8]) {
        self.output.extend_from_slice(last_words);
        self.leg.farewell(&self.output).await;
    }
}
