//! Tests that stand beside the rules.

use super::principals::claim;
use super::value::{boolean_of, choice, text_of, texts_of};
use crate::decision::Verdict;
use crate::principal::{CertificateName, Principal, Tls};
use crate::risk::Risk;
use crate::search_path::SearchPath;
use crate::situation::TransactionState;
use crate::test::{Expectation, PolicyTest};
use crate::yaml::{Fields, Node, Reading, Value, advice_or};

pub(super) const KEYS: &[&str] = &[
    "name",
    "as",
    "at",
    "search_path",
    "transaction",
    "sql",
    "expect",
];

pub(super) const AS_KEYS: &[&str] = &[
    "user",
    "database",
    "groups",
    "claims",
    "certificate",
    "client_addr",
    "tls",
    "application_name",
    "backend",
];

pub(super) const EXPECT_KEYS: &[&str] = &["verdict", "rule", "risk", "marks", "rows"];

pub(super) fn read(node: Node, rules: &[&str], reading: &mut Reading) -> Vec<PolicyTest> {
    let Value::List(nodes) = node.value else {
        reading.mistake(node.place, "tests is a list: each test has as, sql, expect");
        return Vec::new();
    };
    nodes
        .into_iter()
        .filter_map(|node| read_one(node, rules, reading))
        .collect()
}

fn read_one(node: Node, rules: &[&str], reading: &mut Reading) -> Option<PolicyTest> {
    let place = node.place;
    let mut fields = Fields::of(node, "a test", KEYS, reading)?;
    let name = fields
        .take("name")
        .and_then(|(_, node)| text_of(&node, "a test's name", reading));
    let principal = fields
        .demand(
            "as",
            "a test says as whom: write `as: { user: … }`",
            reading,
        )
        .and_then(|node| principal(node, reading));
    let at = match fields.take("at") {
        Some((_, node)) => {
            let text = text_of(&node, "at", reading);
            let parsed = text.and_then(|text| text.parse::<jiff::Timestamp>().ok());
            if parsed.is_none() {
                reading.mistake(
                    node.place,
                    "at is a moment with its zone, as \"2026-11-25T12:00:00Z\"",
                );
            }
            parsed
        }
        None => None,
    };
    let search_path = fields
        .take("search_path")
        .and_then(|(_, node)| text_of(&node, "a search_path", reading));
    let transaction = fields.take("transaction").and_then(|(_, node)| {
        let words = [
            ("idle", TransactionState::Idle),
            ("open", TransactionState::Open),
            ("failed", TransactionState::Failed),
        ];
        choice(&node, &words, reading)
    });
    let sql = fields
        .demand("sql", "a test without sql", reading)
        .and_then(|node| text_of(&node, "sql", reading));
    let expected = fields
        .demand(
            "expect",
            "a test without expect: write `expect: allow` or `expect: deny`",
            reading,
        )
        .and_then(|node| expectation(node, rules, reading));
    fields.finish(reading);
    Some(PolicyTest {
        line: place.line,
        column: place.column,
        name: name.map(Into::into),
        principal: principal?,
        at,
        search_path: search_path.map(|value| SearchPath::known(&value)),
        transaction: transaction.unwrap_or_default(),
        sql: sql?.into(),
        expected: expected?,
    })
}

fn principal(node: Node, reading: &mut Reading) -> Option<Principal> {
    let mut fields = Fields::of(node, "as", AS_KEYS, reading)?;
    let text = |fields: &mut Fields, key: &'static str, reading: &mut Reading| {
        fields
            .take(key)
            .and_then(|(_, node)| text_of(&node, key, reading))
            .map(Box::<str>::from)
    };
    let mut principal = Principal {
        user: text(&mut fields, "user", reading).unwrap_or_default(),
        database: text(&mut fields, "database", reading).unwrap_or_default(),
        application_name: text(&mut fields, "application_name", reading),
        backend: text(&mut fields, "backend", reading).unwrap_or_default(),
        ..Principal::default()
    };
    if let Some((_, node)) = fields.take("groups") {
        let groups = texts_of(node, "groups", reading);
        principal.groups = groups.into_iter().map(|(_, group)| group.into()).collect();
    }
    if let Some((_, node)) = fields.take("certificate") {
        principal.certificate =
            text_of(&node, "certificate", reading).map(|name| CertificateName {
                common_name: Some(name.into()),
                alternative_names: Vec::new(),
            });
    }
    if let Some((_, node)) = fields.take("client_addr") {
        let text = text_of(&node, "client_addr", reading)?;
        principal.client_addr = text.parse().ok();
        if principal.client_addr.is_none() {
            reading.mistake(node.place, format!("{text} is no address"));
        }
    }
    if let Some((_, node)) = fields.take("tls")
        && boolean_of(&node, "tls", reading) == Some(true)
    {
        principal.tls = Tls::On;
    }
    if let Some((_, node)) = fields.take("claims") {
        claims(node, &mut principal, reading);
    }
    fields.finish(reading);
    Some(principal)
}

fn claims(node: Node, principal: &mut Principal, reading: &mut Reading) {
    let Value::Map(entries) = node.value else {
        reading.mistake(node.place, "claims is a map");
        return;
    };
    for (key, node) in entries {
        let value = match node.value {
            Value::List(items) => items
                .iter()
                .filter_map(|item| claim(item, reading))
                .collect::<Vec<_>>()
                .into(),
            Value::Null
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Map(_) => claim(&node, reading).unwrap_or_default(),
        };
        principal.claims.insert(key.name.into(), value);
    }
}

/// `allow`, `deny`, or a map.
fn expectation(node: Node, rules: &[&str], reading: &mut Reading) -> Option<Expectation> {
    let verdicts = [("allow", Verdict::Allow), ("deny", Verdict::Deny)];
    if matches!(node.value, Value::Text(_)) {
        return Some(Expectation {
            verdict: Some(choice(&node, &verdicts, reading)?),
            ..Expectation::default()
        });
    }
    let mut fields = Fields::of(node, "expect", EXPECT_KEYS, reading)?;
    let mut expected = Expectation::default();
    if let Some((_, node)) = fields.take("verdict") {
        expected.verdict = choice(&node, &verdicts, reading);
    }
    if let Some((_, node)) = fields.take("rule") {
        let name = text_of(&node, "rule", reading)?;
        let is_known = rules.contains(&name.as_str())
            || matches!(name.as_str(), "default" | "no_effects")
            || name.starts_with("floor.");
        if !is_known {
            let advice = advice_or(&name, rules.iter().copied(), "name one of this file");
            reading.mistake(node.place, format!("there is no rule {name}; {advice}"));
        }
        expected.rule = Some(name.into());
    }
    if let Some((_, node)) = fields.take("risk") {
        let risks: Vec<_> = Risk::ALL
            .iter()
            .map(|risk| (risk.as_str(), *risk))
            .collect();
        expected.risk = choice(&node, &risks, reading);
    }
    if let Some((_, node)) = fields.take("marks") {
        let marks = texts_of(node, "marks", reading);
        expected.marks = marks.into_iter().map(|(_, mark)| mark.into()).collect();
    }
    if let Some((_, node)) = fields.take("rows") {
        expected.rows = super::value::count_of(&node, "rows", reading);
    }
    fields.finish(reading);
    Some(expected)
}
