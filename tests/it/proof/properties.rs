//! What holds for every table, however it is cut into parts, in whichever format, under whatever options: rows come
//! out as they went in, in order, once each.

use crate::support::scale::cases;
use crate::support::tables::{Cell, Cut, PartFile, Table, cut, long_table, table};
use arrow::array::cast::AsArray;
use arrow::array::{Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use forecast_export::{
    Compression, Error, Format, Location, Options, Output, Report, Result, SchemaMode, Split,
    Strategy as Way, plan, read, run,
};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression as Codec;
use proptest::prelude::*;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

/// A place for exports and outputs: an object store in memory, or a folder.
enum Place {
    Memory(Arc<InMemory>),
    Folder(TempDir),
}

impl Place {
    fn new(is_local: bool) -> Self {
        if is_local {
            Place::Folder(tempfile::tempdir().expect("a folder"))
        } else {
            Place::Memory(Arc::new(InMemory::new()))
        }
    }

    /// A place with the parts of an export in its folder `parts`, put there from last to first.
    fn with(is_local: bool, parts: &[PartFile]) -> Self {
        let place = Place::new(is_local);
        for part in parts.iter().rev() {
            place.write(&format!("parts/{}", part.name), &part.bytes);
        }
        place
    }

    fn location(&self, path: &str) -> Location {
        match self {
            Place::Memory(store) => {
                Location::in_store(Arc::clone(store) as Arc<dyn ObjectStore>, "memory://test/", path)
            }
            Place::Folder(_) => Location::parse(self.path(path).to_str().expect("UTF-8")).expect("a path"),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        match self {
            Place::Memory(_) => PathBuf::from(path),
            Place::Folder(folder) => folder.path().join(path),
        }
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        match self {
            Place::Memory(store) => {
                let (key, bytes) = (Key::from(path), Bytes::copy_from_slice(bytes));
                RUNTIME.block_on(store.put(&key, bytes.into())).expect("put into memory");
            }
            Place::Folder(_) => {
                let path = self.path(path);
                std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                std::fs::write(path, bytes).expect("written");
            }
        }
    }

    fn read(&self, path: &str) -> Bytes {
        match self {
            Place::Memory(store) => RUNTIME
                .block_on(async { store.get(&Key::from(path)).await?.bytes().await })
                .expect("the object is there"),
            Place::Folder(_) => std::fs::read(self.path(path)).expect("the file is there").into(),
        }
    }

    /// Every file there is.
    fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = match self {
            Place::Memory(store) => RUNTIME
                .block_on(store.list(None).map_ok(|meta| meta.location.to_string()).try_collect())
                .expect("listed"),
            Place::Folder(folder) => walkdir::WalkDir::new(folder.path())
                .into_iter()
                .map(|entry| entry.expect("listed"))
                .filter(|entry| entry.file_type().is_file())
                .map(|entry| entry.path().strip_prefix(folder.path()).expect("below").display().to_string())
                .collect(),
        };
        files.sort();
        files
    }

    fn merge(&self, from: &str, to: &str, options: &Options) -> Result<Report> {
        RUNTIME.block_on(async {
            let output = Output::File(self.location(to));
            run(plan(&self.location(from), &output, options).await?, |_| ()).await
        })
    }

    fn convert(&self, from: &str, to: &str, options: &Options) -> Result<Report> {
        RUNTIME.block_on(async {
            let output = Output::Folder(self.location(to));
            run(plan(&self.location(from), &output, options).await?, |_| ()).await
        })
    }

    /// The files that a run has written, as paths in this place.
    fn written(&self, report: &Report) -> Vec<String> {
        let root = match self {
            Place::Memory(_) => "memory://test/".to_owned(),
            Place::Folder(folder) => format!("{}/", folder.path().display()),
        };
        report.outputs.iter().map(|file| file.file.replacen(&root, "", 1)).collect()
    }
}

/// A CSV file's text, out of its compression.
fn text(bytes: &[u8], name: &str) -> Vec<u8> {
    let mut text = Vec::new();
    if name.ends_with(".gz") {
        flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut text).expect("gzip");
        text
    } else if name.ends_with(".zst") {
        zstd::decode_all(bytes).expect("zstd")
    } else {
        bytes.to_vec()
    }
}

/// The rows of a Parquet file as the parquet crate reads them, and the rows of each row group.
fn rows_of(bytes: Bytes) -> (RecordBatch, Vec<i64>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("a footer");
    let groups = builder.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
    let schema = Arc::clone(builder.schema());
    let batches: Vec<RecordBatch> =
        builder.build().expect("a reader").collect::<Result<_, _>>().expect("pages are whole");
    (joined(&schema, &batches), groups)
}

