//! Parses and prints doubles as a JVM does.
//!
//! [`parse`] takes a cell and returns the double closest to its decimal. [`write_java`] and [`write_java_f32`] take a
//! number and append the text of `Double.toString` and `Float.toString` in Java 19 and later: the shortest decimal that
//! reads back as the same number. Nothing here allocates (except for growing the output), panics, trims spaces, or
//! handles nulls.

use super::printer::{Printer, WORD};
use super::shortest::write_plain;

use std::io::Write;

/// The number in `cell`: an optional sign, digits with an optional point, an optional exponent; or one of `NaN`,
/// `Infinity`, `+Infinity`, `-Infinity`. `None` for every other text, and for a number too large for a double.
pub(crate) fn parse(cell: &[u8]) -> Option<f64> {
    // What `parse_plain` declines may still be valid, just not simple.
    parse_plain(cell).or_else(|| parse_general(cell))
}

/// Parses any number. `parse_plain` must return the same result whenever it returns one.
#[inline(never)]
fn parse_general(cell: &[u8]) -> Option<f64> {
    let unsigned = match cell {
        [b'+' | b'-', rest @ ..] => rest,
        _ => cell,
    };
    // The library below also accepts `inf`, `nan` and `INFINITY`, which are not numbers in Java (and may be IDs that
    // strayed into a column of numbers). So names are handled here, and it sees only digits.
    match unsigned {
        [b'0'..=b'9' | b'.', ..] => fast_float2::parse::<f64, _>(cell).ok().filter(|value| value.is_finite()),
        b"Infinity" if cell.starts_with(b"-") => Some(f64::NEG_INFINITY),
        b"Infinity" => Some(f64::INFINITY),
        b"NaN" if cell.len() == 3 => Some(f64::NAN),
        _ => None,
    }
}

/// The most digits whose value always fits a `u64`.
const DIGITS_IN_U64: usize = 19;

const POWERS_OF_TEN: [u64; DIGITS_IN_U64 + 1] = {
    let mut powers = [1; DIGITS_IN_U64 + 1];
    let mut q = 1;
    while q < powers.len() {
        powers[q] = powers[q - 1] * 10;
        q += 1;
    }
    powers
};

/// `1 / 10^q`: the first 64 bits of its binary fraction, rounded down, and the power of two that scales them:
/// `digits * 2^-scale <= 10^-q < (digits + 1) * 2^-scale`.
#[derive(Clone, Copy)]
struct Reciprocal {
    digits: u64,
    scale: i32,
}

/// Up to 10^27, the last one whose power of five fits a `u64`.
const RECIPROCALS: [Reciprocal; 28] = {
    let mut reciprocals = [Reciprocal { digits: 1 << 63, scale: 63 }; 28];
    let mut q = 1;
    let mut power_of_five = 1_u64;
    while q < reciprocals.len() {
        power_of_five *= 5;
        // Apart from the first, no power of five is a power of two, so this quotient is strictly between 2^63 and 2^64.
        let scale = 64 + power_of_five.ilog2();
        let digits = ((1_u128 << scale) / power_of_five as u128) as u64;
        reciprocals[q] = Reciprocal { digits, scale: scale as i32 + q as i32 };
        q += 1;
    }
    reciprocals
};

