//! Encodes consecutive rows as one row group: merges their dictionaries into one per column, and writes their values as
//! pages.
//!
//! The output depends only on the rows of the row group, never on the pieces they come in: pieces have a size that
//! suits threads and memory, but the same rows must produce the same bytes everywhere.

use super::bounds::{Bounds, statistics};
use super::chunk::{Distinct, EncodedColumn, EncodedRows, EncodedValues, Keys};
use super::encoded::{EncodedRowGroup, failed};
use super::hybrid;
use super::page::{Compressor, Page, location, write_levels};
use crate::codec::buffers::Buffers;
use crate::codec::csv::Dictionary;
use crate::model::{Error, Result};

use arrow::datatypes::ToByteSlice;
use hashbrown::HashTable;
use parquet::basic::{BoundaryOrder, Compression as Codec, Encoding, Type as Physical};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, RowGroupMetaData, SortingColumn};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr};
use std::ops::Range;
use std::sync::Arc;

/// The maximum size of pages; a larger value gets a page of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageLimits {
    rows: usize,
    /// Bytes of plain values.
    plain: usize,
}

/// Starting a page of keys takes readers as long as thousands of keys. A page of numbers is best compressed and
/// decompressed within the core's cache: DuckDB and Polars sum numbers in an eighth less CPU time than with pages of 1
/// MiB. With its levels, a page stays below 256 KiB, up to which Zstandard uses smaller tables.
pub(crate) const PAGES: PageLimits = PageLimits { rows: 131_072, plain: 240 * 1024 };

/// A dictionary that outgrows this takes no more values; later ones are written as plain values.
const MAX_DICTIONARY_BYTES: usize = 1024 * 1024;

/// The rows of one column, piece by piece.
pub(crate) struct ColumnPieces(Vec<Slice>);

/// Consecutive rows of a piece.
#[derive(Clone)]
struct Slice {
    column: Arc<EncodedColumn>,
    rows: Range<usize>,
    /// The range of their values.
    values: Range<usize>,
}

impl Slice {
    fn new(column: &Arc<EncodedColumn>, rows: Range<usize>) -> Self {
        let values = column.values_of(rows.clone());
        Slice { column: Arc::clone(column), rows, values }
    }

    fn valid(&self) -> Option<&[bool]> {
        self.column.valid.as_deref().map(|valid| &valid[self.rows.clone()])
    }

    fn nulls(&self) -> usize {
        self.rows.len() - self.values.len()
    }

    /// The given number of first rows.
    fn split_to(&mut self, rows: usize) -> Slice {
        let rest = self.split_off(rows);
        std::mem::replace(self, rest)
    }

    /// The rest after the first rows.
    fn split_off(&mut self, rows: usize) -> Slice {
        let middle = self.rows.start + rows;
        let values = match self.valid() {
            None => rows,
            Some(valid) => valid[..rows].iter().filter(|valid| **valid).count(),
        };
        let split = self.values.start + values;
        let rest = Slice {
            column: Arc::clone(&self.column),
            rows: middle..self.rows.end,
            values: split..self.values.end,
        };
        (self.rows.end, self.values.end) = (middle, split);
        rest
    }

    /// The keys of the values, if it has keys.
    fn keys(&self) -> Option<(&Keys, &[u32])> {
        match &self.column.values {
            EncodedValues::Keys(keys) => Some((keys, &keys.keys[self.values.clone()])),
            _ => None,
        }
    }
}

/// The columns of pieces, in order, each separately.
pub(crate) fn by_column(columns: usize, pieces: Vec<EncodedRows>) -> Result<Vec<ColumnPieces>> {
    let mut by_column: Vec<Vec<Slice>> = (0..columns).map(|_| Vec::with_capacity(pieces.len())).collect();
    for piece in pieces {
        if piece.columns.len() != by_column.len() {
            return Err(Error::Internal("rows that do not fit the schema".into()));
        }
        for (slices, column) in by_column.iter_mut().zip(&piece.columns) {
            slices.push(Slice::new(column, piece.rows.clone()));
        }
    }
    Ok(by_column.into_iter().map(ColumnPieces).collect())
}

