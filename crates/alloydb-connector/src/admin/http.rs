//! HTTP towards Google: one client, a deadline on every call, a cap on every answer.

use std::time::Duration;

use ::http::header::AUTHORIZATION;
use ::http::{HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder};
use serde::Serialize;
use tokio::time::{Instant, timeout};
use url::Url;

use super::ApiStatus;
use super::client::is_loopback;
use super::retry::retrying;
use crate::credentials::AccessToken;
use crate::proxy::Proxy;

/// For one call, from connecting to the last byte of the answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// For a call to a token endpoint with all its retries.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(45);
/// A chain of three certificates is some 6 KiB.
const MAX_BODY: usize = 256 * 1024;

/// A client that can be shared. It must be used on the dialer's runtime only, because its
/// connections live there.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client,
    /// For loopback, where `client` has the environment's proxies. Plain HTTP is good enough there,
    /// and a proxy would carry the bearer token across the network.
    loopback: Option<Client>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error(transparent)]
    Status(#[from] ApiStatus),
    #[error("no answer within {after:?}")]
    Timeout { after: Duration },
    #[error("the request could not be sent or its answer not be read")]
    Transport(#[source] reqwest::Error),
    #[error("the answer is larger than {MAX_BODY} bytes")]
    TooLarge,
    #[error("the access token has characters that a header can't have")]
    TokenInHeader,
}

impl HttpError {
    /// Whether the same call may succeed a little later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Status(status) => status.code == 429 || status.code >= 500,
            Self::Timeout { .. } | Self::Transport(_) => true,
            Self::TooLarge | Self::TokenInHeader => false,
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status(status) => status.retry_after,
            _ => None,
        }
    }
}

impl Http {
    /// A client that trusts what `tls` trusts.
    pub(crate) fn new(
        tls: &rustls::ClientConfig,
        proxy: &Proxy,
        user_agent: &HeaderValue,
    ) -> Result<Self, reqwest::Error> {
        let builder = || {
            Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .user_agent(user_agent.clone())
                // A redirect would carry the bearer token to wherever it points.
                .redirect(reqwest::redirect::Policy::none())
        };
        let client = proxy.apply(builder())?.build()?;
        let loopback = if proxy.is_of_environment() {
            Some(builder().no_proxy().build()?)
        } else {
            None
        };
        Ok(Self { client, loopback })
    }

    /// Posts JSON with a bearer token; retried until the token timeout.
    pub(crate) async fn post_json(
        &self,
        url: &str,
        token: &AccessToken,
        body: &(impl Serialize + Sync),
    ) -> Result<Vec<u8>, HttpError> {
        let headers = bearer(token)?;
        let client = self.towards(url);
        let request = || client.post(url).headers(headers.clone()).json(body);
        let deadline = Instant::now() + TOKEN_TIMEOUT;
        retrying(deadline, || call(request())).await
    }

    /// Posts a form; retried until the token timeout.
    pub(crate) async fn post_form(
        &self,
        url: &str,
        form: &[(&str, &str)],
    ) -> Result<Vec<u8>, HttpError> {
        let body: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let client = self.towards(url);
        let request = || {
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            let request = client.post(url).body(body.clone());
            request.header(::http::header::CONTENT_TYPE, kind)
        };
        let deadline = Instant::now() + TOKEN_TIMEOUT;
        retrying(deadline, || call(request())).await
    }

    /// The client that this URL is to be asked with.
    pub(crate) fn towards(&self, url: &str) -> &Client {
        let is_local = || Url::parse(url).is_ok_and(|url| is_loopback(&url));
        match &self.loopback {
            Some(loopback) if is_local() => loopback,
            _ => &self.client,
        }
    }
}

/// The authorization header, marked so that it isn't printed.
pub(crate) fn bearer(token: &AccessToken) -> Result<HeaderMap, HttpError> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|_| HttpError::TokenInHeader)?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}

/// Sends one request and reads its answer, all within the call timeout.
pub(crate) async fn call(request: RequestBuilder) -> Result<Vec<u8>, HttpError> {
    timeout(CALL_TIMEOUT, answer(request))
        .await
        .unwrap_or(Err(HttpError::Timeout {
            after: CALL_TIMEOUT,
        }))
}

async fn answer(request: RequestBuilder) -> Result<Vec<u8>, HttpError> {
    // A URL is no secret here, but it is long and the caller names what was called.
    let transport = |error: reqwest::Error| HttpError::Transport(error.without_url());
    let mut response = request.send().await.map_err(transport)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(HttpError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    if response.status().is_success() {
        return Ok(body);
    }
    let code = response.status().as_u16();
    Err(ApiStatus::read(code, response.headers(), &body).into())
}
