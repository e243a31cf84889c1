//! The rows of one piece of text, encoded as far as that goes without their neighbours: columns whose values do not
//! repeat become pages at once, while they are in the cache; the others keep keys into a dictionary of their own,
//! which [`super::row_group`] makes one of.

use super::bounds::Bounds;
use super::page::{Compressor, Page, write_levels};
use crate::decode::csv::{Column, Values};
use crate::error::Result;
use arrow::datatypes::ToByteSlice;
use hashbrown::HashTable;
use parquet::basic::Encoding;

/// Rows that become pages of a row group, a page in each column.
#[derive(Debug)]
pub(crate) struct EncodedRows {
    pub(crate) rows: usize,
    pub(super) columns: Vec<EncodedColumn>,
}

impl EncodedRows {
    /// Bytes that are held.
    pub(crate) fn bytes(&self) -> usize {
        let held = |column: &EncodedColumn| match &column.values {
            EncodedValues::Page(page) => page.bytes.len(),
            EncodedValues::Keys(keys) => {
                keys.keys.len() * 4 + keys.valid.as_ref().map_or(0, Vec::len) + keys.distinct.plain.len()
            }
        };
        self.columns.iter().map(held).sum()
    }
}

#[derive(Debug)]
pub(super) struct EncodedColumn {
    pub(super) nulls: usize,
    pub(super) bounds: Option<Bounds>,
    pub(super) values: EncodedValues,
}

#[derive(Debug)]
pub(super) enum EncodedValues {
    Page(Page),
    Keys(Keys),
}

/// Values by their place among the distinct ones; nulls have none.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) keys: Vec<u32>,
    pub(super) valid: Option<Vec<bool>>,
    pub(super) distinct: Distinct,
}

/// Distinct values in PLAIN encoding, one after the other, as a dictionary page holds them.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    pub(super) plain: Vec<u8>,
    /// Where each ends.
    pub(super) ends: Vec<u32>,
}

impl Distinct {
    pub(super) fn get(&self, key: u32) -> &[u8] {
        let key = key as usize;
        let start = if key == 0 { 0 } else { self.ends[key - 1] as usize };
        &self.plain[start..self.ends[key] as usize]
    }

    pub(super) fn push(&mut self, value: &[u8]) {
        self.plain.extend_from_slice(value);
        self.ends.push(self.plain.len() as u32);
    }
}

/// Encodes chunk after chunk on one thread.
pub(crate) struct ChunkEncoder {
    compressor: Compressor,
    /// The contents of the page at hand.
    contents: Vec<u8>,
}

impl ChunkEncoder {
    pub(crate) fn new(compressor: Compressor) -> Self {
        ChunkEncoder { compressor, contents: Vec::new() }
    }

    pub(crate) fn encode(&mut self, rows: usize, columns: &[Column]) -> Result<EncodedRows> {
        let columns = columns.iter().map(|column| self.column(rows, column)).collect::<Result<_>>()?;
        Ok(EncodedRows { rows, columns })
    }

