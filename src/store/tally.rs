//! Counts the requests that a plan makes. Clones share the count; each plan has its own, so that others at the same
//! place count separately.

use crate::model::Requests;

use std::sync::atomic::{AtomicU64, Ordering};

/// Requests made so far. Only requests that inspect and read are counted, because a plan writes nothing.
#[derive(Debug, Default)]
pub(super) struct Tally {
    list: AtomicU64,
    get: AtomicU64,
    head: AtomicU64,
}

impl Tally {
    pub(super) fn listed(&self, pages: u64) {
        self.list.fetch_add(pages, Ordering::Relaxed);
    }

    pub(super) fn got(&self) {
        self.get.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn looked(&self) {
        self.head.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn requests(&self) -> Requests {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Requests {
            list: count(&self.list),
            get: count(&self.get),
            head: count(&self.head),
            ..Requests::default()
        }
    }
}
