//! How many clients may be connected at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The clients that are connected, and how many may be.
#[derive(Debug)]
pub(crate) struct Places {
    open: AtomicI64,
    /// Those of clients that have ended and may still be answered: others may come in their stead.
    leaving: AtomicI64,
    limit: i64,
}

/// A client's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    is_leaving: bool,
}

impl Places {
    /// `limit` places; 0 is no limit.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            open: AtomicI64::new(0),
            leaving: AtomicI64::new(0),
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
        }
    }

    /// A place, if one is free.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Place> {
        let one_more = |open: i64| (self.limit == 0 || open < self.limit).then_some(open + 1);
        let taken = self
            .open
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        taken.ok().map(|_| Place {
            places: Arc::clone(self),
            is_leaving: false,
        })
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> i64 {
        self.open.load(Ordering::Acquire)
    }

    /// How many clients are here, those that have ended included.
    pub(crate) fn present(&self) -> i64 {
        self.taken() + self.leaving.load(Ordering::Acquire)
    }

    /// The limit, if there is one.
    pub(crate) fn limit(&self) -> Option<i64> {
        (self.limit > 0).then_some(self.limit)
    }
}

impl Place {
    /// The client has ended: somebody else may have the place.
    pub(crate) fn leave(&mut self) {
        if !std::mem::replace(&mut self.is_leaving, true) {
            // In this order, so that it is present all the time.
            self.places.leaving.fetch_add(1, Ordering::AcqRel);
            self.places.open.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let counted = if self.is_leaving {
            &self.places.leaving
        } else {
            &self.places.open
        };
        counted.fetch_sub(1, Ordering::AcqRel);
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
    fn who_leaves_is_present_and_makes_room() {
        let places = Arc::new(Places::new(1));
        let mut first = places.take().unwrap();
        first.leave();
        first.leave();
        assert_eq!((places.taken(), places.present()), (0, 1));
        let second = places.take().unwrap();
        assert_eq!((places.taken(), places.present()), (1, 2));
        drop(first);
        drop(second);
        assert_eq!((places.taken(), places.present()), (0, 0));
    }

    #[test]
    fn zero_is_no_limit() {
        let places = Arc::new(Places::new(0));
        let all: Vec<_> = (0..100).map(|_| places.take().unwrap()).collect();
        assert_eq!((places.taken(), places.limit()), (100, None));
        drop(all);
    }
}
