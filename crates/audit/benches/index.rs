//! How long it takes to index many statements, and to search them; and to verify them.
//!
//! `QUERYCOP_BENCH_RECORDS` says how many; a hundred thousand by default, because millions take
//! minutes and gigabytes. `QUERYCOP_BENCH_DIR` is where they go.

#![expect(
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "it is the point of a benchmark to look at the clock and to tell"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use querycop_audit::{
    DecisionFields, DecisionFragment, Event, Filter, Index, Outcome, Record, SessionFields,
    SessionFragment, StatementFragment, Store, StoreConfig, VerifyConfig, Via, verify,
};
use querycop_policy::facts::{
    Action, Attributes, Columns, Effect, Kind, Name, Object, ObjectKind, Statement,
};
use uuid::Uuid;

const TABLES: u64 = 200;
const STATEMENTS: u64 = 2_000;
const USERS: u64 = 100;
const ADDRESSES: u64 = 20;

fn statement(index: u64) -> StatementFragment {
    let table = format!("table_{}", index % TABLES);
    let effect = Effect {
        action: Action::Read,
        subtype: "",
        object: Object::new(ObjectKind::Relation, Name::qualified("public", &table)),
        columns: Columns::default(),
        attributes: Attributes::default(),
    };
    let statement = Statement {
        kinds: vec![if index.is_multiple_of(4) {
            Kind::Update
        } else {
            Kind::Select
        }],
        effects: vec![effect],
        ..Statement::default()
    };
    let text = format!(
        "SELECT column_{index}, name, total FROM public.{table} WHERE id = ? AND state IN (?, ...)"
    );
    StatementFragment::new(&statement, &text, &format!("{index:032x}"))
}

fn sessions(from: u64) -> Vec<SessionFragment> {
    let session = |index: u64| {
        SessionFragment::new(&SessionFields {
            session: Uuid::from_u64_pair(1, index),
            user: &format!("role_{}", index % USERS),
            database: if index.is_multiple_of(3) {
                "shop"
            } else {
                "books"
            },
            client_addr: Some(
                [
                    10,
                    0,
                    0,
                    u8::try_from(index % ADDRESSES).unwrap_or_default(),
                ]
                .into(),
            ),
            client_port: Some(50_000),
            tls: Some("TLSv1.3"),
            application_name: Some("service"),
            backend: "db.internal:5432",
            version: "0.1.0",
            ..SessionFields::default()
        })
    };
    (from..from + 200).map(session).collect()
}

/// A cheap mixture of numbers.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number ^ (number >> 29)
}

fn write(directory: &Path, count: u64) {
    let (store, _) = Store::open(StoreConfig::new(directory)).expect("the store opens");
    let statements: Vec<_> = (0..STATEMENTS).map(statement).collect();
    let mut live = sessions(0);
    let decision = |verdict, rule| {
        DecisionFragment::new(&DecisionFields {
            verdict,
            rule,
            marks: &[],
            risk: "low",
            policy: "0011223344556677",
        })
    };
    let (allowed, denied) = (decision("allow", "default"), decision("deny", "no-writes"));
    let start = Timestamp::now() - SignedDuration::from_hours(240);
    for number in 0..count {
        if number % 20_000 == 19_999 {
            live = sessions(number);
        }
        let random = mixed(number);
        // Most statements are of a few kinds.
        let which = (random % STATEMENTS).min((random >> 20) % STATEMENTS);
        let statement = &statements[usize::try_from(which).unwrap_or_default()];
        let session = &live[usize::try_from((random >> 40) % 200).unwrap_or_default()];
        let is_denied = random.is_multiple_of(1_000);
        let record = Record {
            time: start + SignedDuration::from_micros(i64::try_from(number * 80).unwrap_or(0)),
            session: Some(session),
            number,
            event: Event::Statement {
                via: Via::Execute,
                statement: Some(statement),
                raw_text: None,
                decision: Some(if is_denied { &denied } else { &allowed }),
                outcome: if is_denied {
                    Outcome::Denied { sqlstate: "42501" }
                } else {
                    Outcome::Completed { tag: "SELECT 1" }
                },
                rows: 1,
                bytes: 120,
                duration: Duration::from_micros(random % 5_000),
            },
        };
        let room = Record::room(Some(session), Some(statement), None);
        let reservation = store.reserve(room).expect("room");
        let _ticket = store.append(reservation, &record).expect("appended");
    }
    store.close();
}

