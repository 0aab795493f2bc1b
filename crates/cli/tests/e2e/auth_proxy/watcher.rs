//! Stands for Cloud Monitoring and Cloud Trace: over gRPC, as the original calls them, and over REST.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use prost::Message;
use serde_json::{Map, Value, json};

use super::accepting::Accepting;

/// A running one; it ends when it is dropped.
pub(super) struct Watcher {
    pub(super) addr: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _server: Accepting,
}

/// What it was told, as REST has it.
#[derive(Default)]
struct Seen {
    descriptions: Vec<Value>,
    series: Vec<Value>,
    spans: Vec<Value>,
}

impl Watcher {
    pub(super) fn start() -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let kept = Arc::clone(&seen);
        let server = Accepting::start(move |client| {
            let kept = Arc::clone(&kept);
            let service = service_fn(move |request| answer(request, Arc::clone(&kept)));
            async move {
                let server = auto::Builder::new(TokioExecutor::new());
                // Whoever is not answered notices.
                let _ = server.serve_connection(TokioIo::new(client), service).await;
            }
        });
        Self {
            addr: server.addr,
            seen,
            _server: server,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self) {
        *self.seen() = Seen::default();
    }

    /// Whether a metric of this name was written.
    pub(super) fn has(&self, name: &str) -> bool {
        let seen = self.seen();
        let mut kinds = seen.series.iter().map(|series| &series["metric"]["type"]);
        kinds.any(|kind| kind.as_str().is_some_and(|kind| kind.ends_with(name)))
    }

    /// What metrics are, and each series with what it was at last.
    pub(super) fn metrics(&self) -> BTreeSet<String> {
        let seen = self.seen();
        let mut last = BTreeMap::new();
        for series in &seen.series {
            let name = format!("{} on {}", series["metric"], series["resource"]["type"]);
            last.insert(plain(&name), value(series));
        }
        let described = seen.descriptions.iter().map(description);
        let series = last.iter().map(|(name, value)| format!("{name}: {value}"));
        described.chain(series).collect()
    }

    /// What spans are, each kind once; without those that another's failure has ended, which is a matter
    /// of chance.
    pub(super) fn spans(&self) -> BTreeSet<String> {
        let seen = self.seen();
        let ended = seen.spans.iter().filter(|span| {
            let why = span["status"]["message"].as_str().unwrap_or_default();
            !why.contains("context canceled")
        });
        ended.map(span).collect()
    }
}

/// Without what is different from process to process.
fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    for key in ["alloydb_dialer_id", "opencensus_task"] {
        let start = format!("\"{key}\":\"");
        if let Some(at) = text.find(&start) {
            let from = at + start.len();
            let to = text[from..].find('"').map_or(text.len(), |end| from + end);
            text.replace_range(from..to, "…");
        }
    }
    text
}

/// Counts of connections and refreshes. Of bytes, times, and failures that the original repeats at once,
/// only that there are some.
fn value(series: &Value) -> String {
    let kind = series["metric"]["type"].as_str().unwrap_or_default();
    let value = &series["points"][0]["value"];
    if kind.contains("bytes") || kind.contains("refresh_failure") {
        return (value["int64Value"] != "0").to_string();
    }
    let distribution = &value["distributionValue"];
    if distribution.is_null() {
        return value["int64Value"].to_string();
    }
    let buckets = distribution["bucketCounts"].as_array().map_or(0, Vec::len);
    let bounds = &distribution["bucketOptions"]["explicitBuckets"]["bounds"];
    format!(
        "{} in {buckets} buckets between {bounds}",
        distribution["count"]
    )
}

fn description(described: &Value) -> String {
    let mut labels: Vec<_> = described["labels"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|label| label["key"].as_str().unwrap_or_default())
        .collect();
    labels.sort_unstable();
    format!(
        "{} {} is {} {} in {} by {labels:?}, called {}",
        described["name"],
        described["type"],
        described["metricKind"],
        described["valueType"],
        described["unit"],
        described["displayName"]
    )
}

fn span(told: &Value) -> String {
    let attributes = &told["attributes"]["attributeMap"];
    let names: BTreeSet<_> = attributes
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .collect();
    format!(
        "{} {names:?} of {}, status {}",
        told["displayName"]["value"],
        attributes["/alloydb/instance"]["stringValue"]["value"],
        told["status"]["code"]
    )
}

