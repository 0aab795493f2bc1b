//! Expressions whose value stands in the text.

use std::cmp::Ordering;

use pg_query::Node;
use pg_query::protobuf::AConst;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::node::Node as N;

use crate::shape::read_literal;

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

/// A constant, also under casts.
pub(super) fn literal(node: &Node) -> Option<&AConst> {
    match node.node.as_ref()? {
        N::AConst(constant) => Some(constant),
        N::TypeCast(cast) => literal(cast.arg.as_deref()?),
        N::CollateClause(collate) => literal(collate.arg.as_deref()?),
        _ => None,
    }
}

/// What a constant is as a condition.
pub(super) fn literal_truth(constant: &AConst) -> Option<bool> {
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

/// What a comparison of two constants says.
pub(super) fn order_is(symbol: &str, left: &Node, right: &Node) -> Option<bool> {
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

/// Whether it is a pattern of LIKE that every text matches.
pub(super) fn is_any_text(pattern: &Node) -> bool {
    string_literal(pattern)
        .is_some_and(|pattern| !pattern.is_empty() && pattern.bytes().all(|byte| byte == b'%'))
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

pub(super) fn same_literals(left: &Node, right: &Node) -> bool {
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
