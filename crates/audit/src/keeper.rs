//! The thread that tells the disk to keep records, signs checkpoints, and empties the queue.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;

use crate::chain::{Condition, HEADROOM};
use crate::config::Durability;
use crate::queue::Batch;
use crate::recovery::OpenError;
use crate::store::{Core, WriteError};

/// A thread beside the sessions.
#[derive(Debug)]
pub(crate) struct Keeper {
    call: Arc<Call>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How the thread is called.
#[derive(Debug, Default)]
struct Call {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Wanted {
    /// Somebody waits for what has come since the last call.
    has_news: bool,
    is_closing: bool,
}

/// What the thread does all its life.
struct Work {
    core: Arc<Core>,
    call: Arc<Call>,
    interval: Duration,
    checkpoint_at: Timestamp,
    batch: Batch,
}

/// How long a record of the queue that can't be written waits for the next try.
const RETRY: Duration = Duration::from_millis(100);

/// How often it is looked whether the segment is still there.
const LOOK: Duration = Duration::from_secs(1);

impl Keeper {
    pub(crate) fn start(core: Arc<Core>, interval: Duration) -> Result<Self, OpenError> {
        let call = Arc::new(Call::default());
        let work = Work {
            core,
            call: Arc::clone(&call),
            interval,
            checkpoint_at: later(interval),
            batch: Batch::default(),
        };
        let thread = thread::Builder::new()
            .name("audit".into())
            .spawn(move || work.run())
            .map_err(OpenError::Thread)?;
        Ok(Self {
            call,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Somebody waits for what has come.
    pub(crate) fn wake(&self) {
        if !std::mem::replace(&mut self.call.wanted().has_news, true) {
            self.call.changed.notify_one();
        }
    }

    /// Ends the thread when it has done all there is to do.
    pub(crate) fn close(&self) {
        self.call.wanted().is_closing = true;
        self.call.changed.notify_one();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // It panics only where a defect of ours makes it, and then there is nobody to tell.
            let _ = thread.join();
        }
    }
}

impl Call {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a call, at most until then. Says whether there is news.
    fn wait(&self, until: Timestamp) -> (bool, Closing) {
        let mut wanted = self.wanted();
        loop {
            if wanted.is_closing {
                return (wanted.has_news, Closing::Yes);
            }
            let left = Timestamp::now().duration_until(until);
            if wanted.has_news || !left.is_positive() {
                return (std::mem::take(&mut wanted.has_news), Closing::No);
            }
            let woken = self.changed.wait_timeout(wanted, left.unsigned_abs());
            wanted = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Whether the store is being closed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    Yes,
    No,
}

impl Work {
    fn run(mut self) {
        let mut look_at = later(LOOK);
        loop {
            let until = self.checkpoint_at.min(look_at);
            let (has_news, closing) = self.call.wait(until);
            if closing == Closing::No && is_due(look_at, LOOK) {
                look_at = later(LOOK);
                self.look();
            }
            if closing == Closing::Yes {
                self.core.queue.close();
            }
            self.empty_queue(closing);
            let now = Timestamp::now();
            if is_due(self.checkpoint_at, self.interval) || closing == Closing::Yes {
                self.checkpoint_at = later(self.interval);
                self.checkpoint(now);
                self.sync();
            } else if has_news && self.core.durability == Durability::Synced {
                self.sync();
            }
            if closing == Closing::Yes {
                self.finish();
                return;
            }
        }
    }

    /// Ends the log. What is left meanwhile is written, and what is left afterwards fails.
    fn finish(&self) {
        let mut chain = self.core.chain();
        self.core.write_staged(&mut chain);
        chain.finish();
        drop(chain);
        if self.core.durability == Durability::Synced {
            self.sync();
        }
        self.core.is_closed.store(true, Ordering::Release);
        self.core.write_staged(&mut self.core.chain());
    }

    /// Sees to it that a segment that is gone is found out also while nothing is written.
    fn look(&self) {
        let looked = self.core.chain().look();
        if let Err(error) = looked {
            self.core.failed(&error);
        }
    }

    /// Writes what is queued.
    fn empty_queue(&mut self, closing: Closing) {
        let core = &self.core;
        core.queue.take(&mut self.batch);
        let mut buffer = Vec::new();
        for (body, time) in self.batch.bodies() {
            loop {
                buffer.clear();
                buffer.resize(HEADROOM, 0);
                buffer.extend_from_slice(body);
                if core.put(&mut buffer, time).is_ok() || closing == Closing::Yes {
                    break;
                }
                // Nothing is left out: the queue fills, and the sessions wait.
                if self.call.pause() == Closing::Yes {
                    break;
                }
            }
            let mark = core.queue.release(&core.room, body.len());
            core.settlement.settle(mark);
        }
        self.batch.clear();
    }

    fn checkpoint(&self, now: Timestamp) {
        let mut chain = self.core.chain();
        self.core.write_staged(&mut chain);
        let outcome = chain.checkpoint(now);
        drop(chain);
        match outcome {
            Ok(None) => {}
            Ok(Some(_)) => {
                self.core.counters.records.fetch_add(1, Ordering::Relaxed);
                self.core
                    .counters
                    .checkpoints
                    .fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => self.core.failed(&error),
        }
    }

    /// Tells the disk to keep all that was written, and those who wait that it did.
    fn sync(&self) {
        // Those who were told of the last sync have their turn to leave their next records: a sync
        // costs the same for one as for many.
        thread::yield_now();
        let mut chain = self.core.chain();
        self.core.write_staged(&mut chain);
        let (up_to, staged_up_to) = (chain.next - 1, chain.staged_up_to);
        let name = chain.segment.name;
        let retired = std::mem::take(&mut chain.retired);
        let file = Arc::clone(&chain.segment.file);
        let has_new_name = std::mem::take(&mut chain.has_new_name);
        drop(chain);
        let outcome = retired
            .iter()
            .try_for_each(|file| file.sync())
            .and_then(|()| file.sync())
            .and_then(|()| self.sync_directory(has_new_name));
        self.core.counters.syncs.fetch_add(1, Ordering::Relaxed);
        let is_synced = self.core.durability == Durability::Synced;
        match outcome {
            Ok(()) if is_synced => {
                self.core.settlement.settle(up_to);
                self.core.stage.settle(staged_up_to);
            }
            Ok(()) => {}
            Err(source) => self.lose(name, source, up_to),
        }
    }

    fn sync_directory(&self, has_new_name: bool) -> io::Result<()> {
        if !has_new_name {
            return Ok(());
        }
        let chain = self.core.chain();
        let disk = Arc::clone(&chain.place.disk);
        let directory = chain.place.directory.clone();
        drop(chain);
        disk.sync_directory(&directory)
    }

    /// The system tells of a failed sync once, and then forgets what it could not write. So nothing
    /// that follows may rely on this segment.
    fn lose(&self, name: crate::segment::SegmentName, source: io::Error, up_to: u64) {
        let mut chain = self.core.chain();
        chain.segment.condition = Condition::Abandoned;
        chain.has_new_name = true;
        // What was written meanwhile is in the same segment.
        let (up_to, staged_up_to) = (up_to.max(chain.next - 1), chain.staged_up_to);
        drop(chain);
        if self.core.durability == Durability::Synced {
            self.core.settlement.lose(up_to);
            self.core.stage.lose(staged_up_to);
        }
        self.core.failed(&WriteError::Write {
            segment: name,
            source,
        });
    }
}

impl Call {
    /// Waits for a moment, or until the store is being closed.
    fn pause(&self) -> Closing {
        let wanted = self.wanted();
        let is_open = |wanted: &mut Wanted| !wanted.is_closing;
        let woken = self.changed.wait_timeout_while(wanted, RETRY, is_open);
        let (wanted, _) = woken.unwrap_or_else(PoisonError::into_inner);
        if wanted.is_closing {
            Closing::Yes
        } else {
            Closing::No
        }
    }
}

/// Whether the time has come for what is done at intervals. A clock that was set back would put it
/// off.
fn is_due(at: Timestamp, interval: Duration) -> bool {
    let left = Timestamp::now().duration_until(at);
    !left.is_positive() || left.unsigned_abs() > interval
}

fn later(interval: Duration) -> Timestamp {
    let interval = interval.min(Duration::from_hours(24 * 365));
    Timestamp::now()
        .checked_add(interval)
        .unwrap_or(Timestamp::MAX)
}
