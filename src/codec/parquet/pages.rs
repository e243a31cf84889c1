//! Checks the pages of a Parquet column chunk that is copied byte by byte, and finds what readers of the copy would
//! fail on: pages that do not fit together, that do not add up to what the footer says about the chunk, or whose
//! checksum is wrong. Takes bytes as they arrive; never decompresses.

use super::encoded::PageIndex;
use super::thrift::{FALSE, INT32, STRUCT, Stop, TRUE, Thrift};

use crc32fast::Hasher;
use parquet::basic::{Compression as Codec, Encoding, Type as Physical};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::schema::types::ColumnDescPtr;

/// A page header has a few dozen bytes, or a few hundred with statistics; this is far more.
const MAX_HEADER_BYTES: usize = 1024 * 1024;

/// The most bytes of a page before compression, because readers allocate what a header promises.
pub(crate) const MAX_PAGE_BYTES: u64 = 256 * 1024 * 1024;

/// What a footer says about a column chunk.
#[derive(Debug)]
pub(crate) struct ChunkClaims {
    column: ColumnDescPtr,
    codec: Codec,
    rows: u64,
    values: u64,
    /// The number of nulls, if it is given.
    nulls: Option<u64>,
    /// Bytes before compression.
    unpacked: u64,
    /// Encodings of values and levels; some writers list none.
    encodings: Vec<Encoding>,
    /// Encodings of the values of data pages, if they are listed separately.
    value_encodings: Vec<Encoding>,
    /// Where the data pages begin within the chunk, if that is given separately.
    data_start: Option<u64>,
}

impl ChunkClaims {
    pub(crate) fn of(group: &RowGroupMetaData, column: usize) -> Self {
        let chunk = group.column(column);
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let nulls = chunk.statistics().and_then(|statistics| statistics.null_count_opt());
        ChunkClaims {
            column: chunk.column_descr_ptr(),
            codec: chunk.compression(),
            rows: count(group.num_rows()),
            values: count(chunk.num_values()),
            nulls,
            unpacked: count(chunk.uncompressed_size()),
            encodings: chunk.encodings().collect(),
            value_encodings: chunk
                .page_encoding_stats_mask()
                .map_or(Vec::new(), |mask| mask.encodings().collect()),
            data_start: chunk
                .dictionary_page_offset()
                .map(|start| count(chunk.data_page_offset()).saturating_sub(count(start))),
        }
    }

    /// Whether each row has exactly one value or null.
    fn is_flat(&self) -> bool {
        self.column.max_rep_level() == 0
    }
}

/// What is wrong with the pages of a column chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PageProblem {
    Damaged(String),
    /// A page has this many bytes before compression.
    TooLarge(u64),
}

impl From<String> for PageProblem {
    fn from(problem: String) -> Self {
        PageProblem::Damaged(problem)
    }
}

impl From<&str> for PageProblem {
    fn from(problem: &str) -> Self {
        PageProblem::Damaged(problem.to_owned())
    }
}

impl PageProblem {
    pub(crate) fn cut_off() -> Self {
        "a page is cut off at the end of its column chunk".into()
    }
}

/// A checked data page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataPage {
    /// The position of its header within the column chunk.
    pub(crate) start: u64,
    /// Bytes, including the header.
    pub(crate) length: u64,
    /// The index of its first row within the row group, if that is known.
    pub(crate) first_row: Option<u64>,
}

/// The pages of a checked column chunk.
#[derive(Debug, Default)]
pub(crate) struct WalkedChunk {
    pub(crate) data_pages: Vec<DataPage>,
    /// Whether the pages gave their number of rows, not only of values.
    pub(crate) rows_are_known: bool,
}

impl WalkedChunk {
    /// Whether an offset index matches these pages, for a chunk that begins at `start` in the file.
    pub(crate) fn has_index(&self, (values, offsets): &PageIndex, start: u64) -> bool {
        let is_here = |(page, place): (&DataPage, &PageLocation)| {
            u64::try_from(place.offset) == Ok(start + page.start)
                && u64::try_from(place.compressed_page_size) == Ok(page.length)
                && page.first_row.is_none_or(|row| u64::try_from(place.first_row_index) == Ok(row))
        };
        let pages = &self.data_pages;
        let is_as_long = |values: &ColumnIndexMetaData| values.num_pages() == pages.len() as u64;
        values.as_ref().is_none_or(is_as_long)
            && offsets.as_ref().is_none_or(|offsets| {
                let places = offsets.page_locations();
                places.len() == pages.len() && pages.iter().zip(places).all(is_here)
            })
    }
}

