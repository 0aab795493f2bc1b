-- node-postgres 8 with cursors and streams, postgres.js 3 (type look-up), Knex 3, Kysely.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Reads: a read-only policy must let all of them pass.
-- @@
SELECT NOW()
-- @@
SELECT * FROM orders WHERE id = $1 AND placed < $2
-- @@
SELECT $1::text[] AS a
-- @@
BEGIN
-- @@
COMMIT
-- @@
SELECT 1; SELECT 2
-- @@
SELECT * FROM orders WHERE id > $1
-- @@
SELECT * FROM customers
-- @@

      select b.oid, b.typarray
      from pg_catalog.pg_type a
      left join pg_catalog.pg_type b on b.oid = a.typelem
      where a.typcategory = 'A'
      group by b.oid, b.typarray
      order by b.oid
    
-- @@
select * from orders where id = $1 and total in ($2,$3)
-- @@
select "id","name" from customers where tags && $1
-- @@
select $1 as a, $2 as j, $3 as b
-- @@
begin read only
-- @@
select 1
-- @@
savepoint "s0"
-- @@
select * from orders
-- @@
copy orders to stdout
-- @@
select version();
-- @@
set search_path to "public","shop"
-- @@
select "id", "total" from "orders" where "total" > $1 order by "id" asc limit $2
-- @@
select * from information_schema.columns where table_name = $1 and table_catalog = current_database() and table_schema = current_schema()
-- @@
select * from information_schema.tables where table_name = $1 and table_schema = current_schema()
-- @@
select * from information_schema.columns where table_name = $1 and column_name = $2 and table_schema = current_schema()
-- @@
select count(*) as "n" from "orders" group by "customer_id"
-- @@
select * from "customers" as "c" left join "orders" as "o" on "c"."id" = "o"."customer_id" where "c"."id" in ($1, $2) limit $3
-- @@
BEGIN TRANSACTION ISOLATION LEVEL repeatable read READ ONLY;
-- @@
select * from "orders" limit $1
-- @@
SAVEPOINT trx3;
-- @@
RELEASE SAVEPOINT trx3;
-- @@
COMMIT;
-- @@
select * from "orders"
-- @@
select "nspname" from "pg_catalog"."pg_namespace"
-- @@
select "a"."attname" as "column", "a"."attnotnull" as "not_null", "a"."atthasdef" as "has_default", "c"."relname" as "table", "c"."relkind" as "table_type", "ns"."nspname" as "schema", "typ"."typname" as "type", "dtns"."nspname" as "type_schema", col_description(a.attrelid, a.attnum) as "column_description", pg_get_serial_sequence(quote_ident(ns.nspname) || '.' || quote_ident(c.relname), a.attname) as "auto_incrementing" from "pg_catalog"."pg_attribute" as "a" inner join "pg_catalog"."pg_class" as "c" on "a"."attrelid" = "c"."oid" inner join "pg_catalog"."pg_namespace" as "ns" on "c"."relnamespace" = "ns"."oid" inner join "pg_catalog"."pg_type" as "typ" on "a"."atttypid" = "typ"."oid" inner join "pg_catalog"."pg_namespace" as "dtns" on "typ"."typnamespace" = "dtns"."oid" where "c"."relkind" in ($1, $2, $3) and "ns"."nspname" !~ $4 and "ns"."nspname" != $5 and "ns"."nspname" != $6 and has_schema_privilege(ns.nspname, 'USAGE') and "a"."attnum" >= $7 and "a"."attisdropped" != $8 and "c"."relname" != $9 and "c"."relname" != $10 order by "ns"."nspname", "c"."relname", "a"."attnum"
-- @@
select * from "orders" where "id" > $1
-- @@
start transaction isolation level serializable
-- @@
select "id" from "orders" limit $1
