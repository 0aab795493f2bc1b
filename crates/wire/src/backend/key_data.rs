//! `BackendKeyData`: what a client needs to cancel its statements.

use std::fmt;

use crate::body::{MessageError, Reader, put_frame};
use crate::startup::SECRET_LENGTHS;
use crate::tag;

/// The key of a session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BackendKeyData<'a> {
    /// The server's process.
    pub process_id: u32,
    /// 4 bytes before protocol 3.2, up to 256 since.
    pub secret: &'a [u8],
}

impl<'a> BackendKeyData<'a> {
    /// Reads the body.
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        let process_id = reader.u32()?;
        let secret = reader.rest();
        if !SECRET_LENGTHS.contains(&secret.len()) {
            return Err(MessageError::Invalid("secret of other than 4 to 256 bytes"));
        }
        Ok(Self { process_id, secret })
    }
}

impl fmt::Debug for BackendKeyData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendKeyData")
            .field("process_id", &self.process_id)
            .finish_non_exhaustive()
    }
}

/// Appends `BackendKeyData`.
pub fn backend_key_data(out: &mut Vec<u8>, process_id: u32, secret: &[u8]) {
    put_frame(out, tag::backend::BACKEND_KEY_DATA, |out| {
        out.extend(process_id.to_be_bytes());
        out.extend_from_slice(secret);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_read_and_written() {
        let mut out = Vec::new();
        backend_key_data(&mut out, 258, b"abcd");
        assert_eq!(out, b"K\0\0\0\x0c\0\0\x01\x02abcd");
        let key = BackendKeyData::decode(&out[5..]).unwrap();
        assert_eq!((key.process_id, key.secret), (258, b"abcd".as_slice()));
        assert_eq!(format!("{key:?}"), "BackendKeyData { process_id: 258, .. }");
    }

    #[test]
    fn secret_has_4_to_256_bytes() {
        assert!(BackendKeyData::decode(&[0; 7]).is_err());
        assert!(BackendKeyData::decode(&[0; 260]).is_ok());
        assert!(BackendKeyData::decode(&[0; 261]).is_err());
    }
}
