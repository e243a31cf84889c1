//! Requests that make no sense, and outputs that exist.

use super::files;
use crate::support::fixtures::{binary, failure, testdata};
use crate::support::scratch::{RUN, Scratch};
use std::os::unix::ffi::OsStrExt;

fn scratch() -> Scratch {
    Scratch::copy_of(&testdata("two_runs"))
}

#[test]
fn an_output_that_exists_is_never_replaced_unasked() {
    let scratch = scratch();
    scratch.write("out/x.csv", "old");
    let expected = "out/x.csv already exists; use --overwrite to replace it";
    assert_eq!(scratch.fails("merge in -o out/x.csv --run latest", 7), expected);
    for (flags, shown) in [("", "\noutputs\n  out/x.csv\n"), ("--json", "\"out/x.csv\"")] {
        let dry = scratch.output(&format!("merge in -o out/x.csv --run latest --dry-run {flags}"));
        assert_eq!(failure(&dry), (7, format!("error: {expected}\n")));
        let plan = String::from_utf8(dry.stdout).expect("UTF-8");
        assert!(plan.contains(shown), "{plan}");
    }
    assert_eq!(scratch.text("out/x.csv"), "old");
    let name = format!("parts/sales_{RUN}_part1.parquet");
    scratch.write(&name, "old");
    let expected = format!("{name} already exists; use --overwrite to replace it");
    assert_eq!(scratch.fails("convert in -o parts --run latest", 7), expected);
}

#[test]
fn old_parts_of_the_same_run_would_stay_beside_the_new_ones() {
    let scratch = scratch();
    scratch.succeeds("convert in -o parts --to csv --run latest --split-rows 1 --no-receipt");
    // One file would replace part 0, and part 1 would double its rows.
    for (flags, part) in [("", 0), ("--overwrite", 1)] {
        let message =
            scratch.fails(&format!("convert in -o parts --to csv --run latest --split-rows 2 {flags}"), 7);
        assert!(message.contains(&format!("parts/sales_{RUN}_part{part}.csv")), "{message}");
    }
    let message = scratch.fails("convert in -o parts --run latest --overwrite", 7);
    assert_eq!(
        message,
        format!(
            "parts/sales_{RUN}_part0.csv already exists, belongs to the same run and would stay next to the \
             new parts; remove it first"
        )
    );
}

#[test]
fn a_part_is_never_its_own_output() {
    let scratch = scratch();
    for command in [
        format!("merge in -o in/sales_{RUN}_part0.csv --run latest --overwrite"),
        "convert in -o in --to csv --run latest --overwrite".to_owned(),
    ] {
        let message = scratch.fails(&command, 2);
        assert_eq!(
            message,
            format!("in/sales_{RUN}_part0.csv is one of the parts that are read; name another output")
        );
    }
}

