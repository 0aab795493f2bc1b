//! Where the object of a name may be.

use crate::builtin;
use crate::catalog::Catalog;
use crate::facts::{Name, ObjectKind};
use crate::search_path::{Entry, Path, SearchPath};

/// Where an object may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home<'a> {
    /// It belongs to no schema.
    None,
    /// In this schema.
    In(&'a str),
    /// In a schema that nobody knows.
    Anywhere,
}

/// Finds the schemas in which a name may be.
#[derive(Clone, Copy)]
pub(crate) struct Finder<'a> {
    pub(crate) search_path: &'a SearchPath,
    /// Who logged in, for `"$user"`.
    pub(crate) user: &'a str,
    /// The path that the policy assumes where nobody knows better.
    pub(crate) assumed: Option<&'a Path>,
    pub(crate) catalog: Option<&'a Catalog>,
}

/// A name whose home is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) kind: ObjectKind,
    pub(crate) name: &'a Name,
}

impl Wanted<'_> {
    fn is_in_pg_catalog(&self) -> bool {
        match self.kind {
            ObjectKind::Function
            | ObjectKind::Procedure
            | ObjectKind::Routine
            | ObjectKind::Aggregate => builtin::is_catalog_function(&self.name.name),
            _ if is_relation(self.kind) => builtin::is_catalog_relation(&self.name.name),
            _ => false,
        }
    }

    /// Whether the path has a say in where it is.
    pub(crate) fn depends_on_path(&self) -> bool {
        self.kind.lives_in_a_schema() && self.name.schema.is_none() && !self.is_hidden()
    }

    /// Only an index may have no name and yet be where its table is.
    fn is_hidden(&self) -> bool {
        self.name.name.is_empty() && self.kind != ObjectKind::Index
    }
}

/// Whether names of a kind are those of relations.
pub(crate) fn is_relation(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::Relation
            | ObjectKind::Table
            | ObjectKind::View
            | ObjectKind::MaterializedView
            | ObjectKind::ForeignTable
            | ObjectKind::Sequence
            | ObjectKind::Index
    )
}

impl<'a> Finder<'a> {
    /// Whether something holds wherever the object is: what an allowing rule has to answer for.
    ///
    /// A schema that is named like the user is the user's own and isn't asked for.
    pub(crate) fn everywhere(
        &self,
        wanted: Wanted<'a>,
        holds: &mut dyn FnMut(Home<'a>) -> bool,
    ) -> bool {
        self.visit(wanted, Own::LeftOut, &mut |home| !holds(home))
            .is_none()
    }

    /// Whether something holds where the object may be: what a denying rule asks.
    pub(crate) fn somewhere(
        &self,
        wanted: Wanted<'a>,
        holds: &mut dyn FnMut(Home<'a>) -> bool,
    ) -> bool {
        self.visit(wanted, Own::Counts, holds).is_some()
    }

    /// The first home for which `stop` is true.
    fn visit(
        &self,
        wanted: Wanted<'a>,
        own: Own,
        stop: &mut dyn FnMut(Home<'a>) -> bool,
    ) -> Option<Home<'a>> {
        let mut ask = |home| stop(home).then_some(home);
        if !wanted.kind.lives_in_a_schema() {
            return ask(Home::None);
        }
        if let Some(schema) = &wanted.name.schema {
            return ask(Home::In(schema));
        }
        if wanted.is_hidden() {
            return ask(Home::Anywhere);
        }
        for path in self.search_path.possible() {
            if let Some(home) = self.along(path, wanted, own, &mut ask) {
                return Some(home);
            }
        }
        if self.search_path.may_be_initial() {
            let found = match self.assumed {
                Some(path) => self.along(path, wanted, own, &mut ask),
                // Without a catalog in it, `pg_catalog` comes first, whatever the path.
                None if wanted.is_in_pg_catalog() => ask(Home::In("pg_catalog")),
                None => ask(Home::Anywhere),
            };
            if found.is_some() {
                return found;
            }
        }
        if self.search_path.may_be_any() {
            return ask(Home::Anywhere);
        }
        None
    }

    /// The schemas of one path in which an object may be.
    fn along(
        &self,
        path: &'a Path,
        wanted: Wanted<'a>,
        own: Own,
        ask: &mut dyn FnMut(Home<'a>) -> Option<Home<'a>>,
    ) -> Option<Home<'a>> {
        if wanted.is_in_pg_catalog() && !path.names_pg_catalog() {
            return ask(Home::In("pg_catalog"));
        }
        if let Some(home) = self.known_home(path, wanted) {
            return ask(home);
        }
        let mut asked = false;
        for entry in &path.0 {
            if *entry == Entry::User
                && own == Own::LeftOut
                && path.0.len() > 1
                && self.search_path.is_user_certain()
            {
                continue;
            }
            asked = true;
            let home = self.home_of(entry);
            if let Some(home) = ask(home) {
                return Some(home);
            }
            if home == Home::In("pg_catalog") && wanted.is_in_pg_catalog() {
                return None;
            }
        }
        if asked { None } else { ask(Home::Anywhere) }
    }

    fn home_of(&self, entry: &'a Entry) -> Home<'a> {
        match entry {
            Entry::User if !self.search_path.is_user_certain() => Home::Anywhere,
            Entry::User => Home::In(self.user),
            Entry::Schema(schema) => Home::In(schema),
        }
    }

    /// The first schema of a path that has a relation of this name, as the catalog says.
    fn known_home(&self, path: &'a Path, wanted: Wanted<'_>) -> Option<Home<'a>> {
        let catalog = self.catalog.filter(|_| is_relation(wanted.kind))?;
        let mut homes = path.0.iter().map(|entry| self.home_of(entry));
        homes.find(|home| match home {
            Home::In(schema) => catalog.relation(schema, &wanted.name.name).is_some(),
            Home::None | Home::Anywhere => false,
        })
    }
}

/// Whether the schema that is named like the user counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    Counts,
    LeftOut,
}
