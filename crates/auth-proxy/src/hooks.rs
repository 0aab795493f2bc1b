//! What a proxy is given by its caller, beside what a user tells it.

use std::sync::Arc;

use opentelemetry::metrics::Meter;

use crate::dns::{Resolve, SystemResolver};
use crate::{Instance, SpanQueue};

/// Reads the instances again; the error is a line for the log.
pub type Reload = dyn Fn() -> Result<Vec<Instance>, String> + Send + Sync;

/// What a proxy is given beside its settings.
#[derive(Clone)]
pub struct Hooks {
    /// Reads the instances again, at SIGHUP and when [`Settings::config_file`] changes. Without it
    /// only certificates of listeners are.
    pub reload: Option<Arc<Reload>>,
    /// Looks DNS names up; the system's resolver by default.
    pub resolver: Arc<dyn Resolve>,
    /// What `/debug/pprof/cmdline` shows; nothing by default.
    pub command_line: Vec<u8>,
    /// The meter that the connector's six metrics go to; none by default.
    pub meter: Option<Meter>,
    /// Where the connector's spans come from that `--telemetry-project` is to get.
    pub spans: SpanQueue,
    /// In place of the addresses of Cloud Monitoring and Cloud Trace, which get the proxy's access
    /// tokens. For tests.
    pub telemetry_endpoint: Option<String>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            reload: None,
            resolver: Arc::new(SystemResolver::default()),
            command_line: Vec::new(),
            meter: None,
            spans: SpanQueue::default(),
            telemetry_endpoint: None,
        }
    }
}
