//! Files that are read again when they change.

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
pub struct Watch {
    events: mpsc::Receiver<()>,
    /// Something has happened; kept here, so that a cancelled call forgets nothing.
    settling: Option<Settling>,
    /// The files as they were when they were last read. Other files of their folders may change as
    /// they like, our own log among them.
    seen: BTreeMap<PathBuf, Option<Version>>,
    /// Stops watching when dropped.
    _watcher: RecommendedWatcher,
}

/// The time since something happened.
#[derive(Clone, Copy, Debug)]
struct Settling {
    /// When it will have been quiet for long enough.
    quiet_at: Instant,
    /// When quiet is no longer waited for.
    latest: Instant,
}

/// What tells one content of a file from another without reading it: device, inode, length, and
/// the time of its last change in nanoseconds.
type Version = (u64, u64, u64, i64, i64);

impl Watch {
    /// Begins to watch; `None` when there are no files.
    pub fn begin(files: &BTreeSet<PathBuf>) -> notify::Result<Option<Self>> {
        // A link's own folder, for when it is pointed elsewhere, and the one that it leads to.
        let real = files.iter().filter_map(|file| file.canonicalize().ok());
        let folders: BTreeSet<PathBuf> = files
            .iter()
            .cloned()
            .chain(real)
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
        let seen = files
            .iter()
            .map(|file| (file.clone(), version(file)))
            .collect();
        Ok(Some(Self {
            events,
            settling: None,
            seen,
            _watcher: watcher,
        }))
    }

    /// Begins to watch other files than before; `None` when there are none.
    ///
    /// What has changed since the files were last said to have is not forgotten. Files that were not
    /// watched count as changed: whoever has read them did so before.
    pub fn after(before: Option<&Self>, files: &BTreeSet<PathBuf>) -> notify::Result<Option<Self>> {
        let Some(mut watch) = Self::begin(files)? else {
            return Ok(None);
        };
        for (file, version) in &mut watch.seen {
            *version = before.and_then(|before| *before.seen.get(file)?);
        }
        // There may be no event to come.
        let now = Instant::now();
        watch.settling = Some(Settling {
            quiet_at: now,
            latest: now,
        });
        Ok(Some(watch))
    }

    /// Takes the files as they are now for known: whoever calls this reads them next.
    pub fn mark(&mut self) {
        for (file, seen) in &mut self.seen {
            *seen = version(file);
        }
    }

    /// Waits until one of the files has changed. Cancel safe.
    pub async fn changed(&mut self) {
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
            let now: BTreeMap<_, _> = self
                .seen
                .keys()
                .map(|file| (file.clone(), version(file)))
                .collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As in the accept loop, which drops the call for every client that comes.
    #[tokio::test]
    async fn a_call_that_is_cancelled_again_and_again_forgets_no_change() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tls.crt");
        std::fs::write(&file, "old").unwrap();
        let mut watch = Watch::begin(&BTreeSet::from([file.clone()]))
            .unwrap()
            .unwrap();
        std::fs::write(&file, "changed").unwrap();
        let noticed = async {
            while tokio::time::timeout(QUIET / 10, watch.changed())
                .await
                .is_err()
            {}
        };
        tokio::time::timeout(Duration::from_secs(30), noticed)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn nothing_is_forgotten_when_other_files_are_watched() {
        let directory = tempfile::tempdir().unwrap();
        let [config, key] = ["config", "key"].map(|name| directory.path().join(name));
        std::fs::write(&config, "old").unwrap();
        std::fs::write(&key, "key").unwrap();
        let watch = |before: Option<&Watch>, files: &[&PathBuf]| {
            let files = files.iter().map(|&file| file.clone()).collect();
            Watch::after(before, &files).unwrap().unwrap()
        };
        let changed = async |watch: &mut Watch| {
            let limit = Duration::from_secs(30);
            tokio::time::timeout(limit, watch.changed()).await.unwrap();
        };
        let mut first = watch(None, &[&config]);
        changed(&mut first).await;
        std::fs::write(&config, "changed while it is read").unwrap();
        let mut second = watch(Some(&first), &[&config]);
        changed(&mut second).await;
        // The other file may have changed since it was read.
        let mut third = watch(Some(&second), &[&config, &key]);
        changed(&mut third).await;
        let mut fourth = watch(Some(&third), &[&config, &key]);
        assert_eq!(fourth.seen, third.seen);
        std::fs::write(&key, "another key").unwrap();
        fourth.mark();
        assert_eq!(fourth.seen[&key], version(&key));
    }
}
