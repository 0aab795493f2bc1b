//! What a session changes for what comes after: the search path, how texts are read, cursors. What
//! the gateway takes for certain too early or too late is a way around the policy.

use std::sync::LazyLock;

use querycop_testkit::postgres::Postgres;
use querycop_testkit::wait::eventually;

use crate::relay::raw::V3_0;

use super::{
    NO_DELETES, Overseen, RawClient, SERVER, bind, codes, count, execute, execute_some, message,
    outcome, parse, run, sync, table, tags,
};

/// `public.followed` may be read and `followed_closed.followed` may not.
const CLOSED: &str = "
version: 1
mode: enforce
default: deny
rules:
  - name: reads
    allow: { actions: [read], tables: [\"public.*\", catalog] }
  - name: functions
    allow: { actions: [call], functions: [builtin] }
  - name: session
    allow: { actions: [session, transaction] }
";

static TABLES: LazyLock<&Postgres> = LazyLock::new(|| {
    SERVER.psql(
        "drop schema if exists followed_closed cascade; create schema followed_closed; \
         create table followed_closed.followed as select 'secret' as value; \
         drop table if exists public.followed; create table public.followed as select 'open' as value",
    );
    &SERVER
});

fn closed() -> (Overseen, RawClient) {
    LazyLock::force(&TABLES);
    let overseen = Overseen::by(CLOSED);
    let mut client = overseen.client();
    client.query("set search_path = public");
    (overseen, client)
}

const READ: &str = "select value from followed";

fn query(sql: &str) -> Vec<u8> {
    message(b'Q', format!("{sql}\0").as_bytes())
}

/// The answers to so many batches: none may hold the secret.
fn nothing_secret(client: &mut RawClient, batches: usize) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..batches {
        let answer = client.read_until_ready();
        assert!(
            !answer
                .iter()
                .any(|one| one.body.windows(6).any(|part| part == b"secret")),
            "{answer:?}"
        );
        seen.extend(codes(&answer));
    }
    seen
}

#[test]
fn a_name_is_looked_up_anew_when_it_is_bound() {
    let (overseen, mut client) = closed();
    client.query("begin");
    client.send(&[parse("s", READ), sync()].concat());
    outcome(&mut client);
    client.query("set local search_path = followed_closed");
    client.send(&[bind("p", "s", &[]), execute("p"), sync()].concat());
    let answer = client.read_until_ready();
    assert_eq!(tags(&answer), "EZ");
    let error = answer[0].error();
    assert_eq!(error.code, "42501", "{error:?}");
    assert!(!error.message.contains("querycop_refused"), "{error:?}");
    client.query("rollback");
    let records = overseen.statements();
    let denied: Vec<_> = records
        .iter()
        .filter(|record| record["outcome"] == "denied")
        .map(|record| (record["via"].as_str(), record["text"].as_str()))
        .collect();
    assert_eq!(denied, [(Some("bind"), Some(READ))]);
    // Under the path that it was parsed under it goes on.
    client.query("set search_path = public");
    client.send(&[bind("", "s", &[]), execute(""), sync()].concat());
    assert_eq!(outcome(&mut client).0, "2DCZ");
    // What nobody has prepared is the server's to refuse.
    client.send(&[bind("", "nobody", &[]), execute(""), sync()].concat());
    assert_eq!(outcome(&mut client).1, ["26000"]);
}

#[test]
fn what_a_sync_takes_back_still_counts_until_it_is_answered() {
    let (_overseen, mut client) = closed();
    client.query("set search_path = followed_closed");
    assert_eq!(codes(&client.query(READ)), ["42501"]);
    for way in [[run(READ), sync()].concat(), query(READ)] {
        client.send(&[run("set local search_path = public"), message(b'H', b"")].concat());
        while client.expect_message().tag != b'C' {}
        client.send(&[sync(), way].concat());
        assert_eq!(nothing_secret(&mut client, 2), ["42501"]);
    }
}

#[test]
fn what_an_error_takes_back_still_counts_until_it_is_answered() {
    let (_overseen, mut client) = closed();
    client.query("set search_path = followed_closed");
    client.send(&[run("set search_path = public"), message(b'H', b"")].concat());
    while client.expect_message().tag != b'C' {}
    client.send(&[run("select 1/0"), sync(), run(READ), sync()].concat());
    assert_eq!(nothing_secret(&mut client, 2), ["22012", "42501"]);
    // And when all is answered it is what it is.
    client.query("set search_path = public");
    assert_eq!(tags(&client.query(READ)), "TDCZ");
}

#[test]
fn what_a_cursor_s_query_sets_is_set_when_rows_are_fetched() {
    let (_overseen, mut client) = closed();
    let set = "select set_config('search_path', 'followed_closed', false)";
    for fetch in ["fetch c", "move c"] {
        client.query("begin");
        client.query(&format!("declare c cursor for {set}"));
        client.query("set search_path = public");
        assert_eq!(tags(&client.query(READ)), "TDCZ");
        client.query(fetch);
        assert_eq!(codes(&client.query(READ)), ["42501"], "{fetch}");
        client.query("rollback");
        client.query("set search_path = public");
    }
    // A portal of the protocol is a cursor of SQL, too.
    client.query("begin");
    client.send(&[parse("", set), bind("portal", "", &[]), sync()].concat());
    outcome(&mut client);
    client.query("set search_path = public");
    client.query("fetch portal");
    assert_eq!(codes(&client.query(READ)), ["42501"]);
    client.query("rollback");
    // What is held runs at the commit.
    client.query("set search_path = public");
    client.query("begin");
    client.query(&format!("declare held cursor with hold for {set}"));
    client.query("set search_path = public");
    client.send(&[query("commit"), query(READ)].concat());
    assert_eq!(nothing_secret(&mut client, 2), ["42501"]);
}

#[test]
fn what_a_portal_sets_is_set_when_it_stops_for_now() {
    let (_overseen, mut client) = closed();
    let set =
        "select set_config('search_path', 'followed_closed', false) from generate_series(1, 3)";
    for before in [vec![], vec!["begin"]] {
        for sql in &before {
            client.query(sql);
        }
        client.send(
            &[
                parse("", set),
                bind("", "", &[]),
                execute_some("", 1),
                sync(),
            ]
            .concat(),
        );
        assert_eq!(outcome(&mut client).0, "12DsZ");
        assert_eq!(codes(&client.query(READ)), ["42501"]);
        client.query("rollback");
        client.query("set search_path = public");
    }
}

#[test]
fn what_a_held_cursor_sets_is_set_by_a_commit_that_nobody_asked_for() {
    let (_overseen, mut client) = closed();
    let declare = "declare held cursor with hold for \
                   select set_config('search_path', 'followed_closed', false)";
    let ways = [
        query(&format!("{declare}; set search_path = public")),
        [run(declare), run("set search_path = public"), sync()].concat(),
    ];
    for way in ways {
        client.send(&way);
        assert_eq!(outcome(&mut client).1, Vec::<String>::new());
        assert_eq!(codes(&client.query(READ)), ["42501"]);
        client.query("close held");
        client.query("set search_path = public");
        assert_eq!(tags(&client.query(READ)), "TDCZ");
    }
}

#[test]
fn what_a_statement_sets_that_was_cut_too_late_is_set() {
    let policy = format!("{CLOSED}  - name: few\n    limit: {{}}\n    to: {{ rows: 1 }}\n");
    LazyLock::force(&TABLES);
    let overseen = Overseen::by(&policy);
    let mut client = overseen.client();
    client.query("set search_path = public");
    let set =
        "select set_config('search_path', 'followed_closed', false) from generate_series(1, 2)";
    assert_eq!(codes(&client.query(set)), ["54000"]);
    // It may have been cancelled, or complete: then its client reads what is closed.
    let answer = client.query(READ);
    assert!(
        !tags(&answer).contains('D') || answer[1].value() == "open",
        "{answer:?}"
    );
}

/// A client of a database of its own, which has this encoding.
fn client_of(overseen: &Overseen, encoding: &str) -> RawClient {
    let database = format!("followed_{}", encoding.to_lowercase());
    SERVER.psql(&format!("drop database if exists {database} with (force)"));
    SERVER.psql(&format!(
        "create database {database} encoding '{encoding}' lc_collate 'C' lc_ctype 'C' template template0"
    ));
    let mut client = RawClient::connect(overseen.gateway.port());
    let parameters = [
        ("user", SERVER.superuser()),
        ("database", &database),
        ("client_encoding", "UTF8"),
    ];
    client.start_up_with(&parameters, V3_0);
    client.read_until_ready();
    client
}

#[test]
fn names_that_the_server_converts_stand_for_nothing_that_is_known() {
    let (overseen, _) = closed();
    let utf8 = "\u{e9}".as_bytes();
    let run = |name: &[u8]| [bind("", name, &[]), execute(""), sync()].concat();
    let mut client = client_of(&overseen, "UTF8");
    client.send(&[parse(utf8, "select 1"), sync(), run(utf8)].concat());
    assert_eq!(outcome(&mut client).0, "1Z");
    assert_eq!(outcome(&mut client).0, "2DCZ");
    // The server knows one name by two kinds of bytes, and what it stands for is another by now.
    client.query("set client_encoding = latin1");
    let close = message(b'C', b"S\xe9\0");
    client.send(&[close, parse(b"\xe9", "select 2"), sync(), run(b"\xe9")].concat());
    assert_eq!(outcome(&mut client).0, "31Z");
    assert_eq!(outcome(&mut client).1, ["42501"]);
    client.query("set client_encoding = utf8");
    client.send(&run(utf8));
    assert_eq!(outcome(&mut client).1, ["42501"]);
    for sql in [
        r#"execute U&"\00e9""#,
        r#"deallocate U&"\00e9""#,
        r#"prepare U&"\00ea" as select 1"#,
        r#"declare U&"\00ea" cursor for select 1"#,
    ] {
        assert_eq!(codes(&client.query(sql)), ["42501"], "{sql}");
    }
    // Names in ASCII are the same everywhere.
    client.send(&[parse("s", "select 3"), run(b"s")].concat());
    assert_eq!(outcome(&mut client).0, "12DCZ");
    // A server that cuts a name elsewhere than the gateway would.
    let mut client = client_of(&overseen, "LATIN1");
    let long = format!(r#"prepare U&"{}\00e9" as select 1"#, "a".repeat(62));
    assert_eq!(codes(&client.query(&long)), ["42501"]);
}

#[test]
fn a_search_path_that_is_too_long_to_be_read_can_be_any() {
    let (_overseen, mut client) = closed();
    let schemas: Vec<_> = (0..10_000).map(|number| format!("s{number}")).collect();
    let set = format!("set search_path = {}", schemas.join(", "));
    assert_eq!(tags(&client.query(&set)).replace('S', ""), "CZ");
    assert_eq!(codes(&client.query(READ)), ["42501"]);
    client.query("set search_path = public");
    assert_eq!(tags(&client.query(READ)), "TDCZ");
}

/// A text that drops a table where a backslash is no escape, and nothing otherwise.
const TWO_FACED: &str = r"select 'a\'; drop table followed_victim; commit; --'";

#[test]
fn a_text_waits_for_what_may_change_how_it_is_read() {
    let (overseen, _) = closed();
    let set = "select set_config('standard_conforming_strings', 'on', false)";
    let cursor = format!("declare c cursor for {set}");
    let held = format!("declare c cursor with hold for {set}");
    let ways: &[(&[&str], &str)] = &[
        (&[], "discard all"),
        (&[], "reset all"),
        (&["begin", &cursor], "fetch c"),
        (&["begin", &cursor], "move c"),
        (&["begin", &held, "select 1"], "commit"),
    ];
    for (before, way) in ways {
        table("followed_victim", 1);
        let mut client = overseen.client();
        client.query("set standard_conforming_strings = off");
        for sql in *before {
            client.query(sql);
        }
        client.send(&[query(way), query(TWO_FACED)].concat());
        client.read_until_ready();
        assert_eq!(outcome(&mut client).1, ["42501"], "{way}");
        assert_eq!(count("followed_victim"), "1", "{way}");
    }
    let mut client = overseen.client();
    client.query("set standard_conforming_strings = off");
    client.query("begin");
    client.send(&[parse("", set), bind("portal", "", &[]), sync()].concat());
    outcome(&mut client);
    client.send(&[query("fetch portal"), query(TWO_FACED)].concat());
    client.read_until_ready();
    assert_eq!(outcome(&mut client).1, ["42501"]);
    assert_eq!(count("followed_victim"), "1");
}

#[test]
fn options_of_the_start_up_packet_come_before_its_other_settings() {
    let (overseen, _) = closed();
    let parameters = [
        ("user", "postgres"),
        ("database", "postgres"),
        ("search_path", "followed_closed"),
        ("options", "-c search_path=public"),
    ];
    let mut client = RawClient::log_in_with(overseen.gateway.port(), &parameters);
    assert_eq!(codes(&client.query(READ)), ["42501"]);
}

#[test]
fn a_role_of_the_start_up_packet_is_another_user_for_the_search_path() {
    LazyLock::force(&TABLES);
    SERVER.psql(
        "do $$ begin create role followed_closed; exception when duplicate_object then null; end $$; \
         grant usage on schema followed_closed to followed_closed; \
         grant select on followed_closed.followed to followed_closed",
    );
    let overseen = Overseen::by(&format!(
        "{CLOSED}  - name: roles\n    allow: {{ actions: [role] }}\n  - name: own\n    allow: {{ actions: [read], tables: [\"postgres.*\"] }}\n"
    ));
    let parameters = [
        ("user", "postgres"),
        ("database", "postgres"),
        ("role", "followed_closed"),
        ("search_path", "\"$user\", public"),
    ];
    let mut client = RawClient::log_in_with(overseen.gateway.port(), &parameters);
    assert_eq!(codes(&client.query(READ)), ["42501"]);
}

#[test]
fn a_fetch_is_under_the_limits_of_its_cursor() {
    table("followed_many", 100);
    let overseen = Overseen::by(
        "
version: 1
mode: enforce
default: allow
rules:
  - name: few
    limit: { tables: [\"public.followed_many\"] }
    to: { rows: 5 }
",
    );
    let mut client = overseen.client();
    let read = "select n from followed_many";
    for sql in [
        format!("begin; declare c cursor for {read}; fetch all from c"),
        "fetch all from c".to_owned(),
    ] {
        if !sql.starts_with("begin") {
            client.query("begin");
            client.query(&format!("declare c cursor for {read}"));
        }
        let answer = client.query(&sql);
        assert_eq!(codes(&answer), ["54000"], "{sql}");
        client.query("rollback");
    }
    client.query("begin");
    client.send(&[parse("", read), bind("portal", "", &[]), sync()].concat());
    outcome(&mut client);
    assert_eq!(codes(&client.query("fetch all from portal")), ["54000"]);
    client.query("rollback");
    client.query("begin");
    client.query(&format!("declare held cursor with hold for {read}"));
    client.query("commit");
    assert_eq!(codes(&client.query("fetch all from held")), ["54000"]);
}

#[test]
fn a_portal_that_was_declared_anew_is_recorded_as_what_it_is() {
    table("followed_declared", 2);
    let overseen = Overseen::by(CLOSED);
    let mut client = overseen.client();
    client.query("begin");
    client.send(
        &[
            parse("", "select 1 as harmless"),
            bind("p", "", &[]),
            sync(),
        ]
        .concat(),
    );
    outcome(&mut client);
    client.query("close p");
    client.query("declare p cursor for select n from public.followed_declared");
    client.send(&[execute("p"), sync()].concat());
    assert_eq!(outcome(&mut client).0, "DDCZ");
    let records = overseen.statements();
    let last = records.last().expect("it is recorded");
    let text = last["text"].as_str().unwrap_or_default();
    assert!(text.contains("followed_declared"), "{last}");
}

#[test]
fn a_bind_that_fails_is_not_the_end_of_what_is_bound_later() {
    let (overseen, mut client) = closed();
    let batch = [
        bind("p", "nobody", &[]),
        parse("", READ),
        bind("p", "", &[]),
        execute("p"),
        sync(),
    ];
    client.send(&batch.concat());
    assert_eq!(outcome(&mut client).1, ["26000"]);
    let records = overseen.statements();
    let outcomes: Vec<_> = records.iter().map(|one| one["outcome"].as_str()).collect();
    assert_eq!(outcomes[1..], [Some("skipped")]);
}

#[test]
fn a_text_behind_a_copy_does_not_wait_for_what_only_the_client_can_end() {
    table("followed_copy", 0);
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    client.send(
        &[
            query("copy public.followed_copy from stdin; set client_encoding = 'UTF8'"),
            query("select 1"),
        ]
        .concat(),
    );
    // The server takes the text for a wrong answer to its request for data.
    let said = client.read_to_end();
    assert!(codes(&said).contains(&"08P01".to_owned()), "{said:?}");
    eventually("the session's end", || {
        (SERVER
            .psql("select count(*) from pg_stat_activity where query like 'copy public.followed_copy%'")
            .trim()
            == "0")
            .then_some(())
    });
}

#[test]
fn what_sql_runs_of_a_message_is_recorded_with_it() {
    let (overseen, mut client) = closed();
    let read = "select value from public.followed where value <> 'a literal'";
    let redacted = "select value from public.followed where value <> ?";
    client.send(&[parse("s", read), sync()].concat());
    outcome(&mut client);
    assert_eq!(tags(&client.query("execute s")), "TDCZ");
    client.query("begin");
    client.send(&[bind("portal", "s", &[]), sync()].concat());
    outcome(&mut client);
    client.query("fetch all from portal");
    client.query("close portal");
    client.query("commit");
    client.query(&format!("prepare t as {read}; execute t"));
    client.query("execute t; deallocate t");
    client.query("execute t");
    let records = overseen.statements();
    let ran: Vec<_> = records
        .iter()
        .filter(|record| {
            ["execute", "fetch"]
                .map(Some)
                .contains(&record["kind"].as_str())
        })
        .map(|record| {
            let runs = record["runs"].as_array().map_or(0, Vec::len);
            let last = record["runs"][0].as_str().unwrap_or_default();
            let tables = record["tables"].as_array();
            let table = tables.and_then(|tables| tables[0].as_str());
            let text = record["text"].as_str().unwrap_or_default();
            (text, runs, last.ends_with(redacted), table)
        })
        .collect();
    let table = Some("public.followed");
    let expected = [
        ("execute s", 1, true, table),
        ("fetch all from portal", 1, true, table),
        ("execute t", 1, true, table),
        ("execute t", 1, true, table),
        // Nobody knows it any more: the server's error is recorded, and no text.
        ("execute t", 0, false, None),
    ];
    assert_eq!(ran, expected, "{records:#?}");
}

#[test]
fn what_is_run_two_steps_away_is_unknown() {
    let (_overseen, mut client) = closed();
    let set = "select set_config('search_path', 'followed_closed', false)";
    client.query("begin");
    client.query(&format!("declare c cursor for {set}"));
    client.query("set search_path = public");
    client.send(&[parse("s", "fetch c"), sync()].concat());
    outcome(&mut client);
    assert_eq!(codes(&client.query("execute s")), ["42501"]);
    client.query("rollback");
}
