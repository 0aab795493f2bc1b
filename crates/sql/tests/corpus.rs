//! What real tools send to PostgreSQL: all of it can be read, and what reads does nothing else.
//!
//! `tests/corpus` has one file for each program and purpose: `NAME.read.sql`, `NAME.write.sql`,
//! `NAME.other.sql`. Their heads say from which program and how they were taken.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use querycop_sql::facts::{Action, Effect, ObjectKind, Resolution, Via};
use querycop_sql::{Analysis, Analyzer, AnalyzerConfig, LexerSettings};

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
        Some("read") => Purpose::Read,
        Some("write") => Purpose::Write,
        Some("other") => Purpose::Other,
        _ => panic!("{name} doesn't say what its texts are for"),
    };
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