#[test]
fn a_folder_is_no_file_and_a_file_is_no_folder() {
    let scratch = scratch();
    scratch.write("out/file.csv", "x");
    let expected = "out is a folder; name a file, or use convert for part files";
    assert_eq!(scratch.fails("merge in -o out --to csv --run latest", 2), expected);
    assert_eq!(scratch.fails("merge in -o out --run latest", 2), expected);
    assert_eq!(scratch.fails("merge in -o out/ --run latest", 2), expected.replace("out", "out/"));
    assert_eq!(
        scratch.fails("convert in -o out/file.csv --run latest", 2),
        "out/file.csv is a file; convert writes into a folder"
    );
    // A file where a folder would have to be made.
    for (command, path) in [
        ("merge in --run latest -o", "out/file.csv/x.csv"),
        ("convert in --run latest -o", "out/file.csv/deeper/parts"),
        ("sample", "out/file.csv/exports"),
    ] {
        assert_eq!(
            scratch.fails(&format!("{command} {path}"), 2),
            format!("{path} cannot be written, because out/file.csv is not a folder; name another output")
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_in_which_no_file_can_be_made_is_named_with_what_helps() {
    for (path, object) in [("/proc/x.csv", "/proc/x.csv"), ("/proc/new/x.csv", "/proc/new")] {
        assert_eq!(
            scratch().fails(&format!("merge in --run latest -o {path}"), 1),
            format!("writing {object}: no file can be created there; write to another folder")
        );
    }
}

#[test]
fn an_extension_that_says_no_format_needs_a_flag() {
    assert_eq!(
        scratch().fails("merge in -o out/x.txt --run latest", 2),
        "out/x.txt has neither a CSV nor a Parquet extension; use --to csv or --to parquet"
    );
    assert_eq!(
        scratch().fails("merge in -o out/x.csv.lz4 --run latest", 2),
        "out/x.csv.lz4 is named like compressed CSV, but only gzip and zstd are supported; name it .csv, .csv.gz \
         or .csv.zst"
    );
}

#[test]
fn requests_that_exclude_each_other_are_usage_errors() {
    for (arguments, expected) in [
        ("merge in -o - --json", "-o - and --json both need standard output; write to a file instead"),
        (
            "merge in -o x.csv --split-rows 5",
            "a merge writes one file: --split-rows and --split-bytes are for convert",
        ),
        (
            "merge in -o x.csv --split-bytes 5MB",
            "a merge writes one file: --split-rows and --split-bytes are for convert",
        ),
        ("convert in -o -", "convert writes part files into a folder; use merge to write to standard output"),
        ("merge in -o x.csv --compression snappy", "CSV can only be compressed with gzip or zstd"),
        (
            "merge in -o x.csv --compression zstd:3",
            "--compression zstd:3 does not match the extension of the output; name it .csv.zst",
        ),
        (
            "merge in -o x.csv.zst --compression gzip",
            "--compression gzip:6 does not match the extension of the output; name it .csv.gz",
        ),
        (
            "merge in -o x.csv --type nothing=double",
            "--type names column nothing, which the export does not have; it has item_id, date, p50",
        ),
        ("merge arn:aws:s3:::b/x -o x.csv", "arn:aws:s3:::b/x is the ARN of a bucket; write s3://b/x"),
        (
            "merge in -o arn:aws:s3:::b/x.csv",
            "arn:aws:s3:::b/x.csv is the ARN of a bucket; write s3://b/x.csv",
        ),
        (
            "merge in -o x.parquet --type nothing=double",
            "--type names column nothing, which the export does not have; it has item_id, date, p50",
        ),
        (
            "merge ftp://host/x -o x.csv",
            "ftp:// is not a supported store; use a local path, s3://, gs:// or az://",
        ),
        ("merge s3:///x -o x.csv", "s3:///x does not name a bucket; write s3://BUCKET/PREFIX"),
    ] {
        let arguments = format!("{arguments} --run latest");
        let message = scratch().fails(&arguments, 2);
        assert_eq!(message, expected, "{arguments}");
    }
}

#[test]
fn a_pattern_must_compile_and_name_the_part() {
    let scratch = scratch();
    let message = scratch.fails("merge in -o x.csv --pattern (?P<part>[0-9", 2);
    assert!(message.starts_with("--pattern is not a valid regex: "), "{message}");
    assert_eq!(
        scratch.fails("merge in -o x.csv --pattern ([0-9]+)", 2),
        "--pattern \"([0-9]+)\" has no group named part; write the part's number as (?P<part>[0-9]+)"
    );
}

#[test]
fn words_that_are_unknown_are_usage_errors_that_list_the_known_ones() {
    for (flag, said) in [
        (
            "--preset hive",
            "unknown preset \"hive\"; use one of forecast, spark, redshift, snowflake, bigquery",
        ),
        (
            "--kind weather",
            "unknown kind \"weather\"; use one of forecast, backtest-forecasts, backtest-accuracy, \
             explainability, what-if",
        ),
        ("--to json", "unknown format \"json\"; use one of csv, parquet"),
        (
            "--compression bzip2",
            "unknown compression \"bzip2\"; use one of none, snappy, zstd[:1-22], gzip[:0-9], lz4",
        ),
        ("--compression zstd:99", "zstd has levels 1 to 22, not \"99\""),
        ("--schema loose", "unknown schema mode \"loose\"; use one of strict, by-name"),
        (
            "--type p50=float",
            "unknown type \"float\"; use one of string, double, int64, boolean, date, timestamp",
        ),
        ("--type p50", "\"p50\" is not of the form NAME=TYPE, such as store=int64"),
        ("--memory lots", "\"lots\" is not a valid size; write 500KB, 64MB or 1GiB"),
        ("--memory 1MB", "the minimum is 16MB"),
        ("--memory 64", "\"64\" without a unit is in bytes, and the minimum is 16MB; write 64MB or 1GiB"),
        (
            "--expect-parts twelve",
            "invalid value 'twelve' for '--expect-parts <N>': write a whole number, such as 12",
        ),
        ("--expect-rows 1e6", "write a whole number, such as 12"),
        ("--preset spark --pattern (?P<part>x)", "cannot be used with"),
        ("--all-strings --type p50=double", "cannot be used with"),
        ("--threads 0", "write a whole number from 1 to 1024"),
        ("--row-group-rows 0", "write a whole number above 0, such as 12"),
        ("--expect-rows -1", "unexpected argument"),
        ("--nonsense", "unexpected argument '--nonsense'"),
    ] {
        let scratch = scratch();
        let output = scratch.output(&format!("merge in -o out/x.csv {flag}"));
        let (code, message) = failure(&output);
        assert_eq!(code, 2, "{flag}: {message}");
        assert!(message.starts_with("error: ") && message.contains(said), "{flag}: {message}");
        assert_eq!(scratch.written(), Vec::<String>::new());
    }
    let (code, message) = failure(&scratch().output("convert in -o out/ --split-rows 1 --split-bytes 5"));
    assert_eq!(code, 2, "{message}");
    let (code, message) = failure(&scratch().output("convert in -o out/ --split-rows 0"));
    assert_eq!(code, 2, "{message}");
}

#[test]
fn a_run_that_is_no_timestamp_is_told_what_can_be_chosen() {
    for run in ["newest", "2024-01-01"] {
        for command in ["merge in -o x.csv", "ls in"] {
            assert_eq!(
                scratch().fails(&format!("{command} --run {run}"), 3),
                format!(
                    "in holds no run \"{run}\"; it holds sales 2025-12-26T03-04-05Z, sales {RUN}; use --run \
                     latest, --run all or --run TIMESTAMP, written as it is here"
                )
            );
        }
    }
}

#[test]
fn a_mistyped_path_is_told_the_nearest_one() {
    let scratch = scratch();
    scratch.write("exports/2026/x.csv", "a\n1\n");
    for (typed, meant) in [
        ("exprots", Some("exports")),
        ("./exprots/2026/x.csv", Some("./exports/2026/x.csv")),
        ("exports/202/y.csv", Some("exports/2026")),
        ("exports/2062/", Some("exports/2026/")),
        ("Exports", Some("exports")),
        ("nowhere", None),
        ("exports/2026/nothing.csv", None),
        ("i", None),
    ] {
        let hint = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
        let expected = format!("there is no file or folder {typed}{hint}");
        for command in ["ls", "schema", "verify out.csv --against"] {
            if command == "ls" || !typed.ends_with('/') {
                assert_eq!(scratch.fails(&format!("{command} {typed}"), 3), expected);
            }
        }
    }
}

#[test]
fn source_columns_that_are_there_already_are_a_usage_error() {
    let scratch = Scratch::csv(&["item_id,_run\na,b\n"]);
    assert_eq!(
        scratch.fails("merge in -o out/x.csv --source-columns", 2),
        "--source-columns adds _run, which the export already has"
    );
}

#[test]
fn a_name_that_is_no_utf8_is_refused_and_not_taken_for_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = std::ffi::OsStr::from_bytes(b"out\xff.csv");
    let mut command = binary();
    command.arg("merge").arg(testdata("forecast")).arg("-o").arg(name).current_dir(folder.path());
    let output = command.output().expect("it starts");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(files(folder.path()).is_empty());
}