/// The codec of every column chunk.
fn codecs_of(bytes: Bytes) -> Vec<Codec> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("a footer");
    let chunks = builder.metadata().row_groups().iter().flat_map(|group| group.columns());
    chunks.map(|chunk| chunk.compression()).collect()
}

fn is_codec(found: Codec, asked: Compression) -> bool {
    matches!(
        (found, asked),
        (Codec::UNCOMPRESSED, Compression::None)
            | (Codec::SNAPPY, Compression::Snappy)
            | (Codec::ZSTD(_), Compression::Zstd(_))
            | (Codec::GZIP(_), Compression::Gzip(_))
            | (Codec::LZ4_RAW, Compression::Lz4)
    )
}

fn joined(schema: &SchemaRef, batches: &[RecordBatch]) -> RecordBatch {
    // The parquet crate keeps the file's key-value pairs in the schema: not part of the rows.
    let schema = Arc::new(Schema::new(schema.fields().clone()));
    let batches: Vec<RecordBatch> = batches
        .iter()
        .map(|batch| {
            RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()).expect("same columns")
        })
        .collect();
    concat_batches(&schema, &batches).expect("batches of one schema")
}

/// Equal in schema and in every value, bit by bit: `-0.0` is not `0.0`, and NaN is itself.
fn same_rows(found: &RecordBatch, expected: &RecordBatch) -> Result<(), TestCaseError> {
    let (found_schema, schema) = (found.schema(), expected.schema());
    prop_assert_eq!(found_schema.fields(), schema.fields());
    prop_assert_eq!(found.num_rows(), expected.num_rows());
    for (i, field) in schema.fields().iter().enumerate() {
        let (found, expected) = (found.column(i).to_data(), expected.column(i).to_data());
        prop_assert!(found == expected, "column {}: {found:?} is not {expected:?}", field.name());
    }
    Ok(())
}

/// Options that must never change a row.
fn tuning() -> impl Strategy<Value = Options> {
    let memory = prop::option::of(prop::sample::select(vec![1, 16_000_000, 1 << 40]));
    let threads = prop::option::of(1usize..5);
    (memory, threads).prop_map(|(memory, threads)| {
        let mut options = Options::default();
        options.memory = memory;
        options.threads = threads;
        options
    })
}

/// As [`tuning`], and those that only a Parquet output has.
fn parquet_shape() -> impl Strategy<Value = Options> {
    let compression = prop::option::of(prop::sample::select(vec![
        Compression::None,
        Compression::Snappy,
        Compression::Zstd(Some(1)),
        Compression::Gzip(None),
        Compression::Lz4,
    ]));
    (tuning(), prop::option::of(1u64..40), compression).prop_map(|(mut options, rows, compression)| {
        options.row_group_rows = rows;
        options.compression = compression;
        options
    })
}

/// A CSV cut and its table, or a Parquet one.
fn any_cut() -> impl Strategy<Value = (Format, Cut)> {
    prop_oneof![
        cut(Format::Csv).prop_map(|cut| (Format::Csv, cut)),
        cut(Format::Parquet).prop_map(|cut| (Format::Parquet, cut)),
    ]
}

fn expected_csv(table: &Table, cut: &Cut, from: Format) -> Vec<u8> {
    // By bytes the line ends stay; rows that come from Parquet are printed with LF.
    table.csv(if from == Format::Csv { cut.line_end(table) } else { "\n" })
}

