//! Tables for property tests: arbitrary rows, as the text and as the record batch they stand for, cut into the parts
//! of an export in every way that parts may lie in a folder.

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use chrono::DateTime;
use forecast_export::Format;
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use proptest::prelude::*;
use std::io::Write;
use std::sync::Arc;

/// Columns by the names that the service gives them, with the type that follows from the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Text,
    /// In UTC.
    Instant,
    /// Without a zone.
    LocalTime,
    Double,
}

const COLUMNS: [(&str, ColumnKind); 7] = [
    ("item_id", ColumnKind::Text),
    ("date", ColumnKind::Instant),
    ("store, or \"shop\"", ColumnKind::Text),
    ("backtestwindow_start_time", ColumnKind::LocalTime),
    ("p10", ColumnKind::Double),
    ("wQL[0.65]", ColumnKind::Double),
    ("mean", ColumnKind::Double),
];

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    Text(String),
    /// Microseconds since the epoch.
    Time(i64),
    Double(f64),
}

#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) columns: Vec<(&'static str, ColumnKind)>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// Tables of up to `rows` rows, with any choice of columns in any order.
pub(crate) fn table(rows: usize) -> impl Strategy<Value = Table> {
    let columns = prop::sample::subsequence(COLUMNS.to_vec(), 1..=COLUMNS.len()).prop_shuffle();
    columns.prop_flat_map(move |columns| {
        // In a file of one column an empty line would be no row, so CSV has no null there.
        let is_lone = columns.len() == 1;
        let row: Vec<BoxedStrategy<Cell>> = columns.iter().map(|(_, kind)| cell(*kind, is_lone)).collect();
        prop::collection::vec(row, 0..=rows).prop_map(move |rows| Table { columns: columns.clone(), rows })
    })
}

fn cell(kind: ColumnKind, is_lone: bool) -> BoxedStrategy<Cell> {
    let value = match kind {
        ColumnKind::Text => text().prop_map(Cell::Text).boxed(),
        ColumnKind::Instant | ColumnKind::LocalTime => time().prop_map(Cell::Time).boxed(),
        ColumnKind::Double => double().prop_map(Cell::Double).boxed(),
    };
    if is_lone { value } else { prop_oneof![1 => Just(Cell::Null), 5 => value].boxed() }
}

/// Tables of some hundred kilobytes, far more than the least chunk that text is decoded in: short rows by the thousand
/// and, among them, quoted cells of many lines, so that the ends of chunks fall everywhere.
pub(crate) fn long_table() -> impl Strategy<Value = Table> {
    let piece =
        prop::sample::select(vec!["x", ",", "\"", "\n", "\r\n", "\r", "é", "a,\"b\"\n", "\"\"", "12 "]);
    let long = prop::collection::vec((piece, 1usize..3000), 1..4)
        .prop_map(|pieces| pieces.into_iter().map(|(piece, times)| piece.repeat(times)).collect::<String>());
    (table(24), prop::collection::vec(long, 0..12), 180_000usize..400_000, any::<u64>()).prop_map(
        |(mut table, long, bytes, seed)| {
            let mut rows = table.rows.clone();
            for (i, text) in long.into_iter().enumerate() {
                let mut row = table
                    .rows
                    .get(i)
                    .cloned()
                    .unwrap_or_else(|| table.columns.iter().map(|_| Cell::Null).collect());
                if let Some(at) = table.columns.iter().position(|(_, kind)| *kind == ColumnKind::Text) {
                    row[at] = Cell::Text(text);
                    rows.push(row);
                }
            }
            if rows.is_empty() {
                return table;
            }
            table.rows = rows;
            let sizes: Vec<usize> =
                (0..table.rows.len()).map(|i| table.lines(i..i + 1, "\n").len()).collect();
            let (mut state, mut total) = (seed, 0);
            let mut picked = Vec::new();
            while total < bytes {
                // A linear congruential generator: any order will do.
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let row = (state >> 33) as usize % table.rows.len();
                picked.push(table.rows[row].clone());
                total += sizes[row];
            }
            table.rows = picked;
            table
        },
    )
}

