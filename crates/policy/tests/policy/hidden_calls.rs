//! Calls that the text doesn't spell as calls: attributes, operators, casts.

use std::sync::Arc;

use querycop_policy::facts::Name;
use querycop_policy::{Catalog, Function, Operator, Relation, Reuse, SearchPath, Volatility};

use crate::support::session;

const READER: &str = "
version: 1
default: deny
rules:
  - name: read
    allow: { actions: [read], tables: ['public.*'] }
  - name: call
    allow: { actions: [call], functions: [builtin] }
";

#[test]
fn columns_are_columns_and_harmful_names_are_calls() {
    let session = session(READER);
    session.allows("SELECT u.email, u.name, (u).status, u.date FROM public.users u");
    session.allows("SELECT (information_schema._pg_expandarray(x.keys)).n FROM public.x");
    session.denies(
        "SELECT (amount).pg_sleep FROM public.users",
        "floor.attribute_call",
    );
    session.denies(
        "SELECT u.pg_sleep FROM public.users u",
        "floor.attribute_call",
    );
    session.denies(
        "SELECT u.pg_notify FROM public.users u",
        "floor.attribute_call",
    );
}

#[test]
fn an_allow_of_the_function_allows_its_attribute() {
    let session = session(&format!(
        "{READER}  - name: sleep
    allow: {{ actions: [call], functions: [pg_catalog.pg_sleep] }}
"
    ));
    session.allows("SELECT (amount).pg_sleep FROM public.users");
    session.allows("SELECT pg_sleep(1)");
}

#[test]
fn a_deny_that_names_a_function_reaches_its_attribute() {
    let session = session(
        "
version: 1
default: allow
rules:
  - name: no-wipe
    deny: { functions: [public.wipe, '*.count'] }
  - name: no-calls-of-secret
    deny: { functions: ['secret.*'] }
",
    );
    session.denies("SELECT (u).wipe FROM users u", "no-wipe");
    session.denies("SELECT u.wipe FROM users u", "no-wipe");
    session.denies("SELECT u.count FROM users u", "no-wipe");
    session.allows("SELECT u.name FROM users u");
}

const PERSONAL: &str = "  - name: personal
    deny: { actions: [read, export], columns: [public.customers.email] }
";

#[test]
fn a_function_of_a_whole_row_in_dots_uses_all_columns() {
    let session = session(&format!("{READER}{PERSONAL}"));
    for hidden in [
        "SELECT c.to_jsonb FROM customers c",
        "SELECT c.row_to_json FROM customers c",
        "SELECT c.json_agg FROM customers c",
        "SELECT c.max FROM customers c",
        "SELECT c.array_agg FROM customers c",
        "SELECT c.hstore FROM customers c",
        "SELECT customers.to_json FROM customers",
        "SELECT c.record_out FROM customers c",
        "SELECT j.to_jsonb FROM (customers a CROSS JOIN orders b) j",
        "SELECT public.customers.to_jsonb FROM public.customers",
        "SELECT id FROM customers c WHERE c.to_jsonb->>'email' = 'a@b'",
        "SELECT id FROM customers c ORDER BY c.to_jsonb->>'email'",
        "SELECT (c).to_jsonb FROM customers c",
        "SELECT e.value FROM customers c, jsonb_each_text(c.to_jsonb) e",
        "SELECT (SELECT c.to_jsonb) FROM customers c",
        "PREPARE p AS SELECT c.to_jsonb FROM customers c",
        "COPY (SELECT c.to_jsonb FROM customers c) TO STDOUT",
    ] {
        session.denies(hidden, "personal");
    }
    for plain in [
        "SELECT c.id, c.name, c.count, c.date, c.text FROM customers c",
        "SELECT country, max(id) AS max FROM customers GROUP BY 1 ORDER BY max",
        "SELECT q.max FROM (SELECT max(c.id) FROM customers c) q",
        "SELECT q.to_jsonb FROM (SELECT id FROM customers) q",
        "SELECT o.to_jsonb FROM orders o",
    ] {
        session.allows(plain);
    }
}

