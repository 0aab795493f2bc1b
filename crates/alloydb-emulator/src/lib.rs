//! A local AlloyDB in front of a normal PostgreSQL.
