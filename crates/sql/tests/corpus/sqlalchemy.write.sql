-- SQLAlchemy 2 (reflection over psycopg2, psycopg 3 and pg8000, queries), Alembic's comparison, pandas, peewee.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Writes and locks: a read-only policy must deny each of them.
-- @@
INSERT INTO orders (customer_id, total) VALUES (1, 2) RETURNING orders.id
-- @@
UPDATE orders SET note='x' WHERE orders.id = 99
-- @@
DELETE FROM orders WHERE orders.id = 99
-- @@
SELECT orders.id, orders.customer_id, orders.total, orders.placed, orders.note 
FROM orders FOR UPDATE SKIP LOCKED
-- @@
INSERT INTO shop.item (sku, qty) VALUES ('b', 1) ON CONFLICT DO NOTHING
-- @@

CREATE TABLE tmp_sa (
	id SERIAL NOT NULL, 
	n VARCHAR(3), 
	PRIMARY KEY (id)
)


-- @@
CREATE INDEX ix_tmp_sa_n ON tmp_sa (n)
-- @@

DROP TABLE tmp_sa
-- @@
INSERT INTO orders (customer_id, total) VALUES ($1::INTEGER, $2::NUMERIC(10, 2)) RETURNING orders.id
-- @@
UPDATE orders SET note=$1::VARCHAR WHERE orders.id = $2::BIGINT
-- @@
DELETE FROM orders WHERE orders.id = $1::BIGINT
-- @@
INSERT INTO shop.item (sku, qty) VALUES ($1::VARCHAR, $2) ON CONFLICT DO NOTHING
-- @@

CREATE TABLE pdt (
	index BIGINT, 
	a BIGINT
)


-- @@
CREATE INDEX ix_pdt_index ON pdt (index)
-- @@
INSERT INTO pdt (index, a) VALUES (0, 1)
-- @@

DROP TABLE pdt
-- @@
INSERT INTO "orders" ("customer_id", "total") VALUES (1, 2) RETURNING "orders"."id"
