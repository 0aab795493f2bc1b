//! `replay` and `learn` over a store that was written as the gateway writes it.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use querycop_audit::{
    Event, Outcome, Record, SessionFields, SessionFragment, StatementFragment, Store, StoreConfig,
    Via,
};
use querycop_sql::{Analyzer, AnalyzerConfig, LexerSettings};

use crate::support::{querycop, stderr, stdout, written};

/// Writes what two roles ran, without a policy.
fn write(directory: &Path) {
    let (store, _) = Store::open(StoreConfig::new(directory)).expect("the store opens");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let analyzer = Analyzer::new(AnalyzerConfig::default()).expect("threads");
    let past = [
        ("app", "SELECT id, total FROM orders WHERE id = 5", true),
        ("app", "SELECT id, total FROM orders WHERE id = 6", true),
        ("app", "UPDATE app.carts SET n = 1 WHERE id = 2", true),
        ("app", "SELECT lower(name), app.score(1) FROM orders", true),
        ("app", "SET application_name = 'x'", true),
        ("app", "SET work_mem = '64MB'", true),
        ("app", "DROP TABLE orders", false),
        ("ann", "SELECT relname FROM pg_class", true),
        ("ann", "COPY orders FROM PROGRAM 'x'", true),
        ("ann\nrules: []\u{1b}", "COPY orders TO PROGRAM 'x'", true),
        ("ann", "BEGIN", true),
    ];
    for (number, (user, sql, completed)) in (1..).zip(past) {
        let analysis = runtime.block_on(analyzer.analyze(sql.as_bytes(), LexerSettings::default()));
        let text = &analysis.texts[0];
        let statement = StatementFragment::new(
            &analysis.facts.statements[0],
            &text.text,
            &text.fingerprint.to_string(),
        );
        let session = SessionFragment::new(&SessionFields {
            session: uuid::Uuid::from_u128(7),
            user,
            database: "shop",
            principal: None,
            client_addr: Some("10.1.2.3".parse().expect("an address")),
            client_port: None,
            tls: None,
            application_name: None,
            backend: "db:5432",
            backend_role: None,
            version: "0",
        });
        let outcome = if completed {
            Outcome::Completed { tag: "X" }
        } else {
            Outcome::Failed { sqlstate: "42501" }
        };
        let record = Record {
            time: Timestamp::from_second(1_780_000_000 + number).expect("a moment"),
            session: Some(&session),
            number: number.unsigned_abs(),
            event: Event::Statement {
                via: Via::Query,
                statement: Some(&statement),
                raw_text: None,
                decision: None,
                outcome,
                rows: 1,
                bytes: 1,
                duration: Duration::from_millis(1),
            },
        };
        let room = Record::room(Some(&session), Some(&statement), None);
        let reservation = store.reserve(room).expect("room");
        // Closing the store settles it.
        let _ticket = store.append(reservation, &record).expect("written");
    }
    store.close();
}

fn audited() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a directory");
    let directory = folder.path().join("audit");
    write(&directory);
    let shown = directory.display().to_string();
    (folder, shown)
}

#[test]
fn replay_shows_what_would_be_decided_otherwise() {
    let (_store, directory) = audited();
    let (_folder, policy) = written(
        "version: 1
default: deny
search_path: public
principals:
  analysts: { groups: [analysts] }
rules:
  - name: read
    allow: { actions: [read], tables: ['public.*', catalog] }
  - name: functions
    allow: { actions: [call], functions: [builtin] }
  - name: analysts-begin
    for: analysts
    allow: { actions: [transaction] }
",
    );
    let output = querycop(&["policy", "replay", &policy, "--audit", &directory]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for expected in [
        "DENY  default  was allow  1 times  app@shop  update app.carts set n = ? where id = ?",
        "DENY  floor.copy_program  was allow  1 times  ann@shop  copy orders from program ?",
        "DENY  default  was allow  1 times  ann@shop  begin",
        "DENY  floor.copy_program  was allow  1 times  ann\\nrules: []\\u{1b}@shop",
        "11 statements, 8 would be decided otherwise",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(!text.contains("select id, total"), "{text}");

    let output = querycop(&[
        "policy",
        "replay",
        &policy,
        "--audit",
        &directory,
        "--user",
        "ann",
        "--as",
        "group=analysts",
        "--format",
        "json",
    ]);
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("floor.copy_program"), "{text}");
}

#[test]
fn what_is_learned_allows_what_was_run_and_no_more() {
    let (_store, directory) = audited();
    let output = querycop(&["policy", "learn", "--audit", &directory]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let proposal = stdout(&output);
    assert!(
        proposal.contains("# Never proposed: ann: unsafe_io program"),
        "{proposal}"
    );
    assert!(!proposal.contains("\nrules: []"), "{proposal}");
    let (_folder, policy) = written(&proposal.replace("mode: observe", "mode: enforce"));
    let output = querycop(&["policy", "check", &policy]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}\n{proposal}",
        stderr(&output)
    );
    let output = querycop(&["policy", "replay", &policy, "--audit", &directory]);
    let text = stdout(&output);
    // What failed was no example, and the floor is never lifted.
    assert!(text.contains("drop table orders"), "{text}\n{proposal}");
    assert!(text.contains("floor.copy_program"), "{text}");
    assert!(
        text.contains("11 statements, 3 would be"),
        "{text}\n{proposal}"
    );
    let output = querycop(&[
        "policy",
        "test",
        &policy,
        "--as",
        "user=ann",
        "SELECT * FROM app.carts",
        "UPDATE app.carts SET n = 1",
    ]);
    assert_eq!(
        stdout(&output).matches("DENY  default").count(),
        2,
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_store_that_is_not_there_has_no_past() {
    let output = querycop(&["policy", "learn", "--audit", "/nowhere/at/all"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stderr(&output).contains("/nowhere/at/all"));
}
