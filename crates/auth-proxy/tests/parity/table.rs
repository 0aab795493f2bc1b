//! The table of cases: how it is read, for the parity suite here and for the run beside the original.

use std::fs;
use std::path::Path;

const CASES: &str = include_str!("cases.txt");

/// A line of the table.
pub(crate) struct Case {
    /// The line itself.
    pub(crate) line: &'static str,
    /// Why the original decides otherwise; `None` if it doesn't.
    pub(crate) difference: Option<&'static str>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) arguments: Vec<String>,
    pub(crate) expected: Expected,
    /// What settings, error or output there are.
    pub(crate) text: &'static str,
}

/// What becomes of a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Settings,
    Error,
    Output,
}

const SIGNS: [(&str, Expected); 3] = [
    ("=>", Expected::Settings),
    ("!!", Expected::Error),
    (">>", Expected::Output),
];

/// Reads all cases; their files are written into a folder.
pub(crate) fn cases(folder: &Path) -> Vec<Case> {
    let lines = CASES
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let numbered = lines.enumerate();
    numbered
        .map(|(number, line)| case(folder, number, line))
        .collect()
}

fn case(folder: &Path, number: usize, line: &'static str) -> Case {
    let (difference, row) = match line.strip_prefix('{') {
        Some(marked) => {
            let (name, row) = marked.split_once('}').expect("the mark ends");
            (Some(name), row)
        }
        None => (None, line),
    };
    let signs = SIGNS.into_iter();
    let found = signs.filter_map(|(sign, expected)| Some((row.find(sign)?, expected)));
    let (at, expected) = found
        .min_by_key(|(at, _)| *at)
        .expect("a case says what is expected");
    let all: Vec<_> = words(&expand(&row[..at]))
        .iter()
        .map(|word| with_file(folder, number, word))
        .collect();
    let first = all.iter().position(|word| !is_variable(word));
    let (environment, arguments) = all.split_at(first.unwrap_or(all.len()));
    let environment = environment.iter().map(|word| {
        let (name, value) = word.split_once('=').expect("a variable has a value");
        (name.to_owned(), value.to_owned())
    });
    Case {
        line,
        difference,
        environment: environment.collect(),
        arguments: arguments.to_vec(),
        expected,
        text: row[at + 2..].trim(),
    }
}

/// Puts in what the table abbreviates.
pub(crate) fn expand(text: &str) -> String {
    let mut expanded = text.replace("%V", env!("CARGO_PKG_VERSION"));
    for name in ["i", "j", "k"] {
        let uri = format!("projects/p/locations/l/clusters/c/instances/{name}");
        expanded = expanded.replace(&format!("@{name}"), &uri);
    }
    expanded
}

/// Splits as a shell does, with single quotes alone.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    assert!(!quoted, "a quote is open: {text}");
    words.extend(word);
    words
}

/// Writes the file of a word such as `<toml: port = 1>`, and gives its path.
fn with_file(folder: &Path, number: usize, word: &str) -> String {
    let Some(start) = word.find('<').filter(|_| word.ends_with('>')) else {
        return word.to_owned();
    };
    let (extension, content) = word[start + 1..word.len() - 1]
        .split_once(':')
        .expect("a file has a language");
    let path = folder.join(format!("{number}.{extension}"));
    let content = content.trim_start().replace("\\n", "\n");
    fs::write(&path, content).expect("the file can be written");
    format!("{}{}", &word[..start], path.display())
}

fn is_variable(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let is_part = |byte: u8| byte == b'_' || byte.is_ascii_alphabetic();
        let digits = name.trim_end_matches(|digit: char| digit.is_ascii_digit());
        digits.contains('_') && digits.bytes().all(is_part)
    })
}
