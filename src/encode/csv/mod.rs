//! A `RecordBatch` to CSV text: takes typed columns, gives bytes as an export would hold them: LF, quotes only where
//! needed, timestamps in UTC, doubles as Java prints them, nulls as empty cells.

mod block;

use crate::error::{Error, Result};
use crate::value::double::{write_java, write_java_f32};
use crate::value::printer::Printer;
use crate::value::time::{TimestampFormatter, Unit, Zone, write_date};
use arrow::array::cast::AsArray;
use arrow::array::types::{
    Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{
    Array, ArrayRef, LargeStringArray, PrimitiveArray, RecordBatch, StringArray, StringBuilder,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Schema, TimeUnit};
use block::Block;

/// Refuses a schema that CSV cannot hold, naming the column.
pub(crate) fn check_schema(schema: &Schema, file: &str) -> Result<()> {
    for field in schema.fields() {
        if !can_hold(field.data_type()) {
            return Err(Error::data(file, format!("CSV cannot hold the type {}", field.data_type()))
                .column(field.name())
                .remedy("write Parquet, or export without the column")
                .into());
        }
    }
    Ok(())
}

pub(crate) fn can_hold(data_type: &DataType) -> bool {
    use DataType::*;
    match data_type {
        Dictionary(_, values) => can_hold(values),
        Null | Boolean | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => true,
        Float16 | Float32 | Float64 | Utf8 | LargeUtf8 | Utf8View | Date32 | Date64 | Timestamp(_, _) => true,
        Decimal32(_, _) | Decimal64(_, _) | Decimal128(_, _) | Decimal256(_, _) => true,
        _ => false,
    }
}

/// Appends the header line.
pub(crate) fn write_header(schema: &Schema, out: &mut Vec<u8>) {
    for (i, field) in schema.fields().iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let name = field.name().as_bytes();
        // A reader would take these three bytes at the file's start for a byte order mark.
        let is_mark = i == 0 && name.starts_with(b"\xef\xbb\xbf");
        write_text(name, is_mark || (name.is_empty() && schema.fields().len() == 1), out);
    }
    out.push(b'\n');
}

/// Writes the rows of a batch whose schema has passed [`check_schema`] over what is in `out` from `at` on, and gives their
/// end; what is behind it, or after an error behind `at`, is not to be used.
pub(crate) fn write_rows(batch: &RecordBatch, file: &str, out: &mut Vec<u8>, at: usize) -> Result<usize> {
    let schema = batch.schema();
    let mut columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(array, field)| Cells::new(array, field))
        .collect::<Result<Vec<_>>>()?;
    if let [only] = columns.as_slice()
        && let Some(nulls) = only.nulls.as_ref()
        && nulls.null_count() > 0
    {
        return Err(Error::data(
            file,
            "CSV cannot hold a null in a file of one column: an empty line is no row",
        )
        .column(schema.field(0).name())
        .remedy("write Parquet")
        .into());
    }
    let last = columns.len().saturating_sub(1);
    let mut blocks = vec![Block::new(); columns.len()];
    let mut long = Vec::new();
    let mut printer = Printer::new(out, at);
    for start in (0..batch.num_rows()).step_by(block::ROWS) {
        let rows = start..batch.num_rows().min(start + block::ROWS);
        for (i, (column, block)) in columns.iter_mut().zip(&mut blocks).enumerate() {
            block.fill(column, rows.clone(), if i == last { b'\n' } else { b',' });
        }
        for row in 0..rows.len() {
            for (i, block) in blocks.iter().enumerate() {
                if let Some((cell, len)) = block.cell(row) {
                    printer.word(cell, len);
                    continue;
                }
                long.clear();
                if let Err(problem) = columns[i].values.write(rows.start + row, &mut long) {
                    let error = Error::data(file, problem).column(schema.field(i).name());
                    return Err(error.remedy("write Parquet").into());
                }
                long.push(block.separator());
                printer.text(&long);
            }
        }
    }
    Ok(printer.end())
}

