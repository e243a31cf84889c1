//! Row groups as sources of batches: takes row groups by part and place, decodes them on the threads of [`in_order`], and
//! has each batch worked on where it was decoded.

use super::context::Context;
use super::row_group_reader::{ReadFailure, RowGroupReader};
use super::workers::{Bounds, ItemSource, Opening, Worker, in_order};
use crate::codec::parquet::{RowGroupBatches, StringDecoding, align, decode_row_group};
use crate::model::{BATCH_ROWS, DataErrorKind, Error, Remedy, Result};
use crate::source::Contents;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use futures::stream::BoxStream;
use parquet::file::metadata::RowGroupMetaData;
use std::sync::Arc;
use tokio::runtime::Handle;

/// For less than this a further thread is not worth its start; and many small files at a time need not many each.
const BYTES_OF_A_THREAD: usize = 256 * 1024;

/// What rows are decoded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// What the values mean.
    Values(StringDecoding),
    /// What a Parquet file holds: values travel as they are stored.
    Parquet(StringDecoding),
}

/// Decodes row groups, given by part and place, and makes something of each batch where it was decoded; every thread has a
/// worker of its own. The worker is handed the part's path, too.
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
    let size = |(part, group): &(usize, usize)| {
        let metadata = context.input.parts[*part].parquet()?;
        usize::try_from(metadata.row_group(*group).compressed_size()).ok()
    };
    let bytes = groups.iter().filter_map(size).fold(0, usize::saturating_add);
    let threads = groups.len().min(context.budget.threads).min(1 + bytes / BYTES_OF_A_THREAD);
    let ahead = (context.budget.decoded / context.budget.batch).max(threads);
    let runtime = Handle::current();
    let sources = groups.into_iter().map(|place| {
        let (context, runtime) = (context.clone(), runtime.clone());
        Box::new(move || RowGroup::open(&context, place, wanted, &runtime)) as Opening<RowGroup>
    });
    let bounds = Bounds { threads, ahead, ahead_when_due: 2 * ahead };
    in_order(context, sources.collect(), bounds, || {
        Ok(OnBatches { context: context.clone(), work: worker() })
    })
}

/// A batch, and the number of the part that it is of.
#[derive(Default)]
struct Batch {
    batch: Option<RecordBatch>,
    part: usize,
}

/// Works on batches and counts their rows.
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
}

impl RowGroup {
    fn open(
        context: &Context,
        (part, group): (usize, usize),
        wanted: Wanted,
        runtime: &Handle,
    ) -> Result<Self> {
        let planned = &context.input.parts[part];
        let (Contents::Parquet { metadata, shape }, Some(carried)) =
            (&planned.contents, &context.input.carried)
        else {
            return Err(Error::Internal("row groups of a part that is not Parquet".into()));
        };
        let found = metadata.row_group(group);
        let bytes =
            RowGroupReader::open(&context.input.store, &planned.object, found, context.budget, runtime)?;
        context.progress.add_bytes(u64::try_from(found.compressed_size()).unwrap_or(0));
        let batch_rows = batch_rows(found, context.budget.batch);
        let failure = bytes.failure();
        let (view, strings, schema) = match wanted {
            Wanted::Values(strings) => (&shape.values, strings, &context.input.schema),
            Wanted::Parquet(strings) => (&shape.carried, strings, &carried.schema),
        };
        let mut becomes: Vec<Option<usize>> = vec![None; view.schema.fields().len()];
        shape.columns.iter().enumerate().for_each(|(i, column)| {
            column.iter().for_each(|column| becomes[*column] = Some(i));
        });
        // A text that becomes something else is converted as text.
        let converts = |column: usize| {
            becomes[column]
                .is_none_or(|i| schema.field(i).data_type() != view.schema.field(column).data_type())
        };
        let url = &planned.object.url;
        let batches = decode_row_group(url, bytes, metadata, group, (view, strings), converts, batch_rows)
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
        Ok(RowGroup { context: context.clone(), part, group, schema, batches, failure, rows: 0 })
    }
}

impl ItemSource for RowGroup {
    type Item = Batch;
    const IS_CPU_WORK: bool = true;

    fn next(&mut self, item: &mut Batch) -> Result<bool> {
        let planned = &self.context.input.parts[self.part];
        let Contents::Parquet { metadata, shape } = &planned.contents else { return Ok(false) };
        let url = &planned.object.url;
        let batch = self.batches.next().transpose().map_err(|error| self.failure.behind(error))?;
        if let Some(batch) = batch {
            self.rows += batch.num_rows() as i64;
            item.batch = Some(align(&batch, &shape.columns, &planned.constants, &self.schema, url)?);
            item.part = self.part;
            return Ok(true);
        }
        let expected = metadata.row_group(self.group).num_rows();
        if self.rows != expected {
            let (group, rows) = (self.group, self.rows);
            let problem = format!("row group {group} holds {rows} rows, the footer says {expected}");
            let error = Error::data(DataErrorKind::Damaged, url, problem);
            return Err(error.remedy(Remedy::FetchAgain).into());
        }
        Ok(false)
    }
}

/// Rows that make a batch of about so many bytes. What Parquet stores once is repeated when it is decoded, so a row is
/// taken for larger than the footer says.
fn batch_rows(metadata: &RowGroupMetaData, bytes: usize) -> usize {
    let stored = metadata.total_byte_size().max(0) / metadata.num_rows().max(1);
    let decoded = stored as usize + 16 * metadata.num_columns();
    (bytes / decoded.max(1)).clamp(64, BATCH_ROWS)
}
