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
        ("quoted ids", Export::rewritten(6, |text| with_ids(&text, |id| format!("\"{id}\"")))),
        ("quoted line feeds", Export::rewritten(6, |text| with_ids(&text, |id| format!("\"{id}\n\"")))),
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

/// The text with every id changed that has no quotes yet.
fn with_ids(text: &str, change: impl Fn(&str) -> String) -> String {
    let mut lines = text.lines();
    let header = lines.next().expect("a header");
    let mut changed = format!("{header}\n");
    for line in lines {
        match line.split_once(',') {
            Some((id, rest)) if !id.starts_with('"') => {
                changed += &change(id);
                changed.push(',');
                changed += rest;
            }
            _ => changed += line,
        }
        changed.push('\n');
    }
    changed
}
