//! Receipts: what they tell, that a run whose output is there already does nothing, and that no other output is ever
//! taken for it.

use crate::support::buckets::{bucket, csv_parts, merged, part_name};
use crate::support::fixtures::testdata;
use crate::support::scratch::{RUN, Scratch, parquet_file};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use std::sync::Arc;

/// Every form of output, with the commands that write it.
const FORMS: [(&str, &str); 6] = [
    ("merge in -o out/all.csv", "out/all.csv"),
    ("merge in -o out/all.csv.gz", "out/all.csv.gz"),
    ("merge in -o out/all.parquet", "out/all.parquet"),
    ("convert in -o out/", "12 files"),
    ("convert in -o out/ --to csv --compression gzip", "12 files"),
    ("convert in -o out/ --to parquet --split-rows 10", "4 files"),
];

fn forecast() -> Scratch {
    Scratch::copy_of(&testdata("forecast"))
}

fn json(text: &[u8]) -> serde_json::Value {
    serde_json::from_slice(text).expect("one JSON document")
}

fn key_value(scratch: &Scratch, file: &str, key: &str) -> Option<String> {
    let footer = scratch.footer(file);
    let pairs = footer.file_metadata().key_value_metadata()?;
    assert!(pairs.iter().filter(|pair| pair.key == key).count() <= 1, "{file}: {key} is there twice");
    pairs.iter().find(|pair| pair.key == key)?.value.clone()
}

#[test]
fn a_run_whose_output_is_there_already_does_nothing() {
    for (command, output) in FORMS {
        let scratch = forecast();
        scratch.succeeds(command);
        let files = scratch.written_with_receipts();
        let times = || -> Vec<_> {
            let time = |file: &String| std::fs::metadata(scratch.path(file)).and_then(|meta| meta.modified());
            files.iter().map(|file| time(file).expect("a file")).collect()
        };
        let before = times();
        let (_, said) = scratch.succeeds_with(command);
        assert_eq!(said, format!("up to date: {output}, 36 rows\n"), "{command}");
        let report = json(scratch.succeeds(&format!("{command} --json")).as_bytes());
        assert_eq!(report["up_to_date"], true, "{command}");
        assert_eq!((&report["rows"], &report["bytes_read"]), (&36.into(), &0.into()), "{command}");
        let outputs: Vec<_> =
            report["outputs"].as_array().expect("a list").iter().map(|file| &file["file"]).collect();
        let parts: Vec<&String> = files.iter().filter(|file| !file.ends_with(".receipt.json")).collect();
        assert_eq!(outputs.len(), parts.len(), "{command}");
        assert!(parts.iter().all(|part| outputs.iter().any(|file| *file == part.as_str())), "{command}");
        // The plan says so as well.
        assert!(scratch.succeeds(&format!("{command} --dry-run")).contains("up to date"), "{command}");
        assert_eq!(json(scratch.succeeds(&format!("{command} -n --json")).as_bytes())["up_to_date"], true);
        assert_eq!(scratch.written_with_receipts(), files, "{command}");
        assert_eq!(times(), before, "{command}");
        if command.contains("--split-rows") {
            // How many files there will be is not known before, so old ones are never overwritten.
            continue;
        }
        // Whatever is to be overwritten is written again.
        let report = json(scratch.succeeds(&format!("{command} --overwrite --json")).as_bytes());
        assert_eq!(report["up_to_date"], false, "{command}");
        let (_, said) = scratch.succeeds_with(command);
        assert!(said.starts_with("up to date"), "{command}: {said}");
    }
}

#[test]
fn a_changed_source_is_another_run() {
    for (command, _) in FORMS {
        let scratch = forecast();
        scratch.succeeds(command);
        let name = format!("in/sales_forecast_export_{RUN}_part3.csv");
        // The same bytes, written again.
        scratch.write(&name, scratch.read(&name));
        let said = scratch.fails(command, 7);
        assert!(said.contains("_part3.csv has changed since it was written"), "{command}: {said}");
        assert!(said.contains("use --overwrite to replace it"), "{command}: {said}");
        if command.contains("--split-rows") {
            continue;
        }
        scratch.succeeds(&format!("{command} --overwrite"));
        let last = format!("in/sales_forecast_export_{RUN}_part12.csv");
        scratch.write(&last, scratch.read(&name));
        let said = scratch.fails(command, 7);
        assert!(said.contains("was made from 12 parts, but the run now has 13"), "{command}: {said}");
    }
}

