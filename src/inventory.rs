//! What lies at a location, looked at but not judged: every export with its parts, gaps and duplicates, and what else is
//! there. The data behind `ls` and `schema`.

use crate::model::{
    ColumnSummary, Error, Format, Gap, Kind, NotFound, Options, PartNumber, Result, RunChoice,
    column_summaries, kind_of,
};
use crate::plan::{ReceiptSummary, receipt};
use crate::source::{
    CsvReading, Export, PlannedPart, Probe, column_names, find, first_lines_are_headers, probe_each,
};
use crate::store::{Location, Store};

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

/// Everything at a location.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Inventory {
    /// The location, as it was given.
    pub source: String,
    /// One for each folder, kind, job and run.
    pub exports: Vec<ExportSummary>,
    /// Files that are no parts.
    pub strays: Vec<FileSummary>,
    /// `_CHECK`, `_SUCCESS` and the like.
    pub markers: Vec<FileSummary>,
    /// Receipts of outputs that lie here, beside CSV files and within Parquet files.
    pub receipts: Vec<ReceiptSummary>,
}

/// One run of one job.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ExportSummary {
    /// The folder's path or key.
    pub folder: String,
    /// What it holds; columns tell where names cannot.
    pub kind: Kind,
    /// The job's name.
    pub job: String,
    /// The run's timestamp.
    pub run: Option<String>,
    /// Bytes of all parts.
    pub bytes: u64,
    /// The format of the parts; `None` where all are empty or formats are mixed.
    pub format: Option<Format>,
    /// The parts by number.
    pub parts: Vec<PartSummary>,
    /// Numbers that are missing.
    pub gaps: Vec<Gap>,
    /// Files that claim one number.
    pub duplicates: Vec<String>,
}

/// One part.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PartSummary {
    /// The path or URL.
    pub file: String,
    /// What orders it among its siblings.
    pub number: Option<PartNumber>,
    /// Bytes.
    pub bytes: u64,
    /// By its magic bytes, not by its name.
    pub format: Option<Format>,
    /// What it holds.
    pub state: PartState,
    /// Rows, where they are known without reading them.
    pub rows: Option<u64>,
    /// Why it cannot be read.
    pub problem: Option<String>,
    /// Of which run it was made, where it carries a receipt.
    pub receipt: Option<ReceiptSummary>,
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
    /// S3 keeps it in an archive, from which it has to be restored first.
    Archived,
}

/// A file that is no part.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FileSummary {
    /// The path or URL.
    pub file: String,
    /// Bytes.
    pub bytes: u64,
}

/// Looks at everything at a location; `options` say how names are read and which job and kind are
/// shown, and whether only the newest run is.
///
/// # Errors
/// [`Error::NotFound`] where there is nothing, and errors of the store. A damaged part is no error here.
///
/// ```
/// use forecast_export::{Location, Options, inventory};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let found = inventory(&Location::parse("testdata/forecast")?, &Options::default()).await?;
/// assert_eq!(found.exports[0].job, "sales_forecast_export");
/// assert_eq!(found.exports[0].parts.len(), 12);
/// # Ok::<(), forecast_export::Error>(())
/// # }).unwrap();
/// ```
pub async fn inventory(source: &Location, options: &Options) -> Result<Inventory> {
    let found = find(source, &options.select.pattern).await?;
    if found.exports.is_empty()
        && found.strays.is_empty()
        && found.markers.is_empty()
        && found.receipts.is_empty()
    {
        return Err(NotFound::Empty { place: source.to_string() }.into());
    }
    let glob = options.select.job.as_deref().map(crate::store::Glob::new);
    let format = options.select.format;
    let mut chosen = found.exports;
    chosen.retain(|export| glob.as_ref().is_none_or(|glob| glob.matches(&export.job)));
    chosen.retain(|export| format.is_none_or(|format| export.may_be(format)));
    if options.select.run == RunChoice::Latest {
        let latest = chosen.iter().map(|export| export.run.clone()).max().flatten();
        chosen.retain(|export| export.run == latest);
    }
    let reading = CsvReading::new(options);
    let mut exports = Vec::new();
    for export in chosen {
        let summary = summarize(source, export, &reading).await?;
        if options.select.kind.is_none_or(|kind| kind == summary.kind) {
            exports.push(summary);
        }
    }
    let files = |objects: Vec<crate::store::Object>| {
        objects.into_iter().map(|object| FileSummary { file: object.url, bytes: object.size }).collect()
    };
    let receipts = read_receipts(&source.store, found.receipts).await?;
    Ok(Inventory {
        source: source.to_string(),
        exports,
        strays: files(found.strays),
        markers: files(found.markers),
        receipts,
    })
}

