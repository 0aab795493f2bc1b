//! A policy file, compiled.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use crate::file;
use crate::mistake::Mistakes;
use crate::principal::Principal;
use crate::scope::Scope;
use crate::yaml::Reading;

/// A policy file, compiled. It never changes; sessions share it.
#[derive(Debug)]
pub struct Policy {
    hash: PolicyHash,
    pub(crate) mode: Mode,
    pub(crate) default: Fallback,
}

/// Identifies a policy file: the beginning of the SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyHash([u8; 8]);

/// Whether what a policy denies is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It is refused.
    Enforce,
    /// It passes, with a mark in the audit.
    Observe,
}

/// What becomes of an effect that no rule speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fallback {
    /// It is denied.
    Deny,
    /// It is allowed.
    Allow,
}

impl Policy {
    /// Reads a policy file; says all that is wrong with it at once.
    pub fn read(text: &str) -> Result<Self, Mistakes> {
        let mut reading = Reading::default();
        let file = file::read(text, &mut reading);
        match (file, reading.finish()) {
            (Some(file), Ok(())) => Ok(Self {
                hash: PolicyHash::of(text),
                mode: file.mode,
                default: file.default,
            }),
            (_, Err(mistakes)) => Err(mistakes),
            (None, Ok(())) => Err(Mistakes::default()),
        }
    }

    /// What identifies the file, in every record of the audit.
    pub fn hash(&self) -> &PolicyHash {
        &self.hash
    }

    /// The rules that can match what a principal runs: once for each session and policy.
    pub fn scope(self: &Arc<Self>, _principal: &Principal) -> Scope {
        Scope {
            policy: Arc::clone(self),
        }
    }
}

impl PolicyHash {
    fn of(text: &str) -> Self {
        let mut bytes = [0; 8];
        for (byte, value) in bytes
            .iter_mut()
            .zip(digest(&SHA256, text.as_bytes()).as_ref())
        {
            *byte = *value;
        }
        Self(bytes)
    }
}

impl fmt::Display for PolicyHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for PolicyHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
