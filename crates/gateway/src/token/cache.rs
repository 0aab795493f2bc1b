//! Hands out tokens: minted for each connection, or kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::command::{TokenError, mint};
use super::{Bearer, Issued, Token};
use crate::config::TokenCommand;
use crate::metrics::Metrics;

/// Bearers whose tokens are kept. The client chooses its role name, so the number must have a bound;
/// beyond it the one that was asked for longest ago makes room.
const MAX_KEPT: usize = 1024;

/// Commands that run at a time; the rest wait for their turn. Whoever may connect makes them run, and
/// each is at least two processes.
const MAX_RUNNING: usize = 64;

/// A kept token is renewed in the background once this part of its life is over, if it was used.
const RENEW_AFTER: f64 = 0.75;

/// Mints tokens with a command, one at a time for each bearer, and keeps them for the configured time.
#[derive(Debug)]
pub(crate) struct CommandTokens {
    settings: TokenCommand,
    metrics: Arc<Metrics>,
    kept: Mutex<HashMap<Bearer, Slot>>,
    turns: Semaphore,
    /// Where mints run: a client that goes away must not end the mint that others wait for.
    runtime: Handle,
}

#[derive(Debug)]
struct Slot {
    /// The mint that runs or has run last.
    outcome: Outcome,
    started: Instant,
    last_used: Instant,
    renewing: bool,
}

type Minted = Result<Token, TokenError>;

/// What comes of a mint, once it is over.
type Outcome = watch::Receiver<Option<Minted>>;

impl CommandTokens {
    /// Mints on `runtime`.
    pub(crate) fn new(settings: TokenCommand, metrics: Arc<Metrics>, runtime: Handle) -> Arc<Self> {
        Arc::new(Self {
            settings,
            metrics,
            kept: Mutex::default(),
            turns: Semaphore::new(MAX_RUNNING),
            runtime,
        })
    }

    /// A token for `bearer`: a kept one while it lasts, else a new one. Cancel safe.
    pub(crate) async fn issue(self: &Arc<Self>, bearer: Bearer) -> Result<Issued, TokenError> {
        if self.settings.ttl.is_zero() {
            let token = self.mint(&bearer).await?;
            return Ok(Issued {
                token,
                reused: false,
            });
        }
        let bearer = Bearer {
            client_addr: None,
            ..bearer
        };
        loop {
            let (mut outcome, reused) = self.kept_or_started(&bearer);
            match outcome
                .wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|minted| minted.clone())
            {
                Some(Ok(token)) => return Ok(Issued { token, reused }),
                Some(Err(error)) => return Err(error),
                // Given up before its turn, because for a moment nobody waited: it is ours to ask again.
                None => {}
            }
        }
    }

    /// Forgets the bearer's token if it is still this one: the server did not take it.
    pub(crate) fn forget(&self, bearer: Bearer, refused: &Token) {
        let bearer = Bearer {
            client_addr: None,
            ..bearer
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let same = kept.get(&bearer).is_some_and(|slot| {
            matches!(&*slot.outcome.borrow(), Some(Ok(token)) if token.expose() == refused.expose())
        });
        if same {
            kept.remove(&bearer);
        }
    }

    /// The bearer's mint, and whether its token was there before this call.
    fn kept_or_started(self: &Arc<Self>, bearer: &Bearer) -> (Outcome, bool) {
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = kept.get_mut(bearer) {
            let age = now - slot.started;
            let failed = matches!(&*slot.outcome.borrow(), Some(Err(_)));
            let given_up = slot.outcome.borrow().is_none() && slot.outcome.has_changed().is_err();
            if !failed && !given_up && age < self.settings.ttl {
                slot.last_used = now;
                let minted = slot.outcome.borrow().is_some();
                if minted && !slot.renewing && age > self.settings.ttl.mul_f64(RENEW_AFTER) {
                    slot.renewing = true;
                    self.renew(bearer.clone());
                }
                return (slot.outcome.clone(), minted);
            }
        }
        let (outcome, waiting) = self.start(bearer.clone());
        let slot = Slot {
            outcome,
            started: now,
            last_used: now,
            renewing: false,
        };
        make_room(&mut kept);
        kept.insert(bearer.clone(), slot);
        (waiting, false)
    }

    /// Starts a mint that nobody's leaving ends, once its turn has come. Before that it is given up
    /// when nobody waits for it any more: clients that come and go must not make the others wait.
    fn start(self: &Arc<Self>, bearer: Bearer) -> (Outcome, Outcome) {
        let (sender, kept) = watch::channel(None);
        let waiting = kept.clone();
        let tokens = Arc::clone(self);
        self.runtime.spawn(async move {
            let turn = tokens.turns.acquire().await;
            // One receiver is the slot's own.
            if sender.receiver_count() > 1 {
                let minted = tokens.run(&bearer).await;
                sender.send_replace(Some(minted));
            }
            drop(turn);
        });
        (kept, waiting)
    }

    /// Mints anew while the old token still serves; a failure leaves the old one in its place.
    fn renew(self: &Arc<Self>, bearer: Bearer) {
        let tokens = Arc::clone(self);
        self.runtime.spawn(async move {
            let started = Instant::now();
            let minted = tokens.mint(&bearer).await;
            let mut kept = tokens.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(slot) = kept.get_mut(&bearer) else { return };
            slot.renewing = false;
            match minted {
                Ok(token) => {
                    slot.outcome = watch::channel(Some(Ok(token))).1;
                    slot.started = started;
                }
                Err(error) => {
                    tracing::warn!(db.user = %bearer.user, "backend token command failed: {error}; the token in use is kept");
                }
            }
        });
    }

    /// Runs the command when its turn has come.
    async fn mint(&self, bearer: &Bearer) -> Minted {
        let _turn = self.turns.acquire().await;
        self.run(bearer).await
    }

    async fn run(&self, bearer: &Bearer) -> Minted {
        let started = Instant::now();
        let minted = mint(&self.settings, bearer).await;
        self.metrics.token_minted(minted.is_ok(), started.elapsed());
        minted
    }
}

