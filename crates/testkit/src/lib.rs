//! Starts PostgreSQL, makes certificates, scripts peers; dev-dependency only.
//!
//! Everything here blocks, so that a test reads as a script, and panics when the world is not as
//! the test needs it. Whatever is started is stopped and removed when its value is dropped, and by
//! a reaper process when the test process dies first or keeps the value in a `static`.
//!
//! * [`certificates`]: an authority and what it issues, good and bad.
//! * [`collector`]: takes OpenTelemetry's logs.
//! * [`command`] and [`psql`]: run a program, with a deadline.
//! * [`gateway`]: the `querycop` binary as a child process, read through its log.
//! * [`peer`]: a server that misbehaves by script.
//! * [`postgres`]: real servers in temporary directories.
//! * [`wait`]: `eventually`, in place of `sleep`.
#![expect(clippy::panic, reason = "a failing tool fails the test that uses it")]

pub mod certificates;
pub mod collector;
pub mod command;
pub mod gateway;
pub mod peer;
pub mod postgres;
pub mod psql;
mod reaper;
pub mod wait;
