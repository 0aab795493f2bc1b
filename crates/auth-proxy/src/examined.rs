//! An instance for whoever examines the way to it.

use std::sync::Arc;

use alloydb_connector::{Dialer, InstanceUri};
use opentelemetry::metrics::Meter;
use thiserror::Error;

use crate::dialers::Dialers;
use crate::dns::{self, LookupError, SystemResolver};
use crate::instance::label;
use crate::{Instance, InstanceName, Settings};

/// An instance, and the connector that the proxy would reach it with.
#[derive(Debug)]
pub struct Examined {
    /// How the log calls the instance.
    pub label: String,
    /// Which one its name stands for.
    pub uri: InstanceUri,
    /// With the credentials, endpoint and way of refreshing that the settings name.
    pub dialer: Dialer,
}

/// There is nothing to examine.
#[derive(Debug, Error)]
pub enum ExamineError {
    /// The DNS name leads nowhere.
    #[error("{0}")]
    Name(String),
    /// The credentials can't be used.
    #[error(transparent)]
    Credentials(#[from] alloydb_connector::Error),
}

impl Examined {
    /// Looks the instance's name up and reads its credentials. Must be called within a runtime that
    /// lives as long as the dialer.
    pub async fn of(settings: &Settings, instance: &Instance) -> Result<Self, ExamineError> {
        let uri = match &instance.name {
            InstanceName::Uri(uri) => uri.clone(),
            InstanceName::Dns(name) => {
                let resolver: Arc<dyn dns::Resolve> = Arc::new(SystemResolver::default());
                let found = dns::look_up(&resolver, name).await;
                found.map_err(|error: LookupError| ExamineError::Name(crate::log::chain(&error)))?
            }
        };
        let dialers = Dialers::new(settings, nowhere());
        let identity = instance.identity.as_ref().unwrap_or(&settings.identity);
        let dialer = dialers.of(identity).await?;
        let label = label(&instance.name);
        Ok(Self { label, uri, dialer })
    }
}

/// A meter that counts nothing.
fn nowhere() -> Meter {
    opentelemetry::global::meter("")
}
