-- psycopg2 2.9 and psycopg 3: look-ups of types, composites, enums, ranges and hstore, named cursors, sessions, two-phase recovery, copies.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Writes and locks: a read-only policy must deny each of them.
-- @@
insert into orders (customer_id,total) values (1,2),(1,3) returning id
-- @@
COPY orders (customer_id,total) FROM STDIN
-- @@
update orders set note='a' where id=1;update orders set note='b' where id=2
-- @@
NOTIFY x, 'y'
-- @@
insert into orders (customer_id, total) values ($1,$2)
-- @@
delete from orders where total = $1
