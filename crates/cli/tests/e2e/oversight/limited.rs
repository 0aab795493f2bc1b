//! Limits: rows, bytes, time, rate and statements at a time.

use querycop_testkit::psql::Psql;

use super::{
    Overseen, SERVER, bind, codes, count, execute, execute_some, outcome, parse, run, sync, table,
    tags,
};

fn limited(to: &str) -> Overseen {
    Overseen::by(&format!(
        "
version: 1
mode: enforce
default: allow
rules:
  - name: small
    limit: {{}}
    to: {{ {to} }}
"
    ))
}

#[test]
fn a_result_ends_at_the_limit_of_rows_with_an_error() {
    let overseen = limited("rows: 10");
    let mut client = overseen.client();
    assert_eq!(
        tags(&client.query("select generate_series(1, 10)")),
        "TDDDDDDDDDDCZ"
    );
    // Small enough to be complete before a request to cancel it comes, and endless.
    for rows in ["11", "100000000"] {
        let answer = client.query(&format!("select generate_series(1, {rows})"));
        assert_eq!(tags(&answer), "TDDDDDDDDDDEZ", "{rows}");
        let error = answer[11].error();
        assert_eq!(error.code, "54000");
        assert!(error.message.contains("10 rows") && error.message.contains("small"));
        assert_eq!(client.value("select 1"), "1");
    }
}

#[test]
fn in_a_pipeline_the_rest_of_the_batch_is_skipped_for_the_client() {
    let overseen = limited("rows: 2");
    let mut client = overseen.client();
    let batch = [
        run("select generate_series(1, 5)"),
        run("select 1"),
        sync(),
        run("select 2"),
        sync(),
    ];
    client.send(&batch.concat());
    assert_eq!(
        outcome(&mut client),
        ("12DDEZ".to_owned(), vec!["54000".to_owned()])
    );
    assert_eq!(outcome(&mut client).0, "12DCZ");
}

#[test]
fn pages_of_one_portal_count_together() {
    let overseen = limited("rows: 10");
    let mut client = overseen.client();
    let page = || [execute_some("p", 4), sync()].concat();
    // The second portal of that name begins anew.
    for _ in 0..2 {
        client.query("begin");
        client.send(&parse("", "select generate_series(1, 100)"));
        client.send(&[bind("p", "", &[]), page()].concat());
        assert_eq!(outcome(&mut client).0, "12DDDDsZ");
        client.send(&page());
        assert_eq!(outcome(&mut client).0, "DDDDsZ");
        client.send(&page());
        let cut = ("DDEZ".to_owned(), vec!["54000".to_owned()]);
        assert_eq!(outcome(&mut client), cut);
        assert_eq!(tags(&client.query("rollback")), "CZ");
    }
    // All that there is may be as much as the limit.
    client.send(&parse("", "select generate_series(1, 10)"));
    client.send(&[bind("", "", &[]), execute_some("", 9), execute(""), sync()].concat());
    assert_eq!(outcome(&mut client).0, "12DDDDDDDDDsDCZ");
}

#[test]
fn pages_of_one_cursor_count_together() {
    let overseen = limited("rows: 10");
    let mut client = overseen.client();
    let cut = ("TEZ".to_owned(), vec!["54000".to_owned()]);
    let declare = "declare Pages scroll cursor with hold for select generate_series(1, 100)";
    // The second cursor of that name begins anew.
    for _ in 0..2 {
        assert_eq!(tags(&client.query(declare)), "CZ");
        assert_eq!(tags(&client.query("fetch 4 from pages")), "TDDDDCZ");
        assert_eq!(tags(&client.query("move 10 from pages")), "CZ");
        assert_eq!(tags(&client.query("fetch backward 3 from PAGES")), "TDDDCZ");
        client.send(&[run("fetch 3 from \"pages\""), sync()].concat());
        assert_eq!(outcome(&mut client).0, "12DDDCZ");
        // A cursor that is held outlives the error.
        for _ in 0..2 {
            client.send_query("fetch from pages");
            assert_eq!(outcome(&mut client), cut);
        }
        client.send(&[run("fetch from pages"), sync()].concat());
        assert_eq!(outcome(&mut client).1, ["54000"]);
        assert_eq!(tags(&client.query("close pages")), "CZ");
    }
}

#[test]
fn pages_count_in_bytes_too() {
    let overseen = limited("bytes: 1kB");
    let mut client = overseen.client();
    client.query("begin");
    client.query("declare pages cursor for select repeat('x', 400) from generate_series(1, 9)");
    assert_eq!(tags(&client.query("fetch from pages")), "TDCZ");
    assert_eq!(tags(&client.query("fetch from pages")), "TDCZ");
    assert_eq!(codes(&client.query("fetch from pages")), ["54000"]);
}

#[test]
fn what_was_complete_before_it_could_be_cancelled_is_told_and_recorded_as_that() {
    table("limited_late", 0);
    let overseen = limited("rows: 10");
    let mut client = overseen.client();
    let insert = "insert into limited_late select generate_series(1, 11) returning n";
    let mut kept = 0;
    // Whether the cancel comes in time is the server's to decide.
    for _ in 0..5 {
        let answer = client.query(insert);
        let error = answer[11].error();
        assert_eq!(error.code, "54000");
        let now: usize = count("limited_late").parse().unwrap();
        let records = overseen.statements();
        let record = records.last().expect("it is recorded");
        assert_eq!(record["sqlstate"], "54000");
        assert_eq!(record["rows"], 10);
        if now > kept {
            assert!(error.detail.contains("what it changed stays"), "{error:?}");
            assert_eq!(record["outcome"], "completed");
            assert_eq!(record["tag"], "INSERT 0 11");
        } else {
            assert!(error.detail.contains("was cancelled"), "{error:?}");
            assert_eq!(record["outcome"], "failed");
        }
        kept = now;
    }
}

