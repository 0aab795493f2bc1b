//! A policy, a session and SQL.

use std::sync::{Arc, LazyLock};

use querycop_policy::facts::{Facts, PreparedStatements};
use querycop_policy::{
    Catalog, Decision, Policy, Principal, SearchPath, Situation, TransactionState, Verdict,
};
use querycop_sql::{Analyzer, AnalyzerConfig, LexerSettings};

static ANALYZER: LazyLock<(Analyzer, tokio::runtime::Runtime)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime can be made");
    let analyzer = Analyzer::new(AnalyzerConfig::default()).expect("threads can be started");
    (analyzer, runtime)
});

pub(crate) fn facts(sql: &str) -> Facts {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let (analyzer, runtime) = &*ANALYZER;
    let analysis = runtime.block_on(analyzer.analyze(sql.as_bytes(), LexerSettings::default()));
    analysis.facts.clone()
}

/// A session of one principal under a policy.
pub(crate) struct Session {
    pub(crate) policy: Arc<Policy>,
    pub(crate) principal: Principal,
    pub(crate) path: SearchPath,
    pub(crate) transaction: TransactionState,
    pub(crate) now: jiff::Timestamp,
    pub(crate) catalog: Option<Arc<Catalog>>,
    pub(crate) prepared: PreparedStatements,
}

/// The policy of a text that has to be right.
pub(crate) fn policy(yaml: &str) -> Arc<Policy> {
    match Policy::read(yaml) {
        Ok(policy) => Arc::new(policy),
        Err(mistakes) => panic!("{mistakes}"),
    }
}

/// A session of `ann` under a policy whose path is `"$user", public`.
pub(crate) fn session(yaml: &str) -> Session {
    Session {
        policy: policy(yaml),
        principal: Principal {
            user: "ann".into(),
            database: "shop".into(),
            ..Principal::default()
        },
        path: SearchPath::known("\"$user\", public"),
        transaction: TransactionState::Idle,
        now: "2026-11-25T12:00:00Z".parse().expect("a moment"),
        catalog: None,
        prepared: PreparedStatements::default(),
    }
}

impl Session {
    /// What is decided about each statement of a text. None of them completes.
    pub(crate) fn decisions(&self, sql: &str) -> Vec<Decision> {
        let mut scope = self.policy.scope(&self.principal);
        if let Some(catalog) = &self.catalog {
            scope = scope.with_catalog(Arc::clone(catalog));
        }
        let facts = facts(sql);
        let situation = Situation {
            search_path: &self.path,
            now: self.now,
            transaction: self.transaction,
        };
        self.prepared
            .resolve(&facts)
            .iter()
            .map(|resolved| scope.decide(resolved, facts.statements.len(), &situation))
            .collect()
    }

    /// The decision about the one statement of a text.
    pub(crate) fn decide(&self, sql: &str) -> Decision {
        let mut decisions = self.decisions(sql);
        assert_eq!(decisions.len(), 1, "{sql}");
        decisions.remove(0)
    }

    /// Runs statements that the server completes.
    pub(crate) fn run(&mut self, sql: &str) {
        for statement in &facts(sql).statements {
            self.path.completed(statement);
            self.prepared.completed(statement);
        }
    }

    pub(crate) fn allows(&self, sql: &str) {
        let decision = self.decide(sql);
        assert_eq!(decision.verdict, Verdict::Allow, "{sql}: {decision:?}");
    }

    /// Whether one is denied by a rule.
    pub(crate) fn denies(&self, sql: &str, rule: &str) {
        let decision = self.decide(sql);
        assert_eq!(decision.verdict, Verdict::Deny, "{sql}: {decision:?}");
        assert_eq!(&*decision.rule, rule, "{sql}: {decision:?}");
        assert!(decision.denial.is_some());
    }
}
