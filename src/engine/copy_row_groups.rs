//! Copies Parquet to Parquet: column chunks are copied byte by byte, with their pages checked on the way; row groups
//! too small to keep are re-encoded into full ones.

use super::context::Context;
use super::open_file::OpenFile;
use super::parquet_file::{footer_of_copy, seal};
use super::row_group_reader::{RowGroupReader, too_large};
use super::row_groups::{RowGroupLimits, of_row_groups};
use super::rows::encoder;
use crate::codec::guard;
use crate::codec::parquet::{
    Assembler, ChunkClaims, ChunkRead, Decoding, MAGIC, PageProblem, PageWalker, StringDecoding, WalkedChunk,
    byte_ranges, chunk_ranges, chunk_reads, codec_of, decode_row_group,
};
use crate::model::{DataErrorKind, Error, Remedy, Result, TRANSFER_BYTES};
use crate::plan::{PlannedOutput, RowGroupPiece, RunPlan, row_group_pieces};
use crate::sink::Sink;
use crate::source::{Contents, PlannedPart};
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

/// Appends the pieces to the sink in order, and records them for the footer. Returns the number of rows.
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
                let object = &context.input.parts[part].object;
                let walked = copy(context, object, &metadata, row_group, sink).await?;
                check_rows(context, part, &metadata, row_group, &walked).await?;
                let starts: Vec<u64> =
                    chunk_ranges(metadata.row_group(row_group)).map(|range| range.start).collect();
                // Readers can do without an index, but a wrong one hides rows.
                assembler.copy(&metadata, row_group, |i, index| walked[i].has_index(index, starts[i]))?;
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
        groups.first().and_then(|(part, _)| context.input.parts[*part].parquet()).map(|m| codec_of(&m));
    let encoder = encoder(&context.input, codec.unwrap_or(parquet::basic::Compression::SNAPPY))?;
    let mut groups = of_row_groups(context, groups, RowGroupLimits::USUAL, &encoder);
    let mut rows = 0;
    while let Some(group) = groups.try_next().await? {
        assembler.add(&group)?;
        rows += group.rows();
        sink.write(group.bytes).await?;
    }
    Ok(rows)
}

/// A part's footer, with its page indexes if it has readable ones: they help readers, but are not contents.
pub(super) async fn with_page_index(context: &Context, part: usize) -> Result<Arc<ParquetMetaData>> {
    let planned: &PlannedPart = &context.input.parts[part];
    let Some(metadata) = planned.parquet() else {
        return Err(Error::Internal("row groups of a part that is not Parquet".into()));
    };
    let has_index = metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns())
        .any(|c| c.offset_index_range().is_some());
    if !has_index {
        return Ok(metadata);
    }
    let size = planned.object.size;
    let decoder = guard(|| {
        Ok::<_, parquet::errors::ParquetError>(
            ParquetMetaDataPushDecoder::try_new_with_metadata(size, metadata.as_ref().clone())?
                .with_page_index_policy(PageIndexPolicy::Optional),
        )
    });
    let Ok(mut decoder) = decoder else { return Ok(metadata) };
    loop {
        match guard(|| decoder.try_decode()) {
            Ok(DecodeResult::Data(complete)) => return Ok(Arc::new(complete)),
            Ok(DecodeResult::NeedsData(ranges)) => {
                let mut fetched = Vec::with_capacity(ranges.len());
                for range in &ranges {
                    if range.end > size || range.start >= range.end {
                        return Ok(metadata);
                    }
                    fetched.push(context.input.store.read(&planned.object, range.clone()).await?);
                }
                if guard(|| decoder.push_ranges(ranges, fetched)).is_err() {
                    return Ok(metadata);
                }
            }
            _ => return Ok(metadata),
        }
    }
}

/// Copies the column chunks of one row group, in column order; returns their pages.
async fn copy(
    context: &Context,
    object: &Object,
    metadata: &Arc<ParquetMetaData>,
    row_group: usize,
    sink: &mut Sink,
) -> Result<Vec<WalkedChunk>> {
    if context.input.store.is_local() && sink.copies_files() {
        return copy_locally(context, object, metadata, row_group, sink).await;
    }
    let pieces = chunk_reads(metadata.row_group(row_group), TRANSFER_BYTES as u64);
    let ahead = (context.budget.prefetch / TRANSFER_BYTES).max(1);
    let mut reads = stream::iter(pieces)
        .map(|ChunkRead { range, columns }| async move {
            Ok::<_, Error>((columns, context.input.store.read(object, range).await?))
        })
        .buffered(ahead);
    let group = metadata.row_group(row_group);
    let mut walkers: Vec<PageWalker> =
        (0..group.num_columns()).map(|column| PageWalker::new(ChunkClaims::of(group, column))).collect();
    while let Some((columns, bytes)) = reads.try_next().await? {
        let mut at = 0;
        for (column, length) in columns {
            let of_column = at..at + length;
            at = of_column.end;
            walkers[column]
                .feed(&bytes[of_column])
                .map_err(|problem| wrong_pages(object, metadata, row_group, column, problem))?;
        }
        context.progress.add_bytes(bytes.len() as u64);
        sink.write(vec![bytes]).await?;
    }
    let finished = walkers.into_iter().enumerate().map(|(column, walker)| {
        walker.finish().map_err(|problem| wrong_pages(object, metadata, row_group, column, problem))
    });
    finished.collect()
}

