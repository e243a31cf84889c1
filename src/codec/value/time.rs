//! Parses and prints dates and points in time in the ISO 8601 forms of exports.
//!
//! [`parse_timestamp`] and [`parse_date`] take a cell and return the value for an Arrow array: microseconds or days
//! since 1970-01-01. `write_timestamp` and [`write_date`] take those and append the text. [`TimestampFormatter`] does
//! the same as `write_timestamp`, but faster if days recur.
//!
//! The calendar is proleptic Gregorian, with the years 0000 to 9999. The machine's time zone is never used, a text
//! without a zone never gets one, and spaces are not trimmed.

use super::printer::WORD;

/// Whether a text states its offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    /// With a `Z` or an offset: a point in time.
    Utc,
    /// Without: the time on some wall clock.
    None,
}

/// The unit of a stored timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// 1 s
    Second,
    /// 10^-3 s
    Milli,
    /// 10^-6 s
    Micro,
    /// 10^-9 s
    Nano,
}

const MICROS: i64 = 1_000_000;
const SECONDS_OF_DAY: i64 = 86_400;
/// 0000-01-01 and 9999-12-31.
const FIRST_DAY: i64 = -719_528;
const LAST_DAY: i64 = 2_932_896;

/// Eight characters as one word, with the first in the lowest byte.
type Word = u64;

// -- Reading ----------------------------------------------------------------------------------------------------------

/// The microseconds since the epoch in `cell`, and whether it has a zone; an offset is converted to UTC.
///
/// `yyyy-MM-dd`, alone or followed by `T` or one blank and `HH:mm:ss`, then optionally a point and digits, then
/// optionally `Z` or an offset (`+02:00`, `+0200`, `+02`). `None` for every other text, if digits beyond microseconds
/// are not zero, and if the offset leads outside the years 0000 to 9999.
pub(crate) fn parse_timestamp(cell: &[u8]) -> Option<(i64, Zone)> {
    let (date, clock) = cell.split_first_chunk::<10>()?;
    parse_clock::<6>(parse_day(date)?, clock)
}

/// As [`parse_timestamp`], in nanoseconds, which range from 1677 to 2262.
pub(crate) fn parse_nanoseconds(cell: &[u8]) -> Option<(i64, Zone)> {
    let (date, clock) = cell.split_first_chunk::<10>()?;
    parse_clock::<9>(parse_day(date)?, clock)
}

/// Whether a timestamp of any precision has a zone; `None` if the text is not a timestamp.
pub(crate) fn zone_of(cell: &[u8]) -> Option<Zone> {
    parse_timestamp(cell).or_else(|| parse_nanoseconds(cell)).map(|(_, zone)| zone)
}

/// The days since the epoch in `cell`: `yyyy-MM-dd`, and `None` for every other text.
pub(crate) fn parse_date(cell: &[u8]) -> Option<i32> {
    parse_day(cell.try_into().ok()?).and_then(|day| i32::try_from(day).ok())
}

/// The days since the epoch of a `yyyy-MM-dd`.
#[inline]
fn parse_day(date: &[u8; 10]) -> Option<i64> {
    let [y0, y1, rest @ ..] = *date;
    let (y0, y1) = (y0.wrapping_sub(b'0'), y1.wrapping_sub(b'0'));
    let pairs = digit_pairs(Word::from_le_bytes(rest), *b"00-00-00")?;
    if y0 > 9 || y1 > 9 {
        return None;
    }
    let [year, _, _, month, _, _, day, _] = pairs.to_le_bytes();
    let year = u32::from(y0) * 1000 + u32::from(y1) * 100 + u32::from(year);
    if day == 0 || day > days_in_month(year, month) {
        return None;
    }
    Some(days_from_civil(year, u32::from(month), u32::from(day)))
}

