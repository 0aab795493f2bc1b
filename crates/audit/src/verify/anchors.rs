//! Checkpoints that were kept elsewhere, to hold the log against.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::finding::Fault;
use super::{VerifyConfig, VerifyError};
use crate::hash::LineHash;

/// Checkpoints, by the last record that they speak for.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    by_record: BTreeMap<u64, Anchor>,
    /// After which the log may begin.
    pub(super) start: Option<Start>,
    pub(super) matched: u64,
    /// The last record that a signed one speaks for and that the log bears out.
    pub(super) covered: Option<(u64, Timestamp)>,
    /// What is wrong with those that were given.
    pub(super) faults: Vec<Fault>,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    log: Uuid,
    head: LineHash,
    /// When it was signed, if the signature was checked.
    signed: Option<Timestamp>,
}

/// Where a log may begin: after a record, or after the checkpoint that follows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) covers: u64,
    pub(super) head: LineHash,
    /// The hash of the checkpoint's own line.
    pub(super) line: LineHash,
}

impl Anchors {
    pub(super) fn new(config: &VerifyConfig) -> Result<Self, VerifyError> {
        let mut anchors = Self::default();
        for checkpoint in &config.checkpoints {
            let covers = checkpoint.covers;
            let Some(head) = LineHash::read(checkpoint.head.as_bytes()) else {
                anchors.faults.push(Fault::BadSignature { covers });
                continue;
            };
            let mut signed = None;
            if !config.public_keys.is_empty() {
                let mut keys = config.public_keys.iter();
                match keys.find(|key| key.id().to_string() == checkpoint.key) {
                    None => anchors.faults.push(Fault::UnknownKey { covers }),
                    Some(key) if checkpoint.is_signed_by(key) => signed = Some(checkpoint.time),
                    Some(_) => anchors.faults.push(Fault::BadSignature { covers }),
                }
                if signed.is_none() {
                    continue;
                }
            }
            if config.from_checkpoint == Some(covers) {
                anchors.start = Some(Start {
                    covers,
                    head,
                    line: LineHash::of(&checkpoint.line(head)),
                });
            }
            let anchor = Anchor {
                log: checkpoint.log,
                head,
                signed,
            };
            let known = anchors.by_record.insert(covers, anchor);
            if known.is_some_and(|known| known.head != head) {
                // Two that contradict each other: the log can be true to only one.
                anchors.faults.push(Fault::Rewritten { covers });
            }
        }
        match config.from_checkpoint {
            Some(covers) if anchors.start.is_none() => {
                Err(VerifyError::NoSuchCheckpoint { covers })
            }
            Some(_) | None => Ok(anchors),
        }
    }

    /// Holds a record of the log against the checkpoint that covers it.
    pub(super) fn check(
        &mut self,
        log: Option<Uuid>,
        sequence: u64,
        hash: LineHash,
    ) -> Option<Fault> {
        // Most records have none; those before were checked or are not there.
        let first = *self.by_record.first_key_value()?.0;
        if first > sequence {
            return None;
        }
        let mut found = None;
        while let Some(entry) = self.by_record.first_entry() {
            let covers = *entry.key();
            if covers > sequence {
                break;
            }
            let anchor = entry.remove();
            if covers == sequence {
                found = self.compare(anchor, log, (sequence, hash));
            }
        }
        found
    }

    fn compare(
        &mut self,
        anchor: Anchor,
        log: Option<Uuid>,
        (covers, hash): (u64, LineHash),
    ) -> Option<Fault> {
        if log.is_some_and(|log| log != anchor.log) {
            return Some(Fault::OtherLog { covers });
        }
        if anchor.head != hash {
            return Some(Fault::Rewritten { covers });
        }
        self.matched += 1;
        if let Some(time) = anchor.signed {
            self.covered = Some((covers, time));
        }
        None
    }

    /// Those that speak of records which never came.
    pub(super) fn left(&self) -> Option<Fault> {
        let covers = *self.by_record.last_key_value()?.0;
        Some(Fault::CutBack { covers })
    }
}