/// Parses the typical cells of an export: an optional minus, at most 19 digits with a point among or before the first
/// eight of them, an exponent of one digit. `None` means "use `parse_general`", for a cell of another form and for a
/// number too close to the middle of two doubles.
///
/// Cells differ in length and in the position of the point, so a loop over bytes would be mispredicted at its end each
/// time. Instead, the cell is loaded as words, and what does not belong to a part is masked out.
#[inline(always)]
pub(crate) fn parse_plain(cell: &[u8]) -> Option<f64> {
    let negative = cell.first() == Some(&b'-');
    let unsigned = cell.get(usize::from(negative)..)?;
    let (mantissa, exponent) = match unsigned {
        [mantissa @ .., b'E', b'-', digit @ b'0'..=b'9'] => (mantissa, i32::from(b'0') - i32::from(*digit)),
        [mantissa @ .., b'E', digit @ b'0'..=b'9'] => (mantissa, i32::from(*digit) - i32::from(b'0')),
        _ => (unsigned, 0),
    };
    let short = mantissa.len() < 8;
    let decimal = if short { short_decimal(mantissa) } else { long_decimal(mantissa) }?;
    let power = usize::try_from(decimal.fraction_len as i32 - exponent).ok()?;
    let magnitude = if short {
        // At most 10^7 and 10^15: both are exact as doubles, so there is only one rounding, the correct one.
        decimal.digits as i64 as f64 / *POWERS_OF_TEN.get(power)? as i64 as f64
    } else {
        divide_by_power_of_ten(decimal.digits, power)?
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// The number `digits / 10^fraction_len`.
struct Decimal {
    digits: u64,
    fraction_len: usize,
}

/// Reads one to seven characters.
#[inline(always)]
fn short_decimal(text: &[u8]) -> Option<Decimal> {
    let len = text.len();
    let head = if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        // The two halves overlap; the bytes there are the same.
        u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (8 * (len - 4))
    } else {
        let (first, middle, last) = (*text.first()?, *text.get(len / 2)?, *text.last()?);
        u64::from(first) | u64::from(middle) << (8 * (len / 2)) | u64::from(last) << (8 * (len - 1))
    };
    // Without a point, it is treated as if it were at the end.
    let point = first_point(head).unwrap_or(len);
    let fraction_len = len.saturating_sub(point + 1);
    if point + fraction_len == 0 {
        return None;
    }
    let integer = (head ^ ZEROS) & LOW_BYTES[point];
    let fraction = (head ^ ZEROS) << (64 - 8 * len) & !LOW_BYTES[8 - fraction_len];
    // The integer's digits go right before the fraction's; together there are at most seven.
    let digits = fraction | integer << (8 * (8 - fraction_len - point));
    if !are_digits(digits) {
        return None;
    }
    Some(Decimal { digits: join_digits(digits), fraction_len })
}

/// Reads eight or more characters with a point among the first eight.
#[inline(always)]
fn long_decimal(text: &[u8]) -> Option<Decimal> {
    let len = text.len();
    let head = u64::from_le_bytes(*text.first_chunk::<8>()?);
    let last = u64::from_le_bytes(*text.last_chunk::<8>()?);
    // The eight characters before the last eight, or as many as there are, at the high end.
    let middle = match text.last_chunk::<16>().and_then(|chunk| chunk.first_chunk::<8>()) {
        Some(middle) => u64::from_le_bytes(*middle),
        None => head << (8 * (15 - len)) << 8,
    };
    let point = first_point(head)?;
    let fraction_len = len - (point + 1);

    let integer = (head ^ ZEROS) << 8 << (56 - 8 * point);
    let [middle_digits, last_digits] = *FRACTION_BYTES.get(fraction_len)?;
    let middle = (middle ^ ZEROS) & middle_digits;
    let last = (last ^ ZEROS) & last_digits;
    if !(are_digits(integer) && are_digits(middle) && are_digits(last)) {
        return None;
    }
    let integer = join_digits(integer);
    let mut digits = join_digits(middle) * 100_000_000 + join_digits(last);

    if fraction_len > 16 {
        // The digits next to the point are not among the last 16; Java prints at most `0.00` and 17 more.
        let first_len = fraction_len - 16;
        if first_len > 3 || integer != 0 || point > 1 {
            return None;
        }
        let first = (head ^ ZEROS) >> (8 * (point + 1)) << (64 - 8 * first_len);
        if !are_digits(first) {
            return None;
        }
        digits += join_digits(first) * POWERS_OF_TEN[16];
    } else if point + fraction_len > DIGITS_IN_U64 {
        return None;
    } else {
        digits += integer * POWERS_OF_TEN[fraction_len];
    }
    Some(Decimal { digits, fraction_len })
}

/// A word whose lowest `n` bytes are set.
const LOW_BYTES: [u64; 9] = {
    let mut masks = [u64::MAX; 9];
    let mut n = 0;
    while n < 8 {
        masks[n] = (1 << (8 * n)) - 1;
        n += 1;
    }
    masks
};

/// Which of the last sixteen bytes are digits of a fraction of this length, in two words.
const FRACTION_BYTES: [[u64; 2]; DIGITS_IN_U64 + 1] = {
    let mut bytes = [[u64::MAX; 2]; DIGITS_IN_U64 + 1];
    let mut len = 0;
    while len < 16 {
        bytes[len] = if len <= 8 { [0, !LOW_BYTES[8 - len]] } else { [!LOW_BYTES[16 - len], u64::MAX] };
        len += 1;
    }
    bytes
};

/// The position of the first `.` among eight bytes.
#[inline(always)]
fn first_point(text: u64) -> Option<usize> {
    let others = text ^ 0x2E2E_2E2E_2E2E_2E2E;
    // Marks the first zero byte; borrowing may mark more after it.
    let marks = others.wrapping_sub(0x0101_0101_0101_0101) & !others & 0x8080_8080_8080_8080;
    if marks == 0 { None } else { Some(marks.trailing_zeros() as usize / 8) }
}

/// Eight times the character `0`.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Whether each of eight bytes is at most 9.
#[inline(always)]
fn are_digits(values: u64) -> bool {
    // A byte above 9 reaches the top bit when 0x76 is added, or already has it; only such a byte can carry into the
    // next.
    (values | values.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080 == 0
}

/// The number made by eight digits, with the first in the lowest byte.
#[inline(always)]
fn join_digits(values: u64) -> u64 {
    // Neighbours are combined: 8 digits, 4 numbers below 100, 2 below 10^4, 1 below 10^8.
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8);
    let high = (pairs & 0x0000_00FF_0000_00FF).wrapping_mul(0x000F_4240_0000_0064);
    let low = ((pairs >> 16) & 0x0000_00FF_0000_00FF).wrapping_mul(0x0000_2710_0000_0001);
    high.wrapping_add(low) >> 32
}

/// The double closest to `digits / 10^q`. `None` if 64 bits of the quotient do not decide it, and for a large `q`.
#[inline(always)]
fn divide_by_power_of_ten(digits: u64, q: usize) -> Option<f64> {
    if digits == 0 {
        return Some(0.0);
    }
    let reciprocal = RECIPROCALS.get(q)?;
    let shift = digits.leading_zeros();
    let product = u128::from(digits << shift) * u128::from(reciprocal.digits);
    // The reciprocal is too small by less than one in its last place, so the true quotient, in units of `top`'s last
    // bit, lies in [top, top + 2).
    let top = (product >> 64) as u64;
    // Two factors with their highest bit set lose one place at most; with the place, [top, top + 4).
    let lost = top.leading_zeros();
    let top = top << lost;
    let remainder = top & 0x7FF;
    if (0x400 - 3..=0x400).contains(&remainder) {
        return None;
    }
    // From 2^52 to 2^53, far from the limits of the exponent. The highest bit is added to the exponent.
    let rounded = (top >> 11) + (remainder >> 10);
    let exponent = 75 - (shift + lost) as i32 - reciprocal.scale;
    Some(f64::from_bits((((1022 + 52 + exponent) as u64) << 52) + rounded))
}

/// Prints like [`write_java`], for loops over many cells.
#[inline(always)]
pub(crate) fn print_java(value: f64, out: &mut Printer<'_>) {
    match out.made_room().and_then(|room| write_plain(value, room)) {
        Some(len) => out.wrote(len),
        None => {
            let mut text = Vec::with_capacity(WORD);
            write_java(value, &mut text);
            out.text(&text);
        }
    }
}

/// Appends the result of Java's `Double.toString` for `value`.
pub(crate) fn write_java(value: f64, out: &mut Vec<u8>) {
    let mut room = [0; WORD];
    if let Some(len) = write_plain(value, &mut room) {
        out.extend_from_slice(&room[..len]);
    } else if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(infinity(value.is_sign_negative()));
    } else if !write_scientific(zmij::Buffer::new().format_finite(value), value.is_subnormal(), out) {
        // Writing to a vector cannot fail.
        let _ = write!(out, "{value:.1E}");
    }
}

