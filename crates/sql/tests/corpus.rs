//! What real tools send to PostgreSQL: all of it can be read, and what reads does nothing else.
//!
//! `tests/corpus` has one file for each program and purpose: `NAME.read.sql`, `NAME.write.sql`,
//! `NAME.other.sql`. Their heads say from which program and how they were taken.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use querycop_policy::{Policy, Principal, SearchPath, Situation, TransactionState, Verdict};
use querycop_sql::facts::{
    Action, Effect, Facts, ObjectKind, PreparedStatements, Resolution, Resolved, Statement, Via,
};
use querycop_sql::{Analysis, Analyzer, AnalyzerConfig, LexerSettings, RedactedText};

static ANALYZER: LazyLock<Analyzer> =
    LazyLock::new(|| Analyzer::new(AnalyzerConfig::default()).expect("threads"));

/// What stands between two texts.
const SEPARATOR: &str = "\n-- @@\n";

/// What a text is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Read,
    Write,
    Other,
}

/// One text that a program sent.
struct Record {
    purpose: Purpose,
    /// The file and the number of the text in it.
    place: String,
    text: String,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn records() -> Vec<Record> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory())
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    paths.sort();
    paths.iter().flat_map(|path| records_of(path)).collect()
}

fn records_of(path: &Path) -> Vec<Record> {
    let name = path.file_name().expect("a name").to_string_lossy();
    let purpose = match name.split('.').nth(1) {
        Some("read") => Some(Purpose::Read),
        Some("write") => Some(Purpose::Write),
        Some("other") => Some(Purpose::Other),
        _ => None,
    };
    let purpose = purpose.expect("the file's name says what its texts are for");
    let content = fs::read_to_string(path).expect("text");
    let content = content.strip_suffix('\n').unwrap_or(&content);
    // The head comes before the first text.
    content
        .split(SEPARATOR)
        .enumerate()
        .skip(1)
        .map(|(number, text)| Record {
            purpose,
            place: format!("{name} {number}"),
            text: text.to_owned(),
        })
        .collect()
}

fn records_for(purpose: Purpose) -> impl Iterator<Item = Record> {
    records()
        .into_iter()
        .filter(move |record| record.purpose == purpose)
}

fn analyze(text: &str) -> Arc<Analysis> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("runtime")
        .block_on(ANALYZER.analyze(text.as_bytes(), LexerSettings::default()))
}

/// Whether an effect takes nothing but a look: what a policy for readers has to allow.
fn is_of_a_reader(effect: &Effect) -> bool {
    match effect.action {
        // READ WRITE, too: lib/pq says it at the beginning of each transaction, and it writes nothing.
        Action::Read | Action::Export | Action::Transaction | Action::Call => true,
        Action::Session => {
            // Setting what the text doesn't name could set anything.
            effect.object.kind != ObjectKind::Setting
                || effect.subtype != "set"
                || effect.object.resolution() != Resolution::Hidden
        }
        Action::Lock => effect.subtype == "access_share",
        Action::Insert
        | Action::Update
        | Action::Delete
        | Action::Load
        | Action::DdlCreate
        | Action::DdlAlter
        | Action::DdlDrop
        | Action::Truncate
        | Action::Grant
        | Action::Role
        | Action::Notify
        | Action::Maintenance
        | Action::Code
        | Action::UnsafeIo
        | Action::Replication
        | Action::Unknown => false,
    }
}

#[test]
fn everything_is_read() {
    let records = records();
    assert!(records.len() > 1_000, "only {} texts", records.len());
    for record in records {
        let analysis = analyze(&record.text);
        assert_eq!(
            analysis.facts.unreadable, None,
            "{}: {}",
            record.place, record.text
        );
    }
}

#[test]
fn reads_do_nothing_but_read() {
    for record in records_for(Purpose::Read) {
        for statement in &analyze(&record.text).facts.statements {
            for effect in &statement.effects {
                assert!(
                    is_of_a_reader(effect),
                    "{}: {effect:?} of {}",
                    record.place,
                    record.text
                );
            }
        }
    }
}

#[test]
fn operators_of_reads_are_postgresqls_own() {
    for record in records_for(Purpose::Read) {
        for statement in &analyze(&record.text).facts.statements {
            let foreign: Vec<_> = statement
                .possible_calls
                .iter()
                .filter(|call| call.via == Via::Operator)
                .collect();
            assert!(
                foreign.is_empty(),
                "{}: {foreign:?} in {}",
                record.place,
                record.text
            );
        }
    }
}

