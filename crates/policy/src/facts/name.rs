//! Names as the text writes them.

use std::fmt;

/// A name as the text writes it: unquoted parts folded to lower case, quoted parts as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// The database, where written (`database.schema.name`).
    pub database: Option<Box<str>>,
    /// The schema, where written.
    pub schema: Option<Box<str>>,
    /// The last part.
    pub name: Box<str>,
}

/// How a name finds its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resolution {
    /// The text names the schema.
    Written,
    /// Through the session's `search_path`: any schema, for whoever doesn't know it.
    SearchPath,
    /// The object belongs to no schema (roles, settings, databases, schemas, cursors).
    Global,
    /// The text doesn't say which object it is; it can be any.
    Hidden,
}

impl Name {
    /// A name without a schema.
    pub fn unqualified(name: &str) -> Self {
        Self {
            database: None,
            schema: None,
            name: name.into(),
        }
    }

    /// A name in a schema.
    pub fn qualified(schema: &str, name: &str) -> Self {
        Self {
            database: None,
            schema: Some(schema.into()),
            name: name.into(),
        }
    }

    /// How the name of an object that lives in a schema finds it.
    pub fn resolution(&self) -> Resolution {
        if self.schema.is_some() {
            Resolution::Written
        } else {
            Resolution::SearchPath
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.database, &self.schema].into_iter().flatten() {
            write!(formatter, "{part}.")?;
        }
        formatter.write_str(&self.name)
    }
}
