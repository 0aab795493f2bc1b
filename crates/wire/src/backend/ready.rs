//! `ReadyForQuery`: the server waits, inside or outside of a transaction.

use crate::body::{MessageError, Reader, put_frame};
use crate::tag;

/// How the session's transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TransactionStatus {
    /// In a transaction that failed; only its end is accepted.
    Failed = b'E',
    /// In no transaction.
    Idle = b'I',
    /// In a transaction.
    InTransaction = b'T',
}

impl TransactionStatus {
    /// Reads the body of `ReadyForQuery`.
    pub fn decode(body: &[u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(body);
        let status = match reader.u8()? {
            b'E' => Self::Failed,
            b'I' => Self::Idle,
            b'T' => Self::InTransaction,
            _ => return Err(MessageError::Invalid("unknown transaction status")),
        };
        reader.finish()?;
        Ok(status)
    }
}

/// Appends `ReadyForQuery`.
pub fn ready_for_query(out: &mut Vec<u8>, status: TransactionStatus) {
    put_frame(out, tag::backend::READY_FOR_QUERY, |out| {
        out.push(status as u8);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read_and_written() {
        use TransactionStatus::{Failed, Idle, InTransaction};
        for (status, byte) in [(Failed, b'E'), (Idle, b'I'), (InTransaction, b'T')] {
            let mut out = Vec::new();
            ready_for_query(&mut out, status);
            assert_eq!(out, [b'Z', 0, 0, 0, 5, byte]);
            assert_eq!(TransactionStatus::decode(&[byte]), Ok(status));
        }
        assert_eq!(TransactionStatus::decode(b""), Err(MessageError::Truncated));
        let refused = Err(MessageError::TrailingBytes { count: 1 });
        assert_eq!(TransactionStatus::decode(b"II"), refused);
        assert!(TransactionStatus::decode(b"i").is_err());
    }
}
