//! Real exports, which are no part of this project: the variable `FORECAST_EXPORT_REAL_DATA` names the folder that
//! holds them. Without it these tests say so and pass.

use crate::support::scratch::{RUN, Scratch, doubles, instants, local_times, micros, texts};
use std::path::PathBuf;

/// The folder of real exports.
#[expect(clippy::print_stdout, reason = "a test that read nothing says so")]
fn real() -> Option<PathBuf> {
    let folder = std::env::var_os("FORECAST_EXPORT_REAL_DATA");
    if folder.is_none() {
        println!("FORECAST_EXPORT_REAL_DATA is not set: no real exports were read");
    }
    folder.map(PathBuf::from)
}

/// The records behind a header, by the csv crate.
fn records(text: &[u8]) -> (Vec<String>, Vec<csv::StringRecord>) {
    let mut reader = csv::Reader::from_reader(text);
    let header = reader.headers().expect("a header").iter().map(str::to_owned).collect();
    (header, reader.records().map(|record| record.expect("a record")).collect())
}

/// The text with its last line ended.
fn ended(mut text: Vec<u8>) -> Vec<u8> {
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text
}

/// Every cell of a file against what was read from it, by the standard library's parser of numbers.
fn same_values(text: &[u8], batch: &arrow::array::RecordBatch) {
    let (header, rows) = records(text);
    assert_eq!(batch.num_rows(), rows.len());
    for (i, name) in header.iter().enumerate() {
        let cells = || rows.iter().map(|row| &row[i]);
        match name.as_str() {
            "item_id" | "backtest_window" => {
                assert_eq!(texts(batch, name), cells().map(Some).collect::<Vec<_>>(), "{name}");
            }
            "date" => assert_eq!(instants(batch, name), cells().map(micros).collect::<Vec<_>>(), "{name}"),
            "backtestwindow_start_time" | "backtestwindow_end_time" => {
                assert_eq!(local_times(batch, name), cells().map(micros).collect::<Vec<_>>(), "{name}");
            }
            _ => {
                let expected: Vec<Option<u64>> = cells()
                    .map(|cell| match cell {
                        "not defined" => None,
                        number => Some(number.parse::<f64>().expect("a number").to_bits()),
                    })
                    .collect();
                let found: Vec<Option<u64>> =
                    doubles(batch, name).into_iter().map(|value| value.map(f64::to_bits)).collect();
                assert_eq!(found, expected, "{name}");
            }
        }
    }
}

#[test]
fn forecast_exports_of_2019_merge_and_convert_with_equal_values() {
    let Some(folder) = real() else { return };
    let scratch = Scratch::copy_of(&folder.join("automated-forecast"));
    for (job, rows) in [
        ("forecast_export_job1", 16),
        ("forecast_export_job_with_one_record", 1),
        ("empty_forecast_export_job", 0),
    ] {
        let part = format!("{job}_2019-10-16T21-40-00Z_part0");
        let text = scratch.read(&format!("in/{part}.csv"));
        let batch = scratch.merged_parquet(&format!("--job {job}"));
        assert_eq!(batch.num_rows(), rows, "{job}");
        same_values(&text, &batch);
        // CSV to CSV: the same bytes, and the newline where it was missing.
        let merged = scratch.merged_csv(&format!("--job {job}"));
        assert_eq!(merged.as_bytes(), ended(text), "{job}");
        scratch.succeeds(&format!("convert in -o {job}/ --job {job}"));
        assert_eq!(scratch.rows(&format!("{job}/{part}.parquet")), batch, "{job}");
    }
}

#[test]
fn accuracy_metrics_of_a_backtest_merge_and_convert_with_equal_values() {
    let Some(folder) = real() else { return };
    let text =
        std::fs::read(folder.join("item-level-accuracy/bike_backtest_accuracies.csv")).expect("the file");
    let scratch = Scratch::new();
    let part = format!("accuracy-metrics-values/Accuracy_bikes_{RUN}_part0");
    scratch.write(&format!("in/{part}.csv"), &text);
    let batch = scratch.merged_parquet("--expect-rows 8406");
    same_values(&text, &batch);
    let undefined = doubles(&batch, "RMSE").iter().filter(|value| value.is_none()).count();
    assert_eq!(undefined, 24);
    let ended = ended(text);
    assert_eq!(scratch.merged_csv("").as_bytes(), ended);
    scratch.succeeds("convert in -o out/parts/");
    assert_eq!(scratch.rows(&format!("out/parts/Accuracy_bikes_{RUN}_part0.parquet")), batch);

    // And in many parts: order and values stay.
    scratch.succeeds("convert in -o cut/accuracy-metrics-values/ --to csv --split-rows 1000");
    scratch.succeeds("merge cut -o out/again.csv");
    assert_eq!(scratch.read("out/again.csv"), ended);
    // Back to CSV every cell comes back but those that were not defined.
    let back = scratch.succeeds("merge out/merged.parquet -o - --to csv -q");
    let expected = String::from_utf8(ended).expect("UTF-8").replace("not defined", "");
    assert_eq!(back, expected);
}
