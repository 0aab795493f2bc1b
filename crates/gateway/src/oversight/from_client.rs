//! What the client sends: each statement is judged, and noted for the server's answer.

use std::sync::Arc;
use std::task::Context;

use querycop_audit::{Outcome, Via};
use querycop_policy::facts::{Effect, Unreadable};
use querycop_serve::{BUFFER_SIZE, Passage, Then};
use querycop_wire::frame::{self, Header};
use querycop_wire::frontend::{self, Bind, Close, Execute, Parse, Query, Target};
use querycop_wire::tag::frontend as tag;

use super::expected::{Bound, Closed, End, Expected};
use super::judgement::Judgement;
use super::names::{Fate, Sole};
use super::run::Run;
use super::text::Text;
use super::{Oversight, RelayError, Sees, Step};
use crate::conversation::Conversation;

/// `Flush`: the server is to send the answers that it has.
const FLUSH: &[u8] = b"H\0\0\0\x04";

/// Bytes of a `Parse` beside its text: name and parameter types.
const BESIDE_TEXT: usize = 300 << 10;

impl Oversight {
    /// Looks at what the client has sent.
    pub(crate) fn hear_client(
        &mut self,
        conversation: &mut Conversation,
        bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<Passage, RelayError> {
        if self.sees == Sees::Nothing {
            return conversation.hear_client(bytes);
        }
        let mut at = conversation.client_continues(bytes.len());
        while let Some(header) = Header::decode(&bytes[at..], frame::MAX_LEN)? {
            let total = header.total();
            let available = bytes.len() - at;
            if total > available
                && let Some(then) = self.needs(header, available)
            {
                return Ok(Passage { cleared: at, then });
            }
            let body = &bytes[at + Header::LEN..at + total.min(available)];
            let step = if total > available && is_text(header.tag) {
                self.overlong(header, body)?
            } else {
                self.message(header.tag, body, cx)?
            };
            match step {
                Step::Pass => {
                    self.note_sent(conversation, header.tag);
                    at += total.min(available);
                    conversation.client_sends_on(total.saturating_sub(available));
                }
                Step::Wait => {
                    self.client_waits = Some(self.answers);
                    let then = Then::Wait;
                    return Ok(Passage { cleared: at, then });
                }
                Step::Before(put) => {
                    let (skip, put) = (0, put.to_vec());
                    let then = Then::Replace { skip, put };
                    return Ok(Passage { cleared: at, then });
                }
                Step::Replace(put) => {
                    self.note_sent(conversation, header.tag);
                    let then = Then::Replace { skip: total, put };
                    return Ok(Passage { cleared: at, then });
                }
            }
        }
        Ok(Passage::of(at))
    }

    /// What has to come before a message that is not all there can be looked at.
    fn needs(&self, header: Header, available: usize) -> Option<Then> {
        let total = header.total();
        if total <= BUFFER_SIZE {
            return Some(Then::Read);
        }
        let readable = self.shared.governance.analyzer().max_text_bytes() + BESIDE_TEXT;
        if is_text(header.tag) && total <= readable {
            return Some(Then::Grow { size: total });
        }
        // Its beginning is enough, but the names in it have to be whole.
        let is_read = matches!(header.tag, tag::BIND | tag::EXECUTE | tag::CLOSE);
        ((is_read || is_text(header.tag)) && available < BUFFER_SIZE).then_some(Then::Read)
    }

    fn note_sent(&self, conversation: &mut Conversation, tag: u8) {
        // What the server skips it does not answer.
        if !self.queue.skips() || tag == tag::SYNC {
            conversation.client_said(tag);
        }
    }

    /// Looks at one message. Of one that is larger than a buffer the body is only the beginning.
    fn message(&mut self, tag: u8, body: &[u8], cx: &mut Context<'_>) -> Result<Step, RelayError> {
        if !self.queue.has_room() {
            return Ok(self.wait_for_answers());
        }
        match tag {
            tag::QUERY => Ok(self.query(body, cx)),
            tag::PARSE => Ok(self.parse(body, cx)),
            tag::BIND => self.bind(body),
            tag::EXECUTE => self.execute(body),
            tag::FUNCTION_CALL => Ok(self.function_call()),
            tag::DESCRIBE => {
                self.expect(Expected::Describe);
                Ok(Step::Pass)
            }
            tag::CLOSE => self.close(body),
            tag::SYNC => {
                self.batch += 1;
                self.queue.sync();
                Ok(Step::Pass)
            }
            tag::COPY_DATA => {
                self.queue.copy_data();
                Ok(Step::Pass)
            }
            tag::COPY_DONE | tag::COPY_FAIL => {
                self.queue.copy_ends();
                Ok(Step::Pass)
            }
            _ => Ok(Step::Pass),
        }
    }

    /// A message waits until the server has answered others, which it may have to be asked for: it
    /// keeps its answers until a Sync that the client sends only behind this message.
    fn wait_for_answers(&mut self) -> Step {
        let is_asked = self.flushed_at == Some(self.answers);
        if is_asked || self.queue.end() != End::Open {
            return Step::Wait;
        }
        self.flushed_at = Some(self.answers);
        Step::Before(FLUSH)
    }

    fn query(&mut self, body: &[u8], cx: &mut Context<'_>) -> Step {
        let Ok(query) = Query::decode(body) else {
            self.batch += 1;
            let run = self.malformed(Via::Query);
            return self.send_query(run);
        };
        let Some(analysis) = self.analysis(query.text, cx) else {
            return Step::Wait;
        };
        self.batch += 1;
        let run = self.run(Via::Query, &analysis, query.text);
        self.send_query(run)
    }

    fn send_query(&mut self, mut run: Run) -> Step {
        self.sent(&mut run);
        let refused = run.refused.is_some();
        self.expect(Expected::Query(run));
        self.unless(refused, frontend::query)
    }

    fn parse(&mut self, body: &[u8], cx: &mut Context<'_>) -> Step {
        let Ok(parse) = Parse::decode(body) else {
            let name: Box<[u8]> = body
                .split(|byte| *byte == 0)
                .next()
                .unwrap_or_default()
                .into();
            let run = self.malformed(Via::Parse);
            return self.send_parse(name, run);
        };
        self.use_name(parse.name);
        if !self.prepared.has_room(parse.name) {
            return self.wait_for_answers();
        }
        let Some(analysis) = self.analysis(parse.query, cx) else {
            return Step::Wait;
        };
        let run = self.run(Via::Parse, &analysis, parse.query);
        self.send_parse(parse.name.into(), run)
    }

    fn send_parse(&mut self, name: Box<[u8]>, run: Run) -> Step {
        let refused = run.refused.is_some();
        let step = self.unless(refused, |put, nonce| frontend::parse(put, &name, nonce));
        let text = Arc::clone(run.text.as_ref().unwrap_or(&self.unknown));
        if !refused {
            self.doubt_lexer(&text);
        }
        match (self.queue.skips(), refused) {
            (true, _) => {}
            (false, false) => self.prepared.sent(&name, &text, Some(self.batch)),
            // A text that is replaced never comes to be under that name.
            (false, true) => self.prepared.doomed(&name, &text, self.batch),
        }
        self.expect(Expected::Parse { name, text, run });
        step
    }

    /// A message goes on unless it is refused: then goes what the server must refuse in its place.
    fn unless(&self, refused: bool, put: impl FnOnce(&mut Vec<u8>, &[u8])) -> Step {
        if !refused {
            return Step::Pass;
        }
        let mut bytes = Vec::new();
        put(&mut bytes, self.nonce.as_bytes());
        Step::Replace(bytes)
    }

    fn bind(&mut self, body: &[u8]) -> Result<Step, RelayError> {
        let bind = Bind::decode(body).map_err(|_| RelayError::Message { tag: tag::BIND })?;
        if !self.portals.has_room(bind.portal) {
            return Ok(self.wait_for_answers());
        }
        if self.queue.skips() {
            return Ok(Step::Pass);
        }
        self.use_name(bind.portal);
        self.use_name(bind.statement);
        let sole = match self.sole(&self.prepared, bind.statement) {
            Sole::None => Some(Arc::clone(&self.unknown)),
            Sole::One(text) => Some(text),
            Sole::Many => None,
        };
        if let Some(text) = self.denied_at_bind(bind.statement, sole.as_ref()) {
            return Ok(self.refuse_bind(bind.portal, &text));
        }
        let bound = if let Some(text) = sole {
            match self.prepared.fate(bind.statement, self.batch) {
                Fate::Open => self.portals.sent(bind.portal, &text, Some(self.batch)),
                Fate::Doomed => self.portals.doomed(bind.portal, &text, self.batch),
            }
            Bound::To(text)
        } else {
            let mut count = 0;
            for text in self.prepared.candidates(bind.statement, self.batch) {
                self.portals.sent(bind.portal, text, None);
                count += 1;
            }
            Bound::Named {
                statement: bind.statement.into(),
                candidates: count,
            }
        };
        self.expect(Expected::Bind {
            portal: bind.portal.into(),
            bound,
            refused: None,
        });
        Ok(Step::Pass)
    }

    /// What a statement may be that the policy denies by now. The server looks its names up anew when
    /// it is bound, where the search path is no longer the one that it was parsed under.
    fn denied_at_bind(&mut self, statement: &[u8], sole: Option<&Arc<Text>>) -> Option<Arc<Text>> {
        let is_denied = |this: &mut Self, text: &Arc<Text>| {
            let judgement = this.judged_text(&text.analysis);
            judgement.is_some_and(|judgement| judgement.denied().is_some())
        };
        if let Some(text) = sole {
            // What nobody has seen prepared the server most likely doesn't know either: its own
            // error is the better one, and what could be run after all is denied then.
            let is_open = self.prepared.fate(statement, self.batch) == Fate::Open
                && !Arc::ptr_eq(text, &self.unknown);
            return (is_open && is_denied(self, text)).then(|| Arc::clone(text));
        }
        let candidates = self.prepared.candidates(statement, self.batch);
        let candidates: Vec<_> = candidates.cloned().collect();
        candidates.into_iter().find(|text| is_denied(self, text))
    }

    fn refuse_bind(&mut self, portal: &[u8], text: &Arc<Text>) -> Step {
        let judgement = self.judged_text(&text.analysis);
        let run = self.admitted(Run::new(Via::Bind, Some(Arc::clone(text)), judgement));
        self.portals.doomed(portal, text, self.batch);
        self.expect(Expected::Bind {
            portal: portal.into(),
            bound: Bound::To(Arc::clone(text)),
            refused: Some(Box::new(run)),
        });
        self.unless(true, |put, nonce| frontend::bind(put, portal, nonce))
    }

    fn execute(&mut self, body: &[u8]) -> Result<Step, RelayError> {
        let execute =
            Execute::decode(body).map_err(|_| RelayError::Message { tag: tag::EXECUTE })?;
        self.use_name(execute.portal);
        let mut run = self.execution(execute.portal);
        self.sent(&mut run);
        let refused = run.refused.is_some();
        let is_timed = run.may_be_timed();
        self.expect(Expected::Execute {
            portal: execute.portal.into(),
            run,
        });
        if is_timed && !refused {
            return Ok(Step::Replace(execute_and_flush(body)));
        }
        Ok(self.unless(refused, frontend::execute))
    }

    fn execution(&mut self, portal: &[u8]) -> Run {
        if self.queue.skips() {
            // It won't run, and what its portal was to be has been skipped, too.
            return self.judged(Run::new(Via::Execute, None, None));
        }
        let text = match self.sole(&self.portals, portal) {
            Sole::One(text) => text,
            Sole::Many => return self.execute_any(portal),
            Sole::None => {
                let unknown = [Effect::unknown("portal")];
                let judgement = self.judge.judge_effects(&unknown);
                return self.admitted(Run::new(Via::Execute, None, judgement));
            }
        };
        let judgement = self.judged_text(&text.analysis);
        let run = Run::new(Via::Execute, Some(text), judgement);
        match self.portals.fate(portal, self.batch) {
            Fate::Open => self.admitted(run),
            // It was counted when it was to be parsed.
            Fate::Doomed => self.judged(run),
        }
    }

    /// Nobody knows yet what the portal will be: all that it can be must be allowed, the strictest
    /// limits of all count, and so does whatever any of it may do to the session.
    fn execute_any(&mut self, portal: &[u8]) -> Run {
        let candidates: Vec<_> = self
            .portals
            .candidates(portal, self.batch)
            .cloned()
            .collect();
        let mut strictest = None;
        for text in &candidates {
            let judgement = self.judged_text(&text.analysis);
            if judgement.as_ref().is_some_and(|one| one.denied().is_some()) {
                return self.admitted(Run::new(Via::Execute, Some(Arc::clone(text)), judgement));
            }
            strictest = Judgement::strictest(strictest, judgement);
        }
        let run = self.admitted(Run::new(Via::Execute, None, strictest));
        if run.refused.is_none() && !self.queue.skips() {
            for text in &candidates {
                self.may_change(text);
            }
        }
        run
    }

    fn function_call(&mut self) -> Step {
        self.batch += 1;
        let judgement = self.judge.judge_effects(&[Effect::function_call()]);
        let run = self.admitted(Run::new(Via::FunctionCall, None, judgement));
        let refused = run.refused.is_some();
        self.expect(Expected::FunctionCall(run));
        self.unless(refused, frontend::query)
    }

    fn close(&mut self, body: &[u8]) -> Result<Step, RelayError> {
        let close = Close::decode(body).map_err(|_| RelayError::Message { tag: tag::CLOSE })?;
        let (Target::Statement(name) | Target::Portal(name)) = close.target;
        self.use_name(name);
        self.expect(Expected::Close(match close.target {
            Target::Statement(name) => Closed::Statement(name.into()),
            Target::Portal(name) => Closed::Portal(name.into()),
        }));
        Ok(Step::Pass)
    }

    /// A text that is longer than what is read: under a policy it is refused, else it passes.
    fn overlong(&mut self, header: Header, body: &[u8]) -> Result<Step, RelayError> {
        let name_and_text = match header.tag {
            tag::PARSE => {
                let end = body.iter().position(|byte| *byte == 0);
                let end = end.ok_or(RelayError::Message { tag: header.tag })?;
                (&body[..end], &body[end + 1..])
            }
            _ => (&body[..0], body),
        };
        let (name, beginning) = name_and_text;
        let analyzer = self.shared.governance.analyzer();
        let analysis = analyzer.refuse(Unreadable::TooLong, beginning, self.lexer);
        Ok(if header.tag == tag::PARSE {
            let run = self.run(Via::Parse, &analysis, b"");
            self.send_parse(name.into(), run)
        } else {
            self.batch += 1;
            let run = self.run(Via::Query, &analysis, b"");
            self.send_query(run)
        })
    }

    /// Notes that the server will answer, unless it skips.
    fn expect(&mut self, expected: Expected) {
        if !self.queue.skips() {
            self.queue.push(expected);
            return;
        }
        let skipped = match expected {
            Expected::Execute { run, .. } | Expected::Query(run) | Expected::FunctionCall(run) => {
                self.record_rest(run, Outcome::Skipped)
            }
            Expected::Parse { .. }
            | Expected::Bind { .. }
            | Expected::Describe
            | Expected::Close(_)
            | Expected::Sync(_) => Ok(()),
        };
        // It can't fail for want of room: that was reserved. A disk that breaks ends the session.
        if let Err(error) = skipped {
            self.broken.get_or_insert(error);
        }
    }
}

/// An `Execute` as it came, and a `Flush`: the time of a statement ends with its answer, which the
/// server would else keep until the Sync.
fn execute_and_flush(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    let mut bytes = vec![tag::EXECUTE];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(FLUSH);
    bytes
}

/// Whether a message carries SQL.
fn is_text(tag: u8) -> bool {
    matches!(tag, tag::QUERY | tag::PARSE)
}
