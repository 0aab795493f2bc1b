-- Django 5: inspectdb, migrations, the admin site, queries of the ORM.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Reads: a read-only policy must let all of them pass.
-- @@

            SELECT
                c.relname,
                CASE
                    WHEN c.relispartition THEN 'p'
                    WHEN c.relkind IN ('m', 'v') THEN 'v'
                    ELSE 't'
                END,
                obj_description(c.oid, 'pg_class')
            FROM pg_catalog.pg_class c
            LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')
                AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
                AND pg_catalog.pg_table_is_visible(c.oid)
        
-- @@
SELECT "django_migrations"."id", "django_migrations"."app", "django_migrations"."name", "django_migrations"."applied" FROM "django_migrations"
-- @@
SELECT set_config('TimeZone', 'UTC', false)
-- @@
SELECT oid, typarray FROM pg_type WHERE typname = 'hstore'
-- @@

            SELECT a1.attname, c2.relname, a2.attname
            FROM pg_constraint con
            LEFT JOIN pg_class c1 ON con.conrelid = c1.oid
            LEFT JOIN pg_class c2 ON con.confrelid = c2.oid
            LEFT JOIN
                pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1]
            LEFT JOIN
                pg_attribute a2 ON c2.oid = a2.attrelid AND a2.attnum = con.confkey[1]
            WHERE
                c1.relname = 'Hib$Author_tags' AND
                con.contype = 'f' AND
                c1.relnamespace = c2.relnamespace AND
                pg_catalog.pg_table_is_visible(c1.oid)
        
-- @@

            SELECT
                c.conname,
                array(
                    SELECT attname
                    FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx)
                    JOIN pg_attribute AS ca ON cols.colid = ca.attnum
                    WHERE ca.attrelid = c.conrelid
                    ORDER BY cols.arridx
                ),
                c.contype,
                (SELECT fkc.relname || '.' || fka.attname
                FROM pg_attribute AS fka
                JOIN pg_class AS fkc ON fka.attrelid = fkc.oid
                WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]),
                cl.reloptions
            FROM pg_constraint AS c
            JOIN pg_class AS cl ON c.conrelid = cl.oid
            WHERE cl.relname = 'Hib$Author_tags' AND pg_catalog.pg_table_is_visible(cl.oid)
        
-- @@

            SELECT
                indexname,
                array_agg(attname ORDER BY arridx),
                indisunique,
                indisprimary,
                array_agg(ordering ORDER BY arridx),
                amname,
                exprdef,
                s2.attoptions
            FROM (
                SELECT
                    c2.relname as indexname, idx.*, attr.attname, am.amname,
                    CASE
                        WHEN idx.indexprs IS NOT NULL THEN
                            pg_get_indexdef(idx.indexrelid)
                    END AS exprdef,
                    CASE am.amname
                        WHEN 'btree' THEN
                            CASE (option & 1)
                                WHEN 1 THEN 'DESC' ELSE 'ASC'
                            END
                    END as ordering,
                    c2.reloptions as attoptions
                FROM (
                    SELECT *
                    FROM
                        pg_index i,
                        unnest(i.indkey, i.indoption)
                            WITH ORDINALITY koi(key, option, arridx)
                ) idx
                LEFT JOIN pg_class c ON idx.indrelid = c.oid
                LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid
                LEFT JOIN pg_am am ON c2.relam = am.oid
                LEFT JOIN
                    pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key
                WHERE c.relname = 'Hib$Author_tags' AND pg_catalog.pg_table_is_visible(c.oid)
            ) s2
            GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions;
        
-- @@

            SELECT
                a.attname AS column_name,
                NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable,
                pg_get_expr(ad.adbin, ad.adrelid) AS column_default,
                CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation,
                a.attidentity != '' AS is_autofield,
                col_description(a.attrelid, a.attnum) AS column_comment
            FROM pg_attribute a
            LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
            LEFT JOIN pg_collation co ON a.attcollation = co.oid
            JOIN pg_type t ON a.atttypid = t.oid
            JOIN pg_class c ON a.attrelid = c.oid
            JOIN pg_namespace n ON c.relnamespace = n.oid
            WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')
                AND c.relname = 'Hib$Author_tags'
                AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
                AND pg_catalog.pg_table_is_visible(c.oid)
        