#[test]
fn writes_do_more_than_read() {
    for record in records_for(Purpose::Write) {
        let analysis = analyze(&record.text);
        let mut effects = analysis.facts.statements.iter().flat_map(|s| &s.effects);
        assert!(
            effects.any(|effect| !is_of_a_reader(effect)),
            "{}: {}",
            record.place,
            record.text
        );
    }
}

/// The shipped example for people who look at data.
const EXAMPLE: &str = include_str!("../../../docs/examples/policy/read-only-analyst.yaml");

/// What the programs were shown has tables of the same name as the example; its closed columns are
/// another matter.
fn example() -> String {
    EXAMPLE.replace("public.customers", "public.people")
}

/// What not every reader may: copy in bulk, lock as `pg_dump` does, see what other sessions do and
/// what the catalogs keep of subscriptions, user mappings and statistics; and the second schema that
/// the programs were shown.
const MORE_RULES: &str = "
  - name: copy
    allow: { actions: [export] }
  - name: lock
    allow: { actions: [lock], subtypes: [access_share] }
  - name: see
    allow:
      actions: [read]
      tables:
        - shop.*
        - activity
        - pg_catalog.pg_subscription
        - pg_catalog.pg_user_mappings
        - pg_catalog.pg_stats
  - name: become-stricter
    allow: { actions: [session], settings: [default_transaction_read_only] }
  - name: sequences
    allow: { actions: [call], functions: ['*.pg_get_sequence_data', '*.pg_sequence_last_value'] }
";

/// The example with those rules.
fn opened_example() -> String {
    let example = example();
    let (rules, tests) = example.split_once("\ntests:").expect("it has tests");
    format!("{rules}{MORE_RULES}\ntests:{tests}")
}

/// Whether all statements of a text are allowed to an analyst; else the rule that denies one.
fn judge(policy: &Arc<Policy>, facts: &Facts, prepared: &PreparedStatements) -> Option<String> {
    let principal = Principal {
        user: "analyst_ann".into(),
        database: "app".into(),
        ..Principal::default()
    };
    let path = SearchPath::known("\"$user\", public");
    let situation = Situation {
        search_path: &path,
        now: "2026-11-25T12:00:00Z".parse().expect("a moment"),
        transaction: TransactionState::Idle,
    };
    let scope = policy.scope(&principal);
    prepared
        .resolve(facts)
        .iter()
        .map(|resolved| scope.decide(resolved, facts.statements.len(), &situation))
        .find(|decision| decision.verdict == Verdict::Deny)
        .map(|decision| {
            let detail = decision
                .denial
                .as_ref()
                .and_then(|denial| denial.detail.clone());
            format!("{}: {}", decision.rule, detail.unwrap_or_default())
        })
}

/// What a policy says of each text for that purpose; what one prepares, later ones execute.
fn judge_all(policy: &str, purpose: Purpose) -> Vec<(Record, Vec<Effect>, Option<String>)> {
    let policy = Policy::read(policy).map_err(|mistakes| mistakes.to_string());
    let policy = Arc::new(policy.expect("the policy is right"));
    let mut prepared = PreparedStatements::default();
    records_for(purpose)
        .map(|record| {
            let analysis = analyze(&record.text);
            let denied = judge(&policy, &analysis.facts, &prepared);
            let resolved = prepared.resolve(&analysis.facts);
            let effects = resolved
                .iter()
                .flat_map(Resolved::effects)
                .cloned()
                .collect();
            for statement in &analysis.facts.statements {
                prepared.completed(statement);
            }
            (record, effects, denied)
        })
        .collect()
}

/// Fails with all that is in the list.
#[track_caller]
fn is_none(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} texts:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn complaint(record: &Record, denied: &str) -> String {
    let start: String = record.text.chars().take(300).collect();
    format!("{} {denied} {start}", record.place)
}

#[test]
fn reads_pass_the_example_for_readers() {
    let wrong: Vec<_> = judge_all(&opened_example(), Purpose::Read)
        .into_iter()
        .filter_map(|(record, _, denied)| Some(complaint(&record, &denied?)))
        .collect();
    is_none(&wrong);
}

#[test]
fn writes_are_denied_by_the_example_for_readers() {
    let wrong: Vec<_> = judge_all(&opened_example(), Purpose::Write)
        .into_iter()
        .filter(|(_, _, denied)| denied.is_none())
        .map(|(record, ..)| complaint(&record, "passes"))
        .collect();
    is_none(&wrong);
}

