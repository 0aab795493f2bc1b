//! The ways around other gateways: each row of what is known to have worked somewhere.

use querycop_sql::facts::{Action, Feature, Kind, Name, Via};

use crate::{analyze, effects, has_effects, has_feature, has_only_effects, is_of_kind, statement};

/// The possible calls of a text as words.
fn possible_calls(text: &str) -> Vec<(Via, String)> {
    statement(text)
        .possible_calls
        .iter()
        .map(|call| (call.via, call.name.to_string()))
        .collect()
}

#[test]
fn second_statement_of_a_text_is_seen() {
    let analysis = analyze("SELECT 1; DROP TABLE customers");
    let kinds: Vec<_> = analysis.facts.statements.iter().map(|s| s.kind()).collect();
    assert_eq!(kinds, [Kind::Select, Kind::Drop]);
    let spans: Vec<_> = analysis
        .facts
        .statements
        .iter()
        .map(|s| s.span.clone())
        .collect();
    assert_eq!(spans, [0..8, 10..30]);
    assert_eq!(&*analysis.texts[1].text, "drop table customers");
}

#[test]
fn statement_after_copy_from_stdin_is_seen() {
    for text in [
        "COPY t FROM STDIN;\nDELETE FROM customers",
        "COPY t FROM STDIN; DELETE FROM customers",
        "COPY t FROM STDIN;\n1\t2\n\\.\n",
    ] {
        let analysis = analyze(text);
        let kinds: Vec<_> = analysis.facts.statements.iter().map(|s| s.kind()).collect();
        if text.contains("DELETE") {
            assert_eq!(kinds, [Kind::Copy, Kind::Delete], "{text}");
        } else {
            // Inline data is no SQL, and the server says so, too.
            assert_eq!(kinds, [Kind::Unparsed]);
        }
    }
}

#[test]
fn comments_and_quotes_hide_nothing() {
    for text in [
        "/* a /* b */ c */ DELETE FROM customers",
        "-- x\nDELETE FROM customers",
        "DE/**/LETE FROM customers",
        "DELETE/**/FROM/*'*/customers",
        "DELETE FROM \"customers\"",
        "DELETE FROM U&\"\\0063ustomers\"",
        "DELETE FROM U&\"!0063ustomers\" UESCAPE '!'",
        "delete from CUSTOMERS",
    ] {
        let analysis = analyze(text);
        if text.starts_with("DE/**/") {
            assert!(analysis.facts.unreadable.is_some());
            continue;
        }
        has_effects(text, &["delete relation customers all rows"]);
    }
    // What only looks like a statement is a literal.
    has_only_effects("SELECT 'a'\n'; DELETE FROM t; --'", &[]);
    has_only_effects("SELECT $x$; DELETE FROM t; $x$", &[]);
    has_only_effects("SELECT E'\\'; DELETE FROM t; --'", &[]);
    has_only_effects("SELECT 1 AS \"; DELETE FROM t; --\"", &[]);
}

#[test]
fn quoted_names_keep_their_case_and_points() {
    has_only_effects(
        "SELECT 1 FROM \"Public\".\"a.b\" LIMIT 1",
        &["read relation Public.a.b"],
    );
    let effect = &statement("SELECT 1 FROM \"a.b\"").effects[0];
    assert_eq!(effect.object.name, Name::unqualified("a.b"));
}

#[test]
fn writes_in_cte_and_copy_and_explain_are_writes() {
    has_effects(
        "WITH d AS (DELETE FROM billing.invoices RETURNING *) SELECT count(*) FROM d",
        &["delete relation billing.invoices all rows returning"],
    );
    has_effects(
        "COPY (DELETE FROM t RETURNING *) TO STDOUT",
        &[
            "delete relation t all rows returning",
            "export:copy nothing",
        ],
    );
    has_effects(
        "EXPLAIN ANALYZE DELETE FROM t",
        &["delete relation t all rows"],
    );
    has_effects(
        "EXPLAIN DELETE FROM t",
        &["delete relation t all rows planned"],
    );
}

