//! What the server is made of, what it must not show, and how to see whether it has changed.

/// What no row of an answer may hold.
pub(super) const SECRET: &str = "kestrel";

/// How the hash of a password begins.
pub(super) const PASSWORD_HASH: &str = "SCRAM-SHA-256$";

/// What the server is made of: `public` is open to everybody, `secret` is not.
pub(super) const WORLD: &str = "
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
pub(super) const RESET: &str = "
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
pub(super) const STATE: &str = "
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
