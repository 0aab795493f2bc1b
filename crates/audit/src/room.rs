//! Room on disk that was made before it is needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::line::MAX_LINE;

/// How much room is made at once, in bytes: some tens of thousands of records.
pub(crate) const CHUNK: u64 = 16 << 20;

/// Room that nobody has reserved, in bytes. Negative for moments, and after a disk took back what
/// it had promised.
#[derive(Debug, Default)]
pub(crate) struct Room {
    free: AtomicI64,
    pub(crate) refused: AtomicU64,
}

/// Room for one record. Given back when it is dropped.
#[derive(Debug)]
#[must_use = "room that is not held is given back"]
pub struct Reservation {
    room: Arc<Room>,
    bytes: i64,
}

impl Reservation {
    /// Whether it is large enough for a record of so many bytes.
    pub(crate) fn is_for(&self, bytes: usize) -> bool {
        self.bytes >= signed(bytes.min(MAX_LINE) as u64)
    }
}

impl Room {
    /// Takes room, if there is enough.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        let bytes = signed(bytes.min(MAX_LINE) as u64);
        if self.free.fetch_sub(bytes, Ordering::Relaxed) >= bytes {
            let room = Arc::clone(self);
            return Some(Reservation { room, bytes });
        }
        self.free.fetch_add(bytes, Ordering::Relaxed);
        None
    }

    /// How much there is.
    pub(crate) fn free(&self) -> i64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Room came up, or went (a negative number).
    pub(crate) fn add(&self, bytes: i64) {
        self.free.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.room.add(self.bytes);
    }
}

/// A number of bytes on a disk, which is far below where the sign is.
pub(crate) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
