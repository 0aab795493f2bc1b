//! The keys of a policy file.

use crate::policy::{Fallback, Mode};
use crate::yaml::{Fields, Node, Place, Reading, Value, nearest, tree};

/// What a file says.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) mode: Mode,
    pub(crate) default: Fallback,
}

const KEYS: &[&str] = &["version", "mode", "default"];

/// The keys of a file.
pub(crate) fn read(text: &str, reading: &mut Reading) -> Option<File> {
    let tree = tree(text, reading)?;
    let mut fields = Fields::of(tree, "a policy file", KEYS, reading)?;
    version(fields.take("version").map(|(_, node)| node), reading);
    let mode = match fields.take("mode") {
        Some((_, node)) => word(
            &node,
            &[("enforce", Mode::Enforce), ("observe", Mode::Observe)],
            reading,
        ),
        None => Some(Mode::Enforce),
    };
    let default = match fields.take("default") {
        Some((_, node)) => word(
            &node,
            &[("deny", Fallback::Deny), ("allow", Fallback::Allow)],
            reading,
        ),
        None => {
            reading.mistake(
                fields.place,
                "no default: write `default: deny` or `default: allow`, what no rule speaks of is decided by it",
            );
            None
        }
    };
    fields.finish(reading);
    Some(File {
        mode: mode?,
        default: default?,
    })
}

fn version(node: Option<Node>, reading: &mut Reading) {
    match node {
        Some(Node {
            value: Value::Integer(1),
            ..
        }) => {}
        Some(node) => reading.mistake(node.place, "the only version is 1: write `version: 1`"),
        None => reading.mistake(
            Place { line: 1, column: 1 },
            "no version: write `version: 1`",
        ),
    }
}

/// One of a few words.
fn word<T: Copy>(node: &Node, words: &[(&str, T)], reading: &mut Reading) -> Option<T> {
    if let Value::Text(text) = &node.value {
        if let Some((_, meaning)) = words.iter().find(|(word, _)| word == text) {
            return Some(*meaning);
        }
        if let Some(nearest) = nearest(text, words.iter().map(|(word, _)| *word)) {
            reading.mistake(
                node.place,
                format!("{text} is none of the words; did you mean {nearest}?"),
            );
            return None;
        }
    }
    let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    reading.mistake(node.place, format!("one of {} is needed", words.join(", ")));
    None
}
