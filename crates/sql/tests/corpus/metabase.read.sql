-- Metabase over pgjdbc: connection test, sync, fingerprints, field values, questions, filters of dashboards.
-- Written from documentation, not captured.
-- Reads: a read-only policy must let all of them pass.
-- @@
SET SESSION TIMEZONE TO 'UTC'
-- @@
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY
-- @@
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED
-- @@
SELECT 1
-- @@
SHOW TIMEZONE
-- @@
SELECT to_char(current_timestamp, 'YYYY-MM-DD HH24:MI:SS.MS TZ')
-- @@
with table_privileges as (
  select NULL as role, t.schemaname as schema, t.objectname as table,
    pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"', 'update') as update,
    pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"', 'select') as select,
    pg_catalog.has_table_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"', 'delete') as delete
  from (
    select schemaname, tablename as objectname from pg_catalog.pg_tables
    union
    select schemaname, viewname as objectname from pg_views
    union
    select schemaname, matviewname as objectname from pg_matviews
  ) t
  where t.schemaname !~ '^pg_' and t.schemaname <> 'information_schema'
    and pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage')
)
select t.* from table_privileges t where t.select or t.update or t.delete
-- @@
SELECT n.nspname AS schema, c.relname AS name, CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE NULL END AS type, d.description, stat.n_live_tup AS estimated_row_count
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
LEFT JOIN pg_catalog.pg_description AS d ON c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = CAST('pg_class' AS regclass)
LEFT JOIN pg_stat_user_tables AS stat ON n.nspname = stat.schemaname AND c.relname = stat.relname
WHERE c.relnamespace = n.oid AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'f', 'm') AND n.nspname IN ($1)
ORDER BY type ASC, schema ASC, name ASC
-- @@
SELECT "c"."column_name" AS "name", CASE WHEN c.udt_schema IN ('public', 'pg_catalog') THEN FORMAT('%s', c.udt_name) ELSE FORMAT('"%s"."%s"', c.udt_schema, c.udt_name) END AS "database-type", "c"."ordinal_position" - 1 AS "database-position", "c"."table_schema" AS "table-schema", "c"."table_name" AS "table-name", "pk"."column_name" IS NOT NULL AS "pk?", COL_DESCRIPTION(CAST(CAST(FORMAT('%I.%I', CAST("c"."table_schema" AS TEXT), CAST("c"."table_name" AS TEXT)) AS REGCLASS) AS OID), "c"."ordinal_position") AS "field-comment", ("column_default" IS NULL OR LOWER("column_default") = 'null') AND "is_nullable" = 'NO' AND NOT ("column_default" IS NOT NULL AND "column_default" LIKE '%nextval(%') AND "is_identity" = 'NO' AS "database-required" FROM "information_schema"."columns" AS "c" LEFT JOIN (SELECT "tc"."table_schema", "tc"."table_name", "kc"."column_name" FROM "information_schema"."table_constraints" AS "tc" INNER JOIN "information_schema"."key_column_usage" AS "kc" ON "tc"."constraint_name" = "kc"."constraint_name" AND "tc"."table_schema" = "kc"."table_schema" WHERE "tc"."constraint_type" = 'PRIMARY KEY') AS "pk" ON "c"."table_schema" = "pk"."table_schema" WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND ("c"."table_schema" IN ($1)) ORDER BY "table-schema" ASC, "table-name" ASC, "database-position" ASC
-- @@
SELECT fk_ns.nspname AS "fk-table-schema", fk_table.relname AS "fk-table-name", fk_column.attname AS "fk-column-name", pk_ns.nspname AS "pk-table-schema", pk_table.relname AS "pk-table-name", pk_column.attname AS "pk-column-name" FROM pg_constraint AS c INNER JOIN pg_class AS fk_table ON c.conrelid = fk_table.oid INNER JOIN pg_namespace AS fk_ns ON c.connamespace = fk_ns.oid INNER JOIN pg_attribute AS fk_column ON c.conrelid = fk_column.attrelid INNER JOIN pg_class AS pk_table ON c.confrelid = pk_table.oid INNER JOIN pg_namespace AS pk_ns ON pk_table.relnamespace = pk_ns.oid INNER JOIN pg_attribute AS pk_column ON c.confrelid = pk_column.attrelid WHERE fk_ns.nspname !~ '^information_schema|catalog_history|pg_' AND c.contype = 'f'::char AND fk_column.attnum = ANY(c.conkey) AND pk_column.attnum = ANY(c.confkey)
-- @@
SELECT nspname, typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid IN (SELECT DISTINCT enumtypid FROM pg_enum e)
-- @@
SELECT true AS "_" FROM "public"."orders" WHERE 1 <> 1 LIMIT 0
-- @@
SELECT "public"."customers"."id" AS "id", SUBSTRING("public"."customers"."name", 1, 1234) AS "substring1", "public"."customers"."created_at" AS "created_at" FROM "public"."customers" LIMIT 10000
-- @@
-- Metabase:: userID: 1 queryType: MBQL queryHash: 5a7b9d8b7c
SELECT "public"."orders"."id" AS "id", "public"."orders"."customer_id" AS "customer_id", "public"."orders"."total" AS "total" FROM "public"."orders" LIMIT 1048575
-- @@
-- Metabase:: userID: 1 queryType: MBQL queryHash: 11aa22bb33
SELECT CAST(DATE_TRUNC('month', "public"."orders"."placed") AS date) AS "placed", SUM("public"."orders"."total") AS "sum", COUNT(*) AS "count" FROM "public"."orders" LEFT JOIN "public"."customers" AS "Customers" ON "public"."orders"."customer_id" = "Customers"."id" WHERE ("public"."orders"."placed" >= DATE_TRUNC('month', (NOW() + INTERVAL '-12 month'))) AND ("public"."orders"."placed" < DATE_TRUNC('month', NOW())) AND (LOWER("Customers"."name") LIKE $1) GROUP BY CAST(DATE_TRUNC('month', "public"."orders"."placed") AS date) ORDER BY CAST(DATE_TRUNC('month', "public"."orders"."placed") AS date) ASC
-- @@
SELECT "source"."bucket" AS "bucket", COUNT(*) AS "count", PERCENTILE_CONT(0.9) within group (order by "source"."total") AS "p90" FROM (SELECT FLOOR(((("public"."orders"."total" - 0) / 12.5) )) * 12.5 + 0 AS "bucket", "public"."orders"."total" AS "total" FROM "public"."orders") AS "source" GROUP BY "source"."bucket" ORDER BY "source"."bucket" ASC
-- @@
SELECT DISTINCT "public"."customers"."name" AS "name" FROM "public"."customers" ORDER BY "public"."customers"."name" ASC LIMIT 1001
-- @@
SELECT COUNT(*) AS "count", MAX("public"."orders"."id") AS "max", STDDEV_POP("public"."orders"."total") AS "stddev", SUM(CASE WHEN "public"."orders"."note" IS NOT NULL THEN 1 ELSE 0.0 END) / NULLIF(CAST(COUNT(*) AS double precision), 0.0) AS "share" FROM "public"."orders"
-- @@
SELECT ("public"."customers"."doc"#>> array['a', 'b']::text[])::text AS "doc → a" FROM "public"."customers"
