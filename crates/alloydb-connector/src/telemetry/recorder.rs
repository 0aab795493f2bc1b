//! The six metrics of Google's connectors, with the names and attributes that they have there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};
use tokio::time::Instant;

use super::{CacheUse, DialStatus, Dialled, RefreshStatus};
use crate::{IamLogin, InstanceUri, RefreshStrategy};

/// Byte counts go to the meter in portions of this size, …
const PORTION: u64 = 64 * 1024;

/// … or when this long has passed since the last one, as in the official connectors; and what is
/// left at the end.
const PERIOD: Duration = Duration::from_secs(5);

/// Records through the user's meter, or not at all.
#[derive(Clone, Default)]
pub(crate) struct Telemetry {
    instruments: Option<Arc<Instruments>>,
}

struct Instruments {
    dial_count: Counter<u64>,
    dial_latencies: Histogram<f64>,
    open_connections: UpDownCounter<i64>,
    bytes_sent: Counter<u64>,
    bytes_received: Counter<u64>,
    refresh_count: Counter<u64>,
}

impl Telemetry {
    pub(crate) fn new(meter: &Meter) -> Self {
        let name = |name: &str| format!("alloydb.googleapis.com/client/connector/{name}");
        let counter = |of: &str, unit: &'static str| {
            let builder = meter.u64_counter(name(of));
            builder.with_unit(unit).build()
        };
        let instruments = Instruments {
            dial_count: counter("dial_count", "{dial}"),
            dial_latencies: meter
                .f64_histogram(name("dial_latencies"))
                .with_unit("ms")
                .build(),
            open_connections: meter
                .i64_up_down_counter(name("open_connections"))
                .with_unit("{connection}")
                .build(),
            bytes_sent: counter("bytes_sent_count", "By"),
            bytes_received: counter("bytes_received_count", "By"),
            refresh_count: counter("refresh_count", "{refresh}"),
        };
        Self {
            instruments: Some(Arc::new(instruments)),
        }
    }

    pub(crate) fn dialled(&self, instance: &InstanceUri, dialled: Dialled) {
        let Some(instruments) = &self.instruments else {
            return;
        };
        let mut attributes = common(instance);
        instruments
            .dial_latencies
            .record(dialled.took.as_secs_f64() * 1000.0, &attributes);
        attributes.push(auth_type(dialled.login));
        let hit = dialled.cache == CacheUse::Hit;
        attributes.push(KeyValue::new("is_cache_hit", hit));
        attributes.push(KeyValue::new("status", dialled.status.as_str()));
        instruments.dial_count.add(1, &attributes);
    }

    pub(crate) fn refreshed(
        &self,
        instance: &InstanceUri,
        strategy: RefreshStrategy,
        status: RefreshStatus,
    ) {
        let Some(instruments) = &self.instruments else {
            return;
        };
        let mut attributes = common(instance);
        let status = match status {
            RefreshStatus::Success => "success",
            RefreshStatus::Failure => "failure",
        };
        attributes.push(KeyValue::new("status", status));
        let strategy = match strategy {
            RefreshStrategy::Ahead => "refresh_ahead",
            RefreshStrategy::Lazy => "lazy",
        };
        attributes.push(KeyValue::new("refresh_type", strategy));
        instruments.refresh_count.add(1, &attributes);
    }

    pub(crate) fn open(&self, instance: &InstanceUri, login: IamLogin) -> OpenConnection {
        let counted = self.instruments.as_ref().map(|instruments| {
            let bytes = common(instance);
            let mut connection = bytes.clone();
            connection.push(auth_type(login));
            instruments.open_connections.add(1, &connection);
            Counted {
                instruments: instruments.clone(),
                connection,
                bytes,
                sent: 0,
                received: 0,
                told_at: Instant::now(),
            }
        });
        OpenConnection { counted }
    }
}

