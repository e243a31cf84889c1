//! Random Arrow schemas and batches, written as Parquet parts and merged in every way: what is read back has the schema
//! and the rows that were written, or the merge was refused.
#![no_main]

use arrow::array::ArrayData;
use arrow::array::{Array, ArrayRef, RecordBatch, make_array};
use arrow::buffer::Buffer;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use forecast_export::Options;
use forecast_export_fuzz::{bytes, initialize, merge, put, store_of};
use libfuzzer_sys::fuzz_target;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::HashMap;
use std::sync::Arc;

/// What the fuzzer chose, byte by byte; zeros once that is used up.
struct Chosen<'a>(&'a [u8]);

impl Chosen<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, most: u8) -> u8 {
        self.byte() % most
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }
}

fn data_type(chosen: &mut Chosen<'_>, depth: u8) -> DataType {
    let zone = |chosen: &mut Chosen<'_>| match chosen.below(3) {
        0 => None,
        1 => Some(Arc::from("UTC")),
        _ => Some(Arc::from("Europe/Rome")),
    };
    let unit = |chosen: &mut Chosen<'_>| {
        [TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond][usize::from(chosen.below(3))]
    };
    match chosen.below(if depth > 2 { 18 } else { 20 }) {
        0 => DataType::Boolean,
        1 => DataType::Int8,
        2 => DataType::Int16,
        3 => DataType::Int32,
        4 => DataType::Int64,
        5 => DataType::UInt8,
        6 => DataType::UInt16,
        7 => DataType::UInt32,
        8 => DataType::UInt64,
        9 => DataType::Float32,
        10 => DataType::Float64,
        11 => DataType::Date32,
        12 => DataType::Timestamp(unit(chosen), zone(chosen)),
        13 => DataType::Time64(TimeUnit::Microsecond),
        14 => DataType::Duration(unit(chosen)),
        15 => DataType::Utf8,
        16 => DataType::Binary,
        17 => DataType::FixedSizeBinary(1 + i32::from(chosen.below(20))),
        18 => DataType::List(field("item", chosen, depth + 1)),
        _ => {
            let fields = (0..1 + chosen.below(3)).map(|i| field(&format!("f{i}"), chosen, depth + 1));
            DataType::Struct(fields.collect::<Fields>())
        }
    }
}

fn field(name: &str, chosen: &mut Chosen<'_>, depth: u8) -> Arc<Field> {
    let of = data_type(chosen, depth);
    let nullable = chosen.below(3) > 0;
    let field = Field::new(name, of, nullable);
    Arc::new(match chosen.below(4) {
        0 => field.with_metadata(HashMap::from([("unit".to_owned(), "kg".to_owned())])),
        _ => field,
    })
}

fn array(field: &Field, rows: usize, chosen: &mut Chosen<'_>) -> ArrayRef {
    let nulls: Option<Vec<u8>> =
        (field.is_nullable() && chosen.below(2) == 0).then(|| chosen.bytes(rows.div_ceil(8)));
    let data =
        ArrayData::builder(field.data_type().clone()).len(rows).null_bit_buffer(nulls.map(Buffer::from));
    let offsets = |chosen: &mut Chosen<'_>| {
        let mut offsets = vec![0i32];
        (0..rows).for_each(|i| offsets.push(offsets[i] + i32::from(chosen.below(4))));
        offsets
    };
    let data = match field.data_type() {
        DataType::Boolean => data.add_buffer(Buffer::from(chosen.bytes(rows.div_ceil(8)))),
        DataType::Utf8 | DataType::Binary => {
            let offsets = offsets(chosen);
            let length = usize::try_from(*offsets.last().expect("one")).expect("positive");
            let text: Vec<u8> = chosen.bytes(length).iter().map(|byte| byte & 0x7f).collect();
            data.add_buffer(Buffer::from_vec(offsets)).add_buffer(Buffer::from(text))
        }
        DataType::FixedSizeBinary(width) => {
            data.add_buffer(Buffer::from(chosen.bytes(rows * usize::try_from(*width).expect("positive"))))
        }
        DataType::Time64(_) => {
            let times: Vec<i64> = (0..rows).map(|_| i64::from(chosen.byte()) * 300_000_000).collect();
            data.add_buffer(Buffer::from_vec(times))
        }
        DataType::List(item) => {
            let offsets = offsets(chosen);
            let length = usize::try_from(*offsets.last().expect("one")).expect("positive");
            let items = array(item, length, chosen);
            data.add_buffer(Buffer::from_vec(offsets)).add_child_data(items.to_data())
        }
        DataType::Struct(fields) => {
            let children = fields.iter().map(|field| array(field, rows, chosen).to_data());
            data.child_data(children.collect())
        }
        other => {
            let width = other.primitive_width().expect("a number");
            // A vector of the widest numbers, so that all are aligned.
            let words: Vec<i64> = (0..(rows * width).div_ceil(8))
                .map(|_| i64::from_le_bytes(chosen.bytes(8).try_into().expect("eight")))
                .collect();
            data.add_buffer(Buffer::from_vec(words))
        }
    };
    make_array(data.build().expect("an array"))
}

