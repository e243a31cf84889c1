//! Options of synthetic exports: plain data with defaults, checked against the service's own limits.

use crate::model::{Compression, Error, Format, Kind, Result, RunStamp, Setting, UsageError, ValueKind};

use chrono::{Days, Months, NaiveDate, NaiveDateTime, TimeDelta};
use std::fmt;
use std::str::FromStr;

/// The longest horizon of a forecast.
const MOST_STEPS: u32 = 500;
/// Quantiles of one forecast.
const MOST_QUANTILES: usize = 5;
/// Dimensions of one dataset.
pub(super) const MOST_DIMENSIONS: usize = 10;
const MOST_ITEMS: u64 = 1_000_000_000;
const MOST_PARTS: u32 = 100_000;
const MOST_JOB_NAME: usize = 63;

/// Options of a synthetic export; the defaults are those of the command line.
///
/// ```
/// use forecast_export::{Kind, Quantile, SampleOptions};
///
/// let mut options = SampleOptions::default();
/// options.kind = Kind::WhatIf;
/// options.quantiles = vec!["0.5".parse()?, Quantile::Mean];
/// options.frequency = "15min".parse()?;
/// # Ok::<(), forecast_export::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SampleOptions {
    /// The kind of export; a forecast by default.
    pub kind: Kind,
    /// The number of items, each with one series; 100 by default, at most a billion.
    pub items: u64,
    /// Points in time per series, or per window of a backtest, which has five; 30 by default, at most 500.
    pub steps: u32,
    /// One to five quantiles; by default 0.1, 0.5 and 0.9.
    pub quantiles: Vec<Quantile>,
    /// The number of parts; 4 by default, at most 100,000. With fewer series than parts, some parts have only a header.
    pub parts: u32,
    /// The format of the parts; CSV by default.
    pub to: Format,
    /// How Parquet is compressed; Snappy by default. CSV is not compressed.
    pub compression: Option<Compression>,
    /// The seed of the values; 1 by default.
    pub seed: u64,
    /// The job's name; `sample` by default.
    pub job: String,
    /// The run's timestamp; `2026-01-02T03-04-05Z` by default.
    pub run: RunStamp,
    /// Dimension columns besides the item ID; 1 by default, at most 10. A backtest's accuracy export has none.
    pub dimensions: u32,
    /// The first point in time, in UTC; 2026-01-03 by default.
    pub start: NaiveDateTime,
    /// The time from one point to the next; a day by default.
    pub frequency: Frequency,
    /// Replaces existing parts.
    pub overwrite: bool,
    /// Threads that generate and encode; by default as many as the machine runs at once.
    pub threads: Option<usize>,
}

impl Default for SampleOptions {
    fn default() -> Self {
        SampleOptions {
            kind: Kind::Forecast,
            items: 100,
            steps: 30,
            quantiles: [10, 50, 90].map(Quantile::Percent).to_vec(),
            parts: 4,
            to: Format::Csv,
            compression: None,
            seed: 1,
            job: "sample".to_owned(),
            run: RunStamp::new("2026-01-02T03-04-05Z"),
            dimensions: 1,
            start: NaiveDate::from_ymd_opt(2026, 1, 3).map(NaiveDateTime::from).unwrap_or_default(),
            frequency: Frequency { count: 1, unit: Unit::Day },
            overwrite: false,
            threads: None,
        }
    }
}

impl SampleOptions {
    /// Rejects options that the service would not export.
    pub(super) fn check(&self) -> Result<()> {
        let within = |setting, number: u64, lowest: u64, highest: u64| match number {
            number if (lowest..=highest).contains(&number) => Ok(()),
            number => Err(UsageError::OutOfRange { setting, number, lowest, highest }),
        };
        within(Setting::Items, self.items, 0, MOST_ITEMS)?;
        within(Setting::Steps, self.steps.into(), 1, MOST_STEPS.into())?;
        within(Setting::Parts, self.parts.into(), 1, MOST_PARTS.into())?;
        within(Setting::Dimensions, self.dimensions.into(), 0, MOST_DIMENSIONS as u64)?;
        within(Setting::Quantiles, self.quantiles.len() as u64, 1, MOST_QUANTILES as u64)?;
        self.check_quantiles()?;
        let mut letters = self.job.bytes();
        let is_job = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
            && letters.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && self.job.len() <= MOST_JOB_NAME;
        if !is_job {
            return Err(UsageError::Malformed { what: ValueKind::JobName, text: self.job.clone() }.into());
        }
        if self.run.instant().is_none() || self.run.as_str().contains(':') {
            let text = self.run.to_string();
            return Err(UsageError::Malformed { what: ValueKind::RunStamp, text }.into());
        }
        if self.to == Format::Csv && self.compression.is_some_and(|chosen| chosen != Compression::None) {
            return Err(UsageError::CompressedSample.into());
        }
        Ok(())
    }

