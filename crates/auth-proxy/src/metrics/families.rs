//! The families of metrics: names, labels, help.

use prometheus::core::Collector;
use prometheus::{
    CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// The original's buckets, in milliseconds.
pub(crate) const LATENCY_MS: [f64; 9] = [
    5.0, 25.0, 100.0, 250.0, 500.0, 1000.0, 2000.0, 5000.0, 30000.0,
];

/// Ours, in seconds.
const LATENCY: [f64; 9] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 30.0];

/// The original's. Some have the instance's URI in `alloydb_instance`, some its short form.
#[derive(Debug)]
pub(super) struct Original {
    pub(super) dial_latency: HistogramVec,
    /// The squares of the latencies, which a histogram doesn't keep; `/metrics` doesn't show them.
    pub(super) dial_latency_squares: CounterVec,
    pub(super) dial_failures: IntCounterVec,
    pub(super) open_connections: IntGaugeVec,
    pub(super) refresh_successes: IntCounterVec,
    pub(super) refresh_failures: IntCounterVec,
    pub(super) bytes_sent: IntCounterVec,
    pub(super) bytes_received: IntCounterVec,
}

/// Ours: `instance` is always the short form.
#[derive(Debug)]
pub(super) struct Ours {
    pub(super) connections: IntCounterVec,
    pub(super) refused: IntCounterVec,
    pub(super) open_connections: IntGaugeVec,
    pub(super) max_connections: IntGauge,
    pub(super) dials: IntCounterVec,
    pub(super) dial_seconds: HistogramVec,
    pub(super) refreshes: IntCounterVec,
    pub(super) bytes: IntCounterVec,
    pub(super) certificate_expiry: GaugeVec,
    pub(super) listening: IntGaugeVec,
    pub(super) reloads: IntCounterVec,
    pub(super) name_changes: IntCounterVec,
    pub(super) name_failures: IntCounterVec,
    pub(super) log_lost: IntCounter,
    pub(super) telemetry_lost: IntCounterVec,
}

/// What families are made with.
pub(super) struct Making<'a> {
    pub(super) registry: Registry,
    pub(super) namespace: &'a str,
    pub(super) dialer_id: String,
}

impl Making<'_> {
    fn register<C: Collector + Clone + 'static>(&self, family: C) -> Result<C, prometheus::Error> {
        self.registry.register(Box::new(family.clone()))?;
        Ok(family)
    }

    fn options(&self, name: &str, help: &str) -> Opts {
        Opts::new(name, help).namespace(self.namespace)
    }

    fn counter(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(self.options(name, help), labels)?)
    }

    fn gauge(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(self.options(name, help), labels)?)
    }

    fn histogram(
        &self,
        options: Opts,
        buckets: &[f64],
        labels: &[&str],
    ) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts::from(options).buckets(buckets.to_vec());
        self.register(HistogramVec::new(options, labels)?)
    }

    /// The options of one of the original's, all of which carry the dialer's id.
    fn theirs(&self, name: &str, help: &str) -> Opts {
        let name = format!("alloydbconn_{name}");
        self.options(&name, help)
            .const_label("alloydb_dialer_id", &self.dialer_id)
    }

    fn their_counter(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(self.theirs(name, help), labels)?)
    }
}

impl Original {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, prometheus::Error> {
        let instance = &["alloydb_instance"][..];
        let latency = making.theirs(
            "dial_latency",
            "Milliseconds that successful dials took, by the instance's URI",
        );
        let open = making.theirs("open_connections", "Connections to the instance now");
        let squares = making.theirs("dial_latency_squares", "Squares of the latencies");
        Ok(Self {
            dial_latency_squares: CounterVec::new(squares, instance)?,
            dial_latency: making.histogram(latency, &LATENCY_MS, instance)?,
            dial_failures: making.their_counter(
                "dial_failure_count",
                "Dials that failed, by the instance's URI",
                instance,
            )?,
            open_connections: making.register(IntGaugeVec::new(open, instance)?)?,
            refresh_successes: making.their_counter(
                "refresh_success_count",
                "Refreshes of certificate and addresses that succeeded",
                instance,
            )?,
            refresh_failures: making.their_counter(
                "refresh_failure_count",
                "Refreshes of certificate and addresses that failed",
                &["alloydb_error_code", "alloydb_instance"],
            )?,
            bytes_sent: making.their_counter(
                "bytes_sent",
                "Bytes sent to the instance",
                instance,
            )?,
            bytes_received: making.their_counter(
                "bytes_received",
                "Bytes received from the instance",
                instance,
            )?,
        })
    }
}

impl Ours {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, prometheus::Error> {
        let instance = &["instance"][..];
        let name = |name: &str| format!("alloydb_auth_proxy_{name}");
        let counter =
            |of: &str, help: &str, labels: &[&str]| making.counter(&name(of), help, labels);
        let gauge = |of: &str, help: &str| making.gauge(&name(of), help, instance);
        let seconds = making.options(
            &name("dial_duration_seconds"),
            "How long successful dials took",
        );
        let limit = making.options(
            &name("max_connections"),
            "Client connections that may be open at once; 0 is no limit",
        );
        let expiry = making.options(
            &name("certificate_expiry_timestamp_seconds"),
            "When the client certificate for the instance expires",
        );
        let log_lost = making.options(
            &name("log_lines_lost_total"),
            "Lines of the log that nobody took in time",
        );
        Ok(Self {
            connections: counter("connections_total", "Client connections accepted", instance)?,
            refused: counter(
                "connections_refused_total",
                "Client connections that were not served",
                &["instance", "reason"],
            )?,
            open_connections: gauge("open_connections", "Client connections open now")?,
            max_connections: making.register(IntGauge::with_opts(limit)?)?,
            dials: counter(
                "dials_total",
                "Dials of the instance",
                &["instance", "status"],
            )?,
            dial_seconds: making.histogram(seconds, &LATENCY, instance)?,
            refreshes: counter(
                "refreshes_total",
                "Refreshes of certificate and addresses",
                &["instance", "status"],
            )?,
            bytes: counter(
                "bytes_total",
                "Bytes relayed, as seen from the proxy's side of the instance",
                &["instance", "direction"],
            )?,
            certificate_expiry: making.register(GaugeVec::new(expiry, instance)?)?,
            listening: gauge(
                "listening",
                "Whether the instance has a listener (1) or was skipped (0)",
            )?,
            reloads: counter("reloads_total", "Reloads of the instances", &["status"])?,
            name_changes: counter(
                "dns_changes_total",
                "Changes of instance behind a DNS name",
                &["name"],
            )?,
            name_failures: counter(
                "dns_failures_total",
                "Failed lookups of a DNS name",
                &["name"],
            )?,
            log_lost: making.register(IntCounter::with_opts(log_lost)?)?,
            telemetry_lost: counter(
                "telemetry_lost_total",
                "Time series and spans that --telemetry-project did not take",
                &["to"],
            )?,
        })
    }
}
