-- node-postgres 8 with cursors and streams, postgres.js 3 (type look-up), Knex 3, Kysely.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Neither: what a policy for readers may decide either way. They must parse.
-- @@
LISTEN news
-- @@
listen "ch"
-- @@
unlisten "ch"
