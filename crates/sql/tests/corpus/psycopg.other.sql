-- psycopg2 2.9 and psycopg 3: look-ups of types, composites, enums, ranges and hstore, named cursors, sessions, two-phase recovery, copies.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Neither: what a policy for readers may decide either way. They must parse.
-- @@
SELECT * FROM total_of(1)
-- @@
LISTEN x
