//! When a failed call is worth another try, and when.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::HttpError;

/// Of the first wait; each further one may be twice as long.
const BASE: Duration = Duration::from_millis(500);
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Beyond this the refresh's own pacing takes over.
const MAX_ATTEMPTS: u32 = 5;

/// Calls `attempt` until it succeeds, fails for good, or the deadline is too near for another try.
///
/// Cancel safe as far as `attempt` is.
pub(crate) async fn retrying<T, Fut>(
    deadline: Instant,
    mut attempt: impl FnMut() -> Fut,
) -> Result<T, HttpError>
where
    Fut: Future<Output = Result<T, HttpError>>,
{
    let mut failed = 0;
    loop {
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        failed += 1;
        if !error.is_transient() || failed >= MAX_ATTEMPTS {
            return Err(error);
        }
        let again = Instant::now() + wait(failed, error.retry_after(), rand::random());
        if again >= deadline {
            return Err(error);
        }
        tracing::debug!(error = %error, attempts = failed, "call will be retried");
        sleep_until(again).await;
    }
}

/// Full jitter: anything up to the bound, so that a fleet doesn't come back in step. What the
/// server asks for is the least; the jitter comes on top.
fn wait(failed: u32, retry_after: Option<Duration>, random: f64) -> Duration {
    let doubled = BASE.saturating_mul(1 << failed.saturating_sub(1).min(16));
    let jitter = doubled.min(MAX_WAIT).mul_f64(random.clamp(0.0, 1.0));
    retry_after.unwrap_or_default() + jitter
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::admin::ApiStatus;

    fn status(code: u16, retry_after: Option<Duration>) -> HttpError {
        HttpError::Status(ApiStatus {
            code,
            status: String::new(),
            message: String::new(),
            reason: None,
            retry_after,
        })
    }

    #[test]
    fn the_wait_is_jittered_and_bounded() {
        assert_eq!(wait(1, None, 0.0), Duration::ZERO);
        assert_eq!(wait(1, None, 1.0), BASE);
        assert_eq!(wait(3, None, 1.0), BASE * 4);
        assert_eq!(wait(30, None, 1.0), MAX_WAIT);
        let asked = Duration::from_secs(7);
        assert_eq!(wait(1, Some(asked), 0.0), asked);
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_honoured() {
        let began = Instant::now();
        let calls = AtomicU32::new(0);
        let asked = Duration::from_secs(7);
        let result = retrying(began + Duration::from_mins(1), || {
            let first = calls.fetch_add(1, Ordering::SeqCst) == 0;
            std::future::ready(if first {
                Err(status(429, Some(asked)))
            } else {
                Ok(())
            })
        })
        .await;
        assert!(result.is_ok());
        assert!(began.elapsed() >= asked);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_beyond_the_deadline_is_not_begun() {
        let began = Instant::now();
        let asked = Some(Duration::from_hours(1));
        let result: Result<(), _> = retrying(began + Duration::from_mins(1), || {
            std::future::ready(Err(status(503, asked)))
        })
        .await;
        assert!(result.is_err());
        assert!(began.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_not_retried() {
        let calls = AtomicU32::new(0);
        let result: Result<(), _> = retrying(Instant::now() + Duration::from_mins(1), || {
            calls.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Err(status(403, None)))
        })
        .await;
        assert!(result.is_err());
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}
