//! `CancelRequest`: the key of a session, on a connection of its own.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS>

use std::fmt;
use std::ops::RangeInclusive;

use super::{CANCEL_CODE, StartupError};

/// How many bytes a secret has: 4 before protocol 3.2, up to 256 since.
pub(crate) const SECRET_LENGTHS: RangeInclusive<usize> = 4..=256;

/// Length, code, process id and secret.
pub(super) const LENGTHS: RangeInclusive<u32> = 16..=268;

/// A request to cancel what another session runs.
#[derive(Clone, PartialEq, Eq)]
pub struct CancelRequest {
    packet: Vec<u8>,
    process_id: u32,
}

impl CancelRequest {
    /// The request for the session with this key.
    pub fn new(process_id: u32, secret: &[u8]) -> Result<Self, StartupError> {
        if !SECRET_LENGTHS.contains(&secret.len()) {
            return Err(StartupError::Malformed(
                "secret of other than 4 to 256 bytes",
            ));
        }
        let len = u32::try_from(secret.len())
            .unwrap_or(u32::MAX)
            .saturating_add(12);
        let mut packet = Vec::with_capacity(len as usize);
        packet.extend(len.to_be_bytes());
        packet.extend(CANCEL_CODE.to_be_bytes());
        packet.extend(process_id.to_be_bytes());
        packet.extend(secret);
        Ok(Self { packet, process_id })
    }

    /// Reads a whole packet whose length and code are known to be right.
    pub(super) fn from_packet(packet: &[u8]) -> Result<Self, StartupError> {
        let process_id = packet.get(8..).and_then(|rest| rest.first_chunk());
        let process_id = process_id.ok_or(StartupError::Malformed("no process id"))?;
        Ok(Self {
            packet: packet.to_vec(),
            process_id: u32::from_be_bytes(*process_id),
        })
    }

    /// The packet as it was sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.packet
    }

    /// Which process is meant.
    pub fn process_id(&self) -> u32 {
        self.process_id
    }

    /// What proves that the sender may cancel it.
    pub fn secret(&self) -> &[u8] {
        self.packet.get(12..).unwrap_or_default()
    }
}

impl fmt::Debug for CancelRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelRequest")
            .field("process_id", &self.process_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{StartupPacket, decode};
    use super::*;

    #[test]
    fn key_is_read_from_the_bytes() {
        let bytes = b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\x01\x02abcd";
        let Ok(Some((StartupPacket::Cancel(cancel), 16))) = decode(bytes) else {
            panic!("{:?}", decode(bytes));
        };
        assert_eq!(cancel.process_id(), 258);
        assert_eq!(cancel.secret(), b"abcd");
        assert_eq!(cancel.as_bytes(), bytes);
    }

    #[test]
    fn secret_of_protocol_3_2_has_up_to_256_bytes() {
        assert!(CancelRequest::new(1, &[7; 3]).is_err());
        assert!(CancelRequest::new(1, &[7; 257]).is_err());
        let cancel = CancelRequest::new(1, &[7; 256]).unwrap();
        assert_eq!(
            decode(cancel.as_bytes()),
            Ok(Some((StartupPacket::Cancel(cancel.clone()), 268)))
        );
        let refused = Err(StartupError::Length { len: 269 });
        assert_eq!(decode(b"\0\0\x01\x0d\x04\xd2\x16\x2e"), refused);
    }

    #[test]
    fn secret_is_not_printed() {
        let cancel = CancelRequest::new(7, b"topsecret").unwrap();
        assert_eq!(format!("{cancel:?}"), "CancelRequest { process_id: 7, .. }");
    }
}
