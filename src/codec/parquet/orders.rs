//! Converts the bounds of copied columns to the order that our files declare. A file declares for each column the order
//! of its bounds, and readers ignore bounds of an unknown order. Our files declare the order that a column's type
//! defines, which every reader knows; bounds in another order are converted or left out.

use super::encoded::{PageIndexes, failed};
use crate::model::Result;

use parquet::basic::{ColumnOrder, LogicalType, SortOrder, Type as Physical};
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::schema::types::ColumnDescriptor;

/// A row group of a file and its page indexes, by column, if it has them. Whatever orders the file declares, these
/// bounds are in the orders that the columns' types define.
pub(super) fn row_group_of(
    metadata: &ParquetMetaData,
    row_group: usize,
) -> Result<(RowGroupMetaData, PageIndexes)> {
    let group = metadata.row_group(row_group);
    let found = metadata.page_index_for_row_group(row_group);
    let mut columns = Vec::with_capacity(group.num_columns());
    let mut indexes = Vec::with_capacity(group.num_columns());
    for (i, column) in group.columns().iter().enumerate() {
        let order = metadata.file_metadata().column_order(i);
        let statistics = column.statistics().map(|found| type_defined(found, order, column));
        let values = found.column_index(i).and_then(|index| type_defined_index(index, order, column));
        let builder = column.clone().into_builder();
        let builder = match statistics {
            Some(statistics) => builder.set_statistics(statistics),
            None => builder,
        };
        columns.push(builder.build().map_err(|error| failed("describing a column chunk of", &error))?);
        indexes.push((values, found.offset_index(i).cloned()));
    }
    let group = group
        .clone()
        .into_builder()
        .set_column_metadata(columns)
        .build()
        .map_err(|error| failed("describing a row group of", &error))?;
    Ok((group, indexes))
}

/// Statistics in the order that the column's type defines.
fn type_defined(found: &Statistics, order: ColumnOrder, column: &ColumnChunkMetaData) -> Statistics {
    let descriptor = column.column_descr();
    // Fields from before 2017, which mean signed comparison whatever the file declares. Some writers got them wrong for
    // texts; readers recognize these by the writer's name, which is not kept.
    if found.is_min_max_deprecated() {
        let is_signed_number = match found {
            Statistics::Int32(_) | Statistics::Int64(_) => descriptor.sort_order() == SortOrder::SIGNED,
            Statistics::Float(_) | Statistics::Double(_) => true,
            _ => false,
        };
        return if is_signed_number { found.clone() } else { without_bounds(found) };
    }
    let bounded = match order {
        ColumnOrder::TYPE_DEFINED_ORDER(_) => Some(found.clone()),
        ColumnOrder::IEEE_754_TOTAL_ORDER if is_float(descriptor) => widened_statistics(found),
        _ => None,
    };
    bounded.unwrap_or_else(|| without_bounds(found))
}

/// A column index in the order that the column's type defines; `None` without bounds.
fn type_defined_index(
    found: &ColumnIndexMetaData,
    order: ColumnOrder,
    column: &ColumnChunkMetaData,
) -> Option<ColumnIndexMetaData> {
    match order {
        ColumnOrder::TYPE_DEFINED_ORDER(_) => Some(found.clone()),
        ColumnOrder::IEEE_754_TOTAL_ORDER if is_float(column.column_descr()) => widened_index(found, column),
        _ => None,
    }
}

fn is_float(column: &ColumnDescriptor) -> bool {
    matches!(column.physical_type(), Physical::FLOAT | Physical::DOUBLE)
        || matches!(column.logical_type_ref(), Some(LogicalType::Float16))
}

/// Converts bounds of floating-point numbers, as bytes, from the total order; `None` if one is NaN.
///
/// In the order that the type defines, a zero may represent one of the other sign, so the format requires the wider
/// bounds.
fn widened(least: &[u8], greatest: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (least, greatest) = (Float::of(least)?, Float::of(greatest)?);
    let sign_if_zero = |float: Float, sign| if float.magnitude() == 0 { sign } else { float.bits };
    let least = Float { bits: sign_if_zero(least, least.sign_bit()), ..least };
    let greatest = Float { bits: sign_if_zero(greatest, 0), ..greatest };
    Some((least.to_bytes(), greatest.to_bytes()))
}

/// A floating-point number of two, four or eight bytes that is not NaN.
#[derive(Clone, Copy)]
struct Float {
    bits: u64,
    width: usize,
}