#[test]
fn code_that_cant_be_seen_says_so() {
    has_effects(
        "DO $$ BEGIN EXECUTE 'x'; END $$",
        &["code:do language plpgsql"],
    );
    has_effects(
        "DO LANGUAGE plpython3u 'x'",
        &["code:do language plpython3u"],
    );
    has_effects(
        "CREATE FUNCTION s.f() RETURNS int LANGUAGE c AS 'x', 'y'",
        &["ddl.create function s.f", "code:body language c stored"],
    );
    has_effects(
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC DELETE FROM t; SELECT 1; END",
        &["delete relation t all rows stored"],
    );
}

#[test]
fn functions_are_seen_wherever_they_stand() {
    for text in [
        "SELECT pg_sleep(1)",
        "SELECT * FROM pg_sleep(1)",
        "SELECT * FROM ROWS FROM (pg_sleep(1)) x",
        "SELECT 1 ORDER BY pg_sleep(1)",
        "SELECT 1 LIMIT pg_sleep(1)",
        "SELECT 1 WHERE EXISTS (SELECT *, pg_sleep(1))",
        "SELECT CASE WHEN pg_sleep(1) IS NULL THEN 1 END",
        "SELECT count(*) FILTER (WHERE pg_sleep(1) IS NULL) FROM t",
        "SELECT sum(a) OVER (PARTITION BY pg_sleep(1)) FROM t",
        "SELECT sum(a) OVER w FROM t WINDOW w AS (ORDER BY pg_sleep(1))",
        "SELECT a FROM t GROUP BY ROLLUP (a, pg_sleep(1))",
        "SELECT a FROM t TABLESAMPLE system (pg_sleep(1))",
        "SELECT a[pg_sleep(1)] FROM t",
        "SELECT ARRAY[pg_sleep(1)], ROW(pg_sleep(1))",
        "SELECT JSON_OBJECT('a': pg_sleep(1))",
        "SELECT * FROM JSON_TABLE(pg_sleep(1), '$' COLUMNS (a int PATH '$'))",
        "SELECT * FROM XMLTABLE('/a' PASSING pg_sleep(1) COLUMNS a int)",
        "INSERT INTO t VALUES (pg_sleep(1))",
        "INSERT INTO t (a[pg_sleep(1)]) VALUES (1)",
        "INSERT INTO t VALUES (1) ON CONFLICT (pg_sleep(1)) DO NOTHING",
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = pg_sleep(1)",
        "UPDATE t SET a = pg_sleep(1)",
        "UPDATE t SET (a, b) = (pg_sleep(1), 2)",
        "DELETE FROM t RETURNING pg_sleep(1)",
        "MERGE INTO t USING u ON true WHEN MATCHED AND pg_sleep(1) IS NULL THEN DELETE",
        "EXECUTE p(pg_sleep(1))",
        "VALUES (pg_sleep(1))",
        "COPY (SELECT pg_sleep(1)) TO STDOUT",
        "COPY t FROM STDIN WHERE pg_sleep(1) IS NULL",
        "CREATE INDEX ON t (pg_sleep(1))",
        "ALTER TABLE t ADD COLUMN a int DEFAULT pg_sleep(1)",
        "ALTER TABLE t ALTER a TYPE int USING pg_sleep(1)",
        "CREATE TABLE p PARTITION OF t FOR VALUES FROM (pg_sleep(1)) TO (2)",
    ] {
        let found = effects(text);
        assert!(
            found
                .iter()
                .any(|line| line.starts_with("call function pg_sleep")),
            "{text}: {found:#?}"
        );
    }
    for text in [
        "CREATE TABLE t (a int DEFAULT pg_read_file('x'))",
        "CREATE TABLE t (a int CHECK (pg_read_file('x') IS NULL))",
        "CREATE TABLE t (a int GENERATED ALWAYS AS (pg_read_file('x')) STORED)",
        "CREATE VIEW v AS SELECT pg_read_file('x')",
        "CREATE POLICY p ON t USING (pg_read_file('x') IS NULL)",
        "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW WHEN (pg_read_file('x') IS NULL) EXECUTE FUNCTION f()",
        "CREATE DOMAIN d AS int CHECK (pg_read_file('x') IS NULL)",
        "CREATE FUNCTION f(a int DEFAULT pg_read_file('x')) RETURNS int LANGUAGE sql AS ''",
        "CREATE RULE r AS ON INSERT TO t WHERE pg_read_file('x') IS NULL DO ALSO NOTHING",
        "CREATE PUBLICATION p FOR TABLE t WHERE (pg_read_file('x') IS NULL)",
    ] {
        has_effects(
            text,
            &[
                "call function pg_read_file stored",
                "unsafe_io:file file stored",
            ],
        );
    }
}

