//! The Auth Proxy's command over the connector: the same flags, environment and behaviour.

mod admin_server;
mod bind;
mod client_tls;
mod completion;
mod connection_test;
mod dialers;
mod dns;
mod examined;
mod flags;
mod gcloud;
mod google;
mod health;
mod help;
mod hooks;
mod http_server;
mod instance;
mod listeners;
mod local_http;
mod log;
mod meter;
mod metrics;
mod opening;
mod places;
mod proxy;
mod refusal;
mod relay;
mod run;
mod session;
mod settings;
mod shutdown;
mod shutdown_command;
mod systemd;
mod telemetry;
mod trace;
mod wait;

pub use dns::{Resolve, ResolveError, SystemResolver};
pub use examined::{ExamineError, Examined};
pub use flags::{DoctorOptions, Environment, Outcome, SettingsError, Sources, begin};
pub use google::SpanQueue;
pub use hooks::{Hooks, Reload};
pub use log::Logger;
pub use proxy::{Proxy, StartError};
pub use run::run;
pub use settings::{
    AdminServer, Bind, Credential, FailedInstance, HttpServer, Identity, Impersonation, Instance,
    InstanceName, ListenerTls, Logging, Refresh, Settings, Shutdown, StartUpCheck, Telemetry,
};
pub use shutdown::{StopHandle, Trigger};
