//! CSV to CSV by bytes: no cell is rewritten, but every row is counted and checked for its number of fields.

use super::chunks::Chunk;
use super::progress::Progress;
use super::rows::{Checked, Context, line_end, worked};
use super::text::TextPiece;
use super::workers::Worker;
use crate::decode::csv::count_rows;
use crate::error::{Error, Result};
use crate::plan::{Contents, Input};
use bytes::Bytes;
use futures::stream::BoxStream;
use std::ops::Range;
use std::sync::Arc;

/// The header line of the first part that has one, with its line end.
pub(crate) fn header(input: &Input) -> Vec<u8> {
    let mut header = input
        .parts
        .iter()
        .find_map(|part| part.csv_head())
        .map_or(Vec::new(), |head| head.header_line.to_vec());
    header.extend_from_slice(line_end(input).bytes());
    header
}

/// The text of the rows of the given parts, in order.
pub(crate) fn text(context: &Context, parts: Range<usize>) -> BoxStream<'static, Result<TextPiece>> {
    worked(context, parts, || {
        let (input, progress) = (Arc::clone(&context.input), Arc::clone(&context.progress));
        Ok(Checking { input, progress, ends: Vec::new() })
    })
}

/// Counts the rows of chunks.
struct Checking {
    input: Arc<Input>,
    progress: Arc<Progress>,
    /// Positions of delimiters, reused from chunk to chunk.
    ends: Vec<u32>,
}

impl Worker for Checking {
    type Output = Checked<TextPiece>;

    fn work(&mut self, chunk: &Chunk) -> Result<Checked<TextPiece>> {
        let mut rows = 0;
        let mut lines = Vec::with_capacity(chunk.segments.len());
        for segment in &chunk.segments {
            let Contents::Csv { layout, .. } = &self.input.parts[segment.part].contents else {
                return Err(Error::Internal("text of a part that is no CSV".into()));
            };
            let text = &chunk.bytes()[segment.range.clone()];
            match count_rows(text, &layout.header, &mut self.ends) {
                Ok(counted) => {
                    rows += counted.rows;
                    lines.push((segment.part, counted.lines));
                }
                Err(failed) => {
                    return Ok(Checked { value: Err((segment.part, failed.lines, failed.error)), lines });
                }
            }
        }
        self.progress.add_rows(rows);
        Ok(Checked { value: Ok(TextPiece { bytes: Bytes::copy_from_slice(chunk.bytes()), rows }), lines })
    }
}
