//! CSV of any bytes: the cells are those that the csv crate reads, or there is an error; and copied text is the same table.
#![no_main]

use arrow::array::{Array, RecordBatch, cast::AsArray};
use forecast_export::Options;
use forecast_export_fuzz::{bytes, initialize, merge, rows, store_of};
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;

type Table = (Vec<String>, Vec<Vec<String>>);

/// The records as the csv crate reads them, or `None` where a quote is open at the end, which it does not mind.
fn records(text: &[u8]) -> Option<Vec<Vec<String>>> {
    let read = |text: &[u8]| -> Vec<Vec<String>> {
        let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
        let records = reader.into_records().map(|record| record.expect("UTF-8"));
        records.map(|record| record.iter().map(str::to_owned).collect()).collect()
    };
    // Behind an open quote a further line is no record of its own.
    let probed = read(&[text, b"\nend\n"].concat());
    probed.last().is_some_and(|last| last == &["end"]).then(|| read(text))
}

fn table(text: &[u8]) -> Option<Table> {
    let mut records = records(text)?.into_iter();
    let header = records.next()?;
    let rows: Vec<_> = records.collect();
    let distinct: HashSet<&String> = header.iter().collect();
    let is_table = distinct.len() == header.len() && rows.iter().all(|row| row.len() == header.len());
    (is_table && !header.iter().any(|name| name.contains('\0'))).then_some((header, rows))
}

fn cells(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let row = |batch: &RecordBatch, row: usize| {
        let columns = batch.columns().iter().map(|column| column.as_string::<i32>());
        columns
            .map(|text| if text.is_null(row) { String::new() } else { text.value(row).to_owned() })
            .collect()
    };
    batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(|at| row(batch, at)).collect::<Vec<_>>())
        .collect()
}

fuzz_target!(init: initialize(), |text: &[u8]| {
    let store = store_of("job_2026-01-02T03-04-05Z_part0.csv", text);
    let mut options = Options::default();
    options.all_strings = true;
    options.threads = Some(1);
    options.no_receipt = true;
    let read = rows(&store, &options);
    let copied = merge(&store, "out.csv", &options);
    let is_wrapped = [&b"PAR1"[..], b"PARE", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"].iter().any(|magic| text.starts_with(magic));
    if is_wrapped || std::str::from_utf8(text).is_err() {
        return;
    }
    match table(text) {
        Some((header, rows)) => {
            let batches = read.expect("the csv crate reads a table");
            assert_eq!(cells(&batches), rows);
            copied.expect("what is read can be copied");
            assert_eq!(table(&bytes(&store, "out.csv")), Some((header, rows)));
        }
        None => assert!(read.is_err() && copied.is_err(), "the csv crate reads no table"),
    }
});