/// A column chunk without a position yet.
#[derive(Debug)]
pub(crate) struct ColumnChunk {
    rows: usize,
    nulls: usize,
    bounds: Option<Bounds>,
    dictionary: Option<Page>,
    /// Each with its rows.
    pages: Vec<(usize, Page)>,
    encodings: Vec<Encoding>,
    column_index: Option<ColumnIndexMetaData>,
    is_sorted: bool,
}

/// Encodes one column chunk after the other, reusing its memory.
pub(crate) struct ColumnEncoder {
    compressor: Compressor,
    /// The keys of a column chunk.
    keys: Vec<u32>,
    /// The contents of a page before compression.
    contents: Vec<u8>,
    /// Which values of a dictionary are used by some rows.
    used: Vec<bool>,
}

impl ColumnEncoder {
    pub(crate) fn new(codec: Codec, buffers: Buffers) -> Result<Self> {
        let compressor = Compressor::new(codec, buffers)?;
        Ok(ColumnEncoder { compressor, keys: Vec::new(), contents: Vec::new(), used: Vec::new() })
    }
}

/// Encodes a column of a row group. If exports are sorted at all, it is by their first column, so only that one is
/// checked for ascending rows.
pub(crate) fn column_chunk(
    column: &ColumnDescPtr,
    is_first: bool,
    pieces: ColumnPieces,
    limits: PageLimits,
    encoder: &mut ColumnEncoder,
) -> Result<ColumnChunk> {
    let ColumnPieces(slices) = pieces;
    let rows = slices.iter().map(|slice| slice.rows.len()).sum();
    let nulls = slices.iter().map(Slice::nulls).sum();
    let physical = column.physical_type();
    let keyed = keyed(&slices, std::mem::take(&mut encoder.keys));
    // The format requires declaring the order of nulls, so a column with nulls does not count as sorted.
    let is_sorted =
        is_first && nulls == 0 && rows > 0 && keyed.keys.len() == rows && ascends(&keyed, physical);
    let mut pages = Pages::new(column, encoder);
    let mut rest = Rest::new(slices);
    let keyed = keyed.if_it_pays();
    pages.keys(&keyed, &mut rest, limits)?;
    pages.plain(&mut rest, limits)?;
    let PagesDone { pages, encodings, column_index, bounds } = pages.finish();
    let distinct = &keyed.distinct;
    let dictionary = if distinct.len() == 0 {
        None
    } else {
        Some(encoder.compressor.dictionary_page(distinct.len(), &distinct.plain)?)
    };
    encoder.keys = keyed.keys;
    Ok(ColumnChunk { rows, nulls, bounds, dictionary, pages, encodings, column_index, is_sorted })
}

/// Concatenates column chunks without gaps.
pub(crate) fn join(
    descriptor: &SchemaDescPtr,
    codec: Codec,
    chunks: Vec<ColumnChunk>,
) -> Result<EncodedRowGroup> {
    let rows = chunks.first().map_or(0, |chunk| chunk.rows);
    let is_sorted = chunks.first().is_some_and(|chunk| chunk.is_sorted);
    let mut bytes = Vec::new();
    let mut columns = Vec::with_capacity(chunks.len());
    let mut indexes = Vec::with_capacity(chunks.len());
    let mut position = 0;
    for (column, chunk) in descriptor.columns().iter().zip(chunks) {
        let start = position;
        let mut uncompressed = 0;
        let mut push = |page: Page| {
            position += page.bytes.len();
            uncompressed += page.uncompressed;
            bytes.push(page.bytes);
            position
        };
        let dictionary_offset = chunk.dictionary.as_ref().map(|_| start as i64);
        let data_offset = chunk.dictionary.map_or(start, &mut push);
        let mut locations = Vec::with_capacity(chunk.pages.len());
        let (mut offset, mut first_row) = (data_offset, 0);
        for (rows, page) in chunk.pages {
            locations.push(location(offset, &page, first_row));
            first_row += rows;
            offset = push(page);
        }
        let metadata = ColumnChunkMetaData::builder(Arc::clone(column))
            .set_compression(codec)
            .set_encodings(chunk.encodings)
            .set_num_values(chunk.rows as i64)
            .set_total_compressed_size((offset - start) as i64)
            .set_total_uncompressed_size(uncompressed as i64)
            .set_dictionary_page_offset(dictionary_offset)
            .set_data_page_offset(data_offset as i64)
            .set_statistics(statistics(chunk.bounds, chunk.nulls as u64, column.physical_type()))
            .build()
            .map_err(|error| failed("describing a column chunk of", &error))?;
        columns.push(metadata);
        let offsets =
            OffsetIndexMetaData { page_locations: locations, unencoded_byte_array_data_bytes: None };
        indexes.push((chunk.column_index, Some(offsets)));
    }
    let uncompressed = columns.iter().map(ColumnChunkMetaData::uncompressed_size).sum();
    let sorted = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
    let metadata = RowGroupMetaData::builder(Arc::clone(descriptor))
        .set_num_rows(rows as i64)
        .set_total_byte_size(uncompressed)
        .set_sorting_columns(is_sorted.then(|| vec![sorted]))
        .set_column_metadata(columns)
        .build()
        .map_err(|error| failed("describing a row group of", &error))?;
    Ok(EncodedRowGroup { bytes, metadata, indexes })
}