/// Turns what is wrong with the pages of a column chunk into an error.
fn wrong_pages(
    object: &Object,
    metadata: &ParquetMetaData,
    row_group: usize,
    column: usize,
    problem: PageProblem,
) -> Error {
    let name = metadata.row_group(row_group).column(column).column_path().string();
    let error = match problem {
        PageProblem::Damaged(problem) => {
            Error::data(DataErrorKind::Damaged, &object.url, format!("row group {row_group}: {problem}"))
                .remedy(Remedy::FetchDamaged)
        }
        PageProblem::TooLarge(size) => too_large(object, size),
    };
    error.column(name).into()
}

/// Counts the rows of a copied row group if its pages did not tell: with only lists, rows are known only after
/// decoding.
async fn check_rows(
    context: &Context,
    part: usize,
    metadata: &ParquetMetaData,
    row_group: usize,
    walked: &[WalkedChunk],
) -> Result<()> {
    if walked.iter().any(|chunk| chunk.rows_are_known) {
        return Ok(());
    }
    let PlannedPart { object, contents: Contents::Parquet { footer, shape }, .. } =
        &context.input.parts[part]
    else {
        return Err(Error::Internal("row groups of a part that is not Parquet".into()));
    };
    let (input, footer, view) = (Arc::clone(&context.input), footer.metadata(), Arc::clone(&shape.carried));
    let (budget, runtime) = (context.budget, tokio::runtime::Handle::current());
    let count = move || {
        let object = &input.parts[part].object;
        let group = footer.row_group(row_group);
        let bytes = RowGroupReader::open(&input.store, object, byte_ranges(group), budget, &runtime)?;
        let failure = bytes.failure();
        let strings = StringDecoding::Plain;
        let decoding = Decoding { strings, selected: None, batch_rows: ROWS_COUNTED_AT_ONCE };
        let batches = decode_row_group(&object.url, bytes, &footer, row_group, &view, |_| false, decoding);
        let counted = batches.and_then(|batches| {
            batches.map(|batch| batch.map(|batch| batch.num_rows() as i64)).sum::<Result<i64>>()
        });
        counted.map_err(|error| failure.behind(error))
    };
    let (rows, said) = (blocking(count).await?, metadata.row_group(row_group).num_rows());
    if rows == said {
        return Ok(());
    }
    let problem = format!("row group {row_group}: its pages hold {rows} rows, the footer says {said}");
    Err(Error::data(DataErrorKind::Damaged, &object.url, problem).remedy(Remedy::FetchDamaged).into())
}

/// Rows per batch when decoding to count them.
const ROWS_COUNTED_AT_ONCE: usize = 8192;

/// From disk to disk the system does the copying: only page headers, and pages with checksums, are read.
async fn copy_locally(
    context: &Context,
    object: &Object,
    metadata: &Arc<ParquetMetaData>,
    row_group: usize,
    sink: &mut Sink,
) -> Result<Vec<WalkedChunk>> {
    let (checked, found) = (object.clone(), Arc::clone(metadata));
    let check = blocking(move || {
        let file = open_local(&checked)?;
        let mut buffer = vec![0; CHECK_BYTES];
        let group = found.row_group(row_group);
        let walked = chunk_ranges(group).enumerate().map(|(column, range)| {
            walk_pages(&file, &checked, range, ChunkClaims::of(group, column), &mut buffer)?
                .map_err(|problem| wrong_pages(&checked, &found, row_group, column, problem))
        });
        walked.collect()
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
    // Nothing is published before both are done, so neither needs to wait for the other.
    tokio::try_join!(check, copy).map(|(walked, ())| walked)
}

/// Joins adjacent ranges.
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

/// Bytes per read of pages with checksums.
const CHECK_BYTES: usize = 256 * 1024;
/// Bytes per read to find a page header, for pages without checksums.
const HEADER_BYTES: usize = 512;

/// Checks the pages of a column chunk; the inner error is what is wrong with them.
fn walk_pages(
    file: &File,
    object: &Object,
    Range { start, end }: Range<u64>,
    claims: ChunkClaims,
    buffer: &mut [u8],
) -> Result<Result<WalkedChunk, PageProblem>> {
    let mut walker = PageWalker::new(claims);
    let mut at = start;
    while at < end {
        let most = if walker.is_checking() { buffer.len() } else { HEADER_BYTES };
        let read = usize::try_from(end - at).unwrap_or(usize::MAX).min(most);
        read_local(file, object, at, &mut buffer[..read])?;
        match walker.feed(&buffer[..read]).and_then(|()| walker.skip()) {
            Ok(skipped) => at += read as u64 + skipped,
            Err(problem) => return Ok(Err(problem)),
        }
    }
    Ok(if at > end { Err(PageProblem::cut_off()) } else { walker.finish() })
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
