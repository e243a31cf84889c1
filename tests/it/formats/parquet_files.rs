//! What Parquet parts hold. No public example of an export exists, so files are made here as JVM and other writers
//! make them, and the schema is taken as it is found.

use crate::support::checksums::with_checksums;
use crate::support::scratch::{
    RUN, Scratch, columns, doubles, instants, micros, parquet_file, parquet_rows, rows, some, texts,
};
use arrow::array::cast::AsArray;
use arrow::array::types::{Int32Type, TimestampMicrosecondType, TimestampNanosecondType};
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array,
    Int32Array, Int64Array, LargeStringArray, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int96, Int96Type};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;

fn glued(parts: &[RecordBatch]) -> RecordBatch {
    concat_batches(&parts[0].schema(), parts).expect("one batch")
}

fn same_columns(found: &RecordBatch, expected: &RecordBatch) {
    assert_eq!(found.num_rows(), expected.num_rows());
    for (found, expected) in found.columns().iter().zip(expected.columns()) {
        assert_eq!(found, expected);
    }
}

/// How a merge is done, and why.
fn strategy(scratch: &Scratch, arguments: &str) -> (String, String) {
    let plan = scratch.succeeds(&format!("{arguments} --dry-run --json"));
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
    let text = |key: &str| plan[key].as_str().expect("text").to_owned();
    (text("strategy"), text("why"))
}

#[test]
fn parts_of_one_schema_are_copied_in_order_with_every_value() {
    let parts = [rows(0, 100), rows(100, 1), rows(101, 250)];
    let scratch = Scratch::parquet(&parts);
    assert_eq!(strategy(&scratch, "merge in -o out/x.parquet").0, "copy-row-groups");
    same_columns(&scratch.merged_parquet(""), &glued(&parts));
}

#[test]
fn every_codec_is_read_and_copied() {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
    ];
    let batch = rows(0, 500);
    let csv = Scratch::parquet(std::slice::from_ref(&batch)).merged_csv("");
    for codec in codecs {
        let properties = WriterProperties::builder().set_compression(codec).build();
        let scratch = Scratch::of_parts("parquet", &[parquet_file(&batch, properties)]);
        same_columns(&scratch.merged_parquet(""), &batch);
        let copied = scratch.footer("out/merged.parquet");
        assert_eq!(copied.row_group(0).column(0).compression(), codec);
        assert_eq!(scratch.merged_csv(""), csv, "{codec:?}");
        let (encoded, why) = strategy(&scratch, "merge in -o out/x.parquet --compression zstd:1");
        assert_eq!((encoded.as_str(), why.as_str()), ("transcode", "--compression re-encodes pages"));
        same_columns(&scratch.merged_parquet("--compression zstd:1"), &batch);
    }
}

#[test]
fn pages_that_have_the_codec_that_is_asked_for_are_copied() {
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
    let scratch = Scratch::of_parts("parquet", &[parquet_file(&rows(0, 500), properties.build())]);
    for (asked, expected) in [
        ("zstd", "copy-row-groups"),
        // The level of what is there is not known.
        ("zstd:3", "transcode"),
        ("snappy", "transcode"),
        ("none", "transcode"),
    ] {
        let chosen = strategy(&scratch, &format!("merge in -o out/x.parquet --compression {asked}")).0;
        assert_eq!(chosen, expected, "{asked}");
    }
    same_columns(&scratch.merged_parquet("--compression zstd"), &rows(0, 500));
}

#[test]
fn pages_of_the_second_version_are_read_and_copied() {
    let batch = rows(0, 500);
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(Compression::SNAPPY)
        .build();
    let scratch = Scratch::of_parts("parquet", &[parquet_file(&batch, properties)]);
    same_columns(&scratch.merged_parquet(""), &batch);
    let plain = Scratch::parquet(std::slice::from_ref(&batch));
    assert_eq!(scratch.merged_csv(""), plain.merged_csv(""));
}

#[test]
fn parts_of_different_codecs_are_copied_into_one_file() {
    let big = rows(0, 70_000);
    let parts: Vec<Vec<u8>> = [Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())]
        .into_iter()
        .map(|codec| parquet_file(&big, WriterProperties::builder().set_compression(codec).build()))
        .collect();
    let scratch = Scratch::of_parts("parquet", &parts);
    same_columns(&scratch.merged_parquet(""), &glued(&[big.clone(), big]));
    let footer = scratch.footer("out/merged.parquet");
    let codecs: Vec<Compression> =
        footer.row_groups().iter().map(|group| group.column(2).compression()).collect();
    assert!(matches!(codecs[..], [Compression::SNAPPY, Compression::ZSTD(_)]), "{codecs:?}");
}

