//! What a store is told.

use std::path::PathBuf;
use std::time::Duration;

use crate::key::SigningKey;

/// What a store is told.
#[derive(Debug)]
pub struct StoreConfig {
    /// Where the segments are. Made if it is missing.
    pub directory: PathBuf,
    /// When a record counts as kept.
    pub durability: Durability,
    /// Bytes of a segment before the next one begins; 256 MiB by default, at least 128 KiB.
    pub segment_bytes: u64,
    /// Age of a segment before the next one begins; a day by default.
    pub segment_age: Duration,
    /// Signs checkpoints; there are none without it.
    pub signing_key: Option<SigningKey>,
    /// Time between two checkpoints, if there was a record; a minute by default.
    pub checkpoint_interval: Duration,
    /// The gateway's name among others; in the first record of each segment.
    pub instance: String,
    /// The gateway's version, likewise.
    pub version: String,
}

/// When a record counts as kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It is with the operating system: it survives the end of the process, not of the machine.
    #[default]
    Written,
    /// It is on disk: it survives a loss of power.
    Synced,
    /// It is in a bounded queue of this process. A full queue holds back the sessions; nothing is
    /// left out. What is in the queue is lost with the process.
    Queued,
}

impl StoreConfig {
    /// The defaults, in this directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            durability: Durability::default(),
            segment_bytes: 256 << 20,
            segment_age: Duration::from_hours(24),
            signing_key: None,
            checkpoint_interval: Duration::from_mins(1),
            instance: String::new(),
            version: String::new(),
        }
    }
}

impl Durability {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Written, Self::Synced, Self::Queued];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Synced => "synced",
            Self::Queued => "queued",
        }
    }

    /// The one with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.as_str() == word)
    }
}
