//! Records for tests, and lines read back.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use querycop_audit::{
    DecisionFields, DecisionFragment, Event, Outcome, Record, SegmentName, SessionFields,
    SessionFragment, StatementFragment, Store, Ticket, Via, WriteError,
};
use querycop_policy::facts::{
    Action, Attributes, Columns, Effect, Filter, Kind, Name, Object, ObjectKind, Statement,
};
use serde_json::Value;
use uuid::Uuid;

pub(crate) fn session() -> SessionFragment {
    SessionFragment::new(&SessionFields {
        session: Uuid::from_u128(7),
        user: "alice",
        database: "shop",
        principal: Some("alice@example.com"),
        client_addr: Some("192.0.2.7".parse().expect("an address")),
        client_port: Some(50_000),
        tls: Some("TLSv1.3"),
        application_name: Some("psql"),
        backend: "db.internal:5432",
        backend_role: Some("primary"),
        version: "0.1.0",
    })
}

pub(crate) fn statement(text: &str) -> StatementFragment {
    let mut columns = Columns::default();
    columns.add("abalance");
    let statement = Statement {
        kinds: vec![Kind::Update],
        effects: vec![Effect {
            action: Action::Update,
            subtype: "",
            object: Object::new(
                ObjectKind::Relation,
                Name::qualified("public", "pgbench_accounts"),
            ),
            columns,
            attributes: Attributes {
                filter: Filter::Given,
                ..Attributes::default()
            },
        }],
        ..Statement::default()
    };
    StatementFragment::new(&statement, text, "00112233445566778899aabbccddeeff")
}

pub(crate) fn decision() -> DecisionFragment {
    DecisionFragment::new(&DecisionFields {
        verdict: "allow",
        rule: "default",
        marks: &[],
        risk: "low",
        policy: "0011223344556677",
    })
}

pub(crate) fn record<'a>(
    session: &'a SessionFragment,
    statement: &'a StatementFragment,
    decision: &'a DecisionFragment,
) -> Record<'a> {
    Record {
        time: Timestamp::now(),
        session: Some(session),
        number: 1,
        event: Event::Statement {
            via: Via::Query,
            statement: Some(statement),
            raw_text: None,
            decision: Some(decision),
            outcome: Outcome::Completed { tag: "UPDATE 1" },
            rows: 0,
            bytes: 17,
            duration: Duration::from_micros(350),
        },
    }
}

/// Appends a statement of this text.
pub(crate) fn append(store: &Store, text: &str) -> Result<Ticket, WriteError> {
    let (session, statement) = (session(), statement(text));
    let room = Record::room(Some(&session), Some(&statement), None);
    let reservation = store.reserve(room).expect("there is room");
    store.append(reservation, &record(&session, &statement, &decision()))
}

/// All lines of all segments.
pub(crate) fn lines(directory: &Path) -> Vec<Value> {
    let names = SegmentName::list(directory).expect("the directory can be read");
    let mut lines = Vec::new();
    for name in names {
        let text = std::fs::read_to_string(name.path(directory)).expect("the segment is text");
        assert!(text.ends_with('\n'), "{name} ends with a whole line");
        lines.extend(
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON")),
        );
    }
    lines
}
