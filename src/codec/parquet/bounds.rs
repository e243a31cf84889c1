//! Bounds: the minimum and maximum of a page or column chunk, by which readers skip what they need not read.

use parquet::basic::Type as Physical;
use parquet::data_type::ByteArray;
use parquet::file::statistics::Statistics;
use std::ops::{Add, Neg};

/// Minimum and maximum of ordered values.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bounds {
    Boolean(bool, bool),
    Int32(i32, i32),
    Int64(i64, i64),
    Float(f32, f32),
    Double(f64, f64),
    Text(Vec<u8>, Vec<u8>),
}

/// Longer texts are not written as bounds, so that footers stay small.
const LONGEST_TEXT: usize = 64;

impl Bounds {
    pub(super) fn of_ints(values: impl Iterator<Item = i64> + Clone) -> Option<Self> {
        Some(Bounds::Int64(values.clone().min()?, values.max()?))
    }

    pub(super) fn of_days(values: impl Iterator<Item = i32> + Clone) -> Option<Self> {
        Some(Bounds::Int32(values.clone().min()?, values.max()?))
    }

    pub(super) fn of_booleans(values: impl Iterator<Item = bool> + Clone) -> Option<Self> {
        Some(Bounds::Boolean(values.clone().min()?, values.max()?))
    }

    /// `None` if NaN is among the values: engines order it differently, or not at all, so bounds without it would make
    /// some of them skip rows that they look for.
    pub(super) fn of_doubles(values: &[f64]) -> Option<Self> {
        range(values).map(|(least, greatest)| Bounds::Double(least, greatest))
    }

    /// As [`Self::of_doubles`].
    pub(super) fn of_floats(values: &[f32]) -> Option<Self> {
        range(values).map(|(least, greatest)| Bounds::Float(least, greatest))
    }

    pub(super) fn of_texts<'a>(texts: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Self> {
        Some(Bounds::Text(texts.clone().min()?.to_vec(), texts.max()?.to_vec()))
    }

    /// Whether a bound is too long to be written. This is known only once all are merged, because a long text may not
    /// be a bound of the whole.
    pub(super) fn is_long(&self) -> bool {
        matches!(self, Bounds::Text(a, b) if a.len().max(b.len()) > LONGEST_TEXT)
    }

    /// The bounds of both together.
    pub(super) fn merge(self, other: &Self) -> Option<Self> {
        use Bounds::{Boolean, Double, Float, Int32, Int64, Text};
        Some(match (self, other) {
            (Boolean(a, b), Boolean(c, d)) => Boolean(a.min(*c), b.max(*d)),
            (Int32(a, b), Int32(c, d)) => Int32(a.min(*c), b.max(*d)),
            (Int64(a, b), Int64(c, d)) => Int64(a.min(*c), b.max(*d)),
            // All zeros here are already widened, so it does not matter which one is taken.
            (Float(a, b), Float(c, d)) => Float(a.min(*c), b.max(*d)),
            (Double(a, b), Double(c, d)) => Double(a.min(*c), b.max(*d)),
            (Text(a, b), Text(c, d)) => Text(a.min(c.clone()), b.max(d.clone())),
            _ => return None,
        })
    }

    /// Whether neither bound of the next page is less than that of this one.
    pub(super) fn ascends_to(&self, next: &Self) -> bool {
        use Bounds::{Boolean, Double, Float, Int32, Int64, Text};
        match (self, next) {
            (Boolean(a, b), Boolean(c, d)) => a <= c && b <= d,
            (Int32(a, b), Int32(c, d)) => a <= c && b <= d,
            (Int64(a, b), Int64(c, d)) => a <= c && b <= d,
            (Float(a, b), Float(c, d)) => a <= c && b <= d,
            (Double(a, b), Double(c, d)) => a <= c && b <= d,
            (Text(a, b), Text(c, d)) => a <= c && b <= d,
            _ => false,
        }
    }

    /// In the form of a column index.
    pub(super) fn to_bytes(&self) -> (Vec<u8>, Vec<u8>) {
        match self {
            Bounds::Boolean(a, b) => (vec![u8::from(*a)], vec![u8::from(*b)]),
            Bounds::Int32(a, b) => (a.to_le_bytes().into(), b.to_le_bytes().into()),
            Bounds::Int64(a, b) => (a.to_le_bytes().into(), b.to_le_bytes().into()),
            Bounds::Float(a, b) => (a.to_le_bytes().into(), b.to_le_bytes().into()),
            Bounds::Double(a, b) => (a.to_le_bytes().into(), b.to_le_bytes().into()),
            Bounds::Text(a, b) => (a.clone(), b.clone()),
        }
    }
}

trait FloatingPoint: Copy + Default + PartialOrd + Add<Output = Self> + Neg<Output = Self> {
    const INFINITY: Self;
}

impl FloatingPoint for f32 {
    const INFINITY: Self = f32::INFINITY;
}

impl FloatingPoint for f64 {
    const INFINITY: Self = f64::INFINITY;
}

