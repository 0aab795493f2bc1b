//! Passes records on to somewhere else, behind the store.
//!
//! A thread reads the segments and hands their lines to a [`Sink`]. Sessions don't wait for it, and
//! what the sink doesn't take is offered again, so that nothing is left out.

use std::error::Error;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use thiserror::Error;

use crate::chain::read_begin;
use crate::follow::{Follower, Position};
use crate::store::Store;

/// Somewhere that records go to.
pub trait Sink: Send {
    /// Takes whole lines, each with its newline. After an error the same lines are offered again
    /// in a while.
    fn deliver(&mut self, lines: &[u8]) -> Result<(), SinkError>;
}

/// A sink doesn't take lines now.
#[derive(Debug, Error)]
#[error("the sink does not take records")]
pub struct SinkError {
    /// Why.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// Where a feed begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// With what is recorded from now on.
    Now,
    /// Where it was when it ended, by a file `NAME.cursor` beside the segments; the first time with
    /// the first record there is. After a kill, some records come again.
    WhereItEnded,
}

/// A thread that feeds a sink.
#[derive(Debug)]
pub struct Feed {
    store: Arc<Store>,
    shared: Arc<Shared>,
}

/// What a feed has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedStats {
    /// Records that the sink took.
    pub delivered: u64,
    /// Times that it took none.
    pub failures: u64,
    /// Records that it hasn't got yet.
    pub lag: u64,
    /// Why it takes none, if it doesn't.
    pub trouble: Option<String>,
}

