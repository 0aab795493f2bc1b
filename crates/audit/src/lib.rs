//! Records what happened so that it can't be lost or changed unnoticed.
//!
//! A [`Store`] appends records to the segments of a directory: files of one JSON object a line, in
//! which each line carries the hash of the one before it. What a record holds is a [`Record`];
//! what of it doesn't change is encoded once, in a [`SessionFragment`] and a [`StatementFragment`].

#![cfg_attr(not(test), deny(clippy::wildcard_enum_match_arm))]

mod chain;
mod checkpoint;
mod config;
mod disk;
mod effects;
mod entry;
mod feed;
mod filter;
mod follow;
mod fragment;
mod hash;
mod health;
mod index;
mod keeper;
mod key;
mod line;
mod lines;
mod otlp;
mod queue;
mod record;
mod recovery;
mod room;
mod schema;
mod segment;
mod settle;
mod stage;
mod store;
mod verify;

pub use checkpoint::{CHECKPOINTS_FILE, Checkpoint, CheckpointError};
pub use config::{Durability, StoreConfig};
pub use entry::Entry;
pub use feed::{Begin, Feed, FeedError, FeedStats, Sink, SinkError, WriteSink};
pub use filter::Filter;
pub use follow::{Follower, Position, newest};
pub use fragment::{
    DecisionFields, DecisionFragment, Ran, SessionFields, SessionFragment, StatementFragment,
};
pub use hash::LineHash;
pub use health::Health;
pub use index::{Hit, INDEX_FILE, Index, IndexError, Progress, State};
pub use key::{KeyError, KeyFiles, KeyId, PublicKey, SigningKey};
pub use line::MAX_LINE;
pub use otlp::{OTEL_NAMES, OtlpConfig, OtlpError, OtlpSink, otlp_headers};
pub use record::{Event, Outcome, Record, Via};
pub use recovery::{Cut, Damage, OpenError, Recovery};
pub use reqwest::header::HeaderMap;
pub use room::Reservation;
pub use schema::{EVENTS, Field, Form, SCHEMA, reference};
pub use segment::SegmentName;
pub use settle::Ticket;
pub use store::{NoRoom, Stats, Store, WriteError};
pub use verify::{Fault, Finding, MAX_FINDINGS, Report, VerifyConfig, VerifyError, verify};
