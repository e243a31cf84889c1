//! Computes the weight of rows, by which row groups are limited: the bytes of their values, regardless of the batches
//! they come in and of what else their buffers hold.

use arrow::array::cast::AsArray;
use arrow::array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use std::ops::Range;

/// Bytes of the values of a batch. The weights of two batches add up to the weight of both joined.
pub(crate) fn weight(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(|column| of(column, 0..column.len())).sum()
}

/// Overhead of a value with its own length.
const LENGTH: usize = size_of::<u32>();

fn of(array: &dyn Array, rows: Range<usize>) -> u64 {
    let flat = |bytes: usize| (bytes * rows.len()) as u64;
    let data_type = array.data_type();
    if let Some(width) = data_type.primitive_width() {
        return flat(width);
    }
    match data_type {
        DataType::Utf8 => flat(LENGTH) + between(array.as_string::<i32>().value_offsets(), rows),
        DataType::LargeUtf8 => flat(LENGTH) + between(array.as_string::<i64>().value_offsets(), rows),
        DataType::Binary => flat(LENGTH) + between(array.as_binary::<i32>().value_offsets(), rows),
        DataType::LargeBinary => flat(LENGTH) + between(array.as_binary::<i64>().value_offsets(), rows),
        DataType::Utf8View => flat(LENGTH) + lengths(array.as_string_view().views(), rows),
        DataType::BinaryView => flat(LENGTH) + lengths(array.as_binary_view().views(), rows),
        DataType::FixedSizeBinary(width) => flat(usize::try_from(*width).unwrap_or(0)),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            flat(LENGTH) + of(list.values(), inside(list.value_offsets(), rows))
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            flat(LENGTH) + of(list.values(), inside(list.value_offsets(), rows))
        }
        DataType::Map(..) => {
            let map = array.as_map();
            flat(LENGTH) + of(map.entries(), inside(map.value_offsets(), rows))
        }
        DataType::FixedSizeList(_, count) => {
            let count = usize::try_from(*count).unwrap_or(0);
            of(array.as_fixed_size_list().values(), rows.start * count..rows.end * count)
        }
        DataType::Struct(_) => {
            array.as_struct().columns().iter().map(|column| of(column, rows.clone())).sum()
        }
        DataType::Dictionary(keys, _) => {
            let of_key = |key: Option<usize>| {
                key.map_or(0, |key| of(array.as_any_dictionary().values(), key..key + 1))
            };
            macro_rules! keys {
                ($type:ty) => {
                    rows.map(|row| of_key(array.as_dictionary::<$type>().key(row))).sum()
                };
            }
            match keys.as_ref() {
                DataType::Int8 => keys!(Int8Type),
                DataType::Int16 => keys!(Int16Type),
                DataType::Int32 => keys!(Int32Type),
                DataType::Int64 => keys!(Int64Type),
                DataType::UInt8 => keys!(UInt8Type),
                DataType::UInt16 => keys!(UInt16Type),
                DataType::UInt32 => keys!(UInt32Type),
                _ => keys!(UInt64Type),
            }
        }
        // Booleans, and types that Parquet is never decoded to.
        _ => flat(1),
    }
}

fn inside<T: arrow::datatypes::ArrowNativeType>(offsets: &[T], rows: Range<usize>) -> Range<usize> {
    offsets[rows.start].as_usize()..offsets[rows.end].as_usize()
}

fn between<T: arrow::datatypes::ArrowNativeType>(offsets: &[T], rows: Range<usize>) -> u64 {
    inside(offsets, rows).len() as u64
}

/// A view begins with the length of its value.
fn lengths(views: &[u128], rows: Range<usize>) -> u64 {
    views[rows].iter().map(|view| u64::from(*view as u32)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::types::Int32Type;
    use arrow::array::{ArrayRef, DictionaryArray, Int64Array, ListArray, StringArray, StringViewArray};
    use std::sync::Arc;

    #[test]
    fn rows_weigh_the_same_in_whatever_batches_they_come() {
        let texts = [Some("a"), None, Some(""), Some("a text that a view does not hold itself"), Some("a")];
        let lists = texts.iter().enumerate().map(|(i, text)| text.map(|_| vec![Some(i as i32); i]));
        let columns: [ArrayRef; 5] = [
            Arc::new(Int64Array::from_iter_values(0..5)),
            Arc::new(StringArray::from_iter(texts)),
            Arc::new(StringViewArray::from_iter(texts)),
            Arc::new(texts.into_iter().collect::<DictionaryArray<Int32Type>>()),
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)),
        ];
        let names = ["a", "b", "c", "d", "e"];
        let batch = RecordBatch::try_from_iter_with_nullable(
            names.into_iter().zip(columns).map(|(name, column)| (name, column, true)),
        );
        let batch = batch.expect("a batch");
        let long = 39 + 2;
        let expected = 5 * 8 + 2 * (5 * 4 + long) + (4 * 4 + long) + (5 * 4 + 4 * (2 + 3 + 4));
        assert_eq!(weight(&batch), expected);
        for cut in 0..=5 {
            let parts = weight(&batch.slice(0, cut)) + weight(&batch.slice(cut, 5 - cut));
            assert_eq!(parts, expected, "cut at {cut}");
        }
    }
}
