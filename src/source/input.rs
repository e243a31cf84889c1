//! Finds the input of a plan: takes a source and a selection, returns the parts to read, in order and probed, and the
//! columns of their rows.

use super::csv_head::{CsvHead, CsvReading, LineEnd};
use super::export::{Export, Found, Part};
use super::footer::Footer;
use super::parquet_columns::{Carried, Shape, of_parquet};
use super::probe::{Probe, probe};
use super::relisting::Relisting;
use super::{export, header, schema};
use crate::codec::csv::{CellType, Layout, Typing, write_header};
use crate::model::{
    DataErrorKind, Error, Format, HeaderMode, Incomplete, Kind, Options, Pattern, Remedy, Result, RunChoice,
    RunStamp, SOURCE_COLUMNS, SchemaMode, Selection, Setting, UsageError, ValueKind, Warning,
};
use crate::store::listing::{self, Listing};
use crate::store::{Glob, Location, Object, Store};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use parquet::file::metadata::ParquetMetaData;
use std::collections::HashSet;
use std::sync::Arc;

/// One part, with everything needed to read it.
#[derive(Debug)]
pub(crate) struct PlannedPart {
    pub(crate) object: Arc<Object>,
    pub(crate) contents: Contents,
    /// The cells of the source columns, if they are wanted.
    pub(crate) constants: Vec<Option<String>>,
}

#[derive(Debug)]
pub(crate) enum Contents {
    /// No rows, not even a header.
    Empty,
    Csv {
        head: Arc<CsvHead>,
        layout: Arc<Layout>,
    },
    Parquet {
        footer: Footer,
        shape: Arc<Shape>,
    },
}

impl PlannedPart {
    /// The bytes that are read of it.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.contents {
            Contents::Csv { head, .. } => head.end.map_or(self.object.size, |end| end - head.body),
            Contents::Parquet { footer, .. } => footer.bytes().unwrap_or(self.object.size),
            Contents::Empty => self.object.size,
        }
    }

    /// The number of rows, if it is known without reading them.
    pub(crate) fn rows(&self) -> Option<u64> {
        match &self.contents {
            Contents::Empty => Some(0),
            Contents::Csv { head, .. } if head.is_header_only => Some(0),
            Contents::Csv { .. } => None,
            Contents::Parquet { footer, .. } => Some(footer.rows()),
        }
    }

    pub(crate) fn csv_head(&self) -> Option<&CsvHead> {
        match &self.contents {
            Contents::Csv { head, .. } => Some(head),
            _ => None,
        }
    }

    /// Whether it is Parquet.
    pub(crate) fn footer(&self) -> Option<&Footer> {
        match &self.contents {
            Contents::Parquet { footer, .. } => Some(footer),
            _ => None,
        }
    }

    /// Its footer, if it is Parquet. This may parse it again.
    pub(crate) fn parquet(&self) -> Option<Arc<ParquetMetaData>> {
        match &self.contents {
            Contents::Parquet { footer, .. } => Some(footer.metadata()),
            _ => None,
        }
    }
}

/// The input: the chosen parts in order and the columns they agree on.
pub(crate) struct Input {
    pub(crate) store: Store,
    pub(crate) exports: Vec<Export>,
    /// How to check later that the parts are unchanged.
    pub(crate) relisting: Relisting,
    pub(crate) kind: Kind,
    pub(crate) parts: Vec<PlannedPart>,
    pub(crate) format: Format,
    /// The schema that rows are decoded to.
    pub(crate) schema: SchemaRef,
    /// The same columns on the way from Parquet to Parquet; `None` if the parts are CSV.
    pub(crate) carried: Option<Carried>,
    /// How to read the cells of CSV parts.
    pub(crate) typing: Arc<Typing>,
    pub(crate) warnings: Vec<Warning>,
    /// All CSV parts have one header and one kind of line end.
    pub(crate) is_uniform: bool,
    /// Whether the columns have real names, so that CSV output starts with a header. Numbers in place of names are not
    /// written, because the parts did not have them.
    pub(crate) has_names: bool,
}

impl Input {
    pub(crate) fn bytes(&self) -> u64 {
        self.parts.iter().map(PlannedPart::bytes).sum()
    }

    /// Reads the cells of CSV parts as other types, by the columns' names; there must be no source columns.
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

    /// The header for a copy of CSV parts, with its line end: that of the first part that has one, else the given
    /// names. Empty if there are none.
    pub(crate) fn header(&self) -> Vec<u8> {
        let first = self.parts.iter().find_map(PlannedPart::csv_head).filter(|head| head.has_header);
        let mut header = match first {
            Some(head) => head.first_line.to_vec(),
            None => {
                let mut written = self.written_header();
                written.pop();
                written
            }
        };
        if self.has_names {
            header.extend_from_slice(self.line_end().bytes());
        }
        header
    }

