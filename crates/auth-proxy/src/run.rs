//! The proxy as a process: its runtime, its log, its signals, its exit status.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::log::Logger;
use crate::proxy::{Proxy, terminal};
use crate::shutdown::{StopHandle, Trigger};
use crate::systemd::{Phase, notify};
use crate::telemetry::Exporting;
use crate::trace::LibraryLog;
use crate::{Hooks, Settings};

/// The status of a proxy that could not start.
const FAILED: u8 = 1;

/// A signal that follows its like so closely is the same one: timeout(1) sends its signal to the
/// process and to its group. It must not pass for somebody's impatience.
const ECHO: Duration = Duration::from_millis(100);

/// Runs a proxy to its end; returns the exit status of the process. Call it once: it takes the
/// process's signals and its log.
pub fn run(settings: Settings, hooks: Hooks) -> u8 {
    let logger = Logger::standard(settings.logging);
    let status = run_logged(settings, hooks, &logger);
    logger.flush();
    status
}

fn run_logged(settings: Settings, mut hooks: Hooks, logger: &Logger) -> u8 {
    // Outside of a runtime, since it sends from threads of its own.
    let exporting = match Exporting::start(&settings.telemetry, &settings.version, &hooks.spans) {
        Ok(exporting) => exporting,
        Err(error) => {
            terminal(logger, &error);
            return FAILED;
        }
    };
    hooks.meter = hooks.meter.or_else(|| exporting.meter());
    let lines = LibraryLog::new(logger.clone());
    let lines = lines.with_filter(filter_fn(LibraryLog::filter(logger)));
    let subscriber = tracing_subscriber::registry()
        .with(lines)
        .with(exporting.layer());
    // One that is there already stays.
    let _ = subscriber.try_init();
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal(logger, &error);
            return FAILED;
        }
    };
    let status = runtime.block_on(live(settings, logger, hooks));
    // What still waits for somebody isn't waited for.
    runtime.shutdown_background();
    exporting.end();
    status
}

async fn live(settings: Settings, logger: &Logger, hooks: Hooks) -> u8 {
    let (stop, mut stops) = StopHandle::new();
    let hangup = Arc::new(Notify::new());
    if let Err(error) = listen(&stop, &hangup) {
        terminal(logger, &error);
        return FAILED;
    }
    let exit_zero_sigterm = settings.shutdown.exit_zero_sigterm;
    let starting =
        Proxy::start_stoppable(settings, logger.clone(), hooks, stop.clone(), stops.clone());
    let started = tokio::select! {
        started = starting => started,
        trigger = stops.first() => {
            logger.info(trigger.announcement());
            notify(Phase::Stopping, logger);
            return trigger.status(exit_zero_sigterm);
        }
    };
    match started {
        Ok(proxy) => {
            let reload = proxy.reload_handle();
            tokio::spawn(async move {
                loop {
                    hangup.notified().await;
                    reload.notify_one();
                }
            });
            proxy.run().await
        }
        Err(error) => {
            notify(Phase::Stopping, logger);
            terminal(logger, &error);
            FAILED
        }
    }
}

/// Hears signals from now on.
fn listen(stop: &StopHandle, hangup: &Arc<Notify>) -> std::io::Result<()> {
    for (kind, trigger) in [
        (SignalKind::interrupt(), Trigger::Interrupt),
        (SignalKind::terminate(), Trigger::Terminate),
    ] {
        let mut signals = signal(kind)?;
        let stop = stop.clone();
        tokio::spawn(async move {
            let mut last: Option<Instant> = None;
            while signals.recv().await.is_some() {
                if last.is_none_or(|last| last.elapsed() > ECHO) {
                    stop.stop(trigger);
                }
                last = Some(Instant::now());
            }
        });
    }
    let mut signals = signal(SignalKind::hangup())?;
    let hangup = Arc::clone(hangup);
    tokio::spawn(async move {
        while signals.recv().await.is_some() {
            hangup.notify_one();
        }
    });
    Ok(())
}