fn make_room(kept: &mut HashMap<Bearer, Slot>) {
    if kept.len() < MAX_KEPT {
        return;
    }
    let oldest = kept
        .iter()
        .min_by_key(|(_, slot)| slot.last_used)
        .map(|(bearer, _)| bearer.clone());
    if let Some(oldest) = oldest {
        kept.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn bearer(user: &str) -> Bearer {
        Bearer {
            user: user.to_owned(),
            database: "app".to_owned(),
            client_addr: Some("x".to_owned()),
        }
    }

    /// Tokens `1`, `2`, … in the order of minting.
    fn counting(dir: &Path, ttl: Duration) -> Arc<CommandTokens> {
        let file = dir.join("minted");
        let file = file.display();
        let settings = TokenCommand {
            command: format!("echo x >> {file}; wc -l < {file}"),
            timeout: Duration::from_secs(30),
            ttl,
        };
        CommandTokens::new(settings, Arc::default(), Handle::current())
    }

    async fn text(tokens: &Arc<CommandTokens>, user: &str) -> String {
        let issued = tokens.issue(bearer(user)).await.unwrap();
        String::from_utf8_lossy(issued.token.expose()).into_owned()
    }

    #[tokio::test]
    async fn without_a_time_to_live_each_connection_mints() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = counting(dir.path(), Duration::ZERO);
        assert_eq!(text(&tokens, "alice").await, "1");
        assert_eq!(text(&tokens, "alice").await, "2");
    }

    #[tokio::test]
    async fn only_so_many_commands_run_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = counting(dir.path(), Duration::ZERO);
        let all = u32::try_from(MAX_RUNNING).unwrap();
        let turns = tokens.turns.acquire_many(all).await.unwrap();
        let mut asked = Box::pin(tokens.issue(bearer("alice")));
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(asked.as_mut().poll(cx)));
        assert!(polled.await.is_pending());
        assert!(!dir.path().join("minted").exists());
        drop(turns);
        asked.await.unwrap();
    }

    #[tokio::test]
    async fn many_at_once_share_one_mint() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = counting(dir.path(), Duration::from_hours(1));
        let asked: Vec<_> = (0..50)
            .map(|_| {
                let tokens = Arc::clone(&tokens);
                tokio::spawn(async move { text(&tokens, "alice").await })
            })
            .collect();
        for asked in asked {
            assert_eq!(asked.await.unwrap(), "1");
        }
    }

    #[tokio::test]
    async fn roles_do_not_share_a_token() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = counting(dir.path(), Duration::from_hours(1));
        assert_eq!(text(&tokens, "alice").await, "1");
        assert_eq!(text(&tokens, "bob").await, "2");
        assert_eq!(text(&tokens, "alice").await, "1");
    }

    #[tokio::test]
    async fn a_refused_token_is_minted_anew() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = counting(dir.path(), Duration::from_hours(1));
        let first = tokens.issue(bearer("alice")).await.unwrap();
        assert!(!first.reused);
        tokens.forget(bearer("alice"), &first.token);
        assert_eq!(text(&tokens, "alice").await, "2");
        // Somebody else who was refused with the first token must not throw away the second.
        tokens.forget(bearer("alice"), &first.token);
        assert_eq!(text(&tokens, "alice").await, "2");
    }

    #[tokio::test]
    async fn a_failed_mint_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let flag = dir.path().join("works");
        let settings = TokenCommand {
            command: format!("test -e {} && echo token", flag.display()),
            timeout: Duration::from_secs(30),
            ttl: Duration::from_hours(1),
        };
        let tokens = CommandTokens::new(settings, Arc::default(), Handle::current());
        tokens.issue(bearer("alice")).await.unwrap_err();
        std::fs::write(flag, "").unwrap();
        assert_eq!(text(&tokens, "alice").await, "token");
    }

    #[tokio::test]
    async fn a_mint_outlives_the_one_who_asked() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = counting(dir.path(), Duration::from_hours(1));
        {
            let mut asked = Box::pin(tokens.issue(bearer("alice")));
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(asked.as_mut().poll(cx)));
            assert!(polled.await.is_pending());
        }
        assert_eq!(text(&tokens, "alice").await, "1");
    }
}
