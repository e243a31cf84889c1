//! Walks two tables in parallel: takes their batches, which may be divided differently, returns one digest or the first
//! difference. Jobs compare and hash blocks, several at a time, which bounds what is held.

use super::digest::{BLOCK_ROWS, BlockHash, Digest, Form, append_block, append_column, forms, hash};
use crate::engine::{Context, rows};
use crate::model::{Error, Result};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{Field, SchemaRef};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;

/// Blocks that one job compares, unless their rows are long.
const BLOCKS: usize = 16;

/// How the walk ended.
pub(crate) enum Walked {
    Equal {
        digest: String,
        rows: u64,
    },
    /// The rows before this one, counted from 0, are equal.
    Parted {
        row: u64,
        how: Parting,
    },
}

/// How two tables differ at a row.
pub(crate) enum Parting {
    Cell {
        column: usize,
        source: Option<String>,
        output: Option<String>,
    },
    /// The output ends before this row of the source.
    Missing,
    /// The source ends before this row of the output.
    Extra,
}

/// Rows of a table, taken in requested numbers.
struct Taken {
    batches: BoxStream<'static, Result<RecordBatch>>,
    /// The rest of a batch, and the bytes of one of its rows.
    rest: Option<(RecordBatch, usize)>,
}

impl Taken {
    fn new(context: &Context) -> Self {
        Taken { batches: rows(context, 0..context.input.parts.len()), rest: None }
    }

    /// Up to `wanted` rows, and their rough size in bytes; fewer only at the end.
    async fn take(&mut self, wanted: usize) -> Result<(Vec<RecordBatch>, usize)> {
        let mut taken = Vec::new();
        let (mut missing, mut bytes) = (wanted, 0);
        while missing > 0 {
            let (batch, row_bytes) = match self.rest.take() {
                Some(rest) => rest,
                None => match self.batches.next().await.transpose()? {
                    // Slices share their batch's buffers, so its size is computed once.
                    Some(batch) => {
                        let row_bytes = batch.get_array_memory_size() / batch.num_rows().max(1);
                        (batch, row_bytes)
                    }
                    None => break,
                },
            };
            let length = missing.min(batch.num_rows());
            if length < batch.num_rows() {
                self.rest = Some((batch.slice(length, batch.num_rows() - length), row_bytes));
            }
            if length > 0 {
                taken.push(batch.slice(0, length));
                missing -= length;
                bytes += row_bytes * length;
            }
        }
        Ok((taken, bytes))
    }
}

