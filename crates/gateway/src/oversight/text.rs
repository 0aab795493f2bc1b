//! A text as the gateway knows it: what it does, and what is recorded of it.

use std::sync::Arc;

use querycop_audit::{Ran, StatementFragment};
use querycop_policy::facts::{Effect, Facts, Feature, Kind, Statement};
use querycop_sql::Analysis;

/// A text that a client sent.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) analysis: Arc<Analysis>,
    /// Whether none of its statements changes anything in the session, so that nothing of that kind
    /// has to be followed.
    pub(super) leaves_session: bool,
    /// Whether one of them may take COPY data from the client.
    pub(super) may_copy_from_client: bool,
    /// One for each statement; `None` without an audit.
    fragments: Option<Arc<Fragments>>,
    /// The client's own bytes, where they are to be recorded.
    raw: Option<Box<[u8]>>,
}

/// What is recorded of a text's statements, encoded once and kept beside the analysis.
#[derive(Debug)]
struct Fragments {
    statements: Box<[StatementFragment]>,
    /// Of an unreadable text: what is recorded of those that the server has found in it beyond the
    /// first. The text itself stands in the record of that one alone: its sender would have it written
    /// as often as it has statements.
    beyond: Option<StatementFragment>,
}

/// Whether something is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recorded {
    No,
    Redacted,
    Raw,
}

impl Text {
    pub(super) fn new(analysis: Arc<Analysis>, bytes: &[u8], recorded: Recorded) -> Self {
        let fragments = (recorded != Recorded::No).then(|| Fragments::of(&analysis));
        let raw = (recorded == Recorded::Raw && may_be_kept(&analysis)).then(|| bytes.into());
        let facts = &analysis.facts;
        let mut statements = facts.statements.iter();
        let leaves_session = statements.all(|statement| statement.leaves_session());
        let may_copy_from_client = facts.unreadable.is_some()
            || facts
                .statements
                .iter()
                .any(|one| one.has(Feature::CopyFromClient) || one.has(Feature::Unparsed));
        Self {
            analysis,
            leaves_session,
            may_copy_from_client,
            fragments,
            raw,
        }
    }

    /// A text that nobody has seen.
    pub(super) fn unknown() -> Self {
        let statement = Statement {
            kinds: vec![Kind::Unparsed],
            effects: vec![Effect::unknown("prepared_statement")],
            ..Statement::default()
        };
        let analysis = Analysis {
            facts: Facts {
                statements: vec![Arc::new(statement)],
                unreadable: None,
            },
            ..Analysis::default()
        };
        Self::new(Arc::new(analysis), b"", Recorded::No)
    }

    /// What an EXECUTE or a FETCH of what is prepared there runs, which stands in a text of its own.
    pub(super) fn prepared(&self, place: usize, body: &Arc<Statement>) -> Self {
        let analysis = Analysis {
            facts: Facts {
                statements: vec![Arc::clone(body)],
                unreadable: None,
            },
            texts: self
                .analysis
                .texts
                .get(place)
                .cloned()
                .into_iter()
                .collect(),
            ..Analysis::default()
        };
        let recorded = match (&self.fragments, &self.raw) {
            (None, _) => Recorded::No,
            (Some(_), None) => Recorded::Redacted,
            (Some(_), Some(_)) => Recorded::Raw,
        };
        let raw = self.raw.as_deref().unwrap_or_default();
        Self::new(Arc::new(analysis), raw, recorded)
    }

    /// Whether it is a cursor that outlives its transaction.
    pub(super) fn is_held_cursor(&self) -> bool {
        let statements = &self.analysis.facts.statements;
        statements
            .iter()
            .any(|statement| statement.is_held_cursor())
    }

    /// How many statements it has.
    pub(super) fn len(&self) -> usize {
        self.analysis.facts.statements.len()
    }

    /// What is recorded of a statement.
    pub(super) fn fragment(&self, place: usize) -> Option<&StatementFragment> {
        let fragments = self.fragments.as_deref()?;
        let statements = &fragments.statements;
        let known = statements.get(place);
        known.or(fragments.beyond.as_ref()).or(statements.last())
    }

    /// What is recorded of a statement that has run what stands in these texts.
    pub(super) fn fragment_running(
        &self,
        place: usize,
        texts: &[Arc<Self>],
    ) -> Option<StatementFragment> {
        self.fragments.as_ref()?;
        let statement = self.analysis.facts.statements.get(place)?;
        let redacted = self.analysis.texts.get(place)?;
        let mut ran = Vec::new();
        for text in texts {
            let statements = &text.analysis.facts.statements;
            let mut redacted = text.analysis.texts.iter();
            ran.extend(statements.iter().map(|statement| Ran {
                statement,
                text: redacted.next().map_or("", |redacted| &redacted.text),
            }));
        }
        let fingerprint = redacted.fingerprint.to_string();
        let text = &redacted.text;
        Some(StatementFragment::running(
            statement,
            text,
            &fingerprint,
            &ran,
        ))
    }

    /// Whether the statement at a place runs what stands in other texts.
    pub(super) fn runs_others(&self, place: usize) -> bool {
        let statement = self.analysis.facts.statements.get(place);
        statement.is_some_and(|statement| statement.runs_others())
    }

    /// The client's own bytes.
    pub(super) fn raw(&self) -> Option<&[u8]> {
        self.raw.as_deref()
    }
}

impl Fragments {
    fn of(analysis: &Analysis) -> Arc<Self> {
        analysis.note.get_or_derive(|| {
            let pairs = analysis.facts.statements.iter().zip(&analysis.texts);
            let statements: Box<[_]> = pairs
                .map(|(statement, redacted)| {
                    let fingerprint = redacted.fingerprint.to_string();
                    StatementFragment::new(statement, &redacted.text, &fingerprint)
                })
                .collect();
            let statement = analysis.facts.statements.first();
            let unreadable = statement.filter(|_| analysis.facts.unreadable.is_some());
            let beyond = unreadable.zip(analysis.texts.first());
            let beyond = beyond.map(|(statement, redacted)| {
                StatementFragment::new(statement, "", &redacted.fingerprint.to_string())
            });
            Self { statements, beyond }
        })
    }
}

/// Whether the text may be kept as it is: where a password stands in it, or where nobody knows what
/// stands in it, it may not.
fn may_be_kept(analysis: &Analysis) -> bool {
    let facts = &analysis.facts;
    facts.unreadable.is_none()
        && !facts.statements.iter().any(|statement| {
            // The command of a COPY PROGRAM can have one as any command line.
            statement.has(Feature::PasswordLiteral)
                || statement.has(Feature::CopyProgram)
                || sets_a_secret(statement)
        })
}

/// Whether it gives a value to a setting that PostgreSQL doesn't know, as `app.token`: what is in it
/// is the application's secret for all that anybody knows.
fn sets_a_secret(statement: &Statement) -> bool {
    let body = statement.prepares.iter().map(|one| &*one.body);
    std::iter::once(statement).chain(body).any(|statement| {
        let mut names = statement.settings.iter().map(|change| &change.name);
        names.any(|name| name.as_deref().is_none_or(|name| name.contains('.')))
    })
}
