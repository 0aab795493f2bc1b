//! What only the messages can do: the extended protocol, parts of messages, other requests.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::sync::LazyLock;

use querycop_testkit::gateway::Signal;
use querycop_testkit::wait::eventually;

use super::policies::{FORBIDDING, READ_ONLY};
use super::session::{Answer, Session, copy_data};
use super::world::World;
use crate::relay::raw::{bind, execute, message, parse, run, sync};
use crate::setup::memory_peak;

/// Nothing that is tried here changes it.
static WORLD: LazyLock<World> = LazyLock::new(|| World::start(&[READ_ONLY]));

/// PostgreSQL's number of `lo_unlink`, and the large object that it would remove.
const LO_UNLINK: u32 = 964;
const LARGE_OBJECT: u32 = 424_242;

/// A message whose length is right and whose body is these bytes.
fn query(body: &[u8]) -> Vec<u8> {
    message(b'Q', body)
}

impl Session {
    /// Sends messages and returns what comes up to `ReadyForQuery`.
    fn exchange(&mut self, messages: &[Vec<u8>]) -> Answer {
        self.client.send(&messages.concat());
        self.answer()
    }
}

/// Asserts that nothing has happened and that the client knows by which rule.
#[track_caller]
fn is_denied(world: &World, answer: &Answer, rule: &str) {
    assert_eq!(answer.denied_by().as_deref(), Some(rule), "{answer:?}");
    did_nothing(world, answer);
}

#[track_caller]
fn did_nothing(world: &World, answer: &Answer) {
    assert!(!answer.leaks(), "{answer:?}");
    assert!(!world.is_changed(), "{answer:?}");
}

#[test]
fn a_statement_is_judged_when_it_is_parsed() {
    let mut session = WORLD.session();
    let answer = session.exchange(&[
        parse("", b"DELETE FROM public.orders"),
        bind("", "", &[]),
        execute(""),
        sync(),
    ]);
    is_denied(&WORLD, &answer, "default");
    assert!(session.lives());
}

#[test]
fn a_denied_text_takes_the_place_of_no_statement() {
    let mut session = WORLD.session();
    for name in ["", "s"] {
        let answer = session.exchange(&[parse(name, b"SELECT note FROM public.orders"), sync()]);
        assert_eq!(answer.error, None);
        let denied = session.exchange(&[parse(name, b"DELETE FROM public.orders"), sync()]);
        assert!(denied.error.is_some());
        // Whatever the name stands for now, it isn't what was denied.
        let answer = session.exchange(&[bind("", name, &[]), execute(""), sync()]);
        did_nothing(&WORLD, &answer);
        assert!(session.lives());
    }
}

#[test]
fn the_unnamed_statement_is_judged_anew_each_time() {
    let mut session = WORLD.session();
    let answer = session.exchange(&[
        parse("", b"SELECT note FROM public.orders"),
        bind("", "", &[]),
        execute(""),
        parse("", b"DELETE FROM public.orders"),
        bind("", "", &[]),
        execute(""),
        sync(),
    ]);
    assert_eq!(answer.rows.len(), 3);
    is_denied(&WORLD, &answer, "default");
    assert!(session.lives());
}

#[test]
fn what_follows_a_denied_statement_in_a_pipeline_is_skipped() {
    let mut session = WORLD.session();
    let answer = session.exchange(&[
        run(b"SELECT 1"),
        run(b"SELECT name FROM secret.customers"),
        run(b"SELECT name FROM public.open_customers"),
        sync(),
    ]);
    assert_eq!(answer.rows.len(), 1, "only the first statement has run");
    is_denied(&WORLD, &answer, "no-secrets");
    // A pipeline of Query messages doesn't stop, and neither does it let anything pass.
    session.client.send(
        &[
            query(b"SELECT 1\0"),
            query(b"TABLE secret.customers\0"),
            query(b"SELECT 2\0"),
        ]
        .concat(),
    );
    let answers: Vec<_> = (0..3).map(|_| session.answer()).collect();
    assert_eq!(answers[0].rows.len(), 1);
    is_denied(&WORLD, &answers[1], "no-secrets");
    assert_eq!(answers[2].rows.len(), 1);
    assert!(session.lives());
}

#[test]
fn names_of_sql_and_of_messages_are_the_same_names() {
    let mut session = WORLD.session();
    // Prepared by SQL, run by messages.
    let answer = session.query(b"PREPARE p AS DELETE FROM public.orders");
    is_denied(&WORLD, &answer, "default");
    let answer = session.exchange(&[bind("", "p", &[]), execute(""), sync()]);
    assert!(answer.error.is_some());
    did_nothing(&WORLD, &answer);
    // Prepared by a message, run by SQL.
    let answer = session.exchange(&[parse("q", b"DELETE FROM public.orders"), sync()]);
    is_denied(&WORLD, &answer, "default");
    let answer = session.query(b"EXECUTE q");
    assert!(answer.error.is_some());
    did_nothing(&WORLD, &answer);
    // One that nobody has seen prepared can be any.
    let answer = session.query(b"EXECUTE never_prepared");
    assert!(answer.denied_by().is_some(), "{answer:?}");
    assert!(session.lives());
}