/// The rows that are not in a page yet.
struct Rest {
    slices: std::vec::IntoIter<Slice>,
    /// The rest of a partly consumed slice.
    begun: Option<Slice>,
}

impl Rest {
    fn new(slices: Vec<Slice>) -> Self {
        Rest { slices: slices.into_iter(), begun: None }
    }

    /// The next contiguous rows, at most this many.
    fn next(&mut self, most: usize) -> Option<Slice> {
        loop {
            let mut slice = self.begun.take().or_else(|| self.slices.next())?;
            if slice.rows.is_empty() {
                continue;
            }
            if slice.rows.len() > most {
                let taken = slice.split_to(most);
                self.begun = Some(slice);
                return Some(taken);
            }
            return Some(slice);
        }
    }

    /// The next rows, this many if available.
    fn take(&mut self, rows: usize) -> Vec<Slice> {
        let mut taken = Vec::new();
        let mut left = rows;
        while left > 0
            && let Some(slice) = self.next(left)
        {
            left -= slice.rows.len();
            taken.push(slice);
        }
        taken
    }
}

/// The first values of a column chunk, as keys.
struct Keyed {
    distinct: Distinct,
    keys: Vec<u32>,
}

impl Keyed {
    fn nothing(mut keys: Vec<u32>) -> Self {
        keys.clear();
        Keyed { distinct: Distinct::default(), keys }
    }

    /// `None` if most values differ, because a dictionary would not pay off.
    fn if_it_pays(self) -> Self {
        if self.distinct.len() * 2 <= self.keys.len() { self } else { Keyed::nothing(self.keys) }
    }
}

/// The keys of values from the first on, as far as the dictionary has room, written to the given buffer.
fn keyed(slices: &[Slice], mut keys: Vec<u32>) -> Keyed {
    let numbers = match slices.first().map(|slice| &slice.column.values) {
        None | Some(EncodedValues::Boolean(_)) => return Keyed::nothing(keys),
        Some(EncodedValues::Keys(_)) => {
            let mut dictionary = MergedDictionary::default();
            keys.clear();
            for (of, values) in slices.iter().filter_map(Slice::keys) {
                if !dictionary.append(of, values, &mut keys) {
                    break;
                }
            }
            return Keyed { distinct: dictionary.values, keys };
        }
        Some(EncodedValues::Double(_) | EncodedValues::Int64(_)) => 8,
        Some(EncodedValues::Float(_) | EncodedValues::Int32(_)) => 4,
    };
    keyed_numbers(slices, numbers, keys)
}

/// How many values to sample to see whether they repeat.
const LOOKED_AT: usize = 256;

/// Numbers mostly differ, so a dictionary would not pay off. A sample tells whether three of four recur. They are
/// compared by bits: zeros of both signs, and NaNs, are separate values.
fn keyed_numbers(slices: &[Slice], width: usize, mut keys: Vec<u32>) -> Keyed {
    let pieces = || slices.iter().map(Slice::number_bytes);
    let values = pieces().map(<[u8]>::len).sum::<usize>() / width;
    let step = (values / LOOKED_AT).max(1);
    let mut seen: Vec<&[u8]> = Vec::with_capacity(2 * LOOKED_AT);
    // A regular sample of all values, independent of the pieces.
    let mut before = 0usize;
    for piece in pieces() {
        let first = before.next_multiple_of(step) - before;
        seen.extend(piece.chunks_exact(width).skip(first).step_by(step));
        before += piece.len() / width;
    }
    let looked_at = seen.len();
    seen.sort_unstable();
    seen.dedup();
    if looked_at < 2 || seen.len() * 4 > looked_at {
        return Keyed::nothing(keys);
    }
    let mut dictionary = Dictionary::new();
    let most = MAX_DICTIONARY_BYTES / width;
    for value in pieces().flat_map(|piece| piece.chunks_exact(width)) {
        if dictionary.push(value) && dictionary.len() > most {
            break;
        }
    }
    // The last value is the one that did not fit.
    let has_room = dictionary.len() <= most;
    let known = dictionary.keys().len() - usize::from(!has_room);
    keys.clear();
    keys.extend_from_slice(&dictionary.keys()[..known]);
    Keyed { distinct: Distinct::of_values(dictionary.texts().take(most)), keys }
}

