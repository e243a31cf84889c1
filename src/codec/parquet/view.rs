//! Determines how to read the columns of a file. Arrow lacks some of Parquet's types, so a column that goes from
//! Parquet to Parquet is carried as stored: its values as numbers and bytes, its type separately, untouched. Otherwise
//! a column is read by its meaning. If the parquet crate would lose part of that (the months of an interval, the years
//! of INT96), the raw values are read and restored here.

use super::narrow::{leaves_of, narrowed_schema};
use super::types::{Annotation, Edit, Given, annotation, edited, is_bytes, leaves, schema_of};
use crate::codec::guard;
use crate::model::{BinaryText, MEANING_KEY, UUID};

use arrow::array::cast::AsArray;
use arrow::array::types::{IntervalMonthDayNano, TimestampNanosecondType, TimestampSecondType};
use arrow::array::{
    Array, ArrayRef, FixedSizeBinaryArray, IntervalMonthDayNanoArray, ListArray, MapArray, RecordBatch,
    StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::{LogicalType, Type as Physical};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type, TypePtr};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// How to read the columns of a file.
#[derive(Debug)]
pub(crate) struct View {
    /// The file's schema, without annotations that would change values.
    pub(super) descriptor: SchemaDescPtr,
    /// The schema requested from the decoder.
    pub(super) read: SchemaRef,
    /// The schema of a batch after its values are restored.
    pub(crate) schema: SchemaRef,
    /// The INT96 leaves.
    pub(super) int96: Vec<usize>,
    /// For each column, how its bytes become text.
    texts: Vec<Option<BinaryText>>,
}

/// How to read a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// As stored, because it goes on to Parquet.
    Carried,
    /// By the meaning of its values.
    Meant,
    /// As [`Treatment::Meant`], and bytes as text.
    Text(BinaryText),
}

const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
const SECONDS: DataType = DataType::Timestamp(TimeUnit::Second, None);

impl View {
    /// How to read a file with this schema; carried columns are read as stored.
    pub(crate) fn new(
        file: &SchemaDescriptor,
        treatment: impl Fn(usize) -> Treatment,
    ) -> Result<View, String> {
        let root = file.root_schema();
        let column = |(i, field)| (field, treatment(i) == Treatment::Carried);
        let columns: Vec<(&TypePtr, bool)> = root.get_fields().iter().enumerate().map(column).collect();
        let read_as = |edit_of: &dyn Fn(&TypePtr, bool) -> Edit| {
            let column = |(field, carried): &(&TypePtr, bool)| {
                edited(field, Given::default(), edit_of(field, *carried))
            };
            guard(|| {
                let descriptor = schema_of(root, columns.iter().map(column).collect::<Result<_, _>>()?)?;
                let schema = parquet_to_arrow_schema(&descriptor, None)?;
                Ok::<_, parquet::errors::ParquetError>((descriptor, schema))
            })
        };
        let usual = |_: &TypePtr, carried| Edit {
            bare: carried,
            bare_where_lost: true,
            text_as_string: true,
            ..Edit::default()
        };
        // An annotation that does not fit the physical type is ignored: such a column is read as stored.
        let fits = |field: &TypePtr| {
            guard(|| parquet_to_arrow_schema(&schema_of(root, vec![Arc::clone(field)])?, None)).is_ok()
        };
        let lenient =
            |field: &TypePtr, carried| Edit { bare: carried || !fits(field), ..usual(field, carried) };
        let (descriptor, bare) = read_as(&usual).or_else(|_| read_as(&lenient))?;

        let leaf_types: Vec<(&Type, bool)> = columns
            .iter()
            .flat_map(|(field, carried)| leaves(field).into_iter().map(move |leaf| (leaf, *carried)))
            .collect();
        let leaf = |i: usize| leaf_types.get(i).copied();
        let read = with_leaves(&bare, |i, found| match leaf(i) {
            Some((stored, _)) if stored.get_physical_type() == Physical::INT96 => SECONDS,
            _ => found.clone(),
        });
        let restored = with_leaves(&read, |i, found| match leaf(i) {
            Some((stored, _)) if stored.get_physical_type() == Physical::INT96 => MICROS,
            Some((stored, false)) if annotation(stored) == Some(Annotation::Interval) => {
                DataType::Interval(IntervalUnit::MonthDayNano)
            }
            _ => found.clone(),
        });
        let mut texts = Vec::with_capacity(columns.len());
        let mut fields = Vec::with_capacity(columns.len());
        for (i, (field, (stored, _))) in restored.fields().iter().zip(&columns).enumerate() {
            let text = match treatment(i) {
                Treatment::Text(text) if is_bytes(stored) => Some(text),
                _ => None,
            };
            fields.push(match (text, meaning(stored), treatment(i)) {
                (Some(_), ..) => Arc::new(Field::new(field.name(), DataType::Utf8, field.is_nullable())),
                (None, Some(meaning), Treatment::Meant | Treatment::Text(_)) => {
                    let said = HashMap::from([(MEANING_KEY.to_owned(), meaning.to_owned())]);
                    Arc::new(field.as_ref().clone().with_metadata(said))
                }
                _ => Arc::clone(field),
            });
            texts.push(text);
        }
        let is_int96 =
            |i: &usize| leaf(*i).is_some_and(|(stored, _)| stored.get_physical_type() == Physical::INT96);
        let int96 = (0..leaf_types.len()).filter(is_int96).collect();
        Ok(View {
            descriptor: Arc::new(descriptor),
            read: Arc::new(read),
            schema: Arc::new(Schema::new(fields)),
            int96,
            texts,
        })
    }
}

