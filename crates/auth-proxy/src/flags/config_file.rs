//! The configuration file: TOML, YAML or JSON with a key for each flag.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::environment::listed;
use super::mistake::{Mistake, got};
use super::table::Flag;
use super::values::Values;

/// What stands before an instance's number.
const INSTANCE_KEY: &str = "instance-uri";

/// What a configuration file says, by key in lower case.
pub(crate) struct ConfigFile {
    path: PathBuf,
    entries: BTreeMap<String, Value>,
}

impl ConfigFile {
    /// Reads a file. Its extension says in which language it is.
    pub(crate) fn load(path: &Path) -> Result<Self, Mistake> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let parse: fn(&str) -> Result<Value, String> = match extension {
            Some("toml") => toml,
            Some("yaml" | "yml") => yaml,
            Some("json") => |text| serde_json::from_str(text).map_err(|error| error.to_string()),
            _ => return Err(Mistake::ConfigExtension(path.to_owned())),
        };
        let refuse = |reason: String| Mistake::Config {
            path: path.to_owned(),
            reason: reason.trim_end().to_owned(),
        };
        let text = fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
        let entries = match parse(&text).map_err(refuse)? {
            Value::Object(entries) => entries,
            // An empty YAML file.
            Value::Null => serde_json::Map::new(),
            _ => return Err(refuse("expected keys with values".to_owned())),
        };
        Ok(Self {
            path: path.to_owned(),
            entries: entries
                .into_iter()
                .map(|(key, value)| (key.to_ascii_lowercase(), value))
                .collect(),
        })
    }

    /// Gives values to the flags that have none yet. What can't be read leaves its flag alone.
    pub(crate) fn fill(&self, flags: &[Flag], values: &mut Values, notices: &mut Vec<String>) {
        let path = self.path.display();
        for (key, value) in &self.entries {
            let Some(flag) = flags.iter().find(|flag| flag.name == key) else {
                if !key.starts_with(INSTANCE_KEY) {
                    notices.push(format!(
                        "Ignoring {key} in {path}: there is no such setting"
                    ));
                }
                continue;
            };
            if flag.only_on_command_line() || values.is_given(flag.name) || value.is_null() {
                continue;
            }
            match scalar(value) {
                None => notices.push(format!("Ignoring {key} in {path}: expected a single value")),
                // As in the environment, an empty text is no value.
                Some(text) if text.is_empty() => {}
                Some(text) => {
                    if let Err(cause) = values.set(flag, &text) {
                        notices.push(format!("Ignoring {key} in {path}: {cause}{}", got(&text)));
                    }
                }
            }
        }
    }

    /// The instances: `instance-uri` or `instance-uri-0`, then `instance-uri-1` to the first gap.
    pub(crate) fn instances(&self) -> Vec<String> {
        listed(|suffix| {
            let value = self.entries.get(&format!("{INSTANCE_KEY}{suffix}"))?;
            scalar(value).filter(|text| !text.is_empty())
        })
    }
}

// None of these quotes the line at fault: there may be a secret on it.

fn toml(text: &str) -> Result<Value, String> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
        format!("line {line}: {}", error.message().trim())
    })
}

fn yaml(text: &str) -> Result<Value, String> {
    // As on the command line, yes is none of the words for true.
    let options = serde_saphyr::options! { strict_booleans: true };
    let document: Option<Value> = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| error.without_snippet().to_string())?;
    Ok(document.unwrap_or_default())
}

/// The text of a value, as it would be written behind its flag.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Bool(switch) => Some(switch.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
