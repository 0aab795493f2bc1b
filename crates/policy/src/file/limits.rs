//! Amounts: what a `limit` rule limits to.

use std::sync::Arc;

use super::value::{count_of, duration_of, size_of};
use crate::decision::{Limit, Limits};
use crate::yaml::{Fields, Node, Reading};

pub(super) const KEYS: &[&str] = &["rows", "bytes", "statement_time", "rate", "concurrent"];

pub(super) fn read(node: Node, rule: &Arc<str>, reading: &mut Reading) -> Limits {
    let place = node.place;
    let Some(mut fields) = Fields::of(node, "what a rule limits to", KEYS, reading) else {
        return Limits::default();
    };
    let mut take = |key: &str| fields.take(key).map(|(_, node)| node);
    let rows = take("rows").and_then(|node| count_of(&node, "rows", reading));
    let bytes = take("bytes").and_then(|node| size_of(&node, "bytes", reading));
    let time =
        take("statement_time").and_then(|node| duration_of(&node, "statement_time", reading));
    let rate =
        take("rate").and_then(|node| small(&node, "rate, in statements per second,", reading));
    let concurrent = take("concurrent").and_then(|node| small(&node, "concurrent", reading));
    let limits = Limits {
        rows: limit(rows, rule),
        bytes: limit(bytes, rule),
        statement_time: limit(time, rule),
        rate: limit(rate, rule),
        concurrent: limit(concurrent, rule),
    };
    fields.finish(reading);
    if limits.is_empty() {
        reading.mistake(
            place,
            format!("nothing is limited: say one of {}", KEYS.join(", ")),
        );
    }
    limits
}

fn limit<T>(max: Option<T>, rule: &Arc<str>) -> Option<Limit<T>> {
    max.map(|max| Limit {
        max,
        rule: Arc::clone(rule),
    })
}

fn small(node: &Node, what: &str, reading: &mut Reading) -> Option<u32> {
    let count = count_of(node, what, reading)?;
    let small = u32::try_from(count).ok();
    if small.is_none() {
        reading.mistake(node.place, format!("{what} is at most {}", u32::MAX));
    }
    small
}
