//! The client's answers to a request for authentication. They share one tag.

use std::fmt;

use crate::body::{MessageError, Reader, put_cstr, put_frame};
use crate::tag;

/// The length that stands for "no initial response".
const NO_DATA: u32 = u32::MAX;

/// A password, or its MD5.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PasswordMessage<'a> {
    password: &'a [u8],
}

impl<'a> PasswordMessage<'a> {
    /// Reads the body: one NUL, and that at the end.
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        let password = reader.cstr()?;
        reader.finish()?;
        Ok(Self { password })
    }

    /// What the client sent; PostgreSQL refuses an empty one.
    pub fn password(&self) -> &'a [u8] {
        self.password
    }
}

impl fmt::Debug for PasswordMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordMessage").finish_non_exhaustive()
    }
}

/// The mechanism that the client chose, and its first words in it. What follows are `SASLResponse`
/// messages, whose body is all data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SaslInitialResponse<'a> {
    /// The mechanism's name.
    pub mechanism: &'a [u8],
    /// The initial response; absent is not the same as empty. For OAUTHBEARER it is a token.
    pub data: Option<&'a [u8]>,
}

impl<'a> SaslInitialResponse<'a> {
    /// Reads the body.
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        let mechanism = reader.cstr()?;
        let len = reader.u32()?;
        let data = match len {
            NO_DATA => None,
            len => Some(reader.bytes(len as usize)?),
        };
        reader.finish()?;
        Ok(Self { mechanism, data })
    }
}

impl fmt::Debug for SaslInitialResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaslInitialResponse")
            .field("mechanism", &self.mechanism.escape_ascii().to_string())
            .finish_non_exhaustive()
    }
}

/// Appends `PasswordMessage`. The password ends at its first NUL.
pub fn password_message(out: &mut Vec<u8>, password: &[u8]) {
    put_frame(out, tag::frontend::PASSWORD, |out| put_cstr(out, password));
}

/// Appends `SASLInitialResponse`.
pub fn sasl_initial_response(out: &mut Vec<u8>, mechanism: &[u8], data: Option<&[u8]>) {
    put_frame(out, tag::frontend::PASSWORD, |out| {
        put_cstr(out, mechanism);
        let len = data.map_or(NO_DATA, |data| u32::try_from(data.len()).unwrap_or(NO_DATA));
        out.extend(len.to_be_bytes());
        out.extend_from_slice(data.unwrap_or_default());
    });
}

/// Appends `SASLResponse`.
pub fn sasl_response(out: &mut Vec<u8>, data: &[u8]) {
    put_frame(out, tag::frontend::PASSWORD, |out| {
        out.extend_from_slice(data);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_is_terminated_once_at_the_end() {
        let mut out = Vec::new();
        password_message(&mut out, b"secret");
        assert_eq!(out, b"p\0\0\0\x0bsecret\0");
        assert_eq!(
            PasswordMessage::decode(&out[5..]).unwrap().password(),
            b"secret"
        );
        assert_eq!(
            PasswordMessage::decode(b"secret"),
            Err(MessageError::Unterminated)
        );
        let refused = Err(MessageError::TrailingBytes { count: 2 });
        assert_eq!(PasswordMessage::decode(b"secret\0x\0"), refused);
    }

    #[test]
    fn absent_initial_response_is_not_an_empty_one() {
        for data in [None, Some(b"".as_slice()), Some(b"n,,n=,r=abc")] {
            let mut out = Vec::new();
            sasl_initial_response(&mut out, b"SCRAM-SHA-256", data);
            let response = SaslInitialResponse {
                mechanism: b"SCRAM-SHA-256",
                data,
            };
            assert_eq!(SaslInitialResponse::decode(&out[5..]), Ok(response));
        }
        assert_eq!(
            SaslInitialResponse::decode(b"A\0\xff\xff\xff\xff"),
            Ok(SaslInitialResponse {
                mechanism: b"A",
                data: None
            })
        );
    }

    #[test]
    fn length_that_lies_is_refused() {
        let truncated = Err(MessageError::Truncated);
        assert_eq!(
            SaslInitialResponse::decode(b"A\0\xff\xff\xff\xfeab"),
            truncated
        );
        assert_eq!(
            SaslInitialResponse::decode(b"A\0\x7f\xff\xff\xffab"),
            truncated
        );
        let trailing = Err(MessageError::TrailingBytes { count: 1 });
        assert_eq!(SaslInitialResponse::decode(b"A\0\0\0\0\x01ab"), trailing);
        assert_eq!(
            SaslInitialResponse::decode(b"A\0\xff\xff\xff\xffa"),
            trailing
        );
    }

    #[test]
    fn secrets_are_not_printed() {
        let message = PasswordMessage::decode(b"hunter2\0").unwrap();
        assert_eq!(format!("{message:?}"), "PasswordMessage { .. }");
        let response = SaslInitialResponse {
            mechanism: b"OAUTHBEARER",
            data: Some(b"token"),
        };
        assert!(!format!("{response:?}").contains("token"));
    }
}
