//! `verify` and `--verify`: yes for the same rows whatever files hold them, no for every single change, and where.

use crate::support::buckets::{Bucket, bucket, csv_parts, merged, part_name};
use crate::support::fixtures::{failure, testdata};
use crate::support::proxy::Fault;
use crate::support::scale::cases;
use crate::support::scratch::{RUN, Scratch};
use crate::support::tables::{Cell, PartFile, Table, cut, table};
use arrow::array::cast::AsArray;
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, TimestampMicrosecondType};
use forecast_export::{
    Difference, DifferenceKind, Error, Format, Location, Options, Output, VerifyReport, plan, run, verify,
};
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};
use proptest::prelude::*;
use proptest::sample::Index;
use std::sync::{Arc, LazyLock};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

/// One change to a table.
#[derive(Debug, Clone)]
enum Mutation {
    None,
    Cell(Index, Index),
    Lost(Index),
    Doubled(Index),
    Moved(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = || any::<Index>();
    prop_oneof![
        2 => Just(Mutation::None),
        4 => (index(), index()).prop_map(|(row, column)| Mutation::Cell(row, column)),
        1 => index().prop_map(Mutation::Lost),
        1 => index().prop_map(Mutation::Doubled),
        2 => (index(), index()).prop_map(|(from, to)| Mutation::Moved(from, to)),
    ]
}

impl Mutation {
    fn apply(&self, table: &Table) -> Table {
        let mut table = table.clone();
        let rows = table.rows.len();
        if rows == 0 {
            return table;
        }
        match self {
            Mutation::None => {}
            Mutation::Cell(row, column) => {
                let is_lone = table.columns.len() == 1;
                let column = column.index(table.columns.len());
                let cell = &mut table.rows[row.index(rows)][column];
                *cell = other(cell, is_lone);
            }
            Mutation::Lost(row) => drop(table.rows.remove(row.index(rows))),
            Mutation::Doubled(row) => {
                let row = row.index(rows);
                table.rows.insert(row, table.rows[row].clone());
            }
            Mutation::Moved(from, to) => {
                let row = table.rows.remove(from.index(rows));
                table.rows.insert(to.index(rows), row);
            }
        }
        table
    }
}

/// Another cell of the same column, as near as can be: the empty string becomes null, a double its neighbour.
fn other(cell: &Cell, is_lone: bool) -> Cell {
    match cell {
        Cell::Text(text) if text.is_empty() && !is_lone => Cell::Null,
        Cell::Text(text) => Cell::Text(format!("{text} ")),
        Cell::Time(micros) if *micros > 0 => Cell::Time(micros - 1),
        Cell::Time(micros) => Cell::Time(micros + 1),
        Cell::Double(value) if value.is_nan() || *value == 0.0 => Cell::Double(-1.0),
        Cell::Double(value) => Cell::Double(f64::from_bits(value.to_bits() ^ 1)),
        // A column of nulls may be of any type: nothing is changed.
        Cell::Null => Cell::Null,
    }
}

/// The first row and column, from 0, in which two tables differ; no column where one of them has ended.
fn first_difference(a: &Table, b: &Table) -> Option<(usize, Option<usize>)> {
    // As text all NaNs are one, and zeros have signs.
    let shown = |cell: &Cell| format!("{cell:?}");
    for row in 0..a.rows.len().max(b.rows.len()) {
        let (Some(a), Some(b)) = (a.rows.get(row), b.rows.get(row)) else { return Some((row, None)) };
        if let Some(column) = (0..a.len()).find(|&column| shown(&a[column]) != shown(&b[column])) {
            return Some((row, Some(column)));
        }
    }
    None
}

/// The file and the row in it, from 1, of a row of all, from 0.
fn place(parts: &[PartFile], mut row: usize) -> Option<(&str, u64)> {
    for part in parts {
        if row < part.rows {
            return Some((&part.name, row as u64 + 1));
        }
        row -= part.rows;
    }
    None
}

fn verified(source: &[PartFile], output: &[PartFile]) -> Result<VerifyReport, Error> {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    RUNTIME.block_on(async {
        for (folder, parts) in [("source", source), ("output", output)] {
            for part in parts {
                let key = Key::from(format!("{folder}/{}", part.name));
                store.put(&key, part.bytes.clone().into()).await.expect("put into memory");
            }
        }
        let at = |path| Location::in_store(Arc::clone(&store), "memory://test/", path);
        verify(&at("output"), &at("source"), &Options::default(), |_| ()).await
    })
}

fn formats() -> impl Strategy<Value = Format> {
    prop::sample::select(vec![Format::Csv, Format::Parquet])
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn every_single_change_is_found_and_nothing_else_in_every_direction_between_the_formats(
        (table, source, output, mutation) in (table(40), formats(), formats(), mutation())
            .prop_flat_map(|(table, from, to, mutation)| (Just(table), cut(from), cut(to), Just(mutation)))
    ) {
        let changed = mutation.apply(&table);
        let (source, output) = (source.parts(&table), output.parts(&changed));
        let report = verified(&source, &output).expect("both sides can be read");
        let expected = first_difference(&table, &changed);
        prop_assert_eq!(report.equal, expected.is_none());
        prop_assert_eq!(report.digest.is_some(), expected.is_none());
        let Some((row, column)) = expected else {
            prop_assert_eq!(report.rows, table.rows.len() as u64);
            return Ok(());
        };
        let found = report.difference.expect("a difference");
        prop_assert_eq!(found.row, Some(row as u64 + 1));
        prop_assert_eq!(found.column.as_deref(), column.map(|column| table.columns[column].0));
        let names = |file: &Option<String>, row: Option<u64>| {
            file.as_deref().map(|file| (file.rsplit('/').next().unwrap_or_default().to_owned(), row.unwrap_or(0)))
        };
        let expected = |parts| place(parts, row).map(|(name, row)| (name.to_owned(), row));
        prop_assert_eq!(names(&found.part, found.part_row), expected(&source));
        prop_assert_eq!(names(&found.file, found.file_row), expected(&output));
        if let Some(column) = column {
            let text = |table: &Table| match &table.rows[row][column] {
                Cell::Null => Some(None),
                Cell::Text(text) => Some(Some(text.clone())),
                _ => None,
            };
            for (value, table) in [(&found.source_value, &table), (&found.output_value, &changed)] {
                if let Some(text) = text(table) {
                    prop_assert_eq!(value, &text);
                }
            }
            prop_assert_ne!(&found.source_value, &found.output_value);
        }
    }

    #[test]
    fn the_digest_is_of_the_rows_and_not_of_the_files_that_hold_them(
        (table, one, other) in (table(40), formats(), formats())
            .prop_flat_map(|(table, one, other)| (Just(table), cut(one), cut(other)))
    ) {
        let digest = |parts: &[PartFile]| {
            verified(parts, parts).expect("both sides can be read").digest.expect("equal")
        };
        prop_assert_eq!(digest(&one.parts(&table)), digest(&other.parts(&table)));
    }
}

/// The digest by its definition in `docs/digest.md`, from rows that the parquet crate read.
fn digest_by_the_book(batch: &RecordBatch) -> String {
    let text = |bytes: &[u8]| [&(bytes.len() as u32).to_le_bytes(), bytes].concat();
    let mut all = blake3::Hasher::new();
    all.update(&text(b"forecast-export rows 1\n"));
    for field in batch.schema().fields() {
        all.update(&text(field.name().as_bytes()));
        all.update(&text(match field.data_type() {
            DataType::Utf8 => b"string",
            DataType::Float64 => b"double",
            DataType::Timestamp(_, Some(_)) => b"timestamp-utc",
            other => panic!("{other}"),
        }));
    }
    for start in (0..batch.num_rows()).step_by(1024) {
        let rows = batch.slice(start, 1024.min(batch.num_rows() - start));
        let mut block = (rows.num_rows() as u32).to_le_bytes().to_vec();
        for column in rows.columns() {
            block.extend((0..column.len()).map(|row| u8::from(column.is_valid(row))));
            match column.data_type() {
                DataType::Utf8 => {
                    let cells = column.as_string::<i32>();
                    cells
                        .iter()
                        .for_each(|cell| block.extend((cell.map_or(0, str::len) as u32).to_le_bytes()));
                    cells.iter().for_each(|cell| block.extend(cell.unwrap_or_default().bytes()));
                }
                DataType::Float64 => {
                    let cells = column.as_primitive::<Float64Type>();
                    cells.iter().for_each(|cell| block.extend(cell.map_or(0, f64::to_bits).to_le_bytes()));
                }
                _ => {
                    let cells = column.as_primitive::<TimestampMicrosecondType>();
                    cells.iter().for_each(|cell| block.extend(cell.unwrap_or_default().to_le_bytes()));
                }
            }
        }
        all.update(blake3::hash(&block).as_bytes());
    }
    all.update(&(batch.num_rows() as u64).to_le_bytes());
    all.finalize().to_hex().to_string()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("one JSON document")
}

#[test]
fn others_can_recompute_the_digest() {
    let scratch = Scratch::copy_of(&testdata("forecast"));
    scratch.succeeds("merge in -o out/all.parquet --no-receipt");
    let report = json(&scratch.succeeds("verify out/all.parquet --against in --json"));
    // Pinned: a digest that is kept with an archive must mean the same for ever.
    let expected = "28c82ff03a721acd240c1a6dd4726330db2792ded66dfde689642b95cecf64d1";
    assert_eq!(report["digest"], expected);
    assert_eq!(digest_by_the_book(&scratch.rows("out/all.parquet")), expected);
    assert_eq!((&report["rows"], &report["parts"], &report["files"]), (&36.into(), &12.into(), &1.into()));

    // More than one block, and several chunks of text.
    let scratch = Scratch::csv(&csv_parts(3, 9_000));
    scratch.succeeds("merge in -o out/all.parquet");
    let report = json(&scratch.succeeds("verify out/all.parquet --against in --json --threads 3"));
    assert_eq!(report["digest"], digest_by_the_book(&scratch.rows("out/all.parquet")));
}

#[test]
fn everything_the_commands_write_is_verified() {
    let scratch = Scratch::copy_of(&testdata("forecast"));
    for (write, output, flags) in [
        ("merge in -o out/a.parquet", "out/a.parquet", ""),
        ("merge in -o out/a.csv", "out/a.csv", ""),
        ("merge in -o out/a.csv.gz", "out/a.csv.gz", ""),
        ("merge in -o out/b.parquet --source-columns", "out/b.parquet", "--source-columns"),
        ("merge in -o out/c.parquet --all-strings", "out/c.parquet", "--all-strings"),
        ("convert in -o parquet/", "parquet/", ""),
        ("convert in -o tens --to csv --split-rows 10", "tens", ""),
    ] {
        scratch.succeeds(write);
        let (_, said) = scratch.succeeds_with(&format!("verify {output} --against in {flags}"));
        assert!(said.starts_with(&format!("36 rows of {output} match in, in order; digest ")), "{said}");
    }
    // Other runs beside it are none of this one's.
    scratch.write("parquet/other_2026-01-02T03-04-05Z_part0.csv", "item_id\na\n");
    scratch.write("parquet/sales_forecast_export_2026-02-02T03-04-05Z_part0.csv", "item_id\na\n");
    scratch.succeeds("verify parquet --against in");
    scratch.succeeds("merge parquet --job sales_forecast_export --run 2026-01-02T03-04-05Z -o out/back.csv");
    scratch.succeeds("verify out/back.csv --against in");
    scratch.succeeds(
        "verify out/back.csv --against parquet --job sales_forecast_export --run 2026-01-02T03-04-05Z",
    );
}

#[test]
fn a_backtest_that_was_converted_to_a_folder_of_another_name_is_found_there() {
    let part = "item_id,backtest_window,backtestwindow_start_time,backtestwindow_end_time,RMSE\n\
                a,Summary,2017-06-19T00:00:00,2017-06-23T23:00:00,0.5\n";
    let scratch = Scratch::new();
    scratch.write(&format!("in/accuracy-metrics-values/Accuracy_b_{RUN}_part0.csv"), part);
    scratch.succeeds("convert in -o out/");
    scratch.write(&format!("out/other_{RUN}_part0.csv"), "item_id\na\n");
    scratch.succeeds("verify out --against in");
}

#[test]
fn a_damaged_output_is_to_be_written_again_and_not_to_be_exported() {
    let scratch = Scratch::csv(&["item_id,p50\na,1.0\n"]);
    scratch.succeeds("merge in -o all.csv.gz");
    scratch.succeeds("merge in -o all.parquet");
    for (output, kept, remedy) in [
        ("all.csv.gz", 30, "the output may be damaged; write it again with --overwrite"),
        ("all.parquet", 4, "the output may be damaged; write it again with --overwrite"),
    ] {
        let bytes = scratch.read(output);
        scratch.write(output, &bytes[..kept]);
        let said = scratch.fails(&format!("verify {output} --against in"), 5);
        assert!(said.starts_with(output) && said.ends_with(remedy), "{said}");
    }
    // A damaged part still is to be fetched or exported.
    scratch.succeeds("merge in -o all.csv");
    scratch.write(&format!("in/sales_{RUN}_part1.parquet"), "PAR1");
    let said = scratch.fails(&format!("verify all.csv --against in/sales_{RUN}_part1.parquet"), 5);
    assert!(said.ends_with("fetch or export the part again"), "{said}");
}

#[test]
fn a_difference_is_exit_code_6_and_names_part_row_column_and_both_values() {
    let scratch = Scratch::csv(&[
        "item_id,date,p50\na,2026-01-01T00:00:00Z,1.0\nb,2026-01-01T00:00:00Z,2.0\n",
        "item_id,date,p50\nc,2026-01-01T00:00:00Z,3.5\nd,2026-01-01T00:00:00Z,\n",
    ]);
    let rows = "a,2026-01-01T00:00:00Z,1\nb,2026-01-01T00:00:00Z,2\nc,2026-01-01T00:00:00Z,3.5\n";
    let check = |output: &str, expected: &str| {
        scratch.write("all.csv", format!("item_id,date,p50\n{output}"));
        assert_eq!(
            scratch.fails("verify all.csv --against in", 6),
            format!(
                "verification failed: {expected}; if the output was made from another run, choose it with --run; \
                 if it should hold this one, write it again with --overwrite"
            )
        );
    };
    let part = |number| format!("in/sales_{RUN}_part{number}.csv");
    check(
        &format!("{}d,2026-01-01T00:00:00Z,\n", rows.replace("3.5", "3.25")),
        &format!(
            "row 3, column p50: the source has \"3.5\" ({}, row 1), and the output has \"3.25\" (all.csv, row 3)",
            part(1)
        ),
    );
    check(
        &format!("{rows}d,2026-01-01T00:00:00Z,0.0\n"),
        &format!(
            "row 4, column p50: the source has null ({}, row 2), and the output has \"0.0\" (all.csv, row 4)",
            part(1)
        ),
    );
    check(
        &rows.replacen("a,", "\u{202e},", 1),
        &format!(
            "row 1, column item_id: the source has \"a\" ({}, row 1), and the output has \"\\u{{202e}}\" (all.csv, \
             row 1)",
            part(0)
        ),
    );
    check(rows, &format!("row 4 is missing: it is in {}, row 2, and the output ends before it", part(1)));
    check(
        &format!("{rows}d,2026-01-01T00:00:00Z,\nd,2026-01-01T00:00:00Z,\n"),
        "row 5 is extra: it is in all.csv, row 5, and the source ends before it",
    );
    // As JSON it is data, and the exit code is the same.
    let output = scratch.output("verify all.csv --against in --json");
    assert_eq!(failure(&output).0, 6);
    let report = json(&String::from_utf8(output.stdout).expect("UTF-8"));
    assert_eq!(report["equal"], false);
    assert_eq!(report["difference"]["kind"], "row-extra");
    assert_eq!(report["difference"]["row"], 5);
    assert_eq!(report["digest"], serde_json::Value::Null);
}

#[test]
fn columns_of_other_names_types_or_order_differ() {
    let scratch = Scratch::csv(&["item_id,p50\na,1.0\n"]);
    scratch.write("order.csv", "p50,item_id\n1.0,a\n");
    scratch.write("more.csv", "item_id,p50,p90\na,1.0,2.0\n");
    let said = scratch.fails("verify order.csv --against in", 6);
    assert!(said.contains("column item_id: the source has item_id string (in/"), "{said}");
    assert!(said.contains("the output has p50 double (order.csv)"), "{said}");
    let said = scratch.fails("verify more.csv --against in", 6);
    assert!(said.contains("column p90: the source has none (in/"), "{said}");
    assert!(said.contains("the output has p90 string (more.csv)"), "{said}");
    scratch.succeeds("merge in -o text.parquet --all-strings");
    let said = scratch.fails("verify text.parquet --against in", 6);
    assert!(said.contains("the source has p50 double (in/") && said.contains("with the options"), "{said}");
    scratch.succeeds("verify text.parquet --against in --all-strings");
}

#[test]
fn what_is_missing_or_cannot_be_read_has_the_usual_exit_codes() {
    let scratch = Scratch::csv(&["item_id,p50\na,1.0\n"]);
    scratch.fails("verify gone.csv --against in", 3);
    scratch.write("bad.csv", "item_id,p50\na,x\n");
    let said = scratch.fails("verify bad.csv --against in", 5);
    assert!(said.starts_with("bad.csv, line 2, column p50: "), "{said}");
    scratch.write(&format!("in/sales_{RUN}_part2.csv"), "item_id,p50\nb,1.0\n");
    scratch.write("all.csv", "item_id,p50\na,1.0\nb,1.0\n");
    scratch.fails("verify all.csv --against in", 4);
    scratch.succeeds("verify all.csv --against in --allow-gaps");
    scratch.fails("verify all.csv --against in --allow-gaps --expect-rows 3", 4);
}

#[test]
fn with_verify_every_way_of_writing_reads_its_output_again() {
    let scratch = Scratch::copy_of(&testdata("forecast"));
    scratch.succeeds("convert in -o parquet/ --verify");
    let digest = |arguments: &str| {
        let report = json(&scratch.succeeds(&format!("{arguments} --verify --json")));
        assert_eq!(report["rows"], 36, "{arguments}");
        report["digest"].as_str().expect("a digest").to_owned()
    };
    let typed = digest("merge in -o out/a.parquet");
    for same in [
        "merge parquet -o out/b.parquet",
        "merge parquet -o out/c.csv",
        "merge parquet -o out/d.csv.zst",
        "merge parquet -o out/e.parquet --compression zstd",
        "convert in -o tens/ --split-rows 10",
        "convert parquet -o back/ --split-bytes 500",
    ] {
        assert_eq!(digest(same), typed, "{same}");
    }
    // Text that is copied is compared as text, cell by cell.
    let text = digest("merge in -o out/f.csv");
    assert_ne!(text, typed);
    assert_eq!(digest("merge in -o out/g.parquet --all-strings"), text);
    digest("merge in -o out/h.parquet --source-columns --row-group-rows 7");
    let said = scratch.fails("merge in -o - --verify", 2);
    assert!(said.contains("--verify reads the output back"), "{said}");
    scratch.fails("merge in -o /dev/null --verify", 2);
}

/// One part that is read in three requests: its head, its body for writing, and its body again for comparing. The last
/// digit of its last row comes out another one the last time.
fn one_flip(target: impl Fn(&Bucket) -> String) -> (Bucket, i32, String) {
    let bucket = bucket("flip");
    let part = csv_parts(1, 3_000).remove(0);
    assert!(part.len() > 128 * 1024 && part.len() < 1024 * 1024, "{}", part.len());
    bucket.put_parts("in/", "csv", std::slice::from_ref(&part));
    let header = part.iter().position(|byte| *byte == b'\n').expect("a header") + 1;
    let digit = part.iter().rposition(u8::is_ascii_digit).expect("a digit");
    bucket.proxy.fail("GetObject", Fault::Stall(std::time::Duration::ZERO), 2);
    bucket.proxy.fail("GetObject", Fault::FlipByte(digit - header), 1);
    let target = target(&bucket);
    let output = bucket.run(&["merge", &bucket.at("in"), "-o", &target, "--verify"]);
    let (code, said) = failure(&output);
    (bucket, code, said)
}

#[test]
fn an_output_that_differs_is_not_published() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["all.csv", "all.parquet"] {
        let target = folder.path().join(name).display().to_string();
        let (bucket, code, said) = one_flip(|_| target.clone());
        assert_eq!(code, 6, "{said}");
        assert!(said.contains("row 3000, column "), "{said}");
        assert!(said.contains(&part_name(0, "csv")) && said.contains(&target), "{said}");
        // The fourth time to find the row's place.
        assert_eq!(bucket.proxy.count("GetObject"), 4);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}

#[test]
fn an_object_is_compared_before_a_byte_of_it_is_uploaded() {
    let (bucket, code, said) = one_flip(|bucket| bucket.at("out/all.csv"));
    assert_eq!(code, 6, "{said}");
    for operation in ["PutObject", "CreateMultipartUpload", "UploadPart"] {
        assert_eq!(bucket.proxy.count(operation), 0, "{operation}");
    }
    assert_eq!(bucket.keys(), [format!("in/{}", part_name(0, "csv"))]);
    // The same without a fault is there, whole.
    bucket.succeed(&["merge", &bucket.at("in"), "-o", &bucket.at("out/all.csv"), "--verify", "--no-receipt"]);
    let expected = merged(&csv_parts(1, 3_000));
    assert_eq!(bucket.get("out/all.csv").expect("there"), expected);
}

#[test]
fn a_large_object_that_was_compared_is_uploaded_in_pieces() {
    let bucket = bucket("large");
    let parts = csv_parts(2, 60_000);
    bucket.put_parts("in/", "csv", &parts);
    bucket.succeed(&["merge", &bucket.at("in"), "-o", &bucket.at("out/all.csv"), "--verify"]);
    assert!(bucket.proxy.count("UploadPart") > 1);
    assert_eq!(bucket.get("out/all.csv").expect("there"), merged(&parts));
}

#[test]
fn a_source_that_changes_while_it_is_read_is_noticed_before_anything_is_published() {
    let part = |value: &str| format!("item_id,p50\na,{value}\n");
    let after = |change: &dyn Fn(&Scratch)| {
        let scratch = Scratch::csv(&[part("1.0"), part("2.0")]);
        let at = |name: &str| Location::parse(&scratch.path(name).display().to_string()).expect("a path");
        let error = RUNTIME.block_on(async {
            let output = Output::File(at("all.csv"));
            let plan = plan(&at("in"), &output, &Options::default()).await.expect("a plan");
            change(&scratch);
            run(plan, |_| ()).await.expect_err("the change is noticed")
        });
        assert!(matches!(error, Error::Data(_)), "{error}");
        assert_eq!(scratch.written(), Vec::<String>::new());
        error.to_string()
    };
    let name = |number| format!("in/sales_{RUN}_part{number}.csv");
    // Of the same size: only the time tells.
    let said = after(&|scratch| scratch.write(&name(1), part("3.0")));
    assert!(said.contains("_part1.csv: the file changed while it was read"), "{said}");
    let said = after(&|scratch| std::fs::remove_file(scratch.path(&name(1))).expect("removed"));
    assert!(said.contains("_part1.csv: the part was removed while the run was read"), "{said}");
    let said = after(&|scratch| scratch.write(&name(2), part("3.0")));
    assert!(said.contains("_part2.csv: the part was added while the run was read"), "{said}");
}

#[test]
fn other_runs_and_files_may_come_while_a_run_is_read() {
    let scratch = Scratch::csv(&["item_id,p50\na,1.0\n"]);
    let at = |name: &str| Location::parse(&scratch.path(name).display().to_string()).expect("a path");
    RUNTIME.block_on(async {
        let output = Output::File(at("all.csv"));
        let plan = plan(&at("in"), &output, &Options::default()).await.expect("a plan");
        scratch.write("in/sales_2027-01-02T03-04-05Z_part0.csv", "item_id,p50\nb,1.0\n");
        scratch.write("in/notes.txt", "x");
        run(plan, |_| ()).await.expect("they are none of this run's");
    });
    assert_eq!(scratch.text("all.csv"), "item_id,p50\na,1.0\n");
}

#[test]
fn the_library_tells_a_difference_as_data() {
    let scratch = Scratch::csv(&["item_id,p50\na,1.0\n"]);
    scratch.write("b.csv", "item_id,p50\nb,1.0\n");
    let at = |name: &str| Location::parse(&scratch.path(name).display().to_string()).expect("a path");
    let report = RUNTIME.block_on(verify(&at("b.csv"), &at("in"), &Options::default(), |_| ()));
    let Difference { kind, row, column, source_value, output_value, .. } =
        report.expect("both can be read").difference.expect("a difference");
    assert_eq!((kind, row), (DifferenceKind::Cell, Some(1)));
    assert_eq!(column.as_deref(), Some("item_id"));
    assert_eq!((source_value.as_deref(), output_value.as_deref()), (Some("a"), Some("b")));
}
