//! SQLSTATE, the five characters on which drivers branch.
//!
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>

use std::fmt;

/// An error code: five digits or upper-case letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// 00000, successful completion.
    pub const SUCCESSFUL_COMPLETION: Self = Self(*b"00000");
    /// 01000, a warning of no particular kind.
    pub const WARNING: Self = Self(*b"01000");
    /// 08000, a connection error of no particular kind.
    pub const CONNECTION_EXCEPTION: Self = Self(*b"08000");
    /// 08001, the client (here: the gateway) can't establish the connection.
    pub const UNABLE_TO_CONNECT: Self = Self(*b"08001");
    /// 08003, the connection doesn't exist.
    pub const CONNECTION_DOES_NOT_EXIST: Self = Self(*b"08003");
    /// 08004, the server rejected the connection.
    pub const CONNECTION_REJECTED: Self = Self(*b"08004");
    /// 08006, the connection broke.
    pub const CONNECTION_FAILURE: Self = Self(*b"08006");
    /// 08P01, a peer broke the protocol.
    pub const PROTOCOL_VIOLATION: Self = Self(*b"08P01");
    /// 0A000, what was asked for is not supported.
    pub const FEATURE_NOT_SUPPORTED: Self = Self(*b"0A000");
    /// 22023, invalid value of a parameter.
    pub const INVALID_PARAMETER_VALUE: Self = Self(*b"22023");
    /// 25006, a write in a read-only transaction.
    pub const READ_ONLY_TRANSACTION: Self = Self(*b"25006");
    /// 25P02, the transaction is aborted.
    pub const IN_FAILED_TRANSACTION: Self = Self(*b"25P02");
    /// 28000, invalid authorization specification.
    pub const INVALID_AUTHORIZATION: Self = Self(*b"28000");
    /// 28P01, wrong password.
    pub const INVALID_PASSWORD: Self = Self(*b"28P01");
    /// 3D000, the database doesn't exist.
    pub const INVALID_CATALOG_NAME: Self = Self(*b"3D000");
    /// 42501, insufficient privilege.
    pub const INSUFFICIENT_PRIVILEGE: Self = Self(*b"42501");
    /// 42601, syntax error.
    pub const SYNTAX_ERROR: Self = Self(*b"42601");
    /// 53300, too many connections.
    pub const TOO_MANY_CONNECTIONS: Self = Self(*b"53300");
    /// 53400, a configured limit is exceeded.
    pub const CONFIGURATION_LIMIT_EXCEEDED: Self = Self(*b"53400");
    /// 54000, a limit of the program is exceeded.
    pub const PROGRAM_LIMIT_EXCEEDED: Self = Self(*b"54000");
    /// 57014, the statement was cancelled.
    pub const QUERY_CANCELED: Self = Self(*b"57014");
    /// 57P01, an administrator (or a drain) ended the session.
    pub const ADMIN_SHUTDOWN: Self = Self(*b"57P01");
    /// 57P02, the server crashed.
    pub const CRASH_SHUTDOWN: Self = Self(*b"57P02");
    /// 57P03, connections are not accepted now.
    pub const CANNOT_CONNECT_NOW: Self = Self(*b"57P03");
    /// 57P05, the session was idle for too long.
    pub const IDLE_SESSION_TIMEOUT: Self = Self(*b"57P05");
    /// 58000, an error outside of the program.
    pub const SYSTEM_ERROR: Self = Self(*b"58000");
    /// 58030, an I/O error.
    pub const IO_ERROR: Self = Self(*b"58030");
    /// F0000, the configuration is wrong.
    pub const CONFIG_FILE_ERROR: Self = Self(*b"F0000");
    /// XX000, an error in the program itself.
    pub const INTERNAL_ERROR: Self = Self(*b"XX000");

    /// The code that is written as `text`; `None` unless it is five digits or upper-case letters.
    pub const fn parse(text: &str) -> Option<Self> {
        let Some((code, [])) = text.as_bytes().split_first_chunk() else {
            return None;
        };
        let mut rest = code.as_slice();
        while let [byte, others @ ..] = rest {
            if !byte.is_ascii_digit() && !byte.is_ascii_uppercase() {
                return None;
            }
            rest = others;
        }
        Some(Self(*code))
    }

    /// The five characters.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("the constructors admit only ASCII")
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlState({})", self.as_str())
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_digits_or_letters_are_a_code() {
        assert_eq!(SqlState::parse("28P01"), Some(SqlState::INVALID_PASSWORD));
        assert_eq!(SqlState::INVALID_PASSWORD.to_string(), "28P01");
        for text in ["", "28P0", "28P011", "28p01", "28 01", "28\u{e9}1"] {
            assert_eq!(SqlState::parse(text), None, "{text:?}");
        }
    }
}