    fn check_quantiles(&self) -> Result<()> {
        for (i, quantile) in self.quantiles.iter().enumerate() {
            if matches!(quantile, Quantile::Percent(0 | 100..)) {
                return Err(UsageError::NoQuantile { quantile: quantile.to_string() }.into());
            }
            if self.quantiles[..i].contains(quantile) {
                return Err(UsageError::QuantileTwice { quantile: quantile.to_string() }.into());
            }
        }
        Ok(())
    }
}

/// A column of a forecast: a percentile or the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantile {
    /// `p1` to `p99`.
    Percent(u8),
    /// `mean`.
    Mean,
}

impl fmt::Display for Quantile {
    /// The column's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Quantile::Percent(percent) => write!(f, "p{percent}"),
            Quantile::Mean => f.write_str("mean"),
        }
    }
}

impl FromStr for Quantile {
    type Err = Error;

    /// Parses `0.01` to `0.99` in steps of 0.01, or `mean`, as the service accepts them.
    fn from_str(text: &str) -> Result<Self> {
        if text == "mean" {
            return Ok(Quantile::Mean);
        }
        let digits = text.strip_prefix("0.").or_else(|| text.strip_prefix('.'));
        let percent = match digits.map(str::as_bytes) {
            Some([tens @ b'0'..=b'9']) => (tens - b'0') * 10,
            Some([tens @ b'0'..=b'9', ones @ b'0'..=b'9']) => (tens - b'0') * 10 + (ones - b'0'),
            _ => 0,
        };
        if percent == 0 {
            return Err(UsageError::Malformed { what: ValueKind::Quantile, text: text.to_owned() }.into());
        }
        Ok(Quantile::Percent(percent))
    }
}

/// The time from one point of a series to the next: `15min`, `1H`, `1D`, `2W`, `1M`, `1Y`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frequency {
    count: u32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    /// Its letters, and the most of it that the service accepts, after which the next unit begins.
    const ALL: [(Unit, &'static str, u32); 6] = [
        (Unit::Minute, "min", 59),
        (Unit::Hour, "H", 23),
        (Unit::Day, "D", 6),
        (Unit::Week, "W", 4),
        (Unit::Month, "M", 11),
        (Unit::Year, "Y", 1),
    ];
}

impl Frequency {
    /// The point in time this many steps after `start`; `None` beyond the calendar.
    pub(super) fn after(self, start: NaiveDateTime, steps: u32) -> Option<NaiveDateTime> {
        let count = u64::from(self.count) * u64::from(steps);
        let months = |each: u64| u32::try_from(count * each).ok().map(Months::new);
        match self.unit {
            Unit::Minute => start.checked_add_signed(TimeDelta::try_minutes(i64::try_from(count).ok()?)?),
            Unit::Hour => start.checked_add_signed(TimeDelta::try_hours(i64::try_from(count).ok()?)?),
            Unit::Day => start.checked_add_days(Days::new(count)),
            Unit::Week => start.checked_add_days(Days::new(7 * count)),
            Unit::Month => start.checked_add_months(months(1)?),
            Unit::Year => start.checked_add_months(months(12)?),
        }
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = Unit::ALL.iter().find(|row| row.0 == self.unit).map_or("", |row| row.1);
        write!(f, "{}{letters}", self.count)
    }
}

impl FromStr for Frequency {
    type Err = Error;

