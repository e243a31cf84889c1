//! A scratch folder in which the command runs: parts lie in `in/`, output goes to `out/`. Also the rows that Parquet
//! parts are made of, and the reading of what the command wrote, by the crates `arrow` and `parquet`.

use super::fixtures::{binary, failure};
use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float64Type, Schema, TimeUnit, TimestampMicrosecondType};
use bytes::Bytes;
use forecast_export::{Error, Location, Options, Output, Report, plan, run};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The run of every part that is made here.
pub(crate) const RUN: &str = "2026-01-02T03-04-05Z";

pub(crate) struct Scratch {
    folder: TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        let scratch = Scratch { folder: tempfile::tempdir().expect("a folder") };
        std::fs::create_dir(scratch.path("in")).expect("a folder for parts");
        scratch
    }

    /// `in/sales_<run>_part0.<extension>` and so on.
    pub(crate) fn of_parts<T: AsRef<[u8]>>(extension: &str, parts: &[T]) -> Self {
        let scratch = Scratch::new();
        for (number, part) in parts.iter().enumerate() {
            scratch.write(&format!("in/sales_{RUN}_part{number}.{extension}"), part);
        }
        scratch
    }

    /// CSV parts.
    pub(crate) fn csv<T: AsRef<[u8]>>(parts: &[T]) -> Self {
        Scratch::of_parts("csv", parts)
    }

    /// Parquet parts, one for each batch, as the parquet crate writes them.
    pub(crate) fn parquet(parts: &[RecordBatch]) -> Self {
        let parts: Vec<Vec<u8>> =
            parts.iter().map(|batch| parquet_file(batch, WriterProperties::builder().build())).collect();
        Scratch::of_parts("parquet", &parts)
    }

    /// A copy of a folder of `testdata/` as `in/`.
    pub(crate) fn copy_of(source: &Path) -> Self {
        let scratch = Scratch::new();
        for file in files(source) {
            let below = file.strip_prefix(source).expect("below the source").display().to_string();
            scratch.write(&format!("in/{below}"), std::fs::read(&file).expect("a fixture"));
        }
        scratch
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, contents).expect("written");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("UTF-8")
    }

    /// The rows of a Parquet file as one batch.
    pub(crate) fn rows(&self, name: &str) -> RecordBatch {
        parquet_rows(self.read(name))
    }

    pub(crate) fn footer(&self, name: &str) -> ParquetMetaData {
        let bytes = Bytes::from(self.read(name));
        ParquetMetaDataReader::new().parse_and_finish(&bytes).expect("a footer")
    }

    /// Every file in the scratch folder but those in `in/`, in order; without receipts, which have tests of their own.
    pub(crate) fn written(&self) -> Vec<String> {
        let mut written = self.written_with_receipts();
        written.retain(|file| !file.ends_with(".receipt.json"));
        written
    }

    /// Every file in the scratch folder but those in `in/`, in order.
    pub(crate) fn written_with_receipts(&self) -> Vec<String> {
        let kept = self.path("in");
        let written = files(self.folder.path()).into_iter().filter(|file| !file.starts_with(&kept));
        written
            .map(|file| file.strip_prefix(self.folder.path()).expect("below").display().to_string())
            .collect()
    }

    /// Runs the command with arguments parted by blanks, in the scratch folder.
    pub(crate) fn output(&self, arguments: &str) -> std::process::Output {
        binary()
            .current_dir(self.folder.path())
            .args(arguments.split_whitespace())
            .output()
            .expect("the binary starts")
    }

    /// Runs the command, which must succeed; gives standard output and standard error.
    pub(crate) fn succeeds_with(&self, arguments: &str) -> (String, String) {
        let output = self.output(arguments);
        let (code, said) = failure(&output);
        assert_eq!(code, 0, "{arguments}: {said}");
        (String::from_utf8(output.stdout).expect("UTF-8"), said)
    }

    /// Runs the command, which must succeed; gives standard output.
    pub(crate) fn succeeds(&self, arguments: &str) -> String {
        self.succeeds_with(arguments).0
    }

    /// Merges `in` to CSV text.
    pub(crate) fn merged_csv(&self, flags: &str) -> String {
        self.succeeds(&format!("merge in -o - --to csv -q {flags}"))
    }

    /// Merges `in` to a Parquet file and reads it.
    pub(crate) fn merged_parquet(&self, flags: &str) -> RecordBatch {
        self.succeeds(&format!("merge in -o out/merged.parquet --overwrite {flags}"));
        self.rows("out/merged.parquet")
    }

    /// Runs the command, which must fail with an exit code, say one thing only, an error, and leave every file as it
    /// was. Gives the message without its `error: `.
    pub(crate) fn fails(&self, arguments: &str, code: i32) -> String {
        // By their hashes: some are too large to be held twice.
        let hash = |file: &Path| -> Option<blake3::Hash> {
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(std::fs::File::open(file).ok()?).ok()?;
            Some(hasher.finalize())
        };
        let contents = || -> Vec<(PathBuf, Option<blake3::Hash>)> {
            let read = |file: PathBuf| (file.clone(), hash(&file));
            files(self.folder.path()).into_iter().map(read).collect()
        };
        let before = contents();
        let output = self.output(arguments);
        let (found, said) = failure(&output);
        assert_eq!(found, code, "{arguments}: {said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments}");
        assert!(before == contents(), "{arguments}: files changed, or some were left behind");
        let message = said.strip_prefix("error: ").unwrap_or_else(|| panic!("{arguments}: {said}"));
        message.trim_end().to_owned()
    }

    /// Merges `in` by the library, in this process.
    pub(crate) fn merge(&self, target: &str, options: &Options) -> Result<Report, Error> {
        let source = Location::parse(&self.path("in").display().to_string())?;
        let output = Output::file(&self.path(target).display().to_string())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async { run(plan(&source, &output, options).await?, |_| ()).await })
    }
}

