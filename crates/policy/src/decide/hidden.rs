//! What the text doesn't spell out: calls behind columns, operators and casts.

use super::Case;
use crate::builtin;
use crate::catalog::{Catalog, Volatility};
use crate::explain::Standing;
use crate::facts::{Action, Name, ObjectKind, Via};
use crate::home::{Home, Wanted};
use crate::policy::DottedNames;
use crate::seen::Seen;

impl<'a> Case<'a> {
    /// An effect as it counts: `t.f` uses the whole row of `t` where `f` may be a function that shows it.
    pub(crate) fn with_hidden_rows(&self, seen: Seen<'a>) -> Seen<'a> {
        if seen.columns.all || !seen.kind.is_relation() {
            return seen;
        }
        let catalog = self.scope.catalog();
        let may_show = |column: &str| {
            builtin::shows_rows(column)
                || catalog.is_some_and(|catalog| has_other_function(catalog, column))
        };
        let is_row = seen.action == Action::Read
            && !seen.beside.is_empty()
            && seen.columns.named.iter().any(|column| {
                may_show(column) && self.is_dotted(column) && !self.has_column(seen.name, column)
            });
        if is_row {
            seen.with_all_columns()
        } else {
            seen
        }
    }

    /// Whether the text has a name behind a point: `f` in `t.f`.
    fn is_dotted(&self, name: &str) -> bool {
        // A text can have so many that only a set of them keeps the decision short.
        let dotted = self.dotted.get_or_init(|| {
            let statements = self.subject.statements();
            let calls = statements.flat_map(|statement| &statement.possible_calls);
            calls
                .filter(|call| matches!(call.via, Via::Column | Via::Attribute))
                .map(|call| &*call.name.name)
                .collect()
        });
        dotted.contains(name)
    }

    /// Whether a relation has a column, as the catalog says, in each schema of the path where it may
    /// be; in none of which it may be missing, for it can have been made since.
    fn has_column(&self, relation: &Name, column: &str) -> bool {
        let Some(catalog) = self.scope.catalog() else {
            return false;
        };
        let homes = self.finder.certain(Wanted {
            kind: ObjectKind::Relation,
            name: relation,
        });
        homes.all().iter().all(|home| match home {
            Home::In(schema) => catalog
                .relation(schema, &relation.name)
                .is_some_and(|relation| relation.has_column(column)),
            Home::None | Home::Anywhere => false,
        })
    }

    /// Whether no cast to a type calls a function, as the catalog says, wherever the type may be.
    fn is_plain_type(&self, catalog: &Catalog, seen: &Seen<'a>) -> bool {
        let homes = self.finder.certain(seen.wanted());
        homes.all().iter().all(|home| match home {
            Home::In(schema) => catalog.is_plain_type(schema, &seen.name.name),
            Home::None | Home::Anywhere => false,
        })
    }

    /// Whether an effect is a call at all, if the text doesn't spell it as one.
    pub(crate) fn standing(&self, seen: &Seen<'a>) -> Standing {
        let name = &*seen.name.name;
        let catalog = self.scope.catalog();
        match seen.via {
            None => Standing::Effect,
            Some(Via::Operator) => match catalog {
                Some(catalog) if is_harmless_operator(catalog, seen) => Standing::Nothing,
                _ => Standing::HiddenCall,
            },
            Some(Via::Cast) => match catalog {
                Some(catalog) if self.is_plain_type(catalog, seen) => Standing::Nothing,
                _ => Standing::HiddenCall,
            },
            Some(Via::Column | Via::Attribute) => {
                // Whoever may add a column must not make a function look like one: where a function
                // has the name too, it may be meant.
                if builtin::is_harmful_function(name)
                    || catalog.is_some_and(|catalog| has_other_function(catalog, name))
                {
                    Standing::HiddenCall
                } else if builtin::is_harmless_function(name) {
                    Standing::Column
                } else if seen
                    .of
                    .is_some_and(|relation| self.has_column(relation, name))
                {
                    Standing::Nothing
                } else {
                    match self.scope.policy().dotted_names {
                        DottedNames::Columns => Standing::Column,
                        DottedNames::Calls => Standing::HiddenCall,
                    }
                }
            }
        }
    }
}

/// Whether there is a function of this name beside PostgreSQL's own harmless ones.
fn has_other_function(catalog: &Catalog, name: &str) -> bool {
    catalog
        .functions(name)
        .iter()
        .any(|(schema, _)| **schema != *"pg_catalog" || !builtin::is_harmless_function(name))
}

/// Whether all functions that an operator can stand for are harmless, as the catalog says.
fn is_harmless_operator(catalog: &Catalog, seen: &Seen<'_>) -> bool {
    let operators = catalog.operators(&seen.name.name);
    let schema = seen.name.schema.as_deref();
    let mut of_schema = operators
        .iter()
        .filter(|operator| schema.is_none_or(|schema| *operator.schema == *schema))
        .peekable();
    of_schema.peek().is_some()
        && of_schema.all(|operator| {
            let name = &*operator.function.name;
            let home = operator.function.schema.as_deref();
            let is_read_only = catalog
                .functions(name)
                .iter()
                .filter(|(schema, _)| home.is_none_or(|home| **schema == *home))
                .all(|(_, function)| {
                    function.volatility != Volatility::Volatile && !function.security_definer
                });
            is_read_only && !builtin::is_harmful_function(name)
        })
}
