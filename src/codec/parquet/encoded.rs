//! Encoded parts of a Parquet file: row groups with their column chunks, bounds and page indexes, and their positions
//! in a file. Contains no rows.

use crate::model::Error;
use bytes::Bytes;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use std::ops::Range;

/// The column chunks of a row group in the order of its columns.
pub(crate) fn chunk_ranges(group: &RowGroupMetaData) -> impl Iterator<Item = Range<u64>> + '_ {
    group.columns().iter().map(|column| {
        let (start, length) = column.byte_range();
        start..start + length
    })
}

/// The byte ranges of a row group's column chunks, in ascending order; adjacent chunks form one range.
pub(crate) fn byte_ranges(group: &RowGroupMetaData) -> Vec<Range<u64>> {
    let mut chunks: Vec<Range<u64>> = chunk_ranges(group).collect();
    chunks.sort_unstable_by_key(|range| range.start);
    joined(chunks, 0)
}

/// Joins ranges that are no further apart than this; they are given in ascending order.
pub(super) fn joined(ranges: Vec<Range<u64>>, gap: u64) -> Vec<Range<u64>> {
    let mut all: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges.into_iter().filter(|range| range.start < range.end) {
        match all.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(gap) => last.end = last.end.max(range.end),
            _ => all.push(range),
        }
    }
    all
}

/// Bytes of a row group's Bloom filters.
pub(super) fn filter_bytes(group: &RowGroupMetaData) -> u64 {
    let length =
        |column: &ColumnChunkMetaData| column.bloom_filter_length().and_then(|n| u64::try_from(n).ok());
    group.columns().iter().filter_map(length).sum()
}

/// The first and last bytes of every Parquet file.
pub(crate) const MAGIC: &[u8; 4] = b"PAR1";

/// Rough bytes of a footer for one column chunk.
pub(crate) const FOOTER_BYTES: u64 = 300;

/// Who wrote a file, as its footer says.
pub(crate) const CREATED_BY: &str = concat!("forecast-export version ", env!("CARGO_PKG_VERSION"));

pub(super) fn failed(doing: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Internal(format!("{doing} Parquet: {error}"))
}

/// The column index and offset index of a column chunk, if it has them. Bounds are in the order that the column's type
/// defines, like those in the metadata.
pub(crate) type PageIndex = (Option<ColumnIndexMetaData>, Option<OffsetIndexMetaData>);

/// The page indexes of a row group, by column.
pub(crate) type PageIndexes = Vec<PageIndex>;

/// A row group that is not in a file yet. Positions are relative to the start of the first column chunk, or to its
/// position in another file.
#[derive(Debug)]
pub(crate) struct EncodedRowGroup {
    /// The contiguous column chunks, followed by their Bloom filters.
    pub(crate) bytes: Vec<Bytes>,
    pub(crate) metadata: RowGroupMetaData,
    pub(crate) indexes: PageIndexes,
}

impl EncodedRowGroup {
    pub(crate) fn rows(&self) -> u64 {
        self.metadata.num_rows().max(0) as u64
    }

    /// Bytes of all column chunks and filters.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.iter().map(|bytes| bytes.len() as u64).sum()
    }
}

/// A read of adjacent column chunks, or pieces of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkRead {
    pub(crate) range: Range<u64>,
    /// How many of the bytes belong to which column.
    pub(crate) columns: Vec<(usize, usize)>,
}

/// The reads for copying a row group, column by column, because chunks need not be in order or contiguous; each of at
/// most this many bytes.
pub(crate) fn chunk_reads(group: &RowGroupMetaData, most: u64) -> Vec<ChunkRead> {
    reads_of(chunk_ranges(group), most)
}

fn reads_of(chunks: impl Iterator<Item = Range<u64>>, most: u64) -> Vec<ChunkRead> {
    let mut reads: Vec<ChunkRead> = Vec::new();
    for (column, Range { start, end }) in chunks.enumerate() {
        let mut at = start;
        while at < end {
            let goes_on =
                |last: &&mut ChunkRead| last.range.end == at && last.range.end - last.range.start < most;
            let length = match reads.last_mut().filter(goes_on) {
                Some(last) => {
                    let length = (end - at).min(most - (last.range.end - last.range.start));
                    last.range.end += length;
                    last.columns.push((column, length as usize));
                    length
                }
                None => {
                    let length = (end - at).min(most);
                    let columns = vec![(column, length as usize)];
                    reads.push(ChunkRead { range: at..at + length, columns });
                    length
                }
            };
            at += length;
        }
    }
    reads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_that_touch_are_read_together_up_to_a_length() {
        let chunks = [4..10, 10..13, 20..45, 45..46, 0..4];
        let reads = reads_of(chunks.into_iter(), 10);
        let shown: Vec<_> = reads.into_iter().map(|read| (read.range, read.columns)).collect();
        assert_eq!(
            shown,
            [
                (4..13, vec![(0, 6), (1, 3)]),
                (20..30, vec![(2, 10)]),
                (30..40, vec![(2, 10)]),
                (40..46, vec![(2, 5), (3, 1)]),
                (0..4, vec![(4, 4)]),
            ]
        );
        assert!(reads_of(std::iter::once(7..7), 10).is_empty());
    }
}
