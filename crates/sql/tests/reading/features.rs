//! Every feature, with what has it and what only looks like it.

use querycop_sql::facts::Feature;

use crate::{has_feature, lacks_feature};

#[test]
fn multi_statement() {
    has_feature(
        Feature::MultiStatement,
        &["SELECT 1; SELECT 2", "COPY t FROM STDIN;\nDELETE FROM c"],
    );
    lacks_feature(
        Feature::MultiStatement,
        &["SELECT 1;", "SELECT 1;;", ";", "", "-- nothing"],
    );
}

#[test]
fn no_where() {
    has_feature(
        Feature::NoWhere,
        &[
            "DELETE FROM t",
            "UPDATE t SET a = 1",
            "DELETE FROM t WHERE true",
            "DELETE FROM t WHERE 't'::boolean",
            "DELETE FROM t WHERE 1 = 1",
            "DELETE FROM t WHERE 1 <= 2",
            "DELETE FROM t WHERE 1.5 > 1",
            "DELETE FROM t WHERE 'a' = 'a'",
            "DELETE FROM t WHERE NOT false",
            "DELETE FROM t WHERE NOT (1 = 2)",
            "DELETE FROM t WHERE id = id",
            "DELETE FROM t WHERE t.id >= t.id",
            "DELETE FROM t WHERE id = 5 OR true",
            "DELETE FROM t WHERE true AND 1 = 1",
            "DELETE FROM t WHERE id IN (1, id)",
            "DELETE FROM t WHERE 1 IN (1, 2)",
            "DELETE FROM t WHERE name LIKE '%'",
            "DELETE FROM t WHERE 1 IS NOT NULL",
            "DELETE FROM t WHERE NULL IS NULL",
            "DELETE FROM t WHERE true IS TRUE",
            "DELETE FROM t WHERE EXISTS (SELECT 1)",
            "DELETE FROM t WHERE (SELECT true)",
            "DELETE FROM t WHERE coalesce(true, false)",
            "DELETE FROM t WHERE id IS NOT DISTINCT FROM id",
            "WITH d AS (DELETE FROM t RETURNING *) SELECT 1 FROM d LIMIT 1",
            "EXPLAIN ANALYZE DELETE FROM t",
            "PREPARE p AS DELETE FROM t",
            "CREATE RULE r AS ON INSERT TO a DO ALSO DELETE FROM t",
            "MERGE INTO t USING (SELECT 1) p ON true WHEN MATCHED THEN DELETE",
            "MERGE INTO t USING p ON 1 = 1 WHEN MATCHED THEN UPDATE SET a = 1",
            "MERGE INTO t USING p ON t.id = t.id WHEN MATCHED AND true THEN DELETE",
            "MERGE INTO t USING p ON true WHEN MATCHED AND t.a = 1 THEN DO NOTHING WHEN MATCHED THEN DELETE",
            "MERGE INTO t USING p ON false WHEN NOT MATCHED BY SOURCE THEN DELETE",
            "MERGE INTO t USING p ON NULL WHEN NOT MATCHED BY SOURCE AND 1 = 1 THEN UPDATE SET a = 1",
            "MERGE INTO t USING p ON t.id = p.id WHEN NOT MATCHED BY SOURCE THEN DELETE",
            "MERGE INTO t USING p ON t.id = p.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED BY SOURCE THEN DELETE",
            "MERGE INTO t USING p ON t.id <> t.id WHEN NOT MATCHED BY SOURCE THEN UPDATE SET a = 1",
            "MERGE INTO t USING (SELECT NULL::int AS x) p ON t.id = p.x WHEN NOT MATCHED BY SOURCE AND 1 IN (1) THEN DELETE",
            "WITH m AS (MERGE INTO t USING p ON true WHEN MATCHED THEN DELETE RETURNING t.id) SELECT 1 FROM m LIMIT 1",
        ],
    );
    lacks_feature(
        Feature::NoWhere,
        &[
            "MERGE INTO t USING p ON t.id = p.id WHEN MATCHED THEN DELETE",
            "MERGE INTO t USING p ON true WHEN MATCHED AND t.id = p.id THEN DELETE",
            "MERGE INTO t USING p ON true WHEN NOT MATCHED THEN INSERT VALUES (1)",
            "MERGE INTO t USING p ON true WHEN MATCHED THEN DO NOTHING",
            "MERGE INTO t USING p ON false WHEN MATCHED THEN DELETE",
            "MERGE INTO t USING p ON false WHEN NOT MATCHED BY SOURCE AND t.a = 1 THEN DELETE",
            "MERGE INTO t USING p ON t.id = p.id WHEN NOT MATCHED BY SOURCE THEN DO NOTHING",
            "DELETE FROM t WHERE id = 5",
            "DELETE FROM t WHERE id = $1",
            "DELETE FROM t WHERE false",
            "DELETE FROM t WHERE 1 = 2",
            "DELETE FROM t WHERE a = b",
            "DELETE FROM t WHERE true AND id = 1",
            "DELETE FROM t WHERE EXISTS (SELECT 1 FROM u)",
            "DELETE FROM t WHERE CURRENT OF c",
            "DELETE FROM t WHERE name LIKE 'a%'",
            "DELETE FROM t WHERE name LIKE ''",
            "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1",
            "TRUNCATE t",
        ],
    );
}

