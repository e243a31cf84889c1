//! Every type that a Parquet column may have, through every way to Parquet: type, field id, values and levels come out as
//! they went in. Files are written and read at the level of stored values, so that no Arrow type stands between.

use crate::support::scratch::Scratch;
use bytes::Bytes;
use parquet::basic::Type as Physical;
use parquet::column::reader::ColumnReader;
use parquet::data_type::{
    AsBytes, BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray,
    FixedLenByteArrayType, FloatType, Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use std::sync::Arc;

/// Each stored type with each annotation that it may have.
const LEAVES: [&str; 47] = [
    "boolean x",
    "int32 x",
    "int32 x (INT_8)",
    "int32 x (INT_16)",
    "int32 x (INT_32)",
    "int32 x (UINT_8)",
    "int32 x (UINT_16)",
    "int32 x (UINT_32)",
    "int32 x (INTEGER(16,false))",
    "int32 x (DATE)",
    "int32 x (TIME_MILLIS)",
    "int32 x (TIME(MILLIS,true))",
    "int32 x (TIME(MILLIS,false))",
    "int32 x (DECIMAL(9,2))",
    "int64 x",
    "int64 x (INT_64)",
    "int64 x (UINT_64)",
    "int64 x (TIME_MICROS)",
    "int64 x (TIME(MICROS,true))",
    "int64 x (TIME(MICROS,false))",
    "int64 x (TIME(NANOS,true))",
    "int64 x (TIME(NANOS,false))",
    "int64 x (TIMESTAMP_MILLIS)",
    "int64 x (TIMESTAMP_MICROS)",
    "int64 x (TIMESTAMP(MILLIS,true))",
    "int64 x (TIMESTAMP(MILLIS,false))",
    "int64 x (TIMESTAMP(MICROS,true))",
    "int64 x (TIMESTAMP(MICROS,false))",
    "int64 x (TIMESTAMP(NANOS,true))",
    "int64 x (TIMESTAMP(NANOS,false))",
    "int64 x (DECIMAL(18,3))",
    "int64 x (DECIMAL(5,3))",
    "float x",
    "double x",
    "binary x",
    "binary x (UTF8)",
    "binary x (STRING)",
    "binary x (ENUM)",
    "binary x (JSON)",
    "binary x (BSON)",
    "binary x (DECIMAL(20,2))",
    "fixed_len_byte_array(5) x",
    "fixed_len_byte_array(16) x (UUID)",
    "fixed_len_byte_array(12) x (INTERVAL)",
    "fixed_len_byte_array(2) x (FLOAT16)",
    "fixed_len_byte_array(9) x (DECIMAL(20,5))",
    "fixed_len_byte_array(20) x (DECIMAL(40,2))",
];

/// How deep a column lies, and the levels of its rows: what is null, empty, and in which list.
struct Nesting {
    name: &'static str,
    /// With `LEAF` where the leaf stands.
    column: &'static str,
    /// For the leaf of the type, and for that of a key where there is one.
    leaf: (&'static [i16], &'static [i16], i16),
    key: Option<(&'static [i16], &'static [i16], i16)>,
}

const NESTINGS: [Nesting; 4] = [
    Nesting { name: "required", column: "required LEAF = 7;", leaf: (&[0, 0, 0, 0], &[], 0), key: None },
    Nesting { name: "optional", column: "optional LEAF = 7;", leaf: (&[1, 0, 1, 1], &[], 1), key: None },
    Nesting {
        name: "list",
        column: "optional group c (LIST) = 3 { repeated group list { optional LEAF = 7; } }",
        leaf: (&[3, 2, 0, 1, 3, 3], &[0, 1, 0, 0, 0, 1], 3),
        key: None,
    },
    Nesting {
        name: "list of structs of maps",
        column: "optional group c (LIST) { repeated group list { optional group element { optional group m (MAP) { \
                 repeated group key_value { required binary key (UTF8); optional LEAF = 7; } } } } }",
        leaf: (&[6, 5, 4, 0, 1, 2, 3, 6], &[0, 2, 1, 0, 0, 0, 1, 1], 6),
        key: Some((&[5, 5, 4, 0, 1, 2, 3, 5], &[0, 2, 1, 0, 0, 0, 1, 1], 5)),
    },
];

/// Values of a leaf as they are stored.
#[derive(Debug, Clone, PartialEq)]
struct Stored {
    values: Vec<Vec<u8>>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

/// Some values that a type may have, extreme ones among them; different from part to part.
fn values(leaf: &str, count: usize, part: usize) -> Vec<Vec<u8>> {
    let pick = |all: &[Vec<u8>]| (0..count).map(|i| all[(i + part) % all.len()].clone()).collect();
    let int32 = |all: &[i32]| pick(&all.iter().map(|v| v.to_le_bytes().to_vec()).collect::<Vec<_>>());
    let int64 = |all: &[i64]| pick(&all.iter().map(|v| v.to_le_bytes().to_vec()).collect::<Vec<_>>());
    let bytes = |all: &[&[u8]]| pick(&all.iter().map(|v| v.to_vec()).collect::<Vec<_>>());
    match leaf.split_once(" x").expect("a name") {
        ("boolean", _) => bytes(&[&[1], &[0]]),
        ("int32", " (INT_8)" | " (INT_16)") => int32(&[-128, 127, 0]),
        ("int32", " (UINT_8)" | " (UINT_16)" | " (INTEGER(16,false))") => int32(&[255, 0, 7]),
        ("int32", text) if text.contains("TIME") => int32(&[0, 86_399_999, 1]),
        ("int32", " (DECIMAL(9,2))") => int32(&[999_999_999, -999_999_999, 0]),
        ("int32", " (DATE)") => int32(&[-719_162, 0, 2_932_896]),
        ("int32", _) => int32(&[i32::MIN, i32::MAX, -1]),
        ("int64", text) if text.contains("(TIME(NANOS") => int64(&[0, 86_399_999_999_999, 1]),
        ("int64", text) if text.contains("(TIME(") || text.contains("TIME_") => {
            int64(&[0, 86_399_999_999, 1])
        }
        ("int64", text) if text.contains("MILLIS") => int64(&[-62_135_596_800_000, 253_402_300_799_999, -1]),
        ("int64", text) if text.contains("DECIMAL(5,3)") => int64(&[99_999, -99_999, 0]),
        ("int64", text) if text.contains("DECIMAL") => int64(&[999_999_999_999_999_999, -1, 0]),
        ("int64", _) => int64(&[i64::MIN, i64::MAX, -1]),
        ("float", _) => pick(&[f32::NAN, -0.0, f32::MIN].map(|v| v.to_le_bytes().to_vec())),
        ("double", _) => pick(&[f64::NAN, -0.0, f64::MIN].map(|v| v.to_le_bytes().to_vec())),
        ("binary", "") | ("binary", " (BSON)") => bytes(&[b"\xff\x00", b"", b"plain"]),
        ("binary", " (DECIMAL(20,2))") => bytes(&[&[0xff, 0x01], &[0x7f], &[0]]),
        ("binary", " (JSON)") => bytes(&[b"{\"a\":1}", b"[]", b"null"]),
        ("binary", _) => bytes(&["né".as_bytes(), b"", b"a,\"b\""]),
        ("fixed_len_byte_array(12)", _) => {
            let interval = |months: u32, days: u32, millis: u32| {
                [months, days, millis].iter().flat_map(|part| part.to_le_bytes()).collect::<Vec<u8>>()
            };
            pick(&[interval(3, 1, 5000), interval(12, 0, 0), interval(0, 40, u32::MAX)])
        }
        ("fixed_len_byte_array(2)", _) => bytes(&[&[0x00, 0x3c], &[0x00, 0xfe], &[0x00, 0x80]]),
        (fixed, _) => {
            let length: usize = fixed
                .trim_start_matches("fixed_len_byte_array(")
                .trim_end_matches(')')
                .parse()
                .expect("a length");
            pick(&[vec![0xff; length], vec![0; length], (1..=length as u8).collect()])
        }
    }
}

fn column(nesting: &Nesting, leaf: &str) -> String {
    nesting.column.replace("LEAF", leaf)
}

/// A file's schema: one column for each leaf, named by its number.
fn schema(nesting: &Nesting) -> TypePtr {
    let columns = LEAVES.iter().enumerate().map(|(i, leaf)| match nesting.column.contains("group c") {
        true => column(nesting, leaf).replacen("group c", &format!("group c{i}"), 1),
        false => column(nesting, &leaf.replacen(" x", &format!(" c{i}"), 1)),
    });
    let message = format!("message spark_schema {{ {} }}", columns.collect::<Vec<_>>().join(" "));
    Arc::new(parse_message_type(&message).unwrap_or_else(|error| panic!("{error}: {message}")))
}

/// What a part holds, leaf by leaf.
fn contents(nesting: &Nesting, part: usize) -> Vec<Stored> {
    let mut all = Vec::new();
    for leaf in LEAVES {
        if let Some((definition, repetition, most)) = nesting.key {
            let count = definition.iter().filter(|level| **level == most).count();
            let values = (0..count).map(|i| format!("key {part} {i}").into_bytes()).collect();
            all.push(Stored { values, definition: definition.to_vec(), repetition: repetition.to_vec() });
        }
        let (definition, repetition, most) = nesting.leaf;
        let count = definition.iter().filter(|level| **level == most).count();
        let values = values(leaf, count, part);
        all.push(Stored { values, definition: definition.to_vec(), repetition: repetition.to_vec() });
    }
    all
}

fn write<T: DataType>(writer: &mut SerializedColumnWriter<'_>, stored: &Stored, of: impl Fn(&[u8]) -> T::T) {
    let values: Vec<T::T> = stored.values.iter().map(|bytes| of(bytes)).collect();
    let writer = writer.typed::<T>();
    let levels = |levels: &Vec<i16>| (!levels.is_empty()).then(|| levels.clone());
    let (definition, repetition) = (levels(&stored.definition), levels(&stored.repetition));
    writer.write_batch(&values, definition.as_deref(), repetition.as_deref()).expect("written");
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("as long")
}

fn file(schema: &TypePtr, columns: &[Stored]) -> Vec<u8> {
    let keys = vec![KeyValue::new("owner".to_owned(), "me".to_owned())];
    let properties = WriterProperties::builder().set_key_value_metadata(Some(keys)).build();
    let mut file =
        SerializedFileWriter::new(Vec::new(), Arc::clone(schema), Arc::new(properties)).expect("a writer");
    let mut group = file.next_row_group().expect("a row group");
    let leaves = SchemaDescriptor::new(Arc::clone(schema));
    for (leaf, stored) in leaves.columns().iter().zip(columns) {
        let mut writer = group.next_column().expect("a column").expect("as many leaves");
        match leaf.physical_type() {
            Physical::BOOLEAN => write::<BoolType>(&mut writer, stored, |bytes| bytes[0] == 1),
            Physical::INT32 => write::<Int32Type>(&mut writer, stored, |b| i32::from_le_bytes(array(b))),
            Physical::INT64 => write::<Int64Type>(&mut writer, stored, |b| i64::from_le_bytes(array(b))),
            Physical::INT96 => write::<Int96Type>(&mut writer, stored, |bytes| {
                let words = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
                Int96::from(words.collect::<Vec<u32>>())
            }),
            Physical::FLOAT => write::<FloatType>(&mut writer, stored, |b| f32::from_le_bytes(array(b))),
            Physical::DOUBLE => write::<DoubleType>(&mut writer, stored, |b| f64::from_le_bytes(array(b))),
            Physical::BYTE_ARRAY => {
                write::<ByteArrayType>(&mut writer, stored, |b| ByteArray::from(b.to_vec()))
            }
            Physical::FIXED_LEN_BYTE_ARRAY => {
                write::<FixedLenByteArrayType>(&mut writer, stored, |b| FixedLenByteArray::from(b.to_vec()))
            }
        }
        writer.close().expect("closed");
    }
    group.close().expect("closed");
    file.finish().expect("finished");
    std::mem::take(file.inner_mut())
}

/// What a file holds, leaf by leaf, whatever its row groups.
fn read(bytes: Vec<u8>) -> (TypePtr, Vec<Stored>, Vec<KeyValue>) {
    let reader = SerializedFileReader::new(Bytes::from(bytes)).expect("a footer");
    let file = reader.metadata().file_metadata().clone();
    let leaves = file.schema_descr().num_columns();
    let mut all = vec![Stored { values: Vec::new(), definition: Vec::new(), repetition: Vec::new() }; leaves];
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).expect("a row group");
        let rows = group.metadata().num_rows() as usize;
        for (leaf, stored) in all.iter_mut().enumerate() {
            macro_rules! take {
                ($reader:expr) => {{
                    let mut values = Vec::new();
                    let (mut definition, mut repetition) = (Vec::new(), Vec::new());
                    $reader
                        .read_records(rows, Some(&mut definition), Some(&mut repetition), &mut values)
                        .expect("read");
                    stored.values.extend(values.iter().map(|value| value.as_bytes().to_vec()));
                    stored.definition.extend(definition);
                    stored.repetition.extend(repetition);
                }};
            }
            match group.get_column_reader(leaf).expect("a reader") {
                ColumnReader::BoolColumnReader(mut reader) => take!(reader),
                ColumnReader::Int32ColumnReader(mut reader) => take!(reader),
                ColumnReader::Int64ColumnReader(mut reader) => take!(reader),
                ColumnReader::Int96ColumnReader(mut reader) => take!(reader),
                ColumnReader::FloatColumnReader(mut reader) => take!(reader),
                ColumnReader::DoubleColumnReader(mut reader) => take!(reader),
                ColumnReader::ByteArrayColumnReader(mut reader) => take!(reader),
                ColumnReader::FixedLenByteArrayColumnReader(mut reader) => take!(reader),
            }
        }
    }
    let keys = file.key_value_metadata().cloned().unwrap_or_default();
    (file.schema_descr().root_schema_ptr(), all, keys)
}

