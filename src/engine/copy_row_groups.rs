//! Parquet to Parquet: column chunks are copied byte by byte, their pages checked on the way; row groups too small to
//! keep are decoded and encoded into full ones.

use super::budget::TRANSFER_BYTES;
use super::row_groups::{Full, encoded};
use super::rows::{Context, row_group_rows};
use crate::decode::pages::PageWalker;
use crate::encode::parquet::{Assembler, Encoder, codec_of, page_indexes};
use crate::error::{Error, Result};
use crate::guard::guard;
use crate::location::Object;
use crate::plan::{PlannedPart, RowGroupPiece};
use crate::sink::Sink;
use futures::{StreamExt, TryStreamExt, stream};
use parquet::DecodeResult;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};
use std::sync::Arc;

/// Writes the pieces in order behind what the sink has; the assembler keeps the books. Gives the rows written.
pub(crate) async fn write(
    context: &Context,
    pieces: Vec<RowGroupPiece>,
    assembler: &mut Assembler,
    sink: &mut Sink,
) -> Result<u64> {
    let mut rows = 0;
    let mut opened: Option<(usize, Arc<ParquetMetaData>)> = None;
    for piece in pieces {
        match piece {
            RowGroupPiece::Copy { part, row_group } => {
                let metadata = match &opened {
                    Some((known, metadata)) if *known == part => Arc::clone(metadata),
                    _ => with_page_index(context, part).await?,
                };
                opened = Some((part, Arc::clone(&metadata)));
                copy(context, &context.input.parts[part].object, &metadata, row_group, sink).await?;
                assembler.add(metadata.row_group(row_group), &page_indexes(&metadata, row_group))?;
                let copied = metadata.row_group(row_group).num_rows().max(0) as u64;
                context.progress.add_rows(copied);
                rows += copied;
            }
            RowGroupPiece::Reencode(groups) => rows += reencode(context, groups, assembler, sink).await?,
        }
    }
    Ok(rows)
}

async fn reencode(
    context: &Context,
    groups: Vec<(usize, usize)>,
    assembler: &mut Assembler,
    sink: &mut Sink,
) -> Result<u64> {
    let codec =
        groups.first().and_then(|(part, _)| context.input.parts[*part].parquet()).map(|m| codec_of(m));
    let encoder = Encoder::new(&context.input.schema, codec.unwrap_or(parquet::basic::Compression::SNAPPY))?;
    let full = Full { rows: crate::plan::ROW_GROUP_ROWS, bytes: context.budget.row_group, boundary: None };
    let batches = row_group_rows(context, groups);
    let mut groups = encoded(batches, full, encoder, context.jobs.clone(), context.budget.threads);
    let mut rows = 0;
    while let Some(group) = groups.try_next().await? {
        assembler.add(&group.metadata, &group.indexes)?;
        rows += group.rows();
        sink.write(group.bytes).await?;
    }
    Ok(rows)
}

/// A part's footer with its page indexes, where it has them and they can be read: they are a help for readers, no
/// contents.
async fn with_page_index(context: &Context, part: usize) -> Result<Arc<ParquetMetaData>> {
    let planned: &PlannedPart = &context.input.parts[part];
    let Some(metadata) = planned.parquet() else {
        return Err(Error::Internal("row groups of a part that is no Parquet".into()));
    };
    let has_index = metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns())
        .any(|c| c.offset_index_range().is_some());
    if !has_index {
        return Ok(Arc::clone(metadata));
    }
    let size = planned.object.size;
    let decoder = guard(|| {
        Ok::<_, parquet::errors::ParquetError>(
            ParquetMetaDataPushDecoder::try_new_with_metadata(size, metadata.as_ref().clone())?
                .with_page_index_policy(PageIndexPolicy::Optional),
        )
    });
    let Ok(mut decoder) = decoder else { return Ok(Arc::clone(metadata)) };
    loop {
        match guard(|| decoder.try_decode()) {
            Ok(DecodeResult::Data(complete)) => return Ok(Arc::new(complete)),
            Ok(DecodeResult::NeedsData(ranges)) => {
                let mut fetched = Vec::with_capacity(ranges.len());
                for range in &ranges {
                    if range.end > size || range.start >= range.end {
                        return Ok(Arc::clone(metadata));
                    }
                    fetched.push(context.input.store.read(&planned.object, range.clone()).await?);
                }
                if guard(|| decoder.push_ranges(ranges, fetched)).is_err() {
                    return Ok(Arc::clone(metadata));
                }
            }
            _ => return Ok(Arc::clone(metadata)),
        }
    }
}

/// Copies the column chunks of one row group, in the order of the columns.
async fn copy(
    context: &Context,
    object: &Object,
    metadata: &ParquetMetaData,
    row_group: usize,
    sink: &mut Sink,
) -> Result<()> {
    // Column by column: chunks need not lie in order or without gaps.
    let pieces: Vec<(usize, std::ops::Range<u64>, bool)> = metadata
        .row_group(row_group)
        .columns()
        .iter()
        .enumerate()
        .flat_map(|(column, chunk)| {
            let (start, length) = chunk.byte_range();
            let end = start + length;
            (start..end).step_by(TRANSFER_BYTES).map(move |from| {
                let to = end.min(from + TRANSFER_BYTES as u64);
                (column, from..to, to == end)
            })
        })
        .collect();
    let ahead = (context.budget.prefetch / TRANSFER_BYTES).max(1);
    let mut reads = stream::iter(pieces)
        .map(|(column, range, is_last)| async move {
            let bytes = context.input.store.read(object, range).await?;
            Ok::<_, Error>((column, bytes, is_last))
        })
        .buffered(ahead);
    let mut walker = PageWalker::default();
    while let Some((column, bytes, is_last)) = reads.try_next().await? {
        let damaged = |problem: String| {
            let name = metadata.row_group(row_group).column(column).column_path().string();
            Error::from(
                Error::data(&object.url, format!("row group {row_group}: {problem}"))
                    .column(name)
                    .remedy("the part may be damaged; fetch or export it again"),
            )
        };
        walker.feed(&bytes).map_err(damaged)?;
        if is_last {
            std::mem::take(&mut walker).finish().map_err(damaged)?;
        }
        context.progress.add_bytes(bytes.len() as u64);
        sink.write(vec![bytes]).await?;
    }
    Ok(())
}
