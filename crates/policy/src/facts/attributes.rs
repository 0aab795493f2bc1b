//! How an effect happens.

/// How an effect happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// Which rows an `update` or `delete` takes.
    pub filter: Filter,
    /// Whether it happens when the statement runs.
    pub execution: Execution,
    /// Whether it happens at all.
    pub certainty: Certainty,
    /// Whether rows come back to the client (`RETURNING`).
    pub returning: bool,
}

/// Which rows an `update` or `delete` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Filter {
    /// The effect has no rows to choose from.
    #[default]
    NotApplicable,
    /// No WHERE: all rows.
    Missing,
    /// A WHERE that is true for every row, as `WHERE true` or `WHERE id = id`.
    AlwaysTrue,
    /// A WHERE that may leave rows out.
    Given,
}

/// Whether an effect happens when the statement runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Execution {
    /// When the statement runs.
    #[default]
    Now,
    /// Planned and shown, not run: EXPLAIN without ANALYZE.
    Planned,
    /// Later, by whoever uses what is stored: PREPARE, views, rules, defaults, bodies of functions.
    Stored,
}

/// Whether an effect happens at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Certainty {
    /// The text says so.
    #[default]
    Certain,
    /// It depends on what can't be seen: an argument that isn't a literal, a row that matches.
    Possible,
}
