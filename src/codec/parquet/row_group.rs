//! Chunks of encoded rows to one row group: their dictionaries become one for each column, and their pages column
//! chunks.

use super::bounds::{Bounds, statistics};
use super::chunk::{Distinct, EncodedColumn, EncodedRows, EncodedValues, Keys};
use super::encoded::{EncodedRowGroup, PageIndexes, failed};
use super::hybrid;
use super::page::{Compressor, Page, location, write_levels};
use crate::model::{Error, Result};

use bytes::Bytes;
use hashbrown::HashTable;
use parquet::basic::{Compression as Codec, Encoding};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, RowGroupMetaData};
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr};
use std::sync::Arc;

/// A dictionary that outgrows this takes no more values: those that come are written out.
const MAX_DICTIONARY_BYTES: usize = 1024 * 1024;

/// Makes a row group of chunks in order.
pub(crate) fn assemble(
    descriptor: &SchemaDescPtr,
    codec: Codec,
    compressor: &mut Compressor,
    chunks: Vec<EncodedRows>,
) -> Result<EncodedRowGroup> {
    let row_counts: Vec<usize> = chunks.iter().map(|chunk| chunk.rows).collect();
    let mut by_column: Vec<Vec<EncodedColumn>> =
        (0..descriptor.num_columns()).map(|_| Vec::with_capacity(chunks.len())).collect();
    for chunk in chunks {
        if chunk.columns.len() != by_column.len() {
            return Err(Error::Internal("rows that do not fit the schema".into()));
        }
        for (column, encoded) in by_column.iter_mut().zip(chunk.columns) {
            column.push(encoded);
        }
    }
    let mut group = ColumnChunks { position: 0, bytes: Vec::new(), columns: Vec::new(), indexes: Vec::new() };
    for (column, encoded) in descriptor.columns().iter().zip(by_column) {
        group.add(column, codec, compressor, &row_counts, encoded)?;
    }
    let rows: usize = row_counts.iter().sum();
    let uncompressed = group.columns.iter().map(ColumnChunkMetaData::uncompressed_size).sum();
    let metadata = RowGroupMetaData::builder(Arc::clone(descriptor))
        .set_num_rows(rows as i64)
        .set_total_byte_size(uncompressed)
        .set_column_metadata(group.columns)
        .build()
        .map_err(|error| failed("describing a row group of", &error))?;
    Ok(EncodedRowGroup { bytes: group.bytes, metadata, indexes: group.indexes })
}

struct ColumnChunks {
    position: usize,
    bytes: Vec<Bytes>,
    columns: Vec<ColumnChunkMetaData>,
    indexes: PageIndexes,
}

impl ColumnChunks {
    fn add(
        &mut self,
        column: &ColumnDescPtr,
        codec: Codec,
        compressor: &mut Compressor,
        row_counts: &[usize],
        encoded: Vec<EncodedColumn>,
    ) -> Result<()> {
        let start = self.position;
        let mut dictionary = MergedDictionary::default();
        let mut contents = Vec::new();
        let mut uncompressed = 0;
        let mut nulls = 0;
        let mut encodings = vec![Encoding::PLAIN, Encoding::RLE];
        let mut bounds = Merged::Empty;
        let mut column_index = ColumnIndexBuilder::new(column.physical_type());
        let mut pages: Vec<Page> = Vec::with_capacity(encoded.len());
        for (rows, part) in row_counts.iter().zip(encoded) {
            nulls += part.nulls;
            let all_null = part.nulls == *rows;
            match &part.bounds {
                Some(bounds) => {
                    let (least, greatest) = bounds.to_bytes();
                    column_index.append(false, least, greatest, part.nulls as i64, None);
                }
                None if all_null => {
                    column_index.append(true, Vec::new(), Vec::new(), part.nulls as i64, None)
                }
                // Values without an order, or too long: a column index needs bounds for every page.
                None => column_index.to_invalid(),
            }
            bounds = bounds.merge(part.bounds, all_null);
            pages.push(match part.values {
                EncodedValues::Page(page) => page,
                EncodedValues::Keys(keys) => {
                    contents.clear();
                    if column.max_def_level() > 0 {
                        write_levels(*rows, keys.valid.as_deref(), &mut contents);
                    }
                    let encoding = dictionary.write(&keys, &mut contents);
                    if encoding == Encoding::RLE_DICTIONARY && !encodings.contains(&encoding) {
                        encodings.push(encoding);
                    }
                    compressor.data_page(*rows, encoding, &contents)?
                }
            });
        }
        let mut dictionary_offset = None;
        if !dictionary.values.ends.is_empty() {
            let page = compressor.dictionary_page(dictionary.values.ends.len(), &dictionary.values.plain)?;
            dictionary_offset = Some(start as i64);
            uncompressed += page.uncompressed;
            self.push(page);
        }
        let data_offset = self.position as i64;
        let mut locations = Vec::with_capacity(pages.len());
        let mut first_row = 0;
        for (rows, page) in row_counts.iter().zip(pages) {
            locations.push(location(self.position, &page, first_row));
            first_row += rows;
            uncompressed += page.uncompressed;
            self.push(page);
        }
        let rows: usize = row_counts.iter().sum();
        let statistics = statistics(bounds.found(), nulls as u64, column.physical_type());
        let metadata = ColumnChunkMetaData::builder(Arc::clone(column))
            .set_compression(codec)
            .set_encodings(encodings)
            .set_num_values(rows as i64)
            .set_total_compressed_size((self.position - start) as i64)
            .set_total_uncompressed_size(uncompressed as i64)
            .set_dictionary_page_offset(dictionary_offset)
            .set_data_page_offset(data_offset)
            .set_statistics(statistics)
            .build()
            .map_err(|error| failed("describing a column chunk of", &error))?;
        self.columns.push(metadata);
        let column_index = if column_index.valid() { column_index.build().ok() } else { None };
        let offsets =
            OffsetIndexMetaData { page_locations: locations, unencoded_byte_array_data_bytes: None };
        self.indexes.push((column_index, Some(offsets)));
        Ok(())
    }

