//! Effects of each kind of statement.

use querycop_sql::facts::Kind;

use crate::{has_effects, has_only_effects, is_of_kind};

#[test]
fn select_reads_columns_of_what_is_in_sight() {
    has_only_effects("SELECT a, b FROM s.t LIMIT 1", &["read relation s.t (a,b)"]);
    has_only_effects("SELECT * FROM t", &["read relation t *"]);
    has_only_effects(
        "SELECT x.a, y.b FROM t x JOIN u y ON x.id = y.id",
        &["read relation t (id,a)", "read relation u (id,b)"],
    );
    // A column without a qualifier can be of either.
    has_only_effects(
        "SELECT a FROM t, u",
        &["read relation t (a)", "read relation u (a)"],
    );
    // The row as a whole.
    has_only_effects(
        "SELECT row_to_json(c) FROM customers c",
        &["call function row_to_json", "read relation customers * (c)"],
    );
    has_only_effects(
        "SELECT 1 FROM t WHERE EXISTS (SELECT * FROM u WHERE u.a = t.b)",
        &["read relation t (b)", "read relation u (a)"],
    );
    has_only_effects(
        "SELECT j.a FROM (t JOIN u ON true) AS j",
        &["read relation t (a)", "read relation u (a)"],
    );
}

/// `*` under EXISTS is of no interest only as long as nothing compares, sorts or counts what it holds.
#[test]
fn exists_reads_what_decides_whether_there_is_a_row() {
    for plain in [
        "SELECT EXISTS (SELECT * FROM t)",
        "SELECT EXISTS (SELECT t.* FROM t LIMIT 1)",
        "SELECT EXISTS (TABLE t)",
        "SELECT NOT EXISTS (((SELECT * FROM t)))",
        "SELECT EXISTS (WITH x AS (SELECT 1) SELECT * FROM t)",
    ] {
        has_effects(plain, &["read relation t"]);
    }
    for looking in [
        "SELECT EXISTS ((SELECT * FROM t UNION ALL SELECT 1 ORDER BY 1 LIMIT 1) INTERSECT SELECT 1)",
        "SELECT EXISTS (SELECT * FROM t INTERSECT SELECT 1)",
        "SELECT EXISTS (SELECT 1 EXCEPT SELECT * FROM t)",
        "SELECT EXISTS (SELECT 1 UNION SELECT * FROM t OFFSET 1)",
        "SELECT EXISTS (SELECT 1 UNION ALL (TABLE t) LIMIT 1)",
        "SELECT EXISTS (SELECT DISTINCT * FROM t OFFSET 1)",
        "SELECT EXISTS (SELECT DISTINCT t.* FROM t LIMIT 1)",
        "SELECT EXISTS (SELECT DISTINCT ON (1) * FROM t)",
        "SELECT EXISTS (SELECT * FROM t GROUP BY 1 OFFSET 1)",
        "SELECT EXISTS (SELECT * FROM t GROUP BY 1 HAVING count(*) > 1)",
        "SELECT EXISTS (SELECT * FROM t ORDER BY 1 LIMIT 1 FOR UPDATE)",
        "SELECT EXISTS (SELECT * FROM t WINDOW w AS (ORDER BY 1))",
        "SELECT EXISTS (SELECT 1 FROM (SELECT DISTINCT * FROM t) x OFFSET 1)",
        "SELECT EXISTS (WITH x AS (TABLE t) SELECT * FROM x INTERSECT SELECT 1)",
    ] {
        has_effects(looking, &["read relation t *"]);
    }
}

/// A join with an alias hides the names in it, so that they are free for others.
#[test]
fn a_name_that_is_given_twice_counts_for_whatever_it_can_mean() {
    has_effects(
        "SELECT p.a FROM (t p CROSS JOIN u) AS j, customers AS p",
        &["read relation customers (a)"],
    );
    has_effects(
        "SELECT (SELECT p.a FROM (t p CROSS JOIN u) AS j) FROM customers AS p",
        &["read relation customers (a)"],
    );
    has_effects(
        "SELECT p FROM (t p CROSS JOIN u) AS j, customers AS p",
        &["read relation customers * (p)"],
    );
    has_effects(
        "SELECT p.* FROM (t p JOIN u USING (b) AS k) AS j, customers AS p",
        &["read relation customers *"],
    );
    has_effects(
        "UPDATE t SET a = 1 FROM customers AS old RETURNING old.b, new.c",
        &["read relation customers (b)", "read relation t (c)"],
    );
    // The alias of the join still stands for all that is in it.
    has_effects(
        "SELECT j.a FROM (t p CROSS JOIN u) AS j, customers AS p",
        &["read relation t (a)", "read relation u (a)"],
    );
}

