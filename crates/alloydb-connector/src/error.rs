//! What can go wrong, sorted by who must act.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::credentials::TokenError;
use crate::exchange::ExchangeError;
use crate::{InstanceUri, IpType};

/// Why there is no stream, by who must act. Cheap to clone.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program or its configuration must change.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The admin API or the credentials gave no certificate and addresses.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// The instance was found, but the way to it failed.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The login credentials gave no token, and no instance was being dialled.
    #[error("the login credentials gave no access token")]
    Login(#[source] TokenError),
    /// The dialer was closed, or the runtime that it was built in has ended.
    #[error("the dialer is closed{}", of_instance(.instance.as_ref()))]
    #[non_exhaustive]
    Closed {
        /// What was to be dialled, if it was an instance.
        instance: Option<InstanceUri>,
    },
}

fn of_instance(instance: Option<&InstanceUri>) -> String {
    instance.map_or_else(String::new, |instance| format!(" (instance {instance})"))
}

impl Error {
    /// The instance it is about, if it is about one.
    pub fn instance(&self) -> Option<&InstanceUri> {
        match self {
            Self::Config(error) => error.instance(),
            Self::Refresh(error) => Some(error.instance()),
            Self::Dial(error) => Some(error.instance()),
            Self::Login(_) => None,
            Self::Closed { instance } => instance.as_ref(),
        }
    }

    /// Whether trying again without changing anything is pointless.
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Config(_) | Self::Closed { .. } => true,
            Self::Refresh(error) => error.is_terminal(),
            Self::Dial(_) | Self::Login(_) => false,
        }
    }
}

/// A mistake in the program or its configuration.
#[derive(Clone, Debug)]
pub struct ConfigError {
    instance: Option<InstanceUri>,
    mistake: Arc<Mistake>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}{}",
            self.mistake,
            of_instance(self.instance.as_ref())
        )
    }
}

impl StdError for ConfigError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.mistake.source()
    }
}

impl ConfigError {
    pub(crate) fn new(mistake: Mistake) -> Self {
        Self {
            instance: None,
            mistake: Arc::new(mistake),
        }
    }

    pub(crate) fn of(instance: &InstanceUri, mistake: Mistake) -> Self {
        Self {
            instance: Some(instance.clone()),
            mistake: Arc::new(mistake),
        }
    }

    /// The instance it is about; none for a mistake in the dialer's own options.
    pub fn instance(&self) -> Option<&InstanceUri> {
        self.instance.as_ref()
    }