fn check_row_groups(groups: &[i64], asked: Option<u64>) -> Result<(), TestCaseError> {
    if let (Some(rows), [full @ .., last]) = (asked, groups) {
        prop_assert!(full.iter().all(|group| *group as u64 == rows), "{groups:?}");
        prop_assert!((1..=rows).contains(&(*last as u64)), "{groups:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn csv_parts_merge_to_csv_by_bytes(
        table in table(40), cut in cut(Format::Csv), options in tuning(), is_local: bool,
        extension in prop::sample::select(vec!["csv", "csv.gz", "csv.zst"]),
    ) {
        let place = Place::with(is_local, &cut.parts(&table));
        let out = format!("out/merged.{extension}");
        let report = place.merge("parts", &out, &options)?;
        prop_assert_eq!(report.strategy, Way::CopyBytes);
        prop_assert_eq!(report.rows, Some(table.rows.len() as u64));
        let found = text(&place.read(&out), &out);
        prop_assert_eq!(String::from_utf8(found)?, String::from_utf8(table.csv(cut.line_end(&table)))?);
    }

    #[test]
    fn csv_parts_merge_to_parquet(
        table in table(40), cut in cut(Format::Csv), options in parquet_shape(), is_local: bool
    ) {
        let place = Place::with(is_local, &cut.parts(&table));
        let report = place.merge("parts", "out/merged.parquet", &options)?;
        prop_assert_eq!(report.strategy, Way::Transcode);
        prop_assert_eq!(report.rows, Some(table.rows.len() as u64));
        let (found, groups) = rows_of(place.read("out/merged.parquet"));
        same_rows(&found, &table.batch())?;
        check_row_groups(&groups, options.row_group_rows)?;
    }

    #[test]
    fn parquet_parts_merge_to_csv(
        table in table(40), cut in cut(Format::Parquet), options in tuning(), is_local: bool
    ) {
        let place = Place::with(is_local, &cut.parts(&table));
        let report = place.merge("parts", "out/merged.csv", &options)?;
        prop_assert_eq!(report.rows, Some(table.rows.len() as u64));
        prop_assert_eq!(String::from_utf8(place.read("out/merged.csv").to_vec())?, String::from_utf8(table.csv("\n"))?);
    }

    #[test]
    fn parquet_parts_merge_to_parquet(
        table in table(60), cut in cut(Format::Parquet), options in parquet_shape(), is_local: bool
    ) {
        let parts = cut.parts(&table);
        // The parts' own codecs; one without a byte has none.
        let bytes = parts.iter().map(|part| Bytes::from(part.bytes.clone())).filter(|part| !part.is_empty());
        let there: Vec<Codec> = bytes.flat_map(codecs_of).collect();
        let place = Place::with(is_local, &parts);
        let report = place.merge("parts", "out/merged.parquet", &options)?;
        prop_assert_eq!(report.rows, Some(table.rows.len() as u64));
        let codecs = codecs_of(place.read("out/merged.parquet"));
        let is_reshaped = options.row_group_rows.is_some() || options.compression.is_some_and(|asked| {
            // A level is asked for: that of what is there is not known.
            matches!(asked, Compression::Zstd(Some(_)) | Compression::Gzip(Some(_)))
                || !there.iter().all(|codec| is_codec(*codec, asked))
        });
        prop_assert_eq!(report.strategy, if is_reshaped { Way::Transcode } else { Way::CopyRowGroups });
        if let Some(asked) = options.compression {
            prop_assert!(codecs.iter().all(|codec| is_codec(*codec, asked)), "{:?}", codecs);
        }
        let (found, groups) = rows_of(place.read("out/merged.parquet"));
        same_rows(&found, &table.batch())?;
        check_row_groups(&groups, options.row_group_rows)?;
    }

    #[test]
    fn csv_to_parquet_to_csv_gives_the_same_bytes(table in table(40), cut in cut(Format::Csv), options in tuning()) {
        let place = Place::with(false, &cut.parts(&table));
        place.merge("parts", "there.parquet", &options)?;
        place.merge("there.parquet", "back.csv", &options)?;
        prop_assert_eq!(String::from_utf8(place.read("back.csv").to_vec())?, String::from_utf8(table.csv("\n"))?);
    }

    #[test]
    fn the_stream_of_rows_is_the_merged_file((from, cut) in any_cut(), table in table(40), options in tuning()) {
        let place = Place::with(false, &cut.parts(&table));
        let (schema, batches) = RUNTIME.block_on(async {
            let rows = read(&place.location("parts"), &options).await?;
            let schema = rows.schema();
            Ok::<_, Error>((schema, rows.try_collect::<Vec<_>>().await?))
        })?;
        same_rows(&joined(&schema, &batches), &table.batch())?;
        place.merge("parts", "merged.parquet", &options)?;
        let (merged, _) = rows_of(place.read("merged.parquet"));
        same_rows(&joined(&schema, &batches), &merged)?;
        prop_assert!(from == Format::Parquet || merged.num_rows() == table.rows.len());
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn converting_keeps_every_part_and_merging_the_parts_is_merging_the_source(
        (from, cut) in any_cut(), table in table(40), options in tuning(), is_local: bool,
        to in prop::sample::select(vec![Format::Csv, Format::Parquet]),
    ) {
        let parts = cut.parts(&table);
        let place = Place::with(is_local, &parts);
        let mut options = options;
        options.to = Some(to);
        let report = place.convert("parts", "converted", &options)?;
        let rows: Vec<usize> = report.outputs.iter().filter_map(|file| file.rows.map(|rows| rows as usize)).collect();
        prop_assert_eq!(rows, parts.iter().map(|part| part.rows).collect::<Vec<_>>());
        let names: Vec<String> = (0..parts.len())
            .map(|number| format!("converted/job_1_2026-01-02T03-04-05Z_part{number}.{}", to.name()))
            .collect();
        prop_assert_eq!(place.written(&report), names);
        check_merged(&place, &table, &options, &expected_csv(&table, &cut, if to == Format::Csv { from } else { Format::Parquet }))?;
    }

    #[test]
    fn cutting_anew_by_rows_fills_every_file_but_the_last(
        (from, cut) in any_cut(), table in table(40), options in tuning(), is_local: bool,
        to in prop::sample::select(vec![Format::Csv, Format::Parquet]), most in 1u64..30,
    ) {
        let place = Place::with(is_local, &cut.parts(&table));
        let mut options = options;
        options.to = Some(to);
        options.split = Some(Split::Rows(most));
        let report = place.convert("parts", "converted", &options)?;
        let mut rows: Vec<u64> = report.outputs.iter().filter_map(|file| file.rows).collect();
        prop_assert_eq!(rows.len(), table.rows.len().div_ceil(most as usize).max(1));
        let last = rows.pop();
        prop_assert!(rows.iter().all(|rows| *rows == most) && last <= Some(most), "{rows:?}, {last:?}");
        options.split = None;
        check_merged(&place, &table, &options, &expected_csv(&table, &cut, if to == Format::Csv { from } else { Format::Parquet }))?;
    }

    #[test]
    fn cutting_anew_by_bytes_passes_the_size_only_with_a_single_row(
        (from, cut) in any_cut(), table in table(40), options in tuning(), is_local: bool,
        to in prop::sample::select(vec![Format::Csv, Format::Parquet]), most in 1u64..4000,
    ) {
        let place = Place::with(is_local, &cut.parts(&table));
        let mut options = options;
        options.to = Some(to);
        options.split = Some(Split::Bytes(most));
        let report = place.convert("parts", "converted", &options)?;
        for (file, name) in report.outputs.iter().zip(place.written(&report)) {
            let bytes = place.read(&name);
            prop_assert_eq!(bytes.len() as u64, file.bytes);
            // The least a file can hold: one row of CSV, one row group of Parquet.
            let is_least = match to {
                Format::Csv => file.rows <= Some(1),
                Format::Parquet => rows_of(bytes).1.len() <= 1,
            };
            prop_assert!(file.bytes <= most || is_least, "{} bytes, {:?} rows", file.bytes, file.rows);
        }
        options.split = None;
        check_merged(&place, &table, &options, &expected_csv(&table, &cut, if to == Format::Csv { from } else { Format::Parquet }))?;
    }

    #[test]
    fn parts_whose_columns_stand_in_any_order_are_aligned_by_name(
        table in table(12), order in prop::collection::vec(any::<prop::sample::Index>(), 3), options in tuning()
    ) {
        // Every part holds the whole table with its columns turned; the last one lacks a column.
        let width = table.columns.len();
        let place = Place::new(false);
        let mut expected = Vec::new();
        for (number, turn) in order.iter().enumerate() {
            let mut turned = table.clone();
            let turn = if number == 0 { 0 } else { turn.index(width) };
            turned.columns.rotate_left(turn);
            turned.rows.iter_mut().for_each(|row| row.rotate_left(turn));
            let lacks = (number == 2 && width > 2).then(|| {
                turned.rows.iter_mut().for_each(|row| drop(row.remove(0)));
                turned.columns.remove(0).0
            });
            let name = format!("parts/job_1_2026-01-02T03-04-05Z_part{number}.csv");
            place.write(&name, &turned.csv(if number == 1 { "\r\n" } else { "\n" }));
            for row in &table.rows {
                let cells = row.iter().zip(&table.columns);
                let cell = |(cell, column): (&Cell, &(&str, _))| {
                    if lacks == Some(column.0) { Cell::Null } else { cell.clone() }
                };
                expected.push(cells.map(cell).collect());
            }
        }
        let expected = Table { columns: table.columns.clone(), rows: expected };
        let mut options = options;
        options.schema = SchemaMode::ByName;
        place.merge("parts", "merged.parquet", &options)?;
        same_rows(&rows_of(place.read("merged.parquet")).0, &expected.batch())?;
        place.merge("parts", "merged.csv", &options)?;
        let found = String::from_utf8(place.read("merged.csv").to_vec())?;
        prop_assert_eq!(&found, &String::from_utf8(expected.csv("\n"))?);
    }

    #[test]
    fn source_columns_name_the_part_that_every_row_came_from(
        (_, cut) in any_cut(), table in table(40), options in tuning()
    ) {
        let parts = cut.parts(&table);
        let place = Place::with(false, &parts);
        let mut options = options;
        options.source_columns = true;
        place.merge("parts", "merged.parquet", &options)?;
        let (found, _) = rows_of(place.read("merged.parquet"));
        let width = table.columns.len();
        same_rows(&found.project(&(0..width).collect::<Vec<_>>())?, &table.batch())?;
        let column = |at: usize| -> Vec<Option<String>> {
            found.column(width + at).as_string::<i32>().iter().map(|cell| cell.map(str::to_owned)).collect()
        };
        let numbers: Vec<Option<String>> = parts
            .iter()
            .enumerate()
            .flat_map(|(number, part)| std::iter::repeat_n(Some(number.to_string()), part.rows))
            .collect();
        prop_assert_eq!(column(2), numbers);
        prop_assert!(column(0).iter().all(|job| job.as_deref() == Some("job_1")));
        prop_assert!(column(1).iter().all(|run| run.as_deref() == Some("2026-01-02T03-04-05Z")));
    }
}

/// The parts in `converted` merge to the table, both as CSV and as Parquet, and nothing else lies around.
fn check_merged(
    place: &Place,
    table: &Table,
    options: &Options,
    expected: &[u8],
) -> Result<(), TestCaseError> {
    let mut options = options.clone();
    options.to = None;
    place.merge("converted", "again.csv", &options)?;
    let found = place.read("again.csv");
    prop_assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(expected));
    place.merge("converted", "again.parquet", &options)?;
    same_rows(&rows_of(place.read("again.parquet")).0, &table.batch())?;
    let stray: Vec<String> = place.files().into_iter().filter(|file| file.contains(".tmp")).collect();
    prop_assert!(stray.is_empty(), "{stray:?}");
    Ok(())
}

proptest! {
    #![proptest_config(cases(8))]

    #[test]
    fn where_chunks_of_text_end_changes_nothing(
        table in long_table(), cut in cut(Format::Csv), threads in 1usize..4, is_local: bool, most in 1u64..5000,
    ) {
        let place = Place::with(is_local, &cut.parts(&table));
        let expected = (table.csv(cut.line_end(&table)), table.batch());
        for (name, memory) in [("small", Some(1)), ("usual", None)] {
            let mut options = Options::default();
            options.memory = memory;
            options.threads = Some(threads);
            let csv = format!("{name}.csv");
            place.merge("parts", &csv, &options)?;
            // Half a megabyte is too long to be shown.
            prop_assert!(place.read(&csv) == expected.0, "{} bytes, not {}", place.read(&csv).len(), expected.0.len());
            let parquet = format!("{name}.parquet");
            place.merge("parts", &parquet, &options)?;
            let (rows, _) = rows_of(place.read(&parquet));
            prop_assert!(rows.columns() == expected.1.columns() || same_rows(&rows, &expected.1).is_ok());
            let back = format!("{name}-back.csv");
            place.merge(&parquet, &back, &options)?;
            prop_assert!(place.read(&back) == table.csv("\n"));
            options.to = Some(Format::Csv);
            options.split = Some(Split::Rows(most));
            let report = place.convert("parts", &format!("{name}-parts"), &options)?;
            let wanted = table.rows.len() as u64;
            let mut start = 0;
            for (file, path) in report.outputs.iter().zip(place.written(&report)) {
                let count = file.rows.expect("rows are counted");
                prop_assert!(count == most.min(wanted - start));
                let rows = start as usize..(start + count) as usize;
                let end = cut.line_end(&table);
                let text = format!("{}{end}{}", table.header(), table.lines(rows, end));
                prop_assert!(place.read(&path) == text.as_bytes(), "{path}");
                start += count;
            }
            prop_assert_eq!(start, wanted);
        }
    }
}

/// Bytes made of what CSV readers stumble over. No column gets a name that has a type.
fn csv_soup(length: usize) -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop::sample::select(b"abbb,,,\"\"\r\n\n".to_vec());
    prop::collection::vec(bytes, 0..length)
}

