//! Admin API and web console.
//!
//! [`Api`] answers HTTP/1 on a port of its own:
//!
//! | Path | Key | Answer |
//! |---|---|---|
//! | `/healthz`, `/livez` | no | 200 as long as the process lives |
//! | `/readyz` | no | 200, or 503 from the moment the gateway drains |
//! | `/metrics` | no | `OpenMetrics` text |
//! | `/api/v1/sessions` | yes | the sessions that are being served, oldest first |
//! | `/api/v1/version` | yes | what runs |
//!
//! Every other path needs the key as well, so that who has none learns nothing about what exists.
//!
//! **Bounds.** A connection has ten seconds for each request head, 16 KiB and 64 fields; no body is
//! ever read. It lives for a minute, then closes after the answer that is under way. There are 512
//! connections at a time, of which one address may hold 128; more are closed at once.
//!
//! **Guessing.** The key is compared by digest, in constant time. An address that gave ten wrong
//! keys within a minute is answered 429 for each further one until that minute is over. Its keys
//! are still looked at, a second late each, because a right key must not be locked out by a
//! neighbour behind the same address, be it a NAT or a reverse proxy. With the limit on connections
//! that leaves a guesser 128 keys a second, against a key of 16 characters or more.

mod admin_key;
mod api;
mod guesses;
mod permit;
mod places;
mod refusal;
mod routes;
mod source;

pub use admin_key::{AdminKey, AdminKeyError};
pub use api::{Api, Parts};
