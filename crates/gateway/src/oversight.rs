//! Sees every statement of a session, has it decided and recorded.
//!
//! What the policy denies is not answered here: the message is replaced on its way by one of the same
//! type that the server must refuse with no effect, because its text is a name that nobody else
//! knows. The server then answers in order, fails the transaction as it would, and skips to the next
//! Sync as it would; only the words of its error are exchanged for ours ([`Refused`]).

mod admission;
mod collector;
mod cut;
mod errors;
mod expected;
mod from_client;
mod from_server;
mod governance;
mod judgement;
mod names;
mod newcomer;
mod recorder;
mod refused;
mod run;
mod sinks;
mod text;
mod throttle;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use hashbrown::HashMap;
use querycop_audit::{DecisionFragment, Outcome};
use querycop_policy::facts::{
    Action, Attributes, Columns, CursorUse, Deallocation, Effect, Object, ObjectKind, Statement,
};
use querycop_sql::{Analysis, LexerSettings};
use querycop_wire::frame::FrameError;
use thiserror::Error;

use cut::Cut;
use expected::{Closed, Expected, Queue};
use judgement::{Judge, Judgement, denial_of};
use names::Names;
use recorder::{Recorder, Recording};
use refused::Why;
use run::{Prepared, Run};
use text::Text;

use crate::refusal::Refusal;
use crate::shared::Shared;

pub use collector::AuditCollector;
pub(crate) use governance::Governance;
pub use governance::GovernanceError;
pub(crate) use newcomer::{Learned, Newcomer};
pub(crate) use recorder::Unrecorded;
pub(crate) use refused::denied;
pub use sinks::SinksError;

/// What a session is under.
pub(crate) struct Oversight {
    shared: Arc<Shared>,
    sees: Sees,
    judge: Judge,
    recorder: Option<Recorder>,
    queue: Queue,
    /// Prepared statements, of Parse and of PREPARE: they share their names.
    prepared: Names<Text>,
    /// Portals, of Bind and of DECLARE: they share theirs.
    portals: Names<Text>,
    /// Counts Syncs and simple queries: what is sent between two of them stands or falls together.
    batch: u64,
    lexer: LexerSettings,
    /// What was sent may change the lexer's settings: texts wait until it is answered.
    lexer_in_doubt: bool,
    /// They were changed in the transaction that is open, whose end may take that back.
    lexer_changed: bool,
    known_names: KnownNames,
    /// A cursor WITH HOLD was declared, whose query runs when its transaction is committed.
    holds_cursor: bool,
    analyzing: Option<Pin<Box<dyn Future<Output = Arc<Analysis>> + Send>>>,
    /// A name that nobody else knows: what is replaced is replaced by this.
    nonce: String,
    /// Texts that were seen lately, by their analyses.
    texts: HashMap<usize, Arc<Text>>,
    /// What a name stands for that nobody saw given.
    unknown: Arc<Text>,
    /// Answers of the server so far.
    answers: u64,
    /// How many answers there were when the server was last asked to send those that it has.
    flushed_at: Option<u64>,
    /// What takes the place of the server's message (of so many bytes) that comes next, once the
    /// record of what it ends is kept.
    replacement: Option<(usize, Vec<u8>)>,
    /// The place that its statements have among those that run at a time.
    running_place: Weak<throttle::Running>,
    /// The client's next message waits; so many answers had come when it began to.
    client_waits: Option<u64>,
    /// A record that could not be written.
    broken: Option<Unrecorded>,
    cut: Option<Cut>,
    /// The key with which the server lets a statement be cancelled.
    cancel_key: Option<querycop_wire::startup::CancelRequest>,
}

/// Which names of prepared statements and portals are to the server what they are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KnownNames {
    All,
    /// One was used that the server converts. Which one it is to the server nobody knows, nor which of
    /// the others that aren't ASCII it has taken the place of.
    Ascii,
}

/// What is seen of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sees {
    /// Every statement.
    Statements,
    /// Its beginning and its end: it speaks the replication protocol.
    Nothing,
}

