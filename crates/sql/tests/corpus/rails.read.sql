-- ActiveRecord 6.1.7 (look-ups, schema dump, queries, migrations) and Sequel, of Debian 12.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Reads: a read-only policy must let all of them pass.
-- @@
SET client_min_messages TO 'warning'
-- @@
SET search_path TO public
-- @@
SET standard_conforming_strings = on
-- @@
SET intervalstyle = iso_8601
-- @@
SET SESSION statement_timeout TO '5s'
-- @@
SET SESSION timezone TO 'UTC'
-- @@
SELECT t.oid, t.typname
FROM pg_type as t
WHERE t.typname IN ('int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'numeric', 'bool', 'timestamp', 'timestamptz')

-- @@
SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typinput, r.rngsubtype, t.typtype, t.typbasetype
FROM pg_type as t
LEFT JOIN pg_range as r ON oid = rngtypid
WHERE
  t.typname IN ('int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'text', 'varchar', 'char', 'name', 'bpchar', 'bool', 'bit', 'varbit', 'timestamptz', 'date', 'money', 'bytea', 'point', 'hstore', 'json', 'jsonb', 'cidr', 'inet', 'uuid', 'xml', 'tsvector', 'macaddr', 'citext', 'ltree', 'line', 'lseg', 'box', 'path', 'polygon', 'circle', 'time', 'timestamp', 'numeric', 'interval')
  OR t.typtype IN ('r', 'e', 'd')
  OR t.typinput = 'array_in(cstring,oid,integer)'::regprocedure
  OR t.typelem != 0

-- @@
SHOW TIME ZONE
-- @@
SELECT 1
-- @@
SELECT c.relname FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY (current_schemas(false)) AND c.relkind IN ('r','p')
-- @@
SELECT a.attname, format_type(a.atttypid, a.atttypmod),
       pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.atttypid, a.atttypmod,
       c.collname, col_description(a.attrelid, a.attnum) AS comment
  FROM pg_attribute a
  LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum
  LEFT JOIN pg_type t ON a.atttypid = t.oid
  LEFT JOIN pg_collation c ON a.attcollation = c.oid AND a.attcollation <> t.typcollation
 WHERE a.attrelid = '"orders"'::regclass
   AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum

-- @@
SELECT distinct i.relname, d.indisunique, d.indkey, pg_get_indexdef(d.indexrelid), t.oid,
                pg_catalog.obj_description(i.oid, 'pg_class') AS comment
FROM pg_class t
INNER JOIN pg_index d ON t.oid = d.indrelid
INNER JOIN pg_class i ON d.indexrelid = i.oid
LEFT JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE i.relkind IN ('i', 'I')
  AND d.indisprimary = 'f'
  AND t.relname = 'orders'
  AND n.nspname = ANY (current_schemas(false))
ORDER BY i.relname

-- @@
SELECT a.attnum, a.attname
FROM pg_attribute a
WHERE a.attrelid = 16647
AND a.attnum IN (2)

-- @@
SELECT a.attname
  FROM (
         SELECT indrelid, indkey, generate_subscripts(indkey, 1) idx
           FROM pg_index
          WHERE indrelid = '"orders"'::regclass
            AND indisprimary
       ) i
  JOIN pg_attribute a
    ON a.attrelid = i.indrelid
   AND a.attnum = i.indkey[i.idx]
 ORDER BY i.idx

-- @@
SELECT t2.oid::regclass::text AS to_table, a1.attname AS column, a2.attname AS primary_key, c.conname AS name, c.confupdtype AS on_update, c.confdeltype AS on_delete, c.convalidated AS valid
FROM pg_constraint c
JOIN pg_class t1 ON c.conrelid = t1.oid
JOIN pg_class t2 ON c.confrelid = t2.oid
JOIN pg_attribute a1 ON a1.attnum = c.conkey[1] AND a1.attrelid = t1.oid
JOIN pg_attribute a2 ON a2.attnum = c.confkey[1] AND a2.attrelid = t2.oid
JOIN pg_namespace t3 ON c.connamespace = t3.oid
WHERE c.contype = 'f'
  AND t1.relname = 'orders'
  AND t3.nspname = ANY (current_schemas(false))
ORDER BY c.conname

-- @@
            SELECT conname, pg_get_constraintdef(c.oid) AS constraintdef, c.convalidated AS valid
            FROM pg_constraint c
            JOIN pg_class t ON c.conrelid = t.oid
            WHERE c.contype = 'c'
              AND t.relname = 'orders'

-- @@
SELECT c.relname FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY (current_schemas(false)) AND c.relname = 'orders' AND c.relkind IN ('r','p')
-- @@
SELECT extname FROM pg_extension
-- @@
SELECT installed_version IS NOT NULL FROM pg_available_extensions WHERE name = 'hstore'
-- @@
SELECT true FROM pg_available_extensions WHERE name = 'hstore'
-- @@
SELECT current_database()
-- @@
SELECT current_schema
-- @@
SELECT nspname
  FROM pg_namespace
 WHERE nspname !~ '^pg_.*'
   AND nspname NOT IN ('information_schema')
 ORDER by nspname;

-- @@
SELECT COUNT(*) FROM pg_namespace WHERE nspname = 'shop'
-- @@
SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()
-- @@
SELECT datcollate FROM pg_database WHERE datname = current_database()
-- @@
SELECT datctype FROM pg_database WHERE datname = current_database()
-- @@
SHOW client_min_messages
-- @@
SELECT pg_get_serial_sequence('orders', 'id')
-- @@
SELECT attr.attname, nsp.nspname, seq.relname
FROM pg_class      seq,
     pg_attribute  attr,
     pg_depend     dep,
     pg_constraint cons,
     pg_namespace  nsp
WHERE seq.oid           = dep.objid
  AND seq.relkind       = 'S'
  AND attr.attrelid     = dep.refobjid
  AND attr.attnum       = dep.refobjsubid
  AND attr.attrelid     = cons.conrelid
  AND attr.attnum       = cons.conkey[1]
  AND seq.relnamespace  = nsp.oid
  AND cons.contype      = 'p'
  AND dep.classid       = 'pg_class'::regclass
  AND dep.refobjid      = '"customers"'::regclass

-- @@
SELECT COUNT(*)
FROM pg_class t
INNER JOIN pg_index d ON t.oid = d.indrelid
INNER JOIN pg_class i ON d.indexrelid = i.oid
LEFT JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE i.relkind IN ('i', 'I')
  AND i.relname = 'orders_customer'
  AND t.relname = 'orders'
  AND n.nspname = ANY (current_schemas(false))

-- @@
SELECT pg_catalog.obj_description(c.oid, 'pg_class')
FROM pg_catalog.pg_class c
  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = 'orders'
  AND c.relkind IN ('r','p')
  AND n.nspname = ANY (current_schemas(false))

-- @@
SHOW max_identifier_length
-- @@
SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typinput, r.rngsubtype, t.typtype, t.typbasetype
FROM pg_type as t
LEFT JOIN pg_range as r ON oid = rngtypid
WHERE t.oid IN (16629)
-- @@
SELECT "customers".* FROM "customers" WHERE "customers"."name" = $1 ORDER BY "customers"."id" ASC LIMIT $2
-- @@
SELECT "customers".* FROM "customers" WHERE "customers"."email" = $1 LIMIT $2
-- @@
SELECT "customers".* FROM "customers"
-- @@
SELECT "orders".* FROM "orders" WHERE "orders"."customer_id" IN ($1, $2)
-- @@
SELECT COUNT(DISTINCT "customers"."id") FROM "customers" INNER JOIN "orders" ON "orders"."customer_id" = "customers"."id" WHERE "orders"."total" BETWEEN $1 AND $2
-- @@
SELECT SUM("orders"."total") AS sum_total, "orders"."customer_id" AS orders_customer_id FROM "orders" GROUP BY "orders"."customer_id"
-- @@
SELECT "orders"."id" FROM "orders"
-- @@
SELECT 1 AS one FROM "orders" WHERE "orders"."note" IS NULL LIMIT $1
-- @@
SELECT "orders".* FROM "orders" ORDER BY "orders"."id" ASC LIMIT $1
-- @@
SELECT "orders".* FROM "orders" WHERE "orders"."id" > $1 ORDER BY "orders"."id" ASC LIMIT $2
-- @@
SELECT "customers".* FROM "customers" WHERE (doc @> '{}') ORDER BY "customers"."id" ASC LIMIT $1
-- @@
SELECT AVG("orders"."total") FROM "orders"
-- @@
SELECT "customers"."id" AS t0_r0, "customers"."name" AS t0_r1, "customers"."email" AS t0_r2, "customers"."mood" AS t0_r3, "customers"."home" AS t0_r4, "customers"."tags" AS t0_r5, "customers"."doc" AS t0_r6, "customers"."created_at" AS t0_r7, "customers"."extra" AS t0_r8, "orders"."id" AS t1_r0, "orders"."customer_id" AS t1_r1, "orders"."total" AS t1_r2, "orders"."placed" AS t1_r3, "orders"."note" AS t1_r4 FROM "customers" LEFT OUTER JOIN "orders" ON "orders"."customer_id" = "customers"."id"
-- @@
SELECT "orders".* FROM "orders" WHERE ("orders"."id" IN ($1, $2) OR "orders"."total" = $3)
-- @@
EXPLAIN SELECT "orders".* FROM "orders" WHERE ("orders"."id" IN ($1, $2) OR "orders"."total" = $3)
-- @@
SELECT MAX("orders"."placed") FROM "orders"
-- @@
SELECT "customers".* FROM "customers" WHERE "customers"."tags" != $1 ORDER BY "customers"."id" DESC LIMIT $2
-- @@
select * from orders where id = 1
-- @@
BEGIN
-- @@
SAVEPOINT active_record_1
-- @@
RELEASE SAVEPOINT active_record_1
-- @@
COMMIT
-- @@
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ
-- @@
SELECT COUNT(*) FROM "orders"
-- @@
SELECT customers.*, (select count(*) from orders where customer_id = customers.id) as n FROM "customers"
-- @@
SELECT "orders".* FROM "orders" LIMIT $1
-- @@
SELECT 'character varying'::regtype::oid
-- @@
DEALLOCATE a1
-- @@
DEALLOCATE a2
-- @@
DEALLOCATE a3
-- @@
DEALLOCATE a4
-- @@
DEALLOCATE a5
-- @@
DEALLOCATE a6
-- @@
DEALLOCATE a7
-- @@
SELECT MAX("id") FROM "customers"
-- @@
DISCARD ALL
-- @@
SET client_min_messages = 'WARNING'
-- @@
SET DateStyle = 'ISO'
-- @@
SELECT CAST(current_setting('server_version_num') AS integer) AS v
-- @@
SELECT "relname" FROM "pg_class" INNER JOIN "pg_namespace" ON ("pg_namespace"."oid" = "pg_class"."relnamespace") WHERE (("relkind" IN ('r', 'p')) AND ("pg_namespace"."nspname" = any(current_schemas(false))))
-- @@
SELECT "relname" FROM "pg_class" INNER JOIN "pg_namespace" ON ("pg_namespace"."oid" = "pg_class"."relnamespace") WHERE (("relkind" = 'v') AND ("pg_namespace"."nspname" = any(current_schemas(false))))
-- @@
SELECT "pg_attribute"."attname" AS "name", CAST("pg_attribute"."atttypid" AS integer) AS "oid", CAST("basetype"."oid" AS integer) AS "base_oid", format_type("basetype"."oid", "pg_type"."typtypmod") AS "db_base_type", format_type("pg_type"."oid", "pg_attribute"."atttypmod") AS "db_type", pg_get_expr("pg_attrdef"."adbin", "pg_class"."oid") AS "default", NOT "pg_attribute"."attnotnull" AS "allow_null", COALESCE(("pg_attribute"."attnum" = ANY("pg_index"."indkey")), false) AS "primary_key", "pg_attribute"."attidentity", ("pg_attribute"."attgenerated" != '') AS "generated" FROM "pg_class" INNER JOIN "pg_attribute" ON ("pg_attribute"."attrelid" = "pg_class"."oid") INNER JOIN "pg_type" ON ("pg_type"."oid" = "pg_attribute"."atttypid") LEFT OUTER JOIN "pg_type" AS "basetype" ON ("basetype"."oid" = "pg_type"."typbasetype") LEFT OUTER JOIN "pg_attrdef" ON (("pg_attrdef"."adrelid" = "pg_class"."oid") AND ("pg_attrdef"."adnum" = "pg_attribute"."attnum")) LEFT OUTER JOIN "pg_index" ON (("pg_index"."indrelid" = "pg_class"."oid") AND ("pg_index"."indisprimary" IS TRUE)) WHERE (("pg_attribute"."attisdropped" IS FALSE) AND ("pg_attribute"."attnum" > 0) AND ("pg_class"."oid" = CAST(CAST('"orders"' AS regclass) AS oid))) ORDER BY "pg_attribute"."attnum"
-- @@
SELECT "indc"."relname" AS "name", "ind"."indisunique" AS "unique", "att"."attname" AS "column", "con"."condeferrable" AS "deferrable" FROM "pg_class" AS "tab" INNER JOIN "pg_index" AS "ind" ON ("ind"."indrelid" = "tab"."oid") INNER JOIN "pg_class" AS "indc" ON ("indc"."oid" = "ind"."indexrelid") INNER JOIN "pg_attribute" AS "att" ON (("att"."attrelid" = "tab"."oid") AND ("att"."attnum" = ANY("ind"."indkey"))) LEFT JOIN "pg_constraint" AS "con" ON ("con"."conname" = "indc"."relname") WHERE (("indc"."relkind" = 'i') AND ("ind"."indisprimary" IS FALSE) AND ("indexprs" IS NULL) AND ("indisvalid" IS TRUE) AND ("indisready" IS TRUE) AND ("indislive" IS TRUE) AND ("tab"."oid" = CAST(CAST('"orders"' AS regclass) AS oid)) AND ("indpred" IS NULL)) ORDER BY "indc"."relname", array_position("ind"."indkey", "att"."attnum")
-- @@
SELECT "co"."conname" AS "name", "att"."attname" AS "column", "co"."confupdtype" AS "on_update", "co"."confdeltype" AS "on_delete", "cl2"."relname" AS "table", "att2"."attname" AS "refcolumn", ("co"."condeferrable" AND "co"."condeferred") AS "deferrable", "nsp"."nspname" AS "schema" FROM "pg_constraint" AS "co" INNER JOIN "pg_class" AS "cl" ON ("cl"."oid" = "co"."conrelid") INNER JOIN "pg_attribute" AS "att" ON (("att"."attrelid" = "cl"."oid") AND ("att"."attnum" = ANY("co"."conkey"))) INNER JOIN "pg_class" AS "cl2" ON ("cl2"."oid" = "co"."confrelid") INNER JOIN "pg_attribute" AS "att2" ON (("att2"."attrelid" = "cl2"."oid") AND ("att2"."attnum" = ANY("co"."confkey"))) INNER JOIN "pg_namespace" AS "nsp" ON ("nsp"."oid" = "cl2"."relnamespace") WHERE (("cl"."relkind" IN ('r', 'p')) AND ("co"."contype" = 'f') AND (array_position("co"."conkey", "att"."attnum") = array_position("co"."confkey", "att2"."attnum")) AND ("cl"."oid" = CAST(CAST('"orders"' AS regclass) AS oid))) ORDER BY "co"."conname", array_position("co"."conkey", "att"."attnum")
-- @@
SELECT NULL AS "nil" FROM "orders" LIMIT 1
-- @@
SELECT "pg_attribute"."attname" AS "pk" FROM "pg_class", "pg_attribute", "pg_index", "pg_namespace" WHERE (("pg_class"."oid" = "pg_attribute"."attrelid") AND ("pg_class"."relnamespace" = "pg_namespace"."oid") AND ("pg_class"."oid" = "pg_index"."indrelid") AND ("pg_index"."indkey"[0] = "pg_attribute"."attnum") AND ("pg_index"."indisprimary" = 't') AND ("pg_class"."oid" = CAST(CAST('"customers"' AS regclass) AS oid))) LIMIT 1
-- @@
SELECT "co"."conname" AS "constraint", "att"."attname" AS "column", pg_get_constraintdef("co"."oid") AS "definition" FROM "pg_constraint" AS "co" LEFT JOIN "pg_attribute" AS "att" ON (("att"."attrelid" = "co"."conrelid") AND ("att"."attnum" = ANY("co"."conkey"))) WHERE (("contype" = 'c') AND ("conrelid" = CAST(CAST('"orders"' AS regclass) AS oid)))
-- @@
SELECT * FROM "orders" WHERE ("id" = 1) LIMIT 1
-- @@
SELECT count(*) AS "count" FROM "orders" LIMIT 1
-- @@
DECLARE "sequel_cursor" NO SCROLL CURSOR WITHOUT HOLD FOR SELECT * FROM "orders"
-- @@
FETCH FORWARD 1000 FROM "sequel_cursor"
-- @@
CLOSE "sequel_cursor"
-- @@
SELECT "customer_id", sum("total") FROM "orders" WHERE (("total" >= 1) AND ("total" <= 3)) GROUP BY "customer_id"
-- @@
SELECT "pg_class"."relname", "pg_locks".* FROM "pg_class" INNER JOIN "pg_locks" ON ("pg_locks"."relation" = "pg_class"."relfilenode")
-- @@
EXPLAIN SELECT * FROM "orders"
-- @@
SELECT "name"."nspname" AS "schema", "seq"."relname" AS "sequence" FROM "pg_class" AS "seq", "pg_attribute" AS "attr", "pg_depend" AS "dep", "pg_namespace" AS "name", "pg_constraint" AS "cons", "pg_class" AS "t" WHERE (("seq"."oid" = "dep"."objid") AND ("seq"."relnamespace" = "name"."oid") AND ("seq"."relkind" = 'S') AND ("attr"."attrelid" = "dep"."refobjid") AND ("attr"."attnum" = "dep"."refobjsubid") AND ("attr"."attrelid" = "cons"."conrelid") AND ("attr"."attnum" = "cons"."conkey"[1]) AND ("attr"."attrelid" = "t"."oid") AND ("cons"."contype" = 'p') AND ("t"."oid" = CAST(CAST('"customers"' AS regclass) AS oid))) LIMIT 1
-- @@
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY
-- @@
SELECT * FROM "orders" LIMIT 1
