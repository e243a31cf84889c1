//! Takes stock of a location without judging it: every export with its parts, gaps and duplicates, and all other files.
//! The data behind `ls` and `schema`.

use crate::model::{
    ColumnSummary, DataErrorKind, Error, Format, Gap, InventoryOptions, Kind, NotFound, Options, PartNumber,
    Result, RunChoice, RunStamp, UsageError, Warning, column_summaries, kind_of,
};
use crate::plan::{ReceiptSummary, receipt};
use crate::source::{
    CsvHead, CsvReading, Export, Part, PlannedPart, Probe, column_names, find, first_lines_are_headers,
    probe_as_answered,
};
use crate::store::{Glob, Location, Object, Store};

use chrono::DateTime;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Everything at a location.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Inventory {
    /// The location, as the caller named it.
    pub source: String,
    /// One for each folder, kind, job and run.
    pub exports: Vec<ExportSummary>,
    /// Files that are not parts.
    pub strays: Vec<FileSummary>,
    /// `_CHECK`, `_SUCCESS` and the like.
    pub markers: Vec<FileSummary>,
    /// Receipts of outputs here, next to CSV files and within Parquet files.
    pub receipts: Vec<ReceiptSummary>,
    /// Files that are named like receipts, if no file may be opened.
    pub receipt_files: Vec<FileSummary>,
    /// Whether no file was opened, so that all of this comes from names.
    pub names_only: bool,
    /// Exports left out because their run has no timestamp, so it is not known whether it is recent enough.
    pub undated: u64,
}

/// One run of one job.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ExportSummary {
    /// The folder's path or key.
    pub folder: String,
    /// The kind of export, from its name or else from its columns.
    pub kind: Kind,
    /// The job's name.
    pub job: String,
    /// The run's timestamp.
    pub run: Option<String>,
    /// Bytes of all parts.
    pub bytes: u64,
    /// The format of the parts; `None` if all are empty or formats are mixed.
    pub format: Option<Format>,
    /// The parts by number.
    pub parts: Vec<PartSummary>,
    /// Missing numbers.
    pub gaps: Vec<Gap>,
    /// Files with the same number.
    pub duplicates: Vec<String>,
}

/// One part.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PartSummary {
    /// The path or URL.
    pub file: String,
    /// Its number or numbers.
    pub number: Option<PartNumber>,
    /// Bytes.
    pub bytes: u64,
    /// By its magic bytes, or by its name if it was not opened.
    pub format: Option<Format>,
    /// What it holds.
    pub state: PartState,
    /// Rows, if they are known without reading them.
    pub rows: Option<u64>,
    /// Why it cannot be read.
    pub problem: Option<String>,
    /// Its receipt, if it has one.
    pub receipt: Option<ReceiptSummary>,
    /// The file, as listed.
    #[serde(skip)]
    pub object: Arc<Object>,
}

impl From<PartSummary> for Object {
    fn from(part: PartSummary) -> Self {
        Arc::unwrap_or_clone(part.object)
    }
}

impl From<&PartSummary> for Object {
    fn from(part: &PartSummary) -> Self {
        Object::clone(&part.object)
    }
}

/// What a part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartState {
    /// Rows.
    Rows,
    /// A header and no rows.
    HeaderOnly,
    /// Nothing, not even a header.
    Empty,
    /// It cannot be read.
    Damaged,
    /// It is neither CSV nor Parquet, as far as its name and its first bytes tell.
    NotATable,
    /// S3 keeps it in an archive, so it must be restored first.
    Archived,
    /// It was not opened.
    Unread,
}

/// A file that is not a part.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FileSummary {
    /// The path or URL.
    pub file: String,
    /// Bytes.
    pub bytes: u64,
}

/// Lists everything at a location; `options` say how to read names, which exports to show, and whether to open files:
/// by default the first or last bytes of each part are read, 64 parts at once.
///
/// # Errors
/// [`Error::NotFound`] if there is nothing, [`Error::Usage`] if the requested kind can only be recognized by columns
/// but no file may be opened, and errors of the store. A damaged part is not an error here.
///
/// ```
/// use forecast_export::{InventoryOptions, Location, inventory};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let source = Location::parse("testdata/forecast")?;
/// let found = inventory(&source, &InventoryOptions::default()).await?;
/// assert_eq!(found.exports[0].job, "sales_forecast_export");
/// assert_eq!(found.exports[0].parts.len(), 12);
/// # Ok::<(), forecast_export::Error>(())
/// # }).unwrap();
/// ```
pub async fn inventory(source: &Location, options: &InventoryOptions) -> Result<Inventory> {
    look(source, options).await
}

