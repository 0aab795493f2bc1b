//! When a certificate is renewed.

use std::time::Duration;

/// A certificate is renewed at least this long before its end, if it lives long enough.
pub(crate) const BUFFER: Duration = Duration::from_mins(4);

/// From this life on, half of it is waited.
const LONG: Duration = Duration::from_hours(1);

/// The pace at which the official connectors renew certificates that live shorter than the buffer:
/// their schedule says "now", and their limiter makes that every 30 seconds.
const SHORT_WAIT: Duration = Duration::from_secs(30);

/// How much of the wait jitter may take away, so that a fleet that was started together doesn't
/// refresh together.
const JITTER: f64 = 0.1;

/// How long to wait before the certificate is renewed, without jitter.
///
/// Of the official connectors: half of what is left if that is an hour or more, else what is left
/// less the buffer. A certificate that lives shorter than the buffer is renewed every 30 seconds, or
/// at half of its life if that is sooner, so that neither a hot loop nor a gap comes of it.
pub(crate) fn wait(left: Duration) -> Duration {
    if left >= LONG {
        return left / 2;
    }
    let least = SHORT_WAIT.min(left / 2);
    left.saturating_sub(BUFFER).max(least)
}

/// The wait with jitter: `random` in 0..1 takes up to a tenth away.
pub(crate) fn jittered(wait: Duration, random: f64) -> Duration {
    wait.mul_f64(1.0 - JITTER * random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn certificates_are_renewed_as_the_official_connectors_do() {
        let minutes = |left| wait(Duration::from_mins(left));
        // "Now", which the official limiter turns into 30 seconds.
        assert_eq!(minutes(3), Duration::from_secs(30));
        assert_eq!(minutes(5), Duration::from_mins(1));
        assert_eq!(minutes(59), Duration::from_mins(55));
        assert_eq!(minutes(60), Duration::from_mins(30));
        assert_eq!(minutes(240), Duration::from_hours(2));
    }

    #[test]
    fn a_very_short_life_is_renewed_at_its_half() {
        assert_eq!(wait(Duration::from_secs(20)), Duration::from_secs(10));
        assert_eq!(wait(Duration::ZERO), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn a_certificate_is_always_renewed_before_its_end(
            seconds in 1u64..1_000_000, random in 0.0..1.0,
        ) {
            let left = Duration::from_secs(seconds);
            let wait = jittered(wait(left), random);
            prop_assert!(wait <= left / 2 || wait + BUFFER <= left);
            prop_assert!(wait >= (left / 2).min(SHORT_WAIT).mul_f64(0.9));
        }
    }
}