    /// The header for CSV that is re-encoded, with its line end. Empty if the columns have no names.
    pub(crate) fn written_header(&self) -> Vec<u8> {
        let mut header = Vec::new();
        if self.has_names {
            write_header(&self.schema, &mut header);
        }
        header
    }

    /// The line end of the parts; LF if none of them has a line.
    pub(crate) fn line_end(&self) -> LineEnd {
        self.parts.iter().find_map(|part| part.csv_head()?.line_end).unwrap_or(LineEnd::Lf)
    }

    /// The names of the parts' columns, without source columns.
    fn column_names(&self) -> Vec<String> {
        let fields = self.schema.fields();
        let own = fields.len() - self.typing.constants;
        fields.iter().take(own).map(|field| field.name().clone()).collect()
    }

    /// Has the text of CSV parts decoded into these columns, which differ in how values lie in memory.
    pub(crate) fn decode_into(&mut self, schema: SchemaRef) {
        self.typing = Arc::new(Typing { schema: Arc::clone(&schema), ..Typing::clone(&self.typing) });
        self.schema = schema;
    }

    /// The number of rows, if footers tell.
    pub(crate) fn rows(&self) -> Option<u64> {
        self.parts.iter().map(PlannedPart::rows).sum()
    }
}

/// Finds all exports at a location.
///
/// # Errors
/// [`Error::NotFound`] if the location does not exist, [`Error::Denied`] or [`Error::Store`] if it cannot be listed.
pub async fn find(source: &Location, pattern: &Pattern) -> Result<Found> {
    list(source, pattern).await
}

/// Boxed here, or every program would compile it anew.
fn list<'a>(source: &'a Location, pattern: &'a Pattern) -> BoxFuture<'a, Result<Found>> {
    async move { found(listing::list(source).await?, source, pattern) }.boxed()
}

/// As [`find`], but lists again only what an earlier listing requires.
pub(crate) async fn find_again(source: &Location, pattern: &Pattern, relisting: &Relisting) -> Result<Found> {
    found(listing::list_spans(source, relisting.spans()).await?, source, pattern)
}

fn found(listing: Listing, source: &Location, pattern: &Pattern) -> Result<Found> {
    if listing.is_single_file {
        let exports = listing.objects.into_iter().map(|object| export::single(object, pattern)).collect();
        return Ok(Found { exports, ..Found::default() });
    }
    let found = export::group(listing.objects, pattern);
    // An explicitly chosen file must not be left out.
    let mut others = found.strays.iter().chain(&found.markers).chain(&found.receipts);
    match others.next().filter(|_| source.is_choice()) {
        None => Ok(found),
        Some(other) => Err(UsageError::NoPart { path: other.url.clone() }.into()),
    }
}

/// The chosen parts, before any is probed.
pub(crate) struct Chosen {
    pub(crate) exports: Vec<Export>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) relisting: Relisting,
}

/// Finds the parts and chooses among them.
pub(crate) async fn choose(source: &Location, options: &Options) -> Result<Chosen> {
    let (selection, reading) = (&options.select, &CsvReading::new(options));
    let listing = listing::list(source).await?;
    // Places named one by one are listed one by one.
    let is_one_listing = !listing.is_single_file && source.named().is_empty() && !source.is_choice();
    let lists_in_order = source.store.lists_in_order() && is_one_listing;
    let (keys, listed) = (keys_of(&listing, lists_in_order), source.store.requests());
    let mut found = found(listing, source, &selection.pattern)?;
    let has_check = found.markers.iter().any(|marker| marker.file_name() == "_CHECK");
    let has_success = found.markers.iter().any(|marker| marker.file_name() == "_SUCCESS");
    if selection.kind.is_some() {
        settle_kinds(&source.store, &mut found.exports, selection, reading).await?;
    }
    let closed = found.strays.iter().filter(|stray| stray.is_closed());
    let mut warnings: Vec<Warning> =
        closed.map(|stray| Warning::NotLookedInto { path: stray.url.clone() }).collect();
    let is_named_as_part =
        |stray: &&Object| selection.pattern.parse(stray.folder(), stray.file_name()).is_some();
    let endless = found.strays.iter().filter(|stray| stray.is_endless()).filter(is_named_as_part);
    warnings.extend(endless.map(|stray| Warning::NoFile { path: stray.url.clone() }));
    let exports = export::select(found, selection, &source.to_string())?;
    warnings.extend(exports.iter().filter_map(Export::gap_warning));
    see_to_archived(source, &exports, selection.restore).await?;
    if has_check && !has_success {
        warnings.push(Warning::MayBeRunning { source: source.to_string() });
    }
    let relisting = match lists_in_order {
        true => Relisting::of(&keys, &exports, &selection.pattern, listed),
        false => Relisting::whole(listed),
    };
    Ok(Chosen { exports, warnings, relisting })
}