#[test]
fn psql_s_pages_count_together() {
    let overseen = limited("rows: 10");
    let psql = Psql::new("127.0.0.1", overseen.gateway.port())
        .sslmode("disable")
        .user(SERVER.superuser())
        .dbname("postgres");
    let output = psql.script("\\set FETCH_COUNT 4\nselect generate_series(1, 100);\n");
    assert!(output.stderr.contains("more than 10 rows"), "{output}");
    assert!(output.stdout.lines().count() <= 10, "{output}");
}

#[test]
fn a_result_ends_at_the_limit_of_bytes() {
    let overseen = limited("bytes: 1kB");
    let mut client = overseen.client();
    assert_eq!(tags(&client.query("select repeat('x', 500)")), "TDCZ");
    let answer = client.query("select repeat('x', 400) from generate_series(1, 5)");
    assert_eq!(codes(&answer), ["54000"]);
    let answer =
        client.query("copy (select repeat('x', 400) from generate_series(1, 5)) to stdout");
    assert_eq!(codes(&answer), ["54000"]);
    assert_eq!(client.value("select 1"), "1");
}

#[test]
fn a_statement_that_runs_too_long_is_cancelled() {
    let overseen = limited("statement_time: 300ms");
    let mut client = overseen.client();
    let answer = client.query("select pg_sleep(600)");
    let error = answer
        .iter()
        .find(|message| message.tag == b'E')
        .expect("it is cancelled")
        .error();
    assert_eq!(error.code, "57014");
    assert!(error.message.contains("small"), "{error:?}");
    assert_eq!(client.value("select 1"), "1");
}

#[test]
fn too_many_statements_in_a_second_are_refused() {
    table("limited_rate", 0);
    let overseen = limited("rate: 3");
    let mut client = overseen.client();
    let mut refused = 0;
    for _ in 0..50 {
        refused += codes(&client.query("insert into limited_rate values (1)"))
            .iter()
            .filter(|code| *code == "53400")
            .count();
    }
    assert!(refused > 0);
    let kept: usize = count("limited_rate").parse().unwrap();
    assert_eq!(kept + refused, 50);
}

#[test]
fn too_many_statements_at_a_time_are_refused() {
    let overseen = limited("concurrent: 1");
    let mut first = overseen.client();
    let mut second = overseen.client();
    first.send_query("select pg_advisory_lock(4711), pg_sleep(600)");
    querycop_testkit::wait::eventually("the first to run", || {
        let running = "select count(*) from pg_stat_activity where query like '%4711%' and state = 'active' and pid <> pg_backend_pid()";
        (SERVER.psql(running).trim() == "1").then_some(())
    });
    assert_eq!(codes(&second.query("select 1")), ["53400"]);
    SERVER.psql(&format!(
        "select pg_cancel_backend({})",
        first.backend_pid()
    ));
    assert_eq!(outcome(&mut first).1, ["57014"]);
    assert_eq!(second.value("select 1"), "1");
}

#[test]
fn a_name_that_may_stand_for_two_statements_is_under_the_limits_of_both() {
    table("limited_many", 3);
    let overseen = Overseen::by(
        "
version: 1
mode: enforce
default: allow
rules:
  - name: one-row
    limit: { tables: [\"*.limited_many\"] }
    to: { rows: 1 }
",
    );
    let mut client = overseen.client();
    client.send(&[parse("s", "select * from limited_many"), sync()].concat());
    assert_eq!(outcome(&mut client).0, "1Z");
    // The second Parse fails, which the gateway can't know when the Execute comes.
    let batch = [
        parse("s", "select 1"),
        sync(),
        bind("", "s", &[]),
        execute(""),
        sync(),
    ];
    client.send(&batch.concat());
    assert_eq!(outcome(&mut client).1, ["42P05"]);
    assert_eq!(
        outcome(&mut client),
        ("2DEZ".to_owned(), vec!["54000".to_owned()])
    );
}

#[test]
fn a_statement_of_the_extended_protocol_is_cancelled_in_time_too() {
    let overseen = limited("statement_time: 300ms");
    let mut client = overseen.client();
    client.send(&[run("select pg_sleep(600)"), sync()].concat());
    let (tags, codes) = outcome(&mut client);
    assert_eq!((tags.as_str(), codes), ("12EZ", vec!["57014".to_owned()]));
    assert_eq!(client.value("select 41 + 1"), "42");
}

#[test]
fn a_pipeline_is_one_statement_at_a_time() {
    table("limited_pipeline", 3);
    let overseen = limited("concurrent: 1");
    let mut client = overseen.client();
    let one = run("select count(*) from limited_pipeline");
    client.send(&[&one[..], &one, &one, &sync()].concat());
    let (tags, codes) = outcome(&mut client);
    assert_eq!((tags.as_str(), codes), ("12DC12DC12DCZ", Vec::new()));
}

#[test]
fn what_may_have_run_behind_a_statement_that_was_cut_is_not_told_as_rolled_back() {
    table("limited_behind", 12);
    table("limited_written", 0);
    let overseen = limited("rows: 10");
    let mut client = overseen.client();
    client.send_query(
        "select n from limited_behind limit 12; insert into limited_written values (1)",
    );
    let messages = client.read_to_end();
    let codes = codes(&messages);
    // Either the cancel came in time, which ends the text, or the session ends.
    assert!(codes == ["54000"] || codes.is_empty(), "{codes:?}");
    assert!(tags(&messages).ends_with('E'), "{messages:?}");
}
