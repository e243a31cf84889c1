//! Parses and makes the file names of parts: takes a folder and a file name, returns a [`PartName`] and back. Never
//! touches a store.
//!
//! Amazon Forecast documents `<JobName>_<Timestamp>_<PartNumber>`; real names look like
//! `<JobName>_2020-04-25T22-30-23Z_part0.csv`, with no padding of the number. A job name cannot contain `-`, so reading
//! a name from the right is unambiguous. A pattern is data, a regex with named groups: other exporters' names are rows
//! in [`Preset::ALL`], and a user's own pattern works the same way.

use super::csv_text::{HeaderMode, Quotes};
use super::error::{Error, Result};
use super::kind::Kind;
use super::usage::UsageError;
use super::value_kind::ValueKind;

use chrono::{DateTime, NaiveDateTime, SecondsFormat};
use regex::Regex;
use serde::Serialize;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

impl std::str::FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Kind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let known = Kind::ALL.iter().map(|kind| kind.name().to_owned()).collect();
            UsageError::Unknown { what: ValueKind::Kind, text: text.to_owned(), known }.into()
        })
    }
}

/// The timestamp that all parts of one run share, ordered by the instant it names.
///
/// A real export prints `2020-04-25T22-30-23Z`. Java's own `Z` would print `+0000` or `-0800`, so offsets are read too.
/// A user's pattern may match any text there; such runs are ordered by that text.
#[derive(Debug, Clone, Serialize)]
#[serde(into = "String")]
pub struct RunStamp {
    text: String,
    /// Seconds since the epoch, if the text is a timestamp.
    instant: Option<i64>,
}

impl RunStamp {
    /// Reads a timestamp as in file names, with `-` in the time; `:` is accepted too, as people type it.
    pub fn new(text: &str) -> Self {
        RunStamp { text: text.to_owned(), instant: parse_instant(text) }
    }

    /// The timestamp of an instant, in seconds since the epoch, as an export prints it.
    ///
    /// Returns `None` outside the years 0 to 9999.
    pub fn from_instant(seconds: i64) -> Option<Self> {
        let instant = DateTime::from_timestamp(seconds, 0)?;
        let text = instant.to_rfc3339_opts(SecondsFormat::Secs, true).replace(':', "-");
        (text.len() == 20).then_some(RunStamp { text, instant: Some(seconds) })
    }

    /// The text as it was found.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Seconds since the epoch, if the text is a timestamp.
    pub fn instant(&self) -> Option<i64> {
        self.instant
    }

    /// What orders and identifies a run: the instant if it is known, else the text.
    fn key(&self) -> (Option<i64>, &str) {
        (self.instant, if self.instant.is_some() { "" } else { &self.text })
    }
}

impl From<RunStamp> for String {
    fn from(stamp: RunStamp) -> String {
        stamp.text
    }
}

impl fmt::Display for RunStamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for RunStamp {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for RunStamp {}

impl PartialOrd for RunStamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RunStamp {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

fn parse_instant(text: &str) -> Option<i64> {
    let (date, zoned_time) = text.split_once('T')?;
    let time = zoned_time.get(..8)?;
    let zone = zoned_time.get(8..)?;
    if !text.is_ascii() || date.len() != 10 {
        return None;
    }
    let local = format!("{date}T{}", time.replace('-', ":"));
    let local = NaiveDateTime::parse_from_str(&local, "%Y-%m-%dT%H:%M:%S").ok()?;
    let offset = match zone.as_bytes() {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), digits @ ..] if digits.len() == 4 && digits.iter().all(u8::is_ascii_digit) => {
            let [h1, h2, m1, m2] = [0, 1, 2, 3].map(|i| i64::from(digits[i] - b'0'));
            let seconds = (h1 * 10 + h2) * 3600 + (m1 * 10 + m2) * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    // Sixty seconds and day 32 are refused above; chrono's leap second (":60") must not slip through.
    (!time.ends_with("60")).then_some(local.and_utc().timestamp() - offset)
}

/// The numbers, one to three, that order the parts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartNumber {
    numbers: [u64; 3],
    len: u8,
}

impl PartNumber {
    /// A single number, as Amazon Forecast has it.
    pub fn new(number: u64) -> Self {
        PartNumber { numbers: [number, 0, 0], len: 1 }
    }