/// The state between two pieces of a column chunk.
#[derive(Debug)]
pub(crate) struct PageWalker {
    claims: ChunkClaims,
    /// Bytes processed.
    position: u64,
    /// The start of an incomplete header.
    header: Vec<u8>,
    page: Option<OpenPage>,
    sums: Sums,
    data_pages: Vec<DataPage>,
}

/// The sums over the pages.
#[derive(Debug, Default)]
struct Sums {
    has_dictionary: bool,
    /// Values of data pages.
    values: u64,
    nulls: u64,
    rows: u64,
    /// Some data page did not give its number of rows or nulls.
    is_vague: bool,
    headers: u64,
    /// Contents before compression.
    contents: u64,
}

/// A page whose header was read.
#[derive(Debug)]
struct OpenPage {
    left: u64,
    checksum: Option<(u32, Hasher)>,
    beginning: Option<Beginning>,
}

impl PageWalker {
    pub(crate) fn new(claims: ChunkClaims) -> Self {
        PageWalker {
            claims,
            position: 0,
            header: Vec::new(),
            page: None,
            sums: Sums::default(),
            data_pages: Vec::new(),
        }
    }

    /// Processes the next bytes of the column chunk.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), PageProblem> {
        while !bytes.is_empty() {
            let Some(page) = &mut self.page else {
                bytes = self.feed_header(bytes)?;
                continue;
            };
            let length = bytes.len().min(usize::try_from(page.left).unwrap_or(usize::MAX));
            let (data, rest) = bytes.split_at(length);
            if let Some((_, hasher)) = &mut page.checksum {
                hasher.update(data);
            }
            if let Some(beginning) = &mut page.beginning
                && beginning.feed(data)?
            {
                page.beginning = None;
            }
            page.left -= length as u64;
            self.position += length as u64;
            bytes = rest;
            self.close_full_page()?;
        }
        Ok(())
    }

    /// Skips the following bytes that need not be seen, and returns their number.
    pub(crate) fn skip(&mut self) -> Result<u64, PageProblem> {
        let Some(page) = self.page.as_mut().filter(|page| page.checksum.is_none()) else { return Ok(0) };
        let length =
            page.beginning.as_mut().map_or(page.left, |beginning| std::mem::take(&mut beginning.after));
        page.left -= length;
        self.position += length;
        self.close_full_page()?;
        Ok(length)
    }

    /// Within a page with a checksum, all bytes must be seen.
    pub(crate) fn is_checking(&self) -> bool {
        self.page.as_ref().is_some_and(|page| page.checksum.is_some())
    }

    /// The column chunk has ended.
    pub(crate) fn finish(self) -> Result<WalkedChunk, PageProblem> {
        if self.page.is_some() || !self.header.is_empty() {
            return Err(PageProblem::cut_off());
        }
        let PageWalker { claims, sums, data_pages, .. } = self;
        if sums.values != claims.values {
            let (found, said) = (sums.values, claims.values);
            return Err(format!("its pages hold {found} values, the footer says {said}").into());
        }
        let rows = if claims.is_flat() { sums.values } else { sums.rows };
        let rows_are_known = claims.is_flat() || !sums.is_vague;
        // A row has at least one value or null.
        if (rows_are_known && rows != claims.rows) || sums.values < claims.rows {
            let rows = if rows_are_known { rows } else { sums.values };
            return Err(format!("its pages hold {rows} rows, the footer says {}", claims.rows).into());
        }
        if let Some(nulls) = claims.nulls
            && !sums.is_vague
            && sums.nulls != nulls
        {
            return Err(format!("its pages hold {} nulls, the footer says {nulls}", sums.nulls).into());
        }
        // Writers differ in whether headers count.
        if ![sums.contents + sums.headers, sums.contents].contains(&claims.unpacked) {
            let found = sums.contents + sums.headers;
            let said = claims.unpacked;
            return Err(
                format!("its pages have {found} bytes before compression, the footer says {said}").into()
            );
        }
        if let (Some(said), Some(first)) = (claims.data_start, data_pages.first())
            && first.start != said
        {
            return Err("its data pages do not begin where the footer says".into());
        }
        Ok(WalkedChunk { data_pages, rows_are_known })
    }

    fn close_full_page(&mut self) -> Result<(), PageProblem> {
        let Some(page) = self.page.take_if(|page| page.left == 0) else { return Ok(()) };
        if let Some(beginning) = page.beginning {
            beginning.check()?;
        }
        if let Some((expected, hasher)) = page.checksum {
            let found = hasher.finalize();
            if found != expected {
                let problem = format!("a page's checksum is {found:08x}, its header says {expected:08x}");
                return Err(problem.into());
            }
        }
        Ok(())
    }

    /// Reads a header that may have begun in an earlier piece; returns the bytes after it.
    fn feed_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], PageProblem> {
        let before = self.header.len();
        let (parsed, seen) = if before == 0 {
            (parse_header(bytes), bytes.len())
        } else {
            self.header.extend_from_slice(&bytes[..bytes.len().min(MAX_HEADER_BYTES)]);
            (parse_header(&self.header), self.header.len())
        };
        match parsed {
            Parsed::Header(header) => {
                self.header.clear();
                let rest = &bytes[header.length - before..];
                self.open(&header)?;
                self.close_full_page()?;
                Ok(rest)
            }
            Parsed::Incomplete if seen >= MAX_HEADER_BYTES => Err("a page header has no end".into()),
            Parsed::Incomplete => {
                if before == 0 {
                    self.header.extend_from_slice(bytes);
                }
                Ok(&[])
            }
            Parsed::Damaged(problem) => Err(problem.into()),
        }
    }

    /// Begins a page whose header was read.
    fn open(&mut self, header: &PageHeader) -> Result<(), PageProblem> {
        if header.unpacked > MAX_PAGE_BYTES {
            return Err(PageProblem::TooLarge(header.unpacked));
        }
        // Readers reject the whole column, even if none of its pages is compressed.
        if self.claims.codec == Codec::LZO {
            return Err("its pages are compressed with LZO, which is not supported".into());
        }
        let (levels, is_compressed) = match &header.contents {
            Contents::Data(page) => {
                self.data_page(header, page)?;
                (page.levels, page.is_compressed)
            }
            Contents::Dictionary { values, encoding } => {
                self.dictionary_page(header, *values, *encoding)?;
                (0, true)
            }
            Contents::Unknown => (0, true),
        };
        let codec = if is_compressed { self.claims.codec } else { Codec::UNCOMPRESSED };
        let values = header.size.checked_sub(levels).zip(header.unpacked.checked_sub(levels));
        let (size, unpacked) = values.ok_or("the levels of a page are longer than the page")?;
        let beginning = Beginning::expected(codec, levels, size, unpacked)?;
        self.sums.headers += header.length as u64;
        self.sums.contents += header.unpacked;
        self.position += header.length as u64;
        self.page = Some(OpenPage {
            left: header.size,
            checksum: header.checksum.map(|crc| (crc, Hasher::new())),
            beginning: if matches!(header.contents, Contents::Unknown) { None } else { beginning },
        });
        Ok(())
    }

    fn dictionary_page(
        &mut self,
        header: &PageHeader,
        values: u64,
        encoding: i64,
    ) -> Result<(), PageProblem> {
        if self.sums.has_dictionary || !self.data_pages.is_empty() {
            return Err("a dictionary is not the first page of its column chunk".into());
        }
        self.sums.has_dictionary = true;
        if !matches!(encoding_of(encoding)?, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY) {
            return Err("a dictionary is not encoded as plain values".into());
        }
        let fits = match width_of(&self.claims.column) {
            Some(width) => values.checked_mul(width) == Some(header.unpacked),
            // Each value is preceded by its length.
            None => values.checked_mul(4).is_some_and(|least| least <= header.unpacked),
        };
        match fits {
            true => Ok(()),
            false => {
                let bytes = header.unpacked;
                Err(format!("a dictionary of {values} values does not fit its {bytes} bytes").into())
            }
        }
    }

    fn data_page(&mut self, header: &PageHeader, page: &DataHeader) -> Result<(), PageProblem> {
        let encoding = encoding_of(page.encoding)?;
        if is_dictionary(encoding) && !self.sums.has_dictionary {
            return Err("a page refers to a dictionary that does not exist".into());
        }
        let is_same =
            |known: &Encoding| *known == encoding || (is_dictionary(*known) && is_dictionary(encoding));
        let mut told = [&self.claims.encodings, &self.claims.value_encodings].into_iter();
        let is_told = told.all(|told| told.is_empty() || told.iter().any(is_same));
        let column = &self.claims.column;
        if !is_told || !encodes(encoding, column.physical_type()) {
            return Err(format!("a page has the encoding {encoding}, which its column does not have").into());
        }
        let levels = [(column.max_def_level(), page.definition), (column.max_rep_level(), page.repetition)];
        for (most, encoding) in levels {
            let Some(encoding) = encoding.map(encoding_of).transpose()? else { continue };
            let told = &self.claims.encodings;
            let fits = match encoding {
                Encoding::RLE => true,
                LEVELS_OF_OLD => told.is_empty() || told.contains(&LEVELS_OF_OLD),
                _ => false,
            };
            if most > 0 && !fits {
                return Err("the levels of a page have an encoding that levels cannot have".into());
            }
        }
        let is_flat = self.claims.is_flat();
        let first_row = match (is_flat, self.sums.is_vague) {
            (true, _) => Some(self.sums.values),
            (false, false) => Some(self.sums.rows),
            (false, true) => None,
        };
        let length = header.length as u64 + header.size;
        self.sums.values += page.values;
        match page.counted {
            None => self.sums.is_vague = true,
            Some(Counted { nulls, rows }) => {
                let rows_fit = if is_flat { rows == page.values } else { rows <= page.values };
                let nulls_fit = nulls <= page.values && (nulls == 0 || column.max_def_level() > 0);
                if !rows_fit || !nulls_fit {
                    let values = page.values;
                    return Err(
                        format!("a page of {values} values claims {rows} rows and {nulls} nulls").into()
                    );
                }
                self.sums.rows += rows;
                self.sums.nulls += nulls;
            }
        }
        // The start of a page without a row count is known, but not the start of later pages.
        self.data_pages.push(DataPage { start: self.position, length, first_row });
        Ok(())
    }
}

