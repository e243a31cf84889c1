//! Parquet parts that are damaged, cut short, or disagree.

use crate::support::checksums::with_checksums;
use crate::support::scratch::{RUN, Scratch, parquet_file, rows};
use arrow::array::types::Int32Type;
use arrow::array::{
    ArrayRef, BinaryArray, DurationMicrosecondArray, DurationSecondArray, Int64Array, ListArray, RecordBatch,
    StringArray,
};
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;

const ALL: [&str; 4] = [
    "merge in -o out/x.parquet",
    "merge in -o out/x.csv",
    "convert in -o out/",
    "convert in -o out/ --to parquet",
];

/// The message of all commands, exit code 5, without the part's name, which it begins with.
fn refused(scratch: &Scratch, part: usize, commands: &[&str]) -> String {
    let start = format!("in/sales_{RUN}_part{part}.parquet");
    let messages: Vec<String> = commands.iter().map(|command| scratch.fails(command, 5)).collect();
    assert!(messages.iter().all(|message| *message == messages[0]), "{messages:#?}");
    messages[0].strip_prefix(&start).unwrap_or_else(|| panic!("{}", messages[0])).to_owned()
}

fn file(batch: &RecordBatch) -> Vec<u8> {
    parquet_file(batch, WriterProperties::new())
}

#[test]
fn a_truncated_file_is_refused_wherever_it_is_cut() {
    let good = file(&rows(0, 100));
    for left in
        [4, 8, 12, 100, good.len() / 2, good.len() - 9, good.len() - 8, good.len() - 4, good.len() - 1]
    {
        let scratch = Scratch::of_parts("parquet", &[&good[..], &good[..left]]);
        let message = refused(&scratch, 1, &ALL);
        assert!(message.starts_with(": the Parquet footer is damaged or cut off: "), "{left}: {message}");
        assert!(message.ends_with("; fetch or export the part again"), "{left}: {message}");
    }
}

#[test]
fn a_footer_whose_length_is_wrong_is_refused() {
    let good = file(&rows(0, 100));
    for length in [0u32, 1, 7, 100_000_000, i32::MAX as u32, u32::MAX] {
        let mut bad = good.clone();
        let at = bad.len() - 8;
        bad[at..at + 4].copy_from_slice(&length.to_le_bytes());
        let scratch = Scratch::of_parts("parquet", &[bad]);
        let message = refused(&scratch, 0, &ALL);
        assert!(message.starts_with(": the Parquet footer is damaged"), "{length}: {message}");
    }
}

#[test]
fn a_footer_of_noise_is_refused() {
    let good = file(&rows(0, 100));
    let mut bad = good.clone();
    let footer =
        u32::from_le_bytes(good[good.len() - 8..good.len() - 4].try_into().expect("four bytes")) as usize;
    let start = good.len() - 8 - footer;
    bad[start..start + footer].iter_mut().enumerate().for_each(|(i, byte)| *byte = (i * 37 + 11) as u8);
    let message = refused(&Scratch::of_parts("parquet", &[bad]), 0, &ALL);
    assert!(message.starts_with(": the Parquet footer is damaged"), "{message}");
}

#[test]
fn an_encrypted_footer_is_named() {
    let mut bad = file(&rows(0, 10));
    let end = bad.len();
    bad[..4].copy_from_slice(b"PARE");
    bad[end - 4..].copy_from_slice(b"PARE");
    let message = refused(&Scratch::of_parts("parquet", &[bad]), 0, &ALL);
    assert_eq!(message, ": the Parquet footer is encrypted; export the part again without encryption");
}

#[test]
fn a_page_whose_checksum_fails_is_found_by_every_way_copying_too() {
    let batch = rows(0, 300);
    let good = with_checksums(&batch);
    let metadata =
        ParquetMetaDataReader::new().parse_and_finish(&bytes::Bytes::from(good.clone())).expect("a footer");
    // The last byte of a column chunk is the last one of its last page.
    for (column, name) in ["item_id", "date", "p50", "p90"].into_iter().enumerate() {
        let (start, length) = metadata.row_group(0).column(column).byte_range();
        let mut bad = good.clone();
        bad[(start + length) as usize - 1] ^= 1;
        let scratch = Scratch::of_parts("parquet", &[&good, &bad]);
        // Alone in its file, and large enough, a row group is copied; else it is decoded.
        for command in ALL {
            let message = scratch.fails(command, 5);
            assert!(message.starts_with(&format!("in/sales_{RUN}_part1.parquet")), "{name}: {message}");
        }
        let copied = refused(&scratch, 1, &["convert in -o out/ --to parquet"]);
        assert!(
            copied.starts_with(&format!(", column {name}: row group 0: a page's checksum is ")),
            "{copied}"
        );
        assert!(copied.ends_with("; the part may be damaged; fetch or export it again"), "{copied}");
        let decoded = refused(&scratch, 1, &["merge in -o out/x.csv", "convert in -o out/"]);
        assert!(decoded.starts_with(": row group 0 cannot be decoded: "), "{decoded}");
    }
}