#[test]
fn attributes_and_columns_may_be_calls() {
    let call = |via, name: &str| vec![(via, name.to_owned())];
    assert_eq!(
        possible_calls("SELECT (amount).pg_sleep FROM ledger"),
        call(Via::Attribute, "pg_sleep")
    );
    assert_eq!(
        possible_calls("SELECT l.pg_sleep FROM ledger l"),
        call(Via::Column, "pg_sleep")
    );
    assert_eq!(
        possible_calls("SELECT ((1)::float8).pg_sleep"),
        call(Via::Attribute, "pg_sleep")
    );
    assert_eq!(possible_calls("SELECT amount FROM ledger"), []);
}

#[test]
fn operators_and_casts_of_somebody_else_may_be_calls() {
    for (text, via, name) in [
        ("SELECT 1 @@@@ 2", Via::Operator, "@@@@"),
        ("SELECT 1 OPERATOR(evil.=) 2", Via::Operator, "evil.="),
        (
            "SELECT 1 WHERE a OPERATOR(evil.~) ANY (SELECT 1)",
            Via::Operator,
            "evil.~",
        ),
        (
            "SELECT 1 ORDER BY 1 USING OPERATOR(evil.<)",
            Via::Operator,
            "evil.<",
        ),
        ("SELECT 'x'::evil", Via::Cast, "evil"),
        ("SELECT CAST('x' AS s.evil)", Via::Cast, "s.evil"),
        ("SELECT evil 'x'", Via::Cast, "evil"),
        (
            "SELECT * FROM json_to_record('{}') AS x (a evil)",
            Via::Cast,
            "evil",
        ),
        (
            "SELECT * FROM XMLTABLE('/a' PASSING x COLUMNS a s.evil PATH '.')",
            Via::Cast,
            "s.evil",
        ),
        (
            "SELECT * FROM JSON_TABLE(x, '$' COLUMNS (a evil PATH '$'))",
            Via::Cast,
            "evil",
        ),
        (
            "SELECT JSON_VALUE(x, '$' RETURNING evil)",
            Via::Cast,
            "evil",
        ),
        ("PREPARE p (evil) AS SELECT $1", Via::Cast, "evil"),
    ] {
        assert!(
            possible_calls(text).contains(&(via, name.to_owned())),
            "{text}: {:?}",
            possible_calls(text)
        );
    }
    assert_eq!(
        possible_calls("SELECT 1 BETWEEN 2 AND 3, 1 NOT BETWEEN SYMMETRIC 2 AND 3"),
        []
    );
    assert_eq!(
        possible_calls("SELECT 1 + 2 = 3 AND a OPERATOR(pg_catalog.=) 1, 'x'::text::int"),
        []
    );
}

#[test]
fn set_config_is_set() {
    has_effects(
        "SELECT set_config('role', 'admin', false)",
        &["role:set_role role admin"],
    );
    has_effects(
        "SELECT set_config('search_path', 'a', false)",
        &["session:set setting search_path"],
    );
    // pg_dump's way to change a setting that an older server doesn't have.
    has_effects(
        "SELECT set_config(name, 'view', false) FROM pg_settings WHERE name = 'jit'",
        &["session:set setting jit"],
    );
    for text in [
        "SELECT set_config(name, 'a', false) FROM pg_settings WHERE name <> 'jit'",
        "SELECT set_config(name, 'a', false) FROM pg_settings WHERE name = 'jit' OR true",
        "SELECT set_config(name, 'a', false) FROM pg_settings WHERE name OPERATOR(s.=) 'jit'",
        "SELECT set_config(setting, 'a', false) FROM pg_settings WHERE name = 'jit'",
        "SELECT set_config(name, 'a', false) FROM s.pg_settings WHERE name = 'jit'",
        "SELECT set_config(name, 'a', false) FROM pg_settings, t WHERE name = 'jit'",
        "SELECT (SELECT set_config(name, 'a', false) FROM t) FROM pg_settings WHERE name = 'jit'",
        "SELECT 1 FROM pg_settings WHERE name = set_config(name, 'a', false)",
    ] {
        has_effects(text, &["session:set setting"]);
    }
    // A name that can't be known can be any, also that of the role.
    has_effects(
        "SELECT set_config($1, 'a', false)",
        &["session:set setting", "role:set_role role possibly"],
    );
    has_effects(
        "SELECT set_config(is_local => false, setting_name => 'role', new_value => 'admin')",
        &["session:set setting"],
    );
    has_effects(
        "UPDATE pg_settings SET setting = 'x' WHERE name = 'role'",
        &["session:set setting"],
    );
}

