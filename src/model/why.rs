//! Why an output is made the way it is, as data.

use super::format::Format;
use super::named::Named;
use super::setting::{Setting, SettingName};
use serde::Serialize;
use std::fmt;

/// Why a strategy was chosen. Its `Display` is a clause that calls settings by the library's names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The output is there already, as its receipt says.
    UpToDate,
    /// CSV to CSV, and all parts have one header.
    OneHeader,
    /// CSV to CSV, and headers or line ends differ.
    HeadersDiffer,
    /// CSV to CSV, and the source columns add cells to every row.
    AddsCells,
    /// Parquet to Parquet, and all parts have one schema.
    OneSchema,
    /// Parquet to Parquet, and the parts' schemas differ in form.
    SchemasDiffer,
    /// Parquet to Parquet, and the source columns are added.
    AddsColumns,
    /// Parquet to Parquet, and a setting gives columns other types.
    ChangesColumns(Setting),
    /// Parquet to Parquet, and row groups of another size were asked for.
    CutsRowGroups,
    /// Parquet to Parquet, and Bloom filters were asked for.
    AddsBloomFilters,
    /// Parquet to Parquet, and rows are spread over new files.
    SplitsFiles,
    /// Parquet to Parquet, and another compression was asked for.
    EncodesPages,
    /// From one format to the other.
    Converts {
        /// The format of the parts.
        from: Format,
        /// The format of the output.
        to: Format,
    },
    /// The server could have merged, but for a reason.
    NotOnServer {
        /// Why it is done the way it is done here.
        here: Box<Why>,
        /// Why not on the server.
        reason: WhyNotOnServer,
    },
}

impl Named for Why {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result {
        match self {
            Why::UpToDate => f.write_str("up to date, as its receipt says"),
            Why::OneHeader => f.write_str("CSV to CSV, all parts have one header"),
            Why::HeadersDiffer => {
                f.write_str("headers or line ends differ, so rows are aligned; cells stay as they are")
            }
            Why::AddsCells => write!(f, "{} adds cells to every row", name(Setting::SourceColumns)),
            Why::OneSchema => f.write_str("Parquet to Parquet, all parts have one schema"),
            Why::SchemasDiffer => f.write_str("the parts' Parquet schemas differ in form"),
            Why::AddsColumns => write!(f, "{} adds columns", name(Setting::SourceColumns)),
            Why::ChangesColumns(setting) => write!(f, "{} changes columns", name(*setting)),
            Why::CutsRowGroups => write!(f, "{} cuts row groups anew", name(Setting::RowGroupRows)),
            Why::AddsBloomFilters => {
                write!(f, "{} encodes rows anew", name(Setting::BloomFilters))
            }
            Why::SplitsFiles => f.write_str("the output is cut anew"),
            Why::EncodesPages => write!(f, "{} encodes pages anew", name(Setting::Compression)),
            Why::Converts { from, to } => write!(f, "{from} to {to}"),
            Why::NotOnServer { here, reason } => {
                write!(f, "{}; not on the server, as {}", here.with_names(name), reason.with_names(name))
            }
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Setting::name)
    }
}

/// Why a merge is not left to the server. Its `Display` is a clause that calls settings by the library's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WhyNotOnServer {
    /// Parts and output are not in buckets of the same S3, or requests are not signed.
    NotBeside,
    /// The output is compressed.
    OutputIsCompressed,
    /// A part is compressed.
    PartIsCompressed {
        /// The name of its file.
        part: String,
    },
    /// The rows that are expected are counted.
    CountsRows,
    /// The output is verified, which reads every row.
    ReadsRows,
    /// Rows are decoded and encoded.
    Transcodes,
    /// The first row of a part is not like its header.
    FirstRow {
        /// The name of its file.
        part: String,
    },
    /// The last row of a part is not like its header, or is not seen whole.
    LastRow {
        /// The name of its file.
        part: String,
    },
    /// S3 takes 10,000 pieces of an upload.
    TooManyPieces,
    /// Most bytes would pass through this machine all the same.
    NotWorthIt,
}

impl WhyNotOnServer {
    /// Whether nothing but this kept the server from merging, so that it is worth telling.
    pub(crate) fn is_worth_telling(&self) -> bool {
        match self {
            WhyNotOnServer::FirstRow { .. }
            | WhyNotOnServer::LastRow { .. }
            | WhyNotOnServer::TooManyPieces
            | WhyNotOnServer::NotWorthIt => true,
            WhyNotOnServer::NotBeside
            | WhyNotOnServer::OutputIsCompressed
            | WhyNotOnServer::PartIsCompressed { .. }
            | WhyNotOnServer::CountsRows
            | WhyNotOnServer::ReadsRows
            | WhyNotOnServer::Transcodes => false,
        }
    }
}

impl Named for WhyNotOnServer {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result {
        match self {
            WhyNotOnServer::NotBeside => {
                f.write_str("parts and output must be in buckets of the same S3, and requests signed")
            }
            WhyNotOnServer::OutputIsCompressed => f.write_str("the output is compressed"),
            WhyNotOnServer::PartIsCompressed { part } => write!(f, "{part} is compressed"),
            WhyNotOnServer::CountsRows => write!(f, "{} counts rows", name(Setting::ExpectRows)),
            WhyNotOnServer::ReadsRows => write!(f, "{} reads every row", name(Setting::Verify)),
            WhyNotOnServer::Transcodes => f.write_str("rows are decoded and encoded"),
            WhyNotOnServer::FirstRow { part } => write!(f, "the first row of {part} is odd"),
            WhyNotOnServer::LastRow { part } => write!(f, "the last row of {part} is odd"),
            WhyNotOnServer::TooManyPieces => f.write_str("S3 takes 10,000 parts, and this would need more"),
            WhyNotOnServer::NotWorthIt => {
                f.write_str("most bytes would pass through this machine all the same")
            }
        }
    }
}

impl fmt::Display for WhyNotOnServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Setting::name)
    }
}
