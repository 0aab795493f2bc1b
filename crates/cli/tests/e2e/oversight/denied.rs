//! The server is made to refuse what the policy denies, and everything around it goes on.

use querycop_testkit::psql::Psql;

use super::{
    NO_DELETES, Overseen, SERVER, bind, count, execute, message, outcome, parse, run, sync, table,
    tags,
};

#[test]
fn a_denied_statement_is_an_error_with_rule_and_hint_and_the_session_lives_on() {
    table("denied_simple", 3);
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    let answer = client.query("delete from denied_simple");
    assert_eq!(tags(&answer), "EZ");
    let error = answer[0].error();
    assert_eq!(
        (error.severity.as_str(), error.code.as_str()),
        ("ERROR", "42501")
    );
    assert!(
        error.message.contains("nothing is deleted here"),
        "{error:?}"
    );
    assert!(error.hint.contains("Mark the rows"), "{error:?}");
    assert_eq!(client.value("select 41 + 1"), "42");
    assert_eq!(count("denied_simple"), "3");
}

#[test]
fn psql_shows_the_error_and_goes_on() {
    table("denied_psql", 2);
    let overseen = Overseen::by(NO_DELETES);
    let psql: Psql = overseen.gateway.client().user("postgres");
    let script = "\\set ON_ERROR_STOP off\ndelete from denied_psql;\nselect 'rows: ' || count(*) from denied_psql;\n";
    let text = psql.script(script).to_string();
    assert!(text.contains("HINT:  Mark the rows instead"), "{text}");
    assert!(text.contains("rows: 2"), "{text}");
}