/// The minimum and maximum of some numbers; `None` if there are none, or NaN is among them.
fn range<T: FloatingPoint>(values: &[T]) -> Option<(T, T)> {
    // Several of each, so that no comparison waits for the one before. This takes a seventh of the time.
    const LANES: usize = 8;
    let lesser = |value: T, least: T| if value < least { value } else { least };
    let greater = |value: T, greatest: T| if value > greatest { value } else { greatest };
    #[expect(clippy::eq_op, reason = "only NaN does not equal itself")]
    let is_nan = |value: T| value != value;
    let (mut least, mut greatest, mut sums) =
        ([T::INFINITY; LANES], [-T::INFINITY; LANES], [T::default(); LANES]);
    let (rounds, rest) = values.as_chunks::<LANES>();
    for round in rounds {
        for (lane, value) in round.iter().enumerate() {
            least[lane] = lesser(*value, least[lane]);
            greatest[lane] = greater(*value, greatest[lane]);
            // The sum is NaN if NaN is among them, or infinities of both signs. This takes a third of the time of
            // checking each.
            sums[lane] = sums[lane] + *value;
        }
    }
    let sees_nan = |values: &[T]| values.iter().any(|value| is_nan(*value));
    if sees_nan(rest) || (sees_nan(&sums) && sees_nan(values)) {
        return None;
    }
    let least = rest.iter().copied().chain(least).fold(T::INFINITY, |a, b| lesser(b, a));
    let greatest = rest.iter().copied().chain(greatest).fold(-T::INFINITY, |a, b| greater(b, a));
    // Zeros of both signs are equal, so either may represent both; the format requires the wider bounds.
    let zero = T::default();
    let least = if least == zero { -zero } else { least };
    let greatest = if greatest == zero { zero } else { greatest };
    (least <= greatest).then_some((least, greatest))
}

/// The statistics of a column chunk.
pub(super) fn statistics(bounds: Option<Bounds>, nulls: u64, physical: Physical) -> Statistics {
    let nulls = Some(nulls);
    match (bounds, physical) {
        (Some(Bounds::Boolean(a, b)), _) => Statistics::boolean(Some(a), Some(b), None, nulls, false),
        (Some(Bounds::Int32(a, b)), _) => Statistics::int32(Some(a), Some(b), None, nulls, false),
        (Some(Bounds::Int64(a, b)), _) => Statistics::int64(Some(a), Some(b), None, nulls, false),
        (Some(Bounds::Float(a, b)), _) => Statistics::float(Some(a), Some(b), None, nulls, false),
        (Some(Bounds::Double(a, b)), _) => Statistics::double(Some(a), Some(b), None, nulls, false),
        (Some(Bounds::Text(a, b)), _) => {
            Statistics::byte_array(Some(ByteArray::from(a)), Some(ByteArray::from(b)), None, nulls, false)
        }
        (None, Physical::BOOLEAN) => Statistics::boolean(None, None, None, nulls, false),
        (None, Physical::INT32) => Statistics::int32(None, None, None, nulls, false),
        (None, Physical::INT64) => Statistics::int64(None, None, None, nulls, false),
        (None, Physical::FLOAT) => Statistics::float(None, None, None, nulls, false),
        (None, Physical::DOUBLE) => Statistics::double(None, None, None, nulls, false),
        (None, _) => Statistics::byte_array(None, None, None, nulls, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_with_nan_have_no_bounds() {
        for place in [0, 7, 8, 19] {
            let mut values = [1.0; 20];
            values[place] = f64::NAN;
            assert_eq!(Bounds::of_doubles(&values), None, "NaN at {place}");
            assert_eq!(Bounds::of_floats(&values.map(|value| value as f32)), None, "NaN at {place}");
        }
    }

    #[test]
    fn zeros_are_widened() {
        for zero in [0.0, -0.0] {
            let Some(Bounds::Double(least, greatest)) = Bounds::of_doubles(&[zero]) else {
                panic!("a zero has bounds")
            };
            assert_eq!((least.is_sign_negative(), greatest.is_sign_negative()), (true, false));
        }
    }

    proptest! {
        #[test]
        fn bounds_of_doubles_are_those_of_each_by_itself(values in prop::collection::vec(
            prop_oneof![prop::num::f64::ANY, Just(0.0), Just(-0.0), -9.0..9.0], 0..40)
        ) {
            let numbers = || values.iter().copied();
            let expected = numbers().min_by(f64::total_cmp).zip(numbers().max_by(f64::total_cmp));
            match (Bounds::of_doubles(&values), expected) {
                (Some(Bounds::Double(least, greatest)), Some(expected)) => {
                    prop_assert_eq!((least, greatest), expected);
                    prop_assert!(least.is_sign_negative() || least != 0.0);
                    prop_assert!(greatest.is_sign_positive() || greatest != 0.0);
                }
                (found, _) => {
                    prop_assert!(found.is_none());
                    prop_assert!(values.is_empty() || values.iter().any(|value| value.is_nan()));
                }
            }
        }
    }

    #[test]
    fn bounds_of_two_pages_hold_both() {
        let text = |a: &str, b: &str| Bounds::Text(a.into(), b.into());
        assert_eq!(text("b", "c").merge(&text("a", "b")), Some(text("a", "c")));
        assert_eq!(
            Bounds::Double(-0.0, 1.0).merge(&Bounds::Double(0.0, 0.0)),
            Some(Bounds::Double(-0.0, 1.0))
        );
        assert_eq!(Bounds::Int64(1, 2).merge(&Bounds::Double(0.0, 1.0)), None);
    }

    #[test]
    fn long_texts_are_no_bounds() {
        let long = [b'x'; 65];
        let is_long =
            |texts: &[&[u8]]| Bounds::of_texts(texts.iter().copied()).map(|bounds| bounds.is_long());
        assert_eq!(is_long(&[&long, b"a"]), Some(true));
        assert_eq!(is_long(&[&long[1..], b"a"]), Some(false));
        assert_eq!(is_long(&[&long, b"a", b"y"]), Some(false), "it is none of the bounds");
    }
}