    /// What is wrong.
    pub fn mistake(&self) -> &Mistake {
        &self.mistake
    }
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Mistake {
    /// The instance has no address of the type that was asked for.
    #[error("the instance has no {ip_type} address; it has {present}")]
    #[non_exhaustive]
    NoSuchAddress {
        /// What was asked for.
        ip_type: IpType,
        /// The types of addresses it has.
        present: String,
    },
    /// A static connection info file doesn't know the instance.
    #[error("the static connection info file {} doesn't have the instance", .path.display())]
    #[non_exhaustive]
    UnknownInstance {
        /// The file.
        path: PathBuf,
    },
    /// A static connection info file can't be read.
    #[error("the static connection info file {} can't be used: {reason}", .path.display())]
    #[non_exhaustive]
    StaticFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The endpoint of the admin API or of IAM credentials isn't a URL of the form
    /// `https://host[:port]`.
    #[error("invalid endpoint {endpoint:?}: {reason}")]
    #[non_exhaustive]
    Endpoint {
        /// As it was given, but without a login.
        endpoint: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The certificates to trust for the admin endpoint can't be read.
    #[error("the root certificates for the admin endpoint can't be used: {reason}")]
    #[non_exhaustive]
    RootCertificates {
        /// What is wrong with them.
        reason: String,
    },
    /// The credentials can't be used.
    #[error("the credentials can't be used")]
    Credentials(#[source] TokenError),
    /// The credentials belong to another universe than the dialer.
    #[error(
        "the credentials are of the universe {credentials:?}, the dialer is of {dialer:?}: \
         set the universe domain of both alike"
    )]
    #[non_exhaustive]
    UniverseDomain {
        /// The universe domain of the credentials.
        credentials: String,
        /// The universe domain of the dialer.
        dialer: String,
    },
    /// The RSA key can't be used.
    #[error("the RSA key can't be used: {reason}")]
    #[non_exhaustive]
    RsaKey {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A proxy's URL can't be used.
    #[error("invalid proxy in {variable}: {reason}")]
    #[non_exhaustive]
    Proxy {
        /// Where it came from: an environment variable's name, or `the builder`.
        variable: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A text that is sent in a header has characters that a header can't have.
    #[error("{option} {value:?} can't be sent in a header")]
    #[non_exhaustive]
    Header {
        /// The builder's option.
        option: &'static str,
        /// As it was given.
        value: String,
    },
    /// Two options of the builder exclude each other.
    #[error("{first} and {second} exclude each other")]
    #[non_exhaustive]
    Conflict {
        /// One of them.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A duration that must be positive is zero.
    #[error("{option} is zero")]
    #[non_exhaustive]
    ZeroDuration {
        /// The builder's option.
        option: &'static str,
    },
    /// The dialer was built outside a tokio runtime.
    #[error("a dialer must be built in a tokio runtime with time and I/O enabled")]
    NoRuntime,
}

/// Certificate and addresses could not be fetched.
#[derive(Clone, Debug, thiserror::Error)]
#[error("refresh of {instance}: {failure}")]
pub struct RefreshError {
    instance: InstanceUri,
    failure: Arc<RefreshFailure>,
    #[source]
    cause: Option<Cause>,
}

/// A cause that can be shared by all who waited.
#[derive(Clone, Debug)]
struct Cause(Arc<dyn StdError + Send + Sync>);

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

impl RefreshError {
    pub(crate) fn new(instance: &InstanceUri, failure: RefreshFailure) -> Self {
        Self {
            instance: instance.clone(),
            failure: Arc::new(failure),
            cause: None,
        }
    }

    pub(crate) fn caused(
        instance: &InstanceUri,
        failure: RefreshFailure,
        cause: impl StdError + Send + Sync + 'static,
    ) -> Self {
        Self {
            cause: Some(Cause(Arc::new(cause))),
            ..Self::new(instance, failure)
        }
    }

    /// The instance.
    pub fn instance(&self) -> &InstanceUri {
        &self.instance
    }

    /// What went wrong.
    pub fn failure(&self) -> &RefreshFailure {
        &self.failure
    }

    /// Whether the same call will fail again: a 400, 403 or 404, or a wrong universe.
    pub fn is_terminal(&self) -> bool {
        match &*self.failure {
            RefreshFailure::Status { code, .. } => matches!(code, 400 | 403 | 404),
            RefreshFailure::UniverseDomain { .. } => true,
            RefreshFailure::Timeout { .. }
            | RefreshFailure::Transport { .. }
            | RefreshFailure::Token
            | RefreshFailure::BadAnswer { .. }
            | RefreshFailure::Expired { .. }
            | RefreshFailure::Panicked
            | RefreshFailure::Key => false,
        }
    }
}

/// What went wrong in a refresh.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshFailure {
    /// The admin API said no.
    #[error("{call} was answered {code} {status}{}: {message}", reason_of(.reason.as_deref()))]
    #[non_exhaustive]
    Status {
        /// The method of the admin API.
        call: &'static str,
        /// The HTTP status.
        code: u16,
        /// Its name in Google's error, such as `PERMISSION_DENIED`.
        status: String,
        /// Google's message.
        message: String,
        /// The machine-readable reason, such as `SERVICE_DISABLED`.
        reason: Option<String>,
    },
    /// It took too long.
    #[error("no answer within {after:?}")]
    #[non_exhaustive]
    Timeout {
        /// How long.
        after: Duration,
    },
    /// The admin API could not be reached.
    #[error("{call} could not be sent")]
    #[non_exhaustive]
    Transport {
        /// The method of the admin API.
        call: &'static str,
    },
    /// The credentials gave no token.
    #[error("the credentials gave no access token")]
    Token,
    /// The answer makes no sense.
    #[error("{call} was answered with {what}")]
    #[non_exhaustive]
    BadAnswer {
        /// The method of the admin API.
        call: &'static str,
        /// What makes no sense.
        what: String,
    },
    /// The certificate that came is expired already.
    #[error("the new certificate expired {ago:?} ago; compare this machine's clock")]
    #[non_exhaustive]
    Expired {
        /// How long ago.
        ago: Duration,
    },
    /// The credentials belong to another universe.
    #[error(
        "the credentials are of the universe {credentials:?}, the dialer is of {dialer:?}: \
         set the universe domain of both alike"
    )]
    #[non_exhaustive]
    UniverseDomain {
        /// The universe domain of the credentials.
        credentials: String,
        /// The universe domain of the dialer.
        dialer: String,
    },
    /// A token source, or what lies below it, panicked.
    #[error("the refresh panicked, which is a defect")]
    Panicked,
    /// No RSA key could be made.
    #[error("no RSA key could be generated")]
    Key,
}

fn reason_of(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(" ({reason})"))
}

/// The instance's addresses are known, but no stream came of them.
#[derive(Clone, Debug)]
pub struct DialError {
    instance: InstanceUri,
    address: Arc<str>,
    failure: Arc<DialFailure>,
    cause: Option<Cause>,
}

impl fmt::Display for DialError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            instance,
            address,
            failure,
            ..
        } = self;
        write!(formatter, "dial of {instance} at {address}: {failure}")
    }
}

impl StdError for DialError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match (&self.cause, &*self.failure) {
            (Some(cause), _) => Some(cause),
            // Its own words are in the failure's already.
            (None, DialFailure::MetadataExchange(error)) => error.source(),
            (None, _) => None,
        }
    }
}

impl DialError {
    pub(crate) fn new(instance: &InstanceUri, address: &str, failure: DialFailure) -> Self {
        Self {
            instance: instance.clone(),
            address: address.into(),
            failure: Arc::new(failure),
            cause: None,
        }
    }

    pub(crate) fn caused(self, cause: impl StdError + Send + Sync + 'static) -> Self {
        Self {
            cause: Some(Cause(Arc::new(cause))),
            ..self
        }
    }

    /// The instance.
    pub fn instance(&self) -> &InstanceUri {
        &self.instance
    }

    /// Host and port that were dialled.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What went wrong.
    pub fn failure(&self) -> &DialFailure {
        &self.failure
    }
}

/// What went wrong in a dial.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialFailure {
    /// The login credentials gave no token.
    #[error("the login credentials gave no access token")]
    Token,
    /// No connection: name lookup, TCP, proxy or dial function.
    #[error("no connection to port 5433")]
    #[non_exhaustive]
    Tcp {
        /// The kind of the underlying error.
        kind: io::ErrorKind,
    },
    /// The server's certificate is for another name or address.
    #[error("the server's certificate isn't for the address that was dialled")]
    WrongName,
    /// The TLS handshake.
    #[error("the TLS 1.3 handshake failed")]
    Tls,
    /// Lookup, connection and handshake took longer than the connect timeout.
    #[error("no TLS connection within {after:?}")]
    #[non_exhaustive]
    Timeout {
        /// The connect timeout.
        after: Duration,
    },
    /// The metadata exchange.
    #[error("{0}")]
    MetadataExchange(ExchangeError),
}
