//! Conversions, and the rules for output that both commands share.

use crate::support::fixtures::{binary, testdata};
use crate::support::scratch::{RUN, Scratch, doubles, parquet_file, parquet_rows, rows, texts};
use arrow::array::cast::AsArray;
use bytes::Bytes;
use parquet::basic::{ColumnOrder, SortOrder};
use parquet::file::properties::{ReaderProperties, WriterProperties};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use parquet::file::statistics::Statistics;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

fn names(extension: &str, numbers: std::ops::Range<u32>) -> Vec<String> {
    let mut names: Vec<String> =
        numbers.map(|n| format!("out/sales_forecast_export_{RUN}_part{n}.{extension}")).collect();
    names.sort();
    names
}

#[test]
fn a_conversion_goes_to_the_other_format_part_by_part() {
    let scratch = Scratch::copy_of(&testdata("forecast"));
    scratch.succeeds("convert in -o out/");
    assert_eq!(scratch.written(), names("parquet", 0..12));
    for n in 0..12 {
        let csv = scratch.text(&format!("in/sales_forecast_export_{RUN}_part{n}.csv"));
        let batch = scratch.rows(&format!("out/sales_forecast_export_{RUN}_part{n}.parquet"));
        let ids: Vec<Option<&str>> = csv.lines().skip(1).map(|line| line.split(',').next()).collect();
        assert_eq!(texts(&batch, "item_id"), ids, "part {n}");
        let p50: Vec<Option<f64>> = csv
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(4).and_then(|cell| cell.parse().ok()))
            .collect();
        assert_eq!(doubles(&batch, "p50"), p50, "part {n}");
    }
    scratch.succeeds("convert out -o back/");
    for n in 0..12 {
        let name = format!("sales_forecast_export_{RUN}_part{n}.csv");
        // The last newline, which some parts lack, is there now.
        let expected = format!("{}\n", scratch.text(&format!("in/{name}")).trim_end());
        assert_eq!(scratch.text(&format!("back/{name}")), expected);
    }
}

#[test]
fn rows_are_cut_anew_into_files_of_so_many_and_none_is_lost() {
    let scratch = Scratch::copy_of(&testdata("forecast"));
    let merged = scratch.merged_csv("");
    for to in ["csv", "parquet"] {
        scratch.succeeds(&format!("convert in -o out/ --to {to} --split-rows 10"));
        assert_eq!(scratch.written(), names(to, 0..4), "{to}");
        let again = scratch.succeeds("merge out -o - --to csv -q");
        assert_eq!(again, merged, "{to}");
        let report = scratch.succeeds("schema out --json --expect-parts 4");
        assert!(report.contains("\"parts\": 4"), "{report}");
        if to == "parquet" {
            let rows = [0, 1, 2, 3].map(|n| {
                scratch.rows(&format!("out/sales_forecast_export_{RUN}_part{n}.parquet")).num_rows()
            });
            assert_eq!(rows, [10, 10, 10, 6]);
        }
        std::fs::remove_dir_all(scratch.path("out")).expect("removed");
    }
}

#[test]
fn no_file_passes_the_bytes_of_a_split() {
    let scratch = Scratch::copy_of(&testdata("forecast"));
    let merged = scratch.merged_csv("");
    scratch.succeeds("convert in -o out/ --to csv --split-bytes 500");
    let files = scratch.written();
    assert!(files.len() > 4, "{files:?}");
    for file in &files {
        let bytes = scratch.read(file);
        assert!(bytes.len() <= 500 && bytes.ends_with(b"\n"), "{file}: {} bytes", bytes.len());
    }
    assert_eq!(scratch.succeeds("merge out -o - --to csv -q"), merged);
}

