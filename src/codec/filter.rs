//! Applies filters: finds a filter's columns in a schema, then returns which rows of a batch match, and whether any row
//! may match, given the minimum and maximum of many rows.
//!
//! Values are compared here and not by arrow's kernels, because those order NaN and the two zeros, and compare only
//! with a value of the column's own type.

use crate::model::{Comparison, Error, Filter, Literal, Result, UsageError, type_name};

use arrow::array::cast::AsArray;
use arrow::array::types::{
    Date32Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{Array, ArrowPrimitiveType, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{and_kleene, not, or_kleene};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use chrono::{DateTime, NaiveDate, Utc};
use std::cmp::Ordering;
use std::collections::HashSet;

/// A filter resolved against a schema, with values of the columns' types.
#[derive(Debug)]
pub(crate) enum Predicate {
    Compare(usize, Comparison, Value),
    In(usize, Values),
    IsNull(usize),
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
}

/// A value in the form in which a column's values are compared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(Vec<u8>),
    /// A whole number, days, or nanoseconds since the epoch.
    Whole(i128),
    Real(f64),
    Boolean(bool),
}

/// The values of an "is one of", in the column's type. Values that cannot occur in the column are left out.
#[derive(Debug)]
pub(crate) struct Values {
    list: Vec<Value>,
    set: Set,
    /// The list was empty from the start.
    is_empty: bool,
}

#[derive(Debug)]
enum Set {
    Texts(HashSet<Vec<u8>, ahash::RandomState>),
    Wholes(HashSet<i128, ahash::RandomState>),
    /// The bits of numbers, none of which is NaN or a negative zero.
    Reals(HashSet<u64, ahash::RandomState>),
    Booleans([bool; 2]),
    /// For a column that holds only nulls.
    None,
}

/// The kinds of comparable columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Domain {
    Text,
    Number { is_whole: bool },
    Boolean,
    Days,
    Time,
    Nothing,
}

fn domain(of: &DataType) -> Option<Domain> {
    Some(match of {
        DataType::Utf8 => Domain::Text,
        DataType::Boolean => Domain::Boolean,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => Domain::Number { is_whole: true },
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Domain::Number { is_whole: false },
        DataType::Date32 => Domain::Days,
        DataType::Timestamp(..) => Domain::Time,
        DataType::Null => Domain::Nothing,
        _ => return None,
    })
}

impl Predicate {
    /// Finds the columns of a filter in a schema.
    pub(crate) fn new(filter: &Filter, schema: &Schema) -> Result<Self> {
        let of = |filters: &[Filter]| -> Result<Vec<Predicate>> {
            filters.iter().map(|filter| Predicate::new(filter, schema)).collect()
        };
        Ok(match filter {
            Filter::Compare { column, comparison, value } => {
                let (index, field) = find(column, schema)?;
                Predicate::Compare(index, *comparison, read(value, field)?)
            }
            Filter::In { column, values } => {
                let (index, field) = find(column, schema)?;
                let values = values.iter().map(|value| read(value, field)).collect::<Result<Vec<Value>>>()?;
                Predicate::In(index, Values::new(values, field))
            }
            Filter::Between { column, lowest, highest } => {
                let (index, field) = find(column, schema)?;
                Predicate::All(vec![
                    Predicate::Compare(index, Comparison::GreaterOrEqual, read(lowest, field)?),
                    Predicate::Compare(index, Comparison::LessOrEqual, read(highest, field)?),
                ])
            }
            Filter::IsNull { column } => Predicate::IsNull(find(column, schema)?.0),
            Filter::All(filters) => Predicate::All(of(filters)?),
            Filter::Any(filters) => Predicate::Any(of(filters)?),
            Filter::Not(filter) => Predicate::Not(Box::new(Predicate::new(filter, schema)?)),
        })
    }

