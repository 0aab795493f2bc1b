//! Waiting for a condition instead of for a time.

use std::time::Duration;

/// Far longer than anything here takes on a loaded two-core machine: only a failure waits it out.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Short against the start of a server, long against the cost of a look.
const INTERVAL: Duration = Duration::from_millis(5);

/// Calls `look` until it finds something; panics with `what` after [`DEADLINE`].
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_within(what, DEADLINE, look)
}

/// As [`eventually`], with a deadline of its own.
pub fn eventually_within<T>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let clock = Clock::start(deadline);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            !clock.left().is_zero(),
            "waited {deadline:?} in vain for {what}"
        );
        std::thread::sleep(INTERVAL);
    }
}

/// What is left of a deadline, on the real clock: child processes don't know tokio's.
pub(crate) struct Clock {
    #[expect(
        clippy::disallowed_types,
        reason = "processes run on the real clock, whatever tokio's says"
    )]
    end: std::time::Instant,
}

impl Clock {
    #[expect(
        clippy::disallowed_types,
        reason = "processes run on the real clock, whatever tokio's says"
    )]
    pub(crate) fn start(deadline: Duration) -> Self {
        Self {
            end: std::time::Instant::now() + deadline,
        }
    }

    #[expect(
        clippy::disallowed_types,
        reason = "processes run on the real clock, whatever tokio's says"
    )]
    pub(crate) fn left(&self) -> Duration {
        self.end
            .saturating_duration_since(std::time::Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_returned() {
        let mut looks = 0;
        let found = eventually("the third look", || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found, 3);
    }

    #[test]
    #[should_panic(expected = "in vain for godot")]
    fn a_passed_deadline_names_what_was_awaited() {
        eventually_within("godot", Duration::from_millis(10), || None::<()>);
    }
}