#[test]
fn other_options_are_another_run() {
    let scratch = forecast();
    for output in ["out/all.parquet", "out/all.csv", "parts/"] {
        let command = if output == "parts/" { "convert" } else { "merge" };
        scratch.succeeds(&format!("{command} in -o {output}"));
        for flags in [
            "--source-columns",
            "--schema by-name",
            "--all-strings",
            "--type store=string",
            "--null NA",
            "--row-group-rows 5",
        ] {
            let said = scratch.fails(&format!("{command} in -o {output} {flags}"), 7);
            let flag = flags.split(' ').next().unwrap_or_default();
            assert!(
                said.contains(&format!("was written with different options ({flag})")),
                "{output} {flags}: {said}"
            );
        }
        let said = scratch.fails(&format!("{command} in -o {output} --verify"), 7);
        assert!(said.contains("was written without --verify"), "{output}: {said}");
        // What changes nothing in the output is no other option, nor is one that says what is so anyway.
        for flags in ["--threads 1", "--memory 64MB", "--expect-rows 36", "--expect-parts 12", "--run latest"]
        {
            let (_, said) = scratch.succeeds_with(&format!("{command} in -o {output} {flags}"));
            assert!(said.starts_with("up to date"), "{output} {flags}: {said}");
        }
        let said = scratch.fails(&format!("{command} in -o {output} --expect-rows 35"), 4);
        assert!(said.contains("36 rows, but --expect-rows is 35"), "{said}");
    }
    let said = scratch.fails("merge in -o out/all.parquet --compression zstd", 7);
    assert!(said.contains("different options (--compression)"), "{said}");
    scratch.succeeds("merge in -o out/all.parquet --compression snappy --to parquet");
    // A verified output is up to date with and without --verify.
    scratch.succeeds("merge in -o out/all.parquet --verify --overwrite");
    for flags in ["", "--verify"] {
        let (_, said) = scratch.succeeds_with(&format!("merge in -o out/all.parquet {flags}"));
        assert!(said.starts_with("up to date"), "{said}");
    }
}

#[test]
fn another_job_or_run_is_another_run() {
    let part = "item_id,p50\na,1.0\n";
    let scratch = Scratch::csv(&[part]);
    scratch.write("in/sales_2026-02-02T03-04-05Z_part0.csv", part);
    scratch.succeeds(&format!("merge in -o all.csv --run {RUN}"));
    let said = scratch.fails("merge in -o all.csv --run latest", 7);
    assert!(said.contains(&format!("was made from a different run (sales {RUN})")), "{said}");
    let said = scratch.fails("merge in -o all.csv --run all", 7);
    assert!(said.contains(&format!("was made from a different run (sales {RUN})")), "{said}");
}

#[test]
fn an_output_that_was_changed_is_not_up_to_date() {
    for (command, _) in FORMS {
        let scratch = forecast();
        scratch.succeeds(command);
        let file = scratch.written().remove(0);
        let bytes = scratch.read(&file);
        // One bit in the middle, the size is the same.
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 3] ^= 1;
        scratch.write(&file, &flipped);
        let said = scratch.fails(command, 7);
        assert!(said.contains("use --overwrite to replace it"), "{command}: {said}");
        scratch.write(&file, &bytes[..bytes.len() / 2]);
        scratch.fails(command, 7);
        std::fs::remove_file(scratch.path(&file)).expect("removed");
        if command.starts_with("convert") {
            // The other parts are there, so it is no empty place either.
            scratch.fails(command, 7);
        } else {
            scratch.succeeds(command);
            assert!(scratch.succeeds_with(command).1.starts_with("up to date"));
        }
    }
}

