//! Why the first packet of a connection is refused.

use std::fmt;

use super::{MAX_NAME_LEN, ProtocolVersion};
use crate::SqlState;

/// Why bytes are not a packet that opens a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartupError {
    /// A parameter stands there twice. PostgreSQL obeys the last one, others the first one: who is
    /// let in must not depend on it.
    #[error("startup parameter \"{name}\" is given twice")]
    DuplicateParameter {
        /// Its name, as it was sent.
        name: String,
    },
    /// The peer speaks something else.
    #[error("not the PostgreSQL protocol but {0}")]
    Foreign(ForeignProtocol),
    /// The length is impossible for such a packet.
    #[error("invalid length {len} of startup packet")]
    Length {
        /// The length field as sent.
        len: u32,
    },
    /// The packet is laid out wrongly.
    #[error("malformed startup packet: {0}")]
    Malformed(&'static str),
    /// There is no role to log in as.
    #[error("no PostgreSQL user name specified in startup packet")]
    MissingUser,
    /// PostgreSQL would cut the name off, and so log in as somebody else.
    #[error("startup parameter \"{parameter}\" has {len} bytes, more than {MAX_NAME_LEN}")]
    NameTooLong {
        /// `user` or `database`.
        parameter: &'static str,
        /// How long the name is.
        len: usize,
    },
    /// The name can't be shown, logged or matched.
    #[error("startup parameter \"{parameter}\" is not UTF-8")]
    NotUtf8 {
        /// `user` or `database`.
        parameter: &'static str,
    },
    /// The major version is not 3.
    #[error("unsupported frontend protocol {version}: server supports 3.0 to 3.2")]
    UnsupportedVersion {
        /// The version that was asked for.
        version: ProtocolVersion,
    },
}

impl StartupError {
    /// The code that the client is told.
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::DuplicateParameter { .. } => SqlState::PROTOCOL_VIOLATION,
            Self::Foreign(_) => SqlState::PROTOCOL_VIOLATION,
            Self::Length { .. } => SqlState::PROTOCOL_VIOLATION,
            Self::Malformed(_) => SqlState::PROTOCOL_VIOLATION,
            Self::MissingUser => SqlState::INVALID_AUTHORIZATION,
            Self::NameTooLong { .. } => SqlState::PROTOCOL_VIOLATION,
            Self::NotUtf8 { .. } => SqlState::PROTOCOL_VIOLATION,
            Self::UnsupportedVersion { .. } => SqlState::FEATURE_NOT_SUPPORTED,
        }
    }
}

/// Another protocol, recognised by its first bytes. As lengths they would all be too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignProtocol {
    /// HTTP/1 or the preface of HTTP/2.
    Http,
    /// A TLS record that was not negotiated.
    Tls,
}

impl ForeignProtocol {
    pub(super) fn recognise(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&[0x16, 0x03]) {
            return Some(Self::Tls);
        }
        match bytes.first_chunk()? {
            b"CONN" | b"DELE" | b"GET " | b"HEAD" | b"OPTI" | b"PATC" | b"POST" | b"PRI "
            | b"PUT " => Some(Self::Http),
            _ => None,
        }
    }
}

impl fmt::Display for ForeignProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP",
            Self::Tls => "TLS",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_postgresql() {
        let version = ProtocolVersion { major: 2, minor: 0 };
        let error = StartupError::UnsupportedVersion { version };
        assert_eq!(error.sqlstate().as_str(), "0A000");
        assert_eq!(StartupError::MissingUser.sqlstate().as_str(), "28000");
        assert_eq!(StartupError::Length { len: 3 }.sqlstate().as_str(), "08P01");
        assert_eq!(
            StartupError::NameTooLong {
                parameter: "user",
                len: 64
            }
            .to_string(),
            "startup parameter \"user\" has 64 bytes, more than 63"
        );
    }

    #[test]
    fn http_methods_and_tls_are_recognised() {
        for bytes in [
            "GET /", "POST", "HEAD", "PUT ", "OPTI", "DELE", "PATC", "CONN", "PRI ",
        ] {
            let foreign = ForeignProtocol::recognise(bytes.as_bytes());
            assert_eq!(foreign, Some(ForeignProtocol::Http), "{bytes}");
        }
        assert_eq!(
            ForeignProtocol::recognise(b"\x16\x03\x01"),
            Some(ForeignProtocol::Tls)
        );
        assert_eq!(ForeignProtocol::recognise(b"\x16\x04\x01\0"), None);
        assert_eq!(ForeignProtocol::recognise(b"get "), None);
    }
}
