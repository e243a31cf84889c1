//! Runs jobs in the order in which they were created, a few at a time, and notes what becomes of them.

use super::export::Exporter;
use super::forecasts::Forecasts;
use super::metrics::Metrics;
use super::state::{Job, State, Status};
use crate::model::{Error, Event, Result, redacted, stopped};
use crate::run::Report;

use chrono::Utc;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Longer messages are cut: a message is for people, and is stored with its job.
const MAX_MESSAGE: usize = 2000;
/// How long a job waits whose state cannot be written.
const PAUSE: Duration = Duration::from_secs(1);
/// What the removal of a stopped job's parts may take of a store that does not answer. The server ends within ten seconds.
const TAKE_BACK_TIME: Duration = Duration::from_secs(8);

/// Everything that jobs need.
pub(super) struct Runner {
    pub(super) state: Arc<State>,
    pub(super) forecasts: Arc<Forecasts>,
    pub(super) exporter: Exporter,
    pub(super) parallel: usize,
    pub(super) metrics: Arc<Metrics>,
    /// The jobs that are being worked on, by their numbers.
    running: Mutex<HashMap<i64, Running>>,
    wake: Notify,
}

/// A job that is being worked on.
#[derive(Clone)]
struct Running {
    stop: watch::Sender<bool>,
    progress: Arc<Counts>,
}

/// How far a job is.
#[derive(Debug, Default)]
pub(super) struct Counts {
    bytes: AtomicU64,
    total: AtomicU64,
}

impl Counts {
    /// Bytes that were read, and all there are.
    pub(super) fn get(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    fn note(&self, event: &Event) {
        if let Event::Progress { bytes, total_bytes, .. } = event {
            self.bytes.store(*bytes, Ordering::Relaxed);
            self.total.store(*total_bytes, Ordering::Relaxed);
        }
    }
}

impl Runner {
    pub(super) fn new(
        state: Arc<State>,
        forecasts: Arc<Forecasts>,
        exporter: Exporter,
        parallel: usize,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (running, wake) = (Mutex::default(), Notify::new());
        Runner { state, forecasts, exporter, parallel, metrics, running, wake }
    }

    /// Looks for jobs that are due.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Tells whoever works on a job to stop.
    pub(super) fn stop(&self, number: i64) {
        if let Some(running) = self.running().get(&number) {
            running.stop.send_replace(true);
        }
    }

    pub(super) fn progress(&self, number: i64) -> Option<(u64, u64)> {
        self.running().get(&number).map(|running| running.progress.get())
    }

    fn running(&self) -> MutexGuard<'_, HashMap<i64, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs jobs until the server shuts down. Those that are not done then are stopped, and run again from their start
    /// when a server comes back.
    pub(super) async fn run(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        let mut jobs = JoinSet::new();
        loop {
            self.start_due(&mut jobs);
            tokio::select! {
                () = self.wake.notified() => {}
                Some(_) = jobs.join_next() => {}
                _ = shutdown.wait_for(|is_down| *is_down) => break,
            }
        }
        for running in self.running().values() {
            running.stop.send_replace(true);
        }
        while jobs.join_next().await.is_some() {}
    }

    /// Starts as many jobs as may run at the same time.
    fn start_due(self: &Arc<Self>, jobs: &mut JoinSet<()>) {
        // Held while the state is read: a job that ended in between would be unfinished there and not among these, and
        // would run once more.
        let mut running = self.running();
        let due = match self.state.unfinished() {
            Ok(due) => due,
            Err(error) => return tracing::error!(%error, "jobs cannot be read"),
        };
        for job in due {
            if running.len() >= self.parallel {
                return;
            }
            if running.contains_key(&job.number) {
                continue;
            }
            let (stop, stopped) = watch::channel(false);
            let progress = Arc::new(Counts::default());
            running.insert(job.number, Running { stop, progress: Arc::clone(&progress) });
            let runner = Arc::clone(self);
            jobs.spawn(async move {
                let number = job.number;
                // In a task of its own, so that a panic is a failed job.
                let work = tokio::spawn(Arc::clone(&runner).carry_out(job, progress, stopped));
                if let Err(error) = work.await {
                    tracing::error!(%error, "a job failed for a defect of the server");
                    let message = "The server failed. Its log says why.";
                    runner.end(number, Status::CreateFailed, Some(message));
                }
                runner.running().remove(&number);
            });
        }
    }