impl View {
    /// The view narrowed to some of the columns, given in ascending order.
    pub(crate) fn narrowed(&self, columns: &[usize]) -> Result<View, String> {
        let descriptor = guard(|| narrowed_schema(&self.descriptor, columns))?;
        let leaves = leaves_of(&self.descriptor, columns);
        let of = |schema: &Schema| schema.project(columns).map(Arc::new).map_err(|error| error.to_string());
        let int96 = leaves.iter().enumerate().filter(|(_, leaf)| self.int96.contains(leaf));
        Ok(View {
            descriptor,
            read: of(&self.read)?,
            schema: of(&self.schema)?,
            int96: int96.map(|(place, _)| place).collect(),
            texts: columns.iter().map(|column| self.texts[*column]).collect(),
        })
    }

    /// Whether a column's values are read unchanged, so that its statistics apply.
    pub(crate) fn is_unchanged(&self, column: usize) -> bool {
        let (read, restored) = (self.read.field(column), self.schema.field(column));
        self.descriptor.root_schema().get_fields()[column].is_primitive()
            && read.data_type() == restored.data_type()
    }

    /// The leaf of a column with exactly one.
    pub(crate) fn leaf(&self, column: usize) -> Option<usize> {
        let leaves = 0..self.descriptor.num_columns();
        leaves.into_iter().find(|leaf| self.descriptor.get_column_root_idx(*leaf) == column)
    }
}

fn is(stored: &Type, logical: &LogicalType) -> bool {
    matches!(annotation(stored), Some(Annotation::Logical(said)) if said == *logical)
}

/// What a column is beyond its Arrow type.
fn meaning(stored: &Type) -> Option<&'static str> {
    if stored.is_group() {
        return None;
    }
    [
        (LogicalType::Uuid, UUID),
        (LogicalType::Json, "JSON"),
        (LogicalType::Enum, "ENUM"),
        (LogicalType::Bson, "BSON"),
    ]
    .into_iter()
    .find(|(logical, _)| is(stored, logical))
    .map(|(_, meaning)| meaning)
}

/// A schema with other types of leaves; a leaf is given by its index among all.
fn with_leaves(schema: &Schema, mut change: impl FnMut(usize, &DataType) -> DataType) -> Schema {
    fn field(
        of: &FieldRef,
        next: &mut usize,
        change: &mut dyn FnMut(usize, &DataType) -> DataType,
    ) -> FieldRef {
        let changed = data_type(of.data_type(), next, change);
        if changed == *of.data_type() {
            Arc::clone(of)
        } else {
            Arc::new(of.as_ref().clone().with_data_type(changed))
        }
    }
    fn data_type(
        of: &DataType,
        next: &mut usize,
        change: &mut dyn FnMut(usize, &DataType) -> DataType,
    ) -> DataType {
        match of {
            DataType::Struct(fields) => {
                DataType::Struct(fields.iter().map(|of| field(of, next, change)).collect::<Fields>())
            }
            DataType::List(item) => DataType::List(field(item, next, change)),
            DataType::Map(entries, is_sorted) => DataType::Map(field(entries, next, change), *is_sorted),
            leaf => {
                *next += 1;
                change(*next - 1, leaf)
            }
        }
    }
    let mut next = 0;
    let fields: Vec<FieldRef> = schema.fields().iter().map(|of| field(of, &mut next, &mut change)).collect();
    Schema::new(fields)
}

/// Leaves below a type.
fn leaf_count(of: &DataType) -> usize {
    match of {
        DataType::Struct(fields) => fields.iter().map(|field| leaf_count(field.data_type())).sum(),
        DataType::List(item) | DataType::Map(item, _) => leaf_count(item.data_type()),
        _ => 1,
    }
}

/// A value that cannot be restored, with its column and its row in the batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) column: String,
    pub(super) row: usize,
    pub(super) problem: &'static str,
}