/// Appends the result of Java's `Float.toString` for `value`.
#[inline]
pub(crate) fn write_java_f32(value: f32, out: &mut Vec<u8>) {
    let magnitude = value.abs();
    if (1e-3..1e7).contains(&magnitude) || magnitude == 0.0 {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(infinity(value.is_sign_negative()));
    } else if !write_scientific(zmij::Buffer::new().format_finite(value), magnitude < f32::MIN_POSITIVE, out)
    {
        let _ = write!(out, "{value:.1E}");
    }
}

fn infinity(negative: bool) -> &'static [u8] {
    if negative { b"-Infinity" } else { b"Infinity" }
}

/// Appends `text`, a finite nonzero number as printed by `zmij`, in the form `d.dddE` with the exponent.
///
/// Appends nothing and returns false if Java prints other digits than the shortest: it prints at least two, and takes
/// the closest two. That is the shortest followed by a zero, unless doubles are so far apart that several two-digit
/// numbers mean the same one: `4.9E-324`, not `5.0E-324`. Only subnormal doubles are so far apart.
fn write_scientific(text: &str, subnormal: bool, out: &mut Vec<u8>) -> bool {
    let text = text.as_bytes();
    let (sign, unsigned) = text.split_at(usize::from(text.starts_with(b"-")));

    // `1.5e-7`, `5e-324`: already in this form except for the letter, the plus and the `.0`. The longest exponent has
    // five characters.
    let exponent_at = (2..=5).find_map(|back| {
        let at = unsigned.len().checked_sub(back)?;
        (unsigned.get(at) == Some(&b'e')).then_some(at)
    });
    if let Some(at) = exponent_at {
        if at == 1 && subnormal {
            return false;
        }
        let exponent = &unsigned[at + 1..];
        out.extend_from_slice(&text[..sign.len() + at]);
        out.extend_from_slice(if at == 1 { b".0E" } else { b"E" });
        out.extend_from_slice(exponent.strip_prefix(b"+").unwrap_or(exponent));
        return true;
    }

    out.extend_from_slice(sign);

    // `0.00015`: the digits after the zeros. It does not end in a zero, and no number of this form has ten zeros.
    if let Some(fraction) = unsigned.strip_prefix(b"0.") {
        let zeros = fraction.iter().take_while(|&&byte| byte == b'0').count();
        if let Some((first, rest)) = fraction[zeros..].split_first() {
            out.extend_from_slice(&[*first, b'.']);
            out.extend_from_slice(if rest.is_empty() { b"0" } else { rest });
            out.extend_from_slice(&[b'E', b'-', b'1' + zeros as u8]);
        }
        return true;
    }

    // `15000000.0`: the point moves after the first digit, and trailing zeros are removed.
    let point = unsigned.iter().position(|&byte| byte == b'.').unwrap_or(unsigned.len());
    let start = out.len();
    out.extend_from_slice(unsigned);
    let digits = out.get_mut(start + 1..).unwrap_or_default();
    if let Some(moved) = digits.get_mut(..point) {
        moved.rotate_right(1);
    }
    // One digit stays after the point, even if it is zero.
    let zeros = digits.iter().skip(2).rev().take_while(|&&byte| byte == b'0').count();
    out.truncate(out.len() - zeros);
    let exponent = point.saturating_sub(1);
    out.push(b'E');
    if exponent >= 10 {
        out.push(b'0' + (exponent / 10) as u8);
    }
    out.push(b'0' + (exponent % 10) as u8);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    fn written(value: f64) -> String {
        let mut out = b"before,".to_vec();
        write_java(value, &mut out);
        let text = String::from_utf8(out).expect("only ASCII is written");
        text.strip_prefix("before,").expect("what was there stays").to_owned()
    }

    fn written_f32(value: f32) -> String {
        let mut out = Vec::new();
        write_java_f32(value, &mut out);
        String::from_utf8(out).expect("only ASCII is written")
    }

    fn parsed(text: &str) -> Option<u64> {
        parse(text.as_bytes()).map(f64::to_bits)
    }

    /// The form of Java's output for a finite number, regardless of the exponent's value and of trailing zeros.
    static JAVA_SHAPE: LazyLock<regex::Regex> = LazyLock::new(|| {
        regex::Regex::new(r"^-?(0\.0|0\.0{0,2}[1-9]\d*|[1-9]\d{0,6}\.\d+|[1-9]\.\d+E-?[1-9]\d{0,2})$")
            .expect("a valid regex")
    });

    fn has_java_shape(text: &str) -> bool {
        let (mantissa, exponent) = text.split_once('E').unwrap_or((text, "7"));
        let outside = exponent.parse().is_ok_and(|exponent: i32| !(-3..7).contains(&exponent));
        let trailing_zero = mantissa.ends_with('0') && !mantissa.ends_with(".0");
        JAVA_SHAPE.is_match(text) && outside && !trailing_zero
    }

    /// The number of digits in a text, without leading and trailing zeros.
    fn significant_digits(text: &str) -> usize {
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        digits.trim_matches('0').len()
    }

    /// Checks all guarantees about the text of one finite number.
    fn check_text(value: f64) {
        let text = written(value);
        assert_eq!(parsed(&text), Some(value.to_bits()), "{text} is not {value:e}");
        assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(value.to_bits()), "{text} is not {value:e}");
        assert!(has_java_shape(&text), "{text}");
        let shortest = significant_digits(&format!("{value:e}"));
        let two_for_one = shortest == 1 && value.is_subnormal();
        assert!(
            significant_digits(&text) <= if two_for_one { 2 } else { shortest },
            "{text} is not shortest"
        );
    }

    #[test]
    fn doubles_are_printed_as_java_prints_them() {
        let table = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-8.0, "-8.0"),
            (100.0, "100.0"),
            (1_234_567.0, "1234567.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (186.7223965486312, "186.7223965486312"),
            (-3.7700757298479304, "-3.7700757298479304"),
            // The limits of the plain form.
            (0.001, "0.001"),
            (2e-3, "0.002"),
            (9.999e-4, "9.999E-4"),
            (f64::from_bits(1e-3_f64.to_bits() - 1), "9.999999999999998E-4"),
            (9_999_999.0, "9999999.0"),
            (9_999_999.999_999_998, "9999999.999999998"),
            (1e7, "1.0E7"),
            (-1e7, "-1.0E7"),
            (12_345_678.9, "1.23456789E7"),
            (1.200_000_3e9, "1.2000003E9"),
            (2.295408381527212e-4, "2.295408381527212E-4"),
            (-2.295408381527212e-5, "-2.295408381527212E-5"),
            (1e-4, "1.0E-4"),
            (1e-5, "1.0E-5"),
            (1e-6, "1.0E-6"),
            (1.5e-10, "1.5E-10"),
            (1e15, "1.0E15"),
            (1e16, "1.0E16"),
            (-1.5e100, "-1.5E100"),
            // JVMs before 19 print some of these with too many digits.
            (1e23, "1.0E23"),
            (2e23, "2.0E23"),
            (8.41e21, "8.41E21"),
            (2.2e-322, "2.2E-322"),
            (2_f64.powi(-44), "5.684341886080802E-14"),
            (9_007_199_254_740_992.0, "9.007199254740992E15"),
            (9_007_199_254_740_994.0, "9.007199254740994E15"),
            // In the middle between two shortest decimals, the even one is chosen.
            (2_f64.powi(50) + 0.25, "1.1258999068426242E15"),
            (2_f64.powi(50) + 0.75, "1.1258999068426248E15"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::MIN, "-1.7976931348623157E308"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (f64::from_bits(0x000F_FFFF_FFFF_FFFF), "2.225073858507201E-308"),
            // Two digits are printed, so they are the closest two.
            (f64::from_bits(1), "4.9E-324"),
            (-f64::from_bits(1), "-4.9E-324"),
            (f64::from_bits(2), "9.9E-324"),
            (f64::from_bits(3), "1.5E-323"),
            (f64::from_bits(4), "2.0E-323"),
            (f64::from_bits(5), "2.5E-323"),
            (f64::from_bits(6), "3.0E-323"),
            (f64::from_bits(20), "9.9E-323"),
            (f64::from_bits(40), "2.0E-322"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in table {
            assert_eq!(written(value), text);
        }
    }

    #[test]
    fn floats_are_printed_as_java_prints_them() {
        let table = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (3.3, "3.3"),
            (0.001, "0.001"),
            (9.999e-4, "9.999E-4"),
            (1e-6, "1.0E-6"),
            (1.5e-7, "1.5E-7"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12_345_679.0, "1.2345679E7"),
            (1e12, "1.0E12"),
            (1e13, "1.0E13"),
            (1e10, "1.0E10"),
            (f32::MAX, "3.4028235E38"),
            (f32::MIN_POSITIVE, "1.1754944E-38"),
            (f32::from_bits(1), "1.4E-45"),
            (-f32::from_bits(2), "-2.8E-45"),
            (f32::from_bits(7), "9.8E-45"),
            (f32::NAN, "NaN"),
            (f32::INFINITY, "Infinity"),
            (f32::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in table {
            assert_eq!(written_f32(value), text);
        }
    }

    #[test]
    fn powers_of_two_and_their_neighbours_are_printed_shortest() {
        // Below a power of two, doubles are closer together than above it.
        for exponent in 1..2047_u64 {
            for bits in [(exponent << 52) - 1, exponent << 52, (exponent << 52) + 1] {
                check_text(f64::from_bits(bits));
            }
        }
    }

    #[test]
    fn the_smallest_subnormals_are_printed_with_the_best_two_digits() {
        for bits in 1..2000 {
            let value = f64::from_bits(bits);
            check_text(value);
            if significant_digits(&written(value)) <= 2 {
                assert_eq!(written(value), format!("{value:.1E}"));
            }
        }
    }

    #[test]
    fn numbers_are_read_in_all_forms_java_reads() {
        let table = [
            ("0", 0.0),
            ("-0", -0.0),
            ("-0.0", -0.0),
            ("+0.0", 0.0),
            ("21", 21.0),
            ("-8", -8.0),
            ("+1.5", 1.5),
            ("1.", 1.0),
            (".5", 0.5),
            ("-.5", -0.5),
            ("1.e5", 1e5),
            (".5E-3", 5e-4),
            ("1e5", 1e5),
            ("1E+05", 1e5),
            ("-1.5E-7", -1.5e-7),
            ("1.0E7", 1e7),
            ("1.0E-0", 1.0),
            ("0.0E9", 0.0),
            ("-0.0E-9", -0.0),
            ("00042.50", 42.5),
            ("0.0012345678901234567", 0.0012345678901234567),
            ("186.7223965486312", 186.7223965486312),
            ("2.295408381527212E-4", 2.295408381527212e-4),
            ("1234567890123456789", 1234567890123456789.0),
            ("123456789012345678901234567890", 123456789012345678901234567890.0),
            ("12345678901234567890.5", 12345678901234567890.5),
            // Between two doubles: to the even one; anything above: up.
            ("9007199254740993", 9_007_199_254_740_992.0),
            ("9007199254740993.0", 9_007_199_254_740_992.0),
            ("9007199254740993.00000000000000000000000000000001", 9_007_199_254_740_994.0),
            ("9007199.254740993E9", 9_007_199_254_740_992.0),
            ("9007199.254740995E9", 9_007_199_254_740_996.0),
            ("9007199.2547409931E9", 9_007_199_254_740_994.0),
            ("1.0E23", 1e23),
            ("1.7976931348623157E308", f64::MAX),
            ("1.7976931348623158e308", f64::MAX),
            ("4.9E-324", f64::from_bits(1)),
            ("2.4703282292062328e-324", f64::from_bits(1)),
            ("2.4703282292062327e-324", 0.0),
            ("-1e-999", -0.0),
            ("0e99999999999999999999", 0.0),
            ("Infinity", f64::INFINITY),
            ("+Infinity", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
        ];
        for (text, value) in table {
            assert_eq!(parsed(text), Some(value.to_bits()), "{text}");
        }
        assert!(parse(b"NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn what_is_no_number_is_none() {
        let texts = [
            "",
            " ",
            "-",
            "+",
            ".",
            "-.",
            "+.",
            "e5",
            ".e5",
            "-e5",
            "1e",
            "1e+",
            "1.5E-",
            "E",
            "E5",
            "E-5",
            "-E-5",
            " 1",
            "1 ",
            "1\n",
            "\t1",
            "1 000",
            "1,5",
            "1_000",
            "--1",
            "+-1",
            "-+1",
            "1-",
            "1.2.3",
            "1..2",
            "1e5.0",
            "1e5e5",
            "1.0E7E7",
            "0x10",
            "0x1p3",
            "1f",
            "1d",
            "1.0F",
            "1.0D",
            "1.5L",
            "inf",
            "-inf",
            "+inf",
            "Inf",
            "INF",
            "nan",
            "NAN",
            "Nan",
            "-NaN",
            "+NaN",
            "infinity",
            "INFINITY",
            "-infinity",
            "Infinit",
            "Infinity1",
            "--Infinity",
            "NaN1",
            "not defined",
            "client_254",
            "true",
            "null",
            "1e999",
            "-1e999",
            "1.7976931348623159e308",
            "1e99999999999999999999",
            "12345678:",
            "1.2345678:",
            "1.23456789/",
            "1.2345678901234567:",
            "1.234567890123456789x",
            "123456789.x",
            "\u{661}",
            "0.00000000000000x5",
            "0.x00000000000000005",
            "x.12345678901234567",
            "1.5\0",
            "\u{0}1.5",
            "1.5\u{e9}",
        ];
        for text in texts {
            assert_eq!(parsed(text), None, "{text:?}");
        }
        assert_eq!(parse(b"\xFF"), None);
        assert_eq!(parse(b"1.5\xB5\xFF\x30\x80"), None);
    }

    #[test]
    fn very_long_numbers_are_read_too() {
        let zeros = "0".repeat(100_000);
        assert_eq!(parsed(&format!("1{zeros}")), None);
        assert_eq!(parsed(&format!("{zeros}1.5{zeros}")), Some(1.5_f64.to_bits()));
        assert_eq!(parsed(&format!("0.{zeros}1")), Some(0));
        assert_eq!(parsed(&format!("0.{zeros}1e100001")), Some(1.0_f64.to_bits()));
    }

    /// A double from the whole range, or a typical one of an export.
    fn finite() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            -1e3..1e3_f64,
            -1e-2..1e-2_f64,
            -1e18..1e18_f64,
            (-100_000_000..100_000_000_i64, 0..9)
                .prop_map(|(digits, power)| digits as f64 / 10_f64.powi(power)),
        ]
        .prop_filter("finite", |value| value.is_finite())
    }

    /// Compares with the standard library, whose reader is exact, on a text of digits, signs, points and exponents only.
    fn check_against_std(text: &str) {
        let expected = text.parse::<f64>().ok().filter(|value| value.is_finite());
        assert_eq!(parsed(text), expected.map(f64::to_bits), "{text}");
        if let Some(plain) = parse_plain(text.as_bytes()) {
            assert_eq!(Some(plain.to_bits()), expected.map(f64::to_bits), "{text}, in the fast way");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn printed_doubles_are_shortest_and_read_back_bit_by_bit(value in finite()) {
            check_text(value);
        }

        #[test]
        fn printed_floats_are_shortest_and_read_back_bit_by_bit(value in any::<f32>()) {
            let text = written_f32(value);
            prop_assert_eq!(text.parse::<f32>().map(f32::to_bits), Ok(value.to_bits()));
            prop_assert!(has_java_shape(&text), "{}", text);
            let shortest = significant_digits(&format!("{value:e}"));
            prop_assert!(significant_digits(&text) <= shortest.max(2));
            prop_assert!(value.is_subnormal() || significant_digits(&text) == shortest);
        }

        #[test]
        fn texts_like_numbers_are_read_as_the_standard_library_reads_them(
            text in "[+-]?[0-9]{0,9}\\.?[0-9]{0,20}([eE][+-]?[0-9]{1,3})?"
        ) {
            check_against_std(&text);
        }

        #[test]
        fn texts_of_the_characters_of_numbers_are_read_as_the_standard_library_reads_them(text in "[-+.eE0-9]{0,26}") {
            check_against_std(&text);
        }

        #[test]
        fn printed_and_then_damaged_numbers_are_read_as_the_standard_library_reads_them(
            value in finite(), at in any::<prop::sample::Index>(), byte in "[-+.eE0-9:/x ]"
        ) {
            let mut text = written(value);
            let at = at.index(text.len());
            text.replace_range(at..=at, &byte);
            check_against_std(&text);
        }

        #[test]
        fn numbers_next_to_the_middle_of_two_doubles_are_rounded_to_the_right_one(
            fraction in 0..1_u64 << 52, integer in 1..8_u64, move_by in -1..=1_i64
        ) {
            // Doubles from 4 to 8 have 50 bits after the point, so the middle of two has 51; and so on.
            let bits = 52 - integer.ilog2();
            let middle = u128::from((fraction >> (52 - bits)) * 2 + 1);
            let digits = (middle * 10_u128.pow(18)) >> (bits + 1);
            let digits = (digits as i64 + move_by).clamp(0, 999_999_999_999_999_999);
            check_against_std(&format!("{integer}.{digits:018}"));
            check_against_std(&format!("-{integer}.{digits:018}E-4"));
        }

        #[test]
        fn numbers_exactly_between_two_doubles_are_rounded_to_the_even_one(
            mantissa in 1_u64 << 52..1 << 53, power in 0..3_u32, point in 1..8_usize
        ) {
            let middle = (u128::from(mantissa) * 2 + 1) * 5_u128.pow(power);
            let mut text = middle.to_string();
            let exponent = text.len() as i32 - point as i32 - power as i32;
            text.insert(point, '.');
            check_against_std(&format!("{text}E{exponent}"));
        }

        #[test]
        fn any_bytes_are_read_without_panic_and_only_as_what_the_standard_library_reads(
            cell in prop::collection::vec(any::<u8>(), 0..40)
        ) {
            if let Some(value) = parse(&cell) {
                let expected = std::str::from_utf8(&cell).ok().and_then(|text| text.parse::<f64>().ok());
                prop_assert_eq!(expected.map(f64::to_bits), Some(value.to_bits()));
            }
        }
    }
}