/// A column as the text its cells would have, without quotes.
pub(crate) fn to_text(array: &ArrayRef, column: &str, file: &str) -> Result<ArrayRef> {
    let field = Field::new(column, array.data_type().clone(), true);
    if !can_hold(array.data_type()) {
        return Err(Error::data(file, format!("the type {} cannot be text", array.data_type()))
            .column(column)
            .into());
    }
    let mut cells = Cells::new(array, &field)?;
    let mut text = StringBuilder::new();
    let mut buffer = Vec::new();
    for row in 0..array.len() {
        if cells.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            text.append_null();
            continue;
        }
        let value = match &cells.values {
            Values::Text { array, .. } => array.value(row),
            Values::Keys { keys, texts, .. } => texts.value(keys[row] as usize),
            Values::LargeText(array) => array.value(row),
            _ => {
                buffer.clear();
                cells
                    .values
                    .write(row, &mut buffer)
                    .map_err(|problem| Error::data(file, problem).column(column))?;
                std::str::from_utf8(&buffer)
                    .map_err(|error| Error::Internal(format!("printed text: {error}")))?
            }
        };
        text.append_value(value);
    }
    Ok(std::sync::Arc::new(text.finish()))
}

/// One column, ready to print any of its rows.
struct Cells {
    nulls: Option<NullBuffer>,
    values: Values,
}

enum Values {
    Empty,
    /// `is_plain`: no cell needs quotes.
    Text {
        array: StringArray,
        is_plain: bool,
    },
    LargeText(LargeStringArray),
    /// Texts by their place among the distinct ones.
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

impl Cells {
    fn new(array: &ArrayRef, field: &Field) -> Result<Self> {
        let converted = |to: &DataType| {
            cast(array, to).map_err(|error| {
                Error::Internal(format!("column {} cannot be read as {to}: {error}", field.name()))
            })
        };
        let values = match array.data_type() {
            DataType::Dictionary(key, values) if **key == DataType::Int32 && **values == DataType::Utf8 => {
                let dictionary = array.as_dictionary::<Int32Type>();
                let texts = dictionary.values().as_string::<i32>().clone();
                Values::Keys { keys: dictionary.keys().values().clone(), is_plain: is_plain(&texts), texts }
            }
            DataType::Dictionary(_, values) => return Cells::new(&converted(values)?, field),
            DataType::Utf8View => return Cells::new(&converted(&DataType::Utf8)?, field),
            DataType::Float16 => return Cells::new(&converted(&DataType::Float32)?, field),
            DataType::Date64 => return Cells::new(&converted(&DataType::Date32)?, field),
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                return Cells::new(&converted(&DataType::Decimal128(*precision, *scale))?, field);
            }
            DataType::Null => Values::Empty,
            DataType::Utf8 => {
                let array = array.as_string::<i32>().clone();
                Values::Text { is_plain: is_plain(&array), array }
            }
            DataType::LargeUtf8 => Values::LargeText(array.as_string().clone()),
            DataType::Boolean => Values::Boolean(array.as_boolean().clone()),
            DataType::Int8 => Values::Signed(widened::<Int8Type, _>(array)),
            DataType::Int16 => Values::Signed(widened::<Int16Type, _>(array)),
            DataType::Int32 => Values::Signed(widened::<Int32Type, _>(array)),
            DataType::Int64 => Values::Signed(array.as_primitive::<Int64Type>().values().clone()),
            DataType::UInt8 => Values::Unsigned(widened::<UInt8Type, _>(array)),
            DataType::UInt16 => Values::Unsigned(widened::<UInt16Type, _>(array)),
            DataType::UInt32 => Values::Unsigned(widened::<UInt32Type, _>(array)),
            DataType::UInt64 => Values::Unsigned(array.as_primitive::<UInt64Type>().values().clone()),
            DataType::Float64 => Values::Double(array.as_primitive::<Float64Type>().values().clone()),
            DataType::Float32 => Values::Float(array.as_primitive::<Float32Type>().values().clone()),
            DataType::Date32 => {
                Values::Date(array.as_primitive::<arrow::array::types::Date32Type>().values().clone())
            }
            DataType::Timestamp(unit, zone) => {
                let plain = converted(&DataType::Int64)?;
                Values::Timestamp {
                    values: plain.as_primitive::<Int64Type>().values().clone(),
                    unit: match unit {
                        TimeUnit::Second => Unit::Second,
                        TimeUnit::Millisecond => Unit::Milli,
                        TimeUnit::Microsecond => Unit::Micro,
                        TimeUnit::Nanosecond => Unit::Nano,
                    },
                    // Whatever the zone's name, the value counts from the epoch in UTC.
                    zone: if zone.is_some() { Zone::Utc } else { Zone::None },
                    formatter: TimestampFormatter::new(),
                }
            }
            DataType::Decimal128(_, _) => Values::Decimal128(array.as_primitive().clone()),
            DataType::Decimal256(_, _) => Values::Decimal256(array.as_primitive().clone()),
            other => return Err(Error::Internal(format!("column {} has the type {other}", field.name()))),
        };
        Ok(Cells { nulls: array.logical_nulls(), values })
    }
}

