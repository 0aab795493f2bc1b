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
    /// What [`super::READ_ONLY`] says.
    pub(crate) read_only: Verdict,
    /// What [`super::FORBIDDING`] says.
    pub(crate) forbidding: Verdict,
}

/// What can be seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Something in the server is other than before.
    Changes,
    /// [`SECRET`] or the hash of a password is among the rows.
    Leaks,
}

/// What a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// This rule, this part of the floor or the default denies a step.
    Denied(&'static str),
    /// Nothing of it can be seen from outside. A rule of [`super::CLOSING`] closes it.
    Limit(&'static str),
}

use Harm::{Changes, Leaks};
use Verdict::{Denied, Limit};

/// What no row of an answer may hold.
pub(crate) const SECRET: &str = "kestrel";

/// How the hash of a password begins.
pub(crate) const PASSWORD_HASH: &str = "SCRAM-SHA-256$";

/// What the server is made of: `public` is open to everybody, `secret` is not.
pub(crate) const WORLD: &str = "
CREATE TABLE public.orders (id int PRIMARY KEY, note text);
INSERT INTO public.orders VALUES (1, 'one'), (2, 'two'), (3, 'three');
CREATE TABLE public.paths (note text);
INSERT INTO public.paths VALUES ('kestrel.txt');
CREATE TABLE public.people (id int, nick text);
INSERT INTO public.people VALUES (1, 'kestrel');
CREATE TABLE public.parent (name text);
CREATE SEQUENCE public.counter;
CREATE TABLE public.aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg (name text);
INSERT INTO public.aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg VALUES ('kestrel');
CREATE SCHEMA secret;
CREATE TABLE secret.customers (id int PRIMARY KEY, name text);
INSERT INTO secret.customers SELECT n, 'kestrel' FROM generate_series(1, 20) n;
ANALYZE secret.customers;
CREATE TABLE secret.child () INHERITS (public.parent);
INSERT INTO secret.child VALUES ('kestrel');
CREATE VIEW public.open_customers AS SELECT name FROM secret.customers;
CREATE MATERIALIZED VIEW public.snapshot AS SELECT count(*) AS n, clock_timestamp() AS at FROM public.orders;
CREATE FUNCTION public.peek() RETURNS text LANGUAGE sql AS 'SELECT name FROM secret.customers LIMIT 1';
CREATE FUNCTION public.wipe(int) RETURNS bool LANGUAGE sql AS 'DELETE FROM public.orders WHERE id < $1 RETURNING true';
CREATE FUNCTION public.wipe_both(int, int) RETURNS bool LANGUAGE sql AS 'SELECT public.wipe($1 + $2)';
CREATE FUNCTION public.wipe_row(public.paths) RETURNS bool LANGUAGE sql AS 'SELECT public.wipe(3)';
CREATE PROCEDURE public.wipe_all() LANGUAGE sql AS 'DELETE FROM public.orders';
CREATE SCHEMA games;
CREATE OPERATOR public.@!@ (LEFTARG = int, RIGHTARG = int, FUNCTION = public.wipe_both);
CREATE OPERATOR games.= (LEFTARG = int, RIGHTARG = int, FUNCTION = public.wipe_both);
CREATE FUNCTION games.length(text) RETURNS int LANGUAGE sql AS 'SELECT 1 FROM public.wipe(3)';
CREATE FUNCTION public.upper(varchar) RETURNS text LANGUAGE sql AS 'SELECT ''x'' FROM public.wipe(3)';
CREATE FUNCTION public.joined(varchar, varchar) RETURNS text LANGUAGE sql AS 'SELECT ''x'' FROM public.wipe(3)';
CREATE OPERATOR public.|| (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = public.joined);
CREATE DOMAIN public.checked AS int CHECK (public.wipe(VALUE) IS NOT NULL);
CREATE TYPE public.pair AS (a int);
CREATE FUNCTION public.to_pair(int) RETURNS public.pair LANGUAGE sql AS 'SELECT ROW(1)::public.pair FROM public.wipe($1)';
CREATE CAST (int AS public.pair) WITH FUNCTION public.to_pair(int);
CREATE ROLE kestrel LOGIN PASSWORD 'not-so-secret';
CREATE FOREIGN DATA WRAPPER wrapper;
CREATE SERVER server FOREIGN DATA WRAPPER wrapper;
CREATE USER MAPPING FOR PUBLIC SERVER server OPTIONS (password 'kestrel');
SELECT lo_from_bytea(424242, 'kestrel');
";

/// Takes back what outlives the database, and makes the file that a server must not show.
pub(crate) const RESET: &str = "
DO $$ BEGIN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('bypass', 'direct'); END $$;
ALTER SYSTEM RESET ALL;
COPY (SELECT 'kestrel') TO PROGRAM 'rm -f owned; cat > kestrel.txt';
DROP ROLE IF EXISTS intruder;
ALTER ROLE postgres RESET ALL;
ALTER ROLE postgres CONNECTION LIMIT -1;
REVOKE pg_monitor FROM kestrel;
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots;
";

/// A text that tells everything that a case can change.
pub(crate) const STATE: &str = "
SELECT query_to_xml(q, true, true, '') FROM (VALUES
  ('SELECT * FROM public.orders ORDER BY id'),
  ('SELECT * FROM public.paths'),
  ('SELECT * FROM public.parent'),
  ('SELECT * FROM public.snapshot'),
  ('SELECT * FROM public.counter'),
  ('SELECT * FROM secret.customers ORDER BY id'),
  ('SELECT nspname, nspowner, nspacl FROM pg_namespace WHERE nspname !~ ''^pg_(toast_)?temp_'' ORDER BY 1'),
  ('SELECT relname, relowner, relacl, reloptions, relnamespace, relrowsecurity FROM pg_class WHERE relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ ''^pg_'') ORDER BY 1, relnamespace'),
  ('SELECT oid, prosrc, proacl, proconfig FROM pg_proc WHERE oid > 16000 ORDER BY 1'),
  ('SELECT attrelid, attname, attnotnull FROM pg_attribute WHERE attrelid > 16000 AND attnum > 0 AND attrelid IN (SELECT oid FROM pg_class WHERE relkind = ''r'') ORDER BY 1, attnum'),
  ('SELECT rolname, rolsuper, rolconnlimit, rolpassword FROM pg_authid ORDER BY 1'),
  ('SELECT roleid::regrole, member::regrole FROM pg_auth_members ORDER BY 1, 2'),
  ('SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting ORDER BY 1, 2'),
  ('SELECT defaclacl FROM pg_default_acl'),
  ('SELECT objoid, classoid, description FROM pg_description WHERE objoid > 16000 ORDER BY 1, 2'),
  ('SELECT evtname FROM pg_event_trigger'),
  ('SELECT tgname FROM pg_trigger'),
  ('SELECT rulename FROM pg_rewrite'),
  ('SELECT pubname FROM pg_publication'),
  ('SELECT slot_name FROM pg_replication_slots'),
  ('SELECT extname FROM pg_extension'),
  ('SELECT loid, data FROM pg_largeobject ORDER BY 1'),
  ('SELECT pg_read_file(''postgresql.auto.conf'')'),
  ('SELECT pg_read_file(''owned'', 0, 100, true)'),
  ('SELECT pg_read_file(''kestrel.txt'', 0, 100, true)')
) AS queries (q)";

/// Texts and their parts: several statements, comments, quotes, names, strings, encodings.
pub(crate) const WRITING: &[Case] = &[
    case("a second statement", &[b"SELECT 1; DELETE FROM public.orders"], Changes),
    case("a statement after empty ones", &[b";;; DELETE FROM public.orders;;"], Changes),
    case("a statement after COPY FROM STDIN and a newline", &[b"COPY public.paths FROM STDIN;\nDELETE FROM public.orders"], Changes),
    case("the end of a transaction and a statement", &[b"BEGIN READ ONLY; COMMIT; DELETE FROM public.orders"], Changes),
    case("BEGIN READ WRITE", &[b"BEGIN READ WRITE", b"DELETE FROM public.orders", b"COMMIT"], Changes),
    case("a comment before", &[b"/* SELECT */ DELETE FROM public.orders"], Changes),
    case("nested comments", &[b"/* /* */ SELECT 1; -- */ DELETE FROM public.orders"], Changes),
    case("a comment to the end of the line", &[b"-- SELECT 1; \nDELETE FROM public.orders"], Changes),
    case("a carriage return ends the comment", &[b"SELECT 1 -- \r; DELETE FROM public.orders"], Changes),
    case("a comment between the words", &[b"DELETE/**/FROM/*'*/public/**/./**/orders"], Changes),
    case("a quote in a comment", &[b"SELECT 1 /* ' */; DELETE FROM public.orders /* ' */"], Changes),
    case("white space of all kinds", &[b"\x0cDELETE\tFROM\r\npublic.orders"], Changes),
    case("letters of both cases", &[b"dElEtE fRoM pUbLiC.oRdErS"], Changes),
    case("quoted names", &[b"DELETE FROM \"public\".\"orders\""], Changes),
    case("unicode names", &[b"DELETE FROM U&\"publi\\0063\".U&\"!006frders\" UESCAPE '!'"], Changes),
    case("the database before the schema", &[b"SELECT name FROM {database}.secret.customers"], Leaks),
    case("a quoted schema", &[b"SELECT name FROM \"secret\".\"customers\""], Leaks),
    case("a unicode schema", &[b"SELECT name FROM U&\"s\\0065cret\".customers"], Leaks),
    case("a schema in capitals", &[b"SELECT name FROM SECRET.CUSTOMERS"], Leaks),
    case("a schema between comments", &[b"SELECT name FROM secret/**/.--\ncustomers"], Leaks),
    case("a name that the server cuts", &[b"SELECT name FROM public.aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggXXXXXXX"], Leaks),
    case("a quoted name that the server cuts", &[b"SELECT name FROM public.\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggXXXXXXX\""], Leaks),
    case("a backslash in a string", &[b"SELECT E'\\''; DELETE FROM public.orders; --'"], Changes),
    case("a backslash at the end of a plain string", &[b"SELECT '\\'; DELETE FROM public.orders; --'"], Changes),
    case("a dollar quote in a dollar quote", &[b"SELECT $a$ $b$ $a$; DELETE FROM public.orders; SELECT $b$ $b$"], Changes),
    case("a name that looks like a dollar quote", &[b"SELECT 1 AS a$b$; DELETE FROM public.orders; SELECT 1 AS a$b$"], Changes),
    case("a string over two lines", &[b"SELECT pg_read_file('kes'\n'trel.txt')"], Leaks),
    case("a string over two lines with a comment", &[b"SELECT pg_read_file('kes' -- x\n'trel.txt')"], Leaks),
    case("an escaped string over two lines", &[b"SELECT set_config(E'ro'\n'\\x6ce', 'kestrel', false); SELECT current_user"], Leaks),
    case("a unicode string", &[b"SELECT set_config(U&'\\0072ole', 'kestrel', false); SELECT current_user"], Leaks),
    case("a unicode string with an escape of its own", &[b"SELECT set_config(U&'!0072ole' UESCAPE '!', 'kestrel', false); SELECT current_user"], Leaks),
    case("a national string", &[b"SELECT set_config(N'role', 'kestrel', false); SELECT current_user"], Leaks),
    case("standard_conforming_strings off", &[b"SET standard_conforming_strings = off", b"SELECT '\\', ' ; DELETE FROM public.orders; --'"], Changes),
    case("standard_conforming_strings off by function", &[b"SELECT set_config('standard_conforming_strings', 'off', false)", b"SELECT '\\', ' ; DELETE FROM public.orders; --'"], Changes),
    case("a backslash inside of a character", &[b"SET client_encoding = 'SJIS'", b"SELECT E'\x95\x5c' ; DELETE FROM public.orders; --'"], Changes),
    case("a backslash inside of a character of GBK", &[b"SET NAMES 'GBK'", b"SELECT E'\x81\x5c' ; DELETE FROM public.orders; --'"], Changes),
    case("a backslash inside of a character of BIG5", &[b"SELECT set_config('client_encoding', 'BIG5', false)", b"SELECT E'\xa5\x5c' ; DELETE FROM public.orders; --'"], Changes),
    case("one byte is one letter", &[b"SET client_encoding = 'LATIN1'", b"SELECT '\xe9'; DELETE FROM public.orders"], Changes),
];

/// Statements that write, whatever they look like.
pub(crate) const WRITES: &[Case] = &[
    case("DELETE in WITH", &[b"WITH d AS (DELETE FROM public.orders RETURNING *) SELECT count(*) FROM d"], Changes),
    case("UPDATE in WITH that nobody reads", &[b"WITH d AS MATERIALIZED (UPDATE public.orders SET note = 'x') SELECT 1"], Changes),
    case("INSERT in the WITH of EXPLAIN ANALYZE", &[b"EXPLAIN (ANALYZE, COSTS off) WITH d AS (INSERT INTO public.orders VALUES (9, 'x') RETURNING id) TABLE d"], Changes),
    case("EXPLAIN ANALYZE", &[b"EXPLAIN ANALYZE DELETE FROM public.orders"], Changes),
    case("EXPLAIN (ANALYZE 1)", &[b"EXPLAIN (FORMAT json, ANALYZE 1) DELETE FROM public.orders"], Changes),
    case("EXPLAIN (ANALYZE 'on')", &[b"EXPLAIN (ANALYZE false, ANALYZE 'on') DELETE FROM public.orders"], Changes),
    case("EXPLAIN ANALYZE VERBOSE of CREATE TABLE AS", &[b"EXPLAIN ANALYZE VERBOSE CREATE TABLE public.copied AS SELECT 1"], Changes),
    case("PREPARE and EXECUTE", &[b"PREPARE p AS DELETE FROM public.orders", b"EXECUTE p"], Changes),
    case("PREPARE and EXECUTE in one text", &[b"PREPARE p (int) AS DELETE FROM public.orders WHERE id = $1; EXECUTE p(1)"], Changes),
    case("PREPARE and EXPLAIN ANALYZE EXECUTE", &[b"PREPARE p AS DELETE FROM public.orders; EXPLAIN ANALYZE EXECUTE p"], Changes),
    case("CREATE TABLE AS EXECUTE", &[b"PREPARE p AS SELECT 1 AS a", b"CREATE TABLE public.copied AS EXECUTE p"], Changes),
    case("PREPARE of a secret read", &[b"PREPARE p AS SELECT name FROM secret.customers", b"EXECUTE p"], Leaks),
    case("COPY of what DELETE returns", &[b"COPY (DELETE FROM public.orders RETURNING *) TO STDOUT"], Changes),
    case("COPY of what WITH deletes", &[b"COPY (WITH d AS (DELETE FROM public.orders RETURNING *) SELECT * FROM d) TO STDOUT (FORMAT binary)"], Changes),
    case("UPDATE", &[b"UPDATE public.orders SET note = 'x' WHERE id = 1"], Changes),
    case("INSERT of a SELECT", &[b"INSERT INTO public.orders SELECT 9, 'x' ON CONFLICT DO NOTHING"], Changes),
    case("INSERT that updates", &[b"INSERT INTO public.orders VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET note = excluded.note"], Changes),
    case("MERGE", &[b"MERGE INTO public.orders AS o USING (SELECT 1 AS id) AS s ON o.id = s.id WHEN MATCHED THEN DELETE"], Changes),
    case("TRUNCATE", &[b"TRUNCATE public.orders"], Changes),
    case("SELECT INTO", &[b"SELECT 1 AS a INTO public.copied"], Changes),
    case("SELECT INTO in parentheses", &[b"(SELECT 1 AS a INTO public.copied)"], Changes),
    case("CREATE TABLE AS", &[b"CREATE TABLE public.copied AS TABLE public.orders"], Changes),
    case("a cursor and DELETE at its row", &[b"BEGIN; DECLARE c CURSOR FOR SELECT * FROM public.orders FOR UPDATE; FETCH c; DELETE FROM public.orders WHERE CURRENT OF c; COMMIT"], Changes),
    case("REFRESH MATERIALIZED VIEW", &[b"REFRESH MATERIALIZED VIEW public.snapshot"], Changes),
    case("nextval", &[b"SELECT nextval('public.counter')"], Changes),
    case("setval", &[b"SELECT pg_catalog.setval('public.counter', 99)"], Changes),
    case("COMMENT", &[b"COMMENT ON TABLE public.orders IS 'x'"], Changes),
    case("CREATE VIEW", &[b"CREATE VIEW public.copied AS SELECT name FROM secret.customers"], Changes),
    case("CREATE RULE", &[b"CREATE RULE r AS ON INSERT TO public.paths DO ALSO DELETE FROM public.orders"], Changes),
    case("CREATE TRIGGER", &[b"CREATE TRIGGER t BEFORE INSERT ON public.orders FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"], Changes),
    case("CREATE FUNCTION", &[b"CREATE FUNCTION public.hole() RETURNS text LANGUAGE sql AS 'SELECT name FROM secret.customers LIMIT 1'"], Changes),
    case("CREATE FUNCTION in SQL's own form", &[b"CREATE FUNCTION public.hole() RETURNS text RETURN (SELECT name FROM secret.customers LIMIT 1)"], Changes),
    case("a temporary function", &[b"CREATE FUNCTION pg_temp.hole() RETURNS text LANGUAGE sql AS 'SELECT name FROM secret.customers LIMIT 1'", b"SELECT pg_temp.hole()"], Leaks),
    case("a temporary view", &[b"CREATE TEMP VIEW hole AS SELECT name FROM secret.customers", b"SELECT name FROM hole"], Leaks),
    case("CREATE EXTENSION", &[b"CREATE EXTENSION hstore"], Changes),
    case("CREATE EVENT TRIGGER", &[b"CREATE FUNCTION public.noop() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION public.noop()"], Changes),
    case("CREATE PUBLICATION", &[b"CREATE PUBLICATION p FOR ALL TABLES"], Changes),
    case("ALTER TABLE", &[b"ALTER TABLE public.orders ALTER note SET NOT NULL"], Changes),
    case("DROP", &[b"DROP VIEW IF EXISTS public.open_customers"], Changes),
    case("GRANT", &[b"GRANT SELECT ON secret.customers TO PUBLIC"], Changes),
    case("REVOKE", &[b"REVOKE ALL ON FUNCTION public.peek() FROM PUBLIC"], Changes),
    case("membership", &[b"GRANT pg_monitor TO kestrel"], Changes),
    case("default privileges", &[b"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC"], Changes),
    case("CREATE ROLE", &[b"CREATE ROLE intruder SUPERUSER LOGIN PASSWORD 'x'"], Changes),
    case("ALTER ROLE", &[b"ALTER USER CURRENT_USER CONNECTION LIMIT 50"], Changes),
    case("settings of a role", &[b"ALTER ROLE postgres SET search_path = secret"], Changes),
    case("settings of a database", &[b"ALTER DATABASE {database} SET search_path = secret"], Changes),
    case("large object by function", &[b"SELECT lo_from_bytea(7, 'x')"], Changes),
    case("large object by number", &[b"SELECT lo_unlink(424242)"], Changes),
    case("COPY FROM STDIN alone", &[b"COPY public.paths FROM STDIN"], Changes),
];

/// Forbidden relations in the corners of a query, and what shows their rows without naming them.
pub(crate) const READS: &[Case] = &[
    case("TABLE", &[b"TABLE secret.customers"], Leaks),
    case("VALUES of a query", &[b"VALUES ((SELECT name FROM secret.customers LIMIT 1))"], Leaks),
    case("a query in the list", &[b"SELECT ARRAY(SELECT name FROM secret.customers)"], Leaks),
    case("a query in FROM", &[b"SELECT x.* FROM public.orders, LATERAL (SELECT name FROM secret.customers) x"], Leaks),
    case("one arm of UNION", &[b"SELECT note FROM public.orders UNION ALL (SELECT name FROM secret.customers)"], Leaks),
    case("a join", &[b"SELECT c.name FROM public.orders o JOIN secret.customers c USING (id)"], Leaks),
    case("WITH", &[b"WITH orders AS (SELECT name AS note FROM secret.customers) SELECT note FROM orders"], Leaks),
    case("WITH RECURSIVE of the same name", &[b"WITH RECURSIVE customers AS (SELECT name FROM secret.customers) SELECT * FROM customers"], Leaks),
    case("ONLY in parentheses", &[b"SELECT name FROM ONLY (secret.customers)"], Leaks),
    case("a whole row", &[b"SELECT c FROM secret.customers AS c"], Leaks),
    case("a row as JSON", &[b"SELECT row_to_json(c) FROM secret.customers c"], Leaks),
    case("JSON_ARRAY-like aggregation", &[b"SELECT json_agg(c) FROM secret.customers c"], Leaks),
    case("TABLESAMPLE", &[b"SELECT name FROM secret.customers TABLESAMPLE system (100)"], Leaks),
    case("a cursor", &[b"BEGIN; DECLARE c CURSOR FOR SELECT name FROM secret.customers; FETCH ALL FROM c; COMMIT"], Leaks),
    case("a cursor that outlives its transaction", &[b"DECLARE c CURSOR WITH HOLD FOR TABLE secret.customers", b"FETCH ALL c"], Leaks),
    case("COPY of a table", &[b"COPY secret.customers (name) TO STDOUT"], Leaks),
    case("COPY of a query", &[b"COPY (SELECT name FROM secret.customers) TO STDOUT WITH CSV"], Leaks),
    case("search_path", &[b"SET search_path = secret, public", b"SELECT name FROM customers"], Leaks),
    case("search_path in one text", &[b"SET search_path = secret; SELECT name FROM customers"], Leaks),
    case("SET SCHEMA", &[b"SET SCHEMA 'secret'", b"SELECT name FROM customers"], Leaks),
    case("search_path of a transaction", &[b"BEGIN; SET LOCAL search_path TO \"secret\"", b"SELECT name FROM customers"], Leaks),
    case("search_path by function", &[b"SELECT set_config('search_path', 'secret', false)", b"SELECT name FROM customers"], Leaks),
    case("search_path by a function that hides its name", &[b"SELECT set_config('search' || '_path', 'secret', false)", b"SELECT name FROM customers"], Leaks),
    case("search_path by UPDATE", &[b"UPDATE pg_settings SET setting = 'secret' WHERE name = 'search_path'", b"SELECT name FROM customers"], Leaks),
    case("search_path by EXECUTE", &[b"PREPARE p AS SELECT set_config('search_path', 'secret', false)", b"EXECUTE p", b"SELECT name FROM customers"], Leaks),
    case("search_path by EXPLAIN ANALYZE EXECUTE", &[b"PREPARE p AS SELECT set_config('search_path', 'secret', false)", b"EXPLAIN ANALYZE EXECUTE p", b"SELECT name FROM customers"], Leaks),
    case("search_path by EXECUTE in one text", &[b"PREPARE p AS SELECT set_config('search_path', 'secret', false); EXECUTE p; SELECT name FROM customers"], Leaks),
    case("search_path by function in one text", &[b"SELECT set_config('search_path', 'secret', false); SELECT name FROM customers"], Leaks),
    case("search_path that comes back", &[b"BEGIN; SET search_path = secret; SAVEPOINT s; SET search_path = public; ROLLBACK TO s", b"SELECT name FROM customers"], Leaks),
    case("search_path that RESET brings back", &[b"SET search_path = public; BEGIN; SET LOCAL search_path = secret; SELECT name FROM customers; COMMIT"], Leaks),
    case("a statement that is prepared before search_path changes", &[b"SET search_path = public, secret; PREPARE p AS SELECT name FROM customers", b"EXECUTE p"], Leaks),
    case("an inherited child", &[b"SELECT name FROM public.parent"], Leaks),
    case("a view", &[b"SELECT name FROM public.open_customers"], Leaks),
    case("a table to XML", &[b"SELECT table_to_xml('secret.customers', true, false, '')"], Leaks),
    case("a query to XML", &[b"SELECT query_to_xml('SELECT name FROM secret.customers', true, false, '')"], Leaks),
    case("a schema to XML", &[b"SELECT * FROM schema_to_xml('secret', true, false, '')"], Leaks),
    case("the database to XML", &[b"SELECT database_to_xml(true, false, '')"], Leaks),
    case("a cursor to XML", &[b"BEGIN; DECLARE c CURSOR FOR SELECT name FROM secret.customers; SELECT cursor_to_xml('c', 10, true, false, '')"], Leaks),
    case("statistics of text search", &[b"SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', name) FROM secret.customers')"], Leaks),
    case("statistics of the planner", &[b"SELECT most_common_vals FROM pg_stats WHERE schemaname = 'secret'"], Leaks),
    case("statistics of the planner, as stored", &[b"SELECT stavalues1 FROM pg_catalog.pg_statistic WHERE starelid = 'secret.customers'::regclass"], Leaks),
    case("hashes of passwords", &[b"SELECT rolpassword FROM pg_authid"], Leaks),
    case("hashes of passwords by view", &[b"SELECT * FROM pg_shadow"], Leaks),
    case("options of user mappings", &[b"SELECT * FROM pg_user_mappings"], Leaks),
    case("options of user mappings, as stored", &[b"SELECT umoptions FROM pg_user_mapping"], Leaks),
    case("options of user mappings of the standard", &[b"SELECT option_value FROM information_schema.user_mapping_options"], Leaks),
    case("pages of large objects", &[b"SELECT convert_from(data, 'UTF8') FROM pg_largeobject"], Leaks),
    case("large object", &[b"SELECT convert_from(lo_get(424242), 'UTF8')"], Leaks),
];

/// A forbidden column of a relation that is open.
pub(crate) const COLUMNS: &[Case] = &[
    case("a column", &[b"SELECT nick FROM public.people"], Leaks),
    case("a column of a unicode name", &[b"SELECT p.U&\"nic\\006b\" FROM public.people p"], Leaks),
    case("every column", &[b"SELECT * FROM public.people"], Leaks),
    case("TABLE and its columns", &[b"TABLE public.people"], Leaks),
    case("a column under another name", &[b"SELECT b FROM public.people AS p (a, b)"], Leaks),
    case("a column of a join under another name", &[b"SELECT j.b FROM (public.people JOIN public.orders USING (id)) AS j (a, b)"], Leaks),
    case("a column of a query under another name", &[b"SELECT x FROM (SELECT nick FROM public.people) AS q (x)"], Leaks),
    case("a column of WITH under another name", &[b"WITH q (x) AS (SELECT nick FROM public.people) SELECT x FROM q"], Leaks),
    case("a column as a function of the row", &[b"SELECT nick(p) FROM public.people p"], Leaks),
    case("a column of a row in parentheses", &[b"SELECT (p).nick FROM public.people p"], Leaks),
    case("the whole row", &[b"SELECT p FROM public.people p"], Leaks),
    case("the whole row as text", &[b"SELECT p::text FROM public.people AS p"], Leaks),
    case("the whole row as JSON", &[b"SELECT to_jsonb(people) FROM public.people"], Leaks),
    case("the whole row in ROW", &[b"SELECT ROW(p.*) FROM public.people p"], Leaks),
    case("a column of a natural join", &[b"SELECT nick FROM public.orders NATURAL JOIN public.people"], Leaks),
    case("a column in a lateral query", &[b"SELECT q.* FROM public.people p, LATERAL (SELECT p.nick) q"], Leaks),
    case("a column in lateral VALUES", &[b"SELECT v.a FROM public.people p, LATERAL (VALUES (p.nick)) v (a)"], Leaks),
    case("a column of the query around", &[b"SELECT (SELECT nick) FROM public.people"], Leaks),
    case("a column in an aggregate", &[b"SELECT string_agg(nick, ',') FROM public.people"], Leaks),
    case("a column in a window", &[b"SELECT first_value(nick) OVER () FROM public.people"], Leaks),
    case("COPY of a column", &[b"COPY public.people (nick) TO STDOUT"], Leaks),
    case("COPY of every column", &[b"COPY public.people TO STDOUT"], Leaks),
    case("a cursor on a column", &[b"BEGIN; DECLARE c CURSOR FOR SELECT nick FROM people; FETCH c"], Leaks),
];

/// Functions, code, roles, the server's files and programs.
pub(crate) const CODE: &[Case] = &[
    case("a function", &[b"SELECT public.peek()"], Leaks),
    case("a function in FROM", &[b"SELECT * FROM public.peek()"], Leaks),
    case("a function that writes", &[b"SELECT id FROM public.orders WHERE public.wipe(2)"], Changes),
    case("a file by function", &[b"SELECT pg_read_file('kestrel.txt')"], Leaks),
    case("a file by function in FROM", &[b"SELECT * FROM pg_read_file('kestrel.txt')"], Leaks),
    case("a file by function in ROWS FROM", &[b"SELECT * FROM ROWS FROM (pg_read_file('kestrel.txt'), generate_series(1, 2)) AS x"], Leaks),
    case("a file by function of a lateral join", &[b"SELECT f FROM public.paths p CROSS JOIN LATERAL pg_catalog.pg_read_file(p.note) f"], Leaks),
    case("a file in bytes", &[b"SELECT convert_from(pg_read_binary_file('kestrel.txt'), 'UTF8')"], Leaks),
    case("a directory", &[b"SELECT pg_ls_dir('.')"], Leaks),
    case("a quoted function", &[b"SELECT \"pg_catalog\".\"pg_read_file\"('kestrel.txt')"], Leaks),
    case("a function of a unicode name", &[b"SELECT U&\"pg_read_fil\\0065\"('kestrel.txt')"], Leaks),
    case("an attribute that is a function", &[b"SELECT (note).pg_read_file FROM public.paths"], Leaks),
    case("an attribute of a cast", &[b"SELECT ('kestrel.txt'::text).pg_read_file"], Leaks),
    case("an attribute of a query", &[b"SELECT ((SELECT note FROM public.paths)).pg_read_file"], Leaks),
    case("an attribute of an attribute", &[b"SELECT (ROW('kestrel.txt'::text)).f1.pg_read_file"], Leaks),
    case("a column that is a function of the row", &[b"SELECT p.wipe_row FROM public.paths p"], Changes),
    case("an attribute that is a function of the row", &[b"SELECT (p).wipe_row FROM public.paths p"], Changes),
    case("an operator", &[b"SELECT 1 @!@ 2"], Changes),
    case("an operator by its schema", &[b"SELECT 1 OPERATOR(public.@!@) 2"], Changes),
    case("an operator that looks like PostgreSQL's", &[b"SELECT 1 OPERATOR(games.=) 2"], Changes),
    case("an operator with ANY", &[b"SELECT 1 OPERATOR(public.@!@) ANY (ARRAY[2])"], Changes),
    case("a function that looks like PostgreSQL's, by search_path", &[b"SET search_path = games, pg_catalog, public", b"SELECT length('x')"], Changes),
    case("an operator that looks like PostgreSQL's, by search_path", &[b"SET search_path = games, pg_catalog, public", b"SELECT 1 = 2"], Changes),
    case("a cast that is a function", &[b"SELECT 3::public.pair"], Changes),
    case("a cast to a domain that checks", &[b"SELECT CAST(3 AS public.checked)"], Changes),
    case("a literal of a domain that checks", &[b"SELECT public.checked '3'"], Changes),
    case("a type of json_to_record that checks", &[b"SELECT * FROM json_to_record('{\"a\": 3}') AS x (a public.checked)"], Changes),
    case("a type of XMLTABLE that checks", &[b"SELECT * FROM XMLTABLE('/a' PASSING ('<a>3</a>'::xml) COLUMNS a public.checked PATH '.')"], Changes),
    case("a type of PREPARE that checks", &[b"PREPARE p (public.checked) AS SELECT 1", b"EXECUTE p('3')"], Changes),
    case("an array of a domain that checks", &[b"SELECT '{3}'::public.checked[]"], Changes),
    case("a function that fits better than PostgreSQL's", &[b"SELECT upper(note::varchar) FROM public.orders"], Changes),
    case("an operator that fits better than PostgreSQL's", &[b"SELECT note::varchar || note::varchar FROM public.orders"], Changes),
    case("CALL", &[b"CALL public.wipe_all()"], Changes),
    case("DO", &[b"DO $$ BEGIN DELETE FROM public.orders; END $$"], Changes),
    case("DO with a string", &[b"DO 'BEGIN EXECUTE ''DEL'' || ''ETE FROM public.orders''; END'"], Changes),
    case("SET ROLE", &[b"SET ROLE kestrel; SELECT current_user"], Leaks),
    case("SET LOCAL ROLE", &[b"BEGIN; SET LOCAL ROLE kestrel; SELECT current_user"], Leaks),
    case("SET role TO", &[b"SET \"role\" TO 'kestrel'; SELECT current_user"], Leaks),
    case("SET SESSION AUTHORIZATION", &[b"SET SESSION AUTHORIZATION kestrel; SELECT session_user"], Leaks),
    case("set_config of role", &[b"SELECT set_config('role', 'kestrel', false); SELECT current_user"], Leaks),
    case("set_config of a name from a table", &[b"SELECT set_config(r, 'kestrel', false) FROM (VALUES ('role')) AS v (r); SELECT current_user"], Leaks),
    case("set_config of a name in capitals", &[b"SELECT pg_catalog.set_config('ROLE', 'kestrel', false); SELECT current_user"], Leaks),
    case("COPY TO PROGRAM", &[b"COPY (SELECT 1) TO PROGRAM 'cat > owned'"], Changes),
    case("COPY FROM PROGRAM", &[b"COPY public.paths FROM PROGRAM 'echo x > owned; echo y'"], Changes),
    case("COPY TO a file", &[b"COPY public.orders TO '{data}/owned'"], Changes),
    case("COPY FROM a file", &[b"COPY public.paths FROM '{data}/kestrel.txt'"], Changes),
    case("a file as a large object", &[b"SELECT lo_import('kestrel.txt', 8)"], Changes),
    case("a large object to a file", &[b"SELECT lo_export(424242, '{data}/owned')"], Changes),
    case("ALTER SYSTEM", &[b"ALTER SYSTEM SET work_mem = '5MB'"], Changes),
    case("a replication slot", &[b"SELECT pg_create_physical_replication_slot('hole')"], Changes),
    case("a function of a default", &[b"CREATE TABLE public.copied (a text DEFAULT pg_read_file('kestrel.txt')); INSERT INTO public.copied DEFAULT VALUES RETURNING a"], Leaks),
];

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [WRITING, WRITES, READS, COLUMNS, CODE].into_iter().flatten()
}

const fn case(way: &'static str, steps: &'static [&'static [u8]], harm: Harm) -> Case {
    Case { way, steps, harm, read_only: Denied("?"), forbidding: Denied("?") }
}
