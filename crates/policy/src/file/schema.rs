//! The JSON Schema of a policy file, for editors.

use serde_json::{Map, Value, json};

use crate::facts::{Action, Feature, Kind, ObjectKind, SUBTYPES};
use crate::risk::{Risk, Stake};

/// The schema, as docs/policy.schema.json has it.
pub(crate) fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Querycop policy",
        "description": "Which statements a principal may run. docs/policy.md explains it.",
        "type": "object",
        "required": ["version", "default"],
        "additionalProperties": false,
        "patternProperties": { "^x-": {} },
        "properties": object(&[
            ("version", described(json!({ "const": 1 }), "The version of the format.")),
            ("mode", mode("Whether what is denied is refused; enforce by default.")),
            ("default", described(words(&["deny", "allow"]), "What becomes of effects that no rule speaks of.")),
            ("search_path", text("What a session's search_path is where nobody knows it.")),
            ("dotted_names", described(words(&["columns", "calls"]), "What t.name counts as where nobody knows such a column or function; columns by default.")),
            ("risk", risks()),
            ("sets", map_of(&set(), "Lists of objects under a name, for use in rules.")),
            ("principals", map_of(&principal(), "Who is meant by a name.")),
            ("rules", json!({ "type": "array", "items": rule() })),
            ("tests", json!({ "type": "array", "items": test() })),
        ]),
    })
}

fn rule() -> Value {
    let rule = closed(&[
        ("name", text("Decisions, errors and the audit name it.")),
        ("description", text("For whoever reads the file.")),
        (
            "for",
            texts("Principals that it is for; everybody without it."),
        ),
        ("except", texts("Principals that it is not for.")),
        ("allow", described(matcher(), "Allows these effects.")),
        (
            "deny",
            described(
                nullable(&matcher()),
                "Denies statements with one of these effects.",
            ),
        ),
        (
            "audit",
            described(
                nullable(&matcher()),
                "Marks statements with one of these effects.",
            ),
        ),
        (
            "limit",
            described(
                nullable(&matcher()),
                "Limits statements with one of these effects.",
            ),
        ),
        ("to", limits()),
        (
            "text",
            described(
                words(&["redacted", "raw"]),
                "With audit: which text is kept.",
            ),
        ),
        ("during", one_or_many(&window(), "When it holds.")),
        (
            "when",
            text("A condition in CEL, asked when all else matches."),
        ),
        ("mode", mode("With deny: observe marks, and lets pass.")),
        ("message", text("With deny: the error's message.")),
        ("hint", text("With deny: the error's HINT.")),
        (
            "override_floor",
            described(
                required(closed(&[("reason", text("Why."))]), &["reason"]),
                "With allow: lifts the floor for what it matches.",
            ),
        ),
    ]);
    required(rule, &["name"])
}

fn matcher() -> Value {
    let mut actions: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
    actions.extend(["*", "ddl.*"]);
    let subtypes: Vec<&str> = SUBTYPES.to_vec();
    let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    let features: Vec<&str> = Feature::ALL
        .iter()
        .map(|feature| feature.as_str())
        .collect();
    let objects: Vec<&str> = ObjectKind::ALL.iter().map(|kind| kind.as_str()).collect();
    closed(&[
        ("actions", one_or_many(&words(&actions), "What is done.")),
        ("subtypes", one_or_many(&words(&subtypes), "How.")),
        (
            "tables",
            texts("schema.name with *, a set, catalog, activity."),
        ),
        ("columns", texts("schema.table.column with *, or a set.")),
        ("functions", texts("schema.name with *, a set, builtin.")),
        (
            "operators",
            texts("Symbols of operators that aren't PostgreSQL's own; * is all."),
        ),
        (
            "types",
            texts("Types that aren't PostgreSQL's own, as targets of casts."),
        ),
        ("settings", texts("Names with *, a set, harmless.")),
        (
            "objects",
            texts(&format!(
                "kind or kind:name; kinds are {}.",
                objects.join(", ")
            )),
        ),
        (
            "require_where",
            described(
                json!({ "type": "boolean" }),
                "With allow: UPDATE and DELETE need a WHERE that can leave rows out.",
            ),
        ),
        (
            "where",
            described(
                words(&["given", "missing"]),
                "Which WHERE an UPDATE or DELETE has.",
            ),
        ),
        (
            "execution",
            one_or_many(&words(&["now", "planned", "stored"]), "When it happens."),
        ),
        (
            "returning",
            described(json!({ "type": "boolean" }), "Whether it has RETURNING."),
        ),
        (
            "kinds",
            one_or_many(&words(&kinds), "Kinds of statement, at any depth."),
        ),
        (
            "features",
            one_or_many(
                &words(&features),
                "Traits of the statement; not with allow.",
            ),
        ),
        (
            "risk",
            described(
                json!({ "type": "string", "pattern": format!("^(>=|<=)? ?({})$", risk_words().join("|")) }),
                "The statement's risk.",
            ),
        ),
    ])
}

