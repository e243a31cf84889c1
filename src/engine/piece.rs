//! CSV text between what makes it and the file that takes it.

use crate::model::Result;
use bytes::Bytes;
use futures::stream::BoxStream;

/// The text of whole rows.
#[derive(Debug, Clone)]
pub(crate) struct TextPiece {
    pub(crate) bytes: Bytes,
    pub(crate) rows: u64,
}

/// What a CSV file holds before it is compressed.
pub(super) struct CsvText {
    /// The line that every file begins with.
    pub(super) header: Bytes,
    /// The rows, in order.
    pub(super) rows: BoxStream<'static, Result<TextPiece>>,
}

/// What comes next in text that may be spread over files.
#[derive(Debug)]
pub(super) enum Cut {
    Piece(TextPiece),
    NextFile,
}