/// A feed can't be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FeedError {
    /// The segments or the cursor can't be read.
    #[error("{path} can't be read")]
    Unreadable {
        /// Which file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("no thread can be started to pass records on")]
    Thread(#[source] io::Error),
}

#[derive(Debug, Default)]
struct Shared {
    delivered: AtomicU64,
    failures: AtomicU64,
    /// The last record that the sink has.
    sequence: AtomicU64,
    course: Mutex<Course>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Course {
    stage: Stage,
    trouble: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Running,
    /// To end when the sink has all there is.
    Ending,
    /// To end at once.
    Leaving,
    Ended,
}

/// What the thread has.
struct Work {
    follower: Follower,
    sink: Box<dyn Sink>,
    shared: Arc<Shared>,
    cursor: Option<PathBuf>,
    lines: Vec<u8>,
}

/// How long it waits for new records before it looks again.
const INTERVAL: Duration = Duration::from_millis(100);

/// How long it waits at most for a sink that takes nothing.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Feed {
    /// Starts to feed a sink.
    pub fn start(
        store: &Arc<Store>,
        name: &str,
        begin: Begin,
        sink: Box<dyn Sink>,
    ) -> Result<Self, FeedError> {
        let directory = store.directory().to_path_buf();
        let cursor = directory.join(format!("{name}.cursor"));
        let follower = match begin {
            Begin::Now => Follower::from_end(&directory),
            Begin::WhereItEnded => read_cursor(&cursor).map(|position| match position {
                Some(position) => Follower::new(&directory, position),
                None => Follower::from_start(&directory),
            }),
        };
        let follower = follower.map_err(|source| FeedError::Unreadable {
            path: cursor.clone(),
            source,
        })?;
        let shared = Arc::new(Shared::default());
        // Until the sink has got something, what was there before doesn't count as lag.
        let known = match begin {
            Begin::Now => store.last_sequence(),
            Begin::WhereItEnded => follower.position().segment.saturating_sub(1),
        };
        shared.sequence.store(known, Ordering::Relaxed);
        let work = Work {
            follower,
            sink,
            shared: Arc::clone(&shared),
            cursor: (begin == Begin::WhereItEnded).then_some(cursor),
            lines: Vec::new(),
        };
        thread::Builder::new()
            .name(format!("audit-{name}"))
            .spawn(move || work.run())
            .map_err(FeedError::Thread)?;
        Ok(Self {
            store: Arc::clone(store),
            shared,
        })
    }

    /// What it has done.
    pub fn stats(&self) -> FeedStats {
        let shared = &self.shared;
        let has = shared.sequence.load(Ordering::Relaxed);
        FeedStats {
            delivered: shared.delivered.load(Ordering::Relaxed),
            failures: shared.failures.load(Ordering::Relaxed),
            lag: self.store.last_sequence().saturating_sub(has),
            trouble: shared.course().trouble.clone(),
        }
    }

    /// Ends the feed when the sink has all there is, or after this time. To be called after
    /// [`Store::close`].
    pub fn stop(&self, patience: Duration) {
        let mut course = self.shared.course();
        course.stage = course.stage.max(Stage::Ending);
        self.shared.changed.notify_all();
        let is_there = |course: &mut Course| course.stage != Stage::Ended;
        let waited = self
            .shared
            .changed
            .wait_timeout_while(course, patience, is_there);
        let (mut course, _) = waited.unwrap_or_else(PoisonError::into_inner);
        course.stage = course.stage.max(Stage::Leaving);
        self.shared.changed.notify_all();
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut course = self.shared.course();
        course.stage = course.stage.max(Stage::Leaving);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, at most so long, for the stage to change.
    fn pause(&self, time: Duration) -> Stage {
        let course = self.course();
        let before = course.stage;
        let is_same = |course: &mut Course| course.stage == before && before < Stage::Leaving;
        let waited = self.changed.wait_timeout_while(course, time, is_same);
        waited.unwrap_or_else(PoisonError::into_inner).0.stage
    }

    fn trouble(&self, trouble: Option<String>) {
        self.course().trouble = trouble;
    }
}

impl Work {
    fn run(mut self) {
        while self.step() < Stage::Leaving {}
        let mut course = self.shared.course();
        course.stage = Stage::Ended;
        self.shared.changed.notify_all();
    }

    /// Passes on what there is, or waits for more.
    fn step(&mut self) -> Stage {
        let before = self.shared.course().stage;
        self.lines.clear();
        match self.follower.read() {
            Ok(lines) => self.lines.extend_from_slice(lines),
            Err(error) => {
                self.shared.failures.fetch_add(1, Ordering::Relaxed);
                self.shared
                    .trouble(Some(format!("the segments can't be read: {error}")));
            }
        }
        if self.lines.is_empty() {
            // Looked at before reading, so that what was recorded until then has been passed on.
            if before == Stage::Ending {
                return Stage::Leaving;
            }
            return self.shared.pause(INTERVAL);
        }
        let stage = self.deliver();
        if stage < Stage::Leaving {
            self.save_cursor();
        }
        stage
    }

    /// Offers the lines until the sink takes them.
    fn deliver(&mut self) -> Stage {
        let mut pause = INTERVAL;
        loop {
            match self.sink.deliver(&self.lines) {
                Ok(()) => {
                    self.note_delivered();
                    return self.shared.course().stage;
                }
                Err(error) => {
                    self.shared.failures.fetch_add(1, Ordering::Relaxed);
                    self.shared.trouble(Some(in_words(&*error.source)));
                }
            }
            let stage = self.shared.pause(pause);
            if stage >= Stage::Leaving {
                return stage;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn note_delivered(&self) {
        let lines = self
            .lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let mut count = 0;
        let mut last = None;
        for line in lines {
            count += 1;
            last = Some(line);
        }
        self.shared.delivered.fetch_add(count, Ordering::Relaxed);
        if let Some((sequence, ..)) = last.and_then(read_begin) {
            self.shared.sequence.store(sequence, Ordering::Relaxed);
        }
        self.shared.trouble(None);
    }

    /// Remembers how far the sink is. What can't be written means that records come again.
    fn save_cursor(&self) {
        let Some(path) = &self.cursor else { return };
        let saved = serde_json::to_vec(&self.follower.position())
            .map_err(io::Error::from)
            .and_then(|text| {
                let new = path.with_extension("cursor-new");
                fs::write(&new, text)?;
                fs::rename(&new, path)
            });
        if let Err(error) = saved {
            self.shared
                .trouble(Some(format!("the cursor can't be written: {error}")));
        }
    }
}

/// The position that a cursor has; a broken one is none.
fn read_cursor(path: &std::path::Path) -> io::Result<Option<Position>> {
    match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
