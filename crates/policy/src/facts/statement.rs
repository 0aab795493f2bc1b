//! What a text holds: its statements, or why it can't be read.

use std::ops::Range;
use std::sync::Arc;

use super::action::Action;
use super::attributes::{Attributes, Execution};
use super::effect::{Columns, Effect};
use super::feature::{Feature, Features};
use super::kind::Kind;
use super::name::Name;
use super::object::{Object, ObjectKind};
use super::setting::SettingChange;

/// What a text holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Its statements in order; none for an empty text or one of comments only.
    pub statements: Vec<Arc<Statement>>,
    /// Why the text can't be read; then the only statement is of kind [`Kind::Unparsed`].
    pub unreadable: Option<Unreadable>,
}

/// Why a text can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreadable {
    /// It isn't PostgreSQL's SQL.
    Syntax,
    /// It has more bytes than the limit.
    TooLong,
    /// It nests deeper than the limit, or takes more work to read than the limit: a column without a
    /// qualifier is one of every table in sight.
    TooDeep,
    /// It has bytes that the client's encoding doesn't allow, or NUL.
    InvalidText,
    /// The client's encoding can hide a quote or a backslash inside a character, or is unknown.
    Encoding,
    /// The reader gave up: a defect of ours.
    Defect,
}

/// One statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statement {
    /// The kinds found in its tree, each once; the first is the statement's own.
    pub kinds: Vec<Kind>,
    /// Where it stands in the text, in bytes.
    pub span: Range<usize>,
    /// What it does.
    pub effects: Vec<Effect>,
    /// Its traits.
    pub features: Features,
    /// Functions that it may call without saying so.
    pub possible_calls: Vec<PossibleCall>,
    /// Settings that it changes; each has an effect `session` or `role` beside it.
    pub settings: Vec<SettingChange>,
    /// For PREPARE: what it prepares.
    pub prepares: Option<Preparation>,
    /// The prepared statements that it executes.
    pub executes: Vec<Box<str>>,
    /// The prepared statements that it forgets.
    pub deallocates: Option<Deallocation>,
    /// What it does with a cursor.
    pub cursor: Option<CursorUse>,
}

/// A function that may be called without the syntax of a call.
///
/// Only a catalog can tell. A rule that doesn't allow a function of this name counts it as called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PossibleCall {
    /// By which syntax.
    pub via: Via,
    /// The name that is written: of the attribute, the operator, or the type that is cast to.
    pub name: Name,
    /// For `t.f`: the relation that `t` stands for, if it is one and its columns have their own names.
    pub of: Option<Name>,
}

/// Syntax that may call a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// `t.f`, which is `f(t)` if `t` has no column `f`.
    Column,
    /// `(expression).f`, likewise.
    Attribute,
    /// An operator, named by schema or not among PostgreSQL's own.
    Operator,
    /// A cast to a type that isn't among PostgreSQL's own.
    Cast,
}

/// What a PREPARE prepares.
#[derive(Clone, Debug, PartialEq)]
pub struct Preparation {
    /// Under this name.
    pub name: Box<str>,
    /// What an EXECUTE of it does.
    pub body: Arc<Statement>,
}

/// What a statement does with a cursor. A portal of the protocol is one, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorUse {
    /// DECLARE: its query runs when rows are fetched.
    Declare {
        /// The cursor's name.
        name: Box<str>,
        /// WITH HOLD: what is left of it runs when the transaction is committed.
        is_held: bool,
    },
    /// FETCH and MOVE: run its query.
    Fetch(Box<str>),
    /// CLOSE of one cursor.
    Close(Box<str>),
    /// CLOSE ALL.
    CloseAll,
}

/// What a statement makes the session forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deallocation {
    /// One prepared statement.
    One(Box<str>),
    /// All of them: DEALLOCATE ALL, DISCARD ALL.
    All,
}

impl Facts {
    /// The facts of a text that can't be read: one statement with the effect `unknown`.
    pub fn unreadable(reason: Unreadable, length: usize) -> Self {
        let mut statement = Statement {
            kinds: vec![Kind::Unparsed],
            span: 0..length,
            effects: vec![Effect::unknown("unparsed")],
            ..Statement::default()
        };
        statement.features.insert(Feature::Unparsed);
        Self {
            statements: vec![Arc::new(statement)],
            unreadable: Some(reason),
        }
    }
}

impl Statement {
    /// The statement's own kind.
    pub fn kind(&self) -> Kind {
        self.kinds.first().copied().unwrap_or(Kind::Unparsed)
    }

    /// Whether it is the end of a transaction, or of a part of one.
    pub fn ends_transaction(&self) -> bool {
        matches!(
            self.kind(),
            Kind::Commit | Kind::PrepareTransaction | Kind::Rollback | Kind::RollbackTo
        )
    }

    /// Whether it makes the query of a cursor run that was declared WITH HOLD.
    pub fn runs_held_cursors(&self) -> bool {
        self.kind() == Kind::Commit
    }

    /// Whether it runs what stands in other texts, as EXECUTE, FETCH and MOVE do.
    pub fn runs_others(&self) -> bool {
        !self.executes.is_empty() || self.fetches().is_some()
    }

    /// The cursor whose query FETCH or MOVE runs.
    pub fn fetches(&self) -> Option<&str> {
        match &self.cursor {
            Some(CursorUse::Fetch(name)) => Some(name),
            _ => None,
        }
    }

    /// The names of prepared statements and cursors that it has to do with.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let prepared = self.prepares.iter().map(|one| &one.name);
        let forgotten = match &self.deallocates {
            Some(Deallocation::One(name)) => Some(name),
            Some(Deallocation::All) | None => None,
        };
        let cursor = match &self.cursor {
            Some(
                CursorUse::Declare { name, .. } | CursorUse::Fetch(name) | CursorUse::Close(name),
            ) => Some(name),
            Some(CursorUse::CloseAll) | None => None,
        };
        let names = prepared
            .chain(&self.executes)
            .chain(forgotten)
            .chain(cursor);
        names.map(|name| &**name)
    }

    /// Whether it is a cursor that outlives its transaction.
    pub fn is_held_cursor(&self) -> bool {
        matches!(self.cursor, Some(CursorUse::Declare { is_held: true, .. }))
    }

    /// Whether the session is afterwards as it was before: it changes no setting, neither prepares
    /// nor forgets anything, has nothing to do with cursors, runs nothing that was prepared, and ends
    /// no transaction.
    pub fn leaves_session(&self) -> bool {
        self.settings.is_empty()
            && self.prepares.is_none()
            && self.executes.is_empty()
            && self.deallocates.is_none()
            && self.cursor.is_none()
            && !self.ends_transaction()
    }

    /// Whether it has a trait.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(feature)
    }
}

impl Effect {
    /// What a `FunctionCall` message does, which tells a function by its OID.
    pub fn function_call() -> Self {
        Self {
            action: Action::Call,
            subtype: "function_call",
            object: Object::hidden(ObjectKind::Function),
            columns: Columns::default(),
            attributes: Attributes::default(),
        }
    }

    /// An effect that nobody can know.
    pub fn unknown(subtype: &'static str) -> Self {
        Self {
            action: Action::Unknown,
            subtype,
            object: Object::hidden(ObjectKind::Nothing),
            columns: Columns::default(),
            attributes: Attributes {
                execution: Execution::Now,
                ..Attributes::default()
            },
        }
    }
}
