//! From a text to a run: it is read, judged, and admitted or refused.

use std::sync::Arc;
use std::task::{Context, Poll};

use querycop_audit::Via;
use querycop_policy::facts::{CursorUse, Effect, Statement, Unreadable};
use querycop_policy::{AuditText, Limits};
use querycop_sql::Analysis;
use tokio::time::Instant;

use super::expected::End;
use super::judgement::{Judgement, cursors, denial_of};
use super::names::{Names, Sole};
use super::refused::{Refused, Why};
use super::run::{Prepared, Preparing, Run};
use super::text::{Recorded, Text};
use super::{KnownNames, Oversight, may_change_lexer};

/// Texts that a session keeps at hand.
const TEXTS_AT_HAND: usize = 128;

/// Names that are shorter nobody has cut: the server keeps 63 bytes, and the last character that the
/// gateway's own parser leaves out, which counts in UTF-8, has four at most.
const NEVER_CUT: usize = 60;

impl Oversight {
    /// The analysis of a text, or `None` while it has to wait.
    pub(super) fn analysis(&mut self, text: &[u8], cx: &mut Context<'_>) -> Option<Arc<Analysis>> {
        let analyzer = self.shared.governance.analyzer();
        if self.lexer_in_doubt {
            match self.queue.end() {
                End::Nothing => self.lexer_in_doubt = self.lexer_changed,
                // The server will answer all of it without another word of the client.
                End::Synced if !self.queue.may_take_data() => return None,
                End::Synced | End::Open => {
                    return Some(analyzer.refuse(Unreadable::Encoding, text, self.lexer));
                }
            }
        }
        if let Some(analyzing) = &mut self.analyzing {
            let Poll::Ready(analysis) = analyzing.as_mut().poll(cx) else {
                return None;
            };
            self.analyzing = None;
            return Some(analysis);
        }
        if let Some(analysis) = analyzer.analyze_at_once(text, self.lexer) {
            return Some(analysis);
        }
        let analyzer = Arc::clone(analyzer);
        let (text, lexer) = (text.to_vec(), self.lexer);
        let mut analyzing = Box::pin(async move { analyzer.analyze(&text, lexer).await });
        match analyzing.as_mut().poll(cx) {
            Poll::Ready(analysis) => Some(analysis),
            Poll::Pending => {
                self.analyzing = Some(analyzing);
                None
            }
        }
    }

    /// A run of a text, judged and admitted or refused.
    pub(super) fn run(&mut self, via: Via, analysis: &Arc<Analysis>, bytes: &[u8]) -> Run {
        let judgement = self.judged_text(analysis);
        let text = self.text(analysis, bytes, judgement.as_deref());
        self.admitted(Run::new(via, Some(text), judgement))
    }

    /// What the policy says of a text with what the session has given names to by now.
    pub(super) fn judged_text(&mut self, analysis: &Arc<Analysis>) -> Option<Arc<Judgement>> {
        if !self.uses_known_names(analysis) {
            return self.judge.judge_effects(&[Effect::unknown("name")]);
        }
        self.judge
            .judge(analysis, &self.prepared, &self.portals, self.batch)
    }

    /// A text; one that was seen lately is at hand.
    pub(super) fn text(
        &mut self,
        analysis: &Arc<Analysis>,
        bytes: &[u8],
        judgement: Option<&Judgement>,
    ) -> Arc<Text> {
        let asks_for_raw = judgement.is_some_and(|judgement| {
            judgement
                .decisions
                .iter()
                .any(|decision| decision.text == Some(AuditText::Raw))
        });
        let recorded = match self.shared.governance.recorded() {
            Recorded::Redacted if asks_for_raw => Recorded::Raw,
            recorded => recorded,
        };
        if recorded == Recorded::Raw {
            return Arc::new(Text::new(Arc::clone(analysis), bytes, recorded));
        }
        let key = Arc::as_ptr(analysis).addr();
        if let Some(text) = self.texts.get(&key) {
            return Arc::clone(text);
        }
        let text = Arc::new(Text::new(Arc::clone(analysis), bytes, recorded));
        if self.texts.len() >= TEXTS_AT_HAND {
            self.texts.clear();
        }
        self.texts.insert(key, Arc::clone(&text));
        text
    }

    /// A run that goes to the server, or the reason why it doesn't, which is counted.
    pub(super) fn admitted(&mut self, run: Run) -> Run {
        let run = self.judged(run);
        if let Some(refused) = &run.refused {
            self.shared.metrics.statement_refused(refused.kind());
        }
        run
    }

    /// The same, not counted.
    pub(super) fn judged(&mut self, mut run: Run) -> Run {
        if let Some(judgement) = &run.judgement
            && let Some((place, decision)) = judgement.denied()
        {
            let unreadable = run
                .text
                .as_ref()
                .and_then(|text| text.analysis.facts.unreadable);
            run.refused = Some(Refused {
                why: Why::Denied {
                    denial: denial_of(decision),
                    unreadable,
                },
                place,
            });
        } else if let Err(why) = self.throttled(&mut run) {
            run.refused = Some(Refused { why, place: 0 });
        }
        if let Some(recorder) = &mut self.recorder
            && recorder.reserve(&mut run).is_err()
        {
            run.refused = Some(Refused {
                why: Why::NoRecord,
                place: 0,
            });
        }
        run
    }