/// Restores the values of a column.
struct Restoring<'a> {
    int96: &'a [usize],
}

type Restored = Result<ArrayRef, (usize, &'static str)>;

impl View {
    /// Restores the values of a batch. `nanos` has only the INT96 leaves, in nanoseconds that wrap around; the batch
    /// has them in seconds.
    pub(super) fn restore(
        &self,
        batch: &RecordBatch,
        nanos: Option<&RecordBatch>,
        schema: &SchemaRef,
    ) -> Result<RecordBatch, Broken> {
        let mut arrays = Vec::with_capacity(batch.num_columns());
        let mut nanos = nanos.into_iter().flat_map(|nanos| nanos.columns());
        let mut first = 0;
        for ((array, field), text) in batch.columns().iter().zip(schema.fields()).zip(&self.texts) {
            let leaves = first..first + leaf_count(field.data_type());
            first = leaves.end;
            let own = if self.has_int96(&leaves) { nanos.next() } else { None };
            let restored = if array.data_type() == field.data_type() {
                Arc::clone(array)
            } else if let Some(text) = text {
                printed(array, *text)
            } else {
                Restoring { int96: &self.int96 }
                    .array(array, own, field.data_type(), leaves.start)
                    .map_err(|(row, problem)| Broken { column: field.name().clone(), row, problem })?
            };
            arrays.push(restored);
        }
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let broken = |_| Broken {
            column: String::new(),
            row: 0,
            problem: "its columns do not have the expected types",
        };
        RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options).map_err(broken)
    }

    fn has_int96(&self, leaves: &Range<usize>) -> bool {
        self.int96.iter().any(|leaf| leaves.contains(leaf))
    }
}

impl Restoring<'_> {
    fn array(&self, array: &ArrayRef, nanos: Option<&ArrayRef>, to: &DataType, first: usize) -> Restored {
        if array.data_type() == to {
            return Ok(Arc::clone(array));
        }
        match to {
            DataType::Struct(fields) => {
                let rows = array.as_struct();
                let children = self.children(rows, nanos.map(|nanos| nanos.as_struct()), fields, first)?;
                let nulls = rows.nulls().cloned();
                let made = StructArray::try_new_with_length(fields.clone(), children, nulls, rows.len());
                made.map(|made| Arc::new(made) as ArrayRef).map_err(|_| (0, MISFIT))
            }
            DataType::List(item) => {
                let lists = array.as_list::<i32>();
                let nanos = nanos.map(|nanos| nanos.as_list::<i32>().values());
                let values = self
                    .array(lists.values(), nanos, item.data_type(), first)
                    .map_err(|(at, problem)| (row_of(lists.value_offsets(), at), problem))?;
                let (offsets, nulls) = (lists.offsets().clone(), lists.nulls().cloned());
                let made = ListArray::try_new(Arc::clone(item), offsets, values, nulls);
                made.map(|made| Arc::new(made) as ArrayRef).map_err(|_| (0, MISFIT))
            }
            DataType::Map(entries, is_sorted) => {
                let maps = array.as_map();
                let DataType::Struct(fields) = entries.data_type() else { return Err((0, MISFIT)) };
                let children = self
                    .children(maps.entries(), nanos.map(|nanos| nanos.as_map().entries()), fields, first)
                    .map_err(|(at, problem)| (row_of(maps.value_offsets(), at), problem))?;
                let made = StructArray::try_new(fields.clone(), children, None).and_then(|pairs| {
                    let (offsets, nulls) = (maps.offsets().clone(), maps.nulls().cloned());
                    MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, *is_sorted)
                });
                made.map(|made| Arc::new(made) as ArrayRef).map_err(|_| (0, MISFIT))
            }
            DataType::Timestamp(TimeUnit::Microsecond, None) => match nanos {
                Some(nanos) => micros(array, nanos),
                None => Err((0, MISFIT)),
            },
            DataType::Interval(IntervalUnit::MonthDayNano) => intervals(array.as_fixed_size_binary()),
            _ => Err((0, MISFIT)),
        }
    }

    /// The children of a struct, each with the nanoseconds of its INT96 leaves, if any.
    fn children(
        &self,
        rows: &StructArray,
        nanos: Option<&StructArray>,
        fields: &Fields,
        mut first: usize,
    ) -> Result<Vec<ArrayRef>, (usize, &'static str)> {
        let mut nanos = nanos.into_iter().flat_map(|nanos| nanos.columns());
        let mut children = Vec::with_capacity(fields.len());
        for (array, field) in rows.columns().iter().zip(fields) {
            let leaves = first..first + leaf_count(field.data_type());
            let own = if self.int96.iter().any(|leaf| leaves.contains(leaf)) { nanos.next() } else { None };
            children.push(self.array(array, own, field.data_type(), first)?);
            first = leaves.end;
        }
        Ok(children)
    }
}

