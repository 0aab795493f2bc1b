//! Why an exchange can't go on.

use super::{MAX_ITERATIONS, SCRAM_SHA_256, SCRAM_SHA_256_PLUS};
use crate::SqlState;

/// Why a message of SCRAM is refused. A wrong password is not among the reasons.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// The client wants to be somebody else than it proves to be.
    #[error("client uses authorization identity, but it is not supported")]
    AuthorizationIdentity,
    /// Channel binding and mechanism contradict each other.
    #[error("mechanism and channel binding flag contradict each other")]
    ChannelBindingFlag,
    /// The two ends see different certificates: somebody stands between them.
    #[error("channel binding check failed")]
    ChannelBindingMismatch,
    /// The client binds to something else than the server's certificate.
    #[error("unsupported channel binding type, only tls-server-end-point is known")]
    ChannelBindingType,
    /// The client could bind, and was made to believe that the server can't.
    #[error("client was told that channel binding is not supported, but it was offered")]
    Downgrade,
    /// The server asks for no iterations, or for more than is sensible.
    #[error("iteration count {count} is not between 1 and {MAX_ITERATIONS}")]
    Iterations {
        /// What it asks for; the largest number stands for all that are larger still.
        count: u32,
    },
    /// The message is laid out wrongly.
    #[error("malformed SCRAM message: {0}")]
    Malformed(&'static str),
    /// The peer demands an extension.
    #[error("mandatory SCRAM extension is not supported")]
    MandatoryExtension,
    /// The client chose a mechanism that was not offered.
    #[error("mechanism is not offered: neither {SCRAM_SHA_256} nor {SCRAM_SHA_256_PLUS}")]
    Mechanism,
    /// The nonce is not the one that was sent, or not an extension of it.
    #[error("nonce doesn't match")]
    Nonce,
    /// The server doesn't know the password either.
    #[error("server's signature is wrong")]
    ServerSignature,
    /// Something is longer than is sensible.
    #[error("{what} of {len} bytes is too long")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// How long it is.
        len: usize,
    },
}

impl ScramError {
    /// The code that a client is told, as PostgreSQL does.
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::AuthorizationIdentity => SqlState::FEATURE_NOT_SUPPORTED,
            Self::ChannelBindingFlag => SqlState::PROTOCOL_VIOLATION,
            Self::ChannelBindingMismatch => SqlState::INVALID_AUTHORIZATION,
            Self::ChannelBindingType => SqlState::PROTOCOL_VIOLATION,
            Self::Downgrade => SqlState::INVALID_AUTHORIZATION,
            Self::Iterations { .. } => SqlState::PROTOCOL_VIOLATION,
            Self::Malformed(_) => SqlState::PROTOCOL_VIOLATION,
            Self::MandatoryExtension => SqlState::FEATURE_NOT_SUPPORTED,
            Self::Mechanism => SqlState::PROTOCOL_VIOLATION,
            Self::Nonce => SqlState::PROTOCOL_VIOLATION,
            Self::ServerSignature => SqlState::INVALID_AUTHORIZATION,
            Self::TooLong { .. } => SqlState::PROTOCOL_VIOLATION,
        }
    }
}
