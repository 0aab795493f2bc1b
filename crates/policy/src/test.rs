//! Tests of a policy that stand in its file.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::decision::{Decision, Verdict};
use crate::facts::Facts;
use crate::policy::Policy;
use crate::principal::Principal;
use crate::rehearsal::Rehearsal;
use crate::risk::Risk;
use crate::search_path::SearchPath;
use crate::situation::{Situation, TransactionState};

/// A test that stands in a policy file.
#[derive(Clone, Debug)]
pub struct PolicyTest {
    /// Where it begins: the line, from 1.
    pub line: usize,
    /// Where it begins: the column, from 1.
    pub column: usize,
    /// Its name, if it has one.
    pub name: Option<Box<str>>,
    /// As whom its statements run.
    pub principal: Principal,
    /// When; some fixed moment, if it doesn't matter.
    pub at: Option<Timestamp>,
    /// Under which path; the policy's default without it.
    pub search_path: Option<SearchPath>,
    /// In which state of the transaction.
    pub transaction: TransactionState,
    /// One statement or several.
    pub sql: Box<str>,
    /// What is to be decided about them.
    pub expected: Expectation,
}

/// What a test expects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// Of several statements, one denied is enough.
    pub verdict: Option<Verdict>,
    /// The rule that decides.
    pub rule: Option<Box<str>>,
    /// The highest risk.
    pub risk: Option<Risk>,
    /// Marks that have to be among those of the statements.
    pub marks: Vec<Box<str>>,
    /// The least limit on rows.
    pub rows: Option<u64>,
}

/// A test that did not find what it expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestFailure {
    /// The test's line.
    pub line: usize,
    /// The test's column.
    pub column: usize,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for TestFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl Policy {
    /// Runs the tests of the file, which ask what is decided once it is enforced. `read` makes facts of a text, as `querycop-sql` does.
    pub fn run_tests(self: &Arc<Self>, read: impl Fn(&str) -> Facts) -> Vec<TestFailure> {
        self.tests()
            .iter()
            .filter_map(|test| {
                let message = test.run(self, &read)?;
                Some(TestFailure {
                    line: test.line,
                    column: test.column,
                    message,
                })
            })
            .collect()
    }
}

impl PolicyTest {
    fn run(&self, policy: &Arc<Policy>, read: &impl Fn(&str) -> Facts) -> Option<String> {
        let facts = read(&self.sql);
        let scope = policy.scope(&self.principal).as_if_enforced();
        let mut session = Rehearsal::new(
            self.search_path
                .clone()
                .unwrap_or_else(|| policy.default_search_path()),
        );
        let count = facts.statements.len();
        let mut decisions = Vec::with_capacity(count);
        for statement in &facts.statements {
            let resolved = session.resolve(statement);
            let situation = Situation {
                search_path: session.search_path(),
                now: self.at.unwrap_or(Timestamp::UNIX_EPOCH),
                transaction: self.transaction,
            };
            decisions.push(scope.decide(&resolved, count, &situation));
            session.completed(statement);
        }
        if decisions.is_empty() {
            return Some("the sql has no statement".to_owned());
        }
        let wrong = self.expected.compare(&decisions);
        (!wrong.is_empty()).then(|| {
            let what = self.name.as_deref().unwrap_or(&self.sql);
            format!("{}: {}", what.trim(), wrong.join("; "))
        })
    }
}

impl Expectation {
    fn compare(&self, decisions: &[Decision]) -> Vec<String> {
        let worst = decisions.iter().max_by_key(|decision| decision.verdict);
        let Some(worst) = decisions
            .iter()
            .find(|decision| Some(decision.verdict) == worst.map(|worst| worst.verdict))
        else {
            return Vec::new();
        };
        let mut wrong = Vec::new();
        if let Some(verdict) = self.verdict
            && verdict != worst.verdict
        {
            let detail = worst
                .denial
                .as_ref()
                .and_then(|denial| denial.detail.as_deref())
                .map(|detail| format!(" ({detail})"))
                .unwrap_or_default();
            wrong.push(format!(
                "expected {}, decided {} by {}{detail}",
                verdict.as_str(),
                worst.verdict.as_str(),
                worst.rule
            ));
        }
        if let Some(rule) = &self.rule
            && **rule != *worst.rule
        {
            wrong.push(format!("expected rule {rule}, decided by {}", worst.rule));
        }
        let risk = decisions.iter().map(|decision| decision.risk).max();
        if let (Some(expected), Some(risk)) = (self.risk, risk)
            && expected != risk
        {
            wrong.push(format!("expected risk {expected}, found {risk}"));
        }
        for mark in &self.marks {
            let is_there = decisions
                .iter()
                .flat_map(|decision| &decision.marks)
                .any(|found| **found == **mark);
            if !is_there {
                wrong.push(format!("expected the mark {mark}"));
            }
        }
        if let Some(rows) = self.rows {
            let limits = decisions
                .iter()
                .filter_map(|decision| decision.limits.rows.as_ref());
            let least = limits.map(|limit| limit.max).min();
            if least != Some(rows) {
                let found = least.map_or("none".to_owned(), |least| least.to_string());
                wrong.push(format!("expected a limit of {rows} rows, found {found}"));
            }
        }
        wrong
    }
}
