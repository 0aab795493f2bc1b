//! PostgreSQL protocol 3.0–3.2: bytes to typed views and back, SCRAM; no I/O.
//!
//! Nothing here reads a socket, a clock or a source of randomness: bytes and nonces are arguments.
//! A view borrows the bytes it was decoded from, so that a relayed message stays the sender's own.
//! An encoder is a function that appends one whole message to a `Vec<u8>`. Partial input is
//! `Ok(None)`, and every length that a peer claims is checked before it allocates, indexes or
//! subtracts.
//!
//! - [`startup`]: the first packet of a connection, which has no tag.
//! - [`frame`]: every later message, a tag and a length; [`tag`] names the tags.
//! - [`frontend`] and [`backend`]: what is inside, by direction.
//! - [`error_response`]: errors and notices, ours and the server's; [`sqlstate`] their codes.
//! - [`md5`] and [`scram`]: the proofs of passwords.
//!
//! The manual: <https://www.postgresql.org/docs/current/protocol.html>

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

pub mod backend;
mod body;
pub mod error_response;
pub mod frame;
pub mod frontend;
pub mod md5;
pub mod scram;
pub mod sqlstate;
pub mod startup;
pub mod tag;

pub use body::MessageError;
pub use sqlstate::SqlState;
