//! The user's options: plain data with defaults, shared by the library and the command line.

use super::csv_text::HeaderMode;
use super::error::{Error, Result};
use super::format::{Compression, Format, GZIP_LEVELS, ZSTD_LEVELS};
use super::kind::Kind;
use super::naming::{PartName, Pattern, RunStamp};
use super::usage::UsageError;
use super::value_kind::ValueKind;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// All options for reading, shaping and writing.
///
/// ```
/// use forecast_export::{Options, RunChoice};
///
/// let mut options = Options::default();
/// options.select.run = RunChoice::Latest;
/// options.types.push(("store".into(), "int64".parse()?));
/// # Ok::<(), forecast_export::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Which run to read, and what makes it complete.
    pub select: Selection,
    /// The output's format; by default the output's extension decides for a merge, and a conversion goes to the
    /// other format.
    pub to: Option<Format>,
    /// How to compress the output; by default Parquet with Snappy, and CSV as its extension says.
    pub compression: Option<Compression>,
    /// Rows per row group of the output; by default 122,880, or fewer if rows are long.
    pub row_group_rows: Option<u64>,
    /// Columns that get a Bloom filter in each row group of Parquet, which lets readers skip row groups without a given
    /// value. The rate of false positives is 1 %, and higher if a row group has more than 1,048,576 distinct values.
    /// Boolean columns get none.
    pub bloom_filters: Vec<String>,
    /// Splits the output of a conversion by size instead of part by part.
    pub split: Option<Split>,
    /// Names the part files of a conversion like this part, numbered from 0; by default like the parts they are made
    /// from.
    pub names: Option<PartName>,
    /// What to do if parts differ.
    pub schema: SchemaMode,
    /// Types of columns by name; they take precedence over what names and values say.
    pub types: Vec<(String, ColumnType)>,
    /// Reads every column as text.
    pub all_strings: bool,
    /// How to write binary columns as text; by default Parquet keeps the bytes, and CSV is an error.
    pub binary: Option<BinaryText>,
    /// Texts that mean null in every column, besides an empty cell.
    pub nulls: Vec<String>,
    /// Whether CSV parts begin with a header; by default the preset decides, or for files with other names, their
    /// contents.
    pub header: Option<HeaderMode>,
    /// Column names for CSV parts without a header: the first line of each part is a row.
    pub columns: Vec<String>,
    /// Adds `_job`, `_run` and `_part`, which say where a row came from.
    pub source_columns: bool,
    /// Replaces an existing output.
    pub overwrite: bool,
    /// Reads the output back and compares it with the source before publishing it. Output for an object store is first
    /// written to a local temporary file, compared, and then uploaded.
    pub verify: bool,
    /// Writes no receipt, neither in the metadata of Parquet nor as a file next to the output.
    pub no_receipt: bool,
    /// The time to record in the receipt and in the local file, in place of the time of writing. The same parts then
    /// produce the same bytes at any time and place. A local part or output is then identified only by its size and
    /// time.
    pub written: Option<DateTime<Utc>>,
    /// Whether the server that has the parts and the output may do the merge; by default it does if no option needs the
    /// rows.
    pub on_server: OnServer,
    /// Bytes for buffers; 256 MB by default.
    pub memory: Option<u64>,
    /// Threads that decode and encode; by default as many as the machine runs at once.
    pub threads: Option<usize>,
}

/// Which run to read, and what makes it complete.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Selection {
    /// Only the job of this name; a glob is allowed.
    pub job: Option<String>,
    /// Which run, if there are several.
    pub run: RunChoice,
    /// Only exports of this kind.
    pub kind: Option<Kind>,
    /// Only exports of this format, as far as file names tell.
    pub format: Option<Format>,
    /// How to read file names.
    pub pattern: Pattern,
    /// Continues even if part numbers are missing.
    pub allow_gaps: bool,
    /// The number of parts there must be.
    pub expect_parts: Option<u64>,
    /// The number of rows there must be.
    pub expect_rows: Option<u64>,
    /// Asks S3 to restore archived parts for this many days. That takes minutes to days, so this run still fails; a
    /// later one finds them.
    pub restore: Option<u32>,
}

