//! Proves that an output holds exactly the rows of its source, in order: takes two sets of files, reads both as rows of
//! the same types, and returns their common digest or the first difference.
//!
//! [`digest`] defines what is hashed, [`walk`] reads both sides, [`difference`] describes where they differ, and
//! [`declared`] checks whether files with equal rows also declare the same types and metadata.

mod declared;
mod difference;
mod digest;
mod walk;

use crate::codec::csv::CellType;
use crate::engine::Context;
use crate::model::{
    ColumnSummary, DEFAULT_MEMORY, Difference, Error, Event, Format, Options, Phase, Progress, Remedy,
    Result, RunChoice, Selection, Warning, attend, column_summaries, stopped,
};
use crate::source::{self, Export, Input, Part, Relisting, export};
use crate::store::{Location, Store};
use walk::Walked;

use arrow::datatypes::SchemaRef;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// The result of a comparison.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The output, as the caller named it.
    pub output: String,
    /// The source, as the caller named it.
    pub source: String,
    /// Whether the output holds exactly the source's rows, in order.
    pub equal: bool,
    /// The first difference.
    pub difference: Option<Difference>,
    /// The digest of the rows, if they are equal: BLAKE3 in hexadecimal digits, as defined in `docs/digest.md`.
    pub digest: Option<String>,
    /// Rows that were found equal.
    pub rows: u64,
    /// The columns of the source, with the types used for comparison.
    pub columns: Vec<ColumnSummary>,
    /// Parts of the source.
    pub parts: u64,
    /// Files of the output.
    pub files: u64,
    /// Unusual findings about the source that are not errors.
    pub warnings: Vec<Warning>,
    /// Seconds from start to end.
    pub seconds: f64,
}

/// Compares an output, a file or a folder of part files, with the source it was made from: every row, in order.
///
/// The options say which run of the source to read and which types its columns have; they should be those with which
/// the output was written. A CSV output is read with the source's types, so different texts for the same double or
/// point in time are equal. Null and the empty string differ.
///
/// # Errors
/// As [`plan()`](crate::plan()) and [`run`](crate::run()), for either side. A difference is not an error: see
/// [`VerifyReport::difference`].
///
/// ```
/// use forecast_export::{Location, Options, Output, plan, run, verify};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let folder = tempfile::tempdir().unwrap();
/// # let target = folder.path().join("sales.parquet").display().to_string();
/// let source = Location::parse("testdata/forecast")?;
/// let options = Options::default();
/// run(plan(&source, &Output::file(&target)?, &options).await?, |_event| ()).await?;
///
/// let report = verify(&Location::parse(&target)?, &source, &options, |_event| ()).await?;
/// assert!(report.equal);
/// assert_eq!(report.rows, 36);
///
/// let other = Location::parse("testdata/forecast/sales_forecast_export_2026-01-02T03-04-05Z_part0.csv")?;
/// let report = verify(&other, &source, &options, |_event| ()).await?;
/// println!("{}", report.difference.expect("rows are missing"));
/// # Ok::<(), forecast_export::Error>(())
/// # }).unwrap();
/// ```
pub async fn verify(
    output: &Location,
    source: &Location,
    options: &Options,
    on_event: impl FnMut(Event),
) -> Result<VerifyReport> {
    verify_until(output, source, options, std::future::pending(), on_event).await
}