#[test]
fn subquery_in_from_doesnt_see_its_neighbours() {
    has_only_effects(
        "SELECT 1 FROM a, (SELECT name FROM b) x",
        &["read relation a", "read relation b (name)"],
    );
}

#[test]
fn changes_name_their_columns() {
    has_only_effects(
        "INSERT INTO t (a, b) VALUES (1, 2)",
        &["insert relation t (a,b)"],
    );
    has_only_effects("INSERT INTO t DEFAULT VALUES", &["insert relation t *"]);
    has_only_effects(
        "INSERT INTO t (a) SELECT b FROM u RETURNING id",
        &[
            "insert relation t (a) returning",
            "read relation u (b)",
            "read relation t (id)",
        ],
    );
    has_only_effects(
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = excluded.b",
        &["insert relation t (a)", "update relation t (b)"],
    );
    has_only_effects(
        "UPDATE t SET a = 1, b = 2 WHERE id = 3",
        &["update relation t (a,b)", "read relation t (id)"],
    );
    has_only_effects("UPDATE t SET a = 1", &["update relation t (a) all rows"]);
    has_only_effects("DELETE FROM t WHERE true", &["delete relation t every row"]);
    has_only_effects(
        "MERGE INTO t USING (SELECT 1) p ON true WHEN MATCHED AND t.a = 1 THEN UPDATE SET b = 2 \
         WHEN MATCHED THEN DELETE",
        &[
            "read relation t (a)",
            "update relation t (b)",
            "delete relation t every row",
        ],
    );
    has_only_effects(
        "MERGE INTO t USING s.u AS u ON t.id = u.id WHEN MATCHED THEN UPDATE SET a = u.a \
         WHEN NOT MATCHED THEN INSERT (id) VALUES (u.id)",
        &[
            "read relation t (id)",
            "read relation s.u (id,a)",
            "update relation t (a)",
            "insert relation t (id)",
        ],
    );
}

