//! Threads with large stacks, where deep and large texts are parsed.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use tokio::sync::{mpsc, oneshot};

use crate::analysis::{Analysis, Limits, check};
use crate::settings::LexerSettings;

/// Far more than the guard's largest depth takes, also without optimization. It is reserved, not
/// used: the system gives a page when it is touched.
const STACK_BYTES: usize = 256 << 20;

/// Texts that wait for a thread; whoever comes later waits for a place.
const QUEUE: usize = 64;

/// Threads that parse.
pub(crate) struct Pool {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    text: Vec<u8>,
    settings: LexerSettings,
    limits: Limits,
    answer: oneshot::Sender<Analysis>,
}

impl Pool {
    /// Starts the threads; they end when the pool is dropped.
    pub(crate) fn start(threads: NonZeroUsize) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..threads.get() {
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(format!("sql-{number}"))
                .stack_size(STACK_BYTES)
                .spawn(move || work(&queue))?;
        }
        Ok(Self { jobs })
    }

    /// Analyzes a text on one of the threads; `None` if they are gone.
    ///
    /// Cancel safe: an analysis that nobody waits for is dropped.
    pub(crate) async fn analyze(
        &self,
        text: &[u8],
        settings: LexerSettings,
        limits: Limits,
    ) -> Option<Analysis> {
        let (answer, analysis) = oneshot::channel();
        let job = Job {
            text: text.to_vec(),
            settings,
            limits,
            answer,
        };
        self.jobs.send(job).await.ok()?;
        analysis.await.ok()
    }
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        // One thread waits for the queue, the others for the lock.
        let job = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv();
        let Some(job) = job else { return };
        if job.answer.is_closed() {
            continue;
        }
        let analysis = analyze(&job.text, job.settings, job.limits);
        // Who no longer waits doesn't need it.
        let _ = job.answer.send(analysis);
    }
}

/// Analyzes a text on this thread, whatever its size.
pub(crate) fn analyze(text: &[u8], settings: LexerSettings, limits: Limits) -> Analysis {
    match check(text, settings, limits) {
        Ok(measured) => measured.analyze(),
        Err(refused) => *refused,
    }
}
