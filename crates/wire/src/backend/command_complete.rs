//! `CommandComplete`: what a statement was, and how many rows it touched.

use crate::body::{MessageError, Reader, put_cstr, put_frame};
use crate::tag;

/// The end of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandComplete<'a> {
    tag: &'a [u8],
}

impl<'a> CommandComplete<'a> {
    /// Reads the body.
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        let tag = reader.cstr()?;
        reader.finish()?;
        Ok(Self { tag })
    }

    /// The command tag, such as `INSERT 0 5`.
    pub fn tag(&self) -> &'a [u8] {
        self.tag
    }

    /// How many rows were selected, changed or copied, if the tag ends in a number.
    pub fn rows(&self) -> Option<u64> {
        let last = self.tag.rsplit(|byte| *byte == b' ').next()?;
        if last.len() == self.tag.len() || !last.iter().all(u8::is_ascii_digit) {
            return None;
        }
        str::from_utf8(last).ok()?.parse().ok()
    }
}

/// Appends `CommandComplete`.
pub fn command_complete(out: &mut Vec<u8>, tag: &str) {
    put_frame(out, tag::backend::COMMAND_COMPLETE, |out| {
        put_cstr(out, tag.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_last_number_of_the_tag() {
        let cases: [(&[u8], Option<u64>); 9] = [
            (b"INSERT 0 5\0", Some(5)),
            (b"SELECT 18446744073709551615\0", Some(u64::MAX)),
            (b"SELECT 18446744073709551616\0", None),
            (b"COPY 0\0", Some(0)),
            (b"CREATE TABLE\0", None),
            (b"BEGIN\0", None),
            (b"SELECT \0", None),
            (b"7\0", None),
            (b"\0", None),
        ];
        for (body, rows) in cases {
            let complete = CommandComplete::decode(body).unwrap();
            assert_eq!(complete.rows(), rows, "{}", body.escape_ascii());
        }
    }

    #[test]
    fn encodes_and_refuses_leftovers() {
        let mut out = Vec::new();
        command_complete(&mut out, "BEGIN");
        assert_eq!(out, b"C\0\0\0\x0aBEGIN\0");
        let refused = Err(MessageError::TrailingBytes { count: 1 });
        assert_eq!(CommandComplete::decode(b"BEGIN\0\0"), refused);
    }
}