#[test]
fn pgbench_is_plain() {
    has_only_effects(
        "UPDATE pgbench_accounts SET abalance = abalance + -4 WHERE aid = 77",
        &[
            "update relation pgbench_accounts (abalance)",
            "read relation pgbench_accounts (abalance,aid)",
        ],
    );
    has_only_effects(
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 2, 3, 4, CURRENT_TIMESTAMP)",
        &["insert relation pgbench_history (tid,bid,aid,delta,mtime)"],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of texts and their effects")]
fn definitions_name_what_they_define() {
    for (text, effect) in [
        ("CREATE TABLE s.t (a int)", "ddl.create table s.t"),
        ("CREATE VIEW v AS SELECT 1", "ddl.create view v"),
        (
            "CREATE MATERIALIZED VIEW m AS SELECT 1",
            "ddl.create materialized_view m",
        ),
        ("CREATE INDEX i ON s.t (a)", "ddl.create index s.i"),
        ("CREATE INDEX i ON s.t (a)", "ddl.alter:index relation s.t"),
        ("CREATE SEQUENCE q", "ddl.create sequence q"),
        ("CREATE SCHEMA s", "ddl.create schema s"),
        (
            "CREATE SCHEMA s CREATE TABLE t (a int)",
            "ddl.create table t",
        ),
        ("CREATE TYPE c AS (a int)", "ddl.create type c"),
        ("CREATE TYPE e AS ENUM ('a')", "ddl.create type e"),
        (
            "CREATE TYPE r AS RANGE (subtype = int4)",
            "ddl.create type r",
        ),
        ("CREATE DOMAIN d AS int", "ddl.create type d"),
        (
            "CREATE AGGREGATE g (int) (sfunc = evil, stype = int)",
            "call function evil stored",
        ),
        (
            "CREATE OPERATOR s.@@@ (leftarg = int, function = evil)",
            "call function evil stored",
        ),
        (
            "CREATE CAST (int AS text) WITH FUNCTION evil(int)",
            "call function evil stored",
        ),
        ("CREATE EXTENSION dblink", "ddl.create extension dblink"),
        ("CREATE DATABASE d", "ddl.create database d"),
        (
            "CREATE STATISTICS s ON a, b FROM t",
            "read:reference relation t",
        ),
        (
            "CREATE TABLE t (LIKE u)",
            "read:reference relation u stored",
        ),
        (
            "CREATE TABLE t () INHERITS (u)",
            "read:reference relation u",
        ),
        (
            "CREATE TABLE t (a int REFERENCES u)",
            "read:reference relation u stored",
        ),
        (
            "CREATE FOREIGN TABLE f (a int) SERVER s",
            "ddl.create foreign_table f",
        ),
        ("CREATE POLICY p ON s.t", "ddl.create policy s.p"),
        (
            "CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION s.f()",
            "call function s.f stored",
        ),
        (
            "CREATE PUBLICATION p FOR TABLE t",
            "replication:publish relation t",
        ),
        (
            "CREATE PUBLICATION p FOR TABLES IN SCHEMA s",
            "replication:publish schema s",
        ),
        (
            "CREATE PUBLICATION p FOR ALL TABLES",
            "replication:publish relation",
        ),
        (
            "ALTER TABLE t ADD COLUMN a int",
            "ddl.alter:add_column table t",
        ),
        (
            "ALTER TABLE t DISABLE ROW LEVEL SECURITY",
            "ddl.alter:disable_row_security table t",
        ),
        ("ALTER TABLE t OWNER TO a", "ddl.alter:owner table t"),
        ("ALTER TABLE t RENAME TO u", "ddl.alter:rename table t"),
        ("ALTER TABLE t RENAME a TO b", "ddl.alter:rename column t"),
        ("ALTER TABLE t SET SCHEMA s", "ddl.alter:set_schema table t"),
        ("ALTER VIEW v OWNER TO a", "ddl.alter:owner view v"),
        (
            "ALTER FUNCTION s.f(int) OWNER TO a",
            "ddl.alter:owner function s.f",
        ),
        ("ALTER SCHEMA s RENAME TO z", "ddl.alter:rename schema s"),
        (
            "ALTER DATABASE d SET search_path = a",
            "ddl.alter database d",
        ),
        ("ALTER EVENT TRIGGER e DISABLE", "ddl.alter event_trigger e"),
        ("COMMENT ON TABLE s.t IS 'x'", "ddl.alter:comment table s.t"),
        (
            "COMMENT ON COLUMN s.t.a IS 'x'",
            "ddl.alter:comment relation s.t",
        ),
        ("DROP TABLE s.t, u", "ddl.drop table u"),
        ("DROP FUNCTION s.f(int)", "ddl.drop function s.f"),
        ("DROP TYPE s.y", "ddl.drop type s.y"),
        ("DROP SCHEMA s CASCADE", "ddl.drop schema s"),
        ("DROP POLICY p ON s.t", "ddl.alter:policy relation s.t"),
        ("DROP DATABASE d", "ddl.drop database d"),
        ("DROP OWNED BY a", "ddl.drop:owned role a"),
        ("REASSIGN OWNED BY a TO b", "ddl.alter:owner role a"),
    ] {
        has_effects(text, &[effect]);
    }
}

#[test]
fn the_rest_names_its_action() {
    for (text, effect) in [
        ("TRUNCATE a.t, u CASCADE", "truncate relation a.t"),
        (
            "LOCK TABLE t IN ACCESS EXCLUSIVE MODE",
            "lock:table relation t",
        ),
        (
            "LOCK t IN ACCESS SHARE MODE NOWAIT",
            "lock:access_share relation t",
        ),
        ("SELECT a FROM t FOR UPDATE", "lock:for_update relation t"),
        ("SELECT pg_advisory_lock(1)", "lock:advisory nothing"),
        ("VACUUM FULL s.t", "maintenance:vacuum relation s.t"),
        ("VACUUM", "maintenance:vacuum relation"),
        ("ANALYZE t (a)", "maintenance:analyze relation t"),
        ("CLUSTER t", "maintenance:cluster relation t"),
        ("REINDEX TABLE t", "maintenance:reindex relation t"),
        ("REINDEX DATABASE d", "maintenance:reindex database d"),
        (
            "REFRESH MATERIALIZED VIEW m",
            "maintenance:refresh materialized_view m",
        ),
        ("CHECKPOINT", "maintenance:checkpoint nothing"),
        (
            "SELECT pg_terminate_backend(1)",
            "maintenance:signal_backend nothing",
        ),
        ("NOTIFY c, 'x'", "notify:notify channel c"),
        ("SELECT pg_notify('c', 'x')", "notify:notify channel c"),
        ("LISTEN c", "notify:listen channel c"),
        ("UNLISTEN *", "notify:unlisten channel"),
        ("SHOW search_path", "session:show setting search_path"),
        ("SHOW ALL", "session:show setting"),
        ("DISCARD ALL", "session:discard_all nothing"),
        (
            "SET CONSTRAINTS ALL DEFERRED",
            "transaction:set_constraints nothing",
        ),
        ("SAVEPOINT s", "transaction:savepoint transaction s"),
        ("GRANT SELECT (a) ON s.t TO b", "grant:grant table s.t (a)"),
        (
            "GRANT SELECT ON ALL TABLES IN SCHEMA s TO b",
            "grant:grant table s.",
        ),
        (
            "REVOKE EXECUTE ON FUNCTION f(int) FROM b",
            "grant:revoke function f",
        ),
        ("GRANT a TO b", "grant:grant role a"),
        ("CREATE ROLE a SUPERUSER", "role:create role a"),
        ("ALTER ROLE a RENAME TO b", "role:rename role a"),
        ("DROP USER a, b", "role:drop role b"),
        ("SELECT nextval('public.ids')", "update sequence public.ids"),
        ("SELECT nextval($1)", "update sequence"),
        (
            "SELECT pg_create_logical_replication_slot('a', 'b')",
            "replication:function nothing",
        ),
        (
            "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
            "replication:subscription subscription s",
        ),
        (
            "IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c",
            "ddl.create:import_foreign_schema schema c",
        ),
    ] {
        has_effects(text, &[effect]);
    }
}

/// To a server that doesn't have them yet they are calls of whatever has that name.
#[test]
fn constructs_of_newer_versions_are_calls() {
    for (text, name) in [
        ("JSON_VALUE(a, '$.b')", "json_value"),
        ("json_query(a, '$.b')", "json_query"),
        ("JSON_EXISTS(a, '$.b')", "json_exists"),
        ("JSON('1')", "json"),
        ("JSON_SCALAR(1)", "json_scalar"),
        ("JSON_SERIALIZE('1')", "json_serialize"),
        ("JSON_OBJECT()", "json_object"),
        ("JSON_ARRAY(1, 2)", "json_array"),
        ("JSON_ARRAY()", "json_array"),
        ("JSON_ARRAYAGG(a)", "json_arrayagg"),
        ("JSON_OBJECTAGG('a': 1)", "json_objectagg"),
        ("merge_action()", "merge_action"),
    ] {
        let effect = format!("call:construct function {name}");
        has_effects(&format!("SELECT {text} FROM t"), &[&effect]);
    }
    has_effects("SELECT normalize('a')", &["call function normalize"]);
    has_effects(
        "SELECT json_object('{a,b}')",
        &["call function json_object"],
    );
    // A name in quotes is none of them.
    has_only_effects("SELECT \"json_value\"(1)", &["call function json_value"]);
    // Before PostgreSQL 16 a column.
    has_effects(
        "SELECT system_user FROM t",
        &["read relation t (system_user)"],
    );
    let table = "SELECT a FROM JSON_TABLE(b, '$' COLUMNS (a int PATH '$')) x";
    has_only_effects(table, &[]);
}

#[test]
fn kinds_are_those_of_the_command() {
    for (text, kind) in [
        ("TABLE t", Kind::Select),
        ("SELECT 1 INTO t", Kind::Select),
        ("CREATE TABLE t AS SELECT 1", Kind::CreateTableAs),
        ("ANALYZE", Kind::Analyze),
        ("END", Kind::Commit),
        ("MOVE c", Kind::Move),
        ("COMMENT ON TABLE t IS 'x'", Kind::Comment),
        ("REVOKE a FROM b", Kind::Revoke),
        ("RESET ALL", Kind::Reset),
    ] {
        is_of_kind(text, kind);
    }
}
