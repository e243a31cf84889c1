//! Record batches to Parquet row groups and to text: serves the choice of encodings, codecs and number formats.
//!
//! Batches have to come from somewhere, so a case has decoding in it as well: for `Parquet`, whose bytes are those of
//! text, subtract `decode/all`; for `text` the input is Parquet, which is decoded several times faster than written.

use crate::export::{Export, NOWHERE, options};
use criterion::{Criterion, Throughput};
use forecast_export::{Compression, Format, Options, Strategy};

pub(crate) fn benches(criterion: &mut Criterion) {
    let csv = Export::make(Format::Csv, 6);
    let parquet = Export::make(Format::Parquet, 6);
    let expected = csv.rows(&Options::default());
    assert!(parquet.rows(&Options::default()) == expected, "the same seed makes the same rows");

    let mut group = criterion.benchmark_group("encode");
    // The text has the same length whichever way it goes.
    group.throughput(Throughput::Bytes(csv.bytes()));
    let codecs = [
        ("Parquet, none", Compression::None),
        ("Parquet, snappy", Compression::Snappy),
        ("Parquet, lz4", Compression::Lz4),
        ("Parquet, zstd:3", Compression::Zstd(Some(3))),
    ];
    for (name, compression) in codecs {
        let mut options = options(1, Format::Parquet);
        options.compression = Some(compression);
        let output = csv.output("out.parquet");
        csv.merge(&output, &options, Strategy::Transcode);
        assert!(csv.rows_of(&output) == expected, "{name}: other rows than those of the parts");
        group.bench_function(name, |bencher| {
            bencher.iter(|| csv.merge(NOWHERE, &options, Strategy::Transcode));
        });
    }

    let options = options(1, Format::Csv);
    let output = parquet.output("out.csv");
    parquet.merge(&output, &options, Strategy::Transcode);
    assert!(parquet.rows_of(&output) == expected, "text: other rows than those of the parts");
    group.bench_function("text", |bencher| {
        bencher.iter(|| parquet.merge(NOWHERE, &options, Strategy::Transcode));
    });
    group.finish();
}
