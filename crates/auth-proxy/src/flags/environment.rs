//! What the environment says.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::mistake::got;
use super::table::{Flag, PREFIX};
use super::values::Values;

/// The environment variables of a process.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// Those of ours that can't be read.
    unreadable: Vec<String>,
}

impl Environment {
    /// Takes the variables as the system gives them. Of those that aren't UTF-8 ours are kept in mind
    /// for a notice.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => drop(environment.variables.insert(name, value)),
                (Ok(name), Err(_)) if name.starts_with(PREFIX) => environment.unreadable.push(name),
                _ => {}
            }
        }
        environment
    }

    /// A variable that is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    /// Gives values to the flags that have none yet. What can't be read leaves its flag alone: in a
    /// Kubernetes namespace with a Service `alloydb-proxy` there is an `ALLOYDB_PROXY_PORT` that is
    /// none of ours.
    pub(crate) fn fill(&self, flags: &[Flag], values: &mut Values, notices: &mut Vec<String>) {
        for name in &self.unreadable {
            notices.push(format!("Ignoring {name}: its value is not UTF-8"));
        }
        for flag in flags.iter().filter(|flag| !flag.only_on_command_line()) {
            let variable = flag.variable();
            let Some(text) = self.get(&variable).filter(|_| !values.is_given(flag.name)) else {
                continue;
            };
            if let Err(cause) = values.set(flag, text) {
                notices.push(format!("Ignoring {variable}: {cause}{}", got(text)));
            }
        }
    }

    /// The instances, with their queries: `ALLOYDB_PROXY_INSTANCE_URI` or `…_0`, then `…_1` and so on
    /// to the first that is missing.
    pub(crate) fn instances(&self) -> Vec<String> {
        listed(|suffix| {
            let suffix = suffix.replace('-', "_");
            let found = self.get(&format!("{PREFIX}INSTANCE_URI{suffix}"))?;
            Some(found.to_owned())
        })
    }
}

/// Collects a numbered list: the entry without a number or else `-0`, then `-1` to the first gap.
pub(crate) fn listed(entry: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let first = entry("").or_else(|| entry("-0"));
    let further = (1..).map_while(|number: u64| entry(&format!("-{number}")));
    match first {
        Some(first) => std::iter::once(first).chain(further).collect(),
        None => Vec::new(),
    }
}