    /// For which rows it is true, false, or neither.
    pub(crate) fn rows(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let all_of = |predicates: &[Predicate], of_none, join: Join| {
            let mut found = predicates.iter().map(|predicate| predicate.rows(batch));
            let Some(first) = found.next() else { return Ok(constant(of_none, batch.num_rows())) };
            found.try_fold(first?, |all, one| join(&all, &one?).map_err(internal))
        };
        match self {
            Predicate::Compare(column, comparison, value) => {
                compared(batch.column(*column).as_ref(), *comparison, value)
            }
            Predicate::In(_, values) if values.is_empty => Ok(constant(false, batch.num_rows())),
            Predicate::In(column, values) => contained(batch.column(*column).as_ref(), values),
            Predicate::IsNull(column) => {
                let array = batch.column(*column);
                Ok(match array.logical_nulls() {
                    Some(nulls) => BooleanArray::new(!nulls.inner(), None),
                    None => constant(false, batch.num_rows()),
                })
            }
            Predicate::All(predicates) => all_of(predicates, true, and_kleene),
            Predicate::Any(predicates) => all_of(predicates, false, or_kleene),
            Predicate::Not(predicate) => not(&predicate.rows(batch)?).map_err(internal),
        }
    }

    /// Whether it may be true for a row, given what is known about the values of each column.
    pub(crate) fn may_be_true<'a>(&self, known: &dyn Fn(usize) -> Known<'a>) -> bool {
        self.outcomes(known).is_true
    }

    fn outcomes<'a>(&self, known: &dyn Fn(usize) -> Known<'a>) -> Outcomes {
        match self {
            Predicate::Compare(column, comparison, value) => {
                let known = known(*column);
                Outcomes {
                    is_true: known.may_hold_values && known.may_be(*comparison, value),
                    is_false: known.may_hold_values
                        && (known.may_be(comparison.opposite(), value) || known.may_hold_nan),
                }
            }
            Predicate::In(_, values) if values.is_empty => Outcomes { is_true: false, is_false: true },
            Predicate::In(column, values) => {
                let known = known(*column);
                let may_equal = |value| known.may_be(Comparison::Equal, value);
                Outcomes {
                    is_true: known.may_hold_values && values.list.iter().any(may_equal),
                    is_false: known.may_hold_values,
                }
            }
            Predicate::IsNull(column) => {
                let known = known(*column);
                Outcomes { is_true: known.may_hold_nulls, is_false: known.may_hold_values }
            }
            Predicate::All(predicates) => {
                let all = Outcomes { is_true: true, is_false: false };
                predicates.iter().map(|predicate| predicate.outcomes(known)).fold(all, |all, one| Outcomes {
                    is_true: all.is_true && one.is_true,
                    is_false: all.is_false || one.is_false,
                })
            }
            Predicate::Any(predicates) => {
                let any = Outcomes { is_true: false, is_false: true };
                predicates.iter().map(|predicate| predicate.outcomes(known)).fold(any, |any, one| Outcomes {
                    is_true: any.is_true || one.is_true,
                    is_false: any.is_false && one.is_false,
                })
            }
            Predicate::Not(predicate) => {
                let Outcomes { is_true, is_false } = predicate.outcomes(known);
                Outcomes { is_true: is_false, is_false: is_true }
            }
        }
    }
}

type Join = fn(&BooleanArray, &BooleanArray) -> Result<BooleanArray, arrow::error::ArrowError>;

/// Whether a condition may be true for a row, and whether it may be false.
#[derive(Debug, Clone, Copy)]
struct Outcomes {
    is_true: bool,
    is_false: bool,
}

/// What is known about a column's values in many rows.
#[derive(Debug, Clone)]
pub(crate) struct Known<'a> {
    /// No value is less.
    pub(crate) least: Option<Bound<'a>>,
    /// No value is greater, except that text may begin with this bound if the bound was cut.
    pub(crate) greatest: Option<Bound<'a>>,
    pub(crate) may_be_cut: bool,
    pub(crate) may_hold_nulls: bool,
    pub(crate) may_hold_values: bool,
    pub(crate) may_hold_nan: bool,
}

/// A value in the form for comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound<'a> {
    Text(&'a [u8]),
    Whole(i128),
    Real(f64),
    Boolean(bool),
}

