//! The metrics that the feature `opentelemetry` records.
#![cfg(feature = "opentelemetry")]

use alloydb_connector::{DialOptions, IamLogin};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};

use crate::dialling::echoes;
use crate::fake::{Answer, Fake, instance, private};

#[tokio::test(flavor = "multi_thread")]
async fn the_six_metrics_have_the_official_names_and_attributes() {
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    let fake = Fake::start().await;
    let dialer = fake
        .builder()
        .opentelemetry(provider.meter("test"))
        .build()
        .await
        .unwrap();
    let mut stream = dialer.dial(&instance(), &private()).await.unwrap();
    echoes(&mut stream).await;
    fake.server.answers(Answer::refusal("no"));
    let iam = DialOptions::new().iam_login(IamLogin::On);
    dialer.dial(&instance(), &iam).await.unwrap_err();
    drop(stream);
    dialer.close().await;
    provider.force_flush().unwrap();

    let mut seen = Vec::new();
    for resource in exporter.get_finished_metrics().unwrap() {
        for scope in resource.scope_metrics() {
            for metric in scope.metrics() {
                let name = metric.name();
                let prefix = "alloydb.googleapis.com/client/connector/";
                let name = name.strip_prefix(prefix).expect("the official prefix");
                collect(name, metric.data(), &mut seen);
            }
        }
    }
    seen.sort();
    let has = |line: &str| assert!(seen.iter().any(|seen| seen == line), "{line}: {seen:#?}");
    has("dial_count auth_type=built_in is_cache_hit=false status=success: 1");
    has("dial_count auth_type=iam is_cache_hit=true status=mdx_error: 1");
    has("dial_latencies: 2");
    has("open_connections auth_type=built_in: 0");
    has("bytes_sent_count: 7");
    has("bytes_received_count: 7");
    assert!(
        seen.iter().any(|line| line.starts_with("refresh_count refresh_type=refresh_ahead status=success")),
        "{seen:#?}"
    );
}

fn collect(name: &str, data: &AggregatedMetrics, seen: &mut Vec<String>) {
    let attributes = |pairs: Vec<(String, String)>| {
        let ours = ["auth_type", "is_cache_hit", "status", "refresh_type"];
        let mut text: Vec<_> = pairs
            .into_iter()
            .filter(|(key, _)| ours.contains(&key.as_str()))
            .map(|(key, value)| format!(" {key}={value}"))
            .collect();
        text.sort();
        text.concat()
    };
    macro_rules! pairs {
        ($point:expr) => {
            attributes(
                $point
                    .attributes()
                    .map(|pair| (pair.key.to_string(), pair.value.to_string()))
                    .collect(),
            )
        };
    }
    match data {
        AggregatedMetrics::U64(MetricData::Sum(sum)) => {
            for point in sum.data_points() {
                seen.push(format!("{name}{}: {}", pairs!(point), point.value()));
            }
        }
        AggregatedMetrics::I64(MetricData::Sum(sum)) => {
            for point in sum.data_points() {
                seen.push(format!("{name}{}: {}", pairs!(point), point.value()));
            }
        }
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
            for point in histogram.data_points() {
                seen.push(format!("{name}{}: {}", pairs!(point), point.count()));
            }
        }
        _ => seen.push(format!("{name}: of another kind")),
    }
}
