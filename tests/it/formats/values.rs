//! The rules for values: what a cell becomes, and what text it is written as.

use crate::support::fixtures::{binary, testdata};
use crate::support::scratch::{RUN, Scratch, columns, doubles, instants, local_times, micros, some, texts};
use arrow::array::cast::AsArray;
use arrow::array::types::{Date32Type, Int64Type};

/// One part with the columns `item_id` and `name`.
fn cells(name: &str, cells: &[&str]) -> Scratch {
    let mut text = format!("item_id,{name}\n");
    for cell in cells {
        text.push_str(&format!("x,{cell}\n"));
    }
    Scratch::csv(&[text])
}

/// The second column after a way through Parquet.
fn back(scratch: &Scratch, flags: &str) -> Vec<String> {
    scratch.merged_parquet(flags);
    let text = scratch.succeeds("merge out/merged.parquet -o - --to csv -q");
    text.lines().skip(1).map(|line| line.split_once(',').expect("two cells").1.to_owned()).collect()
}

#[test]
fn an_empty_cell_is_null_and_an_empty_string_is_an_empty_string() {
    let scratch = cells("store", &["", "\"\"", "a"]);
    assert_eq!(texts(&scratch.merged_parquet(""), "store"), [None, Some(""), Some("a")]);
    assert_eq!(back(&scratch, ""), ["", "\"\"", "a"]);
}

#[test]
fn not_defined_is_null_in_numbers_and_text_elsewhere() {
    let scratch = cells("p50", &["not defined", "1.0"]);
    assert_eq!(doubles(&scratch.merged_parquet(""), "p50"), [None, Some(1.0)]);
    let scratch = cells("store", &["not defined", "1"]);
    assert_eq!(texts(&scratch.merged_parquet(""), "store"), some(&["not defined", "1"]));
    let batch = scratch.merged_parquet("--type store=int64");
    assert_eq!(batch.column(1).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [None, Some(1)]);
}

#[test]
fn numbers_may_have_a_sign_and_the_names_of_java() {
    let scratch = cells("p50", &["+1.5", "NaN", "Infinity", "-Infinity", "1e3", "007", "-8"]);
    let found = doubles(&scratch.merged_parquet(""), "p50");
    assert_eq!(found[0], Some(1.5));
    assert!(found[1].is_some_and(f64::is_nan));
    assert_eq!(found[2..], some(&[f64::INFINITY, f64::NEG_INFINITY, 1e3, 7.0, -8.0]));
    assert_eq!(back(&scratch, ""), ["1.5", "NaN", "Infinity", "-Infinity", "1000.0", "7.0", "-8.0"]);
}

#[test]
fn doubles_are_printed_with_the_fewest_digits_as_java_prints_them() {
    let scratch =
        cells("p50", &["100", "0.10", "1e7", "9999999", "0.001", "0.0001", "123456789.5", "1e-7", "2.5E+3"]);
    let expected =
        ["100.0", "0.1", "1.0E7", "9999999.0", "0.001", "1.0E-4", "1.234567895E8", "1.0E-7", "2500.0"];
    assert_eq!(back(&scratch, ""), expected);
}

#[test]
fn times_with_a_zone_are_in_utc_and_times_without_stay_without() {
    let scratch =
        cells("date", &["2026-01-03T00:00:00Z", "2026-01-03T02:00:00+02:00", "2026-01-02T16:00:00-08:00"]);
    let midnight = micros("2026-01-03T00:00:00Z");
    assert_eq!(instants(&scratch.merged_parquet(""), "date"), [midnight; 3]);
    assert_eq!(back(&scratch, ""), ["2026-01-03T00:00:00Z"; 3]);
    let scratch = cells("date", &["2026-01-03T00:00:00"]);
    assert_eq!(local_times(&scratch.merged_parquet(""), "date"), [midnight]);
    assert_eq!(back(&scratch, ""), ["2026-01-03T00:00:00"]);
}

