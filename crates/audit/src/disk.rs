//! What the store asks of a file system, so that tests can play one that fails.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use rustix::io::Errno;

/// A file system.
pub(crate) trait Disk: Send + Sync + std::fmt::Debug {
    /// Makes a segment that must not exist yet.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>>;
    /// Opens a segment to append to it.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>>;
    /// Makes names of new files last.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
}

/// A segment that is written to.
pub(crate) trait SegmentFile: Send + Sync + std::fmt::Debug {
    /// Writes all of it at this place.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts the file, and gives back the room behind its end.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Makes sure that so many bytes can be written from there on. The file gets no longer.
    fn allocate(&self, from: u64, bytes: u64) -> io::Result<()>;
    /// Makes what was written last.
    fn sync(&self) -> io::Result<()>;
    /// Whether it has a name yet: what is written to a file without one is lost with the process.
    fn has_name(&self) -> io::Result<bool>;
}

/// The system's.
#[derive(Debug)]
pub(crate) struct SystemDisk;

impl Disk for SystemDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Arc::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(file))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }
}

impl SegmentFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn allocate(&self, from: u64, bytes: u64) -> io::Result<()> {
        match fallocate(self, FallocateFlags::KEEP_SIZE, from, bytes) {
            Ok(()) => Ok(()),
            // Network and other file systems can't. Then the free space at this moment is all that
            // can be known.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                let space = fstatvfs(self)?;
                if space.f_bavail.saturating_mul(space.f_frsize) >= bytes {
                    Ok(())
                } else {
                    Err(Errno::NOSPC.into())
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn has_name(&self) -> io::Result<bool> {
        Ok(self.metadata()?.nlink() > 0)
    }
}
