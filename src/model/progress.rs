//! What a run tells while it goes on, and at its end: plain data, the same for the progress bar, JSON and tests.

use super::error::Result;
use serde::Serialize;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

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

/// How often a run tells how far it is.
const EVENT_INTERVAL: Duration = Duration::from_millis(100);

/// Sees work through to its end: tells how far it is, and passes on to it that it shall stop.
pub(crate) async fn attend<T>(
    work: impl Future<Output = Result<T>>,
    stopper: watch::Sender<bool>,
    progress: &Progress,
    total_bytes: u64,
    stop: impl Future<Output = ()>,
    mut on_event: impl FnMut(Event),
) -> Result<T> {
    let mut work = std::pin::pin!(work);
    let mut stop = std::pin::pin!(stop);
    let mut ticks = tokio::time::interval(EVENT_INTERVAL);
    let mut is_stopping = false;
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            () = &mut stop, if !is_stopping => {
                is_stopping = true;
                let _ = stopper.send(true);
            }
            _ = ticks.tick() => on_event(progress.event(total_bytes)),
        }
    };
    on_event(progress.event(total_bytes));
    result
}

/// Ready when the run shall stop.
pub(crate) async fn stopped(mut stopped: watch::Receiver<bool>) {
    // The sender is gone only when the run is over, and then nobody waits here.
    if stopped.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
