//! What CSV parts hold: headers of their own or none, line ends, marks, quotes, ids, numbers.

use crate::support::fixtures::testdata;
use crate::support::scratch::{RUN, Scratch, columns, doubles, instants, micros, some, texts};
use std::io::Write;

/// A folder of `testdata/`, merged to CSV.
fn merged(name: &str) -> String {
    Scratch::copy_of(&testdata(name)).merged_csv("")
}

#[test]
fn every_part_has_its_own_header_and_the_output_has_one() {
    let text = merged("forecast");
    let headers = text.lines().filter(|line| line.starts_with("item_id,")).count();
    assert_eq!((headers, text.lines().count()), (1, 37));
}

#[test]
fn header_only_and_zero_byte_parts_hold_no_rows() {
    let scratch = Scratch::copy_of(&testdata("empty_parts"));
    let expected = "item_id,date,p50\na,2026-01-03T00:00:00Z,1.0\nb,2026-01-03T00:00:00Z,2.0\n";
    assert_eq!(scratch.merged_csv(""), expected);
    let batch = scratch.merged_parquet("");
    assert_eq!(texts(&batch, "item_id"), some(&["a", "b"]));
    assert_eq!(doubles(&batch, "p50"), some(&[1.0, 2.0]));
}

#[test]
fn each_part_without_rows_becomes_a_part_without_rows() {
    let scratch = Scratch::copy_of(&testdata("empty_parts"));
    scratch.succeeds("convert in -o parquet/");
    let rows = [0, 1, 2, 3, 4].map(|n| {
        let file = scratch.rows(&format!("parquet/sales_{RUN}_part{n}.parquet"));
        assert_eq!(columns(&file).len(), 3, "part {n}");
        file.num_rows()
    });
    assert_eq!(rows, [0, 0, 1, 0, 1]);
    // And back: zero-byte parts have a header now.
    scratch.succeeds("convert parquet -o csv/");
    let texts = [0, 1, 2, 3, 4].map(|n| scratch.text(&format!("csv/sales_{RUN}_part{n}.csv")));
    let header = "item_id,date,p50\n";
    assert_eq!([&texts[0], &texts[1], &texts[3]], [header; 3]);
    assert_eq!(texts[2], format!("{header}a,2026-01-03T00:00:00Z,1.0\n"));
}

#[test]
fn only_headers_make_a_file_without_rows() {
    let scratch = Scratch::copy_of(&testdata("only_headers"));
    assert_eq!(scratch.merged_csv(""), "item_id,date,p50\n");
    let batch = scratch.merged_parquet("");
    assert_eq!(batch.num_rows(), 0);
    assert_eq!(columns(&batch), ["item_id: Utf8", "date: Timestamp(µs, \"UTC\")", "p50: Float64"]);
}

#[test]
fn a_missing_last_newline_is_mended_between_parts_and_at_the_end() {
    let text = merged("old_columns");
    assert_eq!(
        text,
        "date,item_id,mean,p10,p50,p90\n\
         2019-01-01T00:00:00Z,wp100,21,-8,21,49\n\
         2019-01-01T00:00:00Z,wp101,21,-8,21,49\n\
         2018-12-31T23:46:00Z,i2.large,0.9406106747904436,-3.7700757298479304,0.9406106747904436,5.065026283952983\n"
    );
}

#[test]
fn the_column_order_of_2019_is_read_by_name_and_integers_are_doubles() {
    let scratch = Scratch::copy_of(&testdata("old_columns"));
    let batch = scratch.merged_parquet("");
    assert_eq!(texts(&batch, "item_id"), some(&["wp100", "wp101", "i2.large"]));
    assert_eq!(doubles(&batch, "mean"), some(&[21.0, 21.0, 0.940_610_674_790_443_6]));
    assert_eq!(doubles(&batch, "p10"), some(&[-8.0, -8.0, -3.770_075_729_847_930_4]));
    let dates = ["2019-01-01T00:00:00Z", "2019-01-01T00:00:00Z", "2018-12-31T23:46:00Z"];
    assert_eq!(instants(&batch, "date"), dates.map(micros));
}

#[test]
fn carriage_returns_stay_where_all_parts_have_them() {
    let scratch = Scratch::copy_of(&testdata("crlf"));
    let expected = "item_id,date,p50\r\na,2026-01-03T00:00:00Z,1.0\r\nb,2026-01-03T00:00:00Z,2.0\r\n\
                    c,2026-01-03T00:00:00Z,3.0\r\n";
    assert_eq!(scratch.merged_csv(""), expected);
    let batch = scratch.merged_parquet("");
    assert_eq!(texts(&batch, "item_id"), some(&["a", "b", "c"]));
    assert_eq!(doubles(&batch, "p50"), some(&[1.0, 2.0, 3.0]));
}

