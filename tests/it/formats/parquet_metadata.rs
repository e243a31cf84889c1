//! Metadata of Parquet files that speaks of rows or columns, and is made true of an output; and columns that are not what
//! Arrow would make of them: read for CSV, aligned by name, or refused.

use crate::support::scratch::{RUN, Scratch};
use arrow::array::{
    Array, ArrayRef, BinaryArray, Decimal128Array, DurationMicrosecondArray, Float32Array, Float64Array,
    Int32Array, Int64Array, NullArray, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::data_type::{
    ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int96, Int96Type,
};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};
use std::sync::Arc;

/// A file of ids with metadata.
fn ids(rows: i64, keys: &[(&str, String)]) -> Vec<u8> {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let batch = RecordBatch::try_from_iter([("id", ids)]).expect("rows");
    let keys = keys.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone())).collect();
    let properties = WriterProperties::builder().set_key_value_metadata(Some(keys)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("written");
    writer.into_inner().expect("a file")
}

fn value(scratch: &Scratch, file: &str, key: &str) -> Option<Value> {
    let footer = scratch.footer(file);
    let pair = footer.file_metadata().key_value_metadata()?.iter().find(|pair| pair.key == key)?.clone();
    Some(serde_json::from_str(&pair.value.expect("a value")).expect("JSON"))
}

fn pandas(index: Value) -> (&'static str, String) {
    let column = json!({"name": "id", "field_name": "id", "pandas_type": "int64", "numpy_type": "int64"});
    ("pandas", json!({"index_columns": [index], "columns": [column]}).to_string())
}

fn range(start: i64, stop: i64, step: i64) -> Value {
    json!({"kind": "range", "name": null, "start": start, "stop": stop, "step": step})
}

#[test]
fn the_range_index_of_pandas_counts_the_rows_of_the_output() {
    let cases = [
        // Each part begins anew.
        ((range(0, 3, 1), range(0, 2, 1)), json!([range(0, 5, 1)])),
        // The second goes on where the first ends.
        ((range(10, 16, 2), range(16, 20, 2)), json!([range(10, 20, 2)])),
        // Nobody knows what the rows are called together: pandas counts them.
        ((range(0, 6, 2), range(0, 4, 2)), json!([])),
        ((range(5, 8, 1), range(1, 3, 1)), json!([])),
    ];
    for ((one, two), expected) in cases {
        let parts = [ids(3, &[pandas(one)]), ids(2, &[pandas(two)])];
        let scratch = Scratch::of_parts("parquet", &parts);
        for flags in ["", "--row-group-rows 2"] {
            scratch.succeeds(&format!("merge in -o out.parquet --overwrite --verify {flags}"));
            let pandas = value(&scratch, "out.parquet", "pandas").expect("the key");
            assert_eq!(pandas["index_columns"], expected, "{flags}");
        }
        // A column that was added is none of pandas'; one whose type changed is described no more.
        scratch.succeeds("merge in -o out.parquet --overwrite --type id=string");
        assert_eq!(value(&scratch, "out.parquet", "pandas").expect("the key")["columns"], json!([]));
        scratch.succeeds("convert in -o cut/ --to parquet --split-rows 2 --overwrite");
        let file = format!("cut/sales_{RUN}_part0.parquet");
        assert_eq!(value(&scratch, &file, "pandas").expect("the key")["index_columns"], json!([]));
    }
}

#[test]
fn pandas_that_differs_in_more_than_its_range_is_left_out_with_a_warning() {
    let other = ("pandas", json!({"index_columns": ["id"], "columns": []}).to_string());
    let scratch = Scratch::of_parts("parquet", &[ids(1, &[pandas(range(0, 1, 1))]), ids(1, &[other])]);
    let (_, said) = scratch.succeeds_with("merge in -o out.parquet");
    assert!(said.contains("\"pandas\" does not hold for the output, so it is left out"), "{said}");
    assert_eq!(value(&scratch, "out.parquet", "pandas"), None);
}

#[test]
fn the_bounding_box_of_geometries_is_that_around_all_parts() {
    let geo = |bbox: Option<[f64; 4]>, kind: &str| {
        let mut column = json!({"encoding": "WKB", "geometry_types": [kind]});
        if let Some(bbox) = bbox {
            column["bbox"] = json!(bbox);
        }
        ("geo", json!({"version": "1.0.0", "primary_column": "id", "columns": {"id": column}}).to_string())
    };
    let merged = |one, two| {
        let scratch = Scratch::of_parts("parquet", &[ids(1, &[one]), ids(1, &[two])]);
        scratch.succeeds("merge in -o out.parquet --verify");
        value(&scratch, "out.parquet", "geo").expect("the key")["columns"]["id"].clone()
    };
    let both = merged(geo(Some([0.0, 1.0, 2.0, 3.0]), "Point"), geo(Some([-1.0, 2.0, 1.0, 9.0]), "Polygon"));
    assert_eq!(both["bbox"], json!([-1.0, 1.0, 2.0, 9.0]));
    assert_eq!(both["geometry_types"], json!(["Point", "Polygon"]));
    let unknown = merged(geo(Some([0.0, 1.0, 2.0, 3.0]), "Point"), geo(None, "Point"));
    assert_eq!(unknown.get("bbox"), None);
    // Around the back of the globe.
    let wrapped =
        merged(geo(Some([170.0, 1.0, -170.0, 3.0]), "Point"), geo(Some([0.0, 0.0, 1.0, 1.0]), "Point"));
    assert_eq!(wrapped.get("bbox"), None);
}

