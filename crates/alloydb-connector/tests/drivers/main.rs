//! The drivers against the emulator, in front of a real PostgreSQL.
#![expect(
    clippy::duplicate_mod,
    reason = "each example is a program with settings of its own"
)]

mod bb8;
mod bridge;
mod deadpool_postgres;
mod diesel_async;
mod lab;
mod sea_orm;
mod sqlx;
mod tokio_postgres;
