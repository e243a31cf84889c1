//! The report of a run, as data.

use crate::model::{ColumnSummary, Format, Kind, Strategy, Warning, WrittenFile};
use crate::plan::Receipt;
use serde::Serialize;
use std::fmt;

/// The report of a run. Its `Display` is a line such as `36 rows from 12 parts -> sales.parquet (transcode)`.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The job whose export was read.
    pub job: String,
    /// The runs, oldest first.
    pub runs: Vec<String>,
    /// What the export holds.
    pub kind: Kind,
    /// The format of the parts.
    pub from: Format,
    /// The format of the output.
    pub to: Format,
    /// The strategy that was used.
    pub strategy: Strategy,
    /// The number of parts.
    pub parts: u64,
    /// Bytes of the parts.
    pub bytes_read: u64,
    /// Rows of the output; `None` if they were not counted, because the server copied text unread.
    pub rows: Option<u64>,
    /// The columns of the output.
    pub columns: Vec<ColumnSummary>,
    /// The digest of the rows, if the output was verified: BLAKE3 in hexadecimal digits, as defined in
    /// `docs/digest.md`.
    pub digest: Option<String>,
    /// The files written, in order.
    pub outputs: Vec<WrittenFile>,
    /// The local folders that did not exist and were created for the output, the outermost first.
    pub created_folders: Vec<String>,
    /// Whether the output was already up to date, so that nothing was done.
    pub up_to_date: bool,
    /// What the output was made from, and how.
    pub receipt: Receipt,
    /// Unusual findings that are not errors: first the plan's, then those of the run.
    pub warnings: Vec<Warning>,
    /// Seconds from start to end.
    pub seconds: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted =
            |number: u64, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        let rows = self.rows.map_or_else(|| "uncounted rows".to_owned(), |rows| counted(rows, "row"));
        let output = match self.outputs.as_slice() {
            [one] => one.file.clone(),
            files => counted(files.len() as u64, "file"),
        };
        match self.up_to_date {
            true => write!(f, "up to date: {output}, {rows}"),
            false => write!(f, "{rows} from {} -> {output} ({})", counted(self.parts, "part"), self.strategy),
        }
    }
}