#[test]
fn many_tiny_row_groups_become_one_and_large_ones_are_kept() {
    let tiny = |batch: &RecordBatch| {
        parquet_file(batch, WriterProperties::builder().set_max_row_group_row_count(Some(10)).build())
    };
    let (small, big) = (rows(0, 500), rows(500, 70_000));
    let whole = parquet_file(&big, WriterProperties::builder().build());
    let scratch = Scratch::of_parts("parquet", &[tiny(&small), whole, tiny(&small)]);
    same_columns(&scratch.merged_parquet(""), &glued(&[small.clone(), big, small]));
    let sizes: Vec<i64> =
        scratch.footer("out/merged.parquet").row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(sizes, [500, 70_000, 500]);
}

#[test]
fn row_groups_have_the_rows_that_were_asked_for() {
    let parts = [rows(0, 1000), rows(1000, 500)];
    let scratch = Scratch::parquet(&parts);
    same_columns(&scratch.merged_parquet("--row-group-rows 400"), &glued(&parts));
    let sizes: Vec<i64> =
        scratch.footer("out/merged.parquet").row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(sizes, [400, 400, 400, 300]);
}

#[test]
fn files_without_row_groups_hold_no_rows() {
    let empty = rows(0, 0);
    let parts = [empty.clone(), rows(0, 10), empty.clone(), rows(10, 10)];
    let scratch = Scratch::parquet(&parts);
    assert_eq!(scratch.footer(&format!("in/sales_{RUN}_part0.parquet")).num_row_groups(), 0);
    same_columns(&scratch.merged_parquet(""), &glued(&parts));
    assert_eq!(scratch.merged_csv("").lines().count(), 21);

    let scratch = Scratch::parquet(&[empty.clone(), empty]);
    assert_eq!(scratch.merged_csv(""), "item_id,date,p50,p90\n");
    let merged = scratch.merged_parquet("");
    assert_eq!((merged.num_rows(), merged.num_columns()), (0, 4));
}

#[test]
fn a_zero_byte_part_beside_parquet_parts_holds_no_rows() {
    let batch = rows(0, 10);
    let scratch = Scratch::of_parts("parquet", &[Vec::new(), parquet_file(&batch, WriterProperties::new())]);
    same_columns(&scratch.merged_parquet(""), &batch);
    scratch.succeeds("convert in -o again/ --to parquet");
    assert_eq!(scratch.rows(&format!("again/sales_{RUN}_part0.parquet")).num_rows(), 0);
}

#[test]
fn optional_against_required_is_no_difference() {
    let optional = rows(0, 10);
    let fields: Vec<Field> = optional.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    let required: Vec<Field> =
        fields.iter().map(|field| field.clone().with_nullable(field.name() == "p90")).collect();
    let second =
        RecordBatch::try_new(Arc::new(Schema::new(required)), rows(10, 10).columns().to_vec()).expect("rows");
    for parts in [[optional.clone(), second.clone()], [second, optional]] {
        let scratch = Scratch::parquet(&parts);
        let merged = scratch.merged_parquet("");
        same_columns(&merged, &{
            let columns: Vec<ArrayRef> = (0..4)
                .map(|i| {
                    arrow::compute::concat(&[parts[0].column(i).as_ref(), parts[1].column(i).as_ref()])
                        .expect("one")
                })
                .collect();
            RecordBatch::try_new(merged.schema(), columns).expect("rows")
        });
        assert!(merged.schema().fields().iter().all(|field| field.is_nullable()));
    }
}

#[test]
fn parts_whose_columns_differ_are_aligned_by_name_with_nulls() {
    let first = rows(0, 2);
    let second = RecordBatch::try_from_iter_with_nullable([
        ("p90", rows(2, 2).column(3).clone(), true),
        ("store", Arc::new(StringArray::from(vec!["north", "south"])) as ArrayRef, true),
        ("item_id", rows(2, 2).column(0).clone(), true),
    ])
    .expect("rows");
    let scratch = Scratch::parquet(&[first, second]);
    let merged = scratch.merged_parquet("--schema by-name");
    assert_eq!(texts(&merged, "item_id"), [Some("item_00000"); 4]);
    assert_eq!(doubles(&merged, "p50"), [Some(0.0), Some(1.0 / 7.0), None, None]);
    assert_eq!(doubles(&merged, "p90"), [None, Some(-1.0), Some(-2.0), None]);
    assert_eq!(texts(&merged, "store"), [None, None, Some("north"), Some("south")]);
    assert_eq!(
        scratch.merged_csv("--schema by-name"),
        "item_id,date,p50,p90,store\n\
         item_00000,2026-01-03T00:00:00Z,0.0,,\n\
         item_00000,2026-01-04T00:00:00Z,0.14285714285714285,-1.0,\n\
         item_00000,,,-2.0,north\n\
         item_00000,,,,south\n"
    );
}

