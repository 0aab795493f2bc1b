//! All instances that a dialer was asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::{Entry, Fetcher, Pace};
use crate::InstanceUri;

/// One entry, with its task, for each instance.
///
/// The IP type and the login are no part of the key: both are chosen per dial. Nothing is removed
/// before the dialer ends, so no dial can remove what another one has just put there.
pub(crate) struct Instances {
    pub(crate) fetcher: Arc<Fetcher>,
    pace: Pace,
    runtime: Handle,
    entries: Mutex<HashMap<InstanceUri, Arc<Entry>>>,
    tasks: TaskTracker,
}

impl Instances {
    /// Tasks will run on `runtime`.
    pub(crate) fn new(fetcher: Arc<Fetcher>, pace: Pace, runtime: Handle) -> Self {
        Self {
            fetcher,
            pace,
            runtime,
            entries: Mutex::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// The instance's entry, made and its task begun if this is the first time.
    pub(crate) fn entry(&self, instance: &InstanceUri) -> Arc<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(instance) {
            return entry.clone();
        }
        let (entry, task) = Entry::new(instance.clone(), self.pace.clone(), self.fetcher.clone());
        self.tasks.spawn_on(task, &self.runtime);
        entries.insert(instance.clone(), entry.clone());
        entry
    }

    /// The instance's entry, if there is one.
    pub(crate) fn known(&self, instance: &InstanceUri) -> Option<Arc<Entry>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(instance).cloned()
    }

    /// Waits until all tasks have ended, which closing makes them do.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
