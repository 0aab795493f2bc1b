//! What the fields of a record are.

use std::fmt::Write;

/// A field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in the line.
    pub name: &'static str,
    /// What it holds.
    pub form: Form,
    /// In which records it is.
    pub events: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A text.
    Text,
    /// A whole number, not negative.
    Number,
    /// A list of texts.
    List,
}

impl Form {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::List => "list",
        }
    }
}

/// The whole schema, in the order in which a line has the fields.
pub const SCHEMA: &[Field] = &[
    number(
        "sequence",
        ALL,
        "Counts the records of the log from 1, without a gap.",
    ),
    text(
        "prev",
        ALL,
        "SHA-256 of the line before, without its newline, in hexadecimal; zeros in the first.",
    ),
    text("time", ALL, "UTC, as 2026-11-25T04:10:00.000000Z."),
    text("event", ALL, "What happened: a word of the table below."),
    text("session", SESSION, "Identifies the session (a UUID)."),
    text("user", SESSION, "The role that the client logged in as."),
    text("database", SESSION, "The database."),
    text(
        "principal",
        SESSION,
        "Who it is, where more than the role is proved.",
    ),
    text(
        "client_addr",
        SESSION,
        "The client's address; not there for a Unix socket.",
    ),
    number("client_port", SESSION, "The client's port."),
    text(
        "tls",
        SESSION,
        "The version of TLS on the client's leg; not there without TLS.",
    ),
    text(
        "application_name",
        SESSION,
        "What the client calls itself: a hint, never a proof.",
    ),
    text("backend", SESSION, "The server, as the gateway dials it."),
    text("backend_role", SESSION, "The server's role among its like."),
    text(
        "version",
        "a session's, segment_began",
        "The gateway's version.",
    ),
    number(
        "number",
        SESSION,
        "Counts the records of the session from 1.",
    ),
    text(
        "via",
        STATEMENT,
        "The message of the protocol: query, parse, execute, function_call; bind for what was denied before it could be run; sync for a commit that failed.",
    ),
    text("kind", STATEMENT, "The kind of the statement."),
    list(
        "inner_kinds",
        STATEMENT,
        "Kinds of statements inside of it.",
    ),
    list("actions", STATEMENT, "What it does, each action once."),
    list(
        "tables",
        STATEMENT,
        "The relations that it uses, as the text names them.",
    ),
    list(
        "functions",
        STATEMENT,
        "The functions and procedures that it calls.",
    ),
    list("features", STATEMENT, "Its traits."),
    list(
        "effects",
        STATEMENT,
        "Each effect: `ACTION[:SUBTYPE] KIND NAME [(COLUMN, …)] [WORD …]`; the words are filter=missing, filter=always_true, filter=given, planned, stored, possible, returning; a name that the text hides is `-`.",
    ),
    text(
        "fingerprint",
        STATEMENT,
        "Identifies the statement but for its literals.",
    ),
    text(
        "text",
        STATEMENT,
        "The statement with `?` for each literal. Of a text that can't be read all of it, in the record of the first of its statements.",
    ),
    list(
        "runs",
        STATEMENT,
        "The texts of the statements that it ran and that stand in other texts, with `?` for each literal: of EXECUTE, FETCH and MOVE. Kinds, actions, tables, functions, features and effects are those of all.",
    ),
    text(
        "raw_text",
        STATEMENT,
        "The text as the client sent it, where the settings or a rule ask for it; of several statements in the record of the first.",
    ),
    text(
        "verdict",
        DECIDED,
        "What the policy said: allow or deny; of a client that was turned away only where the policy did that.",
    ),
    text("rule", DECIDED, "The rule that decided."),
    list(
        "marks",
        DECIDED,
        "Rules in observe mode that would have denied, and the marks of audit rules.",
    ),
    text("risk", DECIDED, "low, medium, high or critical."),
    text(
        "policy",
        "statement, session_refused, policy_loaded",
        "The hash of the policy file.",
    ),
    text(
        "outcome",
        "statement, policy_loaded",
        "What came of it: completed, suspended (a portal has more rows), either with a `sqlstate` where that was before it could be cancelled for a limit that it had reached; failed, denied, skipped (after an error of the pipeline), cut (the connection was lost before the answer). Of a policy file: loaded, or what is wrong with it.",
    ),
    text("tag", STATEMENT, "The command tag."),
    number(
        "rows",
        STATEMENT,
        "Rows that went to the client, of failed and cut statements, too. How many were changed says the command tag.",
    ),
    text(
        "sqlstate",
        "statement, session_refused",
        "The SQLSTATE of the error that the client got.",
    ),
    number(
        "bytes",
        STATEMENT,
        "Bytes of the answer that went to the client.",
    ),
    text("reason", "session_ended, session_refused", "Why."),
    number("bytes_to_client", ENDED, "Bytes that went to the client."),
    number("bytes_to_server", ENDED, "Bytes that went to the server."),
    number("statements", ENDED, "Statements that were run."),
    number("denied", ENDED, "Statements that were denied."),
    number(
        "duration_us",
        "statement, session_ended",
        "How long it took, in microseconds.",
    ),
    text(
        "log",
        "segment_began, checkpoint",
        "Identifies the log (a UUID).",
    ),
    text("segment", "segment_began, recovered", "A segment's name."),
    text("previous", "segment_began", "The segment before."),
    text(
        "instance",
        "segment_began",
        "The gateway's name among others.",
    ),
    number(
        "covers",
        "checkpoint",
        "The last record that the signature speaks for: always the one before.",
    ),
    text(
        "key",
        "checkpoint",
        "Which key signed: the first eight bytes of the SHA-256 of the public key.",
    ),
    text("signature", "checkpoint", "Ed25519, in base64."),
    number(
        "cut_bytes",
        "recovered",
        "How many bytes were cut from the end of the segment.",
    ),
    text("cut_hash", "recovered", "Their SHA-256."),
    number(
        "damaged_line",
        "recovered",
        "The line of the segment from which on it can't be trusted.",
    ),
    text("damage", "recovered", "What is wrong there."),
    number(
        "failures",
        "interrupted",
        "How many records could not be written, or not be kept.",
    ),
    text("cause", "interrupted", "Why."),
];

