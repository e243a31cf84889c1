//! The rows of one piece of text or of one batch, encoded as far as that goes without their neighbours: columns whose values do not
//! repeat become pages at once, while they are in the cache; the others keep keys into a dictionary of their own,
//! which [`super::row_group`] makes one of.

use super::bounds::Bounds;
use super::page::{Compressor, Page, write_levels};
use super::types::{Annotation, annotation};
use crate::codec::csv::{Column, Dictionary, Values};
use crate::model::{Error, Result};

use arrow::array::cast::AsArray;
use arrow::array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow::array::{Array, ArrayRef, BinaryArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{ArrowNativeType, DataType, TimeUnit, ToByteSlice};
use parquet::basic::{Encoding, LogicalType};
use parquet::schema::types::ColumnDescriptor;
use std::sync::Arc;

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

    fn of<T: Plain>(values: impl Iterator<Item = T>) -> Self {
        let mut distinct = Distinct::default();
        for value in values {
            value.write(&mut distinct.plain);
            distinct.ends.push(distinct.plain.len() as u32);
        }
        distinct
    }

    pub(super) fn push(&mut self, value: &[u8]) {
        self.plain.extend_from_slice(value);
        self.ends.push(self.plain.len() as u32);
    }
}

/// Encodes chunk after chunk on one thread.
pub(crate) struct ChunkEncoder {
    compressor: Compressor,
    /// Of each column whether its pages say which rows are nulls.
    is_optional: Vec<bool>,
    /// The contents of the page at hand.
    contents: Vec<u8>,
    /// Distinct values of the column at hand.
    dictionary: Dictionary,
}

/// Whether a column is encoded here; the parquet crate encodes the others.
pub(crate) fn encodes(data_type: &DataType, declared: &ColumnDescriptor) -> bool {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond};
    // Bounds are those of numbers with a sign and of bytes without one.
    let has_our_order = match annotation(declared.self_type()) {
        Some(Annotation::Logical(LogicalType::Decimal { .. })) => !matches!(data_type, DataType::Binary),
        Some(Annotation::Logical(LogicalType::Integer(integer))) => integer.is_signed,
        Some(Annotation::Logical(
            LogicalType::String
            | LogicalType::Json
            | LogicalType::Bson
            | LogicalType::Enum
            | LogicalType::Date
            | LogicalType::Time(_)
            | LogicalType::Timestamp(_),
        ))
        | None => true,
        Some(_) => false,
    };
    let is_ours = matches!(
        data_type,
        DataType::Utf8
            | DataType::Binary
            | DataType::Float64
            | DataType::Float32
            | DataType::Int64
            | DataType::Int32
            | DataType::Date32
            | DataType::Boolean
            | DataType::Timestamp(Microsecond | Millisecond | Nanosecond, _)
    );
    is_ours && has_our_order
}

/// The texts of a column, or the bytes where they need be no text.
fn bytes_of(array: &dyn Array) -> ArrayRef {
    match array.data_type() {
        // The same buffers under another name.
        DataType::Utf8 => Arc::new(BinaryArray::from(array.as_string::<i32>().clone())),
        _ => Arc::new(array.as_binary::<i32>().clone()),
    }
}

impl ChunkEncoder {
    pub(super) fn new(compressor: Compressor, is_optional: Vec<bool>) -> Self {
        ChunkEncoder { compressor, is_optional, contents: Vec::new(), dictionary: Dictionary::new() }
    }

    /// Encodes columns that were read from text.
    pub(crate) fn encode(&mut self, rows: usize, columns: &[Column]) -> Result<EncodedRows> {
        let columns = columns
            .iter()
            .enumerate()
            .map(|(i, column)| self.column(i, rows, column))
            .collect::<Result<_>>()?;
        Ok(EncodedRows { rows, columns })
    }

    /// Encodes a batch whose types are all [`encodes`], where texts may come as keys.
    pub(crate) fn encode_batch(&mut self, batch: &RecordBatch) -> Result<EncodedRows> {
        let rows = batch.num_rows();
        let columns = batch
            .columns()
            .iter()
            .enumerate()
            .map(|(i, array)| self.array(i, array))
            .collect::<Result<_>>()?;
        Ok(EncodedRows { rows, columns })
    }