/// What an inventory shows, and how closely it examines files.
///
/// ```
/// use forecast_export::{InventoryOptions, RunChoice};
///
/// let mut options = InventoryOptions::default();
/// options.select.job = Some("sales_*".into());
/// options.select.run = RunChoice::Latest;
/// options.names_only = true;
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct InventoryOptions {
    /// Which exports are shown, by default all. [`RunChoice::Latest`] shows the newest run of each job. What makes a
    /// run complete has no effect: an inventory reports gaps and never fails because of them.
    pub select: Selection,
    /// Shows only runs from this time on. Runs whose names have no timestamp are then left out and counted.
    pub since: Option<DateTime<Utc>>,
    /// Opens no file: everything comes from the listing and from names. What only a file's contents tell stays unknown:
    /// whether it can be read, its rows, its receipt, and whether a forecast is an explainability or what-if export.
    pub names_only: bool,
    /// Whether CSV parts begin with a header, as in [`Options::header`].
    pub header: Option<HeaderMode>,
    /// The names of the columns of CSV parts that have no header, as in [`Options::columns`].
    pub columns: Vec<String>,
}

impl InventoryOptions {
    /// How to examine the parts.
    pub(crate) fn reading(&self) -> Options {
        Options {
            select: self.select.clone(),
            header: self.header,
            columns: self.columns.clone(),
            ..Options::default()
        }
    }
}

impl From<Options> for InventoryOptions {
    /// Shows what a run with these options would find.
    fn from(options: Options) -> Self {
        let Options { select, header, columns, .. } = options;
        InventoryOptions { select, header, columns, ..InventoryOptions::default() }
    }
}

impl Options {
    /// The header mode that takes effect: the option, or the pattern's default.
    pub(crate) fn header_mode(&self) -> HeaderMode {
        let unnamed = || self.header.unwrap_or(self.select.pattern.header());
        if self.columns.is_empty() { unnamed() } else { HeaderMode::No }
    }
}

/// Threads that the machine runs at once; one if it does not tell.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Which run, if there are several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RunChoice {
    /// There must be only one.
    #[default]
    Only,
    /// The newest.
    Latest,
    /// Every run, oldest first.
    All,
    /// The run with this timestamp, as in file names.
    At(String),
}

impl FromStr for RunChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "latest" => RunChoice::Latest,
            "all" => RunChoice::All,
            "" => return Err(UsageError::Empty { what: ValueKind::Run }.into()),
            stamp => RunChoice::At(stamp.to_owned()),
        })
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "csv" => Ok(Format::Csv),
            "parquet" => Ok(Format::Parquet),
            _ => Err(unknown(ValueKind::Format, text, &["csv", "parquet"])),
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        let number = |codec, levels: RangeInclusive<i32>| -> Result<Option<i32>> {
            level
                .map(|text| match text.parse::<i32>() {
                    Ok(level) if levels.contains(&level) => Ok(level),
                    _ => Err(UsageError::CompressionLevel {
                        codec,
                        level: text.to_owned(),
                        lowest: *levels.start(),
                        highest: *levels.end(),
                    }
                    .into()),
                })
                .transpose()
        };
        match (name, level) {
            ("none", None) => Ok(Compression::None),
            ("snappy", None) => Ok(Compression::Snappy),
            ("lz4", None) => Ok(Compression::Lz4),
            ("zstd", _) => Ok(Compression::Zstd(number("zstd", ZSTD_LEVELS)?)),
            ("gzip", _) => Ok(Compression::Gzip(number("gzip", GZIP_LEVELS)?.map(|level| level as u32))),
            _ => {
                let known = ["none", "snappy", "zstd[:1-22]", "gzip[:0-9]", "lz4"];
                Err(unknown(ValueKind::Compression, text, &known))
            }
        }
    }
}

/// Where to split the output of a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// After this many rows.
    Rows(u64),
    /// Before a file would exceed this many bytes, unless a single row or row group does.
    Bytes(u64),
}

/// What to do if parts differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SchemaMode {
    /// Fail if columns, their order, types or line ends differ.
    #[default]
    Strict,
    /// Align columns by name, with nulls for what a part lacks.
    ByName,
}

impl FromStr for SchemaMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "strict" => Ok(SchemaMode::Strict),
            "by-name" => Ok(SchemaMode::ByName),
            _ => Err(unknown(ValueKind::SchemaMode, text, &["strict", "by-name"])),
        }
    }
}

/// Whether S3 merges the parts that it has, so that their bytes do not pass through this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnServer {
    /// If parts and output are reached in the same way, no option needs the rows, and most bytes can stay there. If the
    /// server refuses to copy, the merge is done here.
    #[default]
    Auto,
    /// Always; an error if that is not possible.
    Always,
    /// Never: every byte is read and checked here.
    Never,
}

impl FromStr for OnServer {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(OnServer::Auto),
            "always" => Ok(OnServer::Always),
            "never" => Ok(OnServer::Never),
            _ => Err(unknown(ValueKind::OnServer, text, &["auto", "always", "never"])),
        }
    }
}

