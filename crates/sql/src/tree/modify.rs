//! INSERT, UPDATE, DELETE, MERGE.

use pg_query::Node;
use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{
    CmdType, DeleteStmt, InsertStmt, MergeMatchKind, MergeStmt, MergeWhenClause, OnConflictAction,
    OnConflictClause, RangeVar, ReturningClause, UpdateStmt,
};
use querycop_policy::facts::{
    Action, Attributes, Columns, Effect, Feature, Filter, Kind, Object, ObjectKind,
};

use super::Reader;
use super::filter::passes_all;
use super::query::{Rows, has_star};
use super::scope::Source;
use super::steady::Target;

impl<'a> Reader<'a> {
    pub(super) fn insert_stmt(&mut self, node: &'a InsertStmt) {
        let InsertStmt {
            relation,
            cols,
            select_stmt,
            on_conflict_clause,
            returning_clause,
            with_clause,
            r#override: _,
        } = node;
        self.kind(Kind::Insert);
        self.scopes.push();
        if let Some(with) = with_clause {
            self.with_clause(with);
        }
        self.query(select_stmt.as_deref(), Rows::Inside);
        if let Some(relation) = relation {
            let columns = if cols.is_empty() {
                Columns::all()
            } else {
                set_columns(cols)
            };
            let attributes = Attributes {
                returning: returning_clause.is_some(),
                ..Attributes::default()
            };
            self.change(Action::Insert, relation, columns, attributes);
            self.add_target(relation);
        }
        // A target can have subscripts, which are expressions.
        self.nodes(cols);
        if let Some(clause) = on_conflict_clause {
            self.conflict(clause, relation.as_ref());
        }
        if let Some(returning) = returning_clause {
            self.returning_clause(returning);
        }
        self.scopes.pop();
    }

    fn conflict(&mut self, node: &'a OnConflictClause, relation: Option<&'a RangeVar>) {
        let OnConflictClause {
            action: _,
            infer,
            target_list,
            where_clause,
            location: _,
        } = node;
        self.scopes.add("excluded", Source::Derived);
        if let Some(infer) = infer {
            self.infer_clause(infer);
        }
        if node.action() == OnConflictAction::OnconflictUpdate
            && let Some(relation) = relation
        {
            // It takes the rows that the inserted ones meet, so it needs no WHERE.
            self.change(
                Action::Update,
                relation,
                set_columns(target_list),
                Attributes::default(),
            );
        }
        self.nodes(target_list);
        self.option(where_clause.as_deref());
    }

    pub(super) fn on_conflict_clause(&mut self, node: &'a OnConflictClause) {
        self.conflict(node, None);
    }

    pub(super) fn update_stmt(&mut self, node: &'a UpdateStmt) {
        let UpdateStmt {
            relation,
            target_list,
            where_clause,
            from_clause,
            returning_clause,
            with_clause,
        } = node;
        self.kind(Kind::Update);
        self.scopes.push();
        if let Some(with) = with_clause {
            self.with_clause(with);
        }
        if let Some(relation) = relation {
            let attributes = Attributes {
                filter: self.filter(where_clause.as_deref(), Target::of(relation)),
                returning: returning_clause.is_some(),
                ..Attributes::default()
            };
            self.change(
                Action::Update,
                relation,
                set_columns(target_list),
                attributes,
            );
            self.add_target(relation);
            if relation.relname == "pg_settings" {
                // Its rule calls set_config.
                self.change_hidden_setting();
            }
        }
        self.nodes(from_clause);
        self.nodes(target_list);
        self.option(where_clause.as_deref());
        if let Some(returning) = returning_clause {
            self.returning_clause(returning);
        }
        self.scopes.pop();
    }

    pub(super) fn delete_stmt(&mut self, node: &'a DeleteStmt) {
        let DeleteStmt {
            relation,
            using_clause,
            where_clause,
            returning_clause,
            with_clause,
        } = node;
        self.kind(Kind::Delete);
        self.scopes.push();
        if let Some(with) = with_clause {
            self.with_clause(with);
        }
        if let Some(relation) = relation {
            let attributes = Attributes {
                filter: self.filter(where_clause.as_deref(), Target::of(relation)),
                returning: returning_clause.is_some(),
                ..Attributes::default()
            };
            self.change(Action::Delete, relation, Columns::default(), attributes);
            self.add_target(relation);
        }
        self.nodes(using_clause);
        self.option(where_clause.as_deref());
        if let Some(returning) = returning_clause {
            self.returning_clause(returning);
        }
        self.scopes.pop();
    }

