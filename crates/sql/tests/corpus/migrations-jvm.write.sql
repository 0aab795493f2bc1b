-- Flyway 10.20.1 and Liquibase 4.29.2: migration, info, validation, snapshot.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Writes and locks: a read-only policy must deny each of them.
-- @@
SELECT pg_try_advisory_xact_lock(77433833903597)
-- @@
CREATE TABLE "public"."flyway_schema_history" (
    "installed_rank" INT NOT NULL,
    "version" VARCHAR(50),
    "description" VARCHAR(200) NOT NULL,
    "type" VARCHAR(20) NOT NULL,
    "script" VARCHAR(1000) NOT NULL,
    "checksum" INTEGER,
    "installed_by" VARCHAR(100) NOT NULL,
    "installed_on" TIMESTAMP NOT NULL DEFAULT now(),
    "execution_time" INTEGER NOT NULL,
    "success" BOOLEAN NOT NULL
)
-- @@
INSERT INTO "public"."flyway_schema_history" ("installed_rank", "version", "description", "type", "script", "checksum", "installed_by", "execution_time", "success") VALUES (1, '0', '<< Flyway Baseline >>', 'BASELINE', '<< Flyway Baseline >>', NULL, 'postgres', 0, TRUE)
-- @@
ALTER TABLE "public"."flyway_schema_history" ADD CONSTRAINT "flyway_schema_history_pk" PRIMARY KEY ("installed_rank")
-- @@
CREATE INDEX "flyway_schema_history_s_idx" ON "public"."flyway_schema_history" ("success")
-- @@
create table fly (a int)
-- @@
INSERT INTO "public"."flyway_schema_history" ("installed_rank", "version", "description", "type", "script", "checksum", "installed_by", "execution_time", "success") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
-- @@
CREATE TABLE public.databasechangelog (ID VARCHAR(255) NOT NULL, AUTHOR VARCHAR(255) NOT NULL, FILENAME VARCHAR(255) NOT NULL, DATEEXECUTED TIMESTAMP WITHOUT TIME ZONE NOT NULL, ORDEREXECUTED INTEGER NOT NULL, EXECTYPE VARCHAR(10) NOT NULL, MD5SUM VARCHAR(35), DESCRIPTION VARCHAR(255), COMMENTS VARCHAR(255), TAG VARCHAR(255), LIQUIBASE VARCHAR(20), CONTEXTS VARCHAR(255), LABELS VARCHAR(255), DEPLOYMENT_ID VARCHAR(10))
-- @@
CREATE TABLE public.databasechangeloglock (ID INTEGER NOT NULL, LOCKED BOOLEAN NOT NULL, LOCKGRANTED TIMESTAMP WITHOUT TIME ZONE, LOCKEDBY VARCHAR(255), CONSTRAINT databasechangeloglock_pkey PRIMARY KEY (ID))
-- @@
DELETE FROM public.databasechangeloglock
-- @@
INSERT INTO public.databasechangeloglock (ID, LOCKED) VALUES (1, FALSE)
-- @@
UPDATE public.databasechangeloglock SET LOCKED = TRUE, LOCKEDBY = 'host (192.0.2.1)', LOCKGRANTED = NOW() WHERE ID = 1 AND LOCKED = FALSE
-- @@
create table liq (a int)
-- @@
INSERT INTO public.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('1', 'a', 'c.sql', NOW(), 1, '9:108f16c7e90eabe398678ae82dfd6c5e', 'sql', '', 'EXECUTED', NULL, NULL, '4.29.2', '5579087874')
-- @@
UPDATE public.databasechangeloglock SET LOCKED = FALSE, LOCKEDBY = NULL, LOCKGRANTED = NULL WHERE ID = 1
