//! Takes what is new in the segments into the index.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::shape::Interner;
use super::tables::BLOCK;
use super::{Index, IndexError, Mark, read_mark};
use crate::chain::read_begin;
use crate::entry::Entry;
use crate::follow::{Follower, Position};
use crate::hash::LineHash;
use crate::segment::SegmentName;

/// How far the work is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records that were taken in.
    pub records: u64,
    /// Lines that are no records, and were left out.
    pub skipped: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

/// Records of a transaction: what is done again after a kill.
const BATCH: u64 = 200_000;

/// What is gathered while records are taken in.
#[derive(Default)]
struct Gathered {
    /// Of each shape the last record, and how many there are.
    shapes: HashMap<i64, (u64, u64)>,
    /// Of each block the earliest and the latest time.
    blocks: HashMap<u64, (i64, i64)>,
    mark: Option<Mark>,
    records: u64,
}

impl Index {
    /// Takes in what is new in the segments, and leaves out what was put away with its segments.
    /// Says how far it is after each batch.
    pub fn update(&mut self, mut tell: impl FnMut(Progress)) -> Result<Progress, IndexError> {
        let mut progress = Progress::default();
        self.forget_put_away()?;
        let position = read_mark(&self.connection).map_err(|source| self.wrong(source))?;
        let mut follower = match position {
            Some(mark) => Follower::new(&self.directory, mark.position),
            None => Follower::from_start(&self.directory),
        };
        loop {
            let before = progress.records + progress.skipped;
            self.take_batch(&mut follower, &mut progress)?;
            if progress.records + progress.skipped == before {
                return Ok(progress);
            }
            tell(progress);
        }
    }

    /// One transaction.
    fn take_batch(
        &mut self,
        follower: &mut Follower,
        progress: &mut Progress,
    ) -> Result<(), IndexError> {
        let directory = self.directory.clone();
        let path = self.connection.path().unwrap_or_default().to_owned();
        let wrong = |source| IndexError::Database {
            path: path.clone().into(),
            source,
        };
        let transaction = self.connection.transaction().map_err(wrong)?;
        let mut batch = Batch::new(&transaction).map_err(wrong)?;
        while batch.gathered.records < BATCH {
            let lines = follower.read().map_err(|source| IndexError::File {
                path: directory.clone(),
                source,
            })?;
            if lines.is_empty() {
                break;
            }
            let length = lines.len() as u64;
            let lines = lines.to_vec();
            let end = follower.position();
            let start = Position {
                offset: end.offset - length,
                ..end
            };
            batch.take(&lines, start, progress).map_err(wrong)?;
            progress.bytes += length;
            if let Some(mark) = &mut batch.gathered.mark {
                mark.position = end;
            }
        }
        batch.finish().map_err(wrong)?;
        transaction.commit().map_err(wrong)
    }

    /// Leaves out the records of segments that are no longer there.
    fn forget_put_away(&mut self) -> Result<(), IndexError> {
        let names = SegmentName::list(&self.directory).map_err(|source| IndexError::File {
            path: self.directory.clone(),
            source,
        })?;
        let Some(first) = names.first() else {
            return Ok(());
        };
        let first = signed(first.first);
        let forget = || -> rusqlite::Result<()> {
            let sql = "SELECT 1 FROM records WHERE sequence < ? LIMIT 1";
            let is_there = self
                .connection
                .query_row(sql, [first], |_| Ok(()))
                .optional()?;
            if is_there.is_none() {
                return Ok(());
            }
            self.connection.execute_batch("BEGIN")?;
            self.connection.execute(
                "UPDATE shapes SET count = count - gone.records FROM (
                     SELECT shape, count(*) AS records FROM records
                     WHERE sequence < ? GROUP BY shape
                 ) AS gone WHERE shapes.id = gone.shape",
                [first],
            )?;
            self.connection
                .execute("DELETE FROM records WHERE sequence < ?", [first])?;
            self.connection
                .execute("DELETE FROM segments WHERE first < ?", [first])?;
            self.connection.execute_batch("COMMIT")
        };
        forget().map_err(|source| self.wrong(source))
    }
}