const MISFIT: &str = "its columns do not have the expected types";

/// The row whose list contains a value.
fn row_of(offsets: &[i32], at: usize) -> usize {
    offsets.partition_point(|offset| usize::try_from(*offset).unwrap_or(0) <= at).saturating_sub(1)
}

/// Bytes as text; each value of a dictionary once.
fn printed(array: &ArrayRef, text: BinaryText) -> ArrayRef {
    if let Some(keyed) = array.as_any_dictionary_opt() {
        return keyed.with_values(printed(keyed.values(), text));
    }
    let print = |bytes: &[u8]| match text {
        BinaryText::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        BinaryText::Base64 => BASE64_STANDARD.encode(bytes),
    };
    Arc::new(match array.data_type() {
        DataType::FixedSizeBinary(_) => {
            let cells = array.as_fixed_size_binary().iter().map(|cell| cell.map(print));
            cells.collect::<StringArray>()
        }
        _ => array.as_binary::<i32>().iter().map(|cell| cell.map(print)).collect::<StringArray>(),
    })
}

const NANOS_OF_SECOND: i64 = 1_000_000_000;

/// Combines points in time in seconds with the same in wrapped nanoseconds.
fn micros(seconds: &ArrayRef, nanos: &ArrayRef) -> Restored {
    let seconds = seconds.as_primitive::<TimestampSecondType>();
    let nanos = nanos.as_primitive::<TimestampNanosecondType>();
    if seconds.len() != nanos.len() {
        return Err((0, MISFIT));
    }
    let mut values = Vec::with_capacity(seconds.len());
    for (row, (second, nano)) in seconds.values().iter().zip(nanos.values()).enumerate() {
        if seconds.is_null(row) {
            values.push(0);
            continue;
        }
        let within = nano.wrapping_sub(second.wrapping_mul(NANOS_OF_SECOND));
        if within % 1_000 != 0 {
            return Err((row, "an INT96 timestamp has nanoseconds, but it is read in microseconds"));
        }
        let micros = second.checked_mul(1_000_000).and_then(|micros| micros.checked_add(within / 1_000));
        values.push(micros.ok_or((row, "an INT96 timestamp is out of the range of microseconds"))?);
    }
    Ok(Arc::new(TimestampMicrosecondArray::new(values.into(), seconds.nulls().cloned())))
}

/// Months, days and milliseconds, each as four unsigned bytes.
fn intervals(stored: &FixedSizeBinaryArray) -> Restored {
    let mut values = Vec::with_capacity(stored.len());
    for row in 0..stored.len() {
        if stored.is_null(row) {
            values.push(IntervalMonthDayNano::default());
            continue;
        }
        let (words, _) = stored.value(row).as_chunks::<4>();
        let &[months, days, millis] = words else { return Err((row, MISFIT)) };
        let signed = |word: [u8; 4]| i32::try_from(u32::from_le_bytes(word)).ok();
        let (Some(months), Some(days)) = (signed(months), signed(days)) else {
            return Err((row, "an interval has more than 2147483647 months or days"));
        };
        let nanos = i64::from(u32::from_le_bytes(millis)) * 1_000_000;
        values.push(IntervalMonthDayNano::new(months, days, nanos));
    }
    Ok(Arc::new(IntervalMonthDayNanoArray::new(values.into(), stored.nulls().cloned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BinaryArray, DictionaryArray};
    use arrow::datatypes::Int32Type;

    #[test]
    fn bytes_have_a_text_whether_they_are_read_one_by_one_or_as_keys() {
        let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![Some(&b"\xffa"[..]), None, Some(b"")]));
        let keyed: ArrayRef = Arc::new(
            DictionaryArray::<Int32Type>::try_new(vec![Some(2), None, Some(0)].into(), Arc::clone(&bytes))
                .expect("keys into it"),
        );
        let texts = |array: &ArrayRef, text| {
            let printed = arrow::compute::cast(&printed(array, text), &DataType::Utf8).expect("text");
            printed.as_string::<i32>().iter().map(|cell| cell.map(str::to_owned)).collect::<Vec<_>>()
        };
        let owned = |cells: [Option<&str>; 3]| cells.map(|cell| cell.map(str::to_owned)).to_vec();
        assert_eq!(texts(&bytes, BinaryText::Hex), owned([Some("ff61"), None, Some("")]));
        assert_eq!(texts(&keyed, BinaryText::Hex), owned([Some(""), None, Some("ff61")]));
        assert_eq!(texts(&keyed, BinaryText::Base64), owned([Some(""), None, Some("/2E=")]));
    }
}
