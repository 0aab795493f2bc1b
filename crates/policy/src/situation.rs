//! What a decision depends on beside the statement and who runs it.

use jiff::Timestamp;

use crate::search_path::SearchPath;

/// What a decision depends on beside the statement and who runs it.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Where the session looks for names that are written without a schema.
    pub search_path: &'a SearchPath,
    /// The time at which the statement would run.
    pub now: Timestamp,
    /// Whether a transaction is open.
    pub transaction: TransactionState,
}

/// Whether a session is in a transaction, as its last `ReadyForQuery` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TransactionState {
    /// In none.
    #[default]
    Idle,
    /// In one.
    Open,
    /// In one that has failed.
    Failed,
}
