//! The floor: what is denied under every policy, until a rule lifts it with a reason.

use std::sync::{Arc, LazyLock};

use crate::builtin;
use crate::facts::{Action, ObjectKind};
use crate::seen::Seen;
use crate::words::closed_set;

closed_set! {
    /// An article of the floor. A decision that rests on one names it as `floor.WORD`.
    pub enum Article {
        /// COPY to or from a program on the server.
        CopyProgram = "copy_program",
        /// Files on the server: COPY, `pg_read_file` and its like, tablespaces.
        ServerFile = "server_file",
        /// LOAD of a library into the server.
        LoadLibrary = "load_library",
        /// ALTER SYSTEM.
        AlterSystem = "alter_system",
        /// Code in a language that reaches outside of the database.
        UntrustedLanguage = "untrusted_language",
        /// A `FunctionCall` message, which names its function by a number.
        FunctionCall = "function_call",
        /// Replication connections, slots, publications, subscriptions.
        Replication = "replication",
        /// A column or attribute that is named like a function that isn't harmless.
        AttributeCall = "attribute_call",
    }
}

static NAMES: LazyLock<Vec<Arc<str>>> = LazyLock::new(|| {
    Article::ALL
        .iter()
        .map(|article| format!("floor.{article}").into())
        .collect()
});

impl Article {
    /// `floor.WORD`.
    pub(crate) fn rule(self) -> Arc<str> {
        Arc::clone(&NAMES[self as usize])
    }

    /// Whether an allowing rule that matches is enough, without a reason to lift the floor.
    pub(crate) fn needs_no_reason(self) -> bool {
        self == Self::AttributeCall
    }

    /// What forbids an effect.
    pub(crate) fn on(seen: &Seen<'_>) -> Option<Self> {
        match seen.action {
            Action::UnsafeIo => Some(match seen.subtype {
                "program" => Self::CopyProgram,
                "load" => Self::LoadLibrary,
                "alter_system" => Self::AlterSystem,
                _ => Self::ServerFile,
            }),
            Action::Replication => Some(Self::Replication),
            Action::Code => is_untrusted(seen).then_some(Self::UntrustedLanguage),
            Action::DdlCreate => brings_untrusted(seen).then_some(Self::UntrustedLanguage),
            Action::Call if seen.is_hidden() => Some(Self::FunctionCall),
            Action::Call if seen.via.is_some() && seen.kind == ObjectKind::Function => {
                let name = &seen.name.name;
                if builtin::is_file_function(name) {
                    Some(Self::ServerFile)
                } else {
                    builtin::is_harmful_function(name).then_some(Self::AttributeCall)
                }
            }
            Action::Read
            | Action::Insert
            | Action::Update
            | Action::Delete
            | Action::Export
            | Action::Load
            | Action::DdlAlter
            | Action::DdlDrop
            | Action::Truncate
            | Action::Grant
            | Action::Role
            | Action::Session
            | Action::Transaction
            | Action::Lock
            | Action::Notify
            | Action::Maintenance
            | Action::Call
            | Action::Unknown => None,
        }
    }
}

/// CREATE LANGUAGE, also as PostgreSQL reads it without a handler: CREATE EXTENSION.
fn brings_untrusted(seen: &Seen<'_>) -> bool {
    let name = &*seen.name.name;
    is_untrusted(seen)
        || (seen.kind == ObjectKind::Extension && name.starts_with("pl") && name.ends_with('u'))
}

fn is_untrusted(seen: &Seen<'_>) -> bool {
    seen.kind == ObjectKind::Language && !builtin::is_trusted_language(&seen.name.name)
}
