//! How a proxy comes to its end: what can end it, in which order, with which status.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// How often open connections are counted.
const POLL: Duration = Duration::from_millis(100);

/// Why a proxy ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// SIGINT.
    Interrupt,
    /// A request to `/quitquitquit`.
    Quit,
    /// SIGTERM.
    Terminate,
}

impl Trigger {
    /// The line that tells of it.
    pub(crate) fn announcement(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT signal received. Shutting down...",
            Self::Quit => "/quitquitquit received request. Shutting down...",
            Self::Terminate => "SIGTERM signal received. Shutting down...",
        }
    }

    /// The status that the process ends with if nothing goes wrong.
    pub(crate) fn status(self, exit_zero_sigterm: bool) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Quit => 0,
            Self::Terminate if exit_zero_sigterm => 0,
            Self::Terminate => 143,
        }
    }
}

/// Ends a proxy. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StopHandle(Arc<watch::Sender<Requests>>);

/// What was asked for so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Requests {
    first: Option<Trigger>,
    signals: u64,
}

/// Hears what is asked of the handle.
#[derive(Clone, Debug)]
pub(crate) struct Stops(watch::Receiver<Requests>);

impl StopHandle {
    pub(crate) fn new() -> (Self, Stops) {
        let (sender, receiver) = watch::channel(Requests::default());
        (Self(Arc::new(sender)), Stops(receiver))
    }

    /// Asks the proxy to end. A second signal makes it end at once. A request to quit is no signal:
    /// a hook before the stop (of Kubernetes, of systemd) sends it, and SIGTERM follows in any case.
    pub fn stop(&self, trigger: Trigger) {
        self.0.send_modify(|requests| {
            requests.first.get_or_insert(trigger);
            if trigger != Trigger::Quit {
                requests.signals += 1;
            }
        });
    }
}

impl Stops {
    /// Waits for the first request. Cancel safe.
    pub(crate) async fn first(&mut self) -> Trigger {
        let requested = self.0.wait_for(|requests| requests.first.is_some()).await;
        match requested.map(|requests| requests.first) {
            Ok(Some(trigger)) => trigger,
            // All handles are gone: nobody can ask any more.
            _ => std::future::pending().await,
        }
    }

    /// Waits for a second signal. Cancel safe.
    pub(crate) async fn again(&mut self) {
        if self
            .0
            .wait_for(|requests| requests.signals > 1)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }
}

/// Waits until `open` is zero, for no longer than `limit`; returns how many are left.
pub(crate) async fn drain(limit: Duration, open: impl Fn() -> i64) -> i64 {
    let began = Instant::now();
    let drained = async {
        while open() > 0 {
            sleep(POLL.min(limit.saturating_sub(began.elapsed()))).await;
        }
    };
    // The count decides, also when both are ready.
    let _ = timeout(limit, drained).await;
    open()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_trigger_counts_and_a_second_signal_hurries() {
        let (handle, mut stops) = StopHandle::new();
        handle.stop(Trigger::Quit);
        handle.stop(Trigger::Quit);
        assert_eq!(stops.first().await, Trigger::Quit);
        handle.stop(Trigger::Terminate);
        let hurried = timeout(Duration::ZERO, stops.again()).await;
        assert!(hurried.is_err(), "it is the first signal");
        handle.stop(Trigger::Quit);
        let hurried = timeout(Duration::ZERO, stops.again()).await;
        assert!(hurried.is_err(), "quitting is no signal");
        handle.stop(Trigger::Interrupt);
        stops.again().await;
        assert_eq!(stops.first().await, Trigger::Quit);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_open_is_waited_for_up_to_the_limit() {
        let began = Instant::now();
        assert_eq!(drain(Duration::from_secs(5), || 2).await, 2);
        assert_eq!(began.elapsed().as_secs(), 5);
        let until = Instant::now() + Duration::from_secs(2);
        let open = || i64::from(Instant::now() < until);
        assert_eq!(drain(Duration::from_secs(5), open).await, 0);
    }

    #[test]
    fn statuses_are_those_of_the_original() {
        assert_eq!(Trigger::Interrupt.status(true), 130);
        assert_eq!(Trigger::Terminate.status(false), 143);
        assert_eq!(Trigger::Terminate.status(true), 0);
        assert_eq!(Trigger::Quit.status(false), 0);
    }
}
