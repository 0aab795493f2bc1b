//! What a database has, as its own catalog says: a snapshot that makes answers less cautious.

use std::collections::HashMap;

use crate::facts::Name;

/// What a database has. Plain data; whoever reads it from a server fills it in.
///
/// It may be older than the database: what it doesn't know is judged as if there were no catalog.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    relations: HashMap<Box<str>, Vec<(Box<str>, Relation)>>,
    functions: HashMap<Box<str>, Vec<(Box<str>, Function)>>,
    operators: HashMap<Box<str>, Vec<Operator>>,
    plain_types: HashMap<Box<str>, Vec<Box<str>>>,
}

/// A table, view or other relation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relation {
    /// Its columns.
    pub columns: Vec<Box<str>>,
    /// The relations that it reads, all the way down, if it is a view.
    pub base_relations: Vec<Name>,
}

/// A function or procedure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// What it promises.
    pub volatility: Volatility,
    /// Whether it runs with its owner's rights.
    pub security_definer: bool,
    /// What it is written in.
    pub language: Box<str>,
}

/// What a function promises (`provolatile`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Volatility {
    /// The same for the same arguments.
    Immutable,
    /// Changes nothing, and is the same within a statement.
    Stable,
    /// Anything.
    Volatile,
}

/// An operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The schema that it is in.
    pub schema: Box<str>,
    /// The function that it calls.
    pub function: Name,
}

impl Catalog {
    /// Adds a relation.
    pub fn add_relation(&mut self, schema: &str, name: &str, relation: Relation) {
        self.relations
            .entry(name.into())
            .or_default()
            .push((schema.into(), relation));
    }

    /// Adds a function; functions of the same name are added one by one.
    pub fn add_function(&mut self, schema: &str, name: &str, function: Function) {
        self.functions
            .entry(name.into())
            .or_default()
            .push((schema.into(), function));
    }

    /// Adds an operator.
    pub fn add_operator(&mut self, symbol: &str, operator: Operator) {
        self.operators
            .entry(symbol.into())
            .or_default()
            .push(operator);
    }

    /// Adds a type to which no cast calls a function, as enums.
    pub fn add_plain_type(&mut self, schema: &str, name: &str) {
        let homes = self.plain_types.entry(name.into()).or_default();
        homes.push(schema.into());
    }

    /// How many relations there are.
    pub fn relation_count(&self) -> usize {
        self.relations.values().map(Vec::len).sum()
    }

    /// A relation.
    pub fn relation(&self, schema: &str, name: &str) -> Option<&Relation> {
        self.relations
            .get(name)?
            .iter()
            .find(|(home, _)| **home == *schema)
            .map(|(_, relation)| relation)
    }

    /// All functions of a name, with their schemas.
    pub fn functions(&self, name: &str) -> &[(Box<str>, Function)] {
        self.functions.get(name).map_or(&[], Vec::as_slice)
    }

    /// All operators of a symbol.
    pub fn operators(&self, symbol: &str) -> &[Operator] {
        self.operators.get(symbol).map_or(&[], Vec::as_slice)
    }

    /// Whether it has a type to which no cast calls a function.
    pub fn is_plain_type(&self, schema: &str, name: &str) -> bool {
        self.plain_types
            .get(name)
            .is_some_and(|homes| homes.iter().any(|home| **home == *schema))
    }
}

impl Relation {
    /// Whether it has a column of this name.
    pub fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| **column == *name)
    }
}

impl Function {
    /// Whether it changes nothing, by its own promise.
    pub fn is_read_only(&self) -> bool {
        self.volatility != Volatility::Volatile
    }
}
