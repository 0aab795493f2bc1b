//! A proxy from its start to its end.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use arc_swap::ArcSwap;
use querycop_serve::{Endpoint, Watch, Workers, raise_file_limit};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::admin_server::Admin;
use crate::connection_test::{self, Failures};
use crate::dialers::{Dialers, announce};
use crate::google::{self, Google, Sending};
use crate::health::{Health, Probes, View};
use crate::hooks::Hooks;
use crate::http_server::{HttpError, HttpServer};
use crate::instance::{Names, Workshop};
use crate::listeners::{Listeners, Prepared, ServeError, Serving};
use crate::log::{Logger, chain};
use crate::meter::meter;
use crate::metrics::{Metrics, Outcome};
use crate::places::Places;
use crate::session::Sessions;
use crate::shutdown::{StopHandle, Stops, drain};
use crate::systemd::{Phase, notify};
use crate::{Instance, Settings, StartUpCheck, Trigger, telemetry};

/// A proxy that serves clients.
pub struct Proxy {
    settings: Settings,
    logger: Logger,
    hooks: Hooks,
    listeners: Listeners,
    sessions: Arc<Sessions>,
    places: Arc<Places>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    view: Arc<ArcSwap<View>>,
    http: Option<HttpServer>,
    admin: Option<HttpServer>,
    stop: StopHandle,
    stops: Stops,
    reload: Arc<Notify>,
    watch: Option<Watch>,
    google: Option<Google>,
}

