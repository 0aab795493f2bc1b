//! Changes of settings, so that a session's `search_path` and role can be followed.

/// A setting (a "configuration parameter") that a statement changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingChange {
    /// Its name in lower case; `None` if the text doesn't tell it: it can be any.
    pub name: Option<Box<str>>,
    /// To what.
    pub value: SettingValue,
    /// For how long.
    pub scope: SettingScope,
}

/// What a setting is changed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingValue {
    /// To these words. Kept only for settings that change what SQL means or who runs it
    /// ([`SettingValue::is_kept`]): others can hold secrets.
    To(Vec<Box<str>>),
    /// To what the session began with.
    Default,
    /// To something that isn't kept or that the text doesn't tell.
    Hidden,
}

/// For how long a change of a setting lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SettingScope {
    /// Until the transaction ends.
    Transaction,
    /// Until the session ends.
    Session,
    /// From the next session on: ALTER ROLE, ALTER DATABASE, ALTER SYSTEM; or while a function runs.
    Stored,
}

impl SettingValue {
    /// Whether the value of a setting is kept.
    pub fn is_kept(name: &str) -> bool {
        matches!(
            name,
            "search_path"
                | "role"
                | "session_authorization"
                | "standard_conforming_strings"
                | "client_encoding"
                | "transaction_read_only"
                | "default_transaction_read_only"
        )
    }
}
