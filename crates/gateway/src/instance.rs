//! The way to an AlloyDB instance: the connector's, under the gateway's own deadline and words.

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use alloydb_connector::{
    DialFailure, DialOptions, Dialer, Error, ExchangeError, IamLogin, InstanceStatus,
    RefreshFailure,
};
use thiserror::Error as ThisError;
use tokio::time::timeout;

use crate::config;
use crate::leg::Leg;
use crate::stop::chain;

/// An instance, ready to be connected to.
#[derive(Debug)]
pub(crate) struct Instance {
    settings: config::Instance,
    dialer: Dialer,
    options: DialOptions,
    connect_timeout: Duration,
}

/// The instance can't be connected to.
#[derive(Debug, ThisError)]
pub(crate) enum InstanceError {
    /// It can't be reached, or Google Cloud does not say where it is.
    #[error("backend dial failed: {}", chain(.0))]
    Dial(#[source] Error),
    /// It was reached, but TLS with it came to nothing.
    #[error("backend TLS negotiation failed: {}", chain(.0))]
    Tls(#[source] Error),
    /// It has TLS, but does not let the gateway's principal in.
    #[error("backend metadata exchange failed: {}", chain(.0))]
    Exchange(#[source] Error),
    /// It took too long.
    #[error("backend dial failed: i/o timeout after {after:?}{}", because(.last_failure.as_ref()))]
    Timeout {
        /// The time it had.
        after: Duration,
        /// Why the last attempt to get a certificate came to nothing.
        last_failure: Option<String>,
    },
}

fn because(last_failure: Option<&String>) -> String {
    last_failure.map_or_else(String::new, |cause| format!("; last: {cause}"))
}

impl Instance {
    pub(crate) fn new(
        settings: config::Instance,
        dialer: Dialer,
        connect_timeout: Duration,
    ) -> Self {
        let options = DialOptions::new()
            .ip_type(settings.ip_type)
            .iam_login(settings.iam_login);
        Self {
            settings,
            dialer,
            options,
            connect_timeout,
        }
    }

    pub(crate) fn settings(&self) -> &config::Instance {
        &self.settings
    }

    pub(crate) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    pub(crate) fn logs_in_automatically(&self) -> bool {
        self.settings.iam_login == IamLogin::On
    }

    /// Fetches certificate and addresses, so that the first client need not wait for them.
    pub(crate) async fn prepare(&self) -> Result<InstanceStatus, Error> {
        self.dialer.prepare(&self.settings.uri).await
    }

    /// What is known of the instance without asking anybody.
    pub(crate) fn status(&self) -> Option<InstanceStatus> {
        self.dialer.status(&self.settings.uri)
    }

    /// Whether there is a certificate that the instance would still take.
    pub(crate) fn has_certificate(&self) -> bool {
        self.status()
            .and_then(|status| status.certificate_expires_at())
            .is_some_and(|expires_at| expires_at > SystemTime::now())
    }

    /// Dials, with TLS and the metadata exchange, within the configured time.
    ///
    /// Cancel safe: dropping the call closes the connection.
    pub(crate) async fn connect(&self) -> Result<Leg, InstanceError> {
        let dial = self.dialer.dial(&self.settings.uri, &self.options);
        match timeout(self.connect_timeout, dial).await {
            Ok(Ok(stream)) => Ok(Leg::Instance(Box::new(stream))),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(InstanceError::Timeout {
                after: self.connect_timeout,
                last_failure: self
                    .status()
                    .and_then(|status| status.last_failure().map(str::to_owned)),
            }),
        }
    }
}

impl From<Error> for InstanceError {
    fn from(error: Error) -> Self {
        let failure = match &error {
            Error::Dial(dial) => dial.failure(),
            _ => return Self::Dial(error),
        };
        match failure {
            DialFailure::MetadataExchange(_) => Self::Exchange(error),
            DialFailure::Tls | DialFailure::WrongName => Self::Tls(error),
            _ => Self::Dial(error),
        }
    }
}

impl InstanceError {
    fn cause(&self) -> Option<&Error> {
        self.source()?.downcast_ref()
    }

    /// The label in metrics.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Dial(_) => "backend_dial",
            Self::Tls(_) => "backend_tls",
            Self::Exchange(_) => "backend_exchange",
            Self::Timeout { .. } => "backend_dial",
        }
    }

    /// Whether somebody said no to the gateway's principal, where others find nothing at all.
    pub(crate) fn is_denial(&self) -> bool {
        match self.cause() {
            Some(Error::Refresh(refresh)) => match refresh.failure() {
                RefreshFailure::Status { code, .. } => matches!(code, 401 | 403),
                RefreshFailure::Token => true,
                _ => false,
            },
            Some(Error::Dial(dial)) => match dial.failure() {
                DialFailure::Token => true,
                DialFailure::MetadataExchange(exchange) => {
                    matches!(exchange, ExchangeError::Refused { .. })
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// What a client may read: who said no, and not what lies behind it on the gateway's machine.
    pub(crate) fn client_message(&self) -> String {
        match self {
            Self::Dial(error) => format!("backend dial failed: {error}"),
            Self::Tls(error) => format!("backend TLS negotiation failed: {error}"),
            Self::Exchange(error) => format!("backend metadata exchange failed: {error}"),
            Self::Timeout { after, .. } => {
                format!("backend dial failed: i/o timeout after {after:?}")
            }
        }
    }

    /// What to do about it, for who runs the gateway.
    pub(crate) fn hint(&self) -> &'static str {
        match self.remedy() {
            Remedy::Addresses => {
                "Check GATEKEEPER_BACKEND_IP_TYPE, and which addresses the instance has."
            }
            Remedy::Name => {
                "Check GATEKEEPER_BACKEND_INSTANCE: project, region, cluster and instance."
            }
            Remedy::Roles => {
                "Give the gateway's principal roles/alloydb.client and \
                 roles/serviceusage.serviceUsageConsumer."
            }
            Remedy::Credentials => {
                "Check the gateway's credentials for Google Cloud; \"querycop doctor\" shows them."
            }
            Remedy::Login => {
                "The gateway's principal needs roles/alloydb.client, for IAM login also \
                 roles/alloydb.databaseUser, and the instance alloydb.iam_authentication=on."
            }
            Remedy::Network => {
                "The gateway can't reach port 5433 of the instance: check \
                 GATEKEEPER_BACKEND_IP_TYPE, routes and firewalls."
            }
            Remedy::Unknown => "\"querycop doctor\" on the gateway shows which step fails.",
        }
    }

    /// What it takes to repair it.
    pub(crate) fn remedy(&self) -> Remedy {
        match self.cause() {
            Some(Error::Config(_)) => Remedy::Addresses,
            Some(Error::Refresh(refresh)) => match refresh.failure() {
                RefreshFailure::Status { code: 404, .. } => Remedy::Name,
                RefreshFailure::Status {
                    code: 401 | 403, ..
                } => Remedy::Roles,
                RefreshFailure::Token => Remedy::Credentials,
                _ => Remedy::Unknown,
            },
            Some(Error::Dial(dial)) => match dial.failure() {
                DialFailure::MetadataExchange(ExchangeError::Refused { .. }) => Remedy::Login,
                DialFailure::Tcp { .. } | DialFailure::Timeout { .. } => Remedy::Network,
                _ => Remedy::Unknown,
            },
            Some(_) | None => Remedy::Unknown,
        }
    }
}

/// What may have to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The type of address, or the instance's addresses.
    Addresses,
    /// Where the credentials come from.
    Credentials,
    /// The principal's roles, or the instance's flag.
    Login,
    /// The instance's name.
    Name,
    /// Routes and firewalls.
    Network,
    /// The principal's roles.
    Roles,
    /// Nobody knows.
    Unknown,
}