#[test]
fn a_where_without_any_column_leaves_no_row_out() {
    for condition in [
        "1 BETWEEN 0 AND 2",
        "NOT (1 BETWEEN 2 AND 3)",
        "'a' IS JSON OR 'a' IS NOT JSON",
        "1 = ANY (ARRAY[1, 2])",
        "1 + 1 = 2",
        "(1, 2) < (2, 3)",
        "coalesce(NULL, true)",
        "greatest(1, 2) = 2",
        "CASE WHEN true THEN true END",
        "CASE WHEN id = 1 THEN true ELSE true END",
        "CASE 1 WHEN 1 THEN id = id ELSE 1 IN (1) END",
        "current_user = 'ann'",
        "now() > '2020-01-01'",
        "pg_catalog.length('a') = 1",
        "1 IN (SELECT 1)",
        "EXISTS (SELECT 1 WHERE 1 IN (1))",
        "EXISTS (VALUES (1))",
        "EXISTS (SELECT 1 FROM (VALUES (1)) AS v)",
        "EXISTS (SELECT 1 UNION SELECT 2)",
        "(SELECT count(*) > 0)",
        "id = 5 OR 1 BETWEEN 0 AND 2",
        "id = id AND 1 BETWEEN 0 AND 2",
        "NOT (id = 5 AND 1 BETWEEN 2 AND 3)",
        "(id = 5 OR 1 IN (1)) IS TRUE",
        "NULL IS NOT FALSE",
        "ctid IS NOT NULL",
    ] {
        has_feature(
            Feature::NoWhere,
            &[&format!("DELETE FROM t WHERE {condition}")],
        );
    }
    for condition in [
        // By chance, by a value that isn't in the text, by what nobody knows.
        "random() < 0.5",
        "public.length('a') = 1",
        "f('a')",
        "$1",
        "$1 BETWEEN 0 AND 2",
        "EXISTS (SELECT 1 FROM u)",
        "EXISTS (SELECT 1 UNION SELECT 2 FROM u)",
        "EXISTS (WITH x AS (TABLE u) SELECT 1 FROM x)",
        "1 IN (SELECT id FROM u)",
        "id IN (SELECT 1)",
        "(SELECT t.id = 1)",
        // By a column.
        "id BETWEEN 0 AND 2",
        "coalesce(id, 1) = 1",
        "CASE WHEN id = 1 THEN true END",
        "CASE WHEN id = 1 THEN false ELSE true END",
        "id = 5 AND 1 BETWEEN 0 AND 2",
        "NOT (id = 5 OR 1 = 2)",
        "id = 5 OR NULL",
        "ctid = '(0,1)'",
        "length(name) > 1",
        // Not one row at all.
        "false",
        "NULL",
        "NOT true",
        "false AND 1 BETWEEN 0 AND 2",
        "1 IS NULL",
    ] {
        lacks_feature(
            Feature::NoWhere,
            &[&format!("DELETE FROM t WHERE {condition}")],
        );
    }
}

