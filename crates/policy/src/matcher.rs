//! Whether an effect is what a rule speaks of.

use crate::builtin;
use crate::explain::Outcome;
use crate::facts::{Action, Execution, Filter, ObjectKind};
use crate::home::Home;
use crate::pattern::{ColumnPattern, Glob, NamePattern};
use crate::seen::Seen;

/// Which effects a rule speaks of.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct EffectMatcher {
    pub(crate) actions: ActionSet,
    /// Empty for any.
    pub(crate) subtypes: Vec<Box<str>>,
    pub(crate) objects: Objects,
    pub(crate) filter: Option<FilterAsked>,
    /// Empty for any.
    pub(crate) executions: Vec<Execution>,
    pub(crate) returning: Option<bool>,
}

/// A set of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ActionSet(u32);

/// What a rule asks of the WHERE of an `update` or `delete`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilterAsked {
    /// One that can leave rows out.
    Given,
    /// None, or one that is always true.
    Missing,
}

/// Which objects a rule speaks of; empty for any.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Objects {
    pub(crate) patterns: Vec<ObjectPattern>,
    pub(crate) columns: Vec<ColumnPattern>,
    /// The kinds of object that can match at all, a bit for each; made by [`Objects::finish`].
    kinds: u64,
}

/// One line of a list of objects.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ObjectPattern {
    Relation(NamePattern),
    /// The set `catalog`.
    Catalog,
    /// The set `activity`.
    Activity,
    Function(NamePattern),
    /// The set `builtin`.
    Builtin,
    Setting(Glob),
    /// The set `harmless`.
    HarmlessSetting,
    /// Objects of a kind that live in a schema.
    InSchema(ObjectKind, NamePattern),
    /// Objects of a kind that live in none.
    Global(ObjectKind, Glob),
}

/// Whether a rule has to be certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It matches only what it matches for certain: an allowing rule.
    Certain,
    /// It matches what may be what it speaks of: all others.
    Possible,
}

impl ActionSet {
    /// All that a wildcard stands for: everything that is known.
    pub(crate) fn known() -> Self {
        let mut set = Self::default();
        for action in Action::ALL {
            if *action != Action::Unknown {
                set.insert(*action);
            }
        }
        set
    }

    pub(crate) fn insert(&mut self, action: Action) {
        self.0 |= 1 << action as u32;
    }

    pub(crate) fn contains(self, action: Action) -> bool {
        self.0 & (1 << action as u32) != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL
            .iter()
            .copied()
            .filter(move |action| self.contains(*action))
    }
}

impl EffectMatcher {
    /// Whether it asks for nothing, so that the rule is about the statement as a whole.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether all but the object matches.
    pub(crate) fn matches_manner(&self, seen: &Seen<'_>) -> bool {
        self.mismatch(seen).is_none()
    }

    /// The first thing, but the object, that doesn't match.
    pub(crate) fn mismatch(&self, seen: &Seen<'_>) -> Option<Outcome> {
        let attributes = seen.attributes;
        if !self.actions.contains(seen.action) {
            Some(Outcome::Action)
        } else if !self.subtypes.is_empty()
            && !self
                .subtypes
                .iter()
                .any(|subtype| **subtype == *seen.subtype)
        {
            Some(Outcome::Subtype)
        } else if !self.matches_filter(attributes.filter) {
            Some(Outcome::Filter)
        } else if !self.executions.is_empty() && !self.executions.contains(&attributes.execution) {
            Some(Outcome::Execution)
        } else if self
            .returning
            .is_some_and(|returning| returning != attributes.returning)
        {
            Some(Outcome::Returning)
        } else {
            None
        }
    }

    fn matches_filter(&self, filter: Filter) -> bool {
        match (self.filter, filter) {
            // Where there is nothing to filter, a WHERE isn't missed.
            (None, _) | (Some(FilterAsked::Given), Filter::NotApplicable | Filter::Given) => true,
            (Some(FilterAsked::Given), Filter::Missing | Filter::AlwaysTrue) => false,
            (Some(FilterAsked::Missing), filter) => {
                matches!(filter, Filter::Missing | Filter::AlwaysTrue)
            }
        }
    }
}