#[test]
fn parameters_hide_no_setting() {
    let mut session = WORLD.session();
    let answer = session.exchange(&[
        parse("", b"SELECT set_config($1, $2, false)"),
        bind("", "", &["role", "kestrel"]),
        execute(""),
        sync(),
    ]);
    is_denied(&WORLD, &answer, "default");
    assert_eq!(
        session.value("SELECT current_user").as_deref(),
        Some("postgres")
    );
}

#[test]
fn a_function_call_message_is_denied() {
    let mut session = WORLD.session();
    let body = [
        &LO_UNLINK.to_be_bytes()[..],
        // One format, binary; one argument of four bytes; the result in binary.
        b"\0\x01\0\x01\0\x01\0\0\0\x04",
        &LARGE_OBJECT.to_be_bytes(),
        b"\0\x01",
    ]
    .concat();
    let answer = session.exchange(&[message(b'F', &body)]);
    is_denied(&WORLD, &answer, "floor.function_call");
    assert!(session.lives());
}

#[test]
fn a_statement_is_seen_in_however_many_pieces_it_comes() {
    for text in [
        &b"DELETE FROM public.orders\0"[..],
        b"SELECT 1; DELETE FROM public.orders\0",
    ] {
        let mut session = WORLD.session();
        for byte in query(text) {
            session.client.send(&[byte]);
        }
        let answer = session.answer();
        is_denied(&WORLD, &answer, "default");
        assert!(session.lives());
    }
}

#[test]
fn two_messages_in_one_packet_are_both_seen() {
    let mut session = WORLD.session();
    let both = [query(b"SELECT 1\0"), query(b"DELETE FROM public.orders\0")].concat();
    // The second message's end comes later.
    let (first, rest) = both.split_at(both.len() - 5);
    session.client.send(first);
    assert_eq!(session.answer().rows.len(), 1);
    session.client.send(rest);
    is_denied(&WORLD, &session.answer(), "default");
    assert!(session.lives());
}

#[test]
fn zero_bytes_hide_nothing() {
    for body in [
        &b"SELECT 1\0; DELETE FROM public.orders\0"[..],
        b"SELECT 1\0DELETE FROM public.orders",
        b"DELETE FROM public.orders",
        b"\0DELETE FROM public.orders\0",
        b"",
    ] {
        let mut session = WORLD.session();
        let answer = session.exchange(&[query(body)]);
        assert!(answer.error.is_some() || answer.closed, "{answer:?}");
        did_nothing(&WORLD, &answer);
    }
    for body in [
        &b"\0SELECT 1\0DELETE FROM public.orders\0\0\0"[..],
        b"\0DELETE FROM public.orders",
        b"",
    ] {
        let mut session = WORLD.session();
        let answer =
            session.exchange(&[message(b'P', body), bind("", "", &[]), execute(""), sync()]);
        assert!(answer.error.is_some() || answer.closed, "{answer:?}");
        did_nothing(&WORLD, &answer);
    }
}

#[test]
fn bytes_that_are_no_text_are_denied() {
    for text in [
        &b"SELECT '\xff'; DELETE FROM public.orders"[..],
        b"DELETE FROM public.\xc0\xafrders",
        b"SELECT E'\xc0\\' ; DELETE FROM public.orders; --'",
    ] {
        let mut session = WORLD.session();
        let answer = session.query(text);
        assert!(answer.denied_by().is_some(), "{answer:?}");
        did_nothing(&WORLD, &answer);
        assert!(session.lives());
    }
}

#[test]
fn lengths_that_lie_end_the_session() {
    for frame in [
        // Shorter than the length itself.
        &b"Q\0\0\0\x03"[..],
        b"Q\0\0\0\0SELECT 1\0",
        // Longer than any message.
        b"Q\xff\xff\xff\xffDELETE FROM public.orders\0",
        b"Q\x7f\xff\xff\xffDELETE FROM public.orders\0",
    ] {
        let mut session = WORLD.session();
        session.client.send(frame);
        session.client.close_writing();
        let answer = session.answer();
        assert!(answer.closed || answer.denied_by().is_some(), "{answer:?}");
        did_nothing(&WORLD, &answer);
    }
}

