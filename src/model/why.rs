//! Reasons for a strategy, as data.

use super::format::Format;
use super::named::Named;
use super::setting::{Setting, SettingName};
use serde::Serialize;
use std::fmt;

/// Why a strategy was chosen. Its `Display` is a clause with the library's names for settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The output is already up to date, according to its receipt.
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
    /// Parquet to Parquet, and row groups of another size were requested.
    CutsRowGroups,
    /// Parquet to Parquet, and Bloom filters were requested.
    AddsBloomFilters,
    /// Parquet to Parquet, and rows are spread over new files.
    SplitsFiles,
    /// Parquet to Parquet, and another compression was requested.
    EncodesPages,
    /// From one format to the other.
    Converts {
        /// The format of the parts.
        from: Format,
        /// The format of the output.
        to: Format,
    },
    /// The server could have merged, except for one reason.
    NotOnServer {
        /// Why it is done here in this way.
        here: Box<Why>,
        /// Why it is not done on the server.
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
            Why::CutsRowGroups => write!(f, "{} changes the size of row groups", name(Setting::RowGroupRows)),
            Why::AddsBloomFilters => {
                write!(f, "{} re-encodes rows", name(Setting::BloomFilters))
            }
            Why::SplitsFiles => f.write_str("the output is split differently"),
            Why::EncodesPages => write!(f, "{} re-encodes pages", name(Setting::Compression)),
            Why::Converts { from, to } => write!(f, "{from} to {to}"),
            Why::NotOnServer { here, reason } => {
                write!(f, "{}; not on the server, because {}", here.with_names(name), reason.with_names(name))
            }
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Setting::name)
    }
}

/// Why a merge is not left to the server. Its `Display` is a clause with the library's names for settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WhyNotOnServer {
    /// Parts and output are not in buckets of the same S3 service, or requests are not signed.
    NotBeside,
    /// The output is compressed.
    OutputIsCompressed,
    /// A part is compressed.
    PartIsCompressed {
        /// The name of its file.
        part: String,
    },
    /// A number of rows is expected, so rows are counted.
    CountsRows,
    /// The output is verified, which reads every row.
    ReadsRows,
    /// Rows are decoded and encoded.
    Transcodes,
    /// The first row of a part does not match its header.
    FirstRow {
        /// The name of its file.
        part: String,
    },
    /// The last row of a part does not match its header, or could not be read whole.
    LastRow {
        /// The name of its file.
        part: String,
    },
    /// The upload would need more than the 10,000 pieces that S3 accepts.
    TooManyPieces,
    /// Most bytes would pass through this machine anyway.
    NotWorthIt,
}

impl WhyNotOnServer {
    /// Whether this was the only thing that kept the server from merging, so that it is worth reporting.
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
            WhyNotOnServer::FirstRow { part } => {
                write!(f, "the first row of {part} does not match its header")
            }
            WhyNotOnServer::LastRow { part } => write!(f, "the last row of {part} does not match its header"),
            WhyNotOnServer::TooManyPieces => {
                f.write_str("S3 accepts 10,000 parts per upload, and this would need more")
            }
            WhyNotOnServer::NotWorthIt => f.write_str("most bytes would pass through this machine anyway"),
        }
    }
}

impl fmt::Display for WhyNotOnServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Setting::name)
    }
}
