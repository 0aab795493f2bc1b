//! The ways around a policy, tried one by one: what is sent, and what it would do.
//!
//! Used twice: here, where facts and policy must deny, and by the end-to-end tests of the gateway,
//! where a real server shows that each of them works without the gateway and not with it.

/// One way around, tried in a session of its own.
pub(crate) struct Case {
    /// What is tried.
    pub(crate) way: &'static str,
    /// The texts of the Query messages, one after the other; `{data}` is the server's data directory.
    pub(crate) steps: &'static [&'static [u8]],
    /// What it does where nobody keeps it from that.
    pub(crate) harm: Harm,
    /// What [`super::policies::READ_ONLY`] says.
    pub(crate) read_only: Verdict,
    /// What [`super::policies::FORBIDDING`] says.
    pub(crate) forbidding: Verdict,
}

/// What can be seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Something in the server is other than before.
    Changes,
    /// The secret or the hash of a password is among the rows.
    Leaks,
}

/// What a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// This rule, this part of the floor or the default denies a step.
    Denied(&'static str),
    /// Nothing of it can be seen from outside. This rule of [`CLOSING`] closes it, or the default of
    /// a policy that allows only what it names.
    ///
    /// [`CLOSING`]: super::policies::CLOSING
    Limit(&'static str),
    /// Nothing of it can be seen from outside. Somebody who may CREATE in a schema of the path has
    /// to plant it there: nobody else may be granted that.
    Planted,
}

use Harm::{Changes, Leaks};
use Verdict::{Denied, Limit, Planted};

/// Texts and their parts: several statements, comments, quotes, names, strings, encodings.
#[rustfmt::skip]
pub(crate) const WRITING: &[Case] = &[
    case("a second statement", &[b"SELECT 1; DELETE FROM public.orders"], Changes, Denied("default"), Denied("no-writes")),
    case("a statement after empty ones", &[b";;; DELETE FROM public.orders;;"], Changes, Denied("default"), Denied("no-writes")),
    case("a statement after COPY FROM STDIN and a newline", &[b"COPY public.paths FROM STDIN;\nDELETE FROM public.orders"], Changes, Denied("default"), Denied("no-writes")),
    case("the end of a transaction and a statement", &[b"BEGIN READ ONLY; COMMIT; DELETE FROM public.orders"], Changes, Denied("default"), Denied("no-writes")),
    case("BEGIN READ WRITE", &[b"BEGIN READ WRITE", b"DELETE FROM public.orders", b"COMMIT"], Changes, Denied("default"), Denied("no-writes")),
    case("a comment before", &[b"/* SELECT */ DELETE FROM public.orders"], Changes, Denied("default"), Denied("no-writes")),
    case("nested comments", &[b"/* /* */ SELECT 1; -- */ DELETE FROM public.orders"], Changes, Denied("default"), Denied("no-writes")),
    case("a comment to the end of the line", &[b"-- SELECT 1; \nDELETE FROM public.orders"], Changes, Denied("default"), Denied("no-writes")),
    case("a carriage return ends the comment", &[b"SELECT 1 -- \r; DELETE FROM public.orders"], Changes, Denied("default"), Denied("no-writes")),
    case("a comment between the words", &[b"DELETE/**/FROM/*'*/public/**/./**/orders"], Changes, Denied("default"), Denied("no-writes")),
    case("a quote in a comment", &[b"SELECT 1 /* ' */; DELETE FROM public.orders /* ' */"], Changes, Denied("default"), Denied("no-writes")),
    case("white space of all kinds", &[b"\x0cDELETE\tFROM\r\npublic.orders"], Changes, Denied("default"), Denied("no-writes")),
    case("letters of both cases", &[b"dElEtE fRoM pUbLiC.oRdErS"], Changes, Denied("default"), Denied("no-writes")),
    case("quoted names", &[b"DELETE FROM \"public\".\"orders\""], Changes, Denied("default"), Denied("no-writes")),
    case("unicode names", &[b"DELETE FROM U&\"publi\\0063\".U&\"!006frders\" UESCAPE '!'"], Changes, Denied("default"), Denied("no-writes")),
    case("the database before the schema", &[b"SELECT name FROM {database}.secret.customers"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a quoted schema", &[b"SELECT name FROM \"secret\".\"customers\""], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a unicode schema", &[b"SELECT name FROM U&\"s\\0065cret\".customers"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a schema in capitals", &[b"SELECT name FROM SECRET.CUSTOMERS"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a schema between comments", &[b"SELECT name FROM secret/**/.--\ncustomers"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a name that the server cuts", &[b"SELECT name FROM public.aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggXXXXXXX"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a quoted name that the server cuts", &[b"SELECT name FROM public.\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggXXXXXXX\""], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a backslash in a string", &[b"SELECT E'\\''; DELETE FROM public.orders; --'"], Changes, Denied("default"), Denied("no-writes")),
    case("a backslash at the end of a plain string", &[b"SELECT '\\'; DELETE FROM public.orders; --'"], Changes, Denied("default"), Denied("no-writes")),
    case("a dollar quote in a dollar quote", &[b"SELECT $a$ $b$ $a$; DELETE FROM public.orders; SELECT $b$ $b$"], Changes, Denied("default"), Denied("no-writes")),
    case("a name that looks like a dollar quote", &[b"SELECT 1 AS a$b$; DELETE FROM public.orders; SELECT 1 AS a$b$"], Changes, Denied("default"), Denied("no-writes")),
    case("a string over two lines", &[b"SELECT pg_read_file('kes'\n'trel.txt')"], Leaks, Denied("floor.server_file"), Denied("floor.server_file")),
    case("a string over two lines with a comment", &[b"SELECT pg_read_file('kes' -- x\n'trel.txt')"], Leaks, Denied("floor.server_file"), Denied("floor.server_file")),
    case("an escaped string over two lines", &[b"SELECT set_config(E'ro'\n'\\x6ce', 'kestrel', false); SELECT current_user"], Leaks, Denied("default"), Denied("no-roles")),
    case("a unicode string", &[b"SELECT set_config(U&'\\0072ole', 'kestrel', false); SELECT current_user"], Leaks, Denied("default"), Denied("no-roles")),
    case("a unicode string with an escape of its own", &[b"SELECT set_config(U&'!0072ole' UESCAPE '!', 'kestrel', false); SELECT current_user"], Leaks, Denied("default"), Denied("no-roles")),
    case("a national string", &[b"SELECT set_config(N'role', 'kestrel', false); SELECT current_user"], Leaks, Denied("default"), Denied("no-roles")),
    case("standard_conforming_strings off", &[b"SET standard_conforming_strings = off", b"SELECT '\\', ' ; DELETE FROM public.orders; --'"], Changes, Denied("default"), Denied("no-writes")),
    case("standard_conforming_strings off by function", &[b"SELECT set_config('standard_conforming_strings', 'off', false)", b"SELECT '\\', ' ; DELETE FROM public.orders; --'"], Changes, Denied("default"), Denied("no-writes")),
    case("a backslash inside of a character", &[b"SET client_encoding = 'SJIS'", b"SELECT E'\x95\x5c' ; DELETE FROM public.orders; --'"], Changes, Denied("default"), Denied("default")),
    case("a backslash inside of a character of GBK", &[b"SET NAMES 'GBK'", b"SELECT E'\x81\x5c' ; DELETE FROM public.orders; --'"], Changes, Denied("default"), Denied("default")),
    case("a backslash inside of a character of BIG5", &[b"SELECT set_config('client_encoding', 'BIG5', false)", b"SELECT E'\xa5\x5c' ; DELETE FROM public.orders; --'"], Changes, Denied("default"), Denied("default")),
    case("one byte is one letter", &[b"SET client_encoding = 'LATIN1'", b"SELECT '\xe9'; DELETE FROM public.orders"], Changes, Denied("default"), Denied("no-writes")),
];

/// Statements that write, whatever they look like.
#[rustfmt::skip]
pub(crate) const WRITES: &[Case] = &[
    case("DELETE in WITH", &[b"WITH d AS (DELETE FROM public.orders RETURNING *) SELECT count(*) FROM d"], Changes, Denied("default"), Denied("no-writes")),
    case("UPDATE in WITH that nobody reads", &[b"WITH d AS MATERIALIZED (UPDATE public.orders SET note = 'x') SELECT 1"], Changes, Denied("default"), Denied("no-writes")),
    case("INSERT in the WITH of EXPLAIN ANALYZE", &[b"EXPLAIN (ANALYZE, COSTS off) WITH d AS (INSERT INTO public.orders VALUES (9, 'x') RETURNING id) TABLE d"], Changes, Denied("default"), Denied("no-writes")),
    case("EXPLAIN ANALYZE", &[b"EXPLAIN ANALYZE DELETE FROM public.orders"], Changes, Denied("default"), Denied("no-writes")),
    case("EXPLAIN (ANALYZE 1)", &[b"EXPLAIN (FORMAT json, ANALYZE 1) DELETE FROM public.orders"], Changes, Denied("default"), Denied("no-writes")),
    case("EXPLAIN (ANALYZE 'on')", &[b"EXPLAIN (ANALYZE false, ANALYZE 'on') DELETE FROM public.orders"], Changes, Denied("default"), Denied("no-writes")),
    case("EXPLAIN ANALYZE VERBOSE of CREATE TABLE AS", &[b"EXPLAIN ANALYZE VERBOSE CREATE TABLE public.copied AS SELECT 1"], Changes, Denied("default"), Denied("no-writes")),
    case("PREPARE and EXECUTE", &[b"PREPARE p AS DELETE FROM public.orders", b"EXECUTE p"], Changes, Denied("default"), Denied("no-writes")),
    case("PREPARE and EXECUTE in one text", &[b"PREPARE p (int) AS DELETE FROM public.orders WHERE id = $1; EXECUTE p(1)"], Changes, Denied("default"), Denied("no-writes")),
    case("PREPARE and EXPLAIN ANALYZE EXECUTE", &[b"PREPARE p AS DELETE FROM public.orders; EXPLAIN ANALYZE EXECUTE p"], Changes, Denied("default"), Denied("no-writes")),
    case("CREATE TABLE AS EXECUTE", &[b"PREPARE p AS SELECT 1 AS a", b"CREATE TABLE public.copied AS EXECUTE p"], Changes, Denied("default"), Denied("no-writes")),
    case("PREPARE of a secret read", &[b"PREPARE p AS SELECT name FROM secret.customers", b"EXECUTE p"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("COPY of what DELETE returns", &[b"COPY (DELETE FROM public.orders RETURNING *) TO STDOUT"], Changes, Denied("default"), Denied("no-writes")),
    case("COPY of what WITH deletes", &[b"COPY (WITH d AS (DELETE FROM public.orders RETURNING *) SELECT * FROM d) TO STDOUT (FORMAT binary)"], Changes, Denied("default"), Denied("no-writes")),
    case("UPDATE", &[b"UPDATE public.orders SET note = 'x' WHERE id = 1"], Changes, Denied("default"), Denied("no-writes")),
    case("INSERT of a SELECT", &[b"INSERT INTO public.orders SELECT 9, 'x' ON CONFLICT DO NOTHING"], Changes, Denied("default"), Denied("no-writes")),
    case("INSERT that updates", &[b"INSERT INTO public.orders VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET note = excluded.note"], Changes, Denied("default"), Denied("no-writes")),
    case("MERGE", &[b"MERGE INTO public.orders AS o USING (SELECT 1 AS id) AS s ON o.id = s.id WHEN MATCHED THEN DELETE"], Changes, Denied("default"), Denied("no-writes")),
    case("MERGE on a condition that leaves no row out", &[b"MERGE INTO public.orders USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE"], Changes, Denied("default"), Denied("no-writes")),
    case("TRUNCATE", &[b"TRUNCATE public.orders"], Changes, Denied("default"), Denied("no-writes")),
    case("SELECT INTO", &[b"SELECT 1 AS a INTO public.copied"], Changes, Denied("default"), Denied("no-writes")),
    case("SELECT INTO in parentheses", &[b"(SELECT 1 AS a INTO public.copied)"], Changes, Denied("default"), Denied("no-writes")),
    case("CREATE TABLE AS", &[b"CREATE TABLE public.copied AS TABLE public.orders"], Changes, Denied("default"), Denied("no-writes")),
    case("a cursor and DELETE at its row", &[b"BEGIN; DECLARE c CURSOR FOR SELECT * FROM public.orders FOR UPDATE; FETCH c; DELETE FROM public.orders WHERE CURRENT OF c; COMMIT"], Changes, Denied("default"), Denied("no-writes")),
    case("REFRESH MATERIALIZED VIEW", &[b"REFRESH MATERIALIZED VIEW public.snapshot"], Changes, Denied("default"), Denied("no-writes")),
    case("nextval", &[b"SELECT nextval('public.counter')"], Changes, Denied("default"), Denied("no-writes")),
    case("setval", &[b"SELECT pg_catalog.setval('public.counter', 99)"], Changes, Denied("default"), Denied("no-writes")),
    case("COMMENT", &[b"COMMENT ON TABLE public.orders IS 'x'"], Changes, Denied("default"), Denied("no-writes")),
    case("CREATE VIEW", &[b"CREATE VIEW public.copied AS SELECT name FROM secret.customers"], Changes, Denied("no-secrets"), Denied("no-secrets")),
    case("CREATE RULE", &[b"CREATE RULE r AS ON INSERT TO public.paths DO ALSO DELETE FROM public.orders"], Changes, Denied("default"), Denied("no-writes")),
    case("CREATE TRIGGER", &[b"CREATE TRIGGER t BEFORE INSERT ON public.orders FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"], Changes, Denied("default"), Denied("no-writes")),
    case("CREATE FUNCTION", &[b"CREATE FUNCTION public.hole() RETURNS text LANGUAGE sql AS 'SELECT name FROM secret.customers LIMIT 1'"], Changes, Denied("default"), Denied("no-writes")),
    case("CREATE FUNCTION in SQL's own form", &[b"CREATE FUNCTION public.hole() RETURNS text RETURN (SELECT name FROM secret.customers LIMIT 1)"], Changes, Denied("no-secrets"), Denied("no-secrets")),
    case("a temporary function", &[b"CREATE FUNCTION pg_temp.hole() RETURNS text LANGUAGE sql AS 'SELECT name FROM secret.customers LIMIT 1'", b"SELECT pg_temp.hole()"], Leaks, Denied("default"), Denied("no-writes")),
    case("a temporary view", &[b"CREATE TEMP VIEW hole AS SELECT name FROM secret.customers", b"SELECT name FROM hole"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("CREATE EXTENSION", &[b"CREATE EXTENSION hstore"], Changes, Denied("default"), Denied("no-writes")),
    case("CREATE EVENT TRIGGER", &[b"CREATE FUNCTION public.noop() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION public.noop()"], Changes, Denied("default"), Denied("no-writes")),
    case("CREATE PUBLICATION", &[b"CREATE PUBLICATION p FOR ALL TABLES"], Changes, Denied("floor.replication"), Denied("no-secrets")),
    case("ALTER TABLE", &[b"ALTER TABLE public.orders ALTER note SET NOT NULL"], Changes, Denied("default"), Denied("no-writes")),
    case("DROP", &[b"DROP VIEW IF EXISTS public.open_customers"], Changes, Denied("default"), Denied("no-writes")),
    case("GRANT", &[b"GRANT SELECT ON secret.customers TO PUBLIC"], Changes, Denied("no-secrets"), Denied("no-secrets")),
    case("REVOKE", &[b"REVOKE ALL ON FUNCTION public.peek() FROM PUBLIC"], Changes, Denied("default"), Denied("no-writes")),
    case("membership", &[b"GRANT pg_monitor TO kestrel"], Changes, Denied("default"), Denied("no-writes")),
    case("default privileges", &[b"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC"], Changes, Denied("default"), Denied("no-writes")),
    case("CREATE ROLE", &[b"CREATE ROLE intruder SUPERUSER LOGIN PASSWORD 'x'"], Changes, Denied("default"), Denied("no-roles")),
    case("ALTER ROLE", &[b"ALTER USER CURRENT_USER CONNECTION LIMIT 50"], Changes, Denied("default"), Denied("no-roles")),
    case("settings of a role", &[b"ALTER ROLE postgres SET search_path = secret"], Changes, Denied("default"), Denied("no-roles")),
    case("settings of a database", &[b"ALTER DATABASE {database} SET search_path = secret"], Changes, Denied("default"), Denied("no-writes")),
    case("large object by function", &[b"SELECT lo_from_bytea(7, 'x')"], Changes, Denied("default"), Denied("no-writes")),
    case("large object by number", &[b"SELECT lo_unlink(424242)"], Changes, Denied("default"), Denied("no-writes")),
    case("COPY FROM STDIN alone", &[b"COPY public.paths FROM STDIN"], Changes, Denied("default"), Denied("no-writes")),
];

/// Forbidden relations in the corners of a query, and what shows their rows without naming them.
#[rustfmt::skip]
pub(crate) const READS: &[Case] = &[
    case("TABLE", &[b"TABLE secret.customers"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("VALUES of a query", &[b"VALUES ((SELECT name FROM secret.customers LIMIT 1))"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a query in the list", &[b"SELECT ARRAY(SELECT name FROM secret.customers)"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a query in FROM", &[b"SELECT x.* FROM public.orders, LATERAL (SELECT name FROM secret.customers) x"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("one arm of UNION", &[b"SELECT note FROM public.orders UNION ALL (SELECT name FROM secret.customers)"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a join", &[b"SELECT c.name FROM public.orders o JOIN secret.customers c USING (id)"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("WITH", &[b"WITH orders AS (SELECT name AS note FROM secret.customers) SELECT note FROM orders"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("WITH RECURSIVE of the same name", &[b"WITH RECURSIVE customers AS (SELECT name FROM secret.customers) SELECT * FROM customers"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("ONLY in parentheses", &[b"SELECT name FROM ONLY (secret.customers)"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a whole row", &[b"SELECT c FROM secret.customers AS c"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a row as JSON", &[b"SELECT row_to_json(c) FROM secret.customers c"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("JSON_ARRAY-like aggregation", &[b"SELECT json_agg(c) FROM secret.customers c"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("TABLESAMPLE", &[b"SELECT name FROM secret.customers TABLESAMPLE system (100)"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a cursor", &[b"BEGIN; DECLARE c CURSOR FOR SELECT name FROM secret.customers; FETCH ALL FROM c; COMMIT"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a cursor that outlives its transaction", &[b"DECLARE c CURSOR WITH HOLD FOR TABLE secret.customers", b"FETCH ALL c"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("COPY of a table", &[b"COPY secret.customers (name) TO STDOUT"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("COPY of a query", &[b"COPY (SELECT name FROM secret.customers) TO STDOUT WITH CSV"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("search_path", &[b"SET search_path = secret, public", b"SELECT name FROM customers"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("search_path in one text", &[b"SET search_path = secret; SELECT name FROM customers"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("SET SCHEMA", &[b"SET SCHEMA 'secret'", b"SELECT name FROM customers"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("search_path of a transaction", &[b"BEGIN; SET LOCAL search_path TO \"secret\"", b"SELECT name FROM customers"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("search_path by function", &[b"SELECT set_config('search_path', 'secret', false)", b"SELECT name FROM customers"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("search_path by a function that hides its name", &[b"SELECT set_config('search' || '_path', 'secret', false)", b"SELECT name FROM customers"], Leaks, Denied("default"), Denied("no-roles")),
    case("search_path by UPDATE", &[b"UPDATE pg_settings SET setting = 'secret' WHERE name = 'search_path'", b"SELECT name FROM customers"], Leaks, Denied("default"), Denied("no-writes")),
    case("search_path by EXECUTE", &[b"PREPARE p AS SELECT set_config('search_path', 'secret', false)", b"EXECUTE p", b"SELECT name FROM customers"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("search_path by EXPLAIN ANALYZE EXECUTE", &[b"PREPARE p AS SELECT set_config('search_path', 'secret', false)", b"EXPLAIN ANALYZE EXECUTE p", b"SELECT name FROM customers"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("search_path by EXECUTE in one text", &[b"PREPARE p AS SELECT set_config('search_path', 'secret', false); EXECUTE p; SELECT name FROM customers"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("search_path by function in one text", &[b"SELECT set_config('search_path', 'secret', false); SELECT name FROM customers"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("search_path that comes back", &[b"BEGIN; SET search_path = secret; SAVEPOINT s; SET search_path = public; ROLLBACK TO s", b"SELECT name FROM customers"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("search_path that RESET brings back", &[b"SET search_path = public; BEGIN; SET LOCAL search_path = secret; SELECT name FROM customers; COMMIT"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a statement that is prepared before search_path changes", &[b"SET search_path = public, secret; PREPARE p AS SELECT name FROM customers", b"EXECUTE p"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("an inherited child", &[b"SELECT name FROM public.parent"], Leaks, Limit("no-parents-of-secrets"), Limit("no-parents-of-secrets")),
    case("a view", &[b"SELECT name FROM public.open_customers"], Leaks, Limit("no-views-of-secrets"), Limit("no-views-of-secrets")),
    case("a table to XML", &[b"SELECT table_to_xml('secret.customers', true, false, '')"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a query to XML", &[b"SELECT query_to_xml('SELECT name FROM secret.customers', true, false, '')"], Leaks, Denied("default"), Denied("no-code")),
    case("a schema to XML", &[b"SELECT * FROM schema_to_xml('secret', true, false, '')"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("the database to XML", &[b"SELECT database_to_xml(true, false, '')"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("a cursor to XML", &[b"BEGIN; DECLARE c CURSOR FOR SELECT name FROM secret.customers; SELECT cursor_to_xml('c', 10, true, false, '')"], Leaks, Denied("no-secrets"), Denied("no-secrets")),
    case("statistics of text search", &[b"SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', name) FROM secret.customers')"], Leaks, Denied("default"), Denied("no-code")),
    case("statistics of the planner", &[b"SELECT most_common_vals FROM pg_stats WHERE schemaname = 'secret'"], Leaks, Denied("default"), Limit("default")),
    case("statistics of the planner, as stored", &[b"SELECT stavalues1 FROM pg_catalog.pg_statistic WHERE starelid = 'secret.customers'::regclass"], Leaks, Denied("default"), Limit("default")),
    case("hashes of passwords", &[b"SELECT rolpassword FROM pg_authid"], Leaks, Denied("default"), Limit("default")),
    case("hashes of passwords by view", &[b"SELECT * FROM pg_shadow"], Leaks, Denied("default"), Limit("default")),
    case("options of user mappings", &[b"SELECT * FROM pg_user_mappings"], Leaks, Denied("default"), Limit("default")),
    case("options of user mappings, as stored", &[b"SELECT umoptions FROM pg_user_mapping"], Leaks, Denied("default"), Limit("default")),
    case("options of user mappings of the standard", &[b"SELECT option_value FROM information_schema.user_mapping_options"], Leaks, Denied("default"), Limit("default")),
    case("pages of large objects", &[b"SELECT convert_from(data, 'UTF8') FROM pg_largeobject"], Leaks, Denied("default"), Limit("default")),
    case("large object", &[b"SELECT convert_from(lo_get(424242), 'UTF8')"], Leaks, Denied("default"), Limit("default")),
];

/// A forbidden column of a relation that is open.
#[rustfmt::skip]
pub(crate) const COLUMNS: &[Case] = &[
    case("a column", &[b"SELECT nick FROM public.people"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a column of a unicode name", &[b"SELECT p.U&\"nic\\006b\" FROM public.people p"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("every column", &[b"SELECT * FROM public.people"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("TABLE and its columns", &[b"TABLE public.people"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a column under another name", &[b"SELECT b FROM public.people AS p (a, b)"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a column of a join under another name", &[b"SELECT j.b FROM (public.people JOIN public.orders USING (id)) AS j (a, b)"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a column of a query under another name", &[b"SELECT x FROM (SELECT nick FROM public.people) AS q (x)"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a column of WITH under another name", &[b"WITH q (x) AS (SELECT nick FROM public.people) SELECT x FROM q"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a column as a function of the row", &[b"SELECT nick(p) FROM public.people p"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a column of a row in parentheses", &[b"SELECT (p).nick FROM public.people p"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("the whole row", &[b"SELECT p FROM public.people p"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("the whole row as text", &[b"SELECT p::text FROM public.people AS p"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("the whole row as JSON", &[b"SELECT to_jsonb(people) FROM public.people"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("the whole row in ROW", &[b"SELECT ROW(p.*) FROM public.people p"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a column of a natural join", &[b"SELECT nick FROM public.orders NATURAL JOIN public.people"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a column in a lateral query", &[b"SELECT q.* FROM public.people p, LATERAL (SELECT p.nick) q"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a column in lateral VALUES", &[b"SELECT v.a FROM public.people p, LATERAL (VALUES (p.nick)) v (a)"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a column of the query around", &[b"SELECT (SELECT nick) FROM public.people"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a column in an aggregate", &[b"SELECT string_agg(nick, ',') FROM public.people"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a column in a window", &[b"SELECT first_value(nick) OVER () FROM public.people"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("EXISTS of rows that are in another set", &[b"SELECT 'kes' || 'trel' WHERE EXISTS (SELECT * FROM public.people INTERSECT SELECT 1, 'kes' || 'trel')"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("EXISTS of the row that sorts first", &[b"SELECT 'kes' || 'trel' WHERE EXISTS ((SELECT * FROM public.people UNION ALL SELECT 2, 'kes' ORDER BY 2 LIMIT 1) INTERSECT SELECT 2, 'kes')"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a column by a name that a join hides", &[b"SELECT p.nick FROM (public.orders p CROSS JOIN public.paths) AS j, public.people AS p"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a column around by a name that a join hides", &[b"SELECT (SELECT p.nick FROM (public.orders p CROSS JOIN public.paths) AS j LIMIT 1) FROM public.people AS p"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("COPY of a column", &[b"COPY public.people (nick) TO STDOUT"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("COPY of every column", &[b"COPY public.people TO STDOUT"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
    case("a cursor on a column", &[b"BEGIN; DECLARE c CURSOR FOR SELECT nick FROM people; FETCH c"], Leaks, Denied("no-nicks"), Denied("no-nicks")),
];

/// Functions, code, roles, the server's files and programs.
#[rustfmt::skip]
pub(crate) const CODE: &[Case] = &[
    case("a function", &[b"SELECT public.peek()"], Leaks, Denied("default"), Limit("default")),
    case("a function in FROM", &[b"SELECT * FROM public.peek()"], Leaks, Denied("default"), Limit("default")),
    case("a function that writes", &[b"SELECT id FROM public.orders WHERE public.wipe(2)"], Changes, Denied("default"), Limit("default")),
    case("a file by function", &[b"SELECT pg_read_file('kestrel.txt')"], Leaks, Denied("floor.server_file"), Denied("floor.server_file")),
    case("a file by function in FROM", &[b"SELECT * FROM pg_read_file('kestrel.txt')"], Leaks, Denied("floor.server_file"), Denied("floor.server_file")),
    case("a file by function in ROWS FROM", &[b"SELECT * FROM ROWS FROM (pg_read_file('kestrel.txt'), generate_series(1, 2)) AS x"], Leaks, Denied("floor.server_file"), Denied("floor.server_file")),
    case("a file by function of a lateral join", &[b"SELECT f FROM public.paths p CROSS JOIN LATERAL pg_catalog.pg_read_file(p.note) f"], Leaks, Denied("floor.server_file"), Denied("floor.server_file")),
    case("a file in bytes", &[b"SELECT convert_from(pg_read_binary_file('kestrel.txt'), 'UTF8')"], Leaks, Denied("floor.server_file"), Denied("floor.server_file")),
    case("a directory", &[b"SELECT pg_ls_dir('.')"], Leaks, Denied("floor.server_file"), Denied("floor.server_file")),
    case("a quoted function", &[b"SELECT \"pg_catalog\".\"pg_read_file\"('kestrel.txt')"], Leaks, Denied("floor.server_file"), Denied("floor.server_file")),
    case("a function of a unicode name", &[b"SELECT U&\"pg_read_fil\\0065\"('kestrel.txt')"], Leaks, Denied("floor.server_file"), Denied("floor.server_file")),
    case("an attribute that is a function", &[b"SELECT (note).pg_read_file FROM public.paths"], Leaks, Denied("floor.server_file"), Denied("floor.server_file")),
    case("an attribute of a cast", &[b"SELECT ('kestrel.txt'::text).pg_read_file"], Leaks, Denied("floor.server_file"), Denied("floor.server_file")),
    case("an attribute of a query", &[b"SELECT ((SELECT note FROM public.paths)).pg_read_file"], Leaks, Denied("floor.server_file"), Denied("floor.server_file")),
    case("an attribute of an attribute", &[b"SELECT (ROW('kestrel.txt'::text)).f1.pg_read_file"], Leaks, Denied("floor.server_file"), Denied("floor.server_file")),
    case("a column that is a function of the row", &[b"SELECT p.wipe_row FROM public.paths p"], Changes, Limit("default"), Limit("default")),
    case("an attribute that is a function of the row", &[b"SELECT (p).wipe_row FROM public.paths p"], Changes, Limit("default"), Limit("default")),
    case("an operator", &[b"SELECT 1 @!@ 2"], Changes, Denied("default"), Limit("default")),
    case("an operator by its schema", &[b"SELECT 1 OPERATOR(public.@!@) 2"], Changes, Denied("default"), Limit("default")),
    case("an operator that looks like PostgreSQL's", &[b"SELECT 1 OPERATOR(games.=) 2"], Changes, Denied("default"), Limit("default")),
    case("an operator with ANY", &[b"SELECT 1 OPERATOR(public.@!@) ANY (ARRAY[2])"], Changes, Denied("default"), Limit("default")),
    case("a function that looks like PostgreSQL's, by search_path", &[b"SET search_path = games, pg_catalog, public", b"SELECT length('x')"], Changes, Denied("default"), Limit("default")),
    case("an operator that looks like PostgreSQL's, by search_path", &[b"SET search_path = games, pg_catalog, public", b"SELECT 1 = 2"], Changes, Limit("no-other-path"), Limit("no-other-path")),
    case("a cast that is a function", &[b"SELECT 3::public.pair"], Changes, Denied("default"), Limit("default")),
    case("a cast to a domain that checks", &[b"SELECT CAST(3 AS public.checked)"], Changes, Denied("default"), Limit("default")),
    case("a literal of a domain that checks", &[b"SELECT public.checked '3'"], Changes, Denied("default"), Limit("default")),
    case("a type of json_to_record that checks", &[b"SELECT * FROM json_to_record('{\"a\": 3}') AS x (a public.checked)"], Changes, Denied("default"), Limit("default")),
    case("a type of XMLTABLE that checks", &[b"SELECT * FROM XMLTABLE('/a' PASSING ('<a>3</a>'::xml) COLUMNS a public.checked PATH '.')"], Changes, Denied("default"), Limit("default")),
    case("a type of PREPARE that checks", &[b"PREPARE p (public.checked) AS SELECT 1", b"EXECUTE p('3')"], Changes, Denied("default"), Limit("default")),
    case("an array of a domain that checks", &[b"SELECT '{3}'::public.checked[]"], Changes, Denied("default"), Limit("default")),
    case("a function that fits better than PostgreSQL's", &[b"SELECT upper(note::varchar) FROM public.orders"], Changes, Planted, Planted),
    case("an operator that fits better than PostgreSQL's", &[b"SELECT note::varchar || note::varchar FROM public.orders"], Changes, Planted, Planted),
    case("CALL", &[b"CALL public.wipe_all()"], Changes, Denied("default"), Limit("default")),
    case("DO", &[b"DO $$ BEGIN DELETE FROM public.orders; END $$"], Changes, Denied("default"), Denied("no-code")),
    case("DO with a string", &[b"DO 'BEGIN EXECUTE ''DEL'' || ''ETE FROM public.orders''; END'"], Changes, Denied("default"), Denied("no-code")),
    case("SET ROLE", &[b"SET ROLE kestrel; SELECT current_user"], Leaks, Denied("default"), Denied("no-roles")),
    case("SET LOCAL ROLE", &[b"BEGIN; SET LOCAL ROLE kestrel; SELECT current_user"], Leaks, Denied("default"), Denied("no-roles")),
    case("SET role TO", &[b"SET \"role\" TO 'kestrel'; SELECT current_user"], Leaks, Denied("default"), Denied("no-roles")),
    case("SET SESSION AUTHORIZATION", &[b"SET SESSION AUTHORIZATION kestrel; SELECT session_user"], Leaks, Denied("default"), Denied("no-roles")),
    case("set_config of role", &[b"SELECT set_config('role', 'kestrel', false); SELECT current_user"], Leaks, Denied("default"), Denied("no-roles")),
    case("set_config of a name from a table", &[b"SELECT set_config(r, 'kestrel', false) FROM (VALUES ('role')) AS v (r); SELECT current_user"], Leaks, Denied("default"), Denied("no-roles")),
    case("set_config of a name in capitals", &[b"SELECT pg_catalog.set_config('ROLE', 'kestrel', false); SELECT current_user"], Leaks, Denied("default"), Denied("no-roles")),
    case("COPY TO PROGRAM", &[b"COPY (SELECT 1) TO PROGRAM 'cat > owned'"], Changes, Denied("floor.copy_program"), Denied("floor.copy_program")),
    case("COPY FROM PROGRAM", &[b"COPY public.paths FROM PROGRAM 'echo x > owned; echo y'"], Changes, Denied("floor.copy_program"), Denied("no-writes")),
    case("COPY TO a file", &[b"COPY public.orders TO '{data}/owned'"], Changes, Denied("floor.server_file"), Denied("floor.server_file")),
    case("COPY FROM a file", &[b"COPY public.paths FROM '{data}/kestrel.txt'"], Changes, Denied("floor.server_file"), Denied("no-writes")),
    case("a file as a large object", &[b"SELECT lo_import('kestrel.txt', 8)"], Changes, Denied("floor.server_file"), Denied("floor.server_file")),
    case("a large object to a file", &[b"SELECT lo_export(424242, '{data}/owned')"], Changes, Denied("floor.server_file"), Denied("floor.server_file")),
    case("ALTER SYSTEM", &[b"ALTER SYSTEM SET work_mem = '5MB'"], Changes, Denied("floor.alter_system"), Denied("floor.alter_system")),
    case("a replication slot", &[b"SELECT pg_create_physical_replication_slot('hole')"], Changes, Denied("floor.replication"), Denied("floor.replication")),
    case("a function of a default", &[b"CREATE TABLE public.copied (a text DEFAULT pg_read_file('kestrel.txt')); INSERT INTO public.copied DEFAULT VALUES RETURNING a"], Leaks, Denied("floor.server_file"), Denied("no-writes")),
];

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [WRITING, WRITES, READS, COLUMNS, CODE]
        .into_iter()
        .flatten()
}

const fn case(
    way: &'static str,
    steps: &'static [&'static [u8]],
    harm: Harm,
    read_only: Verdict,
    forbidding: Verdict,
) -> Case {
    Case {
        way,
        steps,
        harm,
        read_only,
        forbidding,
    }
}
