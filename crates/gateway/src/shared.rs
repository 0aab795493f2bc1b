//! What all sessions share.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;

use crate::backend::Backend;
use crate::config::Config;
use crate::dropped_log::DroppedLog;
use crate::metrics::Metrics;
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
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) dropped_log: DroppedLog,
    acceptor: ArcSwapOption<Acceptor>,
}

impl Shared {
    /// Reads the certificate files. Must be called within a runtime: token commands run on it.
    pub(crate) fn load(config: Config, metrics: Arc<Metrics>) -> Result<Self, MaterialError> {
        let acceptor = load_acceptor(&config)?;
        let backend = Backend::load(config.backend.clone())?;
        let command = config.backend.token.clone();
        let tokens =
            command.map(|command| Tokens::new(command, Arc::clone(&metrics), Handle::current()));
        let registry = Registry::new(&config.limits, Arc::clone(&metrics));
        Ok(Self {
            config,
            backend,
            tokens,
            registry,
            metrics,
            dropped_log: DroppedLog::default(),
            acceptor: ArcSwapOption::from(acceptor),
        })
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