/// The words of the field `event`.
pub const EVENTS: &[(&str, &str)] = &[
    ("segment_began", "The first record of each segment."),
    ("session_began", "A client was connected to the server."),
    ("session_ended", "A session is over."),
    ("session_refused", "A client was turned away."),
    ("statement", "A statement was run, or denied."),
    ("policy_loaded", "A policy file was read, or refused."),
    ("checkpoint", "A signature over all records before it."),
    (
        "recovered",
        "What was found and repaired when the store was opened.",
    ),
    (
        "interrupted",
        "Records could not be written for a while; statements were refused.",
    ),
];

const ALL: &str = "every";
const SESSION: &str = "a session's";
const STATEMENT: &str = "statement";
const DECIDED: &str = "statement, session_refused";
const ENDED: &str = "session_ended";

const fn text(name: &'static str, events: &'static str, meaning: &'static str) -> Field {
    field(name, Form::Text, events, meaning)
}

const fn number(name: &'static str, events: &'static str, meaning: &'static str) -> Field {
    field(name, Form::Number, events, meaning)
}

const fn list(name: &'static str, events: &'static str, meaning: &'static str) -> Field {
    field(name, Form::List, events, meaning)
}

const fn field(
    name: &'static str,
    form: Form,
    events: &'static str,
    meaning: &'static str,
) -> Field {
    Field {
        name,
        form,
        events,
        meaning,
    }
}

/// The schema as the tables of docs/audit.md.
pub fn reference() -> String {
    let mut text = "| Event | Meaning |\n|---|---|\n".to_owned();
    for (event, meaning) in EVENTS {
        let _ = writeln!(text, "| `{event}` | {meaning} |");
    }
    text.push_str("\n| Field | Form | In records | Meaning |\n|---|---|---|---|\n");
    for field in SCHEMA {
        let form = field.form.as_str();
        let meaning = field.meaning.replace('|', "\\|");
        let _ = writeln!(
            text,
            "| `{}` | {form} | {} | {meaning} |",
            field.name, field.events
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- schema:begin -->\n";
    const END: &str = "<!-- schema:end -->";

    #[test]
    fn the_documentation_has_the_schema() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit.md");
        let document = std::fs::read_to_string(path).unwrap();
        let (_, rest) = document
            .split_once(BEGIN)
            .expect("docs/audit.md has the marker");
        let (tables, _) = rest
            .split_once(END)
            .expect("docs/audit.md has the end marker");
        assert_eq!(
            tables.trim(),
            reference().trim(),
            "put this in place:\n{}",
            reference()
        );
    }

    #[test]
    fn every_field_has_one_line() {
        let mut names: Vec<_> = SCHEMA.iter().map(|field| field.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SCHEMA.len());
    }
}
