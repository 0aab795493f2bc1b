//! What is recorded: everything that ran, and how it ended.

use std::fs;

use querycop_testkit::gateway::Signal;
use querycop_testkit::wait::eventually;
use serde_json::Value;

use crate::relay::raw::V3_0;
use crate::setup::counter;

use super::{
    NO_DELETES, Overseen, RawClient, SERVER, bind, codes, count, execute, message, outcome, parse,
    records, run, sync, table,
};

/// The fields of each record that tests compare: via, kind, outcome, and tag or SQLSTATE.
fn told(records: &[Value]) -> Vec<String> {
    records
        .iter()
        .map(|record| {
            let text = |field: &str| record[field].as_str().unwrap_or("-").to_owned();
            let end = record["tag"].as_str().or(record["sqlstate"].as_str());
            format!(
                "{} {} {} {}",
                text("via"),
                text("kind"),
                text("outcome"),
                end.unwrap_or("-")
            )
        })
        .collect()
}

#[test]
fn every_statement_is_recorded_before_its_client_goes_on() {
    table("recorded_all", 2);
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    client.query("select * from recorded_all; insert into recorded_all values (3)");
    assert_eq!(
        told(&overseen.statements()),
        [
            "query select completed SELECT 2",
            "query insert completed INSERT 0 1"
        ]
    );
    client.query("select 1/0; select 2");
    client.query("delete from recorded_all");
    client.send(&[parse("s", "select * from recorded_all"), sync()].concat());
    outcome(&mut client);
    client.send(
        &[
            bind("", "s", &[]),
            execute(""),
            bind("", "s", &[]),
            execute(""),
            sync(),
        ]
        .concat(),
    );
    outcome(&mut client);
    client.send(
        &[
            run("select 1/(n-n) from recorded_all"),
            run("select 3"),
            sync(),
        ]
        .concat(),
    );
    outcome(&mut client);
    client.send(&[parse("", "select nothing_of_the_kind"), sync()].concat());
    outcome(&mut client);
    assert_eq!(
        told(&overseen.statements())[2..],
        [
            "query select failed 22012",
            "query select skipped -",
            "query delete denied 42501",
            "execute select completed SELECT 3",
            "execute select completed SELECT 3",
            "execute select failed 22012",
            "execute select skipped -",
            "parse select failed 42703",
        ]
    );
    let denied = &overseen.statements()[4];
    assert_eq!(denied["rule"], "no-deletes");
    assert_eq!(denied["verdict"], "deny");
    assert_eq!(denied["user"], "postgres");
    assert_eq!(denied["text"], "delete from recorded_all");
    assert_eq!(denied["policy"].as_str().map(str::len), Some(16));
}

#[test]
fn copy_is_recorded_in_both_protocols_and_the_session_stays_in_step() {
    table("recorded_copy", 0);
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    // As libpq does it: the Sync ahead of the data is swallowed by the server.
    client.send(&[run("copy recorded_copy from stdin"), sync()].concat());
    while client.expect_message().tag != b'G' {}
    let end = [message(b'd', b"1\n2\n"), message(b'c', b""), sync()].concat();
    client.send(&end);
    assert_eq!(outcome(&mut client).0, "CZ");
    // Data that the server refuses.
    client.send(&[run("copy recorded_copy from stdin"), sync()].concat());
    while client.expect_message().tag != b'G' {}
    client.send(&[message(b'd', b"x\n"), message(b'c', b""), sync()].concat());
    assert_eq!(outcome(&mut client).1, ["22P02"]);
    // The simple protocol, and a client that gives up.
    client.send_query("copy recorded_copy from stdin");
    while client.expect_message().tag != b'G' {}
    client.send(&message(b'f', b"changed my mind\0"));
    assert_eq!(outcome(&mut client).1, ["57014"]);
    client.query("copy recorded_copy to stdout");
    // A table that isn't there: the server takes no data at all.
    client.send(&[run("copy nowhere from stdin"), sync()].concat());
    assert_eq!(outcome(&mut client).1, ["42P01"]);
    assert_eq!(client.value("select 1"), "1");
    assert_eq!(
        told(&overseen.statements()),
        [
            "execute copy completed COPY 2",
            "execute copy failed 22P02",
            "query copy failed 57014",
            "query copy completed COPY 2",
            "execute copy failed 42P01",
            "query select completed SELECT 1",
        ]
    );
}