#[test]
fn a_where_about_another_relation_leaves_no_row_out() {
    has_feature(
        Feature::NoWhere,
        &[
            "DELETE FROM t USING u WHERE u.id = 1",
            "DELETE FROM t USING t AS u WHERE u.id = 1",
            "DELETE FROM app.t AS x USING (SELECT 1 AS id) AS s WHERE s.id = 1 OR x.id = 2",
            "UPDATE t SET a = 1 FROM u WHERE u.id = u.other AND u.a > 1",
            "DELETE FROM t WHERE EXISTS (SELECT 1 FROM (VALUES (1)) AS v (id) WHERE v.id = 1)",
            "MERGE INTO t USING (SELECT 1 AS id) AS s ON s.id = 1 WHEN MATCHED THEN DELETE",
            "MERGE INTO t USING p ON p.id = 1 WHEN MATCHED AND p.gone THEN DELETE",
        ],
    );
    lacks_feature(
        Feature::NoWhere,
        &[
            "DELETE FROM t USING u WHERE u.id = t.id",
            "DELETE FROM t USING u WHERE u.id = app.t.id",
            "DELETE FROM app.t USING u WHERE u.id = 1 AND app.t.id = 1",
            "DELETE FROM t AS x USING t WHERE t.id = 1 AND x.id = 2",
            "DELETE FROM t USING u WHERE id = 1",
            "UPDATE t SET a = 1 FROM u WHERE u.id = (t.pair).a",
            "DELETE FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = 1)",
            "MERGE INTO t USING p ON t.id = p.id WHEN MATCHED AND p.gone THEN DELETE",
            "MERGE INTO t AS x USING p ON p.id = 1 WHEN MATCHED AND x.id = 1 THEN DELETE",
        ],
    );
}

#[test]
fn data_modifying_cte() {
    has_feature(
        Feature::DataModifyingCte,
        &[
            "WITH d AS (DELETE FROM t WHERE a = 1 RETURNING *) SELECT * FROM d",
            "SELECT * FROM (WITH i AS (INSERT INTO t VALUES (1)) SELECT 1) x",
            "WITH a AS (SELECT 1), m AS (MERGE INTO t USING u ON a = b WHEN MATCHED THEN DELETE) SELECT 1",
            "INSERT INTO a WITH u AS (UPDATE t SET b = 1 RETURNING b) SELECT b FROM u",
        ],
    );
    lacks_feature(
        Feature::DataModifyingCte,
        &["WITH a AS (SELECT 1) DELETE FROM t WHERE b IN (SELECT * FROM a)"],
    );
}

#[test]
fn explain_analyze() {
    has_feature(
        Feature::ExplainAnalyze,
        &[
            "EXPLAIN ANALYZE DELETE FROM t",
            "EXPLAIN (ANALYZE) DELETE FROM t",
            "EXPLAIN (ANALYZE true, BUFFERS) SELECT 1",
            "EXPLAIN (ANALYZE 1) SELECT 1",
            "EXPLAIN (VERBOSE, ANALYZE on) SELECT 1",
        ],
    );
    lacks_feature(
        Feature::ExplainAnalyze,
        &[
            "EXPLAIN DELETE FROM t",
            "EXPLAIN (ANALYZE false) DELETE FROM t",
            "EXPLAIN (ANALYZE off) SELECT 1",
            "EXPLAIN (ANALYZE 0) SELECT 1",
            "ANALYZE t",
        ],
    );
}

