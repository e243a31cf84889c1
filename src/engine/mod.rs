//! Does what a [`Plan`] says. [`run`] is a table of contents: write every file out of sight, check, publish.
//!
//! Async is for input and output, threads are for decoding and encoding; they meet in [`jobs`]. What is held at once
//! is bounded by [`budget`].

mod aggregates;
mod budget;
mod chunks;
mod copy_bytes;
mod copy_on_server;
mod copy_row_groups;
mod files;
mod jobs;
mod pool;
mod progress;
mod proof;
mod receipts;
mod row_group_reader;
mod row_group_workers;
mod row_groups;
mod rows;
mod text;
mod workers;

pub(crate) use aggregates::look_for_aggregates;
pub(crate) use budget::TRANSFER_BYTES;
pub(crate) use copy_bytes::header as text_header;
pub(crate) use files::{Finished, abort, publish, write_each};
pub(crate) use jobs::Jobs;
pub(crate) use progress::Progress;
pub use progress::{Event, Report, WrittenFile};
pub(crate) use rows::{Context, line_end, rows};

use crate::error::{Error, Result};
use crate::existing::Done;
use crate::location::Location;
use crate::options::Options;
use crate::plan::{self, Plan, column_summaries};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use files::{note_digest, write_output, write_recut};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt, stream};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often a run tells how far it is.
const EVENT_INTERVAL: Duration = Duration::from_millis(100);

/// Carries out a plan.
///
/// Needs a Tokio runtime with its time driver. Output is all or nothing: on an error nothing is seen under a final
/// name, and what was begun is cleared away. Dropping the future stops the run too, but [`run_until`] waits until all
/// is cleared away.
///
/// # Errors
/// See [`Error`].
///
/// ```
/// use forecast_export::{Location, Options, Output, plan, run};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let folder = tempfile::tempdir().unwrap();
/// # let target = folder.path().join("sales.parquet").display().to_string();
/// let source = Location::parse("testdata/forecast")?;
/// let plan = plan(&source, &Output::file(&target)?, &Options::default()).await?;
/// println!("{plan}");
/// let report = run(plan, |_event| ()).await?;
/// assert_eq!(report.rows, Some(36));
/// # Ok::<(), forecast_export::Error>(())
/// # }).unwrap();
/// ```
pub async fn run(plan: Plan, on_event: impl FnMut(Event)) -> Result<Report> {
    run_until(plan, std::future::pending(), on_event).await
}

/// Carries out a plan until `stop` is ready: then everything that was begun is cleared away, and the error is
/// [`Error::Stopped`].
///
/// # Errors
/// As [`run`].
pub async fn run_until(
    plan: Plan,
    stop: impl Future<Output = ()>,
    mut on_event: impl FnMut(Event),
) -> Result<Report> {
    if let Some(done) = &plan.done {
        return Ok(nothing_done(&plan, done));
    }
    let (stopper, stopped) = watch::channel(false);
    let total = plan.input.bytes();
    let progress = Arc::new(Progress::by_part(plan.input.parts.len()));
    let work = begin(plan, Arc::clone(&progress), stopped);
    let report = attend(work, stopper, &progress, total, stop, &mut on_event).await?;
    for file in &report.outputs {
        on_event(Event::Published { path: file.file.clone() });
    }
    Ok(report)
}

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

/// The work of a run, of a type that programs which use the library need not look into: its own nests too deep for them.
fn begin(
    plan: Plan,
    progress: Arc<Progress>,
    stopped: watch::Receiver<bool>,
) -> BoxFuture<'static, Result<Report>> {
    write_and_publish(plan, progress, stopped).boxed()
}

