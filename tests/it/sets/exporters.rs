//! The names that other exporters give their files.

use crate::support::fixtures::testdata;
use crate::support::scratch::{Scratch, columns, texts};

fn merged(exporter: &str, flags: &str) -> String {
    Scratch::copy_of(&testdata("exporters").join(exporter)).merged_csv(flags)
}

const ABC: &str = "id,amount\na,1\nb,2\nc,3\n";

#[test]
fn spark_numbers_grow_past_five_digits_and_a_task_without_rows_leaves_no_file() {
    assert_eq!(merged("spark", "--preset spark"), ABC);
}

#[test]
fn redshift_orders_by_slice_then_part() {
    assert_eq!(merged("redshift", "--preset redshift"), ABC);
}

#[test]
fn snowflake_has_three_numbers_that_are_not_padded() {
    assert_eq!(merged("snowflake", "--preset snowflake"), ABC);
}

#[test]
fn bigquery_has_twelve_digits_and_no_gaps() {
    let scratch = Scratch::copy_of(&testdata("exporters").join("bigquery"));
    assert_eq!(scratch.merged_csv("--preset bigquery"), "id,amount\na,1\nb,2\n");
    scratch.write("in/sales-000000000003.csv", "id,amount\nd,4\n");
    let message = scratch.fails("merge in -o out/x.csv --preset bigquery", 4);
    assert!(message.starts_with("part 2 of 4 is missing between sales-000000000001.csv and "), "{message}");
}

#[test]
fn a_pattern_of_the_users_reads_any_names() {
    let scratch = Scratch::new();
    for (number, item) in [("10", "c"), ("2", "b"), ("1", "a")] {
        let digits = item.bytes().map(|byte| byte - b'a' + 1).next().unwrap_or(0);
        scratch.write(
            &format!("in/2026-01-02/sales.{number}.of.10.txt"),
            format!("id,amount\n{item},{digits}\n"),
        );
    }
    let pattern = r"--pattern (?P<job>[a-z]+)\.(?P<part>\d+)\.of\.10\.txt --allow-gaps";
    assert_eq!(scratch.merged_csv(pattern), ABC);
    let message =
        scratch.fails(r"merge in -o out/x.csv --pattern (?P<job>[a-z]+)\.(?P<part>\d+)\.of\.10\.txt", 4);
    assert_eq!(
        message,
        "parts 3-9 of 11 are missing between sales.2.of.10.txt and sales.10.of.10.txt; --allow-gaps merges \
         without them"
    );
}

#[test]
fn every_column_of_another_exporter_is_text_unless_a_type_is_given() {
    let scratch = Scratch::copy_of(&testdata("exporters").join("redshift"));
    let batch = scratch.merged_parquet("--preset redshift");
    assert_eq!(texts(&batch, "amount"), [Some("1"), Some("2"), Some("3")]);
    let batch = scratch.merged_parquet("--preset redshift --type amount=int64");
    assert_eq!(columns(&batch), ["id: Utf8", "amount: Int64"]);
}

#[test]
fn a_conversion_keeps_the_exporters_names() {
    let scratch = Scratch::copy_of(&testdata("exporters").join("snowflake"));
    scratch.succeeds("convert in -o out/ --preset snowflake");
    assert_eq!(
        scratch.written(),
        ["out/data_0_10_0.parquet", "out/data_0_2_0.parquet", "out/data_1_0_0.parquet"]
    );
}

#[test]
fn without_a_preset_the_files_are_strays_and_the_message_says_what_helps() {
    let scratch = Scratch::copy_of(&testdata("exporters").join("snowflake"));
    assert_eq!(
        scratch.fails("merge in -o out/x.csv", 3),
        "no export was found at in: 3 files are there, such as data_0_10_0.csv, but none is named like a \
         part; use --preset or --pattern for other names, or name one file as the source"
    );
}
