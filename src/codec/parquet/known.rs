//! Interprets the statistics of a column chunk as far as they can be trusted: no row may be skipped because of a
//! writer's mistake.

use crate::codec::filter::{Bound, Known, nanos_of};

use arrow::datatypes::DataType;
use parquet::basic::{ColumnOrder, SortOrder};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::statistics::Statistics;

/// What is known about a column that is neither a group nor a list, whose values are read as `data_type` without
/// change.
pub(crate) fn known<'a>(
    metadata: &'a ParquetMetaData,
    group: usize,
    leaf: usize,
    data_type: &DataType,
) -> Known<'a> {
    let found = metadata.row_group(group);
    let chunk: &'a ColumnChunkMetaData = found.column(leaf);
    let rows = u64::try_from(found.num_rows()).unwrap_or(0);
    known_of(metadata, group, leaf, data_type, chunk.statistics(), rows)
}

/// As [`known`], from statistics of some of the rows.
pub(super) fn known_of<'a>(
    metadata: &ParquetMetaData,
    group: usize,
    leaf: usize,
    data_type: &DataType,
    statistics: Option<&'a Statistics>,
    rows: u64,
) -> Known<'a> {
    let descriptor = metadata.row_group(group).column(leaf).column_descr();
    if descriptor.max_rep_level() > 0 {
        return Known::NOTHING;
    }
    let is_required = descriptor.max_def_level() == 0;
    let nulls = statistics.and_then(Statistics::null_count_opt).filter(|nulls| *nulls <= rows);
    let may_hold_nulls = !is_required && nulls != Some(0);
    let may_hold_values = is_required || nulls != Some(rows);
    let orders = metadata.file_metadata().column_orders();
    let order = orders.and_then(|orders| orders.get(leaf)).copied();
    let bounds = statistics.filter(|statistics| is_ordered(statistics, order, data_type));
    let (least, greatest) = bounds.map_or((None, None), |statistics| bounds_of(statistics, data_type));
    let is_real = matches!(data_type, DataType::Float16 | DataType::Float32 | DataType::Float64);
    let is_exact = bounds.is_some_and(|statistics| statistics.min_is_exact() && statistics.max_is_exact());
    let known = Known {
        least,
        greatest,
        may_be_cut: *data_type == DataType::Utf8 && !is_exact,
        may_hold_nulls,
        may_hold_values,
        may_hold_nan: is_real,
    };
    if known.is_in_order() { known } else { Known { least: None, greatest: None, ..known } }
}

/// Whether bounds use the order in which values are compared here. The order of the older fields, and of files that do
/// not declare one, was never specified.
fn is_ordered(statistics: &Statistics, order: Option<ColumnOrder>, data_type: &DataType) -> bool {
    let sorted = match order {
        Some(ColumnOrder::TYPE_DEFINED_ORDER(sorted)) => sorted,
        Some(ColumnOrder::IEEE_754_TOTAL_ORDER) => SortOrder::TOTAL_ORDER,
        _ => return false,
    };
    let expected: &[SortOrder] = match data_type {
        DataType::Utf8 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            &[SortOrder::UNSIGNED]
        }
        DataType::Boolean => &[SortOrder::UNSIGNED, SortOrder::SIGNED],
        DataType::Float32 | DataType::Float64 => &[SortOrder::SIGNED, SortOrder::TOTAL_ORDER],
        _ => &[SortOrder::SIGNED],
    };
    !statistics.is_min_max_deprecated() && expected.contains(&sorted)
}

