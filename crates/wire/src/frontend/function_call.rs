//! `FunctionCall`: runs a function by its number, past every text.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-FUNCTION-CALL>

use crate::body::{MessageError, Reader};

/// A call of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionCall<'a> {
    /// The function's `pg_proc.oid`.
    pub oid: u32,
    /// Formats and arguments, unread.
    pub arguments: &'a [u8],
}

impl<'a> FunctionCall<'a> {
    /// Reads the oid of the body.
    pub fn decode(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        let oid = reader.u32()?;
        Ok(Self {
            oid,
            arguments: reader.rest(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oid_is_read() {
        let call = FunctionCall {
            oid: 258,
            arguments: b"\0\0",
        };
        assert_eq!(FunctionCall::decode(b"\0\0\x01\x02\0\0"), Ok(call));
        assert_eq!(
            FunctionCall::decode(b"\0\0\x01"),
            Err(MessageError::Truncated)
        );
    }
}
