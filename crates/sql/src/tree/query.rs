//! SELECT, WITH, and what goes with them.

use std::collections::HashSet;

use pg_query::Node;
use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{
    CommonTableExpr, IntoClause, LockClauseStrength, LockingClause, RawStmt, SelectStmt, SubLink,
    SubLinkType, WithClause,
};
use querycop_policy::facts::{Action, Feature, Kind, Object, ObjectKind};

use super::Reader;
use super::columns::FACT;
use super::scope::Source;

/// Where the rows of a query go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// To the client.
    ToClient,
    /// Into a statement around it.
    Inside,
    /// Nowhere: EXISTS only asks whether there are any, so `*` reads no column.
    Exists,
}

impl<'a> Reader<'a> {
    /// A node that is a query or, in WITH and at the top, any statement.
    pub(super) fn query(&mut self, node: Option<&'a Node>, rows: Rows) {
        match node.and_then(|node| node.node.as_ref()) {
            Some(N::SelectStmt(select)) => self.select(select, rows),
            Some(other) => self.dispatch(other),
            None => {}
        }
    }

    pub(super) fn raw_stmt(&mut self, node: &'a RawStmt) {
        self.option(node.stmt.as_deref());
    }

    pub(super) fn select_stmt(&mut self, node: &'a SelectStmt) {
        self.select(node, Rows::Inside);
    }

    fn select(&mut self, node: &'a SelectStmt, rows: Rows) {
        let rows = match rows {
            Rows::Exists if !exists_whatever_it_holds(node) => Rows::Inside,
            rows => rows,
        };
        self.kind(Kind::Select);
        if rows == Rows::ToClient && has_from(node) && !is_limited(node) {
            self.feature(Feature::NoLimit);
        }
        self.scopes.push();
        let around = self.selecting.take();
        self.select_parts(node, rows);
        self.selecting = around;
        self.scopes.pop();
    }

    fn select_parts(&mut self, node: &'a SelectStmt, rows: Rows) {
        let SelectStmt {
            distinct_clause,
            into_clause,
            target_list,
            from_clause,
            where_clause,
            group_clause,
            group_distinct: _,
            having_clause,
            window_clause,
            values_lists,
            sort_clause,
            limit_offset,
            limit_count,
            limit_option: _,
            locking_clause,
            with_clause,
            op: _,
            all: _,
            larg,
            rarg,
        } = node;
        // Names come into sight in this order.
        if let Some(with) = with_clause {
            self.with_clause(with);
        }
        for arm in [larg, rarg].into_iter().flatten() {
            self.select(arm, Rows::Inside);
        }
        self.nodes(from_clause);
        if rows == Rows::Exists {
            // EXISTS (SELECT * …) looks at no column.
            for target in target_list.iter().filter(|target| !is_star_target(target)) {
                self.option(Some(target));
            }
        } else {
            if has_star(target_list) {
                self.feature(Feature::SelectStar);
            }
            self.selecting = Some(node);
            self.nodes(target_list);
            self.selecting = None;
        }
        self.option(where_clause.as_deref());
        self.nodes(group_clause);
        self.option(having_clause.as_deref());
        self.nodes(window_clause);
        self.nodes(values_lists);
        self.nodes(distinct_clause);
        self.nodes(sort_clause);
        self.option(limit_offset.as_deref());
        self.option(limit_count.as_deref());
        self.nodes(locking_clause);
        if let Some(into) = into_clause {
            self.kind(Kind::SelectInto);
            self.select_into(into);
        }
    }

    pub(super) fn with_clause(&mut self, node: &'a WithClause) {
        let WithClause {
            ctes,
            recursive,
            location: _,
        } = node;
        let queries = ctes.iter().filter_map(|cte| match cte.node.as_ref() {
            Some(N::CommonTableExpr(cte)) => Some(&**cte),
            _ => None,
        });
        // With RECURSIVE all names are in sight of all, else each of those after it.
        if *recursive {
            for cte in queries.clone() {
                self.scopes.add_cte(&cte.ctename);
            }
        }
        for cte in queries {
            self.common_table_expr(cte);
            if !recursive {
                self.scopes.add_cte(&cte.ctename);
            }
        }
    }

    pub(super) fn common_table_expr(&mut self, node: &'a CommonTableExpr) {
        if let Some(N::InsertStmt(_) | N::UpdateStmt(_) | N::DeleteStmt(_) | N::MergeStmt(_)) = node
            .ctequery
            .as_deref()
            .and_then(|query| query.node.as_ref())
        {
            self.feature(Feature::DataModifyingCte);
        }
        self.query(node.ctequery.as_deref(), Rows::Inside);
        if let Some(cycle) = &node.cycle_clause {
            self.cte_cycle_clause(cycle);
        }
    }