fn bounds_of<'a>(statistics: &'a Statistics, data_type: &DataType) -> (Option<Bound<'a>>, Option<Bound<'a>>) {
    let both = |least: Option<Bound<'a>>, greatest: Option<Bound<'a>>| (least, greatest);
    let real = |real: f64| (!real.is_nan()).then_some(Bound::Real(real));
    match (statistics, data_type) {
        (Statistics::Boolean(of), DataType::Boolean) => {
            both(of.min_opt().copied().map(Bound::Boolean), of.max_opt().copied().map(Bound::Boolean))
        }
        (Statistics::Int32(of), DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Date32) => {
            let whole = |value: &i32| Bound::Whole((*value).into());
            both(of.min_opt().map(whole), of.max_opt().map(whole))
        }
        (Statistics::Int32(of), DataType::UInt8 | DataType::UInt16 | DataType::UInt32) => {
            let whole = |value: &i32| Bound::Whole(value.cast_unsigned().into());
            both(of.min_opt().map(whole), of.max_opt().map(whole))
        }
        (Statistics::Int64(of), DataType::Int64) => {
            let whole = |value: &i64| Bound::Whole((*value).into());
            both(of.min_opt().map(whole), of.max_opt().map(whole))
        }
        (Statistics::Int64(of), DataType::UInt64) => {
            let whole = |value: &i64| Bound::Whole(value.cast_unsigned().into());
            both(of.min_opt().map(whole), of.max_opt().map(whole))
        }
        (Statistics::Int64(of), DataType::Timestamp(unit, _)) => {
            let nanos = nanos_of(*unit);
            let whole = |value: &i64| Bound::Whole(i128::from(*value) * nanos);
            both(of.min_opt().map(whole), of.max_opt().map(whole))
        }
        (Statistics::Float(of), DataType::Float32) => {
            let real = |value: &f32| real((*value).into());
            both(of.min_opt().and_then(real), of.max_opt().and_then(real))
        }
        (Statistics::Double(of), DataType::Float64) => {
            let real = |value: &f64| real(*value);
            both(of.min_opt().and_then(real), of.max_opt().and_then(real))
        }
        (Statistics::ByteArray(_), DataType::Utf8) => {
            both(statistics.min_bytes_opt().map(Bound::Text), statistics.max_bytes_opt().map(Bound::Text))
        }
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::filter::Predicate;
    use crate::model::{Filter, column};
    use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
    use parquet::data_type::ByteArray;
    use parquet::file::metadata::{FileMetaData, ParquetMetaDataBuilder, RowGroupMetaData};
    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::SchemaDescriptor;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// A file of one row group with one column.
    fn file(
        column: &str,
        rows: usize,
        statistics: Option<Statistics>,
        orders: Option<Vec<ColumnOrder>>,
    ) -> ParquetMetaData {
        let message = parse_message_type(&format!("message m {{ {column}; }}")).expect("a schema");
        let descriptor = Arc::new(SchemaDescriptor::new(Arc::new(message)));
        let mut chunk = ColumnChunkMetaData::builder(descriptor.column(0));
        if let Some(statistics) = statistics {
            chunk = chunk.set_statistics(statistics);
        }
        let group = RowGroupMetaData::builder(Arc::clone(&descriptor))
            .set_num_rows(rows as i64)
            .set_column_metadata(vec![chunk.build().expect("a chunk")])
            .build()
            .expect("a row group");
        let file = FileMetaData::new(2, rows as i64, None, None, descriptor, orders);
        ParquetMetaDataBuilder::new(file).add_row_group(group).build()
    }

    /// Whether a row group is read for a filter, and whether one of its rows matches.
    fn read_and_wanted(filter: &Filter, metadata: &ParquetMetaData, array: ArrayRef) -> (bool, bool) {
        let batch = RecordBatch::try_from_iter_with_nullable([("x", array, true)]).expect("a batch");
        let predicate = Predicate::new(filter, batch.schema_ref()).expect("it fits");
        let known = |_: usize| known(metadata, 0, 0, batch.schema_ref().field(0).data_type());
        let wanted = predicate.rows(&batch).expect("rows").true_count() > 0;
        (predicate.may_be_true(&known), wanted)
    }

    fn filters<L: Into<crate::model::Literal> + Clone>(value: L, other: L) -> Vec<Filter> {
        let x = || column("x");
        let conditions = vec![
            x().eq(value.clone()),
            x().ne(value.clone()),
            x().lt(value.clone()),
            x().le(value.clone()),
            x().gt(value.clone()),
            x().ge(value.clone()),
            x().is_in([value.clone(), other.clone()]),
            x().between(value.clone(), other.clone()),
            x().is_null(),
            x().eq(value.clone()).or(x().is_null()),
            x().ge(value).and(x().ne(other)),
        ];
        conditions.into_iter().flat_map(|filter| [filter.clone(), !filter]).collect()
    }

    /// The order of text before it was specified: by signed bytes.
    fn signed(text: &str) -> Vec<i8> {
        text.bytes().map(u8::cast_signed).collect()
    }

    fn order() -> impl Strategy<Value = Option<ColumnOrder>> {
        prop_oneof![
            Just(None),
            Just(Some(ColumnOrder::UNDEFINED)),
            Just(Some(ColumnOrder::UNKNOWN)),
            Just(Some(ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::SIGNED))),
            Just(Some(ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::UNDEFINED))),
        ]
    }

    proptest! {
        #[test]
        fn no_text_is_passed_over(
            texts in prop::collection::vec(prop::option::weighted(0.8, "[abé\u{10ffff}]{0,3}"), 1..6),
            (value, other) in ("[abé\u{10ffff}]{0,3}", "[abé\u{10ffff}]{0,3}"),
            cut in 0_usize..4,
            (says_nulls, is_old, is_signed) in any::<(bool, bool, bool)>(),
            order in order(),
        ) {
            let present = || texts.iter().flatten().map(String::as_str);
            // A writer that truncates the maximum without incrementing it.
            let shortened = |text: &str| ByteArray::from(&text.as_bytes()[..text.len().min(cut)]);
            let whole = |text: &str| ByteArray::from(text.as_bytes());
            let (least, greatest) = match is_signed || is_old {
                true => (present().min_by_key(|text| signed(text)), present().max_by_key(|text| signed(text))),
                false => (present().min(), present().max()),
            };
            let is_cut = cut < 3;
            let bound = |text: Option<&str>| text.map(|text| if is_cut { shortened(text) } else { whole(text) });
            let nulls = says_nulls.then(|| texts.iter().filter(|text| text.is_none()).count() as u64);
            let mut statistics = match Statistics::byte_array(bound(least), bound(greatest), None, nulls, is_old) {
                Statistics::ByteArray(of) => of,
                _ => unreachable!("it was made of byte arrays"),
            };
            statistics = statistics.with_min_is_exact(!is_cut).with_max_is_exact(!is_cut);
            // Only bounds in a declared order can be trusted.
            let orders = match (is_signed || is_old, order) {
                (false, None) => Some(vec![ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::UNSIGNED)]),
                (_, order) => order.map(|order| vec![order]),
            };
            let metadata = file("optional binary x (UTF8)", texts.len(), Some(statistics.into()), orders);
            let array: ArrayRef = Arc::new(StringArray::from(texts.clone()));
            for filter in filters(value, other) {
                let (is_read, is_wanted) = read_and_wanted(&filter, &metadata, Arc::clone(&array));
                prop_assert!(is_read || !is_wanted, "{filter:?}");
            }
        }

        #[test]
        fn no_number_is_passed_over(
            numbers in prop::collection::vec(prop::option::weighted(0.8, number()), 1..6),
            (value, other) in (number(), number()),
            says_nulls in any::<bool>(),
            leaves_nan_out in any::<bool>(),
            order in order(),
            has_order in any::<bool>(),
        ) {
            let present: Vec<f64> = numbers.iter().flatten().copied()
                .filter(|number| !(leaves_nan_out && number.is_nan())).collect();
            let least = present.iter().copied().min_by(f64::total_cmp);
            let greatest = present.iter().copied().max_by(f64::total_cmp);
            let nulls = says_nulls.then(|| numbers.iter().filter(|number| number.is_none()).count() as u64);
            let statistics = Statistics::double(least, greatest, None, nulls, false);
            let orders = if has_order { Some(ColumnOrder::IEEE_754_TOTAL_ORDER) } else { order };
            let orders = orders.map(|order| vec![order]);
            let metadata = file("optional double x", numbers.len(), Some(statistics), orders);
            let array: ArrayRef = Arc::new(Float64Array::from(numbers.clone()));
            for filter in filters(value, other) {
                let (is_read, is_wanted) = read_and_wanted(&filter, &metadata, Arc::clone(&array));
                prop_assert!(is_read || !is_wanted, "{filter:?}");
            }
        }
    }

    fn number() -> impl Strategy<Value = f64> {
        prop::sample::select(vec![f64::NAN, -f64::NAN, f64::INFINITY, -1.5, -0.0, 0.0, 1.0, 2.5])
    }

    #[test]
    fn what_cannot_hold_a_wanted_row_is_passed_over() {
        let bound = |text: &str| Some(ByteArray::from(text));
        let file_of = |is_exact: bool| {
            let orders = Some(vec![ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::UNSIGNED)]);
            let Statistics::ByteArray(of) =
                Statistics::byte_array(bound("b"), bound("d"), None, Some(0), false)
            else {
                unreachable!("it was made of byte arrays")
            };
            let statistics = of.with_min_is_exact(is_exact).with_max_is_exact(is_exact);
            file("optional binary x (UTF8)", 2, Some(statistics.into()), orders)
        };
        let (exact, cut) = (file_of(true), file_of(false));
        let is_read_of = |filter: &Filter, metadata: &ParquetMetaData| {
            read_and_wanted(filter, metadata, Arc::new(StringArray::from(vec!["b", "d"]))).0
        };
        let is_read = |filter: &Filter| is_read_of(filter, &cut);
        let x = || column("x");
        for filter in [
            x().eq("a"),
            x().eq("e"),
            x().lt("b"),
            x().gt("e"),
            x().is_in(["a", "aa"]),
            x().is_in(Vec::<String>::new()),
            x().is_null(),
            !x().is_not_null(),
            !x().ge("b"),
            x().eq("c").and(x().eq("a")),
        ] {
            assert!(!is_read(&filter), "{filter:?}");
        }
        for filter in [x().eq("d"), x().eq("dd"), x().ne("b"), !x().eq("c"), x().le("b"), x().gt("d")] {
            assert!(is_read(&filter), "{filter:?}");
        }
        for filter in [x().eq("dd"), x().gt("d")] {
            assert!(!is_read_of(&filter, &exact), "{filter:?}");
        }
        let nulls = Statistics::byte_array(None, None, None, Some(2), false);
        let metadata = file("optional binary x (UTF8)", 2, Some(nulls), None);
        let array: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>; 2]));
        assert!(!read_and_wanted(&x().ne("a"), &metadata, Arc::clone(&array)).0);
        assert!(!read_and_wanted(&!x().eq("a"), &metadata, Arc::clone(&array)).0);
        assert!(read_and_wanted(&x().is_null(), &metadata, array).0);
    }
}
