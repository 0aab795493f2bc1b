//! Records as OpenTelemetry logs: OTLP over HTTP, in JSON.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};

use crate::feed::{Sink, SinkError};

/// Where the logs go, and as whose.
#[derive(Clone, Debug)]
pub struct OtlpConfig {
    /// The collector, as `http://localhost:4318`; `/v1/logs` is added where it isn't there.
    pub endpoint: String,
    /// The gateway's name among others (`service.instance.id`).
    pub instance: String,
    /// The gateway's version.
    pub version: String,
    /// What every request carries: [`otlp_headers`].
    pub headers: HeaderMap,
}

/// Sends records to a collector of OpenTelemetry.
#[derive(Debug)]
pub struct OtlpSink {
    client: Client,
    /// Made by the feed's own thread, where it may also be dropped.
    runtime: Option<Runtime>,
    endpoint: Url,
    resource: Value,
    /// Records that the collector refused one by one. The segments have them.
    refused: u64,
}

/// Why a collector doesn't take records, or can't be asked to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OtlpError {
    /// The endpoint is no URL.
    #[error("{endpoint} is no URL of a collector: {reason}")]
    Endpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system gives no sockets or threads.
    #[error("nothing can be sent to a collector")]
    Client(#[source] reqwest::Error),
    /// The runtime can't be made.
    #[error("nothing can be sent to a collector")]
    Runtime(#[source] std::io::Error),
    /// The collector doesn't answer.
    #[error("the collector does not answer")]
    Unreachable(#[source] reqwest::Error),
    /// The collector answers with something else than 200.
    #[error("the collector answers {status}")]
    Answer {
        /// With what.
        status: StatusCode,
    },
}

/// Records of one request.
const BATCH: usize = 512;

/// How long a collector may take for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Fields that have a name of their own in OpenTelemetry's semantic conventions.
pub const OTEL_NAMES: &[(&str, &str)] = &[
    ("application_name", "querycop.application_name"),
    ("backend", "server.address"),
    ("client_addr", "client.address"),
    ("client_port", "client.port"),
    ("database", "db.namespace"),
    ("kind", "db.operation.name"),
    ("rows", "db.response.returned_rows"),
    ("session", "session.id"),
    ("sqlstate", "db.response.status_code"),
    ("text", "db.query.text"),
    ("user", "user.name"),
];

/// Fields that are only in the body.
const BODY_ONLY: &[&str] = &["prev", "time", "event", "raw_text", "effects"];

impl OtlpSink {
    /// Makes a sink; nothing is sent yet.
    pub fn new(config: &OtlpConfig) -> Result<Self, OtlpError> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .default_headers(config.headers.clone())
            .no_proxy()
            .build()
            .map_err(OtlpError::Client)?;
        let attributes = [
            ("service.name", "querycop"),
            ("service.instance.id", &config.instance),
            ("service.version", &config.version),
        ];
        let attributes: Vec<_> = attributes
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| attribute(key, &json!({ "stringValue": value })))
            .collect();
        Ok(Self {
            client,
            runtime: None,
            endpoint: endpoint(&config.endpoint)?,
            resource: json!({ "attributes": attributes }),
            refused: 0,
        })
    }

    /// Sends records; those that the collector refuses for what they are, it gets one by one, so
    /// that one of them doesn't hold up the others for ever.
    fn send(&mut self, lines: &[&[u8]]) -> Result<(), OtlpError> {
        match self.post(lines) {
            Err(OtlpError::Answer { status }) if is_about_records(status) => {
                if let [_] = lines {
                    self.refused += 1;
                    return Ok(());
                }
                let (first, second) = lines.split_at(lines.len() / 2);
                self.send(first)?;
                self.send(second)
            }
            outcome => outcome,
        }
    }

    fn post(&mut self, lines: &[&[u8]]) -> Result<(), OtlpError> {
        let records: Vec<_> = lines.iter().filter_map(|line| log_record(line)).collect();
        let scope = json!({ "name": "querycop.audit" });
        let request = json!({ "resourceLogs": [{
            "resource": self.resource,
            "scopeLogs": [{ "scope": scope, "logRecords": records }],
        }] });
        let request = self
            .client
            .post(self.endpoint.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(request.to_string());
        let runtime = match self.runtime.take() {
            Some(runtime) => runtime,
            None => Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(OtlpError::Runtime)?,
        };
        let (status, body) = self.runtime.insert(runtime).block_on(async {
            let response = request.send().await.map_err(OtlpError::Unreachable)?;
            let status = response.status();
            let body = response.bytes().await.map_err(OtlpError::Unreachable)?;
            Ok((status, body))
        })?;
        if !status.is_success() {
            return Err(OtlpError::Answer { status });
        }
        if let Ok(answer) = serde_json::from_slice::<Answer>(&body) {
            self.refused += answer.partial.rejected();
        }
        Ok(())
    }
}

impl Sink for OtlpSink {
    fn deliver(&mut self, lines: &[u8]) -> Result<(), SinkError> {
        let lines: Vec<_> = lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .collect();
        for batch in lines.chunks(BATCH) {
            self.send(batch).map_err(|error| SinkError {
                source: Box::new(error),
            })?;
        }
        Ok(())
    }

    fn refused(&self) -> u64 {
        self.refused
    }
}

/// What a collector answers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    #[serde(rename = "partialSuccess")]
    partial: PartialSuccess,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PartialSuccess {
    /// A number, or a number as a text, as protobuf's JSON has them.
    #[serde(rename = "rejectedLogRecords")]
    rejected: Value,
}

impl PartialSuccess {
    fn rejected(&self) -> u64 {
        let text = self.rejected.as_str().and_then(|text| text.parse().ok());
        text.or(self.rejected.as_u64()).unwrap_or_default()
    }
}

/// Whether an answer speaks of what was sent, and not of who sent it or of the collector's state.
fn is_about_records(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY
    )
}

