//! Reads SQL text into the facts that policy asks about; the only crate that links `libpg_query`.
//!
//! An [`Analyzer`] takes the bytes of a Query or Parse message and the session's
//! [`LexerSettings`], and answers with an [`Analysis`]: what each statement does
//! ([`querycop_policy::facts`]), its text without literals, and its fingerprint.
//!
//! The grammar is PostgreSQL's own, so what it accepts is what the server accepts. What it doesn't,
//! what is too long or too deep, and what is written in an encoding that can't be read safely gets
//! the effect `unknown`, which no wildcard of a policy matches. Nothing in here panics or overflows
//! a stack, whatever the bytes: see [`guard`](self) in the source for how that is bounded.

mod analysis;
mod analyzer;
mod cache;
mod guard;
mod lexer;
mod note;
mod pool;
mod redact;
mod secrets;
mod settings;
mod shape;
mod tree;

pub use analysis::{Analysis, RedactedText};
pub use analyzer::{Analyzer, AnalyzerConfig};
pub use note::Note;
pub use querycop_policy::facts;
pub use redact::Fingerprint;
pub use settings::{ClientEncoding, LexerSettings, ServerEncoding, StandardConformingStrings};