/// A proxy can't start.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StartError(#[from] Reason);

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("unable to start")]
    Serve(#[from] ServeError),
    #[error("the metrics' namespace can't be used")]
    Metrics(#[from] prometheus::Error),
    #[error("threads can't be started")]
    Workers(#[source] io::Error),
    #[error("failed to start HTTP server")]
    Http(#[source] HttpError),
    #[error("failed to start admin server")]
    Admin(#[source] HttpError),
    #[error(transparent)]
    Unreachable(#[from] Failures),
}

impl Proxy {
    /// Starts a proxy, for which it must be in a runtime that lives as long as the proxy. Returns when
    /// clients are served.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what could not be set up; what was is undone.
    pub async fn start(
        settings: Settings,
        logger: Logger,
        hooks: Hooks,
    ) -> Result<Self, StartError> {
        let (stop, stops) = StopHandle::new();
        Self::start_stoppable(settings, logger, hooks, stop, stops).await
    }

    /// As [`start`](Self::start), with a handle that was made before.
    pub(crate) async fn start_stoppable(
        settings: Settings,
        logger: Logger,
        hooks: Hooks,
        stop: StopHandle,
        stops: Stops,
    ) -> Result<Self, StartError> {
        Ok(Self::assemble(settings, logger, hooks, (stop, stops)).await?)
    }

    async fn assemble(
        settings: Settings,
        logger: Logger,
        hooks: Hooks,
        (stop, stops): (StopHandle, Stops),
    ) -> Result<Self, Reason> {
        let metrics = Arc::new(Metrics::new(&settings.http.prometheus_namespace)?);
        metrics.limited_to(settings.max_connections);
        let places = Arc::new(Places::new(settings.max_connections));
        let sessions = Arc::new(Sessions::new(
            Arc::clone(&places),
            Arc::clone(&metrics),
            logger.clone(),
        ));
        prologue(&settings, &logger);
        // Watched before they are read: a change in between is not missed.
        let watch = Watch::begin(&files(&settings)).unwrap_or_else(|error| {
            logger.info(format_args!(
                "Files are not watched, SIGHUP still reads them: {error}"
            ));
            None
        });
        let workshop = Workshop {
            dialers: Dialers::new(&settings, meter(Arc::clone(&metrics), hooks.meter.clone())),
            identity: settings.identity.clone(),
            metrics: Arc::clone(&metrics),
            resolver: Arc::clone(&hooks.resolver),
            dns_period: settings.dns_period,
            names: Names::default(),
            failed_instance: settings.failed_instance,
            logger: logger.clone(),
        };
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let serving = Serving {
            sessions: Arc::clone(&sessions),
            workers: Arc::new(Workers::start(threads, "session").map_err(Reason::Workers)?),
            logger: logger.clone(),
        };
        let listeners = Listeners::bind(workshop, serving, settings.instances.clone()).await?;
        let health = Arc::new(Health::new(Arc::clone(&places)));
        let mut proxy = Self {
            settings,
            logger,
            hooks,
            listeners,
            sessions,
            health,
            places,
            metrics,
            view: Arc::default(),
            http: None,
            admin: None,
            stop,
            stops,
            reload: Arc::default(),
            watch,
            google: None,
        };
        proxy.google = proxy.begin_telemetry().await;
        proxy.look();
        proxy.get_ready().await?;
        Ok(proxy)
    }

    /// Begins to send to `--telemetry-project`. What is wrong with that stops no client.
    async fn begin_telemetry(&self) -> Option<Google> {
        if !google::is_wanted(&self.settings.telemetry) {
            return None;
        }
        let dialers = &self.listeners.workshop().dialers;
        let credentials = dialers.api_credentials(&self.settings.identity).await;
        let started = match credentials {
            Ok(credentials) => Google::start(
                &self.settings,
                Sending {
                    metrics: Arc::clone(&self.metrics),
                    spans: self.hooks.spans.clone(),
                    credentials,
                    logger: self.logger.clone(),
                    endpoint: self.hooks.telemetry_endpoint.clone(),
                },
            ),
            Err(error) => Err(chain(&error)),
        };
        let told = started.inspect_err(|error| {
            self.logger
                .error(format_args!("telemetry is not sent: {error}"));
        });
        told.ok()
    }

    /// From open ports to clients that are served, in the original's order.
    async fn get_ready(&mut self) -> Result<(), Reason> {
        let waits = matches!(self.settings.start_up_check, StartUpCheck::Retry { .. });
        if !waits {
            self.announce_ready();
        }
        self.start_http().await?;
        self.start_admin().await?;
        self.check().await?;
        if waits {
            self.announce_ready();
        }
        self.listeners.open();
        self.health.started();
        Ok(())
    }

    fn announce_ready(&self) {
        self.logger
            .info("The proxy has started successfully and is ready for new connections!");
        notify(Phase::Ready, &self.logger);
    }

    async fn start_http(&mut self) -> Result<(), Reason> {
        let settings = &self.settings.http;
        if !settings.health_check && !settings.prometheus {
            return Ok(());
        }
        let (address, port) = (&settings.address, &settings.port);
        if settings.health_check {
            self.logger.info(format_args!(
                "Starting health check server at {}",
                host_port(address, port)
            ));
        }
        let probes = Probes {
            health: Arc::clone(&self.health),
            metrics: Arc::clone(&self.metrics),
            view: Arc::clone(&self.view),
            logger: self.logger.clone(),
            settings: settings.clone(),
        };
        let server = HttpServer::start(address, port, probes).await;
        self.http = Some(server.map_err(Reason::Http)?);
        Ok(())
    }

    async fn start_admin(&mut self) -> Result<(), Reason> {
        let settings = &self.settings.admin;
        if !settings.debug && !settings.quitquitquit {
            return Ok(());
        }
        let at = host_port(&settings.address, &settings.port);
        if settings.quitquitquit {
            self.logger
                .info(format_args!("Enabling quitquitquit endpoint at {at}"));
        }
        if settings.debug {
            self.logger
                .info(format_args!("Enabling pprof endpoints at {at}"));
        }
        let admin = Admin {
            settings: settings.clone(),
            stop: self.stop.clone(),
            command_line: self.hooks.command_line.clone(),
        };
        let server = HttpServer::start(&settings.address, &settings.port, admin).await;
        self.admin = Some(server.map_err(Reason::Admin)?);
        Ok(())
    }

    async fn check(&self) -> Result<(), Failures> {
        let targets = self.listeners.targets();
        match self.settings.start_up_check {
            StartUpCheck::Off => return Ok(()),
            StartUpCheck::Once => {
                self.logger.info("Connection test started");
                let tested = connection_test::all(&targets).await;
                tested.inspect_err(|_| self.logger.error("Connection test failed"))?;
            }
            StartUpCheck::Retry { timeout } => {
                self.logger.info("Connection test started");
                let tested = connection_test::until_reached(&targets, timeout, &self.logger).await;
                tested.inspect_err(|_| self.logger.error("Connection test failed"))?;
            }
        }
        self.logger.info("Connection test passed");
        Ok(())
    }

    /// What the listeners are called in the log, and where they are.
    pub fn endpoints(&self) -> Vec<(String, Endpoint)> {
        self.listeners.endpoints()
    }

    /// Where health and metrics are.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(HttpServer::local_addr)
    }

    /// Where the operator's endpoints are.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(HttpServer::local_addr)
    }

    /// Ends the proxy.
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Waking this reads the instances again.
    pub fn reload_handle(&self) -> Arc<Notify> {
        Arc::clone(&self.reload)
    }

    /// Serves until it is told to stop, and comes to its end; returns the exit status.
    pub async fn run(mut self) -> u8 {
        let trigger = loop {
            let changed = async {
                match &mut self.watch {
                    Some(watch) => watch.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                trigger = self.stops.first() => break trigger,
                () = self.reload.notified() => {}
                () = changed => {}
            }
            notify(Phase::Reloading, &self.logger);
            if let Some(watch) = &mut self.watch {
                watch.mark();
            }
            let mut stops = self.stops.clone();
            // What is read waits for others; the end doesn't wait for it.
            tokio::select! {
                trigger = stops.first() => break trigger,
                read = self.read_again() => self.change(read).await,
            }
            notify(Phase::Ready, &self.logger);
        };
        let mut stops = self.stops.clone();
        let (logger, sessions) = (self.logger.clone(), Arc::clone(&self.sessions));
        let ended = async {
            let status = self.shut_down(trigger).await;
            sessions.cut();
            if let Some(google) = self.google.take() {
                google.end().await;
            }
            status
        };
        tokio::select! {
            status = ended => status,
            () = stops.again() => {
                logger.info("Second signal received: ending at once");
                sessions.cut();
                trigger.status(false)
            }
        }
    }

    async fn shut_down(&mut self, trigger: Trigger) -> u8 {
        let shutdown = self.settings.shutdown.clone();
        self.logger.info(trigger.announcement());
        notify(Phase::Stopping, &self.logger);
        if shutdown.fail_readiness_on_term {
            self.health.stopping();
        }
        sleep(shutdown.min_sigterm_delay).await;
        self.health.stopping();
        self.listeners.close().await;
        self.listeners.workshop().dialers.close().await;
        let limit = shutdown.max_sigterm_delay;
        let left = if limit.is_zero() {
            0
        } else {
            drain(limit, || self.places.present()).await
        };
        if left > 0 {
            self.logger.error(format_args!(
                "error during shutdown: {left} connection(s) still open after waiting {}",
                go_duration(limit)
            ));
            return 1;
        }
        trigger.status(shutdown.exit_zero_sigterm)
    }

    /// Reads the instances again and sets up what is new in them. Cancel safe.
    async fn read_again(&self) -> Result<(Vec<Instance>, Prepared), String> {
        let instances = match &self.hooks.reload {
            Some(reload) => {
                let reload = Arc::clone(reload);
                // It reads files.
                let read = tokio::task::spawn_blocking(move || reload()).await;
                read.unwrap_or_else(|error| Err(error.to_string()))?
            }
            None => self.settings.instances.clone(),
        };
        self.logger.info("Reloading the instances");
        let prepared = self.listeners.prepare(instances.clone()).await;
        Ok((instances, prepared))
    }

    /// Makes the listeners those of the instances that were read.
    async fn change(&mut self, read: Result<(Vec<Instance>, Prepared), String>) {
        match read {
            Ok((instances, prepared)) => {
                self.settings.instances = instances;
                let complete = self.listeners.change(prepared).await;
                self.metrics.reloaded(if complete {
                    Outcome::Success
                } else {
                    Outcome::Failure
                });
                self.watch_again();
            }
            Err(error) => {
                self.metrics.reloaded(Outcome::Failure);
                self.logger.error(format_args!(
                    "the instances stay as they were, the new ones can't be read: {error}"
                ));
            }
        }
        self.look();
    }

    /// Other instances may have other files, and any may have changed since they were read.
    fn watch_again(&mut self) {
        if let Ok(watch) = Watch::after(self.watch.as_ref(), &files(&self.settings)) {
            self.watch = watch;
        }
    }

    /// Shows the instances to probes and scrapes.
    fn look(&self) {
        self.view.store(Arc::new(View {
            targets: self.listeners.targets(),
            skipped: self.listeners.skipped().to_vec(),
        }));
    }
}

/// What is told before anything is done.
fn prologue(settings: &Settings, logger: &Logger) {
    if let Err(error) = raise_file_limit() {
        logger.info(format_args!(
            "The limit of open files stays as it is: {error}"
        ));
    }
    for notice in &settings.notices {
        logger.info(notice);
    }
    if let Some(notice) = telemetry::notice(&settings.telemetry) {
        logger.info(notice);
    }
    if let Some(endpoint) = &settings.admin_endpoint {
        logger.info(format_args!("Using API Endpoint {endpoint}"));
    }
    announce(settings, logger);
}

/// The files whose change is watched for.
fn files(settings: &Settings) -> BTreeSet<PathBuf> {
    let tls = settings
        .instances
        .iter()
        .filter_map(|instance| instance.tls.as_ref());
    let tls = tls.flat_map(|tls| [&tls.certificate, &tls.key]);
    settings.config_file.iter().chain(tls).cloned().collect()
}

/// An address with its port, as Go joins them.
fn host_port(address: &str, port: &str) -> String {
    if address.contains(':') && !address.starts_with('[') {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    }
}

/// A duration as Go prints it, as far as it comes up: `1m30s`, `1.5s`.
fn go_duration(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 || duration.subsec_nanos() > 0 {
        return format!("{duration:?}");
    }
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}h{minutes}m{seconds}s")
    } else {
        format!("{minutes}m{seconds}s")
    }
}

/// Says on standard error why the proxy ends.
pub(crate) fn terminal(logger: &Logger, error: &dyn std::error::Error) {
    logger.error(format_args!(
        "The proxy has encountered a terminal error: {}",
        chain(error)
    ));
}