#[test]
fn copy() {
    has_feature(
        Feature::CopyProgram,
        &[
            "COPY t TO PROGRAM 'cat'",
            "COPY t FROM PROGRAM 'id'",
            "COPY (SELECT 1) TO PROGRAM 'x'",
        ],
    );
    has_feature(
        Feature::CopyFile,
        &["COPY t TO '/tmp/x'", "COPY t FROM '/etc/passwd'"],
    );
    has_feature(
        Feature::CopyToClient,
        &[
            "COPY t TO STDOUT",
            "COPY t TO STDIN",
            "COPY (DELETE FROM t RETURNING *) TO STDOUT",
        ],
    );
    has_feature(
        Feature::CopyFromClient,
        &[
            "COPY t FROM STDIN",
            "COPY t (a) FROM STDOUT WITH (FORMAT csv)",
        ],
    );
    for feature in [Feature::CopyProgram, Feature::CopyFile] {
        lacks_feature(feature, &["COPY t TO STDOUT", "COPY t FROM STDIN"]);
    }
    for feature in [Feature::CopyToClient, Feature::CopyFromClient] {
        lacks_feature(feature, &["COPY t TO '/tmp/x'", "COPY t FROM PROGRAM 'id'"]);
    }
}

#[test]
fn opaque_code() {
    has_feature(
        Feature::OpaqueCode,
        &[
            "DO $$BEGIN NULL; END$$",
            "DO LANGUAGE plpython3u 'x'",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE FUNCTION f() RETURNS int RETURN 1",
            "CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC DELETE FROM t; END",
            "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING",
            "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()",
            "CREATE LANGUAGE l HANDLER h",
            "CALL p(1)",
            "SELECT query_to_xml('DELETE FROM t', true, true, '')",
            "SELECT * FROM dblink('host=x', 'SELECT 1') AS t(a int)",
        ],
    );
    lacks_feature(
        Feature::OpaqueCode,
        &["SELECT f()", "CREATE TABLE t (a int)", "DROP FUNCTION f"],
    );
}

#[test]
fn prepare_execute_deallocate() {
    has_feature(
        Feature::Prepare,
        &[
            "PREPARE p AS SELECT 1",
            "PREPARE p (int) AS DELETE FROM t WHERE a = $1",
        ],
    );
    has_feature(
        Feature::Execute,
        &[
            "EXECUTE p",
            "EXECUTE p(1)",
            "EXPLAIN EXECUTE p",
            "CREATE TABLE t AS EXECUTE p",
        ],
    );
    has_feature(
        Feature::Deallocate,
        &["DEALLOCATE p", "DEALLOCATE PREPARE p", "DEALLOCATE ALL"],
    );
    lacks_feature(Feature::Prepare, &["PREPARE TRANSACTION 'x'", "EXECUTE p"]);
    lacks_feature(
        Feature::Execute,
        &["CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f()"],
    );
}

#[test]
fn cursor() {
    has_feature(
        Feature::Cursor,
        &[
            "DECLARE c CURSOR FOR SELECT 1",
            "FETCH ALL FROM c",
            "MOVE c",
            "CLOSE c",
            "CLOSE ALL",
            "DELETE FROM t WHERE CURRENT OF c",
        ],
    );
    lacks_feature(Feature::Cursor, &["SELECT 1 FETCH FIRST ROW ONLY"]);
}

#[test]
fn set_role() {
    has_feature(
        Feature::SetRole,
        &[
            "SET ROLE admin",
            "SET LOCAL ROLE admin",
            "SET SESSION ROLE admin",
            "SET ROLE 'admin'",
            "SET ROLE NONE",
            "RESET ROLE",
            "SET role = admin",
            "SET \"ROLE\" TO admin",
            "SET SESSION AUTHORIZATION admin",
            "SET SESSION AUTHORIZATION DEFAULT",
            "SELECT set_config('role', 'admin', false)",
            "SELECT set_config('ROLE'::text, $1, false)",
            "SELECT pg_catalog.set_config('session_authorization', 'admin', false)",
        ],
    );
    lacks_feature(
        Feature::SetRole,
        &[
            "SET search_path = a",
            "ALTER ROLE a SET search_path = b",
            "GRANT a TO b",
            "RESET ALL",
        ],
    );
}