/// The keys of a listing, if they tell what to list again.
fn keys_of(listing: &Listing, lists_in_order: bool) -> Vec<String> {
    match lists_in_order {
        true => listing.objects.iter().map(|object| object.key.clone()).collect(),
        false => Vec::new(),
    }
}

/// Restore requests that run at the same time.
const CONCURRENT_RESTORES: usize = 16;

/// Fails for archived parts, after asking S3 to restore them for this many days if that is wanted.
async fn see_to_archived(source: &Location, exports: &[Export], restore: Option<u32>) -> Result<()> {
    let objects = exports.iter().flat_map(|export| export.parts.iter().map(|part| &*part.object));
    let archived: Vec<&Object> = objects.filter(|object| object.archive().is_some()).collect();
    let Some(first) = archived.first() else { return Ok(()) };
    let Some(days) = restore else { return first.must_be_file() };
    let owned: Vec<Object> = archived.iter().map(|&object| object.clone()).collect();
    let asked = stream::iter(owned)
        .map(|object| {
            let store = source.store.clone();
            async move { store.restore(&object, days).await }
        })
        .buffer_unordered(CONCURRENT_RESTORES);
    asked.try_collect::<()>().await?;
    let (number, class) = (archived.len(), first.archive().unwrap_or_default());
    let (parts, them) = if number == 1 { ("part is", "it") } else { ("parts are", "them") };
    let time = if days == 1 { "day" } else { "days" };
    Err(Error::Store {
        doing: "reading",
        object: source.to_string(),
        reason: format!(
            "{number} {parts} archived (storage class {class}); S3 was asked to restore {them} for {days} \
             {time}, which takes minutes to days"
        ),
        remedy: Some(Remedy::RunWhenRestored),
        source: None,
    })
}

/// What happens to the cells of CSV parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CsvCells {
    /// They are read by the types of their columns.
    Typed,
    /// They stay as they are, as text in CSV.
    Copied,
    /// They are read as text, for comparison.
    Compared,
}

/// Finds, chooses and probes the parts, to read their rows.
pub(crate) async fn input(source: &Location, options: &Options) -> Result<Input> {
    let chosen = choose(source, options).await?;
    look(&source.store, chosen, options, CsvCells::Typed).await
}

/// Probes the parts: finds their columns and how to read them.
pub(crate) async fn look(store: &Store, chosen: Chosen, options: &Options, cells: CsvCells) -> Result<Input> {
    check_columns(options)?;
    look_by(store, chosen, options, cells, &CsvReading::new(options)).await
}

/// As [`look`], for the files of an output; if columns are given, CSV has no header.
pub(crate) async fn look_at_output(
    store: &Store,
    chosen: Chosen,
    options: &Options,
    columns: Option<Vec<String>>,
) -> Result<Input> {
    let options = Options { columns: columns.clone().unwrap_or_default(), ..options.clone() };
    look_by(store, chosen, &options, CsvCells::Compared, &CsvReading::of_output(columns)).await
}

async fn look_by(
    store: &Store,
    chosen: Chosen,
    options: &Options,
    cells: CsvCells,
    reading: &CsvReading,
) -> Result<Input> {
    let Chosen { exports, warnings, relisting } = chosen;
    let parts: Vec<Part> = exports.iter().flat_map(|export| export.parts.iter().cloned()).collect();
    let objects: Vec<Arc<Object>> = parts.iter().map(|part| Arc::clone(&part.object)).collect();
    let probes = probe(store, &objects, reading).await?;
    let format = one_format(&parts, &probes, reading)?;
    let kind = exports.first().map_or(Kind::Forecast, |export| export.kind);
    let constants: Vec<Vec<Option<String>>> = exports
        .iter()
        .flat_map(|export| export.parts.iter().map(|part| constants_of(export, part, options)))
        .collect();
    let mut input = match format {
        Format::Csv => {
            let text = Options { all_strings: true, types: Vec::new(), ..options.clone() };
            let options_read = if cells == CsvCells::Typed { options } else { &text };
            let input = csv_input(store, parts, probes, kind, options_read, cells, reading).await?;
            if cells == CsvCells::Copied {
                // Types do not change copied text, but a misspelt column is an error all the same.
                schema::check_type_names(&input.column_names(), options)?;
            }
            input
        }
        Format::Parquet => parquet_input(store, parts, probes, kind, options)?,
    };
    for (part, constants) in input.parts.iter_mut().zip(constants) {
        part.constants = constants;
    }
    input.exports = exports;
    input.relisting = relisting;
    input.warnings.splice(0..0, warnings);
    if let (Some(expected), Some(rows)) = (options.select.expect_rows, input.rows())
        && rows != expected
    {
        return Err(rows_missing(rows, expected));
    }
    Ok(input)
}

