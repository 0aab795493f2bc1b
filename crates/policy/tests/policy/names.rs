//! Names, columns, settings and other objects that rules name.

use crate::support::session;

#[test]
fn quoted_and_unicode_names_are_the_names_they_mean() {
    let session = session(
        "
version: 1
default: allow
rules:
  - name: no-pii
    deny: { tables: [pii.people, 'pii.\"Big Table\"'] }
",
    );
    for sql in [
        "SELECT * FROM pii.people",
        "SELECT * FROM PII.People",
        "SELECT * FROM \"pii\".\"people\"",
        "SELECT * FROM U&\"pii\".U&\"p\\0065ople\"",
        "SELECT * FROM/* a */pii . people",
        "TABLE pii.people",
        "SELECT * FROM shop.pii.people",
        "SELECT * FROM pii.\"Big Table\"",
        "DECLARE c CURSOR FOR SELECT * FROM pii.people",
        "COPY pii.people TO STDOUT",
        "CREATE VIEW v AS SELECT * FROM pii.people",
        "MERGE INTO t USING pii.people p ON p.id = t.id WHEN MATCHED THEN DO NOTHING",
    ] {
        session.denies(sql, "no-pii");
    }
    session.allows("SELECT * FROM pii.\"PEOPLE\"");
    session.allows("SELECT 'pii.people' AS \"pii.people\"");
}

#[test]
fn columns_are_denied_by_name_and_by_star() {
    let session = session(
        "
version: 1
default: allow
sets:
  contact: { columns: [public.customers.email, 'public.customers.phone*'] }
rules:
  - name: no-contact
    deny: { actions: [read, export], columns: [contact] }
",
    );
    session.denies("SELECT email FROM public.customers", "no-contact");
    session.denies("SELECT c.phone_home FROM public.customers c", "no-contact");
    session.denies("SELECT * FROM public.customers", "no-contact");
    session.denies("SELECT c FROM public.customers c", "no-contact");
    session.denies(
        "SELECT id FROM public.customers WHERE email LIKE 'a%'",
        "no-contact",
    );
    session.denies("COPY public.customers TO STDOUT", "no-contact");
    session.denies(
        "SELECT table_to_xml('public.customers', true, true, '')",
        "no-contact",
    );
    session.denies("SELECT email FROM customers", "no-contact");
    session.allows("SELECT id, name FROM public.customers");
    session.allows("SELECT email FROM public.staff");
    session.allows("INSERT INTO public.customers (email) VALUES ('x')");
    session.allows("COPY public.customers (id) TO STDOUT");
}

#[test]
fn columns_are_allowed_one_by_one() {
    let session = session(
        "
version: 1
default: deny
rules:
  - name: some-columns
    allow: { actions: [read], columns: [public.customers.id, public.customers.name] }
",
    );
    session.allows("SELECT id, name FROM public.customers");
    session.allows("SELECT FROM public.customers WHERE id = 1");
    session.denies("SELECT * FROM public.customers", "default");
    session.denies("SELECT id, email FROM public.customers", "default");
    session.denies("SELECT id FROM public.customers ORDER BY email", "default");
    session.denies("SELECT id FROM public.orders", "default");
    session.denies("SELECT c FROM public.customers c", "default");
}

#[test]
fn settings_are_named_and_the_harmless_ones_have_a_set() {
    let session = session(
        "
version: 1
default: deny
rules:
  - name: comfort
    allow: { actions: [session], settings: [harmless, 'app.*'] }
  - name: set_config
    allow: { actions: [call], functions: [builtin] }
",
    );
    session.allows("SET application_name = 'x'");
    session.allows("SET DateStyle = ISO");
    session.allows("SET TIME ZONE 'UTC'");
    session.allows("SET LOCAL statement_timeout = '5s'");
    session.allows("SET app.tenant = '1'");
    session.allows("SHOW server_version");
    session.allows("RESET ALL");
    session.allows("SELECT set_config('search_path', '', false)");
    session.allows("SET default_transaction_read_only = on");
    session.denies("SET default_transaction_read_only = off", "default");
    session.denies("RESET default_transaction_read_only", "default");
    session.denies(
        "SELECT set_config('default_transaction_read_only', 'off', false)",
        "default",
    );
    session.denies("SELECT set_config($1, $2, false)", "default");
    session.denies("SET session_replication_role = replica", "default");
    session.denies("SET work_mem = '1TB'", "default");
    session.denies("SET ROLE postgres", "default");
    session.denies("SELECT set_config('role', 'postgres', false)", "default");
}