#[test]
fn fractions_of_a_second_are_read_to_the_microsecond_and_printed_only_when_not_zero() {
    let fractions = [".5", ".000001", ".000", ".1234560000"];
    let scratch =
        cells("date", &fractions.map(|f| format!("2026-01-03T00:00:00{f}Z")).each_ref().map(String::as_str));
    let at = |micro: i64| Some(micros("2026-01-03T00:00:00Z").expect("a time") + micro);
    assert_eq!(instants(&scratch.merged_parquet(""), "date"), [at(500_000), at(1), at(0), at(123_456)]);
    let expected = [".500", ".000001", "", ".123456"].map(|f| format!("2026-01-03T00:00:00{f}Z"));
    assert_eq!(back(&scratch, ""), expected);
}

#[test]
fn a_day_alone_is_its_midnight_without_a_zone() {
    let scratch = cells("date", &["2026-01-03"]);
    assert_eq!(local_times(&scratch.merged_parquet(""), "date"), [micros("2026-01-03T00:00:00")]);
    assert_eq!(back(&scratch, ""), ["2026-01-03T00:00:00"]);
}

#[test]
fn times_are_the_same_whatever_the_machines_zone() {
    let scratch = Scratch::copy_of(&testdata("backtest"));
    let mut results = Vec::new();
    for zone in ["UTC", "America/Los_Angeles", "Asia/Kathmandu", ":bad"] {
        for arguments in [
            "merge in --kind backtest-forecasts -o out.parquet --overwrite -q",
            "merge out.parquet -o out.csv --overwrite -q",
        ] {
            let output =
                binary().current_dir(scratch.path("")).env("TZ", zone).args(arguments.split(' ')).output();
            assert!(output.expect("run").status.success(), "{zone}: {arguments}");
        }
        results.push((scratch.rows("out.parquet"), scratch.text("out.csv")));
    }
    let (batch, text) = &results[0];
    assert!(text.contains("2017-06-19T01:00:00Z,12.0,2017-06-19T00:00:00,"), "{text}");
    assert!(results.iter().all(|(other, csv)| other == batch && csv == text));
}

#[test]
fn a_type_by_name_goes_before_what_the_name_says() {
    let scratch = cells("p50", &["1.50", "2"]);
    assert_eq!(texts(&scratch.merged_parquet("--type p50=string"), "p50"), some(&["1.50", "2"]));
    let scratch = cells("count", &["9223372036854775807", "-1", "+7", ""]);
    let batch = scratch.merged_parquet("--type count=int64");
    let counts: Vec<Option<i64>> = batch.column(1).as_primitive::<Int64Type>().iter().collect();
    assert_eq!(counts, [Some(i64::MAX), Some(-1), Some(7), None]);
    let scratch = cells("open", &["true", "false", ""]);
    let batch = scratch.merged_parquet("--type open=boolean");
    assert_eq!(batch.column(1).as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false), None]);
    assert_eq!(back(&scratch, "--type open=boolean"), ["true", "false", ""]);
    let scratch = cells("day", &["1970-01-02", "1969-12-31"]);
    let batch = scratch.merged_parquet("--type day=date");
    assert_eq!(batch.column(1).as_primitive::<Date32Type>().values()[..], [1, -1]);
    assert_eq!(back(&scratch, "--type day=date"), ["1970-01-02", "1969-12-31"]);
    let scratch = cells("seen", &["2026-01-03T00:00:00Z"]);
    assert_eq!(
        instants(&scratch.merged_parquet("--type seen=timestamp"), "seen"),
        [micros("2026-01-03T00:00:00Z")]
    );
    let scratch = cells("price", &["1.25"]);
    assert_eq!(doubles(&scratch.merged_parquet("--type price=double"), "price"), [Some(1.25)]);
}

#[test]
fn a_type_with_an_equals_sign_in_the_name_is_read_from_the_right() {
    let scratch = cells("a=b", &["7"]);
    assert_eq!(doubles(&scratch.merged_parquet("--type a=b=double"), "a=b"), [Some(7.0)]);
}

#[test]
fn all_strings_keeps_every_text_as_it_stands() {
    let scratch = Scratch::copy_of(&testdata("doubles"));
    let batch = scratch.merged_parquet("--all-strings");
    assert!(columns(&batch).iter().all(|column| column.ends_with(": Utf8")));
    assert_eq!(texts(&batch, "p10")[1], Some("2.295408381527212E-4"));
    assert_eq!(texts(&batch, "date")[0], Some("2026-01-03T00:00:00Z"));
    assert_eq!(texts(&batch, "p10")[5], None);
}

