//! What a run reports while it runs: plain data, the same for the progress bar, JSON and tests.

use super::error::Result;
use serde::Serialize;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// An event while a plan runs, an output is verified or a sample is written.
///
/// [`Event::Began`] announces each phase, in the order of [`Phase`]. Within a phase, [`Event::Progress`] reports how
/// far it is, for the last time when everything is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// A phase begins.
    Began {
        /// Which one.
        phase: Phase,
    },
    /// How far the phase is, ten times a second.
    Progress {
        /// The phase.
        phase: Phase,
        /// Bytes of the parts that were read or copied; for a sample, bytes written, as text.
        bytes: u64,
        /// Bytes of all parts; for a sample, an estimate.
        total_bytes: u64,
        /// Rows read, copied or made; `None` if the server copies CSV, whose rows are not counted.
        rows: Option<u64>,
    },
    /// A file was published under its final name.
    Published {
        /// The path or URL.
        path: String,
    },
}

/// A phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Phase {
    /// Parts are read or copied, and the output is written without being published.
    Writing,
    /// The output is read and compared with the parts.
    Verifying,
    /// What was written is sent to its store, the parts are checked once more, and the output is published.
    Publishing,
}

/// A file that was written.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct WrittenFile {
    /// The path or URL.
    pub file: String,
    /// Bytes.
    pub bytes: u64,
    /// Rows; `None` if they were not counted.
    pub rows: Option<u64>,
}

/// Counters that jobs on any thread add to.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    bytes: AtomicU64,
    rows: AtomicU64,
    /// Rows by part, if they are wanted.
    rows_of: Vec<AtomicU64>,
    /// Some rows are copied by a server that does not count them.
    has_uncounted: AtomicBool,
    stages: Mutex<Stages>,
    changed: Notify,
}

/// The phases that have ended, and the current one.
#[derive(Debug, Default)]
struct Stages {
    now: Option<Stage>,
    /// Ends and beginnings of phases that have not been reported yet.
    untold: Vec<Event>,
}

#[derive(Debug, Clone)]
struct Stage {
    phase: Phase,
    total_bytes: u64,
    /// What this phase counts for itself.
    own: Option<Arc<Progress>>,
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

    /// Some rows are copied by a server that does not count them.
    pub(crate) fn leave_rows_uncounted(&self) {
        self.has_uncounted.store(true, Ordering::Relaxed);
    }

    /// Begins a phase that continues counting.
    pub(crate) fn begin(&self, phase: Phase, total_bytes: u64) {
        self.stage(Stage { phase, total_bytes, own: None });
    }

    /// Begins a phase that counts from zero; returns its counters.
    pub(crate) fn begin_anew(&self, phase: Phase, total_bytes: u64) -> Arc<Progress> {
        let own = Arc::new(Progress::default());
        self.stage(Stage { phase, total_bytes, own: Some(Arc::clone(&own)) });
        own
    }

    fn stage(&self, stage: Stage) {
        let ended = self.event(true);
        let mut stages = self.stages();
        stages.untold.extend(ended);
        stages.untold.push(Event::Began { phase: stage.phase });
        stages.now = Some(stage);
        drop(stages);
        self.changed.notify_one();
    }

