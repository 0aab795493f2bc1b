//! Expressions that are the same for every row, whatever their value is.

use pg_query::Node;
use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{
    AExpr, CaseExpr, ColumnRef, FuncCall, RangeVar, SelectStmt, SetOperation, SubLink,
};
use querycop_policy::is_steady_function;

use super::names::word;

/// The relation whose rows are asked about, by the name that it has in the statement.
#[derive(Clone, Copy)]
pub(super) struct Target<'t> {
    name: &'t str,
}

impl<'t> Target<'t> {
    pub(super) fn of(relation: &'t RangeVar) -> Self {
        let alias = relation.alias.as_ref();
        Self {
            name: alias.map_or(&relation.relname, |alias| &alias.aliasname),
        }
    }

    /// Whether an expression has no column of the relation, no parameter, and no query that reads a table.
    /// What isn't known, such as a call of a function that may be another one each time, isn't the same.
    pub(super) fn is_steady(self, node: &Node) -> bool {
        node.node
            .as_ref()
            .is_some_and(|kind| self.is_steady_kind(kind))
    }

    pub(super) fn are_steady(self, nodes: &[Node]) -> bool {
        nodes.iter().all(|node| self.is_steady(node))
    }

    fn is_absent_or_steady(self, node: Option<&Node>) -> bool {
        node.is_none_or(|node| self.is_steady(node))
    }

    /// [`Self::is_steady`] for a kind of node.
    pub(super) fn is_steady_kind(self, node: &N) -> bool {
        match node {
            N::AConst(_) | N::SqlvalueFunction(_) | N::String(_) => true,
            N::ColumnRef(column) => self.is_of_another(column),
            N::TypeCast(cast) => self.is_absent_or_steady(cast.arg.as_deref()),
            N::CollateClause(collate) => self.is_absent_or_steady(collate.arg.as_deref()),
            N::BoolExpr(expression) => self.are_steady(&expression.args),
            N::AExpr(expression) => self.are_operands_steady(expression),
            N::CoalesceExpr(expression) => self.are_steady(&expression.args),
            N::MinMaxExpr(expression) => self.are_steady(&expression.args),
            N::CaseExpr(case) => self.is_case_steady(case),
            N::CaseWhen(when) => {
                self.is_absent_or_steady(when.expr.as_deref())
                    && self.is_absent_or_steady(when.result.as_deref())
            }
            N::NullTest(test) => self.is_absent_or_steady(test.arg.as_deref()),
            N::BooleanTest(test) => self.is_absent_or_steady(test.arg.as_deref()),
            N::AArrayExpr(array) => self.are_steady(&array.elements),
            N::RowExpr(row) => self.are_steady(&row.args),
            N::List(list) => self.are_steady(&list.items),
            N::AIndirection(expression) => {
                self.is_absent_or_steady(expression.arg.as_deref())
                    && self.are_steady(&expression.indirection)
            }
            N::AIndices(indices) => {
                self.is_absent_or_steady(indices.lidx.as_deref())
                    && self.is_absent_or_steady(indices.uidx.as_deref())
            }
            N::NamedArgExpr(argument) => self.is_absent_or_steady(argument.arg.as_deref()),
            N::JsonIsPredicate(test) => self.is_absent_or_steady(test.expr.as_deref()),
            N::ResTarget(target) => self.is_absent_or_steady(target.val.as_deref()),
            N::FuncCall(call) => self.is_call_steady(call),
            N::SubLink(link) => self.is_sublink_steady(link),
            N::SelectStmt(select) => self.reads_nothing(select),
            N::RangeSubselect(query) => self.is_absent_or_steady(query.subquery.as_deref()),
            _ => false,
        }
    }

    pub(super) fn are_operands_steady(self, expression: &AExpr) -> bool {
        self.is_absent_or_steady(expression.lexpr.as_deref())
            && self.is_absent_or_steady(expression.rexpr.as_deref())
    }

    pub(super) fn is_sublink_steady(self, link: &SubLink) -> bool {
        self.is_absent_or_steady(link.testexpr.as_deref())
            && self.is_absent_or_steady(link.subselect.as_deref())
    }

    /// Whether a column says that it is of another relation: it may be so for all rows of this one.
    fn is_of_another(self, column: &ColumnRef) -> bool {
        let mut parts = column.fields.iter().rev();
        let relation = parts.nth(1).and_then(word);
        relation.is_some_and(|relation| relation != self.name)
    }

    fn is_case_steady(self, case: &CaseExpr) -> bool {
        self.is_absent_or_steady(case.arg.as_deref())
            && self.are_steady(&case.args)
            && self.is_absent_or_steady(case.defresult.as_deref())
    }

    fn is_call_steady(self, call: &FuncCall) -> bool {
        let name = match call.funcname.as_slice() {
            [name] => word(name),
            [schema, name] if word(schema) == Some("pg_catalog") => word(name),
            _ => None,
        };
        name.is_some_and(is_steady_function)
            && call.over.is_none()
            && call.agg_order.is_empty()
            && self.is_absent_or_steady(call.agg_filter.as_deref())
            && self.are_steady(&call.args)
    }

    /// Whether a query has no table, and nothing else that could be another one each time.
    fn reads_nothing(self, select: &SelectStmt) -> bool {
        let clauses = [
            &select.target_list,
            &select.from_clause,
            &select.group_clause,
            &select.values_lists,
        ];
        let expressions = [
            &select.where_clause,
            &select.having_clause,
            &select.limit_count,
            &select.limit_offset,
        ];
        let is_plain = select.with_clause.is_none()
            && select.into_clause.is_none()
            && select.window_clause.is_empty();
        let is_set = select.op() != SetOperation::SetopNone;
        is_plain
            && clauses.into_iter().all(|clause| self.are_steady(clause))
            && expressions
                .into_iter()
                .all(|expression| self.is_absent_or_steady(expression.as_deref()))
            && (!is_set
                || [&select.larg, &select.rarg]
                    .into_iter()
                    .all(|side| side.as_deref().is_some_and(|side| self.reads_nothing(side))))
    }
}
