//! What can be counted: the official connectors' six metrics, through the user's meter.
//!
//! Without the feature `opentelemetry` everything here does nothing.

use std::time::Duration;

use crate::IamLogin;

/// How a dial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DialStatus {
    Success,
    UserError,
    CacheError,
    TcpError,
    TlsError,
    ExchangeError,
}

/// Whether certificate and addresses were there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheUse {
    Hit,
    Miss,
}

/// One dial, when it is over.
#[cfg_attr(
    not(feature = "opentelemetry"),
    expect(dead_code, reason = "nobody counts without the feature")
)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialled {
    pub(crate) login: IamLogin,
    pub(crate) cache: CacheUse,
    pub(crate) status: DialStatus,
    pub(crate) took: Duration,
}

/// How a refresh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefreshStatus {
    Success,
    Failure,
}

#[cfg(feature = "opentelemetry")]
pub(crate) use recorder::{OpenConnection, Telemetry};

#[cfg(not(feature = "opentelemetry"))]
pub(crate) use silent::{OpenConnection, Telemetry};

#[cfg(not(feature = "opentelemetry"))]
mod silent {
    use super::{Dialled, RefreshStatus};
    use crate::{IamLogin, InstanceUri, RefreshStrategy};

    #[derive(Clone, Default)]
    pub(crate) struct Telemetry(());

    #[derive(Debug)]
    pub(crate) struct OpenConnection;

    #[expect(clippy::unused_self, reason = "the same calls as with the feature")]
    impl Telemetry {
        pub(crate) fn dialled(&self, _: &InstanceUri, _: Dialled) {}

        pub(crate) fn refreshed(&self, _: &InstanceUri, _: RefreshStrategy, _: RefreshStatus) {}

        pub(crate) fn open(&self, _: &InstanceUri, _: IamLogin) -> OpenConnection {
            OpenConnection
        }
    }

    #[expect(clippy::unused_self, reason = "the same calls as with the feature")]
    impl OpenConnection {
        pub(crate) fn received(&mut self, _: usize) {}

        pub(crate) fn sent(&mut self, _: usize) {}
    }
}

#[cfg(feature = "opentelemetry")]
mod recorder;