/// Whether values ascend in the order of their type.
fn ascends(keyed: &Keyed, physical: Physical) -> bool {
    keyed.keys.windows(2).all(|pair| {
        pair[0] == pair[1] || is_less(physical, keyed.distinct.get(pair[0]), keyed.distinct.get(pair[1]))
    })
}

/// Whether one value in PLAIN encoding comes before another in the order of its type; `false` if the order is not
/// known.
fn is_less(physical: Physical, value: &[u8], other: &[u8]) -> bool {
    let long = |bytes: &[u8]| bytes.try_into().map(i64::from_le_bytes).ok();
    let int = |bytes: &[u8]| bytes.try_into().map(i32::from_le_bytes).ok();
    match physical {
        // After the length of each.
        Physical::BYTE_ARRAY => value.get(4..) < other.get(4..),
        Physical::INT64 => long(value) < long(other),
        Physical::INT32 => int(value) < int(other),
        _ => false,
    }
}

/// The pages of a column chunk, one after the other.
struct Pages<'a> {
    column: &'a ColumnDescPtr,
    encoder: &'a mut ColumnEncoder,
    /// Each with its rows.
    pages: Vec<(usize, Page)>,
    encodings: Vec<Encoding>,
    column_index: ColumnIndexBuilder,
    bounds: Merged,
    /// Bounds of the last page with bounds.
    last_bounds: Option<Bounds>,
    /// Whether bounds ascend from page to page.
    bounds_ascend: bool,
}

struct PagesDone {
    pages: Vec<(usize, Page)>,
    encodings: Vec<Encoding>,
    column_index: Option<ColumnIndexMetaData>,
    bounds: Option<Bounds>,
}

impl<'a> Pages<'a> {
    fn new(column: &'a ColumnDescPtr, encoder: &'a mut ColumnEncoder) -> Self {
        Pages {
            column,
            encoder,
            pages: Vec::new(),
            encodings: vec![Encoding::PLAIN, Encoding::RLE],
            column_index: ColumnIndexBuilder::new(column.physical_type()),
            bounds: Merged::Empty,
            last_bounds: None,
            bounds_ascend: true,
        }
    }

    /// Writes pages of the values with keys.
    fn keys(&mut self, keyed: &Keyed, rest: &mut Rest, limits: PageLimits) -> Result<()> {
        let mut keys = &keyed.keys[..];
        let mut known = 0;
        while !keys.is_empty() {
            let mut slices = rest.take(limits.rows);
            let values = cut_behind(&mut slices, keys.len(), rest);
            let (page, others) = keys.split_at(values);
            keys = others;
            self.begin(&slices);
            if !page.is_empty() {
                // Values entered the dictionary in order of occurrence, so a page may need fewer bits than the next
                // one.
                known = known.max(page.iter().max().map_or(0, |key| key + 1));
                let width = hybrid::width(known as usize);
                self.encoder.contents.push(width);
                hybrid::encode(page, width, &mut self.encoder.contents);
            }
            // Only nulls: a column with only such pages has no dictionary, and readers reject keys without one.
            let encoding = if page.is_empty() { Encoding::PLAIN } else { Encoding::RLE_DICTIONARY };
            self.end(&slices, encoding)?;
        }
        Ok(())
    }

