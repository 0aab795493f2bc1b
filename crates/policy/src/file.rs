//! The keys of a policy file.

mod limits;
mod matcher;
mod objects;
mod principals;
mod rules;
mod schema;
mod sets;
mod test;
mod time;
mod value;

use crate::policy::{DottedNames, Fallback, Mode, Names, Policy, PolicyHash};
use crate::risk::{Risk, RiskTable, Stake};
use crate::search_path::Path;
use crate::yaml::{Fields, Node, Place, Reading, Value, advice, tree};

pub(crate) use schema::schema;

use principals::Principals;
use sets::Sets;
use value::{choice, text_of, words_of};

const KEYS: &[&str] = &[
    "version",
    "mode",
    "default",
    "search_path",
    "dotted_names",
    "risk",
    "sets",
    "principals",
    "rules",
    "tests",
];

/// Reads a file. What it returns counts only if nothing was wrong.
pub(crate) fn read(text: &str, reading: &mut Reading) -> Option<Policy> {
    let mut tree = tree(text, reading)?;
    drop_notes(&mut tree);
    let mut fields = Fields::of(tree, "a policy file", KEYS, reading)?;
    version(fields.take("version").map(|(_, node)| node), reading);
    let mode = fields.take("mode").map(|(_, node)| mode(&node, reading));
    let fallback = fallback(&mut fields, reading);
    let assumed_path = fields
        .take("search_path")
        .and_then(|(_, node)| text_of(&node, "a search_path", reading))
        .map(|value| Path::read(&value));
    let dotted_names = match fields.take("dotted_names") {
        Some((_, node)) => {
            let words = [
                ("columns", DottedNames::Columns),
                ("calls", DottedNames::Calls),
            ];
            choice(&node, &words, reading).unwrap_or_default()
        }
        None => DottedNames::default(),
    };
    let risks = risks(fields.take("risk").map(|(_, node)| node), reading);
    let mut sets = Sets::read(fields.take("sets").map(|(_, node)| node), reading);
    let mut principals = Principals::read(fields.take("principals").map(|(_, node)| node), reading);
    let rules = match fields.take("rules") {
        Some((_, node)) => rules::read(node, &mut sets, &mut principals, reading),
        None => Vec::new(),
    };
    let names: Vec<_> = rules.iter().map(|rule| &*rule.name).collect();
    let tests = match fields.take("tests") {
        Some((_, node)) => test::read(node, &names, reading),
        None => Vec::new(),
    };
    fields.finish(reading);
    sets.warn_of_unused(reading);
    principals.warn_of_unused(reading);
    Some(Policy {
        hash: PolicyHash::of(text),
        mode: mode.unwrap_or_default(),
        fallback: fallback?,
        dotted_names,
        assumed_path,
        risks,
        principals: principals.into_whom(),
        rules,
        tests,
        warnings: reading.take_warnings(),
        names: Names::default(),
    })
}

/// Keys that begin with `x-` are the author's own: a place for anchors.
fn drop_notes(tree: &mut Node) {
    if let Value::Map(entries) = &mut tree.value {
        entries.retain(|(key, _)| !key.name.starts_with("x-"));
    }
}

fn version(node: Option<Node>, reading: &mut Reading) {
    match node {
        Some(Node {
            value: Value::Integer(1),
            ..
        }) => {}
        Some(node) => reading.mistake(node.place, "the only version is 1: write `version: 1`"),
        None => reading.mistake(Place::START, "no version: write `version: 1`"),
    }
}

fn mode(node: &Node, reading: &mut Reading) -> Mode {
    let words = [("enforce", Mode::Enforce), ("observe", Mode::Observe)];
    choice(node, &words, reading).unwrap_or_default()
}

fn fallback(fields: &mut Fields, reading: &mut Reading) -> Option<Fallback> {
    let Some((_, node)) = fields.take("default") else {
        reading.mistake(
            Place::START,
            "no default: write `default: deny` or `default: allow`, which decides what no rule speaks of",
        );
        return None;
    };
    let words = [("deny", Fallback::Deny), ("allow", Fallback::Allow)];
    choice(&node, &words, reading)
}

/// Lines of the table of risks that the file changes.
fn risks(node: Option<Node>, reading: &mut Reading) -> RiskTable {
    let mut table = RiskTable::default();
    let Some(node) = node else { return table };
    let place = node.place;
    let Value::Map(entries) = node.value else {
        reading.mistake(
            place,
            "risk is a map from what is at stake to a risk, as `export: critical`",
        );
        return table;
    };
    for (key, node) in entries {
        let risk = choice(&node, &words_of(Risk::ALL, Risk::as_str), reading);
        match (Stake::from_word(&key.name), risk) {
            (Some(stake), Some(risk)) => table.set(stake, risk),
            (Some(_), None) => {}
            (None, _) => {
                let known = Stake::ALL.iter().map(|stake| stake.as_str());
                let advice = advice(&key.name, known);
                reading.mistake(key.place, format!("unknown stake {}; {advice}", key.name));
            }
        }
    }
    table
}