impl<'a> Known<'a> {
    /// Nothing is known.
    pub(crate) const NOTHING: Known<'static> = Known {
        least: None,
        greatest: None,
        may_be_cut: true,
        may_hold_nulls: true,
        may_hold_values: true,
        may_hold_nan: true,
    };

    /// Every value is a null.
    pub(crate) const NULLS: Known<'static> = Known { may_hold_values: false, ..Known::NOTHING };

    /// Every value is this text.
    pub(crate) fn text(text: &'a str) -> Self {
        let bound = Some(Bound::Text(text.as_bytes()));
        Known {
            least: bound,
            greatest: bound,
            may_be_cut: false,
            may_hold_nulls: false,
            may_hold_values: true,
            may_hold_nan: false,
        }
    }

    /// Whether the bounds do not contradict each other.
    pub(crate) fn is_in_order(&self) -> bool {
        match (self.least, self.greatest) {
            (Some(Bound::Text(least)), Some(Bound::Text(greatest))) => least <= greatest,
            (Some(Bound::Whole(least)), Some(Bound::Whole(greatest))) => least <= greatest,
            (Some(Bound::Real(least)), Some(Bound::Real(greatest))) => least <= greatest,
            (Some(Bound::Boolean(least)), Some(Bound::Boolean(greatest))) => least <= greatest,
            _ => true,
        }
    }

    /// Whether there may be a value for which the comparison is true.
    fn may_be(&self, comparison: Comparison, value: &Value) -> bool {
        let least = self.least.and_then(|bound| bound.compare(value));
        let greatest = self.greatest.and_then(|bound| match (bound, value) {
            // Text that begins with the bound may be greater than it, and also greater than the value if that begins
            // with the bound.
            (Bound::Text(cut), Value::Text(text)) if self.may_be_cut => {
                match cut.cmp(&text[..text.len().min(cut.len())]) {
                    Ordering::Equal => None,
                    order => Some(order),
                }
            }
            _ => bound.compare(value),
        });
        match comparison {
            Comparison::Equal => least != Some(Ordering::Greater) && greatest != Some(Ordering::Less),
            Comparison::NotEqual => {
                self.may_be_cut
                    || self.may_hold_nan
                    || [least, greatest].iter().any(|order| *order != Some(Ordering::Equal))
            }
            Comparison::Less => !matches!(least, Some(Ordering::Greater | Ordering::Equal)),
            Comparison::LessOrEqual => least != Some(Ordering::Greater),
            Comparison::Greater => !matches!(greatest, Some(Ordering::Less | Ordering::Equal)),
            Comparison::GreaterOrEqual => greatest != Some(Ordering::Less),
        }
    }
}