impl Float {
    fn of(bytes: &[u8]) -> Option<Self> {
        let infinity = match bytes.len() {
            2 => 0x7c00,
            4 => u64::from(f32::INFINITY.to_bits()),
            8 => f64::INFINITY.to_bits(),
            _ => return None,
        };
        let bits = bytes.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        let float = Float { bits, width: bytes.len() };
        (float.magnitude() <= infinity).then_some(float)
    }

    fn sign_bit(self) -> u64 {
        1 << (8 * self.width - 1)
    }

    fn magnitude(self) -> u64 {
        self.bits & !self.sign_bit()
    }

    fn to_bytes(self) -> Vec<u8> {
        self.bits.to_le_bytes()[..self.width].to_vec()
    }
}

/// `None` if there are no bounds, or if NaN is or may be among the values: engines compare NaN differently, and some
/// would skip rows that they look for.
fn widened_statistics(found: &Statistics) -> Option<Statistics> {
    if found.nan_count_opt() != Some(0) {
        return None;
    }
    let (least, greatest) = widened(found.min_bytes_opt()?, found.max_bytes_opt()?)?;
    Some(match found {
        Statistics::Float(known) => {
            let float = |bytes: Vec<u8>| Some(f32::from_le_bytes(bytes.try_into().ok()?));
            Statistics::Float(with_bounds(known, Some((float(least)?, float(greatest)?))))
        }
        Statistics::Double(known) => {
            let double = |bytes: Vec<u8>| Some(f64::from_le_bytes(bytes.try_into().ok()?));
            Statistics::Double(with_bounds(known, Some((double(least)?, double(greatest)?))))
        }
        Statistics::FixedLenByteArray(known) => {
            let half = |bytes: Vec<u8>| FixedLenByteArray::from(ByteArray::from(bytes));
            Statistics::FixedLenByteArray(with_bounds(known, Some((half(least), half(greatest)))))
        }
        _ => return None,
    })
}

/// The same statistics with other bounds, or none.
fn with_bounds<T>(found: &ValueStatistics<T>, bounds: Option<(T, T)>) -> ValueStatistics<T> {
    let (least, greatest) = bounds.unzip();
    let min_is_exact = least.is_some() && found.min_is_exact();
    let max_is_exact = greatest.is_some() && found.max_is_exact();
    ValueStatistics::new(least, greatest, found.distinct_count(), found.null_count_opt(), false)
        .with_nan_count(found.nan_count_opt())
        .with_min_is_exact(min_is_exact)
        .with_max_is_exact(max_is_exact)
}

fn widened_index(found: &ColumnIndexMetaData, column: &ColumnChunkMetaData) -> Option<ColumnIndexMetaData> {
    let mut index = ColumnIndexBuilder::new(column.column_type());
    for page in 0..found.num_pages() as usize {
        let (least, greatest) = match found {
            _ if found.is_null_page(page) => (Vec::new(), Vec::new()),
            _ if found.nan_count(page) != Some(0) => return None,
            ColumnIndexMetaData::FLOAT(index) => {
                widened(&index.min_value(page)?.to_le_bytes(), &index.max_value(page)?.to_le_bytes())?
            }
            ColumnIndexMetaData::DOUBLE(index) => {
                widened(&index.min_value(page)?.to_le_bytes(), &index.max_value(page)?.to_le_bytes())?
            }
            ColumnIndexMetaData::FIXED_LEN_BYTE_ARRAY(index) => {
                widened(index.min_value(page)?, index.max_value(page)?)?
            }
            _ => return None,
        };
        let is_null = found.is_null_page(page);
        index.append(is_null, least, greatest, found.null_count(page)?, found.nan_count(page));
        let levels = |histogram: Option<&[i64]>| histogram.map(|levels| levels.to_vec().into());
        index.append_histograms(
            &levels(found.repetition_level_histogram(page)),
            &levels(found.definition_level_histogram(page)),
        );
    }
    index.set_boundary_order(found.get_boundary_order()?);
    index.build().ok()
}