#[test]
fn foreign_types_are_read_as_they_are() {
    let second = 1_767_398_400; // 2026-01-03T00:00:00Z
    let dictionary: DictionaryArray<Int32Type> = [Some("north"), None, Some("north")].into_iter().collect();
    let decimal = Decimal128Array::from(vec![Some(-1250), Some(5), None]).with_precision_and_scale(10, 2);
    let fields: Vec<(&str, ArrayRef)> = vec![
        ("large", Arc::new(LargeStringArray::from(vec![Some("00042"), Some("a,b"), Some("")]))),
        ("dictionary", Arc::new(dictionary)),
        ("ms", Arc::new(TimestampMillisecondArray::from(vec![second * 1_000; 3]).with_timezone("UTC"))),
        (
            "us",
            Arc::new(
                TimestampMicrosecondArray::from(vec![second * 1_000_000 + 1; 3]).with_timezone("+02:00"),
            ),
        ),
        ("ns", Arc::new(TimestampNanosecondArray::from(vec![second * 1_000_000_000; 3]))),
        ("day", Arc::new(Date32Array::from(vec![Some(0), Some(-1), None]))),
        ("decimal", Arc::new(decimal.expect("a decimal"))),
        ("float", Arc::new(Float32Array::from(vec![0.1, 1e10, f32::NAN]))),
        ("p50", Arc::new(Int32Array::from(vec![Some(-8), Some(21), None]))),
        ("p90", Arc::new(Int64Array::from(vec![i64::MAX, i64::MIN, 0]))),
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(fields.into_iter().map(|(n, a)| (n, a, true)))
        .expect("rows");
    let scratch = Scratch::parquet(&[batch]);
    let times = "2026-01-03T00:00:00Z,2026-01-03T00:00:00.000001Z,2026-01-03T00:00:00";
    let expected = format!(
        "large,dictionary,ms,us,ns,day,decimal,float,p50,p90,flag\n\
         00042,north,{times},1970-01-01,-12.50,0.1,-8,9223372036854775807,true\n\
         \"a,b\",,{times},1969-12-31,0.05,1.0E10,21,-9223372036854775808,false\n\
         \"\",north,{times},,,NaN,,0,\n"
    );
    assert_eq!(scratch.merged_csv(""), expected);
    // Copied and encoded anew, types and values stay.
    for flags in ["", "--row-group-rows 2"] {
        let merged = scratch.merged_parquet(flags);
        let types: Vec<String> = columns(&merged);
        assert_eq!(types[2], "ms: Timestamp(ms, \"UTC\")");
        assert_eq!(types[4..6], ["ns: Timestamp(ns)", "day: Date32"]);
        assert_eq!(
            types[6..10],
            ["decimal: Decimal128(10, 2)", "float: Float32", "p50: Int32", "p90: Int64"]
        );
        let csv = scratch.succeeds("merge out/merged.parquet -o - --to csv -q");
        assert_eq!(csv, expected, "{flags}");
    }
}

#[test]
fn the_arrow_schema_that_a_writer_leaves_is_a_hint_and_no_difference() {
    let plain: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let dictionary: ArrayRef = Arc::new(["c", "d"].into_iter().collect::<DictionaryArray<Int32Type>>());
    let large: ArrayRef = Arc::new(LargeStringArray::from(vec!["e", "f"]));
    let parts = [plain, dictionary, large]
        .map(|array| RecordBatch::try_from_iter_with_nullable([("item_id", array, true)]).expect("rows"));
    let scratch = Scratch::parquet(&parts);
    let merged = scratch.merged_parquet("");
    let strings = arrow::compute::cast(merged.column(0), &DataType::Utf8).expect("text");
    assert_eq!(strings.as_string::<i32>().iter().collect::<Vec<_>>(), some(&["a", "b", "c", "d", "e", "f"]));
    assert_eq!(scratch.merged_csv(""), "item_id\na\nb\nc\nd\ne\nf\n");
}

#[test]
fn a_date_may_be_text() {
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("item_id", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef, true),
        ("date", Arc::new(StringArray::from(vec!["2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z"])), true),
        ("p50", Arc::new(Float64Array::from(vec![1.0, 2.0])), true),
    ])
    .expect("rows");
    let scratch = Scratch::parquet(&[batch]);
    assert_eq!(texts(&scratch.merged_parquet(""), "date")[1], Some("2026-01-04T00:00:00Z"));
    let typed = scratch.merged_parquet("--type date=timestamp");
    assert_eq!(
        typed.schema().field(1).data_type(),
        &DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()))
    );
    assert_eq!(instants(&typed, "date"), ["2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z"].map(micros));
    let csv = "item_id,date,p50\na,2026-01-03T00:00:00Z,1.0\nb,2026-01-04T00:00:00Z,2.0\n";
    assert_eq!(scratch.merged_csv(""), csv);
}

