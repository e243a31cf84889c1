//! Computes the digest of a table: one value for its columns and all of its rows in order, independent of the files
//! that hold them. Takes batches, returns canonical bytes and their BLAKE3 hash; `docs/digest.md` is the definition, so
//! that others can recompute it.

use crate::codec::csv::{CellType, to_text};
use crate::codec::value::Zone;
use crate::model::{DataErrorKind, Error, Remedy, Result, meaning};

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Field, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Schema, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type,
};
use arrow::row::{RowConverter, SortField};

/// Rows that are hashed together: a block.
pub(crate) const BLOCK_ROWS: usize = 1024;

const TITLE: &[u8] = b"forecast-export rows 1\n";
/// The hash input for every NaN, because CSV has only one.
const NAN: u64 = 0x7ff8_0000_0000_0000;

/// The form in which the cells of a column are compared, whichever of several types they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Double,
    Int64,
    Boolean,
    Date,
    /// In microseconds.
    Timestamp(Zone),
    /// Hashed as text.
    Nanoseconds(Zone),
    /// Types that CSV cannot hold, as bytes of Arrow's row format.
    Bytes,
}

impl Form {
    pub(crate) fn of(field: &Field) -> Form {
        use DataType::*;
        match field.data_type() {
            Float64 => Form::Double,
            Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 => Form::Int64,
            Boolean => Form::Boolean,
            Date32 => Form::Date,
            Timestamp(unit, zone) => {
                let zone = if zone.is_some() { Zone::Utc } else { Zone::None };
                // Nanoseconds are compared as their full CSV text.
                if *unit == TimeUnit::Nanosecond { Form::Nanoseconds(zone) } else { Form::Timestamp(zone) }
            }
            _ if crate::codec::csv::can_hold(field) => Form::Text,
            _ => Form::Bytes,
        }
    }

    /// Its name in the digest.
    fn word(self) -> &'static str {
        match self {
            Form::Text | Form::Nanoseconds(_) => "string",
            Form::Double => "double",
            Form::Int64 => "int64",
            Form::Boolean => "boolean",
            Form::Date => "date",
            Form::Timestamp(Zone::Utc) => "timestamp-utc",
            Form::Timestamp(Zone::None) => "timestamp",
            Form::Bytes => "arrow-row",
        }
    }

    /// How to read CSV cells for comparison with such a column.
    pub(crate) fn cell_type(self) -> CellType {
        match self {
            Form::Text | Form::Bytes => CellType::String,
            Form::Double => CellType::Double,
            Form::Int64 => CellType::Int64,
            Form::Boolean => CellType::Boolean,
            Form::Date => CellType::Date,
            Form::Timestamp(zone) => CellType::Timestamp(zone),
            Form::Nanoseconds(zone) => CellType::Nanoseconds(zone),
        }
    }
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// A column's type name in the digest: that of its form, or the name of a type with its own text form.
fn word(field: &Field) -> String {
    let text = matches!(Form::of(field), Form::Text);
    match field.data_type() {
        _ if meaning(field).is_some() => meaning(field).unwrap_or_default().to_lowercase(),
        DataType::Time32(_) | DataType::Time64(_) if text => "time".into(),
        DataType::Interval(_) if text => "interval".into(),
        _ => Form::of(field).word().into(),
    }
}

/// The forms of all columns.
pub(crate) fn forms(schema: &Schema) -> Vec<Form> {
    schema.fields().iter().map(|field| Form::of(field)).collect()
}

/// The hash of one block.
pub(crate) type BlockHash = [u8; blake3::OUT_LEN];

/// Combines the hashes of blocks in order.
pub(crate) struct Digest {
    hasher: blake3::Hasher,
    rows: u64,
}

impl Digest {
    pub(crate) fn new(schema: &Schema) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut text = |bytes: &[u8]| {
            hasher.update(&length(bytes.len()));
            hasher.update(bytes);
        };
        text(TITLE);
        for field in schema.fields() {
            text(field.name().as_bytes());
            text(word(field).as_bytes());
        }
        Digest { hasher, rows: 0 }
    }

    pub(crate) fn add(&mut self, block: &BlockHash, rows: u64) {
        self.hasher.update(block);
        self.rows += rows;
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// The digest in hexadecimal digits.
    pub(crate) fn finish(mut self) -> String {
        self.hasher.update(&self.rows.to_le_bytes());
        self.hasher.finalize().to_hex().to_string()
    }
}

pub(crate) fn hash(canonical: &[u8]) -> BlockHash {
    blake3::hash(canonical).into()
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

/// Appends the canonical bytes of one block, whose rows come as slices of batches.
pub(crate) fn append_block(
    batches: &[RecordBatch],
    schema: &Schema,
    forms: &[Form],
    file: &str,
    out: &mut Vec<u8>,
) -> Result<()> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    out.extend_from_slice(&length(rows));
    for (column, form) in forms.iter().enumerate() {
        let arrays: Vec<&ArrayRef> = batches.iter().map(|batch| batch.column(column)).collect();
        append_column(&arrays, *form, schema.field(column), file, out)?;
    }
    Ok(())
}