/// Boxed here, or every program would compile it anew.
fn look<'a>(source: &'a Location, options: &'a InventoryOptions) -> BoxFuture<'a, Result<Inventory>> {
    async move {
        let kind = options.select.kind;
        if let Some(kind @ (Kind::Explainability | Kind::WhatIf)) = kind
            && options.names_only
        {
            return Err(UsageError::KindIsInColumns { kind }.into());
        }
        let found = find(source, &options.select.pattern).await?;
        if found.exports.is_empty()
            && found.strays.is_empty()
            && found.markers.is_empty()
            && found.receipts.is_empty()
        {
            return Err(NotFound::Empty { place: source.to_string() }.into());
        }
        let (chosen, undated) = choose(found.exports, options, &source.to_string())?;
        let files = |objects: Vec<Object>| {
            objects.into_iter().map(|object| FileSummary { file: object.url, bytes: object.size }).collect()
        };
        let (mut exports, receipts, receipt_files) = if options.names_only {
            (chosen.into_iter().map(by_names).collect::<Vec<_>>(), Vec::new(), files(found.receipts))
        } else {
            let reading = CsvReading::new(&options.reading());
            let exports = look_at(&source.store, chosen, &reading).await?;
            (exports, read_receipts(&source.store, found.receipts).await?, Vec::new())
        };
        exports.retain(|export| kind.is_none_or(|kind| kind == export.kind));
        Ok(Inventory {
            source: source.to_string(),
            exports,
            strays: files(found.strays),
            markers: files(found.markers),
            receipts,
            receipt_files,
            names_only: options.names_only,
            undated,
        })
    }
    .boxed()
}

/// The exports to show, as far as names tell, and how many were left out without certainty.
///
/// # Errors
/// [`NotFound::Job`] and [`NotFound::Run`] if there are exports but none with the requested name.
fn choose(
    mut exports: Vec<Export>,
    options: &InventoryOptions,
    place: &str,
) -> Result<(Vec<Export>, u64), NotFound> {
    let select = &options.select;
    if let Some(job) = &select.job {
        let glob = Glob::new(job);
        let found: Vec<String> = exports.iter().map(|export| export.job.clone()).collect();
        exports.retain(|export| glob.matches(&export.job));
        if exports.is_empty() && !found.is_empty() {
            return Err(NotFound::Job { place: place.to_owned(), job: job.clone(), found });
        }
    }
    exports.retain(|export| select.format.is_none_or(|format| export.may_be(format)));
    match &select.run {
        RunChoice::Only | RunChoice::All => {}
        RunChoice::At(text) => {
            let wanted = RunStamp::new(text);
            let found: Vec<String> = exports.iter().map(Export::title).collect();
            exports.retain(|export| export.run.as_ref() == Some(&wanted));
            if exports.is_empty() && !found.is_empty() {
                let (place, run, is_timestamp) = (place.to_owned(), text.clone(), wanted.instant().is_some());
                return Err(NotFound::Run { place, run, is_timestamp, found });
            }
        }
        RunChoice::Latest => {
            let mut latest: BTreeMap<&str, &Option<RunStamp>> = BTreeMap::new();
            for export in &exports {
                let newest = latest.entry(&export.job).or_insert(&export.run);
                *newest = (*newest).max(&export.run);
            }
            let is_latest: Vec<bool> =
                exports.iter().map(|export| latest.get(export.job.as_str()) == Some(&&export.run)).collect();
            let mut is_latest = is_latest.into_iter();
            exports.retain(|_| is_latest.next().unwrap_or(false));
        }
    }
    let Some(since) = options.since else { return Ok((exports, 0)) };
    let time = |export: &Export| DateTime::from_timestamp(export.run.as_ref()?.instant()?, 0);
    let undated = exports.iter().filter(|export| time(export).is_none()).count() as u64;
    exports.retain(|export| time(export).is_some_and(|time| time >= since));
    Ok((exports, undated))
}

/// Receipts that are read at the same time.
const CONCURRENT_RECEIPTS: usize = 16;

/// Files named like receipts that are not receipts are left out.
async fn read_receipts(store: &Store, objects: Vec<Object>) -> Result<Vec<ReceiptSummary>> {
    let read = stream::iter(objects)
        .map(|object| async move {
            let receipt = receipt::read(store, &object.key).await?;
            Ok::<_, Error>(receipt.map(|receipt| ReceiptSummary::new(&object.url, receipt)))
        })
        .buffered(CONCURRENT_RECEIPTS);
    read.try_filter_map(|receipt| std::future::ready(Ok(receipt))).try_collect().await
}