#[test]
fn a_page_that_cannot_be_decoded_is_found_when_it_is_decoded() {
    let batch = rows(0, 300);
    let good = file(&batch);
    let metadata =
        ParquetMetaDataReader::new().parse_and_finish(&bytes::Bytes::from(good.clone())).expect("a footer");
    let (start, length) = metadata.row_group(0).column(0).byte_range();
    let mut bad = good.clone();
    bad[start as usize + 4..(start + length) as usize].fill(0xff);
    let scratch = Scratch::of_parts("parquet", &[&good, &bad]);
    let decoding =
        ["merge in -o out/x.csv", "merge in -o out/x.parquet --row-group-rows 100", "convert in -o out/"];
    let message = refused(&scratch, 1, &decoding);
    assert!(message.starts_with(": row group 0 cannot be decoded: "), "{message}");
    assert!(message.ends_with("; the part may be damaged; fetch or export it again"), "{message}");
    // Copying walks over the headers of pages, and these are gone.
    let message = refused(&scratch, 1, &["convert in -o out/ --to parquet"]);
    assert!(message.starts_with(", column item_id: row group 0: "), "{message}");
}

#[test]
fn a_cut_page_is_found_when_its_column_chunk_is_copied() {
    // The footer says that the last column is longer than its pages are.
    let batch = rows(0, 300);
    let good = with_checksums(&batch);
    let metadata =
        ParquetMetaDataReader::new().parse_and_finish(&bytes::Bytes::from(good.clone())).expect("a footer");
    let (start, length) = metadata.row_group(0).column(3).byte_range();
    let mut bad = good.clone();
    bad[start as usize..(start + length) as usize].fill(0);
    let message = refused(&Scratch::of_parts("parquet", &[bad]), 0, &["merge in -o out/x.parquet"]);
    assert!(message.starts_with(", column p90: row group 0: a page header "), "{message}");
}

#[test]
fn nested_columns_have_no_csv_and_are_named() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)]), None]);
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("item_id", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef, true),
        ("values", Arc::new(list) as ArrayRef, true),
    ]);
    let scratch = Scratch::parquet(&[batch.expect("rows")]);
    for command in ["merge in -o out/x.csv", "convert in -o out/", "merge in -o - --to csv"] {
        let message = refused(&scratch, 0, &[command]);
        assert!(message.starts_with(", column values: CSV cannot hold the type List("), "{message}");
        assert!(message.ends_with("; write Parquet, or export without the column"), "{message}");
    }
}

#[test]
fn bytes_that_no_one_called_text_have_no_csv() {
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"caf\xe9"[..], b"b"]));
    let batch = RecordBatch::try_from_iter_with_nullable([("item_id", bytes, true)]).expect("rows");
    let scratch = Scratch::parquet(std::slice::from_ref(&batch));
    assert_eq!(
        refused(&scratch, 0, &["merge in -o out/x.csv", "convert in -o out/"]),
        ", column item_id: CSV cannot hold the type Binary; use --type item_id=string if they are UTF-8, \
         --binary hex or base64 for any bytes; or write Parquet"
    );
    assert_eq!(scratch.merged_parquet("").column(0), batch.column(0));
}

#[test]
fn another_type_in_another_part_is_refused_with_part_and_column() {
    let double = rows(0, 3);
    let mut columns = double.columns().to_vec();
    columns[2] = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let names = ["item_id", "date", "p50", "p90"];
    let int =
        RecordBatch::try_from_iter_with_nullable(names.into_iter().zip(columns).map(|(n, c)| (n, c, true)));
    let scratch = Scratch::parquet(&[double, int.expect("rows")]);
    let expected = format!(
        ", column p50: the type is INT64 here but DOUBLE in sales_{RUN}_part0.parquet; use --type p50=TYPE \
         to give it one type"
    );
    assert_eq!(refused(&scratch, 1, &ALL), expected);
    assert_eq!(refused(&scratch, 1, &["schema in", "merge in -o out/x.csv --schema by-name"]), expected);
}

/// A file without rows, of these columns.
fn columns_alone(columns: &str) -> Vec<u8> {
    let schema = parse_message_type(&format!("message schema {{ {columns} }}")).expect("a schema");
    let writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::default()).expect("a writer");
    writer.into_inner().expect("finished")
}