    /// Reads a number and a unit; a unit alone means one of it.
    fn from_str(text: &str) -> Result<Self> {
        let bad = || UsageError::Malformed { what: ValueKind::Frequency, text: text.to_owned() };
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (unit, _, most) = *Unit::ALL.iter().find(|row| row.1 == &text[digits..]).ok_or_else(bad)?;
        let count = if digits == 0 { 1 } else { text[..digits].parse().map_err(|_| bad())? };
        if (1..=most).contains(&count) { Ok(Frequency { count, unit }) } else { Err(bad().into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut SampleOptions)) -> String {
        let mut options = SampleOptions::default();
        change(&mut options);
        options.check().expect_err("refused").to_string()
    }

    #[test]
    fn quantiles_are_read_as_the_service_takes_them() {
        for (text, quantile) in [
            ("0.1", Quantile::Percent(10)),
            (".5", Quantile::Percent(50)),
            ("0.65", Quantile::Percent(65)),
            ("0.01", Quantile::Percent(1)),
            ("mean", Quantile::Mean),
        ] {
            assert_eq!(text.parse::<Quantile>().ok(), Some(quantile), "{text}");
        }
        for text in ["", "0", "1", "0.0", "0.00", "1.5", "0.123", "p10", "-0.1", "0.+1", "Mean"] {
            assert!(text.parse::<Quantile>().is_err(), "{text}");
        }
    }

    #[test]
    fn frequencies_keep_to_the_units_of_the_service() {
        for (text, shown) in [("D", "1D"), ("15min", "15min"), ("6H", "6H"), ("4W", "4W"), ("11M", "11M")] {
            assert_eq!(text.parse::<Frequency>().expect(text).to_string(), shown);
        }
        for text in ["", "0D", "7D", "24H", "60min", "2Y", "1d", "1 D", "-1D", "99999999999D"] {
            assert!(text.parse::<Frequency>().is_err(), "{text}");
        }
        let error = "7D".parse::<Frequency>().expect_err("a week").to_string();
        for (_, letters, most) in Unit::ALL {
            assert!(error.contains(&format!("1-{most}{letters}")), "{error}");
        }
    }

    #[test]
    fn months_and_years_follow_the_calendar() {
        let start = NaiveDate::from_ymd_opt(2027, 1, 31).map(NaiveDateTime::from).expect("a date");
        let days = |frequency: &str| -> Vec<String> {
            let frequency: Frequency = frequency.parse().expect("a frequency");
            (0..3).map(|step| frequency.after(start, step).expect("a date").date().to_string()).collect()
        };
        assert_eq!(days("1M"), ["2027-01-31", "2027-02-28", "2027-03-31"]);
        assert_eq!(days("1Y"), ["2027-01-31", "2028-01-31", "2029-01-31"]);
        assert_eq!(days("2W"), ["2027-01-31", "2027-02-14", "2027-02-28"]);
        assert_eq!(days("12H"), ["2027-01-31", "2027-01-31", "2027-02-01"]);
    }

    #[test]
    fn what_the_service_would_not_export_is_refused() {
        assert!(SampleOptions::default().check().is_ok());
        assert!(refusal(|o| o.steps = 501).contains("1 to 500"));
        assert!(refusal(|o| o.steps = 0).contains("0 steps"));
        assert!(refusal(|o| o.parts = 0).contains("0 parts"));
        assert!(refusal(|o| o.items = u64::MAX).contains("items"));
        assert!(refusal(|o| o.dimensions = 11).contains("at most 10"));
        assert!(refusal(|o| o.quantiles.clear()).contains("0 quantiles"));
        assert!(refusal(|o| o.quantiles = (1..=6).map(Quantile::Percent).collect()).contains("6 quantiles"));
        assert!(refusal(|o| o.quantiles = vec![Quantile::Percent(100)]).contains("p100 is not a quantile"));
        assert!(refusal(|o| o.quantiles = vec![Quantile::Mean, Quantile::Mean]).contains("mean is named"));
        for job in ["", "1a", "a-b", "a b", &"a".repeat(64)] {
            assert!(refusal(|o| o.job = job.into()).contains("is not a valid job name"), "{job}");
        }
        assert!(refusal(|o| o.job.clear()).contains(&format!("at most {MOST_JOB_NAME}")));
        for run in ["latest", "2026-01-02", "2026-13-02T03-04-05Z", "2026-01-02T03:04:05Z"] {
            assert!(refusal(|o| o.run = RunStamp::new(run)).contains("timestamp"), "{run}");
        }
        assert!(refusal(|o| o.compression = Some(Compression::Snappy)).contains("to parquet"));
    }
}
