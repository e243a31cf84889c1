//! Sets of parts that are incomplete or ambiguous, and sources that hold nothing.

use crate::support::fixtures::testdata;
use crate::support::scratch::{RUN, Scratch, rows};
use forecast_export::{Error, Options};

const HEADER: &str = "item_id,date,p50\n";
const ROW: &str = "a,2026-01-03T00:00:00Z,1.0\n";

fn part() -> String {
    format!("{HEADER}{ROW}")
}

/// A source with a part for each name.
fn parts(names: &[&str]) -> Scratch {
    let scratch = Scratch::new();
    for name in names {
        scratch.write(&format!("in/{name}"), part());
    }
    scratch
}

/// What both commands and `schema` say, which must be the same.
fn refused(scratch: &Scratch, flags: &str, code: i32) -> String {
    let message = scratch.fails(&format!("merge in -o out/x.parquet {flags}"), code);
    assert_eq!(scratch.fails(&format!("merge in -o - {flags}"), code), message);
    assert_eq!(scratch.fails(&format!("convert in -o out/ {flags}"), code), message);
    assert_eq!(scratch.fails(&format!("schema in {flags}"), code), message);
    message
}

#[test]
fn a_missing_part_names_its_neighbours_and_the_flag() {
    let scratch = Scratch::copy_of(&testdata("bad_gap"));
    assert_eq!(
        refused(&scratch, "", 4),
        format!(
            "part 1 of 3 is missing between sales_{RUN}_part0.csv and sales_{RUN}_part2.csv; --allow-gaps \
             merges without it"
        )
    );
    assert_eq!(scratch.merged_csv("--allow-gaps").lines().count(), 3);
    assert!(matches!(scratch.merge("out/x.csv", &Options::default()), Err(Error::Incomplete(_))));
}