/// How binary values become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BinaryText {
    /// Two digits for each byte, `0` to `9` and `a` to `f`.
    Hex,
    /// Base64 as in RFC 4648, section 4, with padding.
    Base64,
}

impl FromStr for BinaryText {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "hex" => Ok(BinaryText::Hex),
            "base64" => Ok(BinaryText::Base64),
            _ => Err(unknown(ValueKind::BinaryText, text, &["hex", "base64"])),
        }
    }
}

/// The type to read a text column as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ColumnType {
    /// The text as it is.
    String,
    /// A double, correctly rounded.
    Double,
    /// A 64-bit whole number.
    Int64,
    /// `true` or `false`.
    Boolean,
    /// `yyyy-MM-dd`.
    Date,
    /// `yyyy-MM-ddTHH:mm:ss` in microseconds; UTC if the text has a zone. Further digits must be zeros.
    Timestamp,
    /// The same in nanoseconds, from 1677 to 2262.
    TimestampNs,
}

impl ColumnType {
    const ALL: [(ColumnType, &'static str); 7] = [
        (ColumnType::String, "string"),
        (ColumnType::Double, "double"),
        (ColumnType::Int64, "int64"),
        (ColumnType::Boolean, "boolean"),
        (ColumnType::Date, "date"),
        (ColumnType::Timestamp, "timestamp"),
        (ColumnType::TimestampNs, "timestamp_ns"),
    ];
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Self::ALL.iter().find(|(known, _)| known == self);
        f.write_str(known.map_or("string", |(_, name)| name))
    }
}

impl FromStr for ColumnType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(found, _)| *found)
            .ok_or_else(|| unknown(ValueKind::ColumnType, text, &Self::ALL.map(|(_, name)| name)))
    }
}

fn unknown(what: ValueKind, text: &str, known: &[&str]) -> Error {
    let known = known.iter().map(|&word| word.to_owned()).collect();
    UsageError::Unknown { what, text: text.to_owned(), known }.into()
}

/// Reads a size such as `500KB`, `64MB`, `1GiB` or a number of bytes.
///
/// ```
/// assert_eq!(forecast_export::parse_size("64MB")?, 64_000_000);
/// assert_eq!(forecast_export::parse_size("1GiB")?, 1 << 30);
/// # Ok::<(), forecast_export::Error>(())
/// ```
///
/// # Errors
/// [`Error::Usage`] for anything else, and for sizes beyond 64 bits.
pub fn parse_size(text: &str) -> Result<u64> {
    let bad = || Error::from(UsageError::Malformed { what: ValueKind::Size, text: text.to_owned() });
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| bad())?;
    let factor: u64 = match text[digits..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "ki" | "kib" => 1 << 10,
        "mi" | "mib" => 1 << 20,
        "gi" | "gib" => 1 << 30,
        "ti" | "tib" => 1 << 40,
        _ => return Err(bad()),
    };
    number.checked_mul(factor).ok_or_else(bad)
}

/// Reads a duration such as `30s`, `30m`, `1h30m`, `1.5h`, `500ms`, `2 days` or `1 week`.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(forecast_export::parse_duration("1h30m")?, Duration::from_secs(5400));
/// # Ok::<(), forecast_export::Error>(())
/// ```
///
/// # Errors
/// [`Error::Usage`] for anything else: a number without a unit unless it is `0`, months and years, and more than twelve
/// digits.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let bad = || Error::from(UsageError::Malformed { what: ValueKind::Duration, text: text.to_owned() });
    // `30M` would be thirty months, where minutes are meant.
    let is_too_long = |unit: &str| unit == "M" || unit.starts_with("mon") || unit.starts_with('y');
    // humantime 2.4 panics near 2^64 seconds, and so does code that multiplies such a time.
    let is_in_bounds = text.len() <= 40 && text.split(|c: char| !c.is_ascii_digit()).all(|d| d.len() <= 12);
    if !is_in_bounds || text.split(|c: char| !c.is_alphabetic()).any(is_too_long) {
        return Err(bad());
    }
    humantime::parse_duration(text).map_err(|_| bad())
}

