//! Where audit records go beside the store.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use querycop_audit::{
    Begin, Feed, FeedError, FeedStats, OtlpError, OtlpSink, Sink, Store, WriteSink,
};
use thiserror::Error;
use tracing::warn;

use crate::config;

/// Time that a sink has, when the gateway ends, to take what was recorded last. What it doesn't take
/// a collector gets at the next start.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// Feeds of the sinks that the settings name.
#[derive(Debug, Default)]
pub(super) struct Sinks(Vec<Named>);

#[derive(Debug)]
struct Named {
    name: &'static str,
    feed: Feed,
}

/// A counter: its name, what it counts, and where that is.
type Counted = (&'static str, &'static str, fn(&FeedStats) -> u64);

/// A sink can't be fed.
#[derive(Debug, Error)]
pub enum SinksError {
    /// The collector can't be asked.
    #[error("audit.otlp_endpoint")]
    Otlp(#[from] OtlpError),
    /// The segments can't be followed.
    #[error("passing audit records on to {sink}")]
    Feed {
        /// Which sink.
        sink: &'static str,
        /// Why.
        #[source]
        source: FeedError,
    },
}

impl Sinks {
    /// Starts a thread for each sink.
    pub(super) fn start(store: &Arc<Store>, settings: &config::Audit) -> Result<Self, SinksError> {
        let mut sinks = Self::default();
        if settings.stdout {
            // What went to a pipe is gone with whoever read it, so there is nothing to go on from.
            let sink = WriteSink(io::stdout());
            sinks.feed(store, "stdout", Begin::Now, Box::new(sink))?;
        }
        if let Some(otlp) = &settings.otlp {
            let sink = OtlpSink::new(otlp)?;
            sinks.feed(store, "otlp", Begin::WhereItEnded, Box::new(sink))?;
        }
        Ok(sinks)
    }

    fn feed(
        &mut self,
        store: &Arc<Store>,
        name: &'static str,
        begin: Begin,
        sink: Box<dyn Sink>,
    ) -> Result<(), SinksError> {
        let feed = Feed::start(store, name, begin, sink)
            .map_err(|source| SinksError::Feed { sink: name, source })?;
        self.0.push(Named { name, feed });
        Ok(())
    }

    /// Gives the sinks what the store had when it was closed. Blocks for as long as they take, a few
    /// seconds at most.
    pub(super) fn stop(&self) {
        for Named { name, feed } in &self.0 {
            feed.stop(LAST_RECORDS);
            let FeedStats { lag, trouble, .. } = feed.stats();
            if lag > 0 {
                let trouble = trouble.unwrap_or_else(|| "it was too slow".to_owned());
                warn!(sink = name, records = lag, %trouble, "a sink did not get the last audit records");
            }
        }
    }

    /// What the feeds have counted, as metrics.
    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let counters: [Counted; 3] = [
            (
                "audit_sink_records",
                "Audit records that a sink took",
                |stats| stats.delivered,
            ),
            (
                "audit_sink_refused",
                "Audit records among them that the other side refused for good",
                |stats| stats.refused,
            ),
            (
                "audit_sink_failures",
                "Times that a sink took no audit records",
                |stats| stats.failures,
            ),
        ];
        for (name, help, of) in counters {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for named in &self.0 {
                let labels = [("sink", named.name)];
                ConstCounter::new(of(&named.feed.stats()))
                    .encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Audit records that a sink has not got yet";
        let mut family =
            encoder.encode_descriptor("audit_sink_lag", help, None, MetricType::Gauge)?;
        for named in &self.0 {
            let lag = i64::try_from(named.feed.stats().lag).unwrap_or(i64::MAX);
            let labels = [("sink", named.name)];
            ConstGauge::new(lag).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
