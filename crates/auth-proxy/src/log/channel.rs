//! One of the two places that lines of the log go to.
//!
//! A thread of its own writes them, because a pipe that nobody reads makes a write wait for as long as
//! it likes: clients, probes and the end must not wait with it. Lines that find no room are dropped
//! and counted, and a line says how many as soon as there is room again.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes that may wait to be written: thousands of lines.
const CAPACITY: usize = 1 << 20;

/// Makes the line that says how many were dropped.
pub(super) type Notice = Box<dyn Fn(u64) -> String + Send + Sync>;

/// What a thread writes. Dropping it lets the thread end once all is written.
pub(super) struct Channel(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// There is something to write, or all has been written, or no more comes.
    changed: Condvar,
    writer: Mutex<Box<dyn Write + Send>>,
    notice: Notice,
    /// Lines that were dropped and not asked for yet.
    lost: AtomicU64,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<String>,
    /// Of all lines in it.
    bytes: usize,
    /// Lines that were dropped since the last that was taken.
    dropped: u64,
    /// A line was taken out and isn't written yet.
    is_writing: bool,
    /// No more lines come.
    is_closed: bool,
}

impl Channel {
    pub(super) fn new(name: &str, writer: Box<dyn Write + Send>, notice: Notice) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            writer: Mutex::new(writer),
            notice,
            lost: AtomicU64::new(0),
        });
        let of_thread = Arc::clone(&shared);
        let started = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || of_thread.run());
        if started.is_err() {
            // There is nobody to write, so every line is written by whom it comes from.
            shared.queue().is_closed = true;
        }
        Self(shared)
    }

    /// Takes a line, which is written soon. Waits for nobody.
    pub(super) fn push(&self, line: String) {
        let shared = &self.0;
        let mut queue = shared.queue();
        if queue.is_closed {
            drop(queue);
            shared.write(&line);
            return;
        }
        // Once lines are dropped it takes more than the room of one to go on, so that gaps are few.
        let capacity = if queue.dropped > 0 {
            CAPACITY / 2
        } else {
            CAPACITY
        };
        if queue.bytes + line.len() > capacity {
            queue.dropped += 1;
            shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        shared.tell_dropped(&mut queue);
        queue.put(line);
        shared.changed.notify_all();
    }

    /// Waits until all that was taken is written, for no longer than `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let waits = |queue: &mut Queue| queue.is_writing || !queue.lines.is_empty();
        let queue = self.0.queue();
        // What is left then stays unwritten; so does what a thread that has panicked left.
        let _ = self.0.changed.wait_timeout_while(queue, limit, waits);
    }

    /// How many lines were dropped since this was asked last.
    pub(super) fn take_lost(&self) -> u64 {
        self.0.lost.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.0.queue().is_closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: writes until no more lines come.
    fn run(&self) {
        let mut queue = self.queue();
        loop {
            if let Some(line) = queue.take() {
                queue.is_writing = true;
                drop(queue);
                self.write(&line);
                queue = self.queue();
                queue.is_writing = false;
                continue;
            }
            if queue.dropped > 0 {
                self.tell_dropped(&mut queue);
                continue;
            }
            self.changed.notify_all();
            if queue.is_closed {
                return;
            }
            queue = self
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Puts the line about those that were dropped where they would be.
    fn tell_dropped(&self, queue: &mut Queue) {
        let dropped = std::mem::take(&mut queue.dropped);
        if dropped > 0 {
            queue.put((self.notice)(dropped));
        }
    }

    /// In one call, so that lines of several processes don't mix. One that can't be written is lost.
    fn write(&self, line: &str) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writer
            .write_all(line.as_bytes())
            .and_then(|()| writer.flush());
    }
}

impl Queue {
    fn put(&mut self, line: String) {
        self.bytes += line.len();
        self.lines.push_back(line);
    }

    fn take(&mut self) -> Option<String> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.len();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Where nothing can be written until it is let go on.
    struct Stalled {
        go_on: Receiver<()>,
        written: Sender<String>,
    }

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Whoever lets go drops the other end.
            let _ = self.go_on.recv();
            let text = String::from_utf8(bytes.to_vec()).expect("it is text");
            let _ = self.written.send(text);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_who_reads_nothing() {
        let (let_go, go_on) = channel();
        let (written, lines) = channel();
        let writer = Box::new(Stalled { go_on, written });
        let log = Channel::new("log", writer, Box::new(|lost| format!("{lost} lost\n")));
        let line = |number: usize| format!("{number:1023}\n");
        // One is in the thread's hands or still in the queue, so there is room for one more or none.
        let sent = CAPACITY / 1024 + 5;
        for number in 0..sent {
            log.push(line(number));
        }
        let lost = log.take_lost();
        assert!((4..=5).contains(&lost), "{lost}");
        log.flush(Duration::ZERO);
        drop(let_go);
        let kept = sent - usize::try_from(lost).expect("it is small");
        for number in 0..kept {
            assert_eq!(lines.recv().expect("it is written"), line(number));
        }
        assert_eq!(
            lines.recv().expect("it is written"),
            format!("{lost} lost\n")
        );
        log.push(line(0));
        assert_eq!(lines.recv().expect("it is written"), line(0));
        assert_eq!(log.take_lost(), 0, "they were told");
    }

    #[test]
    fn all_is_written_when_no_more_comes() {
        let (let_go, go_on) = channel();
        let (written, lines) = channel();
        let writer = Box::new(Stalled { go_on, written });
        let log = Channel::new("log", writer, Box::new(|_| String::new()));
        for line in ["one\n", "two\n"] {
            log.push(line.to_owned());
        }
        drop(let_go);
        log.flush(Duration::from_mins(1));
        assert_eq!(lines.try_iter().collect::<Vec<_>>(), ["one\n", "two\n"]);
        log.push("three\n".to_owned());
        drop(log);
        assert_eq!(lines.iter().collect::<Vec<_>>(), ["three\n"]);
    }
}