#[test]
fn a_crash_between_output_and_receipt_never_makes_an_output_up_to_date() {
    for (command, _) in FORMS {
        let scratch = forecast();
        scratch.succeeds(command);
        let receipts = || -> Vec<String> {
            let files = scratch.written_with_receipts().into_iter();
            files.filter(|file| file.ends_with(".receipt.json")).collect()
        };
        let Some(receipt) = receipts().pop() else { continue };
        let old = scratch.read(&receipt);
        // Without a receipt nothing is known.
        std::fs::remove_file(scratch.path(&receipt)).expect("removed");
        let said = scratch.fails(command, 7);
        assert!(!said.contains("up to date"), "{said}");
        if command.contains("--split-rows") {
            continue;
        }
        // With that of the output before, which the new one has replaced.
        scratch.succeeds(&format!("{command} --overwrite"));
        scratch.write(&receipt, &old);
        let said = scratch.fails(command, 7);
        assert!(said.contains("has changed since it was written"), "{command}: {said}");
        // With a file that is none.
        for text in ["", "{}", "not JSON", "{\"version\": 2}"] {
            scratch.write(&receipt, text);
            scratch.fails(command, 7);
        }
    }
}

#[test]
fn a_receipt_tells_sources_rows_options_and_columns() {
    let scratch = Scratch::csv(&[
        "item_id,date,p50\na,2026-01-01T00:00:00Z,1.0\nb,2026-01-01T00:00:00Z,2.0\n",
        "",
        "item_id,date,p50\n",
        "item_id,date,p50\n\"c\nd\",2026-01-01T00:00:00Z,3.0\n",
    ]);
    let check = |receipt: &serde_json::Value, has_digest: bool| {
        assert_eq!(receipt["tool"], concat!("forecast-export ", env!("CARGO_PKG_VERSION")));
        assert_eq!((&receipt["job"], &receipt["kind"]), (&"sales".into(), &"forecast".into()));
        assert_eq!((&receipt["runs"][0], &receipt["rows"]), (&RUN.into(), &3.into()));
        let sources = receipt["sources"].as_array().expect("a list");
        for (number, (first_row, rows)) in [(0, 2), (2, 0), (2, 0), (2, 1)].into_iter().enumerate() {
            let (source, name) = (&sources[number], format!("sales_{RUN}_part{number}.csv"));
            let meta = std::fs::metadata(scratch.path(&format!("in/{name}"))).expect("a part");
            assert_eq!((&source["file"], &source["bytes"]), (&name.into(), &meta.len().into()));
            assert_eq!(
                (&source["first_row"], &source["rows"]),
                (&first_row.into(), &rows.into()),
                "{number}"
            );
            let modified: chrono::DateTime<chrono::Utc> = meta.modified().expect("a time").into();
            let told: chrono::DateTime<chrono::Utc> =
                serde_json::from_value(source["modified"].clone()).expect("a time");
            assert_eq!(told, modified);
        }
        assert_eq!(receipt["columns"][2]["name"], "p50");
        assert_eq!(receipt["options"]["schema"], "strict");
        assert_eq!(receipt["digest"].is_string(), has_digest);
    };
    for (flags, has_digest) in [("", false), ("--verify --overwrite", true)] {
        let report = json(scratch.succeeds(&format!("merge in -o all.parquet --json {flags}")).as_bytes());
        check(&report["receipt"], has_digest);
        let carried = key_value(&scratch, "all.parquet", "forecast-export.receipt").expect("a receipt");
        let carried = json(carried.as_bytes());
        check(&carried, has_digest);
        assert_eq!(carried["options"]["compression"], "snappy");
        assert_eq!(carried["columns"][2]["type"], "double");
        assert_eq!(carried["outputs"][0]["file"], "all.parquet");
        assert_eq!(scratch.rows("all.parquet").num_rows(), 3);

        scratch.succeeds(&format!("merge in -o all.csv {flags}"));
        let beside = json(&scratch.read("all.csv.receipt.json"));
        check(&beside, has_digest);
        assert_eq!(beside["outputs"][0]["bytes"], scratch.read("all.csv").len());

        scratch.succeeds(&format!("convert in -o parts/ --to parquet {flags}"));
        let folder = json(&scratch.read(&format!("parts/sales_{RUN}.receipt.json")));
        check(&folder, has_digest);
        assert_eq!(folder["outputs"].as_array().map(Vec::len), Some(4));
        // Each part tells of its own part only.
        let part =
            key_value(&scratch, &format!("parts/sales_{RUN}_part3.parquet"), "forecast-export.receipt");
        let part = json(part.expect("a receipt").as_bytes());
        assert_eq!(part["sources"].as_array().map(Vec::len), Some(1));
        assert_eq!((&part["sources"][0]["rows"], &part["rows"]), (&1.into(), &1.into()));
    }
}

