//! What `/metrics` tells: the original's seven metrics with its names and labels, and ours beside
//! them with labels that can be joined.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use alloydb_connector::InstanceUri;
use prometheus::core::Collector;
use prometheus::{
    Encoder, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};
use uuid::Uuid;

/// The original's buckets, in milliseconds.
const LATENCY_MS: [f64; 9] = [
    5.0, 25.0, 100.0, 250.0, 500.0, 1000.0, 2000.0, 5000.0, 30000.0,
];

/// Ours, in seconds.
const LATENCY: [f64; 9] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 30.0];

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    original: Original,
    ours: Ours,
}

/// The original's. Some have the instance's URI in `alloydb_instance`, some its short form.
#[derive(Debug)]
struct Original {
    dial_latency: HistogramVec,
    dial_failures: IntCounterVec,
    open_connections: IntGaugeVec,
    refresh_successes: IntCounterVec,
    refresh_failures: IntCounterVec,
    bytes_sent: IntCounterVec,
    bytes_received: IntCounterVec,
}

/// Ours: `instance` is always the short form.
#[derive(Debug)]
struct Ours {
    connections: IntCounterVec,
    refused: IntCounterVec,
    open_connections: IntGaugeVec,
    max_connections: IntGauge,
    dials: IntCounterVec,
    dial_seconds: HistogramVec,
    refreshes: IntCounterVec,
    bytes: IntCounterVec,
    certificate_expiry: GaugeVec,
    listening: IntGaugeVec,
    reloads: IntCounterVec,
    name_changes: IntCounterVec,
    name_failures: IntCounterVec,
}

/// Why a client was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The dial failed.
    Dial,
    /// The limit was reached.
    Limit,
    /// The instance's name leads nowhere yet.
    Name,
    /// Local TLS failed, or was not asked for.
    Tls,
}

impl Refused {
    fn label(self) -> &'static str {
        match self {
            Self::Dial => "dial",
            Self::Limit => "max_connections",
            Self::Name => "dns",
            Self::Tls => "tls",
        }
    }
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Failure,
    Success,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Success => "success",
        }
    }

    pub(crate) fn of<T, E>(result: &Result<T, E>) -> Self {
        if result.is_ok() {
            Self::Success
        } else {
            Self::Failure
        }
    }
}

impl Metrics {
    /// With `namespace` in front of every name, unless it is empty.
    ///
    /// # Errors
    ///
    /// The namespace can't be part of a name.
    pub(crate) fn new(namespace: &str) -> Result<Self, prometheus::Error> {
        let making = Making {
            registry: Registry::new(),
            namespace,
            dialer_id: Uuid::now_v7().to_string(),
        };
        let original = Original::new(&making)?;
        let ours = Ours::new(&making)?;
        Ok(Self {
            registry: making.registry,
            original,
            ours,
        })
    }

    /// What `/metrics` answers.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing to memory can't fail, and all families were registered.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }

    pub(crate) fn limited_to(&self, max_connections: u64) {
        let limit = i64::try_from(max_connections).unwrap_or(i64::MAX);
        self.ours.max_connections.set(limit);
    }

    pub(crate) fn refreshed(&self, instance: &str, outcome: Outcome) {
        let labels = [instance, outcome.label()];
        self.ours.refreshes.with_label_values(&labels).inc();
        match outcome {
            Outcome::Failure => {
                let labels = ["", instance];
                self.original
                    .refresh_failures
                    .with_label_values(&labels)
                    .inc();
            }
            Outcome::Success => {
                let labels = [instance];
                self.original
                    .refresh_successes
                    .with_label_values(&labels)
                    .inc();
            }
        }
    }

    pub(crate) fn certificate_expires(&self, instance: &str, at: SystemTime) {
        let since = at.duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since.unwrap_or_default().as_secs_f64();
        let gauge = &self.ours.certificate_expiry;
        gauge.with_label_values(&[instance]).set(seconds);
    }

    /// A client came for a name that leads nowhere.
    pub(crate) fn nameless(&self, name: &str) {
        let labels = [name, Refused::Name.label()];
        self.ours.refused.with_label_values(&labels).inc();
    }

    /// Whether the instance has a listener.
    pub(crate) fn listening(&self, instance: &str, listening: bool) {
        let gauge = self.ours.listening.with_label_values(&[instance]);
        gauge.set(i64::from(listening));
    }

    /// The instance is no longer one of ours.
    pub(crate) fn gone(&self, instance: &str) {
        // It may never have been there.
        let _ = self.ours.listening.remove_label_values(&[instance]);
        let _ = self
            .ours
            .certificate_expiry
            .remove_label_values(&[instance]);
    }

    pub(crate) fn reloaded(&self, outcome: Outcome) {
        let labels = [outcome.label()];
        self.ours.reloads.with_label_values(&labels).inc();
    }

    pub(crate) fn name_changed(&self, name: &str) {
        self.ours.name_changes.with_label_values(&[name]).inc();
    }

    pub(crate) fn name_failed(&self, name: &str) {
        self.ours.name_failures.with_label_values(&[name]).inc();
    }

