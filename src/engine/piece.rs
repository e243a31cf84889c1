//! Pieces of CSV text, passed from their producers to the file.

use crate::model::Result;
use bytes::Bytes;
use futures::stream::BoxStream;

/// The text of whole rows.
#[derive(Debug, Clone)]
pub(crate) struct TextPiece {
    pub(crate) bytes: Bytes,
    pub(crate) rows: u64,
}

/// The contents of a CSV file before compression.
pub(super) struct CsvText {
    /// The first line of every file.
    pub(super) header: Bytes,
    /// The rows, in order.
    pub(super) rows: BoxStream<'static, Result<TextPiece>>,
}

/// The next item in text that may be spread over files.
#[derive(Debug)]
pub(super) enum Cut {
    Piece(TextPiece),
    NextFile,
}
