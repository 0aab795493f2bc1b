//! `--telemetry-project`, with a fake of Cloud Monitoring and Cloud Trace.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use querycop_auth_proxy::{Hooks, Settings, SpanQueue};
use querycop_testkit::wait::eventually;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing_subscriber::layer::SubscriberExt;

use crate::lab::{APP_TOKEN, GONE, POOL, PRIMARY, uri};
use crate::proxy::{Running, instance, settings, try_start};

/// A request to the fake.
#[derive(Clone, Debug)]
struct Call {
    path: String,
    headers: String,
    body: Value,
}

/// Stands for Google's services.
struct Fake {
    endpoint: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Fake {
    /// One that answers everything with this.
    fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is left");
        let address = listener.local_addr().expect("it has an address");
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let heard = Arc::clone(&calls);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, heard) = (client.expect("a client"), Arc::clone(&heard));
                thread::spawn(move || serve(&client, answer, &heard));
            }
        });
        Self {
            endpoint: format!("http://{address}"),
            calls,
        }
    }

    /// All calls of a method so far.
    fn calls(&self, path: &str) -> Vec<Call> {
        let calls = self.calls.lock().expect("nobody panics with it");
        let of_method = calls.iter().filter(|call| call.path == path);
        of_method.cloned().collect()
    }

    /// The series that were written, by the end of their type.
    fn series(&self, name: &str) -> Vec<Value> {
        let calls = self.calls("/v3/projects/watcher/timeSeries");
        let series = calls
            .iter()
            .flat_map(|call| call.body["timeSeries"].as_array().expect("a list").clone());
        let is_named = |series: &Value| {
            let kind = series["metric"]["type"].as_str().unwrap_or_default();
            kind.ends_with(&format!("/alloydbconn/{name}"))
        };
        series.filter(is_named).collect()
    }
}

fn serve(client: &TcpStream, (status, answer): Answer, heard: &Mutex<Vec<Call>>) {
    let mut reader = BufReader::new(client);
    let mut first = String::new();
    let (mut headers, mut line, mut length) = (String::new(), String::new(), 0);
    if reader.read_line(&mut first).unwrap_or_default() == 0 {
        return;
    }
    while reader.read_line(&mut line).unwrap_or_default() > 2 {
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        headers.push_str(&lower);
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the whole body");
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let body = serde_json::from_slice(&body).expect("JSON");
    heard.lock().expect("nobody panics with it").push(Call {
        path,
        headers,
        body,
    });
    let length = answer.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
    );
    let mut client = client;
    // One that hung up isn't told.
    let _ = client.write_all(answer.as_bytes());
}

/// A status and the body with it.
type Answer = (&'static str, &'static str);

const TAKEN: Answer = ("200 OK", "{}");
const DENIED: Answer = (
    "403 Forbidden",
    r#"{"error":{"code":403,"message":"monitoring.timeSeries.create: no"}}"#,
);

fn watched(instances: &[&str]) -> Settings {
    let mut watched = settings(instances.iter().map(|name| instance(name)));
    watched.telemetry.project = Some("watcher".to_owned());
    watched
}

fn start(settings: Settings, fake: &Fake) -> Running {
    let hooks = Hooks {
        telemetry_endpoint: Some(fake.endpoint.clone()),
        ..Hooks::default()
    };
    try_start(settings, hooks).expect("it starts")
}

#[test]
fn metrics_are_the_original_s_and_come_at_the_end_at_the_latest() {
    let fake = Fake::start(TAKEN);
    let mut settings = watched(&[PRIMARY, GONE]);
    settings.telemetry.prefix = "team".to_owned();
    let proxy = start(settings, &fake);
    proxy.psql(0).query("SELECT 1");
    proxy.psql(1).run("SELECT 1").expect_failure();
    proxy.stop();

    let latency = &fake.series("dial_latency")[0];
    let kind = "custom.googleapis.com/opencensus/team/alloydbconn/dial_latency";
    assert_eq!(latency["metric"]["type"], kind);
    let labels = &latency["metric"]["labels"];
    assert_eq!(labels["alloydb_instance"], uri(PRIMARY));
    assert!(labels["alloydb_dialer_id"].is_string() && labels["opencensus_task"].is_string());
    assert_eq!(latency["resource"], json!({ "type": "global" }));
    let distribution = &latency["points"][0]["value"]["distributionValue"];
    assert_eq!(distribution["count"], "1", "{latency}");
    assert!(distribution["mean"].as_f64() > Some(0.0), "{latency}");

    for (name, instance, value) in [
        ("dial_failure_count", uri(GONE), "1"),
        ("open_connections", "p.l.c.primary".to_owned(), "0"),
        ("refresh_success_count", "p.l.c.primary".to_owned(), "1"),
    ] {
        let series = fake.series(name);
        let of_instance =
            |series: &&Value| series["metric"]["labels"]["alloydb_instance"] == instance;
        let found = series.iter().find(of_instance).expect("it is there");
        assert_eq!(found["points"][0]["value"]["int64Value"], value, "{found}");
    }
    assert_eq!(fake.series("bytes_sent").len(), 1);
    assert_eq!(fake.series("bytes_received").len(), 1);

    let described = fake.calls("/v3/projects/watcher/metricDescriptors");
    let described: Vec<_> = described.iter().map(|call| &call.body).collect();
    let names = described.iter().map(|body| body["displayName"].as_str());
    let mut names: Vec<_> = names.map(Option::unwrap_or_default).collect();
    names.sort_unstable();
    assert_eq!(names.len(), 6, "each once: {names:?}");
    assert_eq!(names[3], "OpenCensus/alloydbconn/dial_latency", "{names:?}");
    assert!(
        described.iter().all(|body| body["labels"].is_array()),
        "{described:?}"
    );

    let calls = fake.calls.lock().expect("nobody panics with it");
    let authorized = format!("authorization: bearer {APP_TOKEN}");
    for call in calls.iter() {
        assert!(call.headers.contains(&authorized), "{call:?}");
    }
    assert!(
        !calls.iter().any(|call| call.path.starts_with("/v2/")),
        "there were no spans"
    );
}

