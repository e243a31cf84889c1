//! Parquet to Parquet: column chunks are copied byte by byte, their pages checked on the way; row groups too small to
//! keep are decoded and encoded into full ones.

use super::context::Context;
use super::open_file::OpenFile;
use super::parquet_file::{footer_of_copy, seal};
use super::row_group::Wanted;
use super::row_groups::{RowGroupLimits, assembled, encoded};
use super::rows::{encoder, reencoded_rows, row_group_rows};
use crate::codec::guard;
use crate::codec::parquet::{
    Assembler, MAGIC, PageWalker, StringDecoding, chunk_ranges, codec_of, page_indexes,
};
use crate::model::{DataErrorKind, Error, Remedy, Result, TRANSFER_BYTES};
use crate::plan::{PlannedOutput, RowGroupPiece, RunPlan, row_group_pieces};
use crate::sink::Sink;
use crate::source::PlannedPart;
use crate::store::{Object, blocking, open_local, read_local};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use parquet::DecodeResult;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

/// Fills one file.
pub(super) async fn fill(
    context: &Context,
    plan: &RunPlan,
    output: &PlannedOutput,
    file: &mut OpenFile,
) -> Result<()> {
    let mut assembler = footer_of_copy(context, output)?;
    file.write(Bytes::from_static(MAGIC)).await?;
    let pieces = row_group_pieces(&context.input, output.parts.clone());
    file.rows = Some(write(context, pieces, &mut assembler, &mut file.sink).await?);
    file.bytes = assembler.position();
    seal(context, plan, output, assembler, file).await
}

/// Writes the pieces in order behind what the sink has, and notes them for the footer. Returns the rows written.
async fn write(
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

pub(super) async fn reencode(
    context: &Context,
    groups: Vec<(usize, usize)>,
    assembler: &mut Assembler,
    sink: &mut Sink,
) -> Result<u64> {
    let codec =
        groups.first().and_then(|(part, _)| context.input.parts[*part].parquet()).map(|m| codec_of(m));
    let encoder = encoder(&context.input, codec.unwrap_or(parquet::basic::Compression::SNAPPY))?;
    let (pool, bytes, ahead) = (context.pool.clone(), context.budget.row_group, context.budget.threads);
    let mut groups = if encoder.encodes_batches() {
        assembled(reencoded_rows(context, groups, &encoder), bytes, encoder, pool, ahead)
    } else {
        let limits = RowGroupLimits { rows: crate::model::ROW_GROUP_ROWS, bytes, boundary: None };
        encoded(
            row_group_rows(context, groups, Wanted::Parquet(StringDecoding::Plain)),
            limits,
            encoder,
            pool,
            ahead,
        )
    };
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
pub(super) async fn with_page_index(context: &Context, part: usize) -> Result<Arc<ParquetMetaData>> {
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
    metadata: &Arc<ParquetMetaData>,
    row_group: usize,
    sink: &mut Sink,
) -> Result<()> {
    if context.input.store.is_local() && sink.copies_files() {
        return copy_locally(context, object, metadata, row_group, sink).await;
    }
    // Column by column: chunks need not lie in order or without gaps.
    let pieces: Vec<(usize, Range<u64>, bool)> = metadata
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
        let damaged = |problem| damaged(object, metadata, row_group, column, problem);
        walker.feed(&bytes).map_err(damaged)?;
        if is_last {
            std::mem::take(&mut walker).finish().map_err(damaged)?;
        }
        context.progress.add_bytes(bytes.len() as u64);
        sink.write(vec![bytes]).await?;
    }
    Ok(())
}

fn damaged(
    object: &Object,
    metadata: &ParquetMetaData,
    row_group: usize,
    column: usize,
    problem: String,
) -> Error {
    let name = metadata.row_group(row_group).column(column).column_path().string();
    Error::data(DataErrorKind::Damaged, &object.url, format!("row group {row_group}: {problem}"))
        .column(name)
        .remedy(Remedy::FetchDamaged)
        .into()
}

/// From disk to disk the system copies by itself: only headers of pages, and pages with checksums, are read.
async fn copy_locally(
    context: &Context,
    object: &Object,
    metadata: &Arc<ParquetMetaData>,
    row_group: usize,
    sink: &mut Sink,
) -> Result<()> {
    let (checked, found) = (object.clone(), Arc::clone(metadata));
    let check = blocking(move || {
        let file = open_local(&checked)?;
        let mut buffer = vec![0; CHECK_BYTES];
        for (column, chunk) in found.row_group(row_group).columns().iter().enumerate() {
            check_pages(&file, &checked, chunk.byte_range(), &mut buffer)?
                .map_err(|problem| damaged(&checked, &found, row_group, column, problem))?;
        }
        Ok(())
    });
    let opened = object.clone();
    let copy = async {
        let file = blocking(move || open_local(&opened)).await?;
        for range in joined(chunk_ranges(metadata.row_group(row_group))) {
            let length = range.end - range.start;
            sink.copy(&file, object, range).await?;
            context.progress.add_bytes(length);
        }
        Ok(())
    };
    // Nothing is published before both are done, so neither waits for the other.
    tokio::try_join!(check, copy).map(|_| ())
}

/// Ranges of which each that begins where the one before ends was joined to it.
fn joined(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}

/// Bytes read at once of pages that have checksums.
const CHECK_BYTES: usize = 256 * 1024;
/// Bytes read at once to find the header of a page that has none.
const HEADER_BYTES: usize = 512;

/// Walks over the pages of a column chunk; the inner error is what is wrong with them.
fn check_pages(
    file: &File,
    object: &Object,
    (start, length): (u64, u64),
    buffer: &mut [u8],
) -> Result<Result<(), String>> {
    let mut walker = PageWalker::default();
    let (mut at, end) = (start, start + length);
    let mut wanted = HEADER_BYTES;
    while at < end {
        let read = usize::try_from(end - at).unwrap_or(usize::MAX).min(wanted);
        read_local(file, object, at, &mut buffer[..read])?;
        if let Err(problem) = walker.feed(&buffer[..read]) {
            return Ok(Err(problem));
        }
        at += read as u64;
        let unseen = walker.unseen();
        wanted = if walker.is_checking() { buffer.len() } else { HEADER_BYTES };
        if unseen > 0 {
            walker.skip_unseen();
            at += unseen;
        }
    }
    Ok(if at > end {
        Err("a page is cut off at the end of its column chunk".into())
    } else {
        walker.finish()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_joined_only_where_they_touch_in_order() {
        let ranges = [4..10, 10..12, 13..20, 20..30, 2..4];
        assert_eq!(joined(ranges.into_iter()), [4..12, 13..30, 2..4]);
        assert_eq!(joined(std::iter::empty()), []);
    }
}