#[test]
fn a_text_of_a_gibibyte_is_denied_without_being_kept() {
    const LENGTH: usize = (1 << 30) - 16;
    const PIECE: usize = 1 << 20;
    let mut session = WORLD.session();
    let mut writer: TcpStream = session.client.writer();
    let statement = b"DELETE FROM public.orders\0";
    let sender = std::thread::spawn(move || {
        let length = u32::try_from(LENGTH + statement.len() + 4).expect("it is below 4 GiB");
        let head = [b"Q", &length.to_be_bytes()[..]].concat();
        let spaces = vec![b' '; PIECE];
        writer.write_all(&head)?;
        for start in (0..LENGTH).step_by(PIECE) {
            writer.write_all(&spaces[..PIECE.min(LENGTH - start)])?;
        }
        writer.write_all(statement)
    });
    let answer = session.answer();
    sender.join().expect("it only writes").ok();
    assert!(answer.closed || answer.denied_by().is_some(), "{answer:?}");
    did_nothing(&WORLD, &answer);
    let peak = memory_peak(WORLD.gates()[0].gateway.pid());
    assert!(peak < 256 << 20, "{} MiB", peak >> 20);
}

#[test]
fn the_start_up_packet_sets_nothing_that_sql_may_not() {
    for (parameters, sql) in [
        (&[("role", "kestrel")][..], "SELECT current_user"),
        (&[("ROLE", "kestrel")], "SELECT current_user"),
        (&[("options", "-c role=kestrel")], "SELECT current_user"),
        (&[("options", "--role=kestrel")], "SELECT current_user"),
        (
            &[("options", r"-c\ role=kestrel -crole=kestrel")],
            "SELECT current_user",
        ),
        (&[("search_path", "secret")], "SELECT name FROM customers"),
        (
            &[("options", "-c search_path=secret,public")],
            "SELECT name FROM customers",
        ),
        (
            &[("options", "-csearch-path=secret")],
            "SELECT name FROM customers",
        ),
    ] {
        // Without the gateway it works, unless the server doesn't know the form.
        if let Ok(mut direct) = Session::try_open(WORLD.server_port(), "bypass", parameters) {
            assert!(direct.query(sql.as_bytes()).leaks(), "{parameters:?}");
        }
        if let Ok(mut session) = WORLD.try_session(parameters) {
            let answer = session.query(sql.as_bytes());
            assert!(!answer.leaks(), "{parameters:?}: {answer:?}");
        }
    }
}

#[test]
fn lexer_settings_of_the_start_up_packet_are_followed() {
    for parameters in [
        &[("standard_conforming_strings", "off")][..],
        &[("options", "-c standard_conforming_strings=off")],
    ] {
        if let Ok(mut session) = WORLD.try_session(parameters) {
            let answer = session.query(br"SELECT '\', ' ; DELETE FROM public.orders; --'");
            is_denied(&WORLD, &answer, "default");
        }
    }
    for encoding in ["SJIS", "GBK", "BIG5"] {
        if let Ok(mut session) = WORLD.try_session(&[("client_encoding", encoding)]) {
            let answer = session.query(b"SELECT E'\x95\x5c' ; DELETE FROM public.orders; --'");
            assert!(answer.denied_by().is_some(), "{answer:?}");
            did_nothing(&WORLD, &answer);
        }
    }
}

#[test]
fn what_follows_a_change_of_the_lexer_waits_for_it() {
    // Read by the old settings a string, by the new ones a string and what follows it.
    const SJIS: [&[u8]; 2] = [
        b"SELECT E'\x95\x5c' ; DELETE FROM public.orders; COMMIT; --'",
        b"SELECT E'\x95\x5c', pg_read_file($$kestrel.txt$$) --'",
    ];
    const BACKSLASH: [&[u8]; 2] = [
        br"SELECT '\', ' ; DELETE FROM public.orders; COMMIT; --'",
        br"SELECT '\', ' || pg_read_file($$kestrel.txt$$) --'",
    ];
    let world = World::start(&[FORBIDDING]);
    for (change, [texts, text]) in [
        (&b"SET client_encoding = 'SJIS'"[..], SJIS),
        (b"BEGIN; SET LOCAL client_encoding = 'SJIS'", SJIS),
        (b"EXECUTE sjis", SJIS),
        (b"EXPLAIN ANALYZE EXECUTE sjis", SJIS),
        (b"EXECUTE sjis_by_message", SJIS),
        (b"SET standard_conforming_strings = off", BACKSLASH),
        (
            b"SELECT set_config('standard_conforming_strings', 'off', false)",
            BACKSLASH,
        ),
        (
            b"UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
            BACKSLASH,
        ),
        (b"EXECUTE backslash", BACKSLASH),
        (
            b"PREPARE p AS SELECT set_config('standard_conforming_strings', 'off', false); EXECUTE p",
            BACKSLASH,
        ),
    ] {
        let mut session = prepared_session(&world);
        let queries = [change, texts].map(|text| query(&[text, b"\0"].concat()));
        session.client.send(&queries.concat());
        for answer in [session.answer(), session.answer()] {
            did_nothing(&world, &answer);
        }
        let mut session = prepared_session(&world);
                let answer = session.exchange(&[run(change), run(text), sync()]);
        did_nothing(&world, &answer);
    }
}

