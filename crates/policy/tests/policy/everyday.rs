//! Tests that stand in a file.

use crate::support::{facts, policy};

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
