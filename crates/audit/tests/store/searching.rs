//! The index finds what reading everything finds.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use querycop_audit::{
    DecisionFields, DecisionFragment, Entry, Event, Filter, Follower, INDEX_FILE, Index, Outcome,
    Ran, Record, SegmentName, SessionFields, SessionFragment, State, StatementFragment, Store,
    StoreConfig, Via,
};
use querycop_policy::facts::{
    Action, Attributes, Columns, Effect, Kind, Name, Object, ObjectKind, Statement,
};
use tempfile::TempDir;
use uuid::Uuid;

const USERS: &[&str] = &["alice", "bob", "carol"];
const TABLES: &[&str] = &["orders", "public.orders", "hr.salaries"];
const TEXTS: &[&str] = &[
    "SELECT ? FROM Orders",
    "UPDATE salaries SET x = ?",
    "SELECT \"a\"\"b\"",
];
const RULES: &[&str] = &["default", "no-salaries", "watch"];

fn base() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

fn facts(kind: Kind, table: &str) -> Statement {
    let name = match table.split_once('.') {
        Some((schema, name)) => Name::qualified(schema, name),
        None => Name::unqualified(table),
    };
    Statement {
        kinds: vec![kind],
        effects: vec![Effect {
            action: Action::Read,
            subtype: "",
            object: Object::new(ObjectKind::Relation, name),
            columns: Columns::default(),
            attributes: Attributes::default(),
        }],
        ..Statement::default()
    }
}

fn statement(index: usize) -> StatementFragment {
    let kind = if index.is_multiple_of(2) {
        Kind::Select
    } else {
        Kind::Update
    };
    let statement = facts(kind, TABLES[index % TABLES.len()]);
    let text = TEXTS[index % TEXTS.len()];
    let fingerprint = format!("{:032x}", index % 5);
    let cursor = facts(Kind::DeclareCursor, "hr.bonuses");
    let ran = index.is_multiple_of(4).then_some(Ran {
        statement: &cursor,
        text: "DECLARE c CURSOR FOR TABLE hr.bonuses",
    });
    StatementFragment::running(&statement, text, &fingerprint, ran.as_slice())
}

/// Writes so many records of all kinds; their times are not quite in order.
fn write(directory: &Path, records: usize) {
    let mut config = StoreConfig::new(directory);
    config.segment_bytes = 128 << 10;
    let (store, _) = Store::open(config).expect("the store opens");
    let marks = [Arc::<str>::from("watch")];
    for index in 0..records {
        let session = SessionFragment::new(&SessionFields {
            session: Uuid::from_u128(index as u128 / 7),
            user: USERS[index / 7 % USERS.len()],
            database: if index.is_multiple_of(2) {
                "shop"
            } else {
                "books"
            },
            principal: (index.is_multiple_of(3)).then_some("dave@example.com"),
            client_addr: Some([10, 0, 0, u8::try_from(index % 4).expect("small")].into()),
            ..SessionFields::default()
        });
        let fragment = statement(index / 3);
        let is_denied = index.is_multiple_of(5);
        let decision = DecisionFragment::new(&DecisionFields {
            verdict: if is_denied { "deny" } else { "allow" },
            rule: RULES[index % 2],
            marks: if index.is_multiple_of(7) { &marks } else { &[] },
            risk: "low",
            policy: "00",
        });
        let late = i64::try_from(index * 13 % 40).expect("small");
        let seconds = i64::try_from(index).expect("small") - late;
        let record = Record {
            time: base() + SignedDuration::from_secs(seconds),
            session: (!index.is_multiple_of(11)).then_some(&session),
            number: 1,
            event: if index.is_multiple_of(17) {
                Event::SessionRefused {
                    sqlstate: "53300",
                    reason: "too many",
                    decision: None,
                }
            } else {
                Event::Statement {
                    via: Via::Query,
                    statement: Some(&fragment),
                    raw_text: None,
                    decision: Some(&decision),
                    outcome: if is_denied {
                        Outcome::Denied { sqlstate: "42501" }
                    } else if index.is_multiple_of(4) {
                        Outcome::Failed { sqlstate: "42P01" }
                    } else {
                        Outcome::Completed { tag: "SELECT 1" }
                    },
                    rows: 1,
                    bytes: 10,
                    duration: Duration::from_micros(5),
                }
            },
        };
        let room = store.reserve(4096).expect("room");
        let _ticket = store.append(room, &record).expect("appended");
    }
    store.close();
}

/// Every record that is asked for, newest first.
fn all(directory: &Path, filter: &Filter) -> Vec<u64> {
    let mut follower = Follower::from_start(directory);
    let mut found = Vec::new();
    loop {
        let lines = follower.read().expect("the segments can be read");
        if lines.is_empty() {
            found.reverse();
            return found;
        }
        for line in lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let entry = Entry::read(line).expect("a record");
            if filter.matches(&entry) {
                found.push(entry.sequence);
            }
        }
    }
}

fn search(index: &Index, filter: &Filter, limit: usize) -> Vec<u64> {
    let hits = index.search(filter, limit).expect("an answer");
    for hit in &hits {
        assert_eq!(
            Entry::read(&hit.line).expect("a record").sequence,
            hit.sequence
        );
    }
    hits.into_iter().map(|hit| hit.sequence).collect()
}

