//! How often an instance may be asked for.

use std::time::Duration;

use tokio::time::Instant;

/// Two refreshes may follow at once: the first, and one that a failed dial forces.
const BURST: f64 = 2.0;

/// Then one in this time: the admin API allows 1,000 requests a minute to a user, and a refresh is
/// two.
const INTERVAL: Duration = Duration::from_secs(30);

/// No certificate lives so short that it needs more.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);

/// A token bucket. It belongs to the instance, so failures don't empty or fill it.
///
/// Every refresh takes a token: the first, the scheduled ones, the forced ones. With 30 seconds
/// between tokens a certificate that lives 20 seconds would expire while its renewal waits, so the
/// interval follows the life that certificates turn out to have: a quarter of it, between one and 30
/// seconds. They are renewed at half of their life, so half of the tokens are left for retries.
#[derive(Debug)]
pub(crate) struct Limiter {
    tokens: f64,
    counted_at: Instant,
    interval: Duration,
}

impl Limiter {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            tokens: BURST,
            counted_at: now,
            interval: INTERVAL,
        }
    }

    /// Learns how long certificates live here.
    pub(crate) fn adapt(&mut self, life: Duration, now: Instant) {
        self.count(now);
        self.interval = (life / 4).clamp(LEAST_INTERVAL, INTERVAL);
    }

    /// Whether a refresh could begin now.
    pub(crate) fn is_ready(&mut self, now: Instant) -> bool {
        self.wait(now).is_zero()
    }

    /// Takes a token, or says how long to wait for the next one.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let wait = self.wait(now);
        if wait.is_zero() {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(wait)
    }

    fn wait(&mut self, now: Instant) -> Duration {
        self.count(now);
        let missing = 1.0 - self.tokens;
        // A millionth of a token is rounding, not time.
        if missing < 1e-6 {
            return Duration::ZERO;
        }
        self.interval.mul_f64(missing)
    }

    fn count(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.counted_at);
        self.counted_at = now;
        let grown = self.tokens + passed.div_duration_f64(self.interval);
        self.tokens = grown.min(BURST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_refreshes_may_follow_at_once_and_a_third_waits() {
        let now = Instant::now();
        let mut limiter = Limiter::new(now);
        assert_eq!(limiter.take(now), Ok(()));
        assert_eq!(limiter.take(now), Ok(()));
        assert_eq!(limiter.take(now), Err(INTERVAL));
        let later = now + Duration::from_secs(10);
        assert_eq!(limiter.take(later), Err(Duration::from_secs(20)));
        assert_eq!(limiter.take(now + INTERVAL), Ok(()));
        assert!(!limiter.is_ready(now + INTERVAL));
    }

    #[test]
    fn the_burst_is_never_more_than_two() {
        let now = Instant::now();
        let mut limiter = Limiter::new(now);
        let later = now + Duration::from_hours(1);
        assert_eq!(limiter.take(later), Ok(()));
        assert_eq!(limiter.take(later), Ok(()));
        assert!(limiter.take(later).is_err());
    }

    #[test]
    fn short_lives_get_a_shorter_interval() {
        let now = Instant::now();
        let mut limiter = Limiter::new(now);
        limiter.adapt(Duration::from_secs(20), now);
        assert!(limiter.take(now).is_ok() && limiter.take(now).is_ok());
        assert_eq!(limiter.take(now), Err(Duration::from_secs(5)));
        limiter.adapt(Duration::from_hours(1), now);
        assert_eq!(limiter.take(now), Err(INTERVAL));
    }
}
