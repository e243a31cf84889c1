//! What will happen: takes a source, an output and options, gives a [`Plan`], a value that says in which order which
//! parts are read, what the columns are, how it will be done and why, and where it goes. Writes nothing.

use crate::decode::csv::{CellType, Layout, Typing};
use crate::encode::parquet::codec;
use crate::error::{Error, Escaped, Result};
use crate::existing::{self, Done, Existing};
use crate::export::{self, Export, Found, Part};
use crate::listing;
use crate::location::{COPYING, Location, Object, Store};
use crate::naming::{Kind, Pattern};
use crate::on_server::{self, ServerMerge};
use crate::options::{Compression, Format, OnServer, Options, SchemaMode, Selection, Split};
use crate::probe::{CsvHead, LineEnd, Probe, probe};
use crate::receipt::{self, Made, ReceiptOptions};
use crate::schema::{self, SOURCE_COLUMNS};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;
use std::mem::discriminant;
use std::sync::Arc;

/// Rows of a row group where nothing else was asked for.
pub(crate) const ROW_GROUP_ROWS: u64 = 262_144;
/// A row group with fewer rows than this, and fewer bytes than [`SMALL_ROW_GROUP_BYTES`], is too small to keep where
/// it has a neighbour of its kind: readers pay for each one.
const SMALL_ROW_GROUP_ROWS: i64 = 65_536;
const SMALL_ROW_GROUP_BYTES: i64 = 4 * 1024 * 1024;

/// Where the output goes.
///
/// ```
/// use forecast_export::Output;
///
/// let file = Output::file("out/sales.parquet")?;
/// let folder = Output::folder("s3://bucket/converted/");
/// # Ok::<(), forecast_export::Error>(())
/// ```
#[derive(Debug, Clone)]
pub enum Output {
    /// One file, which a merge writes.
    File(Location),
    /// Standard output, which a merge writes.
    Stdout,
    /// A folder, into which a conversion writes part files.
    Folder(Location),
}

impl Output {
    /// One file at a path or URL.
    ///
    /// # Errors
    /// As [`Location::parse`].
    pub fn file(text: &str) -> Result<Self> {
        Location::parse(text).map(Output::File)
    }

    /// A folder at a path or URL.
    ///
    /// # Errors
    /// As [`Location::parse`].
    pub fn folder(text: &str) -> Result<Self> {
        Location::parse(text).map(Output::Folder)
    }
}

/// How the bytes get from the parts to the output, cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Strategy {
    /// The server puts the output together out of the parts it has: text of CSV, row groups of Parquet.
    CopyOnServer,
    /// CSV to CSV: the text of the rows is copied.
    CopyBytes,
    /// Parquet to Parquet: column chunks are copied, row groups too small to keep are encoded anew.
    CopyRowGroups,
    /// Rows are decoded and encoded.
    Transcode,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Strategy::CopyOnServer => "copy on the server",
            Strategy::CopyBytes => "copy bytes",
            Strategy::CopyRowGroups => "copy row groups",
            Strategy::Transcode => "transcode",
        })
    }
}

/// One part, with all that reading it needs.
#[derive(Debug)]
pub(crate) struct PlannedPart {
    pub(crate) object: Object,
    pub(crate) contents: Contents,
    /// The cells of the source columns, where they are wanted.
    pub(crate) constants: Vec<Option<String>>,
}

#[derive(Debug)]
pub(crate) enum Contents {
    /// No rows, not even a header.
    Empty,
    Csv {
        head: CsvHead,
        layout: Layout,
    },
    Parquet {
        reader: ArrowReaderMetadata,
        columns: Vec<Option<usize>>,
    },
}

impl PlannedPart {
    /// The rows, where they are known without reading them.
    pub(crate) fn rows(&self) -> Option<u64> {
        match &self.contents {
            Contents::Empty => Some(0),
            Contents::Csv { head, .. } if head.is_header_only => Some(0),
            Contents::Csv { .. } => None,
            Contents::Parquet { reader, .. } => {
                u64::try_from(reader.metadata().file_metadata().num_rows()).ok()
            }
        }
    }

    pub(crate) fn csv_head(&self) -> Option<&CsvHead> {
        match &self.contents {
            Contents::Csv { head, .. } => Some(head),
            _ => None,
        }
    }

    pub(crate) fn parquet(&self) -> Option<&Arc<ParquetMetaData>> {
        match &self.contents {
            Contents::Parquet { reader, .. } => Some(reader.metadata()),
            _ => None,
        }
    }
}

/// What is read: the chosen parts in order and the columns they agree on.
pub(crate) struct Input {
    pub(crate) store: Store,
    pub(crate) exports: Vec<Export>,
    pub(crate) kind: Kind,
    pub(crate) parts: Vec<PlannedPart>,
    pub(crate) format: Format,
    /// What rows are decoded to.
    pub(crate) schema: SchemaRef,
    /// How the cells of CSV parts are read.
    pub(crate) typing: Arc<Typing>,
    pub(crate) warnings: Vec<String>,
    /// All CSV parts have one header and one kind of line end.
    pub(crate) is_uniform: bool,
}

impl Input {
    pub(crate) fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.object.size).sum()
    }

    /// Has the cells of CSV parts read as other types, by the columns' names; there must be no source columns.
    pub(crate) fn give_types(&mut self, cell_type: impl Fn(&str) -> CellType) {
        let column = |field: &Arc<Field>| schema::Column {
            name: field.name().clone(),
            cell_type: cell_type(field.name()),
        };
        let columns: Vec<schema::Column> = self.schema.fields().iter().map(column).collect();
        self.schema = schema::arrow_of(&columns);
        self.typing = Arc::new(Typing {
            schema: Arc::clone(&self.schema),
            types: columns.iter().map(|column| column.cell_type).collect(),
            nulls: self.typing.nulls.clone(),
            constants: 0,
        });
    }

    /// The rows, where footers tell.
    pub(crate) fn rows(&self) -> Option<u64> {
        self.parts.iter().map(PlannedPart::rows).sum()
    }
}

/// One file to be written.
#[derive(Debug)]
pub(crate) struct PlannedOutput {
    pub(crate) target: Target,
    /// The parts it is made of, as indexes.
    pub(crate) parts: std::ops::Range<usize>,
}

#[derive(Debug, Clone)]
pub(crate) enum Target {
    Stdout,
    /// A device or pipe: written straight, nothing to publish.
    Device(String),
    File(Location),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Stdout => f.write_str("standard output"),
            Target::Device(path) => f.write_str(path),
            Target::File(location) => write!(f, "{location}"),
        }
    }
}

