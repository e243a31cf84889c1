//! Tracks the layout of a Parquet file whose bytes are written elsewhere: where each column chunk went, and at the end
//! the footer.

use super::encoded::{CREATED_BY, EncodedRowGroup, MAGIC, PageIndex, PageIndexes, failed, filter_bytes};
use super::orders::row_group_of;
use crate::model::{Error, Result};

use bytes::Bytes;
use parquet::file::metadata::page_index::PageIndexBuilder;
use parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataBuilder, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::writer::TrackedWrite;
use parquet::schema::types::SchemaDescPtr;
use std::sync::Arc;

/// Tracks the layout of a Parquet file whose bytes are written elsewhere: where each column chunk went, and at the end
/// the footer.
#[derive(Clone)]
pub(crate) struct Assembler {
    descriptor: SchemaDescPtr,
    key_values: Vec<KeyValue>,
    /// Bytes written so far.
    position: u64,
    row_groups: Vec<RowGroupMetaData>,
    indexes: Vec<PageIndexes>,
}

impl Assembler {
    /// Begins a file; the caller writes [`MAGIC`] first.
    pub(crate) fn new(descriptor: SchemaDescPtr, key_values: Vec<KeyValue>) -> Self {
        let position = MAGIC.len() as u64;
        Assembler { descriptor, key_values, position, row_groups: Vec::new(), indexes: Vec::new() }
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Adds a row group of ours, which is written next.
    pub(crate) fn add(&mut self, group: &EncodedRowGroup) -> Result<()> {
        self.enter(&group.metadata, &group.indexes, true)
    }

    /// Adds a row group of another file, whose column chunks are written next, one after the other without gaps. Bloom
    /// filters are outside the column chunks and are not copied. `keeps` says for each column whether its page index is
    /// kept.
    pub(crate) fn copy(
        &mut self,
        metadata: &ParquetMetaData,
        row_group: usize,
        keeps: impl Fn(usize, &PageIndex) -> bool,
    ) -> Result<()> {
        let (group, mut indexes) = row_group_of(metadata, row_group)?;
        for (i, index) in indexes.iter_mut().enumerate() {
            if !keeps(i, index) {
                *index = (None, None);
            }
        }
        self.enter(&group, &indexes, false)
    }

    fn enter(
        &mut self,
        group: &RowGroupMetaData,
        page_indexes: &PageIndexes,
        has_filters: bool,
    ) -> Result<()> {
        let start = self.position;
        let mut columns = Vec::with_capacity(group.num_columns());
        let mut indexes = Vec::with_capacity(group.num_columns());
        for (i, column) in group.columns().iter().enumerate() {
            let (from, length) = column.byte_range();
            let moved = |offset: i64| offset - from as i64 + self.position as i64;
            let filter_offset = column.bloom_filter_offset().filter(|_| has_filters);
            let filter_length = column.bloom_filter_length().filter(|_| has_filters);
            let shifted = column
                .clone()
                .into_builder()
                .set_data_page_offset(moved(column.data_page_offset()))
                .set_dictionary_page_offset(column.dictionary_page_offset().map(moved))
                .set_index_page_offset(column.index_page_offset().map(moved))
                // Ours follow the last column chunk, as before.
                .set_bloom_filter_offset(filter_offset.map(moved))
                .set_bloom_filter_length(filter_length)
                .set_column_index_offset(None)
                .set_column_index_length(None)
                .set_offset_index_offset(None)
                .set_offset_index_length(None)
                .build()
                .map_err(|error| failed("describing a column chunk of", &error))?;
            columns.push(shifted);
            let (values, offsets) = page_indexes.get(i).cloned().unwrap_or_default();
            let offsets = offsets.map(|mut index| {
                for page in &mut index.page_locations {
                    page.offset = moved(page.offset);
                }
                index
            });
            indexes.push((values, offsets));
            self.position += length;
        }
        if has_filters {
            self.position += filter_bytes(group);
        }
        let mut builder = RowGroupMetaData::builder(Arc::clone(&self.descriptor))
            .set_num_rows(group.num_rows())
            .set_total_byte_size(group.total_byte_size())
            .set_sorting_columns(group.sorting_columns().cloned())
            .set_column_metadata(columns)
            .set_file_offset(start as i64);
        // The field has 16 bits; a larger number is left out, as the format allows.
        if let Ok(ordinal) = i16::try_from(self.row_groups.len()) {
            builder = builder.set_ordinal(ordinal.into());
        }
        let entered = builder.build().map_err(|error| failed("describing a row group of", &error))?;
        self.row_groups.push(entered);
        self.indexes.push(indexes);
        Ok(())
    }

    /// Adds a pair to the file's metadata.
    pub(crate) fn add_key_value(&mut self, key: &str, value: String) {
        self.key_values.push(KeyValue::new(key.to_owned(), value));
    }

    /// The page indexes and the footer, which complete the file.
    pub(crate) fn finish(self) -> Result<Bytes> {
        let rows = self.row_groups.iter().map(RowGroupMetaData::num_rows).sum();
        let key_values = (!self.key_values.is_empty()).then_some(self.key_values);
        let created_by = Some(CREATED_BY.to_owned());
        let columns = self.descriptor.num_columns();
        let file = FileMetaData::new(1, rows, created_by, key_values, self.descriptor, None);
        let mut page_index = PageIndexBuilder::new(self.row_groups.len(), columns);
        for (group, indexes) in self.indexes.into_iter().enumerate() {
            for (column, (values, offsets)) in indexes.into_iter().enumerate() {
                // A column index is useless without an offset index.
                if let Some(offsets) = offsets {
                    page_index.put_offset_index(offsets, group, column);
                    if let Some(values) = values {
                        page_index.put_column_index(values, group, column);
                    }
                }
            }
        }
        let metadata = ParquetMetaDataBuilder::new(file)
            .set_row_groups(self.row_groups)
            .set_page_index(Some(Arc::new(page_index.build())))
            .build();
        // The footer contains file positions, so its writer must believe that it wrote the whole file.
        let mut footer = Footer { skip: self.position, bytes: Vec::new() };
        let mut tracked = TrackedWrite::new(&mut footer);
        advance(&mut tracked, self.position).map_err(|error| failed("writing the footer of", &error))?;
        ParquetMetaDataWriter::new_with_tracked(tracked, &metadata)
            .with_preserve_page_index_locations(false)
            .finish()
            .map_err(|error| failed("writing the footer of", &error))?;
        declare_orders(&mut footer.bytes, columns)?;
        Ok(footer.bytes.into())
    }
}

/// Makes the footer declare that bounds are in the order that each column's type defines.
///
/// The parquet crate always declares the total order for floating-point numbers. The orders are the footer's last
/// field, one union of an empty struct for each column, before its length and the final magic bytes.
fn declare_orders(footer: &mut [u8], columns: usize) -> Result<()> {
    const UNION: usize = 3;
    let unexpected = || Error::Internal("a footer that does not end with the orders of its columns".into());
    let end = footer.len().checked_sub(size_of::<u32>() + MAGIC.len() + 1).ok_or_else(unexpected)?;
    let start = end.checked_sub(columns * UNION).ok_or_else(unexpected)?;
    if footer[end] != 0 {
        return Err(unexpected());
    }
    for union in footer[start..end].chunks_exact_mut(UNION) {
        // The union's field: its number and its type, a struct.
        match union {
            [field @ (0x1c | 0x2c | 0x3c), 0, 0] => *field = 0x1c,
            _ => return Err(unexpected()),
        }
    }
    Ok(())
}

/// Collects the bytes of the footer, without the placeholder for the file before it.
struct Footer {
    skip: u64,
    bytes: Vec<u8>,
}

impl std::io::Write for Footer {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let skipped = self.skip.min(buffer.len() as u64);
        self.skip -= skipped;
        self.bytes.extend_from_slice(&buffer[skipped as usize..]);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Advances a writer's position with placeholder bytes.
fn advance(writer: &mut impl std::io::Write, mut by: u64) -> std::io::Result<()> {
    static NOTHING: [u8; 1 << 20] = [0; 1 << 20];
    while by > 0 {
        let step = by.min(NOTHING.len() as u64);
        writer.write_all(&NOTHING[..step as usize])?;
        by -= step;
    }
    Ok(())
}
