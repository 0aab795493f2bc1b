//! A policy file, compiled.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use crate::file;
use crate::mistake::{Mistake, Mistakes};
use crate::principal::Principal;
use crate::risk::RiskTable;
use crate::rule::Rule;
use crate::scope::Scope;
use crate::search_path::{DEFAULT_SEARCH_PATH, Path, SearchPath};
use crate::test::PolicyTest;
use crate::who::Whom;
use crate::yaml::Reading;

/// A policy file, compiled. It never changes; sessions share it.
#[derive(Debug)]
pub struct Policy {
    pub(crate) hash: PolicyHash,
    pub(crate) mode: Mode,
    pub(crate) fallback: Fallback,
    pub(crate) dotted_names: DottedNames,
    pub(crate) assumed_path: Option<Path>,
    pub(crate) risks: RiskTable,
    pub(crate) principals: Vec<Whom>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) tests: Vec<PolicyTest>,
    pub(crate) warnings: Vec<Mistake>,
    pub(crate) names: Names,
}

/// Identifies a policy file: the beginning of the SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyHash([u8; 8]);

/// Whether what a policy denies is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It is refused.
    #[default]
    Enforce,
    /// It passes, with a mark in the audit.
    Observe,
}

/// What becomes of an effect that no rule speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fallback {
    /// It is denied.
    Deny,
    /// It is allowed.
    Allow,
}

/// What `t.name` is, where nobody knows of such a column or function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum DottedNames {
    /// A column.
    #[default]
    Columns,
    /// A call of a function of that name.
    Calls,
}

/// Names of what decides beside rules.
#[derive(Debug)]
pub(crate) struct Names {
    fallback: Arc<str>,
    no_effects: Arc<str>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            fallback: "default".into(),
            no_effects: "no_effects".into(),
        }
    }
}

impl Names {
    pub(crate) fn fallback(&self) -> Arc<str> {
        Arc::clone(&self.fallback)
    }

    /// What a statement is allowed by that does nothing to anything, as `SELECT 1`.
    pub(crate) fn no_effects(&self) -> Arc<str> {
        Arc::clone(&self.no_effects)
    }
}

impl Policy {
    /// Reads a policy file; says all that is wrong with it at once.
    pub fn read(text: &str) -> Result<Self, Mistakes> {
        let mut reading = Reading::default();
        let file = file::read(text, &mut reading);
        reading.finish()?;
        file.ok_or_else(Mistakes::default)
    }

    /// The JSON Schema of policy files, for editors.
    pub fn schema() -> serde_json::Value {
        file::schema()
    }

    /// What identifies the file, in every record of the audit.
    pub fn hash(&self) -> &PolicyHash {
        &self.hash
    }

    /// Whether it is enforced.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The names of its rules, in the order of the file.
    pub fn rule_names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.name)
    }

    /// What may be a mistake, and doesn't keep the file from being used.
    pub fn warnings(&self) -> &[Mistake] {
        &self.warnings
    }

    /// The path of a session that sets none: what the file says, else PostgreSQL's own default.
    pub fn default_search_path(&self) -> SearchPath {
        match &self.assumed_path {
            Some(path) => SearchPath::of_path(path.clone()),
            None => SearchPath::known(DEFAULT_SEARCH_PATH),
        }
    }

    /// The tests that stand in the file.
    pub fn tests(&self) -> &[PolicyTest] {
        &self.tests
    }

    /// The rules that can match what a principal runs: once for each session and policy.
    pub fn scope(self: &Arc<Self>, principal: &Principal) -> Scope {
        Scope::new(self, principal)
    }
}

impl PolicyHash {
    pub(crate) fn of(text: &str) -> Self {
        let mut bytes = [0; 8];
        for (byte, value) in bytes
            .iter_mut()
            .zip(digest(&SHA256, text.as_bytes()).as_ref())
        {
            *byte = *value;
        }
        Self(bytes)
    }
}

impl fmt::Display for PolicyHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for PolicyHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
