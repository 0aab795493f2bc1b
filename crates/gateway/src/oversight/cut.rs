//! Answers that are cut short: limits of rows, bytes and time.
//!
//! Rows and bytes count for one result, however many pages the client reads it in: by one Execute of
//! a portal after the other, or by one FETCH from a cursor after the other.

use std::sync::Arc;

use querycop_audit::Outcome;
use querycop_policy::Limits;
use querycop_wire::backend::CommandComplete;
use querycop_wire::frame::Header;
use tokio::time::Instant;

use super::expected::Expected;
use super::refused::Reached;
use super::run::Run;
use super::{Oversight, RelayError, Step, governance};
use crate::cancel;

/// A statement that has reached a limit.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) reached: Reached,
    /// The request to cancel it, until the server has taken it.
    pub(super) request: Option<tokio::task::JoinHandle<()>>,
    /// When it was asked for.
    since: Instant,
    /// The client has been told; the rest of the answer up to `ReadyForQuery` is left out.
    pub(super) told: bool,
}

/// Rows of a result, or COPY data, that a client was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Amount {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            bytes: self.bytes + other.bytes,
        }
    }

    /// The limit that it is beyond.
    fn beyond(self, limits: &Limits) -> Option<Reached> {
        let rows = limits.rows.as_ref().filter(|limit| self.rows > limit.max);
        let bytes = limits.bytes.as_ref();
        let bytes = bytes.filter(|limit| self.bytes > limit.max);
        rows.map(|limit| Reached::Rows(limit.clone()))
            .or_else(|| bytes.map(|limit| Reached::Bytes(limit.clone())))
    }
}

impl Oversight {
    /// When the statement that runs now has to be cancelled.
    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        if let Some(cut) = &self.cut {
            return Some(cut.since + governance::CANCEL_GRACE);
        }
        // The server may be at it while the answers to what was sent before it are still with the
        // server, too.
        let run = self.queue.first_run()?;
        let limit = run.limits()?.statement_time.as_ref()?;
        Some(run.began + limit.max)
    }

    /// The deadline has passed.
    pub(crate) fn deadline_passed(&mut self) -> Result<(), RelayError> {
        if self.cut.is_some() {
            return Err(RelayError::NotCancelled);
        }
        let limit = self
            .queue
            .first_run()
            .and_then(|run| run.limits()?.statement_time.clone());
        if let Some(limit) = limit {
            self.cut(Reached::Time(limit));
        }
        Ok(())
    }

    /// A row of a result.
    pub(super) fn row(&mut self, header: Header) -> Step {
        if self.cut.is_some() {
            return Step::Replace(Vec::new());
        }
        let Some(run) = self.running() else {
            return Step::Pass;
        };
        let (rows, bytes) = (1, header.total() as u64);
        let sent = run.sent.plus(Amount { rows, bytes });
        if !run.limits().is_some_and(Limits::bound_results) {
            run.sent = sent;
            return Step::Pass;
        }
        if let Some(reached) = self.beyond(sent) {
            self.cut(reached);
            return Step::Replace(Vec::new());
        }
        if let Some(run) = self.running() {
            run.sent = sent;
        }
        Step::Pass
    }

    /// The limit that the statement at the front is beyond, if that was sent of it.
    fn beyond(&self, sent: Amount) -> Option<Reached> {
        let (portal, run) = match self.queue.peek()? {
            Expected::Execute { portal, run } => (Some(&**portal), run),
            Expected::Query(run) => (None, run),
            _ => return None,
        };
        let name = self.fetched(portal, run).or(portal);
        let before = name.map_or(Amount::default(), |name| self.portals.sent_of(name));
        before.plus(sent).beyond(run.limits()?)
    }

    /// Counts what was sent for a statement that has ended, where more of the same can be asked for.
    pub(super) fn count(&mut self, portal: Option<&[u8]>, run: &Run, outcome: &Outcome<'_>) {
        if run.sent == Amount::default() {
            return;
        }
        // What has come to its end gives nothing any more; a cursor can go back.
        let is_over = matches!(
            outcome,
            Outcome::Completed { .. } | Outcome::Overrun { tag: Some(_), .. }
        );
        let unfinished = portal.filter(|_| !is_over);
        let name = self.fetched(portal, run).or(unfinished);
        if let Some(name) = name.map(<[u8]>::to_vec) {
            self.portals.count(&name, run.sent);
        }
    }

    /// The rows of a COPY are what its tag says: there are messages between them that are none.
    pub(super) fn count_copied(&mut self, complete: &CommandComplete<'_>) {
        if complete.tag().starts_with(b"COPY ")
            && let Some(rows) = complete.rows()
            && let Some(run) = self.running()
            && run.sent.bytes > 0
        {
            run.sent.rows = rows;
        }
    }

    /// The cursor that a statement fetches from.
    fn fetched<'a>(&'a self, portal: Option<&[u8]>, run: &'a Run) -> Option<&'a [u8]> {
        let text = run.text.as_ref();
        let text = text.or_else(|| self.exact(&self.portals, portal?))?;
        let statement = text.analysis.facts.statements.get(run.next)?;
        statement.fetches().map(str::as_bytes)
    }

    /// Has the server cancel the statement that it runs; the client gets no more of it.
    pub(super) fn cut(&mut self, reached: Reached) {
        self.shared.metrics.statement_cut(reached.kind());
        let request = self.cancel_key.clone().map(|key| {
            let shared = Arc::clone(&self.shared);
            tokio::spawn(async move { cancel::send(&shared, &key).await })
        });
        self.cut = Some(Cut {
            reached,
            request,
            since: Instant::now(),
            told: false,
        });
    }

    /// After a client was told that its statement is cut short, the rest of the answer is not for it.
    pub(super) fn unless_told(&self) -> Step {
        match &self.cut {
            Some(cut) if cut.told => Step::Replace(Vec::new()),
            _ => Step::Pass,
        }
    }

    /// The statement was complete before the request to cancel it came, or has sent the page that it
    /// was asked for (no tag).
    pub(super) fn cut_too_late(&mut self, tag: Option<&str>) -> Result<Vec<u8>, RelayError> {
        // A client that is told of an error takes what it sent behind it for not run.
        if self.queue.may_change_behind_the_first() {
            return Err(RelayError::CutLate);
        }
        let Some(cut) = &mut self.cut else {
            return Ok(Vec::new());
        };
        cut.told = true;
        let code = cut.reached.code();
        let mut words = Vec::new();
        cut.reached.too_late().encode(&mut words);
        let sqlstate = code.as_str();
        self.answered(Outcome::Overrun { tag, sqlstate })?;
        Ok(words)
    }
}