/// Ids that others take for numbers, and text that has to be quoted.
fn text() -> impl Strategy<Value = String> {
    let awkward = [
        "00042",
        "1e5",
        "true",
        "nan",
        "NaN",
        "not defined",
        "null",
        "NULL",
        "",
        " ",
        "1.0",
        "-0",
        "Aggregate",
        "2026-01-02T03:04:05Z",
        "=1+1",
        "\\N",
        "p10",
        "item_id",
    ];
    prop_oneof![
        prop::sample::select(awkward.to_vec()).prop_map(str::to_owned),
        "[a-z0-9_]{1,12}",
        prop::collection::vec(
            prop::sample::select("a1,\"\n\r é日\u{feff}\u{1f600}';|\t".chars().collect::<Vec<_>>()),
            0..9
        )
        .prop_map(String::from_iter),
    ]
}

fn time() -> impl Strategy<Value = i64> {
    let (first, last) = (-62_167_219_200, 253_402_300_799i64);
    prop_oneof![
        (0i64..2_000).prop_map(|hours| (1_767_225_600 + hours * 3_600) * 1_000_000),
        (first..=last).prop_map(|seconds| seconds * 1_000_000),
        first * 1_000_000..=last * 1_000_000 + 999_999,
    ]
}

fn double() -> impl Strategy<Value = f64> {
    prop_oneof![
        prop::num::f64::NORMAL,
        -1e4..1e4,
        (-100i32..100).prop_map(f64::from),
        prop::sample::select(vec![
            0.0,
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1e7,
            9_999_999.999,
            1e-3,
            9.99e-4,
            2.295408381527212e-4,
            f64::MAX,
            f64::MIN_POSITIVE,
            186.7223965486312,
        ]),
    ]
}