#[expect(deprecated, reason = "files that were written long ago have it")]
const LEVELS_OF_OLD: Encoding = Encoding::BIT_PACKED;

fn is_dictionary(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY)
}

/// The format's encoding with this number.
fn encoding_of(number: i64) -> Result<Encoding, PageProblem> {
    Ok(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        4 => LEVELS_OF_OLD,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return Err(format!("a page has the unknown encoding number {number}").into()),
    })
}

/// Whether values of a type can have this encoding.
fn encodes(encoding: Encoding, physical: Physical) -> bool {
    use Physical::{BOOLEAN, BYTE_ARRAY, DOUBLE, FIXED_LEN_BYTE_ARRAY, FLOAT, INT32, INT64};
    match encoding {
        Encoding::PLAIN => true,
        Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY => physical != BOOLEAN,
        Encoding::RLE => physical == BOOLEAN,
        Encoding::DELTA_BINARY_PACKED => matches!(physical, INT32 | INT64),
        Encoding::DELTA_LENGTH_BYTE_ARRAY => physical == BYTE_ARRAY,
        Encoding::DELTA_BYTE_ARRAY => matches!(physical, BYTE_ARRAY | FIXED_LEN_BYTE_ARRAY),
        Encoding::BYTE_STREAM_SPLIT => {
            matches!(physical, FLOAT | DOUBLE | INT32 | INT64 | FIXED_LEN_BYTE_ARRAY)
        }
        _ => false,
    }
}