    fn from_slice(found: &[u64]) -> Self {
        let mut numbers = [0; 3];
        numbers[..found.len()].copy_from_slice(found);
        PartNumber { numbers, len: found.len() as u8 }
    }

    /// The numbers, the most significant first.
    pub fn as_slice(&self) -> &[u64] {
        &self.numbers[..usize::from(self.len)]
    }

    /// The last number and those before it.
    pub(crate) fn split_last(&self) -> (u64, &[u64]) {
        match self.as_slice().split_last() {
            Some((last, before)) => (*last, before),
            None => (0, &[]),
        }
    }
}

impl Serialize for PartNumber {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.as_slice() {
            [one] => serializer.serialize_u64(*one),
            several => several.serialize(serializer),
        }
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, number) in self.as_slice().iter().enumerate() {
            write!(f, "{}{number}", if i == 0 { "" } else { "_" })?;
        }
        Ok(())
    }
}

/// The parsed file name of a part.
///
/// ```
/// use forecast_export::{Kind, Pattern, Preset};
///
/// let pattern = Pattern::preset(Preset::Forecast);
/// let name = pattern.parse("exports", "sales_2026_2026-01-02T03-04-05Z_part10.csv").unwrap();
/// assert_eq!(name.kind(), Kind::Forecast);
/// assert_eq!(name.job(), "sales_2026");
/// assert_eq!(name.number().as_slice(), [10]);
/// assert_eq!(name.with_extension("parquet"), "sales_2026_2026-01-02T03-04-05Z_part10.parquet");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartName {
    text: Box<str>,
    kind: Kind,
    /// Shared, like the run: there may be many thousands of parts, each with a name.
    job: Arc<str>,
    run: Option<Arc<RunStamp>>,
    number: PartNumber,
    /// The start and end of each number in `text`.
    spans: [(u32, u32); 3],
}

impl PartName {
    /// A forecast's part as the service names it: `<job>_<run>_part<number>.<extension>`.
    pub fn new(kind: Kind, job: &str, run: &RunStamp, number: u64, extension: &str) -> Self {
        let prefix = kind.backtest_folder().map_or("", |(_, prefix)| prefix);
        let mut text = format!("{prefix}{job}_{run}_part");
        let start = text.len();
        text.push_str(&number.to_string());
        let spans = [(start as u32, text.len() as u32), (0, 0), (0, 0)];
        if !extension.is_empty() {
            text.push('.');
            text.push_str(extension);
        }
        let (text, job, run) = (text.into(), job.into(), Some(Arc::new(run.clone())));
        PartName { text, kind, job, run, number: PartNumber::new(number), spans }
    }

    /// The file name itself.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind of export according to the folder and the name; columns may refine it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The job's name; empty if the pattern has none.
    pub fn job(&self) -> &str {
        &self.job
    }

    /// The run's timestamp; `None` if the pattern has none.
    pub fn run(&self) -> Option<&RunStamp> {
        self.run.as_deref()
    }

    /// What orders this part among its siblings.
    pub fn number(&self) -> PartNumber {
        self.number
    }

    /// Shares the memory of what another name has in common with this one.
    pub(crate) fn share_with(&mut self, other: &PartName) {
        if self.job == other.job {
            self.job = Arc::clone(&other.job);
        }
        if let (Some(run), Some(others)) = (&mut self.run, &other.run)
            && run.text == others.text
        {
            *run = Arc::clone(others);
        }
    }

    /// The same name with another extension (`csv.gz`, `parquet`).
    pub fn with_extension(&self, extension: &str) -> String {
        format!("{}.{extension}", strip_extension(&self.text))
    }

