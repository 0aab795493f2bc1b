-- psycopg2 2.9 and psycopg 3: look-ups of types, composites, enums, ranges and hstore, named cursors, sessions, two-phase recovery, copies.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Reads: a read-only policy must let all of them pass.
-- @@
BEGIN
-- @@
select * from orders where id = 1 and note is distinct from 'it''s'
-- @@
select id from customers where id in (1, 2) and name = any(ARRAY['Ann'])
-- @@
COMMIT
-- @@
SELECT t.oid, typarray
FROM pg_type t JOIN pg_namespace ns
    ON typnamespace = ns.oid
WHERE typname = 'hstore';

-- @@
ROLLBACK
-- @@
SELECT t.oid, typarray, attname, atttypid
FROM pg_type t
JOIN pg_namespace ns ON typnamespace = ns.oid
JOIN pg_attribute a ON attrelid = typrelid
WHERE typname = 'address' AND nspname = 'public'
    AND attnum > 0 AND NOT attisdropped
ORDER BY attnum;

-- @@
select rngtypid, rngsubtype, typarray
from pg_range r
join pg_type t on t.oid = rngtypid
join pg_namespace ns on ns.oid = typnamespace
where typname = 'int4range' and ns.nspname = 'public';

-- @@
SAVEPOINT register_type
-- @@
SELECT rngtypid, rngsubtype, typarray, typname, nspname
from pg_range r
join pg_type t on t.oid = rngtypid
join pg_namespace ns on ns.oid = typnamespace
WHERE t.oid = 'int4range'::regtype

-- @@
ROLLBACK TO SAVEPOINT register_type
-- @@
DECLARE "named" CURSOR WITHOUT HOLD FOR select * from orders
-- @@
FETCH FORWARD ALL FROM "named"
-- @@
CLOSE "named"
-- @@
DECLARE "scr" SCROLL CURSOR WITH HOLD FOR select 1
-- @@
MOVE 0 FROM "scr"
-- @@
CLOSE "scr"
-- @@
COPY orders TO STDOUT WITH CSV HEADER
-- @@
COPY "orders"("id","total") TO stdout WITH DELIMITER AS '	' NULL AS '\N'
-- @@
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY DEFERRABLE
-- @@
select 1
-- @@
SET default_transaction_read_only TO 'on'
-- @@
select "id" from "public"."orders" limit 1
-- @@
DISCARD ALL
-- @@
SELECT gid, prepared, owner, database FROM pg_prepared_xacts
-- @@
BEGIN READ WRITE
-- @@
SELECT
    typname AS name, oid, typarray AS array_oid,
    oid::regtype::text AS regtype, typdelim AS delimiter
FROM pg_type t
WHERE t.oid = to_regtype($1)
ORDER BY t.oid

-- @@
SELECT
    t.typname AS name, t.oid AS oid, t.typarray AS array_oid,
    t.oid::regtype::text AS regtype,
    coalesce(a.fnames, '{}') AS field_names,
    coalesce(a.ftypes, '{}') AS field_types
FROM pg_type t
LEFT JOIN (
    SELECT
        attrelid,
        array_agg(attname) AS fnames,
        array_agg(atttypid) AS ftypes
    FROM (
        SELECT a.attrelid, a.attname, a.atttypid
        FROM pg_attribute a
        JOIN pg_type t ON t.typrelid = a.attrelid
        WHERE t.oid = to_regtype($1)
        AND a.attnum > 0
        AND NOT a.attisdropped
        ORDER BY a.attnum
    ) x
    GROUP BY attrelid
) a ON a.attrelid = t.typrelid
WHERE t.oid = to_regtype($1)

-- @@
SELECT name, oid, array_oid, regtype, array_agg(label) AS labels
FROM (
    SELECT
        t.typname AS name, t.oid AS oid, t.typarray AS array_oid,
        t.oid::regtype::text AS regtype, e.enumlabel AS label
    FROM pg_type t
    LEFT JOIN  pg_enum e
    ON e.enumtypid = t.oid
    WHERE t.oid = to_regtype($1)
    ORDER BY e.enumsortorder
) x
GROUP BY name, oid, array_oid, regtype

-- @@
SELECT t.typname AS name, t.oid AS oid, t.typarray AS array_oid,
    t.oid::regtype::text AS regtype,
    r.rngsubtype AS subtype_oid
FROM pg_type t
JOIN pg_range r ON t.oid = r.rngtypid
WHERE t.oid = to_regtype($1)

-- @@
SELECT t.typname AS name, t.oid AS oid, t.typarray AS array_oid,
    t.oid::regtype::text AS regtype,
    r.rngtypid AS range_oid, r.rngsubtype AS subtype_oid
FROM pg_type t
JOIN pg_range r ON t.oid = r.rngmultitypid
WHERE t.oid = to_regtype($1)

-- @@
select * from orders where id = $1 and placed = $2
-- @@
DECLARE "srv" CURSOR FOR select * from orders where total > $1
-- @@
FETCH FORWARD ALL FROM "srv"
-- @@
CLOSE "srv"
-- @@
DECLARE "srv2" SCROLL CURSOR WITH HOLD FOR select 1
-- @@
FETCH FORWARD 1 FROM "srv2"
-- @@
MOVE  -1 FROM "srv2"
-- @@
CLOSE "srv2"
-- @@
SAVEPOINT "_pg3_1"
-- @@
RELEASE "_pg3_1"
-- @@
SAVEPOINT "sp"
-- @@
RELEASE "sp"
-- @@
COPY (select id from orders) TO STDOUT (FORMAT binary)
-- @@
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY
-- @@
DEALLOCATE ALL
-- @@
BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE
