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
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr};
use std::sync::Arc;

/// A dictionary that outgrows this takes no more values: those that come are written out.
const MAX_DICTIONARY_BYTES: usize = 1024 * 1024;

/// Rows of a page of keys, at most, unless one chunk has more. A reader takes as long for the start of a page as for
/// thousands of keys, and a page is the least that an index of pages lets it pass over.
const ROWS_OF_KEYS: usize = 131_072;

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
        let mut nulls = 0;
        let mut bounds = Merged::Empty;
        let mut pages = Pages::new(column, compressor);
        for (rows, part) in row_counts.iter().zip(encoded) {
            nulls += part.nulls;
            bounds = bounds.merge(part.bounds.as_ref(), part.nulls == *rows);
            pages.add(*rows, part)?;
        }
        let PagesDone { pages, dictionary, encodings, column_index } = pages.finish()?;
        let mut uncompressed = 0;
        let dictionary_offset = dictionary.as_ref().map(|_| start as i64);
        if let Some(page) = dictionary {
            uncompressed += page.uncompressed;
            self.push(page);
        }
        let data_offset = self.position as i64;
        let mut locations = Vec::with_capacity(pages.len());
        let mut first_row = 0;
        for (rows, page) in pages {
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

/// The pages of a column chunk, one after the other.
struct Pages<'a> {
    column: &'a ColumnDescPtr,
    compressor: &'a mut Compressor,
    dictionary: MergedDictionary,
    /// Keys that are to be written as one page.
    open: OpenPage,
    contents: Vec<u8>,
    /// Each with its rows.
    pages: Vec<(usize, Page)>,
    encodings: Vec<Encoding>,
    column_index: ColumnIndexBuilder,
}

struct PagesDone {
    pages: Vec<(usize, Page)>,
    dictionary: Option<Page>,
    encodings: Vec<Encoding>,
    column_index: Option<ColumnIndexMetaData>,
}

/// Rows of consecutive chunks by their keys in the dictionary of the column chunk.
#[derive(Default)]
struct OpenPage {
    rows: usize,
    nulls: usize,
    keys: Vec<u32>,
    /// Which rows are no nulls; `None` where no row is one.
    valid: Option<Vec<bool>>,
    bounds: Merged,
}

impl OpenPage {
    fn append_valid(&mut self, rows: usize, valid: Option<&[bool]>) {
        match (&mut self.valid, valid) {
            (None, None) => {}
            (Some(known), None) => known.resize(known.len() + rows, true),
            (known, Some(valid)) => {
                known.get_or_insert_with(|| vec![true; self.rows]).extend_from_slice(valid);
            }
        }
    }
}

impl<'a> Pages<'a> {
    fn new(column: &'a ColumnDescPtr, compressor: &'a mut Compressor) -> Self {
        Pages {
            column,
            compressor,
            dictionary: MergedDictionary::default(),
            open: OpenPage::default(),
            contents: Vec::new(),
            pages: Vec::new(),
            encodings: vec![Encoding::PLAIN, Encoding::RLE],
            column_index: ColumnIndexBuilder::new(column.physical_type()),
        }
    }

    fn add(&mut self, rows: usize, part: EncodedColumn) -> Result<()> {
        let keys = match part.values {
            EncodedValues::Page(page) => {
                self.close()?;
                self.push(
                    page,
                    rows,
                    part.nulls,
                    Merged::Empty.merge(part.bounds.as_ref(), part.nulls == rows),
                );
                return Ok(());
            }
            EncodedValues::Keys(keys) => keys,
        };
        let bounds = part.bounds.as_ref();
        if self.open.rows + rows > ROWS_OF_KEYS {
            self.close()?;
        }
        if self.dictionary.append(&keys, &mut self.open.keys) {
            let open = &mut self.open;
            open.append_valid(rows, keys.valid.as_deref());
            open.bounds = std::mem::take(&mut open.bounds).merge(bounds, part.nulls == rows);
            open.rows += rows;
            open.nulls += part.nulls;
            return Ok(());
        }
        self.close()?;
        self.begin(rows, keys.valid.as_deref());
        keys.keys.iter().for_each(|key| self.contents.extend_from_slice(keys.distinct.get(*key)));
        let page = self.compressor.data_page(rows, Encoding::PLAIN, &self.contents)?;
        self.push(page, rows, part.nulls, Merged::Empty.merge(bounds, part.nulls == rows));
        Ok(())
    }

