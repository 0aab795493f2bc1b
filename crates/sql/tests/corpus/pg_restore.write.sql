-- pg_restore, vacuumdb, reindexdb, createuser 18.4; pgbench 15.18.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Writes and locks: a read-only policy must deny each of them.
-- @@
CREATE SCHEMA shop;



-- @@
ALTER SCHEMA shop OWNER TO postgres;


-- @@
CREATE COLLATION public.de (provider = libc, locale = 'C');



-- @@
ALTER COLLATION public.de OWNER TO postgres;


-- @@
CREATE TYPE public.address AS (
	street text,
	city text
);



-- @@
ALTER TYPE public.address OWNER TO postgres;


-- @@
CREATE TYPE public.mood AS ENUM (
    'sad',
    'ok',
    'happy'
);



-- @@
ALTER TYPE public.mood OWNER TO postgres;


-- @@
CREATE DOMAIN public.positive AS integer
	CONSTRAINT positive_check CHECK ((VALUE > 0));



-- @@
ALTER DOMAIN public.positive OWNER TO postgres;


-- @@
CREATE FUNCTION public.event_noop() RETURNS event_trigger
    LANGUAGE plpgsql
    AS $$ BEGIN END $$;



-- @@
ALTER FUNCTION public.event_noop() OWNER TO postgres;


-- @@
CREATE PROCEDURE public.noop()
    LANGUAGE sql
    AS $$SELECT 1$$;



-- @@
ALTER PROCEDURE public.noop() OWNER TO postgres;


-- @@
CREATE FUNCTION public.total_of(integer) RETURNS numeric
    LANGUAGE sql STABLE
    AS $_$SELECT sum(total) FROM orders WHERE customer_id = $1$_$;



-- @@
ALTER FUNCTION public.total_of(integer) OWNER TO postgres;


-- @@
CREATE FUNCTION public.touch() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN NEW.note := 'x'; RETURN NEW; END $$;



-- @@
ALTER FUNCTION public.touch() OWNER TO postgres;


-- @@
CREATE AGGREGATE public.mysum(integer) (
    SFUNC = int4pl,
    STYPE = integer
);



-- @@
ALTER AGGREGATE public.mysum(integer) OWNER TO postgres;


-- @@
CREATE OPERATOR public.=== (
    FUNCTION = int4eq,
    LEFTARG = integer,
    RIGHTARG = integer
);



-- @@
ALTER OPERATOR public.=== (integer, integer) OWNER TO postgres;


-- @@
CREATE TEXT SEARCH CONFIGURATION public.tsc (
    PARSER = pg_catalog."default" );

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR asciiword WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR word WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR numword WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR email WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR url WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR host WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR sfloat WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR version WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR hword_numpart WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR hword_part WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR hword_asciipart WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR numhword WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR asciihword WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR hword WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR url_path WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR file WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR "float" WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR "int" WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.tsc
    ADD MAPPING FOR uint WITH simple;



-- @@
ALTER TEXT SEARCH CONFIGURATION public.tsc OWNER TO postgres;


-- @@
CREATE FOREIGN DATA WRAPPER w;



-- @@
ALTER FOREIGN DATA WRAPPER w OWNER TO postgres;


-- @@
CREATE SERVER srv FOREIGN DATA WRAPPER w;



-- @@
ALTER SERVER srv OWNER TO postgres;


-- @@
CREATE USER MAPPING FOR postgres SERVER srv;



-- @@
CREATE TABLE public.customers (
    id integer NOT NULL,
    name character varying(100) NOT NULL,
    email text,
    mood public.mood DEFAULT 'ok'::public.mood,
    home public.address,
    tags text[],
    doc jsonb,
    created_at timestamp with time zone DEFAULT now(),
    extra text
);



-- @@
ALTER TABLE public.customers OWNER TO postgres;


-- @@
CREATE TABLE public.orders (
    id bigint NOT NULL,
    customer_id integer NOT NULL,
    total numeric(10,2),
    placed date DEFAULT CURRENT_DATE,
    note text,
    CONSTRAINT orders_total_check CHECK ((total >= (0)::numeric))
);



-- @@
ALTER TABLE public.orders OWNER TO postgres;


-- @@
COMMENT ON TABLE public.orders IS 'orders of customers';