fn limits() -> Value {
    let count = |about| described(json!({ "type": "integer", "minimum": 1 }), about);
    described(
        closed(&[
            ("rows", count("Rows that are sent to the client.")),
            (
                "bytes",
                described(
                    json!({ "type": ["string", "integer"], "pattern": "^[0-9]+ ?(B|kB|MB|GB)$" }),
                    "Bytes that are sent to the client.",
                ),
            ),
            (
                "statement_time",
                text("How long the server may work on it, as 30s."),
            ),
            ("rate", count("Statements per second, for each principal.")),
            (
                "concurrent",
                count("Statements at the same time, for each principal."),
            ),
        ]),
        "With limit: to how much.",
    )
}

fn window() -> Value {
    let days = "^(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))?$";
    required(
        closed(&[
            (
                "days",
                one_or_many(
                    &json!({ "type": "string", "pattern": days }),
                    "Days and ranges of days.",
                ),
            ),
            (
                "hours",
                described(
                    json!({ "type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2} ?- ?[0-9]{1,2}:[0-9]{2}$" }),
                    "From and to; over midnight it belongs to the day on which it begins.",
                ),
            ),
            ("zone", text("UTC, or a zone as Europe/Berlin.")),
        ]),
        &["zone"],
    )
}

fn set() -> Value {
    closed(&[
        ("tables", texts("schema.name with *.")),
        ("columns", texts("schema.table.column with *.")),
        ("functions", texts("schema.name with *.")),
        ("settings", texts("Names with *.")),
        ("types", texts("schema.name with *.")),
        ("operators", texts("Symbols.")),
    ])
}

fn principal() -> Value {
    closed(&[
        ("users", texts("Roles that clients log in as, with *.")),
        ("groups", texts("Groups, with *.")),
        ("databases", texts("Databases, with *.")),
        ("backends", texts("Backends, with *.")),
        (
            "certificates",
            texts("Names in the client's certificate, with *."),
        ),
        ("networks", texts("Networks as 10.0.0.0/8, or addresses.")),
        (
            "application_names",
            texts("What clients call themselves: a hint, never a proof."),
        ),
        (
            "claims",
            described(
                json!({ "type": "object" }),
                "Claims of the token, by name; one of the values.",
            ),
        ),
        (
            "tls",
            described(
                json!({ "type": "boolean" }),
                "Whether the connection is under TLS.",
            ),
        ),
    ])
}

fn test() -> Value {
    let whom = closed(&[
        ("user", text("The role.")),
        ("database", text("The database.")),
        ("groups", texts("Its groups.")),
        ("claims", json!({ "type": "object" })),
        ("certificate", text("The common name of its certificate.")),
        ("client_addr", text("Its address.")),
        ("tls", json!({ "type": "boolean" })),
        ("application_name", text("What it calls itself.")),
        ("backend", text("The backend.")),
    ]);
    let verdict = words(&["allow", "deny"]);
    let expected = closed(&[
        ("verdict", verdict.clone()),
        ("rule", text("The rule that decides.")),
        ("risk", words(&risk_words())),
        ("marks", texts("Marks that have to be there.")),
        ("rows", json!({ "type": "integer", "minimum": 1 })),
    ]);
    required(
        closed(&[
            ("name", text("What is tested.")),
            ("as", described(whom, "As whom.")),
            ("at", text("When, as 2026-11-25T12:00:00Z.")),
            (
                "search_path",
                text("The session's path; the file's own search_path, else \"$user\", public."),
            ),
            ("transaction", words(&["idle", "open", "failed"])),
            ("sql", text("One statement or several.")),
            ("expect", json!({ "oneOf": [verdict, expected] })),
        ]),
        &["as", "sql", "expect"],
    )
}