#[test]
fn set_role_isnt_just_a_setting() {
    has_only_effects("SET ROLE admin", &["role:set_role role admin"]);
    has_only_effects("SET LOCAL ROLE admin", &["role:set_role role admin"]);
    has_only_effects(
        "SET SESSION AUTHORIZATION 'admin'",
        &["role:set_role role admin"],
    );
    has_only_effects("RESET ROLE", &["role:reset_role role"]);
}

#[test]
fn cursor_reads_what_it_declares() {
    has_effects(
        "DECLARE c CURSOR FOR SELECT a FROM customers",
        &["read relation customers (a)", "session:declare cursor c"],
    );
}

#[test]
fn files_and_programs_of_the_server_are_unsafe() {
    has_effects(
        "COPY t TO PROGRAM 'cat > /tmp/x'",
        &[
            "unsafe_io:program program cat > /tmp/x",
            "read:copy relation t *",
        ],
    );
    has_effects(
        "COPY t FROM '/etc/passwd'",
        &[
            "unsafe_io:file file /etc/passwd",
            "insert:copy relation t *",
        ],
    );
    has_effects("SELECT lo_import('/etc/passwd')", &["unsafe_io:file file"]);
    has_effects("SELECT pg_ls_dir('.')", &["unsafe_io:file file"]);
    has_effects("LOAD 'x'", &["unsafe_io:load file x"]);
    has_effects(
        "ALTER SYSTEM SET archive_command = 'x'",
        &["unsafe_io:alter_system setting archive_command"],
    );
    has_effects(
        "CREATE TABLESPACE s LOCATION '/x'",
        &["unsafe_io:tablespace file /x"],
    );
}

#[test]
fn read_only_can_be_left_only_in_sight() {
    for text in [
        "BEGIN READ WRITE",
        "SET TRANSACTION READ WRITE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    ] {
        has_effects(text, &["transaction:read_write nothing"]);
    }
    has_effects("BEGIN READ ONLY", &["transaction:read_only nothing"]);
    has_effects(
        "SET default_transaction_read_only = off",
        &["session:set setting default_transaction_read_only"],
    );
    has_feature(Feature::TransactionControl, &["COMMIT; DELETE FROM t"]);
}

#[test]
fn columns_under_other_names_are_all_columns() {
    has_effects(
        "SELECT b FROM customers AS c (a, b)",
        &["read relation customers * (b)"],
    );
    has_effects(
        "SELECT j.b FROM (customers JOIN orders USING (id)) AS j (a, b)",
        &[
            "read relation customers * (id,b)",
            "read relation orders * (id,b)",
        ],
    );
    has_effects(
        "SELECT c.b FROM customers AS c",
        &["read relation customers (b)"],
    );
}