#[test]
fn carriage_returns_alone_end_lines_too() {
    let scratch = Scratch::csv(&["item_id,p50\ra,1.0\rb,2.0", "item_id,p50\rc,3.0\r"]);
    assert_eq!(scratch.merged_csv(""), "item_id,p50\ra,1.0\rb,2.0\rc,3.0\r");
    let batch = scratch.merged_parquet("");
    assert_eq!(texts(&batch, "item_id"), some(&["a", "b", "c"]));
    assert_eq!(doubles(&batch, "p50"), some(&[1.0, 2.0, 3.0]));
}

#[test]
fn blank_lines_are_no_rows() {
    let scratch = Scratch::csv(&["\n\nitem_id,p50\n\na,1.0\n\n\nb,2.0\n\n", "item_id,p50\n\n"]);
    assert_eq!(texts(&scratch.merged_parquet("--expect-rows 2"), "item_id"), some(&["a", "b"]));
    let csv = scratch.merged_csv("--expect-rows 2");
    let lines: Vec<&str> = csv.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, ["item_id,p50", "a,1.0", "b,2.0"]);
}

#[test]
fn parts_with_different_line_ends_are_rewritten_with_lf_by_name() {
    let scratch = Scratch::copy_of(&testdata("bad_line_ends"));
    assert_eq!(
        scratch.merged_csv("--schema by-name"),
        "item_id,date,p50\na,2026-01-03T00:00:00Z,1.0\nb,2026-01-03T00:00:00Z,2.0\n"
    );
}

#[test]
fn a_byte_order_mark_is_dropped_from_every_part() {
    let scratch = Scratch::copy_of(&testdata("bom"));
    let expected = "item_id,date,p50\na,2026-01-03T00:00:00Z,1.0\nb,2026-01-03T00:00:00Z,2.0\n";
    assert_eq!(scratch.merged_csv(""), expected);
    assert_eq!(texts(&scratch.merged_parquet(""), "item_id"), some(&["a", "b"]));
}

#[test]
fn quotes_of_rfc_4180_are_read_with_commas_quotes_and_newlines_in_them() {
    let scratch = Scratch::copy_of(&testdata("quoted"));
    let batch = scratch.merged_parquet("");
    assert_eq!(texts(&batch, "item_id"), some(&["bolt, 3 mm", "3\" pipe", "plain", "smørbrød"]));
    assert_eq!(texts(&batch, "note"), [Some("two\nlines"), Some(""), None, Some("the end")]);
    assert_eq!(doubles(&batch, "p50"), some(&[1.0, 2.0, 3.0, 4.0]));
}

#[test]
fn quotes_are_written_only_where_they_are_needed() {
    let scratch = Scratch::copy_of(&testdata("quoted"));
    scratch.merged_parquet("");
    let text = scratch.succeeds("merge out/merged.parquet -o - --to csv -q");
    assert_eq!(
        text,
        "item_id,date,p50,note\n\
         \"bolt, 3 mm\",2026-01-03T00:00:00Z,1.0,\"two\nlines\"\n\
         \"3\"\" pipe\",2026-01-03T00:00:00Z,2.0,\"\"\n\
         plain,2026-01-03T00:00:00Z,3.0,\n\
         smørbrød,2026-01-04T00:00:00Z,4.0,the end\n"
    );
}

#[test]
fn csv_to_csv_rewrites_no_cell_not_even_needless_quotes() {
    let expected = "\"item_id\",date,p50,note\n\
         \"bolt, 3 mm\",2026-01-03T00:00:00Z,1.0,\"two\nlines\"\n\
         \"3\"\" pipe\",2026-01-03T00:00:00Z,\"2.0\",\"\"\n\
         plain,2026-01-03T00:00:00Z,3.0,\n\
         smørbrød,2026-01-04T00:00:00Z,4.0,\"the end\"\n";
    // Headers are compared by what they say: quotes around a name are no difference.
    assert_eq!(merged("quoted"), expected);
}

#[test]
fn ids_that_look_like_numbers_booleans_and_dates_stay_text() {
    let scratch = Scratch::copy_of(&testdata("ids"));
    let batch = scratch.merged_parquet("");
    assert_eq!(texts(&batch, "item_id"), some(&["00042", "1e5", "true", "nan", "not defined", " 1 "]));
    assert_eq!(texts(&batch, "store"), some(&["007", "2026-01-03", "false", "NULL", "not defined", "1.50"]));
    // The same words in a column of numbers are a null.
    assert_eq!(doubles(&batch, "p50").last(), Some(&Some(1.0)));
    assert_eq!(doubles(&batch, "p50")[4], None);
}

