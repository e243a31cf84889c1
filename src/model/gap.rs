//! What is missing of a run.

use serde::Serialize;

/// Part numbers that are missing between two neighbours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The first number missing.
    pub from: u64,
    /// The last number missing.
    pub to: u64,
    /// The file before the gap; `None` where the first part is missing.
    pub after: Option<String>,
    /// The file behind the gap.
    pub before: String,
}