    /// Writes pages of all remaining values.
    fn plain(&mut self, rest: &mut Rest, limits: PageLimits) -> Result<()> {
        loop {
            let rows = match self.column.physical_type() {
                Physical::INT32 | Physical::FLOAT => limits.plain / 4,
                Physical::INT64 | Physical::DOUBLE => limits.plain / 8,
                _ => limits.rows,
            };
            let mut slices = rest.take(rows.clamp(1, limits.rows));
            if slices.is_empty() {
                return Ok(());
            }
            cut_where_full(&mut slices, limits.plain, rest);
            self.begin(&slices);
            match slices.first().map(|slice| &slice.column.values) {
                // Bits continue across pieces.
                Some(EncodedValues::Boolean(_)) => {
                    let values: Vec<bool> =
                        slices.iter().flat_map(|slice| slice.booleans()).copied().collect();
                    let bits =
                        |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
                    self.encoder.contents.extend(values.chunks(8).map(bits));
                }
                _ => slices.iter().for_each(|slice| slice.write_plain(&mut self.encoder.contents)),
            }
            self.end(&slices, Encoding::PLAIN)?;
        }
    }

    /// Starts the contents of a page with its levels.
    fn begin(&mut self, slices: &[Slice]) {
        self.encoder.contents.clear();
        if self.column.max_def_level() == 0 {
            return;
        }
        let rows = slices.iter().map(|slice| slice.rows.len()).sum();
        if slices.iter().all(|slice| slice.nulls() == 0) {
            return write_levels(rows, None, &mut self.encoder.contents);
        }
        let mut valid = Vec::with_capacity(rows);
        for slice in slices {
            match slice.valid() {
                Some(known) => valid.extend_from_slice(known),
                None => valid.resize(valid.len() + slice.rows.len(), true),
            }
        }
        write_levels(rows, Some(&valid), &mut self.encoder.contents);
    }

    /// Finishes a page whose contents are complete.
    fn end(&mut self, slices: &[Slice], encoding: Encoding) -> Result<()> {
        let rows = slices.iter().map(|slice| slice.rows.len()).sum();
        let nulls: usize = slices.iter().map(Slice::nulls).sum();
        if !self.encodings.contains(&encoding) {
            self.encodings.push(encoding);
        }
        let physical = self.column.physical_type();
        let page = self.encoder.compressor.data_page(rows, encoding, &self.encoder.contents)?;
        let mut bounds = Merged::Empty;
        for slice in slices.iter().filter(|slice| !slice.values.is_empty()) {
            bounds = bounds.merge(slice.bounds(physical, &mut self.encoder.used));
        }
        self.bounds = std::mem::take(&mut self.bounds).merge(bounds.clone());
        match bounds.short() {
            Merged::Found(bounds) => {
                self.bounds_ascend &= self.last_bounds.as_ref().is_none_or(|last| last.ascends_to(&bounds));
                let (least, greatest) = bounds.to_bytes();
                self.column_index.append(false, least, greatest, nulls as i64, None);
                self.last_bounds = Some(bounds);
            }
            Merged::Empty => self.column_index.append(true, Vec::new(), Vec::new(), nulls as i64, None),
            // Values without an order, or too long; a column index needs bounds for every page.
            Merged::Unknown => self.column_index.to_invalid(),
        }
        self.pages.push((rows, page));
        Ok(())
    }

    fn finish(self) -> PagesDone {
        let mut index = self.column_index;
        if self.bounds_ascend {
            index.set_boundary_order(BoundaryOrder::ASCENDING);
        }
        let column_index = if index.valid() { index.build().ok() } else { None };
        let bounds = match self.bounds.short() {
            Merged::Found(bounds) => Some(bounds),
            _ => None,
        };
        PagesDone { pages: self.pages, encodings: self.encodings, column_index, bounds }
    }
}

impl Slice {
    fn booleans(&self) -> &[bool] {
        match &self.column.values {
            EncodedValues::Boolean(values) => &values[self.values.clone()],
            _ => &[],
        }
    }

    /// The values in PLAIN encoding, if they are numbers.
    fn number_bytes(&self) -> &[u8] {
        let values = self.values.clone();
        match &self.column.values {
            EncodedValues::Double(all) => all[values].to_byte_slice(),
            EncodedValues::Float(all) => all[values].to_byte_slice(),
            EncodedValues::Int64(all) => all[values].to_byte_slice(),
            EncodedValues::Int32(all) => all[values].to_byte_slice(),
            EncodedValues::Boolean(_) | EncodedValues::Keys(_) => &[],
        }
    }

