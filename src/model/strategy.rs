//! The ways to make an output from its parts. `plan` chooses one, `engine` carries it out.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How the bytes get from the parts to the output, cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Strategy {
    /// The server assembles the output from the parts it has: text of CSV, row groups of Parquet.
    CopyOnServer,
    /// CSV to CSV: the text of the rows is copied.
    CopyBytes,
    /// Parquet to Parquet: column chunks are copied, row groups too small to keep are re-encoded.
    CopyRowGroups,
    /// Rows are decoded and re-encoded.
    Transcode,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Strategy::CopyOnServer => "copy on the server",
            Strategy::CopyBytes => "copy bytes",
            Strategy::CopyRowGroups => "copy row groups",
            Strategy::Transcode => "transcode",
        })
    }
}