    /// Counts the run among those of its user, where a rule limits them.
    pub(super) fn throttled(&mut self, run: &mut Run) -> Result<(), Why> {
        // What is parsed is counted when it is executed.
        if run.via == Via::Parse {
            return Ok(());
        }
        let Some(judgement) = &run.judgement else {
            return Ok(());
        };
        let (mut limits, mut rated) = (Limits::default(), 0);
        for decision in &judgement.decisions {
            if decision.limits.rate.is_some() || decision.limits.concurrent.is_some() {
                limits.tighten(&decision.limits);
                rated += usize::from(decision.limits.rate.is_some());
            }
        }
        let throttle = self.shared.governance.throttle();
        let user = &self.judge.principal().user;
        let held = &mut self.running_place;
        run.running = throttle.begin(user, (&limits, rated), held, Instant::now)?;
        Ok(())
    }

    /// Notes what a run that goes to the server may do to the session.
    pub(super) fn sent(&mut self, run: &mut Run) {
        if run.refused.is_some() || self.queue.skips() {
            return;
        }
        let Some(text) = run.text.as_ref().filter(|text| !text.leaves_session) else {
            return;
        };
        let text = Arc::clone(text);
        for (place, statement) in text.analysis.facts.statements.iter().enumerate() {
            let (what, name, body) = match (&statement.prepares, &statement.cursor) {
                (Some(one), _) => (Prepared::Statement, &one.name, &one.body),
                (None, Some(CursorUse::Declare { name, is_held })) => {
                    self.holds_cursor |= is_held;
                    (Prepared::Cursor, name, statement)
                }
                (None, _) => continue,
            };
            let prepared = Arc::new(text.prepared(place, body));
            self.names_of(what).sent(name.as_bytes(), &prepared, None);
            run.prepares.push(Preparing {
                place,
                what,
                name: name.clone(),
                text: prepared,
            });
        }
        // Behind the names that it prepares: an EXECUTE in it can run them.
        self.may_change(&text);
    }

    /// Notes the settings that a text which goes to the server may change.
    pub(super) fn may_change(&mut self, text: &Text) {
        self.doubt_lexer(text);
        for statement in &text.analysis.facts.statements {
            self.judge.search_path.may_change(statement);
            for executed in self.may_execute(statement) {
                self.judge.search_path.may_change(&executed);
            }
        }
    }

    pub(super) fn doubt_lexer(&mut self, text: &Text) {
        if text.leaves_session {
            return;
        }
        let statements = &text.analysis.facts.statements;
        self.lexer_in_doubt |= statements.iter().any(|one| {
            let prepared = one.prepares.iter().map(|preparation| &preparation.body);
            may_change_lexer(one)
                || prepared.clone().any(|body| may_change_lexer(body))
                || self
                    .may_execute(one)
                    .iter()
                    .any(|body| may_change_lexer(body))
        });
    }

    /// The client uses a name of a prepared statement or a portal.
    pub(super) fn use_name(&mut self, name: &[u8]) {
        if is_the_same_everywhere(name) {
            return;
        }
        if self.queue.end() == End::Nothing {
            self.lexer_in_doubt &= self.lexer_changed;
        }
        if self.lexer_in_doubt || !self.lexer.keeps_names() {
            self.known_names = KnownNames::Ascii;
        }
    }

    /// A text uses the names in it: whether all are known.
    fn uses_known_names(&mut self, analysis: &Analysis) -> bool {
        let is_plain = self.known_names == KnownNames::All && !self.lexer_in_doubt;
        if is_plain && self.lexer.keeps_names() {
            return true;
        }
        let names = || {
            let statements = analysis.facts.statements.iter();
            statements.flat_map(|statement| statement.names().map(str::as_bytes))
        };
        for name in names() {
            self.use_name(name);
        }
        names().all(|name| self.knows_name(name))
    }

    /// Whether what is known under a name is what the server knows under it.
    fn knows_name(&self, name: &[u8]) -> bool {
        is_the_same_everywhere(name) || self.known_names == KnownNames::All
    }

    /// What a name may stand for when the server comes to it.
    pub(super) fn sole(&self, names: &Names<Text>, name: &[u8]) -> Sole<Text> {
        if self.knows_name(name) {
            names.sole(name, self.batch)
        } else {
            Sole::None
        }
    }

    /// What a name stands for by now.
    pub(super) fn exact<'n>(&self, names: &'n Names<Text>, name: &[u8]) -> Option<&'n Arc<Text>> {
        names.exact(name).filter(|_| self.knows_name(name))
    }

    /// The statements that the EXECUTEs of a statement may run, and the cursors that it may.
    pub(super) fn may_execute(&self, statement: &Statement) -> Vec<Arc<Statement>> {
        let prepared = statement
            .executes
            .iter()
            .flat_map(|name| self.prepared.candidates(name.as_bytes(), self.batch));
        let cursors = cursors(statement, &self.portals, self.batch);
        prepared
            .chain(cursors)
            .flat_map(|text| text.analysis.facts.statements.iter().cloned())
            .collect()
    }

    pub(super) fn malformed(&mut self, via: Via) -> Run {
        let mut run = self.admitted(Run::new(via, None, None));
        if run.refused.is_none() {
            run.refused = Some(Refused {
                why: Why::Malformed,
                place: 0,
            });
            self.shared.metrics.statement_refused("malformed");
        }
        run
    }
}

/// Whether a name is the same in all encodings.
fn is_the_same_everywhere(name: &[u8]) -> bool {
    name.is_ascii() && name.len() < NEVER_CUT
}
