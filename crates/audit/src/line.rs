//! Pieces of a line of JSON, written into a buffer that is used again.
//!
//! Every piece begins with a comma: what comes before it is the beginning of the line, which only
//! the store writes.

use std::cell::Cell;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::Offset;

/// The most that a line has, in bytes, with its newline.
pub const MAX_LINE: usize = 64 << 10;

/// What ends a value that was cut.
const CUT: &str = "…";

/// A buffer that takes UTF-8 and never fails.
pub(crate) type Buffer = Vec<u8>;

/// The name of a field, with what stands around it.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

pub(crate) use key;

/// Adds a text.
pub(crate) fn text(buffer: &mut Buffer, key: &str, value: &str, most: usize) {
    buffer.extend_from_slice(key.as_bytes());
    quoted(buffer, value, most);
}

/// Adds a word of ours, in which nothing has to be escaped.
#[inline]
pub(crate) fn word(buffer: &mut Buffer, key: &str, word: &'static str) {
    debug_assert!(!word.bytes().any(needs_escape));
    buffer.extend_from_slice(key.as_bytes());
    buffer.push(b'"');
    buffer.extend_from_slice(word.as_bytes());
    buffer.push(b'"');
}

/// Adds a text if there is one.
pub(crate) fn optional(buffer: &mut Buffer, key: &str, value: Option<&str>, most: usize) {
    if let Some(value) = value {
        text(buffer, key, value, most);
    }
}

/// Adds bytes that should be UTF-8; what isn't becomes U+FFFD.
pub(crate) fn bytes(buffer: &mut Buffer, key: &str, value: &[u8], most: usize) {
    buffer.extend_from_slice(key.as_bytes());
    buffer.push(b'"');
    let end = buffer.len() + most;
    for chunk in value.utf8_chunks() {
        if !escaped(buffer, chunk.valid(), end) {
            break;
        }
        if !chunk.invalid().is_empty() && !escaped(buffer, "\u{fffd}", end) {
            break;
        }
    }
    buffer.push(b'"');
}

/// Adds a number.
#[inline]
pub(crate) fn number(buffer: &mut Buffer, key: &str, value: u64) {
    buffer.extend_from_slice(key.as_bytes());
    digits(buffer, value);
}

/// Adds a list of words; nothing if it is empty. Words that don't fit into `most` bytes are left
/// out, and `…` takes their place.
pub(crate) fn list<S: AsRef<str>>(
    buffer: &mut Buffer,
    key: &str,
    words: impl IntoIterator<Item = S>,
    most: usize,
) {
    let begin = buffer.len();
    buffer.extend_from_slice(key.as_bytes());
    buffer.push(b'[');
    let first = buffer.len();
    for word in words {
        if buffer.len() > first {
            buffer.push(b',');
        }
        if buffer.len() - first > most {
            quoted(buffer, CUT, CUT.len());
            break;
        }
        quoted(buffer, word.as_ref(), MAX_WORD);
    }
    if buffer.len() == first {
        buffer.truncate(begin);
    } else {
        buffer.push(b']');
    }
}

/// Adds a list of texts, which together have at most `most` bytes: the last one is cut, and `…` takes
/// the place of those for which there is no room at all.
pub(crate) fn texts<'a>(
    buffer: &mut Buffer,
    key: &str,
    texts: impl IntoIterator<Item = &'a str>,
    most: usize,
) {
    let end = buffer.len() + most;
    let mut separator = b'[';
    let mut texts = texts.into_iter().peekable();
    if texts.peek().is_none() {
        return;
    }
    buffer.extend_from_slice(key.as_bytes());
    for text in texts {
        buffer.push(separator);
        separator = b',';
        let room = end.saturating_sub(buffer.len());
        if room < LEAST_TEXT {
            quoted(buffer, CUT, CUT.len());
            break;
        }
        quoted(buffer, text, room);
    }
    buffer.push(b']');
}

/// Less room than this is none for a text.
const LEAST_TEXT: usize = 64;

/// The most that one word of a list has, in bytes.
const MAX_WORD: usize = 1024;

/// Adds a time: UTC, always with six digits of a second.
pub(crate) fn time(buffer: &mut Buffer, key: &str, value: Timestamp) {
    buffer.extend_from_slice(key.as_bytes());
    buffer.push(b'"');
    instant(buffer, value);
    buffer.push(b'"');
}

/// Writes a time as `2026-11-25T04:10:00.000000Z`.
pub(crate) fn instant(buffer: &mut Buffer, value: Timestamp) {
    let micros = value.as_microsecond();
    let (second, mut fraction) = (
        micros.div_euclid(1_000_000),
        micros.rem_euclid(1_000_000).unsigned_abs(),
    );
    let (known, mut text) = SECOND.get();
    if known != second {
        text = to_the_second(value);
        SECOND.set((second, text));
    }
    buffer.extend_from_slice(&text);
    let mut end = *b"000000Z";
    for digit in end[..6].iter_mut().rev() {
        *digit = b'0' + u8::try_from(fraction % 10).unwrap_or_default();
        fraction /= 10;
    }
    buffer.extend_from_slice(&end);
}

/// A time up to the dot before its microseconds.
type ToTheSecond = [u8; 20];

thread_local! {
    /// The second that was written last, and its text: the next record is most often of the same.
    static SECOND: Cell<(i64, ToTheSecond)> = const { Cell::new((i64::MIN, [0; 20])) };
}

