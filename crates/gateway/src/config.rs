//! What a gateway is told to do: complete, typed, checked.
//!
//! The texts these values are read from (environment, file, flags) are `querycop`'s business; here a
//! combination that can't be served does not exist, or is refused where the value is made.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use alloydb_connector::{IamLogin, InstanceUri, IpType};
pub use querycop_audit::{Durability, OtlpConfig};
use querycop_serve::Endpoint;
use rustls_pki_types::ServerName;
use secrecy::SecretString;

/// Everything a [`Gateway`](crate::Gateway) needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients connect.
    pub listen: Endpoint,
    /// TLS on the client leg; `None` answers a client's request for TLS with "no".
    pub client_tls: Option<ClientTls>,
    /// The database behind the gateway.
    pub backend: Backend,
    /// What to do with a SCRAM login when both legs are TLS.
    pub scram_over_tls: ScramOverTls,
    /// How much the gateway takes on.
    pub limits: Limits,
    /// What statements are under.
    pub governance: Governance,
}

/// What statements are under.
#[derive(Clone, Debug, Default)]
pub struct Governance {
    /// Decides what may run; `None` lets everything run.
    pub policy_file: Option<PathBuf>,
    /// Where it is recorded; `None` records nothing.
    pub audit: Option<Audit>,
    /// Whose catalogs the policy knows, and how they are read; `None` knows none.
    pub catalog: Option<CatalogSource>,
}

/// Which databases' catalogs are read, and as whom.
#[derive(Clone, Debug)]
pub struct CatalogSource {
    /// The databases.
    pub databases: Vec<String>,
    /// The role that reads them; it needs no privilege beyond CONNECT.
    pub user: String,
    /// Its password, where the gateway has no token for it.
    pub password: Option<SecretString>,
    /// Time between two readings.
    pub refresh: Duration,
}

/// Where and how statements are recorded.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The directory of the log.
    pub directory: PathBuf,
    /// When a record counts as kept.
    pub durability: Durability,
    /// Bytes of a segment before the next one begins.
    pub segment_bytes: u64,
    /// Age of a segment before the next one begins.
    pub segment_age: Duration,
    /// The Ed25519 key (PKCS#8, PEM) that signs checkpoints; `None` signs none.
    pub signing_key: Option<PathBuf>,
    /// Time between two checkpoints.
    pub checkpoint_interval: Duration,
    /// What is kept of a statement's text.
    pub text: AuditText,
    /// Whether records also go to standard output.
    pub stdout: bool,
    /// The collector of OpenTelemetry that records also go to.
    pub otlp: Option<OtlpConfig>,
}

/// What is kept of a statement's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditText {
    /// The text without its literals.
    Redacted,
    /// That, and the text as it was sent, but for one with a password in it.
    Raw,
}

/// TLS on the client leg.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// Whether a client may stay without it.
    pub required: Requirement,
    /// The gateway's certificate and key.
    pub identity: IdentityFiles,
    /// Authorities whose certificates a client must present; `None` asks for none.
    pub client_ca: Option<PathBuf>,
}

/// Whether something may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The client decides.
    Optional,
    /// Clients without it are refused.
    Required,
}

/// A certificate chain and its private key, in PEM files.
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The database behind the gateway.
#[derive(Clone, Debug)]
pub struct Backend {
    /// The way to it.
    pub route: Route,
    /// What the operator says it is; changes nothing.
    pub role: Option<BackendRole>,
    /// Where the token comes from that takes the place of the client's password.
    pub token: Option<TokenSource>,
    /// As whom the gateway speaks to Google Cloud; of no use where neither route nor token do.
    pub google: Google,
    /// Time for name lookup, dial, TLS and, with an instance, the metadata exchange together.
    pub connect_timeout: Duration,
}

/// The way to the database.
#[derive(Clone, Debug)]
pub enum Route {
    /// To an address, with TLS in libpq's modes.
    Direct(Direct),
    /// To an AlloyDB instance, through the connector.
    Instance(Instance),
}

/// A database that is reached by its address.
#[derive(Clone, Debug)]
pub struct Direct {
    /// Where it listens.
    pub address: BackendAddress,
    /// How the leg to it is protected.
    pub tls: BackendTls,
}

/// A database that is reached by its name in AlloyDB.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its name.
    pub uri: InstanceUri,
    /// Which of its addresses is dialled.
    pub ip_type: IpType,
    /// Whether the instance lets the gateway's own principal in without a password.
    pub iam_login: IamLogin,
}

/// As whom the gateway speaks to Google Cloud, and where it finds it.
#[derive(Clone, Debug, Default)]
pub struct Google {
    /// A credentials file; `None` for Application Default Credentials.
    pub credentials_file: Option<PathBuf>,
    /// Service accounts to impersonate: the first is whom the gateway acts as, and each one may
    /// impersonate the one before it.
    pub impersonate: Vec<String>,
    /// The project that pays for calls and whose quota counts.
    pub quota_project: Option<String>,
    /// The admin API in place of Google's, such as an emulator's.
    pub admin_endpoint: Option<String>,
    /// Authorities (PEM) for the admin API's certificate in place of the system's.
    pub admin_ca_file: Option<PathBuf>,
}

