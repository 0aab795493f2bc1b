//! Conditions that can't leave rows out.

use pg_query::Node;
use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{
    AConst, AExpr, AExprKind, BoolExpr, BoolExprType, BoolTestType, BooleanTest, CaseExpr,
    NullTest, NullTestType, SubLink, SubLinkType,
};

use super::constant::{is_any_text, literal, literal_truth, order_is, same_columns, same_literals};
use super::names::word;
use super::steady::Target;

/// Whether a condition lets every row pass, or may do so and is the same for all of them, as far as
/// the text alone tells: `true`, `id = id` (which only leaves out NULLs), `x OR 1 BETWEEN 0 AND 2`.
pub(super) fn passes_all(condition: &Node, target: Target<'_>) -> bool {
    target.truth(condition).passes
}

/// What a condition says of the rows.
#[derive(Clone, Copy)]
struct Truth {
    /// It may be true for every row, whatever stands in it.
    passes: bool,
    /// It may be false for every row, whatever stands in it.
    fails: bool,
    /// It is the same for every row.
    is_steady: bool,
}

impl Truth {
    /// It is about the row.
    const VARIES: Self = Self {
        passes: false,
        fails: false,
        is_steady: false,
    };
    const NULL: Self = Self {
        is_steady: true,
        ..Self::VARIES
    };

    const fn of(value: bool, is_steady: bool) -> Self {
        Self {
            passes: value,
            fails: !value,
            is_steady,
        }
    }

    /// What is known of it, and else whether it is the same for every row.
    const fn known_or_steady(value: Option<bool>, is_steady: bool) -> Self {
        match value {
            Some(value) => Self::of(value, is_steady),
            None => Self {
                passes: is_steady,
                fails: is_steady,
                is_steady,
            },
        }
    }
}

impl Target<'_> {
    fn truth(self, node: &Node) -> Truth {
        let Some(node) = node.node.as_ref() else {
            return Truth::VARIES;
        };
        match node {
            N::AConst(constant) => constant_truth(constant),
            N::TypeCast(cast) => self.truth_of(cast.arg.as_deref()),
            N::CollateClause(collate) => self.truth_of(collate.arg.as_deref()),
            N::BoolExpr(expression) => self.boolean(expression),
            N::AExpr(expression) => {
                Truth::known_or_steady(comparison(expression), self.are_operands_steady(expression))
            }
            N::CoalesceExpr(expression) => self.coalesce(&expression.args),
            N::CaseExpr(case) => self.case_truth(case),
            N::NullTest(test) => self.null_test(test),
            N::BooleanTest(test) => self.boolean_test(test),
            N::SubLink(link) => self.sublink(link),
            other => Truth::known_or_steady(None, self.is_steady_kind(other)),
        }
    }

    fn truth_of(self, node: Option<&Node>) -> Truth {
        node.map_or(Truth::VARIES, |node| self.truth(node))
    }

    fn boolean(self, expression: &BoolExpr) -> Truth {
        let mut truths = expression.args.iter().map(|node| self.truth(node));
        match expression.boolop() {
            BoolExprType::NotExpr => truths.next().map_or(Truth::VARIES, |truth| Truth {
                passes: truth.fails,
                fails: truth.passes,
                ..truth
            }),
            BoolExprType::AndExpr => {
                let start = Truth::of(true, true);
                truths.fold(start, |all, truth| Truth {
                    passes: all.passes && truth.passes,
                    fails: all.fails || truth.fails,
                    is_steady: all.is_steady && truth.is_steady,
                })
            }
            BoolExprType::OrExpr => {
                let start = Truth::of(false, true);
                truths.fold(start, |all, truth| Truth {
                    passes: all.passes || truth.passes,
                    fails: all.fails && truth.fails,
                    is_steady: all.is_steady && truth.is_steady,
                })
            }
            BoolExprType::Undefined => Truth::VARIES,
        }
    }

    fn coalesce(self, args: &[Node]) -> Truth {
        let Some((first, rest)) = args.split_first() else {
            return Truth::VARIES;
        };
        let first = self.truth(first);
        let is_steady = first.is_steady && self.are_steady(rest);
        if first.passes || first.fails {
            Truth { is_steady, ..first }
        } else {
            Truth::known_or_steady(None, is_steady)
        }
    }

    /// It passes where each of its results does.
    fn case_truth(self, case: &CaseExpr) -> Truth {
        let CaseExpr {
            xpr: _,
            casetype: _,
            casecollid: _,
            arg,
            args,
            defresult,
            location: _,
        } = case;
        let default = defresult
            .as_deref()
            .map_or(Truth::NULL, |node| self.truth(node));
        let start = Truth {
            is_steady: default.is_steady && arg.as_deref().is_none_or(|node| self.is_steady(node)),
            ..default
        };
        let all = args.iter().fold(start, |all, when| {
            let Some(N::CaseWhen(when)) = &when.node else {
                return Truth::VARIES;
            };
            let result = self.truth_of(when.result.as_deref());
            Truth {
                passes: all.passes && result.passes,
                fails: all.fails && result.fails,
                is_steady: all.is_steady
                    && result.is_steady
                    && when
                        .expr
                        .as_deref()
                        .is_some_and(|node| self.is_steady(node)),
            }
        });
        if all.passes || all.fails {
            all
        } else {
            Truth::known_or_steady(None, all.is_steady)
        }
    }

    fn null_test(self, test: &NullTest) -> Truth {
        let Some(arg) = test.arg.as_deref() else {
            return Truth::VARIES;
        };
        let asks_for_null = test.nulltesttype() == NullTestType::IsNull;
        if let Some(constant) = literal(arg) {
            return Truth::of(constant.isnull == asks_for_null, true);
        }
        if is_system_column(arg) {
            return Truth::of(!asks_for_null, false);
        }
        Truth::known_or_steady(None, self.is_steady(arg))
    }

    fn boolean_test(self, test: &BooleanTest) -> Truth {
        let truth = self.truth_of(test.arg.as_deref());
        let value = (truth.passes != truth.fails).then_some(truth.passes);
        let kind = test.booltesttype();
        match (kind, value) {
            (BoolTestType::IsTrue, _) | (BoolTestType::IsNotFalse, Some(_)) => truth,
            (BoolTestType::IsFalse | BoolTestType::IsNotTrue, Some(value)) => {
                Truth::of(!value, truth.is_steady)
            }
            (BoolTestType::IsNotUnknown, Some(_)) => Truth::of(true, truth.is_steady),
            (BoolTestType::IsUnknown, Some(_)) => Truth::of(false, truth.is_steady),
            (BoolTestType::Undefined, _) | (_, None) => {
                Truth::known_or_steady(None, truth.is_steady)
            }
        }
    }

    fn sublink(self, link: &SubLink) -> Truth {
        let Some(N::SelectStmt(select)) = link
            .subselect
            .as_deref()
            .and_then(|query| query.node.as_ref())
        else {
            return Truth::VARIES;
        };
        let is_one_row = select.from_clause.is_empty()
            && select.where_clause.is_none()
            && select.larg.is_none()
            && select.limit_count.is_none()
            && select.limit_offset.is_none()
            && select.having_clause.is_none();
        if is_one_row {
            match link.sub_link_type() {
                SubLinkType::ExistsSublink => return Truth::of(true, self.is_sublink_steady(link)),
                SubLinkType::ExprSublink => {
                    if let Some(N::ResTarget(target)) = select
                        .target_list
                        .first()
                        .and_then(|node| node.node.as_ref())
                    {
                        return self.truth_of(target.val.as_deref());
                    }
                }
                _ => {}
            }
        }
        Truth::known_or_steady(None, self.is_sublink_steady(link))
    }
}

