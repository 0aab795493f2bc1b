//! An access token and where it comes from.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize as _, Deserializer};

use crate::BoxFuture;

/// An OAuth 2.0 access token. Never printed.
#[derive(Clone)]
pub struct AccessToken {
    secret: SecretString,
    expires_at: Option<SystemTime>,
}

impl AccessToken {
    /// A token and when it ends, if that is known.
    pub fn new(secret: SecretString, expires_at: Option<SystemTime>) -> Self {
        Self { secret, expires_at }
    }

    /// The token itself. Keep it out of logs.
    pub fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// When it ends, if that is known.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AccessToken")
            .field("bytes", &self.expose().len())
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Gives access tokens. Any `Fn() -> impl Future<Output = Result<AccessToken, TokenError>>` is one.
pub trait TokenSource: Send + Sync + 'static {
    /// A token that is valid now. Asked at every dial and every refresh.
    fn token(&self) -> BoxFuture<'_, Result<AccessToken, TokenError>>;
}

impl<F, Fut> TokenSource for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<AccessToken, TokenError>> + Send + 'static,
{
    fn token(&self) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        Box::pin(self())
    }
}

/// Reads a secret's text from JSON.
pub(crate) fn secret<'de, D: Deserializer<'de>>(json: D) -> Result<SecretString, D::Error> {
    String::deserialize(json).map(SecretString::from)
}

/// Why there is no token. Cheap to clone.
#[derive(Clone)]
pub struct TokenError {
    message: Arc<str>,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
}

impl TokenError {
    /// Says what is wrong. The message is shown; it must hold no secret.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into().into(),
            cause: None,
        }
    }

    /// Says what is wrong and why.
    pub fn caused(
        message: impl Into<String>,
        cause: impl StdError + Send + Sync + 'static,
    ) -> Self {
        Self {
            cause: Some(Arc::new(cause)),
            ..Self::new(message)
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl fmt::Debug for TokenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenError")
            .field("message", &self.message)
            .field("cause", &self.cause)
            .finish()
    }
}

impl StdError for TokenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_printed() {
        let token = AccessToken::new("ya29.secret".into(), None);
        assert!(!format!("{token:?}").contains("ya29"));
    }
}