/// The contents of several parts, one after the other.
fn joined(parts: &[Vec<Stored>]) -> Vec<Stored> {
    let mut all = parts[0].clone();
    for part in &parts[1..] {
        for (stored, more) in all.iter_mut().zip(part) {
            stored.values.extend(more.values.iter().cloned());
            stored.definition.extend(&more.definition);
            stored.repetition.extend(&more.repetition);
        }
    }
    all
}

/// Compares columns by name, so that a failure names the type.
fn check_types(found: &Type, expected: &Type, what: &str) {
    for ((found, expected), leaf) in found.get_fields().iter().zip(expected.get_fields()).zip(LEAVES) {
        assert_eq!(found, expected, "{what}: {leaf}");
    }
}

fn check(
    nesting: &Nesting,
    written: (TypePtr, Vec<Stored>, Vec<KeyValue>),
    parts: &[Vec<Stored>],
    what: &str,
) {
    let what = format!("{}, {what}", nesting.name);
    let (found, stored, keys) = written;
    check_types(&found, &schema(nesting), &what);
    let expected = joined(parts);
    let leaves = expected.len() / LEAVES.len();
    for (i, (found, expected)) in stored.iter().zip(&expected).enumerate() {
        let leaf = LEAVES[i / leaves];
        assert_eq!(found.values, expected.values, "{what}: {leaf}");
        if nesting.name != "required" {
            assert_eq!(found.definition, expected.definition, "{what}: {leaf}");
        }
        let is_nested = !nesting.leaf.1.is_empty();
        if is_nested {
            assert_eq!(found.repetition, expected.repetition, "{what}: {leaf}");
        }
    }
    assert!(keys.iter().any(|pair| pair.key == "owner" && pair.value.as_deref() == Some("me")), "{what}");
    assert!(keys.iter().all(|pair| pair.key != "ARROW:schema"), "{what}: the parts had none");
}

