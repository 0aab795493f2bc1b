//! What is recorded, and how it becomes a line.

use std::time::Duration;

use jiff::Timestamp;

use crate::fragment::{DecisionFragment, SessionFragment, StatementFragment};
use crate::line::{self, Buffer, MAX_LINE, key};

/// The most that a single value has, in bytes: names, reasons, tags.
const MAX_VALUE: usize = 512;

/// The most that a raw text has, with escapes.
const MAX_RAW_TEXT: usize = 16 << 10;

/// What a record has beside its fragments and its raw text, at most: five values, the marks, the
/// numbers, the names of the fields, and what the store adds.
const MAX_REST: usize = 6 << 10;

/// One record. What is `None` is left out of the line.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// When it happened; kept in microseconds.
    pub time: Timestamp,
    /// The session that it belongs to.
    pub session: Option<&'a SessionFragment>,
    /// Counts the records of the session from one.
    pub number: u64,
    /// What happened.
    pub event: Event<'a>,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A session has a server.
    SessionBegan,
    /// A session is over.
    SessionEnded {
        /// Why, in a word.
        reason: &'a str,
        /// Bytes that went to the client.
        bytes_to_client: u64,
        /// Bytes that went to the server.
        bytes_to_server: u64,
        /// Statements that it ran, also those that failed.
        statements: u64,
        /// Statements that were denied.
        denied: u64,
        /// How long it lasted.
        duration: Duration,
    },
    /// A client was turned away.
    SessionRefused {
        /// The SQLSTATE that the client was told.
        sqlstate: &'a str,
        /// Why, in words.
        reason: &'a str,
        /// What the policy said, where it was the policy that turned it away.
        decision: Option<&'a DecisionFragment>,
    },
    /// A statement was run or denied.
    Statement {
        /// By which message of the protocol.
        via: Via,
        /// What it is; `None` for what isn't SQL, or was not analyzed.
        statement: Option<&'a StatementFragment>,
        /// The text as the client sent it, where the configuration or a rule asks for it.
        raw_text: Option<&'a [u8]>,
        /// What the policy said; `None` without one.
        decision: Option<&'a DecisionFragment>,
        /// What came of it.
        outcome: Outcome<'a>,
        /// Rows of the answer that went to the client.
        rows: u64,
        /// Their bytes.
        bytes: u64,
        /// From the statement's way to the server until its end.
        duration: Duration,
    },
    /// A policy file was read, or was refused.
    PolicyLoaded {
        /// The hash of the file.
        hash: &'a str,
        /// `loaded`, or what is wrong with it.
        outcome: &'a str,
    },
}

/// By which message of the protocol a statement came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Query: the simple protocol.
    Query,
    /// Parse: prepared, not run.
    Parse,
    /// Bind: denied before it could be run.
    Bind,
    /// Execute: what was parsed is run.
    Execute,
    /// `FunctionCall`.
    FunctionCall,
    /// Sync: the commit that it brings, if that failed.
    Sync,
}

/// What came of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It completed.
    Completed {
        /// The command tag, as `UPDATE 3`.
        tag: &'a str,
    },
    /// It completed, or its portal stopped, before it could be cancelled for a limit that it had
    /// reached.
    Overrun {
        /// The command tag; `None` where the portal has more rows.
        tag: Option<&'a str>,
        /// The SQLSTATE that the client was told.
        sqlstate: &'a str,
    },
    /// A portal has more rows.
    Suspended,
    /// The server refused it.
    Failed {
        /// The server's SQLSTATE.
        sqlstate: &'a str,
    },
    /// The policy denied it.
    Denied {
        /// The SQLSTATE that the client was told.
        sqlstate: &'a str,
    },
    /// The server skipped it, after an error of the pipeline.
    Skipped,
    /// The connection was lost before the answer: it may have run.
    Cut,
}

impl Via {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Query,
        Self::Parse,
        Self::Bind,
        Self::Execute,
        Self::FunctionCall,
        Self::Sync,
    ];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Parse => "parse",
            Self::Bind => "bind",
            Self::Execute => "execute",
            Self::FunctionCall => "function_call",
            Self::Sync => "sync",
        }
    }
}

