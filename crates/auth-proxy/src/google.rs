//! `--telemetry-project`: metrics to Cloud Monitoring, spans to Cloud Trace.
//!
//! Nobody waits for it but the end of the process, and that for a short time: clients are served by
//! other threads, and what a full queue or a failed call loses is lost.

mod calls;
mod failures;
mod monitoring;
mod spans;

use std::sync::Arc;
use std::time::Duration;

use alloydb_connector::ApiCredentials;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::calls::Calls;
use self::failures::Failures;
use self::monitoring::Monitoring;
pub use self::spans::SpanQueue;
use self::spans::Trace;
use crate::log::Logger;
use crate::metrics::Metrics;
use crate::{Settings, Telemetry};

/// How often metrics are written: the original's period.
const PERIOD: Duration = Duration::from_mins(1);

/// How long spans wait for others to go with.
const GATHERING: Duration = Duration::from_secs(2);

/// For what is left at the end.
const LAST: Duration = Duration::from_secs(3);

/// What is sent, and by whom.
pub(crate) struct Sending {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) spans: SpanQueue,
    pub(crate) credentials: ApiCredentials,
    pub(crate) logger: Logger,
    /// In place of Google's addresses.
    pub(crate) endpoint: Option<String>,
}

/// What sends to the project.
pub(crate) struct Google {
    ending: CancellationToken,
    sending: JoinHandle<()>,
}

/// Whether anything is to be sent to a project.
pub(crate) fn is_wanted(telemetry: &Telemetry) -> bool {
    telemetry.project.is_some() && !(telemetry.disable_metrics && telemetry.disable_traces)
}

/// Whether spans are.
pub(crate) fn wants_spans(telemetry: &Telemetry) -> bool {
    telemetry.project.is_some() && !telemetry.disable_traces
}

impl Google {
    /// Begins to send to the project of `settings`, in the background.
    ///
    /// # Errors
    ///
    /// There is no HTTP client to be had, or the endpoint is no URL: a line for the log.
    pub(crate) fn start(settings: &Settings, sending: Sending) -> Result<Self, String> {
        let telemetry = &settings.telemetry;
        let project = telemetry.project.clone().unwrap_or_default();
        let Sending {
            metrics,
            spans,
            credentials,
            logger,
            endpoint,
        } = sending;
        let universe = settings.universe_domain.as_deref();
        let universe = universe.unwrap_or("googleapis.com");
        let calls = |service: &str| {
            let default = || format!("https://{service}.{universe}");
            let endpoint = endpoint.clone().unwrap_or_else(default);
            Calls::new(&endpoint, &settings.version, credentials.clone())
        };
        let failures = |service| Failures::new(service, &project, &metrics, &logger);
        let monitoring = if telemetry.disable_metrics {
            None
        } else {
            Some(Monitoring::new(
                calls("monitoring")?,
                failures("Cloud Monitoring"),
                Arc::clone(&metrics),
                &project,
                &telemetry.prefix,
            ))
        };
        let trace = if wants_spans(telemetry) {
            Some(Trace::new(
                calls("cloudtrace")?,
                failures("Cloud Trace"),
                &metrics.dialer_id,
                &project,
                &settings.version,
            ))
        } else {
            None
        };
        let ending = CancellationToken::new();
        let ended = ending.clone();
        let sending = tokio::spawn(async move {
            tokio::join!(
                write_metrics(monitoring, &ended),
                write_spans(trace, spans, &ended)
            );
        });
        Ok(Self { ending, sending })
    }

    /// Sends what is left, for as long as the end may take.
    pub(crate) async fn end(mut self) {
        self.ending.cancel();
        if timeout(LAST, &mut self.sending).await.is_err() {
            self.sending.abort();
        }
    }
}

async fn write_metrics(monitoring: Option<Monitoring>, ending: &CancellationToken) {
    let Some(mut monitoring) = monitoring else {
        return;
    };
    let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !ending.is_cancelled() {
        tokio::select! {
            _ = ticks.tick() => {}
            () = ending.cancelled() => {}
        }
        monitoring.write().await;
    }
}

async fn write_spans(trace: Option<Trace>, spans: SpanQueue, ending: &CancellationToken) {
    let Some(mut trace) = trace else {
        return;
    };
    loop {
        let is_last = tokio::select! {
            () = gathered(&spans) => false,
            () = ending.cancelled() => true,
        };
        trace.lost(spans.lost());
        loop {
            let batch = spans.take();
            if batch.is_empty() {
                break;
            }
            trace.write(&batch).await;
        }
        if is_last {
            return;
        }
    }
}

/// Until there are spans, and then a little longer.
async fn gathered(spans: &SpanQueue) {
    spans.filled().await;
    sleep(GATHERING).await;
}
