//! The lines of a segment, one after the other, in memory that does not grow.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::line::MAX_LINE;

/// Reads a segment line by line.
#[derive(Debug)]
pub(crate) struct Lines {
    reader: BufReader<File>,
    line: Vec<u8>,
    /// Bytes of the lines that were read, with their newlines.
    pub(crate) position: u64,
}

/// What comes next in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'l> {
    /// A line, without its newline.
    Line(&'l [u8]),
    /// More bytes than a line has, with no newline among them.
    TooLong,
    /// The file ends with something that isn't a line.
    Torn(&'l [u8]),
    /// The file ends where a line does.
    End,
}

impl Lines {
    /// Reads from the beginning.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::of(File::open(path)?))
    }

    /// Reads an open file from where it is, which counts as its beginning.
    pub(crate) fn of(file: File) -> Self {
        Self {
            reader: BufReader::with_capacity(256 << 10, file),
            line: Vec::new(),
            position: 0,
        }
    }

    /// Reads the next line. After `TooLong` there is no use in going on.
    pub(crate) fn read(&mut self) -> io::Result<Next<'_>> {
        self.line.clear();
        let read = self
            .reader
            .by_ref()
            .take(MAX_LINE as u64 + 1)
            .read_until(b'\n', &mut self.line)?;
        if self.line.last() == Some(&b'\n') {
            self.position += read as u64;
            return Ok(Next::Line(&self.line[..read - 1]));
        }
        Ok(match read {
            0 => Next::End,
            _ if read > MAX_LINE => Next::TooLong,
            _ => Next::Torn(&self.line),
        })
    }
}
