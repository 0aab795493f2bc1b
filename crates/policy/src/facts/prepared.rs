//! What a session has prepared and declared, so that EXECUTE and FETCH are judged by what they run.

use std::collections::HashMap;
use std::sync::Arc;

use super::effect::Effect;
use super::kind::Kind;
use super::statement::{CursorUse, Deallocation, Facts, Statement};

/// The prepared statements of a session (one namespace for PREPARE and the Parse message) and its
/// cursors (likewise for DECLARE and the Bind message).
#[derive(Clone, Debug, Default)]
pub struct PreparedStatements {
    /// More than one where the text at hand may prepare a name anew.
    by_name: ByName,
    cursors: ByName,
}

type ByName = HashMap<Box<str>, Vec<Arc<Statement>>>;

/// A statement, and what EXECUTE and FETCH in it would run.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The statement of the text.
    pub statement: Arc<Statement>,
    /// What it may execute: what was prepared, and the queries of cursors.
    pub executed: Vec<Arc<Statement>>,
    /// Whether it executes a name that nobody saw prepared.
    pub executes_unknown: bool,
}

impl PreparedStatements {
    /// Notes that a name now stands for a statement: after `ParseComplete` or PREPARE's success.
    pub fn insert(&mut self, name: &str, statement: Arc<Statement>) {
        self.by_name.insert(name.into(), vec![statement]);
    }

    /// Notes that a name may also stand for a statement.
    pub fn add(&mut self, name: &str, statement: Arc<Statement>) {
        self.by_name.entry(name.into()).or_default().push(statement);
    }

    /// Notes that a cursor of this name may be of a statement: a DECLARE, or what was bound.
    pub fn add_cursor(&mut self, name: &str, statement: Arc<Statement>) {
        self.cursors.entry(name.into()).or_default().push(statement);
    }

    /// Notes that a name stands for nothing any more, as after `CloseComplete`.
    pub fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Follows a statement that the server has completed: PREPARE, DEALLOCATE, DISCARD ALL, DECLARE,
    /// CLOSE, and the end of a transaction.
    pub fn completed(&mut self, statement: &Arc<Statement>) {
        if let Some(preparation) = &statement.prepares {
            self.insert(&preparation.name, Arc::clone(&preparation.body));
        }
        match &statement.deallocates {
            Some(Deallocation::One(name)) => self.remove(name),
            Some(Deallocation::All) => self.by_name.clear(),
            None => {}
        }
        match &statement.cursor {
            Some(CursorUse::Declare { name, .. }) => {
                let declared = vec![Arc::clone(statement)];
                self.cursors.insert(name.clone(), declared);
            }
            Some(CursorUse::Close(name)) => {
                self.cursors.remove(name);
            }
            Some(CursorUse::CloseAll) => self.cursors.clear(),
            Some(CursorUse::Fetch(_)) | None => {}
        }
        if statement.ends_transaction() && statement.kind() != Kind::RollbackTo {
            self.cursors
                .retain(|_, declared| declared.iter().any(|one| one.is_held_cursor()));
        }
    }

    /// What each statement of a text would run, with what earlier statements of it prepare.
    ///
    /// A name that the text gives anew stands for the old and the new: nobody knows yet whether the
    /// server will take the new one.
    pub fn resolve(&self, facts: &Facts) -> Vec<Resolved> {
        let mut seen = None;
        let mut resolved = Vec::with_capacity(facts.statements.len());
        for statement in &facts.statements {
            let known = seen.as_ref().unwrap_or(self);
            resolved.push(known.resolve_one(statement));
            if let Some(preparation) = &statement.prepares {
                let seen: &mut Self = seen.get_or_insert_with(|| self.clone());
                seen.add(&preparation.name, Arc::clone(&preparation.body));
            }
            if let Some(CursorUse::Declare { name, .. }) = &statement.cursor {
                let seen: &mut Self = seen.get_or_insert_with(|| self.clone());
                seen.add_cursor(name, Arc::clone(statement));
            }
        }
        resolved
    }

