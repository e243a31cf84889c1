//! Carries out a [`Plan`]. [`run`] is a table of contents: write every file unpublished, prove, publish, write the
//! receipt.

mod proof;
mod receipts;
mod report;

pub use report::Report;

use crate::engine::{Context, Finished, abort, made_folders, note_digest, write_all};
use crate::model::{
    Error, Event, Phase, Progress, Result, Setting, Warning, attend, column_summaries, stopped,
};
use crate::plan::{Output, Plan, RunPlan, UpToDate, refuse_stale};
use crate::sink::Publication;

use crate::source::rows_missing;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// Carries out a plan.
///
/// Needs a Tokio runtime with its time driver. Output is all or nothing: after an error, nothing exists under a final
/// name, and partial work is cleaned up. Dropping the future stops the run too, but [`run_until`] waits until
/// everything is cleaned up.
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
/// assert_eq!(report.to_string(), format!("36 rows from 12 parts -> {target} (transcode)"));
/// # Ok::<(), forecast_export::Error>(())
/// # }).unwrap();
/// ```
pub async fn run(plan: Plan, on_event: impl FnMut(Event)) -> Result<Report> {
    run_until(plan, std::future::pending(), on_event).await
}

/// Carries out a plan until `stop` is ready: then everything begun is cleaned up, and the error is [`Error::Stopped`].
///
/// # Errors
/// As [`run`].
pub async fn run_until(
    plan: Plan,
    stop: impl Future<Output = ()>,
    mut on_event: impl FnMut(Event),
) -> Result<Report> {
    let plan = match plan {
        Plan::Run(plan) => *plan,
        Plan::UpToDate(done) => return Ok(nothing_done(*done)),
    };
    let (stopper, stopped) = watch::channel(false);
    let total = plan.input.bytes();
    let progress = Arc::new(Progress::by_part(plan.input.parts.len()));
    let work = begin(plan, Arc::clone(&progress), stopped);
    progress.begin(Phase::Writing, total);
    let report = attend(work, stopper, &progress, stop, &mut on_event).await?;
    for file in &report.outputs {
        on_event(Event::Published { path: file.file.clone() });
    }
    Ok(report)
}

/// The work of a run as a boxed future, because its own type nests too deeply for the compiler in other programs.
fn begin(
    plan: RunPlan,
    progress: Arc<Progress>,
    stopped: watch::Receiver<bool>,
) -> BoxFuture<'static, Result<Report>> {
    write_and_publish(plan, progress, stopped).boxed()
}

async fn write_and_publish(
    plan: RunPlan,
    progress: Arc<Progress>,
    stopped: watch::Receiver<bool>,
) -> Result<Report> {
    let began = Instant::now();
    let context = Context::new(&plan.input, &plan.options, progress, stopped);
    let (mut warnings, mut plan) = (plan.input.warnings.clone(), plan);
    let mut files = match write_all(&context, &plan).await {
        Err(Error::Denied { doing, object, reason, .. }) if plan.goes_on_without_server(doing) => {
            warnings.push(Warning::MergedHere { doing, object, reason });
            plan = plan.without_server();
            context.progress.reset();
            write_all(&context, &plan).await?
        }
        written => written?,
    };
    if let Some(origin) = &plan.origin
        && let [file] = files.as_mut_slice()
    {
        // A server that copies text does not count its rows, but whoever wrote the pieces did.
        file.file.rows = file.file.rows.or_else(|| origin.rows.iter().copied().sum());
    }
    let published = match prove(&context, &plan, &mut files).await {
        Ok(proved) => receipts::publish_with(&context, &plan, &mut files, proved.digest.clone())
            .await
            .map(|receipt| (receipt, proved)),
        Err(error) => Err(error),
    };
    let ((receipt, warning), Proved { digest, publication }) = match published {
        Ok(published) => published,
        Err(error) => {
            abort(&mut files).await;
            return Err(error);
        }
    };
    drop(publication);
    warnings.extend(warning);
    if let Some(place) = plan.output.location().filter(|place| place.store.knows_no_conditions()) {
        warnings.push(Warning::NoConditions { path: place.to_string() });
    }
    // Even for a thousand files, one warning is enough.
    if let Some(file) = files.iter().find(|file| file.sink.came_after_a_look()) {
        warnings.push(Warning::PublishedAfterALook { path: file.file.file.clone() });
    }
    let first = plan.first();
    let summary = first.summary(Setting::name);
    Ok(Report {
        job: summary.job,
        runs: summary.runs,
        kind: summary.kind,
        from: summary.from,
        to: summary.to,
        strategy: summary.strategy,
        parts: first.input.parts.len() as u64,
        bytes_read: summary.bytes,
        rows: files.iter().map(|file| file.file.rows).sum(),
        warnings,
        columns: column_summaries(&first.input.schema),
        digest,
        created_folders: made_folders(&files),
        outputs: files.into_iter().map(|file| file.file).collect(),
        up_to_date: false,
        receipt,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// The report of a run whose output was already up to date.
fn nothing_done(done: UpToDate) -> Report {
    let summary = done.summary(Setting::name);
    Report {
        job: summary.job,
        runs: summary.runs,
        kind: summary.kind,
        from: summary.from,
        to: summary.to,
        strategy: summary.strategy,
        parts: summary.parts.len() as u64,
        bytes_read: 0,
        rows: summary.rows,
        warnings: done.warnings,
        columns: summary.columns,
        digest: done.receipt.digest.clone(),
        outputs: done.files,
        created_folders: Vec::new(),
        up_to_date: true,
        receipt: done.receipt,
        seconds: 0.0,
    }
}

/// The results of all checks before publishing.
struct Proved {
    /// The digest of the rows, if the output was verified.
    digest: Option<String>,
    /// Keeps other runs from publishing to the same folder meanwhile.
    publication: Publication,
}

/// Checks everything that must hold before anything is published.
async fn prove(context: &Context, plan: &RunPlan, files: &mut [Finished]) -> Result<Proved> {
    if let Some(expected) = plan.options.select.expect_rows
        && context.progress.rows() != expected
    {
        return Err(rows_missing(context.progress.rows(), expected));
    }
    let proofs = async {
        let digest = match plan.options.verify {
            true => {
                let counts = context.progress.begin_anew(Phase::Verifying, plan.input.bytes());
                Some(proof::reread(context, plan, files, counts).await?)
            }
            false => None,
        };
        context.progress.begin(Phase::Publishing, plan.input.bytes());
        for file in &mut *files {
            if let Some(digest) = &digest {
                note_digest(context, plan, file, digest).await?;
            }
            file.sink.upload().await?;
        }
        let publication = match &plan.output {
            straight if straight.is_written_straight() => Publication::of_nothing(),
            Output::File(location) => Publication::begin(location, false).await?,
            Output::Folder(folder) => Publication::begin(folder, true).await?,
            Output::Stdout => Publication::of_nothing(),
        };
        let written: Vec<&str> = files.iter().map(|file| file.file.file.as_str()).collect();
        refuse_stale(plan, &written).await?;
        proof::unchanged(plan).await?;
        Ok(Proved { digest, publication })
    };
    tokio::select! {
        // Stopped after everything was written, but nothing is published yet.
        biased;
        () = stopped(context.stopped.clone()) => Err(Error::Stopped),
        proved = proofs => proved,
    }
}
