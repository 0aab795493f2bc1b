//! A statement on its way: from the client's message to the server's answer.

use std::sync::Arc;

use jiff::Timestamp;
use querycop_audit::{Reservation, Via};
use querycop_policy::facts::Action;
use querycop_policy::{Decision, Limits};
use tokio::time::Instant;

use super::cut::Amount;
use super::expected::Copy;
use super::judgement::Judgement;
use super::refused::Refused;
use super::text::Text;
use super::throttle::Running;

/// A message that runs statements, or was to.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) via: Via,
    /// What it runs; `None` if that is not known, or no SQL.
    pub(super) text: Option<Arc<Text>>,
    pub(super) judgement: Option<Arc<Judgement>>,
    /// Why it was not sent to the server as it is.
    pub(super) refused: Option<Refused>,
    /// Which of its statements is answered next.
    pub(super) next: usize,
    /// When the message came, or the statement before this one was answered.
    pub(super) began: Instant,
    pub(super) time: Timestamp,
    /// What the client was sent of the answer so far.
    pub(super) sent: Amount,
    pub(super) copy: Copy,
    /// Room for its records.
    pub(super) room: Rooms,
    /// Whether one of them has the text as the client sent it.
    pub(super) raw_is_told: bool,
    /// What the SQL in it prepares, as long as the server has not done so.
    pub(super) prepares: Vec<Preparing>,
    /// Its place among those that run at a time.
    pub(super) running: Option<Arc<Running>>,
}

/// A PREPARE or DECLARE on its way.
#[derive(Debug)]
pub(super) struct Preparing {
    /// Which statement of the text it is.
    pub(super) place: usize,
    pub(super) what: Prepared,
    pub(super) name: Box<str>,
    pub(super) text: Arc<Text>,
}

/// What the SQL of a statement gives a name to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prepared {
    Statement,
    Cursor,
}

/// Room for records: nearly always for one.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    first: Option<Reservation>,
    more: Vec<Reservation>,
}

impl Run {
    pub(super) fn new(
        via: Via,
        text: Option<Arc<Text>>,
        judgement: Option<Arc<Judgement>>,
    ) -> Self {
        Self {
            via,
            text,
            judgement,
            refused: None,
            next: 0,
            began: Instant::now(),
            time: Timestamp::now(),
            sent: Amount::default(),
            copy: Copy::NotBegun,
            room: Rooms::default(),
            raw_is_told: false,
            prepares: Vec::new(),
            running: None,
        }
    }

    /// Whether its statements from this one on do nothing but read.
    pub(super) fn only_reads(&self, from: usize) -> bool {
        let Some(text) = &self.text else {
            return false;
        };
        let mut left = text.analysis.facts.statements.iter().skip(from);
        left.all(|one| {
            let mut effects = one.effects.iter();
            effects.all(|effect| effect.action == Action::Read)
        })
    }

    /// Whether the time of a statement of it is limited.
    pub(super) fn may_be_timed(&self) -> bool {
        self.judgement.as_ref().is_some_and(|judgement| {
            let mut decisions = judgement.decisions.iter();
            decisions.any(|decision| decision.limits.statement_time.is_some())
        })
    }

    /// Whether a statement of it may take COPY data from the client.
    pub(super) fn may_copy_from_client(&self) -> bool {
        let Some(text) = &self.text else {
            return self.via == Via::Execute;
        };
        text.may_copy_from_client
    }

    /// What was decided of the statement that is answered next.
    pub(super) fn decision(&self) -> Option<&Decision> {
        self.judgement.as_ref()?.decision(self.next)
    }

    /// The limits of the statement that is answered next.
    pub(super) fn limits(&self) -> Option<&Limits> {
        self.decision().map(|decision| &decision.limits)
    }

    /// Goes on to the next statement of the text.
    pub(super) fn advance(&mut self) {
        self.next += 1;
        self.sent = Amount::default();
        self.copy = Copy::NotBegun;
        // Reading the clocks is worth the while only if there is a next one.
        if self
            .text
            .as_ref()
            .is_some_and(|text| self.next < text.len())
        {
            self.begin_now();
        }
    }

    /// Its turn has come.
    pub(super) fn begin_now(&mut self) {
        self.began = Instant::now();
        self.time = Timestamp::now();
    }
}

impl Rooms {
    pub(super) fn add(&mut self, room: Reservation) {
        if self.first.is_none() {
            self.first = Some(room);
        } else {
            self.more.push(room);
        }
    }

    pub(super) fn take(&mut self) -> Option<Reservation> {
        self.more.pop().or_else(|| self.first.take())
    }
}
