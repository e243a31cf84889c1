//! A part that claims to be Parquet: rows or an error, never a panic, and memory within the fuzzer's limit.
#![no_main]

use forecast_export::Options;
use forecast_export_fuzz::{initialize, merge, rows, store_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: initialize(), |bytes: &[u8]| {
    let store = store_of("job_2026-01-02T03-04-05Z_part0.parquet", bytes);
    let mut options = Options::default();
    options.threads = Some(1);
    options.no_receipt = true;
    let read = rows(&store, &options).map(|batches| batches.iter().map(|batch| batch.num_rows() as u64).sum());
    let merged = |target| merge(&store, target, &options).map(|report| report.rows.expect("rows are counted"));
    let (text, copied) = (merged("out.csv"), merged("out.parquet"));
    let counts: Vec<u64> = [read, text, copied].into_iter().flatten().collect();
    assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "the ways disagree: {counts:?}");
});