/// The most memory that this process ever had, in MiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let clock = Instant::now();
    let result = run();
    println!(
        "{what:<44} {:>9.1} ms",
        clock.elapsed().as_secs_f64() * 1000.0
    );
    result
}

fn size(directory: &Path, suffix: &str) -> u64 {
    let entries = std::fs::read_dir(directory).expect("the directory can be read");
    let files = entries.filter_map(Result::ok);
    let files = files.filter(|file| file.file_name().to_string_lossy().ends_with(suffix));
    files
        .filter_map(|file| file.metadata().ok())
        .map(|file| file.len() >> 20)
        .sum()
}

fn one(word: &str) -> Vec<String> {
    vec![word.to_owned()]
}

/// What is searched for in all the log.
fn filters() -> Vec<(&'static str, Filter)> {
    vec![
        ("everything", Filter::default()),
        (
            "a user",
            Filter {
                users: one("role_42"),
                ..Filter::default()
            },
        ),
        (
            "denied",
            Filter {
                verdicts: one("deny"),
                ..Filter::default()
            },
        ),
        (
            "denied, a user, a table",
            Filter {
                verdicts: one("deny"),
                users: one("role_7"),
                tables: one("table_3"),
                ..Filter::default()
            },
        ),
        (
            "text, rare",
            Filter {
                texts: one("column_1999,"),
                ..Filter::default()
            },
        ),
        (
            "text, common",
            Filter {
                texts: one("select"),
                ..Filter::default()
            },
        ),
        (
            "text of two characters",
            Filter {
                texts: one("99"),
                ..Filter::default()
            },
        ),
    ]
}

/// What is searched for in a part of the log.
fn narrow_filters() -> Vec<(&'static str, Filter)> {
    let since = Some(Timestamp::now() - SignedDuration::from_hours(239));
    vec![
        (
            "a table, a minute of the past",
            Filter {
                tables: one("public.table_9"),
                since,
                until: since.map(|since| since + SignedDuration::from_mins(1)),
                ..Filter::default()
            },
        ),
        (
            "a user before an old time",
            Filter {
                users: one("role_9"),
                until: Some(Timestamp::now() - SignedDuration::from_mins(240 * 60 - 1)),
                ..Filter::default()
            },
        ),
        (
            "a session",
            Filter {
                sessions: one(&Uuid::from_u64_pair(1, 7).to_string()),
                ..Filter::default()
            },
        ),
        (
            "a SQLSTATE's class",
            Filter {
                sqlstates: one("42"),
                ..Filter::default()
            },
        ),
        (
            "nothing there",
            Filter {
                databases: one("nowhere"),
                ..Filter::default()
            },
        ),
    ]
}

fn main() {
    let count = std::env::var("QUERYCOP_BENCH_RECORDS").ok();
    let count = count
        .and_then(|count| count.parse().ok())
        .unwrap_or(100_000);
    let parent =
        std::env::var_os("QUERYCOP_BENCH_DIR").unwrap_or_else(|| std::env::temp_dir().into());
    let directory = tempfile::tempdir_in(parent).expect("a directory");
    let path = directory.path();
    println!("{count} records");
    timed("append", || write(path, count));
    println!(
        "segments: {} MiB; peak memory {} MiB",
        size(path, ".jsonl"),
        peak_memory()
    );
    let mut index = Index::open(path).expect("an index");
    timed("index", || index.update(|_| {}).expect("indexed"));
    println!(
        "index: {} MiB; peak memory {} MiB",
        size(path, ".sqlite"),
        peak_memory()
    );
    for (what, filter) in filters().into_iter().chain(narrow_filters()) {
        let hits = timed(what, || index.search(&filter, 100).expect("an answer"));
        println!("    {} hits", hits.len());
    }
    timed("verify", || {
        let config = VerifyConfig {
            directory: path.to_path_buf(),
            ..VerifyConfig::default()
        };
        assert!(verify(&config).expect("readable").is_sound());
    });
    println!("peak memory {} MiB", peak_memory());
}
