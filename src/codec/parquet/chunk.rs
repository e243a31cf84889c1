//! Converts the rows of one piece of text or of one batch to the columns of a row group: numbers as they are stored,
//! texts and timestamps as keys into a dictionary of the piece. Nothing here depends on where a piece ends: pages,
//! dictionaries and bounds belong to the whole row group, which [`super::row_group`] makes.

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

/// Consecutive rows, which may be divided between two row groups.
#[derive(Debug, Clone)]
pub(crate) struct EncodedRows {
    /// The range of rows in the columns.
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

    /// The weight of the rows, independent of the pieces they come in: the bytes of their values, each written out.
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
    /// Which rows are not null; `None` if no row is null.
    pub(super) valid: Option<Vec<bool>>,
    /// The values, without nulls.
    pub(super) values: EncodedValues,
}

impl EncodedColumn {
    /// The range of values that belong to some rows.
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
                // There is also a key for each.
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

/// Values by their index among the distinct ones, which are in order of first occurrence.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) keys: Vec<u32>,
    pub(super) distinct: Distinct,
}

/// Distinct values in PLAIN encoding, one after the other, as a dictionary page holds them.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    pub(super) plain: Vec<u8>,
    /// The end of each.
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

/// Converts piece after piece on one thread.
pub(crate) struct ChunkEncoder {
    /// Distinct values of the current column.
    dictionary: Dictionary,
}

/// Whether a column is encoded here; the parquet crate encodes the others.
pub(crate) fn encodes(data_type: &DataType, declared: &ColumnDescriptor) -> bool {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond};
    // Bounds compare numbers as signed and bytes as unsigned.
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

/// The texts of a column, or binary values.
fn bytes_of(array: &dyn Array) -> ArrayRef {
    match array.data_type() {
        // The same buffers as another type.
        DataType::Utf8 => Arc::new(BinaryArray::from(array.as_string::<i32>().clone())),
        _ => Arc::new(array.as_binary::<i32>().clone()),
    }
}

impl ChunkEncoder {
    pub(super) fn new() -> Self {
        ChunkEncoder { dictionary: Dictionary::new() }
    }

    /// Converts columns that were read from text.
    pub(crate) fn encode(&mut self, rows: usize, columns: &[Column]) -> EncodedRows {
        EncodedRows::new(rows, columns.iter().map(column).collect())
    }

    /// Converts a batch whose types all pass [`encodes`]; texts may come as keys.
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
                // A dictionary belongs to a whole column chunk; what this batch does not use is left out.
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

/// Values without nulls.
fn dense<T: Copy>(values: &[T], valid: Option<&[bool]>) -> Vec<T> {
    match valid {
        None => values.to_vec(),
        Some(valid) => {
            values.iter().zip(valid).filter(|(_, valid)| **valid).map(|(value, _)| *value).collect()
        }
    }
}
