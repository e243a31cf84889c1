//! Reads without an output: the rows of an export, or some of its columns and rows, as one ordered stream for programs
//! that use the library.

use super::context::Context;
use super::row_group::{Wanted, row_groups_selected};
use super::rows::{csv_rows_worked, row_groups_of, rows};
use crate::codec::filter::{Predicate, unknown_column};
use crate::codec::parquet::StringDecoding;
use crate::model::{Error, Format, NotFound, Options, Query, Result, UsageError, Warning};
use crate::source::{self, Input};
use crate::store::Location;
use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringViewArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, FieldRef, Fields, Schema, SchemaRef};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use tokio::sync::watch;

/// The rows of an export as an ordered stream of record batches with the same schema.
///
/// Batches have up to several ten thousand rows; [`Options::memory`] bounds what is decoded ahead. After an error the
/// stream ends.
///
/// Made by [`read`] and [`query`].
pub struct Rows {
    schema: SchemaRef,
    warnings: Vec<Warning>,
    /// Nothing is decoded before the first batch is asked for, so that until then it can be said how.
    planned: Option<Box<Planned>>,
    batches: BoxStream<'static, Result<RecordBatch>>,
    // Keeps `stopped` from resolving while the stream is read.
    _stopper: watch::Sender<bool>,
}

/// What is to be read.
struct Planned {
    input: Input,
    /// What is wanted of it, if not all of it as it is.
    share: Option<Share>,
    options: Options,
    stopped: watch::Receiver<bool>,
}

impl Planned {
    fn begin(self) -> BoxStream<'static, Result<RecordBatch>> {
        let input = Arc::new(self.input);
        let context = Context::new(&input, &self.options, Arc::default(), self.stopped);
        let Some(share) = self.share else { return rows(&context, 0..input.parts.len()) };
        let is_filtered = share.predicate.is_some();
        let batches = share.rows(&context);
        let has_rows = move |batch: &RecordBatch| std::future::ready(!is_filtered || batch.num_rows() > 0);
        batches.try_filter(has_rows).boxed()
    }
}

impl Rows {
    /// The schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Warnings: unusual findings that are not errors.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The same rows with columns of strings as views (`Utf8View` instead of `Utf8`), as Polars and DataFusion keep
    /// them. That is decided before the first batch is asked for; afterwards it changes nothing.
    ///
    /// ```
    /// use arrow::datatypes::DataType;
    /// use forecast_export::{Location, Options, read};
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let source = Location::parse("testdata/forecast")?;
    /// let rows = read(&source, &Options::default()).await?.with_string_views();
    /// assert_eq!(rows.schema().field(0).data_type(), &DataType::Utf8View);
    /// # Ok::<(), forecast_export::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_string_views(mut self) -> Self {
        if let Some(planned) = &mut self.planned {
            self.schema = with_views(&self.schema);
            let all = (0..self.schema.fields().len()).collect();
            let share = planned.share.get_or_insert(Share {
                predicate: None,
                columns: all,
                schema: Arc::clone(&self.schema),
            });
            share.schema = Arc::clone(&self.schema);
            // A filter compares strings.
            if planned.input.format == Format::Csv && share.predicate.is_none() {
                planned.input.decode_into(with_views(&planned.input.schema));
            }
        }
        self
    }
}

/// A schema whose strings are views.
fn with_views(schema: &SchemaRef) -> SchemaRef {
    let view = |field: &FieldRef| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    };
    let fields: Fields = schema.fields().iter().map(view).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        if let Some(planned) = self.planned.take() {
            self.batches = planned.begin();
        }
        let item = self.batches.poll_next_unpin(context);
        if matches!(item, Poll::Ready(Some(Err(_)))) {
            self.batches = stream::empty().boxed();
        }
        item
    }
}

/// Reads one run of an export, or with [`RunChoice::All`](crate::RunChoice::All) all runs, as rows in order: part by
/// part, row by row. Options about output have no effect.
///
/// # Errors
/// As [`plan()`](crate::plan()); the stream ends with the errors of [`run`](crate::run()).
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
    query(source, options, &Query::default()).await
}

/// Reads some columns and rows of an export, as [`read`] reads all: the rows for which the filter is true, in order.
///
/// The whole run is checked as in [`read`] and must be complete; columns have the types of the whole run, whatever part
/// of it is read.
///
/// # Errors
/// As [`read`]; [`UsageError::UnknownColumn`] if the query names an unknown column, [`UsageError::NotComparable`] if
/// the filter compares values that are not comparable, and [`NotFound::Parts`] if no part has a number in the range.
///
/// ```
/// use forecast_export::{Location, Options, Query, column, query};
/// use futures::TryStreamExt;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let source = Location::parse("testdata/forecast")?;
/// let mut wanted = Query::default();
/// wanted.columns = Some(vec!["p90".into(), "item_id".into()]);
/// wanted.filter = Some(column("item_id").is_in(["item_1", "item_2"]));
/// wanted.parts = Some(0..=5);
/// let mut rows = query(&source, &Options::default(), &wanted).await?;
/// assert_eq!(rows.schema().field(0).name(), "p90");
/// while let Some(batch) = rows.try_next().await? {
///     println!("{} rows", batch.num_rows());
/// }
/// # Ok::<(), forecast_export::Error>(())
/// # }).unwrap();
/// ```
pub async fn query(source: &Location, options: &Options, query: &Query) -> Result<Rows> {
    open(source, options, query).await
}

