//! Prints cells of an Arrow column: takes an array, and writes any of its rows as the text of a CSV cell.

use crate::codec::value::{
    TimestampFormatter, Unit, Zone, write_date, write_interval, write_java, write_java_f32, write_time,
};
use crate::model::{Error, Result, UUID, meaning};
use arrow::array::cast::AsArray;
use arrow::array::types::{
    Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNano, IntervalMonthDayNanoType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{Array, ArrayRef, FixedSizeBinaryArray, LargeStringArray, PrimitiveArray, StringArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, IntervalUnit, TimeUnit};
use std::sync::Arc;

/// One column, ready to print any of its rows.
pub(super) struct CellPrinter {
    pub(super) nulls: Option<NullBuffer>,
    pub(super) values: PrintedValues,
}

pub(super) enum PrintedValues {
    Empty,
    /// `is_plain` means that no cell needs quotes.
    Text {
        array: StringArray,
        is_plain: bool,
    },
    LargeText(LargeStringArray),
    /// Texts by their index among the distinct ones.
    Keys {
        keys: ScalarBuffer<i32>,
        texts: StringArray,
        is_plain: bool,
    },
    Boolean(arrow::array::BooleanArray),
    Signed(ScalarBuffer<i64>),
    Unsigned(ScalarBuffer<u64>),
    Double(ScalarBuffer<f64>),
    Float(ScalarBuffer<f32>),
    Date(ScalarBuffer<i32>),
    Timestamp {
        values: ScalarBuffer<i64>,
        unit: Unit,
        zone: Zone,
        formatter: TimestampFormatter,
    },
    Time {
        values: ScalarBuffer<i64>,
        unit: Unit,
    },
    Interval(ScalarBuffer<IntervalMonthDayNano>),
    Uuid(FixedSizeBinaryArray),
    Decimal128(PrimitiveArray<Decimal128Type>),
    Decimal256(PrimitiveArray<Decimal256Type>),
}

fn widened<T: ArrowPrimitiveType, W>(array: &dyn Array) -> ScalarBuffer<W>
where
    T::Native: Into<W>,
    W: arrow::datatypes::ArrowNativeType,
{
    array.as_primitive::<T>().values().iter().map(|value| (*value).into()).collect()
}

impl CellPrinter {
    pub(super) fn new(array: &ArrayRef, field: &Field) -> Result<Self> {
        let converted = |to: &DataType| {
            cast(array, to).map_err(|error| {
                Error::Internal(format!("column {} cannot be read as {to}: {error}", field.name()))
            })
        };
        let values = match array.data_type() {
            DataType::Dictionary(key, values) if **key == DataType::Int32 && **values == DataType::Utf8 => {
                let dictionary = array.as_dictionary::<Int32Type>();
                let texts = dictionary.values().as_string::<i32>().clone();
                PrintedValues::Keys {
                    keys: dictionary.keys().values().clone(),
                    is_plain: is_plain(&texts),
                    texts,
                }
            }
            DataType::Dictionary(_, values) => return CellPrinter::new(&converted(values)?, field),
            DataType::Utf8View => return CellPrinter::new(&converted(&DataType::Utf8)?, field),
            DataType::Float16 => return CellPrinter::new(&converted(&DataType::Float32)?, field),
            DataType::Date64 => return CellPrinter::new(&converted(&DataType::Date32)?, field),
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                return CellPrinter::new(&converted(&DataType::Decimal128(*precision, *scale))?, field);
            }
            DataType::Null => PrintedValues::Empty,
            DataType::Utf8 => {
                let array = array.as_string::<i32>().clone();
                PrintedValues::Text { is_plain: is_plain(&array), array }
            }
            DataType::LargeUtf8 => PrintedValues::LargeText(array.as_string().clone()),
            DataType::Boolean => PrintedValues::Boolean(array.as_boolean().clone()),
            DataType::Int8 => PrintedValues::Signed(widened::<Int8Type, _>(array)),
            DataType::Int16 => PrintedValues::Signed(widened::<Int16Type, _>(array)),
            DataType::Int32 => PrintedValues::Signed(widened::<Int32Type, _>(array)),
            DataType::Int64 => PrintedValues::Signed(array.as_primitive::<Int64Type>().values().clone()),
            DataType::UInt8 => PrintedValues::Unsigned(widened::<UInt8Type, _>(array)),
            DataType::UInt16 => PrintedValues::Unsigned(widened::<UInt16Type, _>(array)),
            DataType::UInt32 => PrintedValues::Unsigned(widened::<UInt32Type, _>(array)),
            DataType::UInt64 => PrintedValues::Unsigned(array.as_primitive::<UInt64Type>().values().clone()),
            DataType::Float64 => PrintedValues::Double(array.as_primitive::<Float64Type>().values().clone()),
            DataType::Float32 => PrintedValues::Float(array.as_primitive::<Float32Type>().values().clone()),
            DataType::Date32 => {
                PrintedValues::Date(array.as_primitive::<arrow::array::types::Date32Type>().values().clone())
            }
            DataType::Timestamp(unit, zone) => {
                let plain = converted(&DataType::Int64)?;
                PrintedValues::Timestamp {
                    values: plain.as_primitive::<Int64Type>().values().clone(),
                    unit: of(*unit),
                    // Whatever the zone's name, the value counts from the UTC epoch.
                    zone: if zone.is_some() { Zone::Utc } else { Zone::None },
                    formatter: TimestampFormatter::new(),
                }
            }
            DataType::Time32(unit) | DataType::Time64(unit) => {
                let ticks = match array.data_type() {
                    DataType::Time32(_) => converted(&DataType::Int32)?,
                    _ => Arc::clone(array),
                };
                let ticks =
                    cast(&ticks, &DataType::Int64).map_err(|error| Error::Internal(error.to_string()))?;
                PrintedValues::Time {
                    values: ticks.as_primitive::<Int64Type>().values().clone(),
                    unit: of(*unit),
                }
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                PrintedValues::Interval(array.as_primitive::<IntervalMonthDayNanoType>().values().clone())
            }
            DataType::FixedSizeBinary(16) if meaning(field) == Some(UUID) => {
                PrintedValues::Uuid(array.as_fixed_size_binary().clone())
            }
            DataType::Decimal128(_, _) => PrintedValues::Decimal128(array.as_primitive().clone()),
            DataType::Decimal256(_, _) => PrintedValues::Decimal256(array.as_primitive().clone()),
            other => return Err(Error::Internal(format!("column {} has the type {other}", field.name()))),
        };
        Ok(CellPrinter { nulls: array.logical_nulls(), values })
    }
}

