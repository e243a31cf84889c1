//! Parquet files that lie: one number of a footer or of a page header says something else than is so. Where such a file
//! is copied, nobody decodes it on the way, so what is copied must be what the parquet crate reads from the source.

use crate::support::scale::full_or_sample;
use crate::support::scratch::{RUN, Scratch, parquet_file};
use arrow::array::types::Int64Type;
use arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field};
use forecast_export::{Error, Options};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::{WriterProperties, WriterVersion};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

const PART: &str = "in/sales_2026-01-02T03-04-05Z_part0.parquet";

/// A 32-bit or shorter, or a 64-bit number within bytes in Thrift's compact protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Number {
    from: usize,
    to: usize,
    value: i64,
    /// The ids of the fields that lead to it.
    path: Vec<i64>,
}

/// The numbers of the struct that begins at a place, and where it ends.
fn numbers(bytes: &[u8], at: usize) -> (Vec<Number>, usize) {
    let mut found = Found { bytes, at, numbers: Vec::new() };
    found.structure(&[]);
    (found.numbers, found.at)
}

struct Found<'a> {
    bytes: &'a [u8],
    at: usize,
    numbers: Vec<Number>,
}

impl Found<'_> {
    fn byte(&mut self) -> u8 {
        self.at += 1;
        self.bytes[self.at - 1]
    }

    fn varint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn zigzag(&mut self) -> i64 {
        let value = self.varint();
        (value >> 1) as i64 ^ -((value & 1) as i64)
    }

    fn structure(&mut self, path: &[i64]) {
        let mut id = 0;
        loop {
            let head = self.byte();
            if head == 0 {
                return;
            }
            id = if head >> 4 == 0 { self.zigzag() } else { id + i64::from(head >> 4) };
            self.value(head & 0x0f, &[path, &[id]].concat());
        }
    }

    fn value(&mut self, kind: u8, path: &[i64]) {
        match kind {
            1 | 2 => {}
            3 => self.at += 1,
            4..=6 => {
                let from = self.at;
                let value = self.zigzag();
                self.numbers.push(Number { from, to: self.at, value, path: path.to_vec() });
            }
            7 => self.at += 8,
            8 => {
                let length = self.varint() as usize;
                self.at += length;
            }
            9 | 10 => {
                let head = self.byte();
                let count = if head >> 4 == 15 { self.varint() } else { u64::from(head >> 4) };
                for _ in 0..count {
                    match head & 0x0f {
                        1 | 2 => self.at += 1,
                        kind => self.value(kind, path),
                    }
                }
            }
            12 => self.structure(path),
            other => panic!("a field of type {other}"),
        }
    }
}

/// A number as a varint of at least so many bytes.
fn varint(value: i64, least: usize) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while rest >= 0x80 || bytes.len() + 1 < least {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// Where the footer of a file begins.
fn footer_start(file: &[u8]) -> usize {
    let end = file.len() - 8;
    end - u32::from_le_bytes(file[end..end + 4].try_into().expect("four bytes")) as usize
}

/// The file with another number in its footer.
fn with_footer_number(file: &[u8], number: &Number, value: i64) -> Vec<u8> {
    let start = footer_start(file);
    let footer = [&file[start..number.from], &varint(value, 0), &file[number.to..file.len() - 8]].concat();
    [&file[..start], &footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
}

/// The file with another number in a page header, where it takes no more bytes.
fn with_page_number(file: &[u8], number: &Number, value: i64) -> Option<Vec<u8>> {
    let bytes = varint(value, number.to - number.from);
    (bytes.len() == number.to - number.from)
        .then(|| [&file[..number.from], &bytes, &file[number.to..]].concat())
}

/// The numbers of all page headers.
fn page_numbers(file: &[u8]) -> Vec<Number> {
    let metadata =
        ParquetMetaDataReader::new().parse_and_finish(&bytes::Bytes::from(file.to_vec())).expect("a footer");
    let mut found = Vec::new();
    for column in metadata.row_group(0).columns() {
        let (start, length) = column.byte_range();
        let mut at = start as usize;
        while at < (start + length) as usize {
            let (numbers, end) = numbers(file, at);
            let size = numbers.iter().find(|number| number.path == [3]).expect("a size").value;
            found.extend(numbers);
            at = end + size as usize;
        }
    }
    found
}

/// What may be said in place of a number.
fn lies(value: i64) -> BTreeSet<i64> {
    let all =
        [0, -1, 1, 2, 7, value + 1, value - 1, value * 2, value ^ 4, 1 << 30, 1 << 40, 1 << 62, i64::MAX];
    all.into_iter().filter(|lie| *lie != value).collect()
}

fn lists(rows: i64) -> ArrayRef {
    let lists = (0..rows).map(|row| (row % 5 > 0).then(|| (0..row % 4).map(Some).collect::<Vec<_>>()));
    Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))
}

