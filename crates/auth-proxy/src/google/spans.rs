//! Spans of the connector as Cloud Trace takes them, named as the original's.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloydb_connector::InstanceUri;
use opentelemetry::Context;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use serde_json::{Map, Value as Json, json};
use tokio::sync::Notify;

use super::calls::Calls;
use super::failures::Failures;
use super::monitoring::timestamp;
use crate::log::chain;
use crate::metrics::short;

/// Spans that wait. A dial has three or four.
const MAX_WAITING: usize = 4096;

/// Spans of one call.
const MAX_BATCH: usize = 512;

/// What Cloud Trace takes of a name and of a value:
/// <https://cloud.google.com/trace/docs/reference/v2/rest/v2/projects.traces/batchWrite>
const MAX_NAME: usize = 128;
const MAX_VALUE: usize = 256;

/// What is wrong, by the numbers of google.rpc.Code:
/// <https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto>
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// `UNKNOWN`, which the original makes of an error that isn't the API's.
const UNKNOWN: usize = 2;

/// Spans that have ended and are to be sent. Who ends one never waits.
#[derive(Clone, Debug, Default)]
pub struct SpanQueue(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Vec<SpanData>>,
    lost: AtomicUsize,
    filled: Notify,
}

impl SpanQueue {
    fn waiting(&self) -> MutexGuard<'_, Vec<SpanData>> {
        let waiting = self.0.waiting.lock();
        waiting.unwrap_or_else(PoisonError::into_inner)
    }

    /// Until there are some. Cancel safe.
    pub(super) async fn filled(&self) {
        self.0.filled.notified().await;
    }

    /// As many as go into one call.
    pub(crate) fn take(&self) -> Vec<SpanData> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(MAX_BATCH);
        waiting.drain(..count).collect()
    }

    /// How many found no place since one asked last.
    pub(super) fn lost(&self) -> usize {
        self.0.lost.swap(0, Ordering::Relaxed)
    }
}

impl SpanProcessor for SpanQueue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.len() >= MAX_WAITING {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.push(span);
        self.0.filled.notify_one();
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Writes spans to a project.
pub(super) struct Trace {
    calls: Calls,
    failures: Failures,
    project: String,
    dialer_id: String,
    agent: String,
}

impl Trace {
    pub(super) fn new(
        calls: Calls,
        failures: Failures,
        dialer_id: &str,
        project: &str,
        version: &str,
    ) -> Self {
        Self {
            calls,
            failures,
            project: project.to_owned(),
            dialer_id: dialer_id.to_owned(),
            agent: format!("alloy-db-auth-proxy {version}"),
        }
    }

    pub(super) async fn write(&mut self, spans: &[SpanData]) {
        let told = spans.iter().map(|span| self.told(span));
        let body = json!({ "spans": told.collect::<Vec<_>>() });
        let path = ["v2", "projects", &self.project, "traces:batchWrite"];
        if let Err(error) = self.calls.post(&path, &body).await {
            self.failures.add(spans.len(), &chain(&error));
        }
    }

    /// Some found no place in the queue.
    pub(super) fn lost(&mut self, count: usize) {
        if count > 0 {
            let why = "more spans than can be sent";
            self.failures.add(count, &why);
        }
    }

    fn told(&self, span: &SpanData) -> Json {
        let trace = span.span_context.trace_id();
        let id = span.span_context.span_id();
        let project = &self.project;
        let mut told = json!({
            "name": format!("projects/{project}/traces/{trace}/spans/{id}"),
            "spanId": id.to_string(),
            "displayName": truncated(name(&span.name), MAX_NAME),
            "startTime": timestamp(span.start_time),
            "endTime": timestamp(span.end_time),
            "sameProcessAsParentSpan": !span.parent_span_is_remote,
            "attributes": { "attributeMap": self.attributes(span) },
        });
        if span.parent_span_id != SpanId::INVALID {
            told["parentSpanId"] = json!(span.parent_span_id.to_string());
        }
        if let Status::Error { description } = &span.status {
            told["status"] = json!({ "code": code(span), "message": description });
        }
        told
    }

