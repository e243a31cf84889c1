//! Walks over the pages of a Parquet column chunk that is copied byte by byte: finds pages that do not fit together
//! and pages whose checksum fails. Takes bytes as they come; never decompresses.

use crc32fast::Hasher;

/// A page header is a few dozen bytes, with statistics some hundred; this is far beyond any.
const MAX_HEADER_BYTES: usize = 1024 * 1024;

/// The state between two pieces of a column chunk.
#[derive(Debug, Default)]
pub(crate) struct PageWalker {
    /// The start of a header that is not whole yet.
    header: Vec<u8>,
    page: Option<PageHeader>,
}

#[derive(Debug)]
struct PageHeader {
    left: u64,
    checksum: Option<(u32, Hasher)>,
}

impl PageWalker {
    /// Takes the next bytes of the column chunk.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), String> {
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
            page.left -= length as u64;
            bytes = rest;
            self.close_full_page()?;
        }
        Ok(())
    }

    /// Bytes that follow and need not be seen: what is left of a page without a checksum.
    pub(crate) fn unseen(&self) -> u64 {
        self.page.as_ref().filter(|page| page.checksum.is_none()).map_or(0, |page| page.left)
    }

    /// Within a page that has a checksum: all of it must be seen.
    pub(crate) fn is_checking(&self) -> bool {
        self.page.as_ref().is_some_and(|page| page.checksum.is_some())
    }

    /// Goes on behind the bytes that [`Self::unseen`] told of.
    pub(crate) fn skip_unseen(&mut self) {
        if self.unseen() > 0 {
            self.page = None;
        }
    }

    /// The column chunk has ended.
    pub(crate) fn finish(self) -> Result<(), String> {
        match (self.page, self.header.is_empty()) {
            (None, true) => Ok(()),
            _ => Err("a page is cut off at the end of its column chunk".into()),
        }
    }

    fn close_full_page(&mut self) -> Result<(), String> {
        if self.page.as_ref().is_some_and(|page| page.left == 0)
            && let Some(PageHeader { checksum: Some((expected, hasher)), .. }) = self.page.take()
        {
            let found = hasher.finalize();
            if found != expected {
                return Err(format!("a page's checksum is {found:08x}, its header says {expected:08x}"));
            }
        }
        Ok(())
    }

    /// Reads a header that may have begun in an earlier piece; returns the bytes behind it.
    fn feed_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let before = self.header.len();
        let (parsed, seen) = if before == 0 {
            (parse_header(bytes), bytes.len())
        } else {
            self.header.extend_from_slice(&bytes[..bytes.len().min(MAX_HEADER_BYTES)]);
            (parse_header(&self.header), self.header.len())
        };
        match parsed {
            Parsed::Header { length, size, checksum, .. } => {
                self.header.clear();
                self.page =
                    Some(PageHeader { left: size, checksum: checksum.map(|crc| (crc, Hasher::new())) });
                let rest = &bytes[length - before..];
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
}

/// The bytes that a page is said to have before compression, by the header that these bytes begin with; `None` where
/// that is not whole.
pub(crate) fn unpacked_size(bytes: &[u8]) -> Option<u64> {
    match parse_header(bytes) {
        Parsed::Header { unpacked, .. } => Some(unpacked),
        _ => None,
    }
}

enum Parsed {
    Header { length: usize, size: u64, unpacked: u64, checksum: Option<u32> },
    Incomplete,
    Damaged(&'static str),
}

/// Reads the few fields of a `PageHeader` that copying needs, in Thrift's compact protocol.
fn parse_header(bytes: &[u8]) -> Parsed {
    let mut thrift = Thrift { bytes, position: 0 };
    let (mut size, mut unpacked, mut checksum, mut kind) = (None, None, None, None);
    let mut id = 0i64;
    let outcome = (|| -> Result<(), Stop> {
        while let Some((field_type, field_id)) = thrift.field(id)? {
            id = field_id;
            match (field_id, field_type) {
                (1, 5) => kind = Some(thrift.zigzag()?),
                (2, 5) => unpacked = Some(thrift.zigzag()?),
                (3, 5) => size = Some(thrift.zigzag()?),
                (4, 5) => checksum = Some(thrift.zigzag()?),
                _ => thrift.skip(field_type, 0)?,
            }
        }
        Ok(())
    })();
    match (outcome, kind, size) {
        (Err(Stop::Short), _, _) => Parsed::Incomplete,
        (Err(Stop::Damaged), _, _) => Parsed::Damaged("a page header is damaged"),
        (Ok(()), Some(0..=3), Some(size @ 0..=0x7fff_ffff)) => Parsed::Header {
            length: thrift.position,
            size: size as u64,
            unpacked: unpacked.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            // Stored signed, meant as 32 bits.
            checksum: checksum.map(|crc| crc as u32),
        },
        (Ok(()), _, _) => Parsed::Damaged("a page header lacks its type or size"),
    }
}

enum Stop {
    /// More bytes are needed.
    Short,
    Damaged,
}

struct Thrift<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Thrift<'_> {
    fn byte(&mut self) -> Result<u8, Stop> {
        let byte = *self.bytes.get(self.position).ok_or(Stop::Short)?;
        self.position += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, Stop> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Stop::Damaged)
    }

    fn zigzag(&mut self) -> Result<i64, Stop> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The next field's type and id; `None` at the end of the struct.
    fn field(&mut self, last_id: i64) -> Result<Option<(u8, i64)>, Stop> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        let id = match byte >> 4 {
            0 => self.zigzag()?,
            delta => last_id.checked_add(i64::from(delta)).ok_or(Stop::Damaged)?,
        };
        Ok(Some((byte & 0x0f, id)))
    }

    fn skip(&mut self, field_type: u8, depth: u8) -> Result<(), Stop> {
        if depth > 16 {
            return Err(Stop::Damaged);
        }
        match field_type {
            // A boolean is its type.
            1 | 2 => {}
            3 => self.position += 1,
            4..=6 => {
                self.varint()?;
            }
            7 => self.position += 8,
            8 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Stop::Damaged)?;
                self.position = self.position.checked_add(length).ok_or(Stop::Damaged)?;
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                for _ in 0..count {
                    // Booleans take a byte each within a list.
                    self.skip(if matches!(head & 0x0f, 1 | 2) { 3 } else { head & 0x0f }, depth + 1)?;
                    if self.position > self.bytes.len() {
                        return Err(Stop::Short);
                    }
                }
            }
            12 => {
                let mut id = 0;
                while let Some((inner, inner_id)) = self.field(id)? {
                    id = inner_id;
                    self.skip(inner, depth + 1)?;
                }
            }
            _ => return Err(Stop::Damaged),
        }
        // A skip beyond what is there is noticed by the next byte that is read; the struct always ends with one.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::ParquetMetaData;
    use parquet::file::properties::WriterProperties;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn file() -> (Vec<u8>, ParquetMetaData) {
        let rows = 5000;
        let text: ArrayRef =
            Arc::new(StringArray::from_iter_values((0..rows).map(|i| format!("item_{}", i % 700))));
        let numbers: ArrayRef =
            Arc::new(Float64Array::from_iter_values((0..rows).map(|i| f64::from(i) / 7.0)));
        let batch = RecordBatch::try_from_iter([("text", text), ("numbers", numbers)]).expect("a batch");
        let properties = WriterProperties::builder()
            .set_data_page_row_count_limit(512)
            .set_write_batch_size(256)
            .set_write_page_header_statistics(true);
        let mut writer =
            ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).expect("a writer");
        writer.write(&batch).expect("written");
        let metadata = writer.finish().expect("finished");
        (std::mem::take(writer.inner_mut()), metadata)
    }

    fn walk(bytes: &[u8], piece: usize) -> Result<(), String> {
        let mut walker = PageWalker::default();
        bytes.chunks(piece).try_for_each(|piece| walker.feed(piece))?;
        walker.finish()
    }

    #[test]
    fn whole_column_chunks_pass_in_pieces_of_any_size() {
        let (bytes, metadata) = file();
        for column in metadata.row_group(0).columns() {
            let (start, length) = column.byte_range();
            let chunk = &bytes[start as usize..(start + length) as usize];
            for piece in [1, 7, 64, 1000, chunk.len()] {
                assert_eq!(walk(chunk, piece), Ok(()), "pieces of {piece}");
            }
            assert!(walk(&chunk[..chunk.len() - 1], 100).is_err());
        }
    }

    #[test]
    fn pages_without_checksums_can_be_skipped() {
        let (bytes, metadata) = file();
        let (start, length) = metadata.row_group(0).column(1).byte_range();
        let chunk = &bytes[start as usize..(start + length) as usize];
        let mut walker = PageWalker::default();
        let (mut at, mut seen) = (0, 0);
        while at < chunk.len() {
            let end = chunk.len().min(at + 64);
            walker.feed(&chunk[at..end]).expect("whole pages");
            seen += end - at;
            at = end + walker.unseen() as usize;
            walker.skip_unseen();
        }
        assert_eq!((at, walker.finish()), (chunk.len(), Ok(())));
        assert!(seen * 4 < chunk.len(), "{seen} of {} bytes", chunk.len());
    }

    #[test]
    fn a_page_whose_checksum_fails_is_found() {
        let data = b"page data";
        // type 0, uncompressed 9, compressed 9, crc, end of struct.
        let mut header = vec![0x15, 0, 0x15, 18, 0x15, 18, 0x15];
        let crc = crc32fast::hash(data) as i32;
        let mut zigzag = u64::from((crc as u32) << 1) ^ if crc < 0 { u64::from(u32::MAX) } else { 0 };
        zigzag &= u64::from(u32::MAX);
        while zigzag >= 0x80 {
            header.push(zigzag as u8 | 0x80);
            zigzag >>= 7;
        }
        header.push(zigzag as u8);
        header.push(0);
        let mut page = header.clone();
        page.extend_from_slice(data);
        assert_eq!(walk(&page, 3), Ok(()));
        *page.last_mut().expect("bytes") ^= 1;
        assert!(walk(&page, 3).is_err_and(|problem| problem.contains("checksum")));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
            let _ = walk(&bytes, piece);
        }
    }
}
