-- Flyway 10.20.1 and Liquibase 4.29.2: migration, info, validation, snapshot.
-- Captured: the texts of Query and Parse messages, between the program and PostgreSQL 15 and 18.
-- Neither: what a policy for readers may decide either way. They must parse.
-- @@
SET ROLE 'postgres'