#[test]
fn objects_of_any_kind_can_be_named() {
    let session = session(
        "
version: 1
default: deny
rules:
  - name: roles
    allow: { actions: [role], subtypes: [set_role, reset_role], objects: ['role:app_*'] }
  - name: jobs
    allow: { actions: [notify], objects: ['channel:jobs'] }
  - name: schema
    allow: { actions: [ddl.create], objects: [schema, 'type:app.*'] }
",
    );
    session.allows("SET ROLE app_reader");
    session.denies("SET ROLE postgres", "default");
    session.denies("CREATE ROLE app_x", "default");
    session.allows("LISTEN jobs");
    session.denies("LISTEN other", "default");
    session.allows("CREATE SCHEMA x");
    session.allows("CREATE TYPE app.color AS ENUM ('red')");
    session.denies("CREATE TYPE other.color AS ENUM ('red')", "default");
}

#[test]
fn constructs_of_newer_versions_are_builtin_and_calls_by_their_name() {
    let rules = "
version: 1
default: deny
rules:
  - name: call
    allow: { actions: [call], functions: [builtin] }
";
    let constructs = "SELECT JSON_VALUE('1', '$'), JSON_ARRAY(1), JSON('1'), normalize('a')";
    let builtin = session(rules);
    builtin.allows(constructs);
    builtin.denies("SELECT \"json_value\"('1', '$')", "default");
    builtin.denies("SELECT \"merge_action\"()", "default");
    session(&rules.replace("builtin", "app.f")).denies("SELECT JSON_VALUE('1', '$')", "default");
    let closed =
        format!("{rules}  - name: no-value\n    deny: {{ functions: [public.json_value] }}\n");
    session(&closed).denies("SELECT JSON_VALUE('1', '$')", "no-value");
    session(&closed).allows("SELECT JSON_QUERY('1', '$')");
    let none = format!("{rules}  - name: none\n    deny: {{ subtypes: [construct] }}\n");
    session(&none).denies(constructs, "none");
}

#[test]
fn functions_that_do_something_need_more_than_the_builtin_set() {
    let session = session(
        "
version: 1
default: deny
rules:
  - name: call
    allow: { actions: [call], functions: [builtin] }
",
    );
    session.allows("SELECT now(), count(*), pg_catalog.lower('x'), random(), current_setting('x')");
    for call in [
        "nextval('s')",
        "setval('s', 1)",
        "set_config('role', 'x', false)",
        "pg_notify('c', 'x')",
        "pg_cancel_backend(1)",
        "pg_terminate_backend(1)",
        "pg_reload_conf()",
        "pg_rotate_logfile()",
        "pg_switch_wal()",
        "pg_advisory_lock(1)",
        "pg_try_advisory_xact_lock(1)",
        "pg_stat_reset()",
        "lo_get(1)",
        "lo_open(1, 2)",
        "loread(1, 2)",
        "lo_lseek(1, 2, 3)",
        "lo_lseek64(1, 2, 3)",
        "lo_tell(1)",
        "lo_tell64(1)",
        "lo_creat(1)",
        "lo_create(1)",
        "lo_from_bytea(1, '')",
        "lo_put(1, 2, '')",
        "lo_truncate(1, 2)",
        "lo_truncate64(1, 2)",
        "lo_unlink(1)",
        "lowrite(1, '')",
        "pg_sleep(1)",
        "query_to_xml('SELECT 1', true, true, '')",
        "pg_logical_emit_message(true, 'a', 'b')",
        "public.lower('x')",
        "dblink('x', 'y')",
        "app.f()",
    ] {
        let decision = session.decide(&format!("SELECT {call}"));
        assert_eq!(decision.verdict, querycop_policy::Verdict::Deny, "{call}");
    }
}

#[test]
fn policies_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<querycop_policy::Policy>();
    shared::<querycop_policy::Scope>();
    shared::<querycop_policy::Catalog>();
}