#[test]
fn a_catalog_tells_columns_that_are_named_like_functions() {
    let mut catalog = Catalog::default();
    for (schema, name, columns) in [
        ("public", "customers", &["id", "max", "score"][..]),
        ("public", "orders", &["to_jsonb", "shown"]),
    ] {
        let relation = Relation {
            columns: columns.iter().map(|column| (*column).into()).collect(),
            base_relations: Vec::new(),
        };
        catalog.add_relation(schema, name, relation);
    }
    for name in ["score", "shown"] {
        let function = Function {
            volatility: Volatility::Immutable,
            security_definer: false,
            language: "sql".into(),
        };
        catalog.add_function("public", name, function);
    }
    let functions = "  - name: own
    allow: { actions: [call], functions: ['public.*'] }
";
    let mut session = session(&format!("{READER}{functions}{PERSONAL}"));
    session.catalog = Some(Arc::new(catalog));
    session.allows("SELECT c.max, c.score FROM customers c");
    session.allows("SELECT c.max FROM public.customers c");
    // Another table has such a column, this one hasn't.
    session.denies("SELECT c.to_jsonb FROM customers c", "personal");
    session.denies("SELECT c.shown FROM customers c", "personal");
}

#[test]
fn a_column_with_a_schema_is_of_the_table_in_that_schema() {
    let session = session(&READER.replace("['public.*']", "['*.*']").replace(
        "rules:",
        "rules:
  - name: closed
    deny: { columns: [secret.t.email] }",
    ));
    session.denies("SELECT secret.t.email FROM public.t, secret.t", "closed");
    session.denies("SELECT secret.t.* FROM public.t, secret.t", "closed");
    session.allows("SELECT secret.t.id FROM public.t, secret.t");
}

#[test]
fn unknown_dotted_names_can_count_as_calls() {
    let strict = session(&READER.replace("default:", "dotted_names: calls\ndefault:"));
    strict.denies("SELECT u.email FROM public.users u", "default");
    strict.allows("SELECT u.name FROM public.users u");
    strict.allows("SELECT email FROM public.users u");
}

#[test]
fn a_snapshot_tells_the_columns_of_a_table_and_not_of_others() {
    let mut catalog = Catalog::default();
    for (name, column) in [("customers", "email"), ("logs", "wipe")] {
        let relation = Relation {
            columns: vec![column.into()],
            base_relations: Vec::new(),
        };
        catalog.add_relation("public", name, relation);
    }
    let mut strict = session(&READER.replace("default:", "dotted_names: calls\ndefault:"));
    strict.catalog = Some(Arc::new(catalog));
    strict.allows("SELECT c.email FROM customers c");
    strict.allows("SELECT public.customers.email FROM public.customers, logs l WHERE l.wipe");
    // Functions that are newer than the snapshot.
    for call in [
        "SELECT c.wipe FROM customers c",
        "SELECT c.wipe FROM customers c, logs l WHERE l.wipe",
        "SELECT q.wipe FROM (SELECT 1) q",
        "SELECT (c).wipe FROM customers c",
        "SELECT c.email FROM customers AS c (other)",
        "SELECT j.email FROM (customers a CROSS JOIN logs b) j",
        "SELECT x.email FROM newer x",
    ] {
        strict.denies(call, "default");
    }
}

#[test]
fn operators_and_casts_of_others_are_calls() {
    let plain = session(READER);
    plain.allows("SELECT a + 1, b::text FROM public.x");
    plain.denies("SELECT a <=> b FROM public.x", "default");
    plain.denies("SELECT a OPERATOR(evil.+) b FROM public.x", "default");
    plain.denies("SELECT 'new'::order_status", "default");
    let allowing = session(&format!(
        "{READER}  - name: vectors
    allow: {{ actions: [call], operators: ['<=>'], types: ['*.order_status'] }}
"
    ));
    allowing.allows("SELECT a <=> b, 'new'::order_status FROM public.x");
    allowing.denies("SELECT a <-->  b FROM public.x", "default");
    allowing.denies("SELECT 'new'::other_status", "default");
}

#[test]
fn a_catalog_tells_columns_enums_and_harmless_operators() {
    let mut catalog = Catalog::default();
    catalog.add_relation(
        "public",
        "x",
        Relation {
            columns: vec!["pg_sleep".into(), "a".into()],
            base_relations: Vec::new(),
        },
    );
    let function = |volatility| Function {
        volatility,
        security_definer: false,
        language: "c".into(),
    };
    catalog.add_function("public", "distance", function(Volatility::Immutable));
    catalog.add_function("public", "wipe", function(Volatility::Volatile));
    for (symbol, name) in [("<=>", "distance"), ("<!>", "wipe")] {
        catalog.add_operator(
            symbol,
            Operator {
                schema: "public".into(),
                function: Name::qualified("public", name),
            },
        );
    }
    catalog.add_plain_type("public", "order_status");
    let mut session = session(READER);
    session.catalog = Some(Arc::new(catalog));
    session.allows("SELECT x.a FROM public.x");
    // Whoever may create a table could else make any function look like a column.
    session.denies("SELECT x.pg_sleep FROM public.x", "floor.attribute_call");
    session.allows("SELECT a <=> a, 'new'::order_status FROM public.x");
    session.denies("SELECT a <!> a FROM public.x", "default");
    session.denies("SELECT x.wipe FROM public.x", "default");
    session.denies("SELECT 'new'::other_status", "default");
}

