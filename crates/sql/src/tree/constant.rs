//! Expressions whose value stands in the text.

use std::cmp::Ordering;

use pg_query::Node;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::node::Node as N;
use pg_query::protobuf::{
    AConst, AExpr, AExprKind, BoolExpr, BoolExprType, BoolTestType, NullTestType,
};

use crate::shape::read_literal;

/// Whether a condition lets every row pass, as far as the text alone tells: `true`, `1 = 1`,
/// `id = id` (which only leaves out NULLs), `x OR true`, `EXISTS (SELECT 1)`.
pub(super) fn is_always_true(condition: &Node) -> bool {
    truth(condition) == Some(true)
}

/// Whether a condition lets no row pass: false or NULL.
pub(super) fn is_never_true(condition: &Node) -> bool {
    literal(condition).is_some_and(|constant| constant.isnull) || truth(condition) == Some(false)
}

/// Any constant but NULL, also under casts.
pub(super) fn is_literal(node: &Node) -> bool {
    literal(node).is_some_and(|constant| !constant.isnull)
}

/// The text of a string constant, also under casts.
pub(super) fn string_literal(node: &Node) -> Option<&str> {
    match &literal(node)?.val {
        Some(Val::Sval(string)) => {
            read_literal();
            Some(&string.sval)
        }
        _ => None,
    }
}

fn literal(node: &Node) -> Option<&AConst> {
    match node.node.as_ref()? {
        N::AConst(constant) => Some(constant),
        N::TypeCast(cast) => literal(cast.arg.as_deref()?),
        N::CollateClause(collate) => literal(collate.arg.as_deref()?),
        _ => None,
    }
}

/// True or false where that is certain.
fn truth(node: &Node) -> Option<bool> {
    match node.node.as_ref()? {
        N::AConst(constant) => constant_truth(constant),
        N::TypeCast(cast) => truth(cast.arg.as_deref()?),
        N::BoolExpr(expression) => boolean(expression),
        N::AExpr(expression) => comparison(expression),
        N::CoalesceExpr(expression) => truth(expression.args.first()?),
        N::NullTest(test) => {
            let constant = literal(test.arg.as_deref()?)?;
            Some(constant.isnull == (test.nulltesttype() == NullTestType::IsNull))
        }
        N::BooleanTest(test) => match (truth(test.arg.as_deref()?)?, test.booltesttype()) {
            (value, BoolTestType::IsTrue | BoolTestType::IsNotFalse) => Some(value),
            (value, BoolTestType::IsFalse | BoolTestType::IsNotTrue) => Some(!value),
            (_, BoolTestType::IsNotUnknown) => Some(true),
            (_, BoolTestType::IsUnknown) => Some(false),
            (_, BoolTestType::Undefined) => None,
        },
        N::SubLink(link) => match link.subselect.as_deref()?.node.as_ref()? {
            // EXISTS (SELECT 1) and (SELECT true), which read nothing.
            N::SelectStmt(select)
                if select.from_clause.is_empty()
                    && select.where_clause.is_none()
                    && select.larg.is_none()
                    && select.limit_count.is_none()
                    && select.limit_offset.is_none()
                    && select.having_clause.is_none() =>
            {
                use pg_query::protobuf::SubLinkType as Kind;
                match link.sub_link_type() {
                    Kind::ExistsSublink => Some(true),
                    Kind::ExprSublink => match select.target_list.first()?.node.as_ref()? {
                        N::ResTarget(target) => truth(target.val.as_deref()?),
                        _ => None,
                    },
                    Kind::Undefined
                    | Kind::AllSublink
                    | Kind::AnySublink
                    | Kind::RowcompareSublink
                    | Kind::MultiexprSublink
                    | Kind::ArraySublink
                    | Kind::CteSublink => None,
                }
            }
            _ => None,
        },
        _ => None,
    }
}

