-- DBeaver over pgjdbc: the data editor and dialogs.
-- Written from documentation, not captured.
-- Writes and locks: a read-only policy must deny each of them.
-- @@
UPDATE public.orders SET note=$1 WHERE id=$2
-- @@
INSERT INTO public.orders (customer_id, total, note) VALUES($1, $2, $3)
-- @@
DELETE FROM public.orders WHERE id=$1
-- @@
ALTER TABLE public.orders ADD new_column varchar NULL
-- @@
COMMENT ON COLUMN public.orders.note IS 'x'
-- @@
DROP TABLE public.orders CASCADE
-- @@
VACUUM (VERBOSE, ANALYZE) public.orders
-- @@
SELECT pg_catalog.pg_terminate_backend(1234)
