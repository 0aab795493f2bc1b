//! As whom the gateway speaks to Google Cloud.

use std::io;
use std::path::PathBuf;

use alloydb_connector::{Credentials, Dialer};
use thiserror::Error;

use crate::config::Google;

/// What the connector sends beside its own name.
const USER_AGENT: &str = concat!("querycop/", env!("CARGO_PKG_VERSION"));

/// The settings for Google Cloud can't be used.
#[derive(Debug, Error)]
pub enum GoogleError {
    /// The authorities of the admin API can't be read.
    #[error("{}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// The connector can't be built.
    #[error("connector")]
    Connector(#[source] alloydb_connector::Error),
}

/// A connector that acts as `google` says. Must be called within a runtime that lives as long as the
/// connector: certificates and tokens are renewed on it.
pub async fn dialer(google: &Google) -> Result<Dialer, GoogleError> {
    let mut credentials = match &google.credentials_file {
        Some(path) => Credentials::file(path),
        None => Credentials::application_default(),
    };
    if let Some((target, delegates)) = google.impersonate.split_first() {
        credentials = credentials.impersonate(target, delegates.iter().rev().cloned());
    }
    let mut builder = Dialer::builder()
        .credentials(credentials)
        .user_agent(USER_AGENT);
    if let Some(project) = &google.quota_project {
        builder = builder.quota_project(project);
    }
    if let Some(endpoint) = &google.admin_endpoint {
        builder = builder.admin_endpoint(endpoint);
    }
    if let Some(path) = &google.admin_ca_file {
        let pem = tokio::fs::read_to_string(path)
            .await
            .map_err(|cause| GoogleError::Read {
                path: path.clone(),
                cause,
            })?;
        builder = builder.root_certificates(pem);
    }
    builder.build().await.map_err(GoogleError::Connector)
}