fn table() -> RecordBatch {
    let rows = 0..150i64;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone()));
    let names: ArrayRef = Arc::new(StringArray::from_iter(
        rows.clone().map(|row| (row % 7 > 0).then(|| format!("n{}", row % 9))),
    ));
    let doubles = rows.clone().map(|row| (row % 3 > 0).then_some(row as f64 / 7.0));
    let doubles: ArrayRef = Arc::new(Float64Array::from_iter(doubles));
    let pair = StructArray::from(vec![
        (Arc::new(Field::new("a", DataType::Int64, false)), Arc::clone(&ids)),
        (Arc::new(Field::new("b", DataType::Utf8, true)), Arc::clone(&names)),
    ]);
    RecordBatch::try_from_iter_with_nullable([
        ("id", ids, false),
        ("name", names, true),
        ("p50", doubles, true),
        ("list", lists(150), true),
        ("pair", Arc::new(pair) as ArrayRef, false),
    ])
    .expect("a batch")
}

/// Small files of one row group, so that it is copied: all codecs and both versions of pages, with and without
/// dictionaries.
fn files() -> Vec<(String, Vec<u8>)> {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
        Compression::BROTLI(BrotliLevel::default()),
    ];
    let mut files = Vec::new();
    for (i, codec) in codecs.into_iter().enumerate() {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let has_dictionaries = (i + version as usize).is_multiple_of(2);
            let properties = WriterProperties::builder()
                .set_compression(codec)
                .set_writer_version(version)
                .set_dictionary_enabled(has_dictionaries)
                .set_data_page_row_count_limit(60)
                .set_write_batch_size(60);
            let file = parquet_file(&table(), properties.build());
            files.push((format!("{codec} {version:?} {has_dictionaries}"), file));
        }
    }
    let list = RecordBatch::try_from_iter_with_nullable([("list", lists(100), true)]).expect("a batch");
    files.push(("lists".into(), parquet_file(&list, WriterProperties::new())));
    files
}

/// The rows that the parquet crate reads.
fn read(file: Vec<u8>) -> Result<RecordBatch, String> {
    let rows = || {
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file)).map_err(|e| e.to_string())?;
        let schema = Arc::clone(reader.schema());
        let batches = reader.build().map_err(|e| e.to_string())?;
        let batches: Vec<RecordBatch> = batches.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
        concat_batches(&schema, &batches).map_err(|e| e.to_string())
    };
    catch_unwind(AssertUnwindSafe(rows)).unwrap_or_else(|_| Err("a panic".into()))
}

/// What came of a file that lies.
#[derive(Debug, PartialEq)]
enum Outcome {
    Refused,
    /// The copy has the rows that were there before the lie.
    Right,
    /// Source and copy are the same to the parquet crate, rows or no rows.
    AsTheSource,
    Wrong(String),
}

fn outcome(scratch: &Scratch, file: &[u8], original: &RecordBatch) -> Outcome {
    scratch.write(PART, file);
    match catch_unwind(AssertUnwindSafe(|| scratch.merge("out/x.parquet", &Options::default()))) {
        Err(_) => Outcome::Wrong("a panic".into()),
        Ok(Err(Error::Data(_))) => Outcome::Refused,
        Ok(Err(other)) => Outcome::Wrong(format!("{other:?}")),
        Ok(Ok(_)) => {
            let copy = read(scratch.read("out/x.parquet"));
            std::fs::remove_file(scratch.path("out/x.parquet")).expect("removed");
            if copy.as_ref().is_ok_and(|copy| copy.columns() == original.columns()) {
                return Outcome::Right;
            }
            match (read(file.to_vec()), copy) {
                (Err(_), Err(_)) => Outcome::AsTheSource,
                (Ok(source), Ok(copy)) if source.columns() == copy.columns() => Outcome::AsTheSource,
                (source, copy) => Outcome::Wrong(format!("{:?} became {:?}", source.err(), copy.err())),
            }
        }
    }
}