impl Objects {
    /// Notes which kinds can match, once all patterns are there.
    pub(crate) fn finish(&mut self) {
        for kind in ObjectKind::ALL {
            let by_column = !self.columns.is_empty() && kind.is_relation();
            if by_column || self.patterns.iter().any(|pattern| pattern.is_of(*kind)) {
                self.kinds |= 1 << *kind as u32;
            }
        }
    }

    /// Whether it speaks of any object.
    pub(crate) fn is_any(&self) -> bool {
        self.patterns.is_empty() && self.columns.is_empty()
    }

    /// Whether the object of an effect may match, at home in one of these.
    pub(crate) fn matches_any(&self, seen: &Seen<'_>, homes: &[Home<'_>]) -> bool {
        if self.is_any() {
            return true;
        }
        if !self.has(seen.kind) {
            return false;
        }
        let asked = Asked::Possible;
        let matches = |pattern: &ObjectPattern| match pattern.name() {
            // The name is the same wherever it is.
            Some(name) if !matches_global(name, seen, asked) => false,
            _ => homes.iter().any(|home| pattern.matches(seen, *home, asked)),
        };
        self.patterns.iter().any(matches)
            || (!self.columns.is_empty()
                && homes
                    .iter()
                    .any(|home| self.matches_columns(seen, *home, asked)))
    }

    fn has(&self, kind: ObjectKind) -> bool {
        self.kinds & (1 << kind as u32) != 0
    }

    /// Whether the object of an effect matches, if it is at home there.
    pub(crate) fn matches(&self, seen: &Seen<'_>, home: Home<'_>, asked: Asked) -> bool {
        if self.is_any() {
            return true;
        }
        self.has(seen.kind)
            && (self
                .patterns
                .iter()
                .any(|pattern| pattern.matches(seen, home, asked))
                || (!self.columns.is_empty() && self.matches_columns(seen, home, asked)))
    }

    fn matches_columns(&self, seen: &Seen<'_>, home: Home<'_>, asked: Asked) -> bool {
        if !seen.kind.is_relation() {
            return false;
        }
        if seen.is_hidden() && asked == Asked::Possible {
            return true;
        }
        let of_relation = || {
            self.columns
                .iter()
                .filter(|pattern| matches_name(&pattern.relation, seen, home, asked))
        };
        let covers = |name: &str| of_relation().any(|pattern| pattern.column.matches(name));
        match asked {
            Asked::Possible if seen.columns.all => of_relation().next().is_some(),
            Asked::Possible => seen.columns.named.iter().any(|name| covers(name)),
            Asked::Certain => {
                of_relation().next().is_some()
                    && (!seen.columns.all || of_relation().any(|pattern| pattern.column.is_any()))
                    && seen.columns.named.iter().all(|name| covers(name))
            }
        }
    }
}

impl ObjectPattern {
    /// What its last part has to match, if it has one.
    fn name(&self) -> Option<&Glob> {
        match self {
            Self::Relation(pattern) | Self::Function(pattern) | Self::InSchema(_, pattern) => {
                Some(&pattern.name)
            }
            Self::Setting(glob) | Self::Global(_, glob) => Some(glob),
            Self::Catalog | Self::Activity | Self::Builtin | Self::HarmlessSetting => None,
        }
    }

    /// Whether objects of a kind can match.
    fn is_of(&self, kind: ObjectKind) -> bool {
        match self {
            Self::Relation(_) => kind.is_relation() || is_part_of_relation(kind),
            Self::Catalog | Self::Activity => kind.is_relation(),
            Self::Function(_) | Self::Builtin => is_function(kind),
            Self::Setting(_) | Self::HarmlessSetting => kind == ObjectKind::Setting,
            Self::InSchema(own, _) | Self::Global(own, _) => kind == *own,
        }
    }

