//! Encodes series as CSV rows or as a record batch, both with the same values.

use super::layout::{Cells, Layout};
use super::series::Series;
use crate::codec::value::{Printer, Zone, print_java};
use crate::model::{Error, Result};

use arrow::array::{ArrayRef, Float64Builder, RecordBatch, StringBuilder, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use std::ops::Range;
use std::sync::Arc;

/// The rows of these series as CSV.
pub(super) fn text(layout: &Layout, seed: u64, numbers: Range<u64>, out: &mut Vec<u8>) {
    let mut series = Series::default();
    let start = out.len();
    let mut printer = Printer::new(out, start);
    for number in numbers {
        series.draw(layout, seed, number);
        for row in 0..layout.rows {
            for (i, column) in layout.columns.iter().enumerate() {
                if i > 0 {
                    printer.byte(b',');
                }
                match &column.cells {
                    Cells::Item => printer.text(series.item.as_bytes()),
                    Cells::Dimension(i) => printer.text(series.dimensions[*i].as_bytes()),
                    Cells::Words(texts) | Cells::Times { texts, .. } => printer.text(texts[row].as_bytes()),
                    Cells::Value(i) => match series.values[*i][row] {
                        value if value.is_nan() => printer.text(b"not defined"),
                        value => print_java(value, &mut printer),
                    },
                }
            }
            printer.byte(b'\n');
        }
    }
    let end = printer.end();
    out.truncate(end);
}

/// A column being filled.
enum Builder {
    Text(StringBuilder),
    Times(Vec<i64>),
    Doubles(Float64Builder),
}

/// The rows of these series as one batch; `not defined` is null.
pub(super) fn batch(
    layout: &Layout,
    schema: &SchemaRef,
    seed: u64,
    numbers: Range<u64>,
) -> Result<RecordBatch> {
    let mut builders: Vec<Builder> = layout
        .columns
        .iter()
        .map(|column| match column.cells {
            Cells::Item | Cells::Dimension(_) | Cells::Words(_) => Builder::Text(StringBuilder::new()),
            Cells::Times { .. } => Builder::Times(Vec::new()),
            Cells::Value(_) => Builder::Doubles(Float64Builder::new()),
        })
        .collect();
    let mut series = Series::default();
    for number in numbers {
        series.draw(layout, seed, number);
        for (column, builder) in layout.columns.iter().zip(&mut builders) {
            match (&column.cells, builder) {
                (Cells::Item, Builder::Text(builder)) => repeat(&series.item, layout.rows, builder),
                (Cells::Dimension(i), Builder::Text(builder)) => {
                    repeat(&series.dimensions[*i], layout.rows, builder);
                }
                (Cells::Words(texts), Builder::Text(builder)) => {
                    texts.iter().for_each(|text| builder.append_value(text));
                }
                (Cells::Times { micros, .. }, Builder::Times(values)) => values.extend_from_slice(micros),
                (Cells::Value(i), Builder::Doubles(builder)) => {
                    for value in &series.values[*i] {
                        builder.append_option((!value.is_nan()).then_some(*value));
                    }
                }
                _ => return Err(Error::Internal(format!("column {} has two types", column.name))),
            }
        }
    }
    let arrays = layout.columns.iter().zip(builders).map(|(column, builder)| -> ArrayRef {
        match builder {
            Builder::Text(mut builder) => Arc::new(builder.finish()),
            Builder::Doubles(mut builder) => Arc::new(builder.finish()),
            Builder::Times(values) => {
                let array = TimestampMicrosecondArray::from(values);
                let is_utc = matches!(column.cells, Cells::Times { zone: Zone::Utc, .. });
                Arc::new(if is_utc { array.with_timezone("UTC") } else { array })
            }
        }
    });
    RecordBatch::try_new(Arc::clone(schema), arrays.collect())
        .map_err(|error| Error::Internal(format!("a batch of a sample: {error}")))
}

fn repeat(text: &str, rows: usize, builder: &mut StringBuilder) {
    for _ in 0..rows {
        builder.append_value(text);
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::SampleOptions;
    use super::*;
    use crate::model::Kind;

    #[test]
    fn text_and_batch_hold_the_same_values() {
        for kind in Kind::ALL {
            let options = SampleOptions { kind, dimensions: 3, ..SampleOptions::default() };
            let layout = Layout::new(&options).expect("a layout");
            let mut expected = Vec::new();
            text(&layout, 1, 0..layout.series, &mut expected);
            let batch = batch(&layout, &layout.schema(), 1, 0..layout.series).expect("a batch");
            let mut printed = Vec::new();
            let end =
                crate::codec::csv::write_rows(&batch, "sample", &mut printed, 0).expect("CSV can hold it");
            printed.truncate(end);
            let expected = String::from_utf8(expected).expect("text").replace("not defined", "");
            assert_eq!(String::from_utf8(printed).expect("text"), expected, "{kind}");
        }
    }
}
