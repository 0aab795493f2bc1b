//! Sets: lists of objects under a name.

use std::collections::BTreeMap;

use super::value::texts_of;
use crate::yaml::{Fields, Node, Place, Reading, Value, advice_or};

/// Lists of objects under a name, as they stand in the file.
#[derive(Debug, Default)]
pub(super) struct Sets {
    by_name: BTreeMap<String, Set>,
}

#[derive(Debug)]
struct Set {
    place: Place,
    lists: Vec<(&'static str, Vec<(Place, String)>)>,
    is_used: bool,
}

/// What a set can hold: the same keys that rules use it under.
pub(super) const LISTS: &[&str] = &[
    "tables",
    "columns",
    "functions",
    "settings",
    "types",
    "operators",
];

/// Names that mean something without being defined.
pub(super) const BUILT_IN: &[&str] = &["activity", "builtin", "catalog", "harmless"];

impl Sets {
    pub(super) fn read(node: Option<Node>, reading: &mut Reading) -> Self {
        let mut sets = Self::default();
        let Some(node) = node else { return sets };
        let Value::Map(entries) = node.value else {
            reading.mistake(
                node.place,
                "sets is a map from names to lists, as `pii: { columns: [...] }`",
            );
            return sets;
        };
        for (key, node) in entries {
            if BUILT_IN.contains(&key.name.as_str()) {
                reading.mistake(
                    key.place,
                    format!("{} is built in: take another name", key.name),
                );
                continue;
            }
            if key.name.contains(['.', '*', '"', ':']) {
                reading.mistake(
                    key.place,
                    format!("{} is no name of a set: it reads like a pattern", key.name),
                );
                continue;
            }
            let Some(mut fields) = Fields::of(node, "a set", LISTS, reading) else {
                continue;
            };
            let mut lists = Vec::new();
            for list in LISTS {
                if let Some((_, node)) = fields.take(list) {
                    lists.push((*list, texts_of(node, list, reading)));
                }
            }
            fields.finish(reading);
            if lists.is_empty() {
                reading.mistake(key.place, format!("the set {} is empty", key.name));
            }
            let set = Set {
                place: key.place,
                lists,
                is_used: false,
            };
            sets.by_name.insert(key.name, set);
        }
        sets
    }

    /// Patterns of a list, with sets replaced by what they hold.
    pub(super) fn expand(
        &mut self,
        list: &'static str,
        items: Vec<(Place, String)>,
        reading: &mut Reading,
    ) -> Vec<(Place, String)> {
        let mut expanded = Vec::new();
        for (place, item) in items {
            // A name of a setting or an operator needs no schema, so it can't be told from a set's.
            let is_plain = item.contains(['.', '*', '"', ':'])
                || BUILT_IN.contains(&item.as_str())
                || matches!(list, "settings" | "operators");
            match self.by_name.get_mut(&item) {
                Some(set) => {
                    set.is_used = true;
                    match set.lists.iter().find(|(name, _)| *name == list) {
                        Some((_, items)) => expanded.extend(items.iter().cloned()),
                        None => reading.mistake(place, format!("the set {item} has no {list}")),
                    }
                }
                None if is_plain => expanded.push((place, item)),
                None => {
                    let known = self.by_name.keys().map(String::as_str);
                    let known = known.chain(BUILT_IN.iter().copied());
                    let otherwise =
                        format!("a name needs its schema: `schema.{item}`, or `*.{item}` for any");
                    let advice = advice_or(&item, known, &otherwise);
                    reading.mistake(place, format!("there is no set {item}; {advice}"));
                }
            }
        }
        expanded
    }

    pub(super) fn warn_of_unused(&self, reading: &mut Reading) {
        for (name, set) in &self.by_name {
            if !set.is_used {
                reading.warning(set.place, format!("no rule uses the set {name}"));
            }
        }
    }
}