#[test]
fn types_that_would_lose_their_meaning_are_not_aligned() {
    let cases = [
        (["optional binary x (JSON);", "optional binary x (UTF8);"], ["JSON", "STRING"]),
        (
            ["optional fixed_len_byte_array(16) x (UUID);", "optional fixed_len_byte_array(16) x;"],
            ["UUID", "FIXED_LEN_BYTE_ARRAY(16)"],
        ),
        (
            ["optional int32 x (TIME(MILLIS,true));", "optional int64 x (TIME(MICROS,true));"],
            ["TIME(MILLIS, UTC)", "TIME(MICROS, UTC)"],
        ),
    ];
    for (columns, [first, second]) in cases {
        let scratch = Scratch::of_parts("parquet", &columns.map(columns_alone));
        assert_eq!(
            refused(
                &scratch,
                1,
                &["merge in -o out/x.parquet", "merge in -o out/x.parquet --schema by-name"]
            ),
            format!(
                ", column x: the type is {second} here but {first} in sales_{RUN}_part0.parquet; use --type \
                 x=TYPE to give it one type"
            )
        );
    }
}

/// Parquet stores them as numbers: only the Arrow schema says of what.
#[test]
fn durations_of_another_unit_are_refused() {
    let part = |durations: ArrayRef| {
        RecordBatch::try_from_iter_with_nullable([("wait", durations, true)]).expect("rows")
    };
    let seconds = part(Arc::new(DurationSecondArray::from(vec![1])));
    let micros = part(Arc::new(DurationMicrosecondArray::from(vec![1])));
    let numbers = part(Arc::new(Int64Array::from(vec![1])));
    for (other, unit) in [(micros, "microseconds"), (numbers, "numbers of no unit")] {
        let scratch = Scratch::parquet(&[seconds.clone(), other]);
        assert_eq!(
            refused(
                &scratch,
                1,
                &["merge in -o out/x.parquet", "merge in -o out/x.parquet --schema by-name"]
            ),
            format!(
                ", column wait: durations are in {unit} here but in seconds in sales_{RUN}_part0.parquet; \
                 use --type wait=TYPE to give it one type"
            )
        );
    }
}

#[test]
fn other_columns_in_another_part_are_refused_with_part_and_column() {
    let other = rows(0, 3).project(&[0, 1, 3]).expect("three columns");
    let scratch = Scratch::parquet(&[rows(0, 3), other]);
    assert_eq!(
        refused(&scratch, 1, &ALL),
        format!(
            ", column p90: the header differs from that of sales_{RUN}_part0.parquet: column 3 is \"p50\" \
             there and \"p90\" here; use --schema by-name to align columns by name"
        )
    );
}

#[test]
fn a_value_that_would_change_with_its_type_is_refused() {
    let scratch = Scratch::parquet(&[rows(0, 3)]);
    let message = scratch.fails("merge in -o out/x.parquet --type p50=int64", 5);
    assert_eq!(
        message,
        format!(
            "in/sales_{RUN}_part0.parquet, column p50: a value changes when Float64 becomes Int64; use \
             --type p50=string to keep every value"
        )
    );
    let message = scratch.fails("merge in -o out/x.parquet --type item_id=double", 5);
    assert!(
        message.starts_with(&format!(
            "in/sales_{RUN}_part0.parquet, column item_id: not a number that fits a double: \"item_00000\""
        )),
        "{message}"
    );
}

/// A footer in Thrift's compact protocol by hand, behind the magic bytes: one row group, with one column chunk that has
/// nothing but this.
fn with_footer_of(chunk: &[u8]) -> Vec<u8> {
    let footer = [&[0x49, 0x1c, 0x19, 0x1c][..], chunk, &[0, 0]].concat();
    [b"PAR1", &footer[..], &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
}

#[test]
fn an_encrypted_column_behind_a_plain_footer_is_named() {
    // ColumnMetaData with path_in_schema, and ColumnCryptoMetaData: a key of the footer, or of the column.
    let by_footer_key = with_footer_of(b"\x3c\x39\x18\x06secret\0\x5c\x1c\0\0\0");
    let by_own_key = with_footer_of(b"\x8c\x2c\x19\x18\x06secret\0\0\0");
    let good = file(&rows(0, 10));
    for bad in [by_footer_key, by_own_key] {
        let scratch = Scratch::of_parts("parquet", &[&good, &bad]);
        let commands = ["schema in", "merge in -o out/x.parquet -n", "verify in --against in"];
        let message = refused(&scratch, 1, &[&ALL[..], &commands].concat());
        assert_eq!(
            message,
            ", column secret: the column is encrypted; export the part again without encryption"
        );
        let listed = scratch.succeeds("ls in -v");
        assert!(listed.contains("column secret: the column is encrypted"), "{listed}");
    }
}
