-- node-postgres 8 with cursors and streams, postgres.js 3 (type look-up), Knex 3, Kysely.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Writes and locks: a read-only policy must deny each of them.
-- @@
INSERT INTO orders(customer_id, total) VALUES($1, $2) RETURNING *
-- @@
NOTIFY news, 'x'
-- @@
UPDATE orders SET note = $1 WHERE id = $2
-- @@
DELETE FROM orders WHERE id = $1
-- @@
insert into orders ("customer_id","total")values($1,$2) returning id
-- @@
update orders set "note"=$1 where id = $2
-- @@
select pg_notify($1, $2)
-- @@
insert into "orders" ("customer_id", "total") values ($1, $2) returning "id"
-- @@
update "orders" set "note" = $1 where "id" = $2
-- @@
delete from "orders" where "id" = $1
-- @@
select * from "orders" where "id" = $1 for update
-- @@
create table "kx" ("id" serial primary key, "a" varchar(255))
-- @@
alter table "kx" add constraint "kx_a_unique" unique ("a")
-- @@
drop table "kx"
-- @@
insert into "shop"."item" ("qty", "sku") values ($1, $2) on conflict ("sku") do update set "qty" = excluded."qty", "sku" = excluded."sku"