#[test]
fn spark_is_told_of_columns_that_are_new_or_changed() {
    let key = "org.apache.spark.sql.parquet.row.metadata";
    let field = json!({"name": "id", "type": "long", "nullable": true, "metadata": {"comment": "mine"}});
    let spark = json!({"type": "struct", "fields": [field]}).to_string();
    let scratch =
        Scratch::of_parts("parquet", &[ids(1, &[(key, spark.clone())]), ids(1, &[(key, spark.clone())])]);
    scratch.succeeds("merge in -o same.parquet");
    assert_eq!(value(&scratch, "same.parquet", key), serde_json::from_str(&spark).ok());
    scratch.succeeds("merge in -o more.parquet --source-columns");
    let fields = value(&scratch, "more.parquet", key).expect("the key")["fields"].clone();
    let names: Vec<&str> =
        fields.as_array().expect("fields").iter().filter_map(|f| f["name"].as_str()).collect();
    assert_eq!(names, ["id", "_job", "_run", "_part"]);
    assert_eq!((&fields[0]["metadata"]["comment"], &fields[1]["type"]), (&json!("mine"), &json!("string")));
    scratch.succeeds("merge in -o text.parquet --type id=string");
    assert_eq!(value(&scratch, "text.parquet", key).expect("the key")["fields"][0]["type"], "string");
}

/// A file of four columns that Arrow has no types for, and one of bytes.
fn rare() -> Vec<u8> {
    let schema = "message m { required fixed_len_byte_array(16) u (UUID); required binary e (ENUM); \
                  required int32 t (TIME(MILLIS,true)); required fixed_len_byte_array(12) i (INTERVAL); \
                  required binary b; }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).expect("a writer");
    let mut group = file.next_row_group().expect("a row group");
    let interval: Vec<u8> = [14u32, 3, 3_723_004].iter().flat_map(|part| part.to_le_bytes()).collect();
    let mut column = group.next_column().expect("a column").expect("u");
    let uuid = FixedLenByteArray::from((0u8..16).collect::<Vec<u8>>());
    column.typed::<FixedLenByteArrayType>().write_batch(&[uuid], None, None).expect("written");
    column.close().expect("closed");
    let mut column = group.next_column().expect("a column").expect("e");
    column.typed::<ByteArrayType>().write_batch(&[ByteArray::from("RED")], None, None).expect("written");
    column.close().expect("closed");
    let mut column = group.next_column().expect("a column").expect("t");
    column.typed::<Int32Type>().write_batch(&[86_399_001], None, None).expect("written");
    column.close().expect("closed");
    let mut column = group.next_column().expect("a column").expect("i");
    let interval = FixedLenByteArray::from(interval);
    column.typed::<FixedLenByteArrayType>().write_batch(&[interval], None, None).expect("written");
    column.close().expect("closed");
    let mut column = group.next_column().expect("a column").expect("b");
    let bytes = ByteArray::from(b"caf\xc3\xa9".to_vec());
    column.typed::<ByteArrayType>().write_batch(&[bytes], None, None).expect("written");
    column.close().expect("closed");
    group.close().expect("closed");
    file.finish().expect("finished");
    std::mem::take(file.inner_mut())
}

#[test]
fn types_that_arrow_does_not_know_have_their_text_and_bytes_the_one_that_is_asked_for() {
    let scratch = Scratch::of_parts("parquet", &[rare()]);
    let said = scratch.fails("merge in -o out.csv", 5);
    assert!(said.contains("column b: CSV cannot hold the type Binary; use --type b=string"), "{said}");
    let known = "00010203-0405-0607-0809-0a0b0c0d0e0f,RED,23:59:59.001,P1Y2M3DT1H2M3.004S";
    for (flags, bytes) in
        [("--type b=string", "café"), ("--binary hex", "636166c3a9"), ("--binary base64", "Y2Fmw6k=")]
    {
        assert_eq!(scratch.merged_csv(flags), format!("u,e,t,i,b\n{known},{bytes}\n"), "{flags}");
        scratch.succeeds(&format!("merge in -o out.csv --overwrite --verify {flags}"));
        scratch.succeeds(&format!("verify out.csv --against in {flags}"));
    }
    // Every column as text, into Parquet too.
    scratch.succeeds("merge in -o text.parquet --all-strings --verify");
    let text = scratch.rows("text.parquet");
    assert!(text.schema().fields().iter().all(|field| *field.data_type() == DataType::Utf8));
}

