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
use parquet::basic::{BoundaryOrder, Compression as Codec, Encoding, Type as Physical};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, RowGroupMetaData, SortingColumn};
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
    assemble_in_pages(ROWS_OF_KEYS, descriptor, codec, compressor, chunks)
}

fn assemble_in_pages(
    rows_of_keys: usize,
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
    let mut group = ColumnChunks {
        position: 0,
        bytes: Vec::new(),
        columns: Vec::new(),
        indexes: Vec::new(),
        sorting_columns: None,
        rows_of_keys,
        buffers: Buffers::default(),
    };
    for (column, encoded) in descriptor.columns().iter().zip(by_column) {
        group.add(column, codec, compressor, &row_counts, encoded)?;
    }
    let rows: usize = row_counts.iter().sum();
    let uncompressed = group.columns.iter().map(ColumnChunkMetaData::uncompressed_size).sum();
    let metadata = RowGroupMetaData::builder(Arc::clone(descriptor))
        .set_num_rows(rows as i64)
        .set_total_byte_size(uncompressed)
        .set_sorting_columns(group.sorting_columns)
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
    sorting_columns: Option<Vec<SortingColumn>>,
    rows_of_keys: usize,
    buffers: Buffers,
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
        // Exports are sorted by their first column, where by any.
        let order = if self.columns.is_empty() { Order::AscendsTo(None) } else { Order::Unknown };
        let mut pages = Pages::new(column, compressor, order, self.rows_of_keys, &mut self.buffers);
        for (rows, part) in row_counts.iter().zip(encoded) {
            nulls += part.nulls;
            bounds = bounds.merge(part.bounds.as_ref(), part.nulls == *rows);
            pages.add(*rows, part)?;
        }
        let PagesDone { pages, dictionary, encodings, column_index, is_sorted } = pages.finish()?;
        if is_sorted {
            let sorted = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
            self.sorting_columns = Some(vec![sorted]);
        }
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
    rows_of_keys: usize,
    dictionary: MergedDictionary,
    /// Keys that are to be written as one page.
    open: OpenPage,
    buffers: &'a mut Buffers,
    /// Each with its rows.
    pages: Vec<(usize, Page)>,
    encodings: Vec<Encoding>,
    column_index: ColumnIndexBuilder,
    /// Bounds of the last page that has any.
    last_bounds: Option<Bounds>,
    /// Whether bounds ascend from page to page.
    bounds_ascend: bool,
    order: Order,
}

/// Whether the rows of a column chunk ascend, as far as that is looked at.
enum Order {
    /// It is not looked at, or they do not.
    Unknown,
    /// They do up to here, which is the last key.
    AscendsTo(Option<u32>),
}

struct PagesDone {
    pages: Vec<(usize, Page)>,
    dictionary: Option<Page>,
    encodings: Vec<Encoding>,
    column_index: Option<ColumnIndexMetaData>,
    is_sorted: bool,
}

/// Memory that is used again from page to page and from column to column.
#[derive(Default)]
struct Buffers {
    /// The keys of the open page, in the dictionary of the column chunk.
    keys: Vec<u32>,
    /// The contents of a page before compression.
    contents: Vec<u8>,
}

/// Rows of consecutive chunks whose keys become one page.
#[derive(Default)]
struct OpenPage {
    rows: usize,
    nulls: usize,
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
    fn new(
        column: &'a ColumnDescPtr,
        compressor: &'a mut Compressor,
        order: Order,
        rows_of_keys: usize,
        buffers: &'a mut Buffers,
    ) -> Self {
        Pages {
            rows_of_keys,
            column,
            compressor,
            dictionary: MergedDictionary::default(),
            open: OpenPage::default(),
            buffers,
            pages: Vec::new(),
            encodings: vec![Encoding::PLAIN, Encoding::RLE],
            column_index: ColumnIndexBuilder::new(column.physical_type()),
            last_bounds: None,
            bounds_ascend: true,
            order,
        }
    }