#[test]
fn texts_that_mean_null_are_null_in_every_column() {
    let scratch = Scratch::csv(&["item_id,store,p50\nNA,NA,NA\nx,-,-\n\"NA\",y,1.0\n"]);
    let batch = scratch.merged_parquet("--null NA --null -");
    assert_eq!(texts(&batch, "item_id"), [None, Some("x"), None]);
    assert_eq!(texts(&batch, "store"), [None, None, Some("y")]);
    assert_eq!(doubles(&batch, "p50"), [None, None, Some(1.0)]);
}

#[test]
fn source_columns_say_where_each_row_came_from() {
    let scratch = Scratch::copy_of(&testdata("two_runs"));
    let expected = "item_id,date,p50,_job,_run,_part\n\
         old,2025-12-27T00:00:00Z,1.0,sales,2025-12-26T03-04-05Z,0\n\
         new,2026-01-03T00:00:00Z,2.0,sales,2026-01-02T03-04-05Z,0\n\
         new,2026-01-04T00:00:00Z,3.0,sales,2026-01-02T03-04-05Z,1\n";
    assert_eq!(scratch.merged_csv("--run all --source-columns"), expected);
    let batch = scratch.merged_parquet("--run all --source-columns");
    assert_eq!(texts(&batch, "_job"), [Some("sales"); 3]);
    assert_eq!(texts(&batch, "_part"), some(&["0", "0", "1"]));
    // From Parquet as well.
    scratch.succeeds("convert in -o parquet/ --run latest");
    let text = scratch.succeeds("merge parquet -o - --to csv -q --source-columns");
    assert_eq!(text.lines().last(), Some("new,2026-01-04T00:00:00Z,3.0,sales,2026-01-02T03-04-05Z,1"));
}

#[test]
fn csv_to_csv_copies_cells_that_no_type_would_take() {
    let text = "item_id,date,p50\n x ,yesterday,about 3\n,,1e999\n";
    assert_eq!(Scratch::csv(&[text]).merged_csv(""), text);
}

#[test]
fn csv_to_csv_copies_bytes_that_are_no_utf8() {
    let scratch = Scratch::copy_of(&testdata("bad_utf8"));
    scratch.succeeds("merge in -o out/all.csv");
    let part = scratch.read(&format!("in/sales_{RUN}_part0.csv"));
    assert_eq!(scratch.read("out/all.csv"), part);
}

#[test]
fn parts_that_differ_are_aligned_by_name_with_nulls_for_what_a_part_lacks() {
    let scratch = Scratch::csv(&[
        "item_id,date,p50\na,2026-01-03T00:00:00Z,1.0\n",
        "date,item_id,p90,p50\n2026-01-04T00:00:00Z,b,9.0,2.0\n",
        "p90,item_id\n8.0,\"c,d\"\n",
    ]);
    assert_eq!(
        scratch.merged_csv("--schema by-name"),
        "item_id,date,p50,p90\na,2026-01-03T00:00:00Z,1.0,\nb,2026-01-04T00:00:00Z,2.0,9.0\n\"c,d\",,,8.0\n"
    );
    let batch = scratch.merged_parquet("--schema by-name");
    assert_eq!(texts(&batch, "item_id"), some(&["a", "b", "c,d"]));
    assert_eq!(doubles(&batch, "p50"), [Some(1.0), Some(2.0), None]);
    assert_eq!(doubles(&batch, "p90"), [None, Some(9.0), Some(8.0)]);
    assert_eq!(instants(&batch, "date")[1..], [micros("2026-01-04T00:00:00Z"), None]);
}

#[test]
fn the_real_rows_of_the_service_go_through_parquet_and_back() {
    let text = "item_id,date,p10,p50,p90\n\
         client_254,2015-01-01T01:00:00Z,186.7223965486312,239.40948798705196,292.0965794254727\n";
    let scratch = Scratch::csv(&[text]);
    let batch = scratch.merged_parquet("");
    assert_eq!(doubles(&batch, "p50"), [Some(239.40948798705196)]);
    assert_eq!(instants(&batch, "date"), [Some(1_420_074_000_000_000)]);
    assert_eq!(scratch.succeeds("merge out/merged.parquet -o - --to csv -q"), text);
}
