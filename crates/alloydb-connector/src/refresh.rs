//! Certificates and addresses: fetched, kept, renewed.

mod entry;
mod fetcher;
mod instances;
mod limiter;
mod schedule;
mod static_file;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ClientConfig;

pub(crate) use entry::{Entry, Pace};
pub(crate) use fetcher::Fetcher;
pub(crate) use instances::Instances;
pub(crate) use static_file::StaticFile;

use crate::{Addresses, BoxFuture, InstanceUri, RefreshError};

/// All that a dial needs, as one refresh brought it.
#[derive(Debug)]
pub(crate) struct Material {
    pub(crate) addresses: Addresses,
    pub(crate) tls: Arc<ClientConfig>,
    /// The client certificate's end.
    pub(crate) expires_at: SystemTime,
    pub(crate) refreshed_at: SystemTime,
    /// How long the certificate was valid when it came.
    pub(crate) life: Duration,
}

impl Material {
    pub(crate) fn is_valid(&self, now: SystemTime) -> bool {
        now < self.expires_at
    }
}

/// Brings new material.
pub(crate) trait Fetch: Send + Sync + 'static {
    /// One refresh, with its retries.
    fn fetch<'a>(
        &'a self,
        instance: &'a InstanceUri,
    ) -> BoxFuture<'a, Result<Material, RefreshError>>;
}
