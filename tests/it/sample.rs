//! `sample` writes exports as the service does, the same for the same seed, and all the other commands take them.

use crate::support::fixtures::{failure, run};
use crate::support::servers::servers;
use forecast_export::{
    ColumnSummary, Error, Event, Format, Inventory, InventoryOptions, Kind, Location, Options, Output,
    PartState, Quantile, SampleOptions, SampleReport, inventory, plan, read, run as carry_out, sample,
    sample_until,
};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt, path::Path as ObjectPath};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use tempfile::{TempDir, tempdir};

fn scratch() -> TempDir {
    tempdir().expect("a scratch folder")
}

fn location(path: &Path) -> Location {
    Location::parse(&path.display().to_string()).expect("a path")
}

/// A small export of a kind, with what is unusual about its options changed.
fn options(kind: Kind) -> SampleOptions {
    let mut options = SampleOptions::default();
    options.kind = kind;
    options.items = 40;
    options.steps = 9;
    options.dimensions = 2;
    options.parts = 3;
    options
}

async fn write(folder: &Path, options: &SampleOptions) -> SampleReport {
    sample(&location(folder), options, |_| ()).await.expect("a sample is written")
}

/// Every file below a folder by its path from there.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below").display().to_string();
                found.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

async fn merged(source: &Path, to: Format) -> Vec<u8> {
    let folder = scratch();
    let target = folder.path().join(format!("merged.{}", to.name()));
    let output = Output::File(location(&target));
    let plan = plan(&location(source), &output, &Options::default()).await.expect("a plan");
    carry_out(plan, |_| ()).await.expect("merged");
    std::fs::read(target).expect("the output")
}

