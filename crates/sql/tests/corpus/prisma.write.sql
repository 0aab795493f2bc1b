-- Prisma 6.19 with the engines that its packages ship as WebAssembly: db pull, db push, migrate status, client.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Writes and locks: a read-only policy must deny each of them.
-- @@
update orders set note=$1 where id=99
-- @@
INSERT INTO "public"."customers" ("name","mood","created_at") VALUES ($1,CAST($2::text AS "public"."mood"),$3) RETURNING "public"."customers"."id"
-- @@
INSERT INTO "public"."orders" ("customer_id","total") VALUES ($1,$2), ($3,$4)
-- @@
UPDATE "public"."customers" SET "name" = $1 WHERE ("public"."customers"."id" = $2 AND 1=1) RETURNING "public"."customers"."id", "public"."customers"."name", "public"."customers"."email", "public"."customers"."mood"::text, "public"."customers"."tags", "public"."customers"."doc", "public"."customers"."created_at", "public"."customers"."extra"
-- @@
UPDATE "public"."orders" SET "total" = ("public"."orders"."total" + $1) WHERE "public"."orders"."customer_id" = $2
-- @@
INSERT INTO "public"."customers" ("name","email","mood","created_at") VALUES ($1,$2,CAST($3::text AS "public"."mood"),$4) ON CONFLICT ("email") DO UPDATE SET "name" = $5 WHERE ("public"."customers"."email" = $6 AND 1=1) RETURNING "public"."customers"."id", "public"."customers"."name", "public"."customers"."email", "public"."customers"."mood"::text, "public"."customers"."tags", "public"."customers"."doc", "public"."customers"."created_at", "public"."customers"."extra"
-- @@
INSERT INTO "public"."orders" ("customer_id","total") VALUES ($1,$2) ON CONFLICT DO NOTHING
-- @@
DELETE FROM "public"."customers" WHERE ("public"."customers"."id" = $1 AND 1=1) RETURNING "public"."customers"."id", "public"."customers"."name", "public"."customers"."email", "public"."customers"."mood"::text, "public"."customers"."tags", "public"."customers"."doc", "public"."customers"."created_at", "public"."customers"."extra"
-- @@
DELETE FROM "public"."orders" WHERE "public"."orders"."total" = $1
