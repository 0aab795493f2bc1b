//! What the server still has to answer, in the order in which it was asked.

use std::collections::VecDeque;
use std::sync::Arc;

use super::run::Run;
use super::text::Text;

/// Messages that a session may have unanswered; a client that sends more waits.
const MAX_UNANSWERED: usize = 1 << 16;

/// A message that the server answers. The queue keeps its memory: a box for each statement would be
/// an allocation for each.
#[derive(Debug)]
pub(super) enum Expected {
    /// `Parse`: `ParseComplete`. It has a run of its own when it was refused, and to record a failure.
    Parse {
        name: Box<[u8]>,
        text: Arc<Text>,
        run: Run,
    },
    /// `Bind`: `BindComplete`.
    Bind { portal: Box<[u8]>, bound: Bound },
    /// `Describe`: `RowDescription` or `NoData`.
    Describe,
    /// `Close`: `CloseComplete`.
    Close(Closed),
    /// `Execute`: `CommandComplete`, `EmptyQueryResponse` or `PortalSuspended`.
    Execute { portal: Box<[u8]>, run: Run },
    /// `Query`: an answer for each statement, and `ReadyForQuery`.
    Query(Run),
    /// `FunctionCall`: `FunctionCallResponse` and `ReadyForQuery`.
    FunctionCall(Run),
    /// `Sync`: `ReadyForQuery`.
    Sync {
        /// It may have been swallowed by a COPY that was under way when the server came to it.
        in_doubt: bool,
    },
}

/// What a portal is made of.
#[derive(Debug)]
pub(super) enum Bound {
    /// This, for certain.
    To(Arc<Text>),
    /// Whatever the prepared statement of this name is when the server comes to it.
    Named {
        statement: Box<[u8]>,
        /// How many texts that can be.
        candidates: usize,
    },
}

/// What a `Close` closes.
#[derive(Debug)]
pub(super) enum Closed {
    Statement(Box<[u8]>),
    Portal(Box<[u8]>),
}

/// How the queue ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing is unanswered.
    Nothing,
    /// With a message that has the server send all its answers.
    Synced,
    /// With one whose answer the server may keep until a Sync comes.
    Open,
}

/// Whether a statement takes COPY data from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copy {
    NotBegun,
    Begun,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    expected: VecDeque<Expected>,
    /// The server has answered with an error, and no Sync was sent since: it ignores what comes.
    skips: bool,
}

impl Queue {
    pub(super) fn push(&mut self, expected: Expected) {
        self.expected.push_back(expected);
    }

    pub(super) fn front(&mut self) -> Option<&mut Expected> {
        self.expected.front_mut()
    }

    pub(super) fn pop(&mut self) -> Option<Expected> {
        self.expected.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.expected.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.expected.len() < MAX_UNANSWERED
    }

    /// Whether the server ignores what is sent until a Sync comes.
    pub(super) fn skips(&self) -> bool {
        self.skips
    }

    /// A Sync was sent.
    pub(super) fn sync(&mut self) {
        self.skips = false;
        self.push(Expected::Sync { in_doubt: false });
    }

    /// After an error: takes out what the server skips, up to the next Sync.
    pub(super) fn skipped(&mut self, copy: Copy) -> Vec<Expected> {
        if copy == Copy::NotBegun {
            self.set_doubt(false);
        }
        let sync = self
            .expected
            .iter()
            .position(|expected| matches!(expected, Expected::Sync { in_doubt: false }));
        self.skips = sync.is_none();
        let end = sync.unwrap_or(self.expected.len());
        self.expected.drain(..end).collect()
    }

    /// The Execute of a portal that was sent next, if no Sync comes before it: takes it out.
    pub(super) fn take_next_execute(&mut self, portal: &[u8]) -> Option<Run> {
        let place = self.expected.iter().position(|expected| match expected {
            Expected::Execute { portal: other, .. } => **other == *portal,
            Expected::Sync { .. } => true,
            _ => false,
        })?;
        match self.expected.remove(place)? {
            Expected::Execute { run, .. } => Some(run),
            other => {
                self.expected.insert(place, other);
                None
            }
        }
    }

    /// The client ends its COPY data: the server has swallowed the Syncs that were sent before, if it
    /// was taking data when it came to them.
    pub(super) fn copy_ends(&mut self) {
        self.set_doubt(true);
    }

    /// A COPY from the client is complete: the Syncs that were sent before its end are gone.
    pub(super) fn copied(&mut self) {
        while let Some(Expected::Sync { in_doubt: true }) = self.expected.front() {
            self.expected.pop_front();
        }
    }

    fn set_doubt(&mut self, doubt: bool) {
        for expected in &mut self.expected {
            if let Expected::Sync { in_doubt } = expected {
                *in_doubt = doubt;
            }
        }
    }

    /// Puts back what was at the front.
    pub(super) fn put_back(&mut self, expected: Expected) {
        self.expected.push_front(expected);
    }

    /// How the queue ends.
    pub(super) fn end(&self) -> End {
        match self.expected.back() {
            None => End::Nothing,
            Some(Expected::Sync { .. } | Expected::Query(_) | Expected::FunctionCall(_)) => {
                End::Synced
            }
            Some(
                Expected::Parse { .. }
                | Expected::Bind { .. }
                | Expected::Describe
                | Expected::Close(_)
                | Expected::Execute { .. },
            ) => End::Open,
        }
    }

    /// Whether texts were sent behind the message that is answered now.
    pub(super) fn has_texts_behind_the_first(&self) -> bool {
        let behind = self.expected.iter().skip(1);
        behind
            .into_iter()
            .any(|one| matches!(one, Expected::Parse { .. } | Expected::Query(_)))
    }

    /// Everything that is left.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Expected> {
        self.expected.drain(..)
    }
}
