//! Reads a whole log again and finds what was changed in it.

mod anchors;
mod finding;
mod walk;

use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use thiserror::Error;

pub use finding::{Fault, Finding};

use crate::checkpoint::Checkpoint;
use crate::hash::LineHash;
use crate::key::PublicKey;
use crate::recovery::LOCK_FILE;
use crate::segment::SegmentName;
use anchors::Anchors;
use walk::Walk;

/// What is verified, and against what.
#[derive(Clone, Debug, Default)]
pub struct VerifyConfig {
    /// Where the segments are.
    pub directory: PathBuf,
    /// Keys that may have signed checkpoints. Signatures count for nothing without one.
    pub public_keys: Vec<PublicKey>,
    /// Checkpoints that were kept elsewhere.
    pub checkpoints: Vec<Checkpoint>,
    /// The log may begin after the checkpoint of [`VerifyConfig::checkpoints`] that covers this
    /// record: older segments were put away.
    pub from_checkpoint: Option<u64>,
}

/// What was found in a log.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many segments there are.
    pub segments: u64,
    /// How many records.
    pub records: u64,
    /// The sequence of the first record.
    pub first: Option<u64>,
    /// The sequence and the hash of the last record.
    pub last: Option<(u64, LineHash)>,
    /// What is wrong, in the order of the log; at most [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub more_findings: u64,
    /// Checkpoints in the log that are signed by one of the keys.
    pub signed_checkpoints: u64,
    /// Checkpoints that were given and are borne out by the log.
    pub matched_checkpoints: u64,
    /// The last record that a checkpoint with a valid signature speaks for, and when it was signed.
    pub covered: Option<(u64, Timestamp)>,
    /// Half a line at the end, which a running gateway is writing at this moment, in bytes.
    pub being_written: u64,
}

/// Why a log can't be verified.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The directory can't be read.
    #[error("the audit directory {path} can't be read")]
    Directory {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A segment can't be read.
    #[error("{segment} can't be read")]
    Segment {
        /// Which one.
        segment: SegmentName,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is no such checkpoint.
    #[error("none of the checkpoints that were given covers record {covers}")]
    NoSuchCheckpoint {
        /// The record.
        covers: u64,
    },
}

/// How many findings are kept; a log that is wrong in more places is wrong.
pub const MAX_FINDINGS: usize = 100;

/// Reads a whole log, in memory that does not grow with it.
pub fn verify(config: &VerifyConfig) -> Result<Report, VerifyError> {
    let anchors = Anchors::new(config)?;
    let names = SegmentName::list(&config.directory).map_err(|source| VerifyError::Directory {
        path: config.directory.clone(),
        source,
    })?;
    // Read before the log, which has it already when it is published.
    let beside = Checkpoint::newest_beside(&config.directory);
    let mut walk = Walk::new(anchors, &config.public_keys);
    if names.is_empty() {
        walk.note_empty();
    }
    let last = names.last().copied();
    for name in names {
        let end = if Some(name) == last && has_writer(config) {
            walk::End::BeingWritten
        } else {
            walk::End::Whole
        };
        walk.segment(&config.directory, name, end)
            .map_err(|source| VerifyError::Segment {
                segment: name,
                source,
            })?;
    }
    Ok(walk.finish(beside.as_ref()))
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// What even a log without a finding does not prove, in sentences.
    pub fn unproved(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        let Some((last, _)) = self.last else {
            return sentences;
        };
        match self.covered {
            None => {
                sentences.push(
                    "No signature was checked (--public-key): whoever can write the directory can \
                     also write another log that is sound in itself."
                        .to_owned(),
                );
                sentences.push(format!(
                    "That the log ends with record {last}: records that were cut from its end \
                     leave no trace. And the text of that last record: no other vouches for it."
                ));
            }
            Some((covered, time)) if covered + 1 < last => sentences.push(format!(
                "Records {} to {last}, after the checkpoint of {time}: whoever can write the \
                 directory could have changed or cut them.",
                covered + 1
            )),
            Some((_, time)) => sentences.push(format!(
                "That nothing came after the checkpoint of {time}: records that were cut from the \
                 end leave no trace."
            )),
        }
        if self.covered.is_some() && self.matched_checkpoints == 0 {
            sentences.push(
                "That the end of the log was not cut back to an older checkpoint: no checkpoints \
                 that were kept elsewhere were given (--checkpoints)."
                    .to_owned(),
            );
        }
        sentences
    }
}

/// Whether a gateway has the log open. It is looked up each time, because one may start meanwhile.
fn has_writer(config: &VerifyConfig) -> bool {
    let Ok(lock) = File::open(config.directory.join(LOCK_FILE)) else {
        return false;
    };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}