#[test]
fn doubles_are_those_that_java_wrote_bit_by_bit() {
    let scratch = Scratch::copy_of(&testdata("doubles"));
    let batch = scratch.merged_parquet("");
    let bits = |name: &str| -> Vec<Option<u64>> {
        doubles(&batch, name).into_iter().map(|value| value.map(f64::to_bits)).collect()
    };
    let expected = |values: [f64; 5]| -> Vec<Option<u64>> { some(&values.map(f64::to_bits)) };
    let p10 = expected([186.722_396_548_631_2, 2.295_408_381_527_212e-4, -0.0, f64::NAN, 0.001]);
    assert_eq!(bits("p10"), [p10, vec![None]].concat());
    let p50 = expected([239.409_487_987_051_96, 1e7, f64::MIN, f64::INFINITY, 9.999_999_999_999_998e-4]);
    assert_eq!(bits("p50"), [p50, vec![None]].concat());
    let p90 =
        expected([292.096_579_425_472_7, 0.0, f64::from_bits(1), f64::NEG_INFINITY, 9_999_999.999_999_998]);
    assert_eq!(bits("p90"), [p90, some(&[0.1_f64.to_bits()])].concat());
}

#[test]
fn csv_to_parquet_to_csv_gives_back_the_same_bytes() {
    for name in ["doubles", "forecast", "explainability"] {
        let scratch = Scratch::copy_of(&testdata(name));
        let direct = scratch.merged_csv("");
        scratch.merged_parquet("");
        let back = scratch.succeeds("merge out/merged.parquet -o - --to csv -q");
        assert_eq!(back, direct, "{name}");
    }
}

#[test]
fn gzip_and_zstandard_parts_are_read_by_their_magic_bytes() {
    let plain = [0, 1, 2].map(|n| format!("item_id,date,p50\nitem_{n},2026-01-03T00:00:00Z,{n}.5\n"));
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).expect("compressed");
        encoder.finish().expect("compressed")
    };
    let scratch = Scratch::new();
    // Two members, as writers that append leave them.
    let (start, end) = plain[0].split_at(20);
    scratch.write(&format!("in/sales_{RUN}_part0.csv.gz"), [gzip(start), gzip(end)].concat());
    scratch.write(
        &format!("in/sales_{RUN}_part1.csv.zst"),
        zstd::encode_all(plain[1].as_bytes(), 3).expect("zstd"),
    );
    scratch.write(&format!("in/sales_{RUN}_part2.csv"), gzip(&plain[2]));
    assert_eq!(
        scratch.merged_csv(""),
        "item_id,date,p50\nitem_0,2026-01-03T00:00:00Z,0.5\nitem_1,2026-01-03T00:00:00Z,1.5\n\
         item_2,2026-01-03T00:00:00Z,2.5\n"
    );
    assert_eq!(doubles(&scratch.merged_parquet(""), "p50"), some(&[0.5, 1.5, 2.5]));
}

#[test]
fn zeros_behind_gzip_and_frames_that_are_to_be_skipped_are_no_text() {
    let text = b"item_id,p50\na,1.0\n";
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).expect("compressed");
    let gzip = encoder.finish().expect("compressed");
    let skipped = b"\x50\x2a\x4d\x18\x04\0\0\0abcd";
    let frame = zstd::encode_all(&text[..], 3).expect("zstd");
    for (extension, bytes) in [
        ("csv.gz", [&gzip[..], &[0; 512]].concat()),
        // More than is read of a part at first.
        ("csv.gz", [&gzip[..], &[0; 100_000]].concat()),
        ("csv.zst", [&skipped[..], &frame, skipped].concat()),
    ] {
        let scratch = Scratch::of_parts(extension, &[bytes]);
        assert_eq!(scratch.merged_csv("").as_bytes(), text);
        assert_eq!(doubles(&scratch.merged_parquet(""), "p50"), some(&[1.0]));
    }
    for rubbish in
        [&b"\0\0x"[..], b"rubbish", &[&[0; 512][..], &gzip].concat(), &[&[0; 100_000][..], b"x"].concat()]
    {
        let scratch = Scratch::of_parts("csv.gz", &[[&gzip[..], rubbish].concat()]);
        let said = scratch.fails("merge in -o out/x.csv", 5);
        assert!(said.contains("compressed part"), "{said}");
    }
}

#[test]
fn a_part_larger_than_every_buffer_is_read_to_its_last_row() {
    // Quoted newlines and long cells, so that cuts fall everywhere.
    let mut text = String::from("item_id,date,p50\n");
    let rows = 40_000;
    for row in 0..rows {
        let id = if row % 7 == 0 { format!("\"item\n{row}, \"\"x\"\"\"") } else { format!("item_{row}") };
        text.push_str(&format!("{id},2026-01-03T00:00:00Z,{row}.5\n"));
    }
    let scratch = Scratch::csv(&[&text]);
    assert_eq!(scratch.merged_csv("--memory 16MB"), text);
    let batch = scratch.merged_parquet("--memory 16MB");
    let expected: Vec<Option<f64>> = (0..rows).map(|row| Some(f64::from(row) + 0.5)).collect();
    assert_eq!(doubles(&batch, "p50"), expected);
    assert_eq!(texts(&batch, "item_id")[39_998 / 7 * 7], Some("item\n39998, \"x\""));
    assert_eq!(scratch.succeeds("merge out/merged.parquet -o - --to csv -q --memory 16MB"), text);
}
