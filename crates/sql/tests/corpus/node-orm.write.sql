-- Sequelize 6, TypeORM (synchronize, look-ups), Drizzle (kit's introspection).
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Writes and locks: a read-only policy must deny each of them.
-- @@
INSERT INTO "orders" ("id","customer_id","total") VALUES (DEFAULT,$1,$2) RETURNING "id","customer_id","total","note";
-- @@
UPDATE "orders" SET "note"=$1 WHERE "id" = $2
-- @@
DELETE FROM "orders" WHERE "id" = 99
-- @@
INSERT INTO "orders" ("id","customer_id","total") VALUES (DEFAULT,1,3) RETURNING "id","customer_id","total","note";
-- @@
SELECT "id", "customer_id", "total", "note" FROM "orders" AS "orders" FOR UPDATE SKIP LOCKED;
-- @@
DO 'BEGIN CREATE TYPE "public"."enum_sqzs_m" AS ENUM(''a'', ''b''); EXCEPTION WHEN duplicate_object THEN null; END';
-- @@
CREATE TABLE IF NOT EXISTS "sqzs" ("id"   SERIAL , "m" "public"."enum_sqzs_m", "createdAt" TIMESTAMP WITH TIME ZONE NOT NULL, "updatedAt" TIMESTAMP WITH TIME ZONE NOT NULL, PRIMARY KEY ("id"));
-- @@
INSERT INTO "sqzs" ("id","m","createdAt","updatedAt") VALUES ($1,$2,$3,$4) ON CONFLICT ("id") DO UPDATE SET "id"=EXCLUDED."id","m"=EXCLUDED."m","updatedAt"=EXCLUDED."updatedAt" RETURNING "id","m","createdAt","updatedAt";
-- @@
DROP TABLE IF EXISTS "sqzs";
-- @@
CREATE TABLE "migrations" ("id" SERIAL NOT NULL, "timestamp" bigint NOT NULL, "name" character varying NOT NULL, CONSTRAINT "PK_8c82d7f526340ab734260ea46be" PRIMARY KEY ("id"))
-- @@
INSERT INTO "thing"("name", "k", "at") VALUES ($1, DEFAULT, DEFAULT) RETURNING "id", "name", "k", "at"
-- @@
UPDATE "thing" SET "name" = $1 WHERE "id" = $2
-- @@
DELETE FROM "thing" WHERE "id" = $1
-- @@
INSERT INTO "thing"("name", "k", "at") VALUES ($1, DEFAULT, DEFAULT) ON CONFLICT ( "id" ) DO UPDATE SET "id" = EXCLUDED."id", "name" = EXCLUDED."name" RETURNING "id", "name", "k", "at"
-- @@
SELECT "t"."id" AS "t_id", "t"."name" AS "t_name", "t"."k" AS "t_k", "t"."at" AS "t_at" FROM "thing" "t" FOR UPDATE
-- @@
DROP INDEX "public"."IDX_56e0cf1427d202dcce71d2fdd1"
-- @@
DROP TABLE "thing"
-- @@
insert into "orders" ("id", "customer_id", "total", "note") values (default, $1, $2, default) returning "id", "customer_id", "total", "note"
-- @@
update "orders" set "note" = $1 where "orders"."id" = $2
-- @@
delete from "orders" where "orders"."id" = $1