#[test]
fn a_text_with_one_denied_statement_is_denied_as_a_whole() {
    table("denied_whole", 1);
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    let sql = "insert into denied_whole values (2); delete from denied_whole; select 1";
    let answer = client.query(sql);
    assert_eq!(tags(&answer), "EZ");
    assert_eq!(count("denied_whole"), "1");
    let outcomes: Vec<_> = overseen
        .statements()
        .iter()
        .map(|record| record["outcome"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(outcomes, ["skipped", "denied", "skipped"]);
}

#[test]
fn a_denied_parse_fails_its_batch_up_to_sync_and_no_further() {
    table("denied_parse", 3);
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    let batch = [
        run("insert into denied_parse values (4)"),
        run("delete from denied_parse"),
        run("insert into denied_parse values (5)"),
        sync(),
        run("select 6"),
        sync(),
    ];
    client.send(&batch.concat());
    let (seen, codes) = outcome(&mut client);
    assert_eq!((seen.as_str(), codes), ("12CEZ", vec!["42501".to_owned()]));
    assert_eq!(outcome(&mut client).0, "12DCZ");
    // The batch was one transaction.
    assert_eq!(count("denied_parse"), "3");
}

#[test]
fn each_statement_of_a_pipeline_gets_its_own_answer() {
    table("denied_each", 3);
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    let mut pipeline = Vec::new();
    for n in 0..200 {
        let sql = if n % 3 == 1 {
            "delete from denied_each".to_owned()
        } else {
            format!("select {n}")
        };
        pipeline.extend([run(&sql), sync()].concat());
    }
    client.send(&pipeline);
    for n in 0..200 {
        let answer = client.read_until_ready();
        if n % 3 == 1 {
            assert_eq!(tags(&answer), "EZ", "{n}");
        } else {
            assert_eq!(tags(&answer), "12DCZ", "{n}");
            assert_eq!(answer[2].value(), n.to_string());
        }
    }
    assert_eq!(count("denied_each"), "3");
}

#[test]
fn a_denial_fails_the_transaction_as_the_server_s_own_error_would() {
    table("denied_block", 3);
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    client.query("begin");
    client.query("insert into denied_block values (4)");
    let answer = client.query("delete from denied_block");
    assert_eq!(answer[1].body, b"E");
    let aborted = client.query("select 1");
    assert_eq!(aborted[0].error().code, "25P02");
    // In a transaction that has failed already, the denial is still the denial.
    let answer = client.query("delete from denied_block");
    assert_eq!(answer[0].error().code, "42501");
    client.send(&[run("delete from denied_block"), sync()].concat());
    assert_eq!(outcome(&mut client).1, ["42501"]);
    client.query("rollback");
    assert_eq!(client.value("select 7"), "7");
    assert_eq!(count("denied_block"), "3");
}

#[test]
fn a_savepoint_takes_a_denial_back() {
    table("denied_savepoint", 1);
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    client.query("begin; insert into denied_savepoint values (2); savepoint s");
    client.query("delete from denied_savepoint");
    client.query("rollback to s");
    let answer = client.query("commit");
    assert_eq!(tags(&answer), "CZ");
    assert_eq!(count("denied_savepoint"), "2");
}

#[test]
fn a_reload_reaches_statements_that_were_prepared_before() {
    table("denied_reload", 3);
    let allowing = NO_DELETES.replace("[delete]", "[truncate]");
    let overseen = Overseen::by(&allowing);
    let mut client = overseen.client();
    client.send(&[parse("d", "delete from denied_reload where n = 1"), sync()].concat());
    assert_eq!(outcome(&mut client).0, "1Z");
    client.query("prepare p as delete from denied_reload where n = 2");
    client.send(&[bind("", "d", &[]), execute(""), sync()].concat());
    assert_eq!(outcome(&mut client).0, "2CZ");
    client.query("begin");
    client.send(&[bind("portal", "d", &[]), sync()].concat());
    assert_eq!(outcome(&mut client).0, "2Z");
    overseen.change_policy(NO_DELETES);
    client.send(&[execute("portal"), sync()].concat());
    assert_eq!(outcome(&mut client).1, ["42501"]);
    client.query("rollback");
    client.send(&[bind("", "d", &[]), execute(""), sync()].concat());
    let (seen, codes) = outcome(&mut client);
    assert_eq!((seen.as_str(), codes), ("EZ", vec!["42501".to_owned()]));
    assert_eq!(client.query("execute p")[0].error().code, "42501");
    // PREPARE and Parse share their names.
    client.send(&[bind("", "p", &[]), execute(""), sync()].concat());
    assert_eq!(outcome(&mut client).1, ["42501"]);
    assert_eq!(client.query("execute d")[0].error().code, "42501");
    assert_eq!(count("denied_reload"), "2");
    // And back.
    overseen.change_policy(&allowing);
    assert_eq!(tags(&client.query("execute p")), "CZ");
    assert_eq!(count("denied_reload"), "1");
}

#[test]
fn a_policy_with_mistakes_leaves_the_old_one_in_force() {
    let overseen = Overseen::by(NO_DELETES);
    std::fs::write(
        overseen.directory.path().join("policy.yaml"),
        "rules: nonsense",
    )
    .unwrap();
    overseen
        .gateway
        .wait_for_message("policy can't be used, the old one stays in force");
    // What never ends is no policy either.
    let path = overseen.directory.path().join("policy.yaml");
    std::fs::remove_file(&path).expect("it is there");
    std::os::unix::fs::symlink("/dev/zero", &path).expect("the directory is writable");
    querycop_testkit::wait::eventually("the second refusal", || {
        let logs = overseen.gateway.logs();
        let mut lines = logs.iter().map(ToString::to_string);
        lines
            .any(|line| line.contains("it isn't a regular file"))
            .then_some(())
    });
    let mut client = overseen.client();
    assert_eq!(
        client.query("delete from pg_class")[0].error().code,
        "42501"
    );
}

#[test]
fn a_gateway_with_a_wrong_policy_does_not_start_and_names_every_mistake() {
    let directory = crate::setup::temporary_directory();
    let file = directory.path().join("policy.yaml");
    std::fs::write(&file, "version: 1\nmode: strict\nruls: []\n").unwrap();
    let output = crate::setup::before(&SERVER, "disable")
        .env("GATEKEEPER_POLICY_FILE", file.display())
        .start_expecting_failure();
    let text = output.to_string();
    for part in ["2:7", "3:1", "ruls", "default"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_a_name_stood_for_last_is_what_is_judged() {
    table("denied_names", 3);
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    // The denied Parse must not take the place of the allowed one, nor the other way round.
    let batch = [
        parse("s", "select 1"),
        sync(),
        parse("s", "delete from denied_names"),
        sync(),
        bind("", "s", &[]),
        execute(""),
        sync(),
    ];
    client.send(&batch.concat());
    assert_eq!(outcome(&mut client).0, "1Z");
    assert_eq!(outcome(&mut client).0, "EZ");
    assert_eq!(outcome(&mut client).0, "2DCZ");
    assert_eq!(count("denied_names"), "3");
}

#[test]
fn the_function_call_message_is_denied_by_the_floor() {
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    // pg_backend_pid() by its number.
    let call = [&2026_u32.to_be_bytes()[..], &[0, 0, 0, 0, 0, 0]].concat();
    client.send(&message(b'F', &call));
    let (seen, codes) = outcome(&mut client);
    assert_eq!((seen.as_str(), codes), ("EZ", vec!["42501".to_owned()]));
    assert_eq!(client.value("select 1"), "1");
}

#[test]
fn a_text_larger_than_a_buffer_is_judged_whole() {
    table("denied_large", 1);
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    let long = "x".repeat(300_000);
    let allowed = client.value(&format!("select length('{long}')"));
    assert_eq!(allowed, "300000");
    let denied = client.query(&format!("select '{long}'; delete from denied_large"));
    assert_eq!(denied[0].error().code, "42501");
    client.send(&[run(format!("select length('{long}')")), sync()].concat());
    assert_eq!(outcome(&mut client).0, "12DCZ");
    assert_eq!(count("denied_large"), "1");
}

#[test]
fn a_text_longer_than_what_is_read_is_denied_and_its_bytes_are_left_out() {
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    let long = "x".repeat(64 << 20);
    let denied = client.query(&format!("select '{long}'"));
    assert_eq!(denied[0].error().code, "42501");
    client.send(&[parse("", format!("select '{long}'")), sync()].concat());
    assert_eq!(outcome(&mut client).1, ["42501"]);
    assert_eq!(client.value("select 1"), "1");
}

#[test]
fn bytes_behind_the_end_of_a_text_are_refused() {
    table("denied_nul", 1);
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    client.send(&message(b'Q', b"select 1\0delete from denied_nul\0"));
    assert_eq!(outcome(&mut client).1, ["08P01"]);
    client.send(&message(b'Q', b"select 1"));
    assert_eq!(outcome(&mut client).1, ["08P01"]);
    assert_eq!(client.value("select 1"), "1");
    assert_eq!(count("denied_nul"), "1");
}

#[test]
fn a_statement_split_over_many_packets_is_one_statement() {
    table("denied_split", 1);
    let overseen = Overseen::by(NO_DELETES);
    let mut client = overseen.client();
    for byte in message(b'Q', b"delete from denied_split\0") {
        client.send(&[byte]);
    }
    assert_eq!(outcome(&mut client).1, ["42501"]);
    assert_eq!(count("denied_split"), "1");
}

#[test]
fn a_role_asked_for_in_the_start_up_packet_is_a_set_role() {
    let policy = "
version: 1
mode: enforce
default: allow
rules:
  - name: no-other-role
    deny: { actions: [role] }
";
    let overseen = Overseen::by(policy);
    let psql = overseen.gateway.client().user("postgres");
    assert!(psql.run("select 1").success());
    let output = psql.option("options", "-crole=pg_monitor").run("select 1");
    assert!(!output.success());
    assert!(output.to_string().contains("no-other-role"), "{output}");
}

#[test]
fn a_replication_connection_is_denied_by_the_floor() {
    let overseen = Overseen::by(NO_DELETES);
    let psql = overseen.gateway.client().user("postgres");
    let output = psql
        .option("replication", "database")
        .run("IDENTIFY_SYSTEM");
    assert!(!output.success());
    assert!(output.to_string().contains("replication"), "{output}");
}

#[test]
fn a_name_that_may_stand_for_two_statements_may_change_what_either_does() {
    SERVER.psql(
        "create schema if not exists denied_closed; drop table if exists denied_closed.denied_secrets; \
         create table denied_closed.denied_secrets as select 'secret' as value",
    );
    let overseen = Overseen::by(
        "
version: 1
mode: enforce
default: allow
rules:
  - name: closed
    deny: { tables: [\"denied_closed.*\"] }
",
    );
    let mut client = overseen.client();
    client.query("set search_path = public");
    let path = "select set_config('search_path', 'denied_closed', false)";
    client.send(&[parse("s", path), sync()].concat());
    assert_eq!(outcome(&mut client).0, "1Z");
    // All in one go, before the gateway has an answer to any of it.
    let batch = [
        parse("s", "select 1"),
        sync(),
        bind("", "s", &[]),
        execute(""),
        sync(),
        message(b'Q', b"select value from denied_secrets\0"),
    ];
    client.send(&batch.concat());
    assert_eq!(outcome(&mut client).1, ["42P05"]);
    assert_eq!(outcome(&mut client).0, "2DCZ");
    assert_eq!(outcome(&mut client).1, ["42501"]);
}
