//! When the instances are read again: at SIGHUP, and when a file has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// Files are replaced one after the other (certificate, then key): after the first event this much
/// quiet is awaited, so that they are read together.
const QUIET: Duration = Duration::from_millis(200);
/// A folder in which something happens all the time is not waited for longer than this.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// Watches the folders of files.
///
/// Folders, because an editor, `mv` or Kubernetes (which swaps a symbolic link beside the files) puts
/// a new file in the place of the watched one.
#[derive(Debug)]
pub(crate) struct Watch {
    events: mpsc::Receiver<()>,
    /// Something has happened; kept here, so that a cancelled call forgets nothing.
    settling: Option<Settling>,
    /// The files as they were when they were last read. Other files of their folders may change as
    /// they like.
    seen: BTreeMap<PathBuf, Option<Version>>,
    /// Stops watching when dropped.
    _watcher: RecommendedWatcher,
}

/// The time since something happened.
#[derive(Clone, Copy, Debug)]
struct Settling {
    quiet_at: Instant,
    latest: Instant,
}

/// What tells one content of a file from another without reading it: device, inode, length, and
/// the time of its last change in nanoseconds.
type Version = (u64, u64, u64, i64, i64);

impl Watch {
    /// Begins to watch; `None` when there are no files.
    pub(crate) fn begin(files: &BTreeSet<PathBuf>) -> notify::Result<Option<Self>> {
        // A link's own folder, for when it is pointed elsewhere, and the one that it leads to.
        let real = files.iter().filter_map(|file| file.canonicalize().ok());
        let all = files.iter().cloned().chain(real);
        let folders: BTreeSet<PathBuf> = all
            .filter_map(|file| file.parent().map(Path::to_owned))
            .collect();
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
            let here = folder.as_os_str().is_empty();
            let folder = if here { Path::new(".") } else { &folder };
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        let seen = files.iter().map(|file| (file.clone(), version(file)));
        Ok(Some(Self {
            events,
            settling: None,
            seen: seen.collect(),
            _watcher: watcher,
        }))
    }

    /// Waits until one of the files has changed. Cancel safe.
    pub(crate) async fn changed(&mut self) {
        loop {
            let Some(Settling { quiet_at, latest }) = self.settling else {
                if self.events.recv().await.is_none() {
                    // The watcher is gone, and with it the events: there is only SIGHUP left.
                    std::future::pending::<()>().await;
                }
                let now = Instant::now();
                self.settling = Some(Settling {
                    quiet_at: now + QUIET,
                    latest: now + MAX_WAIT,
                });
                continue;
            };
            let more = timeout_at(quiet_at, self.events.recv()).await;
            let now = Instant::now();
            if matches!(more, Ok(Some(()))) && now < latest {
                self.settling = Some(Settling {
                    quiet_at: latest.min(now + QUIET),
                    latest,
                });
                continue;
            }
            self.settling = None;
            let files = self.seen.keys();
            let now = files.map(|file| (file.clone(), version(file))).collect();
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

/// The version of the file that a path leads to; `None` if there is none.
fn version(path: &Path) -> Option<Version> {
    let meta = std::fs::metadata(path).ok()?;
    Some((
        meta.dev(),
        meta.ino(),
        meta.len(),
        meta.mtime(),
        meta.mtime_nsec(),
    ))
}
