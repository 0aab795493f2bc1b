//! The Auth Proxy's command over the connector: the same flags, environment and behaviour.

mod admin_server;
mod bind;
mod client_tls;
mod connection_test;
mod dialers;
mod dns;
mod gcloud;
mod health;
mod http_server;
mod instance;
mod listeners;
mod log;
mod meter;
mod metrics;

mod opening;
mod places;
mod proxy;
mod refusal;
mod relay;
mod reload;
mod run;
mod session;
mod settings;
mod shutdown;
mod systemd;
mod telemetry;
mod trace;

pub use dns::{Resolve, ResolveError, SystemResolver};
pub use log::Logger;
pub use proxy::{Hooks, Proxy, Reload, StartError};
pub use run::run;
pub use settings::{
    AdminServer, Bind, Credential, FailedInstance, HttpServer, Identity, Impersonation, Instance,
    InstanceName, ListenerTls, Logging, Refresh, Settings, Shutdown, StartUpCheck, Telemetry,
};
pub use shutdown::{StopHandle, Trigger};