    /// The same name with `number` in place of the part's own number, padded as it was.
    pub fn renumbered(&self, number: u64, extension: &str) -> String {
        let mut text = self.text.to_string();
        let spans = &self.spans[..self.number.as_slice().len()];
        // From the right, so that earlier spans keep their places. The last number counts up; the others become zero.
        for (i, &(start, end)) in spans.iter().enumerate().rev() {
            let span = start as usize..end as usize;
            let old = &self.text[span.clone()];
            let padded = old.len() > 1 && old.starts_with('0') || spans.len() > 1;
            let width = if padded { old.len() } else { 0 };
            let value = if i + 1 == spans.len() { number } else { 0 };
            text.replace_range(span, &format!("{value:0width$}"));
        }
        format!("{}.{extension}", strip_extension(&text))
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialOrd for PartName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PartName {
    /// By kind, job, instant and number; the text decides between names that are equal in these.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |name: &Self| (name.kind, name.number);
        (self.kind, &self.job, &self.run, key(self).1, &self.text).cmp(&(
            other.kind,
            &other.job,
            &other.run,
            key(other).1,
            &other.text,
        ))
    }
}

/// Extensions that do not belong to a name's stem, longest first.
const EXTENSIONS: [&str; 15] = [
    ".lz4raw.parquet",
    ".snappy.parquet",
    ".zstd.parquet",
    ".lz4.parquet",
    ".lzo.parquet",
    ".br.parquet",
    ".gz.parquet",
    ".csv.zst",
    ".csv.gz",
    ".parquet",
    ".parq",
    ".pqt",
    ".csv",
    ".zst",
    ".gz",
];

/// A file name without the extension that a part may have.
pub(crate) fn strip_extension(name: &str) -> &str {
    let lower = name.to_ascii_lowercase();
    let ending = EXTENSIONS.iter().find(|ending| lower.ends_with(**ending));
    &name[..name.len() - ending.map_or(0, |ending| ending.len())]
}

/// Which part numbers a run must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapRule {
    /// All from 0 on.
    FromZero,
    /// All from the lowest found on.
    FromLowest,
    /// Among equal leading numbers, the last one must run from 0 on; leading numbers may be missing.
    LastFromZero,
    /// Any: the exporter itself skips numbers.
    Any,
}

/// Exporters whose file names are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Preset {
    /// Amazon Forecast, every kind of export.
    Forecast,
    /// Spark, Glue, EMR: `part-00000-<uuid>-c000.snappy.parquet`.
    Spark,
    /// Redshift UNLOAD: `<prefix>0001_part_00`.
    Redshift,
    /// Snowflake COPY INTO: `data_0_1_0.csv.gz`.
    Snowflake,
    /// BigQuery EXPORT DATA: `<name>000000000012.csv`.
    BigQuery,
}

struct PresetRow {
    preset: Preset,
    name: &'static str,
    regex: &'static str,
    gaps: GapRule,
    /// Whether its CSV begins with a header.
    header: HeaderMode,
}

/// An optional extension of a part.
const EXTENSION: &str = r"(?i:\.csv(?:\.gz|\.zst)?|(?:\.snappy|\.gz|\.zstd|\.lz4raw|\.lz4|\.lzo|\.br)?\.(?:parquet|parq|pqt)|\.gz|\.zst)?";