/// Everything that was decided, before anything is written. Its `Display` is the dry run.
pub struct Plan {
    pub(crate) input: Arc<Input>,
    pub(crate) to: Format,
    pub(crate) compression: Compression,
    pub(crate) strategy: Strategy,
    pub(crate) why: String,
    pub(crate) outputs: Vec<PlannedOutput>,
    /// How the server does it, where it does.
    pub(crate) on_server: Option<ServerMerge>,
    /// Where a conversion that is cut anew makes its files, named from this part's name.
    pub(crate) recut: Option<Recut>,
    pub(crate) options: Options,
    pub(crate) source: Location,
    pub(crate) output: Output,
    /// The output is there already, as a run would write it.
    pub(crate) done: Option<Done>,
}

#[derive(Debug, Clone)]
pub(crate) struct Recut {
    pub(crate) folder: Location,
    pub(crate) like: crate::naming::PartName,
    pub(crate) extension: &'static str,
    pub(crate) split: Split,
}

/// A run of neighbouring row groups of the input and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowGroupPiece {
    Copy {
        part: usize,
        row_group: usize,
    },
    /// Too small to keep: their rows become one row group.
    Reencode(Vec<(usize, usize)>),
}

/// Finds all exports at a location.
///
/// # Errors
/// [`Error::NotFound`] where the location does not exist, [`Error::Denied`] or [`Error::Store`] where it cannot be
/// listed.
pub async fn find(source: &Location, pattern: &Pattern) -> Result<Found> {
    let listing = listing::list(source).await?;
    if listing.is_single_file {
        let exports = listing.objects.into_iter().map(|object| export::single(object, pattern)).collect();
        return Ok(Found { exports, ..Found::default() });
    }
    Ok(export::group(listing.objects, pattern))
}

/// The parts that were chosen, before any was looked at.
pub(crate) struct Chosen {
    pub(crate) exports: Vec<Export>,
    pub(crate) warnings: Vec<String>,
}

/// Finds the parts and chooses among them.
pub(crate) async fn choose(source: &Location, selection: &Selection) -> Result<Chosen> {
    let mut found = find(source, &selection.pattern).await?;
    let has_check = found.markers.iter().any(|marker| marker.file_name() == "_CHECK");
    let has_success = found.markers.iter().any(|marker| marker.file_name() == "_SUCCESS");
    if selection.kind.is_some() {
        settle_kinds(&source.store, &mut found.exports).await?;
    }
    let exports = export::select(found, selection, &source.to_string())?;
    let mut warnings = Vec::new();
    if has_check && !has_success {
        warnings.push(format!(
            "{source} has a _CHECK but no _SUCCESS: the export may still be running, and last parts may be missing"
        ));
    }
    Ok(Chosen { exports, warnings })
}

/// Finds, chooses and looks at the parts. Where `as_text` says so of their format, CSV cells are taken as they stand.
pub(crate) async fn input(
    source: &Location,
    options: &Options,
    as_text: impl FnOnce(Format) -> bool,
) -> Result<Input> {
    let chosen = choose(source, &options.select).await?;
    look(&source.store, chosen, options, as_text).await
}

/// Looks at the parts: what columns they have, and how they are read.
pub(crate) async fn look(
    store: &Store,
    chosen: Chosen,
    options: &Options,
    as_text: impl FnOnce(Format) -> bool,
) -> Result<Input> {
    let Chosen { exports, warnings } = chosen;
    let parts: Vec<Part> = exports.iter().flat_map(|export| export.parts.iter().cloned()).collect();
    let objects: Vec<Object> = parts.iter().map(|part| part.object.clone()).collect();
    let probes = probe(store, &objects).await?;
    let format = one_format(&parts, &probes)?;
    let kind = exports.first().map_or(Kind::Forecast, |export| export.kind);
    let constants: Vec<Vec<Option<String>>> = exports
        .iter()
        .flat_map(|export| export.parts.iter().map(|part| constants_of(export, part, options)))
        .collect();
    let mut input = match format {
        Format::Csv => {
            let text = Options { all_strings: true, types: Vec::new(), ..options.clone() };
            csv_input(store, parts, probes, kind, if as_text(format) { &text } else { options }).await?
        }
        Format::Parquet => parquet_input(store, parts, probes, kind, options)?,
    };
    for (part, constants) in input.parts.iter_mut().zip(constants) {
        part.constants = constants;
    }
    input.exports = exports;
    input.warnings = warnings;
    if let (Some(expected), Some(rows)) = (options.select.expect_rows, input.rows())
        && rows != expected
    {
        return Err(rows_missing(rows, expected));
    }
    Ok(input)
}

pub(crate) fn rows_missing(rows: u64, expected: u64) -> Error {
    Error::Incomplete(format!("the parts hold {rows} rows, not the {expected} of --expect-rows"))
}

/// Explainability and what-if exports are named like forecasts: their first header tells.
pub(crate) async fn settle_kinds(store: &Store, exports: &mut [Export]) -> Result<()> {
    for export in exports.iter_mut().filter(|export| export.kind == Kind::Forecast) {
        let Some(part) = export.parts.iter().find(|part| part.object.size > 0) else { continue };
        let probes = probe(store, std::slice::from_ref(&part.object)).await?;
        if let Some(probe) = probes.first() {
            export.kind = schema::kind_of(&column_names(probe), export.kind);
        }
    }
    Ok(())
}

/// The names of a part's columns.
pub(crate) fn column_names(probe: &Probe) -> Vec<String> {
    match probe {
        Probe::Empty => Vec::new(),
        Probe::Csv(head) => head.header.to_vec(),
        Probe::Parquet(metadata) => {
            let root = metadata.file_metadata().schema();
            root.get_fields().iter().map(|field| field.name().to_owned()).collect()
        }
    }
}

fn one_format(parts: &[Part], probes: &[Probe]) -> Result<Format> {
    let mut formats = parts.iter().zip(probes).filter_map(|(part, probe)| Some((part, probe.format()?)));
    let Some((first, format)) = formats.next() else {
        let file = parts.first().map_or("", |part| part.object.url.as_str());
        return Err(Error::data(file, "no part has a header, so the columns are unknown")
            .remedy("export again, or leave the empty parts away")
            .into());
    };
    match formats.find(|(_, other)| *other != format) {
        None => Ok(format),
        Some((part, other)) => Err(Error::Incomplete(format!(
            "the run holds both {format} and {other}: {} and {}; move one of the formats to another folder",
            first.object.file_name(),
            part.object.file_name()
        ))),
    }
}

