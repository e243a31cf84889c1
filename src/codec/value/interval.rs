//! Prints intervals as ISO 8601 text, such as `P1Y2M3DT4H5M6.007S`.

use std::fmt::Write as _;

/// Appends months, days and nanoseconds. Months carry into years, and nanoseconds into seconds, minutes and hours, but
/// not from one of the three to another, because a day need not have 24 hours. Appends nothing and returns false if one
/// of them is negative, which Parquet cannot express.
pub(crate) fn write_interval(months: i32, days: i32, nanos: i64, out: &mut Vec<u8>) -> bool {
    if months < 0 || days < 0 || nanos < 0 {
        return false;
    }
    let mut text = String::from("P");
    let put = |number: i64, letter: char, text: &mut String| {
        if number > 0 {
            let _ = write!(text, "{number}{letter}");
        }
    };
    put(i64::from(months / 12), 'Y', &mut text);
    put(i64::from(months % 12), 'M', &mut text);
    put(i64::from(days), 'D', &mut text);
    let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if nanos > 0 || text.len() == 1 {
        text.push('T');
        put(seconds / 3_600, 'H', &mut text);
        put(seconds / 60 % 60, 'M', &mut text);
        if fraction > 0 {
            let digits = format!("{fraction:09}");
            let _ = write!(text, "{}.{}S", seconds % 60, digits.trim_end_matches('0'));
        } else if seconds % 60 > 0 || nanos == 0 {
            let _ = write!(text, "{}S", seconds % 60);
        }
    }
    out.extend_from_slice(text.as_bytes());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_written_as_iso_8601_has_it() {
        let text = |months, days, nanos| {
            let mut out = Vec::new();
            write_interval(months, days, nanos, &mut out).then(|| String::from_utf8_lossy(&out).into_owned())
        };
        let millis = 1_000_000;
        assert_eq!(text(3, 1, 5_000 * millis).as_deref(), Some("P3M1DT5S"));
        assert_eq!(text(14, 0, 0).as_deref(), Some("P1Y2M"));
        assert_eq!(text(0, 0, 0).as_deref(), Some("PT0S"));
        assert_eq!(text(0, 40, 3_723_007 * millis).as_deref(), Some("P40DT1H2M3.007S"));
        assert_eq!(text(0, 0, 3_600_000 * millis).as_deref(), Some("PT1H"));
        assert_eq!(text(0, 0, 100 * millis).as_deref(), Some("PT0.1S"));
        assert_eq!(text(0, -1, 0), None);
    }
}