#[test]
fn without_receipts_and_on_pipes_there_are_none() {
    let scratch = forecast();
    scratch.succeeds("merge in -o out/all.csv --no-receipt");
    scratch.succeeds("merge in -o out/all.parquet --no-receipt");
    scratch.succeeds("convert in -o parts/ --no-receipt");
    assert_eq!(scratch.written_with_receipts(), scratch.written());
    for file in scratch.written().iter().filter(|file| file.ends_with(".parquet")) {
        assert_eq!(key_value(&scratch, file, "forecast-export.receipt"), None, "{file}");
        assert!(key_value(&scratch, file, "ARROW:schema").is_some(), "{file}");
    }
    scratch.fails("merge in -o out/all.csv", 7);
    let output = scratch.output("merge in -o - --to parquet");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !text.contains("forecast-export.receipt"));
    scratch.succeeds("merge in -o /dev/null");
    assert!(!std::path::Path::new("/dev/null.receipt.json").exists());
    // The same bytes for the same input: a receipt has a time in it.
    scratch.succeeds("merge in -o again.parquet --no-receipt");
    assert_eq!(scratch.read("again.parquet"), scratch.read("out/all.parquet"));
}

#[test]
fn receipts_are_neither_parts_nor_strays_and_are_shown() {
    let scratch = forecast();
    scratch.succeeds("convert in -o out/ --to csv");
    scratch.succeeds("merge in -o out/all.csv");
    let found = json(scratch.succeeds("ls out --json").as_bytes());
    assert_eq!(found["exports"].as_array().map(Vec::len), Some(1));
    assert_eq!(found["strays"].as_array().map(Vec::len), Some(1), "{}", found["strays"]);
    let files: Vec<_> =
        found["receipts"].as_array().expect("a list").iter().map(|receipt| &receipt["file"]).collect();
    assert_eq!(files, ["out/all.csv.receipt.json", &format!("out/sales_forecast_export_{RUN}.receipt.json")]);
    let shown = scratch.succeeds("ls out");
    let line = format!(
        "  out/all.csv.receipt.json: 36 rows of sales_forecast_export {RUN}, from 12 parts, written 20"
    );
    assert!(shown.contains("receipts (2):") && shown.contains(&line), "{shown}");
    // The run is still one run of twelve parts.
    assert_eq!(scratch.succeeds("merge out -o - -q"), scratch.text("out/all.csv"));
    for (file, columns) in [("out/all.csv", ""), ("all.parquet", "merge in -o all.parquet")] {
        if !columns.is_empty() {
            scratch.succeeds(columns);
        }
        let shown = scratch.succeeds(&format!("schema {file}"));
        let receipt = format!(": 36 rows of sales_forecast_export {RUN}, from 12 parts, written 20");
        assert!(shown.contains(&format!("receipt {file}")) && shown.contains(&receipt), "{shown}");
        let found = json(scratch.succeeds(&format!("schema {file} --json")).as_bytes());
        assert_eq!(found["receipt"]["rows"], 36);
    }
    let found = json(scratch.succeeds("ls all.parquet --json").as_bytes());
    assert_eq!(found["exports"][0]["parts"][0]["receipt"]["parts"], 12);
    // Under every preset's names.
    scratch.write("other/data_0_0_0.csv.receipt.json", scratch.read("out/all.csv.receipt.json"));
    scratch.write("other/0000_part_00.receipt.json", scratch.read("out/all.csv.receipt.json"));
    for preset in ["redshift", "snowflake", "spark", "bigquery"] {
        let found = json(scratch.succeeds(&format!("ls other --preset {preset} --json")).as_bytes());
        assert_eq!(found["exports"].as_array().map(Vec::len), Some(0), "{preset}");
        assert_eq!(found["receipts"].as_array().map(Vec::len), Some(2), "{preset}");
    }
}