fn words(of: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    // Mostly nothing: filters of three things at once would find nothing.
    prop_oneof![
        4 => Just(Vec::new()),
        1 => prop::collection::vec(select(of).prop_map(str::to_owned), 1..3),
    ]
}

fn filters() -> impl Strategy<Value = Filter> {
    let time = || {
        prop::option::weighted(
            0.2,
            (0_i64..700).prop_map(|seconds| base() + SignedDuration::from_secs(seconds)),
        )
    };
    let who = (
        words(&["alice", "bob", "dave@example.com", "nobody"]),
        words(&["shop", "books"]),
        words(&["10.0.0.1", "10.0.0.9"]),
        words(&[
            "00000000-0000-0000-0000-000000000003",
            "00000000-0000-0000-0000-000000000030",
        ]),
    );
    let what = (
        words(&["statement", "session_refused", "segment_began"]),
        words(&["select", "update"]),
        words(&["orders", "public.orders", "salaries", "bonuses", "hr"]),
        words(&["00000000000000000000000000000001"]),
        words(&["orders", "SELECT", "a\"\"b", "x", "rom ord", "cursor", "%"]),
    );
    let outcome = (
        words(&["default", "watch"]),
        words(&["deny", "allow"]),
        words(&["42501", "42", "53"]),
        words(&["completed", "failed"]),
        words(&["low", "high"]),
    );
    ((time(), time()), who, what, outcome).prop_map(|(times, who, what, outcome)| Filter {
        since: times.0,
        until: times.1,
        users: who.0,
        databases: who.1,
        client_addrs: who.2,
        sessions: who.3,
        events: what.0,
        kinds: what.1,
        tables: what.2,
        fingerprints: what.3,
        texts: what.4,
        rules: outcome.0,
        verdicts: outcome.1,
        sqlstates: outcome.2,
        outcomes: outcome.3,
        risks: outcome.4,
    })
}

fn log(records: usize) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    write(directory.path(), records);
    directory
}

fn updated(directory: &Path) -> Index {
    let mut index = Index::open(directory).expect("an index");
    index
        .update(|_| {})
        .expect("the index takes in the segments");
    index
}

#[test]
fn the_index_finds_what_reading_everything_finds() {
    let directory = log(600);
    let index = updated(directory.path());
    assert_eq!(index.state, State::Missing);
    let mode = fs::metadata(directory.path().join(INDEX_FILE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(500));
    runner
        .run(&(filters(), 1_usize..50), |(filter, limit)| {
            let mut expected = all(directory.path(), &filter);
            expected.truncate(limit);
            prop_assert_eq!(search(&index, &filter, limit), expected);
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_index_takes_in_what_is_new() {
    let directory = log(100);
    let index = updated(directory.path());
    let before = index.records().unwrap();
    drop(index);
    write(directory.path(), 300);
    let index = updated(directory.path());
    assert_eq!(index.state, State::Good);
    let everything = all(directory.path(), &Filter::default());
    assert_eq!(index.records().unwrap(), everything.len() as u64);
    assert!(index.records().unwrap() > before);
    assert_eq!(
        search(&index, &Filter::default(), usize::MAX >> 1),
        everything
    );
}

#[test]
fn an_index_that_is_broken_or_of_another_log_is_made_anew() {
    let directory = log(50);
    let path = directory.path().join(INDEX_FILE);
    drop(updated(directory.path()));
    // No database.
    fs::write(&path, b"no database").unwrap();
    let index = updated(directory.path());
    assert_eq!(index.state, State::Replaced);
    assert!(index.records().unwrap() > 50);
    drop(index);
    // Of another version.
    fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    assert_eq!(updated(directory.path()).state, State::Replaced);
    // Of other segments.
    let other = log(80);
    for name in SegmentName::list(other.path()).unwrap() {
        fs::copy(name.path(other.path()), name.path(directory.path())).unwrap();
    }
    let index = updated(directory.path());
    assert_eq!(index.state, State::Replaced);
    assert_eq!(
        index.records().unwrap(),
        all(directory.path(), &Filter::default()).len() as u64
    );
}

#[test]
fn what_was_put_away_is_forgotten() {
    let directory = log(600);
    drop(updated(directory.path()));
    let names = SegmentName::list(directory.path()).unwrap();
    assert!(names.len() > 2);
    fs::remove_file(names[0].path(directory.path())).unwrap();
    let index = updated(directory.path());
    assert_eq!(index.state, State::Good);
    let left = all(directory.path(), &Filter::default());
    assert_eq!(search(&index, &Filter::default(), 10_000), left);
    assert_eq!(index.records().unwrap(), left.len() as u64);
}

#[test]
fn a_changed_segment_is_not_answered_from() {
    let directory = log(50);
    let index = updated(directory.path());
    let names = SegmentName::list(directory.path()).unwrap();
    let path = names.last().unwrap().path(directory.path());
    let text = fs::read_to_string(&path).unwrap();
    let without_third: Vec<_> = text
        .split_inclusive('\n')
        .enumerate()
        .filter(|(line, _)| *line != 2)
        .collect();
    fs::write(
        &path,
        without_third
            .into_iter()
            .map(|(_, line)| line)
            .collect::<String>(),
    )
    .unwrap();
    let message = index
        .search(&Filter::default(), 100)
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(message.contains("audit verify"), "{message}");
}
