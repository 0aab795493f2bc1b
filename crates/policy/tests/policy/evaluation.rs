//! How the effects of a statement and the rules come together.

use querycop_policy::{Reuse, Risk, Verdict};

use crate::support::{self, session};

const SHOP: &str = "
version: 1
default: deny
rules:
  - name: read-public
    allow: { actions: [read], tables: ['public.*'] }
  - name: call-builtin
    allow: { actions: [call], functions: [builtin] }
  - name: write-orders
    allow: { actions: [insert, update, delete], tables: [public.orders], require_where: true }
  - name: no-salaries
    deny: { tables: ['*.salaries'] }
    hint: Ask the payroll team.
";

#[test]
fn every_effect_must_be_allowed() {
    let session = session(SHOP);
    session.allows("SELECT * FROM public.orders");
    session.allows("SELECT count(*), lower(name) FROM public.orders o");
    session.denies(
        "SELECT * FROM public.orders JOIN secret.x USING (id)",
        "default",
    );
    session.denies(
        "SELECT * FROM public.orders WHERE EXISTS (SELECT FROM secret.x)",
        "default",
    );
    session.denies(
        "WITH d AS (DELETE FROM public.users RETURNING *) SELECT * FROM d",
        "default",
    );
    session.denies("TRUNCATE public.orders", "default");
    session.denies("SELECT pg_sleep(1)", "default");
    session.denies("COPY public.orders TO STDOUT", "default");
    session.denies("SELECT * FROM public.orders FOR UPDATE", "default");
    session.denies("this is no SQL", "default");
}

#[test]
fn a_where_that_is_required_is_required_of_merge() {
    let shop = session(SHOP);
    let merge = |rest: &str| format!("MERGE INTO public.orders o USING (SELECT 1 AS id) p {rest}");
    shop.allows(&merge("ON o.id = p.id WHEN MATCHED THEN DELETE"));
    shop.allows(&merge("ON true WHEN MATCHED AND o.id = 1 THEN DELETE"));
    shop.allows(&merge("ON true WHEN NOT MATCHED THEN INSERT VALUES (1)"));
    let by_source = "ON o.id = p.id WHEN NOT MATCHED BY SOURCE AND o.id = 1 THEN DELETE";
    shop.allows(&merge(by_source));
    for rest in [
        "ON true WHEN MATCHED THEN DELETE",
        "ON true WHEN MATCHED THEN UPDATE SET note = 'x'",
        "ON false WHEN NOT MATCHED BY SOURCE THEN DELETE",
        "ON o.id = p.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED BY SOURCE THEN DELETE",
        "ON o.id = p.id WHEN NOT MATCHED BY SOURCE AND 1 IN (1) THEN DELETE",
    ] {
        shop.denies(&merge(rest), "default");
        assert_eq!(shop.decide(&merge(rest)).risk, Risk::High, "{rest}");
    }
}

#[test]
fn one_deny_wins_wherever_it_stands() {
    let forward = session(SHOP);
    forward.denies("SELECT * FROM public.salaries", "no-salaries");
    // The same rules, the other way round.
    let (head, rules) = SHOP.split_once("rules:\n").unwrap();
    let mut rules: Vec<&str> = rules
        .split("  - ")
        .filter(|rule| !rule.trim().is_empty())
        .collect();
    rules.reverse();
    let backward = session(&format!("{head}rules:\n  - {}", rules.join("  - ")));
    for sql in [
        "SELECT * FROM public.salaries",
        "SELECT * FROM public.orders",
        "DELETE FROM public.orders",
        "DELETE FROM public.orders WHERE id = 1",
        "SELECT pg_read_file('x')",
    ] {
        let (one, other) = (forward.decide(sql), backward.decide(sql));
        assert_eq!(
            (one.verdict, one.rule),
            (other.verdict, other.rule),
            "{sql}"
        );
    }
}

#[test]
fn where_can_be_required() {
    let session = session(SHOP);
    session.allows("DELETE FROM public.orders WHERE id = 1");
    session.allows("UPDATE public.orders SET n = 1 WHERE id = 1");
    session.denies("DELETE FROM public.orders", "default");
    session.denies("DELETE FROM public.orders WHERE true", "default");
    session.denies("UPDATE public.orders SET n = 1 WHERE id = id", "default");
    session.allows("INSERT INTO public.orders (id) VALUES (1)");
}

#[test]
fn what_does_nothing_needs_no_rule() {
    let session = session(SHOP);
    let decision = session.decide("SELECT 1");
    assert_eq!(decision.verdict, Verdict::Allow);
    assert_eq!(&*decision.rule, "no_effects");
    assert_eq!(decision.risk, Risk::Low);
    assert_eq!(decision.reuse, Reuse::Facts);
}

#[test]
fn a_decision_names_its_rule_and_tells_the_client() {
    let session = session(SHOP);
    assert_eq!(
        &*session.decide("SELECT id FROM public.orders").rule,
        "read-public"
    );
    let denial = session
        .decide("SELECT * FROM public.salaries")
        .denial
        .unwrap();
    assert_eq!(&*denial.message, "denied by policy rule \"no-salaries\"");
    assert_eq!(
        denial.detail.as_deref(),
        Some("The statement would read relation public.salaries.")
    );
    assert_eq!(denial.hint.as_deref(), Some("Ask the payroll team."));
    let own_words = SHOP.replace("    hint: Ask", "    message: not for you\n    hint: Ask");
    let own_words = support::session(&own_words);
    let decision = own_words.decide("SELECT * FROM public.salaries");
    let denial = decision.denial.unwrap();
    assert_eq!(&*denial.message, "not for you");
    assert_eq!(
        denial.detail.as_deref(),
        Some(
            "The policy rule is \"no-salaries\". The statement would read relation public.salaries."
        )
    );
    let denial = session.decide("DROP TABLE public.orders").denial.unwrap();
    assert_eq!(
        denial.detail.as_deref(),
        Some("No rule allows to drop table public.orders.")
    );
}

