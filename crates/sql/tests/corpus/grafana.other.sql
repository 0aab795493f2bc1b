-- Grafana's PostgreSQL data source: a panel with functions of an extension.
-- Written from documentation, not captured.
-- Neither: what a policy for readers may decide either way. They must parse.
-- @@
SELECT time_bucket('60.000s', at) AS "time", last(value, at) FROM measures WHERE extract(epoch from at) >= 1764028800 AND extract(epoch from at) <= 1764050400 GROUP BY 1
