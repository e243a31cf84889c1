//! Bytes and row groups from file to file: serves the choice of how bytes are moved (buffers, `copy_file_range`), and of
//! when a row group is too small to keep. `CSV` against `scan/plain` is the price of writing.

use crate::export::{Export, options};
use criterion::{Criterion, Throughput};
use forecast_export::{Format, Options, Strategy};

pub(crate) fn benches(criterion: &mut Criterion) {
    let cases = [
        ("CSV", Export::make(Format::Csv, 6), Strategy::CopyBytes),
        ("row groups", Export::make(Format::Parquet, 2), Strategy::CopyRowGroups),
        ("small row groups, encoded anew", Export::make(Format::Parquet, 250), Strategy::CopyRowGroups),
    ];
    let expected = cases[0].1.rows(&Options::default());

    let mut group = criterion.benchmark_group("copy");
    for (name, export, strategy) in &cases {
        let format = if *strategy == Strategy::CopyBytes { Format::Csv } else { Format::Parquet };
        let options = options(1, format);
        let output = export.output(&format!("out.{}", format.name()));
        export.merge(&output, &options, *strategy);
        assert!(export.rows_of(&output) == expected, "{name}: other rows than those of the parts");
        group.throughput(Throughput::Bytes(export.bytes()));
        group.bench_function(*name, |bencher| {
            bencher.iter(|| export.merge(&output, &options, *strategy));
        });
    }
    group.finish();
}
