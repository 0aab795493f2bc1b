//! Whether a client that came now could be served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thiserror::Error;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::backend::Backend;
use crate::shared::Shared;
use crate::stop::chain;
use crate::token::Tokens;

/// Time before the second attempt to get ready; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest time between two attempts: about what the connector waits between two refreshes.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Says whether a client that came now could be served.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Shared>);

/// Why a client that came now could not be served, or not at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotReady {
    /// The gateway takes no new clients any more.
    #[error("shutting down")]
    ShuttingDown,
    /// Certificate, addresses or token have not come yet.
    #[error("waiting for Google Cloud: the log says for what")]
    Preparing,
    /// The instance's certificate has expired, and no new one has come.
    #[error(
        "the client certificate for the instance has expired: the log says why there is no new one"
    )]
    CertificateExpired,
    /// The audit log can't be written, so statements are refused.
    #[error("the audit log can't be written: statements are refused")]
    NoAudit,
}

/// Whether everything is there that the first client needs.
#[derive(Debug)]
pub(crate) struct Preparation(AtomicBool);

impl Preparation {
    /// Without Google Cloud there is nothing to wait for.
    pub(crate) fn of(backend: &Backend, tokens: Option<&Tokens>) -> Self {
        let waits = backend.instance().is_some() || matches!(tokens, Some(Tokens::Iam { .. }));
        Self(AtomicBool::new(!waits))
    }
}

impl Readiness {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// `Err`: why not.
    pub fn check(&self) -> Result<(), NotReady> {
        let Self(shared) = self;
        if shared.registry.is_draining() {
            return Err(NotReady::ShuttingDown);
        }
        if !shared.preparation.0.load(Ordering::Acquire) {
            return Err(NotReady::Preparing);
        }
        if !shared.governance.can_record() {
            return Err(NotReady::NoAudit);
        }
        match shared.backend.instance() {
            Some(instance) if !instance.has_certificate() => Err(NotReady::CertificateExpired),
            Some(_) | None => Ok(()),
        }
    }
}

/// Fetches what the first client would have to wait for, again and again until it is there.
pub(crate) async fn prepare(shared: Arc<Shared>) {
    let mut wait = FIRST_WAIT;
    while let Err(error) = attempt(&shared.backend, shared.tokens.as_deref()).await {
        warn!(
            error = chain(&error),
            again_in = ?wait,
            "not ready for clients: Google Cloud does not give what is needed"
        );
        sleep(wait).await;
        wait = LONGEST_WAIT.min(wait * 2);
    }
    shared.preparation.0.store(true, Ordering::Release);
}

async fn attempt(
    backend: &Backend,
    tokens: Option<&Tokens>,
) -> Result<(), alloydb_connector::Error> {
    if let Some(Tokens::Iam { dialer, .. }) = tokens {
        dialer.login_token().await?;
        info!("access token is here");
    }
    if let Some(instance) = backend.instance() {
        let status = instance.prepare().await?;
        let expires_at = status
            .certificate_expires_at()
            .and_then(|time| jiff::Timestamp::try_from(time).ok());
        info!(
            address = status.addresses().of(instance.settings().ip_type),
            certificate.expires_at = expires_at.map(tracing::field::display),
            "instance is known"
        );
    }
    Ok(())
}
