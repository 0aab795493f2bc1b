//! A value of `search_path`.

use std::iter::Peekable;
use std::str::Chars;

/// A value of `search_path`: schemas in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Box<[Entry]>);

/// One schema of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// `"$user"`: the schema that is named as the current role.
    User,
    /// A schema.
    Schema(Box<str>),
}

impl Entry {
    fn new(name: &str) -> Self {
        if name == "$user" {
            Self::User
        } else {
            Self::Schema(name.into())
        }
    }
}

impl Path {
    /// From the words of a SET, each of which is one name.
    pub(crate) fn of_words(words: &[Box<str>]) -> Self {
        Self(words.iter().map(|word| Entry::new(word)).collect())
    }

    /// Whether `pg_catalog` has a place of its own in it; else it comes first.
    pub(crate) fn names_pg_catalog(&self) -> bool {
        self.0
            .iter()
            .any(|entry| matches!(entry, Entry::Schema(schema) if **schema == *"pg_catalog"))
    }

    /// From a value as PostgreSQL shows it: names, separated by commas, quoted where needed.
    ///
    /// What it can't read it takes as a name that no schema has; the server refuses it.
    pub(crate) fn read(value: &str) -> Self {
        let mut entries = Vec::new();
        let mut rest = value.chars().peekable();
        loop {
            while rest.next_if(|letter| letter.is_whitespace()).is_some() {}
            if rest.peek().is_none() {
                return Self(entries.into());
            }
            let name = match rest.next_if_eq(&'"') {
                Some(_) => quoted(&mut rest),
                None => plain(&mut rest),
            };
            if !name.is_empty() {
                entries.push(Entry::new(&name));
            }
            while rest.next_if(|letter| *letter != ',').is_some() {}
            rest.next();
        }
    }
}

fn quoted(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut name = String::new();
    while let Some(letter) = rest.next() {
        if letter == '"' && rest.next_if_eq(&'"').is_none() {
            break;
        }
        name.push(letter);
    }
    name
}

/// Unquoted names are folded to lower case, as PostgreSQL does.
fn plain(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut name = String::new();
    while let Some(letter) = rest.next_if(|letter| *letter != ',' && !letter.is_whitespace()) {
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_postgresql_does() {
        let read = |value: &str| Path::read(value).0.to_vec();
        let schema = |name: &str| Entry::Schema(name.into());
        assert_eq!(read("\"$user\", public"), [Entry::User, schema("public")]);
        assert_eq!(
            read(" App ,\"Big\"\"One\",x"),
            [schema("app"), schema("Big\"One"), schema("x")]
        );
        assert_eq!(read(""), []);
        assert_eq!(read("\"\""), []);
    }
}