#[test]
fn set_setting() {
    has_feature(
        Feature::SetSetting,
        &[
            "SET search_path = a",
            "SET LOCAL statement_timeout = 0",
            "SET TIME ZONE 'UTC'",
            "SET NAMES 'LATIN1'",
            "RESET search_path",
            "RESET ALL",
            "SELECT set_config('search_path', 'a', true)",
            "SELECT set_config($1, $2, true)",
            "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
            "ALTER ROLE a SET search_path = b",
            "ALTER DATABASE d SET search_path = b",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = b AS 'SELECT 1'",
        ],
    );
    lacks_feature(
        Feature::SetSetting,
        &["SHOW search_path", "UPDATE t SET a = 1 WHERE b = 1"],
    );
}

#[test]
fn transaction_control() {
    has_feature(
        Feature::TransactionControl,
        &[
            "BEGIN",
            "START TRANSACTION READ WRITE",
            "COMMIT",
            "END",
            "ROLLBACK",
            "ABORT",
            "SAVEPOINT s",
            "ROLLBACK TO s",
            "RELEASE s",
            "PREPARE TRANSACTION 'x'",
            "COMMIT PREPARED 'x'",
            "ROLLBACK PREPARED 'x'",
            "SET TRANSACTION READ WRITE",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
            "SET TRANSACTION SNAPSHOT 'x'",
        ],
    );
    lacks_feature(
        Feature::TransactionControl,
        &["SELECT 1", "SET CONSTRAINTS ALL DEFERRED"],
    );
}

#[test]
fn grant() {
    has_feature(
        Feature::Grant,
        &[
            "GRANT SELECT ON t TO a",
            "REVOKE ALL ON SCHEMA s FROM PUBLIC",
            "GRANT a TO b",
            "REVOKE ADMIN OPTION FOR a FROM b",
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO a",
            "GRANT SET ON PARAMETER work_mem TO a",
            "CREATE SCHEMA s GRANT SELECT ON t TO a",
        ],
    );
    lacks_feature(Feature::Grant, &["ALTER TABLE t OWNER TO a"]);
}

#[test]
fn password_literal() {
    has_feature(
        Feature::PasswordLiteral,
        &[
            "CREATE ROLE a PASSWORD 'x'",
            "ALTER USER a WITH ENCRYPTED PASSWORD 'x'",
            "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'b', password 'x')",
            "ALTER USER MAPPING FOR a SERVER s OPTIONS (SET password 'x')",
            "CREATE SUBSCRIPTION s CONNECTION 'host=h password=x' PUBLICATION p",
            "ALTER SUBSCRIPTION s CONNECTION 'host=h password=x'",
            "SELECT dblink_connect('host=h password=x')",
            "ALTER SYSTEM SET primary_conninfo = 'host=h password=x'",
            "ALTER SYSTEM SET ssl_passphrase_command = 'echo x'",
            "DO $$ BEGIN ALTER ROLE a PASSWORD 'x'; END $$",
            "DO 'BEGIN EXECUTE format(''ALTER ROLE a PASSWORD %L'', ''x''); END'",
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ ALTER ROLE a PASSWORD E'x' $$",
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SELECT dblink_connect('password=x') $$",
        ],
    );
    lacks_feature(
        Feature::PasswordLiteral,
        &[
            "CREATE ROLE a LOGIN",
            "ALTER ROLE a PASSWORD NULL",
            "SELECT password FROM t",
            "ALTER SYSTEM RESET primary_conninfo",
            "ALTER SYSTEM SET work_mem = '1MB'",
            "DO $$ BEGIN UPDATE t SET password = given; END $$",
        ],
    );
}

