//! The store: where records go.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use jiff::Timestamp;
use thiserror::Error;

use crate::chain::{Chain, HEADROOM};
use crate::config::{Durability, StoreConfig};
use crate::disk::{Disk, SystemDisk};
use crate::health::{Health, Pulse};
use crate::keeper::Keeper;
use crate::line::Buffer;
use crate::queue::{QUEUE_BYTES, Queue};
use crate::record::Record;
use crate::recovery::{OpenError, Opened, Recovery};
use crate::room::{Reservation, Room};
use crate::segment::SegmentName;
use crate::settle::{Settlement, Ticket, TicketQueue};
use crate::stage::Stage;

/// Where records go: the segments of a directory, of which a store is the only writer.
///
/// All methods may be called from any thread; none of them waits for a disk but `append` for the
/// operating system to take the line, `reserve` for more room once in some ten thousand records,
/// and `close`.
#[derive(Debug)]
pub struct Store {
    pub(crate) core: Arc<Core>,
    keeper: Keeper,
}

/// What the store's threads share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) durability: Durability,
    directory: PathBuf,
    chain: Mutex<Chain>,
    pub(crate) room: Arc<Room>,
    pub(crate) pulse: Pulse,
    pub(crate) settlement: Settlement,
    pub(crate) stage: Stage,
    /// No more is written, and what is left fails.
    pub(crate) is_closed: AtomicBool,
    pub(crate) queue: Queue,
    pub(crate) counters: Counters,
    /// After a refusal: no more is asked of the disk before this time, in microseconds.
    retry_at: AtomicI64,
    /// Failures of which the log itself does not tell yet.
    unreported: AtomicU64,
    /// Held as long as the store is open.
    _lock: std::fs::File,
}

/// What is counted, since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) failed: AtomicU64,
}

/// What was counted since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Records that were appended, the store's own too.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Times that the disk was told to keep what was written.
    pub syncs: u64,
    /// Reservations that were refused.
    pub refused: u64,
    /// Appends and syncs that failed.
    pub failed: u64,
    /// Segments that were begun.
    pub segments: u64,
    /// Checkpoints that were signed.
    pub checkpoints: u64,
    /// Bytes in the queue now; zero unless the durability is `queued`.
    pub queued_bytes: u64,
}

/// There is no room for a record.
#[derive(Debug, Error)]
#[error("no room for an audit record")]
pub struct NoRoom {
    #[source]
    source: Option<WriteError>,
}