#[test]
fn a_portal_that_can_t_be_made_is_why_its_statement_failed() {
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    client.send(
        &[
            parse("", "select $1::int"),
            bind("", "", &["x"]),
            execute(""),
            run("select 1"),
            sync(),
        ]
        .concat(),
    );
    outcome(&mut client);
    assert_eq!(
        told(&overseen.statements()),
        ["execute select failed 22P02", "execute select skipped -"]
    );
}

#[test]
fn what_stands_behind_a_denied_parse_is_recorded_as_what_it_was() {
    table("recorded_doomed", 2);
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    // The unnamed statement stands for something else before.
    client.send(&[run("select * from recorded_doomed"), sync()].concat());
    outcome(&mut client);
    client.send(&[run("delete from recorded_doomed"), run("select 1"), sync()].concat());
    let (tags, codes) = outcome(&mut client);
    assert_eq!((tags.as_str(), codes), ("EZ", vec!["42501".to_owned()]));
    assert_eq!(
        told(&overseen.statements()),
        [
            "execute select completed SELECT 2",
            "parse delete denied 42501",
            "execute delete skipped -",
            "execute select skipped -",
        ]
    );
    let denied = "querycop_statements_refused_total{reason=\"denied\"}";
    assert_eq!(counter(&overseen.gateway, denied), 1);
    client.send(&[run("select * from recorded_doomed"), sync()].concat());
    outcome(&mut client);
    let statements = overseen.statements();
    assert_eq!(
        told(&statements[4..]),
        ["execute select completed SELECT 2"]
    );
}

#[test]
fn a_commit_that_fails_at_sync_is_recorded() {
    SERVER.psql(
        "drop table if exists recorded_late;
         create table recorded_late (n int unique deferrable initially deferred);
         insert into recorded_late values (1)",
    );
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    client.send(&[run("insert into recorded_late values (1)"), sync()].concat());
    outcome(&mut client);
    assert_eq!(
        told(&overseen.statements()),
        ["execute insert completed INSERT 0 1", "sync - failed 23505"]
    );
    assert_eq!(count("recorded_late"), "1");
}

/// Who was turned away, and with which code.
fn turned_away(overseen: &Overseen) -> Vec<String> {
    records(&overseen.audit())
        .into_iter()
        .filter(|record| record["event"] == "session_refused")
        .map(|record| format!("{} {}", record["user"], record["sqlstate"]))
        .collect()
}

