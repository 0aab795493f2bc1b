//! Runs the gateway until it is told to stop.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use querycop_console::{Api, Parts};
use querycop_gateway::{Gateway, Metrics, Opened, Shutdown, chain};
use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::exit::{CONFIG, FAILED, OK, OS_ERROR, UNAVAILABLE, refuse_settings, warn_of_settings};
use crate::settings::{Loaded, Settings};
use crate::{signals, telemetry};

/// Why the gateway did not come up: the exit status, after the cause was logged.
struct NotStarted(u8);

/// Everything that is open.
struct Running {
    gateway: Opened,
    api: Api,
    stop: signals::Stop,
}

/// Runs the gateway; returns when it has come to its end.
pub(crate) fn run(loaded: Loaded) -> ExitCode {
    let settings = match loaded.settings {
        Ok(settings) => settings,
        Err(problems) => {
            warn_of_settings(&loaded.warnings);
            return refuse_settings(&problems);
        }
    };
    let Settings {
        log_format,
        log_filter,
        ..
    } = &settings;
    telemetry::start(*log_format, log_filter.clone());
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    match querycop_serve::raise_file_limit() {
        Ok(limit) => info!(open_files = limit, "file limit raised"),
        Err(error) => warn!(%error, "file limit can't be raised"),
    }
    // The gateway's sessions have threads of their own; what is left here is accepting, the API,
    // token commands and signals.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "starting the runtime");
            return ExitCode::from(OS_ERROR);
        }
    };
    let status = runtime.block_on(async {
        match open(settings).await {
            Ok(running) => serve(running).await,
            Err(NotStarted(status)) => status,
        }
    });
    // A lookup that hangs in the system's resolver must not hold up the end.
    runtime.shutdown_background();
    ExitCode::from(status)
}

async fn open(settings: Settings) -> Result<Running, NotStarted> {
    let metrics = Arc::new(Metrics::default());
    let mut registry = metrics_registry(&metrics, &settings);
    let stop = signals::Stop::listen().map_err(|error| not_started(&error, OS_ERROR))?;
    let gateway = Gateway::new(settings.config, metrics)
        .await
        .map_err(|error| not_started(&error, CONFIG))?;
    signals::reload_on_hangup(gateway.reload_handle())
        .map_err(|error| not_started(&error, OS_ERROR))?;
    if settings.admin_key.is_some() && !settings.api_addr.ip().to_canonical().is_loopback() {
        warn!(api.addr = %settings.api_addr, "the admin key crosses the network in clear: the API has no TLS");
    }
    if let Some(collector) = gateway.audit_collector() {
        registry.register_collector(Box::new(collector));
    }
    if let Some(collector) = gateway.catalog_collector() {
        registry.register_collector(Box::new(collector));
    }
    let parts = Parts {
        registry: gateway.registry(),
        readiness: gateway.readiness(),
        metrics: Arc::new(registry),
        admin_key: settings.admin_key,
        version: env!("CARGO_PKG_VERSION"),
    };
    let api =
        Api::bind(settings.api_addr, parts).map_err(|error| not_started(&error, UNAVAILABLE))?;
    let gateway = gateway
        .open()
        .map_err(|error| not_started(&error, UNAVAILABLE))?;
    Ok(Running { gateway, api, stop })
}

fn not_started(error: &(dyn Error + 'static), status: u8) -> NotStarted {
    error!(error = chain(error), "the gateway can't start");
    NotStarted(status)
}

/// The registry with what does not change while the process lives.
fn metrics_registry(metrics: &Metrics, settings: &Settings) -> Registry {
    let mut registry = Registry::with_prefix("querycop");
    metrics.register(&mut registry);
    let backend = &settings.config.backend;
    let info = Family::<Vec<(&'static str, String)>, Gauge>::default();
    info.get_or_create(&vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("backend", backend.route.to_string()),
        (
            "backend_role",
            backend.role.map_or("", |role| role.as_str()).to_owned(),
        ),
    ])
    .set(1);
    registry.register("info", "What runs, and in front of what", info);
    registry
}

/// Serves until a signal ends it; returns the exit status.
async fn serve(running: Running) -> u8 {
    let Running {
        gateway,
        api,
        mut stop,
    } = running;
    let stopping = CancellationToken::new();
    let api_ended = CancellationToken::new();
    let api_addr = api.local_addr();
    let api = tokio::spawn(api.serve(api_ended.clone().cancelled_owned()));
    info!(listen.addr = %gateway.endpoint(), api.addr = %api_addr, "ready for connections");
    notify_systemd(&[NotifyState::Ready]);

    let mut gateway = Box::pin(gateway.serve(stopping.clone().cancelled_owned()));
    tokio::select! {
        // It ends only when it is told to, but has to be polled meanwhile.
        _ = &mut gateway => {}
        _ = stop.received() => {}
    }
    notify_systemd(&[NotifyState::Stopping]);
    stopping.cancel();
    let shutdown = tokio::select! {
        shutdown = &mut gateway => shutdown,
        status = stop.received() => {
            warn!("second signal: ending at once");
            return status;
        }
    };
    api_ended.cancel();
    // The API has nothing to lose: what it is asked after the last session has ended can be cut off.
    api.abort();
    match shutdown {
        Shutdown::Drained => {
            info!("stopped");
            OK
        }
        Shutdown::Cut { sessions } => {
            warn!(sessions, "stopped, sessions were cut off");
            FAILED
        }
    }
}

fn notify_systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "systemd can't be told");
    }
}
