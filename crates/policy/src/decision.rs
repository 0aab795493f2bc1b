//! What was decided about a statement, and by which rule.

use std::sync::Arc;
use std::time::Duration;

use crate::risk::Risk;

/// What was decided about a statement.
///
/// The rule is always named. An allowed statement's decision shares everything and allocates nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is to be done.
    pub verdict: Verdict,
    /// What decided: a rule's name, `default`, or an article of the floor (`floor.copy_program`).
    pub rule: Arc<str>,
    /// What the client is told; always there with [`Verdict::Deny`].
    pub denial: Option<Arc<Denial>>,
    /// What the audit is told: `audit` rules that matched, and what `mode: observe` let pass.
    pub marks: Vec<Arc<str>>,
    /// How much is at stake.
    pub risk: Risk,
    /// What the statement may use.
    pub limits: Limits,
    /// What the audit keeps of the text, if a rule asks for something else than the gateway's setting.
    pub text: Option<AuditText>,
    /// On what it depends.
    pub reuse: Reuse,
}

/// What is to be done with a statement. To hold it for a person's approval will be a third.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Verdict {
    /// It is relayed.
    Allow,
    /// It is refused.
    Deny,
}

impl Verdict {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// What a client is told whose statement is denied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Denial {
    /// The message: the rule's own, or one that names it.
    pub message: Box<str>,
    /// Which effect on which object, and why that is denied.
    pub detail: Option<Box<str>>,
    /// What to do instead.
    pub hint: Option<Box<str>>,
}

/// What a statement may use; `None` is no limit. Where several rules limit, the strictest counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Rows that are sent to the client of one result, in however many pages.
    pub rows: Option<Limit<u64>>,
    /// Bytes of rows and COPY data that are sent to the client, likewise.
    pub bytes: Option<Limit<u64>>,
    /// How long the server may work on it.
    pub statement_time: Option<Limit<Duration>>,
    /// Statements in a second, counted for each principal and rule.
    pub rate: Option<Limit<u32>>,
    /// Statements at the same time, counted for each principal and rule.
    pub concurrent: Option<Limit<u32>>,
}

/// A limit and the rule that sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit<T> {
    /// The most that is allowed.
    pub max: T,
    /// The rule's name.
    pub rule: Arc<str>,
}

/// What the audit keeps of a statement's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AuditText {
    /// The text without its literals.
    Redacted,
    /// The text as it came.
    Raw,
}

/// For how long a decision about the same facts and the same principal holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reuse {
    /// As long as the policy does.
    #[default]
    Facts,
    /// As long as the session's `search_path` stays the same, too.
    SearchPath,
    /// For this one execution: it depends on the time or on the state of the transaction.
    Moment,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the size of results is limited.
    pub fn bound_results(&self) -> bool {
        self.rows.is_some() || self.bytes.is_some()
    }

    /// Takes over what is stricter in another.
    pub fn tighten(&mut self, other: &Self) {
        stricter(&mut self.rows, other.rows.as_ref());
        stricter(&mut self.bytes, other.bytes.as_ref());
        stricter(&mut self.statement_time, other.statement_time.as_ref());
        stricter(&mut self.rate, other.rate.as_ref());
        stricter(&mut self.concurrent, other.concurrent.as_ref());
    }
}

fn stricter<T: Copy + Ord>(limit: &mut Option<Limit<T>>, other: Option<&Limit<T>>) {
    let Some(other) = other else { return };
    if limit.as_ref().is_none_or(|limit| other.max < limit.max) {
        *limit = Some(other.clone());
    }
}