/// Bytes of each value of a column, if all have the same.
fn width_of(column: &ColumnDescPtr) -> Option<u64> {
    match column.physical_type() {
        Physical::INT32 | Physical::FLOAT => Some(4),
        Physical::INT64 | Physical::DOUBLE => Some(8),
        Physical::INT96 => Some(12),
        Physical::FIXED_LEN_BYTE_ARRAY => u64::try_from(column.type_length()).ok(),
        Physical::BOOLEAN | Physical::BYTE_ARRAY => None,
    }
}

/// The first bytes of compressed values, by which most codecs can be recognized.
#[derive(Debug)]
struct Beginning {
    codec: Codec,
    unpacked: u64,
    /// Bytes of the page before them.
    after: u64,
    wanted: usize,
    seen: Vec<u8>,
}

impl Beginning {
    /// What compressed values must begin with, if that is known; `size` and `unpacked` are the sizes of the values.
    fn expected(codec: Codec, after: u64, size: u64, unpacked: u64) -> Result<Option<Self>, PageProblem> {
        let wanted = match codec {
            Codec::UNCOMPRESSED if size == unpacked => 0,
            Codec::UNCOMPRESSED => {
                let problem = format!("an uncompressed page has {size} bytes, its header says {unpacked}");
                return Err(problem.into());
            }
            // Some writers compress empty input to empty output.
            _ if unpacked == 0 => 0,
            // The length before compression, as a 32-bit varint.
            Codec::SNAPPY => 5,
            Codec::GZIP(_) => GZIP.len(),
            Codec::ZSTD(_) => ZSTD.len(),
            // These have no known beginning.
            Codec::LZ4 | Codec::LZ4_RAW | Codec::BROTLI(_) | Codec::LZO => usize::from(size == 0),
        };
        let wanted = wanted.min(usize::try_from(size).unwrap_or(usize::MAX).max(1));
        Ok((wanted > 0).then(|| Beginning { codec, unpacked, after, wanted, seen: Vec::new() }))
    }