    fn push(&mut self, page: Page) {
        self.position += page.bytes.len();
        self.bytes.push(page.bytes.into());
    }
}

/// Bounds of several pages.
enum Merged {
    /// Of no value so far.
    Empty,
    Found(Bounds),
    /// Some page has values but no bounds.
    Unknown,
}

impl Merged {
    fn merge(self, bounds: Option<Bounds>, all_null: bool) -> Self {
        match (self, bounds) {
            (Merged::Unknown, _) => Merged::Unknown,
            (known, None) if all_null => known,
            (_, None) => Merged::Unknown,
            (Merged::Empty, Some(bounds)) => Merged::Found(bounds),
            (Merged::Found(known), Some(bounds)) => {
                known.merge(&bounds).map_or(Merged::Unknown, Merged::Found)
            }
        }
    }

    fn found(self) -> Option<Bounds> {
        match self {
            Merged::Found(bounds) => Some(bounds),
            _ => None,
        }
    }
}

/// The dictionary of a column chunk, in the order in which values first came.
#[derive(Default)]
struct MergedDictionary {
    values: Distinct,
    table: HashTable<u32>,
    hasher: ahash::RandomState,
    /// For each key of the chunk at hand the one here.
    places: Vec<u32>,
    keys: Vec<u32>,
}

impl MergedDictionary {
    /// Appends the values behind the levels of a page; returns the encoding that was used.
    fn write(&mut self, chunk: &Keys, contents: &mut Vec<u8>) -> Encoding {
        if chunk.keys.is_empty() {
            // Nothing but nulls: a column of such pages has no dictionary, and readers refuse keys without one.
            return Encoding::PLAIN;
        }
        if self.values.plain.len() + chunk.distinct.plain.len() > MAX_DICTIONARY_BYTES {
            chunk.keys.iter().for_each(|key| contents.extend_from_slice(chunk.distinct.get(*key)));
            return Encoding::PLAIN;
        }
        self.places.clear();
        for key in 0..chunk.distinct.ends.len() as u32 {
            let place = self.place(chunk.distinct.get(key));
            self.places.push(place);
        }
        self.keys.clear();
        self.keys.extend(chunk.keys.iter().map(|key| self.places[*key as usize]));
        let width = hybrid::width(self.values.ends.len());
        contents.push(width);
        hybrid::encode(&self.keys, width, contents);
        Encoding::RLE_DICTIONARY
    }

    fn place(&mut self, value: &[u8]) -> u32 {
        let MergedDictionary { values, table, hasher, .. } = self;
        let hash = hasher.hash_one(value);
        if let Some(place) = table.find(hash, |place| values.get(*place) == value) {
            return *place;
        }
        let place = values.ends.len() as u32;
        values.push(value);
        table.insert_unique(hash, place, |place| hasher.hash_one(values.get(*place)));
        place
    }
}
