//! Text to record batches: serves the choice of how cells are typed. The distance between the cases is the cost of a
//! type: `text` has every column as a string, `dates` and `doubles` have only those as what they are.

use crate::export::{Export, ROWS, options};
use arrow::array::AsArray;
use arrow::datatypes::{DataType, Float64Type, TimestampMicrosecondType};
use criterion::{Criterion, Throughput};
use forecast_export::{ColumnType, Format, Options};

const DOUBLES: [&str; 3] = ["p10", "p50", "p90"];

pub(crate) fn benches(criterion: &mut Criterion) {
    let export = Export::make(Format::Csv, 6);
    let of_types = |types: &[(&str, ColumnType)], threads| {
        let mut options = options(threads, Format::Parquet);
        options.types = types.iter().map(|(name, chosen)| ((*name).to_owned(), *chosen)).collect();
        options
    };
    let mut text = options(1, Format::Parquet);
    text.all_strings = true;
    let strings = DOUBLES.map(|name| (name, ColumnType::String));
    let cases = [
        ("text", text),
        ("dates", of_types(&strings, 1)),
        ("doubles", of_types(&[("date", ColumnType::String)], 1)),
        ("all", of_types(&[], 1)),
        ("all, 2 threads", of_types(&[], 2)),
    ];
    check(&export, &cases);

    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes(export.bytes()));
    for (name, options) in &cases {
        group.bench_function(*name, |bencher| bencher.iter(|| assert_eq!(export.read(options), ROWS)));
    }
    group.finish();
}

/// Every case has the types it is about, and the values that the text has.
fn check(export: &Export, cases: &[(&str, Options)]) {
    let text = export.rows(&cases[0].1);
    assert!(text.schema().fields().iter().all(|field| *field.data_type() == DataType::Utf8));
    for (name, options) in &cases[1..] {
        let rows = export.rows(options);
        for (column, cells) in rows.columns().iter().zip(text.columns()) {
            let cells = cells.as_string::<i32>();
            if let Some(dates) = column.as_primitive_opt::<TimestampMicrosecondType>() {
                for (date, cell) in dates.values().iter().zip(cells) {
                    let cell = chrono::DateTime::parse_from_rfc3339(cell.expect("a date")).expect("a date");
                    assert_eq!(*date, cell.timestamp_micros(), "{name}");
                }
            } else if let Some(doubles) = column.as_primitive_opt::<Float64Type>() {
                for (double, cell) in doubles.values().iter().zip(cells) {
                    assert_eq!(Ok(*double), cell.expect("a double").parse(), "{name}");
                }
            } else {
                assert_eq!(column.as_string::<i32>(), cells, "{name}");
            }
        }
    }
}