/// The point in time on `day` with the time of day that follows the date, in units of this power of ten per second.
#[inline]
fn parse_clock<const DIGITS: u32>(day: i64, text: &[u8]) -> Option<(i64, Zone)> {
    let in_units = |seconds: i64| seconds.checked_mul(10_i64.pow(DIGITS));
    let Some((b'T' | b' ', text)) = text.split_first() else {
        return if text.is_empty() { Some((in_units(day * SECONDS_OF_DAY)?, Zone::None)) } else { None };
    };
    let (clock, rest) = text.split_first_chunk::<8>()?;
    let pairs = digit_pairs(Word::from_le_bytes(*clock), *b"00:00:00")?;
    let [hour, _, _, minute, _, _, second, _] = pairs.to_le_bytes();
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = day * SECONDS_OF_DAY + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    match rest {
        b"Z" => Some((in_units(seconds)?, Zone::Utc)),
        [] => Some((in_units(seconds)?, Zone::None)),
        _ => parse_fraction_and_offset::<DIGITS>(seconds, rest),
    }
}

/// The rare parts after the seconds.
#[cold]
fn parse_fraction_and_offset<const DIGITS: u32>(seconds: i64, text: &[u8]) -> Option<(i64, Zone)> {
    let mut units = 0;
    let mut zone = text;
    if let Some(fraction) = text.strip_prefix(b".") {
        let len = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if len == 0 {
            return None;
        }
        let (fraction, rest) = fraction.split_at(len);
        if fraction.iter().skip(DIGITS as usize).any(|digit| *digit != b'0') {
            return None;
        }
        // The fraction counts forward from the second, before 1970 too.
        let digits = fraction.iter().chain(std::iter::repeat(&b'0'));
        units = digits.take(DIGITS as usize).fold(0, |units, digit| units * 10 + i64::from(digit - b'0'));
        zone = rest;
    }
    let time = |seconds: i64, zone| {
        // Before 1970 the seconds alone may be out of range although the whole time is in range.
        let units = i128::from(seconds) * i128::from(10_i64.pow(DIGITS)) + i128::from(units);
        Some((i64::try_from(units).ok()?, zone))
    };
    let (sign, offset) = match zone {
        [] => return time(seconds, Zone::None),
        b"Z" => return time(seconds, Zone::Utc),
        [b'+', offset @ ..] => (1, offset),
        [b'-', offset @ ..] => (-1, offset),
        _ => return None,
    };
    let (hours, minutes) = match *offset {
        [h0, h1] => ([h0, h1], [b'0', b'0']),
        [h0, h1, m0, m1] | [h0, h1, b':', m0, m1] => ([h0, h1], [m0, m1]),
        _ => return None,
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = seconds - sign * (hours * 3600 + minutes * 60);
    let in_range = (FIRST_DAY * SECONDS_OF_DAY..(LAST_DAY + 1) * SECONDS_OF_DAY).contains(&seconds);
    if in_range { time(seconds, Zone::Utc) } else { None }
}

fn two_digits([tens, ones]: [u8; 2]) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then_some(i64::from(tens) * 10 + i64::from(ones))
}