const PRESETS: [PresetRow; 5] = [
    PresetRow {
        preset: Preset::Forecast,
        name: "forecast",
        regex: r"(?P<job>[a-zA-Z][a-zA-Z0-9_]*)_(?P<timestamp>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}(?:Z|[+-][0-9]{4}))_(?:part)?(?P<part>[0-9]+)",
        gaps: GapRule::FromZero,
        header: HeaderMode::Yes,
    },
    PresetRow {
        preset: Preset::Spark,
        name: "spark",
        // Databricks adds a task id and two numbers; a task without rows may write no file.
        regex: r"part-(?P<part>[0-9]{5,})(?:-tid-[0-9]+)?(?:-(?P<job>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}))?(?:-[0-9]+-[0-9]+)?(?:[-.]c(?P<part2>[0-9]{3,}))?",
        gaps: GapRule::Any,
        header: HeaderMode::Auto,
    },
    PresetRow {
        preset: Preset::Redshift,
        name: "redshift",
        // A slice without rows writes no file, but the files of one slice are numbered consecutively.
        regex: r"(?P<job>.*)(?P<part>[0-9]{4})_part_(?P<part2>[0-9]{2,})",
        gaps: GapRule::LastFromZero,
        header: HeaderMode::Auto,
    },
    PresetRow {
        preset: Preset::Snowflake,
        name: "snowflake",
        regex: r"(?P<job>.+?)_(?P<part>[0-9]+)_(?P<part2>[0-9]+)_(?P<part3>[0-9]+)",
        gaps: GapRule::Any,
        header: HeaderMode::Auto,
    },
    PresetRow {
        preset: Preset::BigQuery,
        name: "bigquery",
        regex: r"(?P<job>.*)(?P<part>[0-9]{12})",
        gaps: GapRule::FromZero,
        header: HeaderMode::Yes,
    },
];

impl Preset {
    /// Every preset.
    pub const ALL: [Preset; 5] =
        [Preset::Forecast, Preset::Spark, Preset::Redshift, Preset::Snowflake, Preset::BigQuery];

    fn row(self) -> &'static PresetRow {
        // PRESETS lists them in the order of the enum, which a test checks.
        &PRESETS[self as usize]
    }

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        self.row().name
    }
}

impl std::str::FromStr for Preset {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        PRESETS.iter().find(|row| row.name == text).map(|row| row.preset).ok_or_else(|| {
            let known = PRESETS.iter().map(|row| row.name.to_owned()).collect();
            UsageError::Unknown { what: ValueKind::Preset, text: text.to_owned(), known }.into()
        })
    }
}

/// How to read file names: by a preset or by the user's regex.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    gaps: GapRule,
    preset: Option<Preset>,
}

impl Default for Pattern {
    /// Amazon Forecast's own names.
    fn default() -> Self {
        Pattern::preset(Preset::Forecast)
    }
}

/// The service's own limit for a job's name, in bytes.
const MAX_JOB_NAME: usize = 63;

/// How a run's timestamp begins, without its zone.
const LOCAL_TIME: &str = "2026-01-02T03-04-05";
/// Seconds in the offset `+9999`.
const FARTHEST_ZONE: i64 = 99 * 3600 + 99 * 60;

/// The groups that may hold a part number, the most significant first.
const PART_GROUPS: [&str; 3] = ["part", "part2", "part3"];

impl Pattern {
    /// The pattern of a known exporter.
    #[expect(clippy::expect_used, reason = "the presets are constants, and a test compiles each of them")]
    pub fn preset(preset: Preset) -> Self {
        let row = preset.row();
        let regex = Regex::new(&format!("^(?:{}{EXTENSION})$", row.regex)).expect("a preset compiles");
        Pattern { regex, gaps: row.gaps, preset: Some(preset) }
    }

    /// A user's pattern, in the syntax of the regex crate, matched against the whole file name.
    ///
    /// Named groups: `part` (needed) and `part2`, `part3`, numbers that order the parts; `job` and `timestamp`, which
    /// distinguish runs.
    ///
    /// # Errors
    /// [`Error::Usage`] if the regex does not compile or has no group `part`.
    ///
    /// ```
    /// use forecast_export::Pattern;
    ///
    /// let pattern = Pattern::custom(r"(?P<job>[a-z]+)-(?P<part>[0-9]+)\.csv").unwrap();
    /// assert_eq!(pattern.parse("", "sales-7.csv").unwrap().number().as_slice(), [7]);
    /// assert!(pattern.parse("", "sales-7.csv.bak").is_none());
    /// ```
    pub fn custom(text: &str) -> Result<Self> {
        let regex = Regex::new(&format!("^(?:{text})$"))
            .map_err(|error| UsageError::PatternSyntax { source: Arc::new(error) })?;
        let has = |group: &str| regex.capture_names().flatten().any(|name| name == group);
        if !has("part") {
            return Err(UsageError::PatternWithoutPart { pattern: text.to_owned() }.into());
        }
        let gaps = if has("part2") || has("part3") { GapRule::Any } else { GapRule::FromLowest };
        Ok(Pattern { regex, gaps, preset: None })
    }

