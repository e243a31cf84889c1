//! The rows of one piece of text or of one batch as a row group takes them, column by column: numbers as they are stored,
//! texts and timestamps by keys into a dictionary of the piece. Nothing here depends on where a piece ends: pages,
//! dictionaries and bounds are those of a row group, which [`super::row_group`] makes.

use super::types::{Annotation, annotation};
use crate::codec::csv::{Column, Dictionary, Values};
use crate::model::{Error, Result};

use arrow::array::cast::AsArray;
use arrow::array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow::array::{Array, ArrayRef, BinaryArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use parquet::basic::LogicalType;
use parquet::schema::types::ColumnDescriptor;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Consecutive rows, of which a row group may take some and the next one the rest.
#[derive(Debug, Clone)]
pub(crate) struct EncodedRows {
    /// The rows of the columns that are meant.
    pub(super) rows: Range<usize>,
    pub(super) columns: Vec<Arc<EncodedColumn>>,
    weight: u64,
}

impl EncodedRows {
    fn new(rows: usize, columns: Vec<EncodedColumn>) -> Self {
        let mut new =
            EncodedRows { rows: 0..rows, columns: columns.into_iter().map(Arc::new).collect(), weight: 0 };
        new.weight = new.weight_of(0..rows);
        new
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// What the rows weigh, whatever pieces they come in: bytes of their values were each written out.
    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    /// Some of the rows.
    pub(crate) fn slice(&self, rows: Range<usize>) -> Self {
        let rows = self.rows.start + rows.start..self.rows.start + rows.end;
        let weight = if rows == self.rows { self.weight } else { self.weight_of(rows.clone()) };
        EncodedRows { rows, columns: self.columns.clone(), weight }
    }

    fn weight_of(&self, rows: Range<usize>) -> u64 {
        self.columns.iter().map(|column| column.weight(rows.clone())).sum()
    }
}

#[derive(Debug)]
pub(super) struct EncodedColumn {
    /// Which rows are no nulls; `None` where no row is one.
    pub(super) valid: Option<Vec<bool>>,
    /// Without those of nulls.
    pub(super) values: EncodedValues,
}

impl EncodedColumn {
    /// The values of some rows, by their places among all values.
    pub(super) fn values_of(&self, rows: Range<usize>) -> Range<usize> {
        let Some(valid) = &self.valid else { return rows };
        let count = |valid: &[bool]| valid.iter().filter(|valid| **valid).count();
        let start = count(&valid[..rows.start]);
        start..start + count(&valid[rows])
    }

    fn weight(&self, rows: Range<usize>) -> u64 {
        let width = match &self.values {
            EncodedValues::Double(_) | EncodedValues::Int64(_) => 8,
            EncodedValues::Float(_) | EncodedValues::Int32(_) => 4,
            EncodedValues::Boolean(_) => 1,
            EncodedValues::Keys(keys) => {
                let values = &keys.keys[self.values_of(rows.clone())];
                let lengths = keys.distinct.lengths();
                let bytes = match lengths.first() {
                    Some(first) if lengths.iter().all(|length| length == first) => {
                        u64::from(*first) * values.len() as u64
                    }
                    _ => values.iter().map(|key| u64::from(lengths[*key as usize])).sum(),
                };
                // A key is held for each, too.
                return (size_of::<u32>() * rows.len()) as u64 + bytes;
            }
        };
        width * rows.len() as u64
    }
}

#[derive(Debug)]
pub(super) enum EncodedValues {
    Double(Vec<f64>),
    Float(Vec<f32>),
    Int64(Vec<i64>),
    Int32(Vec<i32>),
    Boolean(Vec<bool>),
    Keys(Keys),
}

/// Values by their place among the distinct ones, which are in the order in which they first came.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) keys: Vec<u32>,
    pub(super) distinct: Distinct,
}

/// Distinct values in PLAIN encoding, one after the other, as a dictionary page holds them.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    pub(super) plain: Vec<u8>,
    /// Where each ends.
    ends: Vec<u32>,
}

impl Distinct {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, key: u32) -> &[u8] {
        let key = key as usize;
        let start = if key == 0 { 0 } else { self.ends[key - 1] as usize };
        &self.plain[start..self.ends[key] as usize]
    }

    fn lengths(&self) -> Vec<u32> {
        let starts = std::iter::once(&0).chain(&self.ends);
        self.ends.iter().zip(starts).map(|(end, start)| end - start).collect()
    }

    fn of_texts<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut distinct = Distinct::default();
        for text in texts {
            distinct.plain.extend_from_slice(&(text.len() as u32).to_le_bytes());
            distinct.push(text);
        }
        distinct
    }

    pub(super) fn of_values<T: AsRef<[u8]>>(values: impl Iterator<Item = T>) -> Self {
        let mut distinct = Distinct::default();
        values.for_each(|value| distinct.push(value.as_ref()));
        distinct
    }

    /// Adds a value in PLAIN encoding.
    pub(super) fn push(&mut self, value: &[u8]) {
        self.plain.extend_from_slice(value);
        self.ends.push(self.plain.len() as u32);
    }
}

