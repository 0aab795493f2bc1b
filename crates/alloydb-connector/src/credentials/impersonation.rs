//! Tokens of another service account, through `generateAccessToken`.
//! <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>

use std::sync::Arc;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{AccessToken, Surroundings, Target, TokenError, TokenSource, secret};
use crate::BoxFuture;
use crate::admin::Http;

/// Acts as one service account with the tokens of another principal.
pub(crate) struct Impersonation {
    source: Arc<dyn TokenSource>,
    http: Http,
    url: String,
    request: Request,
}

#[derive(Serialize)]
struct Request {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    delegates: Vec<String>,
    scope: [&'static str; 1],
    /// The longest that is allowed without an organisation's policy.
    lifetime: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(deserialize_with = "secret")]
    access_token: SecretString,
    expire_time: String,
}

impl Impersonation {
    pub(crate) fn new(
        source: Arc<dyn TokenSource>,
        target: &Target,
        scope: &'static str,
        around: &Surroundings,
    ) -> Self {
        let delegate = |name: &String| format!("projects/-/serviceAccounts/{name}");
        Self {
            source,
            http: around.http.clone(),
            url: format!(
                "{}/v1/projects/-/serviceAccounts/{}:generateAccessToken",
                around.iam_endpoint, target.principal
            ),
            request: Request {
                delegates: target.delegates.iter().map(delegate).collect(),
                scope: [scope],
                lifetime: "3600s",
            },
        }
    }

    async fn fetch(&self) -> Result<AccessToken, TokenError> {
        let own = self.source.token().await?;
        let bytes = self
            .http
            .post_json(&self.url, &own, &self.request)
            .await
            .map_err(|error| TokenError::caused("generateAccessToken", error))?;
        // serde's own message may quote the token.
        let answer: Answer = serde_json::from_slice(&bytes)
            .map_err(|_| TokenError::new("generateAccessToken answered with no token"))?;
        let expires_at = crate::timestamp::rfc3339(&answer.expire_time)
            .ok_or_else(|| TokenError::new("generateAccessToken answered with no expireTime"))?;
        Ok(AccessToken::new(answer.access_token, Some(expires_at)))
    }
}

impl TokenSource for Impersonation {
    fn token(&self) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        Box::pin(self.fetch())
    }
}
