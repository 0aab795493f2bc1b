//! How many connections there may be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::source::Source;

/// Connections at a time.
pub(crate) const MAX_CONNECTIONS: usize = 512;

/// Connections at a time of one source: who floods the port must not starve the health checks of
/// others.
pub(crate) const MAX_CONNECTIONS_PER_SOURCE: usize = 128;

/// The places for connections.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: Mutex<HashMap<Source, usize>>,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    source: Source,
}

impl Places {
    /// Gives a connection its place, if there is one left for its source.
    pub(crate) fn take(self: &Arc<Self>, source: Source) -> Option<Place> {
        let mut taken = self.lock();
        // At most MAX_CONNECTIONS entries, and only on accept.
        if taken.values().sum::<usize>() >= MAX_CONNECTIONS {
            return None;
        }
        let of_source = taken.entry(source).or_default();
        if *of_source >= MAX_CONNECTIONS_PER_SOURCE {
            return None;
        }
        *of_source += 1;
        Some(Place {
            places: Arc::clone(self),
            source,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Source, usize>> {
        // Nothing is left half done under this lock.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(of_source) = taken.get_mut(&self.source) {
            *of_source -= 1;
            if *of_source == 0 {
                taken.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn source(number: u32) -> Source {
        Source::Network(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    #[test]
    fn a_source_has_its_share() {
        let places = Arc::<Places>::default();
        let mut taken: Vec<_> = std::iter::from_fn(|| places.take(source(1))).collect();
        assert_eq!(taken.len(), MAX_CONNECTIONS_PER_SOURCE);
        assert!(places.take(source(2)).is_some());
        taken.pop();
        assert!(places.take(source(1)).is_some());
    }

    #[test]
    fn all_sources_together_have_theirs() {
        let places = Arc::<Places>::default();
        let taken: Vec<_> = (0..).map_while(|n| places.take(source(n))).collect();
        assert_eq!(taken.len(), MAX_CONNECTIONS);
        drop(taken);
        assert!(places.lock().is_empty());
    }
}
