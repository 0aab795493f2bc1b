//! `querycop policy replay`: what would this file have decided about the audited past?

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use querycop_audit::Filter;
use querycop_gateway::one_line;
use querycop_policy::{Principal, Scope, SearchPath, Situation, TransactionState};
use serde_json::json;

use super::arguments::Format;
use super::audited::{self, Audited};
use super::file;
use crate::exit::print;

/// About which past a policy is asked.
#[derive(Debug)]
pub(crate) struct ReplayOptions {
    pub(crate) policy: PathBuf,
    pub(crate) past: Past,
    pub(crate) format: Format,
}

/// Which records are read.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) directory: PathBuf,
    pub(crate) filter: Filter,
    /// What records don't have: groups, claims, certificates.
    pub(crate) like: Principal,
    pub(crate) search_path: Option<String>,
}

/// Statements that are alike, and are decided alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    before: (String, String),
    now: (&'static str, String),
    user: String,
    database: String,
    text: String,
}

/// What came out.
#[derive(Default)]
struct Outcome {
    statements: u64,
    changed: u64,
    changes: BTreeMap<Change, u64>,
}

pub(super) fn replay(options: &ReplayOptions) -> ExitCode {
    match judge(options) {
        Ok(outcome) => {
            print(&shown(&outcome, options.format));
            ExitCode::SUCCESS
        }
        Err(status) => status,
    }
}

fn judge(options: &ReplayOptions) -> Result<Outcome, ExitCode> {
    let policy = file::read(&options.policy)?;
    let path = match &options.past.search_path {
        Some(path) => SearchPath::known(path),
        None => policy.default_search_path(),
    };
    let mut scopes: HashMap<String, Scope> = HashMap::new();
    let mut outcome = Outcome::default();
    let past = &options.past;
    audited::each(&past.directory, &past.filter, &past.like, &mut |audited| {
        let principal = &audited.principal;
        // Whatever of a principal comes from the record.
        let key = format!(
            "{}\n{}\n{}\n{:?}\n{:?}\n{:?}",
            principal.user,
            principal.database,
            principal.backend,
            principal.client_addr,
            principal.tls,
            principal.application_name
        );
        let scope = scopes.entry(key).or_insert_with(|| policy.scope(principal));
        let situation = Situation {
            search_path: &path,
            now: audited.entry.time.parse().unwrap_or(Timestamp::UNIX_EPOCH),
            transaction: TransactionState::Idle,
        };
        let decision = scope.decide(&audited.resolved, 1, &situation);
        outcome.note(audited, decision.verdict.as_str(), &decision.rule);
    })?;
    Ok(outcome)
}

impl Outcome {
    fn note(&mut self, audited: &Audited<'_>, verdict: &'static str, rule: &str) {
        self.statements += 1;
        let entry = audited.entry;
        // Without a policy nothing was denied.
        let before = if entry.verdict.is_empty() {
            "allow"
        } else {
            &*entry.verdict
        };
        if before == verdict {
            return;
        }
        self.changed += 1;
        let change = Change {
            before: (before.to_owned(), entry.rule.to_string()),
            now: (verdict, rule.to_owned()),
            user: entry.user.to_string(),
            database: entry.database.to_string(),
            text: entry.text.to_string(),
        };
        *self.changes.entry(change).or_default() += 1;
    }
}

fn shown(outcome: &Outcome, format: Format) -> String {
    let mut changes: Vec<_> = outcome.changes.iter().collect();
    changes.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
    let mut text = String::new();
    for (change, times) in changes {
        let _ = match format {
            Format::Json => writeln!(
                text,
                "{}",
                json!({
                    "times": times,
                    "verdict": change.now.0,
                    "rule": change.now.1,
                    "verdict_before": change.before.0,
                    "rule_before": change.before.1,
                    "user": change.user,
                    "database": change.database,
                    "statement": change.text,
                })
            ),
            Format::Text => writeln!(
                text,
                "{}  {}  was {}{}  {times} times  {}@{}  {}",
                change.now.0.to_uppercase(),
                change.now.1,
                change.before.0,
                by(&change.before.1),
                one_line(&change.user),
                one_line(&change.database),
                one_line(&change.text)
            ),
        };
    }
    if format == Format::Text {
        let _ = writeln!(
            text,
            "{} statements, {} would be decided otherwise",
            outcome.statements, outcome.changed
        );
    }
    text
}

fn by(rule: &str) -> String {
    if rule.is_empty() {
        String::new()
    } else {
        format!(" by {rule}")
    }
}
