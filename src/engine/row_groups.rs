//! Builds row groups: collects rows until a row group is full, and encodes row groups in several jobs at a time, in
//! order.
//!
//! The rows decide where a row group ends: batches and chunks have a size that suits threads and memory, and are cut
//! there.

use super::context::Context;
use super::row_group::Wanted;
use super::rows::{encoded_rows, reencoded_rows, row_group_rows, row_groups_of, rows_to_encode};
use crate::codec::parquet::{ColumnPieces, EncodedRowGroup, EncodedRows, Encoder, StringDecoding, weight};
use crate::model::{Error, Format, ROW_GROUP_BYTES, ROW_GROUP_ROWS, Result};
use crate::plan::RunPlan;

use arrow::array::RecordBatch;
use futures::future::{BoxFuture, try_join_all};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// When a row group is full; it has at least one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowGroupLimits {
    pub(super) rows: u64,
    /// Bytes of values.
    pub(super) bytes: u64,
    /// A row group never crosses a multiple of this many rows.
    pub(super) boundary: Option<u64>,
}

impl RowGroupLimits {
    pub(super) const USUAL: Self =
        RowGroupLimits { rows: ROW_GROUP_ROWS, bytes: ROW_GROUP_BYTES, boundary: None };

    /// A requested row group size applies regardless of bytes.
    pub(super) fn of(plan: &RunPlan) -> Self {
        match plan.options.row_group_rows {
            Some(rows) => RowGroupLimits { rows: rows.max(1), bytes: u64::MAX, boundary: None },
            None => Self::USUAL,
        }
    }
}

/// Encodes the rows of some parts.
pub(super) fn of_parts(
    context: &Context,
    parts: Range<usize>,
    limits: RowGroupLimits,
    encoder: &Encoder,
) -> BoxStream<'static, Result<EncodedRowGroup>> {
    match context.input.format {
        Format::Csv if encoder.encodes_text() => {
            encoded(context, encoded_rows(context, parts, encoder), limits, encoder)
        }
        Format::Csv => encoded(context, rows_to_encode(context, parts), limits, encoder),
        Format::Parquet => of_row_groups(context, row_groups_of(&context.input, parts), limits, encoder),
    }
}

/// Re-encodes the rows of some row groups, given by part and index.
pub(super) fn of_row_groups(
    context: &Context,
    groups: Vec<(usize, usize)>,
    limits: RowGroupLimits,
    encoder: &Encoder,
) -> BoxStream<'static, Result<EncodedRowGroup>> {
    if encoder.encodes_batches() {
        return encoded(context, reencoded_rows(context, groups, encoder), limits, encoder);
    }
    let rows = row_group_rows(context, groups, Wanted::Parquet(StringDecoding::Plain));
    encoded(context, rows, limits, encoder)
}

/// Collects rows into row groups and encodes them.
fn encoded<P: Piece>(
    context: &Context,
    pieces: BoxStream<'static, Result<P>>,
    limits: RowGroupLimits,
    encoder: &Encoder,
) -> BoxStream<'static, Result<EncodedRowGroup>> {
    // Permits are in KiB, because their number is limited to 2^29.
    let all = u32::try_from(context.budget.row_groups / 1024).unwrap_or(u32::MAX).clamp(1, 1 << 28);
    let room = Arc::new(Semaphore::new(all as usize));
    let (context, encoder) = (context.clone(), encoder.clone());
    let ahead = context.budget.threads;
    gathered(pieces, limits)
        .and_then(move |group| {
            let room = Arc::clone(&room);
            async move {
                let wanted = u32::try_from(group.weight / 1024).unwrap_or(u32::MAX).clamp(1, all);
                // Held until the row group is taken.
                let permit = room.acquire_many_owned(wanted).await;
                let permit = permit.map_err(|error| Error::Internal(format!("no room for rows: {error}")))?;
                Ok((group, permit))
            }
        })
        .map(move |gathered| {
            let (context, encoder) = (context.clone(), encoder.clone());
            async move {
                let (group, permit) = gathered?;
                let encoded = P::encode(group, context, encoder).await;
                drop(permit);
                encoded
            }
        })
        .buffered(ahead)
        .boxed()
}

/// Consecutive rows that can be cut, with a weight that does not depend on the pieces they come in.
trait Piece: Sized + Send + 'static {
    fn rows(&self) -> usize;
    fn weight(&self) -> u64;
    fn slice(&self, rows: Range<usize>) -> Self;
    fn encode(
        group: Gathered<Self>,
        context: Context,
        encoder: Encoder,
    ) -> BoxFuture<'static, Result<EncodedRowGroup>>;
}

impl Piece for RecordBatch {
    fn rows(&self) -> usize {
        self.num_rows()
    }