fn constants_of(export: &Export, part: &Part, options: &Options) -> Vec<Option<String>> {
    if !options.source_columns {
        return Vec::new();
    }
    let job = (!export.job.is_empty()).then(|| export.job.clone());
    let run = export.run.as_ref().map(ToString::to_string);
    let number = part.name.as_ref().map(|name| name.number().to_string());
    vec![job, run, number]
}

fn with_source_columns(schema: &SchemaRef, options: &Options) -> SchemaRef {
    if !options.source_columns {
        return Arc::clone(schema);
    }
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    fields.extend(SOURCE_COLUMNS.map(|name| Arc::new(Field::new(name, DataType::Utf8, true))));
    Arc::new(Schema::new(fields))
}

async fn csv_input(
    store: &Store,
    parts: Vec<Part>,
    probes: Vec<Probe>,
    kind: Kind,
    options: &Options,
) -> Result<Input> {
    let mut heads: Vec<Option<CsvHead>> = probes
        .into_iter()
        .map(|probe| match probe {
            Probe::Csv(head) => Some(head),
            _ => None,
        })
        .collect();
    if options.schema == SchemaMode::Strict {
        refuse_other_line_ends(&parts, &heads)?;
    }
    if !options.all_strings {
        crate::engine::look_for_aggregates(store, &parts, &mut heads, kind).await?;
    }
    let pairs: Vec<(&Part, Option<&CsvHead>)> =
        parts.iter().zip(&heads).map(|(part, head)| (part, head.as_ref())).collect();
    let agreed = schema::of_csv(&pairs, kind, options)?;
    let mut ends: Vec<LineEnd> = heads.iter().flatten().filter_map(|head| head.line_end).collect();
    ends.dedup();
    let mut headers: Vec<&Arc<[String]>> = heads.iter().flatten().map(|head| &head.header).collect();
    headers.dedup();
    let is_uniform = ends.len() <= 1 && headers.len() <= 1;
    let kind = schema::kind_of(headers.first().map_or(&[], |header| header.as_ref()), kind);
    let schema = with_source_columns(&schema::arrow_of(&agreed.columns), options);
    let mut types: Vec<CellType> = agreed.columns.iter().map(|column| column.cell_type).collect();
    let constants = schema.fields().len() - types.len();
    types.resize(schema.fields().len(), CellType::String);
    let planned = parts
        .into_iter()
        .zip(heads)
        .zip(agreed.layouts)
        .map(|((part, head), layout)| PlannedPart {
            object: part.object,
            contents: match (head, layout) {
                (Some(head), Some(layout)) => Contents::Csv { head, layout },
                _ => Contents::Empty,
            },
            constants: Vec::new(),
        })
        .collect();
    let nulls = options.nulls.iter().map(|null| null.clone().into_bytes()).collect();
    let typing = Typing { schema: Arc::clone(&schema), types, nulls, constants };
    Ok(Input {
        store: store.clone(),
        exports: Vec::new(),
        kind,
        parts: planned,
        format: Format::Csv,
        schema,
        typing: Arc::new(typing),
        warnings: Vec::new(),
        is_uniform,
    })
}

fn refuse_other_line_ends(parts: &[Part], heads: &[Option<CsvHead>]) -> Result<()> {
    let mut known = parts.iter().zip(heads).filter_map(|(part, head)| Some((part, head.as_ref()?.line_end?)));
    let Some((first, end)) = known.next() else { return Ok(()) };
    match known.find(|(_, other)| *other != end) {
        None => Ok(()),
        Some((part, other)) => Err(Error::data(
            &part.object.url,
            format!(
                "lines end with {} here and with {} in {}",
                other.name(),
                end.name(),
                first.object.file_name()
            ),
        )
        .line(1)
        .remedy("--schema by-name rewrites them all with LF")
        .into()),
    }
}

fn parquet_input(
    store: &Store,
    parts: Vec<Part>,
    probes: Vec<Probe>,
    kind: Kind,
    options: &Options,
) -> Result<Input> {
    let known: Vec<(&Part, Arc<ParquetMetaData>)> = parts
        .iter()
        .zip(&probes)
        .filter_map(|(part, probe)| match probe {
            Probe::Parquet(metadata) => Some((part, Arc::clone(metadata))),
            _ => None,
        })
        .collect();
    let agreed = schema::of_parquet(&known, options)?;
    let names: Vec<String> = agreed.schema.fields().iter().map(|field| field.name().clone()).collect();
    let fields: Vec<Field> = agreed
        .schema
        .fields()
        .iter()
        .map(|field| Field::new(field.name(), schema::output_type(field, options), field.is_nullable()))
        .collect();
    let schema = with_source_columns(&Arc::new(Schema::new(fields)), options);
    let mut readers = agreed.readers.into_iter();
    let planned = parts
        .into_iter()
        .zip(probes)
        .map(|(part, probe)| {
            let contents = match (probe, ()) {
                (Probe::Parquet(_), ()) => match readers.next() {
                    Some(reader) => {
                        let columns = names.iter().map(|name| reader.schema().index_of(name).ok()).collect();
                        Contents::Parquet { reader, columns }
                    }
                    None => Contents::Empty,
                },
                _ => Contents::Empty,
            };
            PlannedPart { object: part.object, contents, constants: Vec::new() }
        })
        .collect();
    let typing = Typing { schema: Arc::clone(&schema), types: Vec::new(), nulls: Vec::new(), constants: 0 };
    Ok(Input {
        store: store.clone(),
        exports: Vec::new(),
        kind: schema::kind_of(&names, kind),
        parts: planned,
        format: Format::Parquet,
        schema,
        typing: Arc::new(typing),
        warnings: Vec::new(),
        is_uniform: false,
    })
}

