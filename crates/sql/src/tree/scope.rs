//! Which names are in sight: CTEs and relations by alias.

use std::collections::HashMap;

use pg_query::protobuf::RangeVar;

/// Nested scopes, the innermost last.
#[derive(Default)]
pub(super) struct Scopes<'a> {
    scopes: Vec<Scope<'a>>,
    /// How often a name is a CTE's in all of them.
    ctes: HashMap<&'a str, usize>,
}

#[derive(Default)]
struct Scope<'a> {
    ctes: Vec<&'a str>,
    entries: Vec<Entry<'a>>,
}

/// Something that columns can belong to.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    /// What columns are qualified with; nothing for what stands in a join with an alias of its own.
    pub(super) alias: Option<&'a str>,
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
        for name in self.scopes.pop().into_iter().flat_map(|scope| scope.ctes) {
            if let Some(count) = self.ctes.get_mut(name) {
                *count -= 1;
            }
        }
    }

    pub(super) fn add_cte(&mut self, name: &'a str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.ctes.push(name);
            *self.ctes.entry(name).or_default() += 1;
        }
    }

    pub(super) fn is_cte(&self, name: &str) -> bool {
        self.ctes.get(name).is_some_and(|count| *count > 0)
    }

    /// How many steps it takes to go through all of it.
    pub(super) fn size(&self) -> usize {
        let entries: usize = self.scopes.iter().map(|scope| scope.entries.len()).sum();
        entries + self.scopes.len()
    }

    pub(super) fn add(&mut self, alias: &'a str, source: Source<'a>) {
        if let Some(scope) = self.scopes.last_mut() {
            let alias = Some(alias);
            scope.entries.push(Entry { alias, source });
        }
    }

    /// How many entries the innermost scope has.
    pub(super) fn len(&self) -> usize {
        self.scopes.last().map_or(0, |scope| scope.entries.len())
    }

    /// Takes the names of the innermost scope's entries from a place on, for a join with an alias:
    /// whoever says one of them means another entry.
    pub(super) fn forget_names(&mut self, from: usize) {
        let entries = self.scopes.last_mut().map(|scope| &mut scope.entries);
        for entry in entries.into_iter().flatten().skip(from) {
            entry.alias = None;
        }
    }

    /// The sources of an alias: those of the innermost scope that has it. Only one of them is meant,
    /// but which one may be for the catalog to say.
    pub(super) fn named(&self, alias: &str) -> impl Iterator<Item = &Source<'a>> {
        let has = move |entry: &&Entry<'a>| entry.alias == Some(alias);
        let scope = self
            .scopes
            .iter()
            .rev()
            .find(|scope| scope.entries.iter().any(|entry| has(&entry)));
        let entries = scope.into_iter().flat_map(|scope| &scope.entries);
        entries.filter(has).map(|entry| &entry.source)
    }

    /// The targets in sight, which RETURNING calls `old` and `new`, too.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Source<'a>> {
        let sources = self.all().map(|entry| &entry.source);
        sources.filter(|source| matches!(source, Source::Target(_)))
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