    /// Writes the page of keys that is open.
    fn close(&mut self) -> Result<()> {
        let OpenPage { rows, nulls, keys, valid, bounds } = std::mem::take(&mut self.open);
        if rows == 0 {
            return Ok(());
        }
        self.begin(rows, valid.as_deref());
        // Nothing but nulls: a column of such pages has no dictionary, and readers refuse keys without one.
        let encoding = if keys.is_empty() { Encoding::PLAIN } else { Encoding::RLE_DICTIONARY };
        if !keys.is_empty() {
            let width = hybrid::width(self.dictionary.values.ends.len());
            self.contents.push(width);
            hybrid::encode(&keys, width, &mut self.contents);
        }
        if !self.encodings.contains(&encoding) {
            self.encodings.push(encoding);
        }
        let page = self.compressor.data_page(rows, encoding, &self.contents)?;
        self.push(page, rows, nulls, bounds);
        Ok(())
    }

    /// Begins the contents of a page with its levels.
    fn begin(&mut self, rows: usize, valid: Option<&[bool]>) {
        self.contents.clear();
        if self.column.max_def_level() > 0 {
            write_levels(rows, valid, &mut self.contents);
        }
    }

    fn push(&mut self, page: Page, rows: usize, nulls: usize, bounds: Merged) {
        match bounds {
            Merged::Found(bounds) => {
                let (least, greatest) = bounds.to_bytes();
                self.column_index.append(false, least, greatest, nulls as i64, None);
            }
            Merged::Empty => self.column_index.append(true, Vec::new(), Vec::new(), nulls as i64, None),
            // Values without an order, or too long: a column index needs bounds for every page.
            Merged::Unknown => self.column_index.to_invalid(),
        }
        self.pages.push((rows, page));
    }

    fn finish(mut self) -> Result<PagesDone> {
        self.close()?;
        let distinct = &self.dictionary.values;
        let dictionary = if distinct.ends.is_empty() {
            None
        } else {
            Some(self.compressor.dictionary_page(distinct.ends.len(), &distinct.plain)?)
        };
        let index = self.column_index;
        let column_index = if index.valid() { index.build().ok() } else { None };
        Ok(PagesDone { pages: self.pages, dictionary, encodings: self.encodings, column_index })
    }
}

/// Bounds of several pages.
#[derive(Default)]
enum Merged {
    /// Of no value so far.
    #[default]
    Empty,
    Found(Bounds),
    /// Some page has values but no bounds.
    Unknown,
}

impl Merged {
    fn merge(self, bounds: Option<&Bounds>, all_null: bool) -> Self {
        match (self, bounds) {
            (Merged::Unknown, _) => Merged::Unknown,
            (known, None) if all_null => known,
            (_, None) => Merged::Unknown,
            (Merged::Empty, Some(bounds)) => Merged::Found(bounds.clone()),
            (Merged::Found(known), Some(bounds)) => {
                known.merge(bounds).map_or(Merged::Unknown, Merged::Found)
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
}

impl MergedDictionary {
    /// Takes in the distinct values of a chunk and appends its keys, as they are here; `false` where there is no room.
    fn append(&mut self, chunk: &Keys, keys: &mut Vec<u32>) -> bool {
        if self.values.plain.len() + chunk.distinct.plain.len() > MAX_DICTIONARY_BYTES {
            return chunk.keys.is_empty();
        }
        self.places.clear();
        for key in 0..chunk.distinct.ends.len() as u32 {
            let place = self.place(chunk.distinct.get(key));
            self.places.push(place);
        }
        keys.extend(chunk.keys.iter().map(|key| self.places[*key as usize]));
        true
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
