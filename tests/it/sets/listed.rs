//! Which of the exports at a location `ls` shows, and what it tells of them when no file is opened.

use crate::support::scratch::Scratch;
use chrono::{TimeDelta, Utc};
use forecast_export::RunStamp;
use serde_json::Value;

const PART: &str = "item_id,date,p50\na,2026-01-03T00:00:00Z,1.0\n";

/// Two jobs with two runs each, another with one, and a file of no run.
fn several() -> Scratch {
    let scratch = Scratch::new();
    for name in [
        "sales_2026-01-02T03-04-05Z_part0.csv",
        "sales_2026-01-03T03-04-05Z_part0.csv",
        "sales_2026-01-03T03-04-05Z_part1.csv",
        "stock_2026-01-01T00-00-00Z_part0.csv",
        "stock_2025-12-31T16-00-00-0800_part1.csv",
        "stock_2026-01-02T00-00-00Z_part0.csv",
        "other_2025-12-01T00-00-00Z_part0.csv",
    ] {
        scratch.write(&format!("in/{name}"), PART);
    }
    scratch
}

fn listed(scratch: &Scratch, arguments: &str) -> Value {
    serde_json::from_str(&scratch.succeeds(&format!("ls in --json {arguments}"))).expect("JSON")
}

/// Job and day of every run, with the number of its parts.
fn runs(scratch: &Scratch, arguments: &str) -> Vec<String> {
    let found = listed(scratch, arguments);
    let exports = found["exports"].as_array().expect("a list");
    let shown = exports.iter().map(|export| {
        let (job, run) = (export["job"].as_str().expect("a name"), export["run"].as_str().expect("a run"));
        format!("{job} {} {}", &run[..10], export["parts"].as_array().expect("a list").len())
    });
    shown.collect()
}

#[test]
fn runs_are_chosen_as_a_merge_chooses_them_and_without_a_choice_all_are_shown() {
    let scratch = several();
    let all = [
        "other 2025-12-01 1",
        "sales 2026-01-02 1",
        "sales 2026-01-03 2",
        "stock 2025-12-31 2",
        "stock 2026-01-02 1",
    ];
    for names in ["", "--names"] {
        let runs = |arguments: &str| runs(&scratch, &format!("{arguments} {names}"));
        assert_eq!(runs(""), all);
        assert_eq!(runs("--run all"), all);
        assert_eq!(runs("--run latest"), [all[0], all[2], all[4]], "the newest of each job");
        assert_eq!(runs("--run latest --job s*"), [all[2], all[4]]);
        assert_eq!(runs("--job sales"), all[1..3]);
        assert_eq!(runs("--run 2026-01-03T03:04:05Z"), [all[2]], "as people type it");
        assert_eq!(runs("--run 2026-01-01T00-00-00Z"), [all[3]]);
        assert_eq!(runs("--run 2025-12-31T16-00-00-0800"), [all[3]], "the same moment");
        let said = scratch.fails(&format!("ls in --run 2026-01-03T03-04-06Z {names}"), 3);
        assert!(
            said.contains("no run \"2026-01-03T03-04-06Z\"") && said.contains("stock 2026-01-02"),
            "{said}"
        );
    }
}