/// Decides everything: reads names, heads and footers, writes nothing.
///
/// # Errors
/// Every refusal there is: see [`Error`].
pub async fn plan(source: &Location, output: &Output, options: &Options) -> Result<Plan> {
    let asked = asked_format(output, options)?;
    if options.verify && is_written_straight(output) {
        return Err(Error::Usage(
            "--verify reads the output again before it is published; what goes to a pipe or device is out at once"
                .into(),
        ));
    }
    let becomes = |from: Format| match (asked, output) {
        (Some(to), _) => to,
        (None, Output::Folder(_)) => from.other(),
        (None, _) => from,
    };
    // An output that is up to date is seen before any part is looked at.
    let (chosen, existing) =
        futures::future::try_join(choose(source, &options.select), existing::look(output)).await?;
    if let Some(done) = existing::up_to_date(&existing, output, &chosen.exports, options, becomes).await? {
        return Ok(nothing_to_do(source, output, options, chosen, done));
    }
    // What a CSV becomes decides how its cells are read.
    let mut input = look(&source.store, chosen, options, |from| becomes(from) == Format::Csv).await?;
    let to = becomes(input.format);
    let compression = compression(output, to, options)?;
    if to == Format::Csv {
        let file = input.parts.first().map_or("", |part| part.object.url.as_str());
        crate::encode::csv::check_schema(&input.schema, file)?;
    }
    let (strategy, why) = strategy(&input, to, options);
    let (outputs, recut) = outputs(&input, output, to, compression, options)?;
    input.warnings.extend(idle_option(strategy, to, options).map(str::to_owned));
    if to == Format::Parquet && (outputs.len() == 1 || recut.is_some()) {
        let (_, conflicts) = receipt::key_values(&input, 0..input.parts.len());
        let warning = |key: &String| {
            format!("parts differ in their metadata under the key \"{key}\": the first part's value is kept")
        };
        input.warnings.extend(conflicts.iter().map(warning));
    }
    let mut plan = Plan {
        input: Arc::new(input),
        to,
        compression,
        strategy,
        why,
        outputs,
        on_server: None,
        recut,
        options: options.clone(),
        source: source.clone(),
        output: output.clone(),
        done: None,
    };
    refuse_existing(&plan, &existing)?;
    Box::pin(leave_to_server(&mut plan)).await?;
    Ok(plan)
}

/// The plan of a run whose output is there already.
fn nothing_to_do(source: &Location, output: &Output, options: &Options, chosen: Chosen, done: Done) -> Plan {
    let receipt = &done.receipt;
    let parts = chosen.exports.iter().flat_map(|export| &export.parts).map(|part| PlannedPart {
        object: part.object.clone(),
        contents: Contents::Empty,
        constants: Vec::new(),
    });
    let field =
        |column: &ColumnSummary| Field::new(&column.name, type_named(&column.data_type), column.nullable);
    let schema: SchemaRef = Arc::new(Schema::new(receipt.columns.iter().map(field).collect::<Vec<_>>()));
    let typing = Typing { schema: Arc::clone(&schema), types: Vec::new(), nulls: Vec::new(), constants: 0 };
    let input = Input {
        store: source.store.clone(),
        parts: parts.collect(),
        exports: chosen.exports,
        kind: receipt.kind,
        format: receipt.from,
        schema,
        typing: Arc::new(typing),
        warnings: chosen.warnings,
        is_uniform: false,
    };
    Plan {
        input: Arc::new(input),
        to: receipt.options.to,
        compression: receipt.options.compression.parse().unwrap_or(Compression::None),
        strategy: receipt.strategy,
        why: "up to date, as its receipt says".to_owned(),
        outputs: Vec::new(),
        on_server: None,
        recut: None,
        options: options.clone(),
        source: source.clone(),
        output: output.clone(),
        done: Some(done),
    }
}

/// Leaves a merge to the server, where that may be.
async fn leave_to_server(plan: &mut Plan) -> Result<()> {
    let asked = plan.options.on_server;
    let refused = |reason: &str| {
        Err(Error::Usage(format!("--on-server always: {reason}; --on-server auto merges it here then")))
    };
    let copies = match (&plan.output, plan.outputs.as_slice()) {
        _ if asked == OnServer::Never => return Ok(()),
        (Output::File(_), [PlannedOutput { target: Target::File(location), .. }]) => {
            plan.input.store.copies_to(&location.store)
        }
        _ => false,
    };
    if !copies {
        return match asked {
            OnServer::Always => {
                refused("parts and output must be in buckets of the same S3, and requests signed")
            }
            _ => Ok(()),
        };
    }
    match on_server::plan(&plan.input, plan.strategy, plan.compression, &plan.options).await? {
        Ok(merge) => {
            plan.on_server = Some(merge);
            plan.strategy = Strategy::CopyOnServer;
        }
        Err(why_not) if asked == OnServer::Always => return refused(&why_not.reason),
        Err(why_not) if why_not.was_possible => {
            plan.why = format!("{}; not on the server, as {}", plan.why, why_not.reason);
        }
        Err(_) => {}
    }
    Ok(())
}

fn asked_format(output: &Output, options: &Options) -> Result<Option<Format>> {
    if options.split.is_some() && !matches!(output, Output::Folder(_)) {
        return Err(Error::Usage(
            "a merge writes one file: --split-rows and --split-bytes are for convert".into(),
        ));
    }
    if let Output::File(location) = output {
        if location.is_folder && !is_device(location) {
            return Err(Error::Usage(format!(
                "{location} is a folder; name a file, or use convert for part files"
            )));
        }
        let said = Format::of_name(&location.path).map(|(format, _)| format);
        if options.to.is_none() && said.is_none() && !is_device(location) {
            return Err(Error::Usage(format!(
                "the extension of {location} says neither CSV nor Parquet; --to csv or --to parquet does"
            )));
        }
        return Ok(options.to.or(said));
    }
    Ok(options.to)
}

fn is_written_straight(output: &Output) -> bool {
    match output {
        Output::Stdout => true,
        Output::File(location) => is_device(location),
        Output::Folder(_) => false,
    }
}

