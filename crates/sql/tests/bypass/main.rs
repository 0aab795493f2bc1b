//! Each way around a policy that is known to have worked somewhere, against facts and policy.
//!
//! The end-to-end tests try the same cases against a real server.

mod cases;
mod policies;

use std::sync::{Arc, LazyLock};

use querycop_policy::facts::{PreparedStatements, SettingValue};
use querycop_policy::{Policy, Principal, SearchPath, Situation, TransactionState, Verdict as Said};
use querycop_sql::{Analyzer, AnalyzerConfig, ClientEncoding, LexerSettings, StandardConformingStrings};

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
        let policy = match Policy::read(policy) {
            Ok(policy) => Arc::new(policy),
            Err(mistakes) => panic!("{mistakes}"),
        };
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
        for statement in &facts.statements {
            self.path.may_change(statement);
        }
        let situation = Situation {
            search_path: &self.path,
            now: "2026-11-25T12:00:00Z".parse().expect("a moment"),
            transaction: TransactionState::Idle,
        };
        let denied = self
            .prepared
            .resolve(facts)
            .iter()
            .map(|resolved| scope.decide(resolved, facts.statements.len(), &situation))
            .find(|decision| decision.verdict == Said::Deny);
        if let Some(decision) = denied {
            return Some(decision.rule.to_string());
        }
        for statement in &facts.statements {
            self.path.completed(statement);
            self.prepared.completed(statement);
            for change in &statement.settings {
                self.follow(change.name.as_deref(), &change.value);
            }
        }
        None
    }

    /// What ParameterStatus would say.
    fn follow(&mut self, name: Option<&str>, value: &SettingValue) {
        let SettingValue::To(words) = value else { return };
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
        case.steps.iter().find_map(|step| self.send(&prepared(step)))
    }
}

/// A step with its places filled.
fn prepared(step: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(step) else {
        return step.to_vec();
    };
    text.replace("{data}", "/data").replace("{database}", "shop").into_bytes()
}

#[test]
fn table() {
    for case in cases::all() {
        let by = |policy| match Session::new(policy).try_case(case) {
            Some(rule) => rule,
            None => "PASSES".to_owned(),
        };
        println!("{}\t{}\t{}\t{}", case.way, by(READ_ONLY), by(FORBIDDING), by(CLOSING));
    }
}