    async fn carry_out(self: Arc<Self>, job: Job, progress: Arc<Counts>, stopped: watch::Receiver<bool>) {
        let (pending, in_progress) = (Status::CreatePending, Status::CreateInProgress);
        if job.status == pending {
            match self.state.step(job.number, &[pending], in_progress, None, Utc::now()) {
                Ok(true) => {}
                // It was stopped meanwhile.
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(%error, job = job.arn, "a job cannot begin");
                    return tokio::time::sleep(PAUSE).await;
                }
            }
        }
        let began = Instant::now();
        tracing::info!(job = job.arn, "the export begins");
        let exported = match job.status {
            // The server was killed before it could stop.
            Status::CreateStopping => Err(Error::Stopped),
            _ => self.export(&job, &progress, stopped.clone()).await,
        };
        // What was stopped before it published has left nothing. A run that was killed may have published some.
        let may_have_left_parts = exported.is_ok() || job.status != pending;
        let is_done = match exported {
            Ok(report) => {
                let seconds = began.elapsed().as_secs_f64();
                let (files, rows) = (report.outputs.len(), report.rows.unwrap_or(0));
                let bytes = report.outputs.iter().map(|file| file.bytes).sum();
                tracing::info!(job = job.arn, files, rows, bytes, seconds, "the export is complete");
                self.metrics.exported(rows, bytes, began.elapsed());
                self.end(job.number, Status::Active, None)
            }
            // Whether the job or the server was to stop is seen below.
            Err(Error::Stopped) => Some(false),
            Err(error) => {
                let message: String = redacted(&error.to_string()).chars().take(MAX_MESSAGE).collect();
                tracing::warn!(job = job.arn, error = message, "the export failed");
                self.end(job.number, Status::CreateFailed, Some(&message))
            }
        };
        let Some(is_done) = is_done else {
            // The job is still due. It runs again, but not all the time.
            return tokio::time::sleep(PAUSE).await;
        };
        let is_stopping =
            || matches!(self.state.job(&job.arn), Ok(Some(job)) if job.status == Status::CreateStopping);
        if !is_done && is_stopping() {
            if may_have_left_parts {
                self.take_back(&job).await;
            }
            self.end(job.number, Status::CreateStopped, None);
            tracing::info!(job = job.arn, "the export was stopped");
        } else if !is_done {
            tracing::info!(job = job.arn, "the export will begin again");
        }
    }

    /// Removes what a stopped job has published, as far as its destination answers in time.
    async fn take_back(&self, job: &Job) {
        match tokio::time::timeout(TAKE_BACK_TIME, self.exporter.take_back(job)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, job = job.arn, "parts of a stopped job remain"),
            Err(_) => tracing::warn!(job = job.arn, "parts of a stopped job may remain: no answer"),
        }
    }

    async fn export(&self, job: &Job, progress: &Counts, stop: watch::Receiver<bool>) -> Result<Report> {
        let forecast = self.forecasts.find(&self.state, &job.forecast_arn);
        let forecast =
            forecast.map_err(|error| Error::Internal(format!("the state cannot be read: {error}")))?;
        let Some(forecast) = forecast else {
            return Err(Error::Internal(format!("the forecast {} is gone", job.forecast_arn)));
        };
        let source = self.forecasts.location(&forecast)?;
        let note = |event| progress.note(&event);
        self.exporter.export(job, &source, &forecast.choice, stopped(stop), note).await
    }

    /// Notes the end of a job, unless it is to stop; returns whether it has ended so, or `None` if that cannot be noted.
    fn end(&self, number: i64, status: Status, message: Option<&str>) -> Option<bool> {
        let from = match status {
            Status::CreateStopped => Status::CreateStopping,
            _ => Status::CreateInProgress,
        };
        let noted = self.state.step(number, &[from], status, message, Utc::now());
        noted.inspect_err(|error| tracing::error!(%error, "the end of a job cannot be noted")).ok()
    }
}
