//! Reads the segments behind the store, line by line, over the borders between them.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::line::MAX_LINE;
use crate::lines::Lines;
use crate::segment::{self, SegmentName};

/// A place between two lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The sequence of the segment's first record.
    pub segment: u64,
    /// Bytes from the segment's beginning.
    pub offset: u64,
}

/// Reads whole lines as they come.
#[derive(Debug)]
pub struct Follower {
    directory: PathBuf,
    position: Position,
    file: Option<File>,
    buffer: Vec<u8>,
}

/// How much is read at once.
const READ: usize = 256 << 10;

impl Follower {
    /// Reads on from there. A segment that is gone is passed over.
    pub fn new(directory: &Path, position: Position) -> Self {
        Self {
            directory: directory.to_path_buf(),
            position,
            file: None,
            buffer: Vec::new(),
        }
    }

    /// Reads from the first line there is.
    pub fn from_start(directory: &Path) -> Self {
        let start = Position {
            segment: 0,
            offset: 0,
        };
        Self::new(directory, start)
    }

    /// Reads only what comes from now on.
    pub fn from_end(directory: &Path) -> io::Result<Self> {
        let mut follower = Self::from_start(directory);
        if let Some(name) = SegmentName::list(directory)?.last() {
            let mut file = segment::open(&name.path(directory))?;
            follower.position = Position {
                segment: name.first,
                offset: end_of_lines(&mut file)?,
            };
        }
        Ok(follower)
    }

    /// Where the next line begins.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next lines, each with its newline; as many as there are, up to some hundred kilobytes.
    /// Empty if there is none yet.
    pub fn read(&mut self) -> io::Result<&[u8]> {
        loop {
            if self.open()?.is_none() {
                return Ok(&[]);
            }
            let lines = self.read_here()?;
            if lines > 0 {
                self.position.offset += lines as u64;
                return Ok(&self.buffer[..lines]);
            }
            // Nothing is added to a segment once there is another, so the end that was seen before
            // is not yet the end.
            let Some(next) = self.segment_after(self.position.segment)? else {
                return Ok(&[]);
            };
            let lines = self.read_here()?;
            if lines > 0 {
                self.position.offset += lines as u64;
                return Ok(&self.buffer[..lines]);
            }
            self.position = Position {
                segment: next.first,
                offset: 0,
            };
            self.file = None;
        }
    }

    /// Opens the segment of the position, or the next one that is there.
    fn open(&mut self) -> io::Result<Option<()>> {
        while self.file.is_none() {
            let name = SegmentName {
                first: self.position.segment,
            };
            match segment::open(&name.path(&self.directory)) {
                Ok(mut file) => {
                    file.seek(SeekFrom::Start(self.position.offset))?;
                    self.file = Some(file);
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let Some(next) = self.segment_after(name.first)? else {
                        return Ok(None);
                    };
                    self.position = Position {
                        segment: next.first,
                        offset: 0,
                    };
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(()))
    }

    fn segment_after(&self, first: u64) -> io::Result<Option<SegmentName>> {
        let names = SegmentName::list(&self.directory)?;
        Ok(names.into_iter().find(|name| name.first > first))
    }

    /// Reads from the position into the buffer; returns how many bytes of whole lines there are.
    fn read_here(&mut self) -> io::Result<usize> {
        let Some(file) = &mut self.file else {
            return Ok(0);
        };
        file.seek(SeekFrom::Start(self.position.offset))?;
        self.buffer.resize(READ.max(MAX_LINE), 0);
        let mut length = 0;
        while length < self.buffer.len() {
            let read = file.read(&mut self.buffer[length..])?;
            if read == 0 {
                break;
            }
            length += read;
        }
        let bytes = &self.buffer[..length];
        let end = bytes.iter().rposition(|byte| *byte == b'\n');
        let is_full = length == self.buffer.len();
        match end {
            Some(end) => Ok(end + 1),
            // No record is that long: whatever it is, it is passed on as it is.
            None if is_full => Ok(length),
            None => Ok(0),
        }
    }
}

/// Where the last whole line of a file ends.
fn end_of_lines(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(MAX_LINE as u64);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(MAX_LINE as u64).read_to_end(&mut tail)?;
    let end = tail.iter().rposition(|byte| *byte == b'\n');
    Ok(end.map_or(from, |end| from + end as u64 + 1))
}

/// The last lines to which `wanted` says yes, in their order, and a follower that goes on behind
/// what was looked at.
pub fn newest(
    directory: &Path,
    count: usize,
    wanted: impl Fn(&[u8]) -> bool,
) -> io::Result<(Vec<Vec<u8>>, Follower)> {
    let mut follower = Follower::from_start(directory);
    let mut names = SegmentName::list(directory)?;
    let mut found = VecDeque::new();
    let last = names.last().copied();
    while let Some(name) = names.pop() {
        let mut lines = Lines::open(&name.path(directory))?;
        let mut here = VecDeque::new();
        while let Some(line) = lines.next()? {
            let Ok(line) = line else { continue };
            if wanted(line) {
                here.push_back(line.to_vec());
            }
            if here.len() + found.len() > count {
                here.pop_front();
            }
        }
        if Some(name) == last {
            follower.position = Position {
                segment: name.first,
                offset: lines.position,
            };
        }
        here.append(&mut found);
        found = here;
        if found.len() >= count {
            break;
        }
    }
    Ok((found.into(), follower))
}