/// Takes piece after piece on one thread.
pub(crate) struct ChunkEncoder {
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
    pub(super) fn new() -> Self {
        ChunkEncoder { dictionary: Dictionary::new() }
    }

    /// Takes columns that were read from text.
    pub(crate) fn encode(&mut self, rows: usize, columns: &[Column]) -> EncodedRows {
        EncodedRows::new(rows, columns.iter().map(column).collect())
    }

    /// Takes a batch whose types are all [`encodes`], where texts may come as keys.
    pub(crate) fn encode_batch(&mut self, batch: &RecordBatch) -> Result<EncodedRows> {
        let columns = batch.columns().iter().map(|array| self.array(array)).collect::<Result<_>>()?;
        Ok(EncodedRows::new(batch.num_rows(), columns))
    }

    fn array(&mut self, array: &ArrayRef) -> Result<EncodedColumn> {
        let valid: Option<Vec<bool>> =
            array.nulls().filter(|nulls| nulls.null_count() > 0).map(|nulls| nulls.iter().collect());
        let nulls = valid.as_deref();
        let values = match array.data_type() {
            DataType::Utf8 | DataType::Binary => {
                self.dictionary.clear();
                bytes_of(array).as_binary::<i32>().iter().flatten().for_each(|text| {
                    self.dictionary.push(text);
                });
                let distinct = Distinct::of_texts(self.dictionary.texts());
                EncodedValues::Keys(Keys { keys: self.dictionary.keys().to_vec(), distinct })
            }
            DataType::Dictionary(..) => {
                let keyed = array.as_dictionary::<Int32Type>();
                let texts = bytes_of(keyed.values());
                let texts = texts.as_binary::<i32>();
                // A dictionary is that of a whole column chunk: what this batch does not use is left away.
                let mut places = vec![None; texts.len()];
                let mut used: Vec<&[u8]> = Vec::new();
                let keys = (0..keyed.len())
                    .filter_map(|row| keyed.key(row))
                    .map(|key| {
                        *places[key].get_or_insert_with(|| {
                            used.push(texts.value(key));
                            (used.len() - 1) as u32
                        })
                    })
                    .collect();
                EncodedValues::Keys(Keys { keys, distinct: Distinct::of_texts(used.into_iter()) })
            }
            DataType::Float64 => {
                EncodedValues::Double(dense(array.as_primitive::<Float64Type>().values(), nulls))
            }
            DataType::Float32 => {
                EncodedValues::Float(dense(array.as_primitive::<Float32Type>().values(), nulls))
            }
            DataType::Boolean => {
                let values: Vec<bool> = array.as_boolean().values().iter().collect();
                EncodedValues::Boolean(dense(&values, nulls))
            }
            DataType::Int32 | DataType::Date32 => {
                let array = cast(array, &DataType::Int32).map_err(|error| not_ours(&error))?;
                EncodedValues::Int32(dense(array.as_primitive::<Int32Type>().values(), nulls))
            }
            DataType::Int64 | DataType::Timestamp(..) => {
                let array = cast(array, &DataType::Int64).map_err(|error| not_ours(&error))?;
                EncodedValues::Int64(dense(array.as_primitive::<Int64Type>().values(), nulls))
            }
            other => return Err(not_ours(other)),
        };
        Ok(EncodedColumn { valid, values })
    }
}

fn column(read: &Column) -> EncodedColumn {
    let valid = read.valid();
    let nulls = valid.as_deref();
    let values = match read.values() {
        Values::Text(texts) => EncodedValues::Keys(Keys {
            keys: dense(texts.keys(), nulls),
            distinct: Distinct::of_texts(texts.texts()),
        }),
        Values::Timestamp { texts, values, .. } => EncodedValues::Keys(Keys {
            keys: dense(texts.keys(), nulls),
            distinct: Distinct::of_values(values.iter().map(|value| value.to_le_bytes())),
        }),
        Values::Double(values) => EncodedValues::Double(dense(values, nulls)),
        Values::Int64(values) => EncodedValues::Int64(dense(values, nulls)),
        Values::Date(values) => EncodedValues::Int32(dense(values, nulls)),
        Values::Boolean(values) => EncodedValues::Boolean(dense(values, nulls)),
    };
    EncodedColumn { valid: valid.map(Cow::into_owned), values }
}

fn not_ours(what: &dyn std::fmt::Display) -> Error {
    Error::Internal(format!("a column that is not encoded here: {what}"))
}

/// Values without those of nulls.
fn dense<T: Copy>(values: &[T], valid: Option<&[bool]>) -> Vec<T> {
    match valid {
        None => values.to_vec(),
        Some(valid) => {
            values.iter().zip(valid).filter(|(_, valid)| **valid).map(|(value, _)| *value).collect()
        }
    }
}
