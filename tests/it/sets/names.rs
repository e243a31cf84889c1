//! What the names of parts look like, and what lies beside them.

use crate::support::fixtures::{run, testdata};
use crate::support::scratch::{RUN, Scratch};

const PART: &str = "item_id,date,p50\n";

/// A part with one row.
fn part(item: &str) -> String {
    format!("{PART}{item},2026-01-03T00:00:00Z,1.0\n")
}

/// The ids of merged CSV text.
fn items(text: &str) -> Vec<&str> {
    text.lines().skip(1).map(|line| line.split(',').next().unwrap_or_default()).collect()
}

fn ls(scratch: &Scratch, source: &str) -> serde_json::Value {
    serde_json::from_str(&scratch.succeeds(&format!("ls {source} --json"))).expect("JSON")
}

#[test]
fn parts_are_ordered_by_number_where_text_would_put_10_before_2() {
    let source = testdata("forecast");
    let output = run(["merge", &source.display().to_string(), "-o", "-", "--to", "csv", "-q"]);
    let merged = String::from_utf8(output.stdout).expect("UTF-8");
    let mut expected = String::new();
    for number in 0..12 {
        let name = format!("sales_forecast_export_{RUN}_part{number}.csv");
        let text = std::fs::read_to_string(source.join(name)).expect("a part");
        let (header, rows) = text.split_once('\n').expect("a header");
        if number == 0 {
            expected = format!("{header}\n");
        }
        expected.push_str(rows.trim_end());
        expected.push('\n');
    }
    assert_eq!(merged, expected);
    assert_eq!(merged.lines().count(), 37);
}

#[test]
fn part_numbers_of_any_size_are_numbers() {
    let scratch = Scratch::new();
    for number in ["9", "10", "99", "100", "4294967296"] {
        scratch.write(&format!("in/sales_{RUN}_part{number}.csv"), part(number));
    }
    let merged = scratch.merged_csv("--allow-gaps");
    assert_eq!(items(&merged), ["9", "10", "99", "100", "4294967296"]);
}

#[test]
fn padded_part_numbers_are_read_as_well() {
    let scratch = Scratch::new();
    for number in ["002", "000", "001"] {
        scratch.write(&format!("in/sales_{RUN}_part{number}.csv"), part(number));
    }
    assert_eq!(items(&scratch.merged_csv("")), ["000", "001", "002"]);
}

#[test]
fn stamps_with_z_or_an_offset_are_ordered_by_the_instant() {
    let scratch = Scratch::copy_of(&testdata("offsets"));
    assert_eq!(items(&scratch.merged_csv("--run all")), ["first", "second", "third"]);
    assert_eq!(items(&scratch.merged_csv("--run latest")), ["third"]);
    // One instant may be written in two ways.
    assert_eq!(items(&scratch.merged_csv("--run 2026-01-02T03-04-05Z")), ["second"]);
    assert_eq!(items(&scratch.merged_csv("--run 2026-01-02T07-30-00Z")), ["third"]);
    assert_eq!(items(&scratch.merged_csv("--run 2026-01-01T23-30-00-0800")), ["third"]);
}

#[test]
fn two_runs_under_one_prefix_are_told_apart() {
    let scratch = Scratch::copy_of(&testdata("two_runs"));
    assert_eq!(items(&scratch.merged_csv("--run latest")), ["new", "new"]);
    assert_eq!(items(&scratch.merged_csv("--run 2025-12-26T03-04-05Z")), ["old"]);
    assert_eq!(items(&scratch.merged_csv("--run all")), ["old", "new", "new"]);
    let found = ls(&scratch, "in");
    let runs: Vec<_> = found["exports"].as_array().expect("exports").iter().map(|e| &e["run"]).collect();
    assert_eq!(runs, ["2025-12-26T03-04-05Z", "2026-01-02T03-04-05Z"]);
}

#[test]
fn job_names_hold_underscores_dates_and_part0_and_are_prefixes_of_each_other() {
    let scratch = Scratch::copy_of(&testdata("job_names"));
    let found = ls(&scratch, "in");
    let jobs: Vec<_> = found["exports"].as_array().expect("exports").iter().map(|e| &e["job"]).collect();
    let expected = ["Accuracy_tools", "a", "a_b", "export_sales_2020_10_19_16_28_06", "x_part0"];
    assert_eq!(jobs, expected);
    for (job, item) in [
        ("a", "a"),
        ("a_b", "a_b"),
        ("export_sales_2020_10_19_16_28_06", "dated"),
        ("export_sales_*", "dated"),
        ("x_part0", "x_part0"),
        ("Accuracy_tools", "accuracy_tools"),
    ] {
        assert_eq!(items(&scratch.merged_csv(&format!("--job {job}"))), [item], "{job}");
    }
}