    /// The name of the preset, if it is one.
    pub(crate) fn preset_name(&self) -> Option<&'static str> {
        self.preset.map(|preset| preset.row().name)
    }

    /// The user's regex, if it is one.
    pub(crate) fn custom_text(&self) -> Option<&str> {
        let text = self.regex.as_str().strip_prefix("^(?:")?.strip_suffix(")$")?;
        self.preset.is_none().then_some(text)
    }

    /// Whether CSV parts with such names begin with a header. For names that match a user's regex, the text must tell.
    pub(crate) fn header(&self) -> HeaderMode {
        self.preset.map_or(HeaderMode::Auto, |preset| preset.row().header)
    }

    /// How the CSV with such names writes quotes within quoted cells.
    pub(crate) fn quotes(&self) -> Quotes {
        if self.preset == Some(Preset::Spark) { Quotes::MayBeEscaped } else { Quotes::Doubled }
    }

    /// Which part numbers a run must have.
    pub fn gaps(&self) -> GapRule {
        self.gaps
    }

    /// The range of names, in byte order, that contains all parts of a run in one folder, however their timestamp is
    /// written: after the first text, up to the second. `None` if names do not tell.
    pub(crate) fn names_of_run(&self, name: &PartName) -> Option<(String, String)> {
        // In a backtest's folders, some parts of a job may have a prefix and others may not.
        if self.preset != Some(Preset::Forecast) || name.kind.backtest_folder().is_some() {
            return None;
        }
        let stem = format!("{}_", name.job);
        let instant = name.run.as_ref()?.instant?;
        // The text may be a local time, which differs from the instant by at most what a four-digit offset can express.
        let bound = |offset: i64| {
            let local =
                DateTime::from_timestamp(instant.checked_add(offset)?, 0)?.format("%Y-%m-%dT%H-%M-%S");
            let local = local.to_string();
            (local.len() == LOCAL_TIME.len() && name.text.starts_with(&stem))
                .then(|| format!("{stem}{local}"))
        };
        // After every letter, digit and sign that may follow.
        Some((bound(-FARTHEST_ZONE)?, format!("{}~", bound(FARTHEST_ZONE)?)))
    }

    /// Parses a file name; `None` if it is not that of a part by this pattern.
    ///
    /// `folder` decides what the prefixes `Accuracy_` and `Forecasts_` mean: outside the two folders of a backtest
    /// export, a job's name may begin with them.
    pub fn parse(&self, folder: &str, file_name: &str) -> Option<PartName> {
        let found = self.regex.captures(file_name)?;
        let mut numbers = Vec::with_capacity(3);
        let mut spans = [(0, 0); 3];
        for group in PART_GROUPS {
            if let Some(matched) = found.name(group) {
                spans[numbers.len()] =
                    (u32::try_from(matched.start()).ok()?, u32::try_from(matched.end()).ok()?);
                numbers.push(matched.as_str().parse::<u64>().ok()?);
            }
        }
        let text_of = |group| found.name(group).map(|matched| matched.as_str());
        let mut job = text_of("job").unwrap_or_default();
        let run = text_of("timestamp").map(RunStamp::new);
        let mut kind = Kind::Forecast;
        if self.preset == Some(Preset::Forecast) {
            // The service never writes a timestamp that is not a date (month 13).
            run.as_ref()?.instant?;
            let last = folder.rsplit('/').next().unwrap_or_default();
            for candidate in [Kind::BacktestForecasts, Kind::BacktestAccuracy] {
                if let Some((name, prefix)) = candidate.backtest_folder()
                    && name == last
                {
                    kind = candidate;
                    job = job.strip_prefix(prefix).unwrap_or(job);
                }
            }
            if job.len() > MAX_JOB_NAME {
                return None;
            }
        }
        Some(PartName {
            text: file_name.into(),
            kind,
            job: job.into(),
            run: run.map(Arc::new),
            number: PartNumber::from_slice(&numbers),
            spans,
        })
    }
}