/// Receipts that are read at once.
const CONCURRENT_RECEIPTS: usize = 16;

/// What is named like a receipt and is none is left out.
async fn read_receipts(store: &Store, objects: Vec<crate::store::Object>) -> Result<Vec<ReceiptSummary>> {
    let read = stream::iter(objects)
        .map(|object| async move {
            let receipt = receipt::read(store, &object.key).await?;
            Ok::<_, Error>(receipt.map(|receipt| ReceiptSummary::new(&object.url, receipt)))
        })
        .buffered(CONCURRENT_RECEIPTS);
    read.try_filter_map(|receipt| std::future::ready(Ok(receipt))).try_collect().await
}

async fn summarize(source: &Location, export: Export, reading: &CsvReading) -> Result<ExportSummary> {
    let objects: Vec<_> = export.parts.iter().map(|part| part.object.clone()).collect();
    let probes = probe_each(&source.store, &objects, reading).await?;
    let begun = export.parts.iter().zip(&probes).filter_map(|(part, probe)| match probe {
        Ok(Probe::Csv(head)) => Some((part, head)),
        _ => None,
    });
    // A lone line that may be a row is not called a header.
    let has_headers = first_lines_are_headers(&begun.collect::<Vec<_>>(), reading);
    let kind = probes
        .iter()
        .filter_map(|probe| probe.as_ref().ok())
        .map(column_names)
        .find(|names| !names.is_empty())
        .map_or(export.kind, |names| kind_of(&names, export.kind));
    let bytes = export.bytes();
    let parts: Vec<PartSummary> = export
        .parts
        .into_iter()
        .zip(probes)
        .map(|(part, probe)| {
            let (state, rows) = match &probe {
                Err(_) if part.object.archive().is_some() => (PartState::Archived, None),
                Err(_) => (PartState::Damaged, None),
                Ok(Probe::Empty) => (PartState::Empty, Some(0)),
                Ok(Probe::Csv(head)) if head.is_header_only && has_headers => {
                    (PartState::HeaderOnly, Some(0))
                }
                Ok(Probe::Csv(_)) => (PartState::Rows, None),
                Ok(Probe::Parquet(metadata)) => {
                    let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
                    (if rows == 0 { PartState::HeaderOnly } else { PartState::Rows }, Some(rows))
                }
            };
            let receipt = match &probe {
                Ok(Probe::Parquet(metadata)) => receipt::in_metadata(metadata),
                _ => None,
            };
            PartSummary {
                receipt: receipt.map(|receipt| ReceiptSummary::new(&part.object.url, receipt)),
                file: part.object.url,
                number: part.name.map(|name| name.number()),
                bytes: part.object.size,
                format: probe.as_ref().ok().and_then(Probe::format),
                state,
                rows,
                problem: probe.err().map(|error| error.to_string()),
            }
        })
        .collect();
    let mut formats: Vec<Format> = parts.iter().filter_map(|part| part.format).collect();
    formats.dedup();
    Ok(ExportSummary {
        folder: export.folder,
        kind,
        job: export.job,
        run: export.run.map(String::from),
        bytes,
        format: if let [format] = formats[..] { Some(format) } else { None },
        parts,
        gaps: export.gaps,
        duplicates: export.duplicates,
    })
}

/// The columns that a run's parts agree on.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SchemaSummary {
    /// The location, as it was given.
    pub source: String,
    /// What the export holds.
    pub kind: Kind,
    /// The format of the parts.
    pub format: Format,
    /// The number of parts.
    pub parts: u64,
    /// Rows, where footers tell.
    pub rows: Option<u64>,
    /// The columns, with the types rows are decoded to.
    pub columns: Vec<ColumnSummary>,
    /// The receipt of the first part, where it carries one or it lies beside it.
    pub receipt: Option<ReceiptSummary>,
}

async fn receipt_of(store: &Store, part: &PlannedPart, is_alone: bool) -> Result<Option<ReceiptSummary>> {
    let url = &part.object.url;
    if let Some(metadata) = part.parquet() {
        return Ok(receipt::in_metadata(metadata).map(|receipt| ReceiptSummary::new(url, receipt)));
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
/// As [`plan()`](crate::plan()); parts that differ are an [`Error::Data`] that names file and column, unless columns
/// are aligned by name.
pub async fn schema(source: &Location, options: &Options) -> Result<SchemaSummary> {
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
    })
}
