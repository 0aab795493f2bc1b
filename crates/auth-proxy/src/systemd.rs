//! What systemd is told, if it started the proxy.

use sd_notify::NotifyState;

use crate::log::Logger;

/// The proxy's states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Ready,
    Reloading,
    Stopping,
}

/// Tells of a phase. Without systemd it does nothing.
pub(crate) fn notify(phase: Phase, logger: &Logger) {
    let told = match phase {
        Phase::Ready => sd_notify::notify(&[NotifyState::Ready]),
        // `Type=notify-reload` wants to know when it began.
        Phase::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
        Phase::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
    };
    if let Err(error) = told {
        logger.error(format_args!(
            "systemd can't be told that the proxy is {phase:?}: {error}"
        ));
    }
}