#[test]
fn since_shows_runs_of_a_moment_and_later() {
    let scratch = several();
    let runs = |arguments: &str| runs(&scratch, arguments);
    for at in ["2026-01-02T03-04-05Z", "2026-01-02T03:04:05Z", "2026-01-02T04:04:05+01:00"] {
        assert_eq!(runs(&format!("--since {at}")), ["sales 2026-01-02 1", "sales 2026-01-03 2"], "{at}");
    }
    assert_eq!(runs("--since 2026-01-02T03-04-06Z"), ["sales 2026-01-03 2"]);
    assert_eq!(runs("--since 2026-01-02T03:04:05.5Z"), ["sales 2026-01-03 2"]);
    assert_eq!(runs("--since 2026-01-02 --job stock"), ["stock 2026-01-02 1"]);
    assert_eq!(runs("--since 2026-01-02 --run latest").len(), 2);
    assert_eq!(runs("--since 2030-01-01"), [] as [&str; 0]);
    // Some exports of now and of yesterday.
    let now = Utc::now();
    for (job, before) in [("now", TimeDelta::zero()), ("yesterday", TimeDelta::hours(30))] {
        let run = RunStamp::from_instant((now - before).timestamp()).expect("a year of four digits");
        scratch.write(&format!("in/{job}_{run}_part0.csv"), PART);
    }
    let jobs = |since: &str| {
        let found = listed(&scratch, &format!("--names --since {since}"));
        let exports = found["exports"].as_array().expect("a list");
        exports.iter().map(|export| export["job"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(jobs("12h"), ["now"]);
    assert_eq!(jobs("2d"), ["now", "yesterday"]);
    for text in ["soon", "7", "2026-01-02T03-04-05", "1M", ""] {
        let output = scratch.output(&format!("ls in --since={text}"));
        assert_eq!(output.status.code(), Some(2), "{text}");
    }
}

#[test]
fn what_has_no_timestamp_is_left_out_of_a_choice_by_time_and_counted() {
    let scratch = Scratch::new();
    for name in ["a-1.csv", "a-2.csv", "b-1.csv"] {
        scratch.write(&format!("in/{name}"), PART);
    }
    let arguments = "--pattern (?P<job>[a-z])-(?P<part>[0-9])[.]csv --names";
    let all = listed(&scratch, arguments);
    assert_eq!((all["exports"].as_array().expect("a list").len(), &all["undated"]), (2, &0.into()));
    let recent = listed(&scratch, &format!("{arguments} --since 7d"));
    assert_eq!((recent["exports"].as_array().expect("a list").len(), &recent["undated"]), (0, &2.into()));
    let said = scratch.succeeds(&format!("ls in {arguments} --since 7d"));
    assert!(said.contains("left out: 2 runs without a timestamp"), "{said}");
}

#[test]
fn names_alone_say_what_names_and_sizes_say_and_no_more() {
    let scratch = Scratch::new();
    let run = "2026-01-02T03-04-05Z";
    for (name, contents) in [
        (format!("sales_{run}_part0.csv"), "no,\"table"),
        (format!("sales_{run}_part1.csv"), ""),
        (format!("sales_{run}_part3.csv"), PART),
        (format!("stock_{run}_part0.parquet"), "no Parquet"),
        (format!("bare_{run}_part0"), PART),
        ("x.csv.receipt.json".into(), "{}"),
    ] {
        scratch.write(&format!("in/{name}"), contents);
    }
    let found = listed(&scratch, "--names");
    assert_eq!(found["names_only"], true);
    assert_eq!(found["receipts"], serde_json::json!([]));
    assert_eq!(found["receipt_files"][0]["file"], "in/x.csv.receipt.json");
    let told: Vec<(&str, &Value, Vec<&str>)> = found["exports"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|export| {
            let parts = export["parts"].as_array().expect("a list").iter();
            let states = parts.map(|part| part["state"].as_str().expect("a word")).collect();
            (export["job"].as_str().expect("a name"), &export["format"], states)
        })
        .collect();
    let expected = [
        ("bare", &Value::Null, vec!["unread"]),
        ("sales", &"csv".into(), vec!["unread", "empty", "unread"]),
        ("stock", &"parquet".into(), vec!["unread"]),
    ];
    assert_eq!(told, expected);
    assert_eq!(found["exports"][1]["gaps"][0]["from"], 2);
    let opened = listed(&scratch, "");
    assert_eq!(opened["names_only"], false);
    assert_eq!(opened["exports"][1]["parts"][0]["state"], "damaged");
    let said = scratch.succeeds("ls in --names");
    assert!(said.contains("missing 2, 1 empty"), "{said}");
    assert!(said.ends_with("no file was opened: KIND and FORMAT are taken from file names\n"), "{said}");
}

#[test]
fn a_kind_that_only_columns_tell_needs_a_look() {
    let scratch = several();
    for kind in ["explainability", "what-if"] {
        let said = scratch.fails(&format!("ls in --names --kind {kind}"), 2);
        assert!(said.contains(&format!("--kind {kind}")) && said.contains("--names"), "{said}");
    }
    assert_eq!(runs(&scratch, "--names --kind forecast").len(), 5);
    assert_eq!(runs(&scratch, "--names --kind backtest-accuracy").len(), 0);
}