#[test]
fn csv_is_compressed_as_the_extension_or_the_flag_says() {
    let scratch = Scratch::copy_of(&testdata("forecast"));
    let merged = scratch.merged_csv("");
    scratch.succeeds("merge in -o gz/all.csv.gz");
    scratch.succeeds("merge in -o zst/all.csv.zst --compression zstd:9");
    let mut text = String::new();
    let gz = scratch.read("gz/all.csv.gz");
    flate2::read::MultiGzDecoder::new(&gz[..]).read_to_string(&mut text).expect("gzip");
    assert_eq!(text, merged);
    let zst = zstd::decode_all(&scratch.read("zst/all.csv.zst")[..]).expect("zstd");
    assert_eq!(String::from_utf8(zst).expect("UTF-8"), merged);
    scratch.succeeds("convert in -o out/ --to csv --compression gzip");
    assert_eq!(scratch.succeeds("merge out -o - --to csv -q"), merged);
    assert!(scratch.path(&format!("out/sales_forecast_export_{RUN}_part11.csv.gz")).exists());
}

#[test]
fn parquet_is_snappy_by_default_and_otherwise_as_asked() {
    use parquet::basic::Compression;
    let scratch = Scratch::copy_of(&testdata("forecast"));
    let codec = |flags: &str| {
        scratch.merged_parquet(flags);
        scratch.footer("out/merged.parquet").row_group(0).column(0).compression()
    };
    assert_eq!(codec(""), Compression::SNAPPY);
    assert_eq!(codec("--compression none"), Compression::UNCOMPRESSED);
    assert_eq!(codec("--compression lz4"), Compression::LZ4_RAW);
    assert!(matches!(codec("--compression zstd:7"), Compression::ZSTD(_)));
    assert!(matches!(codec("--compression gzip:1"), Compression::GZIP(_)));
}

#[test]
fn the_format_asked_for_goes_before_the_extension() {
    let scratch = Scratch::copy_of(&testdata("forecast"));
    scratch.succeeds("merge in -o out/all.data --to parquet");
    assert_eq!(scratch.rows("out/all.data").num_rows(), 36);
    scratch.succeeds("merge in -o out/all.parquet --to csv");
    assert_eq!(scratch.text("out/all.parquet").lines().count(), 37);
}

#[test]
fn standard_output_takes_csv_and_parquet_and_says_nothing_else() {
    let scratch = Scratch::copy_of(&testdata("forecast"));
    let output = scratch.output("merge in -o - --to parquet");
    assert!(output.status.success());
    assert_eq!(parquet_rows(output.stdout).num_rows(), 36);
    // Without --to it is the format of the parts.
    assert_eq!(scratch.succeeds("merge in -o - -q").lines().count(), 37);
    assert_eq!(scratch.written(), Vec::<String>::new());
}

#[test]
fn overwrite_replaces_an_output() {
    let scratch = Scratch::copy_of(&testdata("forecast"));
    scratch.write("out/all.csv", "old");
    scratch.succeeds("merge in -o out/all.csv --overwrite");
    assert_eq!(scratch.text("out/all.csv"), scratch.merged_csv(""));
    scratch.write(&format!("parts/sales_forecast_export_{RUN}_part0.parquet"), "old");
    scratch.succeeds("convert in -o parts --overwrite");
    assert_eq!(scratch.rows(&format!("parts/sales_forecast_export_{RUN}_part0.parquet")).num_rows(), 3);
}

#[test]
fn missing_folders_are_made_and_modes_follow_the_umask() {
    let scratch = Scratch::copy_of(&testdata("forecast"));
    let command = env!("CARGO_BIN_EXE_forecast-export");
    let script =
        format!("umask 027 && '{command}' merge in -o a/b/all.csv -q && '{command}' convert in -o c/d -q");
    let output =
        std::process::Command::new("sh").current_dir(scratch.path("")).args(["-c", &script]).output();
    assert!(output.expect("a shell").status.success());
    let mode = |name: &str| std::fs::metadata(scratch.path(name)).expect(name).permissions().mode() & 0o777;
    assert_eq!(mode("a/b/all.csv"), 0o640);
    assert_eq!(mode("a/b"), 0o750);
    assert_eq!(mode(&format!("c/d/sales_forecast_export_{RUN}_part0.parquet")), 0o640);
}