/// Reads a point in time: a run's timestamp as in file names, such as `2026-01-02T03-04-05Z`; one of RFC 3339, such as
/// `2026-01-02T03:04:05+02:00`; a day, which begins at midnight in UTC; or how long before `now` it was, such as `7d`
/// or `12h`.
///
/// ```
/// use chrono::{DateTime, Utc};
/// use forecast_export::parse_since;
///
/// let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
/// let now = at("2026-01-09T12:00:00Z");
/// assert_eq!(parse_since("7d", now)?, at("2026-01-02T12:00:00Z"));
/// assert_eq!(parse_since("2026-01-02", now)?, at("2026-01-02T00:00:00Z"));
/// assert_eq!(parse_since("2026-01-02T03-04-05Z", now)?, at("2026-01-02T03:04:05Z"));
/// # Ok::<(), forecast_export::Error>(())
/// ```
///
/// # Errors
/// [`Error::Usage`] for anything else: a time without its zone, a number without a unit unless it is `0`, months and years.
pub fn parse_since(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
    let bad = || Error::from(UsageError::Malformed { what: ValueKind::Since, text: text.to_owned() });
    if let Some(seconds) = RunStamp::new(text).instant() {
        return DateTime::from_timestamp(seconds, 0).ok_or_else(bad);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return day.and_hms_opt(0, 0, 0).map(|midnight| midnight.and_utc()).ok_or_else(bad);
    }
    let before = parse_duration(text).map_err(|_| bad())?;
    let before = TimeDelta::from_std(before).map_err(|_| bad())?;
    now.checked_sub_signed(before).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_in_time_is_a_timestamp_a_day_or_how_long_ago_it_was() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a timestamp");
        let now = at("2026-01-09T12:00:00Z");
        for (text, expected) in [
            ("2026-01-02T03-04-05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03-04-05-0800", "2026-01-02T11:04:05Z"),
            ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"),
            ("2026-01-02T03:04:05.5Z", "2026-01-02T03:04:05.5Z"),
            ("2026-01-02", "2026-01-02T00:00:00Z"),
            ("2027-01-02", "2027-01-02T00:00:00Z"),
            ("7d", "2026-01-02T12:00:00Z"),
            ("12h", "2026-01-09T00:00:00Z"),
            ("1h30m", "2026-01-09T10:30:00Z"),
            ("0", "2026-01-09T12:00:00Z"),
        ] {
            assert_eq!(parse_since(text, now).ok(), Some(at(expected)), "{text}");
        }
        for text in [
            "",
            "7",
            "d",
            "-7d",
            "1M",
            "1y",
            "yesterday",
            "2026-01",
            "2026-02-30",
            "2026-01-02T03-04-05",
            "2026-01-02T03:04:05",
            "2026-01-02T25:04:05Z",
            "2026-13-02T03-04-05Z",
            "999999999999d",
            "latest",
        ] {
            let error = parse_since(text, now).expect_err(text).to_string();
            assert!(error.contains("is not a valid point in time"), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_are_decimal_or_binary_by_their_unit() {
        for (text, bytes) in
            [("500KB", 500_000), ("64mb", 64_000_000), ("1GiB", 1 << 30), ("7", 7), ("2k", 2_000)]
        {
            assert_eq!(parse_size(text).ok(), Some(bytes), "{text}");
        }
        for text in ["", "MB", "1.5GB", "-1", "1XB", "99999999999TB", "1 MB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_of_time_need_a_unit() {
        for (text, milliseconds) in [
            ("90s", 90_000),
            ("30m", 1_800_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("0s", 0),
            ("0", 0),
            ("2d", 172_800_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("007s1s1s", 9_000),
            ("999999999999s", 999_999_999_999_000),
            ("1.5h", 5_400_000),
            ("1 h", 3_600_000),
            ("2 hours 15 min", 8_100_000),
            ("2 weeks", 1_209_600_000),
        ] {
            assert_eq!(parse_duration(text).ok(), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in [
            "",
            " ",
            "30",
            "1h30",
            "m",
            ".5h",
            "1.h",
            "-1s",
            "+1s",
            "1,5h",
            "1H",
            "1 fortnight",
            "30M",
            "1 month",
            "1y",
            "18446744073709551615s",
            "18446744073709551615s1000ms",
            "213503982334601d25215s1000ms",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn compression_names_carry_an_optional_level() {
        assert_eq!("zstd:9".parse::<Compression>().ok(), Some(Compression::Zstd(Some(9))));
        assert_eq!("gzip".parse::<Compression>().ok(), Some(Compression::Gzip(None)));
        for text in ["zstd:0", "zstd:23", "gzip:10", "snappy:1", "bzip2", ""] {
            assert!(text.parse::<Compression>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_says_format_and_compression() {
        assert_eq!(Format::of_name("a.CSV"), Some((Format::Csv, None)));
        assert_eq!(Format::of_name("a.csv.gz"), Some((Format::Csv, Some(Compression::Gzip(None)))));
        assert_eq!(Format::of_name("a.snappy.parquet"), Some((Format::Parquet, None)));
        assert_eq!(Format::of_name("a.txt"), None);
    }
}