#[test]
fn select_star() {
    has_feature(
        Feature::SelectStar,
        &[
            "SELECT * FROM t",
            "SELECT t.* FROM t",
            "SELECT a.t.* FROM a.t",
            "SELECT (t).* FROM t",
            "TABLE t",
            "DELETE FROM t WHERE a = 1 RETURNING *",
            "SELECT 1 WHERE 1 IN (SELECT * FROM t)",
        ],
    );
    lacks_feature(
        Feature::SelectStar,
        &[
            "SELECT count(*) FROM t",
            "SELECT 1 WHERE EXISTS (SELECT * FROM t)",
            "SELECT a FROM t",
        ],
    );
}

#[test]
fn no_limit() {
    has_feature(
        Feature::NoLimit,
        &[
            "SELECT a FROM t",
            "SELECT a FROM t LIMIT ALL",
            "SELECT a FROM t LIMIT NULL",
            "SELECT a FROM t UNION SELECT b FROM u",
            "SELECT a FROM (SELECT a FROM t LIMIT 1) x",
            "COPY (SELECT a FROM t) TO STDOUT",
            "DECLARE c CURSOR FOR SELECT a FROM t",
            "TABLE t",
        ],
    );
    lacks_feature(
        Feature::NoLimit,
        &[
            "SELECT 1",
            "VALUES (1), (2)",
            "SELECT a FROM t LIMIT 5",
            "SELECT a FROM t FETCH FIRST 5 ROWS ONLY",
            "SELECT (SELECT a FROM t)",
            "SELECT a FROM t UNION SELECT b FROM u LIMIT 1",
            "INSERT INTO t SELECT * FROM u",
        ],
    );
}

#[test]
fn row_locking() {
    has_feature(
        Feature::RowLocking,
        &[
            "SELECT a FROM t FOR UPDATE",
            "SELECT a FROM t FOR KEY SHARE OF t SKIP LOCKED",
            "SELECT a FROM (SELECT a FROM t FOR SHARE) x",
        ],
    );
    lacks_feature(Feature::RowLocking, &["LOCK TABLE t", "SELECT a FROM t"]);
}

#[test]
fn temp_object() {
    has_feature(
        Feature::TempObject,
        &[
            "CREATE TEMP TABLE t (a int)",
            "CREATE TEMPORARY VIEW v AS SELECT 1",
            "CREATE TEMP TABLE t AS SELECT 1",
            "SELECT 1 INTO TEMP t",
            "CREATE TABLE pg_temp.t (a int)",
            "SELECT a FROM pg_temp.t",
            "CREATE TEMP SEQUENCE s",
            "DROP TABLE pg_temp_3.t",
        ],
    );
    lacks_feature(
        Feature::TempObject,
        &[
            "CREATE TABLE temp (a int)",
            "CREATE UNLOGGED TABLE t (a int)",
        ],
    );
}

#[test]
fn system_catalog() {
    has_feature(
        Feature::SystemCatalog,
        &[
            "SELECT * FROM pg_class",
            "SELECT * FROM pg_catalog.pg_authid",
            "SELECT * FROM information_schema.tables",
            "DELETE FROM pg_class WHERE relname = 'a'",
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM pg_roles)",
            "COPY pg_authid TO STDOUT",
        ],
    );
    lacks_feature(
        Feature::SystemCatalog,
        &["SELECT pg_class FROM t", "SELECT pg_catalog.now()"],
    );
}

#[test]
fn unparsed() {
    use querycop_sql::facts::{Action, Kind, Unreadable};
    for text in [
        "SELEC 1",
        "SELECT 'a",
        "SELECT 1 FROM",
        "DELETE FROM t WHERE (",
        "\u{feff}\u{0}x",
    ] {
        let analysis = crate::analyze(text);
        assert!(analysis.facts.unreadable.is_some(), "{text}");
        let statement = &analysis.facts.statements[0];
        assert!(statement.has(Feature::Unparsed));
        assert_eq!(statement.kind(), Kind::Unparsed);
        assert_eq!(statement.effects[0].action, Action::Unknown);
    }
    assert_eq!(
        crate::analyze("SELEC 1").facts.unreadable,
        Some(Unreadable::Syntax)
    );
    lacks_feature(Feature::Unparsed, &["SELECT 1"]);
}
