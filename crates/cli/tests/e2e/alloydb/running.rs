//! An emulator on a thread of its own, for tests that wait in the ordinary way.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use alloydb_emulator::{Emulator, EmulatorBuilder};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// A running emulator; dropping it ends it.
pub(crate) struct Running {
    emulator: Arc<Emulator>,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts it, and returns when it listens.
    pub(crate) fn start(builder: EmulatorBuilder) -> Self {
        let (started, starts) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
            runtime.block_on(async {
                let emulator = builder.start().await.expect("the emulator starts");
                let emulator = Arc::new(emulator);
                started
                    .send((Arc::clone(&emulator), Handle::current()))
                    .expect("the test waits");
                // An end without a word is the end of the test as well.
                let _ = stopped.await;
            });
        });
        let (emulator, runtime) = starts.recv().expect("the emulator starts");
        Self {
            emulator,
            runtime,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Runs what is asynchronous of it.
    pub(crate) fn run<T>(&self, work: impl AsyncFnOnce(&Emulator) -> T) -> T {
        self.runtime.block_on(work(&self.emulator))
    }
}

impl Deref for Running {
    type Target = Emulator;

    fn deref(&self) -> &Emulator {
        &self.emulator
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has said on standard error why it panicked, if it did.
            let _ = thread.join();
        }
    }
}
