//! Sizes that mean harm: beyond a bound they are an error, not an allocation.

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

use crate::support::buckets::bucket;
use crate::support::scale::{full_or_sample, sampled};
use crate::support::scratch::{RUN, Scratch};

/// A part whose last line is a few kilobytes packed and has no end in sight unpacked.
fn bomb(extension: &str, header: &[u8]) -> Vec<u8> {
    let a = vec![b'a'; 1 << 20];
    let fill = |out: &mut dyn Write| {
        out.write_all(header).expect("written");
        (0..80).for_each(|_| out.write_all(&a).expect("written"));
    };
    match extension {
        "csv.gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            fill(&mut encoder);
            encoder.finish().expect("finished")
        }
        _ => {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("an encoder");
            fill(&mut encoder);
            encoder.finish().expect("finished")
        }
    }
}

#[test]
fn a_record_without_end_is_an_error_where_it_passes_its_bound() {
    let all =
        ["csv.gz", "csv.zst"].into_iter().flat_map(|part| ["out.csv", "out.parquet"].map(|out| (part, out)));
    for (extension, target) in sampled(all, 3) {
        let scratch = Scratch::of_parts(extension, &[bomb(extension, b"item_id,date,p50\n")]);
        let said = scratch.fails(&format!("merge in -o {target}"), 5);
        assert!(said.contains("longer than 64 MiB"), "{said}");
    }
}

#[test]
fn a_header_without_end_is_an_error_where_it_passes_its_bound() {
    let scratch = Scratch::csv(&[vec![b'a'; 3 << 20]]);
    let said = scratch.fails("merge in -o out.csv", 5);
    assert!(said.contains("no line end within the first MiB"), "{said}");
    for extension in ["csv.gz", "csv.zst"] {
        let part = bomb(extension, b"item_id,");
        let scratch = Scratch::of_parts(extension, std::slice::from_ref(&part));
        let said = scratch.fails("merge in -o out.csv", 5);
        assert!(said.contains("no line end within the first MiB"), "{said}");
        let bucket = bucket("header");
        bucket.put_parts("in/", extension, &[part]);
        let said = bucket.fail(5, &["merge", &bucket.at("in"), "-o", "-"]);
        assert!(said.contains("no line end within the first MiB"), "{said}");
    }
}

#[test]
fn a_footer_of_half_a_gigabyte_is_an_error_before_it_is_read() {
    let scratch = Scratch::new();
    let name = scratch.path(&format!("in/sales_{RUN}_part0.parquet"));
    let mut file = std::fs::File::create(name).expect("created");
    // A file with a hole: it takes no space.
    file.write_all(b"PAR1").expect("written");
    file.seek(SeekFrom::Start(4 + (1 << 29))).expect("a position");
    file.write_all(&(1_u32 << 29).to_le_bytes()).expect("written");
    file.write_all(b"PAR1").expect("written");
    let said = scratch.fails("merge in -o out.parquet", 5);
    assert!(said.contains("claims") && said.contains("the limit is 256 MiB"), "{said}");
}

#[test]
fn a_page_that_promises_too_much_is_an_error_before_it_is_unpacked() {
    // A text of 257 MiB, a few kilobytes packed.
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a".repeat(257 << 20)]));
    let batch = RecordBatch::try_from_iter([("item_id", text)]).expect("a batch");
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut part = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut part, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    assert!(part.len() < 1 << 20, "{} bytes", part.len());
    let scratch = Scratch::of_parts("parquet", &[part]);
    let said = scratch.fails("merge in -o out.csv --to csv", 5);
    assert!(said.contains("the limit is 256 MiB") && said.contains("smaller pages"), "{said}");
}

/// A table of so many columns.
fn wide(columns: usize) -> String {
    let names: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
    let cells = "x,".repeat(columns - 1);
    format!("item_id,{}\na,{cells}x\n", names.join(","))
}

#[test]
fn very_many_columns_come_out_as_they_went_in() {
    let columns = full_or_sample(30_000, 4_000);
    let scratch = Scratch::csv(&[wide(columns), wide(columns)]);
    scratch.succeeds("merge in -o in.parquet");
    scratch.succeeds("merge in.parquet -o out.parquet");
    scratch.succeeds("verify out.parquet --against in.parquet");
    scratch.succeeds("merge out.parquet -o out.csv");
    let one = wide(columns);
    let row = one.split_once('\n').expect("a header").1;
    assert!(scratch.text("out.csv") == format!("{one}{row}"));
}
