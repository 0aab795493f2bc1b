//! Records that wait for a thread to write them (durability `queued`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::chain::HEADROOM;
use crate::line::Buffer;
use crate::room::{Room, signed};
use crate::store::WriteError;

/// How many bytes may wait before the sessions do.
pub(crate) const QUEUE_BYTES: u64 = 8 << 20;

/// Records that wait.
///
/// A session waits with its record when the queue is full, so that what is in here has a bound: the
/// size of the queue, and one record for each session.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    /// All bytes that were ever taken out.
    taken: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    batch: Batch,
    /// All bytes that were ever put in.
    pushed: u64,
    is_closed: bool,
}

/// Bodies of records one after the other; a thread swaps an empty one for a full one.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    ends: Vec<(usize, Timestamp)>,
}

impl Queue {
    /// Puts a record in. Its place is the number of bytes up to and with it.
    pub(crate) fn push(
        &self,
        room: &Room,
        buffer: &Buffer,
        time: Timestamp,
    ) -> Result<u64, WriteError> {
        let body = buffer.get(HEADROOM..).unwrap_or_default();
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return Err(WriteError::Closed);
        }
        waiting.batch.bytes.extend_from_slice(body);
        let end = waiting.batch.bytes.len();
        waiting.batch.ends.push((end, time));
        waiting.pushed += body.len() as u64;
        // The room stays taken until the record is written.
        room.add(-signed(body.len() as u64));
        Ok(waiting.pushed)
    }

    /// Takes all that waits, in exchange for an empty batch.
    pub(crate) fn take(&self, batch: &mut Batch) {
        std::mem::swap(&mut self.waiting().batch, batch);
    }

    /// A record is written, or given up: so many bytes wait no longer. Returns the new mark.
    pub(crate) fn release(&self, room: &Room, bytes: usize) -> u64 {
        let bytes = bytes as u64;
        room.add(signed(bytes));
        self.taken.fetch_add(bytes, Ordering::Relaxed) + bytes + QUEUE_BYTES
    }

    /// Takes no more.
    pub(crate) fn close(&self) {
        self.waiting().is_closed = true;
    }

    /// How many bytes wait.
    pub(crate) fn bytes(&self) -> u64 {
        let pushed = self.waiting().pushed;
        pushed.saturating_sub(self.taken.load(Ordering::Relaxed))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    /// The bodies, with the times of their records.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = (&[u8], Timestamp)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(end, _)| *end));
        starts
            .zip(&self.ends)
            .map(|(start, (end, time))| (self.bytes.get(start..*end).unwrap_or_default(), *time))
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}
