//! `querycop policy` as it is called.

mod past;
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{querycop, querycop_reading, stderr, stdout, written};

const POLICY: &str = "version: 1
default: deny
rules:
  - name: read
    allow: { actions: [read], tables: ['public.*'] }
  - name: no-salaries
    deny: { tables: ['*.salaries'] }
    hint: Ask the payroll team.
tests:
  - as: { user: ann }
    sql: SELECT * FROM orders
    expect: allow
";

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/policy");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the examples")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

#[test]
fn examples_pass_their_own_tests() {
    let files = examples();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let output = querycop(&["policy", "check", &file.display().to_string()]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stderr(&output), "", "{}", file.display());
    }
}

#[test]
fn check_reports_all_mistakes_with_their_places() {
    let (_folder, path) = written("version: 1\ndefault: dny\nrules:\n  - nam: a\n");
    let output = querycop(&["policy", "check", &path]);
    assert_eq!(output.status.code(), Some(78));
    let complaints = stderr(&output);
    for expected in [
        format!("{path}:2:10: unknown word dny; did you mean deny?"),
        format!("{path}:4:5: a rule without a name"),
        format!("{path}:4:5: unknown key nam; did you mean name?"),
        format!("querycop: 4 mistakes in {path}"),
    ] {
        assert!(complaints.contains(&expected), "{expected}\n{complaints}");
    }
    let output = querycop(&["policy", "check", "/nowhere/policy.yaml"]);
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn what_is_no_regular_file_is_a_mistake_and_not_waited_for() {
    let folder = tempfile::tempdir().expect("a directory");
    let pipe = folder.path().join("policy.yaml");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .expect("a pipe");
    for path in [pipe.to_str().expect("a path"), "/dev/zero", "/"] {
        let output = querycop(&["policy", "check", path]);
        assert_eq!(output.status.code(), Some(78), "{path}");
        assert_eq!(
            stderr(&output),
            format!("querycop: error: {path}: it isn't a regular file\n")
        );
    }
}

#[test]
fn check_fails_when_a_test_in_the_file_does() {
    let (_folder, path) = written(&POLICY.replace("expect: allow", "expect: deny"));
    let output = querycop(&["policy", "check", &path]);
    assert_eq!(output.status.code(), Some(78));
    let complaints = stderr(&output);
    assert!(
        complaints.contains(&format!(
            "{path}:10:5: SELECT * FROM orders: expected deny, decided allow by read"
        )),
        "{complaints}"
    );
    let (_folder, path) = written(POLICY);
    let output = querycop(&["policy", "check", &path]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("2 rules, 1 test passed, hash "));
}

#[test]
fn test_shows_the_rule_that_decides() {
    let (_folder, path) = written(POLICY);
    let output = querycop(&[
        "policy",
        "test",
        &path,
        "--as",
        "user=ann",
        "SELECT id FROM orders",
        "SELECT * FROM orders JOIN hr.salaries USING (id)",
    ]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    for expected in [
        "ALLOW  read  risk low  SELECT id FROM orders",
        "read  relation orders  [id]  allowed by read",
        "DENY  no-salaries  risk low  SELECT * FROM orders JOIN hr.salaries USING (id)",
        "ERROR:  denied by policy rule \"no-salaries\"",
        "DETAIL:  The statement would read relation hr.salaries.",
        "HINT:  Ask the payroll team.",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn a_terminal_gets_no_control_characters_of_the_sql() {
    let (_folder, path) = written(POLICY);
    let sql = "SELECT \"c\u{1b}[2J\" FROM \"o\u{9b}1m\nALLOW\".\"x\u{7f}\"";
    for command in ["test", "explain"] {
        let output = querycop(&["policy", command, &path, sql]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let text = stdout(&output);
        let control = |letter: char| letter.is_control() && letter != '\n';
        assert!(!text.contains(control), "{text:?}");
        for expected in ["\\u{1b}[2J", "\\u{9b}1m", "\\u{7f}"] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        assert!(
            !text.lines().any(|line| line.starts_with("ALLOW")),
            "{text}"
        );
    }
}

#[test]
fn test_reads_files_standard_input_and_exports() {
    let (folder, path) = written(POLICY);
    let sql = folder.path().join("a.sql");
    fs::write(&sql, "SELECT * FROM orders; DROP TABLE orders;").expect("written");
    let csv = folder.path().join("a.csv");
    fs::write(
        &csv,
        "calls,query\n3,SELECT $1 FROM orders\n1,TRUNCATE orders\n",
    )
    .expect("written");
    let output = querycop(&[
        "policy",
        "test",
        &path,
        "-f",
        &sql.display().to_string(),
        "--pg-stat-statements",
        &csv.display().to_string(),
        "--format",
        "json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let verdicts: Vec<_> = stdout(&output)
        .lines()
        .map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
            (
                object["kind"].as_str().unwrap_or_default().to_owned(),
                object["verdict"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    let expected = [
        ("select", "allow"),
        ("drop", "deny"),
        ("select", "allow"),
        ("truncate", "deny"),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(kind, verdict)| ((*kind).to_owned(), (*verdict).to_owned()))
        .collect();
    assert_eq!(verdicts, expected);
    let output = querycop_reading(&["policy", "test", &path], "TRUNCATE orders");
    assert!(
        stdout(&output).starts_with("DENY  default"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn explain_says_what_each_rule_says() {
    let (_folder, path) = written(POLICY);
    let output = querycop(&["policy", "explain", &path, "DELETE FROM hr.salaries"]);
    let text = stdout(&output);
    for expected in [
        "- allow  read         other actions",
        "+ deny   no-salaries  matches",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn the_schema_is_the_one_in_the_documentation() {
    let output = querycop(&["policy", "schema"]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policy.schema.json");
    let document = fs::read_to_string(path).expect("docs/policy.schema.json");
    assert_eq!(stdout(&output), document);
}

#[test]
fn wrong_arguments_are_said() {
    let output = querycop(&["policy", "test", "x.yaml", "--as", "usr=ann"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("unknown key usr; known are user"));
}
