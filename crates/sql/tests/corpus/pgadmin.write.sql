-- pgAdmin 9.18, its web application in one process: tree, properties, SQL, statistics, dashboards, search, query tool, ERD, dialogs.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Writes and locks: a read-only policy must deny each of them.
-- @@
CREATE SCHEMA pga1
    AUTHORIZATION postgres;

COMMENT ON SCHEMA pga1
    IS 'd';

GRANT USAGE ON SCHEMA pga1 TO PUBLIC;

-- @@
CREATE TABLE public.pgat1
(
    a integer NOT NULL,
    b text
)


WITH (
    FILLFACTOR = 70
);

ALTER TABLE IF EXISTS public.pgat1
    OWNER to postgres;



COMMENT ON TABLE public.pgat1
    IS 'x';






-- @@
CREATE SEQUENCE public.pgas1
    INCREMENT 1;

-- @@
ALTER SEQUENCE public.pgas1
    OWNER TO postgres;
-- @@
CREATE VIEW public.pgav1
 AS
select 1;

ALTER TABLE public.pgav1
    OWNER TO postgres;
-- @@
CREATE ROLE pgar1 WITH
	LOGIN
	NOSUPERUSER
	NOCREATEDB
	NOCREATEROLE
	NOINHERIT
	NOREPLICATION
	NOBYPASSRLS
	PASSWORD  'not-a-secret';

-- @@
CREATE INDEX pgai
    ON public.pgat1 USING btree
    (b)
;

-- @@
ALTER TABLE IF EXISTS public.pgat1
    ADD COLUMN c integer;


-- @@
TRUNCATE TABLE public.pgat1;
-- @@
DROP TABLE IF EXISTS public.pgat1 CASCADE;
-- @@
CREATE SCHEMA pga2
    AUTHORIZATION postgres;

COMMENT ON SCHEMA pga2
    IS 'd';

GRANT USAGE ON SCHEMA pga2 TO PUBLIC;

-- @@
CREATE TABLE public.pgat2
(
    a integer NOT NULL,
    b text
)


WITH (
    FILLFACTOR = 70
);

ALTER TABLE IF EXISTS public.pgat2
    OWNER to postgres;



COMMENT ON TABLE public.pgat2
    IS 'x';






-- @@
CREATE SEQUENCE public.pgas2
    INCREMENT 1;

-- @@
ALTER SEQUENCE public.pgas2
    OWNER TO postgres;
-- @@
CREATE VIEW public.pgav2
 AS
select 1;

ALTER TABLE public.pgav2
    OWNER TO postgres;
-- @@
CREATE ROLE pgar2 WITH
	LOGIN
	NOSUPERUSER
	NOCREATEDB
	NOCREATEROLE
	NOINHERIT
	NOREPLICATION
	NOBYPASSRLS
	PASSWORD  'not-a-secret';

-- @@
CREATE INDEX pgai
    ON public.pgat2 USING btree
    (b)
;

-- @@
ALTER TABLE IF EXISTS public.pgat2
    ADD COLUMN c integer;


-- @@
TRUNCATE TABLE public.pgat2;
-- @@
DROP TABLE IF EXISTS public.pgat2 CASCADE;