#[test]
fn a_missing_part_that_is_allowed_is_named_in_a_warning_and_in_json() {
    let scratch = Scratch::copy_of(&testdata("bad_gap"));
    let missing = |setting: &str| {
        format!(
            "part 1 of 3 is missing between sales_{RUN}_part0.csv and sales_{RUN}_part2.csv; {setting} \
             continues without it"
        )
    };
    let warning = format!("warning: {}\n", missing("--allow-gaps"));
    for command in [
        "merge in -o out/x.csv --json",
        // Once more, when it is up to date.
        "merge in -o out/x.csv --json",
        "merge in -o out/x.parquet --dry-run --json",
        "convert in -o parts/ --json",
        "schema in --json",
        "verify out/x.csv --against in --json",
    ] {
        let (found, said) = scratch.succeeds_with(&format!("{command} --allow-gaps"));
        assert_eq!(said.matches(&warning).count(), 1, "{command}: {said}");
        let found: serde_json::Value = serde_json::from_str(&found).expect("JSON");
        let setting = if command.contains("--dry-run") { "--allow-gaps" } else { "allow_gaps" };
        assert_eq!(found["warnings"], serde_json::json!([missing(setting)]), "{command}");
    }
    let (_, said) = scratch.succeeds_with("merge in -o out/y.csv --allow-gaps -q");
    assert_eq!(said, "");
    let complete = Scratch::copy_of(&testdata("two_runs"));
    let (_, said) = complete.succeeds_with("merge in -o out/x.csv --run latest --allow-gaps");
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn a_missing_first_part_is_a_gap_too() {
    let scratch = parts(&[&format!("sales_{RUN}_part1.csv")]);
    let expected =
        format!("part 0 of 2 is missing before sales_{RUN}_part1.csv; --allow-gaps merges without it");
    assert_eq!(refused(&scratch, "", 4), expected);
}

#[test]
fn several_gaps_are_listed() {
    let names = [0, 4, 5, 9].map(|n| format!("sales_{RUN}_part{n}.csv"));
    let scratch = parts(&names.each_ref().map(String::as_str));
    let expected =
        format!("parts 1-3, 6-8 of 10 are missing from sales {RUN}; --allow-gaps merges without them");
    assert_eq!(refused(&scratch, "", 4), expected);
}

#[test]
fn a_part_number_in_two_files_is_refused_whatever_flags_say() {
    let scratch = Scratch::copy_of(&testdata("bad_double"));
    let expected = format!(
        "sales {RUN}: two files claim the same part: sales_{RUN}_part0.csv and sales_{RUN}_part00.csv; \
         remove one of them"
    );
    assert_eq!(refused(&scratch, "", 4), expected);
    assert_eq!(refused(&scratch, "--allow-gaps", 4), expected);
}

#[test]
fn two_runs_are_an_error_that_lists_them() {
    let scratch = Scratch::copy_of(&testdata("two_runs"));
    assert_eq!(
        refused(&scratch, "", 4),
        "in holds 2 runs of sales: 2025-12-26T03-04-05Z, 2026-01-02T03-04-05Z; choose with --run latest, \
         --run all or --run TIMESTAMP"
    );
}

#[test]
fn a_conversion_of_all_runs_keeps_them_apart_by_their_names() {
    let scratch = Scratch::copy_of(&testdata("two_runs"));
    scratch.succeeds("convert in -o out/ --run all");
    assert_eq!(scratch.written().len(), 3);
}

#[test]
fn two_jobs_are_an_error_that_lists_them() {
    let scratch = parts(&[&format!("a_{RUN}_part0.csv"), &format!("a_b_{RUN}_part0.csv")]);
    let expected = "in holds 2 jobs: a, a_b; choose one with --job NAME";
    assert_eq!(refused(&scratch, "", 4), expected);
    // Nor do all runs mean all jobs.
    assert_eq!(refused(&scratch, "--run all", 4), expected);
    assert_eq!(refused(&scratch, "--job a*", 4), expected);
}

#[test]
fn a_run_in_two_folders_names_both() {
    let scratch = Scratch::copy_of(&testdata("bad_two_folders"));
    let expected = format!("sales {RUN} is in two folders, in/ and in/copy/; name one of them as the source");
    for flags in ["", "--run all", "--run latest"] {
        assert_eq!(refused(&scratch, flags, 4), expected, "{flags}");
    }
}

#[test]
fn a_backtest_root_needs_a_kind() {
    let scratch = Scratch::copy_of(&testdata("backtest"));
    assert_eq!(
        refused(&scratch, "", 4),
        "in holds 2 kinds of export: backtest-accuracy, backtest-forecasts; choose one with --kind KIND"
    );
}

#[test]
fn both_formats_in_one_run_are_refused() {
    let scratch = Scratch::parquet(&[rows(0, 3)]);
    scratch.write(&format!("in/sales_{RUN}_part1.csv"), part());
    let expected = format!(
        "the run holds both Parquet and CSV: sales_{RUN}_part0.parquet and sales_{RUN}_part1.csv; move one \
         of the formats to another folder"
    );
    assert_eq!(refused(&scratch, "", 4), expected);
    assert!(scratch.succeeds("ls in").contains("CSV and Parquet mixed"));
}

#[test]
fn the_same_export_in_both_formats_is_refused() {
    let scratch = Scratch::parquet(&[rows(0, 3)]);
    scratch.write(&format!("in/sales_{RUN}_part0.csv"), part());
    assert!(refused(&scratch, "", 4).contains("two files claim the same part"));
}

#[test]
fn an_empty_folder_is_not_found() {
    assert_eq!(refused(&Scratch::new(), "", 3), "no export was found at in: no file is there");
    assert_eq!(Scratch::new().fails("ls in", 3), "no export was found at in: no file is there");
}

#[test]
fn a_missing_folder_file_or_glob_is_not_found() {
    let scratch = Scratch::new();
    for source in ["nowhere", "nowhere/", "in/nothing.csv"] {
        let expected = format!("there is no file or folder {source}");
        assert_eq!(scratch.fails(&format!("merge {source} -o out/x.csv"), 3), expected);
        assert_eq!(scratch.fails(&format!("ls {source}"), 3), expected);
    }
    assert_eq!(
        scratch.fails("merge in/sales_* -o out/x.csv", 3),
        "no export was found at in/sales_*: no file is there"
    );
    scratch.write("in/file", part());
    assert_eq!(scratch.fails("merge in/file/ -o out/x.csv", 3), "in/file/ is a file, not a folder");
}

#[test]
fn a_folder_of_other_files_is_not_found_and_one_is_named() {
    let scratch = parts(&["sales.csv"]);
    assert_eq!(
        refused(&scratch, "", 3),
        "no export was found at in: 1 file is there, such as sales.csv, but none is named like a part; use \
         --preset or --pattern for other names, or name one file as the source"
    );
}

#[test]
fn an_unknown_job_run_or_kind_lists_those_that_are_there() {
    let scratch = Scratch::copy_of(&testdata("two_runs"));
    assert_eq!(refused(&scratch, "--job salt", 3), "in holds no job \"salt\"; it holds sales");
    assert_eq!(
        refused(&scratch, "--run 2027-01-01T00-00-00Z", 3),
        "in holds no run \"2027-01-01T00-00-00Z\"; it holds sales 2025-12-26T03-04-05Z, sales \
         2026-01-02T03-04-05Z"
    );
    assert_eq!(refused(&scratch, "--run newest", 3).split(';').next(), Some("in holds no run \"newest\""));
    assert_eq!(refused(&scratch, "--kind what-if", 3), "in holds no what-if export, only forecast");
}

#[test]
fn expectations_that_are_not_met_are_an_incomplete_set() {
    let scratch = Scratch::csv(&[part(), part()]);
    assert_eq!(refused(&scratch, "--expect-parts 3", 4), "in holds 2 parts, but --expect-parts is 3");
    let expected = "the parts hold 2 rows, but --expect-rows is 3";
    for arguments in [
        "merge in -o out/x.csv",
        "merge in -o out/x.parquet",
        "convert in -o out/",
        "convert in -o out/ --to csv",
        "convert in -o out/ --to csv --split-rows 1",
        "convert in -o out/ --split-rows 1",
    ] {
        assert_eq!(scratch.fails(&format!("{arguments} --expect-rows 3"), 4), expected, "{arguments}");
        assert_eq!(scratch.fails(&format!("{arguments} --expect-rows 1"), 4), expected.replace('3', "1"));
    }
}

#[test]
fn rows_of_parquet_parts_are_counted_before_anything_is_written() {
    let scratch = Scratch::parquet(&[rows(0, 5), rows(5, 2)]);
    let expected = "the parts hold 7 rows, but --expect-rows is 8";
    assert_eq!(refused(&scratch, "--expect-rows 8", 4), expected);
    assert_eq!(scratch.fails("merge in -o out/x.csv --expect-rows 8 --dry-run", 4), expected);
}

#[test]
fn parts_that_are_all_empty_have_no_columns() {
    let scratch = Scratch::copy_of(&testdata("no_header"));
    let expected = format!(
        "in/sales_{RUN}_part0.csv: no part has a header, so the columns are unknown; export again, or leave \
         out the empty parts"
    );
    assert_eq!(refused(&scratch, "", 5), expected);
}

#[test]
fn a_part_that_is_a_link_to_nothing_is_named() {
    let scratch = parts(&[&format!("sales_{RUN}_part0.csv")]);
    let link = scratch.path(&format!("in/sales_{RUN}_part1.csv"));
    std::os::unix::fs::symlink("absent", link).expect("a link");
    let expected = format!(
        "in/sales_{RUN}_part1.csv is a broken link; restore the file it points to, or remove the link"
    );
    assert_eq!(refused(&scratch, "", 4), expected);
    assert_eq!(refused(&scratch, "--allow-gaps", 4), expected);
    let listed = scratch.succeeds("ls in -v");
    assert!(listed.contains("1 damaged") && listed.contains("is a broken link"), "{listed}");
}

#[test]
fn a_link_to_nothing_that_is_no_part_is_a_stray() {
    let scratch = parts(&[&format!("sales_{RUN}_part0.csv")]);
    std::os::unix::fs::symlink("absent", scratch.path("in/notes")).expect("a link");
    assert_eq!(scratch.merged_csv(""), part());
    let listed = scratch.succeeds("ls in");
    assert!(listed.contains("strays (1): in/notes"), "{listed}");
}

#[test]
fn what_cannot_be_looked_at_beside_the_parts_is_a_stray() {
    let scratch = parts(&[&format!("sales_{RUN}_part0.csv")]);
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, scratch.path(name)).expect("a link");
    link("x2", "in/x1");
    link("x1", "in/x2");
    link(&format!("sales_{RUN}_part0.csv/below"), "in/x3");
    assert_eq!(scratch.merged_csv(""), part());
    let listed = scratch.succeeds("ls in");
    assert!(listed.contains("strays (3): in/x1, in/x2, in/x3"), "{listed}");
}

