//! A session in which every statement completes.

use std::sync::Arc;

use crate::facts::{Facts, PreparedStatements, Resolved, Statement};
use crate::search_path::SearchPath;

/// A session in which every statement completes: for tests and dry runs.
#[derive(Clone, Debug, Default)]
pub struct Rehearsal {
    search_path: SearchPath,
    prepared: PreparedStatements,
}

impl Rehearsal {
    /// One that begins with a path.
    pub fn new(search_path: SearchPath) -> Self {
        Self {
            search_path,
            prepared: PreparedStatements::default(),
        }
    }

    /// The path as it is now.
    pub fn search_path(&self) -> &SearchPath {
        &self.search_path
    }

    /// A statement with what it would execute.
    pub fn resolve(&self, statement: &Arc<Statement>) -> Resolved {
        let alone = Facts {
            statements: vec![Arc::clone(statement)],
            unreadable: None,
        };
        let resolved = self.prepared.resolve(&alone).into_iter().next();
        resolved.unwrap_or_else(|| Resolved {
            statement: Arc::clone(statement),
            executed: Vec::new(),
            executes_unknown: true,
        })
    }

    /// The server reports its path, as PostgreSQL 18 does.
    pub fn reported(&mut self, search_path: &str) {
        self.search_path.reported(search_path);
    }

    /// A statement has completed.
    pub fn completed(&mut self, statement: &Arc<Statement>) {
        self.search_path.completed(statement);
        self.prepared.completed(statement);
    }
}
