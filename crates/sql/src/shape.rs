//! Texts that differ in their literals alone.
//!
//! A client that writes its values into the text sends another text each time, and all of them do
//! the same. [`shape`] gives such texts one key, and is far simpler than a lexer so that it can be
//! seen to be right: whatever it isn't sure of (an escape, a comment, a dollar quote, a byte beyond
//! ASCII, a prefix in front of a string) has no shape, and is analyzed by itself. What is not
//! replaced stands in the key as it is, so two texts of one shape have the same tokens, but for the
//! values of integers and of plain strings.
//!
//! Whether these values matter, the analysis tells ([`literal_was_read`]).

use std::cell::Cell;

/// Longer texts have no shape: they are rare, and hashing them twice is not.
const MAX_BYTES: usize = 4 << 10;

/// Stands for an integer; no text with a shape has this byte.
const INTEGER: u8 = 1;

/// Stands for a string.
const STRING: u8 = 2;

thread_local! {
    /// Whether the value of a literal has been looked at. A thread-local, because those who look are
    /// functions of a node, and the walk that calls them has no business with caches.
    static LITERAL_READ: Cell<bool> = const { Cell::new(false) };
}

/// Notes that the value of a literal decides about facts.
pub(crate) fn read_literal() {
    LITERAL_READ.set(true);
}

/// Whether `read` looked at the value of a literal.
pub(crate) fn literal_was_read<T>(read: impl FnOnce() -> T) -> (T, bool) {
    LITERAL_READ.set(false);
    let result = read();
    (result, LITERAL_READ.get())
}

/// The text with a mark in the place of each integer and plain string, appended to an empty `key`.
/// False: it has no shape, or no literals.
pub(crate) fn shape(text: &[u8], key: &mut Vec<u8>) -> bool {
    if text.len() > MAX_BYTES {
        return false;
    }
    let mut has_literals = false;
    let mut rest = text;
    let mut before = b' ';
    while let Some((&byte, behind)) = rest.split_first() {
        match byte {
            b'0'..=b'9' if !continues_word(before) => {
                let end = position(rest, |byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
                let (digits, behind) = rest.split_at(end);
                let ends_here = behind
                    .first()
                    .is_none_or(|byte| !continues_word(*byte) && *byte != b'\'');
                if ends_here {
                    key.push(INTEGER);
                    has_literals = true;
                } else {
                    key.extend_from_slice(digits);
                }
                before = b'0';
                rest = behind;
            }
            b'\'' => {
                // E'', B'', X'', N'', U&'': not plain.
                if continues_word(before) || before == b'&' {
                    return false;
                }
                let Some(behind) = behind_string(behind) else {
                    return false;
                };
                key.push(STRING);
                has_literals = true;
                before = b'\'';
                rest = behind;
            }
            b'"' => {
                // U&"": not plain.
                if before == b'&' {
                    return false;
                }
                let Some(end) = position(behind, |byte| byte == b'"' || byte == b'\\') else {
                    return false;
                };
                let (quoted, behind) = rest.split_at(end + 2);
                if !quoted.iter().all(|byte| is_plain(*byte)) {
                    return false;
                }
                key.extend_from_slice(quoted);
                before = b'"';
                rest = behind;
            }
            b'$' if !behind.first().is_some_and(u8::is_ascii_digit) => return false,
            b'-' if behind.first() == Some(&b'-') => return false,
            b'/' if behind.first() == Some(&b'*') => return false,
            _ if is_plain(byte) => {
                key.push(byte);
                before = byte;
                rest = behind;
            }
            _ => return false,
        }
    }
    has_literals
}

/// What follows a plain string whose opening quote was taken; `None` if it isn't plain.
fn behind_string(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let end = position(rest, |byte| byte == b'\'' || !is_plain(byte))?;
        let (found, behind) = rest.split_at(end).1.split_first()?;
        if *found != b'\'' {
            return None;
        }
        match behind.split_first() {
            // A quote in the string.
            Some((b'\'', behind)) => rest = behind,
            _ => return Some(behind),
        }
    }
}

fn position(bytes: &[u8], is_it: impl Fn(u8) -> bool) -> Option<usize> {
    bytes.iter().position(|byte| is_it(*byte))
}

/// Whether a byte can belong to a word, a number or a parameter that goes on.
fn continues_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.')
}

/// Printable ASCII or white space, and no backslash.
fn is_plain(byte: u8) -> bool {
    (byte.is_ascii_graphic() && byte != b'\\') || matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        let mut key = Vec::new();
        shape(text.as_bytes(), &mut key).then(|| {
            String::from_utf8(key)
                .unwrap()
                .replace('\u{1}', "<i>")
                .replace('\u{2}', "<s>")
        })
    }

    #[test]
    fn integers_and_plain_strings_are_marks() {
        let cases = [
            ("select 1", "select <i>"),
            ("a=-12 and b='x'", "a=-<i> and b=<s>"),
            ("a='it''s'", "a=<s>"),
            ("a='' or b=''", "a=<s> or b=<s>"),
            ("t1.c2 = 3", "t1.c2 = <i>"),
            ("\"a'1\" = 1", "\"a'1\" = <i>"),
            ("$1 = 2", "$1 = <i>"),
            ("'a'\n'b'", "<s>\n<s>"),
            ("a=1;b", "a=<i>;b"),
        ];
        for (text, shape) in cases {
            assert_eq!(of(text).as_deref(), Some(shape), "{text}");
        }
    }

    #[test]
    fn numbers_that_are_no_integers_stay() {
        for text in ["1.5", "1e5", "0x1F", "1_000", "1a", "a1", "$1", ".5", "1."] {
            assert_eq!(of(&format!("{text} = 'x'")), Some(format!("{text} = <s>")));
        }
    }

    #[test]
    fn what_is_not_certain_has_no_shape() {
        let cases = [
            "select a",
            "E'x'",
            "e'\\''",
            "U&'x'",
            "u&\"x\\0041\" = 1",
            "u&\"x!0041\" uescape '!'",
            "B'1'",
            "x'1F'",
            "N'x'",
            "1'x'",
            "'a\\' = 1",
            "$$x$$ = 1",
            "$a$x$a$ = 1",
            "a$$ = 1",
            "1 -- x",
            "1 /* x */",
            "'open",
            "\"open",
            "'x\u{0}'",
            "1 = '\u{e9}'",
            "1\u{1}",
        ];
        for text in cases {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
