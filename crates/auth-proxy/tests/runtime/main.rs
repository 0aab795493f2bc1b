//! The proxy from its settings to its end, in front of the emulator and a real PostgreSQL.

mod admin;
mod dns;
mod health;
mod identities;
mod lab;
mod metrics;
mod process;
mod proxy;
mod refusing;
mod reload;
mod serving;
mod shutdown;
mod start_up;
mod telemetry;
mod tls;
mod unix;