/// Why a session can't go on.
#[derive(Debug, Error)]
pub(crate) enum RelayError {
    /// What came can't be a message.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A message that must be understood can't be.
    #[error("message '{}' can't be read", tag.escape_ascii())]
    Message {
        /// Its tag.
        tag: u8,
    },
    /// The server answered what it was not asked.
    #[error("unexpected answer '{}' of the server", tag.escape_ascii())]
    OutOfStep {
        /// Its tag.
        tag: u8,
    },
    /// A record could not be written.
    #[error("audit record can't be kept")]
    Audit(#[from] Unrecorded),
    /// Text was read by settings that were no longer the server's.
    #[error("{name} changed while statements were on their way")]
    LexerChanged {
        /// Which setting.
        name: &'static str,
    },
    /// A COPY failed while the client had sent a Sync amid its data.
    #[error("Sync amid the data of a COPY that failed")]
    CopyInDoubt,
    /// A statement was complete before it could be cancelled, and others may have run behind it.
    #[error("statements behind one that was cut short may have run")]
    CutLate,
    /// A statement went on after it had been cancelled.
    #[error("a statement did not end when it was cancelled")]
    NotCancelled,
}

/// What is to become of a message.
enum Step {
    /// It goes on.
    Pass,
    /// It waits.
    Wait,
    /// This goes on before it, and it is looked at again.
    Before(&'static [u8]),
    /// It is left out, and this goes on.
    Replace(Vec<u8>),
}

impl Oversight {
    /// A session that begins; `None` if nothing has to be seen.
    pub(crate) fn begin(
        shared: &Arc<Shared>,
        newcomer: &Newcomer<'_>,
    ) -> Result<Option<Box<Self>>, Refusal> {
        let governance = &shared.governance;
        if !governance.sees_statements() {
            return Ok(None);
        }
        let nonce = nonce()?;
        let settings = newcomer.settings();
        let path = newcomer.search_path(&settings);
        let mut judge = Judge::new(
            governance.policy(),
            shared.catalogs.of(newcomer.startup.database()),
            newcomer.principal(),
            path,
        );
        let audit = governance
            .audit()
            .map(|store| (store, newcomer.fragment(judge.principal())));
        let sees = newcomer.sees();
        let asked = match sees {
            Sees::Nothing => may_begin(judge.judge_effects(&[Effect {
                action: Action::Replication,
                subtype: "connection",
                object: Object::hidden(ObjectKind::Nothing),
                columns: Columns::default(),
                attributes: Attributes::default(),
            }])),
            Sees::Statements => Ok(()),
        };
        let asked = asked.and_then(|()| may_begin(judge.judge_statement(settings)));
        if let Err((refusal, decision)) = asked {
            if let Some((store, fragment)) = &audit {
                let why = ("42501", &*refusal.to_string());
                Recorder::refuse(store, fragment, why, decision.as_ref())?;
            }
            return Err(refusal);
        }
        let recorder = audit
            .map(|(store, fragment)| Recorder::begin(Arc::clone(store), fragment))
            .transpose()?;
        Ok(Some(Box::new(Self {
            shared: Arc::clone(shared),
            sees,
            judge,
            recorder,
            queue: Queue::default(),
            prepared: Names::new(),
            portals: Names::new(),
            batch: 0,
            lexer: newcomer.lexer(),
            lexer_in_doubt: false,
            lexer_changed: false,
            known_names: KnownNames::All,
            holds_cursor: false,
            analyzing: None,
            nonce,
            texts: HashMap::new(),
            unknown: Arc::new(Text::unknown()),
            answers: 0,
            flushed_at: None,
            replacement: None,
            running_place: Weak::new(),
            client_waits: None,
            broken: None,
            cut: None,
            cancel_key: newcomer.cancel_key(),
        })))
    }

    /// Records that the gateway has refused a client.
    pub(crate) fn refused(newcomer: &Newcomer<'_>, refusal: &Refusal) {
        let response = refusal.response();
        Self::turned_away(newcomer, response.code().as_str(), response.message());
    }

    /// Records that a client was turned away, whoever did it.
    pub(crate) fn turned_away(newcomer: &Newcomer<'_>, sqlstate: &str, reason: &str) {
        let Some(store) = newcomer.shared.governance.audit() else {
            return;
        };
        let fragment = newcomer.fragment(&newcomer.principal());
        // It is refused either way, and what can't be recorded is counted.
        let _ = Recorder::refuse(store, &fragment, (sqlstate, reason), None);
    }

    /// Whether the client's side waits for what the server's side has just done.
    pub(crate) fn client_may_go_on(&mut self) -> bool {
        self.client_waits
            .take_if(|seen| *seen != self.answers)
            .is_some()
    }

    /// The session is over: what was not answered is recorded, and the end.
    pub(crate) fn end(
        &mut self,
        reason: &str,
        to_client: u64,
        to_server: u64,
    ) -> Result<(), Unrecorded> {
        let left: Vec<_> = self.queue.drain().collect();
        let mut outcome = Ok(());
        for expected in left {
            outcome = outcome.and(self.unanswered(expected, Outcome::Cut));
        }
        match &mut self.recorder {
            Some(recorder) => outcome.and(recorder.end(reason, to_client, to_server)),
            None => outcome,
        }
    }

    /// The run that the server is at.
    fn running(&mut self) -> Option<&mut Run> {
        match self.queue.front()? {
            Expected::Query(run) | Expected::FunctionCall(run) | Expected::Execute { run, .. } => {
                Some(run)
            }
            Expected::Parse { .. }
            | Expected::Bind { .. }
            | Expected::Describe
            | Expected::Close(_)
            | Expected::Sync(_) => None,
        }
    }

