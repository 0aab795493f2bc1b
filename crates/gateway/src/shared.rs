//! What all sessions share.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::backend::{Backend, LoadError};
use crate::catalogs::Catalogs;
use crate::config::Config;
use crate::dropped_log::DroppedLog;
use crate::login::Credentials;
use crate::metrics::Metrics;
use crate::oversight::Governance;
use crate::readiness::Preparation;
use crate::registry::Registry;
use crate::tls::{Acceptor, MaterialError};
use crate::token::Tokens;

/// The settings, what was made from them, and what is counted.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) backend: Backend,
    pub(crate) tokens: Option<Arc<Tokens>>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) preparation: Preparation,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) dropped_log: DroppedLog,
    pub(crate) governance: Governance,
    pub(crate) catalogs: Catalogs,
    acceptor: ArcSwapOption<Acceptor>,
}

impl Shared {
    /// Reads the files that the settings name. Must be called within a runtime that lives as long as
    /// the gateway: token commands run on it, and an instance's certificates are renewed on it.
    pub(crate) async fn load(config: Config, metrics: Arc<Metrics>) -> Result<Self, LoadError> {
        let acceptor = load_acceptor(&config)?;
        let backend = Backend::load(config.backend.clone()).await?;
        let tokens = Tokens::load(&config.backend, &metrics).await?;
        let governance = Governance::load(config.governance.clone())?;
        let catalogs = Catalogs::new(config.governance.catalog.as_ref());
        let registry = Registry::new(&config.limits, Arc::clone(&metrics));
        let preparation = Preparation::of(&backend, tokens.as_deref());
        Ok(Self {
            config,
            backend,
            tokens,
            registry,
            preparation,
            metrics,
            dropped_log: DroppedLog::default(),
            governance,
            catalogs,
            acceptor: ArcSwapOption::from(acceptor),
        })
    }

    /// What a challenge of the server is answered with.
    pub(crate) fn credentials(&self) -> Credentials {
        match &self.tokens {
            Some(tokens) => Credentials::Minted(Arc::clone(tokens)),
            // A server that was to let the gateway's principal in and asks for a password all the
            // same is not to have one from a client: it may not be what it seems.
            None if self.backend.logs_in_automatically() => Credentials::Unknown,
            None => Credentials::Relayed,
        }
    }

    /// TLS for the client leg, as of the last good files.
    pub(crate) fn acceptor(&self) -> Option<Arc<Acceptor>> {
        self.acceptor.load_full()
    }

    pub(crate) fn reload_client_tls(&self) -> Result<(), MaterialError> {
        self.acceptor.store(load_acceptor(&self.config)?);
        Ok(())
    }
}

fn load_acceptor(config: &Config) -> Result<Option<Arc<Acceptor>>, MaterialError> {
    config
        .client_tls
        .as_ref()
        .map(|tls| Acceptor::load(tls).map(Arc::new))
        .transpose()
}
