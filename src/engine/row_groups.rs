//! Encoded row groups on their way out: rows are gathered until a row group is full, and encoded by jobs, several at
//! a time, in order.

use super::threads::CpuPool;
use crate::codec::parquet::{EncodedRowGroup, EncodedRows, Encoder};
use crate::model::{ROW_GROUP_ROWS, Result};

use arrow::array::RecordBatch;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};

/// When a row group is full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowGroupLimits {
    pub(crate) rows: u64,
    /// Of decoded rows; a row group has one batch at least.
    pub(crate) bytes: usize,
    /// A row group never crosses a multiple of so many rows.
    pub(crate) boundary: Option<u64>,
}

/// Gathers batches into row groups and encodes them; `ahead` are encoded at a time.
pub(crate) fn encoded(
    batches: BoxStream<'static, Result<RecordBatch>>,
    limits: RowGroupLimits,
    encoder: Encoder,
    pool: CpuPool,
    ahead: usize,
) -> BoxStream<'static, Result<EncodedRowGroup>> {
    gathered(batches, limits)
        .map(move |batches| {
            let (encoder, pool) = (encoder.clone(), pool.clone());
            async move {
                let batches = batches?;
                pool.run(move || encoder.encode(&batches)).await
            }
        })
        .buffered(ahead)
        .boxed()
}

/// Gathers rows that are encoded already into row groups of the usual size.
pub(crate) fn assembled(
    chunks: BoxStream<'static, Result<EncodedRows>>,
    most_bytes: usize,
    encoder: Encoder,
    pool: CpuPool,
    ahead: usize,
) -> BoxStream<'static, Result<EncodedRowGroup>> {
    let gathered = stream::try_unfold((chunks, None), move |(mut chunks, mut rest)| async move {
        let mut group: Vec<EncodedRows> = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        loop {
            let chunk = match rest.take() {
                Some(chunk) => chunk,
                None => match chunks.next().await.transpose()? {
                    Some(chunk) => chunk,
                    None => break,
                },
            };
            let (more_rows, more_bytes) = (chunk.rows as u64, chunk.bytes());
            if !group.is_empty() && (rows + more_rows > ROW_GROUP_ROWS || bytes + more_bytes > most_bytes) {
                rest = Some(chunk);
                break;
            }
            (rows, bytes) = (rows + more_rows, bytes + more_bytes);
            if more_rows > 0 {
                group.push(chunk);
            }
        }
        Ok((!group.is_empty()).then_some((group, (chunks, rest))))
    });
    gathered
        .map(move |chunks: Result<Vec<EncodedRows>>| {
            let (encoder, pool) = (encoder.clone(), pool.clone());
            async move {
                let chunks = chunks?;
                pool.run(move || encoder.assemble(chunks)).await
            }
        })
        .buffered(ahead)
        .boxed()
}

struct Gathering {
    batches: BoxStream<'static, Result<RecordBatch>>,
    /// What a full row group left over.
    rest: Option<RecordBatch>,
    /// Rows since the last boundary.
    since_boundary: u64,
}

fn gathered(
    batches: BoxStream<'static, Result<RecordBatch>>,
    limits: RowGroupLimits,
) -> BoxStream<'static, Result<Vec<RecordBatch>>> {
    let state = Gathering { batches, rest: None, since_boundary: 0 };
    stream::try_unfold(state, move |mut state| async move {
        let mut group = Vec::new();
        let (mut rows, mut bytes) = (0u64, 0usize);
        loop {
            let batch = match state.rest.take() {
                Some(batch) => batch,
                None => match state.batches.next().await.transpose()? {
                    Some(batch) => batch,
                    None => break,
                },
            };
            if batch.num_rows() == 0 {
                continue;
            }
            let to_boundary = limits.boundary.map_or(u64::MAX, |boundary| boundary - state.since_boundary);
            let room = (limits.rows.max(1) - rows).min(to_boundary);
            let taken = usize::try_from(room).unwrap_or(usize::MAX).min(batch.num_rows());
            if taken < batch.num_rows() {
                state.rest = Some(batch.slice(taken, batch.num_rows() - taken));
            }
            // A slice shares its batch's buffers: count its share of them.
            bytes += batch.get_array_memory_size() / batch.num_rows() * taken;
            rows += taken as u64;
            group.push(batch.slice(0, taken));
            if let Some(boundary) = limits.boundary {
                state.since_boundary = (state.since_boundary + taken as u64) % boundary;
                if state.since_boundary == 0 {
                    break;
                }
            }
            if rows >= limits.rows.max(1) || bytes >= limits.bytes {
                break;
            }
        }
        Ok((!group.is_empty()).then_some((group, state)))
    })
    .boxed()
}