fn constant_truth(constant: &AConst) -> Option<bool> {
    read_literal();
    match constant.val.as_ref()? {
        Val::Boolval(boolean) => Some(boolean.boolval),
        Val::Sval(string) => match string.sval.trim().to_ascii_lowercase().as_str() {
            "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Some(true),
            "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Some(false),
            _ => None,
        },
        // 1::boolean
        Val::Ival(integer) => Some(integer.ival != 0),
        Val::Fval(_) | Val::Bsval(_) => None,
    }
}

fn boolean(expression: &BoolExpr) -> Option<bool> {
    let mut truths = expression.args.iter().map(truth);
    match expression.boolop() {
        BoolExprType::NotExpr => truths.next().flatten().map(|value| !value),
        BoolExprType::AndExpr => {
            let truths: Vec<_> = truths.collect();
            if truths.contains(&Some(false)) {
                return Some(false);
            }
            truths
                .iter()
                .all(|truth| *truth == Some(true))
                .then_some(true)
        }
        BoolExprType::OrExpr => {
            let truths: Vec<_> = truths.collect();
            if truths.contains(&Some(true)) {
                return Some(true);
            }
            truths
                .iter()
                .all(|truth| *truth == Some(false))
                .then_some(false)
        }
        BoolExprType::Undefined => None,
    }
}

fn comparison(expression: &AExpr) -> Option<bool> {
    let left = expression.lexpr.as_deref()?;
    let right = expression.rexpr.as_deref()?;
    let symbol = super::names::word(expression.name.last()?)?;
    match expression.kind() {
        AExprKind::AexprOp => {
            if same_columns(left, right) {
                return matches!(symbol, "=" | "<=" | ">=").then_some(true);
            }
            let order = compare(literal(left)?, literal(right)?)?;
            match symbol {
                "=" => Some(order == Ordering::Equal),
                "<>" => Some(order != Ordering::Equal),
                "<" => Some(order == Ordering::Less),
                "<=" => Some(order != Ordering::Greater),
                ">" => Some(order == Ordering::Greater),
                ">=" => Some(order != Ordering::Less),
                _ => None,
            }
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
        AExprKind::AexprLike | AExprKind::AexprIlike => (symbol.starts_with("~~")
            && string_literal(right).is_some_and(|pattern| {
                !pattern.is_empty() && pattern.bytes().all(|byte| byte == b'%')
            }))
        .then_some(true),
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

/// Whether both are a column, named in the same words.
pub(super) fn same_columns(left: &Node, right: &Node) -> bool {
    match (&left.node, &right.node) {
        (Some(N::ColumnRef(left)), Some(N::ColumnRef(right))) => {
            left.fields.len() == right.fields.len()
                && left.fields.iter().zip(&right.fields).all(|(left, right)| {
                    super::names::word(left)
                        .is_some_and(|word| Some(word) == super::names::word(right))
                })
        }
        _ => false,
    }
}

fn same_literals(left: &Node, right: &Node) -> bool {
    literal(left)
        .zip(literal(right))
        .and_then(|(left, right)| compare(left, right))
        == Some(Ordering::Equal)
}

fn compare(left: &AConst, right: &AConst) -> Option<Ordering> {
    read_literal();
    match (left.val.as_ref()?, right.val.as_ref()?) {
        (Val::Ival(left), Val::Ival(right)) => Some(left.ival.cmp(&right.ival)),
        (Val::Sval(left), Val::Sval(right)) => Some(left.sval.cmp(&right.sval)),
        (Val::Boolval(left), Val::Boolval(right)) => Some(left.boolval.cmp(&right.boolval)),
        (left, right) => number(left)?.partial_cmp(&number(right)?),
    }
}

fn number(value: &Val) -> Option<f64> {
    match value {
        Val::Ival(integer) => Some(f64::from(integer.ival)),
        Val::Fval(float) => float.fval.parse().ok(),
        Val::Boolval(_) | Val::Sval(_) | Val::Bsval(_) => None,
    }
}
