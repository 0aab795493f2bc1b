//! How much is at stake when a statement runs.

use crate::builtin;
use crate::facts::{Action, Execution, Filter, ObjectKind};
use crate::seen::Seen;
use crate::words::closed_set;

closed_set! {
    /// How much is at stake when a statement runs, from its effects.
    pub enum Risk {
        /// Nothing changes, and nothing leaves in bulk.
        Low = "low",
        /// Rows change, some at a time.
        Medium = "medium",
        /// Many rows change or leave, or objects change.
        High = "high",
        /// What was there is gone, or whoever runs it reaches beyond the database.
        Critical = "critical",
    }
}

#[expect(
    clippy::derivable_impls,
    reason = "the macro that declares it has no default"
)]
impl Default for Risk {
    fn default() -> Self {
        Self::Low
    }
}

closed_set! {
    /// What the table of risks has a line for.
    pub enum Stake {
        /// Rows are read.
        Read = "read",
        /// Rows are added.
        Insert = "insert",
        /// Rows are changed, with a WHERE.
        Update = "update",
        /// All rows are changed: no WHERE, or one that is always true.
        UpdateAll = "update_all",
        /// Rows are removed, with a WHERE.
        Delete = "delete",
        /// All rows are removed by DELETE.
        DeleteAll = "delete_all",
        /// Rows leave in bulk: COPY TO STDOUT.
        Export = "export",
        /// Rows come in bulk: COPY FROM STDIN.
        Load = "load",
        /// An object is made.
        DdlCreate = "ddl.create",
        /// An object is changed.
        DdlAlter = "ddl.alter",
        /// An object is removed.
        DdlDrop = "ddl.drop",
        /// A relation is emptied.
        Truncate = "truncate",
        /// Privileges are given or taken.
        Grant = "grant",
        /// A role is taken on: SET ROLE.
        SetRole = "set_role",
        /// A role is made, changed or removed.
        Role = "role",
        /// Settings that change nothing but the session's own comfort, cursors, prepared statements.
        Session = "session",
        /// Other settings.
        Setting = "setting",
        /// Transactions.
        Transaction = "transaction",
        /// Locks.
        Lock = "lock",
        /// NOTIFY, LISTEN.
        Notify = "notify",
        /// VACUUM and its like.
        Maintenance = "maintenance",
        /// A function that PostgreSQL brings along and that is harmless.
        CallHarmless = "call_harmless",
        /// Any other function.
        Call = "call",
        /// Code that can't be looked into.
        Code = "code",
        /// Files and programs on the server.
        UnsafeIo = "unsafe_io",
        /// Replication.
        Replication = "replication",
        /// What can't be known.
        Unknown = "unknown",
    }
}

/// How risky each stake is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RiskTable([Risk; Stake::ALL.len()]);

impl Default for RiskTable {
    fn default() -> Self {
        let mut table = [Risk::Low; Stake::ALL.len()];
        for stake in Stake::ALL {
            table[*stake as usize] = stake.default_risk();
        }
        Self(table)
    }
}

impl RiskTable {
    pub(crate) fn set(&mut self, stake: Stake, risk: Risk) {
        self.0[stake as usize] = risk;
    }

    /// How much is at stake with one effect. What is only planned is as risky as a read.
    pub(crate) fn of(&self, seen: &Seen<'_>) -> Risk {
        let risk = self.0[Stake::of(seen) as usize];
        if seen.attributes.execution == Execution::Planned {
            risk.min(self.0[Stake::Read as usize])
        } else {
            risk
        }
    }
}

impl Stake {
    /// The table that holds unless a policy says otherwise.
    pub const fn default_risk(self) -> Risk {
        match self {
            Self::Read
            | Self::Session
            | Self::Transaction
            | Self::Lock
            | Self::Notify
            | Self::CallHarmless => Risk::Low,
            Self::Insert
            | Self::Update
            | Self::Delete
            | Self::Load
            | Self::Setting
            | Self::Maintenance
            | Self::Call => Risk::Medium,
            Self::UpdateAll
            | Self::DeleteAll
            | Self::Export
            | Self::DdlCreate
            | Self::DdlAlter
            | Self::SetRole
            | Self::Code => Risk::High,
            Self::DdlDrop
            | Self::Truncate
            | Self::Grant
            | Self::Role
            | Self::UnsafeIo
            | Self::Replication
            | Self::Unknown => Risk::Critical,
        }
    }

    fn of(seen: &Seen<'_>) -> Self {
        let takes_all = matches!(seen.attributes.filter, Filter::Missing | Filter::AlwaysTrue);
        match seen.action {
            Action::Read => Self::Read,
            Action::Insert => Self::Insert,
            Action::Update if takes_all => Self::UpdateAll,
            Action::Update => Self::Update,
            Action::Delete if takes_all => Self::DeleteAll,
            Action::Delete => Self::Delete,
            Action::Export => Self::Export,
            Action::Load => Self::Load,
            Action::DdlCreate => Self::DdlCreate,
            Action::DdlAlter => Self::DdlAlter,
            Action::DdlDrop => Self::DdlDrop,
            Action::Truncate => Self::Truncate,
            Action::Grant => Self::Grant,
            Action::Role if matches!(seen.subtype, "set_role" | "reset_role") => Self::SetRole,
            Action::Role => Self::Role,
            Action::Session if changes_other_setting(seen) => Self::Setting,
            Action::Session => Self::Session,
            Action::Transaction => Self::Transaction,
            Action::Lock => Self::Lock,
            Action::Notify => Self::Notify,
            Action::Maintenance => Self::Maintenance,
            Action::Call if is_harmless_call(seen) => Self::CallHarmless,
            Action::Call => Self::Call,
            Action::Code => Self::Code,
            Action::UnsafeIo => Self::UnsafeIo,
            Action::Replication => Self::Replication,
            Action::Unknown => Self::Unknown,
        }
    }
}

fn changes_other_setting(seen: &Seen<'_>) -> bool {
    seen.kind == ObjectKind::Setting
        && seen.subtype == "set"
        && !builtin::is_harmless_setting(&seen.name.name)
}

/// A harmless function, one whose effect counts beside the call, or what may be none at all.
fn is_harmless_call(seen: &Seen<'_>) -> bool {
    let name = &*seen.name.name;
    if seen.subtype == builtin::CONSTRUCT {
        return true;
    }
    if seen.via.is_some() {
        return seen.kind != ObjectKind::Function || !builtin::is_harmful_function(name);
    }
    match seen.name.schema.as_deref() {
        None => builtin::is_in_builtin_set("pg_catalog", name),
        Some(schema) => builtin::is_in_builtin_set(schema, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy.md");
        let document = std::fs::read_to_string(path).expect("docs/policy.md");
        let (_, rest) = document
            .split_once("<!-- risk:begin -->")
            .expect("the marker");
        let (table, _) = rest
            .split_once("<!-- risk:end -->")
            .expect("the end marker");
        for stake in Stake::ALL {
            let line = format!("| `{stake}` | {} |", stake.default_risk());
            assert!(table.contains(&line), "{line}");
        }
        assert_eq!(table.trim().lines().count(), Stake::ALL.len() + 2);
    }
}
