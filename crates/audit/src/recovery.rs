//! What is found when a store is opened, and what is done about it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::IgnoredAny;
use thiserror::Error;
use uuid::Uuid;

use crate::chain::{Chain, Condition, Place, Segment, begun, read_begin};
use crate::checkpoint::Signer;
use crate::config::StoreConfig;
use crate::disk::Disk;
use crate::hash::LineHash;
use crate::line::{self, MAX_LINE, key};
use crate::lines::{Lines, tail_hash};
use crate::room::Room;
use crate::segment::SegmentName;
use crate::store::WriteError;

/// What was found when the store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The sequence of the next record.
    pub next: u64,
    /// What was cut from the end: no whole record, so nothing that was ever acknowledged.
    pub cuts: Vec<Cut>,
    /// What is wrong with the last segment, which is kept as it is and not written to any more.
    pub damage: Option<Damage>,
}

/// What was cut from the end of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// From which.
    pub segment: SegmentName,
    /// How many bytes.
    pub bytes: u64,
    /// Their SHA-256, in hexadecimal.
    pub hash: String,
}

/// What is wrong with a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which one.
    pub segment: SegmentName,
    /// In which line, from one.
    pub line: u64,
    /// What.
    pub what: &'static str,
}

/// Why a store can't be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory can't be made or read.
    #[error("the audit directory {path} can't be used")]
    Directory {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Another process writes there.
    #[error("the audit directory {path} is in use by another process")]
    InUse {
        /// Which one.
        path: PathBuf,
    },
    /// A segment can't be read or repaired.
    #[error("{segment} can't be read or repaired")]
    Segment {
        /// Which one.
        segment: SegmentName,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// No record can be written.
    #[error("no record can be written")]
    Write(#[from] WriteError),
    /// The system gives no thread.
    #[error("no thread can be started for the audit")]
    Thread(#[source] io::Error),
}

/// A directory that is ready to be written to.
pub(crate) struct Opened {
    pub(crate) chain: Chain,
    pub(crate) lock: File,
    pub(crate) recovery: Recovery,
}

/// What a segment holds.
struct Scan {
    log: Option<Uuid>,
    began: Option<Timestamp>,
    /// Bytes of the whole lines that are right.
    length: u64,
    lines: u64,
    /// The sequence and the hash of the last line that is right.
    last: Option<(u64, LineHash)>,
    /// The hash of the last line, right or wrong.
    head: LineHash,
    /// What comes after the last line: how many bytes, and their hash.
    torn: Option<(u64, LineHash)>,
    wrong: Option<(u64, &'static str)>,
}

/// The file whose lock says that a directory has a writer.
pub(crate) const LOCK_FILE: &str = "audit.lock";

/// How often, and after which pauses, the lock is asked for: a second in all.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

impl Opened {
    pub(crate) fn open(
        config: &mut StoreConfig,
        disk: Arc<dyn Disk>,
        room: Arc<Room>,
    ) -> Result<Self, OpenError> {
        let directory = config.directory.clone();
        let lock = lock(&directory)?;
        let mut place = Place {
            log: Uuid::now_v7(),
            instance: config.instance.clone(),
            version: config.version.clone(),
            segment_bytes: config.segment_bytes.max(2 * MAX_LINE as u64),
            segment_age: config.segment_age,
            room,
            leftover: None,
            signer: config
                .signing_key
                .take()
                .map(|key| Signer::new(key, &directory)),
            directory,
            disk,
        };
        let mut recovery = Recovery::default();
        let mut chain = find_end(&mut place, &mut recovery)?.open(place)?;
        let now = Timestamp::now();
        for cut in &recovery.cuts {
            let mut buffer = begun("recovered", now);
            line::text(&mut buffer, key!("segment"), &cut.segment.to_string(), 64);
            line::number(&mut buffer, key!("cut_bytes"), cut.bytes);
            line::text(&mut buffer, key!("cut_hash"), &cut.hash, 64);
            chain.put(&mut buffer, now)?;
        }
        if let Some(damage) = &recovery.damage {
            let mut buffer = begun("recovered", now);
            line::text(
                &mut buffer,
                key!("segment"),
                &damage.segment.to_string(),
                64,
            );
            line::number(&mut buffer, key!("damaged_line"), damage.line);
            line::text(&mut buffer, key!("damage"), damage.what, 256);
            chain.put(&mut buffer, now)?;
        }
        recovery.next = chain.next;
        Ok(Self {
            chain,
            lock,
            recovery,
        })
    }
}

/// Where the log goes on.
enum End {
    /// There is no log yet.
    Nothing,
    /// At the end of this segment.
    In(SegmentName, Scan),
    /// In a segment of its own, after this one.
    After(SegmentName, u64, LineHash),
}

/// Finds where the log goes on, and cuts what is no record.
fn find_end(place: &mut Place, recovery: &mut Recovery) -> Result<End, OpenError> {
    let directory = place.directory.clone();
    let mut names = SegmentName::list(&directory).map_err(|source| OpenError::Directory {
        path: directory.clone(),
        source,
    })?;
    while let Some(name) = names.pop() {
        let path = name.path(&directory);
        let wrong = |source| OpenError::Segment {
            segment: name,
            source,
        };
        let scan = scan(name, &path).map_err(wrong)?;
        if let Some((bytes, hash)) = scan.torn {
            recovery.cuts.push(Cut {
                segment: name,
                bytes,
                hash: hash.to_string(),
            });
        }
        if let Some(log) = scan.log {
            place.log = log;
        }
        if let Some((line, what)) = scan.wrong {
            recovery.damage = Some(Damage {
                segment: name,
                line,
                what,
            });
            recovery.cuts.clear();
            // Whatever is wrong in it, it has so many lines. What stands at its end is tied to what
            // follows, so that it can't be changed any further.
            let last = (name.first + scan.lines).saturating_sub(1);
            return Ok(End::After(name, last, scan.head));
        }
        if scan.last.is_some() {
            return Ok(End::In(name, scan));
        }
        // The process ended between two steps of beginning this segment.
        fs::remove_file(&path).map_err(wrong)?;
    }
    Ok(End::Nothing)
}

impl End {
    fn open(self, place: Place) -> Result<Chain, OpenError> {
        let now = Timestamp::now();
        match self {
            Self::Nothing => Ok(Chain::begin(place, None, (1, LineHash::default()), now)?),
            Self::After(name, sequence, head) => {
                Ok(Chain::begin(place, Some(name), (sequence + 1, head), now)?)
            }
            Self::In(name, scan) => {
                let wrong = |source| OpenError::Segment {
                    segment: name,
                    source,
                };
                let file = place
                    .disk
                    .open(&name.path(&place.directory))
                    .map_err(wrong)?;
                if scan.torn.is_some() {
                    file.truncate(scan.length).map_err(wrong)?;
                }
                let segment = Segment {
                    name,
                    file,
                    length: scan.length,
                    allocated: scan.length,
                    began: scan.began.unwrap_or(now),
                    condition: Condition::Whole,
                };
                let (sequence, head) = scan.last.unwrap_or_default();
                Ok(Chain::new(place, segment, sequence + 1, head))
            }
        }
    }
}

/// Makes the directory and becomes its only writer.
fn lock(directory: &Path) -> Result<File, OpenError> {
    let wrong = |source| OpenError::Directory {
        path: directory.to_path_buf(),
        source,
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(wrong)?;
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(directory.join(LOCK_FILE))
        .map_err(wrong)?;
    for _ in 0..LOCK_TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            // A gateway that is ending, or one that verifies and looks whether there is a writer.
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => return Err(wrong(source)),
        }
    }
    Err(OpenError::InUse {
        path: directory.to_path_buf(),
    })
}

/// Reads a segment from its first line to its last.
fn scan(name: SegmentName, path: &Path) -> io::Result<Scan> {
    let length = fs::metadata(path)?.len();
    let mut lines = Lines::open(path)?;
    let mut scan = Scan {
        log: None,
        began: None,
        length: 0,
        lines: 0,
        last: None,
        head: LineHash::default(),
        torn: None,
        wrong: None,
    };
    // The last line has nothing after it that vouches for it, so it is taken back if it is no JSON.
    let mut before_last = (None, 0);
    let mut last_line = Vec::new();
    while let Some(read) = lines.next()? {
        scan.lines += 1;
        match read {
            Ok(line) => {
                scan.head = LineHash::of(line);
                if scan.wrong.is_some() {
                    continue;
                }
                before_last = (scan.last, scan.length);
                if let Err(what) = scan.add(name, line) {
                    scan.wrong = Some((scan.lines, what));
                }
                last_line.clear();
                last_line.extend_from_slice(line);
                scan.length += line.len() as u64 + 1;
            }
            Err(hash) => {
                scan.head = hash;
                scan.wrong
                    .get_or_insert((scan.lines, "longer than any record"));
            }
        }
    }
    let is_json = serde_json::from_slice::<IgnoredAny>(&last_line).is_ok();
    if scan.wrong.is_none() && scan.last.is_some() && !is_json {
        (scan.last, scan.length) = before_last;
    }
    if scan.wrong.is_none() && length > scan.length {
        let bytes = length - scan.length;
        scan.torn = Some((bytes, tail_hash(path, scan.length)?));
    }
    Ok(scan)
}

impl Scan {
    fn add(&mut self, name: SegmentName, line: &[u8]) -> Result<(), &'static str> {
        let (sequence, prev, _) = read_begin(line).ok_or("no audit record")?;
        match self.last {
            None => {
                if sequence != name.first {
                    return Err("another sequence than the name of the segment");
                }
                let first: FirstLine =
                    serde_json::from_slice(line).map_err(|_| "no beginning of a segment")?;
                self.log = Some(first.log);
                self.began = first.time.parse().ok();
            }
            Some((last, hash)) => {
                if sequence != last + 1 {
                    return Err("a sequence that doesn't follow");
                }
                if prev != hash {
                    return Err("the record before it was changed");
                }
            }
        }
        self.last = Some((sequence, LineHash::of(line)));
        Ok(())
    }
}

/// What the first line of a segment says of the log.
#[derive(serde::Deserialize)]
struct FirstLine {
    log: Uuid,
    time: String,
}
