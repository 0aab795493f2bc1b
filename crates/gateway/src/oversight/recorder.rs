//! Writes a session's records.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use jiff::Timestamp;
use querycop_audit::{
    DecisionFragment, Event, MAX_LINE, NoRoom, Outcome, Record, Reservation, SessionFragment,
    Store, Ticket, WriteError,
};
use querycop_policy::AuditText;
use tokio::time::Instant;

use super::run::Run;
use super::text::Text;

/// Writes a session's records.
#[derive(Debug)]
pub(super) struct Recorder {
    store: Arc<Store>,
    session: SessionFragment,
    /// Records so far.
    number: u64,
    /// The last record that may not be kept yet as the durability promises.
    unsettled: Option<Ticket>,
    /// Room of the records up to that one, which may have to be written yet.
    held: Vec<Reservation>,
    /// Room of the last statement, for the next.
    kept: Option<Reservation>,
    /// Room for the record of the session's end.
    room_for_end: Option<Reservation>,
    began: Instant,
    statements: u64,
    denied: u64,
}

/// What is recorded of a statement beside what is known from the beginning.
pub(super) struct Recording<'a> {
    pub(super) run: &'a mut Run,
    /// What it was, where it turned out only now.
    pub(super) text: Option<&'a Text>,
    /// Which statement of the text.
    pub(super) place: usize,
    /// What it ran that stands in other texts.
    pub(super) ran: Vec<Arc<Text>>,
    pub(super) outcome: Outcome<'a>,
}

impl Recorder {
    /// Records that a session began; makes sure that its end can be recorded too.
    pub(super) fn begin(store: Arc<Store>, session: SessionFragment) -> Result<Self, Unrecorded> {
        let bytes = Record::room(Some(&session), None, None);
        let room = store.reserve(bytes)?;
        let room_for_end = Some(store.reserve(bytes)?);
        let mut recorder = Self {
            store,
            session,
            number: 0,
            unsettled: None,
            held: Vec::new(),
            kept: None,
            room_for_end,
            began: Instant::now(),
            statements: 0,
            denied: 0,
        };
        recorder.append(room, Event::SessionBegan)?;
        Ok(recorder)
    }

    /// Records that a session was refused, and what the policy said if it was that.
    pub(super) fn refuse(
        store: &Store,
        session: &SessionFragment,
        (sqlstate, reason): (&str, &str),
        decision: Option<&DecisionFragment>,
    ) -> Result<(), Unrecorded> {
        let room = store.reserve(Record::room(Some(session), None, None))?;
        let record = Record {
            time: Timestamp::now(),
            session: Some(session),
            number: 1,
            event: Event::SessionRefused {
                sqlstate,
                reason,
                decision,
            },
        };
        // The client is refused either way: nobody waits until the record is on disk.
        let _ = store.append(room, &record)?;
        Ok(())
    }

    /// Room for the records of a run, before it goes to the server.
    pub(super) fn reserve(&mut self, run: &mut Run) -> Result<(), NoRoom> {
        let Some(text) = run.text.clone() else {
            // What an Execute runs may turn out only when it is answered, likewise what EXECUTE does.
            run.room.add(self.store.reserve(MAX_LINE)?);
            return Ok(());
        };
        for place in 0..text.len().max(1) {
            run.room.add(if text.runs_others(place) {
                self.store.reserve(MAX_LINE)?
            } else {
                self.spare(Some(&text), place)?
            });
        }
        Ok(())
    }

    /// Records what came of a statement.
    pub(super) fn statement(&mut self, recording: Recording<'_>) -> Result<(), Unrecorded> {
        let Recording {
            run,
            text,
            place,
            ran,
            outcome,
        } = recording;
        self.statements += 1;
        self.denied += u64::from(matches!(outcome, Outcome::Denied { .. }));
        let text = text.or(run.text.as_deref());
        let room = match run.room.take() {
            Some(room) => room,
            None => self.spare(text, place)?,
        };
        let running = text.filter(|_| !ran.is_empty());
        let running = running.and_then(|text| text.fragment_running(place, &ran));
        let judgement = run.judgement.as_deref();
        let decision = judgement.and_then(|judgement| judgement.decision(place));
        let keeps_raw = decision.and_then(|decision| decision.text) != Some(AuditText::Redacted);
        // Once for all statements of a text, which may be very many.
        let raw_text = text.and_then(Text::raw);
        let raw_text = raw_text.filter(|_| keeps_raw && !run.raw_is_told);
        run.raw_is_told |= raw_text.is_some();
        let event = Event::Statement {
            via: run.via,
            statement: running
                .as_ref()
                .or_else(|| text.and_then(|text| text.fragment(place))),
            raw_text,
            decision: judgement.and_then(|judgement| judgement.fragment(place)),
            outcome,
            rows: run.sent.rows,
            bytes: run.sent.bytes,
            duration: run.began.elapsed(),
        };
        // Before the client hears of it, it is asked whether all is settled.
        self.number += 1;
        let record = Record {
            time: run.time,
            session: Some(&self.session),
            number: self.number,
            event,
        };
        self.unsettled = Some(self.store.append_soon(&room, &record)?);
        self.held.push(room);
        Ok(())
    }

    /// Records the session's end.
    pub(super) fn end(
        &mut self,
        reason: &str,
        to_client: u64,
        to_server: u64,
    ) -> Result<(), Unrecorded> {
        let Some(room) = self.room_for_end.take() else {
            return Ok(());
        };
        let event = Event::SessionEnded {
            reason,
            bytes_to_client: to_client,
            bytes_to_server: to_server,
            statements: self.statements,
            denied: self.denied,
            duration: self.began.elapsed(),
        };
        self.append(room, event)
    }

    /// Whether all records are kept as the durability promises.
    pub(super) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        if let Some(ticket) = &mut self.unsettled {
            ready!(self.store.poll_settled(ticket, cx))?;
            self.unsettled = None;
            self.kept = self.held.pop().or(self.kept.take());
            self.held.clear();
        }
        Poll::Ready(Ok(()))
    }

    fn spare(&mut self, text: Option<&Text>, place: usize) -> Result<Reservation, NoRoom> {
        let fragment = text.and_then(|text| text.fragment(place));
        let raw = text.and_then(Text::raw);
        let bytes = Record::room(Some(&self.session), fragment, raw);
        match self.kept.take() {
            Some(kept) => self.store.renew(kept, bytes),
            None => self.store.reserve(bytes),
        }
    }

    fn append(&mut self, room: Reservation, event: Event<'_>) -> Result<(), Unrecorded> {
        self.number += 1;
        let record = Record {
            time: Timestamp::now(),
            session: Some(&self.session),
            number: self.number,
            event,
        };
        self.unsettled = Some(self.store.append(room, &record)?);
        Ok(())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // The room that is given back now is to be theirs.
        if !self.held.is_empty() {
            self.store.write_left();
        }
    }
}

/// Something can't be recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unrecorded {
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    #[error(transparent)]
    Write(#[from] WriteError),
}
