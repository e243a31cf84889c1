//! The footer of a Parquet part, as small as it can be held. A footer that is taken apart has some kilobytes for every
//! part; those of one run say nearly the same, so beyond a bound they are kept as text, packed by what the first one says,
//! and taken apart again when they are needed.

use crate::codec::parquet::read_footer;

use parquet::file::metadata::ParquetMetaData;
use std::sync::Arc;

/// Bytes of footers that stay taken apart, so that a few parts cost no time.
const HELD_BYTES: usize = 16 * 1024 * 1024;
/// A footer with more row groups than that stays taken apart: it is asked for as often as it has some, and its part is
/// large itself.
const MOST_ROW_GROUPS: usize = 16;
/// Packs a footer to a few hundred bytes in some microseconds.
const LEVEL: i32 = 3;

/// The footer of a Parquet part.
#[derive(Debug, Clone)]
pub(crate) struct Footer {
    rows: u64,
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
    /// The text of another footer.
    like: Arc<[u8]>,
}

impl Footer {
    pub(super) fn new(metadata: ParquetMetaData) -> Self {
        let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
        Footer { rows, held: Held::Apart(Arc::new(metadata)) }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// What the footer says, where it is at hand without taking it apart.
    pub(crate) fn at_hand(&self) -> Option<&ParquetMetaData> {
        match &self.held {
            Held::Apart(metadata) => Some(metadata),
            Held::Packed(_) => None,
        }
    }

    /// What the footer says.
    #[expect(clippy::expect_used, reason = "a footer is packed only where it came out as it went in")]
    pub(crate) fn metadata(&self) -> Arc<ParquetMetaData> {
        match &self.held {
            Held::Apart(metadata) => Arc::clone(metadata),
            Held::Packed(packed) => {
                let text = packed.text().expect("it was unpacked before");
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

/// Keeps footers as they come.
#[derive(Debug, Default)]
pub(super) struct Footers {
    held_bytes: usize,
    like: Option<Arc<[u8]>>,
}

impl Footers {
    /// Packs a footer of this text, where enough are held taken apart.
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

    /// The text of the footer of a small file.
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
