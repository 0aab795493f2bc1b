//! Keeps a port scan from filling the log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// One line for an address in this time.
const PERIOD: Duration = Duration::from_mins(1);
/// Addresses remembered; when there are more, all are forgotten, which costs lines and not memory.
const MAX_ADDRESSES: usize = 4096;

/// Remembers from which addresses a dropped connection was logged lately.
#[derive(Debug, Default)]
pub(crate) struct DroppedLog {
    seen: Mutex<HashMap<Option<IpAddr>, Instant>>,
}

impl DroppedLog {
    /// Whether a line about this address (`None`: a Unix socket) is due.
    pub(crate) fn admits(&self, addr: Option<IpAddr>) -> bool {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.get(&addr).is_some_and(|last| now - *last < PERIOD) {
            return false;
        }
        if seen.len() >= MAX_ADDRESSES {
            seen.clear();
        }
        seen.insert(addr, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_for_an_address_and_a_minute() {
        let log = DroppedLog::default();
        let addr = Some(IpAddr::from([192, 0, 2, 1]));
        assert!(log.admits(addr));
        assert!(!log.admits(addr));
        assert!(log.admits(Some(IpAddr::from([192, 0, 2, 2]))));
        tokio::time::advance(PERIOD).await;
        assert!(log.admits(addr));
    }
}
