-- pgjdbc 42.7.4 with HikariCP 5.1.0: every method of DatabaseMetaData, ResultSetMetaData, cursors, savepoints, arrays, escapes, copies, large objects.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Writes and locks: a read-only policy must deny each of them.
-- @@
UPDATE orders SET  "note" = $1 WHERE "id" = $2
-- @@
insert into orders (customer_id, total) values ($1, $2)
RETURNING *
-- @@
update orders set note = $1 where id = $2
RETURNING "id"
-- @@
COPY orders (customer_id, total) FROM STDIN
