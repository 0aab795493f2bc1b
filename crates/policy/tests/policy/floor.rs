//! The floor: denied under every policy, until a rule lifts it with a reason.

use querycop_policy::facts::{Action, Effect, Object, ObjectKind};
use querycop_policy::{SearchPath, Situation, TransactionState, Verdict};

use crate::support::session;

const ALLOW_ALL: &str = "
version: 1
default: allow
rules:
  - name: all
    allow: { actions: ['*'] }
";

const REACHING: &[(&str, &str)] = &[
    ("COPY t FROM PROGRAM 'curl x'", "floor.copy_program"),
    ("COPY t TO PROGRAM 'nc x'", "floor.copy_program"),
    ("COPY t FROM '/etc/passwd'", "floor.server_file"),
    ("COPY (SELECT 1) TO '/tmp/x'", "floor.server_file"),
    ("SELECT pg_read_file('/etc/passwd')", "floor.server_file"),
    ("SELECT * FROM pg_ls_dir('/')", "floor.server_file"),
    ("SELECT lo_import('/etc/passwd')", "floor.server_file"),
    ("SELECT (x).pg_read_file FROM t", "floor.server_file"),
    ("SELECT t.pg_read_file FROM t", "floor.server_file"),
    ("LOAD 'x'", "floor.load_library"),
    ("ALTER SYSTEM SET work_mem = '1GB'", "floor.alter_system"),
    (
        "DO LANGUAGE plpython3u $$ import os $$",
        "floor.untrusted_language",
    ),
    (
        "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'x'",
        "floor.untrusted_language",
    ),
    ("CREATE LANGUAGE plpython3u", "floor.untrusted_language"),
    (
        "SELECT pg_create_logical_replication_slot('a', 'b')",
        "floor.replication",
    ),
    ("CREATE PUBLICATION p FOR ALL TABLES", "floor.replication"),
    (
        "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
        "floor.replication",
    ),
    ("CREATE TABLESPACE t LOCATION '/x'", "floor.server_file"),
];

#[test]
fn what_reaches_beyond_the_database_is_denied_even_where_all_is_allowed() {
    let session = session(ALLOW_ALL);
    for (sql, article) in REACHING {
        session.denies(sql, article);
    }
    session.allows("DO $$ BEGIN NULL; END $$");
    session.allows("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    session.allows("COPY t FROM STDIN");
    session.allows("CREATE LANGUAGE plperl");
}

#[test]
fn a_hidden_call_of_what_is_not_harmless_takes_a_rule() {
    let session = session("version: 1\ndefault: allow\n");
    session.denies("SELECT (1).pg_terminate_backend", "floor.attribute_call");
    session.denies("SELECT t.query_to_xml FROM t", "floor.attribute_call");
    session.allows("SELECT t.name, (t).status FROM t");
    crate::support::session(ALLOW_ALL).allows("SELECT (1).pg_terminate_backend");
}

#[test]
fn a_rule_lifts_it_with_a_reason() {
    let lifted = format!("{ALLOW_ALL}    override_floor: {{ reason: a test }}\n");
    for (sql, _) in REACHING {
        session(&lifted).allows(sql);
    }
    let one = session(
        "
version: 1
default: allow
rules:
  - name: import
    allow: { actions: [unsafe_io], subtypes: [file], objects: ['file:/srv/import/*'] }
    override_floor: { reason: nightly import }
",
    );
    one.allows("COPY t FROM '/srv/import/a.csv'");
    one.denies("COPY t FROM '/etc/passwd'", "floor.server_file");
    one.denies(
        "SELECT pg_read_file('/srv/import/a.csv')",
        "floor.server_file",
    );
    one.denies("COPY t FROM PROGRAM 'x'", "floor.copy_program");
}

#[test]
fn a_deny_wins_over_a_rule_that_lifts_it() {
    let session = session(&format!(
        "{ALLOW_ALL}    override_floor: {{ reason: a test }}
  - name: no-programs
    deny: {{ features: [copy_program] }}
"
    ));
    session.denies("COPY t FROM PROGRAM 'x'", "no-programs");
    session.allows("COPY t FROM '/x'");
}

#[test]
fn what_comes_without_sql_has_its_articles() {
    let session = session(ALLOW_ALL);
    let scope = session.policy.scope(&session.principal);
    let path = SearchPath::unknown();
    let situation = Situation {
        search_path: &path,
        now: session.now,
        transaction: TransactionState::Idle,
    };
    let call = Effect {
        action: Action::Call,
        object: Object::hidden(ObjectKind::Function),
        ..Effect::unknown("")
    };
    let decision = scope.decide_effects(&[call], &situation);
    assert_eq!(
        (decision.verdict, &*decision.rule),
        (Verdict::Deny, "floor.function_call")
    );
    let connection = Effect {
        action: Action::Replication,
        subtype: "connection",
        object: Object::hidden(ObjectKind::Nothing),
        ..Effect::unknown("")
    };
    let decision = scope.decide_effects(&[connection], &situation);
    assert_eq!(
        (decision.verdict, &*decision.rule),
        (Verdict::Deny, "floor.replication")
    );
}