async fn converted(source: &Path, target: &Path) {
    let output = Output::Folder(location(target));
    let plan = plan(&location(source), &output, &Options::default()).await.expect("a plan");
    carry_out(plan, |_| ()).await.expect("converted");
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// The cells of a CSV without quotes, and its header.
fn table(csv: &[u8]) -> (Vec<&str>, Vec<Vec<&str>>) {
    let mut lines = text(csv).lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    (header, lines.collect())
}

fn columns(report: &[ColumnSummary]) -> Vec<(&str, &str)> {
    report.iter().map(|column| (column.name.as_str(), column.data_type.as_str())).collect()
}

#[tokio::test]
async fn every_kind_is_found_as_what_it_is_without_gaps() {
    for kind in Kind::ALL {
        for to in [Format::Csv, Format::Parquet] {
            let folder = scratch();
            let mut options = options(kind);
            options.to = to;
            options.parts = 12;
            let report = write(folder.path(), &options).await;
            let Inventory { exports, strays, markers, .. } =
                inventory(&location(folder.path()), &InventoryOptions::default()).await.expect("listed");
            let [export] = exports.as_slice() else { panic!("{kind} {to}: {exports:?}") };
            assert_eq!((export.kind, export.format), (kind, Some(to)));
            assert_eq!(
                (export.job.as_str(), export.run.as_deref()),
                ("sample", Some("2026-01-02T03-04-05Z"))
            );
            assert_eq!(export.parts.len(), 12);
            assert!(export.gaps.is_empty() && export.duplicates.is_empty() && strays.is_empty());
            assert!(export.parts.iter().all(|part| part.state == PartState::Rows), "{kind} {to}");
            assert_eq!(markers.len(), 2, "_CHECK and _SUCCESS");
            assert_eq!(export.bytes, report.bytes);
        }
    }
}

#[tokio::test]
async fn names_and_folders_are_those_of_the_service() {
    for (kind, part) in [
        (Kind::Forecast, "sales_2026-05-06T07-08-09Z_part1.csv"),
        (Kind::BacktestForecasts, "forecasted-values/Forecasts_sales_2026-05-06T07-08-09Z_part1.csv"),
        (Kind::BacktestAccuracy, "accuracy-metrics-values/Accuracy_sales_2026-05-06T07-08-09Z_part1.csv"),
    ] {
        let folder = scratch();
        let target = folder.path().join("new/exports").display().to_string();
        let output = run([
            "sample",
            target.as_str(),
            "--kind",
            kind.name(),
            "--job",
            "sales",
            "--run",
            "2026-05-06T07:08:09Z",
            "--parts",
            "2",
        ]);
        assert!(output.status.success(), "{}", failure(&output).1);
        let names: Vec<String> = files(Path::new(&target)).into_keys().collect();
        assert_eq!(
            names.into_iter().collect::<BTreeSet<_>>(),
            ["_CHECK".to_owned(), "_SUCCESS".to_owned(), part.to_owned(), part.replace("part1", "part0")]
                .into()
        );
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_bytes_for_any_number_of_threads() {
    for kind in Kind::ALL {
        for to in [Format::Csv, Format::Parquet] {
            let written = |threads: usize, seed: u64| async move {
                let folder = scratch();
                let mut options = options(kind);
                (options.to, options.threads, options.seed) = (to, Some(threads), seed);
                // Several pieces of text in one part.
                (options.items, options.steps, options.parts) = (80, 100, 1);
                write(folder.path(), &options).await;
                files(folder.path())
            };
            let first = written(1, 5).await;
            assert_eq!(first, written(3, 5).await, "{kind} {to}");
            assert_ne!(first, written(1, 6).await, "{kind} {to}");
        }
    }
}

/// What a machine with another processor, system or compiler must write too.
#[tokio::test]
async fn the_bytes_of_a_seed_never_change() {
    let folder = scratch();
    let mut options = SampleOptions::default();
    (options.items, options.steps, options.parts) = (6, 1, 1);
    write(folder.path(), &options).await;
    let written = files(folder.path());
    assert_eq!(text(&written["sample_2026-01-02T03-04-05Z_part0.csv"]), GOLDEN);
}

const GOLDEN: &str = "\
item_id,date,store,p10,p50,p90
item_000000,2026-01-03T00:00:00Z,store_35,0.13299766658552364,0.4510310314679827,0.7690643963504418
00042,2026-01-03T00:00:00Z,store_17,0.0,0.0,394.7305250205407
1e5,2026-01-03T00:00:00Z,store_16,0.1036196912789409,0.21540641560881152,0.32719313993868215
true,2026-01-03T00:00:00Z,store_21,1.1806854656499532,3.828856034205572,6.477026602761192
nan,2026-01-03T00:00:00Z,store_14,30.98713294904966,69.82329270329483,108.65945245754
item_000005,2026-01-03T00:00:00Z,store_19,164.6391142365677,677.1311413077683,1189.6231683789692
";

#[tokio::test]
async fn rows_do_not_depend_on_how_many_parts_there_are() {
    for kind in Kind::ALL {
        let (one, seven) = (scratch(), scratch());
        let mut options = options(kind);
        options.parts = 1;
        write(one.path(), &options).await;
        options.parts = 7;
        write(seven.path(), &options).await;
        let (one, seven) = (merged(one.path(), Format::Csv).await, merged(seven.path(), Format::Csv).await);
        assert_eq!(text(&one), text(&seven), "{kind}");
    }
}

#[tokio::test]
async fn samples_of_every_kind_and_format_merge_into_either_format() {
    for kind in Kind::ALL {
        let mut rows = BTreeSet::new();
        let mut texts = BTreeSet::new();
        for from in [Format::Csv, Format::Parquet] {
            let folder = scratch();
            let mut options = options(kind);
            options.to = from;
            rows.insert(write(folder.path(), &options).await.rows);
            let csv = merged(folder.path(), Format::Csv).await;
            texts.insert(text(&csv).replace("not defined", ""));
            let parquet = scratch();
            let file = parquet.path().join("merged.parquet");
            std::fs::write(&file, merged(folder.path(), Format::Parquet).await).expect("written");
            let again = merged(&file, Format::Csv).await;
            texts.insert(text(&again).to_owned());
        }
        assert_eq!(texts.len(), 1, "{kind}: every way gives the same rows");
        let lines = texts.first().map_or(0, |text| text.lines().count() as u64);
        assert_eq!(rows, BTreeSet::from([lines - 1]), "{kind}");
    }
}

#[tokio::test]
async fn csv_to_parquet_and_back_gives_the_same_bytes() {
    for kind in Kind::ALL {
        let (csv, parquet, back) = (scratch(), scratch(), scratch());
        write(csv.path(), &options(kind)).await;
        converted(csv.path(), parquet.path()).await;
        converted(parquet.path(), back.path()).await;
        let mut compared = 0;
        for (name, bytes) in files(csv.path()) {
            let Some(name) = name.rsplit('/').next().filter(|name| name.ends_with(".csv")) else { continue };
            let again = std::fs::read(back.path().join(name)).expect(name);
            assert_eq!(text(&again), text(&bytes).replace("not defined", ""), "{kind} {name}");
            compared += 1;
        }
        assert_eq!(compared, 3);
    }
}

#[tokio::test]
async fn a_parquet_sample_is_what_a_conversion_of_the_csv_sample_gives() {
    for kind in Kind::ALL {
        let (csv, parquet, direct) = (scratch(), scratch(), scratch());
        let mut options = options(kind);
        write(csv.path(), &options).await;
        converted(csv.path(), parquet.path()).await;
        options.to = Format::Parquet;
        let report = write(direct.path(), &options).await;
        let batches = |folder: std::path::PathBuf| async move {
            let rows = read(&location(&folder), &Options::default()).await.expect("read");
            let schema = rows.schema();
            let batches: Vec<_> = rows.try_collect().await.expect("rows");
            arrow::compute::concat_batches(&schema, &batches).expect("one batch")
        };
        let converted = batches(parquet.path().to_owned()).await;
        assert_eq!(converted, batches(direct.path().to_owned()).await, "{kind}");
        assert_eq!(converted.num_rows() as u64, report.rows);
        assert!(report.columns.iter().all(|column| column.nullable), "every column is OPTIONAL");
    }
}

#[tokio::test]
async fn types_are_those_that_the_other_commands_find() {
    for kind in Kind::ALL {
        let folder = scratch();
        let report = write(folder.path(), &options(kind)).await;
        let found = forecast_export::schema(&location(folder.path()), &Options::default()).await;
        assert_eq!(columns(&report.columns), columns(&found.expect("a schema").columns), "{kind}");
    }
}

#[tokio::test]
async fn a_series_is_contiguous_and_its_dates_ascend() {
    for kind in [Kind::Forecast, Kind::WhatIf, Kind::BacktestForecasts, Kind::Explainability] {
        let folder = scratch();
        let mut options = options(kind);
        options.frequency = "1M".parse().expect("a frequency");
        options.start = "2027-01-31T00:00:00".parse().expect("a time");
        write(folder.path(), &options).await;
        let mut ids = BTreeSet::new();
        for (name, bytes) in files(folder.path()).iter().filter(|(name, _)| name.ends_with(".csv")) {
            let (header, rows) = table(bytes);
            let time = header.iter().position(|name| ["date", "timestamp"].contains(name)).expect("a time");
            let store = header.iter().position(|name| *name == "store").expect("a dimension");
            for series in rows.chunk_by(|a, b| a[0] == b[0]) {
                assert!(ids.insert(series[0][0].to_owned()), "{name}: {} comes twice", series[0][0]);
                assert!(series.is_sorted_by(|a, b| a[time] < b[time]), "{name}: {}", series[0][0]);
                assert!(
                    series.iter().all(|row| row[store] == series[0][store]),
                    "a series has one dimension value"
                );
            }
        }
        let items = if kind == Kind::Explainability { 41 } else { 40 };
        assert_eq!(ids.len(), items, "{kind}");
        for id in ["item_000000", "00042", "1e5", "true", "nan", "item_000039"] {
            assert!(ids.contains(id), "{kind}: {id}");
        }
    }
}

#[tokio::test]
async fn what_only_one_kind_has_is_there() {
    let cells = |kind: Kind| async move {
        let folder = scratch();
        let mut options = options(kind);
        options.steps = 24;
        options.frequency = "1H".parse().expect("a frequency");
        options.quantiles = vec![Quantile::Mean, Quantile::Percent(65), Quantile::Percent(9)];
        write(folder.path(), &options).await;
        String::from_utf8(merged(folder.path(), Format::Csv).await).expect("text")
    };
    let accuracy = cells(Kind::BacktestAccuracy).await;
    assert!(accuracy.starts_with("item_id,backtest_window,backtestwindow_start_time,"));
    assert!(accuracy.contains("wQL[0.09],wQL[0.65],Average wQL,RMSE,WAPE,MAPE,MASE\n"));
    assert!(accuracy.contains(",2026-01-03T00:00:00,2026-01-03T23:00:00,not defined,not defined,"));
    assert!(accuracy.contains("item_000039,Summary,2026-01-03T00:00:00,2026-01-07T23:00:00,0."));
    assert!(accuracy.contains("E-4,"), "small errors have an exponent");

    let backtest = cells(Kind::BacktestForecasts).await;
    assert!(
        backtest.contains("target_value,backtestwindow_start_time,backtestwindow_end_time,mean,p9,p65\n")
    );
    assert!(backtest.contains(",2026-01-07T23:00:00Z,"), "the last hour of the fifth window");

    let explained = cells(Kind::Explainability).await;
    let (_, rows) = table(explained.as_bytes());
    let aggregates = rows.iter().filter(|row| row[0] == "Aggregate").count();
    assert_eq!(aggregates, 25, "every hour, and all of them together");
    assert_eq!(rows.iter().filter(|row| row[3] == "Aggregate").count(), 41);

    assert!(
        cells(Kind::WhatIf)
            .await
            .starts_with("item_id,store,region,date,promotion_p9,promotion_p65,promotion_mean\n")
    );
    assert!(cells(Kind::Forecast).await.starts_with("item_id,date,store,region,p9,p65,mean\n"));
}

#[tokio::test]
async fn parts_that_exist_are_refused_or_replaced() {
    let folder = scratch();
    let target = folder.path().display().to_string();
    let write = |more: &[&str]| {
        let mut arguments = vec!["sample", target.as_str(), "--items", "8"];
        arguments.extend(more);
        run(arguments)
    };
    assert!(write(&[]).status.success());
    std::fs::write(folder.path().join("_SUCCESS"), "kept").expect("written");
    let before = files(folder.path());

    let (code, message) = failure(&write(&["--seed", "2"]));
    assert_eq!(code, 7);
    assert!(
        message
            .contains("sample_2026-01-02T03-04-05Z_part0.csv already exists; use --overwrite to replace it"),
        "{message}"
    );
    // Parts 2 and 3 would stay beside the new ones.
    let (code, message) = failure(&write(&["--overwrite", "--parts", "2"]));
    assert_eq!(code, 7);
    assert!(message.contains("part2.csv already exists, belongs to the same run"), "{message}");
    let (code, _) = failure(&write(&["--overwrite", "--to", "parquet"]));
    assert_eq!(code, 7);
    assert_eq!(files(folder.path()), before);

    assert!(write(&["--seed", "2", "--overwrite"]).status.success());
    let after = files(folder.path());
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert_eq!(after["_SUCCESS"], b"kept", "a marker that is there stays as it is");
    assert_ne!(after, before);

    // Another run is no obstacle.
    assert!(write(&["--run", "2026-02-03T04-05-06Z"]).status.success());
    assert_eq!(files(folder.path()).len(), before.len() + 4);
}

#[test]
fn what_no_export_could_have_is_a_usage_error_and_writes_nothing() {
    let folder = scratch();
    let target = folder.path().join("new").display().to_string();
    for (arguments, expected) in [
        (vec!["--quantiles", "0.1,1.5"], "\"1.5\" is not a valid quantile"),
        (vec!["--quantiles", "0.1,0.10"], "p10 is named twice"),
        (vec!["--quantiles", "0.1,0.2,0.3,0.4,0.5,0.6"], "6 quantiles"),
        (vec!["--steps", "501"], "1 to 500"),
        (vec!["--parts", "0"], "0 parts"),
        (vec!["--dimensions", "11"], "at most 10"),
        (vec!["--frequency", "7D"], "not a valid frequency"),
        (vec!["--start", "tomorrow"], "not a date"),
        (vec!["--start", "9999-12-31"], "years 0 to 9999"),
        (vec!["--job", "my-job"], "not a valid job name"),
        (vec!["--run", "latest"], "timestamp"),
        (vec!["--compression", "zstd:3"], "--to parquet"),
    ] {
        let mut all = vec!["sample", target.as_str()];
        all.extend(&arguments);
        let (code, message) = failure(&run(all));
        assert_eq!(code, 2, "{arguments:?}: {message}");
        assert!(message.contains(expected), "{arguments:?}: {message}");
        assert!(!Path::new(&target).exists(), "{arguments:?}");
    }
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("written");
    let (code, message) = failure(&run(["sample", &file.display().to_string()]));
    assert_eq!(code, 2, "{message}");
}

#[test]
fn the_report_is_one_json_document_or_one_line() {
    let folder = scratch();
    let target = folder.path().display().to_string();
    let output = run(["sample", &target, "--items", "10", "--steps", "5", "--parts", "2", "--json"]);
    assert!(output.status.success() && output.stderr.is_empty());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((report["rows"].as_u64(), report["outputs"][1]["rows"].as_u64()), (Some(50), Some(25)));
    assert_eq!((report["kind"].as_str(), report["to"].as_str()), (Some("forecast"), Some("csv")));
    let on_disk: u64 = files(folder.path()).values().map(|bytes| bytes.len() as u64).sum();
    assert_eq!(report["bytes"].as_u64(), Some(on_disk));

    let output = run(["sample", &target, "--overwrite", "--parts", "2"]);
    assert!(output.stdout.is_empty());
    let line = String::from_utf8_lossy(&output.stderr);
    assert!(line.starts_with(&format!("3000 rows in 2 parts -> {target}, ")), "{line}");
}

#[tokio::test]
async fn more_parts_than_series_leave_some_with_a_header_only() {
    for to in [Format::Csv, Format::Parquet] {
        let folder = scratch();
        let mut options = options(Kind::Forecast);
        (options.items, options.parts, options.to) = (3, 4, to);
        let report = write(folder.path(), &options).await;
        let mut rows: Vec<u64> = report.outputs.iter().filter_map(|file| file.rows).collect();
        rows.sort_unstable();
        assert_eq!(rows, [0, 9, 9, 9]);
        assert_eq!(table(&merged(folder.path(), Format::Csv).await).1.len(), 27);
    }
}

#[tokio::test]
async fn a_sample_goes_to_an_object_store_and_markers_frame_it() {
    let store = Arc::new(InMemory::new());
    let target = Location::in_store(store.clone(), "memory://test/", "exports/");
    let options = options(Kind::BacktestAccuracy);
    let mut published = Vec::new();
    let report = sample(&target, &options, |event| {
        if let Event::Published { path } = event {
            published.push(path);
        }
    })
    .await
    .expect("written");
    assert_eq!(published, report.outputs.iter().map(|file| file.file.clone()).collect::<Vec<_>>());
    let listed: Vec<_> = store.list(None).try_collect().await.expect("listed");
    assert_eq!(listed.len(), 5);
    let at =
        |name: &str| listed.iter().find(|meta| meta.location.as_ref() == name).expect(name).last_modified;
    let part = |number: u32| {
        at(&format!("exports/accuracy-metrics-values/Accuracy_sample_2026-01-02T03-04-05Z_part{number}.csv"))
    };
    let times = [at("exports/_CHECK"), part(0), part(1), part(2), at("exports/_SUCCESS")];
    assert!(times.is_sorted(), "{times:?}");

    let local = scratch();
    write(local.path(), &options).await;
    for (name, bytes) in files(local.path()) {
        let object = store.get(&ObjectPath::from(format!("exports/{name}"))).await.expect("an object");
        assert_eq!(object.bytes().await.expect("bytes"), bytes, "{name}");
    }
}

#[tokio::test]
async fn a_sample_goes_to_s3_and_merges_from_there() {
    for server in servers() {
        let bucket = server.bucket("sample");
        let store = Arc::new(server.store(&bucket).build().expect("a store"));
        let target = Location::in_store(store, &format!("s3://{bucket}/"), "exports");
        for to in [Format::Csv, Format::Parquet] {
            let mut options = options(Kind::WhatIf);
            options.to = to;
            options.job = format!("what_if_{}", to.name());
            let report = sample(&target, &options, |_| ()).await.expect(server.name);
            let again = sample(&target, &options, |_| ()).await;
            assert!(matches!(again, Err(Error::OutputExists { .. })), "{}: {again:?}", server.name);
            let mut chosen = Options::default();
            chosen.select.job = Some(options.job.clone());
            let rows: Vec<_> =
                read(&target, &chosen).await.expect(server.name).try_collect().await.expect("rows");
            assert_eq!(rows.iter().map(|batch| batch.num_rows() as u64).sum::<u64>(), report.rows);
        }
    }
}

#[tokio::test]
async fn a_stopped_sample_leaves_nothing_behind() {
    let folder = scratch();
    let mut options = options(Kind::Forecast);
    // Far more than can be written before the stop is noticed.
    (options.items, options.steps) = (5_000_000, 500);
    let (sender, stop) = tokio::sync::oneshot::channel::<()>();
    let mut sender = Some(sender);
    let stop = async {
        let _ = stop.await;
    };
    let result = sample_until(&location(folder.path()), &options, stop, |event| {
        // A part has begun.
        if matches!(event, Event::Progress { rows, .. } if rows > Some(0))
            && let Some(sender) = sender.take()
        {
            let _ = sender.send(());
        }
    })
    .await;
    assert!(matches!(result, Err(Error::Stopped)), "{result:?}");
    assert_eq!(files(folder.path()).len(), 0);
}
