//! Rows decoded and encoded: from one format to the other, or to the same one in another form.

use super::buffers::Buffers;
use super::context::Context;
use super::csv_file;
use super::open_file::OpenFile;
use super::parquet_file::ParquetFile;
use super::piece::{CsvText, TextPiece};
use super::row_group::{Wanted, row_groups_worked};
use super::row_groups::{RowGroupLimits, assembled, encoded};
use super::rows::{encoded_rows, reencoded_rows, row_groups_of, rows, rows_to_encode};
use crate::codec::csv::write_rows;
use crate::codec::parquet::{EncodedRowGroup, Encoder, StringDecoding, codec};
use crate::model::{Format, ROW_GROUP_ROWS, Result};
use crate::plan::{Extent, PlannedOutput, RunPlan};

use arrow::array::RecordBatch;
use futures::future::join;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use std::ops::Range;

/// Fills one file.
pub(super) async fn fill(
    context: &Context,
    plan: &RunPlan,
    output: &PlannedOutput,
    file: &mut OpenFile,
) -> Result<()> {
    match plan.to {
        Format::Csv => {
            csv_file::fill(context, text(context, output.parts.clone()), plan.compression, file).await
        }
        Format::Parquet => fill_parquet(context, plan, output, file).await,
    }
}

async fn fill_parquet(
    context: &Context,
    plan: &RunPlan,
    output: &PlannedOutput,
    file: &mut OpenFile,
) -> Result<()> {
    let encoder = encoder(context, plan)?;
    let mut groups = row_groups(context, plan, output.parts.clone(), &encoder);
    let mut parquet =
        ParquetFile::begin(context, (output.parts.clone(), Extent::Whole), &encoder, file).await?;
    let mut next = groups.try_next().await?;
    while let Some(group) = next {
        // A stream does nothing while nobody asks: so the next one is made while this one is written.
        let (written, made) = join(parquet.add(group, file), groups.try_next()).await;
        written?;
        next = made?;
    }
    parquet.seal(context, plan, output, file).await
}

/// The row groups of a file whose rows are encoded.
fn row_groups(
    context: &Context,
    plan: &RunPlan,
    parts: Range<usize>,
    encoder: &Encoder,
) -> BoxStream<'static, Result<EncodedRowGroup>> {
    let (pool, ahead, bytes) = (context.pool.clone(), context.budget.threads, row_group_bytes(context, plan));
    match (context.input.format, plan.options.row_group_rows) {
        (Format::Csv, None) if encoder.encodes_text() => {
            assembled(encoded_rows(context, parts, encoder), bytes, encoder.clone(), pool, ahead)
        }
        (Format::Parquet, None) if encoder.encodes_batches() => {
            let groups = row_groups_of(&context.input, parts);
            assembled(reencoded_rows(context, groups, encoder), bytes, encoder.clone(), pool, ahead)
        }
        (_, asked) => {
            let limits = RowGroupLimits { rows: asked.unwrap_or(ROW_GROUP_ROWS), bytes, boundary: None };
            encoded(rows_to_encode(context, parts), limits, encoder.clone(), pool, ahead)
        }
    }
}

/// What encodes the rows of a plan.
pub(super) fn encoder(context: &Context, plan: &RunPlan) -> Result<Encoder> {
    let rows = plan.options.row_group_rows.unwrap_or(ROW_GROUP_ROWS);
    let encoder = super::rows::encoder(&context.input, codec(plan.compression)?)?;
    Ok(encoder.with_bloom_filters(&plan.options.bloom_filters, rows))
}

/// A row group of a size that was asked for is not cut by memory.
pub(super) fn row_group_bytes(context: &Context, plan: &RunPlan) -> usize {
    if plan.options.row_group_rows.is_some() { usize::MAX } else { context.budget.row_group }
}

/// The rows of the given parts as text.
pub(super) fn text(context: &Context, parts: Range<usize>) -> CsvText {
    let header = context.input.written_header();
    let rows = match context.input.format {
        Format::Csv => text_of_csv(context, parts),
        Format::Parquet => text_of_parquet(context, parts),
    };
    CsvText { header: header.into(), rows }
}

/// Printed where they were decoded.
fn text_of_parquet(context: &Context, parts: Range<usize>) -> BoxStream<'static, Result<TextPiece>> {
    let buffers = Buffers::default();
    row_groups_worked(
        context,
        row_groups_of(&context.input, parts),
        Wanted::Values(StringDecoding::Dictionary),
        move || {
            let buffers = buffers.clone();
            move |batch: RecordBatch, url: &str| print(&batch, url, &buffers)
        },
    )
}

fn text_of_csv(context: &Context, parts: Range<usize>) -> BoxStream<'static, Result<TextPiece>> {
    let (buffers, pool) = (Buffers::default(), context.pool.clone());
    let file = context.input.parts.get(parts.start).map(|part| part.object.url.clone()).unwrap_or_default();
    rows(context, parts)
        .map(move |batch| {
            let (pool, file, buffers) = (pool.clone(), file.clone(), buffers.clone());
            async move {
                let batch = batch?;
                pool.run(move || print(&batch, &file, &buffers)).await
            }
        })
        .buffered(context.budget.window)
        .boxed()
}

fn print(batch: &RecordBatch, file: &str, buffers: &Buffers) -> Result<TextPiece> {
    let mut text = buffers.take();
    let len = write_rows(batch, file, &mut text, 0)?;
    Ok(TextPiece { bytes: buffers.lend(text, len), rows: batch.num_rows() as u64 })
}
