//! Prints the shortest decimal of a double that needs no exponent, directly in place.
//!
//! Most numbers of a forecast are between 10^-3 and 10^7. In this range a double times a power of ten that fits 64 bits
//! is a whole number with a binary fraction, so one multiplication decides everything exactly, without tables of
//! rounded powers. The idea is that of Schubfach by R. Giulietti, with the scale of xjb by Xiang JunBo: the whole
//! number is the shorter candidate, and one more digit makes the longer one. The text is assembled in registers and
//! stored once, whereas copying from a printer's buffer must wait for its stores. This takes half the time of calling
//! `zmij`.

use super::printer::WORD;

/// The smallest number, and the first too large one, as bits without the sign.
const FROM: u64 = 1e-3_f64.to_bits();
const TO: u64 = 1e7_f64.to_bits();

const MANTISSA_BITS: u32 = 52;
const FIRST_EXPONENT: u64 = FROM >> MANTISSA_BITS;
const EXPONENTS: usize = ((TO >> MANTISSA_BITS) - FIRST_EXPONENT) as usize + 1;

/// How to turn a double with a given exponent into a whole number of 15 or 16 digits.
#[derive(Clone, Copy)]
struct Scale {
    /// The multiplier for the mantissa, as a binary fraction: the largest power of ten for which the distance between
    /// two neighbours is less than 1, and so at least 0.1. It equals that distance. At least its last two bits are
    /// zero.
    distance: u64,
    /// The number of decimals in the whole number.
    decimals: u32,
}

const SCALES: [Scale; EXPONENTS] = {
    let mut scales = [Scale { distance: 0, decimals: 0 }; EXPONENTS];
    let mut i = 0;
    while i < EXPONENTS {
        let fraction_bits = 1023 + MANTISSA_BITS - (FIRST_EXPONENT as u32 + i as u32);
        let (mut power, mut decimals) = (1_u64, 0);
        while power <= (1 << fraction_bits) / 10 {
            power *= 10;
            decimals += 1;
        }
        scales[i] = Scale { distance: power << (64 - fraction_bits), decimals };
        i += 1;
    }
    scales
};

const ZEROS: u64 = 0x3030_3030_3030_3030;
const POINTS: u64 = 0x2e2e_2e2e_2e2e_2e2e;

/// Masks of the lowest bytes of a word, by their number.
const LOWEST: [u64; 9] =
    [0, 0xff, 0xffff, 0xff_ffff, 0xffff_ffff, 0xff_ffff_ffff, 0xffff_ffff_ffff, u64::MAX >> 8, u64::MAX];

/// Writes the shortest decimal that reads back as `value`, or the closest of several, as `d.d`, and returns its length;
/// bytes after it are arbitrary. `None` unless the value is zero or in [10^-3, 10^7), because others are printed in
/// another form.
#[inline(always)]
pub(crate) fn write_plain(value: f64, room: &mut [u8; WORD]) -> Option<usize> {
    let magnitude = value.to_bits() & (u64::MAX >> 1);
    let sign = (value.to_bits() >> 63) as usize;
    if !(FROM..TO).contains(&magnitude) {
        if magnitude != 0 {
            return None;
        }
        room[..4].copy_from_slice(b"-0.0");
        room.copy_within(1 - sign..4, 0);
        return Some(3 + sign);
    }
    let scale = SCALES.get((magnitude >> MANTISSA_BITS).wrapping_sub(FIRST_EXPONENT) as usize)?;
    let mantissa = magnitude & ((1 << MANTISSA_BITS) - 1) | (1 << MANTISSA_BITS);

    let product = u128::from(mantissa) * u128::from(scale.distance);
    let (whole, fraction) = ((product >> 64) as u64, product as u64);
    // Everything closer than half the distance means this double, and exactly half does if the mantissa is even. Below
    // a power of two, neighbours are closer, but in this range such doubles have no fraction here.
    let within = (scale.distance >> 1) - (mantissa & 1);
    let is_below = fraction <= within;
    let (_, is_above) = fraction.overflowing_add(within);
    let whole = whole + u64::from(is_above);
    // Otherwise the nearest decimal with one more digit; in the middle, between 2 and 3 or between 7 and 8, the even
    // one.
    let has_last = u32::from(!(is_below || is_above));
    let middle = (1_u64 << 63) - 1 + (fraction >> 63);
    let last = ((u128::from(fraction) * 10 + u128::from(middle)) >> 64) as u8 + b'0';

    let (high, low) = sixteen_digits(whole);
    let zeros_behind = match low {
        0 => 8 + high.leading_zeros() / 8,
        _ => low.leading_zeros() / 8,
    };
    let (high, low) = (high | ZEROS, low | ZEROS);
    // 15 or 16 digits. None of this may become a branch, which would be mispredicted half of the time.
    let is_shorter = whole.wrapping_sub(1_000_000_000_000_000) >> 63;
    let digits = 16 - is_shorter as u32;
    let significant = digits - zeros_behind + has_last * (zeros_behind + 1);

    room[0] = b'-';
    let room = room[sign..].first_chunk_mut::<31>()?;
    // Digits are stored as they are; the leading zero of 15 digits is then overwritten.
    let skipped = is_shorter as usize;
    // Whether there is a nonzero digit before the point is decided from the value: this is known before the digits, so
    // a misprediction costs less.
    let length = if magnitude >= 1_f64.to_bits() {
        let before_point = digits - scale.decimals;
        let [before, with_point] = *LOWEST.get(before_point as usize..)?.first_chunk()?;
        let first = high >> (8 * is_shorter);
        let around = first & before | (before ^ with_point) & POINTS | first << 8 & !with_point;
        let at = 1 - skipped;
        room[at..at + 8].copy_from_slice(&high.to_le_bytes());
        room[at + 8..at + 16].copy_from_slice(&low.to_le_bytes());
        room[at + 16] = last;
        room[..8].copy_from_slice(&around.to_le_bytes());
        significant.max(before_point + 1) + 1
    } else {
        let zeros = (scale.decimals - digits) as usize & 3;
        let at = 2 + zeros - skipped;
        room[..4].copy_from_slice(b"0.00");
        room[at..at + 8].copy_from_slice(&high.to_le_bytes());
        room[at + 8..at + 16].copy_from_slice(&low.to_le_bytes());
        room[at + 16] = last;
        room[..2].copy_from_slice(b"0.");
        2 + zeros as u32 + significant
    };
    Some(sign + length as usize)
}

