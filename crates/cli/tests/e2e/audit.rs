//! `querycop audit` as a shell meets it, over a log that the store wrote.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use querycop_audit::{
    DecisionFields, DecisionFragment, Event, Outcome, Record, SessionFields, SessionFragment,
    SigningKey, StatementFragment, Store, StoreConfig, Via,
};
use querycop_policy::facts::{
    Action, Attributes, Columns, Effect, Kind, Name, Object, ObjectKind, Statement,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::setup::{Running, querycop, temporary_directory};

/// A directory with a key and a log.
struct Log {
    directory: TempDir,
}

impl Log {
    /// A log of statements of alice and bob; those of bob are denied.
    fn new() -> Self {
        let log = Self {
            directory: temporary_directory(),
        };
        let output = log.run(&["keygen", "--private", "key.pem", "--public", "public.pem"]);
        assert!(output.status.success(), "{output:?}");
        let store = log.open();
        for number in 0..20 {
            append(&store, number);
        }
        store.close();
        log
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("audit")
    }

    fn open(&self) -> Arc<Store> {
        let mut config = StoreConfig::new(self.path());
        let key = SigningKey::read(&self.directory.path().join("key.pem"));
        config.signing_key = Some(key.expect("keygen wrote it"));
        Store::open(config).expect("the store opens").0
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(querycop());
        command
            .arg("audit")
            .args(words)
            .current_dir(self.directory.path())
            .env_clear()
            .env("GATEKEEPER_AUDIT_DIR", self.path());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("the binary runs")
    }

    /// What a command prints, which succeeds.
    fn prints(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// The sequences of the lines that a command prints as JSON.
    fn sequences(&self, words: &[&str]) -> Vec<u64> {
        let text = self.prints(&[words, &["--format", "json"]].concat());
        text.lines().map(sequence).collect()
    }
}

fn sequence(line: &str) -> u64 {
    let line: Value = serde_json::from_str(line).expect("a line of the log");
    line["sequence"].as_u64().expect("a number")
}

fn append(store: &Store, number: u64) {
    let user = if number.is_multiple_of(2) {
        "alice"
    } else {
        "bob"
    };
    let session = SessionFragment::new(&SessionFields {
        user,
        database: "shop",
        ..SessionFields::default()
    });
    let facts = Statement {
        kinds: vec![Kind::Select],
        effects: vec![Effect {
            action: Action::Read,
            subtype: "",
            object: Object::new(ObjectKind::Relation, Name::qualified("hr", "salaries")),
            columns: Columns::default(),
            attributes: Attributes::default(),
        }],
        ..Statement::default()
    };
    let text = format!("SELECT \"a\u{1b}b\" FROM hr.salaries WHERE c{number}, = ?");
    let statement = StatementFragment::new(&facts, &text, "00aa");
    let is_denied = user == "bob";
    let decision = DecisionFragment::new(&DecisionFields {
        verdict: if is_denied { "deny" } else { "allow" },
        rule: if is_denied { "no-salaries" } else { "default" },
        marks: &[],
        risk: "low",
        policy: "00",
    });
    let record = Record {
        time: jiff::Timestamp::now(),
        session: Some(&session),
        number,
        event: Event::Statement {
            via: Via::Query,
            statement: Some(&statement),
            raw_text: None,
            decision: Some(&decision),
            outcome: if is_denied {
                Outcome::Denied { sqlstate: "42501" }
            } else {
                Outcome::Completed { tag: "SELECT 1" }
            },
            rows: 1,
            bytes: 10,
            duration: Duration::from_micros(1500),
        },
    };
    let room = store.reserve(4096).expect("room");
    let _ticket = store.append(room, &record).expect("appended");
}

#[test]
fn a_word_that_no_record_can_have_is_a_mistake_and_no_empty_answer() {
    let log = Log::new();
    for words in [
        ["search", "--kind", "selct"],
        ["search", "--outcome", "complete"],
        ["search", "--risk", "hi"],
    ] {
        let output = log.run(&words);
        assert_eq!(output.status.code(), Some(64), "{words:?}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(words[2]), "{said}");
    }
}

#[test]
fn records_are_searched_and_shown() {
    let log = Log::new();
    // The first record is the segment's, the last a checkpoint.
    let denied: Vec<u64> = (2..=21).filter(|one| one % 2 == 1).rev().collect();
    for filter in [
        &["search", "--decision", "deny"][..],
        &[
            "search", "--user", "bob", "--table", "salaries", "--since", "1h",
        ],
        &["search", "--rule", "no-salaries", "--sqlstate", "42"],
    ] {
        assert_eq!(log.sequences(filter), denied, "{filter:?}");
    }
    assert_eq!(log.sequences(&["search", "--text", "C7,"]), [9]);
    assert_eq!(log.sequences(&["search", "--limit", "2"]), [22, 21]);
    assert!(log.sequences(&["search", "--until", "1h"]).is_empty());
    assert_eq!(log.sequences(&["tail", "-n", "3"]), [20, 21, 22]);
    assert_eq!(log.sequences(&["tail", "-n", "1", "--user", "alice"]), [20]);
    assert_eq!(log.sequences(&["export", "--user", "bob"]).len(), 10);
    // What a client wrote can't reach the terminal's controls.
    let table = log.prints(&["search", "--user", "bob", "--limit", "1"]);
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("time "), "{table}");
    assert!(
        lines[1].contains("denied") && lines[1].contains("1.500"),
        "{table}"
    );
    assert!(lines[1].contains(r#"SELECT "a\u{1b}b" FROM"#), "{table}");
    let csv = log.prints(&["export", "--format", "csv", "--text", "c0,"]);
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("sequence,time,event,"), "{csv}");
    assert!(lines[1].contains(r#""SELECT ""a"#), "{csv}");
}

#[test]
fn the_index_is_made_when_it_is_needed() {
    let log = Log::new();
    let printed = log.prints(&["index"]);
    assert!(
        printed.ends_with("22 records, 22 of them new\n"),
        "{printed}"
    );
    let index = log.path().join("index.sqlite");
    fs::write(&index, "no database").expect("writable");
    let output = log.run(&["search", "--limit", "1", "--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("made anew"));
    let printed = log.prints(&["index", "--rebuild"]);
    assert!(printed.contains("22 of them new"), "{printed}");
    let elsewhere = log.directory.path().join("elsewhere.sqlite");
    let words = ["search", "--index", &elsewhere.to_string_lossy()];
    assert_eq!(log.sequences(&words).len(), 22);
}

#[test]
fn a_change_is_named_and_is_status_1() {
    let log = Log::new();
    let checkpoints = log.path().join("checkpoints.jsonl");
    let kept = log.directory.path().join("kept.jsonl");
    fs::copy(&checkpoints, &kept).expect("the checkpoints can be copied");
    let words = [
        "verify",
        "--public-key",
        "public.pem",
        "--checkpoints",
        "kept.jsonl",
    ];
    let printed = log.prints(&words);
    assert!(printed.contains("signed: up to record 21"), "{printed}");
    assert!(printed.contains("given:  1 of 1"), "{printed}");
    assert!(printed.ends_with("The log is sound.\n"), "{printed}");
    // Without a key, it says what that leaves open.
    assert!(log.prints(&["verify"]).contains("not proved: No signature"));

    let segment = log.path().join("audit-00000000000000000001.jsonl");
    let text = fs::read_to_string(&segment).expect("readable");
    fs::write(&segment, text.replacen("bob", "eve", 1)).expect("writable");
    let output = log.run(&words);
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&output.stdout);
    let finding = "wrong:  audit-00000000000000000001.jsonl, line 3: record 3 was changed\n";
    assert!(printed.contains(finding), "{printed}");
    let output = log.run(&["verify", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["ok"], false);
    assert_eq!(report["findings"][0]["line"], 3);

    // Cut back before the checkpoint.
    let lines: Vec<_> = text.split_inclusive('\n').take(10).collect();
    fs::write(&segment, lines.concat()).expect("writable");
    let output = log.run(&words);
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("the log was cut back"), "{printed}");
}

#[test]
fn mistakes_are_told_apart_from_findings() {
    let log = Log::new();
    let nowhere = Command::new(querycop())
        .args(["audit", "verify"])
        .env_clear()
        .output();
    assert_eq!(nowhere.expect("the binary runs").status.code(), Some(64));
    let missing = log.run(&["verify", "--audit-dir", "missing"]);
    assert_eq!(missing.status.code(), Some(71));
    let no_key = log.run(&["verify", "--public-key", "key.pem"]);
    assert_eq!(no_key.status.code(), Some(78), "{no_key:?}");
    let again = log.run(&["keygen", "--private", "key.pem"]);
    assert_eq!(again.status.code(), Some(78));
    assert_eq!(
        log.run(&["search", "--since", "yesterday"]).status.code(),
        Some(64)
    );
}

#[test]
fn tail_follows_the_log() {
    let log = Log::new();
    let child = log
        .command(&["tail", "-f", "-n", "1", "--format", "json"])
        .stdout(Stdio::piped())
        .spawn();
    let mut child = Running(child.expect("the binary runs"));
    let output = child.0.stdout.take().expect("piped");
    let mut lines = BufReader::new(output).lines();
    let mut next = || sequence(&lines.next().expect("a line").expect("UTF-8"));
    assert_eq!(next(), 22);
    let store = log.open();
    append(&store, 0);
    assert_eq!(next(), 23);
    store.close();
    assert_eq!(next(), 24);
}

#[test]
fn a_reader_may_leave() {
    let log = Log::new();
    let words = format!(
        "{} audit export --audit-dir {} | head -n 1",
        querycop().display(),
        Path::new("audit").display()
    );
    let output = Command::new("sh")
        .args(["-c", &words])
        .current_dir(log.directory.path())
        .output()
        .expect("sh runs");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
