//! The inside of a message: integers, C strings, and how a body is read to its last byte.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-types.html>

use std::ffi::CStr;

use crate::SqlState;

/// Why the body of a message can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A field has a value that the protocol doesn't know.
    #[error("{0}")]
    Invalid(&'static str),
    /// The body goes on after its last field.
    #[error("{count} bytes after the end of the message")]
    TrailingBytes {
        /// How many bytes are left over.
        count: usize,
    },
    /// The body ends inside a field.
    #[error("message ends inside a field")]
    Truncated,
    /// A string has no terminator.
    #[error("string without terminator")]
    Unterminated,
}

impl MessageError {
    /// The code that a peer is told.
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::Invalid(_) => SqlState::PROTOCOL_VIOLATION,
            Self::TrailingBytes { .. } => SqlState::PROTOCOL_VIOLATION,
            Self::Truncated => SqlState::PROTOCOL_VIOLATION,
            Self::Unterminated => SqlState::PROTOCOL_VIOLATION,
        }
    }
}

/// Reads a body from front to back.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let (head, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(MessageError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, MessageError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, MessageError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, MessageError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], MessageError> {
        let (head, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(MessageError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// A string up to its NUL, without it.
    pub(crate) fn cstr(&mut self) -> Result<&'a [u8], MessageError> {
        // `CStr` looks at a word at a time; the text of a query may be megabytes.
        let text = CStr::from_bytes_until_nul(self.rest)
            .map_err(|_| MessageError::Unterminated)?
            .to_bytes();
        self.bytes(text.len())?;
        self.u8()?;
        Ok(text)
    }

    /// Nothing may be left.
    pub(crate) fn finish(self) -> Result<(), MessageError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(MessageError::TrailingBytes {
            count: self.rest.len(),
        })
    }
}

/// Appends one message: its tag, its length and what `body` writes.
pub(crate) fn put_frame(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let len = u32::try_from(out.len().saturating_sub(start))
        .expect("a message that we build is far below 4 GiB");
    if let Some(field) = out
        .get_mut(start..)
        .and_then(|frame| frame.first_chunk_mut())
    {
        *field = len.to_be_bytes();
    }
}

/// Appends a C string. It ends at the first NUL of `text`, as it would for its reader.
pub(crate) fn put_cstr(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(text.iter().take_while(|byte| **byte != 0));
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_in_order_and_refuses_leftovers() {
        let mut reader = Reader::new(b"\x01\x00\x02\x00\x00\x00\x03ab\0xyz");
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.u32(), Ok(3));
        assert_eq!(reader.cstr(), Ok(b"ab".as_slice()));
        assert_eq!(reader.bytes(1), Ok(b"x".as_slice()));
        assert_eq!(reader.bytes(3), Err(MessageError::Truncated));
        assert_eq!(reader.cstr(), Err(MessageError::Unterminated));
        assert_eq!(
            reader.finish(),
            Err(MessageError::TrailingBytes { count: 2 })
        );
    }

    #[test]
    fn length_counts_itself_and_the_body() {
        let mut out = b"before".to_vec();
        put_frame(&mut out, b'Q', |out| put_cstr(out, b"ab\0cd"));
        assert_eq!(out, b"beforeQ\0\0\0\x07ab\0");
    }
}
