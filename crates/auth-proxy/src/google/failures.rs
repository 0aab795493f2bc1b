//! What became of what could not be sent: counted always, told once in a while.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::log::Logger;
use crate::metrics::Metrics;

/// Between two lines about the same service.
const PAUSE: Duration = Duration::from_mins(10);

/// The failures of one service.
pub(super) struct Failures {
    service: &'static str,
    project: String,
    metrics: Arc<Metrics>,
    logger: Logger,
    told_at: Option<Instant>,
    /// Calls that failed since.
    untold: u64,
}

impl Failures {
    pub(super) fn new(
        service: &'static str,
        project: &str,
        metrics: &Arc<Metrics>,
        logger: &Logger,
    ) -> Self {
        Self {
            service,
            project: project.to_owned(),
            metrics: Arc::clone(metrics),
            logger: logger.clone(),
            told_at: None,
            untold: 0,
        }
    }

    /// Something that was to be sent is lost.
    pub(super) fn add(&mut self, lost: usize, why: &dyn fmt::Display) {
        self.metrics.telemetry_lost(self.service, lost as u64);
        if self.told_at.is_some_and(|told| told.elapsed() < PAUSE) {
            self.untold += 1;
            return;
        }
        let before = match std::mem::take(&mut self.untold) {
            0 => String::new(),
            untold => format!(" ({untold} more failed since the last such line)"),
        };
        self.told_at = Some(Instant::now());
        let (service, project) = (self.service, &self.project);
        self.logger.error(format_args!(
            "telemetry is not sent: {service} of project {project}: {why}{before}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use super::*;
    use crate::Logging;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_a_line_in_ten_minutes() {
        let written = Written::default();
        let logger = Logger::new(Logging::default(), std::io::sink(), written.clone());
        let metrics = Arc::new(Metrics::new("").unwrap());
        let mut failures = Failures::new("Cloud Trace", "p", &metrics, &logger);
        for _ in 0..5 {
            failures.add(3, &"away");
            tokio::time::advance(PAUSE / 4).await;
        }
        logger.flush();
        let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = written.lines().collect();
        assert_eq!(lines.len(), 2, "{written}");
        let line = "telemetry is not sent: Cloud Trace of project p: away";
        assert!(lines[0].ends_with(line), "{written}");
        assert!(lines[1].ends_with("away (3 more failed since the last such line)"));
        let counted = String::from_utf8(metrics.encode()).unwrap();
        let name = "alloydb_auth_proxy_telemetry_lost_total{to=\"Cloud Trace\"} 15";
        assert!(counted.contains(name), "{counted}");
    }
}