#[test]
fn default_allow_still_denies_what_a_rule_denies_and_what_nobody_can_read() {
    let session = session(
        "
version: 1
default: allow
rules:
  - name: no-ddl
    deny: { actions: [ddl.*, truncate] }
",
    );
    session.allows("SELECT * FROM anything");
    session.allows("DELETE FROM anything");
    session.denies("DROP TABLE x", "no-ddl");
    session.denies("CREATE INDEX ON x (y)", "no-ddl");
    session.denies("SELECT * INTO y FROM x", "no-ddl");
    session.denies("not SQL", "default");
    session.denies("EXECUTE nobody_prepared_this", "default");
}

#[test]
fn unknown_is_matched_by_its_name_alone() {
    let everything = "
version: 1
default: deny
rules:
  - name: all
    allow: { actions: ['*'] }
    override_floor: { reason: a test }
";
    session(everything).denies("not SQL", "default");
    session(everything).allows("COPY t FROM PROGRAM 'x'");
    let named = everything.replace("['*']", "['*', unknown]");
    session(&named).allows("not SQL");
    session(&named).allows("EXECUTE nobody_prepared_this");
}

#[test]
fn observing_lets_pass_and_marks() {
    let observed = session(&SHOP.replace("default:", "mode: observe\ndefault:"));
    let decision = observed.decide("SELECT * FROM public.salaries");
    assert_eq!(decision.verdict, Verdict::Allow);
    assert_eq!(
        decision
            .marks
            .iter()
            .map(|mark| &**mark)
            .collect::<Vec<_>>(),
        ["no-salaries"]
    );
    let decision = observed.decide("DROP TABLE x");
    assert_eq!(decision.verdict, Verdict::Allow);
    assert_eq!(
        decision
            .marks
            .iter()
            .map(|mark| &**mark)
            .collect::<Vec<_>>(),
        ["default"]
    );

    let rule = SHOP.replace("    hint:", "    mode: observe\n    hint:");
    let decision = session(&rule).decide("SELECT * FROM public.salaries");
    assert_eq!(decision.verdict, Verdict::Allow);
    assert_eq!(&*decision.rule, "read-public");
    assert_eq!(
        decision
            .marks
            .iter()
            .map(|mark| &**mark)
            .collect::<Vec<_>>(),
        ["no-salaries"]
    );
}

#[test]
fn limits_accumulate_and_the_strictest_counts() {
    let session = session(
        "
version: 1
default: allow
rules:
  - name: many
    limit: { actions: [read] }
    to: { rows: 10000, bytes: 50MB, statement_time: 30s }
  - name: few
    limit: { actions: [read], tables: [public.big] }
    to: { rows: 100 }
  - name: slow
    limit: {}
    to: { rate: 20, concurrent: 4, statement_time: 1m }
",
    );
    let limits = session.decide("SELECT * FROM public.big").limits;
    let rows = limits.rows.unwrap();
    assert_eq!((rows.max, &*rows.rule), (100, "few"));
    assert_eq!(limits.bytes.unwrap().max, 50 << 20);
    let time = limits.statement_time.unwrap();
    assert_eq!((time.max.as_secs(), &*time.rule), (30, "many"));
    assert_eq!(limits.rate.unwrap().max, 20);
    let limits = session.decide("INSERT INTO public.big VALUES (1)").limits;
    assert_eq!(limits.rows, None);
    assert_eq!(limits.concurrent.unwrap().max, 4);
}

#[test]
fn explain_needs_what_it_explains_unless_a_rule_sets_it_apart() {
    let session_of = |rule: &str| {
        session(&format!(
            "
version: 1
default: deny
rules:
  - name: read
    allow: {{ actions: [read] }}
{rule}"
        ))
    };
    let strict = session_of("");
    strict.denies("EXPLAIN DELETE FROM public.orders WHERE id = 1", "default");
    let lenient = session_of(
        "
  - name: plan
    allow: { actions: [insert, update, delete], execution: planned }
",
    );
    lenient.allows("EXPLAIN DELETE FROM public.orders WHERE id = 1");
    lenient.denies(
        "EXPLAIN ANALYZE DELETE FROM public.orders WHERE id = 1",
        "default",
    );
    lenient.denies("DELETE FROM public.orders WHERE id = 1", "default");
}

#[test]
fn prepared_statements_are_judged_when_prepared_and_when_executed() {
    let mut session = session(
        "
version: 1
default: deny
rules:
  - name: read
    allow: { actions: [read], tables: ['public.*'] }
  - name: session
    allow: { actions: [session], objects: [prepared_statement] }
",
    );
    session.allows("PREPARE p AS SELECT * FROM public.a");
    session.denies("PREPARE q AS DELETE FROM public.a WHERE id = 1", "default");
    session.denies("EXECUTE q", "default");
    session.run("PREPARE p AS SELECT * FROM public.a; PREPARE q AS DELETE FROM public.a");
    session.allows("EXECUTE p");
    session.denies("EXECUTE q", "default");
    session.denies("EXPLAIN ANALYZE EXECUTE q", "default");
}