#[test]
fn spans_have_the_original_s_names() {
    let fake = Fake::start(TAKEN);
    let hooks = Hooks {
        telemetry_endpoint: Some(fake.endpoint.clone()),
        spans: recorded(),
        ..Hooks::default()
    };
    let mut settings = watched(&[POOL, GONE]);
    settings.telemetry.disable_metrics = true;
    let proxy = try_start(settings, hooks).expect("it starts");
    proxy.psql(0).query("SELECT 1");
    proxy.psql(1).run("SELECT 1").expect_failure();
    // Not only at the end.
    eventually("spans to be sent", || {
        let sent = fake.calls("/v2/projects/watcher/traces:batchWrite");
        (!sent.is_empty()).then_some(())
    });
    proxy.stop();

    let sent = fake.calls("/v2/projects/watcher/traces:batchWrite");
    let spans = sent
        .iter()
        .flat_map(|call| call.body["spans"].as_array().expect("a list").clone());
    let spans: Vec<_> = spans.collect();
    let named = |name: &str, instance: &str| {
        let found = spans.iter().find(|span| {
            let map = &span["attributes"]["attributeMap"];
            span["displayName"]["value"] == format!("cloud.google.com/go/alloydbconn{name}")
                && (instance.is_empty()
                    || map["/alloydb/instance"]["stringValue"]["value"] == instance)
        });
        found.unwrap_or_else(|| panic!("{name} is missing in {spans:?}"))
    };
    let dial = named(".Dial", &uri(POOL));
    let id = dial["spanId"].as_str().expect("it has one");
    let path = dial["name"].as_str().expect("it has one");
    assert!(
        path.starts_with("projects/watcher/traces/") && path.ends_with(id),
        "{path}"
    );
    assert!(dial["status"].is_null(), "{dial}");
    let child = |name: &str| {
        let name = format!("cloud.google.com/go/alloydbconn/internal.{name}");
        spans
            .iter()
            .any(|span| span["parentSpanId"] == id && span["displayName"]["value"] == name)
    };
    assert!(child("InstanceInfo") && child("Connect"), "{spans:?}");
    named("/internal.RefreshConnection", "p.l.c.pool");
    named("/internal.FetchMetadata", "");
    named("/internal.FetchEphemeralCert", "");

    let failed = named(".Dial", &uri(GONE));
    assert_eq!(failed["status"]["code"], 2, "{failed}");
    let why = failed["status"]["message"].as_str().unwrap_or_default();
    assert!(why.contains(":5433"), "{failed}");
    assert_eq!(fake.series("dial_latency").len(), 0);
}

/// Spans of all proxies of this process, as `run` records those of its own.
fn recorded() -> SpanQueue {
    let queue = SpanQueue::default();
    let tracers = SdkTracerProvider::builder().with_span_processor(queue.clone());
    let layer = tracing_opentelemetry::layer().with_tracer(tracers.build().tracer("test"));
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).expect("no other test has one");
    queue
}

#[test]
fn what_is_not_taken_is_told_and_harms_nobody() {
    let fake = Fake::start(DENIED);
    let proxy = start(watched(&[PRIMARY]), &fake);
    proxy.psql(0).query("SELECT 1");
    let err = proxy.err_after_stop();
    let line = "telemetry is not sent: Cloud Monitoring of project watcher: answered 403: \
                monitoring.timeSeries.create: no";
    assert_eq!(err.matches("telemetry is not sent").count(), 1, "{err}");
    assert!(err.contains(line), "{err}");
}

#[test]
fn the_end_does_not_wait_for_who_does_not_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is left");
    let hooks = Hooks {
        telemetry_endpoint: Some(format!(
            "http://{}",
            silent.local_addr().expect("it has an address")
        )),
        ..Hooks::default()
    };
    let proxy = try_start(watched(&[PRIMARY]), hooks).expect("it starts");
    proxy.psql(0).query("SELECT 1");
    let began = Instant::now();
    proxy.stop();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn without_metrics_and_traces_nobody_is_called() {
    let fake = Fake::start(TAKEN);
    let mut settings = watched(&[PRIMARY]);
    settings.telemetry.disable_metrics = true;
    settings.telemetry.disable_traces = true;
    let proxy = start(settings, &fake);
    proxy.psql(0).query("SELECT 1");
    proxy.stop();
    assert!(fake.calls.lock().expect("nobody panics with it").is_empty());
}
