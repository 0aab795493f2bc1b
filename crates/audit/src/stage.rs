//! Records that wait to be written together.
//!
//! A call of the operating system costs more than the record that it takes. So with durability
//! `written` a session leaves its record here and lets the others that are ready have their turn;
//! whoever asks next whether it is settled writes all that is here at once. With `synced` the thread
//! that tells the disk to keep records writes them before it does.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use jiff::Timestamp;

use crate::settle::{Settlement, Ticket};
use crate::store::WriteError;

/// Records that wait, and up to which one they were written.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    waiting: Mutex<Bodies>,
    settlement: Settlement,
}

/// Bodies of lines, in order.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    bytes: Vec<u8>,
    ends: Vec<(usize, Timestamp)>,
    /// The place of the last one among all that ever waited.
    last: u64,
}

impl Stage {
    /// Leaves the body of a line here.
    pub(crate) fn leave(&self, body: &[u8], time: Timestamp) -> Ticket {
        let mut waiting = self.waiting();
        waiting.bytes.extend_from_slice(body);
        let end = waiting.bytes.len();
        waiting.ends.push((end, time));
        waiting.last += 1;
        Ticket::staged(waiting.last)
    }

    /// Takes all that waits; `taken` is empty, and its memory is used for what comes.
    pub(crate) fn take(&self, taken: &mut Bodies) {
        let mut waiting = self.waiting();
        taken.last = waiting.last;
        std::mem::swap(&mut *waiting, taken);
    }

    /// Those up to this place are kept.
    pub(crate) fn settle(&self, up_to: u64) {
        self.settlement.settle(up_to);
    }

    /// Those up to this place that are not settled are lost.
    pub(crate) fn lose(&self, up_to: u64) {
        self.settlement.lose(up_to);
    }

    /// Those that were taken are lost.
    pub(crate) fn lose_taken(&self, taken: &Bodies) {
        let first = taken.last + 1 - taken.ends.len() as u64;
        self.settlement.lose_some(first..=taken.last);
    }

    /// Whether a record was written.
    pub(crate) fn is_settled(&self, ticket: Ticket) -> bool {
        self.settlement.mark() >= ticket.place && !self.settlement.has_losses()
    }

    /// What has become of a record that was taken.
    pub(crate) fn outcome(
        &self,
        ticket: Ticket,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError>> {
        self.settlement
            .poll(ticket, context)
            .map_err(|_| WriteError::Unwritten)
    }

    fn waiting(&self) -> MutexGuard<'_, Bodies> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bodies {
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// When the last one was.
    pub(crate) fn time(&self) -> Timestamp {
        self.ends.last().map_or(Timestamp::MIN, |(_, time)| *time)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |(end, _)| {
            let body = &self.bytes[start..*end];
            start = *end;
            body
        })
    }

    /// Bytes of all of them.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The place of the last one.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}
