//! Why a statement is not run, in the words that its client gets.

use std::sync::Arc;

use querycop_policy::facts::Unreadable;
use querycop_policy::{Denial, Limit};
use querycop_wire::SqlState;
use querycop_wire::error_response::{ErrorResponse, Severity};

/// Why a statement is not run, or not to its end.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) why: Why,
    /// Which statement of the text it was.
    pub(super) place: usize,
}

/// The reasons.
#[derive(Debug)]
pub(super) enum Why {
    /// The policy denies it.
    Denied {
        denial: Arc<Denial>,
        unreadable: Option<Unreadable>,
    },
    /// More statements in a second than a rule allows.
    TooFast { limit: Limit<u32> },
    /// More statements at a time than a rule allows.
    TooManyAtATime { limit: Limit<u32> },
    /// There is no room for its audit record.
    NoRecord,
    /// The message can't be read as PostgreSQL reads it.
    Malformed,
}

/// A limit that a running statement has reached.
#[derive(Clone, Debug)]
pub(super) enum Reached {
    Rows(Limit<u64>),
    Bytes(Limit<u64>),
    Time(Limit<std::time::Duration>),
}

impl Refused {
    pub(super) fn code(&self) -> SqlState {
        match self.why {
            Why::Denied { .. } => SqlState::INSUFFICIENT_PRIVILEGE,
            Why::TooFast { .. } | Why::TooManyAtATime { .. } => {
                SqlState::CONFIGURATION_LIMIT_EXCEEDED
            }
            Why::NoRecord => SqlState::IO_ERROR,
            Why::Malformed => SqlState::PROTOCOL_VIOLATION,
        }
    }

    /// What the metrics call it.
    pub(super) fn kind(&self) -> &'static str {
        match self.why {
            Why::Denied { .. } => "denied",
            Why::TooFast { .. } => "rate",
            Why::TooManyAtATime { .. } => "concurrent",
            Why::NoRecord => "audit",
            Why::Malformed => "malformed",
        }
    }

    /// What the client gets.
    pub(super) fn response(&self) -> ErrorResponse {
        let error = |message: String| ErrorResponse::new(Severity::Error, self.code(), message);
        match &self.why {
            Why::Denied { denial, unreadable } => {
                let response = denied(Severity::Error, denial);
                match unreadable {
                    Some(reason) => response.detail(unread(*reason)),
                    None => response,
                }
            }
            Why::TooFast { limit } => error(format!(
                "more than {} statements in a second, the limit of policy rule \"{}\"",
                limit.max, limit.rule
            ))
            .hint("Send statements more slowly, or fewer of them."),
            Why::TooManyAtATime { limit } => error(format!(
                "more than {} statements at a time, the limit of policy rule \"{}\"",
                limit.max, limit.rule
            ))
            .hint("Wait until your other statements have ended."),
            Why::NoRecord => error("the audit record of this statement can't be kept".to_owned())
                .detail("The statement was not run.")
                .hint(
                    "The gateway has no room for audit records. Try again when its operator has \
                     made some.",
                ),
            Why::Malformed => error("malformed message".to_owned())
                .detail("The text of a statement has exactly one zero byte, at its end."),
        }
    }
}

impl Reached {
    /// What the client gets in the place of the server's words.
    pub(super) fn response(&self) -> ErrorResponse {
        let response = self.words();
        match self {
            Self::Rows(_) | Self::Bytes(_) => response
                .detail("The statement was cancelled, and the rows that were sent are not all."),
            Self::Time(_) => response,
        }
    }

    /// What the client gets where the statement was complete before it could be cancelled.
    pub(super) fn too_late(&self) -> ErrorResponse {
        self.words().detail(
            "The statement was complete before it could be cancelled: what it changed stays, unless \
             its transaction is rolled back. The rows that were sent are not all.",
        )
    }

    fn words(&self) -> ErrorResponse {
        let error = |code, message: String| ErrorResponse::new(Severity::Error, code, message);
        match self {
            Self::Rows(limit) => error(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!(
                    "more than {} rows, the limit of policy rule \"{}\"",
                    limit.max, limit.rule
                ),
            )
            .hint("Add a LIMIT or a narrower WHERE, or aggregate in the database."),
            Self::Bytes(limit) => error(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!(
                    "more than {} bytes of result, the limit of policy rule \"{}\"",
                    limit.max, limit.rule
                ),
            )
            .hint("Select fewer columns or rows, or aggregate in the database."),
            Self::Time(limit) => error(
                SqlState::QUERY_CANCELED,
                format!(
                    "statement ran longer than {:?}, the limit of policy rule \"{}\"",
                    limit.max, limit.rule
                ),
            )
            .hint("Narrow the statement, or see with EXPLAIN where its time goes."),
        }
    }

    /// What the metrics call it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Rows(_) => "rows",
            Self::Bytes(_) => "bytes",
            Self::Time(_) => "time",
        }
    }

    /// The SQLSTATE that the client gets.
    pub(super) fn code(&self) -> SqlState {
        match self {
            Self::Rows(_) | Self::Bytes(_) => SqlState::PROGRAM_LIMIT_EXCEEDED,
            Self::Time(_) => SqlState::QUERY_CANCELED,
        }
    }
}

/// What a client is told that is denied something.
pub(crate) fn denied(severity: Severity, denial: &Denial) -> ErrorResponse {
    let code = SqlState::INSUFFICIENT_PRIVILEGE;
    let mut response = ErrorResponse::new(severity, code, &*denial.message);
    if let Some(detail) = &denial.detail {
        response = response.detail(&**detail);
    }
    if let Some(hint) = &denial.hint {
        response = response.hint(&**hint);
    }
    response
}

/// Why nobody knows what a text does.
fn unread(reason: Unreadable) -> &'static str {
    match reason {
        Unreadable::Syntax => "The text can't be read as PostgreSQL's SQL.",
        Unreadable::TooLong => "The text is longer than the gateway reads.",
        Unreadable::TooDeep => "The text nests deeper than the gateway reads.",
        Unreadable::InvalidText => "The text has bytes that the client's encoding doesn't allow.",
        Unreadable::Encoding => {
            "In the client's encoding nobody can tell for certain where a string ends."
        }
        Unreadable::Defect => "The gateway's reader gave up on the text.",
    }
}
