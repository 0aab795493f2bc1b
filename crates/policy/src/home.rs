//! Where the object of a name may be.

use crate::builtin;
use crate::facts::{Name, ObjectKind};
use crate::matcher::is_function;
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
///
/// A snapshot of the catalog has no say in it: the server passes over schemas that the role has no
/// USAGE on, and finds what was made since.
#[derive(Clone, Copy)]
pub(crate) struct Finder<'a> {
    pub(crate) search_path: &'a SearchPath,
    /// Who logged in, for `"$user"`.
    pub(crate) user: &'a str,
    /// The path that the policy assumes where nobody knows better.
    pub(crate) assumed: Option<&'a Path>,
}

/// A name whose home is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) kind: ObjectKind,
    pub(crate) name: &'a Name,
}

impl Wanted<'_> {
    fn is_in_pg_catalog(&self) -> bool {
        if is_function(self.kind) {
            builtin::is_catalog_function(&self.name.name)
        } else {
            self.kind.is_relation() && builtin::is_catalog_relation(&self.name.name)
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

/// Homes, without a place on the heap: a decision allocates nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Homes<'a> {
    homes: [Home<'a>; MAX_HOMES],
    count: usize,
}

/// More schemas than these are as good as any.
const MAX_HOMES: usize = 8;

impl<'a> Homes<'a> {
    const NONE: Self = Self {
        homes: [Home::Anywhere; MAX_HOMES],
        count: 0,
    };

    fn add(&mut self, home: Home<'a>) {
        if self.all().contains(&home) {
            return;
        }
        match self.homes.get_mut(self.count) {
            Some(place) => {
                *place = home;
                self.count += 1;
            }
            None => self.homes[0] = Home::Anywhere,
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Home<'a>] {
        self.homes.get(..self.count).unwrap_or(&self.homes)
    }
}

impl<'a> Finder<'a> {
    /// Wherever an object must be looked for by a rule that allows. A schema that is named like the
    /// user is the user's own and isn't asked for.
    pub(crate) fn certain(&self, wanted: Wanted<'a>) -> Homes<'a> {
        self.homes(wanted, Own::LeftOut)
    }

    /// Wherever an object may be, for a rule that denies.
    pub(crate) fn possible(&self, wanted: Wanted<'a>) -> Homes<'a> {
        self.homes(wanted, Own::Counts)
    }

    fn homes(&self, wanted: Wanted<'a>, own: Own) -> Homes<'a> {
        let mut homes = Homes::NONE;
        if !wanted.kind.lives_in_a_schema() {
            homes.add(Home::None);
        } else if let Some(schema) = &wanted.name.schema {
            homes.add(Home::In(schema));
        } else if wanted.is_hidden() {
            homes.add(Home::Anywhere);
        } else {
            self.along_paths(wanted, own, &mut homes);
        }
        homes
    }

    fn along_paths(&self, wanted: Wanted<'a>, own: Own, homes: &mut Homes<'a>) {
        for path in self.search_path.possible() {
            self.along(path, wanted, own, homes);
        }
        if self.search_path.may_be_initial() {
            match self.assumed {
                Some(path) => self.along(path, wanted, own, homes),
                // Without a place of its own in the path, `pg_catalog` comes first.
                None if wanted.is_in_pg_catalog() => homes.add(Home::In("pg_catalog")),
                None => homes.add(Home::Anywhere),
            }
        }
        if self.search_path.may_be_any() {
            homes.add(Home::Anywhere);
        }
    }

    /// The schemas of one path in which an object may be.
    fn along(&self, path: &'a Path, wanted: Wanted<'a>, own: Own, homes: &mut Homes<'a>) {
        if wanted.is_in_pg_catalog() && !path.names_pg_catalog() {
            return homes.add(Home::In("pg_catalog"));
        }
        let mut found = false;
        for entry in &path.0 {
            if *entry == Entry::User
                && own == Own::LeftOut
                && path.0.len() > 1
                && self.search_path.is_user_certain()
            {
                continue;
            }
            found = true;
            let home = self.home_of(entry);
            homes.add(home);
            if home == Home::In("pg_catalog") && wanted.is_in_pg_catalog() {
                return;
            }
        }
        if !found {
            homes.add(Home::Anywhere);
        }
    }

    fn home_of(&self, entry: &'a Entry) -> Home<'a> {
        match entry {
            Entry::User if !self.search_path.is_user_certain() => Home::Anywhere,
            Entry::User => Home::In(self.user),
            Entry::Schema(schema) => Home::In(schema),
        }
    }
}

/// Whether the schema that is named like the user counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    Counts,
    LeftOut,
}
