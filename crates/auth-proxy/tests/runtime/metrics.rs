//! What Prometheus reads.

use querycop_testkit::wait::eventually;

use crate::lab::{GONE, PRIMARY, uri};
use crate::proxy::{Running, instance, settings, start};

/// The sample of a series, whose labels may come with the dialer's id.
fn sample(metrics: &str, name: &str, labels: &[&str]) -> Option<String> {
    let line = metrics.lines().find(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    })?;
    Some(line.rsplit(' ').next()?.to_owned())
}

fn eventually_sample(proxy: &Running, name: &str, labels: &[&str], expected: &str) {
    eventually(&format!("{name} {labels:?} to be {expected}"), || {
        let (_, metrics) = proxy.get("/metrics");
        (sample(&metrics, name, labels)? == expected).then_some(())
    });
}

#[test]
fn names_and_labels_are_the_original_s_and_ours_stand_beside_them() {
    let mut measured = settings([instance(PRIMARY), instance(GONE)]);
    measured.http.prometheus = true;
    measured.http.prometheus_namespace = "ns".to_owned();
    measured.max_connections = 7;
    let proxy = start(measured);
    let (status, before) = proxy.get("/metrics");
    assert_eq!(status, 200);
    assert!(
        !before.contains("alloydbconn"),
        "a series appears with its first sample: {before}"
    );

    proxy.psql(0).query("SELECT 1");
    proxy.psql(1).run("SELECT 1").expect_failure();
    eventually_sample(
        &proxy,
        "ns_alloydbconn_open_connections",
        &["alloydb_instance=\"p.l.c.primary\""],
        "0",
    );
    let (_, metrics) = proxy.get("/metrics");
    theirs(&metrics);
    ours(&metrics);
    proxy.stop();
}

fn assert_sample(metrics: &str, name: &str, labels: &[&str], expected: &str) {
    let found = sample(metrics, name, labels);
    assert_eq!(
        found.as_deref(),
        Some(expected),
        "{name} {labels:?}\n{metrics}"
    );
}

fn theirs(metrics: &str) {
    let is = |name: &str, labels: &[&str], expected: &str| {
        assert_sample(metrics, &format!("ns_alloydbconn_{name}"), labels, expected);
    };
    let (full, full_gone) = (uri(PRIMARY), uri(GONE));
    let (full, full_gone) = (full.as_str(), full_gone.as_str());
    let short = "alloydb_instance=\"p.l.c.primary\"";
    is("dial_latency_count", &["alloydb_dialer_id=\"", full], "1");
    is("dial_latency_bucket", &[full, "le=\"30000\""], "1");
    is(
        "dial_failure_count",
        &["alloydb_dialer_id=\"", full_gone],
        "1",
    );
    is("refresh_success_count", &[short], "1");
    for name in ["ns_alloydbconn_bytes_sent", "ns_alloydbconn_bytes_received"] {
        assert!(sample(metrics, name, &[short]).is_some(), "{metrics}");
    }
}

fn ours(metrics: &str) {
    let is = |name: &str, labels: &[&str], expected: &str| {
        assert_sample(
            metrics,
            &format!("ns_alloydb_auth_proxy_{name}"),
            labels,
            expected,
        );
    };
    let primary = "instance=\"p.l.c.primary\"";
    is("connections_total", &[primary], "1");
    is("open_connections", &[primary], "0");
    is("max_connections", &[], "7");
    is("dials_total", &[primary, "success"], "1");
    is("listening", &[primary], "1");
    is(
        "connections_refused_total",
        &["p.l.c.gone", "reason=\"dial\""],
        "1",
    );
    let name = "ns_alloydb_auth_proxy_certificate_expiry_timestamp_seconds";
    let expiry = sample(metrics, name, &[primary]).expect("there is a certificate");
    let expiry: f64 = expiry.parse().expect("it is a number");
    assert!(expiry > 1.7e9, "{expiry}");
}
