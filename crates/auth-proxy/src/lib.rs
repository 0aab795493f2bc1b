//! The Auth Proxy's command over the connector: the same flags, environment and behaviour.

mod settings;

pub use settings::{
    AdminServer, Bind, Credential, FailedInstance, HttpServer, Identity, Impersonation, Instance,
    InstanceName, ListenerTls, Logging, Refresh, Settings, Shutdown, StartUpCheck, Telemetry,
};