/// The records as the csv crate reads them, or `None` where a quote is open at the end, which it does not mind.
fn csv_crate(text: &[u8]) -> Option<Vec<Vec<String>>> {
    let records = |text: &[u8]| -> Vec<Vec<String>> {
        csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(text)
            .records()
            .map(|record| record.expect("text").iter().map(str::to_owned).collect())
            .collect()
    };
    // Behind an open quote a further line is no record of its own.
    let probed = records(&[text, b"\nend\n"].concat());
    (probed.last().is_some_and(|last| last == &["end"])).then(|| records(text))
}

/// The cells of a batch; a null is an empty cell to the csv crate.
fn cells(batch: &RecordBatch) -> Vec<Vec<String>> {
    (0..batch.num_rows())
        .map(|row| {
            let cell = |column: &Arc<dyn Array>| {
                let text = column.as_string::<i32>();
                if text.is_null(row) { String::new() } else { text.value(row).to_owned() }
            };
            batch.columns().iter().map(cell).collect()
        })
        .collect()
}

/// What one or more parts hold by the csv crate: a header and rows, or nothing where they are no table.
fn table_by_csv_crate(parts: &[Vec<u8>]) -> Option<(Vec<String>, Vec<Vec<String>>)> {
    let (mut header, mut rows) = (None, Vec::new());
    for part in parts {
        let mut records = csv_crate(part)?.into_iter();
        let Some(first) = records.next() else { continue };
        if header.as_ref().is_some_and(|header| *header != first) {
            return None;
        }
        rows.extend(records);
        header = Some(first);
    }
    let header = header?;
    let distinct: std::collections::HashSet<&String> = header.iter().collect();
    let is_table = distinct.len() == header.len() && rows.iter().all(|row| row.len() == header.len());
    is_table.then_some((header, rows))
}

