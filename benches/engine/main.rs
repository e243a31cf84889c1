//! Where a run spends its time, in bytes of input per second: `cargo bench`, or `cargo bench -- decode` for a part.
//!
//! Benches see the public API only, so each runs a whole plan whose cost is nearly all in one stage: a copy of CSV to
//! `/dev/null` is a scan, [`forecast_export::read`] is decoding, and so on. They use one thread unless they are about
//! threads, and memory file systems where there are any. Every case is checked before it is timed. How fast the
//! command is beside other engines, with 1 GB, is measured by `benches/peers/run`.

mod columns;
mod copy;
mod decode;
mod encode;
mod export;
mod scan;

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;

criterion_group! {
    name = engine;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(3));
    targets = scan::benches, decode::benches, encode::benches, copy::benches,
        columns::benches
}
criterion_main!(engine);
