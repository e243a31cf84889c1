//! Selects rows of a row group by its page indexes: which rows may be wanted, and where their pages are. An index that
//! contradicts itself or the footer is not trusted; then the whole row group is read.

use super::encoded::joined;
use super::known::known_of;
use crate::codec::filter::Known;
use crate::codec::guard;

use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::data_type::ByteArray;
use parquet::file::metadata::page_index::{PageIndex, PageIndexBuilder};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::index_reader::{decode_column_index, decode_offset_index};
use parquet::file::page_index::offset_index::{OffsetIndexMetaData, PageLocation};
use parquet::file::statistics::Statistics;
use std::ops::Range;
use std::sync::Arc;

/// Pages this close together are fetched with what is between them.
const NEAR_BYTES: u64 = 256 * 1024;

/// The positions of a column chunk's indexes.
pub(crate) struct IndexRanges {
    /// Of its column index, if it has one.
    pub(crate) values: Option<Range<u64>>,
    /// Of its offset index.
    pub(crate) offsets: Range<u64>,
}

/// The positions of a row group's indexes; `None` if a column has no offset index.
pub(crate) fn index_ranges(group: &RowGroupMetaData) -> Option<Vec<IndexRanges>> {
    let of = |chunk: &ColumnChunkMetaData| {
        Some(IndexRanges { values: chunk.column_index_range(), offsets: chunk.offset_index_range()? })
    };
    group.columns().iter().map(of).collect()
}

/// The indexes of the pages of a row group.
pub(crate) struct Paged<'a> {
    metadata: &'a ParquetMetaData,
    group: usize,
    rows: u64,
    columns: Vec<Indexes>,
}

struct Indexes {
    /// What is known about each page, if anything.
    pages: Option<Vec<PageBounds>>,
    offsets: OffsetIndexMetaData,
}

enum PageBounds {
    Nulls,
    Some(Statistics),
}

/// The rows of a row group that may be wanted.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    pub(super) rows: RowSelection,
    pub(super) index: Arc<PageIndex>,
    /// How many there are.
    pub(crate) count: usize,
    /// The byte ranges that contain them.
    pub(crate) ranges: Vec<Range<u64>>,
}

impl<'a> Paged<'a> {
    /// Decodes the indexes, given for each column in turn; `None` if they cannot be trusted.
    pub(crate) fn new<B: AsRef<[u8]>>(
        metadata: &'a ParquetMetaData,
        group: usize,
        indexes: &[(Option<B>, B)],
    ) -> Option<Self> {
        let found = metadata.row_group(group);
        let rows = u64::try_from(found.num_rows()).ok()?;
        let columns = found.columns().iter().zip(indexes).map(|(chunk, (values, offsets))| {
            let offsets = guard(|| decode_offset_index(offsets.as_ref())).ok()?;
            if !fits(offsets.page_locations(), chunk, rows) {
                return None;
            }
            let values = values
                .as_ref()
                .and_then(|values| guard(|| decode_column_index(values.as_ref(), chunk.column_type())).ok());
            let pages = values.and_then(|values| bounds_of(&values, offsets.page_locations().len()));
            Some(Indexes { pages, offsets })
        });
        Some(Paged { metadata, group, rows, columns: columns.collect::<Option<_>>()? })
    }

