//! YAML as a tree in which everything knows its place, and what is wrong with it is collected.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::mistake::{Mistake, Mistakes};

/// Where something stands in the file: line and column from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    /// Where a file begins.
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) name: String,
}

/// Collects what is wrong, so that all of it is said at once.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    mistakes: Vec<Mistake>,
    warnings: Vec<Mistake>,
}

impl Reading {
    pub(crate) fn mistake(&mut self, place: Place, message: impl Into<String>) {
        self.mistakes.push(Mistake {
            line: place.line,
            column: place.column,
            message: message.into(),
        });
    }

    /// What may be a mistake, and doesn't keep the file from being used.
    pub(crate) fn warning(&mut self, place: Place, message: impl Into<String>) {
        self.warnings.push(Mistake {
            line: place.line,
            column: place.column,
            message: message.into(),
        });
    }

    pub(crate) fn take_warnings(&mut self) -> Vec<Mistake> {
        self.warnings.sort();
        std::mem::take(&mut self.warnings)
    }

    pub(crate) fn finish(mut self) -> Result<(), Mistakes> {
        if self.mistakes.is_empty() {
            return Ok(());
        }
        self.mistakes.sort();
        self.mistakes.dedup();
        Err(Mistakes(self.mistakes))
    }
}

/// The keys of a map, taken out one by one; what is left at the end is unknown.
pub(crate) struct Fields {
    pub(crate) place: Place,
    entries: Vec<(Key, Node)>,
    known: &'static [&'static str],
}

impl Fields {
    /// The keys of a map; `what` says what should be one.
    pub(crate) fn of(
        node: Node,
        what: &str,
        known: &'static [&'static str],
        reading: &mut Reading,
    ) -> Option<Self> {
        match node.value {
            Value::Map(entries) => Some(Self {
                place: node.place,
                entries,
                known,
            }),
            Value::Null
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_) => {
                let found = node.value.describe();
                reading.mistake(
                    node.place,
                    format!(
                        "{what} is a map of keys ({}), not {found}",
                        known.join(", ")
                    ),
                );
                None
            }
        }
    }

    /// Takes a key out; a key without a value counts as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<(Key, Node)> {
        let (key, node) = self.take_even_empty(name)?;
        (!matches!(node.value, Value::Null)).then_some((key, node))
    }

    /// Takes a key out that has to be there.
    pub(crate) fn demand(
        &mut self,
        name: &str,
        missing: impl Into<String>,
        reading: &mut Reading,
    ) -> Option<Node> {
        let found = self.take(name);
        if found.is_none() {
            reading.mistake(self.place, missing);
        }
        found.map(|(_, node)| node)
    }

    /// Takes a key out, even if it has no value: that is an empty map.
    pub(crate) fn take_even_empty(&mut self, name: &str) -> Option<(Key, Node)> {
        debug_assert!(self.known.contains(&name), "{name} is a known key");
        let index = self.entries.iter().position(|(key, _)| key.name == name)?;
        Some(self.entries.swap_remove(index))
    }

    /// Where a key stands that nobody took yet.
    pub(crate) fn place_of(&self, name: &str) -> Option<Place> {
        let (key, _) = self.entries.iter().find(|(key, _)| key.name == name)?;
        Some(key.place)
    }

    /// Reports what nobody took.
    pub(crate) fn finish(self, reading: &mut Reading) {
        for (key, _) in self.entries {
            let advice = advice(&key.name, self.known.iter().copied());
            reading.mistake(key.place, format!("unknown key {}; {advice}", key.name));
        }
    }
}

/// The known word that is most like one, if any is.
fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    known
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

/// What to say about an unknown word: the nearest one, or all that are known.
pub(crate) fn advice<'w>(word: &str, known: impl Iterator<Item = &'w str> + Clone) -> String {
    let all = known.clone().collect::<Vec<_>>().join(", ");
    advice_or(word, known, &format!("known are {all}"))
}

/// What to say about an unknown word: the nearest one, or something else.
pub(crate) fn advice_or<'w>(
    word: &str,
    known: impl Iterator<Item = &'w str>,
    otherwise: &str,
) -> String {
    nearest(word, known).map_or_else(
        || otherwise.to_owned(),
        |nearest| format!("did you mean {nearest}?"),
    )
}

impl Value {
    /// What it is, for a message.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Boolean(_) => "true or false",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Reads a file as a tree.
pub(crate) fn tree(text: &str, reading: &mut Reading) -> Option<Node> {
    match serde_saphyr::from_str::<Node>(text) {
        Ok(node) => Some(node),
        Err(error) => {
            let error = error.without_snippet();
            let place = error.location().map_or(Place::default(), |location| Place {
                line: usize::try_from(location.line()).unwrap_or_default(),
                column: usize::try_from(location.column()).unwrap_or_default(),
            });
            reading.mistake(place, format!("no readable YAML: {error}"));
            None
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            place: place_of(&spanned),
            value: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self {
            place: place_of(&spanned),
            name: spanned.value,
        })
    }
}

fn place_of<T>(spanned: &Spanned<T>) -> Place {
    Place {
        line: usize::try_from(spanned.referenced.line()).unwrap_or_default(),
        column: usize::try_from(spanned.referenced.column()).unwrap_or_default(),
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "no number of a policy is that large"
    )]
    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Float(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}
