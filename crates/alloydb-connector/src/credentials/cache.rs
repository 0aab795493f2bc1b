//! A token that is kept until shortly before it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{AccessToken, TokenError, TokenSource};
use crate::BoxFuture;

/// A token is renewed this long before its end, as Google's own libraries do.
const MARGIN: Duration = Duration::from_secs(225);

/// A token that ends sooner may not live to be looked at, so a dial rather waits for the next one.
const LEAST: Duration = Duration::from_secs(10);

/// Between a renewal ahead that failed and the next one.
const PAUSE: Duration = Duration::from_secs(5);

/// Asks its source only when the last token is about to end.
///
/// While the last one is good, nobody waits for the next one: it is fetched in a task, and a token
/// endpoint that hangs or fails stops no dial. Once there is none, one caller asks, and what comes
/// of it, a failure too, is told to all who wait. So an endpoint that is away is asked by one at a
/// time, however many dial.
pub(crate) struct Cached {
    shared: Arc<Shared>,
    /// The renewal that nobody waits for. It ends with the credentials.
    ahead: Mutex<Option<AbortOnDropHandle<()>>>,
}

struct Shared {
    source: Box<dyn TokenSource>,
    state: Mutex<State>,
    turn: Semaphore,
}

#[derive(Default)]
struct State {
    token: Option<AccessToken>,
    /// Of the last attempt, and when; none after a success.
    failure: Option<(TokenError, Instant)>,
    /// How many attempts have ended.
    ended: u64,
}

impl Cached {
    pub(crate) fn new(source: impl TokenSource) -> Self {
        Self {
            shared: Arc::new(Shared {
                source: Box::new(source),
                state: Mutex::default(),
                turn: Semaphore::new(1),
            }),
            ahead: Mutex::default(),
        }
    }

    async fn current(&self) -> Result<AccessToken, TokenError> {
        let ended = {
            let state = self.shared.state();
            if let Some(token) = state.lasting(MARGIN) {
                return Ok(token);
            }
            if let Some(token) = state.lasting(LEAST) {
                if state.may_be_asked() {
                    self.renew_ahead(state.ended);
                }
                return Ok(token);
            }
            state.ended
        };
        self.shared.renewed(ended).await
    }

    /// Must be called in the dialer's runtime, as everything is that asks for tokens.
    fn renew_ahead(&self, ended: u64) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if ahead.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let shared = self.shared.clone();
        let renewal = async move {
            if let Err(error) = shared.renewed(ended).await {
                tracing::warn!(%error, "access token not renewed");
            }
        };
        *ahead = Some(AbortOnDropHandle::new(tokio::spawn(renewal)));
    }
}

impl Shared {
    /// The outcome of the first attempt that ends after `ended` attempts have.
    async fn renewed(&self, ended: u64) -> Result<AccessToken, TokenError> {
        let _turn = self.turn.acquire().await;
        {
            let state = self.state();
            if state.ended != ended {
                return state.outcome();
            }
        }
        let asked = self.source.token().await;
        let mut state = self.state();
        state.ended += 1;
        match asked {
            Ok(token) => {
                state.token = Some(token);
                state.failure = None;
            }
            Err(error) => state.failure = Some((error, Instant::now())),
        }
        state.outcome()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The last token, if it lives longer than `margin` from now.
    fn lasting(&self, margin: Duration) -> Option<AccessToken> {
        let token = self.token.as_ref()?;
        let end = token.expires_at()?;
        (end > SystemTime::now() + margin).then(|| token.clone())
    }

    /// What the last attempt left: what remains of the old token is better than a failure.
    fn outcome(&self) -> Result<AccessToken, TokenError> {
        match (&self.failure, &self.token) {
            (None, Some(token)) => Ok(token.clone()),
            (Some((error, _)), _) => self.lasting(Duration::ZERO).ok_or_else(|| error.clone()),
            (None, None) => Err(TokenError::new("no access token was asked for yet")),
        }
    }

    fn may_be_asked(&self) -> bool {
        let failed = self.failure.as_ref();
        failed.is_none_or(|(_, at)| at.elapsed() >= PAUSE)
    }
}

impl TokenSource for Cached {
    /// Cancel safe: the next caller asks again.
    fn token(&self) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        Box::pin(self.current())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::{JoinSet, yield_now};
    use tokio::time::{advance, sleep};