/// The 16 digits of a number below 10^16, one per byte, with the first in the lowest byte of the first word.
#[inline(always)]
fn sixteen_digits(number: u64) -> (u64, u64) {
    (eight_digits(number / 100_000_000), eight_digits(number % 100_000_000))
}

/// Parallel numbers are split in half: 8 digits, 4, 2.
#[inline(always)]
fn eight_digits(number: u64) -> u64 {
    let fours = number + ((1 << 32) - 10_000) * ((number * 109_951_163) >> 40);
    let twos = fours + ((1 << 16) - 100) * (((fours * 5_243) >> 19) & 0x7f_0000_007f);
    let ones = twos + ((1 << 8) - 10) * (((twos * 103) >> 10) & 0xf_000f_000f_000f);
    ones.swap_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(value: f64) -> Option<String> {
        let mut room = [b'?'; WORD];
        let length = write_plain(value, &mut room)?;
        Some(String::from_utf8(room[..length].to_vec()).expect("ASCII"))
    }

    #[test]
    fn numbers_are_split_into_their_digits() {
        for number in
            [0, 1, 9, 10, 99_999_999, 100_000_000, 123_456_789, 9_007_199_254_740_993, 9_999_999_999_999_999]
        {
            let (high, low) = sixteen_digits(number);
            let text = format!("{number:016}");
            let digits: Vec<u8> = [(high | ZEROS).to_le_bytes(), (low | ZEROS).to_le_bytes()].concat();
            assert_eq!(String::from_utf8(digits).expect("ASCII"), text);
        }
    }

    #[test]
    fn the_range_ends_where_exponents_begin() {
        assert_eq!(plain(0.001).as_deref(), Some("0.001"));
        assert_eq!(plain(9_999_999.999_999_998).as_deref(), Some("9999999.999999998"));
        assert_eq!(plain(-0.5).as_deref(), Some("-0.5"));
        assert_eq!(plain(0.0).as_deref(), Some("0.0"));
        assert_eq!(plain(-0.0).as_deref(), Some("-0.0"));
        for other in [f64::from_bits(FROM - 1), 1e7, f64::INFINITY, f64::NAN, -1e7, 5e-324] {
            assert_eq!(plain(other), None, "{other}");
        }
    }

    #[test]
    fn short_decimals_are_printed_as_they_were_written() {
        for whole in 0..3000_u32 {
            for decimals in 0..1000_u32 {
                let text = format!("{whole}.{decimals:03}");
                let value: f64 = text.parse().expect("a number");
                let trimmed = text.trim_end_matches('0');
                let expected =
                    if trimmed.ends_with('.') { format!("{trimmed}0") } else { trimmed.to_owned() };
                assert_eq!(plain(value), (value == 0.0 || value >= 0.001).then_some(expected));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn it_is_the_shortest_and_closest(bits in FROM..TO, negative: bool, coarse in 0..53_u32) {
            // Coarse values have halves and quarters, which are the ties.
            for bits in [bits, bits >> coarse << coarse] {
                let magnitude = f64::from_bits(bits.max(FROM));
                let value = if negative { -magnitude } else { magnitude };
                prop_assert_eq!(plain(value), Some(zmij::Buffer::new().format_finite(value).to_owned()));
            }
        }
    }
}