-- @@
COMMENT ON COLUMN public.orders.note IS 'free text';



-- @@
CREATE VIEW public.big_orders AS
 SELECT o.id,
    o.customer_id,
    o.total,
    o.placed,
    o.note,
    c.name
   FROM (public.orders o
     JOIN public.customers c ON ((c.id = o.customer_id)))
  WHERE (o.total > (100)::numeric);



-- @@
ALTER VIEW public.big_orders OWNER TO postgres;


-- @@
CREATE SEQUENCE public.customers_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;



-- @@
ALTER SEQUENCE public.customers_id_seq OWNER TO postgres;


-- @@
ALTER SEQUENCE public.customers_id_seq OWNED BY public.customers.id;



-- @@
CREATE FOREIGN TABLE public.ft (
    a integer
)
SERVER srv;



-- @@
ALTER FOREIGN TABLE public.ft OWNER TO postgres;


-- @@
CREATE TABLE public.measures (
    at timestamp with time zone NOT NULL,
    value double precision
)
PARTITION BY RANGE (at);



-- @@
ALTER TABLE public.measures OWNER TO postgres;


-- @@
CREATE TABLE public.measures_2026 (
    at timestamp with time zone CONSTRAINT measures_at_not_null NOT NULL,
    value double precision
);



-- @@
ALTER TABLE public.measures_2026 OWNER TO postgres;


-- @@
ALTER TABLE public.orders ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.orders_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);



-- @@
CREATE SEQUENCE public.seq1
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;



-- @@
ALTER SEQUENCE public.seq1 OWNER TO postgres;


-- @@
CREATE MATERIALIZED VIEW public.totals AS
 SELECT customer_id,
    sum(total) AS sum
   FROM public.orders
  GROUP BY customer_id
  WITH NO DATA;



-- @@
ALTER MATERIALIZED VIEW public.totals OWNER TO postgres;


-- @@
CREATE TABLE shop.item (
    sku text NOT NULL,
    qty public.positive
);



-- @@
ALTER TABLE shop.item OWNER TO postgres;


-- @@
ALTER TABLE ONLY public.measures ATTACH PARTITION public.measures_2026 FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2027-01-01 00:00:00+00');



-- @@
ALTER TABLE ONLY public.customers ALTER COLUMN id SET DEFAULT nextval('public.customers_id_seq'::regclass);



-- @@
COPY public.customers (id, name, email, mood, home, tags, doc, created_at, extra) FROM stdin;

-- @@
COPY public.measures_2026 (at, value) FROM stdin;

-- @@
COPY public.orders (id, customer_id, total, placed, note) FROM stdin;

-- @@
COPY shop.item (sku, qty) FROM stdin;

-- @@
SELECT pg_catalog.setval('public.customers_id_seq', 2, true);



-- @@
SELECT pg_catalog.setval('public.seq1', 1, false);



-- @@
SELECT pg_catalog.lo_create('16531');

-- @@
ALTER LARGE OBJECT 16531 OWNER TO postgres;

-- @@
ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_email_key UNIQUE (email);



-- @@
ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (id);



-- @@
ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);



-- @@
ALTER TABLE ONLY shop.item
    ADD CONSTRAINT item_pkey PRIMARY KEY (sku);



-- @@
CREATE INDEX orders_customer ON public.orders USING btree (customer_id) WHERE (total > (0)::numeric);



-- @@
CREATE STATISTICS public.st1 ON customer_id, total FROM public.orders;



-- @@
ALTER STATISTICS public.st1 OWNER TO postgres;


-- @@
CREATE RULE r1 AS
    ON DELETE TO shop.item DO NOTHING;



-- @@
CREATE TRIGGER t1 BEFORE UPDATE ON public.orders FOR EACH ROW EXECUTE FUNCTION public.touch();



-- @@
ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES public.customers(id) ON DELETE CASCADE;



-- @@
ALTER TABLE public.customers ENABLE ROW LEVEL SECURITY;


-- @@
CREATE POLICY p1 ON public.customers USING (true);



-- @@
CREATE PUBLICATION pub1 WITH (publish = 'insert, update, delete, truncate');



-- @@
ALTER PUBLICATION pub1 OWNER TO postgres;


-- @@
ALTER PUBLICATION pub1 ADD TABLE ONLY public.orders;



