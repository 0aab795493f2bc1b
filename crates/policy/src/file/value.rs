//! Values: texts, numbers, words of closed sets.

use std::time::Duration;

use crate::pattern::Glob;
use crate::yaml::{Node, Place, Reading, Value, advice};

/// A text.
pub(super) fn text_of(node: &Node, what: &str, reading: &mut Reading) -> Option<String> {
    match &node.value {
        Value::Text(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Text(_) | Value::Null => {
            reading.mistake(node.place, format!("{what} is empty"));
            None
        }
        Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => {
            reading.mistake(node.place, format!("{what} is a text: put it in quotes"));
            None
        }
        Value::List(_) | Value::Map(_) => {
            let found = node.value.describe();
            reading.mistake(node.place, format!("{what} is a text, not {found}"));
            None
        }
    }
}

/// The items of a list; a single value is a list of one.
pub(super) fn items_of(node: Node, what: &str, reading: &mut Reading) -> Vec<Node> {
    match node.value {
        Value::List(items) if items.is_empty() => {
            reading.mistake(
                node.place,
                format!("{what} is empty: leave the key out, or say what is meant"),
            );
            Vec::new()
        }
        Value::List(items) => items,
        Value::Map(_) => {
            reading.mistake(node.place, format!("{what} is a list, not a map"));
            Vec::new()
        }
        Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) => {
            vec![node]
        }
    }
}

/// The texts of a list, each with its place.
pub(super) fn texts_of(node: Node, what: &str, reading: &mut Reading) -> Vec<(Place, String)> {
    items_of(node, what, reading)
        .into_iter()
        .filter_map(|item| {
            Some((
                item.place,
                text_of(&item, &format!("one of {what}"), reading)?,
            ))
        })
        .collect()
}

/// Texts in which `*` stands for anything.
pub(super) fn globs_of(node: Node, what: &str, reading: &mut Reading) -> Vec<Glob> {
    texts_of(node, what, reading)
        .into_iter()
        .map(|(_, text)| Glob::new(&text))
        .collect()
}

/// True or false.
pub(super) fn boolean_of(node: &Node, what: &str, reading: &mut Reading) -> Option<bool> {
    if let Value::Boolean(boolean) = node.value {
        return Some(boolean);
    }
    reading.mistake(node.place, format!("{what} is true or false"));
    None
}

/// A whole number above zero.
pub(super) fn count_of(node: &Node, what: &str, reading: &mut Reading) -> Option<u64> {
    if let Value::Integer(integer) = node.value
        && let Ok(count) = u64::try_from(integer)
        && count > 0
    {
        return Some(count);
    }
    reading.mistake(node.place, format!("{what} is a whole number above 0"));
    None
}

/// A length of time, as `30s` or `2m`.
pub(super) fn duration_of(node: &Node, what: &str, reading: &mut Reading) -> Option<Duration> {
    if let Value::Text(text) = &node.value
        && let Ok(span) = text.parse::<jiff::SignedDuration>()
        && let Ok(duration) = Duration::try_from(span)
        && !duration.is_zero()
    {
        return Some(duration);
    }
    reading.mistake(
        node.place,
        format!("{what} is a length of time with its unit, as 500ms, 30s or 2m"),
    );
    None
}

/// A size in bytes, as `50MB`: units are powers of 1024, as PostgreSQL's.
pub(super) fn size_of(node: &Node, what: &str, reading: &mut Reading) -> Option<u64> {
    let size = match &node.value {
        Value::Integer(bytes) => u64::try_from(*bytes).ok(),
        Value::Text(text) => parse_size(text),
        Value::Null | Value::Boolean(_) | Value::Float(_) | Value::List(_) | Value::Map(_) => None,
    };
    if size.is_none_or(|size| size == 0) {
        reading.mistake(
            node.place,
            format!("{what} is a size above 0, as 64kB, 50MB or 1GB"),
        );
        return None;
    }
    size
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "B" => 1,
        "kB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// The words of a closed set with what they mean.
pub(super) fn words_of<T: Copy>(
    all: &'static [T],
    word: fn(T) -> &'static str,
) -> Vec<(&'static str, T)> {
    all.iter().map(|item| (word(*item), *item)).collect()
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    node: &Node,
    words: &[(&str, T)],
    reading: &mut Reading,
) -> Option<T> {
    let Value::Text(text) = &node.value else {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        reading.mistake(node.place, format!("one of {} is needed", known.join(", ")));
        return None;
    };
    word_meaning(node.place, text, words, reading)
}

/// What a word means.
pub(super) fn word_meaning<T: Copy>(
    place: Place,
    text: &str,
    words: &[(&str, T)],
    reading: &mut Reading,
) -> Option<T> {
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*meaning);
    }
    let advice = advice(text, words.iter().map(|(word, _)| *word));
    reading.mistake(place, format!("unknown word {text}; {advice}"));
    None
}