    /// Takes the next bytes of the page; returns whether all wanted bytes were seen and correct.
    fn feed(&mut self, bytes: &[u8]) -> Result<bool, PageProblem> {
        let skipped = usize::try_from(self.after).unwrap_or(usize::MAX).min(bytes.len());
        self.after -= skipped as u64;
        let rest = &bytes[skipped..];
        self.seen.extend_from_slice(&rest[..rest.len().min(self.wanted - self.seen.len())]);
        if self.seen.len() < self.wanted {
            return Ok(false);
        }
        self.check().map(|()| true)
    }

    fn check(&self) -> Result<(), PageProblem> {
        let fits = match self.codec {
            Codec::SNAPPY => Thrift::new(&self.seen).varint().is_ok_and(|length| length == self.unpacked),
            Codec::GZIP(_) => self.seen == GZIP,
            Codec::ZSTD(_) => self.seen == ZSTD,
            _ => !self.seen.is_empty(),
        };
        match fits {
            true => Ok(()),
            false => Err(format!("a page is not compressed with {}, as the footer says", self.codec).into()),
        }
    }
}

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The announced size of a page before compression, from the header at the start of these bytes; `None` if the header
/// is incomplete.
pub(crate) fn unpacked_size(bytes: &[u8]) -> Option<u64> {
    match parse_header(bytes) {
        Parsed::Header(header) => Some(header.unpacked),
        _ => None,
    }
}

enum Parsed {
    Header(PageHeader),
    Incomplete,
    Damaged(&'static str),
}

/// The fields of a `PageHeader` that copying needs.
struct PageHeader {
    length: usize,
    /// Bytes of the page after the header.
    size: u64,
    /// Bytes before compression.
    unpacked: u64,
    checksum: Option<u32>,
    contents: Contents,
}

enum Contents {
    Data(DataHeader),
    Dictionary {
        values: u64,
        encoding: i64,
    },
    /// A page of a kind that readers ignore.
    Unknown,
}

struct DataHeader {
    values: u64,
    encoding: i64,
    /// Encodings of levels, if several are possible.
    definition: Option<i64>,
    repetition: Option<i64>,
    counted: Option<Counted>,
    /// Bytes of levels that are never compressed.
    levels: u64,
    is_compressed: bool,
}

/// The additional fields of version 2 pages.
#[derive(Clone, Copy)]
struct Counted {
    nulls: u64,
    rows: u64,
}

/// Integers of a struct by their IDs, if less than 8; other fields are skipped.
#[derive(Default)]
struct Numbers([Option<i64>; 8]);

impl Numbers {
    fn read(thrift: &mut Thrift<'_>) -> Result<Self, Stop> {
        let mut numbers = Numbers::default();
        thrift.fields(|thrift, id, kind| {
            let Some(place) = usize::try_from(id).ok().and_then(|id| numbers.0.get_mut(id)) else {
                return Ok(false);
            };
            *place = match kind {
                INT32 => Some(thrift.zigzag()?),
                TRUE => Some(1),
                FALSE => Some(0),
                _ => return Ok(false),
            };
            Ok(true)
        })?;
        Ok(numbers)
    }

    /// A required number.
    fn get(&self, id: usize) -> Option<i64> {
        self.0[id]
    }