    /// The metrics of an instance.
    pub(crate) fn of(self: &Arc<Self>, instance: &InstanceUri) -> InstanceMetrics {
        let short = short(instance);
        InstanceMetrics {
            accepted: self.ours.connections.with_label_values(&[&short]),
            open: self.ours.open_connections.with_label_values(&[&short]),
            dialled: OnceLock::new(),
            sent: OnceLock::new(),
            received: OnceLock::new(),
            connected: OnceLock::new(),
            metrics: Arc::clone(self),
            full: instance.to_string(),
            short,
        }
    }
}

/// `P.L.C.I`, as the log and most metrics call an instance.
pub(crate) fn short(instance: &InstanceUri) -> String {
    format!(
        "{}.{}.{}.{}",
        instance.project(),
        instance.location(),
        instance.cluster(),
        instance.instance()
    )
}

/// What is counted of one instance. The original's series appear with their first sample.
#[derive(Debug)]
pub(crate) struct InstanceMetrics {
    metrics: Arc<Metrics>,
    full: String,
    short: String,
    accepted: IntCounter,
    open: IntGauge,
    dialled: OnceLock<(Histogram, Histogram)>,
    connected: OnceLock<IntGauge>,
    sent: OnceLock<[IntCounter; 2]>,
    received: OnceLock<[IntCounter; 2]>,
}

impl InstanceMetrics {
    pub(crate) fn accepted(&self) {
        self.accepted.inc();
    }

    pub(crate) fn refused(&self, why: Refused) {
        let labels = [self.short.as_str(), why.label()];
        self.metrics.ours.refused.with_label_values(&labels).inc();
    }

    pub(crate) fn dialled(&self, outcome: Outcome, took: Duration) {
        let labels = [self.short.as_str(), outcome.label()];
        self.metrics.ours.dials.with_label_values(&labels).inc();
        let original = &self.metrics.original;
        if outcome == Outcome::Failure {
            original
                .dial_failures
                .with_label_values(&[&self.full])
                .inc();
            return;
        }
        let (theirs, ours) = self.dialled.get_or_init(|| {
            let ours = &self.metrics.ours.dial_seconds;
            (
                original.dial_latency.with_label_values(&[&self.full]),
                ours.with_label_values(&[&self.short]),
            )
        });
        theirs.observe(took.as_secs_f64() * 1000.0);
        ours.observe(took.as_secs_f64());
    }

    /// Counts a client from its accept to its end.
    pub(crate) fn open(self: &Arc<Self>) -> Open {
        self.open.inc();
        Open(Arc::clone(self))
    }

    /// Counts a connection to the instance while it lives.
    pub(crate) fn connected(self: &Arc<Self>) -> Connected {
        self.connections_to().inc();
        Connected(Arc::clone(self))
    }

    fn connections_to(&self) -> &IntGauge {
        self.connected.get_or_init(|| {
            let gauge = &self.metrics.original.open_connections;
            gauge.with_label_values(&[&self.short])
        })
    }

    pub(crate) fn sent(&self, bytes: u64) {
        let counters = self.sent.get_or_init(|| {
            let ours = self
                .metrics
                .ours
                .bytes
                .with_label_values(&[&self.short, "sent"]);
            let theirs = &self.metrics.original.bytes_sent;
            [theirs.with_label_values(&[&self.short]), ours]
        });
        for counter in counters {
            counter.inc_by(bytes);
        }
    }

    pub(crate) fn received(&self, bytes: u64) {
        let counters = self.received.get_or_init(|| {
            let ours = self
                .metrics
                .ours
                .bytes
                .with_label_values(&[&self.short, "received"]);
            let theirs = &self.metrics.original.bytes_received;
            [theirs.with_label_values(&[&self.short]), ours]
        });
        for counter in counters {
            counter.inc_by(bytes);
        }
    }
}

/// A client that is counted.
#[derive(Debug)]
pub(crate) struct Open(Arc<InstanceMetrics>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.dec();
    }
}

/// A connection to an instance that is counted.
#[derive(Debug)]
pub(crate) struct Connected(Arc<InstanceMetrics>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections_to().dec();
    }
}

/// The clients that are connected, and how many may be.
#[derive(Debug)]
pub(crate) struct Places {
    open: AtomicI64,
    limit: i64,
}

/// A client's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Places {
    /// `limit` places; 0 is no limit.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            open: AtomicI64::new(0),
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
        }
    }

    /// A place, if one is free.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Place> {
        let one_more = |open: i64| (self.limit == 0 || open < self.limit).then_some(open + 1);
        let taken = self
            .open
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        taken.ok().map(|_| Place(Arc::clone(self)))
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> i64 {
        self.open.load(Ordering::Acquire)
    }

    /// The limit, if there is one.
    pub(crate) fn limit(&self) -> Option<i64> {
        (self.limit > 0).then_some(self.limit)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What families are made with.
struct Making<'a> {
    registry: Registry,
    namespace: &'a str,
    dialer_id: String,
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
    fn new(making: &Making<'_>) -> Result<Self, prometheus::Error> {
        let instance = &["alloydb_instance"][..];
        let latency = making.theirs(
            "dial_latency",
            "Milliseconds that successful dials took, by the instance's URI",
        );
        let open = making.theirs("open_connections", "Connections to the instance now");
        Ok(Self {
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
    fn new(making: &Making<'_>) -> Result<Self, prometheus::Error> {
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
        })
    }
}