    fn add(&mut self, rows: usize, part: EncodedColumn) -> Result<()> {
        let keys = match part.values {
            EncodedValues::Page(page) => {
                self.order = Order::Unknown;
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
        if self.open.rows + rows > self.rows_of_keys {
            self.close()?;
        }
        let before = self.buffers.keys.len();
        if self.dictionary.append(&keys, &mut self.buffers.keys) {
            self.watch_order(before, part.nulls);
            let open = &mut self.open;
            open.append_valid(rows, keys.valid.as_deref());
            open.bounds = std::mem::take(&mut open.bounds).merge(bounds, part.nulls == rows);
            open.rows += rows;
            open.nulls += part.nulls;
            return Ok(());
        }
        self.order = Order::Unknown;
        self.close()?;
        self.begin(rows, keys.valid.as_deref());
        keys.keys.iter().for_each(|key| self.buffers.contents.extend_from_slice(keys.distinct.get(*key)));
        let page = self.compressor.data_page(rows, Encoding::PLAIN, &self.buffers.contents)?;
        self.push(page, rows, part.nulls, Merged::Empty.merge(bounds, part.nulls == rows));
        Ok(())
    }

    /// Looks whether the keys from this one on go on ascending by their values. A column with nulls does not count as sorted.
    fn watch_order(&mut self, from: usize, nulls: usize) {
        let Order::AscendsTo(last) = &mut self.order else { return };
        let (physical, values) = (self.column.physical_type(), &self.dictionary.values);
        let ascends = nulls == 0
            && self.buffers.keys[from..].iter().all(|key| {
                let before = last.replace(*key);
                before.is_none_or(|before| {
                    before == *key || is_less(physical, values.get(before), values.get(*key))
                })
            });
        if !ascends {
            self.order = Order::Unknown;
        }
    }

    /// Writes the page of keys that is open.
    fn close(&mut self) -> Result<()> {
        let OpenPage { rows, nulls, valid, bounds } = std::mem::take(&mut self.open);
        if rows == 0 {
            return Ok(());
        }
        self.begin(rows, valid.as_deref());
        let Buffers { keys, contents } = &mut *self.buffers;
        // Nothing but nulls: a column of such pages has no dictionary, and readers refuse keys without one.
        let encoding = if keys.is_empty() { Encoding::PLAIN } else { Encoding::RLE_DICTIONARY };
        if !keys.is_empty() {
            let width = hybrid::width(self.dictionary.values.ends.len());
            contents.push(width);
            hybrid::encode(keys, width, contents);
            keys.clear();
        }
        if !self.encodings.contains(&encoding) {
            self.encodings.push(encoding);
        }
        let page = self.compressor.data_page(rows, encoding, &self.buffers.contents)?;
        self.push(page, rows, nulls, bounds);
        Ok(())
    }

    /// Begins the contents of a page with its levels.
    fn begin(&mut self, rows: usize, valid: Option<&[bool]>) {
        self.buffers.contents.clear();
        if self.column.max_def_level() > 0 {
            write_levels(rows, valid, &mut self.buffers.contents);
        }
    }

    fn push(&mut self, page: Page, rows: usize, nulls: usize, bounds: Merged) {
        match bounds {
            Merged::Found(bounds) => {
                self.bounds_ascend &= self.last_bounds.as_ref().is_none_or(|last| last.ascends_to(&bounds));
                let (least, greatest) = bounds.to_bytes();
                self.column_index.append(false, least, greatest, nulls as i64, None);
                self.last_bounds = Some(bounds);
            }
            Merged::Empty => self.column_index.append(true, Vec::new(), Vec::new(), nulls as i64, None),
            // Values without an order, or too long: a column index needs bounds for every page.
            Merged::Unknown => self.column_index.to_invalid(),
        }
        self.pages.push((rows, page));
    }

    fn finish(mut self) -> Result<PagesDone> {
        self.close()?;
        let is_sorted = matches!(self.order, Order::AscendsTo(Some(_)));
        let distinct = &self.dictionary.values;
        let dictionary = if distinct.ends.is_empty() {
            None
        } else {
            Some(self.compressor.dictionary_page(distinct.ends.len(), &distinct.plain)?)
        };
        let mut index = self.column_index;
        if self.bounds_ascend {
            index.set_boundary_order(BoundaryOrder::ASCENDING);
        }
        let column_index = if index.valid() { index.build().ok() } else { None };
        Ok(PagesDone { pages: self.pages, dictionary, encodings: self.encodings, column_index, is_sorted })
    }
}

/// Whether one value in PLAIN encoding comes before another by the order of its type; never where that is not known.
fn is_less(physical: Physical, value: &[u8], other: &[u8]) -> bool {
    let long = |bytes: &[u8]| bytes.try_into().map(i64::from_le_bytes).ok();
    let int = |bytes: &[u8]| bytes.try_into().map(i32::from_le_bytes).ok();
    match physical {
        // Behind the length of each.
        Physical::BYTE_ARRAY => value.get(4..) < other.get(4..),
        Physical::INT64 => long(value) < long(other),
        Physical::INT32 => int(value) < int(other),
        _ => false,
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

#[cfg(test)]
mod tests {
    use super::super::{Assembler, Encoder, MAGIC, arrow_schema};
    use super::*;
    use arrow::array::cast::AsArray;
    use arrow::array::types::{Float64Type, Int64Type};
    use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
    use arrow::compute::concat_batches;
    use parquet::arrow::arrow_reader::{
        ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
    };
    use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
    use proptest::prelude::*;

    /// A file of one row group that is made of these chunks.
    fn file(chunks: &[RecordBatch], rows_of_keys: usize) -> Bytes {
        let chunks_schema = chunks[0].schema();
        let encoder = Encoder::new(&chunks_schema, Codec::SNAPPY).expect("an encoder");
        let mut chunk_encoder = encoder.chunk_encoder().expect("an encoder of chunks");
        let chunks = chunks.iter().map(|chunk| chunk_encoder.encode_batch(chunk).expect("encoded")).collect();
        let mut compressor = Compressor::new(Codec::SNAPPY).expect("a compressor");
        let group =
            assemble_in_pages(rows_of_keys, encoder.descriptor(), Codec::SNAPPY, &mut compressor, chunks);
        let group = group.expect("a row group");
        let mut assembler = Assembler::new(encoder.descriptor().clone(), vec![arrow_schema(&chunks_schema)]);
        assembler.add(&group).expect("entered");
        let mut file = MAGIC.to_vec();
        group.bytes.iter().for_each(|bytes| file.extend_from_slice(bytes));
        file.extend_from_slice(&assembler.finish().expect("a footer"));
        file.into()
    }

    fn reader(file: &Bytes) -> ParquetRecordBatchReaderBuilder<Bytes> {
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options).expect("a footer")
    }

    fn rows_of(reader: ParquetRecordBatchReaderBuilder<Bytes>) -> RecordBatch {
        let schema = reader.schema().clone();
        let batches: Vec<RecordBatch> =
            reader.build().expect("a reader").map(|batch| batch.expect("a batch")).collect();
        concat_batches(&schema, &batches).expect("one batch")
    }

    fn footer(chunks: &[RecordBatch]) -> Arc<ParquetMetaData> {
        reader(&file(chunks, 1000)).metadata().clone()
    }

    fn texts(values: &[Option<&str>]) -> RecordBatch {
        let texts: ArrayRef = Arc::new(StringArray::from_iter(values.iter().copied()));
        RecordBatch::try_from_iter_with_nullable([("text", texts, true)]).expect("a batch")
    }

    #[test]
    fn rows_are_declared_sorted_only_where_each_one_follows_the_one_before() {
        let is_sorted = |chunks: &[&[Option<&str>]]| {
            let chunks: Vec<RecordBatch> = chunks.iter().map(|values| texts(values)).collect();
            let footer = footer(&chunks);
            let sorted = footer.row_group(0).sorting_columns().cloned();
            let expected = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
            assert!(sorted.is_none() || sorted == Some(vec![expected]));
            sorted.is_some()
        };
        let (a, b, z) = (Some("a"), Some("b"), Some("\u{e9}"));
        assert!(is_sorted(&[&[a, a, a, a], &[b, b, b, b]]));
        assert!(is_sorted(&[&[a, a, b, b], &[b, b, z, z]]), "by unsigned bytes");
        assert!(!is_sorted(&[&[b, b, b, b], &[a, a, a, a]]), "chunks");
        assert!(!is_sorted(&[&[a, a, b, b], &[a, a, b, b]]), "chunks that overlap");
        assert!(!is_sorted(&[&[a, b, a, a]]), "rows");
        assert!(!is_sorted(&[&[z, z, b, b]]), "by unsigned bytes");
        assert!(!is_sorted(&[&[a, a, None, None]]), "nulls");
        assert!(!is_sorted(&[&[None, None]]), "nothing but nulls");
        assert!(!is_sorted(&[&[a, a, a, a], &[b, z]]), "a page that is not looked at");
    }

    #[test]
    fn keys_of_several_chunks_make_one_page() {
        let chunk = texts(&[Some("a"), None, Some("b"), Some("a"), Some("b"), Some("a")]);
        let file = file(&[chunk.clone(), chunk.clone(), chunk.clone()], 13);
        let reader = reader(&file);
        let indexes = reader.metadata().page_index_for_row_group(0);
        let pages = indexes.offset_index(0).expect("an offset index").page_locations();
        assert_eq!(pages.iter().map(|page| page.first_row_index).collect::<Vec<_>>(), [0, 12]);
        let values = indexes.column_index(0).expect("a column index");
        assert_eq!((values.null_count(0), values.null_count(1)), (Some(2), Some(1)));
        let schema = chunk.schema();
        let expected = concat_batches(&schema, &[chunk.clone(), chunk.clone(), chunk]).expect("one batch");
        assert_eq!(rows_of(reader).columns(), expected.columns());
    }

    #[test]
    fn a_dictionary_that_is_full_is_followed_by_plain_pages() {
        let long = |chunk: usize| {
            let texts = (0..40).map(|i| format!("{chunk}-{}-{}", i / 4, "x".repeat(20_000)));
            let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
            RecordBatch::try_from_iter_with_nullable([("text", texts, true)]).expect("a batch")
        };
        let chunks: Vec<RecordBatch> = (0..8).map(long).collect();
        let file = file(&chunks, 1000);
        let found = reader(&file);
        assert!(found.metadata().row_group(0).sorting_columns().is_none());
        let indexes = found.metadata().page_index_for_row_group(0);
        // Five chunks of 200 kB fit.
        assert_eq!(indexes.offset_index(0).map(|index| index.page_locations().len()), Some(4));
        let expected = concat_batches(&chunks[0].schema(), &chunks).expect("one batch");
        assert_eq!(rows_of(found).columns(), expected.columns());
    }

    type Row = (Option<u8>, Option<i64>, Option<f64>, Option<bool>);

    fn batch(rows: &[Row]) -> RecordBatch {
        let text = |row: &Row| row.0.map(|n| format!("item {n}"));
        let columns: [(&str, ArrayRef); 4] = [
            ("text", Arc::new(StringArray::from_iter(rows.iter().map(text)))),
            ("number", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.1)))),
            ("double", Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.2)))),
            ("truth", Arc::new(BooleanArray::from_iter(rows.iter().map(|row| row.3)))),
        ];
        let columns = columns.map(|(name, array)| (name, array, true));
        RecordBatch::try_from_iter_with_nullable(columns).expect("a batch")
    }

    fn row() -> impl Strategy<Value = Row> {
        let few = prop_oneof![3 => (0u8..5).prop_map(Some), 1 => Just(None)];
        let number = prop_oneof![8 => (-3i64..3).prop_map(Some), 1 => Just(None)];
        let double = prop_oneof![8 => (-3.0..3.0f64).prop_map(Some), 1 => Just(None)];
        (few, number, double, any::<Option<bool>>())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn pages_and_their_indexes_fit_the_rows(
            chunks in prop::collection::vec(prop::collection::vec(row(), 1..40), 1..8),
            rows_of_keys in 1usize..120,
            from in 0usize..100,
            count in 1usize..50,
        ) {
            let chunks: Vec<RecordBatch> = chunks.iter().map(|rows| batch(rows)).collect();
            let all = concat_batches(&chunks[0].schema(), &chunks).expect("one batch");
            let file = file(&chunks, rows_of_keys);
            let found = rows_of(reader(&file));
            prop_assert_eq!(found.columns(), all.columns());

            // Some rows, which the offset index finds.
            let from = from.min(all.num_rows() - 1);
            let count = count.min(all.num_rows() - from);
            let selection = RowSelection::from(vec![RowSelector::skip(from), RowSelector::select(count)]);
            let some = rows_of(reader(&file).with_row_selection(selection));
            let expected = all.slice(from, count);
            prop_assert_eq!(some.columns(), expected.columns());

            let metadata = reader(&file).metadata().clone();
            let indexes = metadata.page_index_for_row_group(0);
            for column in 0..all.num_columns() {
                let pages = indexes.offset_index(column).expect("an offset index").page_locations();
                let values = indexes.column_index(column).expect("a column index");
                let mut last: Option<(f64, f64)> = None;
                for (page, location) in pages.iter().enumerate() {
                    let start = location.first_row_index as usize;
                    let end = pages.get(page + 1).map_or(all.num_rows(), |next| next.first_row_index as usize);
                    let rows = all.column(column).slice(start, end - start);
                    prop_assert_eq!(values.null_count(page), Some(rows.null_count() as i64));
                    prop_assert_eq!(values.is_null_page(page), rows.null_count() == rows.len());
                    let bounds = match values {
                        ColumnIndexMetaData::INT64(index) => {
                            let of = rows.as_primitive::<Int64Type>();
                            let expected = of.iter().flatten().min().zip(of.iter().flatten().max());
                            let found = index.min_value(page).copied().zip(index.max_value(page).copied());
                            prop_assert_eq!(found, expected);
                            found.map(|(least, greatest)| (least as f64, greatest as f64))
                        }
                        ColumnIndexMetaData::DOUBLE(index) => {
                            let of = rows.as_primitive::<Float64Type>();
                            let numbers = || of.iter().flatten();
                            let expected = numbers().min_by(f64::total_cmp).zip(numbers().max_by(f64::total_cmp));
                            let found = index.min_value(page).copied().zip(index.max_value(page).copied());
                            prop_assert_eq!(found, expected);
                            found
                        }
                        ColumnIndexMetaData::BYTE_ARRAY(index) => {
                            let of = rows.as_string::<i32>();
                            let bytes = || of.iter().flatten().map(str::as_bytes);
                            prop_assert_eq!(index.min_value(page), bytes().min());
                            prop_assert_eq!(index.max_value(page), bytes().max());
                            None
                        }
                        _ => None,
                    };
                    if let (Some((a, b)), Some((c, d)), Some(BoundaryOrder::ASCENDING)) =
                        (last, bounds, values.get_boundary_order())
                    {
                        prop_assert!(a <= c && b <= d);
                    }
                    last = bounds.or(last);
                }
            }
            let texts = all.column(0).as_string::<i32>();
            if metadata.row_group(0).sorting_columns().is_some() {
                prop_assert!(texts.null_count() == 0 && texts.iter().is_sorted());
            }
        }
    }
}
