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

/// While there is nothing to dial with, every dial that is asked for fails or waits, and what was wrong
/// may have been repaired meanwhile. So the next try doesn't need a token: it may begin that long after
/// a failure, twice as long after each further one …
const PAUSE: Duration = Duration::from_secs(1);

/// … and no longer than this: 12 refreshes a minute, of an instance that somebody asks for all the time.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How much a refresh is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// There is material that is valid.
    Renewal,
    /// There is none.
    Everything,
}

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
    /// Since the last success.
    failures: u32,
    failed_at: Instant,
}

impl Limiter {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            tokens: BURST,
            counted_at: now,
            interval: INTERVAL,
            failures: 0,
            failed_at: now,
        }
    }

    /// A refresh has succeeded: learns how long certificates live here.
    pub(crate) fn succeeded(&mut self, life: Duration, now: Instant) {
        self.count(now);
        self.failures = 0;
        self.interval = (life / 4).clamp(LEAST_INTERVAL, INTERVAL);
    }

    /// A refresh has failed.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.failed_at = now;
    }

    /// Whether a refresh has failed just now, so that another one would hardly say anything else.
    pub(crate) fn has_just_failed(&self, now: Instant) -> bool {
        self.failures > 0 && now.saturating_duration_since(self.failed_at) < PAUSE
    }

    /// Whether a refresh could begin now.
    pub(crate) fn is_ready(&mut self, need: Need, now: Instant) -> bool {
        self.wait(need, now).is_zero()
    }

    /// Takes a token, or says how long to wait for the next one.
    pub(crate) fn take(&mut self, need: Need, now: Instant) -> Result<(), Duration> {
        let wait = self.wait(need, now);
        if wait.is_zero() {
            self.tokens = (self.tokens - 1.0).max(0.0);
            return Ok(());
        }
        Err(wait)
    }

    fn wait(&mut self, need: Need, now: Instant) -> Duration {
        self.count(now);
        let missing = 1.0 - self.tokens;
        // A millionth of a token is rounding, not time.
        if missing < 1e-6 {
            return Duration::ZERO;
        }
        let wait = self.interval.mul_f64(missing);
        if need == Need::Renewal || self.failures == 0 {
            return wait;
        }
        let pause = PAUSE.saturating_mul(1 << (self.failures - 1).min(16));
        let since = now.saturating_duration_since(self.failed_at);
        wait.min(pause.min(LONGEST_PAUSE).saturating_sub(since))
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
        assert_eq!(limiter.take(Need::Renewal, now), Ok(()));
        assert_eq!(limiter.take(Need::Renewal, now), Ok(()));
        assert_eq!(limiter.take(Need::Renewal, now), Err(INTERVAL));
        let later = now + Duration::from_secs(10);
        assert_eq!(
            limiter.take(Need::Renewal, later),
            Err(Duration::from_secs(20))
        );
        assert_eq!(limiter.take(Need::Renewal, now + INTERVAL), Ok(()));
        assert!(!limiter.is_ready(Need::Renewal, now + INTERVAL));
    }

    #[test]
    fn the_burst_is_never_more_than_two() {
        let now = Instant::now();
        let mut limiter = Limiter::new(now);
        let later = now + Duration::from_hours(1);
        assert_eq!(limiter.take(Need::Renewal, later), Ok(()));
        assert_eq!(limiter.take(Need::Renewal, later), Ok(()));
        assert!(limiter.take(Need::Renewal, later).is_err());
    }

    #[test]
    fn short_lives_get_a_shorter_interval() {
        let now = Instant::now();
        let mut limiter = Limiter::new(now);
        limiter.succeeded(Duration::from_secs(20), now);
        assert!(
            limiter.take(Need::Renewal, now).is_ok() && limiter.take(Need::Renewal, now).is_ok()
        );
        assert_eq!(
            limiter.take(Need::Renewal, now),
            Err(Duration::from_secs(5))
        );
        limiter.succeeded(Duration::from_hours(1), now);
        assert_eq!(limiter.take(Need::Renewal, now), Err(INTERVAL));
    }

    #[test]
    fn while_there_is_nothing_failures_are_repeated_soon_but_not_sooner_and_sooner() {
        let mut now = Instant::now();
        let mut limiter = Limiter::new(now);
        let mut waits = Vec::new();
        for _ in 0..6 {
            if let Err(wait) = limiter.take(Need::Everything, now) {
                assert!(
                    limiter
                        .take(Need::Renewal, now)
                        .is_err_and(|long| long > wait)
                );
                waits.push(wait.as_secs());
                now += wait;
                assert_eq!(limiter.take(Need::Everything, now), Ok(()));
            }
            limiter.failed(now);
            assert!(limiter.has_just_failed(now));
            assert!(!limiter.has_just_failed(now + PAUSE));
        }
        assert_eq!(waits, [2, 4, 5, 5]);
        limiter.succeeded(Duration::from_hours(1), now);
        let wait = limiter.take(Need::Everything, now).unwrap_err();
        assert!(wait > LONGEST_PAUSE, "{wait:?}");
    }
}
