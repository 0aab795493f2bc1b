//! The texts that settings were given, with where each came from, and the mistakes found in them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::table::{SETTINGS, Setting};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody set it.
    Default,
    /// A configuration file.
    File { path: PathBuf, line: usize },
    /// An environment variable.
    Environment(&'static str),
    /// A flag.
    Flag(String),
}

/// A text and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) source: Source,
}

/// Something wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The key, or what stands in its place.
    pub(crate) subject: String,
    /// Where it was set.
    pub(crate) source: Option<Source>,
    /// What is wrong, and what would be right.
    pub(crate) message: String,
}

/// The settings as given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    given: BTreeMap<&'static str, Value>,
}

impl Values {
    /// Sets a value; what came from a stronger source must be set later. An empty text unsets, as an
    /// empty variable in a container's environment is meant to.
    pub(crate) fn set(&mut self, setting: &'static Setting, text: &str, source: Source) {
        if text.is_empty() {
            self.given.remove(setting.key);
        } else {
            self.given.insert(
                setting.key,
                Value {
                    text: text.to_owned(),
                    source,
                },
            );
        }
    }

    /// The value of a setting: given, or its default.
    pub(crate) fn value(&self, key: &str) -> Option<Value> {
        let default = || {
            let text = Setting::of_key(key)?.default?;
            Some(Value {
                text: text.to_owned(),
                source: Source::Default,
            })
        };
        self.given.get(key).cloned().or_else(default)
    }

    /// All settings with their values, in the table's order; secrets are masked.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&'static Setting, Option<Value>)> {
        SETTINGS.iter().map(|setting| {
            let mut value = self.value(setting.key);
            if let Some(value) = value.as_mut().filter(|_| setting.secret) {
                "********".clone_into(&mut value.text);
            }
            (setting, value)
        })
    }
}

/// The known name nearest to `name`, if one is near.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{} ({source}): {}", self.subject, self.message),
            None => write!(f, "{}: {}", self.subject, self.message),
        }
    }
}
