//! Decodes row groups to batches: takes row groups by part and index, decodes them on the threads of [`in_order`], and
//! processes each batch on the thread that decoded it.

use super::context::Context;
use super::row_group_reader::{ReadFailure, RowGroupReader};
use super::workers::{Bounds, ItemSource, Opening, Worker, in_order};
use crate::codec::filter::Predicate;
use crate::codec::parquet::{
    Decoding, IndexRanges, Paged, RowGroupBatches, Selected, StringDecoding, align, byte_ranges,
    decode_row_group, index_ranges,
};
use crate::model::{BATCH_ROWS, DataErrorKind, Error, Remedy, Result};
use crate::source::Contents;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use parquet::file::metadata::RowGroupMetaData;
use std::ops::Range;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Below this, another thread is not worth starting; and when many small files are processed at the same time, each
/// needs few threads.
const BYTES_OF_A_THREAD: usize = 256 * 1024;

/// The purpose of decoding rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// For the meaning of the values.
    Values(StringDecoding),
    /// For a Parquet file: values travel as they are stored.
    Parquet(StringDecoding),
}

/// Decodes row groups, given by part and index, and processes each batch on the thread that decoded it; every thread
/// has its own worker. The worker also gets the part's path.
pub(crate) fn row_groups_worked<T, W>(
    context: &Context,
    groups: Vec<(usize, usize)>,
    wanted: Wanted,
    worker: impl Fn() -> W,
) -> BoxStream<'static, Result<T>>
where
    T: Send + 'static,
    W: FnMut(RecordBatch, &str) -> Result<T> + Send + 'static,
{
    row_groups_selected(context, groups, wanted, None, worker)
}

/// As [`row_groups_worked`], but skips pages in which no row can match a condition.
pub(super) fn row_groups_selected<T, W>(
    context: &Context,
    groups: Vec<(usize, usize)>,
    wanted: Wanted,
    predicate: Option<Arc<Predicate>>,
    worker: impl Fn() -> W,
) -> BoxStream<'static, Result<T>>
where
    T: Send + 'static,
    W: FnMut(RecordBatch, &str) -> Result<T> + Send + 'static,
{
    let bytes = groups.chunk_by(|(one, _), (other, _)| one == other).fold(0, |bytes: usize, of_part| {
        let metadata = of_part.first().and_then(|(part, _)| context.input.parts[*part].parquet());
        let sizes = metadata.iter().flat_map(|metadata| {
            of_part.iter().map(move |(_, group)| metadata.row_group(*group).compressed_size())
        });
        sizes.filter_map(|size| usize::try_from(size).ok()).fold(bytes, usize::saturating_add)
    });
    let threads = groups.len().min(context.budget.threads).min(1 + bytes / BYTES_OF_A_THREAD);
    let ahead = (context.budget.decoded / context.budget.batch).max(threads);
    let runtime = Handle::current();
    let sources = groups.into_iter().map(|place| {
        let (context, runtime, predicate) = (context.clone(), runtime.clone(), predicate.clone());
        Box::new(move || RowGroup::open(&context, place, wanted, predicate.as_deref(), &runtime))
            as Opening<RowGroup>
    });
    let bounds = Bounds { threads, ahead, ahead_when_due: 2 * ahead };
    in_order(context, sources.collect(), bounds, || {
        Ok(OnBatches { context: context.clone(), work: worker() })
    })
}

/// A batch, and the index of its part.
#[derive(Default)]
struct Batch {
    batch: Option<RecordBatch>,
    part: usize,
}

/// Processes batches and counts their rows.
struct OnBatches<W> {
    context: Context,
    work: W,
}

impl<T, W> Worker<Batch> for OnBatches<W>
where
    T: Send + 'static,
    W: FnMut(RecordBatch, &str) -> Result<T> + Send + 'static,
{
    type Output = T;

    fn work(&mut self, item: &mut Batch) -> Result<T> {
        let Some(batch) = item.batch.take() else {
            return Err(Error::Internal("a batch without rows".into()));
        };
        let rows = batch.num_rows() as u64;
        let worked = (self.work)(batch, &self.context.input.parts[item.part].object.url)?;
        self.context.progress.add_rows(rows);
        Ok(worked)
    }
}

/// A row group that is being decoded.
struct RowGroup {
    context: Context,
    part: usize,
    group: usize,
    schema: SchemaRef,
    batches: RowGroupBatches,
    failure: ReadFailure,
    rows: i64,
    /// The required number of rows.
    expected: i64,
}

