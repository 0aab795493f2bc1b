//! The differences that we want, by name. Any other fails the run.

use super::Who;

/// A difference.
pub(super) struct Wanted {
    /// Its name; docs/auth-proxy.md tells of it.
    pub(super) name: &'static str,
    /// In which scenario; `*` for wherever it shows.
    pub(super) scenario: &'static str,
    pub(super) what: What,
}

/// What is different.
pub(super) enum What {
    /// A line with this text, which one of the two alone has.
    Line(Who, &'static str),
    /// A fact.
    Fact(&'static str),
}

/// All of them.
pub(super) const WANTED: &[Wanted] = &[];