    fn column(&mut self, rows: usize, column: &Column) -> Result<EncodedColumn> {
        let valid = column.valid();
        let valid = valid.as_deref();
        let nulls = valid.map_or(0, |valid| valid.iter().filter(|valid| !**valid).count());
        let (bounds, values) = match column.values() {
            Values::Text(texts) => {
                let bounds = Bounds::of_texts(texts.texts());
                let saves = texts.len() * 2 <= rows;
                let keys = compacted(texts.keys(), valid);
                let values = if saves {
                    let mut distinct = Distinct::default();
                    for text in texts.texts() {
                        distinct.plain.extend_from_slice(&(text.len() as u32).to_le_bytes());
                        distinct.push(text);
                    }
                    EncodedValues::Keys(Keys { keys, valid: valid.map(<[bool]>::to_vec), distinct })
                } else {
                    self.page(rows, valid, |out| {
                        for key in keys {
                            let text = texts.text(key);
                            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
                            out.extend_from_slice(text);
                        }
                    })?
                };
                (bounds, values)
            }
            Values::Timestamp { texts, values, .. } => {
                let mut distinct = Distinct::default();
                values.iter().for_each(|value| distinct.push(&value.to_le_bytes()));
                let keys = compacted(texts.keys(), valid);
                let valid = valid.map(<[bool]>::to_vec);
                let bounds = Bounds::of_ints(values.iter().copied());
                (bounds, EncodedValues::Keys(Keys { keys, valid, distinct }))
            }
            Values::Double(values) => {
                let values = Dense::new(values, valid);
                (Bounds::of_doubles(values.iter().copied()), self.doubles(rows, valid, &values)?)
            }
            Values::Int64(values) => {
                let values = Dense::new(values, valid);
                let plain = |out: &mut Vec<u8>| out.extend_from_slice(values.to_byte_slice());
                (Bounds::of_ints(values.iter().copied()), self.page(rows, valid, plain)?)
            }
            Values::Date(values) => {
                let values = Dense::new(values, valid);
                let plain = |out: &mut Vec<u8>| out.extend_from_slice(values.to_byte_slice());
                (Bounds::of_days(values.iter().copied()), self.page(rows, valid, plain)?)
            }
            Values::Boolean(values) => {
                let values = Dense::new(values, valid);
                let plain = |out: &mut Vec<u8>| {
                    let bits =
                        |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
                    out.extend(values.chunks(8).map(bits));
                };
                (Bounds::of_booleans(values.iter().copied()), self.page(rows, valid, plain)?)
            }
        };
        Ok(EncodedColumn { nulls, bounds, values })
    }

    /// Doubles mostly differ, so a dictionary of them would only cost; a look at some of them tells.
    fn doubles(&mut self, rows: usize, valid: Option<&[bool]>, values: &[f64]) -> Result<EncodedValues> {
        if !repeat(values) {
            return self.page(rows, valid, |out| out.extend_from_slice(values.to_byte_slice()));
        }
        let hasher = ahash::RandomState::new();
        let mut table: HashTable<u32> = HashTable::new();
        let mut distinct = Distinct::default();
        // By bits: zeros of both signs, and NaNs, are values of their own.
        let mut of = |value: &f64| {
            let bits = value.to_bits().to_le_bytes();
            let hash = hasher.hash_one(bits);
            let known = table.find(hash, |key| distinct.get(*key) == bits).copied();
            known.unwrap_or_else(|| {
                let key = distinct.ends.len() as u32;
                distinct.push(&bits);
                table.insert_unique(hash, key, |key| {
                    hasher.hash_one(<[u8; 8]>::try_from(distinct.get(*key)).unwrap_or_default())
                });
                key
            })
        };
        let keys = values.iter().map(&mut of).collect();
        Ok(EncodedValues::Keys(Keys { keys, valid: valid.map(<[bool]>::to_vec), distinct }))
    }

    fn page(
        &mut self,
        rows: usize,
        valid: Option<&[bool]>,
        plain: impl FnOnce(&mut Vec<u8>),
    ) -> Result<EncodedValues> {
        self.contents.clear();
        write_levels(rows, valid, &mut self.contents);
        plain(&mut self.contents);
        self.compressor.data_page(rows, Encoding::PLAIN, &self.contents).map(EncodedValues::Page)
    }
}

/// Values without those of nulls.
enum Dense<'a, T> {
    All(&'a [T]),
    Some(Vec<T>),
}

impl<'a, T: Copy> Dense<'a, T> {
    fn new(values: &'a [T], valid: Option<&[bool]>) -> Self {
        match valid {
            None => Dense::All(values),
            Some(valid) => Dense::Some(
                values.iter().zip(valid).filter(|(_, valid)| **valid).map(|(value, _)| *value).collect(),
            ),
        }
    }
}

impl<T> std::ops::Deref for Dense<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Dense::All(values) => values,
            Dense::Some(values) => values,
        }
    }
}

fn compacted(keys: &[u32], valid: Option<&[bool]>) -> Vec<u32> {
    match Dense::new(keys, valid) {
        Dense::All(keys) => keys.to_vec(),
        Dense::Some(keys) => keys,
    }
}

/// How many doubles are looked at to see whether they repeat.
const LOOKED_AT: usize = 256;

/// Whether three of four values come again, going by some of them.
fn repeat(values: &[f64]) -> bool {
    let step = (values.len() / LOOKED_AT).max(1);
    let mut seen: Vec<u64> = values.iter().step_by(step).map(|value| value.to_bits()).collect();
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    count > 1 && seen.len() * 4 <= count
}
