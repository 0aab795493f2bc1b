//! How many clients may be connected at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The clients that are connected, and how many may be.
#[derive(Debug)]
pub(crate) struct Places {
    open: AtomicI64,
    limit: i64,
}

/// A client's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Places {
    /// `limit` places; 0 is no limit.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            open: AtomicI64::new(0),
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
        }
    }

    /// A place, if one is free.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Place> {
        let one_more = |open: i64| (self.limit == 0 || open < self.limit).then_some(open + 1);
        let taken = self
            .open
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        taken.ok().map(|_| Place(Arc::clone(self)))
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> i64 {
        self.open.load(Ordering::Acquire)
    }

    /// The limit, if there is one.
    pub(crate) fn limit(&self) -> Option<i64> {
        (self.limit > 0).then_some(self.limit)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let places = Arc::new(Places::new(1));
        let first = places.take().unwrap();
        assert!(places.take().is_none());
        assert_eq!(places.taken(), 1, "who was refused doesn't count");
        drop(first);
        assert!(places.take().is_some());
        assert_eq!((places.taken(), places.limit()), (0, Some(1)));
    }

    #[test]
    fn zero_is_no_limit() {
        let places = Arc::new(Places::new(0));
        let all: Vec<_> = (0..100).map(|_| places.take().unwrap()).collect();
        assert_eq!((places.taken(), places.limit()), (100, None));
        drop(all);
    }
}
