//! What the process is told by signals.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tracing::info;

use crate::exit::SIGNALLED;

/// The two signals that end the process, heard from now on.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Begins to listen.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one of them; returns the exit status of a process that it ends at once. Cancel safe.
    pub(crate) async fn received(&mut self) -> u8 {
        let (name, kind) = tokio::select! {
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt()),
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate()),
        };
        info!(signal = name, "signal received");
        SIGNALLED + u8::try_from(kind.as_raw_value()).unwrap_or_default()
    }
}

/// Passes every SIGHUP on to `reload`.
pub(crate) fn reload_on_hangup(reload: Arc<Notify>) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            info!(signal = "SIGHUP", "signal received");
            reload.notify_one();
        }
    });
    Ok(())
}