/// Boxed here, or every program would compile it anew.
fn open<'a>(source: &'a Location, options: &'a Options, query: &'a Query) -> BoxFuture<'a, Result<Rows>> {
    async move {
        let mut input = source::input(source, options).await?;
        if let Some(numbers) = &query.parts {
            keep_parts(&mut input, numbers, source)?;
        }
        let warnings = input.warnings.clone();
        let (stopper, stopped) = watch::channel(false);
        let (input, share) = match query.columns.is_none() && query.filter.is_none() {
            true => (input, None),
            false => share_of(input, query).map(|(input, share)| (input, Some(share)))?,
        };
        let schema = share.as_ref().map_or(&input.schema, |share| &share.schema);
        let schema = Arc::clone(schema);
        let planned = Some(Box::new(Planned { input, share, options: options.clone(), stopped }));
        Ok(Rows { schema, warnings, planned, batches: stream::empty().boxed(), _stopper: stopper })
    }
    .boxed()
}

/// Keeps only the parts with these numbers.
fn keep_parts(input: &mut Input, numbers: &RangeInclusive<u64>, source: &Location) -> Result<()> {
    let parts = input.exports.iter().flat_map(|export| &export.parts);
    let number = |part: &source::Part| {
        let number = part.name.as_ref()?.number();
        number.as_slice().first().copied()
    };
    let is_wanted: Vec<bool> =
        parts.map(|part| number(part).is_some_and(|number| numbers.contains(&number))).collect();
    if !is_wanted.contains(&true) {
        let (place, found) = (source.to_string(), input.parts.len() as u64);
        return Err(NotFound::Parts { place, from: *numbers.start(), to: *numbers.end(), found }.into());
    }
    let mut wanted = is_wanted.into_iter();
    input.parts.retain(|_| wanted.next().unwrap_or(false));
    Ok(())
}

/// How to turn the rows of a narrowed input into the query's result.
#[derive(Clone)]
struct Share {
    predicate: Option<Arc<Predicate>>,
    /// The returned columns, by their indexes in the narrowed input.
    columns: Arc<[usize]>,
    schema: SchemaRef,
}

/// Narrows an input to the columns that a query needs.
fn share_of(input: Input, query: &Query) -> Result<(Input, Share)> {
    let schema = Arc::clone(&input.schema);
    let place = |name: &str| {
        let found = schema.fields().iter().position(|field| field.name() == name);
        found.ok_or_else(|| unknown_column(name, &schema))
    };
    let given: Vec<usize> = match &query.columns {
        Some(names) => names.iter().map(|name| place(name)).collect::<Result<_>>()?,
        None => (0..schema.fields().len()).collect(),
    };
    let mut wanted = given.clone();
    wanted.sort_unstable();
    if let Some(twice) = wanted.array_windows().find(|[one, other]| one == other) {
        let column = schema.field(twice[0]).name().clone();
        return Err(UsageError::ColumnQueriedTwice { column }.into());
    }
    for name in query.filter.iter().flat_map(|filter| filter.columns()) {
        wanted.push(place(name)?);
    }
    wanted.sort_unstable();
    wanted.dedup();
    let input = input.narrowed(&wanted)?;
    let predicate = query.filter.as_ref().map(|filter| Predicate::new(filter, &input.schema)).transpose()?;
    let columns: Arc<[usize]> =
        given.iter().map(|column| wanted.partition_point(|other| other < column)).collect();
    let schema =
        input.schema.project(&columns).map_err(|error| Error::Internal(format!("the columns: {error}")))?;
    Ok((input, Share { predicate: predicate.map(Arc::new), columns, schema: Arc::new(schema) }))
}

impl Share {
    /// The matching rows of a narrowed input.
    fn rows(self, context: &Context) -> BoxStream<'static, Result<RecordBatch>> {
        let input = &context.input;
        let may_hold = |part: usize, group: Option<usize>| {
            let Some(predicate) = &self.predicate else { return true };
            predicate.may_be_true(&|column| input.known(part, group, column))
        };
        match input.format {
            Format::Csv => {
                let parts = (0..input.parts.len()).filter(|part| may_hold(*part, None)).collect();
                csv_rows_worked(context, parts, move |batch| self.of(&batch))
            }
            Format::Parquet => {
                let mut groups = row_groups_of(input, 0..input.parts.len());
                groups.retain(|(part, group)| may_hold(*part, Some(*group)));
                let wanted = Wanted::Values(StringDecoding::Plain);
                let predicate = self.predicate.clone();
                row_groups_selected(context, groups, wanted, predicate, move || {
                    let share = self.clone();
                    move |batch, _url: &str| share.of(&batch)
                })
            }
        }
    }

    /// The matching rows and wanted columns of a batch.
    fn of(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let failed = |error| Error::Internal(format!("what is wanted of a batch: {error}"));
        let mut given = batch.project(&self.columns).map_err(failed)?;
        if let Some(predicate) = &self.predicate {
            given = filter_record_batch(&given, &predicate.rows(batch)?).map_err(failed)?;
        }
        let becomes_view = |(column, field): &(&ArrayRef, &FieldRef)| {
            (column.data_type(), field.data_type()) == (&DataType::Utf8, &DataType::Utf8View)
        };
        let columns = || given.columns().iter().zip(self.schema.fields());
        if !columns().any(|pair| becomes_view(&pair)) {
            return Ok(given);
        }
        let as_view = |pair: (&ArrayRef, &FieldRef)| match becomes_view(&pair) {
            true => Arc::new(StringViewArray::from(pair.0.as_string::<i32>())) as ArrayRef,
            false => Arc::clone(pair.0),
        };
        let columns = columns().map(as_view).collect();
        let count = RecordBatchOptions::new().with_row_count(Some(given.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &count).map_err(failed)
    }
}
