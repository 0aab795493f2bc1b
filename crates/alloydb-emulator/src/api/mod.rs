//! The HTTP side: admin API in REST and gRPC, token services, the control endpoint.

mod admin;
mod control;
mod grpc;
mod refusal;
mod rest;
mod server;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{HeaderMap, Method, Response, StatusCode, header};
use serde_json::Value;
use tokio::time::timeout;

use crate::faults::{ApiFailure, ApiMethod};
use crate::identity::{Caller, Shown};
use crate::requests::Transport;
use crate::state::State;
use server::PATIENCE;

pub(crate) use refusal::{Refusal, Status};
pub(crate) use server::{Certificate, serve};
pub(crate) use tokens::REFRESH_TOKEN;

/// The longest body of a request.
const MAX_BODY: usize = 1 << 20;

/// A request whose body has been read.
struct Request {
    method: Method,
    /// The path without its escapes.
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Request {
    fn json(&self) -> Result<Value, Refusal> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            Refusal::new(
                Status::InvalidArgument,
                format!("Invalid JSON payload received. {error}"),
            )
        })
    }
}

/// Answers one request of any kind.
async fn answer(state: Arc<State>, request: http::Request<Body>) -> Response<Body> {
    if grpc::is_grpc(request.headers()) {
        return grpc::answer(state, request).await;
    }
    let (parts, body) = request.into_parts();
    if !parts.uri.path().starts_with(control::PREFIX) {
        state.requests.record(&parts, Transport::Rest);
    }
    let Some(path) = unescape(parts.uri.path()) else {
        return Refusal::new(Status::InvalidArgument, "the path is not UTF-8").response();
    };
    let body = match read(body).await {
        Ok(body) => body,
        Err(refusal) => return refusal.response(),
    };
    let request = Request {
        path,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        method: parts.method,
        headers: parts.headers,
        body: body.into(),
    };
    let answered = if request.path.starts_with(control::PREFIX) {
        control::answer(&state, &request).await
    } else if tokens::concerns(&request.path) {
        tokens::answer(&state, &request).await
    } else {
        rest::answer(&state, &request).await
    };
    answered.unwrap_or_else(|refusal| refusal.response())
}

/// The whole body of a request, if it comes in time and is no longer than it may be.
async fn read(body: Body) -> Result<Bytes, Refusal> {
    let read = timeout(PATIENCE, axum::body::to_bytes(body, MAX_BODY)).await;
    let text = match read {
        Ok(Ok(body)) => return Ok(body),
        Ok(Err(_)) => "the body is too long or broken",
        Err(_) => "the body took too long",
    };
    Err(Refusal::new(Status::InvalidArgument, text))
}

/// Does what a script says about this call; `Ok` if it shall go on.
async fn obey_faults(state: &State, method: ApiMethod, resource: &str) -> Result<(), Refusal> {
    state.requests.count(method, resource);
    match state.faults.api(method, resource) {
        None => Ok(()),
        Some(ApiFailure::Hang) => std::future::pending().await,
        Some(ApiFailure::Slow { milliseconds }) => {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            Ok(())
        }
        Some(ApiFailure::Status {
            code,
            retry_after,
            message,
        }) => Err(Refusal::scripted(code, retry_after, message)),
    }
}

/// Who asks.
fn caller(state: &State, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme
                .eq_ignore_ascii_case("bearer")
                .then_some(token.trim())
        });
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        return Err(Refusal::unauthenticated("the request has no bearer token"));
    };
    let caller = state.identities.resolve(token, Shown::Bearer);
    let caller = caller.map_err(|error| Refusal::unauthenticated(&error.to_string()))?;
    // A quota project is charged, and so has to allow it.
    if let Some(project) = headers.get("x-goog-user-project") {
        caller.may_use(&String::from_utf8_lossy(project.as_bytes()))?;
    }
    Ok(caller)
}

fn json(status: StatusCode, value: &Value) -> Response<Body> {
    respond(status, "application/json; charset=UTF-8", value.to_string())
}

fn respond(status: StatusCode, content_type: &str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    if let Ok(value) = content_type.parse() {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

/// The text with its `%XX` read; `None` if that is no UTF-8.
pub(crate) fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = after
            .get(..2)
            .filter(|_| byte == b'%')
            .and_then(|digits| str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(byte));
        rest = match escaped {
            Some(_) => after.get(2..).unwrap_or_default(),
            None => after,
        };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use super::*;

    /// The body of a client that sends nothing and doesn't go.
    struct Silent;

    impl hyper::body::Body for Silent {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let refused = read(Body::new(Silent)).await.unwrap_err();
        assert_eq!(refused.response().status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn escapes_are_read_once() {
        assert_eq!(
            unescape("google.com%3Ap/%2525%").as_deref(),
            Some("google.com:p/%25%")
        );
        assert_eq!(unescape("%ff"), None);
    }
}
