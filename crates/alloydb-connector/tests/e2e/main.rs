//! The connector against a fake AlloyDB: a real admin API over HTTP, a real TLS 1.3 server, a real
//! metadata exchange, all on loopback.
//!
//! `tests/README.md` says which test stands for which requirement.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failing helper fails the test that uses it"
)]

mod credentials;
mod dialling;
mod exchange;
mod fake;
mod refreshing;
mod secrets;
mod static_file;
mod telemetry;
mod trust;
mod way;
