//! How long it takes to record a statement.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use querycop_audit::{
    DecisionFields, DecisionFragment, Durability, Event, Outcome, Record, SessionFields,
    SessionFragment, StatementFragment, Store, StoreConfig, Via,
};
use querycop_policy::facts::{
    Action, Attributes, Columns, Effect, Kind, Name, Object, ObjectKind, Statement,
};

fn session() -> SessionFragment {
    SessionFragment::new(&SessionFields {
        user: "alice",
        database: "bench",
        client_addr: Some("192.0.2.7".parse().expect("an address")),
        client_port: Some(50_000),
        tls: Some("TLSv1.3"),
        application_name: Some("pgbench"),
        backend: "db.internal:5432",
        version: "0.1.0",
        ..SessionFields::default()
    })
}

fn statement() -> StatementFragment {
    let effect = |action| Effect {
        action,
        subtype: "",
        object: Object::new(ObjectKind::Relation, Name::unqualified("pgbench_accounts")),
        columns: Columns::default(),
        attributes: Attributes::default(),
    };
    let statement = Statement {
        kinds: vec![Kind::Update],
        effects: vec![effect(Action::Update), effect(Action::Read)],
        ..Statement::default()
    };
    let text = "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2";
    StatementFragment::new(&statement, text, "00112233445566778899aabbccddeeff")
}

fn append(criterion: &mut Criterion) {
    let (session, statement) = (session(), statement());
    let decision = DecisionFragment::new(&DecisionFields {
        verdict: "allow",
        rule: "application",
        marks: &[],
        risk: "low",
        policy: "0011223344556677",
    });
    let record = |number| Record {
        time: Timestamp::now(),
        session: Some(&session),
        number,
        event: Event::Statement {
            via: Via::Execute,
            statement: Some(&statement),
            raw_text: None,
            decision: Some(&decision),
            outcome: Outcome::Completed { tag: "UPDATE 1" },
            rows: 0,
            bytes: 24,
            duration: Duration::from_micros(300),
        },
    };
    let room = Record::room(Some(&session), Some(&statement), None);
    for durability in [Durability::Written, Durability::Queued] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut config = StoreConfig::new(directory.path());
        config.durability = durability;
        let (store, _) = Store::open(config).expect("the store opens");
        let mut number = 0;
        criterion.bench_function(&format!("append/{}", durability.as_str()), |bencher| {
            bencher.iter(|| {
                number += 1;
                let reservation = store.reserve(room).expect("room");
                store.append(reservation, black_box(&record(number)))
            });
        });
        store.close();
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("line");
    let file = std::fs::File::create(path).expect("a file");
    let line = vec![b'x'; 900];
    let mut offset = 0;
    // What of it is the system's part.
    criterion.bench_function("write a line, nothing else", |bencher| {
        bencher.iter(|| {
            use std::os::unix::fs::FileExt;
            file.write_all_at(black_box(&line), offset)
                .expect("written");
            offset += line.len() as u64;
        });
    });
    criterion.bench_function("hash a line, nothing else", |bencher| {
        use aws_lc_rs::digest::{SHA256, digest};
        bencher.iter(|| digest(&SHA256, black_box(&line)));
    });
}

criterion_group!(benches, append);
criterion_main!(benches);