/// Byte `i` of the result is the number made by the digits `i` and `i + 1` of `text`, if both are digits. `None` unless
/// `text` has a digit where `form` has a `0`, and the same character elsewhere.
#[inline]
fn digit_pairs(text: Word, form: [u8; 8]) -> Option<Word> {
    let values = text ^ Word::from_le_bytes(form);
    // The addend that sets the top bit: for a 10 or more in a digit's place, for a 1 or more elsewhere. Above 0x7F it
    // is already set, and only then can a byte carry into the next.
    let to_top = Word::from_le_bytes(form.map(|byte| if byte == b'0' { 0x80 - 10 } else { 0x80 - 1 }));
    if (values | values.wrapping_add(to_top)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // At most 99 in each byte.
    Some(values * 10 + (values >> 8))
}

/// Days by month, 0 for nonexistent months; without February's leap day.
const DAYS_IN_MONTH: [u8; 100] = {
    let mut days = [0; 100];
    let mut month = 1;
    while month <= 12 {
        days[month] = match month {
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        month += 1;
    }
    days
};

/// `month` is at most 99.
#[inline]
fn days_in_month(year: u32, month: u8) -> u8 {
    // Without short circuits: only the month could be mispredicted, and a table has no branches.
    let leap = year.is_multiple_of(4) & (!year.is_multiple_of(100) | year.is_multiple_of(400));
    DAYS_IN_MONTH[usize::from(month)] + u8::from(leap & (month == 2))
}

/// Years begin in March here, so that the leap day is the last one, and days are counted in eras of 400 years, which
/// are all equal. Years are shifted by one era, so that no number is negative and division truncates correctly.
#[inline]
fn days_from_civil(year: u32, month: u32, day: u32) -> i64 {
    let (year, month) = if month > 2 { (year + 400, month) } else { (year + 399, month + 12) };
    let century = year / 100;
    // From March on, months have 31, 30, 31, 30, 31 days repeatedly: 153 in five.
    let days_before_month = (153 * (month - 3) + 2) / 5;
    let days = year * 1461 / 4 - century + century / 4 + days_before_month + day - 1;
    i64::from(days) - DAYS_TO_EPOCH
}

/// From March 1st of the year -400 to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468 + 146_097;

// -- Writing ----------------------------------------------------------------------------------------------------------

/// Appends `value` as `yyyy-MM-ddTHH:mm:ss`, followed by the fraction of the second, unless it is zero, in 3, 6 or 9
/// digits, as few as possible, and by `Z` for [`Zone::Utc`]. Appends nothing and returns false if the year is not
/// within 0000 to 9999.
#[cfg(test)]
pub(crate) fn write_timestamp(value: i64, unit: Unit, zone: Zone, out: &mut Vec<u8>) -> bool {
    TimestampFormatter::new().write(value, unit, zone, out)
}

/// Appends the day that is `days` after the epoch as `yyyy-MM-dd`. Appends nothing and returns false if the year is not
/// within 0000 to 9999.
pub(crate) fn write_date(days: i32, out: &mut Vec<u8>) -> bool {
    let day = i64::from(days);
    if !(FIRST_DAY..=LAST_DAY).contains(&day) {
        return false;
    }
    out.extend_from_slice(&date_text(day));
    true
}

/// The number of days whose text is cached. An item's series covers some months, and the next item's covers the same.
const KNOWN_DAYS: usize = 256;

/// Writes timestamps, and caches the texts of recent days.
#[derive(Debug)]
pub(crate) struct TimestampFormatter {
    /// Days and their texts, by the lowest bits of their number.
    days: Box<[(i64, DateText); KNOWN_DAYS]>,
}

/// `yyyy-MM-ddT`, padded to a whole word.
type DateText = [u8; 16];

/// The used bytes of [`DateText`].
const DATE_LEN: usize = 11;

impl TimestampFormatter {
    pub(crate) fn new() -> TimestampFormatter {
        // Only the first slot holds a day that could be looked up there.
        TimestampFormatter { days: Box::new([(0, *b"1970-01-01T     "); KNOWN_DAYS]) }
    }

    /// Writes the text of `write_timestamp`, and returns its length; bytes after it are arbitrary. `None` if the year
    /// is not within 0000 to 9999.
    #[inline(always)]
    pub(crate) fn put(&mut self, value: i64, unit: Unit, zone: Zone, room: &mut [u8; WORD]) -> Option<usize> {
        let (seconds, nanos) = whole_seconds(value, unit);
        let day = seconds.div_euclid(SECONDS_OF_DAY);
        let known = &mut self.days[day as usize % KNOWN_DAYS];
        if day != known.0 {
            if !(FIRST_DAY..=LAST_DAY).contains(&day) {
                return None;
            }
            known.0 = day;
            known.1[..10].copy_from_slice(&date_text(day));
        }
        room[..16].copy_from_slice(&known.1);
        let second_of_day = seconds.rem_euclid(SECONDS_OF_DAY) as u32;
        // In a register, because bytes stored one by one cannot soon be loaded as a word.
        let two = |number| u64::from(u16::from_le_bytes(pair(number)));
        let colons = u64::from(b':') << 16 | u64::from(b':') << 40;
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        let time = two(hour) | two(minute) << 24 | two(second) << 48 | colons;
        room[DATE_LEN..DATE_LEN + 8].copy_from_slice(&time.to_le_bytes());
        let mut len = DATE_LEN + 8;
        if nanos != 0 {
            len += put_fraction(nanos, room[len..].first_chunk_mut()?);
        }
        if zone == Zone::Utc {
            *room.get_mut(len)? = b'Z';
            len += 1;
        }
        Some(len)
    }

    /// Appends what [`Self::put`] writes.
    pub(crate) fn write(&mut self, value: i64, unit: Unit, zone: Zone, out: &mut Vec<u8>) -> bool {
        let mut room = [0; WORD];
        let len = self.put(value, unit, zone, &mut room);
        out.extend_from_slice(&room[..len.unwrap_or(0)]);
        len.is_some()
    }
}

/// Whole seconds, rounded down, and the nanoseconds above them.
#[inline(always)]
fn whole_seconds(value: i64, unit: Unit) -> (i64, u32) {
    // Each unit has its own branch, in which the compiler knows the divisor.
    let (seconds, nanos) = match unit {
        Unit::Second => (value, 0),
        Unit::Milli => (value.div_euclid(1_000), value.rem_euclid(1_000) * 1_000_000),
        Unit::Micro => (value.div_euclid(MICROS), value.rem_euclid(MICROS) * 1_000),
        Unit::Nano => (value.div_euclid(1_000_000_000), value.rem_euclid(1_000_000_000)),
    };
    (seconds, nanos as u32)
}

impl Default for TimestampFormatter {
    fn default() -> TimestampFormatter {
        TimestampFormatter::new()
    }
}

/// Appends a time of day as `HH:mm:ss`, with a fraction of the second as in timestamps. Appends nothing and returns
/// false if it is invalid: negative, or more than 24:00:00, the end of a day.
pub(crate) fn write_time(value: i64, unit: Unit, out: &mut Vec<u8>) -> bool {
    let (seconds, nanos) = whole_seconds(value, unit);
    if !(0..=86_400).contains(&seconds) || (seconds == 86_400 && nanos > 0) {
        return false;
    }
    let two = |number: i64| [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
    out.extend_from_slice(&two(seconds / 3_600));
    out.push(b':');
    out.extend_from_slice(&two(seconds / 60 % 60));
    out.push(b':');
    out.extend_from_slice(&two(seconds % 60));
    if nanos > 0 {
        let mut fraction = [0; 10];
        let len = put_fraction(nanos, &mut fraction);
        out.extend_from_slice(&fraction[..len]);
    }
    true
}

/// Writes the fraction of a second, in the fewest of 3, 6 or 9 digits, and returns its length.
#[cold]
fn put_fraction(nanos: u32, room: &mut [u8; 10]) -> usize {
    *room = *b".000000000";
    let mut rest = nanos;
    for digit in room[1..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    match nanos {
        _ if nanos.is_multiple_of(1_000_000) => 4,
        _ if nanos.is_multiple_of(1_000) => 7,
        _ => 10,
    }
}

/// The `yyyy-MM-dd` of a day from `FIRST_DAY` to `LAST_DAY`: the inverse of `days_from_civil`, after Neri and
/// Schneider, "Euclidean affine functions and their application to calendar algorithms" (2022), which has the proofs.
#[inline]
fn date_text(day: i64) -> [u8; 10] {
    let quarters = 4 * (day + DAYS_TO_EPOCH) as u32 + 3;
    let (century, quarters_of_century) = (quarters / 146_097, (quarters % 146_097) | 3);
    // The product's upper half is the quotient by 1461, and its lower half contains the remainder.
    let product = 2_939_745 * u64::from(quarters_of_century);
    let year_of_century = (product >> 32) as u32;
    let day_of_year = product as u32 / 2_939_745 / 4;
    // The same with 153 days in five months: months above, days below.
    let month_and_day = 2141 * day_of_year + 197_913;
    let (month, day) = (month_and_day >> 16, (month_and_day & 0xFFFF) / 2141 + 1);
    let next_year = day_of_year >= 306;
    let month = if next_year { month - 12 } else { month };
    let year = 100 * century + year_of_century + u32::from(next_year) - 400;

    let ([y0, y1], [y2, y3]) = (pair(year / 100), pair(year % 100));
    let ([m0, m1], [d0, d1]) = (pair(month), pair(day));
    [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1]
}

/// Two digits.
#[inline]
fn pair(number: u32) -> [u8; 2] {
    const PAIRS: [[u8; 2]; 100] = {
        let mut pairs = [*b"00"; 100];
        let mut number = 0;
        while number < pairs.len() {
            pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
            number += 1;
        }
        pairs
    };
    // No number here has three digits; the modulo lets the compiler remove the bounds check.
    PAIRS[number as usize % PAIRS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Datelike, NaiveDate, Timelike};
    use proptest::prelude::*;

    /// The first microsecond of the year 0 and the last one of the year 9999.
    const FIRST: i64 = FIRST_DAY * SECONDS_OF_DAY * MICROS;
    const LAST: i64 = (LAST_DAY + 1) * SECONDS_OF_DAY * MICROS - 1;

    fn written(value: i64, unit: Unit, zone: Zone) -> Option<String> {
        let mut out = b"before,".to_vec();
        let done = write_timestamp(value, unit, zone, &mut out);
        let text = String::from_utf8(out).expect("only ASCII is written");
        let text = text.strip_prefix("before,").expect("what was there stays").to_owned();
        assert_eq!(done, !text.is_empty());
        done.then_some(text)
    }

    fn date_written(days: i32) -> Option<String> {
        let mut out = Vec::new();
        let done = write_date(days, &mut out);
        assert_eq!(done, !out.is_empty());
        done.then(|| String::from_utf8(out).expect("only ASCII is written"))
    }

    #[test]
    fn timestamps_are_read_in_all_forms() {
        let table = [
            ("1970-01-01T00:00:00Z", 0, Zone::Utc),
            ("1970-01-01T00:00:00", 0, Zone::None),
            ("1970-01-01 00:00:00", 0, Zone::None),
            ("1970-01-01 00:00:00Z", 0, Zone::Utc),
            ("1970-01-01", 0, Zone::None),
            ("1969-12-31", -86_400_000_000, Zone::None),
            ("2018-12-31T23:46:00Z", 1_546_299_960_000_000, Zone::Utc),
            ("2017-06-23T23:00:00", 1_498_258_800_000_000, Zone::None),
            ("2000-02-29T12:34:56Z", 951_827_696_000_000, Zone::Utc),
            ("0000-01-01T00:00:00Z", FIRST, Zone::Utc),
            ("9999-12-31T23:59:59.999999Z", LAST, Zone::Utc),
            // Fractions.
            ("1970-01-01T00:00:00.5Z", 500_000, Zone::Utc),
            ("1970-01-01T00:00:01.000001", 1_000_001, Zone::None),
            ("1970-01-01T00:00:00.123456000Z", 123_456, Zone::Utc),
            ("1970-01-01T00:00:00.0000000000000000000000000", 0, Zone::None),
            ("1969-12-31T23:59:59.9999990Z", -1, Zone::Utc),
            ("1969-12-31T23:59:59.0000000Z", -1_000_000, Zone::Utc),
            // Offsets.
            ("1970-01-01T02:00:00+02:00", 0, Zone::Utc),
            ("1970-01-01T02:00:00+0200", 0, Zone::Utc),
            ("1970-01-01T02:00:00+02", 0, Zone::Utc),
            ("1969-12-31T18:30:00-05:30", 0, Zone::Utc),
            ("1970-01-01T00:00:00-00:00", 0, Zone::Utc),
            ("1970-01-01T02:00:00.25+02", 250_000, Zone::Utc),
            ("1970-01-01T00:00:00.25+00:01", -59_750_000, Zone::Utc),
            ("0000-01-01T01:00:00+01:00", FIRST, Zone::Utc),
        ];
        for (text, micros, zone) in table {
            assert_eq!(parse_timestamp(text.as_bytes()), Some((micros, zone)), "{text}");
        }
    }

    #[test]
    fn what_is_no_timestamp_is_none() {
        let texts = [
            "",
            "T",
            "Z",
            "Aggregate",
            "2020",
            "2020-01",
            "2020-1-1",
            "20200101",
            "2020-01-01T",
            "2020-01-01 ",
            "2020-01-01Z",
            "2020-01-01+02:00",
            "2020-01-01T00",
            "2020-01-01T00:00",
            "2020-01-01T00:00Z",
            "2020-01-01T0000:00",
            "2020-01-01t00:00:00Z",
            "2020-01-01T00:00:00z",
            "2020-01-01T00:00:00ZZ",
            "2020-01-01T00:00:00 Z",
            "2020-01-01  00:00:00",
            " 2020-01-01T00:00:00Z",
            "2020-01-01T00:00:00Z ",
            "2020-01-01T00:00:00.",
            "2020-01-01T00:00:00.Z",
            "2020-01-01T00:00:00,5",
            "2020-01-01T00:00:00.5.5",
            "2020-01-01T00:00:00.x",
            "2020-01-01T00:00:00.5x",
            "2020-01-01T00:00:00+",
            "2020-01-01T00:00:00+2",
            "2020-01-01T00:00:00+02:",
            "2020-01-01T00:00:00+02:0",
            "2020-01-01T00:00:00+02:000",
            "2020-01-01T00:00:00+020",
            "2020-01-01T00:00:00+24:00",
            "2020-01-01T00:00:00+02:60",
            "2020-01-01T00:00:00+0x:00",
            "2020-01-01T00:00:00+02:00Z",
            "2020-01-01T00:00:00GMT",
            "2020-01-01T24:00:00",
            "2020-01-01T23:60:00",
            "2020-01-01T23:59:60",
            "2020-01-01T-1:00:00",
            "2020-00-01",
            "2020-13-01",
            "2020-01-01T00:00:00.1234567Z",
            "1969-12-31T23:59:59.0000009",
            "2020-01-00",
            "2020-01-32",
            "2020-04-31",
            "2020-02-30",
            "2019-02-29",
            "1900-02-29",
            "2100-02-29",
            "-001-01-01",
            "+2020-01-01",
            "12020-01-01",
            "2020/01/01",
            "2020-01-01T00.00.00",
            "2O20-01-01",
            ":020-01-01",
            "2020-01-0:",
            "2020-01-01T0::00:00",
            "0000-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "2020-01-01T00:00:\u{661}",
            "\u{661}\u{661}20-01-01",
        ];
        for text in texts {
            assert_eq!(parse_timestamp(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_timestamp(b"2020-01-\xB0\xB1T00:00:00Z"), None);
    }

    #[test]
    fn dates_are_read_in_one_form_only() {
        assert_eq!(parse_date(b"1970-01-01"), Some(0));
        assert_eq!(parse_date(b"0000-01-01"), Some(-719_528));
        assert_eq!(parse_date(b"9999-12-31"), Some(2_932_896));
        assert_eq!(parse_date(b"2000-02-29"), Some(11_016));
        assert_eq!(parse_date(b"0000-02-29"), Some(-719_469));
        for text in
            ["", "2020-01-01T00:00:00", "2020-01-01 ", "2020-02-30", "2019-02-29", "20-01-01", "2020-1-01"]
        {
            assert_eq!(parse_date(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn every_day_of_ten_thousand_years_is_written_as_chrono_writes_it_and_read_back() {
        let mut date = NaiveDate::from_ymd_opt(0, 1, 1).expect("a date");
        for day in FIRST_DAY..=LAST_DAY {
            let text = date_text(day);
            let (year, month, of_month) = (date.year(), date.month(), date.day());
            let digits = [0, 1, 2, 3, 5, 6, 8, 9]
                .iter()
                .fold(0, |number, &at| number * 10 + i32::from(text[at] - b'0'));
            assert_eq!(digits, year * 10_000 + month as i32 * 100 + of_month as i32);
            assert_eq!([text[4], text[7]], *b"--");
            assert_eq!(parse_day(&text), Some(day));
            date = date.succ_opt().expect("a date");
        }
    }

    #[test]
    fn every_eight_digits_are_a_date_only_if_chrono_knows_it() {
        for year in [0, 1, 4, 99, 100, 400, 1582, 1900, 1970, 2000, 2023, 2024, 2100, 9996, 9999] {
            for month in 0..100 {
                for day in 0..100 {
                    let expected = NaiveDate::from_ymd_opt(year, month, day).map(|date| date.to_epoch_days());
                    assert_eq!(parse_date(format!("{year:04}-{month:02}-{day:02}").as_bytes()), expected);
                }
            }
        }
    }

    #[test]
    fn fractions_are_written_in_the_fewest_of_three_six_or_nine_digits() {
        let table = [
            (0, Unit::Second, "1970-01-01T00:00:00"),
            (1_546_299_960, Unit::Second, "2018-12-31T23:46:00"),
            (-1, Unit::Second, "1969-12-31T23:59:59"),
            (-1, Unit::Milli, "1969-12-31T23:59:59.999"),
            (-1, Unit::Micro, "1969-12-31T23:59:59.999999"),
            (-1, Unit::Nano, "1969-12-31T23:59:59.999999999"),
            (1_500, Unit::Milli, "1970-01-01T00:00:01.500"),
            (1_500_000, Unit::Micro, "1970-01-01T00:00:01.500"),
            (1_500_010, Unit::Micro, "1970-01-01T00:00:01.500010"),
            (1_000_000_000, Unit::Nano, "1970-01-01T00:00:01"),
            (1_000_001_000, Unit::Nano, "1970-01-01T00:00:01.000001"),
            (1_000_001_001, Unit::Nano, "1970-01-01T00:00:01.000001001"),
            (i64::MAX, Unit::Nano, "2262-04-11T23:47:16.854775807"),
            (i64::MIN, Unit::Nano, "1677-09-21T00:12:43.145224192"),
            (FIRST, Unit::Micro, "0000-01-01T00:00:00"),
            (LAST, Unit::Micro, "9999-12-31T23:59:59.999999"),
        ];
        for (value, unit, text) in table {
            assert_eq!(written(value, unit, Zone::None).as_deref(), Some(text));
            assert_eq!(written(value, unit, Zone::Utc), Some(format!("{text}Z")));
        }
    }

    #[test]
    fn years_of_more_than_four_digits_are_not_written() {
        for value in [FIRST - 1, LAST + 1, i64::MIN, i64::MAX] {
            assert_eq!(written(value, Unit::Micro, Zone::Utc), None);
        }
        for value in [FIRST / MICROS - 1, LAST / MICROS + 1, i64::MIN, i64::MAX] {
            assert_eq!(written(value, Unit::Second, Zone::None), None);
        }
        for value in [FIRST / 1000 - 1, LAST / 1000 + 1, i64::MIN, i64::MAX] {
            assert_eq!(written(value, Unit::Milli, Zone::None), None);
        }
        for days in [FIRST_DAY as i32 - 1, LAST_DAY as i32 + 1, i32::MIN, i32::MAX] {
            assert_eq!(date_written(days), None);
        }
        assert_eq!(date_written(FIRST_DAY as i32).as_deref(), Some("0000-01-01"));
        assert_eq!(date_written(LAST_DAY as i32).as_deref(), Some("9999-12-31"));
    }

    fn zone() -> impl Strategy<Value = Zone> {
        prop_oneof![Just(Zone::Utc), Just(Zone::None)]
    }

    /// Timestamps, including invalid ones.
    fn cell() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "20(19|20)-0[0-3]-(0[12]|[23][0-9])([T ]0[0-9]:[0-6]0:00(\\.[0-9]{0,8})?(Z|[+-]02(:?[0-9]{2})?)?)?".prop_map(String::into_bytes),
            "[-0-9T :.+Z]{9,27}".prop_map(String::into_bytes),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn written_timestamps_are_read_back(micros in FIRST..=LAST, zone in zone()) {
            for (unit, per_unit) in [(Unit::Second, MICROS), (Unit::Milli, 1_000), (Unit::Micro, 1)] {
                let value = micros.div_euclid(per_unit);
                let text = written(value, unit, zone).expect("a year in range");
                prop_assert_eq!(parse_timestamp(text.as_bytes()), Some((value * per_unit, zone)), "{}", text);
            }
        }

        #[test]
        fn written_nanoseconds_are_read_back(nanos in any::<i64>(), zone in zone()) {
            let text = written(nanos, Unit::Nano, zone).expect("every nanosecond is in range");
            prop_assert_eq!(parse_nanoseconds(text.as_bytes()), Some((nanos, zone)), "{}", text);
            // As microseconds only if it is a whole number of them, never rounded.
            let micros = (nanos % 1_000 == 0).then_some((nanos / 1_000, zone));
            prop_assert_eq!(parse_timestamp(text.as_bytes()), micros, "{}", text);
        }

        #[test]
        fn written_timestamps_are_those_chrono_writes(micros in FIRST..=LAST) {
            let time = DateTime::from_timestamp_micros(micros).expect("in range");
            // Before the year 1, chrono prints the same except for a sign.
            prop_assume!(time.year() >= 0);
            let expected = format!("{:04}-{}", time.year(), time.format("%m-%dT%H:%M:%S"));
            let text = written(micros, Unit::Micro, Zone::None).expect("a year in range");
            prop_assert_eq!(&text[..19], expected);
            let fraction = format!("0{}", &text[19..]).parse::<f64>().expect("a fraction");
            prop_assert_eq!((fraction * 1e9).round() as u32, time.nanosecond());
        }

        #[test]
        fn timestamps_with_offsets_are_read_as_chrono_reads_them(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-][01][0-9]:[0-5][0-9])"
        ) {
            let expected = DateTime::parse_from_rfc3339(&text).ok().map(|time| time.timestamp_micros());
            let fraction = text.split_once('.').map_or("", |(_, rest)| rest);
            let digits = fraction.bytes().take_while(u8::is_ascii_digit);
            let is_whole = digits.skip(6).all(|digit| digit == b'0');
            let expected = expected.filter(|micros| is_whole && (FIRST..=LAST).contains(micros));
            prop_assert_eq!(parse_timestamp(text.as_bytes()), expected.map(|micros| (micros, Zone::Utc)), "{}", text);
        }

        #[test]
        fn whatever_is_read_can_be_written(cells in prop::collection::vec(cell(), 0..20)) {
            for cell in &cells {
                if let Some((micros, zone)) = parse_timestamp(cell) {
                    prop_assert!(written(micros, Unit::Micro, zone).is_some());
                }
                prop_assert!(parse_date(cell).is_none_or(|days| date_written(days).is_some()));
            }
        }

        #[test]
        fn a_formatter_that_remembers_gives_what_one_gives_that_does_not(
            values in prop::collection::vec(prop_oneof![any::<i64>(), -200_000..200_000_i64, FIRST / MICROS..LAST / MICROS], 0..20)
        ) {
            let mut formatter = TimestampFormatter::new();
            for &value in &values {
                for unit in [Unit::Second, Unit::Milli, Unit::Micro, Unit::Nano] {
                    let mut text = Vec::new();
                    let done = formatter.write(value, unit, Zone::Utc, &mut text);
                    let text = done.then(|| String::from_utf8(text).expect("only ASCII is written"));
                    prop_assert_eq!(text, written(value, unit, Zone::Utc));
                }
            }
        }
    }
}
