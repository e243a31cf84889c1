//! Tracks whether a server supports conditional writes, as its answers show.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known about a server: it is assumed to support conditions until it says that it does not.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    are_unknown: Arc<AtomicBool>,
}

impl Conditions {
    pub(super) fn are_unknown(&self) -> bool {
        self.are_unknown.load(Ordering::Relaxed)
    }

    pub(super) fn note_unknown(&self) {
        self.are_unknown.store(true, Ordering::Relaxed);
    }
}
