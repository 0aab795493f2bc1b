//! Whom rules are for, when, and what they ask of a statement as a whole.

use querycop_policy::{AuditText, Reuse, Risk, TransactionState, Verdict};

use crate::support::session;

#[test]
fn rules_are_for_whom_they_name() {
    let mut session = session(
        "
version: 1
default: deny
principals:
  analysts: { groups: ['analysts@*'], networks: [10.0.0.0/8] }
  interns: { users: ['intern_*'] }
rules:
  - name: read
    for: [analysts, interns]
    allow: { actions: [read] }
  - name: interns-not-people
    for: interns
    deny: { tables: ['*.people'] }
  - name: others-not-logs
    except: analysts
    deny: { tables: ['*.logs'] }
",
    );
    session.denies("SELECT * FROM a.b", "default");
    session.principal.groups = vec!["analysts@example.com".into()];
    session.denies("SELECT * FROM a.b", "default");
    session.principal.client_addr = Some("10.1.2.3".parse().unwrap());
    session.allows("SELECT * FROM a.people, a.logs");
    session.principal.user = "intern_1".into();
    session.denies("SELECT * FROM a.people", "interns-not-people");
    session.allows("SELECT * FROM a.logs");
    session.principal.groups.clear();
    session.denies("SELECT * FROM a.logs", "others-not-logs");
}

#[test]
fn rules_can_have_hours() {
    let mut session = session(
        "
version: 1
default: allow
rules:
  - name: no-export-at-night
    deny: { actions: [export] }
    during: { hours: '20:00-08:00', zone: Europe/Berlin }
",
    );
    session.now = "2026-11-25T12:00:00Z".parse().unwrap();
    session.allows("COPY t TO STDOUT");
    assert_eq!(session.decide("COPY t TO STDOUT").reuse, Reuse::Moment);
    assert_ne!(session.decide("SELECT 1 FROM t").reuse, Reuse::Moment);
    session.now = "2026-11-25T19:30:00Z".parse().unwrap();
    session.denies("COPY t TO STDOUT", "no-export-at-night");
}

#[test]
fn rules_can_ask_for_kinds_features_and_risk() {
    let session = session(
        "
version: 1
default: allow
rules:
  - name: one-statement
    deny: { features: [multi_statement] }
  - name: no-cursors
    deny: { kinds: [declare_cursor] }
  - name: nothing-critical
    deny: { risk: '>=critical' }
  - name: watched
    audit: { features: [select_star] }
    text: raw
  - name: returning
    deny: { actions: [delete], returning: true }
",
    );
    for decision in session.decisions("SELECT 1; SELECT 2") {
        assert_eq!(&*decision.rule, "one-statement");
    }
    session.denies("DECLARE c CURSOR FOR SELECT 1", "no-cursors");
    session.denies("DROP TABLE x", "nothing-critical");
    session.denies("DELETE FROM x WHERE id = 1 RETURNING *", "returning");
    session.allows("DELETE FROM x WHERE id = 1");
    let decision = session.decide("SELECT * FROM x");
    assert_eq!(&*decision.marks[0], "watched");
    assert_eq!(decision.text, Some(AuditText::Raw));
    assert_eq!(session.decide("SELECT a FROM x").text, None);
}

#[test]
fn risk_is_that_of_the_worst_effect_by_a_table_that_a_policy_can_change() {
    let table = "
version: 1
default: allow
risk: { export: critical, insert: low }
";
    let session = session(table);
    for (sql, risk) in [
        ("SELECT lower(a) FROM t", Risk::Low),
        ("SELECT f(a) FROM t", Risk::Medium),
        ("INSERT INTO t VALUES (1)", Risk::Low),
        ("UPDATE t SET a = 1 WHERE b = 2", Risk::Medium),
        ("UPDATE t SET a = 1", Risk::High),
        ("EXPLAIN UPDATE t SET a = 1", Risk::Low),
        ("EXPLAIN ANALYZE UPDATE t SET a = 1", Risk::High),
        ("COPY t TO STDOUT", Risk::Critical),
        ("DROP TABLE t", Risk::Critical),
        (
            "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
            Risk::High,
        ),
        ("SET application_name = 'x'", Risk::Low),
        ("SET work_mem = '1GB'", Risk::Medium),
        ("no SQL", Risk::Critical),
    ] {
        assert_eq!(session.decide(sql).risk, risk, "{sql}");
    }
}

#[test]
fn conditions_decide_after_the_native_matchers() {
    let mut session = session(
        "
version: 1
default: deny
rules:
  - name: own-schema
    allow: { actions: [read] }
    when: effect.schema == 'tenant_' + user
  - name: claimed
    allow: { actions: [update] }
    when: claims.level >= 3
  - name: not-in-the-dark
    deny: { actions: [delete, truncate] }
    when: claims.level < 3
  - name: office-hours
    allow: { actions: [insert] }
    when: hour >= 8 && hour < 18 && weekday != 'sunday'
  - name: reads-few-tables
    deny: {}
    when: size(statement.tables) > 2 || statement.tables.exists(t, t.startsWith('x.'))
",
    );
    session.allows("SELECT * FROM tenant_ann.orders");
    session.denies("SELECT * FROM tenant_bob.orders", "default");
    // No claim: an allow counts as false, a deny as true.
    session.denies("UPDATE tenant_ann.t SET a = 1", "default");
    session.denies("DELETE FROM t WHERE a = 1", "not-in-the-dark");
    session.principal.claims.insert("level".into(), 3.into());
    session.allows("UPDATE t SET a = 1");
    session.denies("DELETE FROM t WHERE a = 1", "default");
    session.allows("INSERT INTO t VALUES (1)");
    assert_eq!(
        session.decide("INSERT INTO t VALUES (1)").reuse,
        Reuse::Moment
    );
    session.now = "2026-11-25T20:00:00Z".parse().unwrap();
    session.denies("INSERT INTO t VALUES (1)", "default");
    session.denies(
        "SELECT * FROM tenant_ann.a, tenant_ann.b, tenant_ann.c",
        "reads-few-tables",
    );
    session.denies("SELECT * FROM x.a", "reads-few-tables");
    session.transaction = TransactionState::Open;
    assert_eq!(session.decide("SELECT 1").verdict, Verdict::Allow);
}

#[test]
fn conditions_that_go_through_too_much_cannot_be_evaluated() {
    let denying = session(
        "
version: 1
default: allow
rules:
  - name: not-its-other-self
    deny: { actions: [read] }
    when: statement.tables.exists(t, t == 'x.' + effect.name)
",
    );
    let allowing = session(
        "
version: 1
default: deny
rules:
  - name: only-of-s
    allow: { actions: [read] }
    when: statement.tables.all(t, t.startsWith('s.') && effect.schema == 's')
",
    );
    let select = |tables: usize| {
        let tables: Vec<_> = (0..tables).map(|table| format!("s.t{table}")).collect();
        format!("SELECT 1 FROM {}", tables.join(","))
    };
    denying.allows(&select(400));
    denying.denies(&select(600), "not-its-other-self");
    allowing.allows(&select(400));
    allowing.denies(&select(600), "default");

    // Each alone would do; but they share.
    let many = [select(200).as_str()].repeat(10).join(";");
    for decision in denying.decisions(&many) {
        assert_eq!(decision.verdict, Verdict::Deny);
    }
    let few = [select(20).as_str()].repeat(1_000).join(";");
    for decision in denying.decisions(&few) {
        assert_eq!(decision.verdict, Verdict::Allow);
    }
}
