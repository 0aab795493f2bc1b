//! What a proxy is told: complete and typed, wherever it was said.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use alloydb_connector::{InstanceUri, IpType};
use secrecy::SecretString;

/// Everything that a proxy is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The instances, in the order in which they were named.
    pub instances: Vec<Instance>,
    /// As whom the proxy speaks to Google Cloud where an instance has no identity of its own.
    pub identity: Identity,
    /// A token that is used for the IAM login alone.
    pub login_token: Option<SecretString>,
    /// The base address of the AlloyDB API, if it was set.
    pub admin_endpoint: Option<String>,
    /// The universe domain, if it was set (`--universe-domain`); else `googleapis.com`.
    pub universe_domain: Option<String>,
    /// Names that go into the user agent behind ours, in order.
    pub user_agents: Vec<String>,
    /// How certificates are kept fresh.
    pub refresh: Refresh,
    /// How many client connections may be open at once, over all instances; 0 is no limit.
    pub max_connections: u64,
    /// Health and metrics.
    pub http: HttpServer,
    /// `/quitquitquit` and `/debug/pprof/`.
    pub admin: AdminServer,
    /// Whether every instance is dialled once before clients are served, and what then.
    pub start_up_check: StartUpCheck,
    /// What an instance that can't be set up does to the others.
    pub failed_instance: FailedInstance,
    /// How the proxy ends.
    pub shutdown: Shutdown,
    /// What is written, and how.
    pub logging: Logging,
    /// What is sent to whom.
    pub telemetry: Telemetry,
    /// How often the DNS names of instances are asked for again; the original of Cloud SQL takes 30 s.
    pub dns_period: Duration,
    /// The file whose instances are followed while the proxy runs (`--config-file`).
    pub config_file: Option<PathBuf>,
    /// What was set and has no effect, or was wrong and left at its default: a line each, to be
    /// logged at the start.
    pub notices: Vec<String>,
    /// The version, as `--version` and the user agent tell it: `0.1.0` or `0.1.0+metadata`.
    pub version: String,
}

/// An instance and its listener.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Which one.
    pub name: InstanceName,
    /// Where its clients connect.
    pub bind: Bind,
    /// The address that is dialled.
    pub ip_type: IpType,
    /// Whether its clients are logged in by IAM.
    pub auto_iam_authn: bool,
    /// Its own identity (`?credentials-file=`, `?impersonate-service-account=`).
    pub identity: Option<Identity>,
    /// TLS toward its clients.
    pub tls: Option<ListenerTls>,
}

/// How an instance is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum InstanceName {
    /// By its URI.
    Uri(InstanceUri),
    /// By a DNS name whose TXT record holds the URI.
    Dns(String),
}

/// Where an instance's clients connect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bind {
    /// A TCP address. The port is what was given or counted, not yet checked: it may be negative or
    /// over 65,535, and then fails when it is bound, as the original's does. 0 lets the system choose.
    Tcp {
        /// The address.
        address: IpAddr,
        /// The port.
        port: i64,
    },
    /// The socket `NAME/.s.PGSQL.5432` in this directory, which is made if it is missing; its parent
    /// must exist.
    Unix {
        /// Where the instance's directory is made.
        parent: PathBuf,
        /// The instance's directory.
        directory: PathBuf,
    },
}

/// As whom the proxy speaks to Google Cloud.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The credential.
    pub credential: Credential,
    /// Whom it impersonates.
    pub impersonation: Option<Impersonation>,
}

/// Where a credential comes from.
#[derive(Clone, Debug, Default)]
pub enum Credential {
    /// Application default credentials.
    #[default]
    ApplicationDefault,
    /// A token that never changes (`--token`).
    Token(SecretString),
    /// A file of credentials (`--credentials-file`).
    File(PathBuf),
    /// Credentials given inline (`--json-credentials`).
    Json(SecretString),
    /// `gcloud config config-helper` (`--gcloud-auth`).
    Gcloud,
}

/// Whom a credential impersonates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Impersonation {
    /// The service account that calls and logs in.
    pub target: String,
    /// The service accounts on the way, in the order in which the option names them: the last one is
    /// the one that the credential itself may impersonate.
    pub delegates: Vec<String>,
}

/// TLS toward clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListenerTls {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

/// How certificates are kept fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// Ahead of time.
    Ahead,
    /// When they are needed (`--lazy-refresh`).
    Lazy,
    /// Never: all is in a file (`--static-connection-info`).
    Static(PathBuf),
}

/// Health and metrics over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpServer {
    /// A host name or address (`--http-address`).
    pub address: String,
    /// The port (`--http-port`).
    pub port: String,
    /// `/startup`, `/readiness`, `/liveness`.
    pub health_check: bool,
    /// Whether `/startup` dials every instance.
    pub with_backend_check: bool,
    /// `/metrics`.
    pub prometheus: bool,
    /// What stands before the names of metrics; empty for nothing.
    pub prometheus_namespace: String,
}

/// The port for operators, on `localhost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminServer {
    /// The address (`--admin-address`, `localhost` by default: ours).
    pub address: String,
    /// The port.
    pub port: String,
    /// `/debug/pprof/`.
    pub debug: bool,
    /// `/quitquitquit`.
    pub quitquitquit: bool,
}

/// Whether instances are dialled before clients are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartUpCheck {
    /// No.
    Off,
    /// Once; a failure ends the proxy (`--run-connection-test`).
    Once,
    /// Until each answered, or that long; a failure then ends the proxy (`--startup-check`,
    /// `--startup-timeout`). `/startup` and "ready for new connections" wait for it.
    Retry {
        /// How long in all.
        timeout: Duration,
    },
}

/// What an instance that can't be set up does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedInstance {
    /// It ends the proxy.
    EndsAll,
    /// It is left out, and said to be (`--skip-failed-instance-config`).
    IsSkipped,
}

/// How the proxy ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// How long everything goes on after the signal.
    pub min_sigterm_delay: Duration,
    /// How long connections then have to end.
    pub max_sigterm_delay: Duration,
    /// Whether SIGTERM ends with status 0.
    pub exit_zero_sigterm: bool,
    /// Whether readiness turns 503 at the signal already (`--fail-readiness-on-term`).
    pub fail_readiness_on_term: bool,
}

/// What is written, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    /// One JSON object a line.
    pub structured: bool,
    /// Errors alone.
    pub quiet: bool,
    /// What the connector does, too.
    pub debug: bool,
}

/// What is sent to whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// The project whose Cloud Monitoring and Cloud Trace take metrics and spans.
    pub project: Option<String>,
    /// What stands before the names of its metrics.
    pub prefix: String,
    /// One trace in so many is sent; 0 and 1 are all, a negative number is none.
    pub sample_rate: i64,
    /// No metrics to the project.
    pub disable_metrics: bool,
    /// No spans to the project.
    pub disable_traces: bool,
    /// No system metrics of the connector to the instance's own project.
    pub disable_built_in: bool,
    /// Where OpenTelemetry goes over HTTP (`--otlp-endpoint`), such as `http://collector:4318`.
    pub otlp_endpoint: Option<String>,
}
