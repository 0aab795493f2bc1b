//! The drivers against the emulator, in front of a real PostgreSQL.

mod bb8;
mod bridge;
mod deadpool_postgres;
mod diesel_async;
mod lab;
mod sea_orm;
mod sqlx;
mod tokio_postgres;
