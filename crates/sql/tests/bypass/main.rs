//! Each way around a policy that is known to have worked somewhere, against facts and policy.
//!
//! The end-to-end tests try the same cases against a real server.

mod cases;
mod policies;
mod rows;

use std::sync::{Arc, LazyLock};

use querycop_policy::facts::{PreparedStatements, Resolved, SettingValue, Statement};
use querycop_policy::{
    Policy, Principal, SearchPath, Situation, TransactionState, Verdict as Said,
};
use querycop_sql::{
    Analyzer, AnalyzerConfig, ClientEncoding, LexerSettings, StandardConformingStrings,
};

use cases::{Case, Verdict};
use policies::{CLOSING, FORBIDDING, READ_ONLY};

static ANALYZER: LazyLock<Analyzer> =
    LazyLock::new(|| Analyzer::new(AnalyzerConfig::default()).expect("threads"));

/// A session under a policy, before a server that completes everything that is let pass.
struct Session {
    policy: Arc<Policy>,
    path: SearchPath,
    prepared: PreparedStatements,
    lexer: LexerSettings,
}

impl Session {
    fn new(policy: &str) -> Self {
        let policy = Policy::read(policy).map_err(|mistakes| mistakes.to_string());
        let policy = Arc::new(policy.expect("the policy is right"));
        Self {
            policy,
            path: SearchPath::known("\"$user\", public"),
            prepared: PreparedStatements::default(),
            lexer: LexerSettings::default(),
        }
    }

    /// The rule that denies a text; `None` if all of it passes, which then happens.
    fn send(&mut self, text: &[u8]) -> Option<String> {
        let analysis = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("runtime")
            .block_on(ANALYZER.analyze(text, self.lexer));
        let facts = &analysis.facts;
        let principal = Principal {
            user: "postgres".into(),
            database: "shop".into(),
            ..Principal::default()
        };
        let scope = self.policy.scope(&principal);
        let resolved = self.prepared.resolve(facts);
        let mut path = self.path.clone();
        let denied = resolved.iter().find_map(|one| {
            let situation = Situation {
                search_path: &path,
                now: "2026-11-25T12:00:00Z".parse().expect("a moment"),
                transaction: TransactionState::Idle,
            };
            let decision = scope.decide(one, facts.statements.len(), &situation);
            // What one statement of a text changes holds for the next.
            for statement in all_statements(one) {
                path.may_change(statement);
            }
            (decision.verdict == Said::Deny).then_some(decision)
        });
        if let Some(decision) = denied {
            return Some(decision.rule.to_string());
        }
        for statement in resolved.iter().flat_map(all_statements) {
            self.path.completed(statement);
            self.prepared.completed(statement);
            for change in &statement.settings {
                self.follow(change.name.as_deref(), &change.value);
            }
        }
        None
    }

    /// What `ParameterStatus` would say.
    fn follow(&mut self, name: Option<&str>, value: &SettingValue) {
        let SettingValue::To(words) = value else {
            return;
        };
        let word = words.first().map_or("", |word| word);
        match name {
            Some("standard_conforming_strings") => {
                self.lexer.standard_conforming_strings = match word {
                    "off" => StandardConformingStrings::Off,
                    _ => StandardConformingStrings::On,
                };
            }
            Some("client_encoding" | "names") => {
                self.lexer.client_encoding = ClientEncoding::from_parameter(word);
            }
            _ => {}
        }
    }

    /// What denies one of the steps.
    fn try_case(&mut self, case: &Case) -> Option<String> {
        case.steps
            .iter()
            .find_map(|step| self.send(&prepared(step)))
    }
}

/// A statement and what it executes.
fn all_statements(resolved: &Resolved) -> impl Iterator<Item = &Arc<Statement>> {
    std::iter::once(&resolved.statement).chain(&resolved.executed)
}

/// A step with its places filled.
fn prepared(step: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(step) else {
        return step.to_vec();
    };
    text.replace("{data}", "/data")
        .replace("{database}", "shop")
        .into_bytes()
}

/// Asserts what a policy says of every case.
fn try_all(policy: &str, expected: fn(&Case) -> Verdict) {
    let mut wrong = Vec::new();
    for case in cases::all() {
        let denied_by = Session::new(policy).try_case(case);
        let is_right = match expected(case) {
            Verdict::Denied(rule) => denied_by.as_deref() == Some(rule),
            Verdict::Limit(_) | Verdict::Planted => denied_by.is_none(),
        };
        if !is_right {
            wrong.push(format!("{} ({:?}): {denied_by:?}", case.way, case.harm));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_policy_for_readers_denies_all_but_its_limits() {
    try_all(READ_ONLY, |case| case.read_only);
}

#[test]
fn rules_that_deny_see_all_but_their_limits() {
    try_all(FORBIDDING, |case| case.forbidding);
}

#[test]
fn limits_are_closed_by_the_rules_that_are_named_for_them() {
    for case in cases::all() {
        if let Verdict::Limit(rule) = case.read_only {
            let denied_by = Session::new(CLOSING).try_case(case);
            assert_eq!(denied_by.as_deref(), Some(rule), "{}", case.way);
        }
        if let (Verdict::Denied(rule), Verdict::Limit(closed_by)) =
            (case.read_only, case.forbidding)
        {
            assert_eq!(rule, closed_by, "{}", case.way);
        }
    }
}