const FAR_TIMESTAMP: &str = "a timestamp outside the years 0 to 9999";

impl Values {
    /// Appends a value, which is no null.
    fn write(&mut self, row: usize, out: &mut Vec<u8>) -> Result<(), &'static str> {
        match self {
            Values::Empty => {}
            Values::Text { array, .. } => write_text(array.value(row).as_bytes(), true, out),
            Values::Keys { keys, texts, .. } => {
                write_text(texts.value(keys[row] as usize).as_bytes(), true, out)
            }
            Values::LargeText(array) => write_text(array.value(row).as_bytes(), true, out),
            Values::Boolean(array) => {
                out.extend_from_slice(if array.value(row) { b"true" } else { b"false" })
            }
            Values::Signed(values) => {
                out.extend_from_slice(itoa::Buffer::new().format(values[row]).as_bytes())
            }
            Values::Unsigned(values) => {
                out.extend_from_slice(itoa::Buffer::new().format(values[row]).as_bytes())
            }
            Values::Double(values) => write_java(values[row], out),
            Values::Float(values) => write_java_f32(values[row], out),
            Values::Date(values) => {
                if !write_date(values[row], out) {
                    return Err("a date outside the years 0 to 9999");
                }
            }
            Values::Timestamp { values, unit, zone, formatter } => {
                if !formatter.write(values[row], *unit, *zone, out) {
                    return Err(FAR_TIMESTAMP);
                }
            }
            Values::Decimal128(array) => out.extend_from_slice(array.value_as_string(row).as_bytes()),
            Values::Decimal256(array) => out.extend_from_slice(array.value_as_string(row).as_bytes()),
        }
        Ok(())
    }
}

/// Whether no text of a column needs quotes, not even for being empty.
fn is_plain(texts: &StringArray) -> bool {
    let offsets = texts.value_offsets();
    let bytes = &texts.value_data()[offsets[0] as usize..offsets[offsets.len() - 1] as usize];
    memchr::memchr3(b',', b'"', b'\n', bytes).is_none()
        && memchr::memchr2(b'\r', b'\xef', bytes).is_none()
        && offsets.windows(2).enumerate().all(|(row, ends)| ends[0] < ends[1] || texts.is_null(row))
}