#[test]
fn an_output_that_the_next_run_would_read_as_a_part_is_refused() {
    let scratch = parts(&[&format!("sales_{RUN}_part0.csv"), "data_0_0_0.csv"]);
    let here = scratch.path("").display().to_string();
    let next = format!("sales_{RUN}_part1.csv");
    for place in [
        format!("in/{next}"),
        format!("./in/{next}"),
        format!("in/../in/{next}"),
        format!("{here}in/{next}"),
        format!("in/new/{next}"),
        format!("in/other_{RUN}_part0.csv"),
    ] {
        for flags in ["", "--overwrite", "-n"] {
            let message = scratch.fails(&format!("merge in -o {place} {flags}"), 2);
            assert_eq!(
                message,
                format!(
                    "{place} is inside the source, and the next run over in would read it as a part; write \
                     to another folder"
                )
            );
        }
    }
    scratch.fails(&format!("merge in/sales_* -o in/{next}"), 2);
    scratch.fails("merge in -o in/data_0_1_0.csv --preset snowflake", 2);
    // What no listing takes for a part may lie there, and one part by itself is no folder.
    scratch.succeeds("merge in -o in/all.csv");
    scratch.succeeds("merge in -o in/data_0_1_0.csv");
    scratch.succeeds(&format!("merge in/sales_{RUN}_part0.csv -o in/new/{next}"));
}

#[test]
fn a_conversion_into_a_folder_below_its_source_is_refused() {
    let scratch = parts(&[&format!("sales_{RUN}_part0.csv"), &format!("sales_{RUN}_part1.csv")]);
    for flags in ["", "--split-rows 1", "--overwrite", "--to csv"] {
        let message = scratch.fails(&format!("convert in -o in/new/ {flags}"), 2);
        assert!(message.contains("/new/") && message.ends_with("; write to another folder"), "{message}");
    }
}

#[test]
fn a_name_too_long_for_the_receipt_is_refused_before_anything_is_written() {
    let scratch = parts(&[&format!("sales_{RUN}_part0.csv")]);
    let name = format!("{}.csv", "n".repeat(240));
    let message = scratch.fails(&format!("merge in -o {name}"), 2);
    assert!(
        message.ends_with(
            "would have 257 bytes, and the limit is 255; give the output a shorter name, or leave out the \
             receipt with --no-receipt"
        ),
        "{message}"
    );
    scratch.succeeds(&format!("merge in -o {name} --no-receipt"));
}
