//! Tokens that take the place of the client's password.

mod cache;
mod command;

use std::fmt;
use std::sync::Arc;

use alloydb_connector::Dialer;
use secrecy::{ExposeSecret, SecretSlice};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::config::{self, TokenSource};
use crate::google::{self, GoogleError};
use crate::metrics::Metrics;

use cache::CommandTokens;
pub(crate) use command::TokenError;

/// Hands out tokens.
#[derive(Debug)]
pub(crate) enum Tokens {
    /// Those that a command prints.
    Command(Arc<CommandTokens>),
    /// Google Cloud's access tokens of the gateway's own principal, which the connector keeps and
    /// renews.
    Iam {
        dialer: Dialer,
        metrics: Arc<Metrics>,
    },
}

/// There is no token.
#[derive(Debug, Error)]
pub(crate) enum IssueError {
    /// The command has none.
    #[error(transparent)]
    Command(#[from] TokenError),
    /// Google Cloud has none.
    #[error(transparent)]
    Iam(#[from] alloydb_connector::Error),
}

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

impl Tokens {
    /// `None` where the settings name no source. Must be called within a runtime that lives as long
    /// as the tokens: they are minted on it.
    pub(crate) async fn load(
        backend: &config::Backend,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Arc<Self>>, GoogleError> {
        let metrics = Arc::clone(metrics);
        let tokens = match &backend.token {
            None => return Ok(None),
            Some(TokenSource::Command(command)) => Self::Command(CommandTokens::new(
                command.clone(),
                metrics,
                Handle::current(),
            )),
            Some(TokenSource::Iam) => Self::Iam {
                dialer: google::dialer(&backend.google).await?,
                metrics,
            },
        };
        Ok(Some(Arc::new(tokens)))
    }

    /// A token for `bearer`. Cancel safe.
    pub(crate) async fn issue(&self, bearer: Bearer) -> Result<Issued, IssueError> {
        match self {
            Self::Command(tokens) => Ok(tokens.issue(bearer).await?),
            Self::Iam { dialer, metrics } => {
                let started = Instant::now();
                let token = dialer.login_token().await;
                metrics.token_minted(token.is_ok(), started.elapsed());
                let token = Token::new(token?.expose().as_bytes().to_vec());
                // A new one can't be forced: the library renews it when its time has come.
                Ok(Issued {
                    token,
                    reused: false,
                })
            }
        }
    }

    /// Forgets the bearer's token if it is still this one: the server did not take it.
    pub(crate) fn forget(&self, bearer: Bearer, refused: &Token) {
        match self {
            Self::Command(tokens) => tokens.forget(bearer, refused),
            Self::Iam { .. } => {}
        }
    }
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