/// A device, a pipe or a socket on local disk.
pub(crate) fn is_device(location: &Location) -> bool {
    location.is_local()
        && std::fs::metadata(&location.path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

pub(crate) fn compression(output: &Output, to: Format, options: &Options) -> Result<Compression> {
    if to == Format::Parquet {
        return Ok(options.compression.unwrap_or(Compression::Snappy));
    }
    let said = match output {
        Output::File(location) => match Format::of_name(&location.path) {
            Some((Format::Csv, compression)) => Some(compression.unwrap_or(Compression::None)),
            _ => None,
        },
        _ => None,
    };
    let same_codec = |a: Compression, b: Compression| discriminant(&a) == discriminant(&b);
    match (options.compression, said) {
        (None, said) => Ok(said.unwrap_or(Compression::None)),
        (Some(Compression::Snappy | Compression::Lz4), _) => {
            Err(Error::Usage("CSV is compressed by gzip or zstd, or not at all".into()))
        }
        (Some(asked), Some(said)) if !same_codec(asked, said) => Err(Error::Usage(format!(
            "--compression {asked} does not go with the extension of the output; name it .csv.gz or .csv.zst"
        ))),
        (Some(asked), _) => Ok(asked),
    }
}

fn strategy(input: &Input, to: Format, options: &Options) -> (Strategy, String) {
    let because = |strategy, why: &str| (strategy, why.to_owned());
    match (input.format, to) {
        (Format::Csv, Format::Csv) if options.source_columns => {
            because(Strategy::Transcode, "--source-columns adds cells to every row")
        }
        (Format::Csv, Format::Csv) if !input.is_uniform => because(
            Strategy::Transcode,
            "headers or line ends differ, so rows are aligned; cells stay as they are",
        ),
        (Format::Csv, Format::Csv) => because(Strategy::CopyBytes, "CSV to CSV, all parts have one header"),
        (Format::Parquet, Format::Parquet) => match why_not_copied(input, options) {
            Some(why) => (Strategy::Transcode, why),
            None => because(Strategy::CopyRowGroups, "Parquet to Parquet, all parts have one schema"),
        },
        (from, to) => (Strategy::Transcode, format!("{from} to {to}")),
    }
}

/// Whether every column chunk has this codec already. Footers carry no level, so one that was asked for is not known.
fn is_compressed_so(input: &Input, asked: Compression) -> bool {
    let has_level = matches!(asked, Compression::Zstd(Some(_)) | Compression::Gzip(Some(_)));
    let Ok(wanted) = codec(asked) else { return false };
    let footers = input.parts.iter().filter_map(PlannedPart::parquet);
    let mut chunks = footers.flat_map(|footer| footer.row_groups()).flat_map(RowGroupMetaData::columns);
    !has_level && chunks.all(|chunk| discriminant(&chunk.compression()) == discriminant(&wanted))
}

fn why_not_copied(input: &Input, options: &Options) -> Option<String> {
    let asked = [
        (options.source_columns, "--source-columns adds columns"),
        (!options.types.is_empty(), "--type changes columns"),
        (options.all_strings, "--all-strings changes columns"),
        (options.row_group_rows.is_some(), "--row-group-rows cuts row groups anew"),
        (options.split.is_some(), "the output is cut anew"),
        (
            options.compression.is_some_and(|asked| !is_compressed_so(input, asked)),
            "--compression encodes pages anew",
        ),
    ];
    if let Some((_, why)) = asked.into_iter().find(|(is_asked, _)| *is_asked) {
        return Some(why.to_owned());
    }
    let mut footers = input.parts.iter().filter_map(PlannedPart::parquet);
    let first = footers.next()?;
    let schema = first.file_metadata().schema_descr();
    let differs = footers.any(|other| {
        let other = other.file_metadata().schema_descr();
        other.root_schema().get_fields() != schema.root_schema().get_fields()
    });
    differs.then(|| "the parts' Parquet schemas differ in form".to_owned())
}

/// An option that was given but changes nothing.
fn idle_option(strategy: Strategy, to: Format, options: &Options) -> Option<&'static str> {
    match (strategy, to) {
        (Strategy::CopyBytes, _) if !options.types.is_empty() => {
            Some("--type has no effect: CSV to CSV copies text")
        }
        (Strategy::CopyBytes, _) if !options.nulls.is_empty() => {
            Some("--null has no effect: CSV to CSV copies text")
        }
        (_, Format::Csv) if options.row_group_rows.is_some() => Some("--row-group-rows has no effect on CSV"),
        _ => None,
    }
}

/// The row groups of the given parts in order, and what becomes of each.
pub(crate) fn row_group_pieces(input: &Input, parts: std::ops::Range<usize>) -> Vec<RowGroupPiece> {
    let can_reencode = can_reencode(input);
    let mut pieces = Vec::new();
    let mut run: Vec<(usize, usize)> = Vec::new();
    let (mut rows, mut bytes) = (0, 0);
    let mut close = |run: &mut Vec<(usize, usize)>| match run.as_slice() {
        [] => {}
        &[(part, row_group)] => {
            pieces.push(RowGroupPiece::Copy { part, row_group });
            run.clear();
        }
        _ => pieces.push(RowGroupPiece::Reencode(std::mem::take(run))),
    };
    for part in parts {
        let Some(metadata) = input.parts[part].parquet() else { continue };
        for (row_group, group) in metadata.row_groups().iter().enumerate() {
            if group.num_rows() == 0 {
                continue;
            }
            let small = can_reencode && is_small(group);
            let size = group.total_byte_size().max(0);
            let full = rows + group.num_rows() > ROW_GROUP_ROWS as i64 || bytes + size > 64 * 1024 * 1024;
            if !small || full {
                close(&mut run);
                (rows, bytes) = (0, 0);
            }
            run.push((part, row_group));
            (rows, bytes) = (rows + group.num_rows(), bytes + size);
            if !small {
                close(&mut run);
                (rows, bytes) = (0, 0);
            }
        }
    }
    close(&mut run);
    pieces
}

fn is_small(group: &RowGroupMetaData) -> bool {
    group.num_rows() < SMALL_ROW_GROUP_ROWS && group.compressed_size() < SMALL_ROW_GROUP_BYTES
}

/// Whether what the encoder writes for the rows has the very form of the input's column chunks: INT96, say, has not.
fn can_reencode(input: &Input) -> bool {
    let Some(metadata) = input.parts.iter().find_map(PlannedPart::parquet) else { return false };
    let ours = crate::guard::guard(|| ArrowSchemaConverter::new().convert(&input.schema));
    let theirs = metadata.file_metadata().schema_descr();
    ours.is_ok_and(|ours| {
        ours.num_columns() == theirs.num_columns()
            && ours.columns().iter().zip(theirs.columns()).all(|(a, b)| {
                a.path() == b.path()
                    && a.physical_type() == b.physical_type()
                    && a.type_length() == b.type_length()
                    && a.max_def_level() == b.max_def_level()
                    && a.max_rep_level() == b.max_rep_level()
                    && a.logical_type_ref() == b.logical_type_ref()
            })
    })
}

fn outputs(
    input: &Input,
    output: &Output,
    to: Format,
    compression: Compression,
    options: &Options,
) -> Result<(Vec<PlannedOutput>, Option<Recut>)> {
    let all = 0..input.parts.len();
    let folder = match output {
        Output::Stdout => return Ok((vec![PlannedOutput { target: Target::Stdout, parts: all }], None)),
        Output::File(location) if is_device(location) => {
            let target = Target::Device(location.path.clone());
            return Ok((vec![PlannedOutput { target, parts: all }], None));
        }
        Output::File(location) => {
            return Ok((vec![PlannedOutput { target: Target::File(location.clone()), parts: all }], None));
        }
        Output::Folder(folder) => folder,
    };
    let extension = match (to, compression) {
        (Format::Parquet, _) => "parquet",
        (Format::Csv, Compression::Gzip(_)) => "csv.gz",
        (Format::Csv, Compression::Zstd(_)) => "csv.zst",
        (Format::Csv, _) => "csv",
    };
    let parts: Vec<&Part> = input.exports.iter().flat_map(|export| &export.parts).collect();
    if let Some(split) = options.split {
        let like = parts.iter().find_map(|part| part.name.clone());
        let like = like.ok_or_else(|| {
            Error::Usage(
                "the source is not named like a part, so new parts cannot be named; --pattern helps".into(),
            )
        })?;
        check_name(folder, &like.renumbered(u64::MAX, extension))?;
        return Ok((Vec::new(), Some(Recut { folder: folder.clone(), like, extension, split })));
    }
    let mut names = HashSet::new();
    let mut planned = Vec::with_capacity(parts.len());
    for (i, part) in parts.iter().enumerate() {
        let name = match &part.name {
            Some(name) => name.with_extension(extension),
            None => format!("{}.{extension}", export::strip_extension_of(&part.object)),
        };
        check_name(folder, &name)?;
        if !names.insert(name.clone()) {
            return Err(Error::Incomplete(format!(
                "two parts would both become {name}; convert the runs one by one with --run"
            )));
        }
        planned.push(PlannedOutput { target: Target::File(folder.child(&name)), parts: i..i + 1 });
    }
    Ok((planned, None))
}

/// The longest name that the usual file systems take, in bytes.
const MAX_NAME: usize = 255;

/// The new parts are named after the old ones, whose names came from a store: one that could lead out of the folder,
/// or mislead whoever sees it, is refused before anything is written.
fn check_name(folder: &Location, name: &str) -> Result<()> {
    let misleads = |c: char| c == '/' || c.is_control() || crate::error::is_override(c);
    let is_bad = matches!(name, "" | "." | "..") || name.contains(misleads);
    if is_bad || (folder.is_local() && name.len() > MAX_NAME) {
        let mut shown: String = name.chars().take(80).collect();
        if shown.len() < name.len() {
            shown.push('…');
        }
        return Err(Error::Usage(format!(
            "a part would be written as \"{}\", which is no name for a file; merge writes to a name of yours",
            Escaped(&shown)
        )));
    }
    Ok(())
}

/// Refuses an output that exists, and a folder in which old parts of the same run would stay beside the new ones.
fn refuse_existing(plan: &Plan, existing: &Existing) -> Result<()> {
    for planned in &plan.outputs {
        let Target::File(location) = &planned.target else { continue };
        for part in &plan.input.parts {
            if location.store.url(&location.path) == part.object.url
                && location.is_local() == plan.input.store.is_local()
            {
                return Err(Error::Usage(format!(
                    "{location} is one of the parts that are read; name another output"
                )));
            }
        }
    }
    let (there, folder) = match (existing, &plan.output) {
        (Existing::File(_), Output::File(location)) if !plan.options.overwrite => {
            return Err(Error::OutputExists { path: location.to_string() });
        }
        (Existing::Folder(there), Output::Folder(folder)) => (there, folder),
        _ => return Ok(()),
    };
    let new: HashSet<&str> = plan
        .outputs
        .iter()
        .filter_map(|planned| match &planned.target {
            Target::File(location) => Some(location.split().1),
            _ => None,
        })
        .collect();
    for (object, is_of_run) in in_folder(plan, folder, there) {
        let is_replaced = new.contains(object.file_name());
        if is_replaced && !plan.options.overwrite {
            return Err(Error::OutputExists { path: object.url.clone() });
        }
        // How many new parts there will be is not known yet where a run is cut anew.
        let is_known = plan.recut.is_none() || !plan.options.overwrite;
        if is_of_run && !is_replaced && is_known {
            return Err(stays(object));
        }
        if is_of_run && plan.input.parts.iter().any(|part| part.object.url == object.url) {
            return Err(Error::Usage(format!(
                "{} is one of the parts that are read; name another folder",
                object.url
            )));
        }
    }
    Ok(())
}

/// Refuses to replace the parts of a run that was cut anew by fewer ones: the others would stay beside them.
pub(crate) async fn refuse_stale(plan: &Plan, written: &[&str]) -> Result<()> {
    let Some(recut) = plan.recut.as_ref().filter(|_| plan.options.overwrite) else { return Ok(()) };
    let names = written.iter().map(|file| file.rsplit('/').next().unwrap_or_default());
    let new: HashSet<&str> = names.collect();
    let there = match listing::list(&recut.folder.as_folder()).await {
        Ok(listing) => listing.objects,
        Err(Error::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    let stale = |(object, is_of_run): &(&Object, bool)| *is_of_run && !new.contains(object.file_name());
    match in_folder(plan, &recut.folder, &there).find(stale) {
        Some((stale, _)) => Err(stays(stale)),
        None => Ok(()),
    }
}

fn stays(object: &Object) -> Error {
    Error::OutputExists {
        path: format!(
            "{} belongs to the same run and would stay beside the new parts: remove it first; it",
            object.url
        ),
    }
}

/// The objects right in the folder of a conversion, and whether each is a part of a run that is converted.
fn in_folder<'a>(
    plan: &'a Plan,
    folder: &'a Location,
    there: &'a [Object],
) -> impl Iterator<Item = (&'a Object, bool)> {
    let runs: Vec<(&str, Option<&crate::naming::RunStamp>)> =
        plan.input.exports.iter().map(|export| (export.job.as_str(), export.run.as_ref())).collect();
    there.iter().filter(|object| object.folder() == folder.path || folder.path.is_empty()).map(
        move |object| {
            let name = plan.options.select.pattern.parse(object.folder(), object.file_name());
            (object, name.is_some_and(|name| runs.contains(&(name.job(), name.run()))))
        },
    )
}

pub(crate) async fn exists(location: &Location) -> Result<bool> {
    if location.is_local() && std::fs::metadata(&location.path).is_ok_and(|meta| meta.is_dir()) {
        return Err(Error::Usage(format!(
            "{location} is a folder; name a file, or use convert for part files"
        )));
    }
    Ok(location.store.head(&location.path).await?.is_some())
}

/// A plan as data: what `--dry-run --json` prints. Field names are stable.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct PlanSummary {
    /// Where parts are read.
    pub source: String,
    /// The job's name.
    pub job: String,
    /// The runs, oldest first.
    pub runs: Vec<String>,
    /// What the export holds.
    pub kind: Kind,
    /// The format of the parts.
    pub from: Format,
    /// The format of the output.
    pub to: Format,
    /// How output is compressed.
    pub compression: String,
    /// How it is done.
    pub strategy: Strategy,
    /// Why it is done that way.
    pub why: String,
    /// Whether the output is there already, so that nothing is to be done.
    pub up_to_date: bool,
    /// The parts in the order they are read.
    pub parts: Vec<PlannedPartSummary>,
    /// Bytes of all parts.
    pub bytes: u64,
    /// Rows of all parts, where footers tell.
    pub rows: Option<u64>,
    /// The columns of the output.
    pub columns: Vec<ColumnSummary>,
    /// The files to be written; for an output that is cut anew the first one.
    pub outputs: Vec<String>,
    /// Where the output is cut anew: after so many rows.
    pub split_rows: Option<u64>,
    /// Where the output is cut anew: before so many bytes.
    pub split_bytes: Option<u64>,
    /// Bytes of the output that pass through this machine, where the server copies the others.
    pub bytes_sent: Option<u64>,
    /// What is not checked, as the server copies it unread.
    pub not_checked: Option<String>,
    /// Requests to the stores, about.
    pub requests: u64,
    /// What is odd, but no error.
    pub warnings: Vec<String>,
}

/// A part in a [`PlanSummary`].
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct PlannedPartSummary {
    /// Its path or URL.
    pub file: String,
    /// Bytes.
    pub bytes: u64,
    /// Rows, where they are known.
    pub rows: Option<u64>,
}

/// A column in a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ColumnSummary {
    /// Its name.
    pub name: String,
    /// Its type, in Arrow's words.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Whether it may hold nulls.
    pub nullable: bool,
}

