//! Dials every instance, to know whether it can be reached.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::instance::Target;
use crate::log::{Logger, chain};

/// Pause between attempts, doubled up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// The instances that can't be reached, and why.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) struct Failures(Vec<String>);

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// Dials all of them at once. Cancel safe.
pub(crate) async fn all(targets: &[Arc<Target>]) -> Result<(), Failures> {
    let mut dials = JoinSet::new();
    for target in targets {
        dials.spawn(one(Arc::clone(target)));
    }
    let mut failures: Vec<_> = dials.join_all().await.into_iter().flatten().collect();
    if failures.is_empty() {
        return Ok(());
    }
    failures.sort();
    Err(Failures(failures))
}

/// Dials one instance and hangs up; says why it can't be reached.
async fn one(target: Arc<Target>) -> Option<String> {
    let label = target.label();
    let Some(current) = target.current() else {
        return Some(format!("[{label}] the name leads nowhere"));
    };
    match target.dial(&current).await {
        Ok(mut stream) => {
            // It has nothing to lose.
            let _ = stream.shutdown().await;
            None
        }
        Err(error) => Some(format!("[{label}] {}", chain(&error))),
    }
}

/// Dials all of them until each has answered once, for no longer than `limit`.
pub(crate) async fn until_reached(
    targets: &[Arc<Target>],
    limit: Duration,
    logger: &Logger,
) -> Result<(), Failures> {
    let end = Instant::now() + limit;
    let mut pause = PAUSE_MIN;
    let mut last = Failures(vec![format!("no answer within {limit:?}")]);
    loop {
        match timeout_at(end, all(targets)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(failures)) => last = failures,
            Err(_) => return Err(last),
        }
        let left = end.saturating_duration_since(Instant::now());
        pause = match before_next(pause, left) {
            Some(pause) => pause,
            None => return Err(last),
        };
        logger.info(format_args!(
            "Not all instances can be reached yet, trying again in {pause:?}: {last}"
        ));
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// The pause before the next attempt, with so much time left: a short time is used to its end. `None` when
/// it is over.
fn before_next(pause: Duration, left: Duration) -> Option<Duration> {
    let pause = pause.min((left / 2).max(PAUSE_MIN));
    (pause < left).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_used_to_its_end() {
        let limit = Duration::from_secs(3);
        let (mut at, mut pause) = (Duration::ZERO, PAUSE_MIN);
        let mut attempts = vec![0];
        while let Some(next) = before_next(pause, limit.saturating_sub(at)) {
            at += next;
            attempts.push(at.as_millis());
            pause = (next * 2).min(PAUSE_MAX);
        }
        assert_eq!(attempts, [0, 500, 1500, 2250, 2750]);
        let long = before_next(PAUSE_MAX, Duration::from_mins(1));
        assert_eq!(long, Some(PAUSE_MAX));
        assert_eq!(before_next(PAUSE_MIN, Duration::from_millis(1)), None);
    }
}
