//! Why a request is refused, in the words of the answer.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use thiserror::Error;

/// Why a request is refused.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// No request but health and metrics is served at all.
    #[error("the admin API is off: no admin key is configured")]
    NoKeyConfigured,
    /// The request has no key.
    #[error("an admin key is needed")]
    KeyMissing,
    /// The request has a wrong key.
    #[error("wrong admin key")]
    KeyWrong,
    /// The request has a wrong key, after too many others.
    #[error("wrong admin key, after too many others from this address")]
    TooManyWrongKeys {
        /// When wrong keys are mistakes again.
        retry_after: Duration,
    },
    /// There is nothing under this path.
    #[error("no such path")]
    UnknownPath,
    /// The path has no such method; the `Allow` field is the router's.
    #[error("method not allowed")]
    WrongMethod,
    /// A metric could not be written as text.
    #[error("metrics can't be encoded")]
    MetricsEncoding,
}

/// The body of a refusal.
#[derive(Debug, Serialize)]
struct Body {
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoKeyConfigured => StatusCode::FORBIDDEN,
            Self::KeyMissing => StatusCode::UNAUTHORIZED,
            Self::KeyWrong => StatusCode::UNAUTHORIZED,
            Self::TooManyWrongKeys { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::MetricsEncoding => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoKeyConfigured => {
                Some("set ADMIN_API_KEY to at least 16 characters and restart querycop")
            }
            Self::KeyMissing => {
                Some("send it as \"Authorization: Bearer KEY\" or as \"X-API-Key: KEY\"")
            }
            Self::KeyWrong => Some("the key is the value of ADMIN_API_KEY"),
            Self::TooManyWrongKeys { .. } => Some("the right key is still taken, a second late"),
            Self::UnknownPath => None,
            Self::WrongMethod => None,
            Self::MetricsEncoding => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(Body {
            error: self.to_string(),
            hint: self.hint(),
        });
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        match self {
            Self::KeyMissing | Self::KeyWrong => {
                // RFC 6750 §3 wants at least one parameter.
                let challenge = HeaderValue::from_static("Bearer realm=\"querycop\"");
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            Self::TooManyWrongKeys { retry_after } => {
                // Rounded up, so that who comes back then is not too early.
                let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Self::NoKeyConfigured
            | Self::UnknownPath
            | Self::WrongMethod
            | Self::MetricsEncoding => {}
        }
        response
    }
}