fn common(instance: &InstanceUri) -> Vec<KeyValue> {
    vec![
        KeyValue::new("connector_type", "rust"),
        // In Google's own system these are labels of the monitored resource.
        KeyValue::new("project_id", instance.project().to_owned()),
        KeyValue::new("location", instance.location().to_owned()),
        KeyValue::new("cluster_id", instance.cluster().to_owned()),
        KeyValue::new("instance_id", instance.instance().to_owned()),
    ]
}

fn auth_type(login: IamLogin) -> KeyValue {
    let value = match login {
        IamLogin::Off => "built_in",
        IamLogin::On => "iam",
    };
    KeyValue::new("auth_type", value)
}

impl DialStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::UserError => "user_error",
            Self::CacheError => "cache_error",
            Self::TcpError => "tcp_error",
            Self::TlsError => "tls_error",
            Self::ExchangeError => "mdx_error",
        }
    }
}

/// Counts while a stream lives.
pub(crate) struct OpenConnection {
    counted: Option<Counted>,
}

struct Counted {
    instruments: Arc<Instruments>,
    connection: Vec<KeyValue>,
    bytes: Vec<KeyValue>,
    sent: u64,
    received: u64,
    told_at: Instant,
}

impl OpenConnection {
    pub(crate) fn received(&mut self, bytes: usize) {
        if let Some(counted) = &mut self.counted {
            counted.received += bytes as u64;
            counted.tell();
        }
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        if let Some(counted) = &mut self.counted {
            counted.sent += bytes as u64;
            counted.tell();
        }
    }
}

impl Counted {
    fn tell(&mut self) {
        let now = Instant::now();
        let is_late = now.saturating_duration_since(self.told_at) >= PERIOD;
        if is_late {
            self.told_at = now;
        }
        self.flush(if is_late { 1 } else { PORTION });
    }

    fn flush(&mut self, least: u64) {
        let instruments = &self.instruments;
        for (count, counter) in [
            (&mut self.sent, &instruments.bytes_sent),
            (&mut self.received, &instruments.bytes_received),
        ] {
            if *count >= least {
                counter.add(std::mem::take(count), &self.bytes);
            }
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.flush(1);
        self.instruments.open_connections.add(-1, &self.connection);
    }
}

impl fmt::Debug for OpenConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OpenConnection")
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::metrics::MeterProvider as _;
    use opentelemetry_sdk::metrics::data::{
        AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics, SumDataPoint,
    };
    use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};

    use super::*;

    /// The sum that the meter knows by now.
    fn sum(provider: &SdkMeterProvider, exporter: &InMemoryMetricExporter, name: &str) -> u64 {
        provider.force_flush().unwrap();
        let all = exporter.get_finished_metrics().unwrap();
        let scopes = all
            .last()
            .into_iter()
            .flat_map(ResourceMetrics::scope_metrics);
        let metrics = scopes.flat_map(ScopeMetrics::metrics);
        let named = metrics.filter(|metric| metric.name().ends_with(name));
        named.map(|metric| total(metric.data())).sum()
    }

    fn total(data: &AggregatedMetrics) -> u64 {
        let AggregatedMetrics::U64(MetricData::Sum(sum)) = data else {
            return 0;
        };
        sum.data_points().map(SumDataPoint::value).sum()
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_told_in_portions_after_a_while_and_in_the_end() {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let told = |name| sum(&provider, &exporter, name);
        let telemetry = Telemetry::new(&provider.meter("test"));
        let instance = "projects/p/locations/l/clusters/c/instances/i";
        let mut open = telemetry.open(&instance.parse().unwrap(), IamLogin::Off);

        open.sent(7);
        assert_eq!(told("bytes_sent_count"), 0, "a portion isn't full");
        open.sent(64 * 1024);
        assert_eq!(told("bytes_sent_count"), 64 * 1024 + 7);
        open.received(3);
        assert_eq!(told("bytes_received_count"), 0);
        tokio::time::advance(PERIOD).await;
        open.received(2);
        assert_eq!(told("bytes_received_count"), 5, "it is late");
        open.received(1);
        drop(open);
        assert_eq!(told("bytes_received_count"), 6, "it is over");
    }
}
