-- asyncpg (introspection of types, cursors, copies, reset of a pool) and pg8000.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Neither: what a policy for readers may decide either way. They must parse.
-- @@
LISTEN "ch"