impl Outcome<'_> {
    /// Its word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Completed { .. } | Self::Overrun { tag: Some(_), .. } => "completed",
            Self::Suspended | Self::Overrun { tag: None, .. } => "suspended",
            Self::Failed { .. } => "failed",
            Self::Denied { .. } => "denied",
            Self::Skipped => "skipped",
            Self::Cut => "cut",
        }
    }

    fn encode(&self, buffer: &mut Buffer) {
        line::word(buffer, key!("outcome"), self.as_str());
        match self {
            Self::Completed { tag } => line::text(buffer, key!("tag"), tag, MAX_VALUE),
            Self::Overrun { tag, sqlstate } => {
                if let Some(tag) = tag {
                    line::text(buffer, key!("tag"), tag, MAX_VALUE);
                }
                line::text(buffer, key!("sqlstate"), sqlstate, MAX_VALUE);
            }
            Self::Failed { sqlstate } | Self::Denied { sqlstate } => {
                line::text(buffer, key!("sqlstate"), sqlstate, MAX_VALUE);
            }
            Self::Suspended | Self::Skipped | Self::Cut => {}
        }
    }
}

impl Record<'_> {
    /// The most that a record with these parts takes, in bytes: what to reserve for it. Never more
    /// than [`MAX_LINE`].
    pub fn room(
        session: Option<&SessionFragment>,
        statement: Option<&StatementFragment>,
        raw_text: Option<&[u8]>,
    ) -> usize {
        let session = session.map_or(0, |session| session.encoded().len());
        let statement = statement.map_or(0, |statement| statement.encoded().len());
        // A byte is six in the worst case: a control character.
        let raw_text = raw_text.map_or(0, |text| text.len().saturating_mul(6).min(MAX_RAW_TEXT));
        (session + statement + raw_text + MAX_REST).min(MAX_LINE)
    }

    /// Writes all but the beginning, which is the store's, and the newline.
    pub(crate) fn encode(&self, buffer: &mut Buffer) {
        line::time(buffer, key!("time"), self.time);
        line::word(buffer, key!("event"), self.event.as_str());
        if let Some(session) = self.session {
            buffer.extend_from_slice(session.encoded());
            line::number(buffer, key!("number"), self.number);
        }
        self.event.encode(buffer);
    }
}

impl Event<'_> {
    /// Its word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::SessionBegan => "session_began",
            Self::SessionEnded { .. } => "session_ended",
            Self::SessionRefused { .. } => "session_refused",
            Self::Statement { .. } => "statement",
            Self::PolicyLoaded { .. } => "policy_loaded",
        }
    }

    fn encode(&self, buffer: &mut Buffer) {
        match self {
            Self::SessionBegan => {}
            Self::SessionEnded {
                reason,
                bytes_to_client,
                bytes_to_server,
                statements,
                denied,
                duration,
            } => {
                line::text(buffer, key!("reason"), reason, MAX_VALUE);
                line::number(buffer, key!("bytes_to_client"), *bytes_to_client);
                line::number(buffer, key!("bytes_to_server"), *bytes_to_server);
                line::number(buffer, key!("statements"), *statements);
                line::number(buffer, key!("denied"), *denied);
                line::number(buffer, key!("duration_us"), micros(*duration));
            }
            Self::SessionRefused {
                sqlstate,
                reason,
                decision,
            } => {
                if let Some(decision) = decision {
                    buffer.extend_from_slice(decision.encoded());
                }
                line::text(buffer, key!("sqlstate"), sqlstate, MAX_VALUE);
                line::text(buffer, key!("reason"), reason, MAX_VALUE);
            }
            Self::Statement {
                via,
                statement,
                raw_text,
                decision,
                outcome,
                rows,
                bytes,
                duration,
            } => {
                line::word(buffer, key!("via"), via.as_str());
                if let Some(statement) = statement {
                    buffer.extend_from_slice(statement.encoded());
                }
                if let Some(text) = raw_text {
                    line::bytes(buffer, key!("raw_text"), text, MAX_RAW_TEXT);
                }
                if let Some(decision) = decision {
                    buffer.extend_from_slice(decision.encoded());
                }
                outcome.encode(buffer);
                line::number(buffer, key!("rows"), *rows);
                line::number(buffer, key!("bytes"), *bytes);
                line::number(buffer, key!("duration_us"), micros(*duration));
            }
            Self::PolicyLoaded { hash, outcome } => {
                line::text(buffer, key!("policy"), hash, MAX_VALUE);
                line::text(buffer, key!("outcome"), outcome, MAX_VALUE);
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
