//! Whether the store can record.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Whether the store can record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Good,
    /// It can't. It tries again by itself with the next record.
    Failing {
        /// What is wrong.
        cause: String,
    },
}

/// The store's health as it goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    is_failing: AtomicBool,
    cause: Mutex<String>,
}

impl Pulse {
    pub(crate) fn is_good(&self) -> bool {
        !self.is_failing.load(Ordering::Relaxed)
    }

    /// What went wrong last.
    pub(crate) fn cause(&self) -> String {
        let cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        cause.clone()
    }

    pub(crate) fn health(&self) -> Health {
        if !self.is_failing.load(Ordering::Acquire) {
            return Health::Good;
        }
        Health::Failing {
            cause: self.cause(),
        }
    }

    pub(crate) fn fail(&self, error: &(dyn Error + 'static)) {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let _ = write!(text, ": {cause}");
            source = cause.source();
        }
        *self.cause.lock().unwrap_or_else(PoisonError::into_inner) = text;
        self.is_failing.store(true, Ordering::Release);
    }

    pub(crate) fn heal(&self) {
        // A load costs less than a store, and nearly always it is enough.
        if self.is_failing.load(Ordering::Relaxed) {
            self.is_failing.store(false, Ordering::Release);
        }
    }
}