/// A double as Java prints it, from Rust's shortest digits; subnormal numbers excepted, whose digits are a case apart.
fn java(value: f64) -> String {
    if value.is_nan() || value.is_infinite() {
        let sign = if value < 0.0 { "-" } else { "" };
        return if value.is_nan() { "NaN".to_owned() } else { format!("{sign}Infinity") };
    }
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').expect("scientific notation");
    // Where two texts of this length are equally near, Java takes the one whose last digit is even, Rust the upper one.
    let exact = format!("{value:.800e}");
    let (lower, rest) = exact.split_at(digits.len());
    let is_tie = rest.split_once('e').is_some_and(|(rest, _)| rest.trim_end_matches('0') == "5");
    let is_even = lower.ends_with(['0', '2', '4', '6', '8']);
    let digits = if is_tie && is_even && digits.contains('.') { lower } else { digits };
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

fn quoted(text: &str) -> String {
    let needs_quotes =
        text.is_empty() || text.starts_with('\u{feff}') || text.contains([',', '"', '\n', '\r']);
    if needs_quotes { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

impl Table {
    /// The header line without its end.
    pub(crate) fn header(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|(name, _)| quoted(name)).collect();
        names.join(",")
    }

    /// The lines of some rows, in the form that our CSV has.
    pub(crate) fn lines(&self, rows: std::ops::Range<usize>, line_end: &str) -> String {
        let mut text = String::new();
        for row in &self.rows[rows] {
            let cells: Vec<String> =
                row.iter().zip(&self.columns).map(|(cell, (_, kind))| cell.canonical(*kind)).collect();
            text.push_str(&cells.join(","));
            text.push_str(line_end);
        }
        text
    }

    /// The whole table as one CSV file.
    pub(crate) fn csv(&self, line_end: &str) -> Vec<u8> {
        let text = format!("{}{line_end}{}", self.header(), self.lines(0..self.rows.len(), line_end));
        text.into_bytes()
    }

    pub(crate) fn schema(&self) -> Schema {
        let fields = self.columns.iter().map(|(name, kind)| Field::new(*name, kind.data_type(), true));
        Schema::new(fields.collect::<Vec<_>>())
    }

    pub(crate) fn batch(&self) -> RecordBatch {
        let columns = self.columns.iter().enumerate().map(|(i, (_, kind))| {
            let cells = self.rows.iter().map(|row| &row[i]);
            let times = || cells.clone().map(|cell| if let Cell::Time(at) = cell { Some(*at) } else { None });
            let array: ArrayRef = match kind {
                ColumnKind::Text => Arc::new(StringArray::from_iter(cells.map(|cell| match cell {
                    Cell::Text(text) => Some(text.as_str()),
                    _ => None,
                }))),
                ColumnKind::Double => Arc::new(Float64Array::from_iter(cells.map(|cell| match cell {
                    Cell::Double(value) => Some(*value),
                    _ => None,
                }))),
                ColumnKind::Instant => {
                    Arc::new(TimestampMicrosecondArray::from_iter(times()).with_timezone("UTC"))
                }
                ColumnKind::LocalTime => Arc::new(TimestampMicrosecondArray::from_iter(times())),
            };
            array
        });
        RecordBatch::try_new(Arc::new(self.schema()), columns.collect()).expect("columns of one length")
    }
}

impl Cell {
    fn canonical(&self, kind: ColumnKind) -> String {
        match self {
            Cell::Null => String::new(),
            Cell::Text(text) => quoted(text),
            Cell::Double(value) => java(*value),
            Cell::Time(micros) => {
                let zone = if kind == ColumnKind::Instant { "Z" } else { "" };
                let time = DateTime::from_timestamp_micros(*micros).expect("years 0 to 9999");
                format!("{}{zone}", time.format("%Y-%m-%dT%H:%M:%S%.f"))
            }
        }
    }
}

impl ColumnKind {
    fn data_type(self) -> DataType {
        match self {
            ColumnKind::Text => DataType::Utf8,
            ColumnKind::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnKind::LocalTime => DataType::Timestamp(TimeUnit::Microsecond, None),
            ColumnKind::Double => DataType::Float64,
        }
    }
}

/// One file of an export.
#[derive(Debug, Clone)]
pub(crate) struct PartFile {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) rows: usize,
}

/// How a table is cut into parts, and what each looks like.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    format: Format,
    /// `\r\n` or `\n`.
    line_end: &'static str,
    /// Where parts end, as fractions of the rows in 1/1000.
    ends: Vec<u16>,
    looks: Vec<Look>,
    row_group_rows: usize,
    compression: Compression,
    version: WriterVersion,
    has_dictionary: bool,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    has_mark: bool,
    is_last_line_ended: bool,
    is_zero_bytes: bool,
    wrapping: Wrapping,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrapping {
    Plain,
    Gzip,
    Zstd,
}

/// Up to fifteen parts, so that numbers of one and of two digits occur.
pub(crate) fn cut(format: Format) -> impl Strategy<Value = Cut> {
    let wrapping =
        prop_oneof![6 => Just(Wrapping::Plain), 1 => Just(Wrapping::Gzip), 1 => Just(Wrapping::Zstd)];
    let look = (any::<bool>(), any::<bool>(), any::<bool>(), wrapping).prop_map(
        |(has_mark, is_last_line_ended, is_zero_bytes, wrapping)| Look {
            has_mark,
            is_last_line_ended,
            is_zero_bytes,
            wrapping,
        },
    );
    let compression = prop::sample::select(vec![
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
    ]);
    let version = prop::sample::select(vec![WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0]);
    (
        prop::sample::select(vec!["\n", "\r\n"]),
        prop::collection::vec(0u16..=1000, 0..15),
        prop::collection::vec(look, 15),
        1usize..30,
        (compression, version, any::<bool>()),
    )
        .prop_map(
            move |(line_end, mut ends, looks, row_group_rows, (compression, version, has_dictionary))| {
                ends.sort_unstable();
                Cut { format, line_end, ends, looks, row_group_rows, compression, version, has_dictionary }
            },
        )
}

impl Cut {
    /// The parts of a table in order; one of them at least has a header.
    pub(crate) fn parts(&self, table: &Table) -> Vec<PartFile> {
        let total = table.rows.len();
        let ends = self.ends.iter().map(|end| usize::from(*end) * total / 1000).chain([total]);
        let mut start = 0;
        let mut parts = Vec::new();
        for (number, (end, look)) in ends.zip(&self.looks).enumerate() {
            let rows = start..end;
            let is_last_hope = end == total && parts.iter().all(|part: &PartFile| part.bytes.is_empty());
            let is_zero_bytes = look.is_zero_bytes && rows.is_empty() && !is_last_hope;
            let (extension, bytes) = match self.format {
                _ if is_zero_bytes => (self.format.name(), Vec::new()),
                Format::Csv => look.wrap(look.text(table, rows.clone(), self.line_end)),
                Format::Parquet => ("parquet", self.parquet(table, rows.clone())),
            };
            let name = format!("job_1_2026-01-02T03-04-05Z_part{number}.{extension}");
            parts.push(PartFile { name, bytes, rows: rows.len() });
            start = end;
        }
        parts
    }

    /// The line end of a merge by bytes: that of the first part that shows one.
    pub(crate) fn line_end(&self, table: &Table) -> &'static str {
        let mut start = 0;
        let total = table.rows.len();
        let ends = self.ends.iter().map(|end| usize::from(*end) * total / 1000).chain([total]);
        let mut parts = self.parts(table).into_iter();
        for (end, look) in ends.zip(&self.looks) {
            let bytes = parts.next().map_or(0, |part| part.bytes.len());
            if bytes > 0 && (end > start || look.is_last_line_ended) {
                return self.line_end;
            }
            start = end;
        }
        "\n"
    }

    fn parquet(&self, table: &Table, rows: std::ops::Range<usize>) -> Vec<u8> {
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(self.row_group_rows))
            .set_compression(self.compression)
            .set_writer_version(self.version)
            .set_dictionary_enabled(self.has_dictionary)
            .build();
        let batch = table.batch().slice(rows.start, rows.len());
        let mut writer =
            ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a writer");
        writer.write(&batch).expect("rows are written");
        writer.into_inner().expect("a footer")
    }
}

