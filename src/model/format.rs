//! The formats of files, and their compression.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::RangeInclusive;

/// The two formats an export has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text, RFC 4180.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// The word for it, which is also its extension.
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Parquet => "parquet",
        }
    }

    /// The other one.
    pub fn other(self) -> Format {
        match self {
            Format::Csv => Format::Parquet,
            Format::Parquet => Format::Csv,
        }
    }

    /// The format according to a file name's ending, with the compression of a CSV.
    pub fn of_name(name: &str) -> Option<(Format, Option<Compression>)> {
        let name = name.to_ascii_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        if ends(&[".parquet", ".parq", ".pqt"]) {
            Some((Format::Parquet, None))
        } else if ends(&[".csv"]) {
            Some((Format::Csv, None))
        } else if ends(&[".csv.gz"]) {
            Some((Format::Csv, Some(Compression::Gzip(None))))
        } else if ends(&[".csv.zst"]) {
            Some((Format::Csv, Some(Compression::Zstd(None))))
        } else {
            None
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Csv => "CSV",
            Format::Parquet => "Parquet",
        })
    }
}

/// The levels of Zstandard.
pub(crate) const ZSTD_LEVELS: RangeInclusive<i32> = 1..=22;
/// The levels of Gzip.
pub(crate) const GZIP_LEVELS: RangeInclusive<i32> = 0..=9;

/// How output is compressed, with the level if one was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// Snappy; Parquet only.
    Snappy,
    /// Zstandard, level 1 to 22, 3 by default.
    Zstd(Option<i32>),
    /// Gzip, level 0 to 9, 6 by default.
    Gzip(Option<u32>),
    /// LZ4 raw blocks; Parquet only.
    Lz4,
}

/// As in its `Display`.
impl Serialize for Compression {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compression::None => f.write_str("none"),
            Compression::Snappy => f.write_str("snappy"),
            Compression::Zstd(level) => write!(f, "zstd:{}", level.unwrap_or(3)),
            Compression::Gzip(level) => write!(f, "gzip:{}", level.unwrap_or(6)),
            Compression::Lz4 => f.write_str("lz4"),
        }
    }
}