    use super::*;

    fn living(number: usize, life: Duration) -> AccessToken {
        let end = SystemTime::now() + life;
        AccessToken::new(format!("token-{number}").into(), Some(end))
    }

    fn counting(life: Duration) -> (Arc<AtomicUsize>, impl TokenSource) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let source = move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok(living(number, life)))
        };
        (asked, source)
    }

    async fn text(cached: &Cached) -> String {
        cached.token().await.unwrap().expose().to_owned()
    }

    #[tokio::test]
    async fn a_long_lived_token_is_asked_for_once() {
        let (asked, source) = counting(Duration::from_hours(1));
        let cached = Cached::new(source);
        for _ in 0..5 {
            assert_eq!(text(&cached).await, "token-0");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_token_about_to_end_is_renewed_while_it_serves() {
        let (_, source) = counting(Duration::from_mins(1));
        let cached = Cached::new(source);
        assert_eq!(text(&cached).await, "token-0");
        assert_eq!(text(&cached).await, "token-0");
        while cached.shared.state().ended < 2 {
            yield_now().await;
        }
        assert_eq!(text(&cached).await, "token-1");
    }

    #[tokio::test]
    async fn a_token_that_ends_at_once_is_not_served() {
        let (_, source) = counting(Duration::from_secs(5));
        let cached = Cached::new(source);
        assert_eq!(text(&cached).await, "token-0");
        assert_eq!(text(&cached).await, "token-1");
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_hangs_stops_nobody_who_has_a_valid_token() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let answer = async |number| match number {
            0 => Ok(living(0, Duration::from_mins(3))),
            _ => std::future::pending().await,
        };
        let cached = Cached::new(move || answer(count.fetch_add(1, Ordering::SeqCst)));
        let began = Instant::now();
        for _ in 0..100 {
            assert_eq!(text(&cached).await, "token-0");
            yield_now().await;
        }
        assert!(began.elapsed().is_zero());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_renewal_leaves_the_valid_token_and_is_paced() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let cached = Cached::new(move || {
            let first = count.fetch_add(1, Ordering::SeqCst) == 0;
            std::future::ready(if first {
                Ok(living(0, Duration::from_mins(1)))
            } else {
                Err(TokenError::new("the endpoint is away"))
            })
        });
        for _ in 0..100 {
            assert_eq!(text(&cached).await, "token-0");
            yield_now().await;
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        advance(PAUSE).await;
        assert_eq!(text(&cached).await, "token-0");
        yield_now().await;
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_shared_by_all_who_waited_for_it() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let cached = Arc::new(Cached::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
            async {
                sleep(Duration::from_secs(45)).await;
                Err(TokenError::new("the endpoint is away"))
            }
        }));
        let began = Instant::now();
        let mut callers = JoinSet::new();
        for _ in 0..1000 {
            let cached = cached.clone();
            callers.spawn(async move { cached.token().await.is_err() });
        }
        assert!(callers.join_all().await.into_iter().all(|failed| failed));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert_eq!(began.elapsed(), Duration::from_secs(45));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_caller_leaves_its_turn_to_the_next() {
        let (asked, source) = counting(Duration::from_hours(1));
        let source = Arc::new(source);
        let slow = move || {
            let source = source.clone();
            async move {
                sleep(Duration::from_secs(5)).await;
                source.token().await
            }
        };
        let cached = Cached::new(slow);
        let dropped = tokio::time::timeout(Duration::from_secs(1), cached.token()).await;
        assert!(dropped.is_err());
        assert_eq!(text(&cached).await, "token-0");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}
