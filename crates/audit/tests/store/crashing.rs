//! A process that appends is killed: what it had acknowledged is there.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io::Write;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use proptest::prelude::RngExt;
use proptest::test_runner::{Config, TestRunner};
use querycop_audit::{Durability, Store, StoreConfig, Ticket, VerifyConfig, verify};

use crate::child::{self, TestChild};
use crate::records::{append, lines};
use crate::verifying::keys;

/// Wakes a thread.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits as a session does, by its waker alone.
fn settle(store: &Store, mut ticket: Ticket) {
    let waker = Waker::from(Arc::new(Parked(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(poll_fn(|context| store.poll_settled(&mut ticket, context)));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => return outcome.expect("the record is kept"),
            Poll::Pending => thread::park(),
        }
    }
}

fn config(directory: &Path, durability: Durability) -> StoreConfig {
    let mut config = StoreConfig::new(directory.join("audit"));
    config.durability = durability;
    config.segment_bytes = 128 << 10;
    config
}

/// The child: appends from several threads, and says of each record that it is kept.
#[test]
fn child_appends() {
    let Some(argument) = child::argument() else {
        return;
    };
    let (durability, directory) = argument.split_once(' ').expect("two words");
    let durability = Durability::from_word(durability).expect("a durability");
    let mut config = config(Path::new(directory), durability);
    config.signing_key = Some(keys(Path::new(directory)).0);
    config.checkpoint_interval = std::time::Duration::from_millis(1);
    let (store, _) = Store::open(config).expect("the store opens");
    thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || append_for_ever(store, thread));
        }
    });
}

fn append_for_ever(store: &Store, thread: u64) {
    for number in 0_u64.. {
        let text = format!("SELECT {thread}.{number}");
        settle(store, append(store, &text).expect("appended"));
        let line = format!("kept {text}\n");
        if std::io::stdout().write_all(line.as_bytes()).is_err() {
            return;
        }
    }
}

fn killed_anywhere(durability: Durability) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut acknowledged = Vec::new();
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..10 {
        let argument = format!("{} {}", durability.as_str(), directory.path().display());
        let mut child = TestChild::start(&[], "crashing::child_appends", &argument);
        let patience = runner.rng().random_range(1..1500);
        let mut kept = child.lines.by_ref().filter_map(|line| {
            let line = line.expect("a line");
            line.strip_prefix("kept ").map(str::to_owned)
        });
        let first: Vec<_> = kept.by_ref().take(patience).collect();
        child.kill();
        // What it had said before it was killed counts too.
        let rest = child.lines.by_ref().filter_map(|line| {
            let line = line.ok()?;
            line.strip_prefix("kept ").map(str::to_owned)
        });
        acknowledged.extend(first.into_iter().chain(rest));
        assert!(acknowledged.len() >= patience, "the child ended by itself");
    }
    let (store, _) = Store::open(config(directory.path(), durability)).expect("the store opens");
    store.close();
    let report = verify(&VerifyConfig {
        directory: directory.path().join("audit"),
        ..VerifyConfig::default()
    });
    let report = report.expect("the log can be read");
    assert_eq!(report.findings, []);
    assert!(report.segments > 1);
    if durability == Durability::Queued {
        // It promises nothing after the end of the process.
        return;
    }
    // Each child counts from zero.
    let mut recorded = HashMap::<String, usize>::new();
    for line in lines(&directory.path().join("audit")) {
        if let Some(text) = line["text"].as_str() {
            *recorded.entry(text.to_owned()).or_default() += 1;
        }
    }
    for text in &acknowledged {
        let count = recorded.entry(text.clone()).or_default();
        assert!(*count > 0, "{text} was acknowledged and is lost");
        *count -= 1;
    }
}

#[test]
fn what_was_written_survives_the_process() {
    killed_anywhere(Durability::Written);
}

#[test]
fn what_was_synced_survives_the_process() {
    killed_anywhere(Durability::Synced);
}

#[test]
fn a_queue_that_is_lost_leaves_a_sound_log() {
    killed_anywhere(Durability::Queued);
}