-- @@
SELECT * FROM "Hib$Author_tags" LIMIT 1
-- @@
SELECT * FROM "authors" LIMIT 1
-- @@
SELECT * FROM "big_orders" LIMIT 1
-- @@
SELECT * FROM "books" LIMIT 1
-- @@
SELECT * FROM "customers" LIMIT 1
-- @@
SELECT * FROM "ft" LIMIT 1
-- @@
SELECT * FROM "measures" LIMIT 1
-- @@
SELECT * FROM "measures_2026" LIMIT 1
-- @@
SELECT * FROM "orders" LIMIT 1
-- @@
SELECT * FROM "totals" LIMIT 1
-- @@
BEGIN
-- @@
SELECT "shopapp_book"."id", "shopapp_book"."title", "shopapp_book"."author_id", "shopapp_book"."price", "shopapp_author"."id", "shopapp_author"."name", "shopapp_author"."born", "shopapp_author"."tags", "shopapp_author"."doc" FROM "shopapp_book" INNER JOIN "shopapp_author" ON ("shopapp_book"."author_id" = "shopapp_author"."id") WHERE ("shopapp_author"."name" IN ('Ann', 'B') AND UPPER("shopapp_book"."title"::text) LIKE UPPER('%t%') AND NOT ("shopapp_book"."price" = 5)) ORDER BY "shopapp_book"."price" DESC LIMIT 5
-- @@
SELECT ("shopapp_book_readers"."book_id") AS "_prefetch_related_val_book_id", "shopapp_author"."id", "shopapp_author"."name", "shopapp_author"."born", "shopapp_author"."tags", "shopapp_author"."doc" FROM "shopapp_author" INNER JOIN "shopapp_book_readers" ON ("shopapp_author"."id" = "shopapp_book_readers"."author_id") WHERE "shopapp_book_readers"."book_id" IN (1)
-- @@
SELECT COUNT(*) AS "__count" FROM "shopapp_book"
-- @@
SELECT 1 AS "a" FROM "shopapp_book" WHERE "shopapp_book"."author_id" = 1 LIMIT 1
-- @@
SELECT AVG("shopapp_book"."price") AS "price__avg", MAX("shopapp_book"."price") AS "price__max", COUNT(DISTINCT "shopapp_book"."id") AS "id__count" FROM "shopapp_book"
-- @@
SAVEPOINT "s140140668648320_x2"
-- @@
SELECT "shopapp_author"."id", "shopapp_author"."name", "shopapp_author"."born", "shopapp_author"."tags", "shopapp_author"."doc", COUNT("shopapp_book"."id") AS "n", (SELECT U0."title" AS "title" FROM "shopapp_book" U0 WHERE U0."author_id" = ("shopapp_author"."id") ORDER BY U0."id" DESC LIMIT 1) AS "last", EXISTS(SELECT 1 AS "a" FROM "shopapp_book" U0 WHERE U0."author_id" = ("shopapp_author"."id") LIMIT 1) AS "e" FROM "shopapp_author" LEFT OUTER JOIN "shopapp_book" ON ("shopapp_author"."id" = "shopapp_book"."author_id") GROUP BY "shopapp_author"."id" HAVING COUNT("shopapp_book"."id") > 0
-- @@
RELEASE SAVEPOINT "s140140668648320_x2"
-- @@
COMMIT
-- @@
SELECT "shopapp_author"."id", "shopapp_author"."name", "shopapp_author"."born", "shopapp_author"."tags", "shopapp_author"."doc" FROM "shopapp_author" WHERE ("shopapp_author"."born" BETWEEN '2020-01-01'::date AND '2020-12-31'::date AND ("shopapp_author"."doc" #> '{a,b}') = '1'::jsonb AND "shopapp_author"."doc" ? 'q' AND UPPER("shopapp_author"."name"::text) = UPPER('ann') AND "shopapp_author"."name"::text ~ '^A' AND "shopapp_author"."tags" @> (ARRAY['x'])::varchar(9)[])
-- @@
SELECT "shopapp_author"."id", "shopapp_author"."name", "shopapp_author"."born", "shopapp_author"."tags", "shopapp_author"."doc" FROM "shopapp_author" WHERE "shopapp_author"."tags" && (ARRAY['x'])::varchar(9)[]
-- @@
SELECT DISTINCT DATE_TRUNC('month', "shopapp_author"."born") AS "datefield" FROM "shopapp_author" WHERE "shopapp_author"."born" IS NOT NULL ORDER BY 1 ASC
-- @@
SELECT "shopapp_book"."author_id" AS "author", SUM("shopapp_book"."price") AS "s" FROM "shopapp_book" GROUP BY 1
-- @@
SELECT DISTINCT ON ("shopapp_book"."author_id") "shopapp_book"."id", "shopapp_book"."title", "shopapp_book"."author_id", "shopapp_book"."price", 1 AS "r" FROM "shopapp_book"
-- @@
(SELECT "shopapp_book"."id" AS "col1", "shopapp_book"."title" AS "col2", "shopapp_book"."author_id" AS "col3", "shopapp_book"."price" AS "col4" FROM "shopapp_book") UNION (SELECT "shopapp_book"."id" AS "col1", "shopapp_book"."title" AS "col2", "shopapp_book"."author_id" AS "col3", "shopapp_book"."price" AS "col4" FROM "shopapp_book" WHERE "shopapp_book"."price" = 1)
-- @@
SELECT "shopapp_author"."id", "shopapp_author"."name", "shopapp_author"."born", "shopapp_author"."tags", "shopapp_author"."doc", to_tsvector(COALESCE("shopapp_author"."name", '')) AS "s" FROM "shopapp_author" WHERE to_tsvector(COALESCE("shopapp_author"."name", '')) @@ (plainto_tsquery('Ann'))
-- @@
SELECT "shopapp_author"."id", "shopapp_author"."name", "shopapp_author"."born", "shopapp_author"."tags", "shopapp_author"."doc", ts_rank(to_tsvector(COALESCE("shopapp_author"."name", '')), plainto_tsquery('a')) AS "rank" FROM "shopapp_author" ORDER BY 6 DESC
-- @@
SELECT * FROM "databasechangelog" LIMIT 1
-- @@
SELECT * FROM "databasechangeloglock" LIMIT 1
-- @@
SELECT * FROM "fly" LIMIT 1
-- @@
SELECT * FROM "flyway_schema_history" LIMIT 1
-- @@
SELECT * FROM "liq" LIMIT 1
-- @@
SELECT ARRAY_AGG("shopapp_author"."name" ) AS "x", STRING_AGG("shopapp_author"."name", ',' ) AS "y" FROM "shopapp_author"
-- @@
EXPLAIN (VERBOSE true, ANALYZE false) SELECT "shopapp_book"."id", "shopapp_book"."title", "shopapp_book"."author_id", "shopapp_book"."price" FROM "shopapp_book" WHERE "shopapp_book"."id" > 1
-- @@
SELECT * FROM "thing" LIMIT 1
-- @@
EXPLAIN (ANALYZE false, VERBOSE true) SELECT "shopapp_book"."id", "shopapp_book"."title", "shopapp_book"."author_id", "shopapp_book"."price" FROM "shopapp_book" WHERE "shopapp_book"."id" > 1
-- @@
SELECT "shopapp_book"."id", "shopapp_book"."title", "shopapp_book"."author_id", "shopapp_book"."price", LOWER("shopapp_book"."title") AS "x", DATE_TRUNC('month', "shopapp_author"."born") AS "y", (COALESCE("shopapp_book"."title", '') || COALESCE('a', '')) AS "z", COALESCE("shopapp_book"."title", '') AS "w", EXTRACT(DOW FROM "shopapp_author"."born") + 1 AS "v", STATEMENT_TIMESTAMP() AS "q", LENGTH("shopapp_book"."title") AS "l" FROM "shopapp_book" INNER JOIN "shopapp_author" ON ("shopapp_book"."author_id" = "shopapp_author"."id")
-- @@
DECLARE "_django_curs_140607706168192_sync_1" NO SCROLL CURSOR WITH HOLD FOR SELECT "shopapp_book"."id", "shopapp_book"."title", "shopapp_book"."author_id", "shopapp_book"."price" FROM "shopapp_book"
-- @@
FETCH FORWARD 1 FROM "_django_curs_140607706168192_sync_1"
-- @@
CLOSE "_django_curs_140607706168192_sync_1"
-- @@
select * from shopapp_book
-- @@
SELECT 1
-- @@

            SELECT
                s.relname AS sequence_name,
                a.attname AS colname
            FROM
                pg_class s
                JOIN pg_depend d ON d.objid = s.oid
                    AND d.classid = 'pg_class'::regclass
                    AND d.refclassid = 'pg_class'::regclass
                JOIN pg_attribute a ON d.refobjid = a.attrelid
                    AND d.refobjsubid = a.attnum
                JOIN pg_class tbl ON tbl.oid = d.refobjid
                    AND tbl.relname = 'shopapp_book'
                    AND pg_catalog.pg_table_is_visible(tbl.oid)
            WHERE
                s.relkind = 'S';
        
-- @@
SET CONSTRAINTS ALL IMMEDIATE
-- @@
SET CONSTRAINTS ALL DEFERRED
-- @@
SELECT "django_session"."session_key", "django_session"."session_data", "django_session"."expire_date" FROM "django_session" WHERE ("django_session"."expire_date" > '2026-11-25 03:58:50.560489+00:00'::timestamptz AND "django_session"."session_key" = 'cdhwat0nusemdagxh3p0564d9aoeeygi') LIMIT 21
-- @@
SELECT "auth_user"."id", "auth_user"."password", "auth_user"."last_login", "auth_user"."is_superuser", "auth_user"."username", "auth_user"."first_name", "auth_user"."last_name", "auth_user"."email", "auth_user"."is_staff", "auth_user"."is_active", "auth_user"."date_joined" FROM "auth_user" WHERE "auth_user"."id" = 1 LIMIT 21
-- @@
SELECT "django_admin_log"."id", "django_admin_log"."action_time", "django_admin_log"."user_id", "django_admin_log"."content_type_id", "django_admin_log"."object_id", "django_admin_log"."object_repr", "django_admin_log"."action_flag", "django_admin_log"."change_message", "auth_user"."id", "auth_user"."password", "auth_user"."last_login", "auth_user"."is_superuser", "auth_user"."username", "auth_user"."first_name", "auth_user"."last_name", "auth_user"."email", "auth_user"."is_staff", "auth_user"."is_active", "auth_user"."date_joined", "django_content_type"."id", "django_content_type"."app_label", "django_content_type"."model" FROM "django_admin_log" INNER JOIN "auth_user" ON ("django_admin_log"."user_id" = "auth_user"."id") LEFT OUTER JOIN "django_content_type" ON ("django_admin_log"."content_type_id" = "django_content_type"."id") WHERE "django_admin_log"."user_id" = 1 ORDER BY "django_admin_log"."action_time" DESC LIMIT 10
-- @@
SELECT "auth_group"."id", "auth_group"."name" FROM "auth_group" ORDER BY "auth_group"."name" ASC
-- @@
SELECT COUNT(*) AS "__count" FROM "auth_user" WHERE ("auth_user"."is_staff" AND (UPPER("auth_user"."username"::text) LIKE UPPER('%a%') OR UPPER("auth_user"."first_name"::text) LIKE UPPER('%a%') OR UPPER("auth_user"."last_name"::text) LIKE UPPER('%a%') OR UPPER("auth_user"."email"::text) LIKE UPPER('%a%')))
-- @@
SELECT COUNT(*) AS "__count" FROM "auth_user"
-- @@
SELECT "auth_user"."id", "auth_user"."password", "auth_user"."last_login", "auth_user"."is_superuser", "auth_user"."username", "auth_user"."first_name", "auth_user"."last_name", "auth_user"."email", "auth_user"."is_staff", "auth_user"."is_active", "auth_user"."date_joined" FROM "auth_user" WHERE ("auth_user"."is_staff" AND (UPPER("auth_user"."username"::text) LIKE UPPER('%a%') OR UPPER("auth_user"."first_name"::text) LIKE UPPER('%a%') OR UPPER("auth_user"."last_name"::text) LIKE UPPER('%a%') OR UPPER("auth_user"."email"::text) LIKE UPPER('%a%'))) ORDER BY "auth_user"."username" ASC
-- @@
SELECT "auth_group"."id", "auth_group"."name" FROM "auth_group" INNER JOIN "auth_user_groups" ON ("auth_group"."id" = "auth_user_groups"."group_id") WHERE "auth_user_groups"."user_id" = 1
-- @@
SELECT "auth_permission"."id", "auth_permission"."name", "auth_permission"."content_type_id", "auth_permission"."codename" FROM "auth_permission" INNER JOIN "auth_user_user_permissions" ON ("auth_permission"."id" = "auth_user_user_permissions"."permission_id") INNER JOIN "django_content_type" ON ("auth_permission"."content_type_id" = "django_content_type"."id") WHERE "auth_user_user_permissions"."user_id" = 1 ORDER BY "django_content_type"."app_label" ASC, "django_content_type"."model" ASC, "auth_permission"."codename" ASC
-- @@
SELECT "django_content_type"."id", "django_content_type"."app_label", "django_content_type"."model" FROM "django_content_type" WHERE ("django_content_type"."app_label" = 'auth' AND "django_content_type"."model" = 'user') LIMIT 21
-- @@
DECLARE "_django_curs_140607706168192_sync_2" NO SCROLL CURSOR WITH HOLD FOR SELECT "auth_group"."id", "auth_group"."name" FROM "auth_group" ORDER BY "auth_group"."name" ASC
-- @@
DECLARE "_django_curs_140607706168192_sync_3" NO SCROLL CURSOR WITH HOLD FOR SELECT "auth_permission"."id", "auth_permission"."name", "auth_permission"."content_type_id", "auth_permission"."codename", "django_content_type"."id", "django_content_type"."app_label", "django_content_type"."model" FROM "auth_permission" INNER JOIN "django_content_type" ON ("auth_permission"."content_type_id" = "django_content_type"."id") ORDER BY "django_content_type"."app_label" ASC, "django_content_type"."model" ASC, "auth_permission"."codename" ASC
-- @@
SELECT "django_content_type"."id", "django_content_type"."app_label", "django_content_type"."model" FROM "django_content_type" WHERE "django_content_type"."app_label" = 'admin'
-- @@
SELECT "django_content_type"."id", "django_content_type"."app_label", "django_content_type"."model" FROM "django_content_type" WHERE ("django_content_type"."app_label" = 'admin' AND "django_content_type"."model" IN ('logentry'))
-- @@
SELECT "auth_permission"."content_type_id" AS "content_type", "auth_permission"."codename" AS "codename" FROM "auth_permission" INNER JOIN "django_content_type" ON ("auth_permission"."content_type_id" = "django_content_type"."id") WHERE "auth_permission"."content_type_id" IN (1) ORDER BY "django_content_type"."app_label" ASC, "django_content_type"."model" ASC, 2 ASC
-- @@
SELECT "shopapp_author"."id" AS "id" FROM "shopapp_author" INNER JOIN "shopapp_book_readers" ON ("shopapp_author"."id" = "shopapp_book_readers"."author_id") WHERE "shopapp_book_readers"."book_id" = 1
-- @@
SELECT "shopapp_book"."id", "shopapp_book"."title", "shopapp_book"."author_id", "shopapp_book"."price" FROM "shopapp_book" WHERE ("shopapp_book"."author_id" = 1 AND "shopapp_book"."price" = 2 AND "shopapp_book"."title" = 'zz') LIMIT 21
-- @@
SELECT "shopapp_book"."id", "shopapp_book"."title", "shopapp_book"."author_id", "shopapp_book"."price" FROM "shopapp_book" WHERE "shopapp_book"."title" = 'x'
-- @@
SELECT "auth_user"."id", "auth_user"."password", "auth_user"."last_login", "auth_user"."is_superuser", "auth_user"."username", "auth_user"."first_name", "auth_user"."last_name", "auth_user"."email", "auth_user"."is_staff", "auth_user"."is_active", "auth_user"."date_joined" FROM "auth_user" WHERE "auth_user"."username" = 'root' LIMIT 21
-- @@
SELECT 1 AS "a" FROM "django_session" WHERE "django_session"."session_key" = 'lafetxjprzn8x81caziql4rf8xmflhe8' LIMIT 1
-- @@
SELECT "django_session"."session_key", "django_session"."session_data", "django_session"."expire_date" FROM "django_session" WHERE "django_session"."session_key" = 'lafetxjprzn8x81caziql4rf8xmflhe8' LIMIT 21
-- @@
SELECT "shopapp_author"."id", "shopapp_author"."name", "shopapp_author"."born", "shopapp_author"."tags", "shopapp_author"."doc" FROM "shopapp_author"
-- @@
SELECT "shopapp_book"."id" FROM "shopapp_book" WHERE "shopapp_book"."author_id" IN (1)
