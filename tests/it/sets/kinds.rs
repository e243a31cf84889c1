//! Every kind of export: its columns, their types and values.

use crate::support::fixtures::testdata;
use crate::support::scratch::{Scratch, columns, doubles, files, instants, local_times, micros, some, texts};

const UTC: &str = "Timestamp(µs, \"UTC\")";
const NO_ZONE: &str = "Timestamp(µs)";

fn typed(columns: &[(&str, &str)]) -> Vec<String> {
    columns.iter().map(|(name, data_type)| format!("{name}: {data_type}")).collect()
}

/// What `schema` says: the kind, and `name type` for each column.
fn schema(scratch: &Scratch, flags: &str) -> (String, Vec<String>) {
    let json: serde_json::Value =
        serde_json::from_str(&scratch.succeeds(&format!("schema in --json {flags}"))).expect("JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let columns = json["columns"].as_array().expect("columns").iter();
    let columns = columns.map(|column| format!("{} {}", text(&column["name"]), text(&column["type"])));
    (text(&json["kind"]), columns.collect())
}

#[test]
fn a_forecast_has_an_id_a_date_dimensions_and_quantiles() {
    let scratch = Scratch::copy_of(&testdata("forecast"));
    let batch = scratch.merged_parquet("");
    assert_eq!(
        columns(&batch),
        typed(&[
            ("item_id", "Utf8"),
            ("date", UTC),
            ("store", "Utf8"),
            ("p10", "Float64"),
            ("p50", "Float64"),
            ("p90", "Float64")
        ])
    );
    assert_eq!(texts(&batch, "item_id")[0], Some("item_001"));
    assert_eq!(instants(&batch, "date")[1], micros("2026-01-04T00:00:00Z"));
    assert_eq!(doubles(&batch, "p90")[1], Some(237.85733031315252));
}

#[test]
fn five_quantiles_ten_dimensions_and_an_id_column_of_the_domain_are_typed_by_name() {
    for id in ["item_id", "instance_type", "workforce_type", "metric_name"] {
        let dimensions: Vec<String> = (0..10).map(|n| format!("dim_{n}")).collect();
        let header = format!("{id},date,{},p1,p25,p50,p99,mean\n", dimensions.join(","));
        let row = format!("m5.large,2026-01-03T00:00:00Z,{},1.0,2.0,3.0,4.0,5.0\n", ["7"; 10].join(","));
        let scratch = Scratch::csv(&[header + &row]);
        let batch = scratch.merged_parquet("");
        assert_eq!(texts(&batch, id), some(&["m5.large"]));
        for dimension in &dimensions {
            assert_eq!(texts(&batch, dimension), some(&["7"]));
        }
        for (name, value) in [("p1", 1.0), ("p25", 2.0), ("p50", 3.0), ("p99", 4.0), ("mean", 5.0)] {
            assert_eq!(doubles(&batch, name), some(&[value]), "{name}");
        }
    }
}

#[test]
fn accuracy_metrics_are_doubles_not_defined_is_null_and_the_windows_have_no_zone() {
    let scratch = Scratch::copy_of(&testdata("backtest"));
    let batch = scratch.merged_parquet("--kind backtest-accuracy");
    assert_eq!(
        columns(&batch),
        typed(&[
            ("item_id", "Utf8"),
            ("backtest_window", "Utf8"),
            ("backtestwindow_start_time", NO_ZONE),
            ("backtestwindow_end_time", NO_ZONE),
            ("wQL[0.65]", "Float64"),
            ("wQL[0.9]", "Float64"),
            ("RMSE", "Float64"),
            ("WAPE", "Float64"),
        ])
    );
    assert_eq!(texts(&batch, "item_id"), some(&["31230", "32201", "31320"]));
    assert_eq!(texts(&batch, "backtest_window"), some(&["Summary", "Computed", "Computed"]));
    let ends = ["2017-06-23T23:00:00", "2017-06-23T23:00:00", "2017-06-21T23:00:00"];
    assert_eq!(local_times(&batch, "backtestwindow_end_time"), ends.map(micros));
    assert_eq!(
        doubles(&batch, "wQL[0.65]"),
        [Some(0.480_000_626_122_642_3), Some(0.004_609_886_399_999_999), None]
    );
    assert_eq!(doubles(&batch, "RMSE"), [Some(3.027_206_185_865_159), Some(2.295_408_381_527_212e-4), None]);
    assert_eq!(doubles(&batch, "WAPE"), [Some(42.534_622_442_06), Some(0.005_324_922_7), None]);
}

#[test]
fn not_defined_comes_back_empty_and_every_other_cell_as_it_was() {
    let scratch = Scratch::copy_of(&testdata("backtest"));
    let direct = scratch.merged_csv("--kind backtest-accuracy");
    assert!(
        direct.ends_with("not defined,not defined,not defined,not defined\n"),
        "CSV to CSV keeps the text"
    );
    scratch.merged_parquet("--kind backtest-accuracy");
    let back = scratch.succeeds("merge out/merged.parquet -o - --to csv -q");
    assert_eq!(back, direct.replace("not defined", ""));
}

#[test]
fn every_metric_of_the_service_is_a_double() {
    let metrics =
        ["wQL[0.1]", "[Average wQL]", "Average wQL", "RMSE", "WAPE", "MAPE", "[MAPE]", "MASE", "[MASE]"];
    let header = format!("item_id,backtest_window,{}\n", metrics.join(","));
    let scratch = Scratch::csv(&[format!("{header}x,Computed{}\n", ",0.5".repeat(metrics.len()))]);
    let batch = scratch.merged_parquet("");
    for metric in metrics {
        assert_eq!(doubles(&batch, metric), [Some(0.5)], "{metric}");
    }
    assert_eq!(schema(&scratch, "").0, "backtest-accuracy");
}

#[test]
fn backtest_forecasts_have_times_with_a_zone_beside_windows_without() {
    let scratch = Scratch::copy_of(&testdata("backtest"));
    let batch = scratch.merged_parquet("--kind backtest-forecasts");
    assert_eq!(
        columns(&batch),
        typed(&[
            ("item_id", "Utf8"),
            ("store", "Utf8"),
            ("timestamp", UTC),
            ("target_value", "Float64"),
            ("backtestwindow_start_time", NO_ZONE),
            ("backtestwindow_end_time", NO_ZONE),
            ("mean", "Float64"),
            ("p10", "Float64"),
            ("p50", "Float64"),
            ("p90", "Float64"),
        ])
    );
    assert_eq!(instants(&batch, "timestamp"), ["2017-06-19T01:00:00Z", "2017-06-19T02:00:00Z"].map(micros));
    assert_eq!(local_times(&batch, "backtestwindow_start_time"), [micros("2017-06-19T00:00:00"); 2]);
    assert_eq!(doubles(&batch, "target_value"), [Some(12.0), None]);
    assert_eq!(doubles(&batch, "p10"), [Some(8.25), Some(-8.25)]);
    assert_eq!(doubles(&batch, "p90"), [Some(1e7), Some(15.75)]);
    // Each kind of time comes back in its own form.
    let direct = scratch.merged_csv("--kind backtest-forecasts");
    assert_eq!(scratch.succeeds("merge out/merged.parquet -o - --to csv -q"), direct);
}

#[test]
fn explainability_keeps_the_time_a_string_where_aggregate_occurs() {
    let scratch = Scratch::copy_of(&testdata("explainability"));
    let (kind, types) = schema(&scratch, "");
    assert_eq!(kind, "explainability");
    assert_eq!(
        types[..4],
        ["item_id string", "store string", "timestamp string", "price-NormalizedImpactScore double"]
    );
    let batch = scratch.merged_parquet("");
    assert_eq!(texts(&batch, "item_id"), some(&["item_1", "item_1", "Aggregate", "Aggregate"]));
    let times = ["2026-01-03T00:00:00Z", "Aggregate", "2026-01-03T00:00:00Z", "Aggregate"];
    assert_eq!(texts(&batch, "timestamp"), some(&times));
    assert_eq!(doubles(&batch, "weather-RawImpactScore"), some(&[-1e-4, -2.0, 1e10, 1.5]));
    assert!(doubles(&batch, "price-NormalizedImpactScore")[3].is_some_and(|zero| zero.is_sign_negative()));
}

#[test]
fn explainability_without_aggregate_has_times() {
    let header = "item_id,timestamp,price-NormalizedImpactScore,price-RawImpactScore\n";
    let scratch = Scratch::csv(&[format!("{header}Aggregate,2026-01-03T00:00:00Z,0.5,1.5\n")]);
    let batch = scratch.merged_parquet("");
    assert_eq!(instants(&batch, "timestamp"), [micros("2026-01-03T00:00:00Z")]);
    assert_eq!(texts(&batch, "item_id"), some(&["Aggregate"]));
}

#[test]
fn an_aggregate_far_behind_the_head_of_a_part_is_found_before_anything_is_typed() {
    let header = "item_id,timestamp,price-NormalizedImpactScore,price-RawImpactScore\n";
    let row = "item_1,2026-01-03T00:00:00Z,0.5,1.5\n";
    let scratch = Scratch::csv(&[format!("{header}{}x,Aggregate,0.25,1.0\n", row.repeat(4000))]);
    let batch = scratch.merged_parquet("");
    assert_eq!(texts(&batch, "timestamp").last(), Some(&Some("Aggregate")));
    assert_eq!(batch.num_rows(), 4001);
}

#[test]
fn what_if_quantiles_carry_the_forecasts_name_and_are_aligned_by_it() {
    let scratch = Scratch::copy_of(&testdata("what_if"));
    let (kind, types) = schema(&scratch, "--schema by-name");
    assert_eq!(kind, "what-if");
    let expected = [
        "item_id string",
        "store string",
        "date timestamp(us, UTC)",
        "summer_p50 double",
        "winter_p50 double",
    ];
    assert_eq!(types, expected);
    let batch = scratch.merged_parquet("--schema by-name");
    assert_eq!(doubles(&batch, "summer_p50"), some(&[1.5, 10.5]));
    assert_eq!(doubles(&batch, "winter_p50"), some(&[2.5, 20.5]));
    assert_eq!(
        scratch.merged_csv("--schema by-name"),
        "item_id,store,date,summer_p50,winter_p50\n\
         item_1,north,2026-01-03T00:00:00Z,1.5,2.5\nitem_2,north,2026-01-03T00:00:00Z,10.5,20.5\n"
    );
    let message = scratch.fails("merge in -o out/x.parquet", 5);
    assert!(
        message.contains("column summer_p50: the header differs")
            || message.contains("column winter_p50: the header differs"),
        "{message}"
    );
}

#[test]
fn the_kind_of_an_export_is_chosen_by_its_columns_where_names_are_alike() {
    let scratch = Scratch::new();
    for (folder, kind) in
        [("forecast", "forecast"), ("explainability", "explainability"), ("what_if", "what-if")]
    {
        for file in files(&testdata(folder)) {
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            scratch.write(&format!("in/{name}"), std::fs::read(&file).expect("a fixture"));
        }
        let json = scratch.succeeds("ls in --json");
        let found: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let kinds: Vec<_> =
            found["exports"].as_array().expect("exports").iter().map(|e| &e["kind"]).collect();
        assert!(kinds.contains(&&kind.into()), "{kinds:?}");
    }
    assert_eq!(scratch.merged_csv("--kind explainability").lines().count(), 5);
    assert_eq!(scratch.merged_csv("--kind what-if --schema by-name").lines().count(), 3);
    assert_eq!(scratch.merged_csv("--kind forecast").lines().count(), 37);
}