    fn stages(&self) -> MutexGuard<'_, Stages> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Discards the counts, because the work starts again.
    pub(crate) fn reset(&self) {
        self.has_uncounted.store(false, Ordering::Relaxed);
        for count in [&self.bytes, &self.rows].into_iter().chain(&self.rows_of) {
            count.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// How far the current phase is. When it is done, all bytes count as read, although some kinds of part are not read
    /// to the last byte.
    fn event(&self, is_done: bool) -> Option<Event> {
        let Stage { phase, total_bytes, own } = self.stages().now.clone()?;
        let counts = own.as_deref().unwrap_or(self);
        let is_counted = !counts.has_uncounted.load(Ordering::Relaxed);
        Some(Event::Progress {
            phase,
            bytes: if is_done { total_bytes } else { counts.bytes.load(Ordering::Relaxed).min(total_bytes) },
            total_bytes,
            rows: is_counted.then(|| counts.rows()),
        })
    }

    /// Reports the phases that have ended and begun.
    fn tell_phases(&self, mut on_event: impl FnMut(Event)) {
        let untold = std::mem::take(&mut self.stages().untold);
        untold.into_iter().for_each(&mut on_event);
    }
}

/// How often a run reports its progress.
const EVENT_INTERVAL: Duration = Duration::from_millis(100);

/// Runs work to its end: reports its phases and progress, and passes on a request to stop.
pub(crate) async fn attend<T>(
    work: impl Future<Output = Result<T>>,
    stopper: watch::Sender<bool>,
    progress: &Progress,
    stop: impl Future<Output = ()>,
    mut on_event: impl FnMut(Event),
) -> Result<T> {
    let mut work = std::pin::pin!(work);
    let mut stop = std::pin::pin!(stop);
    let mut ticks = tokio::time::interval(EVENT_INTERVAL);
    let mut is_stopping = false;
    let result = loop {
        tokio::select! {
            // A phase is announced before its counts.
            biased;
            () = progress.changed.notified() => progress.tell_phases(&mut on_event),
            result = &mut work => break result,
            () = &mut stop, if !is_stopping => {
                is_stopping = true;
                let _ = stopper.send(true);
            }
            _ = ticks.tick() => {
                // The work may just have begun a phase, and wait since then.
                progress.tell_phases(&mut on_event);
                progress.event(false).into_iter().for_each(&mut on_event);
            }
        }
    };
    progress.tell_phases(&mut on_event);
    progress.event(result.is_ok()).into_iter().for_each(&mut on_event);
    result
}

/// Ready when the run should stop.
pub(crate) async fn stopped(mut stopped: watch::Receiver<bool>) {
    // The sender is dropped only when the run is over, and then nothing waits here.
    if stopped.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_phase_is_told_with_what_it_counted_however_short_it_is() {
        let progress = Progress::default();
        let (stopper, _stopped) = watch::channel(false);
        progress.begin(Phase::Writing, 10);
        let work = async {
            progress.add_bytes(10);
            progress.add_rows(3);
            let own = progress.begin_anew(Phase::Verifying, 12);
            own.add_bytes(12);
            own.add_rows(2);
            progress.begin(Phase::Publishing, 10);
            progress.leave_rows_uncounted();
            Ok(())
        };
        let mut events = Vec::new();
        attend(work, stopper, &progress, std::future::pending(), |event| events.push(event))
            .await
            .expect("done");
        let counted = |phase, bytes, rows| Event::Progress { phase, bytes, total_bytes: bytes, rows };
        assert_eq!(
            events,
            [
                Event::Began { phase: Phase::Writing },
                counted(Phase::Writing, 10, Some(3)),
                Event::Began { phase: Phase::Verifying },
                counted(Phase::Verifying, 12, Some(2)),
                Event::Began { phase: Phase::Publishing },
                counted(Phase::Publishing, 10, None),
            ]
        );
    }

    #[tokio::test]
    async fn a_phase_that_begins_right_before_a_tick_is_announced_first() {
        let progress = Progress::default();
        let (stopper, _stopped) = watch::channel(false);
        progress.begin(Phase::Writing, 10);
        let work = async {
            // The clock is looked at while this yields: a tick is due then.
            tokio::time::sleep(EVENT_INTERVAL / 2).await;
            std::thread::sleep(EVENT_INTERVAL);
            tokio::task::yield_now().await;
            progress.begin(Phase::Publishing, 10);
            tokio::task::yield_now().await;
            Ok(())
        };
        let mut phases = Vec::new();
        let note = |event| match event {
            Event::Began { phase } => phases.push((phase, "began")),
            Event::Progress { phase, .. } => phases.push((phase, "counted")),
            Event::Published { .. } => {}
        };
        attend(work, stopper, &progress, std::future::pending(), note).await.expect("done");
        phases.dedup();
        let order = [Phase::Writing, Phase::Publishing].map(|phase| [(phase, "began"), (phase, "counted")]);
        assert_eq!(phases, order.concat());
    }
}