#[test]
fn a_deny_reaches_through_a_view_that_the_catalog_knows() {
    let mut catalog = Catalog::default();
    catalog.add_relation(
        "public",
        "v",
        Relation {
            columns: vec!["a".into()],
            base_relations: vec![Name::qualified("secret", "x")],
        },
    );
    let mut session = session(&format!(
        "{READER}  - name: no-secrets
    deny: {{ tables: ['secret.*'] }}
"
    ));
    session.allows("SELECT * FROM public.v");
    session.catalog = Some(Arc::new(catalog));
    session.denies("SELECT * FROM public.v", "no-secrets");
    session.denies("SELECT * FROM v", "no-secrets");
    session.allows("SELECT * FROM public.w");
}

/// A server passes over schemas without USAGE, and finds what is newer than the snapshot.
#[test]
fn a_snapshot_proves_nothing_of_where_a_name_is_found() {
    let mut catalog = Catalog::default();
    for (schema, name) in [("reporting", "orders"), ("public", "newt"), ("public", "v")] {
        let relation = Relation {
            columns: vec!["status".into()],
            base_relations: Vec::new(),
        };
        catalog.add_relation(schema, name, relation);
    }
    catalog.add_relation(
        "secret",
        "v",
        Relation {
            columns: vec!["status".into()],
            base_relations: vec![Name::qualified("hidden", "x")],
        },
    );
    catalog.add_plain_type("public", "state");
    let catalog = Arc::new(catalog);
    let allowing = READER.replace("['public.*']", "['public.*', 'reporting.*']");
    let denying = "
version: 1
default: allow
dotted_names: calls
rules:
  - name: no-secrets
    deny: { tables: ['secret.*'] }
  - name: nothing-hidden
    deny: { tables: ['hidden.*'] }
";
    let with = |rules: &str, path: &str| {
        let mut session = session(rules);
        session.path = SearchPath::known(path);
        session.catalog = Some(Arc::clone(&catalog));
        session
    };
    let orders = "SELECT status FROM orders";
    let newt = "SELECT status FROM newt";
    with(&allowing, "reporting, secret").denies(orders, "default");
    with(denying, "reporting, secret").denies(orders, "no-secrets");
    with(&allowing, "secret, public").denies(newt, "default");
    with(denying, "secret, public").denies(newt, "no-secrets");
    with(&allowing, "reporting, public").allows(orders);
    with(&allowing, "\"$user\", public").allows(newt);
    // Any view of the path may be the one that is read.
    with(denying, "public, secret").denies("SELECT status FROM v", "no-secrets");
    let hidden = denying.replace("['secret.*']", "['other.*']");
    with(&hidden, "public, secret").denies("SELECT status FROM v", "nothing-hidden");
    with(&hidden, "public").allows("SELECT status FROM v");
    // A column, or a type, of what the name may stand for.
    let strict = allowing.replace("default:", "dotted_names: calls\ndefault:");
    with(&strict, "public").allows("SELECT n.status FROM newt n");
    with(&strict, "\"$user\", public").allows("SELECT n.status FROM newt n");
    with(&strict, "reporting, public").denies("SELECT n.status FROM newt n", "default");
    with(&allowing, "public").allows("SELECT 'a'::state, 'a'::public.state");
    let cast = with(&allowing, "public").decide("SELECT 'a'::state");
    assert_eq!(cast.reuse, Reuse::SearchPath);
    with(&allowing, "evil, public").denies("SELECT 'a'::state", "default");
    with(&allowing, "evil, public").denies("SELECT 'a'::evil.state", "default");
}

/// 20,000 names behind a point, and as many settings, are looked at once each.
#[test]
fn decisions_about_very_many_names_are_made() {
    let list = |item: fn(usize) -> String| {
        let items: Vec<_> = (0..20_000).map(item).collect();
        items.join(", ")
    };
    let columns = list(|n| format!("u.c{n}"));
    session(READER).allows(&format!("SELECT {columns} FROM public.u"));
    let closed = format!("{READER}  - name: closed\n    deny: {{ columns: [public.u.email] }}\n");
    let shown = format!("SELECT {columns}, u.to_jsonb FROM public.u");
    session(&closed).denies(&shown, "closed");
    let settings = list(|n| format!("set_config('app.s{n}', 'x', true)"));
    let setting = READER.replace("actions: [call]", "actions: [call, session]");
    session(&setting).denies(&format!("SELECT {settings}"), "default");
}
