-- pgjdbc 42.7.4 with HikariCP 5.1.0: every method of DatabaseMetaData, ResultSetMetaData, cursors, savepoints, arrays, escapes, copies, large objects.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Neither: what a policy for readers may decide either way. They must parse.
-- @@
select * from total_of($1,$2)  as result
-- @@
select * from noop()  as result
