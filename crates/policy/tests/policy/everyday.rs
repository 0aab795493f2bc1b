//! Tests that stand in files, and the examples.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use querycop_policy::Policy;

use crate::support::{facts, policy};

pub(crate) fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the folder can be read")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    files.sort();
    files
}

#[test]
fn tests_of_a_file_are_run() {
    let policy = policy(
        "
version: 1
default: deny
rules:
  - name: read
    allow: { actions: [read], tables: ['public.*'] }
  - name: small
    limit: { actions: [read] }
    to: { rows: 10 }
tests:
  - as: { user: ann }
    sql: SELECT * FROM orders
    expect: { verdict: allow, rule: read, risk: low, rows: 10 }
  - as: { user: ann }
    search_path: secret
    sql: SELECT * FROM orders
    expect: deny
  - name: wrong
    as: { user: ann }
    sql: DELETE FROM public.orders
    expect: { verdict: allow, risk: low }
",
    );
    let failures = policy.run_tests(facts);
    assert_eq!(failures.len(), 1, "{failures:#?}");
    assert_eq!(
        failures[0].to_string(),
        "18:5: wrong: expected allow, decided deny by default (No rule allows to delete from relation public.orders.); expected risk low, found high"
    );
}

#[test]
fn tests_ask_what_is_decided_once_a_file_is_enforced() {
    let observing = "
version: 1
mode: observe
default: deny
rules:
  - name: read
    allow: { actions: [read] }
  - name: closed
    deny: { tables: ['secret.*'] }
    mode: observe
  - name: small
    limit: { actions: [read] }
    to: { rows: 10 }
tests:
  - as: { user: ann }
    sql: DELETE FROM orders
    expect: { verdict: deny, rule: default }
  - as: { user: ann }
    sql: SELECT * FROM secret.x
    expect: { verdict: deny, rule: closed, marks: [closed] }
  - as: { user: ann }
    sql: SELECT * FROM orders
    expect: { verdict: allow, rows: 10 }
";
    for text in [
        observing,
        &observing.replace("mode: observe\ndefault", "default"),
    ] {
        let failures = policy(text).run_tests(facts);
        assert!(failures.is_empty(), "{failures:#?}");
    }
}

#[test]
fn the_first_file_of_the_manual_passes_its_own_test() {
    let manual = include_str!("../../../../docs/policy.md");
    let file = manual.split_once("## A first file").expect("it is there").1;
    let file = file.split_once("```yaml\n").expect("a file").1;
    let file = file.split_once("```").expect("its end").0;
    assert!(file.contains("mode: observe") && file.contains("expect: deny"));
    let failures = policy(file).run_tests(facts);
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn examples_are_right_and_pass_their_own_tests() {
    let examples = files("../../docs/examples/policy", ".yaml");
    assert!(examples.len() >= 4, "{examples:?}");
    for path in examples {
        let text = fs::read_to_string(&path).expect("readable");
        let policy = Arc::new(Policy::read(&text).unwrap_or_else(|mistakes| {
            panic!("{}:\n{mistakes}", path.display());
        }));
        assert!(policy.warnings().is_empty(), "{:?}", policy.warnings());
        assert!(policy.tests().len() >= 8, "{}", path.display());
        let failures = policy.run_tests(facts);
        assert!(failures.is_empty(), "{}:\n{failures:#?}", path.display());
    }
}