fn to_the_second(value: Timestamp) -> ToTheSecond {
    let value = Offset::UTC.to_datetime(value);
    let mut text = *b"0000-00-00T00:00:00.";
    let fields = [
        (0..4, value.year().unsigned_abs()),
        (5..7, value.month().unsigned_abs().into()),
        (8..10, value.day().unsigned_abs().into()),
        (11..13, value.hour().unsigned_abs().into()),
        (14..16, value.minute().unsigned_abs().into()),
        (17..19, value.second().unsigned_abs().into()),
    ];
    for (place, mut value) in fields {
        for digit in text[place].iter_mut().rev() {
            *digit = b'0' + u8::try_from(value % 10).unwrap_or_default();
            value /= 10;
        }
    }
    text
}

/// Writes a number in decimal.
#[inline]
pub(crate) fn digits(buffer: &mut Buffer, value: u64) {
    let mut text = itoa::Buffer::new();
    buffer.extend_from_slice(text.format(value).as_bytes());
}

fn quoted(buffer: &mut Buffer, value: &str, most: usize) {
    buffer.push(b'"');
    let end = buffer.len() + most;
    escaped(buffer, value, end);
    buffer.push(b'"');
}

/// Writes a text with JSON's escapes, up to about the given length of the buffer: what doesn't fit
/// is cut between two characters and marked. Says whether all of it fitted.
fn escaped(buffer: &mut Buffer, value: &str, end: usize) -> bool {
    let mut plain = 0;
    let bytes = value.as_bytes();
    if buffer.len() + bytes.len() <= end && !bytes.iter().copied().any(needs_escape) {
        buffer.extend_from_slice(bytes);
        return true;
    }
    for (index, byte) in bytes.iter().enumerate() {
        // The rest of the line is cheaper to check than each byte: escapes are at most six bytes.
        let is_full = buffer.len() + (index - plain) >= end && value.is_char_boundary(index);
        if !is_full && !needs_escape(*byte) {
            continue;
        }
        buffer.extend(bytes.get(plain..index).unwrap_or_default());
        plain = index + 1;
        if is_full {
            buffer.extend(CUT.as_bytes());
            return false;
        }
        escape(buffer, *byte);
    }
    buffer.extend(bytes.get(plain..).unwrap_or_default());
    true
}

fn needs_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1f | 0x7f)
}

fn escape(buffer: &mut Buffer, byte: u8) {
    match byte {
        b'"' => buffer.extend(b"\\\""),
        b'\\' => buffer.extend(b"\\\\"),
        b'\n' => buffer.extend(b"\\n"),
        b'\r' => buffer.extend(b"\\r"),
        b'\t' => buffer.extend(b"\\t"),
        _ => {
            let mut code = String::new();
            let _ = write!(code, "\\u{byte:04x}");
            buffer.extend(code.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(buffer: &[u8]) -> serde_json::Value {
        let line = String::from_utf8([b"{\"a\":1", buffer, b"}"].concat()).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(value in any::<String>()) {
            let mut buffer = Buffer::new();
            text(&mut buffer, key!("b"), &value, MAX_LINE);
            prop_assert!(!buffer.iter().any(|byte| *byte < 0x20));
            let line = read(&buffer);
            prop_assert_eq!(line["b"].as_str(), Some(&*value));
        }

        #[test]
        fn any_bytes_become_text(value in any::<Vec<u8>>()) {
            let mut buffer = Buffer::new();
            bytes(&mut buffer, key!("b"), &value, MAX_LINE);
            let expected = String::from_utf8_lossy(&value);
            let line = read(&buffer);
            prop_assert_eq!(line["b"].as_str(), Some(&*expected));
        }

        #[test]
        fn what_is_cut_has_a_bound_and_is_still_text(value in any::<String>(), most in 0_usize..20) {
            let mut buffer = Buffer::new();
            text(&mut buffer, key!("b"), &value, most);
            prop_assert!(buffer.len() <= 6 + most + 6 + CUT.len());
            let line = read(&buffer);
            let kept = line["b"].as_str().unwrap();
            prop_assert!(value == kept || value.starts_with(kept.trim_end_matches(CUT)));
        }

        #[test]
        fn times_are_what_others_read(micros in 0_i64..4_102_444_800_000_000) {
            let value = Timestamp::from_microsecond(micros).unwrap();
            let mut buffer = Buffer::new();
            instant(&mut buffer, value);
            let written = String::from_utf8(buffer).unwrap();
            prop_assert_eq!(written.len(), 27);
            prop_assert_eq!(written.parse::<Timestamp>().unwrap(), value);
        }
    }

    #[test]
    fn numbers_are_decimal() {
        for value in [0, 7, 10, u64::MAX] {
            let mut buffer = Buffer::new();
            digits(&mut buffer, value);
            assert_eq!(buffer, value.to_string().as_bytes());
        }
    }

    #[test]
    fn texts_share_their_room() {
        let mut buffer = Buffer::new();
        texts(&mut buffer, key!("b"), [], 100);
        assert!(buffer.is_empty());
        let long = "x".repeat(200);
        texts(
            &mut buffer,
            key!("b"),
            ["short", &long, "late", "later"],
            150,
        );
        let line = read(&buffer);
        let kept: Vec<_> = line["b"]
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap())
            .collect();
        let cut = kept[1].trim_end_matches(CUT);
        assert_eq!([kept[0], kept[2]], ["short", CUT]);
        assert!(long.starts_with(cut) && cut.len() > 100, "{kept:?}");
        assert_eq!(kept.len(), 3);
        assert!(buffer.len() < 150 + 2 * LEAST_TEXT);
    }

    #[test]
    fn lists_without_words_are_left_out() {
        let mut buffer = Buffer::new();
        list(&mut buffer, key!("b"), [""; 0], 100);
        assert!(buffer.is_empty());
        list(&mut buffer, key!("b"), ["x"; 100], 10);
        assert_eq!(read(&buffer)["b"].as_array().unwrap().last().unwrap(), CUT);
    }
}