/// What is kept of a probed part until the whole export is probed.
enum Seen {
    Empty,
    Csv(CsvHead),
    Parquet { rows: u64, columns: Vec<String>, receipt: Option<ReceiptSummary> },
    Unreadable(PartState, String),
}

impl Seen {
    fn new(part: &Part, probe: Result<Probe>) -> Self {
        match probe {
            Err(error) => Seen::Unreadable(unreadable(part, &error), error.to_string()),
            Ok(Probe::Empty) => Seen::Empty,
            // The contents of small parts are not needed here.
            Ok(Probe::Csv(head)) => Seen::Csv(CsvHead { whole: None, ..head }),
            Ok(Probe::Parquet(footer)) => Seen::Parquet {
                rows: footer.rows(),
                receipt: receipt::in_metadata(&footer.metadata())
                    .map(|receipt| ReceiptSummary::new(&part.object.url, receipt)),
                columns: column_names(&Probe::Parquet(footer)),
            },
        }
    }

    fn columns(&self) -> &[String] {
        match self {
            Seen::Csv(head) => &head.header,
            Seen::Parquet { columns, .. } => columns,
            Seen::Empty | Seen::Unreadable(..) => &[],
        }
    }
}

/// An export with some parts probed.
struct Begun {
    export: Export,
    seen: Vec<Option<Seen>>,
    missing: usize,
}

/// Probes the parts of all exports as if they were one, so many runs of few parts take no longer than one run of many.
/// Only the summaries are held, and the results of exports that are not complete yet.
async fn look_at(store: &Store, exports: Vec<Export>, reading: &CsvReading) -> Result<Vec<ExportSummary>> {
    let mut firsts = Vec::with_capacity(exports.len());
    let mut objects = Vec::new();
    for export in &exports {
        firsts.push(objects.len());
        objects.extend(export.parts.iter().map(|part| Arc::clone(&part.object)));
    }
    let mut summaries: Vec<Option<ExportSummary>> = exports.iter().map(|_| None).collect();
    let mut waiting: Vec<Option<Export>> = exports.into_iter().map(Some).collect();
    let mut begun: HashMap<usize, Begun> = HashMap::new();
    let mut answers = probe_as_answered(store, objects, reading);
    while let Some((index, probe)) = answers.try_next().await? {
        let at = firsts.partition_point(|first| *first <= index) - 1;
        if let Some(export) = waiting[at].take() {
            let missing = export.parts.len();
            begun.insert(at, Begun { export, seen: (0..missing).map(|_| None).collect(), missing });
        }
        let Some(of_export) = begun.get_mut(&at) else {
            return Err(Error::Internal("a part was answered for twice".into()));
        };
        let place = index - firsts[at];
        of_export.seen[place] = Some(Seen::new(&of_export.export.parts[place], probe));
        of_export.missing -= 1;
        if of_export.missing == 0
            && let Some(Begun { export, seen, .. }) = begun.remove(&at)
        {
            summaries[at] = Some(summary(export, seen.into_iter().flatten().collect(), reading));
        }
    }
    Ok(summaries.into_iter().flatten().collect())
}

/// Combines the results of an export's parts, in order.
fn summary(export: Export, seen: Vec<Seen>, reading: &CsvReading) -> ExportSummary {
    let begun = export.parts.iter().zip(&seen).filter_map(|(part, seen)| match seen {
        Seen::Csv(head) => Some((part, head)),
        _ => None,
    });
    // A single line that may be a row does not count as a header.
    let has_headers = first_lines_are_headers(&begun.collect::<Vec<_>>(), reading);
    let columns = seen.iter().map(Seen::columns).find(|columns| !columns.is_empty());
    let kind = columns.map_or(export.kind, |columns| kind_of(columns, export.kind));
    summarize(export, kind, seen, |_, seen| {
        let (state, rows) = match &seen {
            Seen::Unreadable(state, _) => (*state, None),
            Seen::Empty => (PartState::Empty, Some(0)),
            Seen::Csv(head) if head.is_header_only && has_headers => (PartState::HeaderOnly, Some(0)),
            Seen::Csv(_) => (PartState::Rows, None),
            Seen::Parquet { rows: 0, .. } => (PartState::HeaderOnly, Some(0)),
            Seen::Parquet { rows, .. } => (PartState::Rows, Some(*rows)),
        };
        let format = match &seen {
            Seen::Csv(_) => Some(Format::Csv),
            Seen::Parquet { .. } => Some(Format::Parquet),
            Seen::Empty | Seen::Unreadable(..) => None,
        };
        let (problem, receipt) = match seen {
            Seen::Unreadable(_, problem) => (Some(problem), None),
            Seen::Parquet { receipt, .. } => (None, receipt),
            Seen::Empty | Seen::Csv(_) => (None, None),
        };
        Told { format, state, rows, problem, receipt }
    })
}