/// A Parquet part with metadata of a writer's own.
fn part(id: &str, pairs: &[(&str, &str)]) -> Vec<u8> {
    let ids: ArrayRef = Arc::new(StringArray::from(vec![id]));
    let batch = RecordBatch::try_from_iter([("item_id", ids)]).expect("a batch");
    let pairs = pairs.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), (*value).to_owned()));
    let properties = WriterProperties::builder().set_key_value_metadata(Some(pairs.collect())).build();
    parquet_file(&batch, properties)
}

#[test]
fn parquet_keeps_the_metadata_of_its_parts_and_says_where_they_disagree() {
    let scratch = Scratch::of_parts(
        "parquet",
        &[
            part("a", &[("pandas", "{\"x\": 1}"), ("writer", "one"), ("forecast-export.receipt", "old")]),
            part("b", &[("pandas", "{\"x\": 1}"), ("writer", "two"), ("late", "yes")]),
        ],
    );
    for flags in ["", "--compression zstd", "--row-group-rows 1"] {
        let (_, said) = scratch.succeeds_with(&format!("merge in -o all.parquet --overwrite {flags}"));
        let warning = "warning: parts differ in their metadata under the key \"writer\": the first part's \
                       value is kept";
        assert_eq!(said.matches("warning").count(), 1, "{said}");
        assert!(said.contains(warning), "{said}");
        for (key, value) in [("pandas", "{\"x\": 1}"), ("writer", "one"), ("late", "yes")] {
            assert_eq!(key_value(&scratch, "all.parquet", key).as_deref(), Some(value), "{flags} {key}");
        }
        assert!(key_value(&scratch, "all.parquet", "ARROW:schema").is_some(), "{flags}");
        let receipt = key_value(&scratch, "all.parquet", "forecast-export.receipt").expect("a receipt");
        assert_eq!(json(receipt.as_bytes())["rows"], 2, "{flags}");
    }
    // Part by part each keeps its own, and nothing is in conflict.
    let (_, said) = scratch.succeeds_with("convert in -o out/ --to parquet");
    assert!(!said.contains("warning"), "{said}");
    for (number, writer) in [(0, "one"), (1, "two")] {
        let file = format!("out/sales_{RUN}_part{number}.parquet");
        assert_eq!(key_value(&scratch, &file, "writer").as_deref(), Some(writer));
    }
    assert_eq!(key_value(&scratch, &format!("out/sales_{RUN}_part0.parquet"), "late"), None);
}

#[test]
fn a_parquet_part_without_a_byte_becomes_a_file_with_the_arrow_schema_of_the_others() {
    let scratch = Scratch::of_parts("parquet", &[Vec::new(), part("a", &[("writer", "one")])]);
    scratch.succeeds("convert in -o out/ --to parquet");
    let file = |number| format!("out/sales_{RUN}_part{number}.parquet");
    assert_eq!(scratch.rows(&file(0)).num_rows(), 0);
    let schema = key_value(&scratch, &file(1), "ARROW:schema");
    assert!(schema.is_some());
    assert_eq!(key_value(&scratch, &file(0), "ARROW:schema"), schema);
    assert_eq!(key_value(&scratch, &file(0), "writer"), None);
}