fn agrees(parts: Vec<Vec<u8>>, options: &Options) -> Result<(), TestCaseError> {
    let place = Place::new(false);
    for (number, part) in parts.iter().enumerate() {
        place.write(&format!("parts/job_1_2026-01-02T03-04-05Z_part{number}.csv"), part);
    }
    let merged = place.merge("parts", "merged.parquet", options);
    let copied = place.merge("parts", "merged.csv", options);
    match table_by_csv_crate(&parts) {
        Some((header, rows)) => {
            merged?;
            let (found, _) = rows_of(place.read("merged.parquet"));
            let names: Vec<String> =
                found.schema().fields().iter().map(|field| field.name().clone()).collect();
            prop_assert_eq!(&names, &header);
            prop_assert_eq!(cells(&found), &rows[..]);
            copied?;
            let again = table_by_csv_crate(&[place.read("merged.csv").to_vec()]);
            prop_assert_eq!(again, Some((header, rows)));
        }
        None => {
            // Not a table: an error of the data, whichever way is taken, and nothing is written.
            prop_assert!(matches!(merged, Err(Error::Data(_))), "{merged:?}");
            prop_assert!(matches!(copied, Err(Error::Data(_))), "{copied:?}");
            prop_assert!(!place.files().iter().any(|file| file.starts_with("merged")));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn arbitrary_text_is_read_as_the_csv_crate_reads_it(text in csv_soup(30)) {
        agrees(vec![text], &Options::default())?;
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn arbitrary_rows_in_several_parts_are_read_as_the_csv_crate_reads_them(
        bodies in prop::collection::vec(csv_soup(16), 1..4), width in 1usize..4
    ) {
        let header = &b"x,y,\"z\""[..[1, 3, 7][width - 1]];
        let parts = bodies.iter().map(|body| [header, b"\n", body].concat()).collect();
        agrees(parts, &Options::default())?;
    }

    #[test]
    fn rows_of_the_right_width_are_read_as_the_csv_crate_reads_them(
        rows in prop::collection::vec(prop::collection::vec(prop::sample::select(vec![
            "", "a", "\"\"", "\"b\"", "\"a,b\"", "\"\n\"", "\"\"\"\"", "a\"b", "\"a\"b", "\"a\"\"b\"c\"", " ", "\" \" ",
        ]), 3), 0..12),
        ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r\n", "\r", "\n\n", "\r\n\r\n"]), 12),
        is_ended: bool,
    ) {
        let mut text = "x,y,z\n".to_owned();
        for (row, end) in rows.iter().zip(&ends) {
            text.push_str(&row.join(","));
            text.push_str(end);
        }
        if !is_ended {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        agrees(vec![text.into_bytes()], &Options::default())?;
    }
}