#[test]
fn whoever_is_turned_away_is_recorded() {
    let overseen = Overseen::with(NO_DELETES, |builder| {
        builder.env("GATEKEEPER_MAX_SESSIONS", 1)
    });
    let _only = overseen.client();
    RawClient::expect_refusal(overseen.gateway.port(), "postgres");
    assert_eq!(turned_away(&overseen), [r#""postgres" "53300""#]);

    let overseen = Overseen::by(NO_DELETES);
    let mut nobody = RawClient::connect(overseen.gateway.port());
    nobody.start_up("recorded_nobody", V3_0);
    assert_eq!(codes(&nobody.read_to_end()), ["28000"]);
    assert_eq!(turned_away(&overseen), [r#""recorded_nobody" "28000""#]);
}

#[test]
fn whom_the_policy_turns_away_is_found_among_what_it_denied() {
    let overseen = Overseen::by(
        "
version: 1
mode: enforce
default: allow
rules:
  - name: no-roles
    deny: { actions: [role] }
",
    );
    let mut client = RawClient::connect(overseen.gateway.port());
    let parameters = [
        ("user", "postgres"),
        ("database", "postgres"),
        ("role", "postgres"),
    ];
    client.start_up_with(&parameters, V3_0);
    assert_eq!(codes(&client.read_to_end()), ["42501"]);
    let records = records(&overseen.audit());
    let refused: Vec<_> = records
        .iter()
        .filter(|record| record["verdict"] == "deny")
        .map(|record| (record["event"].as_str(), record["rule"].as_str()))
        .collect();
    assert_eq!(refused, [(Some("session_refused"), Some("no-roles"))]);
}

#[test]
fn a_session_has_a_beginning_and_an_end() {
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    client.query("select 1");
    client.query("delete from pg_class");
    drop(client);
    eventually("the end of the session", || {
        let all = records(&overseen.audit());
        all.iter()
            .find(|record| record["event"] == "session_ended")
            .map(|end| {
                assert_eq!(end["statements"], 2);
                assert_eq!(end["denied"], 1);
                assert_eq!(end["reason"], "orderly");
            })
    });
}

#[test]
fn a_statement_whose_answer_never_came_is_recorded_as_cut() {
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    client.send_query("select pg_sleep(600)");
    eventually("the statement to run", || {
        let running = format!(
            "select count(*) from pg_stat_activity where pid = {} and state = 'active'",
            client.backend_pid()
        );
        (SERVER.psql(&running).trim() == "1").then_some(())
    });
    SERVER.psql(&format!(
        "select pg_terminate_backend({})",
        client.backend_pid()
    ));
    client.read_to_end();
    eventually("the record", || {
        let told = told(&overseen.statements());
        (told == ["query select failed 57P01"]).then_some(())
    });
}

#[test]
fn no_secret_is_stored() {
    let overseen = Overseen::with(NO_DELETES, |gateway| {
        gateway.env("GATEKEEPER_AUDIT_TEXT", "raw")
    });
    let mut client = overseen.client();
    let secrets = [
        "hunter2",
        "s3cr3t-conn",
        "t0ps3cret",
        "br0ken-secret",
        "d0tted-secret",
        "st0red-secret",
        "pr0gram-secret",
    ];
    client.query("create role recorded_role password 'hunter2'");
    client.query("alter role recorded_role password 'hunter2'");
    client.query("drop role recorded_role");
    client.query("select * from dblink('host=x password=s3cr3t-conn', 'select 1') as t(a int)");
    client.query("create subscription s connection 'host=x password=t0ps3cret' publication p with (connect = false)");
    client.query("alter role nobody pasword 'br0ken-secret'");
    client.query("set app.token = 'd0tted-secret'");
    client.query("select set_config('app.token', 'd0tted-secret', false)");
    client.query("prepare p as select set_config('app.token', 'd0tted-secret', false)");
    client.query("alter system set recorded.token = 'st0red-secret'");
    client.query("alter system reset recorded.token");
    client.query("copy (select 1) to program 'curl -u me:pr0gram-secret localhost'");
    client.query("select 'literals are kept in raw texts'");
    let mut kept = String::new();
    for entry in fs::read_dir(overseen.audit()).expect("it is there") {
        let bytes = fs::read(entry.expect("it is there").path()).expect("it is readable");
        kept.push_str(&String::from_utf8_lossy(&bytes));
    }
    assert!(kept.contains("literals are kept in raw texts"));
    for secret in secrets {
        assert!(!kept.contains(secret), "{secret}");
    }
}

#[test]
fn a_text_stands_in_the_log_once_however_many_statements_the_server_finds_in_it() {
    let observed = NO_DELETES.replace("mode: enforce", "mode: observe");
    let overseen = Overseen::with(&observed, |gateway| {
        gateway.env("GATEKEEPER_AUDIT_TEXT", "raw")
    });
    let mut client = overseen.client();
    client.query("select 1; select 2; select 3");
    // More statements than are read.
    let many = 20_001;
    client.query(&"select 1;".repeat(many));
    let statements = overseen.statements();
    let (few, unread) = statements.split_at(3);
    let with = |records: &[Value], field: &str| -> Vec<bool> {
        let records = records.iter();
        records.map(|record| record.get(field).is_some()).collect()
    };
    assert_eq!(with(few, "raw_text"), [true, false, false]);
    assert_eq!(with(few, "text"), [true; 3]);
    assert_eq!(unread.len(), many);
    let texts = with(unread, "text");
    assert!(texts[0] && !texts[1..].contains(&true));
    assert!(
        unread
            .iter()
            .all(|record| record["kind"] == "unparsed" && record["tag"] == "SELECT 1")
    );
}

#[test]
fn without_raw_texts_no_literal_is_stored() {
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    client.query("select 'a literal', 4711, $$another one$$ -- and a comment");
    client.query("selct 'a literal'");
    let all = records(&overseen.audit());
    let kept = serde_json::to_string(&all).unwrap();
    for part in ["a literal", "another one", "and a comment"] {
        assert!(!kept.contains(part), "{part}: {kept}");
    }
    assert_eq!(overseen.statements()[0]["text"], "select ?, ?, ?");
}

#[test]
fn synced_records_are_on_disk_before_the_client_goes_on() {
    let overseen = Overseen::with(NO_DELETES, |gateway| {
        gateway.env("GATEKEEPER_AUDIT_DURABILITY", "synced")
    });
    let mut client = overseen.client();
    for n in 0..20 {
        assert_eq!(client.value(&format!("select {n}")), n.to_string());
    }
    assert_eq!(overseen.statements().len(), 20);
    let syncs = counter(&overseen.gateway, "querycop_audit_syncs_total");
    assert!(syncs > 0);
}

#[test]
fn queued_records_are_written_before_the_gateway_ends() {
    let overseen = Overseen::with(NO_DELETES, |gateway| {
        gateway.env("GATEKEEPER_AUDIT_DURABILITY", "queued")
    });
    let mut client = overseen.client();
    for n in 0..50 {
        client.query(&format!("select {n}"));
    }
    drop(client);
    overseen.gateway.signal(Signal::TERM);
    assert!(overseen.gateway.wait().success());
    assert_eq!(overseen.statements().len(), 50);
}

#[test]
fn names_that_are_given_again_and_again_in_one_batch_keep_nobody_waiting() {
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    let mut batch = Vec::new();
    for number in 0..200 {
        let text = format!("select {number} as number_{number}");
        batch.extend(run(&text));
    }
    client.send(&[batch, sync()].concat());
    let (tags, codes) = outcome(&mut client);
    assert_eq!((tags.len(), codes), (200 * 4 + 1, Vec::new()));
    assert_eq!(overseen.statements().len(), 200);
}

#[test]
fn a_copy_that_fails_leaves_the_session_in_step() {
    SERVER.psql("drop table if exists recorded_copy; create table recorded_copy (n int)");
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    // As libpq does it: a Sync at once, and another behind the data.
    client.send(&[run("copy recorded_copy from stdin"), sync()].concat());
    client.send(&message(b'd', b"no number\n"));
    let failed = loop {
        let next = client.expect_message();
        if next.tag == b'E' {
            break next.error();
        }
    };
    assert_eq!(failed.code, "22P02");
    client.send(&[message(b'c', b""), sync()].concat());
    outcome(&mut client);
    client.send(&[run("insert into recorded_copy values (1)"), sync()].concat());
    outcome(&mut client);
    assert_eq!(
        told(&overseen.statements()),
        [
            "execute copy failed 22P02",
            "execute insert completed INSERT 0 1"
        ]
    );
}

#[test]
fn a_sync_amid_the_data_of_a_copy_that_fails_ends_the_session() {
    SERVER.psql("drop table if exists recorded_amid; create table recorded_amid (n int)");
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    client.send(
        &[
            run("copy recorded_amid from stdin"),
            message(b'd', b"no number\n"),
            sync(),
            message(b'c', b""),
            run("insert into recorded_amid values (777)"),
            sync(),
        ]
        .concat(),
    );
    client.read_to_end();
    let statements = eventually("the end of the session", || {
        let statements = overseen.statements();
        (statements.len() == 2).then_some(statements)
    });
    // Nobody knows whether it ran: it isn't recorded as skipped.
    assert_eq!(
        told(&statements),
        ["execute copy failed 22P02", "execute insert cut -"]
    );
}

#[test]
fn a_sync_within_a_simple_copy_is_ignored() {
    SERVER.psql("drop table if exists recorded_within; create table recorded_within (n int)");
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    client.send_query("copy recorded_within from stdin");
    client.send(
        &[
            message(b'd', b"1\n"),
            sync(),
            message(b'd', b"2\n"),
            message(b'c', b""),
        ]
        .concat(),
    );
    outcome(&mut client);
    client.send(&[run("select nothing_there"), sync()].concat());
    outcome(&mut client);
    client.query("delete from recorded_within");
    assert_eq!(
        told(&overseen.statements()),
        [
            "query copy completed COPY 2",
            "parse select failed 42703",
            "execute select skipped -",
            "query delete denied 42501"
        ]
    );
}

#[test]
fn an_error_before_a_copy_leaves_the_sync_behind_the_copy_swallowed() {
    SERVER.psql("drop table if exists recorded_behind; create table recorded_behind (n int)");
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    client.send(
        &[
            run("select 1/0"),
            sync(),
            run("copy recorded_behind from stdin"),
            sync(),
            message(b'd', b"1\n"),
            message(b'c', b""),
            sync(),
        ]
        .concat(),
    );
    outcome(&mut client);
    outcome(&mut client);
    client.send(&[run("insert into recorded_behind values (2)"), sync()].concat());
    outcome(&mut client);
    assert_eq!(
        told(&overseen.statements()),
        [
            "execute select failed 22012",
            "execute copy completed COPY 1",
            "execute insert completed INSERT 0 1"
        ]
    );
}