#[test]
fn a_job_name_has_63_characters_at_most_and_no_dash() {
    let scratch = Scratch::new();
    let longest = "j".repeat(63);
    scratch.write(&format!("in/{longest}_{RUN}_part0.csv"), part("longest"));
    for stray in ["j".repeat(64), "a-b".into(), "1a".into(), "_a".into()] {
        scratch.write(&format!("in/{stray}_{RUN}_part0.csv"), part("stray"));
    }
    let found = ls(&scratch, "in");
    assert_eq!(found["exports"].as_array().map(Vec::len), Some(1));
    assert_eq!(found["exports"][0]["job"], longest.as_str());
    assert_eq!(found["strays"].as_array().map(Vec::len), Some(4));
    assert_eq!(items(&scratch.merged_csv("")), ["longest"]);
}

#[test]
fn accuracy_and_forecasts_are_a_kind_only_within_the_two_backtest_folders() {
    let scratch = Scratch::copy_of(&testdata("backtest"));
    let found = ls(&scratch, "in");
    let exports: Vec<_> = found["exports"]
        .as_array()
        .expect("exports")
        .iter()
        .map(|e| [&e["folder"], &e["kind"], &e["job"]].map(|v| v.as_str().expect("text").to_owned()))
        .collect();
    assert_eq!(
        exports,
        [
            ["in/accuracy-metrics-values", "backtest-accuracy", "bikes"],
            ["in/forecasted-values", "backtest-forecasts", "bikes"]
        ]
    );
    let accuracy = scratch.merged_csv("--kind backtest-accuracy");
    assert_eq!(items(&accuracy), ["31230", "32201", "31320"]);
    let forecasts = scratch.merged_csv("--kind backtest-forecasts");
    assert_eq!(items(&forecasts), ["31230", "31230"]);

    // A job may well be called Accuracy_tools.
    let scratch = Scratch::copy_of(&testdata("job_names"));
    let found = ls(&scratch, &format!("in/Accuracy_tools_{RUN}_part0.csv"));
    let export = &found["exports"][0];
    assert_eq!((&export["job"], &export["kind"]), (&"Accuracy_tools".into(), &"forecast".into()));
}

#[test]
fn a_bare_part_number_no_extension_and_a_wrong_one_are_read() {
    // That text under the name of Parquet is CSV, somebody has to say.
    for (folder, flags) in [("bare", ""), ("none", ""), ("wrong", "--header yes")] {
        let scratch = Scratch::copy_of(&testdata("extensions").join(folder));
        let found = ls(&scratch, &format!("in {flags}"));
        assert_eq!(found["exports"][0]["parts"].as_array().map(Vec::len), Some(2), "{folder}");
        assert_eq!(found["exports"][0]["format"], "csv", "{folder}");
        assert_eq!(items(&scratch.merged_csv(flags)), ["a", "b"], "{folder}");
    }
}

#[test]
fn parquet_is_known_by_its_magic_bytes_under_every_ending() {
    let csv = Scratch::copy_of(&testdata("two_runs"));
    csv.succeeds("convert in -o out/ --run latest");
    let parts = [0, 1].map(|number| csv.read(&format!("out/sales_{RUN}_part{number}.parquet")));
    for ending in [".parquet", ".parq", ".pqt", ".snappy.parquet", ".PARQUET", "", ".csv"] {
        let scratch = Scratch::new();
        for (number, part) in parts.iter().enumerate() {
            scratch.write(&format!("in/sales_{RUN}_part{number}{ending}"), part);
        }
        assert_eq!(ls(&scratch, "in")["exports"][0]["format"], "parquet", "{ending}");
        assert_eq!(items(&scratch.merged_csv("")), ["new", "new"], "{ending}");
        scratch.succeeds("convert in -o out/ --to parquet");
        let names = scratch.written();
        let expected = [0, 1].map(|number| format!("out/sales_{RUN}_part{number}.parquet"));
        assert_eq!(names, expected, "{ending}");
    }
}

