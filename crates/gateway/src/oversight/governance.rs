//! What all sessions are under: the reader of SQL, the policy in force, the audit store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use querycop_audit::{
    Event, Health, KeyError, OpenError, Record, Recovery, SigningKey, Store, StoreConfig,
};
use querycop_policy::{Mistakes, Policy};
use querycop_sql::{Analyzer, AnalyzerConfig};
use thiserror::Error;
use tracing::{info, warn};

use super::collector::AuditCollector;
use super::sinks::{Sinks, SinksError};
use super::text::Recorded;
use super::throttle::Throttle;
use crate::config;

/// Time that a cancelled statement has to end before its session is ended.
pub(super) const CANCEL_GRACE: Duration = Duration::from_secs(10);

/// What all sessions are under.
pub(crate) struct Governance {
    settings: config::Governance,
    analyzer: Arc<Analyzer>,
    policy: Arc<ArcSwapOption<Policy>>,
    audit: Option<Arc<Store>>,
    sinks: Arc<Sinks>,
    throttle: Arc<Throttle>,
}

/// Policy or audit can't be used.
#[derive(Debug, Error)]
pub enum GovernanceError {
    /// The policy file can't be read.
    #[error("policy file {} can't be read", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The policy file has mistakes.
    #[error("policy file {} has mistakes:\n{mistakes}", path.display())]
    Policy {
        /// Which one.
        path: PathBuf,
        /// All of them.
        mistakes: Mistakes,
    },
    /// The key that signs checkpoints can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The audit store can't be opened.
    #[error(transparent)]
    Audit(#[from] OpenError),
    /// A sink of audit records can't be fed.
    #[error(transparent)]
    Sinks(#[from] SinksError),
    /// The threads that read SQL can't be started.
    #[error("starting threads that read SQL")]
    Threads(#[source] io::Error),
}

impl Governance {
    /// Reads the policy and opens the audit store.
    pub(crate) fn load(settings: config::Governance) -> Result<Self, GovernanceError> {
        let analyzer =
            Analyzer::new(AnalyzerConfig::default()).map_err(GovernanceError::Threads)?;
        let policy = settings.policy_file.as_deref().map(read).transpose()?;
        let audit = settings.audit.as_ref().map(open).transpose()?;
        let sinks = match (&audit, &settings.audit) {
            (Some(store), Some(settings)) => Sinks::start(store, settings)?,
            _ => Sinks::default(),
        };
        let governance = Self {
            settings,
            analyzer: Arc::new(analyzer),
            policy: Arc::new(ArcSwapOption::from_pointee(None)),
            audit,
            sinks: Arc::new(sinks),
            throttle: Arc::default(),
        };
        if let Some(policy) = policy {
            governance.put_in_force(policy);
        }
        Ok(governance)
    }

    /// Whether statements have to be looked at.
    pub(crate) fn sees_statements(&self) -> bool {
        self.settings.policy_file.is_some() || self.audit.is_some()
    }

    /// Reads the policy file again. One that can't be used leaves the old policy in force.
    pub(crate) fn reload(&self) -> Result<(), GovernanceError> {
        let Some(path) = &self.settings.policy_file else {
            return Ok(());
        };
        match read(path) {
            Ok(policy) => {
                self.put_in_force(policy);
                Ok(())
            }
            Err(error) => {
                self.record_policy("", "refused: the file can't be used");
                Err(error)
            }
        }
    }

    /// The files whose change is watched for.
    pub(crate) fn files(settings: &config::Governance) -> impl Iterator<Item = &Path> {
        settings.policy_file.iter().map(PathBuf::as_path)
    }

    pub(crate) fn audit(&self) -> Option<&Arc<Store>> {
        self.audit.as_ref()
    }

    /// Whether the audit store can record, or there is none. Asking is also trying: a disk with room
    /// again is noticed without a statement.
    pub(crate) fn can_record(&self) -> bool {
        let Some(store) = &self.audit else {
            return true;
        };
        let bytes = Record::room(None, None, None);
        store.health() == Health::Good || store.reserve(bytes).is_ok()
    }

    pub(crate) fn collector(&self) -> Option<AuditCollector> {
        let store = self.audit.clone()?;
        let sinks = Arc::clone(&self.sinks);
        Some(AuditCollector { store, sinks })
    }

    pub(super) fn analyzer(&self) -> &Arc<Analyzer> {
        &self.analyzer
    }

    pub(super) fn policy(&self) -> Arc<ArcSwapOption<Policy>> {
        Arc::clone(&self.policy)
    }

    pub(super) fn throttle(&self) -> &Arc<Throttle> {
        &self.throttle
    }

    /// What is recorded of a text.
    pub(super) fn recorded(&self) -> Recorded {
        match &self.settings.audit {
            None => Recorded::No,
            Some(audit) => match audit.text {
                config::AuditText::Redacted => Recorded::Redacted,
                config::AuditText::Raw => Recorded::Raw,
            },
        }
    }

    fn put_in_force(&self, policy: Policy) {
        let hash = policy.hash().to_string();
        self.policy.store(Some(Arc::new(policy)));
        info!(policy.hash = %hash, "policy in force");
        self.record_policy(&hash, "loaded");
    }

    fn record_policy(&self, hash: &str, outcome: &str) {
        let Some(store) = &self.audit else { return };
        let record = Record {
            time: Timestamp::now(),
            session: None,
            number: 0,
            event: Event::PolicyLoaded { hash, outcome },
        };
        let appended = store
            .reserve(Record::room(None, None, None))
            .map(|room| store.append(room, &record));
        if !matches!(appended, Ok(Ok(_))) {
            warn!("the change of the policy is not in the audit log");
        }
    }
}

impl fmt::Debug for Governance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Governance")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Drop for Governance {
    fn drop(&mut self) {
        if let Some(store) = &self.audit {
            store.close();
            self.sinks.stop();
        }
    }
}

fn read(path: impl AsRef<Path>) -> Result<Policy, GovernanceError> {
    let path = path.as_ref();
    let text = querycop_serve::read_text_file(path).map_err(|source| GovernanceError::Read {
        path: path.to_owned(),
        source,
    })?;
    Policy::read(&text).map_err(|mistakes| GovernanceError::Policy {
        path: path.to_owned(),
        mistakes,
    })
}

fn open(settings: &config::Audit) -> Result<Arc<Store>, GovernanceError> {
    let signing_key = settings
        .signing_key
        .as_deref()
        .map(SigningKey::read)
        .transpose()?;
    let (store, recovery) = Store::open(StoreConfig {
        durability: settings.durability,
        segment_bytes: settings.segment_bytes,
        segment_age: settings.segment_age,
        signing_key,
        checkpoint_interval: settings.checkpoint_interval,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..StoreConfig::new(&settings.directory)
    })?;
    report(&recovery);
    Ok(store)
}

fn report(recovery: &Recovery) {
    for cut in &recovery.cuts {
        warn!(
            segment = %cut.segment,
            bytes = cut.bytes,
            hash = cut.hash,
            "half a record was cut from the end of the audit log: the gateway had not ended in order"
        );
    }
    if let Some(damage) = &recovery.damage {
        warn!(
            segment = %damage.segment,
            line = damage.line,
            "audit log is damaged: {}; a new segment begins, and `querycop audit verify` says more",
            damage.what
        );
    }
    info!(next = recovery.next, "audit store opened");
}
