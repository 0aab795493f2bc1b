//! Who waits until a record is kept.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::store::WriteError;

/// A record that was appended: what to ask [`crate::Store::poll_settled`] about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a record counts only when it is settled"]
pub struct Ticket {
    /// Its place among all: settled are those below a mark that only rises.
    pub(crate) place: u64,
    pub(crate) queue: TicketQueue,
    /// It was asked about.
    was_asked: bool,
}

/// What a ticket's place is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TicketQueue {
    /// What is written at once, or by the keeper.
    Log,
    /// What waits to be written together ([`crate::stage`]).
    Stage,
}

impl Ticket {
    pub(crate) fn logged(place: u64) -> Self {
        Self {
            place,
            queue: TicketQueue::Log,
            was_asked: false,
        }
    }

    pub(crate) fn staged(place: u64) -> Self {
        Self {
            place,
            queue: TicketQueue::Stage,
            was_asked: false,
        }
    }

    /// Whether this is the first time that somebody asks.
    pub(crate) fn waits_its_turn(&mut self) -> bool {
        !std::mem::replace(&mut self.was_asked, true)
    }
}

/// Up to where records are kept, and who waits for more.
#[derive(Debug, Default)]
pub(crate) struct Settlement {
    /// Every place up to this one is settled.
    mark: AtomicU64,
    has_losses: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    wakers: Vec<(u64, Waker)>,
    /// Places that were lost.
    lost: Vec<RangeInclusive<u64>>,
}

impl Settlement {
    /// All that was there before counts as settled.
    pub(crate) fn up_to(mark: u64) -> Self {
        let settlement = Self::default();
        settlement.mark.store(mark, Ordering::Release);
        settlement
    }

    /// Whether anything was ever lost.
    pub(crate) fn has_losses(&self) -> bool {
        self.has_losses.load(Ordering::Acquire)
    }

    pub(crate) fn mark(&self) -> u64 {
        self.mark.load(Ordering::Acquire)
    }

    /// Waits for a place without a thread.
    pub(crate) fn poll(
        &self,
        ticket: Ticket,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError>> {
        let place = ticket.place;
        let mut waiting = self.waiting();
        if waiting.lost.iter().any(|lost| lost.contains(&place)) {
            return Poll::Ready(Err(WriteError::Lost { sequence: place }));
        }
        // Looked at under the lock: whoever raises the mark takes the wakers after that.
        if self.mark() >= place {
            return Poll::Ready(Ok(()));
        }
        let waker = context.waker();
        let known = waiting
            .wakers
            .iter_mut()
            .find(|(other, known)| *other == place && known.will_wake(waker));
        if known.is_none() {
            waiting.wakers.push((place, waker.clone()));
        }
        Poll::Pending
    }

    /// Everything up to this place is kept.
    pub(crate) fn settle(&self, mark: u64) {
        self.mark.fetch_max(mark, Ordering::AcqRel);
        self.wake(0..=mark);
    }

    /// What lies between the mark and this place is lost.
    pub(crate) fn lose(&self, up_to: u64) {
        let from = self.mark() + 1;
        if from <= up_to {
            self.lose_some(from..=up_to);
            self.mark.fetch_max(up_to, Ordering::AcqRel);
        }
    }

    /// These places are lost. What is before them may be kept yet, so that the mark stays.
    pub(crate) fn lose_some(&self, places: RangeInclusive<u64>) {
        self.waiting().lost.push(places.clone());
        self.has_losses.store(true, Ordering::Release);
        self.wake(places);
    }

    fn wake(&self, places: RangeInclusive<u64>) {
        let mut waiting = self.waiting();
        let all = std::mem::take(&mut waiting.wakers);
        let (settled, others) = all
            .into_iter()
            .partition(|(place, _)| places.contains(place));
        waiting.wakers = others;
        drop(waiting);
        let settled: Vec<(u64, Waker)> = settled;
        for (_, waker) in settled {
            waker.wake();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
