//! CSV to CSV by bytes: no cell is rewritten, but every row is counted and checked for its number of fields.

use super::chunks::{Chunk, chunks};
use super::rows::{Checked, Context, LineCounter, text_parts};
use super::text::TextPiece;
use crate::decode::csv::{count_rows, lines};
use crate::error::{Error, Result};
use crate::plan::{Contents, Input};
use crate::probe::LineEnd;
use futures::StreamExt;
use futures::stream::BoxStream;
use std::ops::Range;
use std::sync::Arc;

/// The line end of the parts; LF where none of them has a line.
pub(crate) fn line_end(input: &Input) -> LineEnd {
    input.parts.iter().find_map(|part| part.csv_head()?.line_end).unwrap_or(LineEnd::Lf)
}

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
    let Context { input, budget, jobs, progress, .. } = context.clone();
    let chunks = chunks(&input.store, text_parts(&input, parts), budget, &progress);
    let end = line_end(&input);
    let resolved = Arc::clone(&input);
    chunks
        .map(move |chunk| {
            let (input, jobs, progress) = (Arc::clone(&input), jobs.clone(), Arc::clone(&progress));
            async move {
                let chunk = chunk?;
                jobs.run(move || {
                    let checked = check(&input, chunk, end)?;
                    if let Ok(piece) = &checked.value {
                        progress.add_rows(piece.rows);
                    }
                    Ok(checked)
                })
                .await
            }
        })
        .buffered(budget.window)
        .scan(LineCounter::default(), move |counter, checked| {
            futures::future::ready(Some(checked.and_then(|checked| counter.resolve(&resolved, checked))))
        })
        .boxed()
}

/// Counts the rows of a chunk and ends every part's last line.
fn check(input: &Input, chunk: Chunk, end: LineEnd) -> Result<Checked<TextPiece>> {
    let mut ends = Vec::new();
    let mut rows = 0;
    let mut counted = Vec::with_capacity(chunk.segments.len());
    let mut unended = Vec::new();
    for segment in &chunk.segments {
        let Contents::Csv { layout, .. } = &input.parts[segment.part].contents else {
            return Err(Error::Internal("text of a part that is no CSV".into()));
        };
        let text = &chunk.bytes[segment.range.clone()];
        match count_rows(text, &layout.header, &mut ends) {
            Ok(more) => rows += more,
            Err(failed) => {
                return Ok(Checked {
                    value: Err((segment.part, failed.lines, failed.error)),
                    lines: counted,
                });
            }
        }
        counted.push((segment.part, lines(text)));
        if segment.is_last && !text.is_empty() && !matches!(text.last(), Some(b'\n' | b'\r')) {
            unended.push(segment.range.end);
        }
    }
    let mut bytes = chunk.bytes;
    for at in unended.into_iter().rev() {
        bytes.splice(at..at, end.bytes().iter().copied());
    }
    Ok(Checked { value: Ok(TextPiece { bytes: bytes.into(), rows }), lines: counted })
}