fn batch(schema: &SchemaRef, chosen: &mut Chosen<'_>) -> RecordBatch {
    let rows = usize::from(1 + chosen.below(12));
    let columns = schema.fields().iter().map(|field| array(field, rows, chosen)).collect();
    RecordBatch::try_new(Arc::clone(schema), columns).expect("a batch")
}

fn written(batch: &RecordBatch) -> Option<Vec<u8>> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).ok()?;
    writer.write(batch).ok()?;
    writer.into_inner().ok()
}

fn read(file: bytes::Bytes) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a footer");
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> =
        reader.build().expect("a reader").map(|batch| batch.expect("rows")).collect();
    concat_batches(&schema, &batches).expect("one schema")
}

fuzz_target!(init: initialize(), |input: &[u8]| {
    let mut chosen = Chosen(input);
    let fields: Vec<Arc<Field>> =
        (0..1 + chosen.below(4)).map(|i| field(&format!("c{i}"), &mut chosen, 0)).collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let batches: Vec<RecordBatch> = (0..1 + chosen.below(3)).map(|_| batch(&schema, &mut chosen)).collect();
    let Some(parts) = batches.iter().map(written).collect::<Option<Vec<Vec<u8>>>>() else { return };
    let store = store_of("job_2026-01-02T03-04-05Z_part0.parquet", &parts[0]);
    for (i, part) in parts.iter().enumerate().skip(1) {
        put(&store, &format!("in/job_2026-01-02T03-04-05Z_part{i}.parquet"), part);
    }
    // What the parquet crate reads of its own files is what must come out.
    let originals: Vec<RecordBatch> = parts.into_iter().map(|part| read(part.into())).collect();
    // Which the arrow crate declines to do for some structs that hold nulls.
    let Ok(expected) = concat_batches(&originals[0].schema(), &originals) else { return };
    for way in 0..4 {
        let mut options = Options::default();
        options.threads = Some(1);
        options.no_receipt = true;
        match way {
            1 => options.row_group_rows = Some(5),
            2 => options.compression = Some(forecast_export::Compression::Zstd(None)),
            3 => options.source_columns = true,
            _ => {}
        }
        let target = format!("out{way}.parquet");
        merge(&store, &target, &options).unwrap_or_else(|error| panic!("way {way}: {error}"));
        let found = read(bytes(&store, &target));
        let columns = expected.num_columns();
        assert_eq!(found.num_rows(), expected.num_rows(), "way {way}");
        for (i, field) in expected.schema().fields().iter().enumerate() {
            assert_eq!(found.schema().field(i), field.as_ref(), "way {way}");
            assert_eq!(found.column(i).to_data(), expected.column(i).to_data(), "way {way}, column {i}");
        }
        assert_eq!(found.num_columns(), if way == 3 { columns + 3 } else { columns }, "way {way}");
    }
});
