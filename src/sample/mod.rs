//! Synthetic exports: takes [`SampleOptions`], writes what the service would have written, with values drawn from a
//! seed. The same options produce the same bytes on every machine and with any number of threads.
//!
//! [`sample`] is a table of contents: lay out, check for existing files, write every part unpublished, publish.

mod encode;
mod files;
mod layout;
mod options;
mod series;

pub use options::{Frequency, Quantile, SampleOptions};

use crate::engine::{abort, made_folders, marker, publish};
use crate::model::{
    ColumnSummary, Error, Event, ExistsWhy, Format, Kind, MARKERS, PartName, Pattern, Phase, Progress,
    Result, UsageError, WrittenFile, attend, column_summaries,
};
use crate::store::{Location, listing};
use files::Parts;
use layout::Layout;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// The report of a written sample.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SampleReport {
    /// What the export holds.
    pub kind: Kind,
    /// The job's name.
    pub job: String,
    /// The run's timestamp.
    pub run: String,
    /// The format of the parts.
    pub to: Format,
    /// The seed of the values.
    pub seed: u64,
    /// Rows of all parts.
    pub rows: u64,
    /// Bytes of all parts.
    pub bytes: u64,
    /// The columns.
    pub columns: Vec<ColumnSummary>,
    /// The parts, in order.
    pub outputs: Vec<WrittenFile>,
    /// The local folders that did not exist and were created for the sample, the outermost first.
    pub created_folders: Vec<String>,
    /// Seconds from start to end.
    pub seconds: f64,
}

/// Writes a synthetic export into a folder, with the service's names, layout and kinds of values. The parts of a
/// backtest go to their kind's subfolder.
///
/// Rows depend only on the seed and the number of their item, so samples that differ in parts, format or threads hold
/// the same rows. Needs a Tokio runtime with its time driver. Nothing is published before everything is written; then
/// `_CHECK` is published first and `_SUCCESS` last. If they already exist, they stay as they are.
///
/// # Errors
/// [`Error::Usage`] for options that no export could have, [`Error::OutputExists`] if a part of the run already exists,
/// and any error of writing to the target.
///
/// ```
/// use forecast_export::{Location, SampleOptions, sample};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path().display().to_string();
/// let mut options = SampleOptions::default();
/// options.items = 12;
/// options.steps = 7;
/// let report = sample(&Location::parse(&folder)?, &options, |_event| ()).await?;
/// assert_eq!((report.rows, report.outputs.len()), (84, 4));
/// assert!(report.outputs[0].file.ends_with("/sample_2026-01-02T03-04-05Z_part0.csv"));
/// # Ok::<(), forecast_export::Error>(())
/// # }).unwrap();
/// ```
pub async fn sample(
    target: &Location,
    options: &SampleOptions,
    on_event: impl FnMut(Event),
) -> Result<SampleReport> {
    sample_until(target, options, std::future::pending(), on_event).await
}

/// As [`sample`], until `stop` is ready: then everything begun is cleaned up, and the error is [`Error::Stopped`].
///
/// # Errors
/// As [`sample`].
pub async fn sample_until(
    target: &Location,
    options: &SampleOptions,
    stop: impl Future<Output = ()>,
    mut on_event: impl FnMut(Event),
) -> Result<SampleReport> {
    let began = Instant::now();
    options.check()?;
    target.must_be_writable()?;
    let layout = Layout::new(options)?;
    let columns = column_summaries(&layout.schema());
    let folder = match options.kind.backtest_folder() {
        Some((name, _)) => target.child(name),
        None => target.clone(),
    };
    let names: Vec<PartName> = (0..options.parts)
        .map(|part| PartName::new(options.kind, &options.job, &options.run, part.into(), options.to.name()))
        .collect();
    let markers = refuse_existing(target, &folder, &names, options).await?;

    let (stopper, stopped) = watch::channel(false);
    let progress = Arc::new(Progress::default());
    let targets = names.iter().map(|name| folder.child(name.as_str())).collect();
    let parts = Parts::new(layout, options, targets, Arc::clone(&progress), stopped)?;
    let work = write_and_publish(&parts, &markers);
    progress.begin(Phase::Writing, parts.expected_bytes());
    let (outputs, created_folders) = attend(work, stopper, &progress, stop, &mut on_event).await?;
    for file in &outputs {
        on_event(Event::Published { path: file.file.clone() });
    }
    Ok(SampleReport {
        kind: options.kind,
        job: options.job.clone(),
        run: options.run.to_string(),
        to: options.to,
        seed: options.seed,
        rows: outputs.iter().filter_map(|file| file.rows).sum(),
        bytes: outputs.iter().map(|file| file.bytes).sum(),
        columns,
        outputs,
        created_folders,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// Writes parts and markers, and publishes them in the order in which the service does. Returns the parts, and the
/// folders that were created.
fn write_and_publish<'a>(
    parts: &'a Parts,
    markers: &'a [Location],
) -> BoxFuture<'a, Result<(Vec<WrittenFile>, Vec<String>)>> {
    async move {
        let mut files = parts.write().await?;
        for target in markers {
            match marker(target).await {
                Ok(file) if target.split().1 == MARKERS[0] => files.insert(0, file),
                Ok(file) => files.push(file),
                Err(error) => {
                    abort(&mut files).await;
                    return Err(error);
                }
            }
        }
        publish(&mut files).await?;
        let is_marker = |file: &WrittenFile| markers.iter().any(|marker| marker.to_string() == file.file);
        let folders = made_folders(&files);
        Ok((files.into_iter().map(|file| file.file).filter(|file| !is_marker(file)).collect(), folders))
    }
    .boxed()
}

/// Fails for existing parts, and for parts that would stay next to the new ones; returns the markers that are still
/// missing.
fn refuse_existing<'a>(
    target: &'a Location,
    folder: &'a Location,
    names: &'a [PartName],
    options: &'a SampleOptions,
) -> BoxFuture<'a, Result<Vec<Location>>> {
    async move {
        for place in [target, folder] {
            if place.is_local() && std::fs::metadata(&place.path).is_ok_and(|meta| !meta.is_dir()) {
                return Err(UsageError::SampleIntoFile { path: place.to_string() }.into());
            }
        }
        let there = match listing::list(&target.as_folder()).await {
            Ok(listing) => listing.objects,
            Err(Error::NotFound(_)) if target.is_local() => Vec::new(),
            Err(error) => return Err(error),
        };
        let new: HashSet<&str> = names.iter().map(PartName::as_str).collect();
        let pattern = Pattern::default();
        for object in &there {
            let is_in = |place: &Location| object.folder() == place.path || place.path.is_empty();
            if !is_in(folder) {
                continue;
            }
            let is_replaced = new.contains(object.file_name());
            if is_replaced && !options.overwrite {
                return Err(Error::exists(&object.url, ExistsWhy::Exists));
            }
            let is_of_run = pattern
                .parse(object.folder(), object.file_name())
                .is_some_and(|name| name.job() == options.job && name.run() == Some(&options.run));
            if is_of_run && !is_replaced {
                return Err(Error::exists(&object.url, ExistsWhy::StalePart));
            }
        }
        let mut missing = Vec::new();
        for name in MARKERS {
            let marker = target.child(name);
            if target.store.head(&marker.path).await?.is_none() {
                missing.push(marker);
            }
        }
        Ok(missing)
    }
    .boxed()
}
