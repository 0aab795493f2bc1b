//! Threads that run sessions.
//!
//! Each worker is one thread with a runtime of its own. A session lives on one worker from its first
//! byte to its last, so the two legs of a round trip are handled by the same thread in one wake-up,
//! and nothing that a session owns is ever touched by another core.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// A set of worker threads. Dropping it ends the threads and whatever still runs on them.
#[derive(Debug)]
pub struct Workers {
    members: Vec<Worker>,
    threads: Vec<thread::JoinHandle<()>>,
    stop: CancellationToken,
}

/// One worker thread.
#[derive(Clone, Debug)]
pub struct Worker {
    runtime: Handle,
    running: Arc<AtomicUsize>,
}

/// Counts a task as running for as long as it lives, also when it panics.
struct Running(Arc<AtomicUsize>);

impl Workers {
    /// Starts `count` threads (at least one) named `NAME-0`, `NAME-1`, ….
    pub fn start(count: usize, name: &str) -> io::Result<Self> {
        let mut set = Self {
            members: Vec::new(),
            threads: Vec::new(),
            stop: CancellationToken::new(),
        };
        for number in 0..count.max(1) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            set.members.push(Worker {
                runtime: runtime.handle().clone(),
                running: Arc::default(),
            });
            let stop = set.stop.clone();
            let thread = thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || runtime.block_on(stop.cancelled()))?;
            set.threads.push(thread);
        }
        Ok(set)
    }

    /// The worker with the fewest tasks.
    pub fn least_busy(&self) -> &Worker {
        self.members
            .iter()
            .min_by_key(|worker| worker.running.load(Ordering::Relaxed))
            .expect("a set of workers is never empty")
    }

    /// How many threads there are.
    pub fn count(&self) -> usize {
        self.members.len()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            // A worker thread only waits; a panic in a task is caught by its runtime.
            let _ = thread.join();
        }
    }
}

impl Worker {
    /// Runs `task` on this worker's thread.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let running = Running::count(&self.running);
        self.runtime.spawn(async move {
            let _running = running;
            task.await;
        });
    }
}

impl Running {
    fn count(running: &Arc<AtomicUsize>) -> Self {
        running.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(running))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn tasks_are_spread_over_the_threads() {
        let workers = Workers::start(2, "test").unwrap();
        let (names, seen) = mpsc::channel();
        for _ in 0..2 {
            let names = names.clone();
            workers.least_busy().spawn(async move {
                names
                    .send(thread::current().name().unwrap_or_default().to_owned())
                    .unwrap();
                std::future::pending::<()>().await;
            });
        }
        let mut got: Vec<String> = seen.iter().take(2).collect();
        got.sort();
        assert_eq!(got, ["test-0", "test-1"]);
    }

    #[test]
    fn a_panic_does_not_take_the_worker_along() {
        let workers = Workers::start(1, "test").unwrap();
        let (done, seen) = mpsc::channel();
        workers
            .least_busy()
            .spawn(async { panic!("a session went wrong") });
        workers
            .least_busy()
            .spawn(async move { done.send(()).unwrap() });
        seen.recv().unwrap();
    }
}
