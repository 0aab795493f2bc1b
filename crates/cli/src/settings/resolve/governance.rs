//! The settings of policy and audit.

use std::path::PathBuf;

use querycop_gateway::config::{Audit, AuditText, Durability, Governance};

use super::Reader;
use crate::settings::table::SETTINGS;

/// The smallest segment: smaller ones would be more files than log.
const MIN_SEGMENT: u64 = 1 << 20;

/// The units of a size, the longest first.
const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

impl Reader<'_> {
    pub(super) fn governance(&mut self) -> Option<Governance> {
        let policy_file = self.text("policy.file").map(PathBuf::from);
        let Some(directory) = self.text("audit.dir").map(PathBuf::from) else {
            for setting in SETTINGS {
                if setting.key.starts_with("audit.") && self.is_set(setting.key) {
                    self.note(setting.key, "needs audit.dir");
                }
            }
            return Some(Governance {
                policy_file,
                audit: None,
            });
        };
        let words: Vec<_> = Durability::ALL
            .iter()
            .map(|durability| (durability.as_str(), *durability))
            .collect();
        let durability = self.word("audit.durability", &words);
        let texts = [("redacted", AuditText::Redacted), ("raw", AuditText::Raw)];
        let text = self.word("audit.text", &texts);
        let segment_bytes = self.size("audit.segment_size");
        let segment_age = self.positive("audit.segment_age");
        let checkpoint_interval = self.positive("audit.checkpoint_interval");
        Some(Governance {
            policy_file,
            audit: Some(Audit {
                directory,
                durability: durability?,
                segment_bytes: segment_bytes?,
                segment_age: segment_age?,
                signing_key: self.text("audit.signing_key").map(PathBuf::from),
                checkpoint_interval: checkpoint_interval?,
                text: text?,
            }),
        })
    }

    fn size(&mut self, key: &str) -> Option<u64> {
        let bytes = self.optional(key, |text| {
            bytes(text).ok_or_else(|| format!("{text:?} is not a size such as 64MiB or 1GiB"))
        })?;
        if bytes < MIN_SEGMENT {
            return self.wrong(key, "must be at least 1MiB");
        }
        Some(bytes)
    }
}

/// Reads a size: a number of bytes, or of a unit.
fn bytes(text: &str) -> Option<u64> {
    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
    let (number, shift) = match unit {
        Some((unit, shift)) => (text.strip_suffix(unit)?, *shift),
        None => (text, 0),
    };
    let number: u64 = number.trim_end().parse().ok()?;
    number.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(bytes("256MiB"), Some(256 << 20));
        assert_eq!(bytes("1 GiB"), Some(1 << 30));
        assert_eq!(bytes("4096"), Some(4096));
        for wrong in ["", "MiB", "1MB", "-1KiB", "1.5GiB", "99999999999TiB"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
