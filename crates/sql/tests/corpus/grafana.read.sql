-- Grafana's PostgreSQL data source: test, query editor, panels with its macros expanded, variables, annotations.
-- Written from documentation, not captured.
-- Reads: a read-only policy must let all of them pass.
-- @@
SELECT 1
-- @@
;
-- @@
SELECT current_setting('server_version_num')::int/100 as version
-- @@
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'
-- @@
SELECT
    CASE WHEN
          quote_ident(table_schema) IN (
          SELECT
            CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
          FROM
            generate_series(
              array_lower(string_to_array(current_setting('search_path'),','),1),
              array_upper(string_to_array(current_setting('search_path'),','),1)
            ) as i,
            string_to_array(current_setting('search_path'),',') s
          )
      THEN quote_ident(table_name)
      ELSE quote_ident(table_schema) || '.' || quote_ident(table_name)
    END AS "table"
    FROM information_schema.tables
    WHERE quote_ident(table_schema) NOT IN ('information_schema',
                             'pg_catalog',
                             '_timescaledb_cache',
                             'timescaledb_information')
    ORDER BY CASE WHEN quote_ident(table_schema) = 'public' THEN 0 ELSE 1 END, 1
-- @@
SELECT quote_ident(column_name) AS "column", data_type AS "type"
    FROM information_schema.columns
    WHERE
      CASE WHEN array_length(parse_ident('public.orders'),1) = 2
        THEN quote_ident(table_schema) = (parse_ident('public.orders'))[1]
          AND quote_ident(table_name) = (parse_ident('public.orders'))[2]
        ELSE quote_ident(table_name) = 'public.orders'
      END
-- @@
SELECT
  floor(extract(epoch from at)/300)*300 AS "time",
  avg(value) AS "value"
FROM measures
WHERE
  at BETWEEN '2026-11-25T00:00:00Z' AND '2026-11-25T06:00:00Z'
GROUP BY 1
ORDER BY 1
-- @@
SELECT at AS "time", value, 'a' AS metric FROM measures WHERE at BETWEEN '2026-11-25T00:00:00Z' AND '2026-11-25T06:00:00Z' ORDER BY 1,2
-- @@
SELECT value - lag(value) OVER (PARTITION BY 'x' ORDER BY at) AS delta, (CASE WHEN value >= lag(value) OVER (ORDER BY at) THEN value - lag(value) OVER (ORDER BY at) WHEN lag(value) OVER (ORDER BY at) IS NULL THEN NULL ELSE value END) AS rate FROM measures
-- @@
SELECT DISTINCT name AS __text, id AS __value FROM customers WHERE name IN ('Ann','Bob') ORDER BY 1
-- @@
SELECT extract(epoch from placed) AS time, note AS text, 'a,b' AS tags FROM orders WHERE placed BETWEEN '2026-11-25T00:00:00Z' AND '2026-11-25T06:00:00Z'
