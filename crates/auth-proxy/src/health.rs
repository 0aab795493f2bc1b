//! Whether clients can be served, and what probes and scrapes are told.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arc_swap::ArcSwap;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};

use crate::connection_test;
use crate::http_server::{Answer, Handler, not_found, text, typed};
use crate::instance::Target;
use crate::listeners::Skipped;
use crate::log::Logger;
use crate::metrics::Metrics;
use crate::places::Places;

/// The content type of the text format, as the original has it.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// What the proxy is doing, for all who ask.
#[derive(Debug)]
pub(crate) struct Health {
    stage: AtomicU8,
    places: Arc<Places>,
}

const STARTING: u8 = 0;
const STARTED: u8 = 1;
const STOPPING: u8 = 2;

impl Health {
    pub(crate) fn new(places: Arc<Places>) -> Self {
        Self {
            stage: AtomicU8::new(STARTING),
            places,
        }
    }

    /// Clients are accepted from now on.
    pub(crate) fn started(&self) {
        self.stage.fetch_max(STARTED, Ordering::AcqRel);
    }

    /// No more clients should come.
    pub(crate) fn stopping(&self) {
        self.stage.fetch_max(STOPPING, Ordering::AcqRel);
    }

    fn is_started(&self) -> bool {
        self.stage.load(Ordering::Acquire) >= STARTED
    }

    /// Why no clients should come, if there is a reason.
    fn unready(&self) -> Option<String> {
        match self.stage.load(Ordering::Acquire) {
            STARTING => return Some("proxy is not started".to_owned()),
            STARTED => {}
            _ => return Some("proxy has stopped".to_owned()),
        }
        let open = self.places.taken();
        let limit = self.places.limit()?;
        (open >= limit).then(|| format!("max connections reached (open = {open}, max = {limit})"))
    }
}

/// The instances as probes and scrapes see them; exchanged when they change.
#[derive(Default)]
pub(crate) struct View {
    pub(crate) targets: Vec<Arc<Target>>,
    pub(crate) skipped: Vec<Skipped>,
}

/// Answers probes and scrapes.
pub(crate) struct Probes {
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) view: Arc<ArcSwap<View>>,
    pub(crate) logger: Logger,
    pub(crate) settings: crate::HttpServer,
}

impl Handler for Probes {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        match path {
            "/metrics" if self.settings.prometheus => self.metrics(),
            "/startup" if self.settings.health_check => self.startup().await,
            "/readiness" if self.settings.health_check => self.readiness(),
            "/liveness" if self.settings.health_check => text(StatusCode::OK, "ok"),
            _ => not_found(),
        }
    }
}

impl Probes {
    fn metrics(&self) -> Answer {
        self.metrics.log_lost(self.logger.take_lost());
        for target in &self.view.load().targets {
            target.observe(&self.metrics);
        }
        typed(StatusCode::OK, PROMETHEUS, self.metrics.encode())
    }

    async fn startup(&self) -> Answer {
        if !self.health.is_started() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "error");
        }
        if !self.settings.with_backend_check {
            return text(StatusCode::OK, "ok");
        }
        let targets = self.view.load().targets.clone();
        // Dropped with the request when the prober hangs up.
        match connection_test::all(&targets).await {
            Ok(()) => text(StatusCode::OK, "ok"),
            Err(failures) => {
                let failures = failures.to_string();
                self.logger
                    .error(format_args!("[Health Check] Startup failed: {failures}"));
                text(StatusCode::SERVICE_UNAVAILABLE, failures)
            }
        }
    }

    fn readiness(&self) -> Answer {
        let view = self.view.load();
        let unready = self.health.unready().or_else(|| {
            let is_empty = view.targets.is_empty();
            is_empty.then(|| "no instance has a listener".to_owned())
        });
        if let Some(reason) = &unready {
            self.logger
                .error(format_args!("[Health Check] Readiness failed: {reason}"));
        }
        let (status, mut body) = match unready {
            Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
            None => (StatusCode::OK, "ok".to_owned()),
        };
        for Skipped { label, reason } in &view.skipped {
            // Writing to a string can't fail.
            let _ = write!(body, "\nskipped {label}: {reason}");
        }
        text(status, body)
    }
}
