//! Names with `*`, as rules write them.

/// A part of a name in which `*` stands for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Glob {
    /// `*`.
    Any,
    /// No `*` in it.
    Exact(Box<str>),
    /// What stands between the `*`s: first what a name begins with, last what it ends with.
    Pieces(Box<[Box<str>]>),
}

/// `schema.name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamePattern {
    pub(crate) schema: Glob,
    pub(crate) name: Glob,
}

/// `schema.relation.column`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnPattern {
    pub(crate) relation: NamePattern,
    pub(crate) column: Glob,
}

impl Glob {
    /// Case counts, and nothing but `*` is special.
    pub(crate) fn new(text: &str) -> Self {
        if text == "*" {
            Self::Any
        } else if text.contains('*') {
            Self::Pieces(text.split('*').map(Into::into).collect())
        } else {
            Self::Exact(text.into())
        }
    }

    #[inline]
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => **exact == *text,
            Self::Pieces(pieces) => matches_pieces(pieces, text),
        }
    }

    pub(crate) fn is_any(&self) -> bool {
        *self == Self::Any
    }
}

fn matches_pieces(pieces: &[Box<str>], text: &str) -> bool {
    let [first, middle @ .., last] = pieces else {
        return false;
    };
    // Most names differ in their first byte.
    if !first.is_empty() && first.as_bytes().first() != text.as_bytes().first() {
        return false;
    }
    let Some(mut rest) = text
        .strip_prefix(&**first)
        .and_then(|rest| rest.strip_suffix(&**last))
    else {
        return false;
    };
    for piece in middle {
        match rest.find(&**piece) {
            Some(at) => rest = rest.get(at + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

impl NamePattern {
    /// Reads `schema.name`; `*` alone is every name.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let parts = parts(text)?;
        match <[Glob; 2]>::try_from(parts) {
            Ok([schema, name]) => Ok(Self { schema, name }),
            Err(parts) if parts == [Glob::Any] => Ok(Self {
                schema: Glob::Any,
                name: Glob::Any,
            }),
            Err(parts) if parts.len() == 1 => Err(format!(
                "{text} names no schema: write `schema.{text}`, or `*.{text}` for any schema"
            )),
            Err(_) => Err(format!("{text} has too many parts: write `schema.name`")),
        }
    }
}

impl ColumnPattern {
    /// Reads `schema.relation.column`.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        match <[Glob; 3]>::try_from(parts(text)?) {
            Ok([schema, name, column]) => Ok(Self {
                relation: NamePattern { schema, name },
                column,
            }),
            Err(_) => Err(format!(
                "{text} is no column: write `schema.table.column`, each part a name or `*`"
            )),
        }
    }
}

/// The parts of a name: what isn't quoted is folded to lower case, as PostgreSQL does.
fn parts(text: &str) -> Result<Vec<Glob>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_part(text, quoted)?,
            None => plain_part(text, rest)?,
        };
        parts.push(part);
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None if after.is_empty() => return Ok(parts),
            None => return Err(format!("{text} is no name")),
        }
    }
}

/// The rest of a part that began with a quote, and what comes after it.
fn quoted_part<'t>(text: &str, rest: &'t str) -> Result<(Glob, &'t str), String> {
    let (name, after) = rest
        .split_once('"')
        .ok_or_else(|| format!("{text} has a quote that doesn't end"))?;
    Ok((Glob::new(name), after))
}

/// A part without quotes, and what comes after it.
fn plain_part<'t>(text: &str, rest: &'t str) -> Result<(Glob, &'t str), String> {
    let end = rest.find('.').unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(format!("{text} is no name"));
    }
    Ok((Glob::new(&name.to_lowercase()), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (glob, yes, no) in [
            ("*", "anything", None),
            ("app_*", "app_x", Some("xapp_x")),
            ("*_log", "a_log", Some("a_log2")),
            ("a*b*c", "a1b2c", Some("acb")),
            ("a*a", "aa", Some("a")),
            ("plain", "plain", Some("Plain")),
        ] {
            assert!(Glob::new(glob).matches(yes), "{glob} {yes}");
            if let Some(no) = no {
                assert!(!Glob::new(glob).matches(no), "{glob} {no}");
            }
        }
    }

    #[test]
    fn names_are_folded_unless_quoted() {
        let pattern = NamePattern::read("Public.\"Big.One\"").unwrap();
        assert!(pattern.schema.matches("public"));
        assert!(pattern.name.matches("Big.One"));
        assert!(
            NamePattern::read("accounts")
                .unwrap_err()
                .contains("*.accounts")
        );
        assert!(NamePattern::read("a.b.c").is_err());
        assert!(NamePattern::read("a.\"b").is_err());
        assert!(NamePattern::read("").is_err());
        assert!(ColumnPattern::read("a.b").is_err());
    }
}
