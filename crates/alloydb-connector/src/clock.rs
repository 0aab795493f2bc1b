//! The wall clock, which goes on while a laptop sleeps.

use std::sync::Arc;
use std::time::SystemTime;

/// Tells the time of day. Any `Fn() -> SystemTime` is a clock.
///
/// Certificates are held against it at every dial, because tokio's timers stand still while the
/// machine is suspended.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> SystemTime;
}

impl<F: Fn() -> SystemTime + Send + Sync + 'static> Clock for F {
    fn now(&self) -> SystemTime {
        self()
    }
}

/// The machine's own clock.
pub(crate) fn system() -> Arc<dyn Clock> {
    Arc::new(SystemTime::now)
}
