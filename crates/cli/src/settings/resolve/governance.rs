//! The settings of policy and audit.

use std::path::PathBuf;

use querycop_audit::{OtlpSink, otlp_headers};
use querycop_gateway::config::{
    Audit, AuditText, CatalogSource, Durability, Governance, OtlpConfig,
};
use rustix::system::uname;
use secrecy::SecretString;

use super::Reader;
use crate::settings::table::SETTINGS;

/// The smallest segment: smaller ones would be more files than log.
const MIN_SEGMENT: u64 = 1 << 20;

/// The units of a size, the longest first.
const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

impl Reader<'_> {
    pub(super) fn governance(&mut self) -> Option<Governance> {
        let policy_file = self.text("policy.file").map(PathBuf::from);
        let catalog = self.catalog(policy_file.is_some())?;
        let Some(directory) = self.text("audit.dir").map(PathBuf::from) else {
            for setting in SETTINGS {
                if setting.key.starts_with("audit.") && self.is_set(setting.key) {
                    self.note(setting.key, "needs audit.dir");
                }
            }
            return Some(Governance {
                policy_file,
                catalog,
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
        let stdout = self.boolean("audit.stdout");
        let otlp = self.otlp();
        Some(Governance {
            policy_file,
            catalog,
            audit: Some(Audit {
                directory,
                durability: durability?,
                segment_bytes: segment_bytes?,
                segment_age: segment_age?,
                signing_key: self.text("audit.signing_key").map(PathBuf::from),
                checkpoint_interval: checkpoint_interval?,
                text: text?,
                stdout: stdout?,
                otlp: otlp?,
            }),
        })
    }

    /// `None`: something is wrong. `Some(None)`: none is read.
    #[expect(
        clippy::option_option,
        reason = "wrong, absent and present are three things"
    )]
    fn catalog(&mut self, has_policy: bool) -> Option<Option<CatalogSource>> {
        let Some(databases) = self.text("catalog.databases") else {
            for setting in SETTINGS {
                if setting.key.starts_with("catalog.") && self.is_set(setting.key) {
                    self.note(setting.key, "needs catalog.databases");
                }
            }
            return Some(None);
        };
        if !has_policy {
            self.note("catalog.databases", "needs policy.file, which it is for");
        }
        let databases: Vec<_> = databases
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect();
        if databases.iter().any(String::is_empty) {
            self.note(
                "catalog.databases",
                "an empty name: names and a comma between two are expected",
            );
        }
        let refresh = self.positive("catalog.refresh");
        let Some(user) = self.text("catalog.user") else {
            return self.wrong("catalog.databases", "needs catalog.user");
        };
        Some(Some(CatalogSource {
            databases,
            user,
            password: self.text("catalog.password").map(SecretString::from),
            refresh: refresh?,
        }))
    }

    /// `None`: something is wrong. `Some(None)`: no collector.
    #[expect(
        clippy::option_option,
        reason = "wrong, absent and present are three things"
    )]
    fn otlp(&mut self) -> Option<Option<OtlpConfig>> {
        let headers = self.optional("audit.otlp_headers", otlp_headers);
        let Some(endpoint) = self.text("audit.otlp_endpoint") else {
            if self.is_set("audit.otlp_headers") {
                return self.wrong("audit.otlp_headers", "needs audit.otlp_endpoint");
            }
            return Some(None);
        };
        let collector = OtlpConfig {
            endpoint,
            instance: uname().nodename().to_string_lossy().into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            headers: headers.unwrap_or_default(),
        };
        match OtlpSink::new(&collector) {
            Ok(_) => Some(Some(collector)),
            Err(error) => self.wrong("audit.otlp_endpoint", &error.to_string()),
        }
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