/// As Spark and Hive write: OPTIONAL columns, Snappy, a time as INT96, no Arrow schema.
fn int96_file() -> Vec<u8> {
    let schema =
        "message spark_schema { optional binary item_id (UTF8); optional int96 date; optional double p50; }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).expect("a writer");
    let mut group = writer.next_row_group().expect("a row group");
    let mut column = group.next_column().expect("a column").expect("item_id");
    let ids = ["a", "b", "c"].map(ByteArray::from);
    column.typed::<ByteArrayType>().write_batch(&ids, Some(&[1, 1, 1]), None).expect("written");
    column.close().expect("closed");
    let mut column = group.next_column().expect("a column").expect("date");
    let at = |julian_day: u32, nanos: u64| {
        let mut value = Int96::new();
        value.set_data(nanos as u32, (nanos >> 32) as u32, julian_day);
        value
    };
    // 2440588 is the first of January 1970.
    let times = [at(2_440_588 + 20_456, 0), at(2_440_588 - 1, 86_399_000_000_000)];
    column.typed::<Int96Type>().write_batch(&times, Some(&[1, 1, 0]), None).expect("written");
    column.close().expect("closed");
    let mut column = group.next_column().expect("a column").expect("p50");
    column.typed::<DoubleType>().write_batch(&[1.5, 1e7], Some(&[1, 0, 1]), None).expect("written");
    column.close().expect("closed");
    group.close().expect("closed");
    writer.into_inner().expect("finished")
}

#[test]
fn int96_times_of_a_jvm_are_read_and_copied() {
    let file = int96_file();
    let scratch = Scratch::of_parts("snappy.parquet", &[&file, &file]);
    let rows = "a,2026-01-03T00:00:00,1.5\nb,1969-12-31T23:59:59,\nc,,1.0E7\n";
    assert_eq!(scratch.merged_csv(""), format!("item_id,date,p50\n{rows}{rows}"));
    // Copied, the type stays INT96, which the encoder would not write.
    let merged = scratch.merged_parquet("");
    let footer = scratch.footer("out/merged.parquet");
    assert_eq!(footer.num_row_groups(), 2);
    assert_eq!(footer.row_group(0).column(1).column_type(), parquet::basic::Type::INT96);
    let nanos = |batch: &RecordBatch| -> Vec<Option<i64>> {
        batch.column(1).as_primitive::<TimestampNanosecondType>().iter().collect()
    };
    let expected = [Some(1_767_398_400_000_000_000), Some(-1_000_000_000), None];
    assert_eq!(nanos(&merged), [expected, expected].concat());
    // Encoded anew, the values stay, in microseconds.
    let micros = |batch: &RecordBatch| -> Vec<Option<i64>> {
        batch.column(1).as_primitive::<TimestampMicrosecondType>().iter().collect()
    };
    let expected = expected.map(|nanos| nanos.map(|nanos| nanos / 1_000));
    assert_eq!(micros(&scratch.merged_parquet("--source-columns")), [expected, expected].concat());
}

/// A file of one required column, with the same bytes in each of its rows.
fn file_of_one(column_type: &str, value: &'static [u8], rows: usize) -> Vec<u8> {
    let schema = parse_message_type(&format!("message schema {{ {column_type} }}")).expect("a schema");
    let properties = Arc::new(WriterProperties::new());
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), properties).expect("a writer");
    let mut group = writer.next_row_group().expect("a row group");
    let mut column = group.next_column().expect("a column").expect("the column");
    let values = vec![ByteArray::from(value); rows];
    column.typed::<ByteArrayType>().write_batch(&values, None, None).expect("written");
    column.close().expect("closed");
    group.close().expect("closed");
    writer.into_inner().expect("finished")
}

#[test]
fn text_of_every_kind_is_written_to_csv_however_often_it_repeats() {
    for kind in ["UTF8", "JSON", "ENUM"] {
        for rows in [1, 1000] {
            let scratch = Scratch::of_parts(
                "parquet",
                &[file_of_one(&format!("required binary x ({kind});"), b"[1]", rows)],
            );
            assert_eq!(scratch.merged_csv(""), format!("x\n{}", "[1]\n".repeat(rows)), "{rows} of {kind}");
        }
    }
}

