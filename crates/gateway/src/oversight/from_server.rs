//! What the server answers: each answer is matched with what was asked, and recorded.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use querycop_audit::Outcome;
use querycop_policy::TransactionState;
use querycop_serve::{BUFFER_SIZE, Passage, Then};
use querycop_wire::backend::{CommandComplete, ParameterStatus};
use querycop_wire::frame::{self, Header};
use querycop_wire::tag::backend as tag;

use super::expected::{Bound, Closed, Copy, Expected};
use super::run::Run;
use super::text::Text;
use super::{Oversight, RelayError, Sees, Step, Unrecorded};
use crate::conversation::Conversation;

impl Oversight {
    /// Looks at what the server has sent.
    pub(crate) fn hear_server(
        &mut self,
        conversation: &mut Conversation,
        bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<Passage, RelayError> {
        if self.sees == Sees::Nothing {
            return conversation.hear_server(bytes);
        }
        if let Some(error) = self.broken.take() {
            return Err(error.into());
        }
        if let Some((skip, put)) = self.replacement.take() {
            if self.settled(cx)?.is_pending() {
                self.replacement = Some((skip, put));
                let (cleared, then) = (0, Then::Hold);
                return Ok(Passage { cleared, then });
            }
            let (cleared, then) = (0, Then::Replace { skip, put });
            return Ok(Passage { cleared, then });
        }
        let mut at = conversation.server_continues(bytes.len());
        while let Some(header) = Header::decode(&bytes[at..], frame::MAX_LEN)? {
            let total = header.total();
            let available = bytes.len() - at;
            if total > available && total <= BUFFER_SIZE {
                break;
            }
            let here = total.min(available);
            let body = &bytes[at + Header::LEN..at + here];
            match self.answer(header, body, cx)? {
                Step::Pass => {
                    conversation.server_said(header.tag, body);
                    at += here;
                    conversation.server_sends_on(total - here);
                }
                Step::Wait | Step::Before(_) => {
                    let then = Then::Hold;
                    return Ok(Passage { cleared: at, then });
                }
                Step::Replace(put) => {
                    let settled = self.settled(cx)?;
                    if settled.is_pending() {
                        self.replacement = Some((total, put));
                        let then = Then::Hold;
                        return Ok(Passage { cleared: at, then });
                    }
                    let then = Then::Replace { skip: total, put };
                    return Ok(Passage { cleared: at, then });
                }
            }
        }
        // The end of a statement goes to the client when its record is kept, also where no
        // ReadyForQuery follows. Most often one does, and has waited for it already.
        if self.settled(cx)?.is_pending() {
            let then = Then::Hold;
            return Ok(Passage { cleared: at, then });
        }
        Ok(Passage::of(at))
    }

    /// Whether all records are kept as the durability promises.
    fn settled(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, RelayError> {
        let Some(recorder) = &mut self.recorder else {
            return Ok(Poll::Ready(()));
        };
        Ok(match recorder.poll_settled(cx) {
            Poll::Ready(outcome) => Poll::Ready(outcome.map_err(Unrecorded::from)?),
            Poll::Pending => Poll::Pending,
        })
    }

    /// Looks at one message. Of one that is larger than a buffer the body is only the beginning.
    fn answer(
        &mut self,
        header: Header,
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<Step, RelayError> {
        let tag = header.tag;
        match tag {
            tag::DATA_ROW | tag::COPY_DATA => return Ok(self.row(header)),
            tag::NOTICE_RESPONSE | tag::NOTIFICATION_RESPONSE => return Ok(Step::Pass),
            tag::PARAMETER_STATUS => return self.parameter(header, body),
            tag::READY_FOR_QUERY => return self.ready(body, cx),
            tag::ERROR_RESPONSE => return self.failed(body),
            tag::PARSE_COMPLETE => self.parsed()?,
            tag::BIND_COMPLETE => self.bound()?,
            tag::CLOSE_COMPLETE => self.closed()?,
            tag::NO_DATA | tag::ROW_DESCRIPTION => {
                if let Some(Expected::Describe) = self.queue.front() {
                    self.pop();
                }
            }
            tag::COMMAND_COMPLETE | tag::EMPTY_QUERY_RESPONSE | tag::PORTAL_SUSPENDED => {
                if let Some(words) = self.ended(tag, body)? {
                    return Ok(Step::Replace(words));
                }
            }
            tag::FUNCTION_CALL_RESPONSE => self.function_returned()?,
            tag::COPY_IN_RESPONSE | tag::COPY_BOTH_RESPONSE => {
                if let Some(run) = self.running() {
                    run.copy = Copy::Begun;
                }
            }
            _ => {}
        }
        Ok(self.unless_told())
    }

    fn parsed(&mut self) -> Result<(), RelayError> {
        match self.pop() {
            Some(Expected::Parse { name, text, run }) if run.refused.is_none() => {
                self.prepared.confirmed(&name, &text);
                Ok(())
            }
            _ => Err(out_of_step(tag::PARSE_COMPLETE)),
        }
    }

    fn bound(&mut self) -> Result<(), RelayError> {
        let Some(Expected::Bind {
            portal,
            bound,
            refused: None,
        }) = self.pop()
        else {
            return Err(out_of_step(tag::BIND_COMPLETE));
        };
        match bound {
            Bound::To(text) => self.portals.confirmed(&portal, &text),
            Bound::Named {
                statement,
                candidates,
            } => {
                let text = match self.prepared.exact(&statement) {
                    Some(text) => Arc::clone(text),
                    None => Arc::clone(&self.unknown),
                };
                self.portals.confirmed(&portal, &text);
                for _ in 1..candidates {
                    self.portals.failed(&portal);
                }
            }
        }
        Ok(())
    }

    fn closed(&mut self) -> Result<(), RelayError> {
        match self.pop() {
            Some(Expected::Close(Closed::Statement(name))) => self.prepared.closed(&name),
            Some(Expected::Close(Closed::Portal(name))) => self.portals.closed(&name),
            _ => return Err(out_of_step(tag::CLOSE_COMPLETE)),
        }
        Ok(())
    }

    fn function_returned(&mut self) -> Result<(), RelayError> {
        let Some(Expected::FunctionCall(_)) = self.queue.front() else {
            return Err(out_of_step(tag::FUNCTION_CALL_RESPONSE));
        };
        if let Some(run) = self.running() {
            run.sent.rows = 1;
        }
        let tag = "FUNCTION CALL";
        self.answered(Outcome::Completed { tag })?;
        Ok(())
    }

    /// A statement has ended; gives what the client gets instead, if its end was not in order.
    fn ended(&mut self, tag: u8, body: &[u8]) -> Result<Option<Vec<u8>>, RelayError> {
        let Some(run) = self.running() else {
            return Err(out_of_step(tag));
        };
        // The server must refuse it: a server that runs it is not to be trusted.
        if run.refused.is_some() {
            return Err(out_of_step(tag));
        }
        let may_copy = run.may_copy_from_client();
        match run.copy {
            Copy::Begun => self.copied_to_server(),
            Copy::NotBegun if may_copy => self.not_copied(),
            Copy::NotBegun => {}
        }
        let is_cut = self.cut.as_ref().is_some_and(|cut| !cut.told);
        match tag {
            tag::COMMAND_COMPLETE => {
                let complete =
                    CommandComplete::decode(body).map_err(|_| RelayError::Message { tag })?;
                self.count_copied(&complete);
                let tag = String::from_utf8_lossy(complete.tag());
                if is_cut {
                    return self.cut_too_late(Some(&tag)).map(Some);
                }
                self.answered(Outcome::Completed { tag: &tag })?;
            }
            tag::PORTAL_SUSPENDED if is_cut => return self.cut_too_late(None).map(Some),
            tag::PORTAL_SUSPENDED => self.answered(Outcome::Suspended)?,
            // There was nothing to run.
            _ => {
                if let Some(Expected::Execute { .. }) = self.queue.front() {
                    self.pop();
                }
            }
        }
        Ok(None)
    }

    fn copied_to_server(&mut self) {
        // The one that copies is at the front, behind it the Syncs that the copy swallowed.
        if let Some(copying) = self.queue.pop() {
            self.queue.copied();
            self.queue.put_back(copying);
        }
    }

    /// A text of several statements may still come to its COPY.
    fn not_copied(&mut self) {
        let is_last = match self.queue.front() {
            Some(Expected::Query(run)) => run
                .text
                .as_ref()
                .is_none_or(|text| run.next + 1 >= text.len()),
            _ => true,
        };
        if is_last {
            self.queue.not_copied();
        }
    }

    /// The statement that runs has come to its end: it is recorded, and the next one's turn comes.
    pub(super) fn answered(&mut self, outcome: Outcome<'_>) -> Result<(), RelayError> {
        match self.queue.pop() {
            Some(Expected::Execute { portal, mut run }) => {
                let text = self.text_of(&portal, &run);
                self.count(Some(&portal), &run, &outcome);
                self.settle(&mut run, text.as_deref(), outcome)?;
                self.not_prepared(&mut run);
                self.next_turn();
            }
            Some(Expected::Query(mut run)) => {
                let text = run.text.clone();
                self.count(None, &run, &outcome);
                self.settle(&mut run, text.as_deref(), outcome)?;
                run.advance();
                self.queue.put_back(Expected::Query(run));
            }
            Some(Expected::FunctionCall(mut run)) => {
                self.settle(&mut run, None, outcome)?;
                run.advance();
                self.queue.put_back(Expected::FunctionCall(run));
            }
            Some(other) => self.queue.put_back(other),
            None => {}
        }
        Ok(())
    }

    /// What a portal turned out to run.
    pub(super) fn text_of(&self, portal: &[u8], run: &Run) -> Option<Arc<Text>> {
        match &run.text {
            Some(text) => Some(Arc::clone(text)),
            None => self.exact(&self.portals, portal).map(Arc::clone),
        }
    }

    fn settle(
        &mut self,
        run: &mut Run,
        text: Option<&Text>,
        outcome: Outcome<'_>,
    ) -> Result<(), RelayError> {
        let place = run.next;
        self.record(run, text, place, outcome)?;
        // What has stopped for now has begun: functions in it may have changed settings.
        if let Outcome::Completed { .. } | Outcome::Overrun { .. } | Outcome::Suspended = outcome
            && let Some(text) = text
        {
            self.completed(run, text, place);
        }
        Ok(())
    }

    /// The server is ready for the next statement.
    fn ready(&mut self, body: &[u8], cx: &mut Context<'_>) -> Result<Step, RelayError> {
        if let Some(cut) = &mut self.cut {
            // A request that is still on its way would hit the next statement.
            if let Some(request) = &mut cut.request
                && Pin::new(request).poll(cx).is_pending()
            {
                return Ok(Step::Wait);
            }
            cut.request = None;
        }
        if self.settled(cx)?.is_pending() {
            return Ok(Step::Wait);
        }
        self.cut = None;
        match self.pop() {
            Some(Expected::Query(mut run) | Expected::FunctionCall(mut run)) => {
                self.not_prepared(&mut run);
                self.next_turn();
            }
            Some(Expected::Sync(_)) => {
                // What was sent behind it begins now.
                self.begin_first();
            }
            _ => return Err(out_of_step(tag::READY_FOR_QUERY)),
        }
        let transaction = match body {
            b"I" => TransactionState::Idle,
            b"E" => TransactionState::Failed,
            _ => TransactionState::Open,
        };
        self.judge.transaction = transaction;
        if transaction == TransactionState::Idle && self.holds_cursor {
            // A commit that no statement asked for has run it.
            for text in self.portals.all(Text::is_held_cursor) {
                for statement in &text.analysis.facts.statements {
                    self.judge.search_path.completed(statement);
                }
            }
            self.holds_cursor = !self.queue.is_empty();
        }
        let path = &mut self.judge.search_path;
        path.ready(transaction);
        if self.queue.is_empty() {
            path.settled();
        }
        if transaction == TransactionState::Idle {
            self.lexer_changed = false;
            // Portals end with their transaction.
            self.portals.all_closed(Text::is_held_cursor);
        }
        Ok(Step::Pass)
    }

    /// The server reports a setting.
    fn parameter(&mut self, header: Header, body: &[u8]) -> Result<Step, RelayError> {
        let tag = tag::PARAMETER_STATUS;
        // Of a long one this is the beginning. The settings that the lexer has to know are words.
        if header.total() > Header::LEN + body.len() {
            if body.starts_with(b"search_path\0") {
                self.judge.search_path.reported_unread();
            }
            return Ok(Step::Pass);
        }
        let status = ParameterStatus::decode(body).map_err(|_| RelayError::Message { tag })?;
        let Ok(value) = str::from_utf8(status.value) else {
            return Ok(Step::Pass);
        };
        if status.name == b"search_path" {
            self.judge.search_path.reported(value);
            return Ok(Step::Pass);
        }
        let mut lexer = self.lexer;
        let Some(name) = lexer.reported(status.name, value) else {
            return Ok(Step::Pass);
        };
        if lexer != self.lexer {
            self.lexer = lexer;
            self.lexer_changed = true;
            // A text that is being read is read by the old one.
            self.analyzing = None;
            // Texts that were sent behind the change were read by the old setting, unless it was
            // seen coming.
            if !self.lexer_in_doubt
                && self.queue.has_texts_behind_the_first()
                && self.judge.is_bound()
            {
                return Err(RelayError::LexerChanged { name });
            }
            self.lexer_in_doubt = true;
        }
        Ok(Step::Pass)
    }

    /// A portal did not come about.
    pub(super) fn not_bound(&mut self, portal: &[u8], bound: &Bound) {
        let times = match bound {
            Bound::To(_) => 1,
            Bound::Named { candidates, .. } => *candidates,
        };
        for _ in 0..times {
            self.portals.failed(portal);
        }
    }

    /// Takes what was answered out of the queue.
    fn pop(&mut self) -> Option<Expected> {
        let answered = self.queue.pop();
        self.answers += 1;
        answered
    }

    /// A statement has ended, and the next one's turn has come.
    pub(super) fn next_turn(&mut self) {
        self.answers += 1;
        self.begin_first();
    }

    fn begin_first(&mut self) {
        if let Some(run) = self.queue.first_run() {
            run.begin_now();
        }
    }
}

fn out_of_step(tag: u8) -> RelayError {
    RelayError::OutOfStep { tag }
}