    /// What is known about a column's values from a row to the end of its page.
    pub(crate) fn known<'b>(&'b self, leaf: usize, data_type: &DataType, row: u64) -> Option<Known<'b>> {
        let Indexes { pages, offsets } = &self.columns[leaf];
        let locations = offsets.page_locations();
        let page = locations.partition_point(|page| page.first_row_index as u64 <= row).checked_sub(1)?;
        let end = locations.get(page + 1).map_or(self.rows, |next| next.first_row_index as u64);
        match pages.as_ref()?.get(page)? {
            PageBounds::Nulls => Some(Known::NULLS),
            PageBounds::Some(statistics) => {
                let first = locations[page].first_row_index as u64;
                Some(known_of(self.metadata, self.group, leaf, data_type, Some(statistics), end - first))
            }
        }
    }

    /// Selects the rows that may be wanted. The predicate is called with the first row of each range in which no page
    /// of a column with bounds ends. `None` if all rows may be wanted, or if that saves no page.
    pub(crate) fn selected(&self, may_be_wanted: impl Fn(u64) -> bool) -> Option<Selected> {
        let with_bounds = self.columns.iter().filter(|column| column.pages.is_some());
        let mut starts: Vec<u64> = with_bounds
            .flat_map(|column| column.offsets.page_locations())
            .map(|page| page.first_row_index as u64)
            .collect();
        starts.sort_unstable();
        starts.dedup();
        let ends = starts.iter().skip(1).copied().chain([self.rows]);
        let mut selectors = Vec::new();
        for (start, end) in starts.iter().copied().zip(ends) {
            let rows = usize::try_from(end - start).ok()?;
            selectors.push(match may_be_wanted(start) {
                true => RowSelector::select(rows),
                false => RowSelector::skip(rows),
            });
        }
        if selectors.iter().all(|selector| !selector.skip) {
            return None;
        }
        let rows = RowSelection::from(selectors);
        let count = rows.row_count();
        let mut index = PageIndexBuilder::new(1, self.columns.len());
        let mut ranges = Vec::new();
        let chunks = self.metadata.row_group(self.group).columns();
        for (leaf, (column, chunk)) in self.columns.iter().zip(chunks).enumerate() {
            let locations = column.offsets.page_locations();
            let mut of_chunk = rows.scan_ranges(locations);
            if let (false, Some(first)) = (of_chunk.is_empty(), locations.first()) {
                // A dictionary lies before the first page.
                of_chunk.insert(0, chunk.byte_range().0..first.offset as u64);
            }
            ranges.extend(joined(of_chunk, NEAR_BYTES));
            index.put_offset_index(column.offsets.clone(), 0, leaf);
        }
        ranges.sort_unstable_by_key(|range| range.start);
        Some(Selected { rows, index: Arc::new(index.build()), count, ranges: joined(ranges, 0) })
    }
}

/// Whether pages are in order within their chunk, and begin with rows of the row group.
fn fits(pages: &[PageLocation], chunk: &ColumnChunkMetaData, rows: u64) -> bool {
    let (start, length) = chunk.byte_range();
    let (mut at, mut next_row) = (start, 0);
    for (number, page) in pages.iter().enumerate() {
        let (Ok(offset), Ok(size), Ok(row)) = (
            u64::try_from(page.offset),
            u64::try_from(page.compressed_page_size),
            u64::try_from(page.first_row_index),
        ) else {
            return false;
        };
        let is_next = if number == 0 { row == 0 } else { row >= next_row };
        let Some(end) = offset.checked_add(size).filter(|end| *end <= start + length) else { return false };
        if offset < at || !is_next || row >= rows {
            return false;
        }
        (at, next_row) = (end, row + 1);
    }
    !pages.is_empty()
}

/// The bounds of pages in the form of statistics.
fn bounds_of(index: &ColumnIndexMetaData, pages: usize) -> Option<Vec<PageBounds>> {
    if index.num_pages() != pages as u64 {
        return None;
    }
    let page = |page: usize| {
        if index.is_null_page(page) {
            return Some(PageBounds::Nulls);
        }
        let nulls = index.null_count(page).and_then(|nulls| u64::try_from(nulls).ok());
        let statistics = match index {
            ColumnIndexMetaData::BOOLEAN(of) => Statistics::boolean(
                of.min_value(page).copied(),
                of.max_value(page).copied(),
                None,
                nulls,
                false,
            ),
            ColumnIndexMetaData::INT32(of) => Statistics::int32(
                of.min_value(page).copied(),
                of.max_value(page).copied(),
                None,
                nulls,
                false,
            ),
            ColumnIndexMetaData::INT64(of) => Statistics::int64(
                of.min_value(page).copied(),
                of.max_value(page).copied(),
                None,
                nulls,
                false,
            ),
            ColumnIndexMetaData::FLOAT(of) => Statistics::float(
                of.min_value(page).copied(),
                of.max_value(page).copied(),
                None,
                nulls,
                false,
            ),
            ColumnIndexMetaData::DOUBLE(of) => Statistics::double(
                of.min_value(page).copied(),
                of.max_value(page).copied(),
                None,
                nulls,
                false,
            ),
            ColumnIndexMetaData::BYTE_ARRAY(of) => {
                let bytes = |bytes: Option<&[u8]>| bytes.map(|bytes| ByteArray::from(bytes.to_vec()));
                let (least, greatest) = (bytes(of.min_value(page)), bytes(of.max_value(page)));
                match Statistics::byte_array(least, greatest, None, nulls, false) {
                    // An index does not say whether its bounds were cut.
                    Statistics::ByteArray(of) => {
                        Statistics::ByteArray(of.with_min_is_exact(false).with_max_is_exact(false))
                    }
                    other => other,
                }
            }
            _ => return None,
        };
        Some(PageBounds::Some(statistics))
    };
    (0..pages).map(page).collect()
}
