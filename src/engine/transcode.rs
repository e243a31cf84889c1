//! Transcodes rows: decodes and re-encodes them, to the other format or to another form of the same one.

use super::context::Context;
use super::csv_file;
use super::open_file::OpenFile;
use super::parquet_file::ParquetFile;
use super::piece::{CsvText, TextPiece};
use super::row_group::{Wanted, row_groups_worked};
use super::row_groups::{self, RowGroupLimits};
use super::rows::{row_groups_of, rows};
use crate::codec::Buffers;
use crate::codec::csv::write_rows;
use crate::codec::parquet::{Encoder, StringDecoding, codec};
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
    let mut groups = row_groups::of_parts(context, output.parts.clone(), RowGroupLimits::of(plan), &encoder);
    let mut parquet =
        ParquetFile::begin(context, (output.parts.clone(), Extent::Whole), &encoder, file).await?;
    let mut next = groups.try_next().await?;
    while let Some(group) = next {
        // A stream only makes progress when polled, so poll it for the next item while this one is written.
        let (written, made) = join(parquet.add(group, file), groups.try_next()).await;
        written?;
        next = made?;
    }
    parquet.seal(context, plan, output, file).await
}

/// The encoder for the rows of a plan.
pub(super) fn encoder(context: &Context, plan: &RunPlan) -> Result<Encoder> {
    let rows = plan.options.row_group_rows.unwrap_or(ROW_GROUP_ROWS);
    let encoder = super::rows::encoder(&context.input, codec(plan.compression)?)?;
    Ok(encoder.with_bloom_filters(&plan.options.bloom_filters, rows))
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

/// Printed on the thread that decoded them.
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