impl Look {
    fn text(&self, table: &Table, rows: std::ops::Range<usize>, line_end: &str) -> Vec<u8> {
        let mut text = if self.has_mark { "\u{feff}".to_owned() } else { String::new() };
        text.push_str(&table.header());
        text.push_str(line_end);
        text.push_str(&table.lines(rows, line_end));
        if !self.is_last_line_ended {
            text.truncate(text.len() - line_end.len());
        }
        text.into_bytes()
    }

    fn wrap(&self, text: Vec<u8>) -> (&'static str, Vec<u8>) {
        match self.wrapping {
            Wrapping::Plain => ("csv", text),
            Wrapping::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&text).expect("written to memory");
                ("csv.gz", encoder.finish().expect("written to memory"))
            }
            Wrapping::Zstd => ("csv.zst", zstd::encode_all(&text[..], 1).expect("written to memory")),
        }
    }
}

#[test]
fn doubles_of_the_tables_are_printed_as_java_prints_them() {
    for (value, text) in [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (1e-3, "0.001"),
        (9.99e-4, "9.99E-4"),
        (1e7, "1.0E7"),
        (9_999_999.999, "9999999.999"),
        (2.295408381527212e-4, "2.295408381527212E-4"),
        // Halfway between ...05.2 and ...05.3.
        (1478897574675405.0 + 0.25, "1.4788975746754052E15"),
        (1478897574675405.0 + 0.75, "1.4788975746754058E15"),
        (f64::MAX, "1.7976931348623157E308"),
        (f64::NEG_INFINITY, "-Infinity"),
        (f64::NAN, "NaN"),
    ] {
        assert_eq!(java(value), text);
    }
}
