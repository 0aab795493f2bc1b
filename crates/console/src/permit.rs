//! Who may use the admin API.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use querycop_serve::PeerAddr;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::admin_key::AdminKey;
use crate::guesses::{Guesses, Verdict};
use crate::refusal::Refusal;
use crate::routes::Shared;
use crate::source::Source;

/// How late a key is looked at whose source is suspected of guessing. It bears on right keys too:
/// were they taken at once, a guesser would just not wait for the answer.
const SUSPECT_DELAY: Duration = Duration::from_secs(1);

/// The other header that carries a key.
const X_API_KEY: &str = "x-api-key";

/// A request with the right key. Every handler of the admin API takes one, and only [`Guard`] makes
/// it, so that no handler can do without.
#[derive(Debug)]
pub(crate) struct Permit(());

/// Checks keys.
#[derive(Debug)]
pub(crate) struct Guard {
    key: Option<AdminKey>,
    guesses: Guesses,
}

impl Guard {
    /// Without a key nobody is let in.
    pub(crate) fn new(key: Option<AdminKey>) -> Self {
        Self {
            key,
            guesses: Guesses::default(),
        }
    }

    /// Checks the key in `headers`. Cancel safe: a dropped call has looked at nothing.
    async fn check(&self, peer: PeerAddr, headers: &HeaderMap) -> Result<Permit, Refusal> {
        let key = self.key.as_ref().ok_or(Refusal::NoKeyConfigured)?;
        // A request without a key guesses nothing, so it isn't counted.
        let presented = presented(headers).ok_or(Refusal::KeyMissing)?;
        let source = Source::from(peer);
        if self.guesses.suspects(source) {
            sleep(SUSPECT_DELAY).await;
        }
        if key.matches(presented) {
            return Ok(Permit(()));
        }
        debug!(client.addr = %peer, "wrong admin key");
        Err(match self.guesses.count(source) {
            Verdict::Mistake => Refusal::KeyWrong,
            Verdict::LastMistake => {
                warn!(client.addr = %peer, "too many wrong admin keys, checks are slowed down");
                Refusal::KeyWrong
            }
            Verdict::Guessing { remaining } => Refusal::TooManyWrongKeys {
                retry_after: remaining,
            },
        })
    }
}

impl FromRequestParts<Arc<Shared>> for Permit {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        // The API's listener says who it is; who comes without that shares the count of the others.
        let peer = parts.extensions.get().copied().unwrap_or(PeerAddr::Unix);
        shared.guard.check(peer, &parts.headers).await
    }
}

/// The one key that the request is judged by. Another scheme than `Bearer` is a proxy's business
/// and leaves the word to `X-API-Key`.
fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(bearer);
    bearer
        .or_else(|| headers.get(X_API_KEY).map(HeaderValue::as_bytes))
        .filter(|key| !key.is_empty())
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, key) = value.as_bytes().split_at_checked(SCHEME.len())?;
    scheme
        .eq_ignore_ascii_case(SCHEME)
        .then(|| key.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented_in(fields: &[(&'static str, &'static str)]) -> Option<String> {
        let fields = fields
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        let headers: HeaderMap = fields.collect();
        presented(&headers).map(|key| String::from_utf8(key.to_vec()).unwrap())
    }

    #[test]
    fn a_key_is_found_in_either_header() {
        let key = Some("secret".to_owned());
        assert_eq!(presented_in(&[("authorization", "Bearer secret")]), key);
        assert_eq!(presented_in(&[("authorization", "bearer   secret")]), key);
        assert_eq!(presented_in(&[("x-api-key", "secret")]), key);
    }

    #[test]
    fn a_proxys_own_login_leaves_the_other_header() {
        let fields = [("authorization", "Basic YTpi"), ("x-api-key", "secret")];
        assert_eq!(presented_in(&fields).as_deref(), Some("secret"));
    }

    #[test]
    fn one_request_is_one_guess() {
        let fields = [("authorization", "Bearer a"), ("x-api-key", "b")];
        assert_eq!(presented_in(&fields).as_deref(), Some("a"));
    }

    #[test]
    fn nothing_is_no_key() {
        assert_eq!(presented_in(&[]), None);
        assert_eq!(presented_in(&[("authorization", "Bearer ")]), None);
        assert_eq!(presented_in(&[("authorization", "Bearer")]), None);
        assert_eq!(presented_in(&[("x-api-key", "")]), None);
    }
}