pub(crate) fn column_summaries(schema: &Schema) -> Vec<ColumnSummary> {
    schema
        .fields()
        .iter()
        .map(|field| ColumnSummary {
            name: field.name().clone(),
            data_type: type_name(field.data_type()),
            nullable: field.is_nullable(),
        })
        .collect()
}

/// A type in the words of `--type` where it has them, else in Arrow's.
pub(crate) fn type_name(data_type: &DataType) -> String {
    use arrow::datatypes::TimeUnit;
    match data_type {
        DataType::Utf8 => "string".into(),
        DataType::Float64 => "double".into(),
        DataType::Int64 => "int64".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Date32 => "date".into(),
        DataType::Timestamp(unit, zone) => {
            let unit = match unit {
                TimeUnit::Second => "s",
                TimeUnit::Millisecond => "ms",
                TimeUnit::Microsecond => "us",
                TimeUnit::Nanosecond => "ns",
            };
            match zone {
                Some(zone) => format!("timestamp({unit}, {zone})"),
                None => format!("timestamp({unit})"),
            }
        }
        other => other.to_string(),
    }
}

/// The type that [`type_name`] has this name for; text for any other.
fn type_named(name: &str) -> DataType {
    use arrow::datatypes::TimeUnit;
    match name {
        "double" => DataType::Float64,
        "int64" => DataType::Int64,
        "boolean" => DataType::Boolean,
        "date" => DataType::Date32,
        "timestamp(us)" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "timestamp(us, UTC)" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        _ => DataType::Utf8,
    }
}

