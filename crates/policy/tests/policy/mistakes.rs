//! What is wrong with a file is said at once, with its place.

use querycop_policy::Policy;

fn mistakes(yaml: &str) -> Vec<String> {
    match Policy::read(yaml) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.0.iter().map(ToString::to_string).collect(),
    }
}

fn only(yaml: &str) -> String {
    let found = mistakes(yaml);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().unwrap()
}

fn rule(rule: &str) -> String {
    format!("version: 1\ndefault: deny\nrules:\n{rule}")
}

#[test]
fn all_mistakes_are_reported_with_line_and_column() {
    let found = mistakes(
        "version: 2
mode: observ
rules:
  - name: a
    allow: { action: [read] }
  - name: a
    deny: { actions: [reed], tables: [orders] }
    allow: { actions: [read] }
  - name: b
    for: [nobody]
    deny: { features: [multi_statemnt] }
    when: usr == 'x'
",
    );
    assert_eq!(
        found,
        [
            "1:1: no default: write `default: deny` or `default: allow`, which decides what no rule speaks of",
            "1:10: the only version is 1: write `version: 1`",
            "2:7: unknown word observ; did you mean observe?",
            "5:12: an allow says what it allows: write `actions: [...]`; ['*'] is all",
            "5:14: unknown key action; did you mean actions?",
            "6:11: there are two rules a: a decision names its rule, so names differ",
            "7:5: a rule does one thing: allow, deny, audit or limit; make a rule of its own for the other",
            "10:11: there is no principal nobody; say under principals who it is",
            "11:24: unknown word multi_statemnt; did you mean multi_statement?",
            "12:11: unknown variable usr; did you mean user?",
        ]
    );
}

#[test]
fn broken_yaml_has_its_place() {
    let found = only("version: 1\ndefault: [deny\n");
    assert!(
        found.starts_with("2:") || found.starts_with("3:"),
        "{found}"
    );
    let found = only("version: 1\ndefault: deny\ndefault: allow\n");
    assert!(found.starts_with("3:"), "{found}");
    assert!(only("").contains("map of keys"));
    assert!(only("- a\n").contains("map of keys"));
}

#[test]
fn names_need_a_schema() {
    let found = only(&rule("  - name: a\n    deny: { tables: [orders] }\n"));
    assert!(
        found.contains("there is no set orders") && found.contains("*.orders"),
        "{found}"
    );
    let found = only(&rule("  - name: a\n    deny: { tables: [a.b.c] }\n"));
    assert!(found.contains("too many parts"), "{found}");
    let found = only(&rule("  - name: a\n    deny: { columns: [a.b] }\n"));
    assert!(found.contains("schema.table.column"), "{found}");
    let found = only(&rule("  - name: a\n    deny: { functions: [catalog] }\n"));
    assert!(found.contains("set of tables"), "{found}");
}

#[test]
fn a_rule_that_can_never_match_is_a_mistake() {
    let found = only(&rule(
        "  - name: a\n    deny: { actions: [read], functions: ['*.f'] }\n",
    ));
    assert!(found.contains("functions never match"), "{found}");
}

#[test]
fn what_is_not_there_yet_says_so() {
    let found = mistakes(&rule(
        "  - name: a\n    approve: { actions: [delete] }\n  - name: b\n    allow: { actions: [read] }\n    mask: { columns: [a.b.c] }\n",
    ));
    assert!(
        found
            .iter()
            .any(|found| found.contains("approve") && found.contains("not available yet")),
        "{found:#?}"
    );
    assert!(
        found
            .iter()
            .any(|found| found.contains("mask") && found.contains("not available yet")),
        "{found:#?}"
    );
}

#[test]
fn conditions_are_checked_when_the_file_is_read() {
    let with = |matcher: &str, when: &str| {
        rule(&format!(
            "  - name: a\n    deny: {matcher}\n    when: \"{when}\"\n"
        ))
    };
    for (matcher, when, expected) in [
        ("{}", "user ==", "no readable CEL"),
        ("{}", "usr == 'a'", "did you mean user"),
        ("{}", "effect.name == 'a'", "no variable effect"),
        (
            "{ actions: [read] }",
            "effect.nam == 'a'",
            "unknown field of effect nam; did you mean name?",
        ),
        (
            "{}",
            "statement.tabls.exists(t, t == 'a')",
            "did you mean tables",
        ),
        ("{}", "user", "has to be true or false"),
        ("{}", "hour + 'a' == 'b'", "the condition fails"),
        ("{}", "usercount(user) > 1", "unknown function usercount"),
    ] {
        let found = mistakes(&with(matcher, when));
        assert!(
            matches!(found.as_slice(), [one] if one.contains(expected)),
            "{when}: {found:#?}"
        );
    }
    for when in [
        "has(claims.team) && claims.team in ['a', 'b']",
        "groups.exists(g, g.endsWith('@example.com')) ? tls : false",
        "statement.kinds.all(k, k == 'select') && user.matches('^a.*')",
        "claims.any_depth.of_it == 1",
    ] {
        assert_eq!(mistakes(&with("{}", when)), [""; 0], "{when}");
    }
}

#[test]
fn keys_belong_to_the_rules_that_use_them() {
    let found = mistakes(&rule(
        "  - name: a
    allow: { actions: [read], features: [no_where] }
    hint: x
    to: { rows: 1 }
  - name: b
    deny: { require_where: true }
    override_floor: { reason: x }
  - name: c
    limit: { actions: [read] }
  - name: d
    limit: {}
    to: { rows: 0, bytes: 5XB, statement_time: 5, rate: many }
  - name: e
    deny: {}
    during: { days: [mon-fry], hours: 8-18, zone: Mars/Base }
  - allow: { actions: [read] }
  - name: g
",
    ));
    for expected in [
        "5:31: an allow can't ask for features",
        "6:5: hint belongs to a rule that denies",
        "7:5: to belongs to a rule that limits",
        "9:13: only an allow can require a WHERE",
        "10:5: override_floor belongs to a rule that allows",
        "11:5: a limit says to what",
        "15:17: rows is a whole number above 0",
        "15:27: bytes is a size above 0",
        "15:48: statement_time is a length of time",
        "15:57: rate, in statements per second, is a whole number",
        "18:22: mon-fry is no day",
        "18:39: 8-18 is no time of the day",
        "18:51: there is no time zone Mars/Base",
        "19:5: a rule without a name",
        "20:5: the rule does nothing",
    ] {
        assert!(
            found.iter().any(|found| found.starts_with(expected)),
            "{expected}: {found:#?}"
        );
    }
}

#[test]
fn what_may_be_a_mistake_is_a_warning() {
    let policy = Policy::read(
        "version: 1
default: deny
x-notes: &reads { actions: [read] }
sets:
  unused: { tables: ['a.*'] }
principals:
  nobody: { users: [x] }
rules:
  - name: a
    allow: *reads
  - name: io
    allow: { actions: [unsafe_io] }
",
    )
    .unwrap();
    let warnings: Vec<_> = policy.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "5:3: no rule uses the set unused",
            "7:3: no rule is for nobody",
            "11:5: unsafe_io stays denied by the floor: it takes override_floor with a reason",
        ]
    );
}

#[test]
fn the_hash_is_that_of_the_bytes() {
    let one = Policy::read("version: 1\ndefault: deny\n").unwrap();
    let other = Policy::read("version: 1\ndefault: deny \n").unwrap();
    assert_ne!(one.hash(), other.hash());
    assert_eq!(one.hash().to_string().len(), 16);
}