/// What a transaction does.
struct Batch<'c> {
    connection: &'c Connection,
    interner: Interner<'c>,
    add_record: rusqlite::Statement<'c>,
    gathered: Gathered,
    /// The segment that is read, and its number.
    segment: Option<(u64, i64)>,
}

impl<'c> Batch<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            interner: Interner::new(connection)?,
            add_record: connection.prepare(
                "INSERT OR REPLACE INTO records
                     (sequence, time, shape, session, segment, \"offset\")
                 VALUES (?, ?, ?, ?, ?, ?)",
            )?,
            gathered: Gathered::default(),
            segment: None,
        })
    }

    /// Takes in lines that begin at this position.
    fn take(
        &mut self,
        lines: &[u8],
        start: Position,
        progress: &mut Progress,
    ) -> rusqlite::Result<()> {
        let mut at = start;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            if self.take_line(text, at)? {
                progress.records += 1;
            } else {
                progress.skipped += 1;
            }
            at.offset += line.len() as u64;
        }
        Ok(())
    }

    /// Takes in a line; says whether it is a record.
    fn take_line(&mut self, line: &[u8], at: Position) -> rusqlite::Result<bool> {
        let (Some((sequence, ..)), Some(entry)) = (read_begin(line), Entry::read(line)) else {
            return Ok(false);
        };
        let Some(time) = entry.micros() else {
            return Ok(false);
        };
        let shape = self.interner.shape(&entry)?;
        let session = self.interner.session(&entry.session)?;
        let segment = self.segment(at.segment)?;
        self.add_record.execute(params![
            signed(sequence),
            time,
            shape,
            session,
            segment,
            signed(at.offset)
        ])?;
        let gathered = &mut self.gathered;
        gathered.records += 1;
        let (last, count) = gathered.shapes.entry(shape).or_default();
        *last = (*last).max(sequence);
        *count += 1;
        let block = gathered
            .blocks
            .entry(sequence / BLOCK)
            .or_insert((time, time));
        *block = (block.0.min(time), block.1.max(time));
        gathered.mark = Some(Mark {
            position: at,
            sequence,
            hash: LineHash::of(line),
            last: at,
        });
        Ok(true)
    }

    fn segment(&mut self, first: u64) -> rusqlite::Result<i64> {
        if let Some((known, id)) = self.segment
            && known == first
        {
            return Ok(id);
        }
        let sql = "INSERT OR IGNORE INTO segments (first) VALUES (?)";
        self.connection.execute(sql, [signed(first)])?;
        let sql = "SELECT id FROM segments WHERE first = ?";
        let id = self
            .connection
            .query_row(sql, [signed(first)], |row| row.get(0))?;
        self.segment = Some((first, id));
        Ok(id)
    }

    /// Writes what was gathered.
    fn finish(self) -> rusqlite::Result<()> {
        let Gathered {
            shapes,
            blocks,
            mark,
            ..
        } = self.gathered;
        let mut update = self
            .connection
            .prepare("UPDATE shapes SET last = max(last, ?), count = count + ? WHERE id = ?")?;
        for (shape, (last, count)) in shapes {
            update.execute(params![signed(last), signed(count), shape])?;
        }
        let mut update = self.connection.prepare(
            "INSERT INTO blocks (block, earliest, latest) VALUES (?, ?, ?)
             ON CONFLICT (block) DO UPDATE SET
                 earliest = min(earliest, excluded.earliest),
                 latest = max(latest, excluded.latest)",
        )?;
        for (block, (earliest, latest)) in blocks {
            update.execute(params![signed(block), earliest, latest])?;
        }
        if let Some(mark) = mark {
            self.connection.execute(
                "INSERT OR REPLACE INTO mark VALUES (0, ?, ?, ?, ?, ?, ?)",
                params![
                    signed(mark.position.segment),
                    signed(mark.position.offset),
                    signed(mark.sequence),
                    mark.hash.to_string(),
                    signed(mark.last.segment),
                    signed(mark.last.offset),
                ],
            )?;
        }
        Ok(())
    }
}

/// A number as `SQLite` has them.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
