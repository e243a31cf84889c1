//! Encodes a `RecordBatch` as CSV text: takes typed columns, returns bytes as in an export: LF, quotes only where
//! needed, timestamps in UTC, doubles as Java prints them, nulls as empty cells.

use super::block::{self, Block};
use super::cells::{CellPrinter, PrintedValues, write_text};
use crate::codec::value::Printer;
use crate::model::{DataErrorKind, Error, Remedy, Result, UUID, meaning};

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, IntervalUnit, Schema};

/// Fails for a schema that CSV cannot hold, naming the column.
pub(crate) fn check_schema(schema: &Schema, file: &str) -> Result<()> {
    for field in schema.fields() {
        if !can_hold(field) {
            let problem = format!("CSV cannot hold the type {}", field.data_type());
            let column = field.name().clone();
            let remedy = match field.data_type() {
                DataType::Binary | DataType::FixedSizeBinary(_) => Remedy::BytesAsText { column },
                _ => Remedy::WriteParquetOrDropColumn,
            };
            return Err(Error::data(DataErrorKind::Unsupported, file, problem)
                .column(field.name())
                .remedy(remedy)
                .into());
        }
    }
    Ok(())
}

/// Whether a column can be written as text.
pub(crate) fn can_hold(field: &Field) -> bool {
    use DataType::*;
    match field.data_type() {
        Dictionary(_, values) => can_hold(&field.clone().with_data_type(values.as_ref().clone())),
        FixedSizeBinary(16) => meaning(field) == Some(UUID),
        Time32(_) | Time64(_) | Interval(IntervalUnit::MonthDayNano) => true,
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
        // A reader would mistake these three bytes at the file's start for a byte order mark.
        let is_mark = i == 0 && name.starts_with(b"\xef\xbb\xbf");
        write_text(name, is_mark || (name.is_empty() && schema.fields().len() == 1), out);
    }
    out.push(b'\n');
}

/// Writes the rows of a batch whose schema has passed [`check_schema`] over the contents of `out` from `at` on, and
/// returns their end. Bytes after the end, or after `at` if there was an error, must not be used.
pub(crate) fn write_rows(batch: &RecordBatch, file: &str, out: &mut Vec<u8>, at: usize) -> Result<usize> {
    let schema = batch.schema();
    let mut columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(array, field)| CellPrinter::new(array, field))
        .collect::<Result<Vec<_>>>()?;
    if let [only] = columns.as_slice()
        && let Some(nulls) = only.nulls.as_ref()
        && nulls.null_count() > 0
    {
        return Err(Error::data(
            DataErrorKind::Unsupported,
            file,
            "CSV cannot hold a null in a file of one column, because an empty line is not a row",
        )
        .column(schema.field(0).name())
        .remedy(Remedy::WriteParquet)
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
                    return Err(Error::data(DataErrorKind::OutOfRange, file, problem)
                        .column(schema.field(i).name())
                        .remedy(Remedy::WriteParquet)
                        .into());
                }
                long.push(block.separator());
                printer.text(&long);
            }
        }
    }
    Ok(printer.end())
}

/// A column as the text of its cells, without quotes; binary values must be UTF-8.
pub(crate) fn to_text(array: &ArrayRef, field: &Field, file: &str) -> Result<ArrayRef> {
    let column = field.name();
    if !can_hold(field) {
        return match array.data_type() {
            DataType::Binary => utf8(array.as_binary::<i32>().iter(), column, file),
            DataType::FixedSizeBinary(_) => utf8(array.as_fixed_size_binary().iter(), column, file),
            other => {
                let problem = format!("the type {other} cannot be written as text");
                Err(Error::data(DataErrorKind::Unsupported, file, problem).column(column).into())
            }
        };
    }
    let mut cells = CellPrinter::new(array, field)?;
    let mut text = StringBuilder::new();
    let mut buffer = Vec::new();
    for row in 0..array.len() {
        if cells.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            text.append_null();
            continue;
        }
        let value = match &cells.values {
            PrintedValues::Text { array, .. } => array.value(row),
            PrintedValues::Keys { keys, texts, .. } => texts.value(keys[row] as usize),
            PrintedValues::LargeText(array) => array.value(row),
            _ => {
                buffer.clear();
                cells.values.write(row, &mut buffer).map_err(|problem| {
                    Error::data(DataErrorKind::OutOfRange, file, problem).column(column)
                })?;
                std::str::from_utf8(&buffer)
                    .map_err(|error| Error::Internal(format!("printed text: {error}")))?
            }
        };
        text.append_value(value);
    }
    Ok(std::sync::Arc::new(text.finish()))
}

fn utf8<'a>(cells: impl Iterator<Item = Option<&'a [u8]>>, column: &str, file: &str) -> Result<ArrayRef> {
    let mut text = StringBuilder::new();
    for cell in cells {
        let checked = cell.map(std::str::from_utf8).transpose().map_err(|_| {
            let error = Error::data(DataErrorKind::NotUtf8, file, "the bytes are not UTF-8");
            let error = error.column(column).value(cell.unwrap_or_default());
            Error::from(error.remedy(Remedy::BytesAsText { column: column.to_owned() }))
        })?;
        text.append_option(checked);
    }
    Ok(std::sync::Arc::new(text.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::types::Int32Type;
    use arrow::array::*;
    use std::sync::Arc;

    /// The cells of one column, printed next to another column, which prevents empty lines.
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