#[test]
fn every_type_stays_what_it_is_on_every_way_to_parquet() {
    for nesting in &NESTINGS {
        let schema = schema(nesting);
        let parts: Vec<Vec<Stored>> = (0..3).map(|part| contents(nesting, part)).collect();
        let files: Vec<Vec<u8>> = parts.iter().map(|part| file(&schema, part)).collect();
        let one = Scratch::of_parts("parquet", &files[..1]);
        one.succeeds("merge in -o copied.parquet --verify");
        check(nesting, read(one.read("copied.parquet")), &parts[..1], "copied");
        let scratch = Scratch::of_parts("parquet", &files);
        for (flags, what) in [
            ("", "small row groups made into one"),
            ("--row-group-rows 5", "row groups cut anew"),
            ("--compression zstd", "other pages"),
            ("--source-columns", "columns added"),
        ] {
            scratch.succeeds(&format!("merge in -o out.parquet --overwrite --verify {flags}"));
            check(nesting, read(scratch.read("out.parquet")), &parts, what);
            scratch.succeeds(&format!(
                "verify out.parquet --against in {}",
                flags.replace("--row-group-rows 5", "").replace("--compression zstd", "")
            ));
        }
        scratch.succeeds("convert in -o cut/ --to parquet --split-rows 5");
        let cut: Vec<_> = scratch.written().into_iter().filter(|name| name.starts_with("cut/")).collect();
        let cut: Vec<(TypePtr, Vec<Stored>, Vec<KeyValue>)> =
            cut.iter().map(|name| read(scratch.read(name))).collect();
        let stored: Vec<Vec<Stored>> = cut.iter().map(|(_, stored, _)| stored.clone()).collect();
        check(nesting, (Arc::clone(&cut[0].0), joined(&stored), cut[0].2.clone()), &parts, "files cut anew");
    }
}