impl Plan {
    /// What a receipt is made of; `rows_of` tells the rows of parts that have no footer.
    pub(crate) fn made<'a>(
        &'a self,
        parts: std::ops::Range<usize>,
        digest: Option<String>,
        rows_of: &'a dyn Fn(usize) -> Option<u64>,
    ) -> Made<'a> {
        Made {
            input: &self.input,
            parts,
            strategy: self.strategy,
            options: ReceiptOptions::new(self.to, &self.compression.to_string(), &self.options),
            columns: column_summaries(&self.input.schema),
            digest,
            rows_of,
        }
    }

    /// Whether the output is there already, as its receipt says: a run does nothing.
    pub fn is_up_to_date(&self) -> bool {
        self.done.is_some()
    }

    /// The format of the output.
    pub fn to(&self) -> Format {
        self.to
    }

    /// How it will be done.
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// The columns of the output.
    pub fn schema(&self) -> &SchemaRef {
        &self.input.schema
    }

    /// Bytes of all parts.
    pub fn bytes(&self) -> u64 {
        self.input.bytes()
    }

    /// Rows of all parts, where their footers or a receipt tell.
    pub fn rows(&self) -> Option<u64> {
        self.done.as_ref().and_then(|done| done.receipt.rows).or_else(|| self.input.rows())
    }

    /// What is odd, but no error.
    pub fn warnings(&self) -> &[String] {
        &self.input.warnings
    }

    /// Whether a run that ended in this error is made anew without the server's help.
    pub(crate) fn is_done_here_after(&self, error: &Error) -> bool {
        let is_refused = matches!(error, Error::Denied { doing: COPYING, .. });
        is_refused && self.on_server.is_some() && self.options.on_server != OnServer::Always
    }

    /// The same without the server's help.
    pub(crate) fn done_here(self) -> Plan {
        let strategy = match self.to {
            Format::Csv => Strategy::CopyBytes,
            Format::Parquet => Strategy::CopyRowGroups,
        };
        Plan { strategy, on_server: None, ..self }
    }

    /// The plan as data.
    pub fn summary(&self) -> PlanSummary {
        let parts = self.input.parts.iter().map(|part| PlannedPartSummary {
            file: part.object.url.clone(),
            bytes: part.object.size,
            rows: part.parquet().and_then(|metadata| u64::try_from(metadata.file_metadata().num_rows()).ok()),
        });
        let outputs = match (&self.done, &self.recut) {
            (Some(done), _) => done.files.iter().map(|file| file.file.clone()).collect(),
            (None, Some(recut)) => {
                vec![recut.folder.child(&recut.like.renumbered(0, recut.extension)).to_string()]
            }
            (None, None) => self.outputs.iter().map(|output| output.target.to_string()).collect(),
        };
        let (split_rows, split_bytes) = match self.recut.as_ref().map(|recut| recut.split) {
            Some(Split::Rows(rows)) => (Some(rows), None),
            Some(Split::Bytes(bytes)) => (None, Some(bytes)),
            None => (None, None),
        };
        PlanSummary {
            source: self.source.to_string(),
            job: self.input.exports.first().map(|export| export.job.clone()).unwrap_or_default(),
            runs: self.input.exports.iter().filter_map(|e| e.run.as_ref().map(ToString::to_string)).collect(),
            kind: self.input.kind,
            from: self.input.format,
            to: self.to,
            compression: self.compression_shown(),
            strategy: self.strategy,
            why: self.why.clone(),
            up_to_date: self.done.is_some(),
            parts: parts.collect(),
            bytes: self.input.bytes(),
            rows: self.rows(),
            columns: column_summaries(&self.input.schema),
            outputs,
            split_rows,
            split_bytes,
            bytes_sent: self.on_server.as_ref().map(|merge| merge.totals.sent_bytes),
            not_checked: self.on_server.as_ref().map(|merge| merge.not_checked(self.to).to_owned()),
            requests: self.requests(),
            warnings: self.input.warnings.clone(),
        }
    }

    fn compression_shown(&self) -> String {
        let copies_row_groups = self.strategy == Strategy::CopyRowGroups
            || (self.strategy == Strategy::CopyOnServer && self.to == Format::Parquet);
        if copies_row_groups { "as it is".into() } else { self.compression.to_string() }
    }

    /// Ranged reads and writes of about 8 MiB; nothing on local disk.
    fn requests(&self) -> u64 {
        if self.done.is_some() {
            return 0;
        }
        if let Some(merge) = &self.on_server {
            let totals = merge.totals;
            let reads = merge.text.iter().filter(|piece| match piece {
                on_server::TextOnServer::Read { part } => {
                    self.input.parts[*part].csv_head().is_some_and(|head| head.whole.is_none())
                }
                _ => false,
            });
            let parts = totals.copies + totals.sent + totals.reads + reads.count();
            // Create, the last listing, complete, which looks for what must not be replaced, and the receipt.
            return parts as u64 + 4;
        }
        let pieces = |bytes: u64| bytes.div_ceil(crate::engine::TRANSFER_BYTES as u64);
        let reads: u64 = if self.input.store.is_local() {
            0
        } else {
            let kept = |part: &PlannedPart| part.csv_head().is_some_and(|head| head.whole.is_some());
            self.input
                .parts
                .iter()
                .filter(|part| !kept(part))
                .map(|part| pieces(part.object.size).max(1))
                .sum::<u64>()
                * if self.options.verify { 2 } else { 1 }
                // The listing that sees whether the parts are still what they were.
                + 1
        };
        let is_remote = |output: &&PlannedOutput| matches!(&output.target, Target::File(l) if !l.is_local());
        let writes: u64 = self
            .outputs
            .iter()
            .filter(is_remote)
            .map(|output| {
                let bytes: u64 =
                    self.input.parts[output.parts.clone()].iter().map(|part| part.object.size).sum();
                // Create and complete, where there is more than one piece.
                if pieces(bytes) > 1 { pieces(bytes) + 2 } else { 1 }
            })
            .sum();
        let receipt = match &self.output {
            _ if self.options.no_receipt => 0,
            Output::File(location) if !location.is_local() && self.to == Format::Csv => 1,
            // With the listing that tells what the store calls the files.
            Output::Folder(folder) if !folder.is_local() => 2,
            _ => 0,
        };
        reads + writes + receipt
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Plan").field(&self.summary()).finish()
    }
}

