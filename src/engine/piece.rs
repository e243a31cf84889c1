//! CSV text between the threads that make it and the file that takes it.

use bytes::Bytes;

/// The text of whole rows.
#[derive(Debug, Clone)]
pub(crate) struct TextPiece {
    pub(crate) bytes: Bytes,
    pub(crate) rows: u64,
}
