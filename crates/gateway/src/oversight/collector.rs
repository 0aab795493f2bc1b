//! What the audit store has counted, as metrics.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use querycop_audit::{Health, Store};

use super::sinks::Sinks;

/// What the audit store has counted, as metrics.
#[derive(Debug)]
pub struct AuditCollector {
    pub(super) store: Arc<Store>,
    pub(super) sinks: Arc<Sinks>,
}

impl Collector for AuditCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Self { store, sinks } = self;
        let stats = store.stats();
        let counters = [
            ("audit_records", "Audit records appended", stats.records),
            ("audit_bytes", "Bytes of audit records", stats.bytes),
            (
                "audit_syncs",
                "Times that the audit log was synced to disk",
                stats.syncs,
            ),
            (
                "audit_refused",
                "Reservations refused for want of room in the audit log",
                stats.refused,
            ),
            (
                "audit_failed",
                "Audit appends and syncs that failed",
                stats.failed,
            ),
            (
                "audit_segments",
                "Segments of the audit log begun",
                stats.segments,
            ),
            ("audit_checkpoints", "Checkpoints signed", stats.checkpoints),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            counter.encode(metric)?;
        }
        let is_good = store.health() == Health::Good;
        let gauges = [
            (
                "audit_healthy",
                "Whether the audit log can be written",
                u64::from(is_good),
            ),
            (
                "audit_queued_bytes",
                "Bytes in the audit queue",
                stats.queued_bytes,
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            gauge.encode(metric)?;
        }
        sinks.encode(&mut encoder)
    }
}
