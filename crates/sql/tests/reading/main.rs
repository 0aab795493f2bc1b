//! What SQL text is read as.

mod acceptance;
mod bypasses;
mod corpus;
mod effects;
mod features;
mod hostile;
mod prepared;
mod settings;

use std::sync::{Arc, LazyLock};

use querycop_sql::facts::{Certainty, Effect, Execution, Feature, Filter, Kind, Statement};
use querycop_sql::{Analysis, Analyzer, AnalyzerConfig, LexerSettings};

static ANALYZER: LazyLock<Analyzer> =
    LazyLock::new(|| Analyzer::new(AnalyzerConfig::default()).expect("threads"));

/// Analyzes bytes under settings.
fn analyze_with(text: &[u8], settings: LexerSettings) -> Arc<Analysis> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("runtime")
        .block_on(ANALYZER.analyze(text, settings))
}

/// Analyzes a text on the runtime of the test.
async fn analyze_here(text: &str) -> Arc<Analysis> {
    ANALYZER
        .analyze(text.as_bytes(), LexerSettings::default())
        .await
}

fn analyze(text: &str) -> Arc<Analysis> {
    analyze_with(text.as_bytes(), LexerSettings::default())
}

/// The only statement of a text.
fn statement(text: &str) -> Arc<Statement> {
    let analysis = analyze(text);
    assert_eq!(analysis.facts.unreadable, None, "{text}");
    assert_eq!(analysis.facts.statements.len(), 1, "{text}");
    Arc::clone(&analysis.facts.statements[0])
}

/// An effect in one line: action, subtype, kind, name, columns, and what isn't usual.
fn line(effect: &Effect) -> String {
    let mut line = effect.action.to_string();
    if !effect.subtype.is_empty() {
        line.push(':');
        line += effect.subtype;
    }
    line.push(' ');
    line += &effect.object.kind.to_string();
    let name = effect.object.name.to_string();
    if !name.is_empty() {
        line.push(' ');
        line += &name;
    }
    if effect.columns.all {
        line += " *";
    }
    if !effect.columns.named.is_empty() {
        line += " (";
        line += &effect.columns.named.join(",");
        line.push(')');
    }
    line += match effect.attributes.filter {
        Filter::NotApplicable | Filter::Given => "",
        Filter::Missing => " all rows",
        Filter::AlwaysTrue => " every row",
    };
    line += match effect.attributes.execution {
        Execution::Now => "",
        Execution::Planned => " planned",
        Execution::Stored => " stored",
    };
    line += match effect.attributes.certainty {
        Certainty::Certain => "",
        Certainty::Possible => " possibly",
    };
    if effect.attributes.returning {
        line += " returning";
    }
    line
}

fn effects(text: &str) -> Vec<String> {
    statement(text).effects.iter().map(line).collect()
}

/// Asserts that these effects are there, among others.
#[track_caller]
fn has_effects(text: &str, expected: &[&str]) {
    let found = effects(text);
    for effect in expected {
        assert!(
            found.iter().any(|line| line == effect),
            "{text}\nlacks {effect:?} in {found:#?}"
        );
    }
}

/// Asserts that these are all effects.
#[track_caller]
fn has_only_effects(text: &str, expected: &[&str]) {
    let mut found = effects(text);
    let mut expected: Vec<_> = expected.iter().map(|line| (*line).to_owned()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{text}");
}

#[track_caller]
fn has_feature(feature: Feature, texts: &[&str]) {
    for text in texts {
        let analysis = analyze(text);
        assert_eq!(analysis.facts.unreadable, None, "{text}");
        assert!(
            analysis.facts.statements.iter().any(|s| s.has(feature)),
            "{text} lacks {feature}"
        );
    }
}

#[track_caller]
fn lacks_feature(feature: Feature, texts: &[&str]) {
    for text in texts {
        let analysis = analyze(text);
        assert_eq!(analysis.facts.unreadable, None, "{text}");
        assert!(
            !analysis.facts.statements.iter().any(|s| s.has(feature)),
            "{text} has {feature}"
        );
    }
}

#[track_caller]
fn is_of_kind(text: &str, kind: Kind) {
    assert_eq!(statement(text).kind(), kind, "{text}");
}