fn without_bounds(found: &Statistics) -> Statistics {
    match found {
        Statistics::Boolean(found) => Statistics::Boolean(with_bounds(found, None)),
        Statistics::Int32(found) => Statistics::Int32(with_bounds(found, None)),
        Statistics::Int64(found) => Statistics::Int64(with_bounds(found, None)),
        Statistics::Int96(found) => Statistics::Int96(with_bounds(found, None)),
        Statistics::Float(found) => Statistics::Float(with_bounds(found, None)),
        Statistics::Double(found) => Statistics::Double(with_bounds(found, None)),
        Statistics::ByteArray(found) => Statistics::ByteArray(with_bounds(found, None)),
        Statistics::FixedLenByteArray(found) => Statistics::FixedLenByteArray(with_bounds(found, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Assembler;
    use super::*;
    use arrow::array::{ArrayRef, Float16Array, Float32Array, Float64Array, RecordBatch};
    use arrow::datatypes::ArrowPrimitiveType;
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::{
        FileMetaData, PageIndexPolicy, ParquetMetaDataBuilder, ParquetMetaDataReader,
    };
    use parquet::file::properties::WriterProperties;
    use proptest::prelude::*;
    use std::sync::Arc;

    type Half = <arrow::datatypes::Float16Type as ArrowPrimitiveType>::Native;

    /// A file by the parquet crate, which computes bounds of floating-point numbers in the total order: the same
    /// numbers in three widths, in pages of `page` rows.
    fn file(values: &[Option<f64>], page: usize) -> ParquetMetaData {
        let columns: [(&str, ArrayRef); 3] = [
            ("half", Arc::new(Float16Array::from_iter(values.iter().map(|v| v.map(Half::from_f64))))),
            ("float", Arc::new(Float32Array::from_iter(values.iter().map(|v| v.map(|v| v as f32))))),
            ("double", Arc::new(Float64Array::from_iter(values.iter().copied()))),
        ];
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)));
        let batch = batch.expect("a batch");
        let properties = WriterProperties::builder()
            .set_data_page_row_count_limit(page)
            .set_write_batch_size(page)
            .build();
        let mut writer =
            ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a writer");
        writer.write(&batch).expect("written");
        read(writer.into_inner().expect("finished"))
    }

    fn read(file: Vec<u8>) -> ParquetMetaData {
        ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Optional)
            .parse_and_finish(&Bytes::from(file))
            .expect("a footer")
    }

    /// The footer of a file that copies the row group, read back.
    fn copied(metadata: &ParquetMetaData) -> ParquetMetaData {
        let mut assembler = Assembler::new(metadata.file_metadata().schema_descr_ptr(), Vec::new());
        assembler.copy(metadata, 0, |_, _| true).expect("a row group");
        let mut file = vec![0; assembler.position() as usize];
        file.extend_from_slice(&assembler.finish().expect("a footer"));
        read(file)
    }

    /// Minimum and maximum of each column, as doubles.
    fn bounds(metadata: &ParquetMetaData) -> Vec<Option<(f64, f64)>> {
        let number = |bytes: &[u8]| match bytes.len() {
            2 => Half::from_le_bytes(bytes.try_into().expect("two bytes")).to_f64(),
            4 => f32::from_le_bytes(bytes.try_into().expect("four bytes")).into(),
            _ => f64::from_le_bytes(bytes.try_into().expect("eight bytes")),
        };
        let of_column = |column: &ColumnChunkMetaData| {
            let statistics = column.statistics()?;
            Some((number(statistics.min_bytes_opt()?), number(statistics.max_bytes_opt()?)))
        };
        metadata.row_group(0).columns().iter().map(of_column).collect()
    }

    fn signs(bounds: (f64, f64)) -> (bool, bool) {
        (bounds.0.is_sign_negative(), bounds.1.is_sign_negative())
    }

    #[test]
    fn a_copy_declares_the_order_of_the_type_and_widens_zeros() {
        let found = file(&[Some(0.0), Some(1.5), None, Some(-0.0)], 2);
        assert_eq!(found.file_metadata().column_order(2), ColumnOrder::IEEE_754_TOTAL_ORDER);
        let copied = copied(&found);
        for (i, bounds) in bounds(&copied).into_iter().enumerate() {
            let order = copied.file_metadata().column_order(i);
            assert_eq!(order, ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::SIGNED));
            assert_eq!(bounds, Some((0.0, 1.5)));
            assert_eq!(bounds.map(signs), Some((true, false)));
            assert_eq!(copied.row_group(0).column(i).statistics().and_then(|s| s.null_count_opt()), Some(1));
        }
        let indexes = copied.page_index_for_row_group(0);
        let Some(ColumnIndexMetaData::DOUBLE(index)) = indexes.column_index(2) else {
            panic!("a column index of doubles")
        };
        assert_eq!((index.min_values(), index.max_values()), (&[0.0, 0.0][..], &[1.5, 0.0][..]));
        assert!(index.min_values().iter().all(|least| least.is_sign_negative()));
        assert!(index.max_values().iter().all(|greatest| greatest.is_sign_positive()));
        assert_eq!(index.null_count(1), Some(1));
    }

    #[test]
    fn a_copy_of_values_with_nan_has_no_bounds_but_counts() {
        for values in [[Some(1.0), Some(f64::NAN), None], [Some(f64::NAN), Some(-f64::NAN), None]] {
            let copied = copied(&file(&values, 10));
            assert_eq!(bounds(&copied), [None, None, None]);
            for i in 0..3 {
                assert!(copied.page_index_for_row_group(0).column_index(i).is_none());
                assert!(copied.page_index_for_row_group(0).offset_index(i).is_some());
                let statistics = copied.row_group(0).column(i).statistics().expect("statistics");
                assert_eq!(statistics.null_count_opt(), Some(1));
            }
        }
    }

    #[test]
    fn a_copy_of_nulls_alone_has_no_bounds() {
        let copied = copied(&file(&[None, None], 1));
        assert_eq!(bounds(&copied), [None, None, None]);
        let index = copied.page_index_for_row_group(0).column_index(2).cloned().expect("a column index");
        assert!(index.is_null_page(0) && index.is_null_page(1));
    }

    /// The same file with other orders, or none, and other statistics for its column of doubles.
    fn declaring(
        found: &ParquetMetaData,
        orders: Option<Vec<ColumnOrder>>,
        statistics: Option<Statistics>,
    ) -> ParquetMetaData {
        let file = found.file_metadata();
        let descriptor = file.schema_descr_ptr();
        let file = FileMetaData::new(1, file.num_rows(), None, None, descriptor, orders);
        let mut columns = found.row_group(0).columns().to_vec();
        if let Some(statistics) = statistics {
            columns[2] =
                columns[2].clone().into_builder().set_statistics(statistics).build().expect("a column");
        }
        let group = found.row_group(0).clone().into_builder().set_column_metadata(columns).build();
        ParquetMetaDataBuilder::new(file).add_row_group(group.expect("a row group")).build()
    }

    #[test]
    fn bounds_of_no_order_and_of_an_unknown_one_are_left_out() {
        let found = file(&[Some(1.0), Some(2.0)], 10);
        for orders in [None, Some(vec![ColumnOrder::UNKNOWN; 3])] {
            let copied = copied(&declaring(&found, orders, None));
            assert_eq!(bounds(&copied), [None, None, None]);
        }
    }

    #[test]
    fn bounds_by_the_order_of_the_type_are_kept_as_they_are() {
        let found = file(&[Some(1.0), Some(2.0)], 10);
        let orders = vec![ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::SIGNED); 3];
        let statistics = Statistics::double(Some(0.5), Some(2.5), None, None, false);
        let copied = copied(&declaring(&found, Some(orders), Some(statistics)));
        assert_eq!(bounds(&copied), [Some((1.0, 2.0)), Some((1.0, 2.0)), Some((0.5, 2.5))]);
    }

    #[test]
    fn old_bounds_are_kept_for_signed_numbers_only() {
        let found = file(&[Some(1.0), Some(2.0)], 10);
        let statistics = Statistics::double(Some(1.0), Some(2.0), None, Some(0), true);
        let copied = copied(&declaring(&found, None, Some(statistics)));
        assert_eq!(bounds(&copied), [None, None, Some((1.0, 2.0))]);
        assert!(copied.row_group(0).column(2).statistics().is_some_and(Statistics::is_min_max_deprecated));

        let text = Statistics::byte_array(Some("a".into()), Some("b".into()), None, Some(3), true);
        let column = found.row_group(0).column(2);
        let kept = type_defined(&text, ColumnOrder::UNDEFINED, column);
        assert_eq!((kept.min_bytes_opt(), kept.null_count_opt()), (None, Some(3)));
    }

    proptest! {
        #[test]
        fn every_number_lies_within_the_bounds_of_its_copy(
            values in prop::collection::vec(
                prop_oneof![
                    8 => (-9.0..9.0).prop_map(Some),
                    2 => Just(Some(0.0)),
                    2 => Just(Some(-0.0)),
                    1 => prop::num::f64::ANY.prop_map(Some),
                    2 => Just(None),
                ], 1..30),
            page in 1usize..9,
        ) {
            let copied = copied(&file(&values, page));
            let numbers: Vec<f64> = values.iter().copied().flatten().collect();
            let bounds = bounds(&copied)[2];
            prop_assert_eq!(bounds.is_none(), numbers.is_empty() || numbers.iter().any(|n| n.is_nan()));
            if let Some((least, greatest)) = bounds {
                prop_assert!(numbers.iter().all(|n| least.total_cmp(n).is_le() && greatest.total_cmp(n).is_ge()));
                prop_assert!(numbers.contains(&least) && numbers.contains(&greatest));
            }
        }
    }
}
