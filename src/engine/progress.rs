//! What a run tells while it goes on, and at its end: plain data, the same for the progress bar, JSON and tests.

use crate::naming::Kind;
use crate::options::Format;
use crate::plan::{ColumnSummary, Strategy};
use crate::receipt::Receipt;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

/// What happens while a plan is run or a sample is written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// How far the run is, ten times a second.
    Progress {
        /// Bytes of the parts that were read; of a sample those that were written, as text.
        bytes: u64,
        /// Bytes of all parts; of a sample about.
        total_bytes: u64,
        /// Rows that were read or made.
        rows: u64,
    },
    /// A file can be seen under its final name.
    Published {
        /// The path or URL.
        path: String,
    },
}

/// What was done.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The job whose export was read.
    pub job: String,
    /// The runs, oldest first.
    pub runs: Vec<String>,
    /// What the export holds.
    pub kind: Kind,
    /// The format of the parts.
    pub from: Format,
    /// The format of the output.
    pub to: Format,
    /// How it was done.
    pub strategy: Strategy,
    /// The number of parts.
    pub parts: u64,
    /// Bytes of the parts.
    pub bytes_read: u64,
    /// Rows of the output; `None` where they were not counted, as the server copied text that nobody read.
    pub rows: Option<u64>,
    /// The columns of the output.
    pub columns: Vec<ColumnSummary>,
    /// The digest of the rows, where the output was read again: BLAKE3 in hexadecimal digits, as `docs/DIGEST.md`
    /// defines it.
    pub digest: Option<String>,
    /// The files written, in order.
    pub outputs: Vec<WrittenFile>,
    /// Whether the output was there already, as a run would write it, so that nothing was done.
    pub up_to_date: bool,
    /// What the output was made of, and how.
    pub receipt: Receipt,
    /// What went another way than planned, but well.
    pub warnings: Vec<String>,
    /// Seconds from start to end.
    pub seconds: f64,
}

/// A file that was written.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct WrittenFile {
    /// The path or URL.
    pub file: String,
    /// Bytes.
    pub bytes: u64,
    /// Rows; `None` where they were not counted.
    pub rows: Option<u64>,
}

/// Counters that jobs on any thread add to.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    bytes: AtomicU64,
    rows: AtomicU64,
    /// Rows by part, where they are wanted.
    rows_of: Vec<AtomicU64>,
}

impl Progress {
    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_rows(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Counts rows by part as well.
    pub(crate) fn by_part(parts: usize) -> Self {
        Progress { rows_of: (0..parts).map(|_| AtomicU64::new(0)).collect(), ..Progress::default() }
    }

    /// Adds rows of one part.
    pub(crate) fn add_rows_of(&self, part: usize, rows: u64) {
        self.add_rows(rows);
        if let Some(count) = self.rows_of.get(part) {
            count.fetch_add(rows, Ordering::Relaxed);
        }
    }

    /// Rows of one part so far.
    pub(crate) fn rows_of(&self, part: usize) -> u64 {
        self.rows_of.get(part).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// What was done counts for nothing: it is begun anew.
    pub(crate) fn reset(&self) {
        for count in [&self.bytes, &self.rows].into_iter().chain(&self.rows_of) {
            count.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    pub(crate) fn event(&self, total_bytes: u64) -> Event {
        Event::Progress {
            bytes: self.bytes.load(Ordering::Relaxed).min(total_bytes),
            total_bytes,
            rows: self.rows(),
        }
    }
}
