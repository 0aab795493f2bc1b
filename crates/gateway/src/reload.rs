//! Reads certificate files again when they change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::gateway::Shared;
use crate::session::chain;

/// Files are replaced one after the other (certificate, then key): after the first event this much
/// quiet is awaited, so that they are read together.
const QUIET: Duration = Duration::from_millis(200);

/// Watches the folders of the certificate files.
///
/// Folders, because an editor, `mv` or Kubernetes (which swaps a symbolic link beside the files) puts
/// a new file in the place of the watched one.
pub(crate) struct Watch {
    events: mpsc::Receiver<()>,
    /// Stops watching when dropped.
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Begins to watch; `None` when there are no files.
    pub(crate) fn begin(files: &BTreeSet<PathBuf>) -> notify::Result<Option<Self>> {
        let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
        if folders.is_empty() {
            return Ok(None);
        }
        let (changed, events) = mpsc::channel(1);
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // Reading a file is an event too, and ours would otherwise cause the next.
                if event.map_or(true, |event| !event.kind.is_access()) {
                    // A full channel has an event that is not handled yet: that one covers this one.
                    let _ = changed.try_send(());
                }
            })?;
        for folder in folders {
            let folder = if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            };
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        Ok(Some(Self {
            events,
            _watcher: watcher,
        }))
    }

    /// Waits until something changed and then nothing for a while. Cancel safe.
    pub(crate) async fn changed(&mut self) {
        if self.events.recv().await.is_none() {
            // The watcher is gone, and with it the events: there is only SIGHUP left.
            std::future::pending::<()>().await;
        }
        while let Ok(Some(())) = timeout(QUIET, self.events.recv()).await {}
    }
}

/// Reads all certificate files again. What can't be used leaves the old material in place.
pub(crate) fn reload(shared: &Arc<Shared>) {
    let outcomes = [
        ("client leg", shared.reload_client_tls()),
        ("backend leg", shared.backend.reload()),
    ];
    for (leg, outcome) in outcomes {
        shared.metrics.reloaded(outcome.is_ok());
        match outcome {
            Ok(()) => info!(leg, "certificate files read"),
            Err(error) => {
                warn!(
                    leg,
                    error = chain(&error),
                    "certificate files can't be used, the old ones stay"
                );
            }
        }
    }
}