impl RowGroup {
    fn open(
        context: &Context,
        (part, group): (usize, usize),
        wanted: Wanted,
        predicate: Option<&Predicate>,
        runtime: &Handle,
    ) -> Result<Self> {
        let planned = &context.input.parts[part];
        let misfit = || Error::Internal("row groups of a part that is not Parquet".into());
        let Contents::Parquet { footer, shape } = &planned.contents else { return Err(misfit()) };
        let metadata = footer.metadata();
        let found = metadata.row_group(group);
        let selected = match predicate {
            Some(predicate) => selected(context, (part, group), predicate, runtime)?,
            None => None,
        };
        let ranges = selected.as_ref().map_or_else(|| byte_ranges(found), |selected| selected.ranges.clone());
        let (store, object) = (&context.input.store, &planned.object);
        let bytes = RowGroupReader::open(store, object, ranges, context.budget, runtime)?;
        context.progress.add_bytes(u64::try_from(found.compressed_size()).unwrap_or(0));
        let batch_rows = batch_rows(found, context.budget.batch);
        let failure = bytes.failure();
        let (view, strings, schema) = match wanted {
            Wanted::Values(strings) => (&shape.values, strings, &context.input.schema),
            Wanted::Parquet(strings) => {
                let carried = context.input.carried.as_ref().ok_or_else(misfit)?;
                (&shape.carried, strings, &carried.schema)
            }
        };
        let mut becomes: Vec<Option<usize>> = vec![None; view.schema.fields().len()];
        shape.columns.iter().enumerate().for_each(|(i, column)| {
            column.iter().for_each(|column| becomes[*column] = Some(i));
        });
        // Text that becomes another type is converted from text.
        let converts = |column: usize| {
            becomes[column]
                .is_none_or(|i| schema.field(i).data_type() != view.schema.field(column).data_type())
        };
        let url = &planned.object.url;
        let decoding = Decoding { strings, selected: selected.as_ref(), batch_rows };
        let batches = decode_row_group(url, bytes, &metadata, group, view, converts, decoding)
            .map_err(|error| failure.behind(error))?;
        let mut fields: Vec<FieldRef> = schema.fields().to_vec();
        for (column, read) in batches.schema().fields().iter().enumerate() {
            if matches!(read.data_type(), DataType::Dictionary(..))
                && let Some(i) = becomes[column]
            {
                fields[i] = Arc::new(fields[i].as_ref().clone().with_data_type(read.data_type().clone()));
            }
        }
        let schema = Arc::new(Schema::new(fields));
        let expected = selected.map_or(found.num_rows(), |selected| selected.count as i64);
        Ok(RowGroup { context: context.clone(), part, group, schema, batches, failure, rows: 0, expected })
    }
}

impl ItemSource for RowGroup {
    type Item = Batch;
    const IS_CPU_WORK: bool = true;

    fn next(&mut self, item: &mut Batch) -> Result<bool> {
        let planned = &self.context.input.parts[self.part];
        let Contents::Parquet { shape, .. } = &planned.contents else { return Ok(false) };
        let url = &planned.object.url;
        let batch = self.batches.next().transpose().map_err(|error| self.failure.behind(error))?;
        if let Some(batch) = batch {
            self.rows += batch.num_rows() as i64;
            item.batch = Some(align(&batch, &shape.columns, &planned.constants, &self.schema, url)?);
            item.part = self.part;
            return Ok(true);
        }
        if self.rows != self.expected {
            let (group, rows, expected) = (self.group, self.rows, self.expected);
            let problem = format!("row group {group} holds {rows} rows, the footer says {expected}");
            let error = Error::data(DataErrorKind::Damaged, url, problem);
            return Err(error.remedy(Remedy::FetchAgain).into());
        }
        Ok(false)
    }
}

/// Below this, a row group's indexes are not worth a separate request to a store.
const BYTES_OF_INDEXES: i64 = 1024 * 1024;

/// The rows that may match a condition according to the page indexes; `None` if all may.
fn selected(
    context: &Context,
    (part, group): (usize, usize),
    predicate: &Predicate,
    runtime: &Handle,
) -> Result<Option<Selected>> {
    let planned = &context.input.parts[part];
    let (store, object) = (&context.input.store, &planned.object);
    let Some(metadata) = planned.parquet() else { return Ok(None) };
    let found = metadata.row_group(group);
    if !store.is_local() && found.compressed_size() < BYTES_OF_INDEXES {
        return Ok(None);
    }
    let Some(ranges) = index_ranges(found).filter(|ranges| !ranges.is_empty()) else { return Ok(None) };
    let is_inside = |range: &Range<u64>| range.start <= range.end && range.end <= object.size;
    let all = || ranges.iter().flat_map(|ranges| ranges.values.iter().chain([&ranges.offsets]));
    if !all().all(is_inside) {
        return Ok(None);
    }
    let reads = ranges.into_iter().map(|IndexRanges { values, offsets }| async move {
        let values = match values {
            Some(values) => Some(store.read(object, values).await?),
            None => None,
        };
        Ok::<_, Error>((values, store.read(object, offsets).await?))
    });
    let indexes =
        runtime.block_on(stream::iter(reads).buffered(CONCURRENT_INDEXES).try_collect::<Vec<_>>())?;
    let Some(paged) = Paged::new(&metadata, group, &indexes) else { return Ok(None) };
    Ok(paged.selected(|row| {
        predicate.may_be_true(&|column| {
            let of_page = context.input.leaf(part, column);
            let of_page = of_page.and_then(|(leaf, data_type)| paged.known(leaf, data_type, row));
            of_page.unwrap_or_else(|| context.input.known(part, Some(group), column))
        })
    }))
}

/// Indexes of a row group that are read at the same time.
const CONCURRENT_INDEXES: usize = 16;

/// The number of rows for a batch of roughly this many bytes. Decoding repeats what Parquet stores once, so a row
/// counts as larger than the footer says.
fn batch_rows(metadata: &RowGroupMetaData, bytes: usize) -> usize {
    let stored = metadata.total_byte_size().max(0) / metadata.num_rows().max(1);
    let decoded = stored as usize + 16 * metadata.num_columns();
    (bytes / decoded.max(1)).clamp(64, BATCH_ROWS)
}