fn count(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// The same rows of both tables.
struct Pair {
    source: Vec<RecordBatch>,
    output: Vec<RecordBatch>,
}

/// Whole blocks of the source, with as many rows of the output.
async fn next_pair(source: &mut Taken, output: &mut Taken, most_bytes: usize) -> Result<Option<Pair>> {
    let mut pair = Pair { source: Vec::new(), output: Vec::new() };
    let mut held = 0;
    for _ in 0..BLOCKS {
        let (block, bytes) = source.take(BLOCK_ROWS).await?;
        let is_last = count(&block) < BLOCK_ROWS;
        pair.source.extend(block);
        held += bytes;
        if is_last || held > most_bytes {
            break;
        }
    }
    let rows = count(&pair.source);
    // There must be none after the last row of the source.
    pair.output = output.take(rows.max(1)).await?.0;
    Ok((rows > 0 || count(&pair.output) > 0).then_some(pair))
}

/// A job's result: the hashes of its blocks, each with its number of rows, or a difference within its rows.
type ComparedBlock = std::result::Result<Vec<(BlockHash, u64)>, (u64, Parting)>;

/// Walks both tables, whose columns agree, from the first row on.
pub(crate) async fn walk(source: &Context, output: &Context) -> Result<Walked> {
    let schemas = (Arc::clone(&source.input.schema), Arc::clone(&output.input.schema));
    let mut digest = Digest::new(&schemas.0);
    let state = (Taken::new(source), Taken::new(output));
    let most_bytes = source.budget.chunk * 4;
    let pairs = stream::try_unfold(state, move |(mut source, mut output)| async move {
        let pair = next_pair(&mut source, &mut output, most_bytes).await?;
        Ok::<_, Error>(pair.map(|pair| (pair, (source, output))))
    });
    let pool = source.pool.clone();
    let mut compared = pairs
        .map_ok(move |pair| {
            let (pool, schemas) = (pool.clone(), schemas.clone());
            async move { pool.run(move || compare(&pair, &schemas.0, &schemas.1)).await }
        })
        .try_buffered(source.budget.threads)
        .boxed();
    while let Some(compared) = compared.try_next().await? {
        match compared {
            Ok(blocks) => blocks.iter().for_each(|(hash, rows)| digest.add(hash, *rows)),
            Err((row, how)) => return Ok(Walked::Parted { row: digest.rows() + row, how }),
        }
    }
    Ok(Walked::Equal { rows: digest.rows(), digest: digest.finish() })
}

fn compare(pair: &Pair, source_schema: &SchemaRef, output_schema: &SchemaRef) -> Result<ComparedBlock> {
    let forms = forms(source_schema);
    let mut hashes = Vec::new();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let rows = count(&pair.source).max(count(&pair.output));
    for start in (0..rows).step_by(BLOCK_ROWS) {
        let (source, output) = (slice(&pair.source, start), slice(&pair.output, start));
        ours.clear();
        theirs.clear();
        append_block(&source, source_schema, &forms, "the source", &mut ours)?;
        append_block(&output, output_schema, &forms, "the output", &mut theirs)?;
        if ours != theirs {
            let (row, how) = first_difference(&source, &output, source_schema, &forms)?;
            return Ok(Err(((start + row) as u64, how)));
        }
        hashes.push((hash(&ours), count(&source) as u64));
    }
    Ok(Ok(hashes))
}

/// The rows of a block that begins at `start`.
fn slice(batches: &[RecordBatch], start: usize) -> Vec<RecordBatch> {
    let end = start + BLOCK_ROWS;
    let mut at = 0;
    let mut slices = Vec::new();
    for batch in batches {
        let (first, last) = (at, at + batch.num_rows());
        at = last;
        let (from, to) = (first.max(start), last.min(end));
        if from < to {
            slices.push(batch.slice(from - first, to - from));
        }
    }
    slices
}

fn first_difference(
    source: &[RecordBatch],
    output: &[RecordBatch],
    schema: &SchemaRef,
    forms: &[Form],
) -> Result<(usize, Parting)> {
    let (ours, theirs) = (count(source), count(output));
    for row in 0..ours.min(theirs) {
        for (column, form) in forms.iter().enumerate() {
            let field = schema.field(column);
            let canonical = |array: &ArrayRef, file: &str| -> Result<Vec<u8>> {
                let mut bytes = Vec::new();
                append_column(&[array], *form, field, file, &mut bytes)?;
                Ok(bytes)
            };
            let (a, b) = (cell(source, row, column), cell(output, row, column));
            if canonical(&a, "the source")? != canonical(&b, "the output")? {
                let shown = |array: &ArrayRef| shown(array, field);
                return Ok((row, Parting::Cell { column, source: shown(&a), output: shown(&b) }));
            }
        }
    }
    match ours.cmp(&theirs) {
        std::cmp::Ordering::Less => Ok((ours, Parting::Extra)),
        std::cmp::Ordering::Greater => Ok((theirs, Parting::Missing)),
        std::cmp::Ordering::Equal => Err(Error::Internal("blocks that differ have equal rows".into())),
    }
}

/// One cell, as an array.
fn cell(batches: &[RecordBatch], mut row: usize, column: usize) -> ArrayRef {
    for batch in batches {
        if row < batch.num_rows() {
            return batch.column(column).slice(row, 1);
        }
        row -= batch.num_rows();
    }
    arrow::array::new_null_array(&arrow::datatypes::DataType::Null, 1)
}

/// A cell's text; `None` for null.
fn shown(cell: &ArrayRef, field: &Field) -> Option<String> {
    use arrow::array::cast::AsArray;
    if cell.is_null(0) {
        return None;
    }
    let field = field.clone().with_data_type(cell.data_type().clone());
    Some(match crate::codec::csv::to_text(cell, &field, "") {
        Ok(text) => text.as_string::<i32>().value(0).to_owned(),
        Err(_) => arrow::util::display::array_value_to_string(cell, 0).unwrap_or_default(),
    })
}
