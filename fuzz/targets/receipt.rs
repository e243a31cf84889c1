//! A receipt of any bytes beside an output: no panic, and an output that it does not fit is never taken for up to date.
#![no_main]

use forecast_export::{Error, Options};
use forecast_export_fuzz::{initialize, merge, put, store_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: initialize(), |receipt: &[u8]| {
    let store = store_of("job_2026-01-02T03-04-05Z_part0.csv", b"item_id,p50\na,1.0\n");
    put(&store, "out.csv", b"another's");
    put(&store, "out.csv.receipt.json", receipt);
    let merged = merge(&store, "out.csv", &Options::default());
    assert!(matches!(merged, Err(Error::OutputExists { .. })), "{merged:?}");
});