#[test]
fn devices_and_pipes_are_written_straight() {
    let scratch = Scratch::copy_of(&testdata("forecast"));
    scratch.succeeds("merge in -o /dev/null");
    assert!(!std::fs::metadata("/dev/null").expect("a device").is_file());
    let made = std::process::Command::new("mkfifo").arg(scratch.path("pipe")).status().expect("mkfifo");
    assert!(made.success());
    let pipe = scratch.path("pipe");
    let reader = std::thread::spawn(move || std::fs::read_to_string(pipe).expect("read"));
    scratch.succeeds("merge in -o pipe --to csv");
    assert_eq!(reader.join().expect("a reader"), scratch.merged_csv(""));
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_command_quietly() {
    let line = "item,2026-01-03T00:00:00Z,1.0\n";
    let scratch = Scratch::csv(&[format!("item_id,date,p50\n{}", line.repeat(200_000))]);
    let mut child = binary()
        .current_dir(scratch.path(""))
        .args(["merge", "in", "-o", "-"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    let mut first = [0; 17];
    let mut out = child.stdout.take().expect("piped");
    out.read_exact(&mut first).expect("a header");
    drop(out);
    let ended = child.wait_with_output().expect("ended");
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_dry_run_writes_nothing_and_names_what_it_would() {
    let scratch = Scratch::copy_of(&testdata("forecast"));
    let text = scratch.succeeds("merge in -o out/all.parquet -n");
    assert!(text.contains("CSV -> Parquet") && text.contains("out/all.parquet"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&scratch.succeeds("convert in -o out/ --dry-run --json")).expect("JSON");
    let outputs: Vec<_> =
        json["outputs"].as_array().expect("outputs").iter().filter_map(|o| o.as_str()).collect();
    let expected: Vec<String> =
        (0..12).map(|n| format!("out/sales_forecast_export_{RUN}_part{n}.parquet")).collect();
    assert_eq!(outputs, expected);
    assert_eq!(scratch.written(), Vec::<String>::new());
}

#[test]
fn expectations_that_are_met_change_nothing() {
    let scratch = Scratch::copy_of(&testdata("forecast"));
    let merged = scratch.merged_csv("");
    assert_eq!(scratch.merged_csv("--expect-parts 12 --expect-rows 36"), merged);
}

#[test]
fn a_conversion_with_gaps_keeps_the_numbers() {
    let scratch = Scratch::copy_of(&testdata("bad_gap"));
    scratch.succeeds("convert in -o out/ --allow-gaps");
    assert_eq!(scratch.written(), [0, 2].map(|n| format!("out/sales_{RUN}_part{n}.parquet")));
}

#[test]
fn an_export_without_rows_is_cut_into_one_file_without_rows() {
    let scratch = Scratch::copy_of(&testdata("only_headers"));
    scratch.succeeds("convert in -o csv/ --to csv --split-rows 10");
    assert_eq!(scratch.text(&format!("csv/sales_{RUN}_part0.csv")), "item_id,date,p50\n");
    scratch.succeeds("convert in -o parquet/ --split-rows 10");
    assert_eq!(scratch.rows(&format!("parquet/sales_{RUN}_part0.parquet")).num_rows(), 0);
    assert_eq!(scratch.written().len(), 2);
}

/// Whether the Bloom filter of a column says that a text may be there, for each row group; `None` where it has none.
fn bloom_answers(file: Vec<u8>, column: usize, text: &str) -> Vec<Option<bool>> {
    let properties = ReaderProperties::builder().set_read_bloom_filter(true).build();
    let options = ReadOptionsBuilder::new().with_reader_properties(properties).build();
    let reader = SerializedFileReader::new_with_options(Bytes::from(file), options).expect("a file");
    (0..reader.num_row_groups())
        .map(|group| {
            let group = reader.get_row_group(group).expect("a row group");
            group.get_column_bloom_filter(column).map(|filter| filter.check(text))
        })
        .collect()
}

#[test]
fn bloom_filters_are_written_for_the_columns_that_are_named_whatever_the_parts_are() {
    let batch = rows(0, 5000);
    let csv = Scratch::parquet(std::slice::from_ref(&batch)).merged_csv("");
    let of_text = Scratch::of_parts("csv", &[csv.into_bytes()]);
    let of_parquet = Scratch::parquet(std::slice::from_ref(&batch));
    for (scratch, more) in [(of_text, ""), (of_parquet, " --row-group-rows 2000")] {
        let arguments = format!("--bloom-filter item_id --bloom-filter p50{more}");
        let found = scratch.merged_parquet(&arguments);
        assert_eq!(found.column(0), batch.column(0));
        let file = scratch.read("out/merged.parquet");
        let item = batch.column(0).as_string::<i32>().value(7).to_owned();
        assert_eq!(bloom_answers(file.clone(), 0, &item)[0], Some(true));
        assert!(bloom_answers(file.clone(), 0, "no such item").iter().all(|answer| *answer == Some(false)));
        assert!(bloom_answers(file, 1, "no such item").iter().all(Option::is_none));
        let footer = scratch.footer("out/merged.parquet");
        for group in footer.row_groups() {
            let end =
                group.columns().iter().map(|c| c.byte_range()).map(|(start, length)| start + length).max();
            assert_eq!(group.column(0).bloom_filter_offset(), end.map(|end| end as i64));
            assert!(group.columns().iter().filter(|c| c.bloom_filter_length().is_some()).count() == 2);
        }
        let (_, said) = scratch.succeeds_with(&format!("merge in -o out/merged.parquet {arguments}"));
        assert!(said.contains("up to date"), "{said}");
        // Copied by the next merge, which leaves the filters behind.
        let copies = Scratch::of_parts("parquet", &[scratch.read("out/merged.parquet")]);
        assert_eq!(copies.merged_parquet("").column(0), batch.column(0));
        let footer = copies.footer("out/merged.parquet");
        assert!(footer.row_group(0).columns().iter().all(|c| c.bloom_filter_offset().is_none()));
    }
}

#[test]
fn a_bloom_filter_of_no_column_is_refused() {
    let scratch = Scratch::parquet(&[rows(0, 10)]);
    let refused = scratch.fails("merge in -o out/x.parquet --bloom-filter nothing", 2);
    assert!(
        refused.contains("--bloom-filter names column nothing, which the export does not have"),
        "{refused}"
    );
}

#[test]
fn bounds_of_numbers_are_by_the_order_of_their_type_whoever_wrote_the_parts() {
    // The parquet crate finds bounds by the total order; what is encoded here has those of the type.
    let batch = rows(0, 70_000);
    let foreign = parquet_file(&batch, WriterProperties::builder().build());
    let encoded = Scratch::of_parts("parquet", &[&foreign]);
    encoded.succeeds("merge in -o out/merged.parquet --compression zstd:1");
    let ours = encoded.read("out/merged.parquet");
    let mixed = Scratch::of_parts("parquet", &[foreign, ours]);
    mixed.succeeds("merge in -o out/merged.parquet");
    let footer = mixed.footer("out/merged.parquet");
    assert_eq!(footer.num_row_groups(), 2);
    let p50 = batch.schema().index_of("p50").expect("a column");
    assert_eq!(footer.file_metadata().column_order(p50), ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::SIGNED));
    for group in footer.row_groups() {
        let Some(Statistics::Double(found)) = group.column(p50).statistics() else {
            panic!("statistics of doubles")
        };
        assert_eq!(found.min_opt().map(|least| least.to_bits()), Some((-0.0_f64).to_bits()));
        assert_eq!(found.max_opt(), Some(&(69_999.0 / 7.0)));
    }
}
