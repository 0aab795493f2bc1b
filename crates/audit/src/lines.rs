//! The lines of a segment, one after the other, in memory that does not grow.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};

use crate::hash::LineHash;
use crate::line::MAX_LINE;
use crate::segment;

/// Reads a segment line by line.
#[derive(Debug)]
pub(crate) struct Lines {
    reader: BufReader<File>,
    line: Vec<u8>,
    /// Bytes of the lines that were read, with their newlines.
    pub(crate) position: u64,
}

impl Lines {
    /// Reads from the beginning.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::of(segment::open(path)?))
    }

    /// Reads an open file from where it is, which counts as its beginning.
    pub(crate) fn of(file: File) -> Self {
        Self {
            reader: BufReader::with_capacity(256 << 10, file),
            line: Vec::new(),
            position: 0,
        }
    }

    /// Reads the next whole line, without its newline; only the hash of one that is longer than any
    /// record. `None` at the end of the file, or before what has no newline.
    pub(crate) fn next(&mut self) -> io::Result<Option<Result<&[u8], LineHash>>> {
        self.line.clear();
        let read = self
            .reader
            .by_ref()
            .take(MAX_LINE as u64)
            .read_until(b'\n', &mut self.line)?;
        if self.line.last() == Some(&b'\n') {
            self.position += read as u64;
            return Ok(Some(Ok(&self.line[..read - 1])));
        }
        if read < MAX_LINE {
            return Ok(None);
        }
        Ok(self.skip()?.map(Err))
    }

    /// Reads up to the next newline, if there is one, and returns the hash of what was read since the
    /// line began.
    fn skip(&mut self) -> io::Result<Option<LineHash>> {
        let mut hash = Context::new(&SHA256);
        hash.update(&self.line);
        let mut length = self.line.len() as u64;
        loop {
            let bytes = self.reader.fill_buf()?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let line = &bytes[..end.unwrap_or(bytes.len())];
            hash.update(line);
            let read = line.len() + usize::from(end.is_some());
            length += read as u64;
            self.reader.consume(read);
            if end.is_some() {
                self.position += length;
                return Ok(Some(LineHash::finish(hash)));
            }
        }
    }
}

/// The hash of a file from some place to its end.
pub(crate) fn tail_hash(path: &Path, from: u64) -> io::Result<LineHash> {
    let mut file = segment::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut hash = Context::new(&SHA256);
    let mut bytes = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut bytes)?;
        if read == 0 {
            return Ok(LineHash::finish(hash));
        }
        hash.update(&bytes[..read]);
    }
}

/// The line that begins there, without its newline; `None` if there is no whole one.
pub(crate) fn line_at(file: &File, offset: u64) -> io::Result<Option<Vec<u8>>> {
    // Most lines are far shorter than the longest.
    for size in [4096, MAX_LINE] {
        let mut line = vec![0; size];
        let mut length = 0;
        while length < size {
            let read = file.read_at(&mut line[length..], offset + length as u64)?;
            if read == 0 {
                break;
            }
            length += read;
        }
        line.truncate(length);
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
            return Ok(Some(line));
        }
    }
    Ok(None)
}

/// As [`line_at`], of a segment that is not open.
pub(crate) fn read_line_at(path: &Path, offset: u64) -> io::Result<Option<Vec<u8>>> {
    line_at(&segment::open(path)?, offset)
}
