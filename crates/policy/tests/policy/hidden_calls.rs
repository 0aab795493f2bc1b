//! Calls that the text doesn't spell as calls: attributes, operators, casts.

use std::sync::Arc;

use querycop_policy::facts::Name;
use querycop_policy::{Catalog, Function, Operator, Relation, Volatility};

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

#[test]
fn unknown_dotted_names_can_count_as_calls() {
    let strict = session(&READER.replace("default:", "dotted_names: calls\ndefault:"));
    strict.denies("SELECT u.email FROM public.users u", "default");
    strict.allows("SELECT u.name FROM public.users u");
    strict.allows("SELECT email FROM public.users u");
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
    session.denies("SELECT x.pg_sleep FROM public.x", "default");
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
