//! The server behind the gateway, whichever way leads to it.

use std::time::Duration;

use alloydb_connector::Dialer;
use thiserror::Error;

use crate::config::{self, Google, Route, TlsMode};
use crate::direct::{DialError, Direct};
use crate::google::{self, GoogleError};
use crate::instance::{Instance, InstanceError};
use crate::leg::Leg;
use crate::oversight::GovernanceError;
use crate::tls::{BackendTlsError, MaterialError};

/// The server behind the gateway, ready to be connected to.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) settings: config::Backend,
    way: Way,
}

/// The way to it.
#[derive(Debug)]
enum Way {
    Direct(Direct),
    Instance(Instance),
}

/// What the settings name can't be used.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A certificate file.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// The credentials for Google Cloud.
    #[error(transparent)]
    Google(#[from] GoogleError),
    /// The policy or the audit store.
    #[error(transparent)]
    Governance(#[from] GovernanceError),
}

/// The server can't be connected to.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    /// It can't be reached.
    #[error("backend dial failed: {0}")]
    Dial(#[from] DialError),
    /// It was reached, but TLS with it came to nothing.
    #[error("backend TLS negotiation failed: {0}")]
    Tls(#[from] BackendTlsError),
    /// The connector did not get through to the instance.
    #[error(transparent)]
    Instance(#[from] InstanceError),
}

/// Whether TLS is tried in mode `prefer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// As the mode says.
    First,
    /// In clear: mode `prefer` has failed with TLS.
    InClear,
}

impl Backend {
    /// Reads the files that `settings` name. Must be called within a runtime that lives as long as
    /// the backend: an instance's certificates are renewed on it.
    pub(crate) async fn load(settings: config::Backend) -> Result<Self, LoadError> {
        let timeout = settings.connect_timeout;
        let way = match &settings.route {
            Route::Direct(direct) => Way::Direct(Direct::load(direct.clone(), timeout)?),
            Route::Instance(instance) => {
                let dialer = google::dialer(&settings.google).await?;
                Way::Instance(Instance::new(instance.clone(), dialer, timeout))
            }
        };
        Ok(Self { settings, way })
    }

    /// The way to an instance through a connector that is there already.
    pub(crate) fn through(dialer: Dialer, instance: config::Instance, timeout: Duration) -> Self {
        let way = Way::Instance(Instance::new(instance.clone(), dialer, timeout));
        let settings = config::Backend {
            route: Route::Instance(instance),
            role: None,
            token: None,
            google: Google::default(),
            connect_timeout: timeout,
        };
        Self { settings, way }
    }

    /// Reads the files again. The old material stays in place if that fails.
    pub(crate) fn reload(&self) -> Result<(), MaterialError> {
        match &self.way {
            Way::Direct(direct) => direct.reload(),
            // The connector renews its certificates by itself.
            Way::Instance(_) => Ok(()),
        }
    }

    /// Connects as the settings ask, within the configured time.
    ///
    /// Cancel safe: dropping the call closes the connection.
    pub(crate) async fn connect(&self, attempt: Attempt) -> Result<Leg, ConnectError> {
        match &self.way {
            Way::Direct(direct) => direct.connect(attempt).await,
            Way::Instance(instance) => Ok(instance.connect().await?),
        }
    }

    /// The way to a server that is reached by its address.
    pub(crate) fn direct(&self) -> Option<&Direct> {
        match &self.way {
            Way::Direct(direct) => Some(direct),
            Way::Instance(_) => None,
        }
    }

    /// The way to an AlloyDB instance.
    pub(crate) fn instance(&self) -> Option<&Instance> {
        match &self.way {
            Way::Direct(_) => None,
            Way::Instance(instance) => Some(instance),
        }
    }

    /// Whether a connection under TLS may be given up for one in clear.
    pub(crate) fn prefers_tls(&self) -> bool {
        self.direct()
            .is_some_and(|direct| direct.settings().tls.mode == TlsMode::Prefer)
    }

    /// Whether the server lets the gateway's own principal in without a password.
    pub(crate) fn logs_in_automatically(&self) -> bool {
        self.instance().is_some_and(Instance::logs_in_automatically)
    }
}