/// Appends one column of a block: for every row whether it has a value, then the values.
pub(crate) fn append_column(
    arrays: &[&ArrayRef],
    form: Form,
    field: &Field,
    file: &str,
    out: &mut Vec<u8>,
) -> Result<()> {
    let name = field.name();
    for array in arrays {
        let start = out.len();
        out.resize(start + array.len(), 1);
        if let Some(nulls) = array.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
            for (flag, is_valid) in out[start..].iter_mut().zip(nulls.iter()) {
                *flag = is_valid.into();
            }
        }
    }
    match form {
        Form::Text | Form::Nanoseconds(_) => append_texts(arrays, field, file, out)?,
        Form::Bytes => append_rows(arrays, name, file, out)?,
        _ => {
            for array in arrays {
                let start = out.len();
                append_words(array, name, file, out)?;
                if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
                    for (word, is_valid) in out[start..].chunks_exact_mut(8).zip(nulls.iter()) {
                        if !is_valid {
                            word.fill(0);
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

fn append_texts(arrays: &[&ArrayRef], field: &Field, file: &str, out: &mut Vec<u8>) -> Result<()> {
    let texts = arrays
        .iter()
        .map(|array| match array.data_type() {
            DataType::Utf8 => Ok(ArrayRef::clone(array)),
            // In the other table's own type.
            other => to_text(array, &field.clone().with_data_type(other.clone()), file),
        })
        .collect::<Result<Vec<_>>>()?;
    for text in &texts {
        let text = text.as_string::<i32>();
        match text.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => text.offsets().lengths().for_each(|bytes| out.extend_from_slice(&length(bytes))),
            Some(_) => text.iter().for_each(|cell| out.extend_from_slice(&length(cell.map_or(0, str::len)))),
        }
    }
    for text in &texts {
        let text = text.as_string::<i32>();
        match text.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => {
                let offsets = text.value_offsets();
                let (first, last) = (offsets[0] as usize, offsets[text.len()] as usize);
                out.extend_from_slice(&text.value_data()[first..last]);
            }
            // A null may have meaningless bytes.
            Some(_) => text.iter().flatten().for_each(|cell| out.extend_from_slice(cell.as_bytes())),
        }
    }
    Ok(())
}

fn append_rows(arrays: &[&ArrayRef], name: &str, file: &str, out: &mut Vec<u8>) -> Result<()> {
    let failed = |error: arrow::error::ArrowError| {
        let problem = format!("the type cannot be compared: {error}");
        Error::from(Error::data(DataErrorKind::Unsupported, file, problem).column(name))
    };
    let Some(first) = arrays.first() else { return Ok(()) };
    let converter = RowConverter::new(vec![SortField::new(first.data_type().clone())]).map_err(failed)?;
    let rows = arrays
        .iter()
        .map(|array| converter.convert_columns(&[ArrayRef::clone(array)]).map_err(failed))
        .collect::<Result<Vec<_>>>()?;
    let cells = || {
        let arrays = arrays.iter().zip(&rows);
        arrays.flat_map(|(array, rows)| {
            rows.iter().enumerate().map(|(row, cell)| if array.is_null(row) { &[][..] } else { cell.data() })
        })
    };
    cells().for_each(|cell| out.extend_from_slice(&length(cell.len())));
    cells().for_each(|cell| out.extend_from_slice(cell));
    Ok(())
}

/// Appends eight bytes for each value.
fn append_words(array: &ArrayRef, name: &str, file: &str, out: &mut Vec<u8>) -> Result<()> {
    let micros = |ticks: i64, factor: i64| {
        ticks.checked_mul(factor).ok_or_else(|| {
            Error::from(
                Error::data(DataErrorKind::OutOfRange, file, "the timestamp is out of range")
                    .column(name)
                    .remedy(Remedy::CompareAsText { column: name.to_owned() }),
            )
        })
    };
    match array.data_type() {
        DataType::Float64 => {
            append::<Float64Type>(array, out, |value| Ok(if value.is_nan() { NAN } else { value.to_bits() }))
        }
        DataType::Int64 => append::<Int64Type>(array, out, |value| Ok(value as u64)),
        DataType::Int32 => append::<Int32Type>(array, out, |value| Ok(i64::from(value) as u64)),
        DataType::Int16 => append::<Int16Type>(array, out, |value| Ok(i64::from(value) as u64)),
        DataType::Int8 => append::<Int8Type>(array, out, |value| Ok(i64::from(value) as u64)),
        DataType::UInt32 => append::<UInt32Type>(array, out, |value| Ok(value.into())),
        DataType::UInt16 => append::<UInt16Type>(array, out, |value| Ok(value.into())),
        DataType::UInt8 => append::<UInt8Type>(array, out, |value| Ok(value.into())),
        DataType::Date32 => append::<Date32Type>(array, out, |value| Ok(i64::from(value) as u64)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            append::<TimestampMicrosecondType>(array, out, |value| Ok(value as u64))
        }
        // The placeholder of a null is meaningless, so it must not cause an error.
        DataType::Timestamp(TimeUnit::Millisecond, _) if array.null_count() > 0 => {
            append_some(array.as_primitive::<TimestampMillisecondType>().iter(), out, |value| {
                Ok(micros(value, 1_000)? as u64)
            })
        }
        DataType::Timestamp(TimeUnit::Second, _) if array.null_count() > 0 => {
            append_some(array.as_primitive::<TimestampSecondType>().iter(), out, |value| {
                Ok(micros(value, 1_000_000)? as u64)
            })
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            append::<TimestampMillisecondType>(array, out, |value| Ok(micros(value, 1_000)? as u64))
        }
        DataType::Timestamp(TimeUnit::Second, _) => {
            append::<TimestampSecondType>(array, out, |value| Ok(micros(value, 1_000_000)? as u64))
        }
        DataType::Boolean => {
            let values = array.as_boolean().values();
            values.iter().for_each(|value| out.extend_from_slice(&u64::from(value).to_le_bytes()));
            Ok(())
        }
        other => Err(Error::Internal(format!("column {name} of type {other} has no text form"))),
    }
}

fn append<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    out: &mut Vec<u8>,
    word: impl Fn(T::Native) -> Result<u64>,
) -> Result<()> {
    let values = array.as_primitive::<T>().values();
    let start = out.len();
    out.resize(start + 8 * values.len(), 0);
    for (place, value) in out[start..].chunks_exact_mut(8).zip(values) {
        place.copy_from_slice(&word(*value)?.to_le_bytes());
    }
    Ok(())
}

fn append_some<T>(
    values: impl Iterator<Item = Option<T>>,
    out: &mut Vec<u8>,
    word: impl Fn(T) -> Result<u64>,
) -> Result<()> {
    for value in values {
        out.extend_from_slice(&value.map_or(Ok(0), &word)?.to_le_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray};
    use std::sync::Arc;

    fn column(array: ArrayRef) -> Vec<u8> {
        let mut out = Vec::new();
        let field = Field::new("x", array.data_type().clone(), true);
        append_column(&[&array], Form::of(&field), &field, "f", &mut out).expect("canonical");
        out
    }

    #[test]
    fn null_is_not_the_empty_string_and_its_hidden_bytes_mean_nothing() {
        let null = column(Arc::new(StringArray::from(vec![None::<&str>])));
        let empty = column(Arc::new(StringArray::from(vec![""])));
        assert_eq!(null, [0, 0, 0, 0, 0]);
        assert_eq!(empty, [1, 0, 0, 0, 0]);
        let hidden = StringArray::new(
            StringArray::from(vec!["secret"]).offsets().clone(),
            StringArray::from(vec!["secret"]).values().clone(),
            Some(vec![false].into()),
        );
        assert_eq!(column(Arc::new(hidden)), null);
    }

    #[test]
    fn text_cannot_move_from_one_cell_to_the_next() {
        let one: ArrayRef = Arc::new(StringArray::from(vec!["ab", "c"]));
        let other: ArrayRef = Arc::new(StringArray::from(vec!["a", "bc"]));
        assert_ne!(column(one), column(other));
    }

    #[test]
    fn every_nan_is_one_and_zeros_have_signs() {
        let bits = |bits| column(Arc::new(Float64Array::from(vec![f64::from_bits(bits)])));
        assert_eq!(bits(0x7ff8_0000_0000_0001), bits(0xfff0_0000_0000_0002));
        assert_ne!(bits(0.0f64.to_bits()), bits((-0.0f64).to_bits()));
    }

    #[test]
    fn a_point_in_time_is_the_same_in_every_unit_but_not_without_its_zone() {
        let millis: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(1), None]));
        let micros: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(1000), None]));
        assert_eq!(column(millis), column(Arc::clone(&micros)));
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let field = |of: &DataType| Field::new("x", of.clone(), true);
        assert_ne!(Form::of(&field(micros.data_type())), Form::of(&field(&zoned)));
    }

    #[test]
    fn batches_may_be_cut_anywhere() {
        let table: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("ccc"), Some("")]));
        let (head, tail) = (table.slice(0, 1), table.slice(1, 3));
        let mut cut = Vec::new();
        let field = Field::new("x", DataType::Utf8, true);
        append_column(&[&head, &tail], Form::Text, &field, "f", &mut cut).expect("canonical");
        assert_eq!(cut, column(table));
    }
}
