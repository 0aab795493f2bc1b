//! Decides what a principal may run; pure functions over plain data.
//!
//! So far only the plain data: [`facts`], what SQL text would do, as `querycop-sql` reads it.
//! Nothing here reads a socket, a file or a clock.

#![cfg_attr(not(test), deny(clippy::wildcard_enum_match_arm))]

pub mod facts;
mod words;
