//! Query: one or more statements as text; and Terminate.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SIMPLE-QUERY>

use crate::body::{MessageError, Reader, put_cstr, put_frame};
use crate::tag;

/// Text to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// The text, in the session's `client_encoding`.
    pub text: &'a [u8],
}

impl<'a> Query<'a> {
    /// Reads the body.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        let text = reader.cstr()?;
        reader.finish()?;
        Ok(Self { text })
    }
}

/// Appends Query. The text ends at its first NUL.
pub fn query(out: &mut Vec<u8>, sql: &[u8]) {
    put_frame(out, tag::frontend::QUERY, |out| put_cstr(out, sql));
}

/// Appends Terminate.
pub fn terminate(out: &mut Vec<u8>) {
    put_frame(out, tag::frontend::TERMINATE, |_| ());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_and_written() {
        let mut out = Vec::new();
        query(&mut out, b"select 1");
        terminate(&mut out);
        assert_eq!(out, b"Q\0\0\0\x0dselect 1\0X\0\0\0\x04");
        assert_eq!(Query::decode(&out[5..14]), Ok(Query { text: b"select 1" }));
    }

    #[test]
    fn text_behind_the_terminator_is_refused() {
        let refused = Err(MessageError::TrailingBytes { count: 7 });
        assert_eq!(Query::decode(b"select 1\0delete\0"), refused);
        assert_eq!(Query::decode(b"select 1"), Err(MessageError::Unterminated));
        assert_eq!(Query::decode(b""), Err(MessageError::Unterminated));
    }
}