    /// A message that the server will not answer any more.
    fn unanswered(&mut self, expected: Expected, outcome: Outcome<'_>) -> Result<(), Unrecorded> {
        match expected {
            Expected::Parse { name, run, .. } => {
                self.prepared.failed(&name);
                if run.refused.is_some() {
                    return self.record_rest(run, outcome);
                }
                Ok(())
            }
            Expected::Bind {
                portal,
                bound,
                refused,
            } => {
                self.not_bound(&portal, &bound);
                refused.map_or(Ok(()), |run| self.record_rest(*run, outcome))
            }
            Expected::Execute { run, .. } | Expected::Query(run) | Expected::FunctionCall(run) => {
                self.record_rest(run, outcome)
            }
            Expected::Close(Closed::Statement(_) | Closed::Portal(_))
            | Expected::Describe
            | Expected::Sync(_) => Ok(()),
        }
    }

    /// Records what is left of a run, with the same outcome for all of its statements.
    fn record_rest(&mut self, mut run: Run, outcome: Outcome<'_>) -> Result<(), Unrecorded> {
        let count = run.text.as_ref().map_or(1, |text| text.len());
        let mut recorded = Ok(());
        for place in run.next..count {
            recorded = recorded.and(self.record(&mut run, None, place, outcome));
        }
        self.not_prepared(&mut run);
        recorded
    }

    /// What the SQL of a run was to prepare and has not does not come about any more.
    fn not_prepared(&mut self, run: &mut Run) {
        for preparing in run.prepares.drain(..) {
            self.names_of(preparing.what)
                .failed(preparing.name.as_bytes());
        }
    }

    fn names_of(&mut self, what: Prepared) -> &mut Names<Text> {
        match what {
            Prepared::Statement => &mut self.prepared,
            Prepared::Cursor => &mut self.portals,
        }
    }

    fn record(
        &mut self,
        run: &mut Run,
        text: Option<&Text>,
        place: usize,
        outcome: Outcome<'_>,
    ) -> Result<(), Unrecorded> {
        let ran = match text.or(run.text.as_deref()) {
            Some(text) if text.runs_others(place) => self.ran(text, place),
            _ => Vec::new(),
        };
        let Some(recorder) = &mut self.recorder else {
            return Ok(());
        };
        if let Some(refused) = &run.refused
            && matches!(refused.why, Why::NoRecord)
        {
            // That is why it was refused; it is counted.
            return Ok(());
        }
        recorder.statement(Recording {
            run,
            text,
            place,
            ran,
            outcome,
        })
    }

    /// What EXECUTE or FETCH in a statement has run, or would have.
    fn ran(&self, text: &Text, place: usize) -> Vec<Arc<Text>> {
        let Some(statement) = text.analysis.facts.statements.get(place) else {
            return Vec::new();
        };
        let prepared = statement.executes.iter();
        let prepared = prepared.filter_map(|name| self.exact(&self.prepared, name.as_bytes()));
        let fetched = statement.fetches();
        let fetched = fetched.and_then(|name| self.exact(&self.portals, name.as_bytes()));
        prepared.chain(fetched).cloned().collect()
    }

    /// The server has completed a statement: follows what it did to the session.
    fn completed(&mut self, run: &mut Run, text: &Text, place: usize) {
        if text.leaves_session {
            return;
        }
        let Some(statement) = text.analysis.facts.statements.get(place) else {
            return;
        };
        // What is held runs before the commit.
        for executed in self.may_execute(statement) {
            self.judge.search_path.completed(&executed);
        }
        self.judge.search_path.completed(statement);
        if let Some(at) = run.prepares.iter().position(|one| one.place == place) {
            let preparing = run.prepares.swap_remove(at);
            self.names_of(preparing.what)
                .confirmed(preparing.name.as_bytes(), &preparing.text);
        }
        match &statement.deallocates {
            Some(Deallocation::One(name)) => self.prepared.closed(name.as_bytes()),
            Some(Deallocation::All) => self.prepared.all_closed(|_| false),
            None => {}
        }
        match &statement.cursor {
            Some(CursorUse::Close(name)) => self.portals.closed(name.as_bytes()),
            Some(CursorUse::CloseAll) => self.portals.all_closed(|_| false),
            Some(CursorUse::Declare { .. } | CursorUse::Fetch(_)) | None => {}
        }
    }
}

/// A name that nobody else knows.
fn nonce() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Refusal::NoRandomness)?;
    Ok(format!(
        "querycop_refused_{:032x}",
        u128::from_be_bytes(bytes)
    ))
}

/// Whether what a session asks for at its start is allowed; if not, what is recorded of the decision.
fn may_begin(judgement: Option<Arc<Judgement>>) -> Result<(), (Refusal, Option<DecisionFragment>)> {
    let Some(judgement) = judgement else {
        return Ok(());
    };
    let Some((place, decision)) = judgement.denied() else {
        return Ok(());
    };
    let refusal = Refusal::Denied {
        rule: Arc::clone(&decision.rule),
        denial: denial_of(decision),
    };
    Err((refusal, judgement.fragment(place).cloned()))
}

/// Whether a statement can change how texts are read.
fn may_change_lexer(statement: &Statement) -> bool {
    statement.settings.iter().any(|change| {
        change
            .name
            .as_deref()
            .is_none_or(|name| matches!(name, "client_encoding" | "standard_conforming_strings"))
    })
}
