//! Accepts connections, limits them, drains them, copies bytes.
//!
//! * [`Listener`] binds a TCP port or a Unix socket and accepts through a full file table;
//! * [`Socket`] is one accepted or dialled connection of either kind;
//! * [`Workers`] runs sessions on one single-threaded runtime per core, so that a round trip never
//!   wakes another thread;
//! * [`Pipe`] copies one direction of a connection and lets an [`Inspect`] look at the bytes in place;
//! * [`Turns`] says which of two directions is to be polled;
//! * [`Watch`] tells when files have changed, [`read_text_file`] reads them;
//! * [`raise_file_limit`] makes room for many connections.
//!
//! Nothing here knows PostgreSQL.

mod buffer;
mod file_limit;
mod listener;
mod pipe;
mod socket;
mod text_file;
mod turns;
mod watch;
mod workers;

pub use buffer::BUFFER_SIZE;
pub use file_limit::raise_file_limit;
pub use listener::{BindError, Endpoint, Listener};
pub use pipe::{Ended, Forward, Inspect, Passage, Pipe, PipeError, Then};
pub use socket::{Detached, PeerAddr, Socket, reset_on_close};
pub use text_file::read_text_file;
pub use turns::{Sides, Turn, Turns};
pub use watch::Watch;
pub use workers::{Worker, Workers};