#[test]
fn a_file_that_another_tool_wrote_with_the_receipt_in_it_is_not_up_to_date() {
    let scratch = forecast();
    scratch.succeeds("merge in -o all.parquet");
    let receipt = key_value(&scratch, "all.parquet", "forecast-export.receipt").expect("a receipt");
    let rows = scratch.rows("all.parquet");
    let pair = KeyValue::new("forecast-export.receipt".to_owned(), receipt);
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![pair])).build();
    scratch.write("all.parquet", parquet_file(&rows, properties));
    let said = scratch.fails("merge in -o all.parquet", 7);
    assert!(said.contains("already exists and has changed since it was written"), "{said}");
}

#[test]
fn up_to_date_costs_one_listing_of_each_folder_and_one_small_read() {
    let bucket = bucket("receipts");
    let parts = csv_parts(12, 3_000);
    bucket.put_parts("in/", "csv", &parts);
    for (command, output, expected) in [
        ("merge", "out/all.csv", [1, 1, 1]),
        ("merge", "out/all.parquet", [1, 1, 1]),
        ("convert", "parquet/", [2, 0, 1]),
        ("convert", "csv/", [2, 0, 1]),
    ] {
        let (source, target) = (bucket.at("in"), bucket.at(output));
        let to = if output == "csv/" { "csv" } else { "parquet" };
        let mut arguments = vec![command, &source, "-o", &target];
        if command == "convert" {
            arguments.extend(["--to", to]);
        }
        bucket.succeed(&arguments);
        let counted =
            || ["ListObjectsV2", "HeadObject", "GetObject"].map(|operation| bucket.proxy.count(operation));
        let all = || bucket.proxy.log.lock().expect("not poisoned").len();
        let (before, total) = (counted(), all());
        arguments.push("--json");
        assert_eq!(json(&bucket.succeed(&arguments))["up_to_date"], true, "{output}");
        let after = counted();
        let requests = [0, 1, 2].map(|i| after[i] - before[i]);
        assert_eq!(requests, expected, "{output}");
        assert_eq!(all() - total, expected.iter().sum::<usize>(), "{output}: nothing else was asked");
    }
    // A part of other contents under the same name has another ETag.
    bucket.put(&format!("in/{}", part_name(3, "csv")), parts[4].clone());
    for (command, output) in [("merge", "out/all.csv"), ("merge", "out/all.parquet"), ("convert", "parquet/")]
    {
        let said = bucket.fail(7, &[command, &bucket.at("in"), "-o", &bucket.at(output)]);
        assert!(said.contains("_part3.csv has changed since it was written"), "{output}: {said}");
    }
    // As has an output.
    bucket.put(&format!("in/{}", part_name(3, "csv")), parts[3].clone());
    bucket.put("out/all.csv", merged(&parts).to_ascii_uppercase());
    let said = bucket.fail(7, &["merge", &bucket.at("in"), "-o", &bucket.at("out/all.csv")]);
    assert!(said.contains("already exists and has changed since it was written"), "{said}");
}

#[test]
fn a_receipt_with_a_digest_is_uploaded_with_its_object() {
    let bucket = bucket("digest");
    bucket.put_parts("in/", "csv", &csv_parts(3, 100));
    let (source, target) = (bucket.at("in"), bucket.at("all.parquet"));
    let arguments = ["merge", source.as_str(), "-o", &target, "--verify", "--json"];
    let report = json(&bucket.succeed(&arguments));
    let scratch = Scratch::new();
    scratch.write("all.parquet", bucket.get("all.parquet").expect("there"));
    let receipt = key_value(&scratch, "all.parquet", "forecast-export.receipt").expect("a receipt");
    assert!(report["digest"].is_string());
    assert_eq!(json(receipt.as_bytes())["digest"], report["digest"]);
    assert_eq!(scratch.rows("all.parquet").num_rows(), 300);
    assert_eq!(json(&bucket.succeed(&arguments))["up_to_date"], true);
    assert_eq!(json(&bucket.succeed(&["verify", &target, "--against", &source, "--json"]))["equal"], true);
}
