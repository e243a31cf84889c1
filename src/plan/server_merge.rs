//! A merge by the server, as data: the bytes from which it assembles the output.

use crate::model::Format;
use crate::store::{Limits, Totals};
use bytes::Bytes;
use std::collections::HashSet;
use std::ops::Range;

/// A merge by the server.
#[derive(Debug, Clone)]
pub(crate) struct ServerMerge {
    pub(crate) limits: Limits,
    /// Pieces of the upload, and how many of its bytes pass through this machine.
    pub(crate) totals: Totals,
    /// The pieces of a CSV output; those of Parquet are row groups.
    pub(crate) text: Vec<TextOnServer>,
    /// The part whose first bytes are those of a Parquet output.
    pub(crate) magic: Option<usize>,
}

impl ServerMerge {
    /// The text parts whose rows are not counted.
    pub(crate) fn copied_parts(&self) -> HashSet<usize> {
        let copied = self.text.iter().filter_map(|piece| match piece {
            TextOnServer::Copied { part, .. } => Some(*part),
            _ => None,
        });
        copied.collect()
    }

    pub(crate) fn not_checked(&self, format: Format) -> &'static str {
        match format {
            Format::Csv => {
                "rows between the first and the last of each copied part; they are not counted either"
            }
            Format::Parquet => "pages in copied row groups, of which only the footers are read",
        }
    }
}

/// A piece of a CSV output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TextOnServer {
    /// A header, or the line end that a part lacks.
    Ours(Bytes),
    /// A range of a part, which the server copies.
    Copied { part: usize, range: Range<u64> },
    /// The rows of a part too small to be copied.
    Read { part: usize },
}
