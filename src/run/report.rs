//! What a run did, as data.

use crate::model::{ColumnSummary, Format, Kind, Strategy, Warning, WrittenFile};
use crate::plan::Receipt;
use serde::Serialize;

/// What was done.
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
    /// How it was done.
    pub strategy: Strategy,
    /// The number of parts.
    pub parts: u64,
    /// Bytes of the parts.
    pub bytes_read: u64,
    /// Rows of the output; `None` where they were not counted, as the server copied text that nobody read.
    pub rows: Option<u64>,
    /// The columns of the output.
    pub columns: Vec<ColumnSummary>,
    /// The digest of the rows, where the output was read again: BLAKE3 in hexadecimal digits, as `docs/DIGEST.md`
    /// defines it.
    pub digest: Option<String>,
    /// The files written, in order.
    pub outputs: Vec<WrittenFile>,
    /// Whether the output was there already, as a run would write it, so that nothing was done.
    pub up_to_date: bool,
    /// What the output was made of, and how.
    pub receipt: Receipt,
    /// What went another way than planned, but well.
    pub warnings: Vec<Warning>,
    /// Seconds from start to end.
    pub seconds: f64,
}
