//! An index over the segments: made from them, kept beside them, and thrown away at will.
//!
//! A record's row has no more than its time, its session, its *shape* and its place in the segment.
//! A shape is what a filter asks for: statement, role, database, rule, verdict and so on. Records
//! by the million have shapes by the thousand, so a filter is answered over shapes, and the records
//! of those are taken newest first.

mod build;
mod search;
mod shape;
mod tables;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};
use thiserror::Error;

pub use build::Progress;
pub use search::Hit;

use crate::chain::read_begin;
use crate::follow::Position;
use crate::hash::LineHash;
use crate::lines::read_line_at;
use crate::segment::SegmentName;

/// The index's file in the directory of the segments.
pub const INDEX_FILE: &str = "index.sqlite";

/// An index over the segments of a directory.
#[derive(Debug)]
pub struct Index {
    connection: Connection,
    directory: PathBuf,
    /// What was found when it was opened.
    pub state: State,
}

/// In which state an index was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It fits the segments.
    Good,
    /// There was none.
    Missing,
    /// It was broken, of another version, or of other segments, and is made anew.
    Replaced,
}

/// Why an index can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// `SQLite` can't use the file.
    #[error("the index {path} can't be used")]
    Database {
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rusqlite::Error,
    },
    /// A file can't be read, made or removed.
    #[error("{path} can't be read or written")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A line is not what the index says.
    #[error(
        "the segments are not those that were indexed (record {sequence}): \
         run `querycop audit verify`, then `querycop audit index --rebuild`"
    )]
    Stale {
        /// The record that isn't where it was.
        sequence: u64,
    },
}

/// How far the segments are in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    position: Position,
    /// The last record.
    sequence: u64,
    /// The hash of its line, and where that is.
    hash: LineHash,
    last: Position,
}

/// How long another process that writes the index is waited for.
const BUSY: Duration = Duration::from_secs(60);

impl Index {
    /// Opens the index of a directory, or makes an empty one where there is none that can be used.
    pub fn open(directory: &Path) -> Result<Self, IndexError> {
        Self::open_at(directory, &directory.join(INDEX_FILE))
    }

    /// Opens an index that is elsewhere, as where the segments may only be read.
    pub fn open_at(directory: &Path, path: &Path) -> Result<Self, IndexError> {
        let existed = path.exists();
        if let Ok(connection) = connect(path, existed)
            && is_usable(&connection, directory)
        {
            let state = if existed { State::Good } else { State::Missing };
            return Ok(Self::new(connection, directory, state));
        }
        remove(path)?;
        let connection = connect(path, false).map_err(|source| IndexError::Database {
            path: path.to_path_buf(),
            source,
        })?;
        Ok(Self::new(connection, directory, State::Replaced))
    }

    /// Throws away what there is.
    pub fn rebuild(directory: &Path, path: &Path) -> Result<Self, IndexError> {
        remove(path)?;
        Self::open_at(directory, path)
    }

    /// How many records are in it.
    pub fn records(&self) -> Result<u64, IndexError> {
        let count =
            self.connection
                .query_row("SELECT coalesce(sum(count), 0) FROM shapes", [], |row| {
                    row.get::<_, i64>(0)
                });
        Ok(count.map_err(|source| self.wrong(source))?.unsigned_abs())
    }

    fn new(connection: Connection, directory: &Path, state: State) -> Self {
        Self {
            connection,
            directory: directory.to_path_buf(),
            state,
        }
    }

    fn wrong(&self, source: rusqlite::Error) -> IndexError {
        IndexError::Database {
            path: self.connection.path().unwrap_or_default().into(),
            source,
        }
    }
}

fn connect(path: &Path, exists: bool) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    // What is lost in it is made again from the segments.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "off")?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    if !exists {
        connection.execute_batch(tables::TABLES)?;
        connection.pragma_update(None, "user_version", tables::VERSION)?;
    }
    Ok(connection)
}

/// Whether an index is of this version, whole as far as can be seen, and of these segments.
fn is_usable(connection: &Connection, directory: &Path) -> bool {
    let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    if !version.is_ok_and(|version| version == tables::VERSION) {
        return false;
    }
    match read_mark(connection) {
        Ok(None) => true,
        Ok(Some(mark)) => is_of(&mark, directory),
        Err(_) => false,
    }
}

/// Whether the last record that was indexed is still where it was. One that was put away with its
/// segment can't be asked.
fn is_of(mark: &Mark, directory: &Path) -> bool {
    let name = SegmentName {
        first: mark.last.segment,
    };
    let path = name.path(directory);
    if !path.exists() {
        let later = SegmentName::list(directory).unwrap_or_default();
        return later.last().is_none_or(|last| last.first > name.first);
    }
    let line = read_line_at(&path, mark.last.offset).ok().flatten();
    line.is_some_and(|line| {
        LineHash::of(&line) == mark.hash
            && read_begin(&line).is_some_and(|(sequence, ..)| sequence == mark.sequence)
    })
}

fn read_mark(connection: &Connection) -> rusqlite::Result<Option<Mark>> {
    let sql = "SELECT segment, \"offset\", sequence, hash, last_segment, last_offset FROM mark";
    connection
        .query_row(sql, [], |row| {
            let number = |index| row.get::<_, i64>(index).map(i64::unsigned_abs);
            let hash: String = row.get(3)?;
            Ok(Mark {
                position: Position {
                    segment: number(0)?,
                    offset: number(1)?,
                },
                sequence: number(2)?,
                hash: LineHash::read(hash.as_bytes()).unwrap_or_default(),
                last: Position {
                    segment: number(4)?,
                    offset: number(5)?,
                },
            })
        })
        .optional()
}

/// Removes an index with what `SQLite` has beside it.
fn remove(path: &Path) -> Result<(), IndexError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut path = path.as_os_str().to_owned();
        path.push(suffix);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                let path = path.into();
                return Err(IndexError::File { path, source });
            }
        }
    }
    Ok(())
}