/// All files below a folder, in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    found.sort();
    found
}

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Rows from `first` on: an id, a date and two quantiles, one of them with nulls; all columns OPTIONAL.
pub(crate) fn rows(first: i32, count: i32) -> RecordBatch {
    let numbers = || first..first + count;
    let ids: ArrayRef =
        Arc::new(StringArray::from_iter_values(numbers().map(|n| format!("item_{:05}", n / 10))));
    let start = micros("2026-01-03T00:00:00Z").unwrap_or(0);
    let dates = numbers().map(|n| start + i64::from(n) % 10 * DAY);
    let dates: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(dates).with_timezone("UTC"));
    let p50: ArrayRef = Arc::new(Float64Array::from_iter_values(numbers().map(|n| f64::from(n) / 7.0)));
    let p90: ArrayRef =
        Arc::new(Float64Array::from_iter(numbers().map(|n| (n % 3 != 0).then_some(f64::from(-n)))));
    RecordBatch::try_from_iter_with_nullable([
        ("item_id", ids, true),
        ("date", dates, true),
        ("p50", p50, true),
        ("p90", p90, true),
    ])
    .expect("a batch")
}

/// A batch as a Parquet file.
pub(crate) fn parquet_file(batch: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a writer");
    writer.write(batch).expect("written");
    writer.into_inner().expect("finished")
}

/// The rows of a Parquet file, as one batch.
pub(crate) fn parquet_rows(bytes: Vec<u8>) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).expect("a Parquet file");
    let schema = Arc::new(Schema::new(reader.schema().fields().clone()));
    let batches: Vec<RecordBatch> = reader
        .build()
        .expect("a reader")
        .map(|batch| {
            let batch = batch.expect("rows");
            RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()).expect("the same columns")
        })
        .collect();
    concat_batches(&schema, &batches).expect("one batch")
}

fn column<'a>(batch: &'a RecordBatch, name: &str, expected: &DataType) -> &'a dyn Array {
    let array = batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    assert_eq!(array.data_type(), expected, "column {name}");
    array
}

/// The cells of a column of text.
pub(crate) fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Vec<Option<&'a str>> {
    column(batch, name, &DataType::Utf8).as_string::<i32>().iter().collect()
}

/// The cells of a column of doubles.
pub(crate) fn doubles(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    column(batch, name, &DataType::Float64).as_primitive::<Float64Type>().iter().collect()
}

/// The cells of a column of timestamps in UTC, as microseconds since the epoch.
pub(crate) fn instants(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    column(batch, name, &utc).as_primitive::<TimestampMicrosecondType>().iter().collect()
}

/// The cells of a column of timestamps without zone, as microseconds since the epoch of a clock on the wall.
pub(crate) fn local_times(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    let plain = DataType::Timestamp(TimeUnit::Microsecond, None);
    column(batch, name, &plain).as_primitive::<TimestampMicrosecondType>().iter().collect()
}

/// Microseconds from the epoch to a timestamp, by chrono.
pub(crate) fn micros(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let parsed = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").expect("a timestamp");
    Some(parsed.and_utc().timestamp_micros())
}

/// Names and types of a batch's columns, as `name: type`.
pub(crate) fn columns(batch: &RecordBatch) -> Vec<String> {
    let shown = |field: &Arc<arrow::datatypes::Field>| format!("{}: {}", field.name(), field.data_type());
    batch.schema().fields().iter().map(shown).collect()
}

/// `Some` around each value.
pub(crate) fn some<T: Debug + Clone>(values: &[T]) -> Vec<Option<T>> {
    values.iter().cloned().map(Some).collect()
}
