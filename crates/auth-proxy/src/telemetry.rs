//! Metrics and traces over OTLP, traces on their way to Cloud Trace, and what is said of telemetry that
//! this proxy doesn't send.

use std::time::Duration;

use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, Protocol, SpanExporter, WithExportConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use thiserror::Error;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::Telemetry;
use crate::google::{self, SpanQueue};

/// The name of the service and of the instruments' scope.
const NAME: &str = "alloydb-auth-proxy";

/// For one export, and so for the last one, which the end of the process waits for.
const TIMEOUT: Duration = Duration::from_secs(3);

/// What is made of the connector's metrics and spans; nothing where nobody is to have them.
#[derive(Debug, Default)]
pub(crate) struct Exporting {
    meters: Option<SdkMeterProvider>,
    tracers: Option<SdkTracerProvider>,
}

/// The collector can't be sent to.
#[derive(Debug, Error)]
#[error("telemetry can't be sent to {endpoint:?} (--otlp-endpoint)")]
pub(crate) struct ExportError {
    endpoint: String,
    #[source]
    cause: ExporterBuildError,
}

impl Exporting {
    /// Begins to send to a collector, and to put spans for the project into `queue`. Must not be
    /// called within a runtime: threads of its own do the sending.
    pub(crate) fn start(
        settings: &Telemetry,
        version: &str,
        queue: &SpanQueue,
    ) -> Result<Self, ExportError> {
        let attribute = opentelemetry::KeyValue::new("service.version", version.to_owned());
        let resource = Resource::builder().with_service_name(NAME);
        let resource = resource.with_attribute(attribute).build();
        let collector = settings.otlp_endpoint.as_deref().map(Collector);
        let mut exporting = Self::default();
        if let Some(collector) = &collector
            && !settings.disable_metrics
        {
            let meters =
                SdkMeterProvider::builder().with_periodic_exporter(collector.of_metrics()?);
            exporting.meters = Some(meters.with_resource(resource.clone()).build());
        }
        let for_project = google::wants_spans(settings);
        let has_reader = collector.is_some() || for_project;
        if has_reader && !settings.disable_traces && settings.sample_rate >= 0 {
            let mut tracers =
                SdkTracerProvider::builder().with_sampler(sampler(settings.sample_rate));
            if let Some(collector) = &collector {
                tracers = tracers.with_batch_exporter(collector.of_spans()?);
            }
            if for_project {
                tracers = tracers.with_span_processor(queue.clone());
            }
            exporting.tracers = Some(tracers.with_resource(resource).build());
        }
        Ok(exporting)
    }

    /// The meter for the connector's metrics.
    pub(crate) fn meter(&self) -> Option<Meter> {
        self.meters.as_ref().map(|meters| meters.meter(NAME))
    }

    /// What makes traces of the connector's spans.
    pub(crate) fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer = self.tracers.as_ref()?.tracer(NAME);
        let layer = tracing_opentelemetry::layer().with_tracer(tracer);
        // Not the library that sends them: that would go on for ever.
        let connector = Targets::new().with_target("alloydb_connector", LevelFilter::INFO);
        Some(layer.with_filter(connector))
    }

    /// Sends what is left. What can't be sent now is lost.
    pub(crate) fn end(self) {
        if let Some(tracers) = self.tracers {
            let _ = tracers.shutdown_with_timeout(TIMEOUT);
        }
        if let Some(meters) = self.meters {
            let _ = meters.shutdown_with_timeout(TIMEOUT);
        }
    }
}

/// The address of an OpenTelemetry collector.
struct Collector<'a>(&'a str);

impl Collector<'_> {
    fn of_metrics(&self) -> Result<MetricExporter, ExportError> {
        let exporter = MetricExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(self.path("metrics"))
            .with_timeout(TIMEOUT);
        exporter.build().map_err(|cause| self.failed(cause))
    }

    fn of_spans(&self) -> Result<SpanExporter, ExportError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(self.path("traces"))
            .with_timeout(TIMEOUT);
        exporter.build().map_err(|cause| self.failed(cause))
    }

    fn path(&self, signal: &str) -> String {
        format!("{}/v1/{signal}", self.0.trim_end_matches('/'))
    }

    fn failed(&self, cause: ExporterBuildError) -> ExportError {
        ExportError {
            endpoint: self.0.to_owned(),
            cause,
        }
    }
}

