//! The values of flags, and which were given.

use std::collections::BTreeMap;
use std::time::Duration;

use super::literal::{self, LiteralError};
use super::table::{Flag, Kind};

/// The values of a command's flags: those that were given, else the defaults. Secrets are among them,
/// so they can't be printed.
#[derive(Clone, Default)]
pub(crate) struct Values {
    given: BTreeMap<&'static str, Value>,
}

#[derive(Clone, PartialEq)]
enum Value {
    Switch(bool),
    Int(i64),
    Uint(u64),
    Duration(Duration),
    Text(String),
}

impl Value {
    fn parse(flag: &Flag, text: &str) -> Result<Self, LiteralError> {
        Ok(match flag.kind {
            Kind::Switch => Self::Switch(literal::switch(text)?),
            Kind::Int(_) => Self::Int(literal::int(text)?),
            Kind::Uint(_) => Self::Uint(literal::uint(text)?),
            Kind::Duration(_) => Self::Duration(literal::duration(text)?),
            Kind::Text(_) => Self::Text(text.to_owned()),
        })
    }
}

impl Values {
    /// Sets a value; one that was there is replaced.
    pub(crate) fn set(&mut self, flag: &Flag, text: &str) -> Result<(), LiteralError> {
        let value = Value::parse(flag, text)?;
        self.given.insert(flag.name, value);
        Ok(())
    }

    /// Whether a value was given, even if it is the default.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// A switch.
    pub(crate) fn switch(&self, name: &str) -> bool {
        matches!(self.given.get(name), Some(Value::Switch(true)))
    }

    /// A signed number.
    pub(crate) fn int(&self, flags: &[Flag], name: &str) -> i64 {
        match (self.given.get(name), kind(flags, name)) {
            (Some(Value::Int(number)), _) => *number,
            (_, Some(Kind::Int(default))) => default,
            _ => 0,
        }
    }

    /// A number.
    pub(crate) fn uint(&self, flags: &[Flag], name: &str) -> u64 {
        match (self.given.get(name), kind(flags, name)) {
            (Some(Value::Uint(number)), _) => *number,
            (_, Some(Kind::Uint(default))) => default,
            _ => 0,
        }
    }

    /// A time.
    pub(crate) fn duration(&self, flags: &[Flag], name: &str) -> Duration {
        match (self.given.get(name), kind(flags, name)) {
            (Some(Value::Duration(time)), _) => *time,
            (_, Some(Kind::Duration(default))) => default,
            _ => Duration::ZERO,
        }
    }

    /// A text.
    pub(crate) fn text<'a>(&'a self, flags: &[Flag], name: &str) -> &'a str {
        match (self.given.get(name), kind(flags, name)) {
            (Some(Value::Text(text)), _) => text,
            (_, Some(Kind::Text(default))) => default,
            _ => "",
        }
    }
}

fn kind(flags: &[Flag], name: &str) -> Option<Kind> {
    let flag = flags.iter().find(|flag| flag.name == name);
    debug_assert!(flag.is_some(), "there is no flag {name}");
    flag.map(|flag| flag.kind)
}