/// The most parts and outputs a dry run shows, half at either end.
const SHOWN: usize = 20;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::error::Escaped;
        let plan = self.summary();
        let title = if plan.job.is_empty() { plan.source.as_str() } else { plan.job.as_str() };
        write!(f, "{}", Escaped(title))?;
        if !plan.runs.is_empty() {
            write!(f, ", run {}", Escaped(&plan.runs.join(", ")))?;
        }
        writeln!(f, " ({})", plan.kind)?;
        write!(f, "  {} -> {}, compression {}", plan.from, plan.to, plan.compression)?;
        writeln!(f, "; {}: {}", plan.strategy, plan.why)?;
        let counted =
            |number: u64, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
        let rows = plan.rows.map(|rows| format!(", {}", counted(rows, "row"))).unwrap_or_default();
        writeln!(
            f,
            "  {}, {}{rows}; about {}",
            counted(plan.parts.len() as u64, "part"),
            counted(plan.bytes, "byte"),
            counted(plan.requests, "request")
        )?;
        if let (Some(sent), Some(not_checked)) = (plan.bytes_sent, &plan.not_checked) {
            writeln!(f, "  {} pass through this machine; not checked: {not_checked}", counted(sent, "byte"))?;
        }
        writeln!(f, "parts")?;
        shortened(f, &plan.parts, |f, part| {
            let rows = part.rows.map(|rows| format!("  {}", counted(rows, "row"))).unwrap_or_default();
            writeln!(f, "  {:>14}  {}{rows}", part.bytes, Escaped(&part.file))
        })?;
        writeln!(f, "columns")?;
        for column in &plan.columns {
            writeln!(f, "  {}: {}", Escaped(&column.name), column.data_type)?;
        }
        writeln!(f, "outputs")?;
        shortened(f, &plan.outputs, |f, output| writeln!(f, "  {}", Escaped(output)))?;
        if let Some(rows) = plan.split_rows {
            writeln!(f, "  and so on, {rows} rows each")?;
        }
        if let Some(bytes) = plan.split_bytes {
            writeln!(f, "  and so on, up to {bytes} bytes each")?;
        }
        Ok(())
    }
}

fn shortened<T>(
    f: &mut fmt::Formatter<'_>,
    list: &[T],
    mut show: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    if list.len() <= SHOWN {
        return list.iter().try_for_each(|item| show(f, item));
    }
    list[..SHOWN / 2].iter().try_for_each(|item| show(f, item))?;
    writeln!(f, "  … {} more …", list.len() - SHOWN)?;
    list[list.len() - SHOWN / 2..].iter().try_for_each(|item| show(f, item))
}