/// A session in which statements that change the lexer wait to be executed, and whose encoding
/// takes any bytes.
fn prepared_session(world: &World) -> Session {
    const SJIS: &str = "SELECT set_config('client_encoding', 'SJIS', false)";
    let mut session = world.session();
    for text in [
        "SET client_encoding = 'LATIN1'".to_owned(),
        format!("PREPARE sjis AS {SJIS}"),
        "PREPARE backslash AS SELECT set_config('standard_conforming_strings', 'off', false)"
            .to_owned(),
    ] {
        let answer = session.query(text.as_bytes());
        assert_eq!(answer.error, None, "{text}");
    }
    let answer = session.exchange(&[parse("sjis_by_message", SJIS.as_bytes()), sync()]);
    assert_eq!(answer.error, None);
    session
}

#[test]
fn a_replication_connection_runs_no_sql() {
    for value in ["database", "true", "on", "1"] {
        let Ok(mut session) = WORLD.try_session(&[("replication", value)]) else {
            continue;
        };
        let answer = session.query(b"SELECT name FROM secret.customers");
        did_nothing(&WORLD, &answer);
        panic!("a session of replication={value} began");
    }
}

#[test]
fn what_another_session_has_prepared_stays_prepared() {
    let world = World::start(&[READ_ONLY]);
    let mut other = Session::open(world.server_port(), "bypass");
    let answer = other.query(b"BEGIN; DELETE FROM public.orders; PREPARE TRANSACTION 'held'");
    assert_eq!(answer.error, None);
    let mut session = world.session();
    for text in [
        &b"COMMIT PREPARED 'held'"[..],
        b"ROLLBACK PREPARED 'held'",
        b"BEGIN; SELECT 1; PREPARE TRANSACTION 'mine'",
    ] {
        is_denied(&world, &session.query(text), "default");
        assert!(session.lives());
    }
    let held = other.value("SELECT string_agg(gid, ',') FROM pg_prepared_xacts");
    assert_eq!(held.as_deref(), Some("held"));
}

#[test]
fn data_of_copy_is_data() {
    let world = World::start(&[&format!(
        "{READ_ONLY}  - name: load
    allow: {{ actions: [insert, load], tables: [public.paths] }}
"
    )]);
    let mut session = world.session();
    session
        .client
        .send(&query(b"COPY public.paths FROM STDIN\0"));
    while session.client.expect_message().tag != b'G' {}
    session
        .client
        .send(&copy_data(b"x\n\\.\nDELETE FROM public.orders;\n"));
    session.client.send(&query(b"DELETE FROM public.orders\0"));
    session.client.send(&message(b'c', b""));
    let answer = session.answer();
    assert!(!answer.leaks(), "{answer:?}");
    let mut direct = Session::open(world.server_port(), "bypass");
    assert_eq!(
        direct
            .value("SELECT count(*) FROM public.orders")
            .as_deref(),
        Some("3")
    );
}

#[test]
fn what_was_parsed_is_judged_again_when_it_runs() {
    let world = World::start(&[READ_ONLY]);
    let mut session = world.session();
    let text = b"SELECT note FROM public.orders";
    let answer = session.exchange(&[parse("s", text), bind("", "s", &[]), execute(""), sync()]);
    assert_eq!((answer.rows.len(), answer.error), (3, None));
    let strict = format!(
        "{READ_ONLY}  - name: closed
    deny: {{ tables: [public.orders] }}
"
    );
    fs::write(&world.gates()[0].policy, strict).expect("the directory is writable");
    world.gates()[0].gateway.signal(Signal::HUP);
    eventually("the new policy to be in force", || {
        let answer = world.session().query(text);
        (answer.denied_by().as_deref() == Some("closed")).then_some(())
    });
    let answer = session.exchange(&[bind("", "s", &[]), execute(""), sync()]);
    assert_eq!(answer.rows.len(), 0, "{answer:?}");
    assert_eq!(answer.denied_by().as_deref(), Some("closed"), "{answer:?}");
    let answer = session.query(b"EXECUTE s");
    assert_eq!(answer.rows.len(), 0, "{answer:?}");
    assert_eq!(answer.denied_by().as_deref(), Some("closed"), "{answer:?}");
    assert!(session.lives());
}