/// The given column names must be distinct and fit the other options.
fn check_columns(options: &Options) -> Result<()> {
    if options.columns.is_empty() {
        return Ok(());
    }
    if options.header.is_some_and(|header| header != HeaderMode::No) {
        return Err(UsageError::ColumnsAndHeader.into());
    }
    let mut known = HashSet::with_capacity(options.columns.len());
    match options.columns.iter().find(|column| column.is_empty() || !known.insert(*column)) {
        None => Ok(()),
        Some(empty) if empty.is_empty() => Err(UsageError::Empty { what: ValueKind::ColumnName }.into()),
        Some(column) => Err(UsageError::ColumnTwice { column: column.clone() }.into()),
    }
}

pub(crate) fn rows_missing(rows: u64, expected: u64) -> Error {
    Incomplete::Rows { found: rows, expected }.into()
}

/// Explainability and what-if exports are named like forecasts, so their first header decides. Exports ruled out by
/// their names are not read.
async fn settle_kinds(
    store: &Store,
    exports: &mut [Export],
    selection: &Selection,
    reading: &CsvReading,
) -> Result<()> {
    let glob = selection.job.as_deref().map(Glob::new);
    let wanted = match &selection.run {
        RunChoice::At(text) => Some(RunStamp::new(text)),
        _ => None,
    };
    let may_be_chosen = |export: &Export| {
        glob.as_ref().is_none_or(|glob| glob.matches(&export.job))
            && (wanted.is_none() || export.run == wanted)
    };
    let (places, firsts): (Vec<usize>, Vec<Arc<Object>>) = exports
        .iter()
        .enumerate()
        .filter(|(_, export)| export.kind == Kind::Forecast && may_be_chosen(export))
        .filter_map(|(place, export)| {
            let part = export.parts.iter().find(|part| part.object.size > 0)?;
            Some((place, Arc::clone(&part.object)))
        })
        .unzip();
    for (place, probe) in places.into_iter().zip(probe(store, &firsts, reading).await?) {
        let export = &mut exports[place];
        export.kind = crate::model::kind_of(&column_names(&probe), export.kind);
    }
    Ok(())
}

/// The names of a part's columns.
pub(crate) fn column_names(probe: &Probe) -> Vec<String> {
    match probe {
        Probe::Empty => Vec::new(),
        Probe::Csv(head) => head.header.to_vec(),
        Probe::Parquet(footer) => {
            let metadata = footer.metadata();
            let root = metadata.file_metadata().schema();
            root.get_fields().iter().map(|field| field.name().to_owned()).collect()
        }
    }
}