fn risks() -> Value {
    let lines: Vec<(&str, Value)> = Stake::ALL
        .iter()
        .map(|stake| (stake.as_str(), words(&risk_words())))
        .collect();
    described(
        closed(&lines),
        "Lines of the table of risks that are other here.",
    )
}

fn risk_words() -> Vec<&'static str> {
    Risk::ALL.iter().map(|risk| risk.as_str()).collect()
}

fn mode(about: &str) -> Value {
    described(words(&["enforce", "observe"]), about)
}

fn object(entries: &[(&str, Value)]) -> Value {
    let map: Map<String, Value> = entries
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    Value::Object(map)
}

fn closed(entries: &[(&str, Value)]) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": object(entries),
    })
}

fn required(mut schema: Value, keys: &[&str]) -> Value {
    schema["required"] = keys.into();
    schema
}

fn described(mut schema: Value, about: &str) -> Value {
    schema["description"] = about.into();
    schema
}

fn nullable(schema: &Value) -> Value {
    json!({ "oneOf": [schema, { "type": "null" }] })
}

fn map_of(schema: &Value, about: &str) -> Value {
    json!({ "type": "object", "additionalProperties": schema, "description": about })
}

fn words(words: &[&str]) -> Value {
    json!({ "enum": words })
}

fn text(about: &str) -> Value {
    json!({ "type": "string", "description": about })
}

fn texts(about: &str) -> Value {
    one_or_many(&json!({ "type": "string" }), about)
}

fn one_or_many(item: &Value, about: &str) -> Value {
    json!({ "oneOf": [item, { "type": "array", "minItems": 1, "items": item }], "description": about })
}

#[cfg(test)]
mod tests {
    use super::super::{KEYS, limits, matcher, principals, rules, sets, test, time};
    use super::*;

    /// The keys of an object that is somewhere in the schema.
    fn keys(schema: &Value, pointer: &str) -> Vec<String> {
        let properties = schema.pointer(pointer).and_then(Value::as_object);
        let mut keys: Vec<_> = properties.expect(pointer).keys().cloned().collect();
        keys.sort();
        keys
    }

    #[test]
    fn the_schema_has_the_keys_that_are_read() {
        let schema = schema();
        for (pointer, known) in [
            ("/properties", KEYS),
            (
                "/properties/sets/additionalProperties/properties",
                sets::LISTS,
            ),
            (
                "/properties/principals/additionalProperties/properties",
                principals::KEYS,
            ),
            (
                "/properties/rules/items/properties/allow/properties",
                matcher::KEYS,
            ),
            (
                "/properties/rules/items/properties/to/properties",
                limits::KEYS,
            ),
            (
                "/properties/rules/items/properties/during/oneOf/0/properties",
                time::KEYS,
            ),
            ("/properties/tests/items/properties", test::KEYS),
            (
                "/properties/tests/items/properties/as/properties",
                test::AS_KEYS,
            ),
            (
                "/properties/tests/items/properties/expect/oneOf/1/properties",
                test::EXPECT_KEYS,
            ),
        ] {
            let mut known: Vec<_> = known.iter().map(|key| (*key).to_owned()).collect();
            known.sort();
            assert_eq!(keys(&schema, pointer), known, "{pointer}");
        }
        // `approve` and `mask` are read only to be refused.
        let mut known: Vec<_> = rules::KEYS.iter().map(|key| (*key).to_owned()).collect();
        known.retain(|key| key != "approve" && key != "mask");
        known.sort();
        assert_eq!(keys(&schema, "/properties/rules/items/properties"), known);
    }

    #[test]
    fn the_documentation_has_the_schema() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy.schema.json");
        let document = std::fs::read_to_string(path).expect("docs/policy.schema.json");
        let document: Value = serde_json::from_str(&document).expect("JSON");
        assert!(
            document == schema(),
            "run `querycop policy schema > docs/policy.schema.json`"
        );
    }
}