    fn column(&mut self, column: usize, rows: usize, read: &Column) -> Result<EncodedColumn> {
        let valid = read.valid();
        let levels = self.levels(column, rows, valid.as_deref());
        match read.values() {
            Values::Text(texts) => self.texts(levels, texts.keys(), texts.texts()),
            Values::Timestamp { texts, values, .. } => {
                let bounds = Bounds::of_ints(values.iter().copied());
                let values = values.iter().map(|value| value.to_le_bytes());
                Ok(levels.column(bounds, levels.keys(texts.keys(), Distinct::of(values))))
            }
            Values::Double(values) => self.doubles(levels, values),
            Values::Int64(values) => {
                self.fixed(levels, values, |values| Bounds::of_ints(values.iter().copied()))
            }
            Values::Date(values) => {
                self.fixed(levels, values, |values| Bounds::of_days(values.iter().copied()))
            }
            Values::Boolean(values) => self.booleans(levels, values),
        }
    }

    fn array(&mut self, column: usize, array: &ArrayRef) -> Result<EncodedColumn> {
        let valid: Option<Vec<bool>> =
            array.nulls().filter(|nulls| nulls.null_count() > 0).map(|nulls| nulls.iter().collect());
        let levels = self.levels(column, array.len(), valid.as_deref());
        match array.data_type() {
            DataType::Utf8 | DataType::Binary => {
                let mut dictionary = std::mem::replace(&mut self.dictionary, Dictionary::new());
                dictionary.clear();
                for text in bytes_of(array).as_binary::<i32>() {
                    match text {
                        Some(text) => _ = dictionary.push(text),
                        None => dictionary.push_null(),
                    }
                }
                let encoded = self.texts(levels, dictionary.keys(), dictionary.texts());
                self.dictionary = dictionary;
                encoded
            }
            DataType::Dictionary(..) => {
                let keyed = array.as_dictionary::<Int32Type>();
                let texts = bytes_of(keyed.values());
                let texts = texts.as_binary::<i32>();
                // A dictionary is that of a whole column chunk: what this batch does not use is left away.
                let mut places = vec![None; texts.len()];
                let mut used: Vec<&[u8]> = Vec::new();
                let keys: Vec<u32> = (0..keyed.len())
                    .map(|row| {
                        let Some(key) = keyed.key(row) else { return 0 };
                        *places[key].get_or_insert_with(|| {
                            used.push(texts.value(key));
                            (used.len() - 1) as u32
                        })
                    })
                    .collect();
                self.texts(levels, &keys, used.iter().copied())
            }
            DataType::Float64 => self.doubles(levels, array.as_primitive::<Float64Type>().values()),
            DataType::Float32 => {
                self.fixed(levels, array.as_primitive::<Float32Type>().values(), Bounds::of_floats)
            }
            DataType::Boolean => {
                let values: Vec<bool> = array.as_boolean().values().iter().collect();
                self.booleans(levels, &values)
            }
            DataType::Int32 | DataType::Date32 => {
                let array = cast(array, &DataType::Int32).map_err(|error| not_ours(&error))?;
                let values = array.as_primitive::<Int32Type>().values();
                self.fixed(levels, values, |values| Bounds::of_days(values.iter().copied()))
            }
            DataType::Int64 | DataType::Timestamp(..) => {
                let array = cast(array, &DataType::Int64).map_err(|error| not_ours(&error))?;
                let values = array.as_primitive::<Int64Type>().values();
                self.fixed(levels, values, |values| Bounds::of_ints(values.iter().copied()))
            }
            other => Err(not_ours(other)),
        }
    }