    fn weight(&self) -> u64 {
        weight(self)
    }

    fn slice(&self, rows: Range<usize>) -> Self {
        RecordBatch::slice(self, rows.start, rows.len())
    }

    fn encode(
        group: Gathered<Self>,
        context: Context,
        encoder: Encoder,
    ) -> BoxFuture<'static, Result<EncodedRowGroup>> {
        async move { context.pool.run(move || encoder.encode(&group.pieces)).await }.boxed()
    }
}

/// Below this, another job is not worth starting.
const BYTES_OF_A_JOB: u64 = 256 * 1024;

impl Piece for EncodedRows {
    fn rows(&self) -> usize {
        self.rows()
    }

    fn weight(&self) -> u64 {
        self.weight()
    }

    fn slice(&self, rows: Range<usize>) -> Self {
        self.slice(rows)
    }

    /// In several jobs, because a small file has only one row group for all cores.
    fn encode(
        group: Gathered<Self>,
        context: Context,
        encoder: Encoder,
    ) -> BoxFuture<'static, Result<EncodedRowGroup>> {
        async move {
            // Columns differ in cost, so smaller jobs balance better.
            let most = 4 * context.budget.threads as u64;
            let jobs = (group.weight / BYTES_OF_A_JOB).clamp(1, most) as usize;
            let columns = encoder.columns_of(group.pieces)?;
            let size = columns.len().div_ceil(jobs).max(1);
            let mut columns = columns.into_iter();
            let mut first = 0;
            let jobs = std::iter::from_fn(|| {
                let of_job: Vec<ColumnPieces> = columns.by_ref().take(size).collect();
                let number = first;
                first += of_job.len();
                (!of_job.is_empty()).then_some((number, of_job))
            });
            let jobs = jobs.map(|(first, columns)| {
                let encoder = encoder.clone();
                context.pool.run(move || encoder.encode_columns(first, columns))
            });
            let chunks = try_join_all(jobs.collect::<Vec<_>>()).await?;
            encoder.join(chunks.into_iter().flatten().collect())
        }
        .boxed()
    }
}

/// The rows of a row group.
struct Gathered<P> {
    pieces: Vec<P>,
    weight: u64,
}

struct Gathering<P> {
    pieces: BoxStream<'static, Result<P>>,
    /// Rows left over from a full row group.
    rest: Option<P>,
    /// Rows since the last boundary.
    since_boundary: u64,
}

fn gathered<P: Piece>(
    pieces: BoxStream<'static, Result<P>>,
    limits: RowGroupLimits,
) -> BoxStream<'static, Result<Gathered<P>>> {
    let state = Gathering { pieces, rest: None, since_boundary: 0 };
    stream::try_unfold(state, move |mut state| async move {
        let mut group = Gathered { pieces: Vec::new(), weight: 0 };
        let mut rows = 0u64;
        loop {
            let piece = match state.rest.take() {
                Some(piece) => piece,
                None => match state.pieces.next().await.transpose()? {
                    Some(piece) => piece,
                    None => break,
                },
            };
            if piece.rows() == 0 {
                continue;
            }
            let to_boundary = limits.boundary.map_or(u64::MAX, |boundary| boundary - state.since_boundary);
            let room = (limits.rows.max(1) - rows).min(to_boundary);
            let most = usize::try_from(room).unwrap_or(usize::MAX).min(piece.rows());
            let whole = if most < piece.rows() { piece.slice(0..most) } else { piece.slice(0..piece.rows()) };
            let left = limits.bytes.saturating_sub(group.weight);
            let taken = if whole.weight() <= left { most } else { rows_within(&whole, left, rows == 0) };
            if taken < piece.rows() {
                state.rest = Some(piece.slice(taken..piece.rows()));
            }
            if taken > 0 {
                let piece = if taken < most { whole.slice(0..taken) } else { whole };
                group.weight = group.weight.saturating_add(piece.weight());
                group.pieces.push(piece);
            }
            rows += taken as u64;
            if let Some(boundary) = limits.boundary {
                state.since_boundary = (state.since_boundary + taken as u64) % boundary;
                if state.since_boundary == 0 {
                    break;
                }
            }
            if rows >= limits.rows.max(1) || taken < most {
                break;
            }
        }
        Ok((rows > 0).then_some((group, state)))
    })
    .boxed()
}

/// How many of the first rows weigh no more than this; at least one if the row group is empty.
fn rows_within<P: Piece>(piece: &P, most: u64, is_first: bool) -> usize {
    let (mut fit, mut too_many) = (0, piece.rows() + 1);
    while too_many - fit > 1 {
        let middle = fit + (too_many - fit) / 2;
        if piece.slice(0..middle).weight() <= most { fit = middle } else { too_many = middle }
    }
    fit.max(usize::from(is_first))
}