#[test]
fn text_of_every_kind_is_utf_8() {
    for kind in ["UTF8", "JSON", "ENUM"] {
        for rows in [1, 1000] {
            let scratch = Scratch::of_parts(
                "parquet",
                &[file_of_one(&format!("required binary x ({kind});"), b"caf\xe9", rows)],
            );
            let message = scratch.fails("merge in -o out/x.csv", 5);
            assert!(message.contains("row group 0 cannot be decoded"), "{rows} of {kind}: {message}");
        }
    }
}

#[test]
fn nested_columns_go_from_parquet_to_parquet() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
        Some(vec![Some(3)]),
    ]);
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("item_id", Arc::new(StringArray::from(vec!["a", "b", "c", "d"])) as ArrayRef, true),
        ("values", Arc::new(list) as ArrayRef, true),
    ])
    .expect("rows");
    let scratch = Scratch::parquet(&[batch.clone(), batch.clone()]);
    for flags in ["", "--row-group-rows 3"] {
        let merged = scratch.merged_parquet(flags);
        assert_eq!(merged.num_rows(), 8);
        let expected = glued(&[batch.clone(), batch.clone()]);
        assert_eq!(merged.column(1).as_list::<i32>(), expected.column(1).as_list::<i32>(), "{flags}");
    }
}

#[test]
fn not_a_number_and_infinities_survive_every_way() {
    let values = vec![Some(f64::NAN), Some(f64::NEG_INFINITY), Some(-0.0), None, Some(f64::MIN_POSITIVE)];
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("item_id", Arc::new(StringArray::from(vec!["a"; 5])) as ArrayRef, true),
        ("p50", Arc::new(Float64Array::from(values.clone())) as ArrayRef, true),
    ])
    .expect("rows");
    let bits = |batch: &RecordBatch| -> Vec<Option<u64>> {
        doubles(batch, "p50").into_iter().map(|value| value.map(f64::to_bits)).collect()
    };
    let scratch = Scratch::parquet(&[batch.clone(), batch]);
    let once: Vec<Option<u64>> = values.iter().map(|value| value.map(f64::to_bits)).collect();
    for flags in ["", "--row-group-rows 4"] {
        assert_eq!(bits(&scratch.merged_parquet(flags)), [once.clone(), once.clone()].concat(), "{flags}");
    }
    scratch.succeeds("merge in -o csv/all.csv");
    scratch.succeeds("merge csv/all.csv -o out/back.parquet");
    assert_eq!(bits(&scratch.rows("out/back.parquet")), [once.clone(), once].concat());
}

#[test]
fn pages_with_checksums_are_copied_with_them() {
    let batch = rows(0, 300);
    let file = with_checksums(&batch);
    same_columns(&parquet_rows(file.clone()), &batch);
    let scratch = Scratch::of_parts("parquet", &[&file]);
    same_columns(&scratch.merged_parquet(""), &batch);
    // The column chunks are the same bytes, wherever they lie now.
    let chunks = |name: &str| -> Vec<Vec<u8>> {
        let (bytes, footer) = (scratch.read(name), scratch.footer(name));
        let ranges = footer.row_group(0).columns().iter().map(|column| column.byte_range());
        ranges.map(|(start, length)| bytes[start as usize..(start + length) as usize].to_vec()).collect()
    };
    assert_eq!(chunks("out/merged.parquet"), chunks(&format!("in/sales_{RUN}_part0.parquet")));
}

#[test]
fn page_indexes_are_carried_along_and_fit_the_copied_pages() {
    let properties =
        WriterProperties::builder().set_data_page_row_count_limit(1000).set_write_batch_size(500).build();
    let big = rows(0, 70_000);
    let scratch = Scratch::of_parts("parquet", &[parquet_file(&big, properties)]);
    scratch.merged_parquet("");
    use parquet::arrow::arrow_reader::{
        ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
    };
    use parquet::file::metadata::PageIndexPolicy;
    let bytes = bytes::Bytes::from(scratch.read("out/merged.parquet"));
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    // The page index is what a selection of rows is found by.
    let picked = RowSelection::from(vec![RowSelector::skip(43_210), RowSelector::select(3)]);
    let reader =
        ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options).expect("with a page index");
    let batch =
        reader.with_row_selection(picked).build().expect("a reader").next().expect("rows").expect("rows");
    assert_eq!(batch.column(2), &big.slice(43_210, 3).column(2).clone());
}