    pub(super) fn merge_stmt(&mut self, node: &'a MergeStmt) {
        let MergeStmt {
            relation,
            source_relation,
            join_condition,
            merge_when_clauses,
            returning_clause,
            with_clause,
        } = node;
        self.kind(Kind::Merge);
        self.scopes.push();
        if let Some(with) = with_clause {
            self.with_clause(with);
        }
        // The source can't see the target.
        self.option(source_relation.as_deref());
        if let Some(relation) = relation {
            let object = self.relation_object(ObjectKind::Relation, relation);
            self.effect(Action::Read, "", object);
            let target = Target::of(relation);
            // Asked once: there can be thousands of actions.
            let joins_all = join_condition
                .as_deref()
                .is_none_or(|on| passes_all(on, target));
            for when in merge_when_clauses {
                if let Some(N::MergeWhenClause(when)) = &when.node {
                    let filter = self.merge_filter(joins_all, when, target);
                    let attributes = Attributes {
                        filter,
                        returning: returning_clause.is_some(),
                        ..Attributes::default()
                    };
                    self.merge_action(when, relation, attributes);
                }
            }
            self.add_target(relation);
        }
        self.option(join_condition.as_deref());
        self.nodes(merge_when_clauses);
        if let Some(returning) = returning_clause {
            self.returning_clause(returning);
        }
        self.scopes.pop();
    }

    /// Which rows of the target an action of MERGE can leave out: by ON, or by the AND of its WHEN.
    fn merge_filter(
        &mut self,
        joins_all: bool,
        when: &MergeWhenClause,
        target: Target<'_>,
    ) -> Filter {
        if !matches!(when.command_type(), CmdType::CmdUpdate | CmdType::CmdDelete) {
            return Filter::NotApplicable;
        }
        let is_limited_by_on = match when.match_kind() {
            // The rows that no row of the source joins. ON leaves out the others, for which there
            // can be an action as well; and it may join none.
            MergeMatchKind::MergeWhenNotMatchedBySource => false,
            MergeMatchKind::MergeWhenMatched
            | MergeMatchKind::MergeWhenNotMatchedByTarget
            | MergeMatchKind::Undefined => !joins_all,
        };
        let and = when.condition.as_deref();
        if is_limited_by_on || and.is_some_and(|and| !passes_all(and, target)) {
            return Filter::Given;
        }
        self.feature(Feature::NoWhere);
        Filter::AlwaysTrue
    }

    fn merge_action(
        &mut self,
        when: &'a MergeWhenClause,
        target: &'a RangeVar,
        attributes: Attributes,
    ) {
        let named = set_columns(&when.target_list);
        let (action, columns) = match when.command_type() {
            CmdType::CmdInsert if when.target_list.is_empty() => (Action::Insert, Columns::all()),
            CmdType::CmdInsert => (Action::Insert, named),
            CmdType::CmdUpdate => (Action::Update, named),
            CmdType::CmdDelete => (Action::Delete, Columns::default()),
            CmdType::CmdNothing => return,
            CmdType::Undefined
            | CmdType::CmdUnknown
            | CmdType::CmdSelect
            | CmdType::CmdMerge
            | CmdType::CmdUtility => return self.foreign(),
        };
        self.change(action, target, columns, attributes);
    }

    pub(super) fn merge_when_clause(&mut self, node: &'a MergeWhenClause) {
        let MergeWhenClause {
            match_kind: _,
            command_type: _,
            r#override: _,
            condition,
            target_list,
            values,
        } = node;
        self.option(condition.as_deref());
        self.nodes(target_list);
        self.nodes(values);
    }

    pub(super) fn returning_clause(&mut self, node: &'a ReturningClause) {
        let ReturningClause { options, exprs } = node;
        for option in options {
            // WITH (OLD AS o, NEW AS n): further names for the target.
            if let Some(N::ReturningOption(option)) = &option.node {
                self.scopes.add(&option.value, Source::Join);
            }
        }
        if has_star(exprs) {
            self.feature(Feature::SelectStar);
        }
        self.nodes(exprs);
    }

    /// A change of rows.
    fn change(
        &mut self,
        action: Action,
        relation: &'a RangeVar,
        columns: Columns,
        attributes: Attributes,
    ) {
        let object: Object = self.relation_object(ObjectKind::Relation, relation);
        self.add_effect(Effect {
            action,
            subtype: "",
            object,
            columns,
            attributes: Attributes {
                execution: self.execution,
                ..attributes
            },
        });
    }

    fn filter(&mut self, condition: Option<&Node>, target: Target<'_>) -> Filter {
        let filter = match condition {
            None => Filter::Missing,
            Some(condition) if passes_all(condition, target) => Filter::AlwaysTrue,
            Some(_) => return Filter::Given,
        };
        self.feature(Feature::NoWhere);
        filter
    }
}

/// The columns of a list of targets.
fn set_columns(targets: &[Node]) -> Columns {
    let names = targets.iter().filter_map(|target| match &target.node {
        Some(N::ResTarget(target)) => Some(target.name.as_str()),
        _ => None,
    });
    names.collect()
}
