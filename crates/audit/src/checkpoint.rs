//! Checkpoints: a signature over all records up to one.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::chain;
use crate::hash::LineHash;
use crate::key::{PublicKey, SigningKey};
use crate::line::{self, Buffer, key};
use crate::lines::Lines;

/// The file beside the segments that has every checkpoint once more, to be shipped elsewhere.
pub const CHECKPOINTS_FILE: &str = "checkpoints.jsonl";

/// A signature over all records up to one: whoever holds the public key and this line can tell
/// whether any of them was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Which log.
    pub log: Uuid,
    /// The sequence of the last record that it speaks for.
    pub covers: u64,
    /// The hash of that record's line.
    pub head: String,
    /// When it was signed.
    #[serde(with = "micros")]
    pub time: Timestamp,
    /// Which key signed it.
    pub key: String,
    /// The signature, in base64.
    pub signature: String,
}

/// A line is no checkpoint.
#[derive(Debug, Error)]
#[error("line {line} is no checkpoint")]
pub struct CheckpointError {
    /// Which one, from one.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    source: serde_json::Error,
}

/// Signs checkpoints and publishes them.
#[derive(Debug)]
pub(crate) struct Signer {
    key: SigningKey,
    path: PathBuf,
    /// What could not be written yet.
    unpublished: Vec<u8>,
}

impl Signer {
    pub(crate) fn new(key: SigningKey, directory: &Path) -> Self {
        Self {
            key,
            path: directory.join(CHECKPOINTS_FILE),
            unpublished: Vec::new(),
        }
    }

    /// Signs for all records up to this one.
    pub(crate) fn sign(
        &self,
        log: Uuid,
        (covers, head): (u64, LineHash),
        time: Timestamp,
    ) -> Checkpoint {
        // The line has microseconds, and what is signed is what the line has.
        let time = Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time);
        let mut checkpoint = Checkpoint {
            log,
            covers,
            head: head.to_string(),
            time,
            key: self.key.id().to_string(),
            signature: String::new(),
        };
        checkpoint.signature = self.key.sign(&checkpoint.message());
        checkpoint
    }

    /// Adds a checkpoint to the file beside the segments. What can't be written is written with the
    /// next one: the log itself has it.
    pub(crate) fn publish(&mut self, checkpoint: &Checkpoint) {
        if serde_json::to_writer(&mut self.unpublished, checkpoint).is_ok() {
            self.unpublished.push(b'\n');
        }
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path);
        let written = file.and_then(|mut file| file.write_all(&self.unpublished));
        if written.is_ok() {
            self.unpublished.clear();
        }
    }
}

impl Checkpoint {
    /// Reads checkpoints, one a line, as the store publishes them.
    pub fn read_all(text: &str) -> Result<Vec<Self>, CheckpointError> {
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.trim().is_empty());
        lines
            .map(|(index, line)| {
                serde_json::from_str(line).map_err(|source| CheckpointError {
                    line: index + 1,
                    source,
                })
            })
            .collect()
    }

    /// The newest of those that the store has published beside the log; `None` if there is none, or
    /// none that can be read.
    pub(crate) fn newest_beside(directory: &Path) -> Option<Self> {
        let mut lines = Lines::open(&directory.join(CHECKPOINTS_FILE)).ok()?;
        let mut newest = None;
        while let Ok(Some(line)) = lines.next() {
            let read = line.ok().and_then(|line| serde_json::from_slice(line).ok());
            newest = read.or(newest);
        }
        newest
    }

    /// Whether it was signed by this key.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.key == key.id().to_string() && key.verifies(&self.message(), &self.signature)
    }

    /// Adds its fields to a record, whose `prev` is the head.
    pub(crate) fn encode(&self, buffer: &mut Buffer) {
        let mut id = Uuid::encode_buffer();
        let log = self.log.hyphenated().encode_lower(&mut id);
        line::text(buffer, key!("log"), log, 64);
        line::number(buffer, key!("covers"), self.covers);
        line::text(buffer, key!("key"), &self.key, 64);
        line::text(buffer, key!("signature"), &self.signature, 128);
    }

    /// The line that stands for it in the log, without its newline.
    pub(crate) fn line(&self, head: LineHash) -> Vec<u8> {
        let mut buffer = chain::begun("checkpoint", self.time);
        self.encode(&mut buffer);
        let line = chain::finish(&mut buffer, self.covers + 1, head);
        line[..line.len() - 1].to_vec()
    }

    /// What is signed: every field in a line of its own, after what it is.
    fn message(&self) -> Vec<u8> {
        let mut message = b"querycop audit checkpoint 1\n".to_vec();
        message.extend(format!("{}\n{}\n{}\n", self.log, self.covers, self.head).bytes());
        line::instant(&mut message, self.time);
        message.push(b'\n');
        message
    }
}

/// Times as the records have them.
pub(crate) mod micros {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::line;

    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        let mut text = Vec::new();
        line::instant(&mut text, *time);
        to.serialize_str(&String::from_utf8_lossy(&text))
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
