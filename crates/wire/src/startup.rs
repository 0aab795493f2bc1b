//! The packets that open a connection. They have a length and no tag.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>, `StartupMessage`,
//! `CancelRequest`, `SSLRequest` and `GSSENCRequest`.

mod cancel;
mod error;
mod message;

use std::fmt;

pub use cancel::CancelRequest;
pub(crate) use cancel::SECRET_LENGTHS;
pub use error::{ForeignProtocol, StartupError};
pub use message::StartupMessage;

/// The longest packet, its length field included; PostgreSQL's `MAX_STARTUP_PACKET_LENGTH`, which
/// doesn't count the length field and so lets four bytes more pass.
///
/// <https://github.com/postgres/postgres/blob/master/src/include/libpq/pqcomm.h>
pub const MAX_STARTUP_LEN: usize = 10_000;

/// The longest name of a role or database; PostgreSQL's `NAMEDATALEN` counts the terminator.
///
/// <https://github.com/postgres/postgres/blob/master/src/include/pg_config_manual.h>
pub const MAX_NAME_LEN: usize = 63;

/// The shortest packet: its length and a code.
const MIN_LEN: u32 = 8;

const MAX_LEN: u32 = 10_000;

/// The codes that stand where a version would, in a major version that will never exist.
const CANCEL_CODE: u32 = ProtocolVersion {
    major: 1234,
    minor: 5678,
}
.code();
const SSL_CODE: u32 = ProtocolVersion {
    major: 1234,
    minor: 5679,
}
.code();
const GSSENC_CODE: u32 = ProtocolVersion {
    major: 1234,
    minor: 5680,
}
.code();

/// A version of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProtocolVersion {
    /// 3 since PostgreSQL 7.4.
    pub major: u16,
    /// 0, or 2 since PostgreSQL 18.
    pub minor: u16,
}

impl ProtocolVersion {
    /// What every server since PostgreSQL 7.4 speaks.
    pub const V3_0: Self = Self { major: 3, minor: 0 };
    /// Longer cancel keys; PostgreSQL 18.
    pub const V3_2: Self = Self { major: 3, minor: 2 };

    /// The version that is sent as `code`.
    pub(crate) fn from_code(code: u32) -> Self {
        let [a, b, c, d] = code.to_be_bytes();
        Self {
            major: u16::from_be_bytes([a, b]),
            minor: u16::from_be_bytes([c, d]),
        }
    }

