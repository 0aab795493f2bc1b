//! Which names are in sight: CTEs and relations by alias.

use pg_query::protobuf::RangeVar;

/// Nested scopes, the innermost last.
#[derive(Default)]
pub(super) struct Scopes<'a> {
    scopes: Vec<Scope<'a>>,
}

#[derive(Default)]
struct Scope<'a> {
    ctes: Vec<&'a str>,
    entries: Vec<Entry<'a>>,
}

/// Something that columns can belong to.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    /// What columns are qualified with.
    pub(super) alias: &'a str,
    pub(super) source: Source<'a>,
}

/// Where its columns come from.
#[derive(Clone)]
pub(super) enum Source<'a> {
    /// A relation that is read; the place of the effect.
    Read(&'a RangeVar, usize),
    /// The target of INSERT, UPDATE, DELETE or MERGE, which is read only if a column is.
    Target(&'a RangeVar),
    /// A join with an alias: its columns are those of every relation in the scope.
    Join,
    /// Subqueries, functions, CTEs: what they read is known already.
    Derived,
}

impl<'a> Scopes<'a> {
    pub(super) fn push(&mut self) {
        self.scopes.push(Scope::default());
    }

    pub(super) fn pop(&mut self) {
        self.scopes.pop();
    }

    pub(super) fn add_cte(&mut self, name: &'a str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.ctes.push(name);
        }
    }

    pub(super) fn is_cte(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope.ctes.contains(&name))
    }

    pub(super) fn add(&mut self, alias: &'a str, source: Source<'a>) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.entries.push(Entry { alias, source });
        }
    }

    /// Takes the innermost entries out of sight, for a subquery that isn't LATERAL.
    pub(super) fn hide(&mut self) -> Vec<Entry<'a>> {
        self.scopes
            .last_mut()
            .map(|scope| std::mem::take(&mut scope.entries))
            .unwrap_or_default()
    }

    pub(super) fn restore(&mut self, entries: Vec<Entry<'a>>) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.entries = entries;
        }
    }

    /// The entries of all scopes, innermost first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.scopes.iter().rev().flat_map(|scope| &scope.entries)
    }

    /// Those of the innermost scope.
    pub(super) fn innermost(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.scopes
            .last()
            .into_iter()
            .flat_map(|scope| &scope.entries)
    }
}