    fn levels<'a>(&self, column: usize, rows: usize, valid: Option<&'a [bool]>) -> Levels<'a> {
        let is_optional = self.is_optional.get(column).copied().unwrap_or(true);
        Levels { rows, valid, is_optional }
    }

    /// Texts by keys among the distinct ones; written out where most differ.
    fn texts<'a>(
        &mut self,
        levels: Levels<'_>,
        keys: &[u32],
        texts: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<EncodedColumn> {
        let bounds = Bounds::of_texts(texts.clone());
        let distinct = Distinct::of(texts.map(Prefixed));
        if distinct.ends.len() * 2 <= levels.rows {
            return Ok(levels.column(bounds, levels.keys(keys, distinct)));
        }
        let keys = Dense::new(keys, levels.valid);
        let plain = |out: &mut Vec<u8>| keys.iter().for_each(|key| out.extend_from_slice(distinct.get(*key)));
        Ok(levels.column(bounds, self.page(levels, plain)?))
    }

    fn doubles(&mut self, levels: Levels<'_>, values: &[f64]) -> Result<EncodedColumn> {
        self.fixed(levels, values, Bounds::of_doubles)
    }

    /// Numbers mostly differ, so a dictionary of them would only cost; a look at some of them tells.
    fn fixed<T: ArrowNativeType>(
        &mut self,
        levels: Levels<'_>,
        values: &[T],
        bounds: impl Fn(&[T]) -> Option<Bounds>,
    ) -> Result<EncodedColumn> {
        let dense = Dense::new(values, levels.valid);
        let bounds = bounds(&dense);
        let bytes = dense.to_byte_slice();
        let width = size_of::<T>();
        if !repeat(bytes, width) {
            let page = self.page(levels, |out| out.extend_from_slice(bytes))?;
            return Ok(levels.column(bounds, page));
        }
        // By bits: zeros of both signs, and NaNs, are values of their own.
        self.dictionary.clear();
        bytes.chunks_exact(width).for_each(|value| _ = self.dictionary.push(value));
        let distinct = Distinct::of(self.dictionary.texts());
        let keys = self.dictionary.keys().to_vec();
        let valid = levels.valid.map(<[bool]>::to_vec);
        Ok(levels.column(bounds, EncodedValues::Keys(Keys { keys, valid, distinct })))
    }

    fn booleans(&mut self, levels: Levels<'_>, values: &[bool]) -> Result<EncodedColumn> {
        let values = Dense::new(values, levels.valid);
        let bits = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        let page = self.page(levels, |out| out.extend(values.chunks(8).map(bits)))?;
        Ok(levels.column(Bounds::of_booleans(values.iter().copied()), page))
    }

    fn page(&mut self, levels: Levels<'_>, plain: impl FnOnce(&mut Vec<u8>)) -> Result<EncodedValues> {
        self.contents.clear();
        if levels.is_optional {
            write_levels(levels.rows, levels.valid, &mut self.contents);
        }
        plain(&mut self.contents);
        self.compressor.data_page(levels.rows, Encoding::PLAIN, &self.contents).map(EncodedValues::Page)
    }
}

fn not_ours(what: &dyn std::fmt::Display) -> Error {
    Error::Internal(format!("a column that is not encoded here: {what}"))
}

/// Which rows of a column are nulls.
#[derive(Clone, Copy)]
struct Levels<'a> {
    rows: usize,
    valid: Option<&'a [bool]>,
    is_optional: bool,
}

impl Levels<'_> {
    fn column(self, bounds: Option<Bounds>, values: EncodedValues) -> EncodedColumn {
        let nulls = self.valid.map_or(0, |valid| valid.iter().filter(|valid| !**valid).count());
        EncodedColumn { nulls, bounds, values }
    }

    /// `keys` has one for each row, those of nulls mean nothing.
    fn keys(self, keys: &[u32], distinct: Distinct) -> EncodedValues {
        let keys = match Dense::new(keys, self.valid) {
            Dense::All(keys) => keys.to_vec(),
            Dense::Some(keys) => keys,
        };
        EncodedValues::Keys(Keys { keys, valid: self.valid.map(<[bool]>::to_vec), distinct })
    }
}

/// A text as PLAIN encoding has it.
struct Prefixed<'a>(&'a [u8]);

/// Appends a value in PLAIN encoding.
trait Plain {
    fn write(&self, out: &mut Vec<u8>);
}

impl Plain for Prefixed<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.0.len() as u32).to_le_bytes());
        out.extend_from_slice(self.0);
    }
}

impl<T: AsRef<[u8]>> Plain for T {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_ref());
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

/// How many values are looked at to see whether they repeat.
const LOOKED_AT: usize = 256;

/// Whether three of four values of so many bytes, eight at most, come again, going by some of them.
fn repeat(bytes: &[u8], width: usize) -> bool {
    let step = (bytes.len() / width / LOOKED_AT).max(1);
    let word = |value: &[u8]| value.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let mut seen: Vec<u64> = bytes.chunks_exact(width).step_by(step).map(word).collect();
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    count > 1 && seen.len() * 4 <= count
}
