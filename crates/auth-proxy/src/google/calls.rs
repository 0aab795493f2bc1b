//! Calls of Google's APIs with the proxy's own credentials.

use std::time::Duration;

use alloydb_connector::{ApiCredentials, TokenError};
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use serde::{Deserialize, Serialize};

use crate::local_http::cause;

/// For one call.
const TIMEOUT: Duration = Duration::from_secs(12);

/// Of an answer that says what is wrong.
const MAX_ANSWER: usize = 64 * 1024;

/// Calls the methods of one service.
pub(super) struct Calls {
    client: Client,
    endpoint: Url,
    credentials: ApiCredentials,
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("no access token")]
    Token(#[source] TokenError),
    #[error("the access token or the project to bill can't be put into a header")]
    Header,
    #[error("{0}")]
    Transport(String),
    #[error("answered {status}: {message}")]
    Refused { status: u16, message: String },
}

/// What is wrong, as Google's APIs say it.
#[derive(Deserialize)]
struct Wrong {
    error: Details,
}

#[derive(Deserialize)]
struct Details {
    message: String,
}

impl Calls {
    pub(super) fn new(
        endpoint: &str,
        version: &str,
        credentials: ApiCredentials,
    ) -> Result<Self, String> {
        let endpoint = Url::parse(endpoint)
            .ok()
            .filter(|url| !url.cannot_be_a_base());
        let endpoint = endpoint.ok_or("the address of the API is no URL")?;
        let client = Client::builder()
            .user_agent(format!("alloy-db-auth-proxy/{version}"))
            .timeout(TIMEOUT)
            // A redirect would carry the token to wherever it points.
            .redirect(Policy::none());
        Ok(Self {
            client: client.build().map_err(cause)?,
            endpoint,
            credentials,
        })
    }

    /// Posts `body` to the method at `path`. What is answered to a success is nothing that matters.
    pub(super) async fn post(
        &self,
        path: &[&str],
        body: &(impl Serialize + Sync),
    ) -> Result<(), CallError> {
        let token = self.credentials.access_token().await;
        let token = token.map_err(CallError::Token)?;
        let authorization = HeaderValue::try_from(format!("Bearer {}", token.expose()));
        let mut authorization = authorization.map_err(|_| CallError::Header)?;
        authorization.set_sensitive(true);
        let mut url = self.endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = self
            .client
            .post(url)
            .header(reqwest::header::AUTHORIZATION, authorization)
            .json(body);
        if let Some(project) = self.credentials.quota_project() {
            let project = HeaderValue::try_from(project).map_err(|_| CallError::Header)?;
            request = request.header("x-goog-user-project", project);
        }
        let sent = request.send().await;
        let response = sent.map_err(|error| CallError::Transport(cause(error)))?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(CallError::Refused {
            status: response.status().as_u16(),
            message: message(response).await,
        })
    }
}

/// What is told with a failure.
async fn message(mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > MAX_ANSWER {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    match serde_json::from_slice::<Wrong>(&body) {
        Ok(wrong) => wrong.error.message,
        Err(_) => "without a word of Google's".to_owned(),
    }
}
