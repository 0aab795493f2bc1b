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
    let (full, full_gone) = (uri(PRIMARY), uri(GONE));
    let (full, full_gone) = (full.as_str(), full_gone.as_str());
    eventually_sample(
        &proxy,
        "ns_alloydbconn_open_connections",
        &["alloydb_instance=\"p.l.c.primary\""],
        "0",
    );
    let (_, metrics) = proxy.get("/metrics");
    let is = |name: &str, labels: &[&str], expected: &str| {
        let found = sample(&metrics, name, labels);
        assert_eq!(
            found.as_deref(),
            Some(expected),
            "{name} {labels:?}\n{metrics}"
        );
    };
    is(
        "ns_alloydbconn_dial_latency_count",
        &["alloydb_dialer_id=\"", full],
        "1",
    );
    is(
        "ns_alloydbconn_dial_latency_bucket",
        &[full, "le=\"30000\""],
        "1",
    );
    is(
        "ns_alloydbconn_dial_failure_count",
        &["alloydb_dialer_id=\"", full_gone],
        "1",
    );
    is(
        "ns_alloydbconn_refresh_success_count",
        &["alloydb_instance=\"p.l.c.primary\""],
        "1",
    );
    for name in ["ns_alloydbconn_bytes_sent", "ns_alloydbconn_bytes_received"] {
        assert!(
            sample(&metrics, name, &["p.l.c.primary"]).is_some(),
            "{metrics}"
        );
    }
    let primary = "instance=\"p.l.c.primary\"";
    is("ns_alloydb_auth_proxy_connections_total", &[primary], "1");
    is("ns_alloydb_auth_proxy_open_connections", &[primary], "0");
    is("ns_alloydb_auth_proxy_max_connections", &[], "7");
    is(
        "ns_alloydb_auth_proxy_dials_total",
        &[primary, "success"],
        "1",
    );
    is("ns_alloydb_auth_proxy_listening", &[primary], "1");
    is(
        "ns_alloydb_auth_proxy_connections_refused_total",
        &["p.l.c.gone", "reason=\"dial\""],
        "1",
    );
    let expiry = sample(
        &metrics,
        "ns_alloydb_auth_proxy_certificate_expiry_timestamp_seconds",
        &[primary],
    );
    let expiry: f64 = expiry
        .expect("there is a certificate")
        .parse()
        .expect("it is a number");
    assert!(expiry > 1.7e9, "{expiry}");
    proxy.stop();
}
