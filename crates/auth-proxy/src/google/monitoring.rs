//! Metrics as Cloud Monitoring takes them, named and labelled as the original's exporter does.

use std::collections::BTreeMap;
use std::process;
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::calls::Calls;
use super::failures::Failures;
use crate::log::chain;
use crate::metrics::{LATENCY_MS, Metrics, Sample, Value};

/// How many series a call may write:
/// <https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/create>
const MAX_SERIES: usize = 200;

/// Where metrics are whose name has no domain.
const DEFAULT_DOMAIN: &str = "custom.googleapis.com/opencensus";

/// What makes a prefix a domain of its own.
const DOMAINS: [&str; 4] = ["googleapis.com", "kubernetes.io", "istio.io", "knative.dev"];

/// The label that tells processes apart.
const TASK: &str = "opencensus_task";

/// Writes the original's seven metrics to a project.
pub(super) struct Monitoring {
    calls: Calls,
    failures: Failures,
    metrics: Arc<Metrics>,
    project: String,
    naming: Naming,
    /// The metrics that the project has been told of.
    described: Vec<&'static str>,
}

/// How a process calls its metrics.
struct Naming {
    prefix: String,
    task: String,
}

impl Monitoring {
    pub(super) fn new(
        calls: Calls,
        failures: Failures,
        metrics: Arc<Metrics>,
        project: &str,
        prefix: &str,
    ) -> Self {
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy();
        Self {
            calls,
            failures,
            metrics,
            project: project.to_owned(),
            naming: Naming {
                prefix: prefix.to_owned(),
                task: format!("querycop-{}@{host}", process::id()),
            },
            described: Vec::new(),
        }
    }

    /// Writes all of them, as they are now.
    pub(super) async fn write(&mut self) {
        let samples = self.metrics.samples();
        let (from, until) = (timestamp(self.metrics.began), timestamp(SystemTime::now()));
        for sample in &samples {
            self.describe(sample).await;
        }
        for samples in samples.chunks(MAX_SERIES) {
            let series = samples.iter();
            let series = series.map(|sample| self.naming.series(sample, &from, &until));
            let body = json!({ "timeSeries": series.collect::<Vec<_>>() });
            let path = ["v3", "projects", &self.project, "timeSeries"];
            if let Err(error) = self.calls.post(&path, &body).await {
                self.failures.add(samples.len(), &chain(&error));
            }
        }
    }

    /// Says what a metric is, before its first point. Where that fails the point is written all the
    /// same: Cloud Monitoring then makes a description of its own.
    async fn describe(&mut self, sample: &Sample) {
        if self.described.contains(&sample.name) {
            return;
        }
        let path = ["v3", "projects", &self.project, "metricDescriptors"];
        let body = self.naming.description(sample, &self.project);
        match self.calls.post(&path, &body).await {
            Ok(()) => self.described.push(sample.name),
            Err(error) => self.failures.add(0, &chain(&error)),
        }
    }
}

impl Naming {
    /// The type of a metric: `custom.googleapis.com/opencensus/PREFIX/alloydbconn/NAME`, or without
    /// what is in front of a prefix that has a domain.
    fn metric_type(&self, name: &str) -> String {
        let segments = self.prefix.split('/').chain(["alloydbconn", name]);
        let segments: Vec<_> = segments.filter(|segment| !segment.is_empty()).collect();
        let name = segments.join("/");
        if DOMAINS.iter().any(|domain| name.contains(domain)) {
            name
        } else {
            format!("{DEFAULT_DOMAIN}/{name}")
        }
    }

    fn description(&self, sample: &Sample, project: &str) -> Json {
        let metric_type = self.metric_type(sample.name);
        let (kind, value_type) = kinds(&sample.value);
        let unit = match sample.value {
            Value::Latencies { .. } => "ms",
            _ => "1",
        };
        let mut labels = vec!["alloydb_dialer_id", "alloydb_instance"];
        if sample.name == "refresh_failure_count" {
            labels.push("alloydb_error_code");
        }
        labels.push(TASK);
        let labels = labels.iter();
        let labels = labels.map(|label| json!({ "key": label, "valueType": "STRING" }));
        json!({
            "name": format!("projects/{project}/metricDescriptors/{metric_type}"),
            "type": metric_type,
            "metricKind": kind,
            "valueType": value_type,
            "unit": unit,
            "description": sample.help,
            "displayName": format!("OpenCensus/alloydbconn/{}", sample.name),
            "labels": labels.collect::<Vec<_>>(),
        })
    }

    fn series(&self, sample: &Sample, from: &str, until: &str) -> Json {
        let labels = sample.labels.iter();
        let labels = labels.map(|(key, value)| (key.as_str(), value.as_str()));
        let labels: BTreeMap<_, _> = labels.chain([(TASK, self.task.as_str())]).collect();
        let (kind, value_type) = kinds(&sample.value);
        let interval = match sample.value {
            Value::Level(_) => json!({ "endTime": until }),
            _ => json!({ "startTime": from, "endTime": until }),
        };
        json!({
            "metric": { "type": self.metric_type(sample.name), "labels": labels },
            "resource": { "type": "global" },
            "metricKind": kind,
            "valueType": value_type,
            "points": [{ "interval": interval, "value": point(&sample.value) }],
        })
    }
}