    fn attributes(&self, span: &SpanData) -> Map<String, Json> {
        let text = |value: &str| json!({ "stringValue": truncated(value, MAX_VALUE) });
        let mut attributes = Map::new();
        attributes.insert("g.co/agent".to_owned(), text(&self.agent));
        let mut known = span.attributes.iter();
        if let Some(instance) = known.find(|known| known.key.as_str() == "alloydb.instance") {
            let mut instance = instance.value.to_string();
            // The original calls it by its URI where it is dialled, and by its short form here.
            if span.name == "refresh"
                && let Ok(uri) = instance.parse::<InstanceUri>()
            {
                instance = short(&uri);
            }
            attributes.insert("/alloydb/instance".to_owned(), text(&instance));
        }
        if span.name == "dial" {
            attributes.insert("/alloydb/dialer_id".to_owned(), text(&self.dialer_id));
        }
        attributes
    }
}

/// What is wrong with a step that failed.
fn code(span: &SpanData) -> usize {
    let mut known = span.attributes.iter();
    let kind = known.find(|known| known.key.as_str() == "error.type");
    let kind = kind.map(|kind| kind.value.as_str());
    let at = kind.and_then(|kind| CODES.iter().position(|code| *code == kind));
    at.unwrap_or(UNKNOWN)
}

/// How the original calls a step.
fn name(ours: &str) -> &str {
    match ours {
        "dial" => "cloud.google.com/go/alloydbconn.Dial",
        "connect info" => "cloud.google.com/go/alloydbconn/internal.InstanceInfo",
        "connect" => "cloud.google.com/go/alloydbconn/internal.Connect",
        "refresh" => "cloud.google.com/go/alloydbconn/internal.RefreshConnection",
        "fetch metadata" => "cloud.google.com/go/alloydbconn/internal.FetchMetadata",
        "fetch ephemeral certificate" => {
            "cloud.google.com/go/alloydbconn/internal.FetchEphemeralCert"
        }
        other => other,
    }
}

/// As much of a text as there may be, and how much more there is.
fn truncated(text: &str, most: usize) -> Json {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let (kept, cut) = text.split_at(end);
    json!({ "value": kept, "truncatedByteCount": cut.len() })
}

#[cfg(test)]
mod tests {
    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{SpanContext, SpanKind, TraceFlags, TraceId, TraceState};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

    use super::*;

    fn ended(flags: TraceFlags) -> SpanData {
        let (trace, id) = (TraceId::from(7), SpanId::from(9));
        let context = SpanContext::new(trace, id, flags, false, TraceState::default());
        SpanData {
            span_context: context,
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "dial".into(),
            start_time: std::time::UNIX_EPOCH,
            end_time: std::time::UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    #[test]
    fn what_a_full_queue_does_not_take_is_counted() {
        let queue = SpanQueue::default();
        queue.on_end(ended(TraceFlags::default()));
        assert_eq!(queue.take().len(), 0, "it isn't sampled");
        for _ in 0..MAX_WAITING + 2 {
            queue.on_end(ended(TraceFlags::SAMPLED));
        }
        assert_eq!((queue.lost(), queue.lost()), (2, 0));
        let batches = std::iter::from_fn(|| Some(queue.take().len()).filter(|taken| *taken > 0));
        let batches: Vec<_> = batches.collect();
        assert_eq!(batches, [MAX_BATCH; MAX_WAITING / MAX_BATCH]);
    }

    #[test]
    fn a_failure_has_the_number_of_what_the_api_calls_it() {
        let mut failed = ended(TraceFlags::SAMPLED);
        assert_eq!(code(&failed), UNKNOWN);
        let mut is_called = |kind: &'static str| {
            failed.attributes = vec![opentelemetry::KeyValue::new("error.type", kind)];
            code(&failed)
        };
        assert_eq!(is_called("NOT_FOUND"), 5);
        assert_eq!(is_called("UNAUTHENTICATED"), 16);
        assert_eq!(is_called("something else"), UNKNOWN);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let cut = truncated("aéé", 4);
        assert_eq!(cut, json!({ "value": "aé", "truncatedByteCount": 2 }));
    }
}
