//! What stands behind an instance's `?`.

/// The keys and values of a query, decoded, in order.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query as Go does: pairs between `&`, a semicolon is an error, as is a `%` that is not
    /// followed by two hexadecimal digits. `None` is such an error.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if pair.contains(';') {
                return None;
            }
            Some((decode(key)?, decode(value)?))
        });
        Some(Self {
            pairs: pairs.collect::<Option<_>>()?,
        })
    }

    /// Whether a key is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.pairs.iter().any(|(name, _)| name == key)
    }

    /// The value of a key, if it has one. `Err` if it has several.
    pub(crate) fn single(&self, key: &str) -> Result<Option<&str>, SeveralValues> {
        let mut values = self.pairs.iter().filter(|(name, _)| name == key);
        let first = values.next().map(|(_, value)| value.as_str());
        match values.next() {
            Some(_) => Err(SeveralValues),
            None => Ok(first),
        }
    }

    /// The keys, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(key, _)| key.as_str())
    }
}

/// A key has several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeveralValues;

fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hexadecimal(bytes.next()?)? << 4 | hexadecimal(bytes.next()?)?,
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hexadecimal(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded() {
        let query = Query::parse("a=%2Ftmp%2fx+y&&b&c=d=e&a=2").unwrap();
        assert_eq!(query.single("a"), Err(SeveralValues));
        assert_eq!(query.single("b"), Ok(Some("")));
        assert_eq!(query.single("c"), Ok(Some("d=e")));
        assert_eq!(query.single("d"), Ok(None));
        assert_eq!(query.pairs[0].1, "/tmp/x y");
        assert!(query.has("b") && !query.has("B"));
    }

    #[test]
    fn what_is_no_query_is_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "%=1", "a=1;b=2", "a=%ff"] {
            assert!(Query::parse(text).is_none(), "{text}");
        }
    }
}