    fn resolve_one(&self, statement: &Arc<Statement>) -> Resolved {
        let mut executed = Vec::new();
        let mut executes_unknown = false;
        for name in &statement.executes {
            match self.by_name.get(name) {
                Some(prepared) => executed.extend(prepared.iter().map(Arc::clone)),
                None => executes_unknown = true,
            }
        }
        executed.extend(self.fetched(statement));
        // What was prepared can be an EXECUTE, a FETCH or a COMMIT only of a Parse message; one step
        // further is unknown.
        executes_unknown |= executed
            .iter()
            .any(|statement| statement.runs_others() || statement.runs_held_cursors());
        Resolved {
            statement: Arc::clone(statement),
            executed,
            executes_unknown,
        }
    }

    /// The queries of cursors that a statement makes run, as far as anybody saw them declared.
    fn fetched(&self, statement: &Statement) -> impl Iterator<Item = Arc<Statement>> {
        let named = statement.fetches();
        let named = named.and_then(|name| self.cursors.get(name));
        let all = statement.runs_held_cursors().then_some(&self.cursors);
        let held = all.into_iter().flat_map(HashMap::values).flatten();
        let held = held.filter(|one| one.is_held_cursor());
        named.into_iter().flatten().chain(held).map(Arc::clone)
    }
}

impl Resolved {
    /// All effects: the statement's own and those of what it executes.
    pub fn effects(&self) -> impl Iterator<Item = &Effect> {
        std::iter::once(&self.statement)
            .chain(&self.executed)
            .flat_map(|statement| &statement.effects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Kind, Preparation};

    fn of_kind(kind: Kind) -> Arc<Statement> {
        Arc::new(Statement {
            kinds: vec![kind],
            ..Statement::default()
        })
    }

    fn prepare(name: &str, body: Kind) -> Arc<Statement> {
        Arc::new(Statement {
            kinds: vec![Kind::Prepare],
            prepares: Some(Preparation {
                name: name.into(),
                body: of_kind(body),
            }),
            ..Statement::default()
        })
    }

    fn execute(name: &str) -> Arc<Statement> {
        Arc::new(Statement {
            kinds: vec![Kind::Execute],
            executes: vec![name.into()],
            ..Statement::default()
        })
    }

    fn kinds(resolved: &Resolved) -> Vec<Kind> {
        resolved.executed.iter().map(|s| s.kind()).collect()
    }

    #[test]
    fn execute_is_what_was_prepared() {
        let mut prepared = PreparedStatements::default();
        prepared.completed(&prepare("p", Kind::Delete));
        let facts = Facts {
            statements: vec![execute("p"), execute("q")],
            unreadable: None,
        };
        let resolved = prepared.resolve(&facts);
        assert_eq!(kinds(&resolved[0]), [Kind::Delete]);
        assert!(!resolved[0].executes_unknown);
        assert!(resolved[1].executes_unknown);
    }

    #[test]
    fn name_that_the_same_text_prepares_anew_stands_for_both() {
        let mut prepared = PreparedStatements::default();
        prepared.completed(&prepare("p", Kind::Delete));
        let facts = Facts {
            statements: vec![prepare("p", Kind::Select), execute("p")],
            unreadable: None,
        };
        let resolved = prepared.resolve(&facts);
        assert_eq!(kinds(&resolved[1]), [Kind::Delete, Kind::Select]);
        // Asking changes nothing.
        assert_eq!(prepared.len(), 1);
    }

    #[test]
    fn deallocated_names_are_forgotten() {
        let mut prepared = PreparedStatements::default();
        prepared.completed(&prepare("p", Kind::Delete));
        prepared.completed(&prepare("q", Kind::Delete));
        let forget = |deallocation| Statement {
            deallocates: Some(deallocation),
            ..Statement::default()
        };
        prepared.completed(&Arc::new(forget(Deallocation::One("p".into()))));
        assert_eq!(prepared.len(), 1);
        prepared.completed(&Arc::new(forget(Deallocation::All)));
        assert!(prepared.is_empty());
    }
}
