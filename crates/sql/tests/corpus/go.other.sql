-- pgx 5 (LoadType, LoadTypes, all modes), lib/pq, GORM (migrator and queries).
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Neither: what a policy for readers may decide either way. They must parse.
-- @@
listen ch
-- @@
LISTEN "ch"
-- @@
UNLISTEN *
