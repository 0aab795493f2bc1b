//! What `/metrics` tells: the original's seven metrics with its names and labels, and ours beside
//! them with labels that can be joined.

mod families;
mod samples;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use alloydb_connector::InstanceUri;
use prometheus::{Encoder, Histogram, IntCounter, IntGauge, Registry, TextEncoder};
use uuid::Uuid;

pub(crate) use self::families::LATENCY_MS;
use self::families::{Making, Original, Ours};
pub(crate) use self::samples::{Sample, Value};

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Of the connector in this process, as the original calls it.
    pub(crate) dialer_id: String,
    /// Since when everything is counted.
    pub(crate) began: SystemTime,
    original: Original,
    ours: Ours,
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
            dialer_id: making.dialer_id,
            began: SystemTime::now(),
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

    /// Lines of the log that found no room.
    pub(crate) fn log_lost(&self, count: u64) {
        self.ours.log_lost.inc_by(count);
    }

    /// What the project's Cloud Monitoring or Cloud Trace didn't take.
    pub(crate) fn telemetry_lost(&self, to: &str, count: u64) {
        let lost = self.ours.telemetry_lost.with_label_values(&[to]);
        lost.inc_by(count);
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
        let latency = took.as_secs_f64() * 1000.0;
        theirs.observe(latency);
        let squares = &original.dial_latency_squares;
        squares
            .with_label_values(&[&self.full])
            .inc_by(latency * latency);
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
