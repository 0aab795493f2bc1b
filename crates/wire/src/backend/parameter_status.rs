//! `ParameterStatus`: a setting that clients have to know, and each change of it.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-ASYNC>

use crate::body::{MessageError, Reader, put_cstr, put_frame};
use crate::tag;

/// A setting and its value now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterStatus<'a> {
    /// Such as `client_encoding`.
    pub name: &'a [u8],
    /// Such as `UTF8`.
    pub value: &'a [u8],
}

impl<'a> ParameterStatus<'a> {
    /// Reads the body.
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        let (name, value) = (reader.cstr()?, reader.cstr()?);
        reader.finish()?;
        Ok(Self { name, value })
    }
}

/// Appends `ParameterStatus`.
pub fn parameter_status(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    put_frame(out, tag::backend::PARAMETER_STATUS, |out| {
        put_cstr(out, name);
        put_cstr(out, value);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_is_read_and_written() {
        let mut out = Vec::new();
        parameter_status(&mut out, b"TimeZone", b"UTC");
        assert_eq!(out, b"S\0\0\0\x11TimeZone\0UTC\0");
        let status = ParameterStatus {
            name: b"TimeZone",
            value: b"UTC",
        };
        assert_eq!(ParameterStatus::decode(&out[5..]), Ok(status));
        assert_eq!(
            ParameterStatus::decode(b"TimeZone\0"),
            Err(MessageError::Unterminated)
        );
        let refused = Err(MessageError::TrailingBytes { count: 1 });
        assert_eq!(ParameterStatus::decode(b"a\0b\0c"), refused);
    }
}