async fn answer(
    request: Request<Incoming>,
    seen: Arc<Mutex<Seen>>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let kind = request.headers().get(CONTENT_TYPE).cloned();
    let is_grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let body = request.into_body().collect().await?.to_bytes();
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_grpc {
        let body: Value = serde_json::from_slice(&body).expect("it is JSON");
        let list = |key: &str| body[key].as_array().cloned().unwrap_or_default();
        seen.series.extend(list("timeSeries"));
        seen.spans.extend(list("spans"));
        if path.ends_with("/metricDescriptors") {
            seen.descriptions.push(body);
        }
        return Ok(Response::new(Full::from("{}").boxed()));
    }
    // A flag and a length stand before the message.
    let message = body.slice(5..);
    match path.rsplit('/').next().unwrap_or_default() {
        "CreateMetricDescriptor" => {
            let call = CreateMetricDescriptor::decode(message).expect("it is a message");
            seen.descriptions
                .push(call.descriptor.unwrap_or_default().rest());
        }
        "CreateTimeSeries" => {
            let call = CreateTimeSeries::decode(message).expect("it is a message");
            seen.series
                .extend(call.series.into_iter().map(Series::rest));
        }
        "BatchWriteSpans" => {
            let call = BatchWriteSpans::decode(message).expect("it is a message");
            seen.spans.extend(call.spans.into_iter().map(Span::rest));
        }
        // Nothing else is compared.
        _ => {}
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::from(&[0; 5][..]).with_trailers(async { Some(Ok(trailers)) });
    let mut response = Response::new(body.boxed());
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

// What follows are the parts of the services' messages that are compared, by the numbers of their
// fields in google.monitoring.v3, google.api and google.devtools.cloudtrace.v2.

#[derive(Clone, PartialEq, Message)]
struct CreateMetricDescriptor {
    #[prost(message, optional, tag = "2")]
    descriptor: Option<Descriptor>,
}

#[derive(Clone, PartialEq, Message)]
struct Descriptor {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    labels: Vec<Label>,
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(int32, tag = "4")]
    value_type: i32,
    #[prost(string, tag = "5")]
    unit: String,
    #[prost(string, tag = "7")]
    display_name: String,
    #[prost(string, tag = "8")]
    metric_type: String,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    key: String,
}

#[derive(Clone, PartialEq, Message)]
struct CreateTimeSeries {
    #[prost(message, repeated, tag = "2")]
    series: Vec<Series>,
}

#[derive(Clone, PartialEq, Message)]
struct Series {
    #[prost(message, optional, tag = "1")]
    metric: Option<Metric>,
    #[prost(message, optional, tag = "2")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "5")]
    points: Vec<Point>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(btree_map = "string, string", tag = "2")]
    labels: BTreeMap<String, String>,
    #[prost(string, tag = "3")]
    metric_type: String,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(string, tag = "1")]
    resource_type: String,
}

#[derive(Clone, PartialEq, Message)]
struct Point {
    #[prost(message, optional, tag = "2")]
    value: Option<TypedValue>,
}

#[derive(Clone, PartialEq, Message)]
struct TypedValue {
    #[prost(int64, optional, tag = "2")]
    number: Option<i64>,
    #[prost(message, optional, tag = "5")]
    distribution: Option<Distribution>,
}

#[derive(Clone, PartialEq, Message)]
struct Distribution {
    #[prost(int64, tag = "1")]
    count: i64,
    #[prost(message, optional, tag = "6")]
    options: Option<BucketOptions>,
    #[prost(int64, repeated, tag = "7")]
    counts: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct BucketOptions {
    #[prost(message, optional, tag = "3")]
    explicit: Option<Explicit>,
}

#[derive(Clone, PartialEq, Message)]
struct Explicit {
    #[prost(double, repeated, tag = "1")]
    bounds: Vec<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct BatchWriteSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(message, optional, tag = "4")]
    display_name: Option<Text>,
    #[prost(message, optional, tag = "7")]
    attributes: Option<Attributes>,
    #[prost(message, optional, tag = "11")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Text {
    #[prost(string, tag = "1")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Attributes {
    #[prost(btree_map = "string, message", tag = "1")]
    map: BTreeMap<String, Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(message, optional, tag = "1")]
    text: Option<Text>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

impl Descriptor {
    fn rest(self) -> Value {
        let kind = ["UNSPECIFIED", "GAUGE", "DELTA", "CUMULATIVE"];
        let value_type = [
            "UNSPECIFIED",
            "BOOL",
            "INT64",
            "DOUBLE",
            "STRING",
            "DISTRIBUTION",
        ];
        let named = |names: &[&str], number: i32| {
            let at = usize::try_from(number).unwrap_or_default();
            names.get(at).map(|name| (*name).to_owned())
        };
        let labels = self.labels.iter().map(|label| json!({ "key": label.key }));
        json!({
            "name": self.name,
            "type": self.metric_type,
            "labels": labels.collect::<Vec<_>>(),
            "metricKind": named(&kind, self.kind),
            "valueType": named(&value_type, self.value_type),
            "unit": self.unit,
            "displayName": self.display_name,
        })
    }
}

impl Series {
    fn rest(self) -> Value {
        let metric = self.metric.unwrap_or_default();
        let points = self.points.into_iter();
        let points = points.map(|point| point.value.unwrap_or_default().rest());
        json!({
            "metric": { "labels": metric.labels, "type": metric.metric_type },
            "resource": { "type": self.resource.unwrap_or_default().resource_type },
            "points": points.map(|value| json!({ "value": value })).collect::<Vec<_>>(),
        })
    }
}

impl TypedValue {
    fn rest(self) -> Value {
        let Some(distribution) = self.distribution else {
            return json!({ "int64Value": self.number.unwrap_or_default().to_string() });
        };
        let explicit = distribution.options.unwrap_or_default().explicit;
        json!({ "distributionValue": {
            "count": distribution.count.to_string(),
            "bucketOptions": { "explicitBuckets": { "bounds": explicit.unwrap_or_default().bounds } },
            "bucketCounts": distribution.counts,
        } })
    }
}

impl Span {
    fn rest(self) -> Value {
        let attributes = self.attributes.unwrap_or_default().map.into_iter();
        let attributes = attributes.map(|(key, attribute)| {
            let text = attribute.text.map(|text| text.value);
            (key, json!({ "stringValue": { "value": text } }))
        });
        let status = self
            .status
            .map(|status| json!({ "code": status.code, "message": status.message }));
        json!({
            "displayName": { "value": self.display_name.unwrap_or_default().value },
            "attributes": { "attributeMap": attributes.collect::<Map<_, _>>() },
            "status": status,
        })
    }
}
