//! What can be wrong with a log.

use std::fmt;

use crate::segment::SegmentName;

/// Something that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which segment; `None` for what is wrong with the log as a whole.
    pub segment: Option<SegmentName>,
    /// In which line of it, from one.
    pub line: u64,
    /// What.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// There are no segments.
    Empty,
    /// Records are missing before this line.
    Missing {
        /// The first of them.
        first: u64,
        /// The last.
        last: u64,
    },
    /// A record stands where another is expected: twice, or in the wrong place.
    OutOfOrder {
        /// The one that stands there.
        found: u64,
        /// The one that is expected.
        expected: u64,
    },
    /// A record is not what it was when the next one was written.
    Changed {
        /// Which one.
        sequence: u64,
    },
    /// The line is no record.
    NoRecord,
    /// The line is longer than any record.
    TooLong,
    /// The segment ends in the middle of a line.
    Incomplete {
        /// The bytes of what there is.
        bytes: u64,
    },
    /// The segment belongs to another log, or says of itself what isn't so.
    Stranger,
    /// A checkpoint isn't what the store would have written.
    BadCheckpoint,
    /// A checkpoint's signature is not that of its key.
    BadSignature {
        /// The last record that it claims to speak for.
        covers: u64,
    },
    /// A checkpoint that was kept elsewhere is signed by none of the keys.
    UnknownKey {
        /// The last record that it claims to speak for.
        covers: u64,
    },
    /// The log has no checkpoint that is signed by one of the keys.
    NoCheckpoint,
    /// A checkpoint that was kept elsewhere tells of records that the log doesn't have (any more).
    CutBack {
        /// The last record of the checkpoint.
        covers: u64,
    },
    /// A checkpoint that was kept elsewhere tells of another record of this sequence: the log was
    /// written anew from there or from before.
    Rewritten {
        /// The record.
        covers: u64,
    },
    /// A checkpoint that was kept elsewhere is of another log.
    OtherLog {
        /// The last record that it speaks for.
        covers: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(segment) = self.segment {
            write!(formatter, "{segment}, line {}: ", self.line)?;
        }
        write!(formatter, "{}", self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(to, "there are no segments"),
            Self::Missing { first, last } if first == last => {
                write!(to, "record {first} is missing before this line")
            }
            Self::Missing { first, last } => {
                write!(to, "records {first} to {last} are missing before this line")
            }
            Self::OutOfOrder { found, expected } => {
                write!(to, "record {found} stands where {expected} is expected")
            }
            Self::Changed { sequence } => write!(to, "record {sequence} was changed"),
            Self::NoRecord => write!(to, "this is no audit record"),
            Self::TooLong => write!(to, "this is longer than any audit record"),
            Self::Incomplete { bytes } => {
                write!(
                    to,
                    "the segment ends in the middle of a record, after {bytes} bytes of it"
                )
            }
            Self::Stranger => write!(to, "the segment is of another log, or under another name"),
            Self::BadCheckpoint => write!(to, "the checkpoint isn't what the store writes"),
            Self::BadSignature { covers } => write!(
                to,
                "the signature of the checkpoint that covers record {covers} is false"
            ),
            Self::UnknownKey { covers } => write!(
                to,
                "the checkpoint that covers record {covers} is signed by none of the given keys"
            ),
            Self::NoCheckpoint => write!(to, "no checkpoint in the log is signed by a given key"),
            Self::CutBack { covers } => write!(
                to,
                "the log was cut back: a checkpoint covers record {covers}, which is not there"
            ),
            Self::Rewritten { covers } => write!(
                to,
                "record {covers} is not the one that a checkpoint covers: \
                 the log was written anew from there or from before"
            ),
            Self::OtherLog { covers } => write!(
                to,
                "the checkpoint that covers record {covers} is of another log"
            ),
        }
    }
}