    fn matches(&self, seen: &Seen<'_>, home: Home<'_>, asked: Asked) -> bool {
        if !self.is_of(seen.kind) {
            return false;
        }
        match self {
            Self::Relation(pattern) | Self::Function(pattern) | Self::InSchema(_, pattern) => {
                matches_name(pattern, seen, home, asked)
            }
            Self::Catalog => {
                is_in(builtin::is_in_catalog_set, seen, home, asked)
                    && (asked == Asked::Possible || !reads_secret(seen))
            }
            Self::Activity => is_in(builtin::is_in_activity_set, seen, home, asked),
            Self::Builtin => {
                seen.subtype == builtin::CONSTRUCT
                    || (is_in(builtin::is_in_builtin_set, seen, home, asked)
                        // The effect that is judged beside a call is seen only where the call is.
                        && (seen.via.is_none() || builtin::is_harmless_function(&seen.name.name)))
            }
            Self::Setting(glob) | Self::Global(_, glob) => matches_global(glob, seen, asked),
            Self::HarmlessSetting => is_harmless_setting(seen, asked),
        }
    }
}

/// Whether objects of a kind are part of a relation, in whose schema they are.
pub(crate) fn is_part_of_relation(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::Column
            | ObjectKind::Constraint
            | ObjectKind::Trigger
            | ObjectKind::Rule
            | ObjectKind::Policy
            | ObjectKind::Statistics
    )
}

/// Whether names of a kind are those of functions.
pub(crate) fn is_function(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Routine | ObjectKind::Aggregate
    )
}

fn matches_name(pattern: &NamePattern, seen: &Seen<'_>, home: Home<'_>, asked: Asked) -> bool {
    let schema_matches = match home {
        Home::In(schema) => pattern.schema.matches(schema),
        Home::None => pattern.schema.is_any(),
        Home::Anywhere => asked == Asked::Possible || pattern.schema.is_any(),
    };
    schema_matches && matches_global(&pattern.name, seen, asked)
}

/// Whether the name alone matches. What the text doesn't name can be anything.
fn matches_global(glob: &Glob, seen: &Seen<'_>, asked: Asked) -> bool {
    if seen.is_hidden() {
        asked == Asked::Possible || glob.is_any()
    } else {
        glob.matches(&seen.name.name)
    }
}

fn is_in(set: fn(&str, &str) -> bool, seen: &Seen<'_>, home: Home<'_>, asked: Asked) -> bool {
    if seen.is_hidden() {
        return asked == Asked::Possible;
    }
    match home {
        Home::In(schema) => set(schema, &seen.name.name),
        Home::None => false,
        Home::Anywhere => asked == Asked::Possible && set("pg_catalog", &seen.name.name),
    }
}

/// SHOW tells what `pg_settings` tells everybody; RESET goes back to what the session began with.
fn is_harmless_setting(seen: &Seen<'_>, asked: Asked) -> bool {
    match seen.subtype {
        "show" => true,
        "reset" if seen.is_hidden() => true,
        "set" | "reset" if seen.is_hidden() => asked == Asked::Possible,
        "set" if seen.value.is_some_and(is_on) && builtin::is_restriction(&seen.name.name) => true,
        "set" | "reset" => builtin::is_harmless_setting(&seen.name.name),
        _ => false,
    }
}

/// Whether a boolean setting is switched on by this word, in one of those that are common.
fn is_on(word: &str) -> bool {
    ["on", "true", "yes", "1"]
        .iter()
        .any(|on| word.eq_ignore_ascii_case(on))
}

/// Whether a column of a catalog is used that holds secrets.
fn reads_secret(seen: &Seen<'_>) -> bool {
    builtin::secret_column(&seen.name.name)
        .is_some_and(|secret| seen.columns.all || seen.columns.contains(secret))
}