#[test]
fn int96_keeps_far_years_and_refuses_nanoseconds_by_row_and_column() {
    let file = |values: &[[u32; 3]]| {
        let schema = Arc::new(
            parse_message_type("message m { required int96 at; required int32 n; }").expect("a schema"),
        );
        let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).expect("a writer");
        let mut group = file.next_row_group().expect("a row group");
        let values: Vec<Int96> = values.iter().map(|words| Int96::from(words.to_vec())).collect();
        let mut column = group.next_column().expect("a column").expect("at");
        column.typed::<Int96Type>().write_batch(&values, None, None).expect("written");
        column.close().expect("closed");
        let mut column = group.next_column().expect("a column").expect("n");
        column.typed::<Int32Type>().write_batch(&vec![7; values.len()], None, None).expect("written");
        column.close().expect("closed");
        group.close().expect("closed");
        file.finish().expect("finished");
        std::mem::take(file.inner_mut())
    };
    let at = |day: u32, nanos: u64| [nanos as u32, (nanos >> 32) as u32, day];
    // Julian days: 9999-12-31 and 0001-01-01.
    let far = file(&[at(5_373_484, 86_399_000_000_000), at(1_721_426, 0)]);
    let scratch = Scratch::of_parts("parquet", &[far.clone(), far]);
    let rows = "9999-12-31T23:59:59,7\n0001-01-01T00:00:00,7\n";
    assert_eq!(scratch.merged_csv(""), format!("at,n\n{rows}{rows}"));
    scratch.succeeds("merge in -o out.parquet --compression zstd --verify");
    scratch.succeeds("merge out.parquet -o out.csv");
    assert_eq!(scratch.text("out.csv"), format!("at,n\n{rows}{rows}"));
    let odd = Scratch::of_parts("parquet", &[file(&[at(2_440_588, 0), at(2_440_588, 1_001)])]);
    let said = odd.fails("merge in -o out.csv", 5);
    assert!(said.contains("row 2, column at: an INT96 timestamp has nanoseconds"), "{said}");
    odd.succeeds("merge in -o copied.parquet");
}

fn batch(column: ArrayRef) -> RecordBatch {
    let field = Field::new("x", column.data_type().clone(), true);
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column]).expect("rows")
}

#[test]
fn by_name_takes_the_type_that_holds_every_value() {
    let decimal = |value, precision, scale| -> ArrayRef {
        let array = Decimal128Array::from(vec![value]).with_precision_and_scale(precision, scale);
        Arc::new(array.expect("a decimal"))
    };
    let cases: [(ArrayRef, ArrayRef, &str, &str); 6] = [
        (Arc::new(NullArray::new(1)), Arc::new(StringArray::from(vec!["a"])), "string", "\na\n"),
        (
            Arc::new(Int32Array::from(vec![1])),
            Arc::new(Int64Array::from(vec![1 << 40])),
            "int64",
            "1\n1099511627776\n",
        ),
        (
            Arc::new(Float32Array::from(vec![0.1])),
            Arc::new(Float64Array::from(vec![0.1])),
            "double",
            "0.10000000149011612\n0.1\n",
        ),
        (
            Arc::new(TimestampMillisecondArray::from(vec![1])),
            Arc::new(TimestampMicrosecondArray::from(vec![1])),
            "timestamp(us)",
            "1970-01-01T00:00:00.001\n1970-01-01T00:00:00.000001\n",
        ),
        (decimal(150, 9, 2), decimal(15, 12, 4), "Decimal128(12, 4)", "1.5000\n0.0015\n"),
        (Arc::new(Int32Array::from(vec![7])), Arc::new(Int64Array::from(vec![8])), "int64", "7\n8\n"),
    ];
    for (one, two, expected, text) in cases {
        let scratch = Scratch::parquet(&[batch(one), batch(two)]);
        let said = scratch.fails("merge in -o out.parquet", 5);
        assert!(
            said.contains("column x: the type is") && said.contains("--schema by-name"),
            "{expected}: {said}"
        );
        scratch.succeeds("merge in -o out.parquet --schema by-name --verify");
        assert!(scratch.succeeds("schema out.parquet").contains(expected), "{expected}");
        if expected != "string" {
            scratch.succeeds("merge out.parquet -o out.csv");
            assert_eq!(scratch.text("out.csv"), format!("x\n{text}"));
        }
    }
    // What is not said to be the same is not made the same.
    let durations: ArrayRef = Arc::new(DurationMicrosecondArray::from(vec![1]));
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"a"[..]]));
    for (one, two) in [
        (Arc::new(Int64Array::from(vec![1])) as ArrayRef, durations),
        (Arc::new(StringArray::from(vec!["a"])) as ArrayRef, bytes),
        (
            Arc::new(Int32Array::from(vec![1])) as ArrayRef,
            Arc::new(Float64Array::from(vec![1.0])) as ArrayRef,
        ),
    ] {
        let scratch = Scratch::parquet(&[batch(one), batch(two)]);
        scratch.fails("merge in -o out.parquet --schema by-name", 5);
    }
}