/// One trace in `rate`; 0 and 1 are all.
fn sampler(rate: i64) -> Sampler {
    if rate <= 1 {
        return Sampler::AlwaysOn;
    }
    // No rate that makes a difference is too large for this.
    let rate = i32::try_from(rate).unwrap_or(i32::MAX);
    Sampler::TraceIdRatioBased(1.0 / f64::from(rate))
}

/// Says that this proxy doesn't send what is the original's default.
pub(crate) fn notice(settings: &Telemetry) -> Option<&'static str> {
    (!settings.disable_built_in).then_some(
        "Built-in telemetry: this proxy sends no metrics to Google; \
         --disable-built-in-telemetry silences this line",
    )
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn telemetry() -> Telemetry {
        Telemetry {
            project: None,
            prefix: String::new(),
            sample_rate: 10_000,
            disable_metrics: false,
            disable_traces: false,
            disable_built_in: true,
            otlp_endpoint: None,
        }
    }

    #[test]
    fn what_is_not_sent_is_said() {
        assert_eq!(notice(&telemetry()), None);
        let default = Telemetry {
            disable_built_in: false,
            ..telemetry()
        };
        assert!(notice(&default).is_some_and(|line| line.starts_with("Built-in telemetry: ")));
    }

    #[test]
    fn rates_are_the_original_s() {
        assert!(matches!(sampler(0), Sampler::AlwaysOn));
        assert!(matches!(sampler(1), Sampler::AlwaysOn));
        assert!(
            matches!(sampler(4), Sampler::TraceIdRatioBased(share) if (share - 0.25).abs() < 1e-9)
        );
    }

    /// A collector that keeps the first line of each request.
    fn collector() -> (String, std::sync::mpsc::Receiver<String>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if tell.send(answer(client).unwrap()).is_err() {
                    return;
                }
            }
        });
        (endpoint, told)
    }

    /// Reads a request, answers it, and returns its first line.
    fn answer(mut client: std::net::TcpStream) -> std::io::Result<String> {
        let mut request = BufReader::new(client.try_clone()?);
        let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
        request.read_line(&mut first)?;
        while request.read_line(&mut line)? > 2 {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        request.read_exact(&mut vec![0; length])?;
        client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        Ok(first)
    }

    #[test]
    fn metrics_and_spans_reach_a_collector() {
        let (endpoint, told) = collector();
        let settings = Telemetry {
            otlp_endpoint: Some(endpoint),
            sample_rate: 1,
            ..telemetry()
        };
        let exporting = Exporting::start(&settings, "0.1.0", &SpanQueue::default()).unwrap();
        let meter = exporting.meter().expect("metrics are on");
        meter.u64_counter("dials").build().add(1, &[]);
        let subscriber = tracing_subscriber::registry().with(exporting.layer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!(target: "alloydb_connector::dialer", "dial").in_scope(|| {});
        });
        exporting.end();
        let mut requests: Vec<_> = told.iter().take(2).collect();
        requests.sort();
        let expected = [
            "POST /v1/metrics HTTP/1.1\r\n",
            "POST /v1/traces HTTP/1.1\r\n",
        ];
        assert_eq!(requests, expected);
    }

    #[test]
    fn spans_for_the_project_are_put_into_the_queue() {
        let mut settings = Telemetry {
            project: Some("p".to_owned()),
            sample_rate: 1,
            ..telemetry()
        };
        assert_eq!(queued(&settings), 1);
        settings.sample_rate = -1;
        assert_eq!(queued(&settings), 0);
        settings.sample_rate = 1;
        settings.disable_traces = true;
        assert_eq!(queued(&settings), 0);
    }

    /// How many of one span come into the queue.
    fn queued(settings: &Telemetry) -> usize {
        let queue = SpanQueue::default();
        let exporting = Exporting::start(settings, "0.1.0", &queue).unwrap();
        assert!(exporting.meter().is_none());
        let subscriber = tracing_subscriber::registry().with(exporting.layer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!(target: "alloydb_connector::dialer", "dial").in_scope(|| {});
        });
        exporting.end();
        queue.take().len()
    }

    #[test]
    fn without_a_reader_nothing_is_made() {
        let queue = SpanQueue::default();
        let exporting = Exporting::start(&telemetry(), "0.1.0", &queue).unwrap();
        assert!(exporting.meter().is_none() && exporting.tracers.is_none());
        exporting.end();
    }
}