    /// Appends the values in PLAIN encoding; booleans are written for a whole page.
    fn write_plain(&self, out: &mut Vec<u8>) {
        match self.keys() {
            Some((keys, values)) => {
                values.iter().for_each(|key| out.extend_from_slice(keys.distinct.get(*key)));
            }
            None => out.extend_from_slice(self.number_bytes()),
        }
    }

    /// The bounds of at least one value.
    fn bounds(&self, physical: Physical, used: &mut Vec<bool>) -> Merged {
        let values = self.values.clone();
        let bounds = match &self.column.values {
            EncodedValues::Double(all) => Bounds::of_doubles(&all[values]),
            EncodedValues::Float(all) => Bounds::of_floats(&all[values]),
            EncodedValues::Int64(all) => Bounds::of_ints(all[values].iter().copied()),
            EncodedValues::Int32(all) => Bounds::of_days(all[values].iter().copied()),
            EncodedValues::Boolean(all) => Bounds::of_booleans(all[values].iter().copied()),
            EncodedValues::Keys(keys) => {
                // Checking each distinct value once is much cheaper than checking each row.
                used.clear();
                used.resize(keys.distinct.len(), values.len() == keys.keys.len());
                if values.len() < keys.keys.len() {
                    keys.keys[values].iter().for_each(|key| used[*key as usize] = true);
                }
                let used = &*used;
                let found = (0..used.len() as u32)
                    .filter(|key| used[*key as usize])
                    .map(|key| keys.distinct.get(key));
                match physical {
                    Physical::INT64 => Bounds::of_ints(
                        found.filter_map(|value| value.try_into().map(i64::from_le_bytes).ok()),
                    ),
                    // After the length of each.
                    _ => Bounds::of_texts(found.filter_map(|value| value.get(4..))),
                }
            }
        };
        bounds.map_or(Merged::Unknown, Merged::Found)
    }
}

/// Keeps in a page the rows up to the last one whose value has a key, and returns its number of values. All rows stay
/// if all have keys.
fn cut_behind(slices: &mut Vec<Slice>, keys: usize, rest: &mut Rest) -> usize {
    let values = slices.iter().map(|slice| slice.values.len()).sum();
    if values <= keys {
        return values;
    }
    let mut left = keys;
    cut(slices, rest, |slice| {
        if slice.values.len() <= left {
            left -= slice.values.len();
            return None;
        }
        let Some(valid) = slice.valid() else { return Some(left) };
        let mut seen = 0;
        valid.iter().position(|valid| {
            seen += usize::from(*valid);
            seen > left
        })
    });
    keys
}

/// Keeps in a page the rows whose texts fit this many bytes, but always the first one.
fn cut_where_full(slices: &mut Vec<Slice>, most: usize, rest: &mut Rest) {
    let (mut bytes, mut is_first) = (0, true);
    cut(slices, rest, |slice| {
        let (keys, values) = slice.keys()?;
        let mut lengths = values.iter().map(|key| keys.distinct.get(*key).len());
        (0..slice.rows.len()).find(|row| {
            let is_null = slice.valid().is_some_and(|valid| !valid[*row]);
            bytes += if is_null { 0 } else { lengths.next().unwrap_or(0) };
            bytes > most && !std::mem::take(&mut is_first) || {
                is_first = false;
                false
            }
        })
    });
}

/// Puts rows back, from the given row of the given slice on.
fn cut(slices: &mut Vec<Slice>, rest: &mut Rest, mut first: impl FnMut(&Slice) -> Option<usize>) {
    let found = slices.iter().enumerate().find_map(|(place, slice)| Some((place, first(slice)?)));
    let Some((place, row)) = found else { return };
    let mut behind = slices.split_off(place);
    let kept = behind[0].split_to(row);
    if !kept.rows.is_empty() {
        slices.push(kept);
    }
    behind.extend(rest.begun.take());
    behind.extend(rest.slices.by_ref());
    rest.slices = behind.into_iter();
}

/// Bounds of several pieces or pages.
#[derive(Default, Clone)]
enum Merged {
    /// No value so far.
    #[default]
    Empty,
    Found(Bounds),
    /// Some values have no bounds.
    Unknown,
}