fn kinds(value: &Value) -> (&'static str, &'static str) {
    match value {
        Value::Count(_) => ("CUMULATIVE", "INT64"),
        Value::Level(_) => ("GAUGE", "INT64"),
        Value::Latencies { .. } => ("CUMULATIVE", "DISTRIBUTION"),
    }
}

fn point(value: &Value) -> Json {
    match value {
        // JSON has no integers of 64 bits.
        Value::Count(value) | Value::Level(value) => json!({ "int64Value": value.to_string() }),
        Value::Latencies {
            count,
            sum,
            sum_of_squares,
            cumulative,
        } => distribution(*count, *sum, *sum_of_squares, cumulative),
    }
}

/// A distribution. Cloud Monitoring's first bucket has no lower bound, so that the original puts one
/// for what is below zero in front, which stays empty.
#[expect(
    clippy::cast_precision_loss,
    reason = "nobody makes so many connections"
)]
fn distribution(count: u64, sum: f64, sum_of_squares: f64, cumulative: &[u64]) -> Json {
    let bounds: Vec<_> = [0.0].into_iter().chain(LATENCY_MS).collect();
    let mut buckets = vec!["0".to_owned()];
    let mut below = 0;
    // One that came between the reading of the buckets and of the count is in the last bucket.
    for up_to in cumulative.iter().copied().chain([count]) {
        buckets.push(up_to.saturating_sub(below).to_string());
        below = up_to.max(below);
    }
    let mean = if count == 0 { 0.0 } else { sum / count as f64 };
    let deviation = (sum_of_squares - sum * mean).max(0.0);
    json!({ "distributionValue": {
        "count": count.to_string(),
        "mean": mean,
        "sumOfSquaredDeviation": deviation,
        "bucketOptions": { "explicitBuckets": { "bounds": bounds } },
        "bucketCounts": buckets,
    } })
}

/// As Google's APIs want points in time.
pub(super) fn timestamp(at: SystemTime) -> String {
    Timestamp::try_from(at).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(prefix: &str) -> Naming {
        Naming {
            prefix: prefix.to_owned(),
            task: "querycop-1@host".to_owned(),
        }
    }

    #[test]
    fn a_prefix_stands_before_the_name_or_is_the_domain() {
        for (prefix, expected) in [
            (
                "",
                "custom.googleapis.com/opencensus/alloydbconn/bytes_sent",
            ),
            (
                "team",
                "custom.googleapis.com/opencensus/team/alloydbconn/bytes_sent",
            ),
            (
                "/a//b/",
                "custom.googleapis.com/opencensus/a/b/alloydbconn/bytes_sent",
            ),
            (
                "custom.googleapis.com/x",
                "custom.googleapis.com/x/alloydbconn/bytes_sent",
            ),
        ] {
            assert_eq!(naming(prefix).metric_type("bytes_sent"), expected);
        }
    }

    #[test]
    fn a_distribution_has_a_bucket_more_than_bounds() {
        let cumulative = [0, 1, 1, 1, 1, 1, 1, 1, 1];
        let told = distribution(2, 40_010.0, 100.0 + 40_000.0 * 40_000.0, &cumulative);
        let told = &told["distributionValue"];
        assert_eq!(told["count"], "2");
        assert_eq!(told["mean"], 20_005.0);
        assert_eq!(told["sumOfSquaredDeviation"], 2.0 * 19_995.0 * 19_995.0);
        let bounds = told["bucketOptions"]["explicitBuckets"]["bounds"].as_array();
        assert_eq!(bounds.unwrap().len(), 10);
        let buckets = ["0", "0", "1", "0", "0", "0", "0", "0", "0", "0", "1"];
        assert_eq!(told["bucketCounts"], json!(buckets));
    }

    #[test]
    fn a_level_has_no_beginning() {
        let mut sample = Sample {
            name: "open_connections",
            help: String::new(),
            labels: vec![("alloydb_instance".to_owned(), "p.l.c.i".to_owned())],
            value: Value::Level(3),
        };
        let told = naming("").series(&sample, "then", "now");
        assert_eq!(told["points"][0]["interval"], json!({ "endTime": "now" }));
        assert_eq!(told["points"][0]["value"], json!({ "int64Value": "3" }));
        let labels = json!({ "alloydb_instance": "p.l.c.i", TASK: "querycop-1@host" });
        assert_eq!(told["metric"]["labels"], labels);
        sample.value = Value::Count(3);
        let told = naming("").series(&sample, "then", "now");
        assert_eq!(told["points"][0]["interval"]["startTime"], "then");
    }
}