-- @@
GRANT SELECT ON TABLE public.orders TO reader;



-- @@
GRANT SELECT ON TABLE public.ft TO reader;



-- @@
ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT SELECT ON TABLES TO reader;



-- @@
CREATE EVENT TRIGGER et ON ddl_command_end
   EXECUTE FUNCTION public.event_noop();



-- @@
ALTER EVENT TRIGGER et OWNER TO postgres;


-- @@
REFRESH MATERIALIZED VIEW public.totals;



-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_proc;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_attribute;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_description;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_statistic;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_type;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_operator;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_rewrite;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_class;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_depend;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) information_schema.sql_features;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_amop;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_amproc;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_constraint;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_ts_config_map;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_index;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_init_privs;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_aggregate;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_opclass;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_opfamily;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_conversion;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_cast;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) information_schema.sql_sizing;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_authid;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) information_schema.sql_implementation_info;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_am;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_language;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_namespace;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_database;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_tablespace;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_auth_members;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_shdescription;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_ts_config;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_ts_dict;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_ts_parser;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_ts_template;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_extension;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_collation;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_range;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) information_schema.sql_parts;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) public.orders;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_parameter_acl;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_db_role_setting;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_partitioned_table;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) public.measures_2026;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_shdepend;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_transform;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_sequence;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) public.customers;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_publication;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_publication_namespace;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_publication_rel;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_subscription_rel;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_foreign_data_wrapper;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_foreign_server;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_policy;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_replication_origin;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_default_acl;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) shop.item;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_seclabel;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_inherits;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_attrdef;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_shseclabel;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_largeobject_metadata;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_subscription;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_statistic_ext;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_user_mapping;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_trigger;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_event_trigger;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_statistic_ext_data;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_foreign_table;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_enum;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) pg_catalog.pg_largeobject;
-- @@
VACUUM (SKIP_DATABASE_STATS, ANALYZE) public.totals;
-- @@
VACUUM (ONLY_DATABASE_STATS);
-- @@
REINDEX DATABASE app;
-- @@
CREATE ROLE u9 NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT LOGIN NOREPLICATION NOBYPASSRLS;
-- @@
DROP ROLE u9;
-- @@
drop table if exists pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers
-- @@
create table pgbench_history(tid int,bid int,aid    int,delta int,mtime timestamp,filler char(22))
-- @@
create table pgbench_tellers(tid int not null,bid int,tbalance int,filler char(84)) with (fillfactor=100)
-- @@
create table pgbench_accounts(aid    int not null,bid int,abalance int,filler char(84)) with (fillfactor=100)
-- @@
create table pgbench_branches(bid int not null,bbalance int,filler char(88)) with (fillfactor=100)
-- @@
truncate table pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers
-- @@
insert into pgbench_branches(bid,bbalance) values(1,0)
-- @@
insert into pgbench_tellers(tid,bid,tbalance) values (1,1,0)
-- @@
copy pgbench_accounts from stdin with (freeze on)
-- @@
vacuum analyze pgbench_branches
-- @@
vacuum analyze pgbench_tellers
-- @@
vacuum analyze pgbench_accounts
-- @@
vacuum analyze pgbench_history
-- @@
alter table pgbench_branches add primary key (bid)
-- @@
alter table pgbench_tellers add primary key (tid)
-- @@
alter table pgbench_accounts add primary key (aid)
-- @@
UPDATE pgbench_accounts SET abalance = abalance + -1777 WHERE aid = 63061;
-- @@
UPDATE pgbench_tellers SET tbalance = tbalance + -1777 WHERE tid = 7;
-- @@
UPDATE pgbench_branches SET bbalance = bbalance + -1777 WHERE bid = 1;
-- @@
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (7, 1, 63061, -1777, CURRENT_TIMESTAMP);
-- @@
UPDATE pgbench_accounts SET abalance = abalance + 3595 WHERE aid = 25476;
-- @@
UPDATE pgbench_tellers SET tbalance = tbalance + 3595 WHERE tid = 4;
-- @@
UPDATE pgbench_branches SET bbalance = bbalance + 3595 WHERE bid = 1;
-- @@
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (4, 1, 25476, 3595, CURRENT_TIMESTAMP);
