//! The gateway as a user meets it: the real binary in front of real servers, with real clients.

mod alloydb;
mod audit;
mod auth_proxy;
mod bypass;
mod command;
mod cookbook;
mod drivers;
mod emulator;
mod errors;
mod google;
mod limits;
mod matrix;
mod oversight;
mod relay;
mod reload;
mod replication;
mod scram;
mod setup;
mod shutdown;
mod startup;
mod tls;
mod token;