    pub(super) fn sub_link(&mut self, node: &'a SubLink) {
        let SubLink {
            xpr,
            sub_link_type: _,
            sub_link_id: _,
            testexpr,
            oper_name,
            subselect,
            location: _,
        } = node;
        self.option(xpr.as_deref());
        self.option(testexpr.as_deref());
        self.operator(oper_name);
        let rows = match node.sub_link_type() {
            SubLinkType::ExistsSublink => Rows::Exists,
            SubLinkType::Undefined
            | SubLinkType::AllSublink
            | SubLinkType::AnySublink
            | SubLinkType::RowcompareSublink
            | SubLinkType::ExprSublink
            | SubLinkType::MultiexprSublink
            | SubLinkType::ArraySublink
            | SubLinkType::CteSublink => Rows::Inside,
        };
        self.query(subselect.as_deref(), rows);
    }

    /// FOR UPDATE and its like, of all relations of the FROM or of some.
    pub(super) fn locking_clause(&mut self, node: &'a LockingClause) {
        self.feature(Feature::RowLocking);
        let subtype = match node.strength() {
            LockClauseStrength::LcsForupdate => "for_update",
            LockClauseStrength::LcsFornokeyupdate => "for_no_key_update",
            LockClauseStrength::LcsForshare => "for_share",
            LockClauseStrength::LcsForkeyshare => "for_key_share",
            LockClauseStrength::LcsNone | LockClauseStrength::Undefined => "row",
        };
        if !self.budget.spend(self.scopes.size() * FACT) {
            return;
        }
        let named: HashSet<_> = node
            .locked_rels
            .iter()
            .filter_map(|relation| match relation.node.as_ref() {
                Some(N::RangeVar(relation)) => Some(relation.relname.as_str()),
                _ => None,
            })
            .collect();
        let locked: Vec<_> = self
            .scopes
            .innermost()
            .filter(|entry| {
                named.is_empty() || entry.alias.is_some_and(|alias| named.contains(&alias))
            })
            .filter_map(|entry| match entry.source {
                Source::Read(relation, _) => Some(relation),
                Source::Target(_) | Source::Join | Source::Derived => None,
            })
            .collect();
        for relation in locked {
            let object = self.relation_object(ObjectKind::Relation, relation);
            self.effect(Action::Lock, subtype, object);
        }
    }

    /// The table that SELECT INTO makes.
    pub(super) fn select_into(&mut self, node: &'a IntoClause) {
        let object = match &node.rel {
            Some(relation) => self.relation_object(ObjectKind::Table, relation),
            None => Object::hidden(ObjectKind::Table),
        };
        self.effect(Action::DdlCreate, "", object);
        self.nodes(&node.options);
        self.foreign_if(node.view_query.is_some());
    }
}

/// Whether no value in the list of results can decide if there is a row, or which one is locked.
///
/// Set operations, DISTINCT and GROUP BY compare rows, ORDER BY sorts them by a result's number, and
/// OFFSET counts what is left then. LIMIT alone only stops.
fn exists_whatever_it_holds(select: &SelectStmt) -> bool {
    select.larg.is_none()
        && select.rarg.is_none()
        && select.distinct_clause.is_empty()
        && select.into_clause.is_none()
        && select.group_clause.is_empty()
        && select.having_clause.is_none()
        && select.window_clause.is_empty()
        && select.sort_clause.is_empty()
        && select.limit_offset.is_none()
}

/// Whether `*` or `t.*` stands in a list of results.
pub(super) fn has_star(targets: &[Node]) -> bool {
    targets.iter().any(|target| match target.node.as_ref() {
        Some(N::ResTarget(result)) => {
            is_star_target(target)
                || match result.val.as_deref().and_then(|value| value.node.as_ref()) {
                    Some(N::AIndirection(row)) => row.indirection.last().is_some_and(is_star),
                    _ => false,
                }
        }
        _ => false,
    })
}

/// Whether a result is `*` or `t.*`.
fn is_star_target(target: &Node) -> bool {
    let Some(N::ResTarget(target)) = &target.node else {
        return false;
    };
    match target.val.as_deref().and_then(|value| value.node.as_ref()) {
        Some(N::ColumnRef(column)) => column.fields.last().is_some_and(is_star),
        _ => false,
    }
}

fn is_star(field: &Node) -> bool {
    matches!(field.node, Some(N::AStar(_)))
}

/// Whether a query, or an arm of a UNION, has a FROM.
fn has_from(mut select: &SelectStmt) -> bool {
    // Chains of UNION lean to the left.
    loop {
        if !select.from_clause.is_empty() || select.rarg.as_deref().is_some_and(has_from) {
            return true;
        }
        match select.larg.as_deref() {
            Some(left) => select = left,
            None => return false,
        }
    }
}

/// LIMIT ALL and LIMIT NULL are no limit.
fn is_limited(select: &SelectStmt) -> bool {
    match select
        .limit_count
        .as_deref()
        .and_then(|count| count.node.as_ref())
    {
        Some(N::AConst(constant)) => !constant.isnull,
        Some(_) => true,
        None => false,
    }
}
