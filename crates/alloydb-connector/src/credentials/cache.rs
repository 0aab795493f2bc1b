//! A token that is kept until shortly before it ends.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;

use super::{AccessToken, TokenError, TokenSource};
use crate::BoxFuture;

/// A token is renewed this long before its end, as Google's own libraries do.
const MARGIN: Duration = Duration::from_secs(225);

/// Asks its source only when the last token is about to end.
pub(crate) struct Cached<S> {
    source: S,
    last: Mutex<Option<AccessToken>>,
    /// One caller asks, the others wait for what it gets.
    turn: Semaphore,
}

impl<S: TokenSource> Cached<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            source,
            last: Mutex::new(None),
            turn: Semaphore::new(1),
        }
    }

    /// The last token, if it lives longer than `margin` from now.
    fn fresh(&self, margin: Duration) -> Option<AccessToken> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let token = last.as_ref()?;
        let end = token.expires_at()?;
        (end > SystemTime::now() + margin).then(|| token.clone())
    }

    async fn renewed(&self) -> Result<AccessToken, TokenError> {
        if let Some(token) = self.fresh(MARGIN) {
            return Ok(token);
        }
        let turn = self.turn.acquire().await;
        // Who had the turn before may have brought one.
        if let Some(token) = self.fresh(MARGIN) {
            return Ok(token);
        }
        let asked = self.source.token().await;
        drop(turn);
        match asked {
            Ok(token) => {
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
                Ok(token)
            }
            // What is left of the old one is better than nothing.
            Err(error) => self.fresh(Duration::ZERO).ok_or(error),
        }
    }
}

impl<S: TokenSource> TokenSource for Cached<S> {
    /// Cancel safe: the next caller asks again.
    fn token(&self) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        Box::pin(self.renewed())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn counting(life: Duration) -> (Arc<AtomicUsize>, impl TokenSource) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let source = move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let end = SystemTime::now() + life;
            let token = AccessToken::new(format!("token-{number}").into(), Some(end));
            std::future::ready(Ok(token))
        };
        (asked, source)
    }

    #[tokio::test]
    async fn a_long_lived_token_is_asked_for_once() {
        let (asked, source) = counting(Duration::from_hours(1));
        let cached = Cached::new(source);
        for _ in 0..5 {
            assert_eq!(cached.token().await.unwrap().expose(), "token-0");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_token_about_to_end_is_renewed() {
        let (asked, source) = counting(Duration::from_mins(1));
        let cached = Cached::new(source);
        cached.token().await.unwrap();
        assert_eq!(cached.token().await.unwrap().expose(), "token-1");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_failure_leaves_the_token_that_is_still_valid() {
        let asked = AtomicUsize::new(0);
        let cached = Cached::new(move || {
            let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
            let end = SystemTime::now() + Duration::from_mins(1);
            std::future::ready(if first {
                Ok(AccessToken::new("first".into(), Some(end)))
            } else {
                Err(TokenError::new("the endpoint is away"))
            })
        });
        cached.token().await.unwrap();
        assert_eq!(cached.token().await.unwrap().expose(), "first");
    }
}