#[test]
fn every_type_stays_what_it_is_where_one_part_has_required_columns_and_one_optional_ones() {
    let (required, optional) = (&NESTINGS[0], &NESTINGS[1]);
    let files =
        [file(&schema(required), &contents(required, 0)), file(&schema(optional), &contents(optional, 1))];
    let scratch = Scratch::of_parts("parquet", &files);
    scratch.succeeds("merge in -o out.parquet --verify");
    let mut first = contents(required, 0);
    first.iter_mut().for_each(|stored| stored.definition.fill(1));
    check(
        optional,
        read(scratch.read("out.parquet")),
        &[first, contents(optional, 1)],
        "required and optional",
    );
}

#[test]
fn every_type_stays_what_it_is_where_a_part_lacks_the_column() {
    let optional = &NESTINGS[1];
    let without = Arc::new(parse_message_type("message m { optional int32 other; }").expect("a schema"));
    let other = Stored { values: vec![7i32.to_le_bytes().to_vec()], definition: vec![1], repetition: vec![] };
    let files = [file(&schema(optional), &contents(optional, 0)), file(&without, &[other])];
    let scratch = Scratch::of_parts("parquet", &files);
    scratch.succeeds("merge in -o out.parquet --schema by-name --verify");
    let (found, stored, keys) = read(scratch.read("out.parquet"));
    let mut expected = contents(optional, 0);
    expected.iter_mut().for_each(|stored| stored.definition.push(0));
    check(optional, (found, stored[..LEAVES.len()].to_vec(), keys), &[expected], "lacking");
}

