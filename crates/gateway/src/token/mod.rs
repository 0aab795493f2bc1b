//! Tokens that take the place of the client's password.

mod cache;
mod command;

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretSlice};

pub(crate) use cache::Tokens;
pub(crate) use command::TokenError;

/// A minted token. Its text is never printed.
#[derive(Clone)]
pub(crate) struct Token(Arc<SecretSlice<u8>>);

/// For whom a token is minted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bearer {
    pub(crate) user: String,
    pub(crate) database: String,
    /// Only known to a command that mints for a single connection: a token that is used again has no
    /// one client.
    pub(crate) client_addr: Option<String>,
}

/// A token, and whether it was minted for an earlier connection.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) token: Token,
    pub(crate) reused: bool,
}

impl Token {
    fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes.into()))
    }

    /// The bytes, to answer a challenge with.
    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
