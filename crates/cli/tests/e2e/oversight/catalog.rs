//! What the policy knows of a database by its catalog.

use querycop_testkit::gateway::Signal;
use querycop_testkit::wait::eventually;

use super::{Overseen, SERVER, outcome};

/// Whoever reads: all but one schema, and only functions that change nothing by their names.
const READER: &str = "
version: 1
mode: enforce
default: deny
rules:
  - name: reads
    allow: { actions: [read, session, transaction] }
  - name: harmless
    allow: { actions: [call], functions: [builtin] }
  - name: no-secrets
    deny: { tables: ['catalog_secret.*'] }
";

#[test]
fn a_view_is_what_it_reads_once_the_catalog_is_known() {
    SERVER.psql(
        "drop schema if exists catalog_secret cascade; create schema catalog_secret;
         create table catalog_secret.people (name text);
         create view catalog_one as select * from catalog_secret.people;
         create view catalog_two as select * from catalog_one;
         drop type if exists catalog_state; create type catalog_state as enum ('new')",
    );
    let through_view = "select * from public.catalog_two";
    let enumerated = "select 'new'::public.catalog_state";

    let cautious = Overseen::by(READER);
    let mut client = cautious.client();
    client.query(through_view);
    assert_eq!(cautious.statements()[0]["outcome"], "completed");
    client.query(enumerated);
    assert_eq!(cautious.statements()[1]["outcome"], "denied");

    let overseen = Overseen::with(READER, |builder| {
        builder
            .env("GATEKEEPER_CATALOG_DATABASES", "postgres")
            .env("GATEKEEPER_CATALOG_USER", "postgres")
    });
    overseen.gateway.wait_for_message("catalog read");
    let mut client = overseen.client();
    client.query(through_view);
    client.query(enumerated);
    let statements = overseen.statements();
    assert_eq!(statements[0]["outcome"], "denied", "{statements:?}");
    assert_eq!(statements[0]["rule"], "no-secrets", "{statements:?}");
    assert_eq!(statements[1]["outcome"], "completed", "{statements:?}");

    // What the session knows of the view is forgotten with the snapshot that it came from.
    SERVER.psql(
        "drop view catalog_two; create table catalog_harmless (n int);
         create view catalog_two as select * from catalog_harmless",
    );
    overseen.gateway.signal(Signal::HUP);
    eventually("the new snapshot", || {
        client.send_query(through_view);
        outcome(&mut client);
        let statements = overseen.statements();
        (statements.last()?["outcome"] == "completed").then_some(())
    });
}

#[test]
fn a_view_of_what_postgresql_brings_along_is_what_it_reads() {
    SERVER.psql(
        "drop view if exists catalog_roles; drop view if exists catalog_hashes;
         create view catalog_roles as select rolname from pg_roles;
         create view catalog_hashes as select (select max(rolpassword) from pg_authid)",
    );
    let policy = READER.replace("['catalog_secret.*']", "[pg_catalog.pg_authid]");
    let overseen = Overseen::with(&policy, |builder| {
        builder
            .env("GATEKEEPER_CATALOG_DATABASES", "postgres")
            .env("GATEKEEPER_CATALOG_USER", "postgres")
    });
    overseen.gateway.wait_for_message("catalog read");
    let mut client = overseen.client();
    client.query("select * from public.catalog_hashes");
    client.query("select * from pg_shadow");
    client.query("select * from public.catalog_roles");
    let statements = overseen.statements();
    for (statement, outcome) in statements.iter().zip(["denied", "denied", "completed"]) {
        assert_eq!(statement["outcome"], outcome, "{statements:?}");
    }
}

#[test]
fn a_catalog_that_can_t_be_read_is_told_and_nobody_is_refused_for_it() {
    let overseen = Overseen::with(READER, |builder| {
        builder
            .env("GATEKEEPER_CATALOG_DATABASES", "postgres, no_such_database")
            .env("GATEKEEPER_CATALOG_USER", "postgres")
    });
    let told = overseen.gateway.wait_for_log("a warning", |line| {
        line["level"] == "WARN" && line["db.name"] == "no_such_database"
    });
    assert!(
        told["error"].as_str().expect("a text").contains("3D000"),
        "{told}"
    );
    overseen.client().query("select 1");
    assert_eq!(overseen.statements()[0]["outcome"], "completed");
}
