//! Metrics and traces over OTLP, and what is said of telemetry that this proxy doesn't send.

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

/// The name of the service and of the instruments' scope.
const NAME: &str = "alloydb-auth-proxy";

/// For one export, and so for the last one, which the end of the process waits for.
const TIMEOUT: Duration = Duration::from_secs(3);

/// What is sent to a collector; nothing without an endpoint.
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
    /// Begins to send. Must not be called within a runtime: threads of its own do the sending.
    pub(crate) fn start(settings: &Telemetry, version: &str) -> Result<Self, ExportError> {
        let Some(endpoint) = &settings.otlp_endpoint else {
            return Ok(Self::default());
        };
        let failed = |cause| ExportError {
            endpoint: endpoint.clone(),
            cause,
        };
        let base = endpoint.trim_end_matches('/');
        let attribute = opentelemetry::KeyValue::new("service.version", version.to_owned());
        let resource = Resource::builder().with_service_name(NAME);
        let resource = resource.with_attribute(attribute).build();
        let mut exporting = Self::default();
        if !settings.disable_metrics {
            let exporter = MetricExporter::builder()
                .with_http()
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(format!("{base}/v1/metrics"))
                .with_timeout(TIMEOUT)
                .build()
                .map_err(failed)?;
            let meters = SdkMeterProvider::builder().with_periodic_exporter(exporter);
            exporting.meters = Some(meters.with_resource(resource.clone()).build());
        }
        if !settings.disable_traces && settings.sample_rate >= 0 {
            let exporter = SpanExporter::builder()
                .with_http()
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(format!("{base}/v1/traces"))
                .with_timeout(TIMEOUT)
                .build()
                .map_err(failed)?;
            let tracers = SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                .with_sampler(sampler(settings.sample_rate));
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

/// One trace in `rate`; 0 and 1 are all.
fn sampler(rate: i64) -> Sampler {
    if rate <= 1 {
        return Sampler::AlwaysOn;
    }
    // No rate that makes a difference is too large for this.
    let rate = i32::try_from(rate).unwrap_or(i32::MAX);
    Sampler::TraceIdRatioBased(1.0 / f64::from(rate))
}

/// What was asked for, or is the original's default, and isn't sent by this proxy.
pub(crate) fn notices(settings: &Telemetry) -> Vec<String> {
    let mut notices = Vec::new();
    if let Some(project) = &settings.project
        && !(settings.disable_metrics && settings.disable_traces)
    {
        let instead = match &settings.otlp_endpoint {
            Some(endpoint) => format!("they go to {endpoint} (--otlp-endpoint)"),
            None => {
                "name an OpenTelemetry collector that forwards them with --otlp-endpoint, or use \
                     --prometheus"
                    .to_owned()
            }
        };
        notices.push(format!(
            "Ignoring --telemetry-project: this proxy itself sends no metrics and traces to Cloud \
             Monitoring and Cloud Trace of project {project}; {instead}"
        ));
    }
    if !settings.disable_built_in {
        notices.push(
            "Built-in telemetry: this proxy sends no metrics to Google; \
             --disable-built-in-telemetry silences this line"
                .to_owned(),
        );
    }
    notices
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn telemetry() -> Telemetry {
        Telemetry {
            project: Some("p".to_owned()),
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
        let notices = notices(&telemetry());
        assert_eq!(notices.len(), 1);
        assert!(
            notices[0].contains("project p; name an OpenTelemetry collector"),
            "{notices:?}"
        );
        let silent = Telemetry {
            disable_metrics: true,
            disable_traces: true,
            ..telemetry()
        };
        assert_eq!(super::notices(&silent), [""; 0]);
        let default = Telemetry {
            project: None,
            disable_built_in: false,
            ..telemetry()
        };
        assert!(super::notices(&default)[0].starts_with("Built-in telemetry: "));
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
        let exporting = Exporting::start(&settings, "0.1.0").unwrap();
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
    fn without_an_endpoint_nothing_is_sent() {
        let exporting = Exporting::start(&telemetry(), "0.1.0").unwrap();
        assert!(exporting.meter().is_none());
        exporting.end();
    }
}