/// Reads headers as OpenTelemetry writes them: `name=value,name=value`, values percent-encoded. The
/// error says what is wrong and never the value, which is a secret.
pub fn otlp_headers(text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or("a header without =: NAME=VALUE is expected, and a comma between two")?;
        let name: HeaderName = name
            .trim()
            .parse()
            .map_err(|_| format!("{:?} is no name of a header", name.trim()))?;
        let mut value = percent_decoded(value.trim())
            .and_then(|value| HeaderValue::from_bytes(&value).ok())
            .ok_or_else(|| format!("the value of {name} is no value of a header"))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        decoded.push(u8::from_str_radix(digits, 16).ok()?);
        rest = behind;
    }
    Some(decoded)
}

fn endpoint(text: &str) -> Result<Url, OtlpError> {
    let wrong = |reason: String| OtlpError::Endpoint {
        endpoint: text.to_owned(),
        reason,
    };
    let mut url: Url = text.parse().map_err(|error| wrong(format!("{error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("http or https is expected".to_owned()));
    }
    if !url.path().ends_with("/v1/logs") {
        let path = format!("{}/v1/logs", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Ok(url)
}

/// A line as a log record: the line itself is the body, so that the chain can be verified from what
/// was exported; what one filters by are attributes.
fn log_record(line: &[u8]) -> Option<Value> {
    let fields: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let time: Timestamp = fields.get("time")?.as_str()?.parse().ok()?;
    let event = fields.get("event")?.as_str()?;
    let (number, text) = severity(event, fields.get("outcome").and_then(Value::as_str));
    let mut attributes = vec![attribute(
        "db.system.name",
        &json!({ "stringValue": "postgresql" }),
    )];
    for (field, value) in &fields {
        if BODY_ONLY.contains(&field.as_str()) {
            continue;
        }
        let known = OTEL_NAMES.iter().find(|(name, _)| name == field);
        let key = known.map_or_else(|| format!("querycop.{field}"), |(_, key)| (*key).to_owned());
        attributes.push(attribute(&key, &any_value(value)));
    }
    if let Some([Value::String(table)]) = fields
        .get("tables")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    {
        attributes.push(attribute(
            "db.collection.name",
            &json!({ "stringValue": table }),
        ));
    }
    let nanos = time.as_nanosecond().to_string();
    Some(json!({
        "timeUnixNano": nanos,
        "observedTimeUnixNano": nanos,
        "severityNumber": number,
        "severityText": text,
        "eventName": format!("querycop.{event}"),
        "body": { "stringValue": String::from_utf8_lossy(line) },
        "attributes": attributes,
    }))
}

/// OpenTelemetry's numbers of severities.
fn severity(event: &str, outcome: Option<&str>) -> (u8, &'static str) {
    match (event, outcome) {
        ("interrupted", _) => (17, "ERROR"),
        ("recovered" | "session_refused", _) | (_, Some("denied" | "cut")) => (13, "WARN"),
        _ => (9, "INFO"),
    }
}

fn attribute(key: &str, value: &Value) -> Value {
    json!({ "key": key, "value": value })
}

fn any_value(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(any_value).collect();
            json!({ "arrayValue": { "values": values } })
        }
        Value::String(text) => json!({ "stringValue": text }),
        Value::Bool(value) => json!({ "boolValue": value }),
        Value::Null | Value::Object(_) => json!({ "stringValue": value.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_never_shown() {
        let headers = otlp_headers("authorization=Basic%20c2VjcmV0, x-scope=a").expect("headers");
        assert_eq!(headers["authorization"], "Basic c2VjcmV0");
        assert_eq!(headers["x-scope"], "a");
        assert!(!format!("{headers:?}").contains("c2VjcmV0"));
        for wrong in ["authorization", "a b=c", "a=%zz", "a=%2", "a=%0a"] {
            let error = otlp_headers(wrong).expect_err(wrong);
            assert!(!error.contains('%'), "{error}");
        }
    }
}