async fn write_and_publish(
    plan: Plan,
    progress: Arc<Progress>,
    stopped: watch::Receiver<bool>,
) -> Result<Report> {
    let began = Instant::now();
    let context = Context::new(&plan.input, &plan.options, progress, stopped);
    let (mut plan, mut warnings) = (plan, Vec::new());
    let mut files = match write_all(&context, &plan).await {
        Err(error) if plan.is_done_here_after(&error) => {
            warnings.push(format!("{error}; the merge was done here"));
            plan = plan.done_here();
            context.progress.reset();
            write_all(&context, &plan).await?
        }
        written => written?,
    };
    let proved = match prove(&context, &plan, &mut files).await {
        Ok(digest) => publish(&mut files).await.map(|()| digest),
        Err(error) => Err(error),
    };
    let digest = match proved {
        Ok(digest) => digest,
        Err(error) => {
            abort(&mut files).await;
            return Err(error);
        }
    };
    let receipt = receipts::of_run(&context, &plan, &files, digest.clone()).await?;
    receipts::write(&plan, &receipt).await?;
    let summary = plan.summary();
    Ok(Report {
        job: summary.job,
        runs: summary.runs,
        kind: summary.kind,
        from: summary.from,
        to: summary.to,
        strategy: summary.strategy,
        parts: plan.input.parts.len() as u64,
        bytes_read: summary.bytes,
        rows: files.iter().map(|file| file.file.rows).sum(),
        warnings,
        columns: column_summaries(&plan.input.schema),
        digest,
        outputs: files.into_iter().map(|file| file.file).collect(),
        up_to_date: false,
        receipt,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// The report of a run whose output was there already.
fn nothing_done(plan: &Plan, done: &Done) -> Report {
    let summary = plan.summary();
    Report {
        job: summary.job,
        runs: summary.runs,
        kind: summary.kind,
        from: summary.from,
        to: summary.to,
        strategy: summary.strategy,
        parts: plan.input.parts.len() as u64,
        bytes_read: 0,
        rows: done.receipt.rows,
        warnings: Vec::new(),
        columns: summary.columns,
        digest: done.receipt.digest.clone(),
        outputs: done.files.clone(),
        up_to_date: true,
        receipt: done.receipt.clone(),
        seconds: 0.0,
    }
}

/// Files of a conversion that are written at the same time: small ones wait for requests, not for the processor.
const CONCURRENT_FILES: usize = 16;

/// Writes every file of the output, none of which can be seen yet.
fn write_all<'a>(context: &'a Context, plan: &'a Plan) -> BoxFuture<'a, Result<Vec<Finished>>> {
    if let Some(recut) = &plan.recut {
        return write_recut(context, plan, recut).boxed();
    }
    let largest = plan.input.parts.iter().map(|part| part.object.size).max().unwrap_or(0).max(1);
    let at_once = (context.budget.chunk as u64 / largest).clamp(1, CONCURRENT_FILES as u64) as usize;
    let write = |index: usize| write_output(context, plan, &plan.outputs[index]).boxed();
    write_each(plan.outputs.len(), at_once, write).boxed()
}

/// All that must hold before anything is published; gives the digest of the rows where the output was read again.
async fn prove(context: &Context, plan: &Plan, files: &mut [Finished]) -> Result<Option<String>> {
    if let Some(expected) = plan.options.select.expect_rows
        && context.progress.rows() != expected
    {
        return Err(plan::rows_missing(context.progress.rows(), expected));
    }
    let proofs = async {
        let digest = match plan.options.verify {
            true => Some(proof::reread(context, plan, files).await?),
            false => None,
        };
        for file in &mut *files {
            if let Some(digest) = &digest {
                note_digest(context, plan, file, digest).await?;
            }
            file.sink.release().await?;
        }
        let written: Vec<&str> = files.iter().map(|file| file.file.file.as_str()).collect();
        plan::refuse_stale(plan, &written).await?;
        proof::unchanged(plan).await?;
        Ok(digest)
    };
    tokio::select! {
        // Asked to stop when everything was written: nothing of it is in sight yet.
        biased;
        () = stopped(context.stopped.clone()) => Err(Error::Stopped),
        proved = proofs => proved,
    }
}

/// Ready when the run shall stop.
pub(crate) async fn stopped(mut stopped: watch::Receiver<bool>) {
    // The sender is gone only when the run is over, and then nobody waits here.
    if stopped.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The rows of an export as an ordered stream of record batches, all of one schema.
///
/// Batches have up to some ten thousand rows; what is decoded ahead is bounded by [`Options::memory`]. After an error
/// the stream is over.
///
/// Made by [`read`].
pub struct Rows {
    schema: SchemaRef,
    batches: BoxStream<'static, Result<RecordBatch>>,
    // Keeps `stopped` from resolving while the stream is read.
    _stopper: watch::Sender<bool>,
}

impl Rows {
    /// The schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        let item = self.batches.poll_next_unpin(context);
        if matches!(item, Poll::Ready(Some(Err(_)))) {
            self.batches = stream::empty().boxed();
        }
        item
    }
}

/// Reads one run of an export, or with [`RunChoice::All`](crate::RunChoice::All) all of them, as rows in order: part
/// by part, row by row. Of the options those about output have no effect.
///
/// # Errors
/// As [`plan()`](crate::plan()); the stream ends with the errors of [`run`].
///
/// ```
/// use forecast_export::{Location, Options, read};
/// use futures::TryStreamExt;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let source = Location::parse("testdata/forecast")?;
/// let mut rows = read(&source, &Options::default()).await?;
/// assert_eq!(rows.schema().field(0).name(), "item_id");
/// let mut count = 0;
/// while let Some(batch) = rows.try_next().await? {
///     count += batch.num_rows();
/// }
/// assert_eq!(count, 36);
/// # Ok::<(), forecast_export::Error>(())
/// # }).unwrap();
/// ```
pub async fn read(source: &Location, options: &Options) -> Result<Rows> {
    let input = Arc::new(plan::input(source, options, |_| false).await?);
    let (stopper, stopped) = watch::channel(false);
    let context = Context::new(&input, options, Arc::new(Progress::default()), stopped);
    let parts = 0..input.parts.len();
    Ok(Rows { schema: Arc::clone(&input.schema), batches: rows(&context, parts), _stopper: stopper })
}