fn constant_truth(constant: &AConst) -> Truth {
    if constant.isnull {
        return Truth::NULL;
    }
    Truth::known_or_steady(literal_truth(constant), true)
}

/// A column that every row of every table has, and that is never NULL.
fn is_system_column(node: &Node) -> bool {
    let Some(N::ColumnRef(column)) = &node.node else {
        return false;
    };
    matches!(
        column.fields.last().and_then(word),
        Some("ctid" | "tableoid" | "xmin" | "xmax" | "cmin" | "cmax")
    )
}

/// True or false where that is certain.
fn comparison(expression: &AExpr) -> Option<bool> {
    let left = expression.lexpr.as_deref()?;
    let right = expression.rexpr.as_deref()?;
    let symbol = word(expression.name.last()?)?;
    match expression.kind() {
        AExprKind::AexprOp => {
            if same_columns(left, right) {
                return matches!(symbol, "=" | "<=" | ">=").then_some(true);
            }
            order_is(symbol, left, right)
        }
        AExprKind::AexprIn => match right.node.as_ref()? {
            N::List(list) if symbol == "=" => list
                .items
                .iter()
                .any(|item| same_columns(left, item) || same_literals(left, item))
                .then_some(true),
            _ => None,
        },
        AExprKind::AexprNotDistinct => {
            (same_columns(left, right) || same_literals(left, right)).then_some(true)
        }
        AExprKind::AexprLike | AExprKind::AexprIlike => {
            (symbol.starts_with("~~") && is_any_text(right)).then_some(true)
        }
        AExprKind::Undefined
        | AExprKind::AexprOpAny
        | AExprKind::AexprOpAll
        | AExprKind::AexprDistinct
        | AExprKind::AexprNullif
        | AExprKind::AexprSimilar
        | AExprKind::AexprBetween
        | AExprKind::AexprNotBetween
        | AExprKind::AexprBetweenSym
        | AExprKind::AexprNotBetweenSym => None,
    }
}
