-- ActiveRecord 6.1.7 (look-ups, schema dump, queries, migrations) and Sequel, of Debian 12.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Writes and locks: a read-only policy must deny each of them.
-- @@
ALTER TABLE "customers" DISABLE TRIGGER ALL;ALTER TABLE "orders" DISABLE TRIGGER ALL;ALTER TABLE "measures_2026" DISABLE TRIGGER ALL;ALTER TABLE "measures" DISABLE TRIGGER ALL;ALTER TABLE "migrations" DISABLE TRIGGER ALL;ALTER TABLE "pdt" DISABLE TRIGGER ALL
-- @@
ALTER TABLE "customers" ENABLE TRIGGER ALL;ALTER TABLE "orders" ENABLE TRIGGER ALL;ALTER TABLE "measures_2026" ENABLE TRIGGER ALL;ALTER TABLE "measures" ENABLE TRIGGER ALL;ALTER TABLE "migrations" ENABLE TRIGGER ALL;ALTER TABLE "pdt" ENABLE TRIGGER ALL
-- @@
ALTER TABLE "measures_2026" DISABLE TRIGGER ALL;ALTER TABLE "measures" DISABLE TRIGGER ALL;ALTER TABLE "customers" DISABLE TRIGGER ALL;ALTER TABLE "orders" DISABLE TRIGGER ALL;ALTER TABLE "authors" DISABLE TRIGGER ALL;ALTER TABLE "Hib$Author_tags" DISABLE TRIGGER ALL;ALTER TABLE "books" DISABLE TRIGGER ALL;ALTER TABLE "flyway_schema_history" DISABLE TRIGGER ALL;ALTER TABLE "fly" DISABLE TRIGGER ALL;ALTER TABLE "migrations" DISABLE TRIGGER ALL;ALTER TABLE "databasechangelog" DISABLE TRIGGER ALL;ALTER TABLE "databasechangeloglock" DISABLE TRIGGER ALL;ALTER TABLE "liq" DISABLE TRIGGER ALL
-- @@
ALTER TABLE "measures_2026" ENABLE TRIGGER ALL;ALTER TABLE "measures" ENABLE TRIGGER ALL;ALTER TABLE "customers" ENABLE TRIGGER ALL;ALTER TABLE "orders" ENABLE TRIGGER ALL;ALTER TABLE "authors" ENABLE TRIGGER ALL;ALTER TABLE "Hib$Author_tags" ENABLE TRIGGER ALL;ALTER TABLE "books" ENABLE TRIGGER ALL;ALTER TABLE "flyway_schema_history" ENABLE TRIGGER ALL;ALTER TABLE "fly" ENABLE TRIGGER ALL;ALTER TABLE "migrations" ENABLE TRIGGER ALL;ALTER TABLE "databasechangelog" ENABLE TRIGGER ALL;ALTER TABLE "databasechangeloglock" ENABLE TRIGGER ALL;ALTER TABLE "liq" ENABLE TRIGGER ALL
-- @@
INSERT INTO "customers" ("name", "email", "created_at") VALUES ($1, $2, $3) RETURNING "id"
-- @@
UPDATE "customers" SET "name" = $1 WHERE "customers"."id" = $2
-- @@
INSERT INTO "orders" ("customer_id", "total") VALUES ($1, $2) RETURNING "id"
-- @@
SELECT "orders".* FROM "orders" WHERE "orders"."id" = $1 LIMIT $2 FOR UPDATE
-- @@
SELECT "orders".* FROM "orders" ORDER BY "orders"."id" ASC LIMIT $1 FOR UPDATE
-- @@
UPDATE "orders" SET "note" = $1 WHERE "orders"."id" = $2
-- @@
DELETE FROM "orders" WHERE "orders"."id" = $1
-- @@
INSERT INTO "orders" ("customer_id","total") VALUES (3, 1.0) ON CONFLICT  DO NOTHING RETURNING "id"
-- @@
INSERT INTO "customers" ("id","name") VALUES (3, 'U') ON CONFLICT ("id") DO UPDATE SET "name"=excluded."name" RETURNING "id"
-- @@
UPDATE "orders" SET "total" = COALESCE("total", 0) + $1 WHERE "orders"."id" = $2
-- @@
DELETE FROM "customers" WHERE "customers"."id" = $1
-- @@
CREATE TABLE "railsies" ("id" bigserial primary key, "a" character varying DEFAULT 'x' NOT NULL, "customer_id" bigint, "d" jsonb, "created_at" timestamp(6) NOT NULL, "updated_at" timestamp(6) NOT NULL, CONSTRAINT "fk_rails_92d5e8b4c1"
FOREIGN KEY ("customer_id")
  REFERENCES "customers" ("id")
)
-- @@
CREATE INDEX "index_railsies_on_customer_id" ON "railsies" ("customer_id")
-- @@
CREATE INDEX "index_railsies_on_a_and_d" ON "railsies" ("a", "d")
-- @@
ALTER TABLE "railsies" ADD "z" integer
-- @@
CREATE INDEX "index_railsies_on_z" ON "railsies" ("z")
-- @@
ALTER TABLE "railsies" ALTER COLUMN "z" DROP NOT NULL
-- @@
ALTER TABLE "railsies" RENAME COLUMN "z" TO "y"
-- @@
ALTER INDEX "index_railsies_on_z" RENAME TO "index_railsies_on_y"
-- @@
ALTER TABLE "railsies" DROP COLUMN "y"
-- @@
SELECT pg_try_advisory_lock(1234)
-- @@
SELECT pg_advisory_unlock(1234)
-- @@
CREATE TABLE "schema_migrations" ("version" character varying NOT NULL PRIMARY KEY)
-- @@
CREATE TABLE "ar_internal_metadata" ("key" character varying NOT NULL PRIMARY KEY, "value" character varying, "created_at" timestamp(6) NOT NULL, "updated_at" timestamp(6) NOT NULL)
-- @@
DROP TABLE IF EXISTS "schema_migrations"
-- @@
DROP TABLE IF EXISTS "ar_internal_metadata"
-- @@
ALTER TABLE "railsies" ADD "y" integer
-- @@
ALTER TABLE "railsies" RENAME COLUMN "y" TO "z"
-- @@
ALTER TABLE "railsies" ALTER COLUMN "z" SET NOT NULL
-- @@
DROP TABLE "railsies"
-- @@
TRUNCATE TABLE "railsies"
-- @@
SELECT setval('"public"."customers_id_seq"', 2, true)
-- @@
INSERT INTO "orders" ("customer_id", "total") VALUES (1, 1) RETURNING "id"
-- @@
DELETE FROM "orders" WHERE ("id" = 99)
-- @@
SELECT * FROM "orders" LIMIT 1 FOR UPDATE
-- @@
UPDATE "orders" SET "note" = 'x' WHERE ("id" = 99)
