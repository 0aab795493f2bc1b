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
    /// `Bind`: `BindComplete`. It has a run when it was refused.
    Bind {
        portal: Box<[u8]>,
        bound: Bound,
        refused: Option<Box<Run>>,
    },
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
    Sync(Place),
}

/// Where a `Sync` was sent. While it takes COPY data the server ignores those that it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Not while COPY data could be taken: it is answered.
    Plain,
    /// Behind a statement that may take COPY data, and before any: if the server takes data, it has
    /// ignored it.
    BeforeData,
    /// Amid COPY data: if the COPY fails, nobody can tell whether that was before or behind it.
    AmidData,
}

/// What the client sends, as far as COPY goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sending {
    #[default]
    Messages,
    /// Behind a statement that may take COPY data.
    MayCopy { has_sent_data: bool },
}

/// Nobody can tell which answers are still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InDoubt;

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
    sending: Sending,
    /// The server has answered with an error, and no Sync was sent since: it ignores what comes.
    skips: bool,
}

impl Queue {
    pub(super) fn push(&mut self, expected: Expected) {
        if let Expected::Execute { run, .. } | Expected::Query(run) = &expected
            && run.may_copy_from_client()
        {
            let has_sent_data = false;
            self.sending = Sending::MayCopy { has_sent_data };
        }
        self.expected.push_back(expected);
    }

    /// The first run that the server has not answered, before the next Sync: what it may be at.
    pub(super) fn first_run(&mut self) -> Option<&mut Run> {
        self.expected
            .iter_mut()
            .find_map(|expected| match expected {
                Expected::Execute { run, .. }
                | Expected::Query(run)
                | Expected::FunctionCall(run) => Some(Some(run)),
                Expected::Sync(_) => Some(None),
                Expected::Parse { .. }
                | Expected::Bind { .. }
                | Expected::Describe
                | Expected::Close(_) => None,
            })?
    }

    /// Whether statements that may change something are behind the one that is answered now, before
    /// the next Sync.
    pub(super) fn may_change_behind_the_first(&self) -> bool {
        if let Some(Expected::Query(run)) = self.expected.front() {
            return !run.only_reads(run.next + 1);
        }
        let behind = self.expected.iter().skip(1);
        behind
            .take_while(|expected| !matches!(expected, Expected::Sync(_)))
            .any(|expected| matches!(expected, Expected::Execute { run, .. } if !run.only_reads(0)))
    }

    pub(super) fn front(&mut self) -> Option<&mut Expected> {
        self.expected.front_mut()
    }

    /// The message that is answered now.
    pub(super) fn peek(&self) -> Option<&Expected> {
        self.expected.front()
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
        let place = match self.sending {
            Sending::Messages => Place::Plain,
            Sending::MayCopy {
                has_sent_data: false,
            } => Place::BeforeData,
            Sending::MayCopy {
                has_sent_data: true,
            } => Place::AmidData,
        };
        self.push(Expected::Sync(place));
    }

    /// After an error: takes out what the server skips, up to the next Sync.
    pub(super) fn skipped(&mut self, copy: Copy) -> Result<Vec<Expected>, InDoubt> {
        self.swallowed(copy)?;
        let sync = self
            .expected
            .iter()
            .position(|expected| matches!(expected, Expected::Sync(_)));
        self.skips = sync.is_none();
        let end = sync.unwrap_or(self.expected.len());
        let skipped = self.expected.drain(..end).collect();
        self.takes_no_data(0);
        Ok(skipped)
    }

    /// A simple query has failed that may have been taking COPY data; it is not in the queue.
    pub(super) fn query_failed(&mut self, copy: Copy) -> Result<(), InDoubt> {
        self.swallowed(copy)?;
        self.takes_no_data(0);
        Ok(())
    }

    /// Takes out the Syncs that a COPY has ignored which then failed: those directly behind it. Any
    /// other message there has failed it, or comes behind what did.
    fn swallowed(&mut self, copy: Copy) -> Result<(), InDoubt> {
        if copy == Copy::NotBegun {
            return Ok(());
        }
        while let Some(Expected::Sync(place @ (Place::BeforeData | Place::AmidData))) =
            self.expected.front()
        {
            if *place == Place::AmidData {
                return Err(InDoubt);
            }
            self.expected.pop_front();
        }
        Ok(())
    }

    /// No COPY data is taken by what was sent before the next statement that may take some: the Syncs
    /// up to there, from this place on, are answered.
    fn takes_no_data(&mut self, from: usize) {
        for expected in self.expected.iter_mut().skip(from) {
            match expected {
                Expected::Sync(place) => *place = Place::Plain,
                Expected::Execute { run, .. } | Expected::Query(run)
                    if run.may_copy_from_client() =>
                {
                    return;
                }
                _ => {}
            }
        }
        self.sending = Sending::Messages;
    }

    /// Whether the server may be waiting for COPY data of the client.
    pub(super) fn may_take_data(&self) -> bool {
        self.sending != Sending::Messages
    }

    /// The client sends COPY data.
    pub(super) fn copy_data(&mut self) {
        if let Sending::MayCopy { has_sent_data } = &mut self.sending {
            *has_sent_data = true;
        }
    }

    /// The Execute of a portal that was sent next, if neither a Sync nor another Bind of the portal
    /// comes before it: takes it out.
    pub(super) fn take_next_execute(&mut self, portal: &[u8]) -> Option<Run> {
        let place = self.expected.iter().position(|expected| match expected {
            Expected::Execute { portal: other, .. } | Expected::Bind { portal: other, .. } => {
                **other == *portal
            }
            Expected::Sync(_) => true,
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

    /// The client ends its COPY data.
    pub(super) fn copy_ends(&mut self) {
        self.sending = Sending::Messages;
    }

    /// A COPY from the client is complete: the Syncs that were sent before its end are gone.
    pub(super) fn copied(&mut self) {
        while let Some(Expected::Sync(Place::BeforeData | Place::AmidData)) = self.expected.front()
        {
            self.expected.pop_front();
        }
    }

    /// The statement at the front might have taken COPY data, and is complete without.
    pub(super) fn not_copied(&mut self) {
        self.takes_no_data(1);
    }

    /// Puts back what was at the front.
    pub(super) fn put_back(&mut self, expected: Expected) {
        self.expected.push_front(expected);
    }

    /// How the queue ends.
    pub(super) fn end(&self) -> End {
        match self.expected.back() {
            None => End::Nothing,
            Some(Expected::Sync(_) | Expected::Query(_) | Expected::FunctionCall(_)) => End::Synced,
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
