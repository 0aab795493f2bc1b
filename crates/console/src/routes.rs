//! What is served under which path.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::encoding::text::encode;
use querycop_gateway::{Entry, Readiness, Registry};
use serde::Serialize;

use crate::permit::{Guard, Permit};
use crate::refusal::Refusal;

/// The media type of what `prometheus_client` writes.
/// <https://prometheus.io/docs/specs/om/open_metrics_spec/#overall-structure>
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) guard: Guard,
    pub(crate) registry: Arc<Registry>,
    pub(crate) readiness: Readiness,
    pub(crate) metrics: Arc<prometheus_client::registry::Registry>,
    pub(crate) version: &'static str,
}

/// One session in `/api/v1/sessions`.
#[derive(Debug, Serialize)]
struct Session<'a> {
    id: String,
    client_addr: String,
    client_tls: bool,
    user: &'a str,
    database: &'a str,
    application_name: Option<&'a str>,
    phase: &'static str,
    started_at: String,
    bytes_to_backend: u64,
    bytes_to_client: u64,
}

/// `/api/v1/version`.
#[derive(Debug, Serialize)]
struct Version {
    version: &'static str,
}

/// The paths. A handler that takes no [`Permit`] stands above the line.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let open = Router::new()
        .route("/healthz", get(alive))
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(async || Refusal::WrongMethod);
    let guarded = Router::new()
        .route("/api/v1/sessions", get(sessions))
        .route("/api/v1/version", get(version))
        .method_not_allowed_fallback(async |_: Permit| Refusal::WrongMethod)
        .fallback(async |_: Permit| Refusal::UnknownPath);
    open.merge(guarded)
        .layer(map_response(with_common_fields))
        .with_state(shared)
}

async fn alive() -> &'static str {
    "ok"
}

async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    match shared.readiness.check() {
        Ok(()) => (StatusCode::OK, "ready".to_owned()),
        Err(not_ready) => (StatusCode::SERVICE_UNAVAILABLE, not_ready.to_string()),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response, Refusal> {
    let mut text = String::new();
    encode(&mut text, &shared.metrics).map_err(|_| Refusal::MetricsEncoding)?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

// ---- From here on, who asks has shown the key. ----

async fn sessions(_: Permit, State(shared): State<Arc<Shared>>) -> Response {
    let entries = shared.registry.sessions();
    let sessions: Vec<_> = entries.iter().map(|entry| Session::of(entry)).collect();
    Json(sessions).into_response()
}

async fn version(_: Permit, State(shared): State<Arc<Shared>>) -> Json<Version> {
    Json(Version {
        version: shared.version,
    })
}

/// No answer is for a cache to keep or for a browser to guess at.
async fn with_common_fields(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

impl<'a> Session<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self {
            id: entry.id.to_string(),
            client_addr: entry.client_addr.to_string(),
            client_tls: entry.client_tls,
            user: &entry.user,
            database: &entry.database,
            application_name: entry.application_name.as_deref(),
            phase: entry.phase().as_str(),
            started_at: entry.started_at.to_string(),
            bytes_to_backend: entry.to_backend(),
            bytes_to_client: entry.to_client(),
        }
    }
}