    pub(crate) const fn code(self) -> u32 {
        // `From` can't be used in a constant, and this cast loses nothing.
        (self.major as u32) << 16 | self.minor as u32
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What a client opens a connection with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartupPacket {
    /// Asks that the statement of another session be cancelled.
    Cancel(CancelRequest),
    /// Asks for GSSAPI encryption.
    GssEncRequest,
    /// Asks for a session.
    Message(StartupMessage),
    /// Asks for TLS.
    SslRequest,
}

/// Reads the packet at the front of `bytes` and says how many bytes it has; `None` while it is not
/// all there. What is wrong with its length or code is an error as soon as they are there.
pub fn decode(bytes: &[u8]) -> Result<Option<(StartupPacket, usize)>, StartupError> {
    if let Some(foreign) = ForeignProtocol::recognise(bytes) {
        return Err(StartupError::Foreign(foreign));
    }
    let Some((len, rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    let len = u32::from_be_bytes(*len);
    // The length is the peer's claim, so it is checked before anything waits for it.
    if !(MIN_LEN..=MAX_LEN).contains(&len) {
        return Err(StartupError::Length { len });
    }
    let Some(code) = rest.first_chunk() else {
        return Ok(None);
    };
    let kind = Kind::of(u32::from_be_bytes(*code), len)?;
    let total = len as usize;
    let Some(packet) = bytes.get(..total) else {
        return Ok(None);
    };
    let packet = match kind {
        Kind::Cancel => StartupPacket::Cancel(CancelRequest::from_packet(packet)?),
        Kind::GssEnc => StartupPacket::GssEncRequest,
        Kind::Message => StartupPacket::Message(StartupMessage::from_packet(packet)?),
        Kind::Ssl => StartupPacket::SslRequest,
    };
    Ok(Some((packet, total)))
}

/// An `SSLRequest`.
pub fn ssl_request() -> [u8; 8] {
    request(SSL_CODE)
}

/// A `GSSENCRequest`.
pub fn gssenc_request() -> [u8; 8] {
    request(GSSENC_CODE)
}

fn request(code: u32) -> [u8; 8] {
    let [a, b, c, d] = code.to_be_bytes();
    [0, 0, 0, 8, a, b, c, d]
}

/// What a packet is by its code.
enum Kind {
    Cancel,
    GssEnc,
    Message,
    Ssl,
}

impl Kind {
    /// The kind of packet, if one of that kind can have that length.
    fn of(code: u32, len: u32) -> Result<Self, StartupError> {
        let (kind, lengths) = match code {
            CANCEL_CODE => (Self::Cancel, cancel::LENGTHS),
            GSSENC_CODE => (Self::GssEnc, MIN_LEN..=MIN_LEN),
            SSL_CODE => (Self::Ssl, MIN_LEN..=MIN_LEN),
            _ => (Self::Message, MIN_LEN..=MAX_LEN),
        };
        if !lengths.contains(&len) {
            return Err(StartupError::Length { len });
        }
        let version = ProtocolVersion::from_code(code);
        if matches!(kind, Self::Message) && version.major != 3 {
            return Err(StartupError::UnsupportedVersion { version });
        }
        Ok(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_eight_bytes() {
        assert_eq!(ssl_request(), *b"\0\0\0\x08\x04\xd2\x16\x2f");
        assert_eq!(gssenc_request(), *b"\0\0\0\x08\x04\xd2\x16\x30");
        assert_eq!(
            decode(&ssl_request()),
            Ok(Some((StartupPacket::SslRequest, 8)))
        );
        assert_eq!(
            decode(&gssenc_request()),
            Ok(Some((StartupPacket::GssEncRequest, 8)))
        );
    }

    #[test]
    fn bytes_after_a_request_are_left() {
        let mut bytes = ssl_request().to_vec();
        bytes.extend(b"\0\0\0\x08");
        assert_eq!(decode(&bytes), Ok(Some((StartupPacket::SslRequest, 8))));
    }

    #[test]
    fn wrong_length_is_refused_at_four_bytes() {
        for len in [0, 4, 7, 10_001, 1 << 31, u32::MAX] {
            assert_eq!(
                decode(&len.to_be_bytes()),
                Err(StartupError::Length { len }),
                "{len}"
            );
        }
        for len in [8, 10_000_u32] {
            assert_eq!(decode(&len.to_be_bytes()), Ok(None), "{len}");
        }
        let longest = u32::try_from(MAX_STARTUP_LEN).unwrap();
        assert_eq!(longest, MAX_LEN);
    }

    #[test]
    fn wrong_code_is_refused_at_eight_bytes() {
        let version = ProtocolVersion { major: 2, minor: 0 };
        let refused = Err(StartupError::UnsupportedVersion { version });
        assert_eq!(decode(b"\0\0\0\x20\0\x02\0\0"), refused);
        let version = ProtocolVersion {
            major: 1234,
            minor: 5677,
        };
        let refused = Err(StartupError::UnsupportedVersion { version });
        assert_eq!(decode(b"\0\0\0\x20\x04\xd2\x16\x2d"), refused);
        let refused = Err(StartupError::Length { len: 9 });
        assert_eq!(decode(b"\0\0\0\x09\x04\xd2\x16\x2f"), refused);
        let refused = Err(StartupError::Length { len: 15 });
        assert_eq!(decode(b"\0\0\0\x0f\x04\xd2\x16\x2e"), refused);
    }

    #[test]
    fn later_minor_version_is_for_the_server_to_negotiate() {
        assert_eq!(decode(b"\0\0\0\x20\0\x03\x27\x0f"), Ok(None));
    }

    #[test]
    fn other_protocols_are_named_at_once() {
        let http = Err(StartupError::Foreign(ForeignProtocol::Http));
        assert_eq!(decode(b"GET "), http);
        assert_eq!(decode(b"PRI * HTTP/2.0\r\n"), http);
        let tls = Err(StartupError::Foreign(ForeignProtocol::Tls));
        assert_eq!(decode(b"\x16\x03"), tls);
        assert_eq!(decode(b"\x16"), Ok(None));
        assert_eq!(decode(b"GET"), Ok(None));
    }
}
