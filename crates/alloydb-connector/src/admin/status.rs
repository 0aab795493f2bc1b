//! An answer that isn't 2xx, and Google's explanation in it.

use std::time::{Duration, SystemTime};

use ::http::HeaderMap;
use ::http::header::RETRY_AFTER;
use serde::Deserialize;

use crate::timestamp;

/// More of a message than this helps nobody.
const MAX_TEXT: usize = 1024;

/// An error of a Google API.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code} {status}: {message}")]
pub(crate) struct ApiStatus {
    pub(crate) code: u16,
    pub(crate) status: String,
    pub(crate) message: String,
    pub(crate) reason: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

#[derive(Deserialize)]
struct Envelope {
    error: Body,
    /// What token endpoints say beside their code.
    error_description: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Api(ApiError),
    /// Token endpoints answer `{"error": "invalid_grant", …}`.
    OAuth(String),
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(default)]
    message: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    reason: Option<String>,
}

impl ApiStatus {
    pub(crate) fn read(code: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let retry_after = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| retry_after(value, SystemTime::now()));
        let mut read = Self {
            code,
            status: String::new(),
            message: "the answer holds no explanation".to_owned(),
            reason: None,
            retry_after,
        };
        let Ok(envelope) = serde_json::from_slice::<Envelope>(body) else {
            return read;
        };
        match envelope.error {
            Body::Api(error) => {
                read.status = printable(&error.status);
                read.message = printable(&error.message);
                let reasons = error.details.into_iter().filter_map(|detail| detail.reason);
                read.reason = reasons.map(|reason| printable(&reason)).next();
            }
            Body::OAuth(code) => {
                read.status = printable(&code);
                if let Some(description) = envelope.error_description {
                    read.message = printable(&description);
                }
            }
        }
        read
    }
}

/// A peer's text, fit for one line of a log.
pub(crate) fn printable(text: &str) -> String {
    let clean = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().take(MAX_TEXT).map(clean).collect()
}

/// Seconds, or a date.
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = timestamp::http_date(value.trim())?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn googles_error_is_taken_apart() {
        let body =
            br#"{"error":{"code":403,"message":"no\npermission","status":"PERMISSION_DENIED",
            "details":[{"@type":"x","metadata":{}},{"@type":"y","reason":"SERVICE_DISABLED"}]}}"#;
        let status = ApiStatus::read(403, &HeaderMap::new(), body);
        assert_eq!(status.status, "PERMISSION_DENIED");
        assert_eq!(status.message, "no permission");
        assert_eq!(status.reason.as_deref(), Some("SERVICE_DISABLED"));
    }

    #[test]
    fn a_token_endpoints_error_is_told_with_its_description() {
        let body = br#"{"error":"invalid_grant","error_description":"Token has been revoked."}"#;
        let status = ApiStatus::read(400, &HeaderMap::new(), body);
        assert_eq!(
            status.to_string(),
            "400 invalid_grant: Token has been revoked."
        );
    }

    #[test]
    fn an_answer_without_an_explanation_says_so() {
        let status = ApiStatus::read(502, &HeaderMap::new(), b"<html>");
        assert!(status.to_string().contains("no explanation"), "{status}");
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(1_795_567_261);
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        let date = "Wed, 25 Nov 2026 00:41:11 GMT";
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(10)));
        let past = "Wed, 25 Nov 2026 00:40:00 GMT";
        assert_eq!(retry_after(past, now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}
