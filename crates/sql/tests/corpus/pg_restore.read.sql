-- pg_restore, vacuumdb, reindexdb, createuser 18.4; pgbench 15.18.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Reads: a read-only policy must let all of them pass.
-- @@
SELECT pg_catalog.set_config('search_path', '', false);
-- @@
SELECT pg_catalog.pg_is_in_recovery()
-- @@
--
-- PostgreSQL database dump
--


-- @@
SET statement_timeout = 0;

-- @@
SET lock_timeout = 0;

-- @@
SET idle_in_transaction_session_timeout = 0;

-- @@
SET transaction_timeout = 0;

-- @@
SET client_encoding = 'UTF8';

-- @@
SET standard_conforming_strings = on;

-- @@
SET check_function_bodies = false;

-- @@
SET xmloption = content;

-- @@
SET client_min_messages = warning;

-- @@
SET row_security = off;

-- @@
SET default_tablespace = ''
-- @@
SET default_table_access_method = heap;
-- @@
BEGIN
-- @@
select proname, oid from pg_catalog.pg_proc where proname in ('lo_open', 'lo_close', 'lo_creat', 'lo_create', 'lo_unlink', 'lo_lseek', 'lo_lseek64', 'lo_tell', 'lo_tell64', 'lo_truncate', 'lo_truncate64', 'loread', 'lowrite') and pronamespace = (select oid from pg_catalog.pg_namespace where nspname = 'pg_catalog')
-- @@
COMMIT
-- @@
RESET search_path;
-- @@
SELECT c.relname, ns.nspname FROM pg_catalog.pg_class c
 JOIN pg_catalog.pg_namespace ns ON c.relnamespace OPERATOR(pg_catalog.=) ns.oid
 CROSS JOIN LATERAL (SELECT c.relkind IN ('p', 'I')) as p (inherited)
 LEFT JOIN pg_catalog.pg_class t ON c.reltoastrelid OPERATOR(pg_catalog.=) t.oid
 WHERE c.relpersistence OPERATOR(pg_catalog.!=) 't'
 AND c.relkind OPERATOR(pg_catalog.=) ANY (array['r', 'm'])
 ORDER BY c.relpages DESC;
-- @@
select count(*) from pgbench_branches
-- @@
select o.n, p.partstrat, pg_catalog.count(i.inhparent) from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on (n.oid = c.relnamespace) cross join lateral (select pg_catalog.array_position(pg_catalog.current_schemas(true), n.nspname)) as o(n) left join pg_catalog.pg_partitioned_table as p on (p.partrelid = c.oid) left join pg_catalog.pg_inherits as i on (c.oid = i.inhparent) where c.relname = 'pgbench_accounts' and o.n is not null group by 1, 2 order by 1 asc limit 1
-- @@
BEGIN;
-- @@
SELECT abalance FROM pgbench_accounts WHERE aid = 63061;
-- @@
END;
-- @@
SELECT abalance FROM pgbench_accounts WHERE aid = $1;
