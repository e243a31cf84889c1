//! Holds the footers of Parquet parts compactly. A parsed footer takes several kilobytes per part, and those of one run
//! are nearly the same. So beyond a bound they are kept as bytes, compressed with the first one as a dictionary, and
//! parsed again when they are needed.

use crate::codec::parquet::read_footer;

use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataBuilder};
use std::ops::Range;
use std::sync::Arc;

/// Bytes of footers that stay parsed, so that a few parts cost no time.
const HELD_BYTES: usize = 16 * 1024 * 1024;
/// A footer with more row groups than this stays parsed: it is used once per row group, and its part is large anyway.
const MOST_ROW_GROUPS: usize = 16;
/// Compresses a footer to a few hundred bytes in a few microseconds.
const LEVEL: i32 = 3;

/// The footer of a Parquet part.
#[derive(Debug, Clone)]
pub(crate) struct Footer {
    rows: u64,
    /// Bytes of the row groups, if only some of the part's are wanted.
    bytes: Option<u64>,
    held: Held,
}

#[derive(Debug, Clone)]
enum Held {
    Apart(Arc<ParquetMetaData>),
    Packed(Arc<Packed>),
}

#[derive(Debug)]
struct Packed {
    bytes: Box<[u8]>,
    length: usize,
    /// The bytes of another footer.
    like: Arc<[u8]>,
}

impl Footer {
    pub(super) fn new(metadata: ParquetMetaData) -> Self {
        let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
        Footer { rows, bytes: None, held: Held::Apart(Arc::new(metadata)) }
    }

    /// The footer as if the part had only these row groups.
    pub(crate) fn narrowed(&self, row_groups: Range<usize>) -> Self {
        let metadata = self.metadata();
        let groups = metadata.row_groups()[row_groups].to_vec();
        let rows = groups.iter().map(|group| group.num_rows()).sum::<i64>();
        let bytes = groups.iter().map(|group| group.compressed_size().unsigned_abs()).sum();
        let file = metadata.file_metadata();
        let file = FileMetaData::new(
            file.version(),
            rows,
            file.created_by().map(str::to_owned),
            file.key_value_metadata().cloned(),
            file.schema_descr_ptr(),
            file.column_orders().cloned(),
        );
        let narrowed = ParquetMetaDataBuilder::new(file).set_row_groups(groups).build();
        Footer { bytes: Some(bytes), ..Footer::new(narrowed) }
    }

    /// Bytes of the row groups that are wanted; `None` if all of the part's are.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// The parsed footer, if it is available without parsing.
    pub(crate) fn at_hand(&self) -> Option<&ParquetMetaData> {
        match &self.held {
            Held::Apart(metadata) => Some(metadata),
            Held::Packed(_) => None,
        }
    }

    /// The parsed footer.
    #[expect(clippy::expect_used, reason = "a footer is compressed only if decompressing restored it")]
    pub(crate) fn metadata(&self) -> Arc<ParquetMetaData> {
        match &self.held {
            Held::Apart(metadata) => Arc::clone(metadata),
            Held::Packed(packed) => {
                let text = packed.text().expect("it was decompressed before");
                Arc::new(read_footer(&text).expect("it was read before"))
            }
        }
    }
}

impl Packed {
    fn new(text: &[u8], like: &Arc<[u8]>) -> Option<Self> {
        let bytes = zstd::bulk::Compressor::with_dictionary(LEVEL, like).ok()?.compress(text).ok()?;
        let packed = Packed { bytes: bytes.into(), length: text.len(), like: Arc::clone(like) };
        (packed.text().as_deref() == Some(text)).then_some(packed)
    }

    fn text(&self) -> Option<Vec<u8>> {
        zstd::bulk::Decompressor::with_dictionary(&self.like).ok()?.decompress(&self.bytes, self.length).ok()
    }
}

/// Stores footers as they arrive.
#[derive(Debug, Default)]
pub(super) struct Footers {
    held_bytes: usize,
    like: Option<Arc<[u8]>>,
}

impl Footers {
    /// Compresses a footer with these bytes, if enough others are kept parsed.
    pub(super) fn keep(&mut self, footer: &mut Footer, text: &[u8]) {
        let Held::Apart(metadata) = &footer.held else { return };
        self.held_bytes = self.held_bytes.saturating_add(metadata.memory_size());
        if self.held_bytes <= HELD_BYTES || metadata.num_row_groups() > MOST_ROW_GROUPS {
            return;
        }
        let like = self.like.get_or_insert_with(|| text.into());
        if let Some(packed) = Packed::new(text, like) {
            footer.held = Held::Packed(Arc::new(packed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;

    /// The bytes of a small file's footer.
    fn text(rows: usize) -> Vec<u8> {
        let ids = StringArray::from_iter_values((0..rows).map(|row| format!("item_{row}")));
        let values = Float64Array::from_iter_values((0..rows).map(|row| row as f64 / 7.0));
        let batch =
            RecordBatch::try_from_iter([("item_id", Arc::new(ids) as _), ("p50", Arc::new(values) as _)]);
        let batch = batch.expect("two columns");
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("written");
        writer.close().expect("closed");
        let end = file.len() - 8;
        let length = u32::from_le_bytes(*file[end..].first_chunk().expect("four bytes"));
        file[end - length as usize..end].to_vec()
    }

    #[test]
    fn a_footer_says_the_same_however_it_is_held() {
        let mut footers = Footers { held_bytes: HELD_BYTES, like: None };
        let mut lengths = Vec::new();
        for rows in [1, 7, 100, 3] {
            let text = text(rows);
            let parsed = read_footer(&text).expect("a footer");
            let mut footer = Footer::new(parsed.clone());
            footers.keep(&mut footer, &text);
            let Held::Packed(packed) = &footer.held else { panic!("it is held as it was") };
            lengths.push(packed.bytes.len());
            assert_eq!((&*footer.metadata(), footer.rows()), (&parsed, rows as u64));
        }
        assert!(lengths.iter().all(|length| *length < 200), "{lengths:?}");
    }

    #[test]
    fn a_few_footers_stay_taken_apart() {
        let (mut footers, text) = (Footers::default(), text(5));
        let mut footer = Footer::new(read_footer(&text).expect("a footer"));
        footers.keep(&mut footer, &text);
        assert!(matches!(footer.held, Held::Apart(_)));
    }
}