/// Appends a cell of text, in quotes where it holds a delimiter, a quote or a line end, or where it is empty and
/// `quote_empty` says that an empty cell would mean null.
fn write_text(text: &[u8], quote_empty: bool, out: &mut Vec<u8>) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::*;
    use std::sync::Arc;

    /// The cells of one column, printed beside a column that keeps empty lines away.
    fn cells(array: ArrayRef) -> Vec<String> {
        let rows: ArrayRef = Arc::new(Int32Array::from_iter_values(0..array.len() as i32));
        let fields =
            vec![Field::new("row", DataType::Int32, false), Field::new("x", array.data_type().clone(), true)];
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![rows, array]).expect("a batch");
        let mut out = b"old".to_vec();
        let end = write_rows(&batch, "f", &mut out, 0).expect("CSV can hold it");
        out.truncate(end);
        let text = String::from_utf8(out).expect("text");
        text.split_terminator('\n')
            .map(|line| line.split_once(',').expect("two cells").1.to_owned())
            .collect()
    }

    #[test]
    fn text_is_quoted_only_where_needed() {
        let array =
            StringArray::from(vec![Some("a b"), Some("a,b"), Some("a\"b"), Some(""), None, Some("00042")]);
        let expected = ["a b", "\"a,b\"", "\"a\"\"b\"", "\"\"", "", "00042"];
        assert_eq!(cells(Arc::new(array)), expected);
    }

    #[test]
    fn every_width_of_timestamp_prints_alike() {
        let second = 1_577_934_245;
        let expected = ["2020-01-02T03:04:05Z"];
        assert_eq!(cells(Arc::new(TimestampSecondArray::from(vec![second]).with_timezone("UTC"))), expected);
        let zone = "+02:00";
        assert_eq!(
            cells(Arc::new(TimestampMillisecondArray::from(vec![second * 1_000]).with_timezone(zone))),
            expected
        );
        assert_eq!(
            cells(Arc::new(TimestampNanosecondArray::from(vec![second * 1_000_000_000 + 1]))),
            ["2020-01-02T03:04:05.000000001"]
        );
    }

    #[test]
    fn numbers_print_as_java_prints_them() {
        assert_eq!(
            cells(Arc::new(Float64Array::from(vec![
                1.0,
                2.295408381527212e-4,
                1e7,
                f64::NAN,
                f64::NEG_INFINITY
            ]))),
            ["1.0", "2.295408381527212E-4", "1.0E7", "NaN", "-Infinity"]
        );
        assert_eq!(cells(Arc::new(Float32Array::from(vec![0.1, 1e10]))), ["0.1", "1.0E10"]);
        assert_eq!(cells(Arc::new(UInt64Array::from(vec![u64::MAX]))), ["18446744073709551615"]);
        let decimal = Decimal128Array::from(vec![-1250]).with_precision_and_scale(10, 2).expect("a decimal");
        assert_eq!(cells(Arc::new(decimal)), ["-12.50"]);
        assert_eq!(cells(Arc::new(Date32Array::from(vec![0, -1]))), ["1970-01-01", "1969-12-31"]);
    }

    #[test]
    fn dictionaries_and_views_are_text() {
        let dictionary: DictionaryArray<Int32Type> = [Some("a"), None, Some("a")].into_iter().collect();
        assert_eq!(cells(Arc::new(dictionary)), ["a", "", "a"]);
        assert_eq!(cells(Arc::new(StringViewArray::from(vec!["a,b"]))), ["\"a,b\""]);
        assert_eq!(cells(Arc::new(LargeStringArray::from(vec!["x"]))), ["x"]);
    }

    #[test]
    fn what_csv_cannot_hold_names_the_column() {
        let list = Field::new("values", DataType::new_list(DataType::Int32, true), true);
        let error = check_schema(&Schema::new(vec![list]), "a.parquet").expect_err("nested");
        assert!(error.to_string().contains("a.parquet, column values: CSV cannot hold the type"), "{error}");
    }

    #[test]
    fn a_null_in_a_lone_column_is_refused() {
        let array: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
        let batch = RecordBatch::try_from_iter_with_nullable([("x", array, true)]).expect("a batch");
        assert!(write_rows(&batch, "f", &mut Vec::new(), 0).is_err());
    }
}
