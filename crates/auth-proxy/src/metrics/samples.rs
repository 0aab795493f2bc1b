//! The original's metrics as they are now, for who doesn't read Prometheus' format.

use prometheus::core::Collector;
use prometheus::proto::{Bucket, Metric, MetricFamily};

use super::Metrics;
use super::families::Original;

/// A series of one of the original's metrics, at one moment.
#[derive(Debug)]
pub(crate) struct Sample {
    /// As in `alloydbconn/NAME`.
    pub(crate) name: &'static str,
    pub(crate) help: String,
    /// Only those that have a value.
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: Value,
}

/// What a series is at.
#[derive(Debug, PartialEq)]
pub(crate) enum Value {
    /// Since the start.
    Count(i64),
    /// Now.
    Level(i64),
    /// Since the start, in milliseconds.
    Latencies {
        count: u64,
        sum: f64,
        sum_of_squares: f64,
        /// How many were at most each of [`LATENCY_MS`](super::LATENCY_MS).
        cumulative: Vec<u64>,
    },
}

impl Metrics {
    /// The original's metrics.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.original.samples()
    }
}

impl Original {
    fn samples(&self) -> Vec<Sample> {
        let squares = self.dial_latency_squares.collect();
        let latencies = |metric: &Metric| {
            let histogram = metric.get_histogram();
            let buckets = histogram.get_bucket().iter();
            let finite = buckets.filter(|bucket| bucket.upper_bound().is_finite());
            Value::Latencies {
                count: histogram.get_sample_count(),
                sum: histogram.get_sample_sum(),
                sum_of_squares: same_series(&squares, metric),
                cumulative: finite.map(Bucket::cumulative_count).collect(),
            }
        };
        let counters = [
            ("dial_failure_count", &self.dial_failures),
            ("refresh_success_count", &self.refresh_successes),
            ("refresh_failure_count", &self.refresh_failures),
            ("bytes_sent", &self.bytes_sent),
            ("bytes_received", &self.bytes_received),
        ];
        let mut samples = Vec::new();
        add(&mut samples, "dial_latency", &self.dial_latency, latencies);
        add(
            &mut samples,
            "open_connections",
            &self.open_connections,
            |metric| Value::Level(whole(metric.get_gauge().get_value())),
        );
        for (name, counter) in counters {
            add(&mut samples, name, counter, |metric| {
                Value::Count(whole(metric.get_counter().get_value()))
            });
        }
        samples
    }
}

fn add(
    samples: &mut Vec<Sample>,
    name: &'static str,
    from: &impl Collector,
    value: impl Fn(&Metric) -> Value,
) {
    for family in from.collect() {
        for metric in family.get_metric() {
            let labels = metric.get_label().iter();
            let labels = labels.filter(|label| !label.value().is_empty());
            samples.push(Sample {
                name,
                help: family.help().to_owned(),
                labels: labels
                    .map(|label| (label.name().to_owned(), label.value().to_owned()))
                    .collect(),
                value: value(metric),
            });
        }
    }
}

/// The counter with the labels of another series.
fn same_series(families: &[MetricFamily], of: &Metric) -> f64 {
    let metrics = families.iter().flat_map(MetricFamily::get_metric);
    let mut same = metrics.filter(|metric| metric.get_label() == of.get_label());
    same.next()
        .map_or(0.0, |metric| metric.get_counter().get_value())
}

/// What was counted in whole numbers, and is told as a floating-point one.
#[expect(
    clippy::cast_possible_truncation,
    reason = "it is a whole number, and the cast saturates"
)]
fn whole(value: f64) -> i64 {
    value as i64
}
