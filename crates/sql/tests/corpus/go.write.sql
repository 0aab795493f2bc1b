-- pgx 5 (LoadType, LoadTypes, all modes), lib/pq, GORM (migrator and queries).
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Writes and locks: a read-only policy must deny each of them.
-- @@
insert into orders(customer_id,total) values($1,$2)
-- @@
copy "orders" ( "customer_id" ) from stdin binary;
-- @@
update orders set note=$1 where id=$2
-- @@
delete from orders where id=$1
-- @@
COPY "orders" ("customer_id", "total") FROM STDIN
-- @@
CREATE TABLE "gadgets" ("id" bigserial,"name" varchar(40),"price" decimal,"created_at" timestamptz,"deleted_at" timestamptz,PRIMARY KEY ("id"))
-- @@
CREATE INDEX IF NOT EXISTS "idx_gadgets_deleted_at" ON "gadgets" ("deleted_at")
-- @@
CREATE INDEX IF NOT EXISTS "idx_gadgets_name" ON "gadgets" ("name")
-- @@
INSERT INTO "gadgets" ("name","price","created_at","deleted_at") VALUES ($1,$2,$3,$4) RETURNING "id"
-- @@
UPDATE "gadgets" SET "name"=$1 WHERE "gadgets"."deleted_at" IS NULL AND "id" = $2
-- @@
UPDATE "gadgets" SET "name"=$1,"price"=$2,"created_at"=$3,"deleted_at"=$4 WHERE "gadgets"."deleted_at" IS NULL AND "id" = $5
-- @@
INSERT INTO "gadgets" ("name","price","created_at","deleted_at","id") VALUES ($1,$2,$3,$4,$5) ON CONFLICT ("id") DO UPDATE SET "name"="excluded"."name","price"="excluded"."price","deleted_at"="excluded"."deleted_at" RETURNING "id"
-- @@
SELECT * FROM "gadgets" WHERE "gadgets"."deleted_at" IS NULL AND "gadgets"."id" = $1 ORDER BY "gadgets"."id" LIMIT $2 FOR UPDATE
-- @@
UPDATE "gadgets" SET "deleted_at"=$1 WHERE "gadgets"."id" = $2 AND "gadgets"."deleted_at" IS NULL
-- @@
DELETE FROM "gadgets" WHERE "gadgets"."id" = $1
-- @@
DROP TABLE IF EXISTS "gadgets" CASCADE
