//! How many statements a user may run in a second, and at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use querycop_policy::{Limit, Limits};
use tokio::time::Instant;

use super::refused::Why;

/// Counts that are kept; when there are more, those of users at rest are dropped.
const KEPT: usize = 4096;

/// Counts the statements of each user under each rule that limits them; one for the process.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    counts: Mutex<HashMap<Key, Count>>,
}

/// Rule and user.
type Key = (Arc<str>, Box<str>);

#[derive(Debug)]
struct Count {
    /// Statements that may begin at once: fills up to the limit within a second.
    tokens: f64,
    filled_at: Instant,
    running: u32,
}

/// A statement's place among those that run at a time; given up when dropped.
#[derive(Debug)]
pub(super) struct Running {
    throttle: Arc<Throttle>,
    key: Key,
}

impl Throttle {
    /// Lets a user's text begin, of whose statements so many are under a rate, or says which limit it
    /// meets. A session runs one at a time: what
    /// it sends behind others shares `held`, the place that they have.
    pub(super) fn begin(
        self: &Arc<Self>,
        user: &str,
        (limits, rated): (&Limits, usize),
        held: &mut Weak<Running>,
        now: impl FnOnce() -> Instant,
    ) -> Result<Option<Arc<Running>>, Why> {
        if limits.rate.is_none() && limits.concurrent.is_none() {
            return Ok(None);
        }
        let now = now();
        // Before the counts are locked: one that is given up locks them, too.
        let running = held.upgrade();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() > KEPT {
            counts.retain(|_, count| count.running > 0 || !count.is_full_by(now));
        }
        if let Some(limit) = &limits.rate {
            let bucket = counts.entry(key(limit, user)).or_insert(Count {
                tokens: f64::from(limit.max),
                filled_at: now,
                running: 0,
            });
            if !bucket.take(rated, limit.max, now) {
                let limit = limit.clone();
                return Err(Why::TooFast { limit });
            }
        }
        let Some(limit) = &limits.concurrent else {
            return Ok(None);
        };
        let key = key(limit, user);
        if running.as_ref().is_some_and(|running| running.key == key) {
            return Ok(running);
        }
        let count = counts.entry(key.clone()).or_insert(Count {
            tokens: 0.0,
            filled_at: now,
            running: 0,
        });
        if count.running >= limit.max {
            let limit = limit.clone();
            return Err(Why::TooManyAtATime { limit });
        }
        count.running += 1;
        drop(counts);
        let running = Arc::new(Running {
            throttle: Arc::clone(self),
            key,
        });
        *held = Arc::downgrade(&running);
        Ok(Some(running))
    }
}

impl Count {
    /// Takes so many, if there are.
    fn take(&mut self, count: usize, per_second: u32, now: Instant) -> bool {
        let limit = f64::from(per_second);
        let gained = now.saturating_duration_since(self.filled_at).as_secs_f64() * limit;
        self.tokens = (self.tokens + gained).min(limit);
        self.filled_at = now;
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        if self.tokens < count {
            return false;
        }
        self.tokens -= count;
        true
    }

    /// Whether it is as if it had never been used.
    fn is_full_by(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.filled_at).as_secs() >= 1
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut counts = self
            .throttle
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            count.running = count.running.saturating_sub(1);
        }
    }
}

fn key(limit: &Limit<u32>, user: &str) -> Key {
    (Arc::clone(&limit.rule), user.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits(rate: Option<u32>, concurrent: Option<u32>) -> Limits {
        let limit = |max| Limit {
            max,
            rule: "agents".into(),
        };
        Limits {
            rate: rate.map(limit),
            concurrent: concurrent.map(limit),
            ..Limits::default()
        }
    }

    #[test]
    fn rate_is_one_second_s_worth_and_fills_up_again() {
        let throttle = Arc::new(Throttle::default());
        let limits = limits(Some(2), None);
        let now = Instant::now();
        for _ in 0..2 {
            throttle
                .begin("bob", (&limits, 1), &mut Weak::new(), || now)
                .unwrap();
        }
        let refused = throttle
            .begin("bob", (&limits, 1), &mut Weak::new(), || now)
            .unwrap_err();
        assert!(matches!(refused, Why::TooFast { .. }));
        throttle
            .begin("alice", (&limits, 1), &mut Weak::new(), || now)
            .unwrap();
        let later = now + Duration::from_millis(500);
        throttle
            .begin("bob", (&limits, 1), &mut Weak::new(), || later)
            .unwrap();
        throttle
            .begin("bob", (&limits, 1), &mut Weak::new(), || later)
            .unwrap_err();
    }

    #[test]
    fn every_statement_of_a_text_counts_for_the_rate() {
        let throttle = Arc::new(Throttle::default());
        let limits = limits(Some(3), None);
        let now = Instant::now();
        let begin = |rated| {
            let held = &mut Weak::new();
            throttle
                .begin("bob", (&limits, rated), held, || now)
                .is_ok()
        };
        assert_eq!(
            [begin(4), begin(2), begin(2), begin(1)],
            [false, true, false, true]
        );
    }

    #[test]
    fn place_is_given_up_when_the_statement_ends() {
        let throttle = Arc::new(Throttle::default());
        let limits = limits(None, Some(1));
        let now = Instant::now();
        let first = throttle
            .begin("bob", (&limits, 1), &mut Weak::new(), || now)
            .unwrap();
        let refused = throttle
            .begin("bob", (&limits, 1), &mut Weak::new(), || now)
            .unwrap_err();
        assert!(matches!(refused, Why::TooManyAtATime { .. }));
        drop(first);
        throttle
            .begin("bob", (&limits, 1), &mut Weak::new(), || now)
            .unwrap();
    }
}