/// Whether a lie is seen only by who unpacks pages: then a copy is at least what its source is.
fn is_beyond_headers(in_footer: bool, number: &Number, lie: i64) -> bool {
    match (in_footer, number.path.as_slice()) {
        // Another schema is another table.
        (true, [2, ..]) => true,
        // Brotli and both kinds of LZ4 begin with nothing that is known.
        (true, [4, 1, 3, 4]) => [4, 5, 7].contains(&lie),
        // The values of a dictionary of text.
        (false, [7, 1]) => true,
        // How long levels are, where the values behind them do not begin with anything that is known.
        (false, [8, 5 | 6]) => true,
        _ => false,
    }
}

#[test]
fn whatever_one_number_says_a_copy_is_refused_or_right() {
    // One of so many lies is told; 1 tells them all.
    let asked = std::env::var("FORECAST_EXPORT_LIES").ok().and_then(|every| every.parse().ok());
    let every = asked.unwrap_or(full_or_sample(97, 397));
    let (mut count, mut wrong) = (0usize, Vec::new());
    for (name, file) in files() {
        let original = read(file.clone()).expect("rows");
        let scratch = Scratch::new();
        assert_eq!(outcome(&scratch, &file, &original), Outcome::Right, "{name}");
        let in_footer = numbers(&file, footer_start(&file)).0.into_iter().map(|number| (true, number));
        let in_pages = page_numbers(&file).into_iter().map(|number| (false, number));
        for (is_footer, number) in in_footer.chain(in_pages) {
            for lie in lies(number.value) {
                count += 1;
                if count % every != 0 {
                    continue;
                }
                let bad = match is_footer {
                    true => Some(with_footer_number(&file, &number, lie)),
                    false => with_page_number(&file, &number, lie),
                };
                let Some(bad) = bad else { continue };
                let outcome = outcome(&scratch, &bad, &original);
                let is_good = match &outcome {
                    Outcome::Refused | Outcome::Right => true,
                    Outcome::AsTheSource => is_beyond_headers(is_footer, &number, lie),
                    Outcome::Wrong(_) => false,
                };
                if !is_good {
                    let place = if is_footer { "footer" } else { "page" };
                    let (path, value) = (&number.path, number.value);
                    wrong.push(format!("{name}: {place} {path:?}, {value} became {lie}: {outcome:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_row_group_of_nothing_but_lists_is_counted() {
    let list = RecordBatch::try_from_iter_with_nullable([("list", lists(100), true)]).expect("a batch");
    let file = parquet_file(&list, WriterProperties::new());
    let (found, _) = numbers(&file, footer_start(&file));
    let rows: Vec<&Number> = found.iter().filter(|number| number.value == 100).collect();
    let [of_file, of_group] = [&[3][..], &[4, 3]]
        .map(|path| (*rows.iter().find(|number| number.path == path).expect("rows")).clone());
    // From the end, so that places stay.
    let file = with_footer_number(&file, &of_group, 90);
    let scratch = Scratch::of_parts("parquet", &[with_footer_number(&file, &of_file, 90)]);
    let message = scratch.fails("merge in -o out/x.parquet", 5);
    let said = "row group 0: its pages hold 100 rows, the footer says 90";
    assert_eq!(
        message,
        format!("in/sales_{RUN}_part0.parquet: {said}; the part may be damaged; fetch or export it again")
    );
}

#[test]
fn rows_without_end_are_refused_before_anything_is_written() {
    let list = RecordBatch::try_from_iter_with_nullable([("list", lists(100), true)]).expect("a batch");
    for batch in [table(), list] {
        let mut file = parquet_file(&batch, WriterProperties::new());
        let count = batch.num_rows() as i64;
        let (mut found, _) = numbers(&file, footer_start(&file));
        found
            .retain(|number| number.value == count && matches!(number.path[..], [3] | [4, 3] | [4, 1, 3, 5]));
        for number in found.iter().rev() {
            file = with_footer_number(&file, number, 1 << 62);
        }
        let scratch = Scratch::of_parts("parquet", &[&file, &file, &file]);
        for command in [
            "merge in -o out/x.parquet",
            "merge in -o out/x.csv",
            "schema in",
            "merge in -o out/x.parquet -n",
        ] {
            let message = scratch.fails(command, 5);
            assert!(message.contains(": the Parquet footer is damaged: column "), "{message}");
        }
        let listed = scratch.succeeds("ls in");
        assert!(listed.contains("3 damaged"), "{listed}");
    }
}
