//! Finding records and delimiters: serves the choice of how text is scanned (wide compares, a record index), for plain
//! text and for text that has quotes, and the size of the chunks that parts are cut into.

use crate::export::{Export, NOWHERE, options};
use criterion::{Criterion, Throughput};
use forecast_export::{Format, Strategy};

pub(crate) fn benches(criterion: &mut Criterion) {
    let cases = [
        ("plain", Export::make(Format::Csv, 6)),
        ("one part", Export::make(Format::Csv, 1)),
        ("500 parts", Export::make(Format::Csv, 500)),
        ("CRLF", Export::rewritten(6, |text| text.replace('\n', "\r\n"))),
        ("quoted ids", Export::rewritten(6, |text| text.replace("item_0", "\"item_0").replace(",2", "\",2"))),
        ("quoted line feeds", Export::rewritten(6, |text| text.replace(",store_", ",\"\n\",store_"))),
    ];
    let mut group = criterion.benchmark_group("scan");
    for (name, export) in &cases {
        let options = options(1, Format::Csv);
        let output = export.output("out.csv");
        export.merge(&output, &options, Strategy::CopyBytes);
        let copied = std::fs::read(&output).expect("the output");
        let mut expected = Vec::new();
        for part in export.parts() {
            let part = std::fs::read(part).expect("a part");
            let header = part.iter().position(|byte| *byte == b'\n').expect("a header") + 1;
            expected.extend_from_slice(if expected.is_empty() { &part } else { &part[header..] });
        }
        assert!(copied == expected, "{name}: the output is not the parts, put together");

        group.throughput(Throughput::Bytes(export.bytes()));
        group.bench_function(*name, |bencher| {
            bencher.iter(|| export.merge(NOWHERE, &options, Strategy::CopyBytes));
        });
    }
    group.finish();
}
