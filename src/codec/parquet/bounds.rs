//! The least and the greatest value of a page or column chunk, by which readers skip what they need not read.

use parquet::basic::Type as Physical;
use parquet::data_type::ByteArray;
use parquet::file::statistics::Statistics;

/// Least and greatest, of values that have an order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bounds {
    Boolean(bool, bool),
    Int32(i32, i32),
    Int64(i64, i64),
    /// Never NaN, which has no place in the order.
    Double(f64, f64),
    Text(Vec<u8>, Vec<u8>),
}

/// A longer text is no bound: footers stay small.
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

    pub(super) fn of_doubles(values: &[f64]) -> Option<Self> {
        // Several of each, so that no comparison waits for the one before: a seventh of the time.
        const LANES: usize = 8;
        let (mut least, mut greatest) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        let (rounds, rest) = values.as_chunks::<LANES>();
        for round in rounds {
            for (lane, value) in round.iter().enumerate() {
                least[lane] = lesser(*value, least[lane]);
                greatest[lane] = greater(*value, greatest[lane]);
            }
        }
        let least = rest.iter().copied().chain(least).fold(f64::INFINITY, |a, b| lesser(b, a));
        let greatest = rest.iter().copied().chain(greatest).fold(f64::NEG_INFINITY, |a, b| greater(b, a));
        // Zeros of both signs are equal, so either may stand for both: the format wants the wider bounds.
        let least = if least == 0.0 { -0.0 } else { least };
        let greatest = if greatest == 0.0 { 0.0 } else { greatest };
        (least <= greatest).then_some(Bounds::Double(least, greatest))
    }

    pub(super) fn of_texts<'a>(texts: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Self> {
        let (least, greatest) = (texts.clone().min()?, texts.max()?);
        (least.len().max(greatest.len()) <= LONGEST_TEXT)
            .then(|| Bounds::Text(least.to_vec(), greatest.to_vec()))
    }

    /// The bounds of both together.
    pub(super) fn merge(self, other: &Self) -> Option<Self> {
        use Bounds::{Boolean, Double, Int32, Int64, Text};
        Some(match (self, other) {
            (Boolean(a, b), Boolean(c, d)) => Boolean(a.min(*c), b.max(*d)),
            (Int32(a, b), Int32(c, d)) => Int32(a.min(*c), b.max(*d)),
            (Int64(a, b), Int64(c, d)) => Int64(a.min(*c), b.max(*d)),
            // By the total order, in which -0.0 comes before 0.0.
            (Double(a, b), Double(c, d)) => Double(
                if c.total_cmp(&a).is_lt() { *c } else { a },
                if d.total_cmp(&b).is_gt() { *d } else { b },
            ),
            (Text(a, b), Text(c, d)) => Text(a.min(c.clone()), b.max(d.clone())),
            _ => return None,
        })
    }

    /// As a column index holds them.
    pub(super) fn to_bytes(&self) -> (Vec<u8>, Vec<u8>) {
        match self {
            Bounds::Boolean(a, b) => (vec![u8::from(*a)], vec![u8::from(*b)]),
            Bounds::Int32(a, b) => (a.to_le_bytes().into(), b.to_le_bytes().into()),
            Bounds::Int64(a, b) => (a.to_le_bytes().into(), b.to_le_bytes().into()),
            Bounds::Double(a, b) => (a.to_le_bytes().into(), b.to_le_bytes().into()),
            Bounds::Text(a, b) => (a.clone(), b.clone()),
        }
    }
}

/// The lesser of two, the second where the first is NaN: every comparison with NaN is false, so none gets into a bound.
fn lesser(value: f64, least: f64) -> f64 {
    if value < least { value } else { least }
}

/// The greater of two, the second where the first is NaN.
fn greater(value: f64, greatest: f64) -> f64 {
    if value > greatest { value } else { greatest }
}

/// The statistics of a column chunk.
pub(super) fn statistics(bounds: Option<Bounds>, nulls: u64, physical: Physical) -> Statistics {
    let nulls = Some(nulls);
    match (bounds, physical) {
        (Some(Bounds::Boolean(a, b)), _) => Statistics::boolean(Some(a), Some(b), None, nulls, false),
        (Some(Bounds::Int32(a, b)), _) => Statistics::int32(Some(a), Some(b), None, nulls, false),
        (Some(Bounds::Int64(a, b)), _) => Statistics::int64(Some(a), Some(b), None, nulls, false),
        (Some(Bounds::Double(a, b)), _) => Statistics::double(Some(a), Some(b), None, nulls, false),
        (Some(Bounds::Text(a, b)), _) => {
            Statistics::byte_array(Some(ByteArray::from(a)), Some(ByteArray::from(b)), None, nulls, false)
        }
        (None, Physical::BOOLEAN) => Statistics::boolean(None, None, None, nulls, false),
        (None, Physical::INT32) => Statistics::int32(None, None, None, nulls, false),
        (None, Physical::INT64) => Statistics::int64(None, None, None, nulls, false),
        (None, Physical::DOUBLE) => Statistics::double(None, None, None, nulls, false),
        (None, _) => Statistics::byte_array(None, None, None, nulls, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nan_is_no_bound_and_zeros_are_widened() {
        assert_eq!(Bounds::of_doubles(&[f64::NAN, 2.0, -1.0]), Some(Bounds::Double(-1.0, 2.0)));
        assert_eq!(Bounds::of_doubles(&[f64::NAN]), None);
        let Some(Bounds::Double(least, greatest)) = Bounds::of_doubles(&[0.0]) else {
            panic!("a zero has bounds")
        };
        assert_eq!((least.is_sign_negative(), greatest.is_sign_negative()), (true, false));
    }

    proptest! {
        #[test]
        fn bounds_of_doubles_are_those_of_each_by_itself(values in prop::collection::vec(
            prop_oneof![prop::num::f64::ANY, Just(f64::NAN), Just(0.0), Just(-0.0), -9.0..9.0], 0..40)
        ) {
            let numbers = || values.iter().copied().filter(|value| !value.is_nan());
            let expected = numbers().min_by(f64::total_cmp).zip(numbers().max_by(f64::total_cmp));
            match (Bounds::of_doubles(&values), expected) {
                (Some(Bounds::Double(least, greatest)), Some(expected)) => {
                    prop_assert_eq!((least, greatest), expected);
                    prop_assert!(least.is_sign_negative() || least != 0.0);
                    prop_assert!(greatest.is_sign_positive() || greatest != 0.0);
                }
                (found, expected) => prop_assert!(found.is_none() && expected.is_none()),
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
        assert_eq!(Bounds::of_texts([&long[..], b"a"].into_iter()), None);
    }
}