fn one_format(parts: &[Part], probes: &[Probe], reading: &CsvReading) -> Result<Format> {
    let mut formats = parts.iter().zip(probes).filter_map(|(part, probe)| Some((part, probe.format()?)));
    let Some((first, format)) = formats.next() else {
        if !reading.columns.is_empty() {
            return Ok(Format::Csv);
        }
        let file = parts.first().map_or("", |part| part.object.url.as_str());
        return Err(schema::no_header(file));
    };
    match formats.find(|(_, other)| *other != format) {
        None => Ok(format),
        Some((part, other)) => {
            let files = [first, part].map(|part| part.object.file_name().to_owned());
            Err(Incomplete::MixedFormats { formats: [format, other], files }.into())
        }
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
    cells: CsvCells,
    reading: &CsvReading,
) -> Result<Input> {
    let mut heads: Vec<Option<CsvHead>> = probes
        .into_iter()
        .map(|probe| match probe {
            Probe::Csv(head) => Some(head),
            _ => None,
        })
        .collect();
    let begun: Vec<header::Begun<'_>> =
        parts.iter().zip(&heads).filter_map(|(part, head)| Some((part, head.as_ref()?))).collect();
    refuse_other_delimiters(&begun, reading)?;
    let warnings = header::settle(&begun, reading)?.into_iter().collect();
    // A CSV file has one kind of line end; for Parquet it does not matter.
    if options.schema == SchemaMode::Strict && cells == CsvCells::Copied {
        refuse_other_line_ends(&begun)?;
    }
    if reading.columns.is_empty() {
        header::number_alike(&mut heads);
    }
    if !options.all_strings {
        super::aggregates::look_for_aggregates(store, &parts, &mut heads, kind).await?;
    }
    let pairs: Vec<(&Part, Option<&CsvHead>)> =
        parts.iter().zip(&heads).map(|(part, head)| (part, head.as_ref())).collect();
    let agreed = schema::of_csv(&pairs, kind, options)?;
    let mut ends: Vec<LineEnd> = heads.iter().flatten().filter_map(|head| head.line_end).collect();
    ends.dedup();
    let mut headers: Vec<&Arc<[String]>> = heads.iter().flatten().map(|head| &head.header).collect();
    headers.dedup();
    let is_uniform = ends.len() <= 1 && headers.len() <= 1;
    let kind = crate::model::kind_of(headers.first().map_or(&[], |header| header.as_ref()), kind);
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
                (Some(head), Some(layout)) => {
                    // Agreeing on the columns needs no more than this.
                    let head = CsvHead { seen: Vec::new(), values: Vec::new(), ..head };
                    Contents::Csv { head: Arc::new(head), layout }
                }
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
        relisting: Relisting::default(),
        kind,
        parts: planned,
        format: Format::Csv,
        schema,
        carried: None,
        typing: Arc::new(typing),
        warnings,
        is_uniform,
        has_names: reading.header != HeaderMode::No || !reading.columns.is_empty(),
    })
}

/// Text with another delimiter than the comma would become one column. If a single column was named, it is intended.
fn refuse_other_delimiters(begun: &[header::Begun<'_>], reading: &CsvReading) -> Result<()> {
    let other = begun.iter().find_map(|(part, head)| Some((part, head, head.other_delimiter?)));
    match other {
        Some((part, head, delimiter)) if reading.columns.len() != 1 => {
            let problem = format!(
                "every line is one cell that contains {delimiter}: cells are not separated by commas"
            );
            let error = Error::data(DataErrorKind::OtherDialect, &part.object.url, problem);
            Err(error.value(&head.first_line).remedy(Remedy::ExportWithCommas).into())
        }
        _ => Ok(()),
    }
}

fn refuse_other_line_ends(begun: &[header::Begun<'_>]) -> Result<()> {
    let mut known = begun.iter().filter_map(|(part, head)| Some((part, head.line_end?)));
    let Some((first, end)) = known.next() else { return Ok(()) };
    match known.find(|(_, other)| *other != end) {
        None => Ok(()),
        Some((part, other)) => Err(Error::data(
            DataErrorKind::LineEndsDiffer,
            &part.object.url,
            format!(
                "lines end with {} here and with {} in {}",
                other.name(),
                end.name(),
                first.object.file_name()
            ),
        )
        .line(1)
        .remedy(Remedy::RewriteLineEnds)
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
    let known: Vec<(&Part, &Footer)> = parts
        .iter()
        .zip(&probes)
        .filter_map(|(part, probe)| match probe {
            Probe::Parquet(footer) => Some((part, footer)),
            _ => None,
        })
        .collect();
    let agreed = of_parquet(&known, options)?;
    let schema = agreed.schema;
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let mut shapes = agreed.shapes.into_iter();
    let planned = parts
        .into_iter()
        .zip(probes)
        .map(|(part, probe)| {
            let contents = match probe {
                // There is a shape for each part with a footer.
                Probe::Parquet(footer) => {
                    shapes.next().map_or(Contents::Empty, |shape| Contents::Parquet { footer, shape })
                }
                _ => Contents::Empty,
            };
            PlannedPart { object: part.object, contents, constants: Vec::new() }
        })
        .collect();
    let typing = Typing { schema: Arc::clone(&schema), types: Vec::new(), nulls: Vec::new(), constants: 0 };
    let given =
        [(options.header.is_some(), Setting::Header), (!options.columns.is_empty(), Setting::Columns)];
    let ignored = given.into_iter().filter(|(is_given, _)| *is_given);
    let ignored = ignored.map(|(_, setting)| Warning::NoEffectOnParquet(setting));
    Ok(Input {
        store: store.clone(),
        exports: Vec::new(),
        relisting: Relisting::default(),
        kind: crate::model::kind_of(&names, kind),
        parts: planned,
        format: Format::Parquet,
        schema,
        carried: Some(agreed.carried),
        typing: Arc::new(typing),
        warnings: agreed.warnings.into_iter().chain(ignored).collect(),
        is_uniform: false,
        has_names: true,
    })
}