impl Merged {
    fn merge(self, other: Merged) -> Self {
        match (self, other) {
            (Merged::Unknown, _) | (_, Merged::Unknown) => Merged::Unknown,
            (known, Merged::Empty) | (Merged::Empty, known) => known,
            (Merged::Found(known), Merged::Found(bounds)) => {
                known.merge(&bounds).map_or(Merged::Unknown, Merged::Found)
            }
        }
    }

    /// The bounds, unless they are too long to be written.
    fn short(self) -> Self {
        match self {
            Merged::Found(bounds) if bounds.is_long() => Merged::Unknown,
            other => other,
        }
    }
}

/// The dictionary of a column chunk, in order of first occurrence.
#[derive(Default)]
struct MergedDictionary {
    values: Distinct,
    table: HashTable<u32>,
    hasher: ahash::RandomState,
    /// For each key of the current piece, the key here.
    places: Vec<u32>,
}

impl MergedDictionary {
    /// Adds values of a piece and appends their keys here; `false` if one did not fit.
    fn append(&mut self, piece: &Keys, values: &[u32], keys: &mut Vec<u32>) -> bool {
        const NONE: u32 = u32::MAX;
        let room = MAX_DICTIONARY_BYTES - self.values.plain.len();
        self.places.clear();
        if values.len() == piece.keys.len() && piece.distinct.plain.len() <= room {
            // All of them, in order of first occurrence.
            for key in 0..piece.distinct.len() as u32 {
                let place = self.place(piece.distinct.get(key));
                self.places.push(place);
            }
            keys.extend(values.iter().map(|key| self.places[*key as usize]));
            return true;
        }
        self.places.resize(piece.distinct.len(), NONE);
        for key in values {
            if self.places[*key as usize] == NONE {
                let value = piece.distinct.get(*key);
                if self.values.plain.len() + value.len() > MAX_DICTIONARY_BYTES && !self.has(value) {
                    return false;
                }
                self.places[*key as usize] = self.place(value);
            }
            keys.push(self.places[*key as usize]);
        }
        true
    }

    fn has(&self, value: &[u8]) -> bool {
        let hash = self.hasher.hash_one(value);
        self.table.find(hash, |place| self.values.get(*place) == value).is_some()
    }

