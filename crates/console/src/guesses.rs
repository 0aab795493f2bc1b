//! Wrong keys, counted by source and minute.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::source::Source;

/// Wrong keys of one source that are nothing but mistakes.
const ALLOWANCE: u32 = 10;

/// How long a wrong key is remembered, from the first one of its source on.
const WINDOW: Duration = Duration::from_mins(1);

/// Sources that are counted one by one, about 64 KiB; those beyond share one count.
const MAX_SOURCES: usize = 1024;

/// Counts wrong keys.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    windows: Mutex<HashMap<Source, Window>>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    wrong: u32,
}

/// What a wrong key amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A mistake.
    Mistake,
    /// The last mistake that is taken for one.
    LastMistake,
    /// Guessing, until the time is over.
    Guessing {
        /// How long it still counts as that.
        remaining: Duration,
    },
}

impl Guesses {
    /// Whether the source has used up its mistakes.
    pub(crate) fn suspects(&self, source: Source) -> bool {
        let windows = self.lock();
        let source = place(&windows, source);
        let window = windows.get(&source);
        window.is_some_and(|window| window.remaining().is_some() && window.wrong >= ALLOWANCE)
    }

    /// Counts a wrong key.
    pub(crate) fn count(&self, source: Source) -> Verdict {
        let mut windows = self.lock();
        if windows.len() >= MAX_SOURCES && !windows.contains_key(&source) {
            windows.retain(|_, window| window.remaining().is_some());
        }
        let source = place(&windows, source);
        let window = windows.entry(source).or_insert_with(Window::begin);
        let remaining = window.remaining().unwrap_or_else(|| {
            *window = Window::begin();
            WINDOW
        });
        window.wrong = window.wrong.saturating_add(1);
        match window.wrong {
            wrong if wrong < ALLOWANCE => Verdict::Mistake,
            ALLOWANCE => Verdict::LastMistake,
            _ => Verdict::Guessing { remaining },
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Source, Window>> {
        // Nothing is left half done under this lock.
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    fn begin() -> Self {
        Self {
            began: Instant::now(),
            wrong: 0,
        }
    }

    /// What is left of it; `None` when it is over.
    fn remaining(&self) -> Option<Duration> {
        let remaining = WINDOW.saturating_sub(self.began.elapsed());
        (!remaining.is_zero()).then_some(remaining)
    }
}

/// Where the source is counted: by itself while there is room.
fn place(windows: &HashMap<Source, Window>, source: Source) -> Source {
    if windows.contains_key(&source) || windows.len() < MAX_SOURCES {
        source
    } else {
        Source::Others
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn source(number: u32) -> Source {
        Source::Network(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn guess(guesses: &Guesses, source: Source, times: u32) -> Verdict {
        let verdicts = (0..times).map(|_| guesses.count(source));
        verdicts.last().expect("at least once")
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_is_suspected_until_its_minute_is_over() {
        let guesses = Guesses::default();
        assert_eq!(guess(&guesses, source(1), 9), Verdict::Mistake);
        assert!(!guesses.suspects(source(1)));
        assert_eq!(guess(&guesses, source(1), 1), Verdict::LastMistake);
        assert!(guesses.suspects(source(1)));
        tokio::time::advance(Duration::from_secs(59)).await;
        let remaining = Duration::from_secs(1);
        assert_eq!(
            guess(&guesses, source(1), 1),
            Verdict::Guessing { remaining }
        );
        tokio::time::advance(remaining).await;
        assert!(!guesses.suspects(source(1)));
        assert_eq!(guess(&guesses, source(1), 1), Verdict::Mistake);
    }

    #[tokio::test(start_paused = true)]
    async fn one_source_is_not_blamed_for_another() {
        let guesses = Guesses::default();
        guess(&guesses, source(1), 10);
        assert!(!guesses.suspects(source(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let guesses = Guesses::default();
        for number in 0..3_000 {
            guesses.count(source(number));
        }
        assert!(guesses.lock().len() <= MAX_SOURCES + 1);
        // Those beyond share a count that is used up; the first ones keep their own.
        assert!(guesses.suspects(source(2_999)));
        assert!(!guesses.suspects(source(1)));
        tokio::time::advance(WINDOW).await;
        guesses.count(source(2_999));
        assert_eq!(guesses.lock().len(), 1);
    }
}
