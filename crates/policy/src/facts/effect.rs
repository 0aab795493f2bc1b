//! One thing that a statement does to one object.

use std::collections::HashSet;

use super::action::Action;
use super::attributes::Attributes;
use super::object::Object;

/// One thing that a statement does to one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// What it does.
    pub action: Action,
    /// How, in PostgreSQL's word (`copy`, `set_role`, `vacuum`); empty where the action says it all.
    pub subtype: &'static str,
    /// To what.
    pub object: Object,
    /// Which columns of it the text names.
    pub columns: Columns,
    /// In which way.
    pub attributes: Attributes,
}

/// Columns of a relation, as far as the text names them.
///
/// A column that the text doesn't qualify counts for every relation that is in sight of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// All of them: `*`, a whole row, an INSERT without a list.
    pub all: bool,
    /// Those that are named, each once, in the order of the text.
    pub named: Vec<Box<str>>,
}

impl Columns {
    /// Every column.
    pub fn all() -> Self {
        Self {
            all: true,
            named: Vec::new(),
        }
    }

    /// Adds one to a few; many are collected.
    pub fn add(&mut self, column: &str) {
        if !self.contains(column) {
            self.named.push(column.into());
        }
    }

    /// Whether the text names this column; `*` is not asked.
    pub fn contains(&self, column: &str) -> bool {
        self.named.iter().any(|named| **named == *column)
    }
}

impl<'c> FromIterator<&'c str> for Columns {
    fn from_iter<T: IntoIterator<Item = &'c str>>(columns: T) -> Self {
        let mut known = HashSet::new();
        let columns = columns.into_iter();
        let named = columns
            .filter(|column| known.insert(*column))
            .map(Into::into)
            .collect();
        Self { all: false, named }
    }
}
