//! What was asked of the admin API, for tests to look at. Tokens are not kept.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use http::HeaderMap;
use serde::Serialize;

use crate::faults::ApiMethod;

/// The headers that are kept.
const KEPT: [&str; 6] = [
    "user-agent",
    "x-goog-api-client",
    "x-goog-request-params",
    "x-goog-user-project",
    "content-type",
    "host",
];

/// How many requests are kept; the oldest go first.
const CAPACITY: usize = 10_000;

/// One request to the HTTP side.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedRequest {
    /// `GET`, `POST`.
    pub method: String,
    /// The path without the query; a gRPC method's path.
    pub path: String,
    /// The query, if there was one.
    pub query: Option<String>,
    /// How it came.
    pub transport: Transport,
    /// The headers of interest that it had, by name in lower case.
    pub headers: HashMap<String, String>,
    /// Whether it had a bearer token.
    pub authorized: bool,
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// REST, HTTP/1 or 2.
    Rest,
    /// gRPC.
    Grpc,
}

/// A certificate that somebody asked for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateRequest {
    /// The cluster.
    pub cluster: String,
    /// Who asked.
    pub principal: String,
    /// Whether the certificate announces a metadata exchange.
    pub use_metadata_exchange: bool,
    /// The life that was asked for.
    pub cert_duration_seconds: Option<i64>,
    /// How the key was written: `pkcs1`, `spki`, `spki-under-pkcs1-header`, `csr`, `none`.
    pub public_key: &'static str,
}

/// A connection to an instance.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedSession {
    /// The instance.
    pub instance: String,
    /// The address that was dialled.
    pub address: String,
    /// The port that was meant: 5433 or 5432.
    pub door: u16,
    /// The name in the TLS handshake; absent if an address was dialled.
    pub server_name: Option<String>,
    /// The protocols that the client offered in the handshake.
    pub alpn: Vec<String>,
    /// `TLSv1_3`; absent without TLS.
    pub tls: Option<String>,
    /// The user agent of the metadata exchange; absent if there was none.
    pub user_agent: Option<String>,
    /// `DB_NATIVE`, `AUTO_IAM`; absent if there was no exchange.
    pub auth_type: Option<&'static str>,
    /// Who the token stood for.
    pub principal: Option<String>,
    /// Whether the client asked for TLS inside the tunnel, and was told no.
    pub ssl_request: bool,
    /// The role.
    pub user: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// The node that served it, counted from 1.
    pub node: Option<usize>,
    /// `relayed`, `cancel`, or why it was refused.
    pub outcome: String,
}

/// The last requests, and how many there were of each method and resource.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    recorded: Mutex<VecDeque<RecordedRequest>>,
    calls: Mutex<HashMap<(ApiMethod, String), u64>>,
    certificates: Mutex<VecDeque<CertificateRequest>>,
    sessions: Mutex<VecDeque<RecordedSession>>,
}

impl RequestLog {
    pub(crate) fn record(&self, parts: &http::request::Parts, transport: Transport) {
        let request = RecordedRequest {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            transport,
            headers: kept(&parts.headers),
            authorized: parts.headers.contains_key(http::header::AUTHORIZATION),
        };
        keep(&self.recorded, request);
    }

    pub(crate) fn record_certificate(&self, request: CertificateRequest) {
        keep(&self.certificates, request);
    }

    pub(crate) fn record_session(&self, session: RecordedSession) {
        keep(&self.sessions, session);
    }

    pub(crate) fn count(&self, method: ApiMethod, resource: &str) {
        *crate::lock(&self.calls)
            .entry((method, resource.to_owned()))
            .or_default() += 1;
    }

    pub(crate) fn calls(&self, method: ApiMethod, resource: &str) -> u64 {
        let key = (method, resource.to_owned());
        crate::lock(&self.calls)
            .get(&key)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn list(&self) -> Vec<RecordedRequest> {
        listed(&self.recorded)
    }

    pub(crate) fn certificates(&self) -> Vec<CertificateRequest> {
        listed(&self.certificates)
    }

    pub(crate) fn sessions(&self) -> Vec<RecordedSession> {
        listed(&self.sessions)
    }

    pub(crate) fn clear(&self) {
        crate::lock(&self.certificates).clear();
        crate::lock(&self.sessions).clear();
        crate::lock(&self.recorded).clear();
        crate::lock(&self.calls).clear();
    }
}

fn keep<T>(list: &Mutex<VecDeque<T>>, item: T) {
    let mut list = crate::lock(list);
    if list.len() == CAPACITY {
        list.pop_front();
    }
    list.push_back(item);
}

fn listed<T: Clone>(list: &Mutex<VecDeque<T>>) -> Vec<T> {
    crate::lock(list).iter().cloned().collect()
}

fn kept(headers: &HeaderMap) -> HashMap<String, String> {
    let kept = KEPT.iter().filter_map(|name| {
        let value = headers.get(*name)?;
        Some((
            (*name).to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        ))
    });
    kept.collect()
}