    /// A required count.
    fn count(&self, id: usize) -> Option<u64> {
        self.get(id).and_then(|number| u64::try_from(number).ok())
    }
}

/// Reads a `PageHeader`.
fn parse_header(bytes: &[u8]) -> Parsed {
    let mut thrift = Thrift::new(bytes);
    let (mut kind, mut unpacked, mut size, mut checksum) = (None, None, None, None);
    let (mut data, mut dictionary, mut data_2) = (None, None, None);
    let outcome = thrift.fields(|thrift, id, field_type| {
        match (id, field_type) {
            (1, INT32) => kind = Some(thrift.zigzag()?),
            (2, INT32) => unpacked = Some(thrift.zigzag()?),
            (3, INT32) => size = Some(thrift.zigzag()?),
            (4, INT32) => checksum = Some(thrift.zigzag()?),
            (5, STRUCT) => data = Some(Numbers::read(thrift)?),
            (7, STRUCT) => dictionary = Some(Numbers::read(thrift)?),
            (8, STRUCT) => data_2 = Some(Numbers::read(thrift)?),
            _ => return Ok(false),
        }
        Ok(true)
    });
    match outcome {
        Err(Stop::Short) => return Parsed::Incomplete,
        Err(Stop::Damaged) => return Parsed::Damaged("a page header is damaged"),
        Ok(()) => {}
    }
    let contents = match kind {
        Some(0) => data.and_then(|page| data_header(&page)).map(Contents::Data),
        Some(1) => Some(Contents::Unknown),
        Some(2) => dictionary
            .and_then(|page| Some(Contents::Dictionary { values: page.count(1)?, encoding: page.get(2)? })),
        Some(3) => data_2.and_then(|page| data_header_2(&page)).map(Contents::Data),
        _ => None,
    };
    let count = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok()).map(u64::from);
    match (contents, count(size), count(unpacked)) {
        (Some(contents), Some(size), Some(unpacked)) => Parsed::Header(PageHeader {
            length: thrift.position,
            size,
            unpacked,
            // Unsigned 32 bits, stored as signed.
            checksum: checksum.map(|crc| crc as u32),
            contents,
        }),
        _ => Parsed::Damaged("a page header lacks its type, its sizes or its counts"),
    }
}

/// A `DataPageHeader`.
fn data_header(page: &Numbers) -> Option<DataHeader> {
    Some(DataHeader {
        values: page.count(1)?,
        encoding: page.get(2)?,
        definition: Some(page.get(3)?),
        repetition: Some(page.get(4)?),
        counted: None,
        levels: 0,
        is_compressed: true,
    })
}