/// The summary of an export from names and sizes.
fn by_names(export: Export) -> ExportSummary {
    let (kind, parts) = (export.kind, export.parts.len());
    summarize(export, kind, vec![(); parts], |part, ()| {
        let refused = part.object.must_be_file().err();
        let (state, rows) = match (&refused, part.object.size) {
            (Some(error), _) => (unreadable(part, error), None),
            (None, 0) => (PartState::Empty, Some(0)),
            (None, _) => (PartState::Unread, None),
        };
        let problem = refused.map(|error| error.to_string());
        let named = Format::of_name(part.object.file_name()).map(|(format, _)| format);
        let format = named.filter(|_| state == PartState::Unread);
        Told { format, state, rows, problem, receipt: None }
    })
}

/// Why a part cannot be read.
fn unreadable(part: &Part, error: &Error) -> PartState {
    match error {
        _ if part.object.archive().is_some() => PartState::Archived,
        Error::Data(error) if error.kind == DataErrorKind::NotTheFormat => PartState::NotATable,
        _ => PartState::Damaged,
    }
}

/// A part's details besides its name and size.
struct Told {
    format: Option<Format>,
    state: PartState,
    rows: Option<u64>,
    problem: Option<String>,
    receipt: Option<ReceiptSummary>,
}

fn summarize<T>(export: Export, kind: Kind, seen: Vec<T>, tell: impl Fn(&Part, T) -> Told) -> ExportSummary {
    let bytes = export.bytes();
    let parts: Vec<PartSummary> = export
        .parts
        .into_iter()
        .zip(seen)
        .map(|(part, seen)| {
            let Told { format, state, rows, problem, receipt } = tell(&part, seen);
            PartSummary {
                file: part.object.url.clone(),
                number: part.name.map(|name| name.number()),
                bytes: part.object.size,
                format,
                state,
                rows,
                problem,
                receipt,
                object: part.object,
            }
        })
        .collect();
    let mut formats: Vec<Format> = parts.iter().filter_map(|part| part.format).collect();
    formats.dedup();
    ExportSummary {
        folder: export.folder,
        kind,
        job: export.job,
        run: export.run.map(String::from),
        bytes,
        format: if let [format] = formats[..] { Some(format) } else { None },
        parts,
        gaps: export.gaps,
        duplicates: export.duplicates,
    }
}

/// The columns that a run's parts agree on.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SchemaSummary {
    /// The location, as the caller named it.
    pub source: String,
    /// What the export holds.
    pub kind: Kind,
    /// The format of the parts.
    pub format: Format,
    /// The number of parts.
    pub parts: u64,
    /// Rows, if footers tell.
    pub rows: Option<u64>,
    /// The columns, with the types that rows are decoded to.
    pub columns: Vec<ColumnSummary>,
    /// The receipt of the first part, in the file or next to it, if there is one.
    pub receipt: Option<ReceiptSummary>,
    /// Unusual findings that are not errors.
    pub warnings: Vec<Warning>,
}

async fn receipt_of(store: &Store, part: &PlannedPart, is_alone: bool) -> Result<Option<ReceiptSummary>> {
    let url = &part.object.url;
    if let Some(metadata) = part.parquet() {
        return Ok(receipt::in_metadata(&metadata).map(|receipt| ReceiptSummary::new(url, receipt)));
    }
    if !is_alone {
        return Ok(None);
    }
    let key = receipt::key_beside(&part.object.key);
    let receipt = receipt::read(store, &key).await?;
    Ok(receipt.map(|receipt| ReceiptSummary::new(&store.url(&key), receipt)))
}

/// Finds the columns of one run and their types.
///
/// # Errors
/// As [`plan()`](crate::plan()); parts that differ are an [`Error::Data`] that names the file and column, unless
/// columns are aligned by name.
pub async fn schema(source: &Location, options: &Options) -> Result<SchemaSummary> {
    columns_of(source, options).await
}

/// Boxed here, or every program would compile it anew.
fn columns_of<'a>(source: &'a Location, options: &'a Options) -> BoxFuture<'a, Result<SchemaSummary>> {
    async move {
        let input = crate::source::input(source, options).await?;
        let receipt = match input.parts.as_slice() {
            [] => None,
            [first, ..] => receipt_of(&source.store, first, input.parts.len() == 1).await?,
        };
        Ok(SchemaSummary {
            receipt,
            source: source.to_string(),
            kind: input.kind,
            format: input.format,
            parts: input.parts.len() as u64,
            rows: input.rows(),
            columns: column_summaries(&input.schema),
            warnings: input.warnings,
        })
    }
    .boxed()
}
