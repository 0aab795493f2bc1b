//! Everything else that Google's own library knows: the metadata server, users, workload identity.

use std::sync::{Mutex, PoisonError};

use google_cloud_auth::credentials::{
    AccessTokenCredentials, CredentialsProvider as _, external_account, impersonated, mds,
    user_account,
};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::{AccessToken, Purpose, TokenError, TokenSource};
use crate::BoxFuture;

const LIBRARY: &str = "Google's credentials library gave no token";

/// Credentials of Google's library.
///
/// The library stops asking after an error that it holds to be permanent, and would report it until
/// the process ends. So the credentials are built anew after such an error.
pub(crate) struct Adapter {
    recipe: Recipe,
    purpose: Purpose,
    current: Mutex<Current>,
    /// The library's background task must live on the dialer's runtime, whoever asks.
    runtime: Handle,
}

#[derive(Default)]
struct Current {
    credentials: Option<AccessTokenCredentials>,
    /// How often they were built.
    generation: u64,
}

enum Recipe {
    MetadataServer,
    Json(Value),
}

impl Adapter {
    pub(crate) fn metadata_server(purpose: Purpose) -> Result<Self, TokenError> {
        Self::new(Recipe::MetadataServer, purpose)
    }

    /// Must be called in the dialer's runtime.
    pub(crate) fn json(json: Value, purpose: Purpose) -> Result<Self, TokenError> {
        Self::new(Recipe::Json(json), purpose)
    }

    fn new(recipe: Recipe, purpose: Purpose) -> Result<Self, TokenError> {
        let runtime = Handle::try_current()
            .map_err(|_| TokenError::new("credentials must be built in a tokio runtime"))?;
        let first = match &recipe {
            // Nothing in it can be wrong, and to build it is to ask it.
            Recipe::MetadataServer => None,
            Recipe::Json(_) => Some(recipe.build(purpose)?),
        };
        Ok(Self {
            recipe,
            purpose,
            current: Mutex::new(Current {
                credentials: first,
                generation: 0,
            }),
            runtime,
        })
    }

    fn current(&self) -> Result<(AccessTokenCredentials, u64), TokenError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(credentials) = &current.credentials {
            return Ok((credentials.clone(), current.generation));
        }
        let _on_the_runtime = self.runtime.enter();
        let built = self.recipe.build(self.purpose)?;
        current.credentials = Some(built.clone());
        current.generation += 1;
        Ok((built, current.generation))
    }

    /// Throws away what has failed for good, but not what was built since: a thousand callers who
    /// fail together build one replacement, which asks Google once.
    fn discard(&self, failed: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.generation == failed {
            current.credentials = None;
        }
    }

    async fn fetch(&self) -> Result<AccessToken, TokenError> {
        let (credentials, generation) = self.current()?;
        // In a task of its own, because the library panics for ever when its own task has.
        let asked = self
            .runtime
            .spawn(async move { credentials.access_token().await });
        let asked = AbortOnDropHandle::new(asked);
        let error = match asked.await {
            Ok(Ok(token)) => return Ok(AccessToken::new(token.token.into(), None)),
            Ok(Err(error)) if error.is_transient() => {
                return Err(TokenError::caused(LIBRARY, error));
            }
            Ok(Err(error)) => TokenError::caused(LIBRARY, error),
            Err(error) => TokenError::caused(LIBRARY, error),
        };
        self.discard(generation);
        Err(error)
    }

    /// The universe, as the metadata server says it.
    pub(crate) async fn universe(&self) -> Option<String> {
        let (credentials, _) = self.current().ok()?;
        credentials.universe_domain().await
    }
}

impl TokenSource for Adapter {
    /// Cancel safe: the library fetches in a task of its own.
    fn token(&self) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        Box::pin(self.fetch())
    }
}

impl Recipe {
    fn build(&self, purpose: Purpose) -> Result<AccessTokenCredentials, TokenError> {
        let scopes = [purpose.scope()];
        let built = match self {
            Self::MetadataServer => mds::Builder::default()
                .with_scopes(scopes)
                .build_access_token_credentials(),
            Self::Json(json) => match json.get("type").and_then(Value::as_str) {
                // A user's consent can't be narrowed to a scope that wasn't consented to: Google
                // then refuses the refresh ("app is blocked"). So no scope is asked for.
                Some("authorized_user") => {
                    user_account::Builder::new(json.clone()).build_access_token_credentials()
                }
                Some("impersonated_service_account") => impersonated::Builder::new(json.clone())
                    .with_scopes(scopes)
                    .build_access_token_credentials(),
                Some("external_account") => external_account::Builder::new(json.clone())
                    .with_scopes(scopes)
                    .build_access_token_credentials(),
                other => {
                    let kind = other.unwrap_or("none").to_owned();
                    return Err(TokenError::new(format!(
                        "credentials of type {kind:?} are not supported"
                    )));
                }
            },
        };
        built.map_err(|error| TokenError::caused("the credentials JSON can't be used", error))
    }
}
