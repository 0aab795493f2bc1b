//! Statements as the audit store has them, for a policy to judge again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use querycop_audit::{Entry, Filter, Follower};
use querycop_policy::facts::{Effect, Feature, Kind, PossibleCall, Resolved, Statement};
use querycop_policy::{Principal, Tls};

use super::effect;
use super::statements::Reader;
use crate::exit::{FAILED, complain};

/// A record of a statement.
pub(super) struct Audited<'e> {
    pub(super) entry: &'e Entry<'e>,
    pub(super) principal: Principal,
    pub(super) resolved: Resolved,
}

/// Calls that hide in attributes, by the redacted text in which they stand.
type HiddenCalls = HashMap<Box<str>, Arc<[PossibleCall]>>;

/// Reads the records of statements that a filter takes, from the first to the last.
///
/// `like` has what records don't: groups, claims, certificates.
pub(super) fn each(
    directory: &Path,
    filter: &Filter,
    like: &Principal,
    visit: &mut dyn FnMut(&Audited<'_>),
) -> Result<(), ExitCode> {
    let reader = Reader::start()?;
    let mut follower = Follower::from_start(directory);
    let mut hidden = HiddenCalls::new();
    loop {
        let lines = follower.read().map_err(|error| {
            complain(&format!(
                "querycop: error: {}: {error}\n",
                directory.display()
            ));
            ExitCode::from(FAILED)
        })?;
        if lines.is_empty() {
            return Ok(());
        }
        for line in lines.split(|byte| *byte == b'\n') {
            let Some(entry) = Entry::read(line).filter(|entry| is_statement(entry, filter)) else {
                continue;
            };
            visit(&Audited {
                entry: &entry,
                principal: principal(&entry, like),
                resolved: resolved(&entry, &reader, &mut hidden),
            });
        }
    }
}

fn is_statement(entry: &Entry<'_>, filter: &Filter) -> bool {
    entry.event == "statement" && filter.matches(entry)
}

fn principal(entry: &Entry<'_>, like: &Principal) -> Principal {
    Principal {
        user: (*entry.user).into(),
        database: (*entry.database).into(),
        client_addr: entry.client_addr.parse().ok(),
        tls: if entry.tls.is_empty() || entry.tls == "none" {
            Tls::Off
        } else {
            Tls::On
        },
        application_name: (!entry.application_name.is_empty())
            .then(|| (*entry.application_name).into()),
        ..like.clone()
    }
}

/// What the record says that the statement does, and the calls that hide in its text.
fn resolved(entry: &Entry<'_>, reader: &Reader, hidden: &mut HiddenCalls) -> Resolved {
    let kinds = std::iter::once(&entry.kind).chain(&entry.inner_kinds);
    let texts = std::iter::once(&entry.text).chain(&entry.runs);
    let mut statement = Statement {
        kinds: kinds.filter_map(|kind| Kind::from_word(kind)).collect(),
        effects: entry
            .effects
            .iter()
            .map(|text| effect::read(text))
            .collect(),
        possible_calls: texts
            .flat_map(|text| hidden_calls(text, reader, hidden).to_vec())
            .collect(),
        ..Statement::default()
    };
    for feature in entry
        .features
        .iter()
        .filter_map(|word| Feature::from_word(word))
    {
        statement.features.insert(feature);
    }
    if entry.kind.is_empty() {
        // No text stands behind it.
        statement.effects.extend(nameless(&entry.via));
    }
    Resolved {
        executes_unknown: executes_unknown(&statement.kinds, &entry.runs),
        statement: Arc::new(statement),
        executed: Vec::new(),
    }
}

/// What a message did that ran no text that anybody has seen.
fn nameless(via: &str) -> Option<Effect> {
    match via {
        "execute" | "bind" => Some(Effect::unknown("portal")),
        "function_call" => Some(Effect::function_call()),
        _ => None,
    }
}

/// Whether it ran what nobody had seen prepared, or what stands two steps away: the record has the
/// texts of all others, and their kinds.
fn executes_unknown(kinds: &[Kind], runs: &[Cow<'_, str>]) -> bool {
    let runs_others = |kind: &Kind| {
        matches!(
            kind,
            Kind::Execute | Kind::Fetch | Kind::Move | Kind::Commit
        )
    };
    match kinds {
        [Kind::Execute, inner @ ..] => runs.is_empty() || inner.iter().any(runs_others),
        [_, inner @ ..] => runs.is_empty() && inner.contains(&Kind::Execute),
        [] => false,
    }
}

fn hidden_calls(text: &str, reader: &Reader, known: &mut HiddenCalls) -> Arc<[PossibleCall]> {
    if let Some(calls) = known.get(text) {
        return Arc::clone(calls);
    }
    let analysis = reader.analyze(&with_parameters(text));
    let statements = analysis.facts.statements.iter();
    let calls: Arc<[PossibleCall]> = statements
        .flat_map(|statement| statement.possible_calls.iter().cloned())
        .collect();
    known.insert(text.into(), Arc::clone(&calls));
    calls
}

/// A redacted text that can be read again: parameters in the place of literals.
fn with_parameters(text: &str) -> String {
    let mut readable = String::with_capacity(text.len() + 16);
    let mut number = 0;
    for part in text.split_inclusive('?') {
        match part.strip_suffix('?') {
            Some(before) => {
                number += 1;
                readable.push_str(before);
                let _ = write!(readable, "${number}");
            }
            None => readable.push_str(part),
        }
    }
    readable
}

#[cfg(test)]
mod tests {
    use querycop_policy::facts::Action;

    use super::*;

    #[test]
    fn literals_become_parameters() {
        assert_eq!(
            with_parameters("SELECT a FROM t WHERE b = ? AND c IN (?, ?)"),
            "SELECT a FROM t WHERE b = $1 AND c IN ($2, $3)"
        );
    }

    #[test]
    fn what_nobody_had_seen_prepared_is_unknown_again() {
        let known = [Cow::Borrowed("SELECT ?")];
        assert!(executes_unknown(&[Kind::Execute], &[]));
        assert!(!executes_unknown(&[Kind::Execute, Kind::Select], &known));
        assert!(executes_unknown(&[Kind::Execute, Kind::Execute], &known));
        assert!(executes_unknown(&[Kind::Explain, Kind::Execute], &[]));
        assert!(!executes_unknown(&[Kind::Select], &[]));
        let portal = nameless("execute").expect("it ran something");
        assert_eq!(portal.action, Action::Unknown);
        let call = nameless("function_call").expect("it called something");
        assert_eq!((call.action, call.subtype), (Action::Call, "function_call"));
        assert_eq!(nameless("sync"), None);
    }
}
