//! The Auth Proxy's command over the connector: the same flags, environment and behaviour.

mod completion;
mod flags;
mod help;
mod local_http;
mod settings;
mod shutdown_command;
mod wait;

pub use flags::{Environment, Outcome, SettingsError, Sources, begin};
pub use settings::{
    AdminServer, Bind, Credential, FailedInstance, HttpServer, Identity, Impersonation, Instance,
    InstanceName, ListenerTls, Logging, Refresh, Settings, Shutdown, StartUpCheck, Telemetry,
};