/// A `DataPageHeaderV2`.
fn data_header_2(page: &Numbers) -> Option<DataHeader> {
    Some(DataHeader {
        values: page.count(1)?,
        encoding: page.get(4)?,
        definition: None,
        repetition: None,
        counted: Some(Counted { nulls: page.count(2)?, rows: page.count(3)? }),
        levels: page.count(5)?.checked_add(page.count(6)?)?,
        is_compressed: page.get(7) != Some(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
    use parquet::file::properties::{WriterProperties, WriterVersion};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn written(properties: WriterProperties) -> (Vec<u8>, ParquetMetaData) {
        let rows = 5000;
        let text: ArrayRef = Arc::new(StringArray::from_iter(
            (0..rows).map(|i| (i % 9 > 0).then(|| format!("item_{}", i % 700))),
        ));
        let numbers: ArrayRef =
            Arc::new(Float64Array::from_iter_values((0..rows).map(|i| f64::from(i) / 7.0)));
        let batch = RecordBatch::try_from_iter([("text", text), ("numbers", numbers)]).expect("a batch");
        let mut writer =
            ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a writer");
        writer.write(&batch).expect("written");
        let metadata = writer.finish().expect("finished");
        (std::mem::take(writer.inner_mut()), metadata)
    }

    fn file() -> (Vec<u8>, ParquetMetaData) {
        let properties = WriterProperties::builder()
            .set_data_page_row_count_limit(512)
            .set_write_batch_size(256)
            .set_write_page_header_statistics(true);
        written(properties.build())
    }

    fn claims(metadata: &ParquetMetaData, column: usize) -> ChunkClaims {
        ChunkClaims::of(metadata.row_group(0), column)
    }

    fn chunk<'a>(bytes: &'a [u8], column: &ColumnChunkMetaData) -> &'a [u8] {
        let (start, length) = column.byte_range();
        &bytes[start as usize..(start + length) as usize]
    }

    fn walk(claims: ChunkClaims, bytes: &[u8], piece: usize) -> Result<WalkedChunk, PageProblem> {
        let mut walker = PageWalker::new(claims);
        bytes.chunks(piece).try_for_each(|piece| walker.feed(piece))?;
        walker.finish()
    }

    fn problem(claims: ChunkClaims, bytes: &[u8]) -> String {
        match walk(claims, bytes, 100).expect_err("a problem") {
            PageProblem::Damaged(problem) => problem,
            PageProblem::TooLarge(size) => format!("{size} bytes"),
        }
    }

    #[test]
    fn whole_column_chunks_pass_in_pieces_of_any_size() {
        let (bytes, metadata) = file();
        for (i, column) in metadata.row_group(0).columns().iter().enumerate() {
            let chunk = chunk(&bytes, column);
            for piece in [1, 7, 64, 1000, chunk.len()] {
                let walked = walk(claims(&metadata, i), chunk, piece).expect("whole pages");
                assert_eq!((walked.data_pages.len(), walked.rows_are_known), (10, true), "pieces of {piece}");
                assert_eq!(walked.data_pages[3].first_row, Some(1536));
                let index = &super::super::orders::row_group_of(&metadata, 0).expect("a row group").1[i];
                assert!(walked.has_index(index, column.byte_range().0));
                assert!(!walked.has_index(index, column.byte_range().0 + 1));
            }
            assert!(walk(claims(&metadata, i), &chunk[..chunk.len() - 1], 100).is_err());
        }
    }

    #[test]
    fn pages_without_checksums_can_be_skipped() {
        let (bytes, metadata) = file();
        let chunk = chunk(&bytes, metadata.row_group(0).column(1));
        let mut walker = PageWalker::new(claims(&metadata, 1));
        let (mut at, mut seen) = (0, 0);
        while at < chunk.len() {
            let end = chunk.len().min(at + 64);
            walker.feed(&chunk[at..end]).expect("whole pages");
            seen += end - at;
            at = end + walker.skip().expect("whole pages") as usize;
        }
        assert_eq!(at, chunk.len());
        assert_eq!(walker.finish().expect("whole pages").data_pages.len(), 10);
        assert!(seen * 4 < chunk.len(), "{seen} of {} bytes", chunk.len());
    }

    #[test]
    fn what_a_footer_says_must_be_what_the_pages_hold() {
        let (bytes, metadata) = file();
        let chunk = chunk(&bytes, metadata.row_group(0).column(0));
        let claims = || claims(&metadata, 0);
        assert_eq!(
            problem(ChunkClaims { values: 5001, ..claims() }, chunk),
            "its pages hold 5000 values, the footer says 5001"
        );
        assert_eq!(
            problem(ChunkClaims { rows: 4999, ..claims() }, chunk),
            "its pages hold 5000 rows, the footer says 4999"
        );
        let unpacked = claims().unpacked;
        assert_eq!(
            problem(ChunkClaims { unpacked: unpacked + 1, ..claims() }, chunk),
            format!("its pages have {unpacked} bytes before compression, the footer says {}", unpacked + 1)
        );
        assert_eq!(
            problem(ChunkClaims { data_start: Some(7), ..claims() }, chunk),
            "its data pages do not begin where the footer says"
        );
        assert_eq!(
            problem(ChunkClaims { encodings: vec![Encoding::PLAIN], ..claims() }, chunk),
            "a page has the encoding RLE_DICTIONARY, which its column does not have"
        );
        assert_eq!(
            problem(ChunkClaims { value_encodings: vec![Encoding::PLAIN], ..claims() }, chunk),
            "a page has the encoding RLE_DICTIONARY, which its column does not have"
        );
    }

    #[test]
    fn a_codec_is_known_by_how_pages_begin() {
        let codecs = [
            Codec::UNCOMPRESSED,
            Codec::SNAPPY,
            Codec::GZIP(Default::default()),
            Codec::ZSTD(Default::default()),
        ];
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for codec in codecs {
                let properties =
                    WriterProperties::builder().set_compression(codec).set_writer_version(version);
                let (bytes, metadata) = written(properties.build());
                for column in 0..2 {
                    let chunk = chunk(&bytes, metadata.row_group(0).column(column));
                    for other in codecs {
                        let claims = ChunkClaims { codec: other, ..claims(&metadata, column) };
                        let walked = walk(claims, chunk, 50);
                        assert_eq!(walked.is_ok(), other == codec, "{other} for {codec}: {walked:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_codec_that_cannot_be_read_is_refused_even_where_no_page_is_compressed() {
        let page = page(&[0, 16, 16], 5, &[2, 0, 3, 3], &[0; 16]);
        assert_eq!(
            problem(ChunkClaims { codec: Codec::LZO, ..two_doubles() }, &page),
            "its pages are compressed with LZO, which is not supported"
        );
    }

    #[test]
    fn the_pages_of_the_second_version_count_nulls() {
        let properties = WriterProperties::builder().set_writer_version(WriterVersion::PARQUET_2_0);
        let (bytes, metadata) = written(properties.build());
        let chunk = chunk(&bytes, metadata.row_group(0).column(0));
        assert!(walk(claims(&metadata, 0), chunk, 100).is_ok());
        let lie = ChunkClaims { nulls: Some(555), ..claims(&metadata, 0) };
        assert_eq!(problem(lie, chunk), "its pages hold 556 nulls, the footer says 555");
    }

    /// A hand-made page header, whose fields are 32-bit numbers.
    fn page(numbers: &[i64], struct_field: u8, inner: &[i64], data: &[u8]) -> Vec<u8> {
        fn number(value: i64, out: &mut Vec<u8>) {
            out.push(0x15);
            let mut rest = ((value << 1) ^ (value >> 63)) as u64;
            while rest >= 0x80 {
                out.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            out.push(rest as u8);
        }
        let mut bytes = Vec::new();
        numbers.iter().for_each(|value| number(*value, &mut bytes));
        bytes.push((struct_field - numbers.len() as u8) << 4 | STRUCT);
        inner.iter().for_each(|value| number(*value, &mut bytes));
        bytes.extend([0, 0]);
        bytes.extend(data);
        bytes
    }

    /// A footer's claims about a required column of two doubles.
    fn two_doubles() -> ChunkClaims {
        let (_, metadata) = file();
        let claims = claims(&metadata, 1);
        let encodings = vec![Encoding::PLAIN];
        ChunkClaims {
            codec: Codec::UNCOMPRESSED,
            rows: 2,
            values: 2,
            nulls: None,
            unpacked: 16,
            encodings,
            value_encodings: Vec::new(),
            data_start: None,
            ..claims
        }
    }

    #[test]
    fn a_page_whose_checksum_fails_is_found() {
        let data = *b"sixteen bytes, o";
        let crc = i64::from(crc32fast::hash(&data) as i32);
        let mut page = page(&[0, 16, 16, crc], 5, &[2, 0, 3, 3], &data);
        assert!(walk(two_doubles(), &page, 3).is_ok());
        *page.last_mut().expect("bytes") ^= 1;
        assert!(problem(two_doubles(), &page).contains("checksum"));
    }

    #[test]
    fn a_page_that_promises_too_much_is_named_by_its_size() {
        let page = page(&[0, 1 << 30, 16], 5, &[2, 0, 3, 3], &[0; 16]);
        assert_eq!(walk(two_doubles(), &page, 100).expect_err("a problem"), PageProblem::TooLarge(1 << 30));
    }

    #[test]
    fn pages_that_no_reader_would_take_are_found() {
        let good = page(&[0, 16, 16], 5, &[2, 0, 3, 3], &[0; 16]);
        assert!(walk(two_doubles(), &good, 100).is_ok());
        let dictionary = page(&[2, 8, 8], 7, &[1, 0], &[0; 8]);
        for (chunk, expected) in [
            (
                [good.clone(), dictionary.clone()].concat(),
                "a dictionary is not the first page of its column chunk",
            ),
            (
                [dictionary.clone(), dictionary].concat(),
                "a dictionary is not the first page of its column chunk",
            ),
            (page(&[2, 8, 8], 7, &[2, 0], &[0; 8]), "a dictionary of 2 values does not fit its 8 bytes"),
            (page(&[2, 8, 8], 7, &[1, 3], &[0; 8]), "a dictionary is not encoded as plain values"),
            (page(&[0, 16, 16], 5, &[2, 77, 3, 3], &[0; 16]), "a page has the unknown encoding number 77"),
            (
                page(&[0, 16, 16], 5, &[2, 8, 3, 3], &[0; 16]),
                "a page refers to a dictionary that does not exist",
            ),
            (
                page(&[0, 16, 16], 5, &[2, 5, 3, 3], &[0; 16]),
                "a page has the encoding DELTA_BINARY_PACKED, which its column does not have",
            ),
            (
                page(&[0, 17, 16], 5, &[2, 0, 3, 3], &[0; 16]),
                "an uncompressed page has 16 bytes, its header says 17",
            ),
            (
                page(&[0, -16, 16], 5, &[2, 0, 3, 3], &[0; 16]),
                "a page header lacks its type, its sizes or its counts",
            ),
            (
                page(&[0, 16, 16], 7, &[2, 0, 3, 3], &[0; 16]),
                "a page header lacks its type, its sizes or its counts",
            ),
            (
                page(&[9, 16, 16], 5, &[2, 0, 3, 3], &[0; 16]),
                "a page header lacks its type, its sizes or its counts",
            ),
            (
                page(&[3, 16, 16], 8, &[2, 0, 1, 0, 0, 0], &[0; 16]),
                "a page of 2 values claims 1 rows and 0 nulls",
            ),
            (
                page(&[3, 16, 16], 8, &[2, 3, 2, 0, 0, 0], &[0; 16]),
                "a page of 2 values claims 2 rows and 3 nulls",
            ),
            (
                page(&[3, 16, 16], 8, &[2, 0, 2, 0, 9, 9], &[0; 16]),
                "the levels of a page are longer than the page",
            ),
        ] {
            assert_eq!(problem(two_doubles(), &chunk), expected);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
            let _ = walk(two_doubles(), &bytes, piece);
        }
    }
}