#[test]
fn another_type_of_the_same_bytes_is_found_by_verify_and_named() {
    let optional = &NESTINGS[1];
    let (schema, stored) = (schema(optional), contents(optional, 0));
    let scratch = Scratch::of_parts("parquet", &[file(&schema, &stored)]);
    for (from, to) in [
        ("fixed_len_byte_array(16) x (UUID)", "fixed_len_byte_array(16) x"),
        ("binary x (ENUM)", "binary x (STRING)"),
        ("binary x (JSON)", "binary x (UTF8)"),
        ("int64 x (TIME(MICROS,true))", "int64 x (TIME(MICROS,false))"),
        ("int64 x (TIMESTAMP(MICROS,true))", "int64 x (TIMESTAMP(MICROS,false))"),
        ("fixed_len_byte_array(12) x (INTERVAL)", "fixed_len_byte_array(12) x"),
        ("int32 x (DECIMAL(9,2))", "int32 x (DECIMAL(9,1))"),
    ] {
        let place = LEAVES.iter().position(|leaf| *leaf == from).expect("a leaf");
        let named = to.replacen(" x", &format!(" c{place}"), 1);
        let other = parse_message_type(&format!("message m {{ optional {named} = 7; }}")).expect("a type");
        let mut fields = schema.get_fields().to_vec();
        fields[place] = Arc::clone(&other.get_fields()[0]);
        let root = Type::group_type_builder("spark_schema").with_fields(fields).build().expect("a schema");
        scratch.write("other.parquet", file(&Arc::new(root), &stored));
        let said = scratch.fails("verify other.parquet --against in", 6);
        assert!(said.contains(&format!("column c{place}")), "{from} as {to}: {said}");
    }
}
