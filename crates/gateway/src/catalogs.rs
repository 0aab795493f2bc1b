//! Snapshots of databases' catalogs, which make the policy's answers less cautious.
//!
//! Optional: until a snapshot is here, and for databases that the settings don't name, the answers are
//! the cautious ones. A snapshot that can't be renewed stays, and its age shows.

mod reading;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use querycop_policy::Catalog;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::config::CatalogSource;
use crate::login::Credentials;
use crate::own_session::Role;
use crate::shared::Shared;

/// Wait after a failed reading, if the usual interval is longer.
const RETRY: Duration = Duration::from_secs(30);

/// Time for one reading, from dial to goodbye: a catalog of a hundred thousand tables takes seconds.
const READ_LIMIT: Duration = Duration::from_mins(5);

/// The snapshots of all databases that the settings name.
#[derive(Debug, Default)]
pub(crate) struct Catalogs {
    databases: HashMap<Box<str>, Database>,
    again: Notify,
}

/// The snapshot of one database.
#[derive(Debug, Default)]
struct Database {
    snapshot: Snapshot,
    state: Mutex<State>,
}

/// The newest snapshot, if there is one.
pub(crate) type Snapshot = Arc<ArcSwapOption<Catalog>>;

#[derive(Clone, Copy, Debug, Default)]
struct State {
    read_at: Option<Instant>,
    reads: u64,
    failures: u64,
}

impl Catalogs {
    /// Empty snapshots.
    pub(crate) fn new(source: Option<&CatalogSource>) -> Self {
        let databases = source.iter().flat_map(|source| &source.databases);
        Self {
            databases: databases
                .map(|name| (name.as_str().into(), Database::default()))
                .collect(),
            again: Notify::new(),
        }
    }

    /// Where the snapshot of a database comes to be; `None` if nobody reads it.
    pub(crate) fn of(&self, database: &str) -> Option<Snapshot> {
        let database = self.databases.get(database)?;
        Some(Arc::clone(&database.snapshot))
    }

    /// Has all of them read again now.
    pub(crate) fn renew(&self) {
        self.again.notify_one();
    }

    fn is_empty(&self) -> bool {
        self.databases.is_empty()
    }
}

/// Reads the catalogs, and reads them again and again.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let Some(source) = &shared.config.governance.catalog else {
        return;
    };
    loop {
        let mut all_read = true;
        for (name, database) in &shared.catalogs.databases {
            all_read &= renew(&shared, source, name, database).await;
        }
        let pause = if all_read {
            source.refresh
        } else {
            source.refresh.min(RETRY)
        };
        // Woken early by a reload.
        let _ = timeout(pause, shared.catalogs.again.notified()).await;
    }
}

/// Reads one; whether that worked.
async fn renew(shared: &Shared, source: &CatalogSource, name: &str, database: &Database) -> bool {
    let credentials = match (shared.credentials(), &source.password) {
        (Credentials::Relayed, Some(password)) => Credentials::Password(password.clone()),
        (Credentials::Relayed, None) => Credentials::Unknown,
        (credentials, _) => credentials,
    };
    let role = Role {
        user: &source.user,
        database: name,
        application_name: "querycop catalog",
        credentials: &credentials,
        scram_over_tls: shared.config.scram_over_tls,
    };
    let limit = shared.config.limits.login_timeout;
    let reading = reading::read(&shared.backend, &role, limit);
    let outcome = match timeout(READ_LIMIT, reading).await {
        Ok(Ok(catalog)) => Ok(catalog),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("not read within {READ_LIMIT:?}")),
    };
    let mut state = database.state();
    match outcome {
        Ok(catalog) => {
            let is_first = state.read_at.is_none();
            state.reads += 1;
            state.read_at = Some(Instant::now());
            if is_first {
                info!(
                    db.name = name,
                    relations = catalog.relation_count(),
                    "catalog read"
                );
            }
            // Sessions judge anew where the snapshot is another; most are the same as before.
            if database.snapshot.load().as_deref() != Some(&catalog) {
                database.snapshot.store(Some(Arc::new(catalog)));
            }
            true
        }
        Err(error) => {
            state.failures += 1;
            warn!(
                db.name = name,
                db.user = source.user,
                error,
                "catalog can't be read: {}",
                if state.read_at.is_some() {
                    "the last snapshot stays"
                } else {
                    "the policy judges without it, more cautiously"
                }
            );
            false
        }
    }
}

impl Database {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of the snapshots, as metrics.
#[derive(Debug)]
pub struct CatalogCollector(Arc<Shared>);

impl CatalogCollector {
    /// `None` if the settings name no database.
    pub(crate) fn new(shared: &Arc<Shared>) -> Option<Self> {
        (!shared.catalogs.is_empty()).then(|| Self(Arc::clone(shared)))
    }
}

/// A counter: its name, what it counts, and where that is.
type Counted = (&'static str, &'static str, fn(&State) -> u64);

impl Collector for CatalogCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let databases = &self.0.catalogs.databases;
        let counters: [Counted; 2] = [
            ("catalog_reads", "Times that a catalog was read", |state| {
                state.reads
            }),
            (
                "catalog_failures",
                "Times that a catalog could not be read",
                |state| state.failures,
            ),
        ];
        for (name, help, of) in counters {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (name, database) in databases {
                let labels = [("database", &**name)];
                let counter = ConstCounter::new(of(&database.state()));
                counter.encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Seconds since a catalog was read; absent until it was";
        let mut family =
            encoder.encode_descriptor("catalog_age_seconds", help, None, MetricType::Gauge)?;
        for (name, database) in databases {
            let Some(read_at) = database.state().read_at else {
                continue;
            };
            let labels = [("database", &**name)];
            ConstGauge::new(read_at.elapsed().as_secs_f64())
                .encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