/// Whether the example means to deny an effect, or its lists don't reach that far.
fn is_beyond_the_example(effect: &Effect) -> bool {
    const NAMES: &[&str] = &[
        "default_transaction_read_only",
        "pg_get_sequence_data",
        "pg_prepared_xacts",
        "pg_sequence_last_value",
        "pg_stats",
        "pg_subscription",
        "pg_user_mappings",
    ];
    let name = &effect.object.name;
    matches!(effect.action, Action::Export | Action::Lock)
        || name.schema.as_deref() == Some("shop")
        || name.name.starts_with("pg_stat_")
        || NAMES.contains(&&*name.name)
}

#[test]
fn the_example_as_it_is_denies_no_other_reads_than_it_means_to() {
    let wrong: Vec<_> = judge_all(&example(), Purpose::Read)
        .into_iter()
        .filter(|(_, effects, _)| !effects.iter().any(is_beyond_the_example))
        .filter_map(|(record, _, denied)| Some(complaint(&record, &denied?)))
        .collect();
    is_none(&wrong);
}

/// An analyzer that remembers nothing.
static FORGETFUL: LazyLock<Analyzer> = LazyLock::new(|| {
    Analyzer::new(AnalyzerConfig {
        cache_bytes: 0,
        ..AnalyzerConfig::default()
    })
    .expect("threads")
});

fn analyze_by(analyzer: &Analyzer, text: &str) -> Arc<Analysis> {
    let text = text.as_bytes();
    if let Some(analysis) = analyzer.analyze_at_once(text, LexerSettings::default()) {
        return analysis;
    }
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("runtime")
        .block_on(analyzer.analyze(text, LexerSettings::default()))
}

/// What counts of an analysis: all but where in the text the statements stand.
fn what_counts(analysis: &Analysis) -> (Vec<Statement>, Vec<RedactedText>) {
    let statements = analysis.facts.statements.iter();
    let statements = statements.map(|statement| Statement {
        span: 0..0,
        ..Statement::clone(statement)
    });
    (statements.collect(), analysis.texts.clone())
}

/// The text with other values: each plain string and each number is another one.
fn with_other_values(text: &str) -> String {
    let mut changed = String::new();
    for (number, piece) in text.split('\'').enumerate() {
        if number > 0 {
            changed.push('\'');
        }
        if number % 2 == 1 {
            changed += "something else";
        } else {
            changed.extend(piece.chars().map(|letter| match letter {
                '1'..='9' => '5',
                other => other,
            }));
        }
    }
    changed
}

/// Texts whose values decide what they do.
const VALUES_COUNT: &[&str] = &[
    "SELECT set_config('role', 'admin', false)",
    "SELECT set_config('search_path', 'secret', false)",
    "SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = 'role'",
    "UPDATE pg_settings SET setting = 'admin' WHERE name = 'role'",
    "SELECT nextval('secret.counter')",
    "SELECT pg_notify('channel', 'x')",
    "DELETE FROM t WHERE 1 = 1",
    "DELETE FROM t WHERE 'a' = 'a'",
    "DELETE FROM t WHERE a LIKE '%'",
    "DELETE FROM t WHERE 'true'",
    "DELETE FROM t WHERE a IN (1, 2) OR 2 = 2",
    "DELETE FROM t WHERE NOT 0::boolean",
    "SELECT a FROM t LIMIT 5",
    "SELECT lo_open(16, 131072)",
    "SELECT lo_open(16, 262144)",
    "FETCH 0 FROM c",
];

#[test]
fn an_analysis_does_not_depend_on_what_was_read_before() {
    let of_corpus = records().into_iter().map(|record| record.text);
    let texts: Vec<String> = VALUES_COUNT
        .iter()
        .map(|text| (*text).to_owned())
        .chain(of_corpus)
        .collect();
    let analyzer = Analyzer::new(AnalyzerConfig::default()).expect("threads");
    // First the texts with other values, then as they are, then those again.
    for round in 0..3 {
        for text in &texts {
            let text = if round == 1 {
                text.clone()
            } else {
                with_other_values(text)
            };
            assert_eq!(
                what_counts(&analyze_by(&analyzer, &text)),
                what_counts(&analyze_by(&FORGETFUL, &text)),
                "{text}"
            );
        }
    }
}