/// Where a token comes from.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// A command prints it.
    Command(TokenCommand),
    /// It is Google Cloud's access token of the gateway's own principal.
    Iam,
}

/// Where the database listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendAddress {
    /// Host name or address, and port.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// How the leg to the database is protected.
#[derive(Clone, Debug)]
pub struct BackendTls {
    /// libpq's `sslmode`.
    pub mode: TlsMode,
    /// Whom to believe about the server's certificate; used by the two `verify` modes.
    pub roots: Roots,
    /// Name sent as SNI and checked by `verify-full`; `None` for a Unix socket.
    pub server_name: Option<ServerName<'static>>,
    /// Certificate shown to the server.
    pub identity: Option<IdentityFiles>,
    /// How TLS begins.
    pub negotiation: TlsNegotiation,
}

/// libpq's `sslmode`, without `allow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// No TLS.
    Disable,
    /// TLS if the server has it, else none. Protects from nobody who can touch the wire.
    Prefer,
    /// TLS, whatever certificate the server shows.
    Require,
    /// TLS with a certificate that the roots vouch for, under any name.
    VerifyCa,
    /// TLS with a certificate that the roots vouch for, for the very name.
    VerifyFull,
}

/// Whom to believe about the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The authorities of the operating system.
    System,
    /// A bundle in a PEM file.
    File(PathBuf),
}

/// How TLS to the server begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsNegotiation {
    /// Asked for with an `SSLRequest`.
    Postgres,
    /// At once, with ALPN `postgresql` (PostgreSQL 17 and later).
    Direct,
}

/// What the operator says a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendRole {
    /// Reads and writes.
    Primary,
    /// Reads only.
    Replica,
}

/// A command that prints a token.
#[derive(Clone)]
pub struct TokenCommand {
    /// Run with `sh -c`.
    pub command: String,
    /// The command and its children are killed after this.
    pub timeout: Duration,
    /// How long a token is used again; zero mints one for each connection.
    pub ttl: Duration,
}

/// What to do with a SCRAM login when both legs are TLS and the server binds it to its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramOverTls {
    /// Ask the client for the password over its protected leg and log in with it.
    Terminate,
    /// Refuse the client.
    Fail,
}

/// How much the gateway takes on.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Sessions at a time.
    pub max_sessions: usize,
    /// Sessions at a time of one role; `None` for no limit beside the one above.
    pub max_sessions_per_role: Option<usize>,
    /// Connections at a time that have not yet sent a start-up packet.
    pub max_startups: usize,
    /// Time for a client to send its start-up packet, TLS included.
    pub startup_timeout: Duration,
    /// Time for a login, from the start-up packet to the server's first `ReadyForQuery`.
    pub login_timeout: Duration,
    /// Time that busy sessions have at shutdown.
    pub drain_timeout: Duration,
    /// Threads that run sessions.
    pub worker_threads: usize,
}

// === impl Backend ===

impl Backend {
    /// Whether the server's certificate is not checked while a token is sent to it.
    pub fn trusts_anybody_with_token(&self) -> bool {
        match &self.route {
            Route::Direct(direct) => self.token.is_some() && direct.tls.mode == TlsMode::Require,
            Route::Instance(_) => false,
        }
    }

    /// Whether the gateway logs in with something of its own in the place of a client's password.
    pub fn logs_in_by_itself(&self) -> bool {
        let automatic = match &self.route {
            Route::Direct(_) => false,
            Route::Instance(instance) => instance.iam_login == IamLogin::On,
        };
        automatic || self.token.is_some()
    }
}

// === impl Route ===

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(direct) => direct.address.fmt(f),
            Self::Instance(instance) => instance.uri.fmt(f),
        }
    }
}

// === impl BackendAddress ===

impl BackendAddress {
    /// The Unix socket of the server on `port` in `directory`, as libpq names it.
    pub fn unix(directory: &Path, port: u16) -> Self {
        Self::Unix(directory.join(format!(".s.PGSQL.{port}")))
    }
}

impl fmt::Display for BackendAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

// === impl TlsMode ===

impl TlsMode {
    /// The setting's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    /// Whether the leg is never in clear.
    pub fn always_encrypts(self) -> bool {
        match self {
            Self::Disable | Self::Prefer => false,
            Self::Require | Self::VerifyCa | Self::VerifyFull => true,
        }
    }

    /// Whether the server's certificate is checked.
    pub fn verifies(self) -> bool {
        match self {
            Self::Disable | Self::Prefer | Self::Require => false,
            Self::VerifyCa | Self::VerifyFull => true,
        }
    }
}

// === impl BackendRole ===

impl BackendRole {
    /// The setting's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        }
    }
}

// === impl TokenCommand ===

impl fmt::Debug for TokenCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A command line can carry a secret in clear.
        f.debug_struct("TokenCommand")
            .field("timeout", &self.timeout)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}