/// The markers that the service writes when a job begins, and when it is done.
pub(crate) const MARKERS: [&str; 2] = ["_CHECK", "_SUCCESS"];

/// The end of a receipt's file name.
pub(crate) const RECEIPT_ENDING: &str = ".receipt.json";

/// Whether a file is a receipt, by its name.
pub(crate) fn is_receipt(name: &str) -> bool {
    name.ends_with(RECEIPT_ENDING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn forecast(name: &str) -> Option<PartName> {
        Pattern::default().parse("exports", name)
    }

    #[test]
    fn presets_stand_in_the_order_of_the_enum() {
        for preset in Preset::ALL {
            assert_eq!(preset.row().preset, preset);
            assert!(Pattern::preset(preset).regex.capture_names().flatten().any(|name| name == "part"));
        }
    }

    #[test]
    fn real_names_are_read_from_the_right() {
        for (name, job, stamp, part) in [
            (
                "stockout_forecast_export_2021-12-14T13-20-10Z_part3.csv",
                "stockout_forecast_export",
                "2021-12-14T13-20-10Z",
                3,
            ),
            (
                "fej_1571260106456_2019-10-16T21-40-00Z_part0.csv",
                "fej_1571260106456",
                "2019-10-16T21-40-00Z",
                0,
            ),
            (
                "export_sales_2020_10_19_16_28_06_2020-10-19T16-40-00Z_part0.csv",
                "export_sales_2020_10_19_16_28_06",
                "2020-10-19T16-40-00Z",
                0,
            ),
            ("a_part0_2020-10-19T16-40-00Z_part12", "a_part0", "2020-10-19T16-40-00Z", 12),
            ("a_2020-10-19T16-40-00-0800_7.snappy.parquet", "a", "2020-10-19T16-40-00-0800", 7),
        ] {
            let parsed = forecast(name).expect(name);
            assert_eq!(parsed.job(), job);
            assert_eq!(parsed.run().map(RunStamp::as_str), Some(stamp));
            assert_eq!(parsed.number().as_slice(), [part]);
            assert_eq!(parsed.to_string(), name);
        }
    }

    #[test]
    fn what_is_no_part_is_a_stray() {
        for name in [
            "a_2020-10-19T16-40-00Z_part0.csv.bak",
            "a_2020-13-19T16-40-00Z_part0.csv",
            "a_2020-10-19T16-40-60Z_part0.csv",
            "a_2020-10-19T16-40-00Z_part.csv",
            "a_2020-10-19T16-40-00Z_part-1.csv",
            "a_2020-10-19T16-40-00Z_part99999999999999999999999.csv",
            "0a_2020-10-19T16-40-00Z_part0.csv",
            "sales_processed.csv",
            "_SUCCESS",
            "",
        ] {
            assert_eq!(forecast(name), None, "{name}");
        }
    }

    #[test]
    fn prefixes_are_a_kind_only_in_the_backtest_folders() {
        let name = "Accuracy_job_2020-10-19T16-40-00Z_part0.csv";
        let elsewhere = forecast(name).expect("a part");
        assert_eq!((elsewhere.kind(), elsewhere.job()), (Kind::Forecast, "Accuracy_job"));
        let inside = Pattern::default().parse("x/accuracy-metrics-values", name).expect("a part");
        assert_eq!((inside.kind(), inside.job()), (Kind::BacktestAccuracy, "job"));
    }

    #[test]
    fn offsets_are_ordered_by_the_instant() {
        let utc = RunStamp::new("2020-10-19T16-40-00Z");
        assert_eq!(RunStamp::new("2020-10-19T08-40-00-0800"), utc);
        assert!(RunStamp::new("2020-10-19T16-40-00+0100") < utc);
        assert_eq!(RunStamp::new("2020-10-19T16:40:00Z"), utc);
    }

    #[test]
    fn other_exporters_names_are_rows_of_data() {
        for (preset, name, job, numbers) in [
            (
                Preset::Spark,
                "part-00003-0d2c6f5e-8a1b-4c3d-9e8f-0a1b2c3d4e5f-c000.snappy.parquet",
                "0d2c6f5e-8a1b-4c3d-9e8f-0a1b2c3d4e5f",
                &[3, 0][..],
            ),
            (Preset::Spark, "part-123456.csv", "", &[123456]),
            (Preset::Redshift, "sales_0001_part_00", "sales_", &[1, 0]),
            (Preset::Redshift, "sales20190012_part_03.parquet", "sales2019", &[12, 3]),
            (Preset::Snowflake, "data_0_1_10.csv.gz", "data", &[0, 1, 10]),
            (Preset::Snowflake, "data_2020_0_1_0.csv", "data_2020", &[0, 1, 0]),
            (Preset::BigQuery, "sales-000000000012.csv", "sales-", &[12]),
        ] {
            let parsed = Pattern::preset(preset).parse("", name).expect(name);
            assert_eq!((parsed.job(), parsed.number().as_slice()), (job, numbers), "{name}");
        }
    }

    #[test]
    fn renumbering_keeps_the_padding_of_the_exporter() {
        let spark = Pattern::preset(Preset::Spark).parse("", "part-00003.csv").expect("a part");
        assert_eq!(spark.renumbered(12, "parquet"), "part-00012.parquet");
        let own = forecast("a_2020-10-19T16-40-00Z_part3.csv").expect("a part");
        assert_eq!(own.renumbered(12, "parquet"), "a_2020-10-19T16-40-00Z_part12.parquet");
    }

    #[test]
    fn a_pattern_without_a_part_group_is_refused() {
        let refused = |text| match Pattern::custom(text) {
            Err(Error::Usage(error)) => error,
            other => panic!("{other:?}"),
        };
        assert!(
            matches!(refused("(?P<job>.*)"), UsageError::PatternWithoutPart { pattern } if pattern == "(?P<job>.*)")
        );
        assert!(
            matches!(refused("(?P<part"), UsageError::PatternSyntax { source } if source.is::<regex::Error>())
        );
    }

    fn names() -> impl Strategy<Value = PartName> {
        let kinds =
            prop_oneof![Just(Kind::Forecast), Just(Kind::BacktestForecasts), Just(Kind::BacktestAccuracy)];
        let extension =
            prop_oneof![Just(""), Just("csv"), Just("parquet"), Just("csv.gz"), Just("snappy.parquet")];
        let instants = -62_000_000_000i64..250_000_000_000;
        (kinds, "[a-zA-Z][a-zA-Z0-9_]{0,62}", instants, any::<u64>(), extension).prop_map(
            |(kind, job, instant, number, extension)| {
                let run = RunStamp::from_instant(instant).expect("a year of four digits");
                PartName::new(kind, &job, &run, number, extension)
            },
        )
    }

    proptest! {
        #[test]
        fn format_then_parse_is_the_identity(name in names()) {
            let folder = name.kind().backtest_folder().map_or("any", |(folder, _)| folder);
            // A backtest job may itself be called Accuracy_..; only the prefix added by the service is removed.
            prop_assert_eq!(Pattern::default().parse(folder, name.as_str()), Some(name));
        }

        #[test]
        fn order_is_by_job_then_instant_then_number(a in names(), b in names()) {
            let key = |n: &PartName| (n.kind(), n.job().to_owned(), n.run().and_then(RunStamp::instant), n.number());
            if key(&a) != key(&b) {
                prop_assert_eq!(a.cmp(&b), key(&a).cmp(&key(&b)));
            }
        }

        #[test]
        fn no_name_makes_it_panic(folder in ".*", name in ".*") {
            for preset in Preset::ALL {
                if let Some(parsed) = Pattern::preset(preset).parse(&folder, &name) {
                    prop_assert_eq!(parsed.as_str(), &name);
                }
            }
        }
    }
}