/// A record was not kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The segment can't be written.
    #[error("{segment} can't be written")]
    Write {
        /// Which one.
        segment: SegmentName,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Somebody has removed the file that is written to, or the directory that it was in.
    #[error("{segment} was removed")]
    Removed {
        /// Which one.
        segment: SegmentName,
    },
    /// A part of a line can't be taken back, so that nothing may be written after it.
    #[error("half a record can't be cut from the end of {segment}")]
    Repair {
        /// Which one.
        segment: SegmentName,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The disk didn't take what had been written.
    #[error("record {sequence} was written but is not on disk")]
    Lost {
        /// Which one.
        sequence: u64,
    },
    /// A write failed that was to take this record and others.
    #[error("the record was not written")]
    Unwritten,
    /// The store was closed before.
    #[error("the audit store is closed")]
    Closed,
}

/// How long nothing is asked of a full disk, in microseconds.
const RETRY_MICROS: i64 = 100_000;

thread_local! {
    /// Where a thread writes its lines, again and again.
    static BUFFER: RefCell<Buffer> = const { RefCell::new(Buffer::new()) };
}

impl Store {
    /// Opens the store of a directory: locks it, repairs its end, and says what was found.
    pub fn open(config: StoreConfig) -> Result<(Arc<Self>, Recovery), OpenError> {
        Self::open_on(config, Arc::new(SystemDisk))
    }

    pub(crate) fn open_on(
        mut config: StoreConfig,
        disk: Arc<dyn Disk>,
    ) -> Result<(Arc<Self>, Recovery), OpenError> {
        let room = Arc::new(Room::default());
        let Opened {
            chain,
            lock,
            recovery,
        } = Opened::open(&mut config, disk, Arc::clone(&room))?;
        let settled = match config.durability {
            Durability::Written | Durability::Synced => chain.next - 1,
            Durability::Queued => QUEUE_BYTES,
        };
        let core = Arc::new(Core {
            durability: config.durability,
            directory: config.directory,
            chain: Mutex::new(chain),
            room,
            pulse: Pulse::default(),
            settlement: Settlement::up_to(settled),
            stage: Stage::default(),
            is_closed: AtomicBool::new(false),
            queue: Queue::default(),
            counters: Counters::default(),
            retry_at: AtomicI64::new(i64::MIN),
            unreported: AtomicU64::new(0),
            _lock: lock,
        });
        let keeper = Keeper::start(Arc::clone(&core), config.checkpoint_interval)?;
        Ok((Arc::new(Self { core, keeper }), recovery))
    }

    /// Makes sure that a record of at most so many bytes can be written ([`Record::room`]), before
    /// the statement that it is about is relayed.
    pub fn reserve(&self, bytes: usize) -> Result<Reservation, NoRoom> {
        if self.core.pulse.is_good()
            && let Some(reservation) = self.core.room.take(bytes)
        {
            return Ok(reservation);
        }
        self.core.make_room(bytes)
    }

    /// The same with room that was held for a record which is settled by now: nothing but a look at
    /// how much there is.
    pub fn renew(&self, held: Reservation, bytes: usize) -> Result<Reservation, NoRoom> {
        // What was written came out of the room that is free, as if nobody had held it.
        if held.is_for(bytes) && self.core.pulse.is_good() && self.core.room.free() >= 0 {
            return Ok(held);
        }
        drop(held);
        self.reserve(bytes)
    }

    /// Appends a record.
    ///
    /// With durability `written` and `synced` the operating system has it when this returns. If it
    /// fails, nothing of the record is left in the log.
    pub fn append(
        &self,
        reservation: Reservation,
        record: &Record<'_>,
    ) -> Result<Ticket, WriteError> {
        let ticket = self.append_now(record);
        drop(reservation);
        ticket
    }

    fn append_now(&self, record: &Record<'_>) -> Result<Ticket, WriteError> {
        let place = BUFFER.with_borrow_mut(|buffer| {
            buffer.clear();
            buffer.resize(HEADROOM, 0);
            record.encode(buffer);
            match self.core.durability {
                Durability::Written | Durability::Synced => self.core.put(buffer, record.time),
                Durability::Queued => self.core.queue.push(&self.core.room, buffer, record.time),
            }
        })?;
        match self.core.durability {
            Durability::Written => {}
            Durability::Synced | Durability::Queued => self.keeper.wake(),
        }
        Ok(Ticket::logged(place))
    }

    /// Appends a record that may be written together with others. With durability `written` and
    /// `synced` the operating system has it when it is settled, or when anything is appended by
    /// [`append`](Self::append); with `queued` there is no difference. Its room is to be held until
    /// then.
    pub fn append_soon(
        &self,
        _held: &Reservation,
        record: &Record<'_>,
    ) -> Result<Ticket, WriteError> {
        if self.core.durability == Durability::Queued {
            return self.append_now(record);
        }
        let ticket = BUFFER.with_borrow_mut(|buffer| {
            buffer.clear();
            record.encode(buffer);
            self.core.stage.leave(buffer, record.time)
        });
        if self.core.durability == Durability::Synced {
            self.keeper.wake();
        }
        Ok(ticket)
    }

    /// Writes what was left by [`append_soon`](Self::append_soon).
    pub fn write_left(&self) {
        self.core.write_staged(&mut self.core.chain());
    }

    /// Whether a record is kept as the durability promises. Wakes the caller when it is.
    ///
    /// With `written` it is as soon as it was written; with `synced` when it is on disk; with
    /// `queued` when the queue has room for it. With `written`, what was left by
    /// [`append_soon`](Self::append_soon) is written when somebody asks for the second time: before
    /// that, others have their turn to leave theirs.
    pub fn poll_settled(
        &self,
        ticket: &mut Ticket,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError>> {
        let core = &self.core;
        match (ticket.queue, core.durability) {
            (TicketQueue::Log, Durability::Written) => Poll::Ready(Ok(())),
            (TicketQueue::Log, Durability::Synced | Durability::Queued) => {
                core.settlement.poll(*ticket, context)
            }
            (TicketQueue::Stage, _) if core.stage.is_settled(*ticket) => Poll::Ready(Ok(())),
            (TicketQueue::Stage, Durability::Synced) => {
                // Nobody else looks at what is left when all is over.
                if core.is_closed.load(Ordering::Acquire) {
                    self.write_left();
                }
                core.stage.outcome(*ticket, context)
            }
            (TicketQueue::Stage, _) if ticket.waits_its_turn() => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            (TicketQueue::Stage, _) => {
                self.write_left();
                core.stage.outcome(*ticket, context)
            }
        }
    }

    /// Whether the store can record.
    pub fn health(&self) -> Health {
        self.core.pulse.health()
    }

    /// Where the segments are.
    pub fn directory(&self) -> &Path {
        &self.core.directory
    }

    /// The sequence of the last record that was written.
    pub fn last_sequence(&self) -> u64 {
        self.core.chain().next - 1
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        let counters = &self.core.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            records: read(&counters.records),
            bytes: read(&counters.bytes),
            syncs: read(&counters.syncs),
            refused: read(&self.core.room.refused),
            failed: read(&counters.failed),
            segments: self.core.chain().segments,
            checkpoints: read(&counters.checkpoints),
            queued_bytes: self.core.queue.bytes(),
        }
    }

    /// Writes what is queued, signs a last checkpoint, and tells the disk to keep it all. What is
    /// appended afterwards is refused.
    pub fn close(&self) {
        self.keeper.close();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.keeper.close();
    }
}

impl Core {
    pub(crate) fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line; returns its sequence.
    pub(crate) fn put(&self, buffer: &mut Buffer, time: Timestamp) -> Result<u64, WriteError> {
        let mut chain = self.chain();
        self.write_staged(&mut chain);
        let outcome = chain.put(buffer, time);
        drop(chain);
        match &outcome {
            Ok(_) => {
                self.counters.records.fetch_add(1, Ordering::Relaxed);
                let bytes = buffer.len() as u64;
                self.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            Err(error) => self.failed(error),
        }
        outcome
    }

    /// Writes what waits to be written together.
    pub(crate) fn write_staged(&self, chain: &mut Chain) {
        let mut bodies = std::mem::take(&mut chain.staged);
        self.stage.take(&mut bodies);
        if !bodies.is_empty() {
            let count = bodies.iter().len() as u64;
            match &chain.put_all(&bodies) {
                Ok(bytes) => {
                    self.counters.records.fetch_add(count, Ordering::Relaxed);
                    self.counters.bytes.fetch_add(*bytes, Ordering::Relaxed);
                    chain.staged_up_to = bodies.last();
                    if self.durability != Durability::Synced {
                        self.stage.settle(bodies.last());
                    }
                }
                Err(error) => {
                    self.failed(error);
                    self.stage.lose_taken(&bodies);
                }
            }
            bodies.clear();
        }
        chain.staged = bodies;
    }

    pub(crate) fn failed(&self, error: &WriteError) {
        self.counters.failed.fetch_add(1, Ordering::Relaxed);
        self.unreported.fetch_add(1, Ordering::Relaxed);
        self.pulse.fail(error);
    }

    /// Asks the disk for more room.
    pub(crate) fn make_room(&self, bytes: usize) -> Result<Reservation, NoRoom> {
        let now = Timestamp::now().as_microsecond();
        let retry_at = self.retry_at.load(Ordering::Relaxed);
        // The clock may have been set back: then the time to wait is past as well.
        if (retry_at.saturating_sub(RETRY_MICROS)..retry_at).contains(&now) {
            return Err(self.refuse(None));
        }
        let mut chain = self.chain();
        let outcome = chain.go_on(Timestamp::now());
        let outcome = outcome.and_then(|()| chain.hold(bytes));
        let outcome = outcome.and_then(|reservation| {
            self.report_failures(&mut chain)?;
            Ok(reservation)
        });
        drop(chain);
        match outcome {
            Ok(reservation) => {
                self.pulse.heal();
                Ok(reservation)
            }
            Err(error) => {
                self.retry_at.store(now + RETRY_MICROS, Ordering::Relaxed);
                self.pulse.fail(&error);
                Err(self.refuse(Some(error)))
            }
        }
    }

    /// Writes into the log that records could not be written. That it can be written is also the
    /// proof that the disk takes records again.
    fn report_failures(&self, chain: &mut Chain) -> Result<(), WriteError> {
        let unreported = self.unreported.swap(0, Ordering::Relaxed);
        if unreported == 0 {
            return Ok(());
        }
        let outcome = chain.note_interruption(unreported, &self.pulse.cause(), Timestamp::now());
        if outcome.is_err() {
            self.unreported.fetch_add(unreported, Ordering::Relaxed);
        }
        outcome
    }

    fn refuse(&self, source: Option<WriteError>) -> NoRoom {
        self.room.refused.fetch_add(1, Ordering::Relaxed);
        NoRoom { source }
    }
}

#[cfg(test)]
mod tests;
