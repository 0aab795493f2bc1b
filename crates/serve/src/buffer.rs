//! Buffers that belong to a thread and are lent to whoever has bytes in flight.
//!
//! A session that waits holds no buffer at all: it borrows one when bytes arrive and gives it back
//! when they have been passed on, which on the usual path happens within one poll. A thousand idle
//! sessions therefore cost no more than the sessions themselves, and the one buffer that is used all
//! the time stays in the processor's cache.

use std::cell::RefCell;
use std::fmt;

/// Bytes in a relay buffer.
///
/// Large enough that a bulk copy spends its time in the kernel's copy and not in entering it
/// (measured in docs/performance.md), small enough to stay in the second-level cache.
pub const BUFFER_SIZE: usize = 64 * 1024;

/// Buffers that a thread keeps; more than this are given back to the allocator.
const KEPT_PER_THREAD: usize = 16;

thread_local! {
    static FREE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of [`BUFFER_SIZE`] bytes that returns to its thread when dropped.
///
/// What it holds at first is whatever was relayed before: read from it only what was written to it.
pub(crate) struct Buffer(Option<Box<[u8]>>);

impl Buffer {
    /// Takes a buffer from this thread's store, or makes one.
    pub(crate) fn take() -> Self {
        let kept = FREE.with_borrow_mut(Vec::pop);
        Self(Some(
            kept.unwrap_or_else(|| vec![0; BUFFER_SIZE].into_boxed_slice()),
        ))
    }

    /// A buffer that begins with `first`, however long that is.
    pub(crate) fn holding(first: &[u8]) -> Self {
        if first.len() <= BUFFER_SIZE {
            let mut buffer = Self::take();
            buffer.bytes_mut()[..first.len()].copy_from_slice(first);
            return buffer;
        }
        Self(Some(first.into()))
    }

    /// Makes it at least that large; what it holds stays.
    pub(crate) fn grow(&mut self, size: usize) {
        let Some(bytes) = self.0.as_mut().filter(|bytes| bytes.len() < size) else {
            return;
        };
        let mut larger = vec![0; size].into_boxed_slice();
        larger[..bytes.len()].copy_from_slice(bytes);
        *bytes = larger;
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.as_deref_mut().unwrap_or_default()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Relayed bytes can be a password or a row: they are nobody's business.
        f.write_str("Buffer")
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(bytes) = self.0.take() else { return };
        FREE.with_borrow_mut(|free| {
            if free.len() < KEPT_PER_THREAD && bytes.len() == BUFFER_SIZE {
                free.push(bytes);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_lent_again() {
        let first = Buffer::take();
        let address = first.bytes().as_ptr();
        drop(first);
        assert_eq!(Buffer::take().bytes().as_ptr(), address);
    }

    #[test]
    fn a_thread_keeps_no_more_than_its_share() {
        let many: Vec<_> = (0..KEPT_PER_THREAD + 8).map(|_| Buffer::take()).collect();
        drop(many);
        assert_eq!(FREE.with_borrow(Vec::len), KEPT_PER_THREAD);
    }
}