fn of(unit: TimeUnit) -> Unit {
    match unit {
        TimeUnit::Second => Unit::Second,
        TimeUnit::Millisecond => Unit::Milli,
        TimeUnit::Microsecond => Unit::Micro,
        TimeUnit::Nanosecond => Unit::Nano,
    }
}

const FAR_TIMESTAMP: &str = "the timestamp is outside the years 0 to 9999";

impl PrintedValues {
    /// Appends a value that is not null.
    pub(super) fn write(&mut self, row: usize, out: &mut Vec<u8>) -> Result<(), &'static str> {
        match self {
            PrintedValues::Empty => {}
            PrintedValues::Text { array, .. } => write_text(array.value(row).as_bytes(), true, out),
            PrintedValues::Keys { keys, texts, .. } => {
                write_text(texts.value(keys[row] as usize).as_bytes(), true, out)
            }
            PrintedValues::LargeText(array) => write_text(array.value(row).as_bytes(), true, out),
            PrintedValues::Boolean(array) => {
                out.extend_from_slice(if array.value(row) { b"true" } else { b"false" })
            }
            PrintedValues::Signed(values) => {
                out.extend_from_slice(itoa::Buffer::new().format(values[row]).as_bytes())
            }
            PrintedValues::Unsigned(values) => {
                out.extend_from_slice(itoa::Buffer::new().format(values[row]).as_bytes())
            }
            PrintedValues::Double(values) => write_java(values[row], out),
            PrintedValues::Float(values) => write_java_f32(values[row], out),
            PrintedValues::Date(values) => {
                if !write_date(values[row], out) {
                    return Err("the date is outside the years 0 to 9999");
                }
            }
            PrintedValues::Timestamp { values, unit, zone, formatter } => {
                if !formatter.write(values[row], *unit, *zone, out) {
                    return Err(FAR_TIMESTAMP);
                }
            }
            PrintedValues::Time { values, unit } => {
                if !write_time(values[row], *unit, out) {
                    return Err("the time of day is before 00:00:00 or after 24:00:00");
                }
            }
            PrintedValues::Interval(values) => {
                let value = values[row];
                if !write_interval(value.months, value.days, value.nanoseconds, out) {
                    return Err("the interval is negative");
                }
            }
            PrintedValues::Uuid(array) => write_uuid(array.value(row), out),
            PrintedValues::Decimal128(array) => out.extend_from_slice(array.value_as_string(row).as_bytes()),
            PrintedValues::Decimal256(array) => out.extend_from_slice(array.value_as_string(row).as_bytes()),
        }
        Ok(())
    }
}

/// Appends 16 bytes as `00000000-0000-0000-0000-000000000000`.
fn write_uuid(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// Whether no text of a column needs quotes, not even because it is empty.
fn is_plain(texts: &StringArray) -> bool {
    let offsets = texts.value_offsets();
    let bytes = &texts.value_data()[offsets[0] as usize..offsets[offsets.len() - 1] as usize];
    memchr::memchr3(b',', b'"', b'\n', bytes).is_none()
        && memchr::memchr2(b'\r', b'\xef', bytes).is_none()
        && offsets.windows(2).enumerate().all(|(row, ends)| ends[0] < ends[1] || texts.is_null(row))
}

/// Appends a text cell, in quotes if it contains a delimiter, a quote or a line end, or if it is empty and
/// `quote_empty` says that an empty cell would mean null.
pub(super) fn write_text(text: &[u8], quote_empty: bool, out: &mut Vec<u8>) {
    if text.is_empty() {
        if quote_empty {
            out.extend_from_slice(b"\"\"");
        }
        return;
    }
    let is_mark = quote_empty && text.starts_with(b"\xef\xbb\xbf");
    if !is_mark && !text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for byte in text {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