    fn place(&mut self, value: &[u8]) -> u32 {
        let MergedDictionary { values, table, hasher, .. } = self;
        let hash = hasher.hash_one(value);
        if let Some(place) = table.find(hash, |place| values.get(*place) == value) {
            return *place;
        }
        let place = values.len() as u32;
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
    use arrow::datatypes::SchemaRef;
    use bytes::Bytes;
    use parquet::arrow::arrow_reader::{
        ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
    };
    use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
    use proptest::prelude::*;

    /// A file with one row group made from these chunks.
    fn file(chunks: &[RecordBatch], limits: PageLimits) -> Bytes {
        let schema = chunks[0].schema();
        let encoder = Encoder::new(&schema, Codec::SNAPPY).expect("an encoder");
        let mut chunk_encoder = encoder.chunk_encoder();
        let pieces = chunks.iter().map(|chunk| chunk_encoder.encode_batch(chunk).expect("encoded")).collect();
        file_of(&encoder, &schema, pieces, limits)
    }

    fn file_of(encoder: &Encoder, schema: &SchemaRef, pieces: Vec<EncodedRows>, limits: PageLimits) -> Bytes {
        let mut column_encoder =
            ColumnEncoder::new(Codec::SNAPPY, Buffers::default()).expect("an encoder of columns");
        let columns = encoder.columns_of(pieces).expect("as many columns as declared");
        let declared = encoder.descriptor().columns().iter().enumerate();
        let chunks = declared.zip(columns).map(|((number, column), pieces)| {
            column_chunk(column, number == 0, pieces, limits, &mut column_encoder).expect("a column chunk")
        });
        let group = encoder.join(chunks.collect()).expect("a row group");
        let mut assembler = Assembler::new(encoder.descriptor().clone(), vec![arrow_schema(schema)]);
        assembler.add(&group).expect("entered");
        let mut file = MAGIC.to_vec();
        group.bytes.iter().for_each(|bytes| file.extend_from_slice(bytes));
        file.extend_from_slice(&assembler.finish().expect("a footer"));
        file.into()
    }

    fn pages_of(rows: usize) -> PageLimits {
        PageLimits { rows, ..PAGES }
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
        reader(&file(chunks, pages_of(1000))).metadata().clone()
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
        assert!(is_sorted(&[&[a, a, a, a], &[b, z]]), "values of a chunk that do not repeat");
    }

    #[test]
    fn keys_of_several_chunks_make_one_page() {
        let chunk = texts(&[Some("a"), None, Some("b"), Some("a"), Some("b"), Some("a")]);
        let file = file(&[chunk.clone(), chunk.clone(), chunk.clone()], pages_of(13));
        let reader = reader(&file);
        let indexes = reader.metadata().page_index_for_row_group(0);
        let pages = indexes.offset_index(0).expect("an offset index").page_locations();
        assert_eq!(pages.iter().map(|page| page.first_row_index).collect::<Vec<_>>(), [0, 13]);
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
        let file = file(&chunks, pages_of(1000));
        let found = reader(&file);
        assert!(found.metadata().row_group(0).sorting_columns().is_none());
        let indexes = found.metadata().page_index_for_row_group(0);
        let pages = indexes.offset_index(0).expect("an offset index").page_locations();
        let starts: Vec<i64> = pages.iter().map(|page| page.first_row_index).collect();
        // The dictionary has room for 52 texts of 20 kB, which occur four times each; twelve of the following ones fill
        // a page.
        assert_eq!(starts, [0, 208, 220, 232, 244, 256, 268, 280, 292, 304, 316]);
        let expected = concat_batches(&chunks[0].schema(), &chunks).expect("one batch");
        assert_eq!(rows_of(found).columns(), expected.columns());
    }

    #[test]
    fn columns_of_other_values_in_each_row_have_no_dictionary() {
        let ids = |range: Range<usize>| {
            let ids: ArrayRef = Arc::new(StringArray::from_iter_values(range.map(|i| format!("id {i:04}"))));
            RecordBatch::try_from_iter_with_nullable([("id", ids, true)]).expect("a batch")
        };
        let metadata = footer(&[ids(0..7), ids(7..20)]);
        let chunk = metadata.row_group(0).column(0);
        assert!(chunk.dictionary_page_offset().is_none());
        assert!(metadata.row_group(0).sorting_columns().is_some(), "sorted all the same");
    }

    #[test]
    fn a_text_too_long_for_a_bound_matters_only_where_it_is_one() {
        let (least, long, greatest) = ("a", "m".repeat(100), "z");
        let both = texts(&[Some(least), Some(&long), Some(greatest)]);
        for chunks in [vec![both.clone()], vec![both.slice(0, 2), both.slice(2, 1)]] {
            let metadata = footer(&chunks);
            let statistics = metadata.row_group(0).column(0).statistics().expect("statistics");
            assert_eq!(statistics.min_bytes_opt(), Some(least.as_bytes()));
            assert_eq!(statistics.max_bytes_opt(), Some(greatest.as_bytes()));
        }
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
            rows in 1usize..120,
            plain in 1usize..300,
            from in 0usize..100,
            count in 1usize..50,
            cut in 0usize..200,
        ) {
            let chunks: Vec<RecordBatch> = chunks.iter().map(|rows| batch(rows)).collect();
            let all = concat_batches(&chunks[0].schema(), &chunks).expect("one batch");
            let file = file(&chunks, PageLimits { rows, plain });
            let found = rows_of(reader(&file));
            prop_assert_eq!(found.columns(), all.columns());

            // However the rows are divided into chunks, and whichever chunks a row group takes them from.
            prop_assert_eq!(&self::file(std::slice::from_ref(&all), PageLimits { rows, plain }), &file);
            let schema = all.schema();
            let encoder = Encoder::new(&schema, Codec::SNAPPY).expect("an encoder");
            let mut chunk_encoder = encoder.chunk_encoder();
            let twice = concat_batches(&schema, [&all, &all, &all]).expect("one batch");
            let larger = chunk_encoder.encode_batch(&twice).expect("encoded");
            let middle = larger.slice(all.num_rows()..2 * all.num_rows());
            let (left, right) = (middle.slice(0..cut.min(middle.rows())), middle.slice(cut.min(middle.rows())..middle.rows()));
            prop_assert_eq!(left.weight() + right.weight(), middle.weight());
            prop_assert_eq!(middle.weight() * 3, larger.weight());
            let limits = PageLimits { rows, plain };
            prop_assert_eq!(&file_of(&encoder, &schema, vec![left, right], limits), &file);

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