/// Compares until `stop` is ready; then the error is [`Error::Stopped`].
///
/// # Errors
/// As [`verify`].
pub async fn verify_until(
    output: &Location,
    source: &Location,
    options: &Options,
    stop: impl Future<Output = ()>,
    on_event: impl FnMut(Event),
) -> Result<VerifyReport> {
    let began = Instant::now();
    let mut stop = std::pin::pin!(stop);
    let (input, files) = tokio::select! {
        looked = look_at_both(output, source, options) => looked?,
        () = &mut stop => return Err(Error::Stopped),
    };
    let (stopper, stop_asked) = watch::channel(false);
    let progress = Arc::new(Progress::default());
    let work = compare(&input, &files, options, Arc::clone(&progress), stop_asked);
    progress.begin(Phase::Verifying, input.bytes());
    let compared = attend(work, stopper, &progress, stop, on_event).await;
    let is_of_output = |file: &String| files.parts.iter().any(|part| part.object.url == *file);
    let compared = compared.map_err(|error| match error {
        Error::Data(data) if is_of_output(&data.file) => to_write_again(Error::Data(data)),
        other => other,
    })?;
    let (digest, rows, difference) = match compared {
        Compared::Equal { digest, rows } => (Some(digest), rows, None),
        Compared::Different { difference, rows } => (None, rows, Some(*difference)),
    };
    if let (Some(expected), None) = (options.select.expect_rows, &difference)
        && rows != expected
    {
        return Err(source::rows_missing(rows, expected));
    }
    Ok(VerifyReport {
        output: output.to_string(),
        source: source.to_string(),
        equal: difference.is_none(),
        difference,
        digest,
        rows,
        columns: column_summaries(&input.schema),
        parts: input.parts.len() as u64,
        files: files.parts.len() as u64,
        warnings: input.warnings.clone(),
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// Finds and probes the parts of the source and the files of the output.
fn look_at_both<'a>(
    output: &'a Location,
    source: &'a Location,
    options: &'a Options,
) -> BoxFuture<'a, Result<(Arc<Input>, Arc<Input>)>> {
    async move {
        let input = Arc::new(source::input(source, options).await?);
        let found = source::find(output, &options.select.pattern).await?;
        // A single file, named explicitly or the only one in its folder, needs no choice.
        let exports = match found.exports.as_slice() {
            [only] if only.duplicates.is_empty() => vec![only.clone()],
            _ => export::select(
                found,
                &selection_of_output(&input, output, &options.select),
                &output.to_string(),
            )?,
        };
        let files = look_at_output(&output.store, exports, &input, options).await.map_err(to_write_again)?;
        Ok((input, Arc::new(files)))
    }
    .boxed()
}

/// A damaged output is to be written again; only a damaged part is to be exported again.
fn to_write_again(error: Error) -> Error {
    match error {
        Error::Data(mut data) => {
            if let Some(Remedy::FetchAgain | Remedy::FetchDamaged | Remedy::FetchCutShort) = data.remedy {
                data.remedy = Some(Remedy::WriteAgain);
            }
            Error::Data(data)
        }
        other => other,
    }
}

/// The selection for an output folder: the source's run, under the job name that its parts have there.
fn selection_of_output(input: &Input, output: &Location, asked: &Selection) -> Selection {
    let name = input.exports.iter().flat_map(|export| &export.parts).find_map(|part| part.name.as_ref());
    // The kind comes from the folder's name; if the output has another folder, the part's name is parsed there instead.
    let there = name.and_then(|name| asked.pattern.parse(&output.path, name.as_str()));
    let run = match input.exports.as_slice() {
        [only] => only.run.as_ref().map_or(RunChoice::Only, |run| RunChoice::At(run.as_str().to_owned())),
        _ => RunChoice::All,
    };
    Selection {
        job: there.map(|name| glob_literal(name.job())).filter(|job| !job.is_empty()),
        run,
        kind: None,
        format: None,
        pattern: asked.pattern.clone(),
        // A missing part shows up as missing rows.
        allow_gaps: true,
        expect_parts: None,
        expect_rows: None,
        restore: None,
    }
}

/// Escapes the wildcards in a name.
fn glob_literal(name: &str) -> String {
    glob::Pattern::escape(name)
}

/// Probes the files of an output; CSV is read with the source's types.
pub(crate) async fn look_at_output(
    store: &Store,
    exports: Vec<Export>,
    source: &Input,
    options: &Options,
) -> Result<Input> {
    // Texts that mean null in a CSV source also do in a copy of it.
    let nulls = if source.format == Format::Csv { options.nulls.clone() } else { Vec::new() };
    let reading = Options { schema: options.schema, nulls, ..Options::default() };
    let chosen = source::Chosen { exports, warnings: Vec::new(), relisting: Relisting::default() };
    // Columns without names are written without a header.
    let names = || source.schema.fields().iter().map(|field| field.name().clone()).collect();
    let columns = (!source.has_names).then(names);
    let mut files = source::look_at_output(store, chosen, &reading, columns).await?;
    retype(&mut files, &source.schema);
    Ok(files)
}

/// Gives the columns of CSV files the types of the source's columns with the same names.
fn retype(files: &mut Input, like: &SchemaRef) {
    if files.format == Format::Csv {
        let fields = like.fields().iter();
        let fields: HashMap<&str, _> = fields.map(|field| (field.name().as_str(), field)).collect();
        let cell_type = |name: &str| {
            let field = fields.get(name);
            field.map_or(CellType::String, |field| digest::Form::of(field).cell_type())
        };
        files.give_types(cell_type);
    }
}

/// How a comparison ended.
pub(crate) enum Compared {
    Equal {
        digest: String,
        rows: u64,
    },
    /// The number of equal rows.
    Different {
        difference: Box<Difference>,
        rows: u64,
    },
}

/// Compares the columns, then all rows, and then what files with equal rows declare.
pub(crate) fn compare<'a>(
    source: &'a Arc<Input>,
    output: &'a Arc<Input>,
    options: &'a Options,
    progress: Arc<Progress>,
    stop: watch::Receiver<bool>,
) -> BoxFuture<'a, Result<Compared>> {
    async move {
        if let Some(difference) = difference::of_columns(source, output) {
            return Ok(Compared::Different { difference: Box::new(difference), rows: 0 });
        }
        // Both sides are read at the same time, by the same threads in turn.
        let mut half = options.clone();
        half.memory = Some(options.memory.unwrap_or(DEFAULT_MEMORY) / 2);
        let source = Context::new(source, &half, progress, stop.clone());
        let mut output = Context::new(output, &half, Arc::default(), stop.clone());
        output.pool = source.pool.clone();
        let work = async {
            match walk::walk(&source, &output).await? {
                Walked::Equal { digest, rows } => {
                    Ok(match declared::difference(&source.input, &output.input) {
                        None => Compared::Equal { digest, rows },
                        Some(difference) => Compared::Different { difference: Box::new(difference), rows },
                    })
                }
                Walked::Parted { row, how } => {
                    let difference = difference::of_rows(&source, &output, row, how).await?;
                    Ok(Compared::Different { difference: Box::new(difference), rows: row })
                }
            }
        };
        tokio::select! {
            compared = work => compared,
            () = stopped(stop) => Err(Error::Stopped),
        }
    }
    .boxed()
}

/// Files that are not named like parts, in order, as an export.
pub(crate) fn export_of(parts: Vec<Part>) -> Vec<Export> {
    let kind = crate::model::Kind::Forecast;
    let (folder, job) = (String::new(), String::new());
    vec![Export { folder, kind, job, run: None, parts, gaps: Vec::new(), duplicates: Vec::new() }]
}
