//! `querycop policy test`: what a policy decides about statements.

use std::process::ExitCode;

use super::arguments::{Format, TestOptions};
use super::report;
use super::statements::{Reader, texts};
use super::file;
use crate::exit::print;
use jiff::Timestamp;
use querycop_policy::{Explanation, Rehearsal, SearchPath, Situation, TransactionState};

pub(super) fn test(options: &TestOptions) -> ExitCode {
    let status = each(options, &mut |judged| match options.format {
        Format::Text => print(&report::summary(judged)),
        Format::Json => print(&report::json(judged, report::Depth::Effects)),
    });
    status.err().unwrap_or(ExitCode::SUCCESS)
}

/// A statement and what was decided.
pub(super) struct Judged<'a> {
    /// As it was given.
    pub(super) text: &'a str,
    pub(super) kind: &'static str,
    pub(super) explanation: Explanation,
}

/// Judges each statement of each text.
pub(super) fn each(
    options: &TestOptions,
    show: &mut dyn FnMut(&Judged<'_>),
) -> Result<(), ExitCode> {
    let policy = file::read(&options.policy)?;
    let reader = Reader::start()?;
    let scope = policy.scope(&options.principal);
    let now = options.at.unwrap_or_else(Timestamp::now);
    let path = options
        .search_path
        .as_deref()
        .map_or_else(SearchPath::unknown, SearchPath::known);
    let mut session = Rehearsal::new(path);
    for text in texts(&options.sources)? {
        let analysis = reader.analyze(&text);
        let statements = &analysis.facts.statements;
        for statement in statements {
            let resolved = session.resolve(statement);
            let situation = Situation {
                search_path: session.search_path(),
                now,
                transaction: TransactionState::Idle,
            };
            let explanation = scope.explain(&resolved, statements.len(), &situation);
            let own = text.get(statement.span.clone()).unwrap_or(&text);
            show(&Judged {
                text: own.trim(),
                kind: statement.kind().as_str(),
                explanation,
            });
            session.completed(statement);
        }
    }
    Ok(())
}