impl Bound<'_> {
    fn compare(&self, value: &Value) -> Option<Ordering> {
        match (self, value) {
            (Bound::Text(a), Value::Text(b)) => Some((*a).cmp(b)),
            (Bound::Whole(a), Value::Whole(b)) => Some(a.cmp(b)),
            (Bound::Whole(a), Value::Real(b)) => whole_and_real(*a, *b),
            (Bound::Real(a), Value::Whole(b)) => whole_and_real(*b, *a).map(Ordering::reverse),
            (Bound::Real(a), Value::Real(b)) => a.partial_cmp(b),
            (Bound::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl Comparison {
    /// The comparison that is true when this one is false, except for NaN.
    fn opposite(self) -> Self {
        match self {
            Comparison::Equal => Comparison::NotEqual,
            Comparison::NotEqual => Comparison::Equal,
            Comparison::Less => Comparison::GreaterOrEqual,
            Comparison::LessOrEqual => Comparison::Greater,
            Comparison::Greater => Comparison::LessOrEqual,
            Comparison::GreaterOrEqual => Comparison::Less,
        }
    }

    /// Whether it is true for values in this order; `None` is NaN's.
    fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Comparison::Equal => order == Some(Ordering::Equal),
            Comparison::NotEqual => order != Some(Ordering::Equal),
            Comparison::Less => order == Some(Ordering::Less),
            Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Comparison::Greater => order == Some(Ordering::Greater),
            Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

/// Compares without rounding either number.
fn whole_and_real(whole: i128, real: f64) -> Option<Ordering> {
    /// 2^127, which is beyond every whole number here.
    const BEYOND: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    if real.is_nan() {
        return None;
    }
    if real >= BEYOND {
        return Some(Ordering::Less);
    }
    if real < -BEYOND {
        return Some(Ordering::Greater);
    }
    // Exact, because it is in range and has no fraction.
    let order = whole.cmp(&(real.trunc() as i128));
    Some(order.then_with(|| 0.0.partial_cmp(&real.fract()).unwrap_or(Ordering::Equal)))
}

fn find<'a>(name: &str, schema: &'a Schema) -> Result<(usize, &'a Field)> {
    match schema.fields().iter().position(|field| field.name() == name) {
        Some(index) => Ok((index, schema.field(index))),
        None => Err(unknown_column(name, schema)),
    }
}

/// The error for an unknown column.
pub(crate) fn unknown_column(name: &str, schema: &Schema) -> Error {
    let known = schema.fields().iter().map(|field| field.name().clone()).collect();
    UsageError::UnknownColumn { column: name.to_owned(), known }.into()
}

/// Converts a literal to the form in which the column's values are compared.
fn read(literal: &Literal, field: &Field) -> Result<Value> {
    let refused = || {
        let (column, column_type) = (field.name().clone(), type_name(field));
        Error::from(UsageError::NotComparable { column, column_type, value: literal.noun() })
    };
    let domain = domain(field.data_type()).ok_or_else(refused)?;
    Ok(match (domain, literal) {
        (Domain::Text | Domain::Nothing, Literal::String(text)) => Value::Text(text.clone().into_bytes()),
        (Domain::Number { .. } | Domain::Nothing, Literal::Integer(number)) => Value::Whole((*number).into()),
        (Domain::Number { .. } | Domain::Nothing, Literal::Double(number)) => Value::Real(*number),
        (Domain::Boolean | Domain::Nothing, Literal::Boolean(boolean)) => Value::Boolean(*boolean),
        (Domain::Days | Domain::Nothing, Literal::Date(date)) => Value::Whole(days(*date).into()),
        (Domain::Time, Literal::Date(date)) => Value::Whole(i128::from(days(*date)) * NANOS_OF_DAY),
        (Domain::Time | Domain::Nothing, Literal::Timestamp(time)) => Value::Whole(nanos(*time)),
        _ => return Err(refused()),
    })
}

const NANOS_OF_SECOND: i128 = 1_000_000_000;
const NANOS_OF_DAY: i128 = 86_400 * NANOS_OF_SECOND;

fn days(date: NaiveDate) -> i64 {
    date.signed_duration_since(DateTime::UNIX_EPOCH.date_naive()).num_days()
}

fn nanos(time: DateTime<Utc>) -> i128 {
    i128::from(time.timestamp()) * NANOS_OF_SECOND + i128::from(time.timestamp_subsec_nanos())
}

/// Nanoseconds of a tick.
pub(crate) fn nanos_of(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => NANOS_OF_SECOND,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

impl Values {
    fn new(list: Vec<Value>, field: &Field) -> Self {
        let is_empty = list.is_empty();
        let set = match domain(field.data_type()) {
            Some(Domain::Text) => {
                Set::Texts(list.iter().filter_map(|value| value.text().map(<[u8]>::to_vec)).collect())
            }
            Some(Domain::Number { is_whole: true } | Domain::Days | Domain::Time) => {
                Set::Wholes(list.iter().filter_map(Value::as_whole).collect())
            }
            Some(Domain::Number { is_whole: false }) => {
                Set::Reals(list.iter().filter_map(Value::as_real).map(bits).collect())
            }
            Some(Domain::Boolean) => {
                Set::Booleans([false, true].map(|boolean| list.contains(&Value::Boolean(boolean))))
            }
            Some(Domain::Nothing) | None => Set::None,
        };
        Values { list, set, is_empty }
    }
}

impl Value {
    fn text(&self) -> Option<&[u8]> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value as a whole number, if it is one.
    fn as_whole(&self) -> Option<i128> {
        match self {
            Value::Whole(whole) => Some(*whole),
            Value::Real(real) => {
                // The cast saturates, and maps NaN to zero: then the two are not equal.
                let whole = *real as i128;
                (whole_and_real(whole, *real) == Some(Ordering::Equal)).then_some(whole)
            }
            _ => None,
        }
    }

    /// The value as a double, if that is exact.
    fn as_real(&self) -> Option<f64> {
        match self {
            Value::Real(real) => (!real.is_nan()).then_some(*real),
            Value::Whole(whole) => {
                let real = *whole as f64;
                (whole_and_real(*whole, real) == Some(Ordering::Equal)).then_some(real)
            }
            _ => None,
        }
    }
}

/// Bits that are the same for equal numbers.
fn bits(real: f64) -> u64 {
    // A negative zero becomes a positive one.
    (real + 0.0).to_bits()
}

fn constant(value: bool, rows: usize) -> BooleanArray {
    let buffer = if value { BooleanBuffer::new_set(rows) } else { BooleanBuffer::new_unset(rows) };
    BooleanArray::new(buffer, None)
}

fn internal(error: arrow::error::ArrowError) -> Error {
    Error::Internal(format!("rows that are filtered: {error}"))
}

/// The rows for which a test is true; nulls are neither true nor false.
fn tested(array: &dyn Array, test: impl FnMut(usize) -> bool) -> BooleanArray {
    BooleanArray::new(BooleanBuffer::collect_bool(array.len(), test), array.logical_nulls())
}

/// Tests the values of a column of numbers or times.
fn tested_values<T: ArrowPrimitiveType>(array: &dyn Array, test: impl Fn(T::Native) -> bool) -> BooleanArray {
    let values = array.as_primitive::<T>().values();
    tested(array, |row| test(values[row]))
}

/// Tests the values of a column of whole numbers, days, or points in time in nanoseconds.
fn tested_wholes(array: &dyn Array, test: impl Fn(i128) -> bool) -> Option<BooleanArray> {
    Some(match array.data_type() {
        DataType::Int8 => tested_values::<Int8Type>(array, |value| test(value.into())),
        DataType::Int16 => tested_values::<Int16Type>(array, |value| test(value.into())),
        DataType::Int32 => tested_values::<Int32Type>(array, |value| test(value.into())),
        DataType::Int64 => tested_values::<Int64Type>(array, |value| test(value.into())),
        DataType::UInt8 => tested_values::<UInt8Type>(array, |value| test(value.into())),
        DataType::UInt16 => tested_values::<UInt16Type>(array, |value| test(value.into())),
        DataType::UInt32 => tested_values::<UInt32Type>(array, |value| test(value.into())),
        DataType::UInt64 => tested_values::<UInt64Type>(array, |value| test(value.into())),
        DataType::Date32 => tested_values::<Date32Type>(array, |value| test(value.into())),
        DataType::Timestamp(unit, _) => {
            let nanos = nanos_of(*unit);
            let test = |value: i64| test(i128::from(value) * nanos);
            match unit {
                TimeUnit::Second => tested_values::<TimestampSecondType>(array, test),
                TimeUnit::Millisecond => tested_values::<TimestampMillisecondType>(array, test),
                TimeUnit::Microsecond => tested_values::<TimestampMicrosecondType>(array, test),
                TimeUnit::Nanosecond => tested_values::<TimestampNanosecondType>(array, test),
            }
        }
        _ => return None,
    })
}

/// Tests the values of a column of floating point numbers.
fn tested_reals(array: &dyn Array, test: impl Fn(f64) -> bool) -> Option<BooleanArray> {
    Some(match array.data_type() {
        DataType::Float16 => tested_values::<Float16Type>(array, |value| test(value.to_f64())),
        DataType::Float32 => tested_values::<Float32Type>(array, |value| test(value.into())),
        DataType::Float64 => tested_values::<Float64Type>(array, test),
        _ => return None,
    })
}

/// Tests the values of a column of text.
fn tested_texts(array: &dyn Array, test: impl Fn(&[u8]) -> bool) -> Option<BooleanArray> {
    let texts = array.as_string_opt::<i32>()?;
    Some(tested(array, |row| test(texts.value(row).as_bytes())))
}

/// Tests the values of a column of booleans.
fn tested_booleans(array: &dyn Array, test: impl Fn(bool) -> bool) -> Option<BooleanArray> {
    let booleans = array.as_boolean_opt()?;
    Some(tested(array, |row| test(booleans.value(row))))
}

/// All results are null if all values are.
fn nulls(array: &dyn Array) -> Option<BooleanArray> {
    (*array.data_type() == DataType::Null).then(|| BooleanArray::new_null(array.len()))
}

fn of_other_type(array: &dyn Array) -> Error {
    Error::Internal(format!("a filter on a column of the type {}", array.data_type()))
}

fn compared(array: &dyn Array, comparison: Comparison, value: &Value) -> Result<BooleanArray> {
    let found = nulls(array).or_else(|| match value {
        Value::Text(text) => tested_texts(array, |value| comparison.holds(Some(value.cmp(text.as_slice())))),
        Value::Boolean(boolean) => tested_booleans(array, |value| comparison.holds(Some(value.cmp(boolean)))),
        Value::Whole(whole) => tested_wholes(array, |value| comparison.holds(Some(value.cmp(whole))))
            .or_else(|| {
                let order = |value| whole_and_real(*whole, value).map(Ordering::reverse);
                tested_reals(array, |value| comparison.holds(order(value)))
            }),
        Value::Real(real) => tested_reals(array, |value| comparison.holds(value.partial_cmp(real)))
            .or_else(|| tested_wholes(array, |value| comparison.holds(whole_and_real(value, *real)))),
    });
    found.ok_or_else(|| of_other_type(array))
}

fn contained(array: &dyn Array, values: &Values) -> Result<BooleanArray> {
    let found = match &values.set {
        Set::Texts(texts) => tested_texts(array, |value| texts.contains(value)),
        Set::Wholes(wholes) => tested_wholes(array, |value| wholes.contains(&value)),
        // The bits of NaN are not among these.
        Set::Reals(reals) => tested_reals(array, |value| reals.contains(&bits(value))),
        Set::Booleans(booleans) => tested_booleans(array, |value| booleans[usize::from(value)]),
        Set::None => nulls(array),
    };
    found.ok_or_else(|| of_other_type(array))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::column;
    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, Float32Array, Int8Array, NullArray, StringArray,
        TimestampMillisecondArray, TimestampSecondArray, UInt64Array,
    };
    use proptest::prelude::*;
    use std::sync::Arc;

    fn rows_of(array: ArrayRef, filter: &Filter) -> Vec<Option<bool>> {
        let batch = RecordBatch::try_from_iter_with_nullable([("x", array, true)]).expect("a batch");
        let predicate = Predicate::new(filter, batch.schema_ref()).expect("it fits");
        predicate.rows(&batch).expect("rows").iter().collect()
    }

    #[test]
    fn nan_and_zeros_are_compared_as_numbers() {
        let array = || -> ArrayRef {
            let numbers = [Some(f32::NAN), Some(-f32::NAN), Some(-0.0), Some(0.0), Some(1.5), None];
            Arc::new(Float32Array::from(numbers.to_vec()))
        };
        let x = || column("x");
        let of = |filter: Filter| rows_of(array(), &filter);
        let (t, f, n) = (Some(true), Some(false), None);
        assert_eq!(of(x().eq(0.0)), [f, f, t, t, f, n]);
        assert_eq!(of(x().eq(-0.0)), [f, f, t, t, f, n]);
        assert_eq!(of(x().is_in([-0.0, 1.5, f64::NAN])), [f, f, t, t, t, n]);
        assert_eq!(of(x().ne(0.0)), [t, t, f, f, t, n]);
        assert_eq!(of(x().gt(0)), [f, f, f, f, t, n]);
        assert_eq!(of(!x().gt(0)), [t, t, t, t, f, n]);
        assert_eq!(of(x().eq(f64::NAN)), [f, f, f, f, f, n]);
        assert_eq!(of(x().between(-1, 1)), [f, f, t, t, f, n]);
        assert_eq!(of(x().is_null()), [f, f, f, f, f, t]);
    }

    #[test]
    fn conditions_have_the_three_values_of_sql() {
        let array = || -> ArrayRef { Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])) };
        let of = |filter: Filter| rows_of(array(), &filter);
        let (t, f, n) = (Some(true), Some(false), None);
        let (x, never) = (|| column("x").eq(true), || Filter::Any(Vec::new()));
        assert_eq!(of(x()), [t, f, n]);
        assert_eq!(of(!x()), [f, t, n]);
        assert_eq!(of(x().and(never())), [f, f, f]);
        assert_eq!(of(x().and(!never())), [t, f, n]);
        assert_eq!(of(x().or(!never())), [t, t, t]);
        assert_eq!(of(x().or(never())), [t, f, n]);
        assert_eq!(of(Filter::All(Vec::new())), [t, t, t]);
        assert_eq!(of(!column("x").is_in(Vec::<bool>::new())), [t, t, t]);
        assert_eq!(rows_of(Arc::new(NullArray::new(2)), &column("x").eq(1)), [n, n]);
        assert_eq!(rows_of(Arc::new(NullArray::new(2)), &column("x").is_null()), [t, t]);
    }

    #[test]
    fn a_value_is_compared_with_every_type_of_its_kind() {
        let of = |array: ArrayRef, filter: Filter| rows_of(array, &filter);
        let (t, f) = (Some(true), Some(false));
        let x = || column("x");
        assert_eq!(of(Arc::new(Int8Array::from(vec![-128, 0])), x().lt(-1_000_000_000_000_i64)), [f, f]);
        assert_eq!(of(Arc::new(Int8Array::from(vec![2, 3])), x().gt(2.5)), [f, t]);
        assert_eq!(of(Arc::new(Int8Array::from(vec![2, 3])), x().is_in([2.5, 3.0])), [f, t]);
        assert_eq!(of(Arc::new(UInt64Array::from(vec![u64::MAX, 1])), x().gt(i64::MAX)), [t, f]);
        // 2^53 + 1, which a double cannot represent.
        assert_eq!(
            of(Arc::new(UInt64Array::from(vec![9_007_199_254_740_993])), x().eq(9_007_199_254_740_992.0)),
            [f]
        );
        let date = NaiveDate::from_ymd_opt(2026, 1, 2).expect("a date");
        let noon = date.and_hms_opt(12, 0, 0).expect("a time").and_utc();
        let day = days(date) as i32;
        assert_eq!(of(Arc::new(Date32Array::from(vec![day - 1, day])), x().ge(date)), [f, t]);
        let seconds = vec![noon.timestamp() - 1, noon.timestamp(), noon.timestamp() + 1];
        assert_eq!(of(Arc::new(TimestampSecondArray::from(seconds.clone())), x().le(noon)), [t, t, f]);
        let midnight = i64::from(day) * 86_400_000;
        let millis = TimestampMillisecondArray::from(vec![midnight - 1, midnight]).with_timezone("UTC");
        assert_eq!(of(Arc::new(millis), x().is_in([date])), [f, t]);
        assert_eq!(of(Arc::new(TimestampSecondArray::from(vec![i64::MIN, i64::MAX])), x().lt(noon)), [t, f]);
        assert_eq!(of(Arc::new(StringArray::from(vec!["é", "z"])), x().gt("z")), [t, f]);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let schema = Schema::new(vec![
            Field::new("a", DataType::Utf8, true),
            Field::new("b", DataType::Binary, true),
            Field::new("c", DataType::Date32, true),
        ]);
        let refused = |filter: Filter| match Predicate::new(&filter, &schema) {
            Err(Error::Usage(UsageError::NotComparable { column, value, .. })) => (column, value),
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(column("a").eq(1)), ("a".into(), "a whole number"));
        assert_eq!(refused(column("b").eq("x")), ("b".into(), "text"));
        assert_eq!(refused(column("c").eq(DateTime::UNIX_EPOCH)), ("c".into(), "a point in time"));
        assert!(Predicate::new(&column("b").is_null(), &schema).is_ok());
        assert!(matches!(
            Predicate::new(&!column("d").is_null(), &schema),
            Err(Error::Usage(UsageError::UnknownColumn { known, .. })) if known == ["a", "b", "c"]
        ));
    }

    proptest! {
        #[test]
        fn whole_numbers_and_doubles_are_compared_without_rounding(
            whole in any::<i64>(),
            real in prop_oneof![any::<f64>(), -3.0..3.0, any::<i64>().prop_map(|whole| whole as f64)],
        ) {
            let order = whole_and_real(whole.into(), real);
            prop_assert_eq!(order.is_none(), real.is_nan());
            if let Some(order) = order {
                // Values beyond 64 bits are out of range.
                let beyond = if real >= 2_f64.powi(63) { Ordering::Less } else { Ordering::Greater };
                let expected = match real >= -(2_f64.powi(63)) && real < 2_f64.powi(63) {
                    true => whole.cmp(&(real.floor() as i64)).then(if real.fract() == 0.0 { Ordering::Equal } else { Ordering::Less }),
                    false => beyond,
                };
                prop_assert_eq!(order, expected);
            }
        }
    }
}
