//! Segments: their names, and opening one to read it.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// A segment's name: it holds the sequence of its first record, so that names sort as records do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// The sequence of its first record.
    pub first: u64,
}

const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";

/// Digits of any `u64`.
const DIGITS: usize = 20;

impl SegmentName {
    /// The name of a file, if it is a segment's.
    pub fn read(name: &str) -> Option<Self> {
        let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
        if digits.len() != DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let first = digits.parse().ok()?;
        Some(Self { first })
    }

    /// Where it is.
    pub fn path(self, directory: &Path) -> PathBuf {
        directory.join(self.to_string())
    }

    /// The segments of a directory, in order.
    pub fn list(directory: &Path) -> io::Result<Vec<Self>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            names.extend(entry?.file_name().to_str().and_then(Self::read));
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// Opens a segment to read it. Something else under a segment's name, as a device that never ends or
/// a pipe that nobody writes to, is an error.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        let what = "it is no regular file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    Ok(file)
}

impl fmt::Display for SegmentName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{:020}{SUFFIX}", self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let name = SegmentName { first: 42 };
        assert_eq!(name.to_string(), "audit-00000000000000000042.jsonl");
        assert_eq!(SegmentName::read(&name.to_string()), Some(name));
        for other in [
            "audit-42.jsonl",
            "audit-.jsonl",
            "index.sqlite",
            "audit-+0000000000000000042.jsonl",
        ] {
            assert_eq!(SegmentName::read(other), None, "{other}");
        }
    }
}