#[test]
fn markers_strays_and_folders_of_other_things_are_passed_over() {
    let scratch = Scratch::copy_of(&testdata("litter"));
    assert_eq!(items(&scratch.merged_csv("")), ["a", "b"]);
    let found = ls(&scratch, "in");
    let files = |key: &str| -> Vec<String> {
        let files = found[key].as_array().expect("files").iter();
        files.map(|file| file["file"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(files("markers"), ["in/_CHECK", "in/_SUCCESS"]);
    assert_eq!(
        files("strays"),
        [
            "in/history/notes.txt".to_owned(),
            "in/manifest.json".to_owned(),
            format!("in/sales_{RUN}_part0.csv.bak"),
            "in/sales_processed.csv".to_owned()
        ]
    );
}

#[test]
fn a_check_without_a_success_is_a_warning_and_no_error() {
    let scratch = Scratch::copy_of(&testdata("litter"));
    let (_, said) = scratch.succeeds_with("merge in -o out/whole.csv");
    assert!(!said.contains("warning"), "{said}");
    std::fs::remove_file(scratch.path("in/_SUCCESS")).expect("removed");
    let (_, said) = scratch.succeeds_with("merge in -o out/merged.csv");
    let warning = "warning: in has a _CHECK but no _SUCCESS: the export may still be running, and its last \
                   parts may be missing\n";
    assert!(said.starts_with(warning), "{said}");
    let (_, quiet) = scratch.succeeds_with("merge in -o out/again.csv -q");
    assert_eq!(quiet, "");
}

#[test]
fn a_prefix_is_a_folder_so_subset1_never_lists_subset10() {
    let scratch = Scratch::copy_of(&testdata("prefixes"));
    for source in ["in/subset1", "in/subset1/"] {
        let merged = scratch.succeeds(&format!("merge {source} -o - --to csv -q"));
        assert_eq!(items(&merged), ["one"], "{source}");
    }
    // A glob says that both are meant; then the run lies in two folders.
    let message = scratch.fails("merge in/subset1* -o out/x.csv", 4);
    assert!(message.contains("is in two folders, in/subset1/ and in/subset10/"), "{message}");
    assert_eq!(items(&scratch.succeeds("merge in/subset1? -o - --to csv -q")), ["ten"]);
}

#[test]
fn folders_below_the_source_are_searched() {
    let scratch = Scratch::new();
    scratch.write(&format!("in/2026/01/sales_{RUN}_part0.csv"), part("deep"));
    assert_eq!(items(&scratch.merged_csv("")), ["deep"]);
    assert_eq!(ls(&scratch, "in")["exports"][0]["folder"], "in/2026/01");
}

#[test]
fn a_part_or_any_other_file_as_the_source_is_read_by_itself() {
    let scratch = Scratch::copy_of(&testdata("two_runs"));
    let one = scratch.succeeds(&format!("merge in/sales_{RUN}_part1.csv -o - --to csv -q"));
    assert_eq!(items(&one), ["new"]);
    scratch.write("in/anything.txt", part("other name"));
    let other = scratch.succeeds("merge in/anything.txt -o - --to csv -q");
    assert_eq!(items(&other), ["other name"]);
    scratch.succeeds("convert in/anything.txt -o out/");
    assert_eq!(scratch.written(), ["out/anything.txt.parquet"]);
}

#[test]
fn names_are_literal_where_they_hold_escapes_blanks_and_wildcards() {
    for folder in ["a%20b", "a+b", "a[1]", "caf\u{e9}", "$x"] {
        let scratch = Scratch::new();
        scratch.write(&format!("in/{folder}/sales_{RUN}_part0.csv"), part("found"));
        let merged = scratch.succeeds(&format!("merge in/{folder} -o - --to csv -q"));
        assert_eq!(items(&merged), ["found"], "{folder}");
        scratch.succeeds(&format!("merge in -o out/{folder}.csv"));
        assert_eq!(scratch.written(), [format!("out/{folder}.csv")]);
    }
}

#[test]
fn gaps_and_doubles_are_shown_by_ls_which_judges_nothing() {
    let gap = Scratch::copy_of(&testdata("bad_gap"));
    let found = ls(&gap, "in");
    assert_eq!(
        found["exports"][0]["gaps"],
        serde_json::json!([{
            "from": 1, "to": 1,
            "after": format!("sales_{RUN}_part0.csv"), "before": format!("sales_{RUN}_part2.csv")
        }])
    );
    assert!(gap.succeeds("ls in").contains("missing 1"));
    let double = Scratch::copy_of(&testdata("bad_double"));
    let shown = format!("sales_{RUN}_part0.csv and sales_{RUN}_part00.csv");
    assert_eq!(ls(&double, "in")["exports"][0]["duplicates"], serde_json::json!([shown]));
    assert!(double.succeeds("ls in").contains(&format!("duplicate {shown}")));
}

#[test]
fn ls_tells_rows_header_only_empty_and_damaged_parts_apart() {
    let scratch = Scratch::copy_of(&testdata("empty_parts"));
    scratch.write(&format!("in/sales_{RUN}_part5.parquet"), "PAR1 and nothing more");
    let found = ls(&scratch, "in");
    let parts = found["exports"][0]["parts"].as_array().expect("parts");
    let states: Vec<_> = parts.iter().map(|part| part["state"].as_str().expect("text")).collect();
    assert_eq!(states, ["empty", "header-only", "rows", "empty", "rows", "damaged"]);
    let text = scratch.succeeds("ls in");
    assert!(text.contains("1 without rows, 2 empty, 1 damaged"), "{text}");
}
