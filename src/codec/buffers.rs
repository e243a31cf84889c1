//! Reuses memory for outgoing text and pages, because the system hands out fresh memory page by page and clears each
//! page first.

use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};

/// Buffers that are not in use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// The most buffers to keep; more are rarely in use at a time.
const KEPT: usize = 64;

impl Buffers {
    /// A buffer to overwrite: its contents are useless, but its memory is already allocated.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// The first bytes of a buffer; its memory returns to the pool when these are dropped.
    pub(crate) fn lend(&self, buffer: Vec<u8>, len: usize) -> Bytes {
        Bytes::from_owner(Lent { buffer, owner: self.clone() }).slice(..len)
    }
}

struct Lent {
    buffer: Vec<u8>,
    owner: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let mut kept = self.owner.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_when_the_bytes_are_dropped() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.extend_from_slice(b"text");
        let place = buffer.as_ptr();
        let bytes = buffers.lend(buffer, 3);
        let part = bytes.slice(1..);
        drop(bytes);
        assert_eq!(part, &b"ex"[..]);
        let other = buffers.take();
        assert_ne!(other.as_ptr(), place);
        drop(part);
        let again = buffers.take();
        assert_eq!((again.as_ptr(), &again[..]), (place, &b"text"[..]));
    }
}
