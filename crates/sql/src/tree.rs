//! Reads a parse tree into facts.
//!
//! The walk is exhaustive twice: [`dispatch`] names every kind of node without a wildcard, and the
//! files of plain walks name every field. What PostgreSQL adds doesn't compile until somebody has
//! said what it means.

mod alter;
mod alterations;
mod builtin;
mod calls;
mod code;
mod columns;
mod constant;
mod copy;
mod create;
mod deduplicated;
mod definitions;
mod dispatch;
mod drop;
mod expressions;
mod filter;
mod from;
mod functions;
mod json;
mod maintenance;
mod modify;
mod names;
mod objects;
mod parts;
mod query;
mod replication;
mod roles;
mod scope;
mod session;
mod settings;
mod steady;
mod wrappers;

pub(crate) use self::columns::Budget;

use std::ops::Range;

use pg_query::Node;
use pg_query::protobuf::{RangeVar, SelectStmt};
use querycop_policy::facts::{
    Action, Attributes, Columns, Effect, Execution, Feature, Kind, Name, Object, ObjectKind,
    PossibleCall, Preparation, Statement, Via,
};

use self::columns::ColumnIndex;
use self::deduplicated::Deduplicated;
use self::query::Rows;
use self::scope::Scopes;

/// Effects, or possible calls, of one statement; who has more gets the effect `unknown`.
///
/// `pg_dump` locks all tables of a database with one statement.
const MAX_EFFECTS: usize = 65_536;

/// Reads one statement.
pub(crate) struct Reader<'a> {
    kinds: Vec<Kind>,
    effects: Deduplicated<Effect>,
    columns: ColumnIndex,
    budget: Budget,
    possible_calls: Deduplicated<PossibleCall>,
    statement: Statement,
    scopes: Scopes<'a>,
    execution: Execution,
    /// Whose results are looked at, while they are.
    selecting: Option<&'a SelectStmt>,
}

/// The facts of one statement; they aren't complete if they exhaust the budget of its text.
pub(crate) fn read(node: &Node, span: Range<usize>, budget: &mut Budget) -> Statement {
    let mut reader = Reader::new(std::mem::take(budget));
    reader.root(node);
    let (mut statement, left) = reader.finish();
    *budget = left;
    statement.span = span;
    statement
}

impl<'a> Reader<'a> {
    fn new(budget: Budget) -> Self {
        Self {
            kinds: Vec::with_capacity(1),
            effects: Deduplicated::default(),
            columns: ColumnIndex::default(),
            budget,
            possible_calls: Deduplicated::default(),
            statement: Statement::default(),
            scopes: Scopes::default(),
            execution: Execution::Now,
            selecting: None,
        }
    }

    fn root(&mut self, node: &'a Node) {
        self.query(Some(node), Rows::ToClient);
    }

    fn finish(self) -> (Statement, Budget) {
        let mut statement = self.statement;
        let overflow = self.effects.is_full() || self.possible_calls.is_full();
        statement.kinds = self.kinds;
        statement.effects = self.effects.into_vec();
        statement.possible_calls = self.possible_calls.into_vec();
        if overflow {
            statement.effects.push(Effect::unknown("too_many"));
            statement.features.insert(Feature::Unparsed);
        }
        if statement.kinds.is_empty() {
            statement.kinds.push(Kind::Unparsed);
            statement.effects.push(Effect::unknown("unparsed"));
            statement.features.insert(Feature::Unparsed);
        }
        (statement, self.budget)
    }

    /// Looks into a node, if there is one.
    fn option(&mut self, node: Option<&'a Node>) {
        if let Some(node) = node.and_then(|node| node.node.as_ref()) {
            self.dispatch(node);
        }
    }

    /// Looks into each of a list.
    fn nodes(&mut self, nodes: &'a [Node]) {
        for node in nodes {
            self.option(Some(node));
        }
    }

    /// A node that text can't make: nobody has thought about it.
    fn foreign(&mut self) {
        self.feature(Feature::Unparsed);
        self.add_effect(Effect::unknown("unparsed"));
    }

    fn foreign_if(&mut self, present: bool) {
        if present {
            self.foreign();
        }
    }

    fn kind(&mut self, kind: Kind) {
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
    }

    fn feature(&mut self, feature: Feature) {
        self.statement.features.insert(feature);
    }

    /// Does something to an object; the answer is where the effect stands, unless there are too many.
    fn effect(&mut self, action: Action, subtype: &'static str, object: Object) -> Option<usize> {
        self.effect_on(action, subtype, object, Columns::default())
    }

    fn effect_on(
        &mut self,
        action: Action,
        subtype: &'static str,
        object: Object,
        columns: Columns,
    ) -> Option<usize> {
        let attributes = Attributes {
            execution: self.execution,
            ..Attributes::default()
        };
        self.add_effect(Effect {
            action,
            subtype,
            object,
            columns,
            attributes,
        })
    }

    /// Something that has no object.
    fn plain_effect(&mut self, action: Action, subtype: &'static str) {
        self.effect(action, subtype, Object::hidden(ObjectKind::Nothing));
    }

    /// Something to an object with a name of one part.
    fn named_effect(
        &mut self,
        action: Action,
        subtype: &'static str,
        kind: ObjectKind,
        name: &str,
    ) -> Option<usize> {
        self.effect(action, subtype, Object::new(kind, Name::unqualified(name)))
    }

    /// A relation that is named, but of which no row is read: REFERENCES, LIKE, INHERITS, `%TYPE`.
    fn reference(&mut self, relation: Option<&RangeVar>) {
        if let Some(relation) = relation {
            let object = self.relation_object(ObjectKind::Relation, relation);
            self.effect(Action::Read, "reference", object);
        }
    }

    fn possible_call(&mut self, via: Via, name: Name) {
        let of = None;
        self.possible_calls.insert(PossibleCall { via, name, of });
    }

    /// Runs `look` on what is stored now and happens later.
    fn stored(&mut self, look: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.execution, Execution::Stored);
        look(self);
        self.execution = before;
    }

    /// Takes over what the body of a PREPARE does, as something that happens later.
    fn adopt(&mut self, name: &str, body: Statement) {
        for kind in &body.kinds {
            self.kind(*kind);
        }
        self.statement.features.merge(body.features);
        self.statement
            .executes
            .extend(body.executes.iter().cloned());
        for effect in &body.effects {
            let mut effect = effect.clone();
            effect.attributes.execution = Execution::Stored;
            self.add_effect(effect);
        }
        for call in &body.possible_calls {
            self.possible_calls.insert(call.clone());
        }
        self.statement.prepares = Some(Preparation {
            name: name.into(),
            body: body.into(),
        });
    }
}
