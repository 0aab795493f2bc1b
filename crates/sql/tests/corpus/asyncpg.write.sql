-- asyncpg (introspection of types, cursors, copies, reset of a pool) and pg8000.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Writes and locks: a read-only policy must deny each of them.
-- @@
SELECT pg_advisory_unlock_all();
CLOSE ALL;
UNLISTEN *;
RESET ALL;
-- @@
insert into orders (customer_id,total) values ($1,$2)
-- @@
update orders set note=$1 where id=$2
-- @@
COPY "orders"("customer_id", "total") FROM STDIN (FORMAT binary) 