#[test]
fn names_of_cte_are_no_relations_but_targets_are() {
    has_only_effects("WITH t AS (SELECT 1) SELECT a FROM t LIMIT 1", &[]);
    // A CTE that isn't recursive doesn't see itself.
    has_only_effects(
        "WITH t AS (SELECT a FROM t) SELECT a FROM t LIMIT 1",
        &["read relation t (a)"],
    );
    has_only_effects(
        "WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT a FROM t) SELECT a FROM t LIMIT 1",
        &[],
    );
    // With a schema it isn't the CTE.
    has_effects(
        "WITH t AS (SELECT 1) SELECT a FROM s.t LIMIT 1",
        &["read relation s.t (a)"],
    );
    // What is changed is never a CTE.
    has_effects(
        "WITH t AS (SELECT 1) DELETE FROM t",
        &["delete relation t all rows"],
    );
    has_effects(
        "WITH t AS (SELECT 1) INSERT INTO t VALUES (1)",
        &["insert relation t *"],
    );
    // Out of sight again behind its query.
    has_effects(
        "SELECT 1 FROM (WITH t AS (SELECT 1) SELECT 1 FROM t) x, t LIMIT 1",
        &["read relation t"],
    );
}

#[test]
fn relations_are_seen_in_every_corner() {
    for text in [
        "SELECT (SELECT 1 FROM secret)",
        "SELECT 1 WHERE 1 IN (SELECT 1 FROM secret)",
        "SELECT 1 ORDER BY (SELECT 1 FROM secret)",
        "SELECT ARRAY(SELECT 1 FROM secret)",
        "SELECT * FROM a JOIN secret USING (id)",
        "SELECT * FROM LATERAL (SELECT 1 FROM secret) x",
        "SELECT * FROM f((SELECT 1 FROM secret))",
        "SELECT 1 UNION SELECT 1 FROM secret",
        "VALUES ((SELECT 1 FROM secret))",
        "EXECUTE p((SELECT 1 FROM secret))",
        "MERGE INTO t USING secret ON true WHEN NOT MATCHED THEN INSERT VALUES (1)",
        "UPDATE t SET a = 1 FROM secret",
        "DELETE FROM t USING secret",
        "SELECT JSON_ARRAY(SELECT 1 FROM secret)",
        "CREATE TABLE t AS SELECT 1 FROM secret",
        "CREATE MATERIALIZED VIEW v AS SELECT 1 FROM secret",
        "SELECT 1 INTO t FROM secret",
        "TABLE secret",
        "SELECT * FROM ONLY secret",
        "SELECT * FROM secret TABLESAMPLE system (1)",
        "COPY secret TO STDOUT",
        "CALL p((SELECT 1 FROM secret))",
    ] {
        let found = effects(text);
        assert!(
            found
                .iter()
                .any(|line| line.starts_with("read") && line.contains("relation secret")),
            "{text}: {found:#?}"
        );
    }
}

#[test]
fn string_that_names_relations_counts_as_any() {
    has_effects(
        "SELECT table_to_xml('secret', true, true, '')",
        &["read:any relation"],
    );
    has_effects(
        "SELECT database_to_xml(true, true, '')",
        &["read:any relation"],
    );
    let facts = statement("SELECT query_to_xml('SELECT 1', true, true, '')");
    assert!(
        facts
            .effects
            .iter()
            .any(|effect| effect.action == Action::Code)
    );
}

#[test]
fn function_call_by_copy_of_its_name_is_a_call() {
    is_of_kind("CALL p(1)", Kind::Call);
    has_effects("CALL s.p(1)", &["call:call procedure s.p"]);
}

#[test]
fn passwords_without_quotes_are_not_in_the_text_that_is_kept() {
    for text in [
        "alter role eve password S3CRET",
        "alter role eve password \"S3CRET\"",
        "alter role eve PASSWORD=S3CRET x",
        "alter role eve password ab;S3CRET",
        "alter role eve password a@S3CRET-1",
        "alter role eve password \u{201c}S3CRET\u{201d}; select 1",
        "select 1; alter role eve password my S3CRET",
    ] {
        let analysis = analyze(text);
        assert!(analysis.facts.unreadable.is_some(), "{text}");
        for kept in &analysis.texts {
            assert!(
                !kept.text.to_ascii_lowercase().contains("s3cret"),
                "{text}: {}",
                kept.text
            );
            assert!(kept.text.contains("password ?"), "{text}: {}", kept.text);
        }
    }
    // What is SQL has passwords in literals only.
    let columns = analyze("SELECT password, name FROM t");
    assert_eq!(&*columns.texts[0].text, "select password, name from t");
}
