//! The emulator in front of a real PostgreSQL, seen by clients that share no code with it.

mod admin;
mod client;
mod control;
mod direct;
mod faults;
mod grpc;
mod start;
mod tokens;
mod topology;
mod tunnel;
mod world;
