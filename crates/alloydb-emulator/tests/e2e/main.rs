//! The emulator in front of a real PostgreSQL, seen by clients that share no code with it.

mod client;
mod tunnel;
mod world;
