//! Writes pages of a column chunk: takes encoded values, returns them compressed, after a header with a checksum.

use super::hybrid;
use super::hybrid::varint;
use crate::codec::buffers::Buffers;
use crate::model::{Error, Result};

use bytes::Bytes;
use parquet::basic::{Compression as Codec, Encoding};
use parquet::file::page_index::offset_index::PageLocation;
use std::io::Write;

/// The memory of smaller pages is not kept.
const REUSED_BYTES: usize = 64 * 1024;

/// Compresses the pages of one thread; its memory is reused from page to page.
pub(crate) struct Compressor {
    codec: Codec,
    snappy: snap::raw::Encoder,
    zstd: Option<zstd::bulk::Compressor<'static>>,
    compressed: Vec<u8>,
    /// Memory of pages that were written.
    buffers: Buffers,
}

/// A page as it is in a file.
#[derive(Debug)]
pub(super) struct Page {
    /// Header and contents.
    pub(super) bytes: Bytes,
    /// Bytes of the header and of the contents before compression.
    pub(super) uncompressed: usize,
}

impl Compressor {
    /// Large pages use these buffers.
    pub(crate) fn new(codec: Codec, buffers: Buffers) -> Result<Self> {
        let zstd = match codec {
            Codec::ZSTD(level) => Some(
                zstd::bulk::Compressor::new(level.compression_level())
                    .map_err(|error| Error::Internal(format!("zstd: {error}")))?,
            ),
            _ => None,
        };
        Ok(Compressor { codec, snappy: snap::raw::Encoder::new(), zstd, compressed: Vec::new(), buffers })
    }

    pub(super) fn data_page(&mut self, values: usize, encoding: Encoding, contents: &[u8]) -> Result<Page> {
        // DataPageHeader: number of values, encoding, and that of definition and repetition levels.
        self.page(0, 5, contents, &|out| {
            int(1, values as i64, out);
            int(1, encoding_number(encoding), out);
            int(1, encoding_number(Encoding::RLE), out);
            int(1, encoding_number(Encoding::RLE), out);
        })
    }

    pub(super) fn dictionary_page(&mut self, values: usize, contents: &[u8]) -> Result<Page> {
        // DictionaryPageHeader: number of values, encoding.
        self.page(2, 7, contents, &|out| {
            int(1, values as i64, out);
            int(1, encoding_number(Encoding::PLAIN), out);
        })
    }

    /// A `PageHeader` in Thrift's compact protocol, followed by the contents.
    fn page(&mut self, kind: i64, field: u8, contents: &[u8], detail: &dyn Fn(&mut Vec<u8>)) -> Result<Page> {
        let buffers = self.buffers.clone();
        let compressed =
            self.compress(contents).map_err(|error| Error::Internal(format!("a page: {error}")))?;
        let size = compressed.len() + 64;
        let mut bytes = if size < REUSED_BYTES { Vec::new() } else { buffers.take() };
        bytes.clear();
        bytes.reserve_exact(size);
        int(1, kind, &mut bytes);
        int(1, contents.len() as i64, &mut bytes);
        int(1, compressed.len() as i64, &mut bytes);
        // Unsigned 32 bits, stored as signed.
        int(1, i64::from(crc32fast::hash(compressed) as i32), &mut bytes);
        bytes.push((field - 4) << 4 | STRUCT);
        detail(&mut bytes);
        // Both structs end.
        bytes.extend_from_slice(&[0, 0]);
        let header = bytes.len();
        bytes.extend_from_slice(compressed);
        let length = bytes.len();
        let bytes = if size < REUSED_BYTES { bytes.into() } else { buffers.lend(bytes, length) };
        Ok(Page { bytes, uncompressed: header + contents.len() })
    }

    fn compress<'a>(&'a mut self, contents: &'a [u8]) -> std::io::Result<&'a [u8]> {
        let out = &mut self.compressed;
        let length = match self.codec {
            Codec::UNCOMPRESSED => return Ok(contents),
            Codec::SNAPPY => {
                grow(out, snap::raw::max_compress_len(contents.len()));
                self.snappy.compress(contents, out)?
            }
            Codec::LZ4_RAW => {
                grow(out, lz4_flex::block::get_maximum_output_size(contents.len()));
                lz4_flex::block::compress_into(contents, out).map_err(std::io::Error::other)?
            }
            Codec::ZSTD(_) => {
                grow(out, zstd::zstd_safe::compress_bound(contents.len()));
                match &mut self.zstd {
                    Some(zstd) => zstd.compress_to_buffer(contents, &mut out[..])?,
                    None => return Err(std::io::ErrorKind::Unsupported.into()),
                }
            }
            Codec::GZIP(level) => {
                out.clear();
                let level = flate2::Compression::new(level.compression_level());
                let mut encoder = flate2::write::GzEncoder::new(&mut *out, level);
                encoder.write_all(contents)?;
                encoder.finish()?;
                out.len()
            }
            _ => return Err(std::io::ErrorKind::Unsupported.into()),
        };
        Ok(&out[..length])
    }
}

fn grow(buffer: &mut Vec<u8>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
}

const INT: u8 = 5;
const STRUCT: u8 = 12;

/// Appends a number field; `step` is the difference of its ID from the previous field's.
fn int(step: u8, value: i64, out: &mut Vec<u8>) {
    out.push(step << 4 | INT);
    varint((value << 1 ^ value >> 63) as u64, out);
}

fn encoding_number(encoding: Encoding) -> i64 {
    match encoding {
        Encoding::RLE => 3,
        Encoding::RLE_DICTIONARY => 8,
        _ => 0,
    }
}

/// Appends the definition levels of rows, which say for each whether it is null; `None` if no row is null.
pub(super) fn write_levels(rows: usize, valid: Option<&[bool]>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    match valid {
        None => hybrid::write_run(rows, 1, 1, out),
        Some(valid) => {
            let levels: Vec<u32> = valid.iter().map(|valid| u32::from(*valid)).collect();
            hybrid::encode(&levels, 1, out);
        }
    }
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// The position of a page, from the start of the column chunks.
pub(super) fn location(offset: usize, page: &Page, first_row: usize) -> PageLocation {
    PageLocation {
        offset: offset as i64,
        compressed_page_size: page.bytes.len() as i32,
        first_row_index: first_row as i64,
    }
}
