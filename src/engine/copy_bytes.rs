//! Copies CSV to CSV by bytes: no cell is rewritten, but every row is counted and checked for its number of fields.

use super::context::Context;
use super::csv_file;
use super::open_file::OpenFile;
use super::piece::{CsvText, TextPiece};
use super::rows::{Checked, worked};
use super::workers::Worker;
use crate::codec::csv::count_rows;
use crate::model::{Compression, Error, Progress, Result};
use crate::plan::{PlannedOutput, RunPlan};
use crate::sink::PositionedFile;
use crate::source::{Chunk, Contents, Input};

use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use std::ops::Range;
use std::sync::Arc;

/// Fills one file.
pub(super) async fn fill(
    context: &Context,
    plan: &RunPlan,
    output: &PlannedOutput,
    file: &mut OpenFile,
) -> Result<()> {
    let parts = output.parts.clone();
    let place = if plan.compression == Compression::None { file.sink.positioned() } else { None };
    let Some(place) = place else {
        return csv_file::fill(context, text(context, parts), plan.compression, file).await;
    };
    file.write(context.input.header().into()).await?;
    let mut copied = copied(context, parts, &place, file.bytes);
    while let Some((rows, bytes)) = copied.try_next().await? {
        file.add_rows(rows);
        file.bytes += bytes;
    }
    Ok(())
}

/// The text of the given parts.
pub(super) fn text(context: &Context, parts: Range<usize>) -> CsvText {
    let rows = worked(context, parts, || {
        Ok(Checking::new(context, |chunk: &Chunk, rows| {
            Ok(TextPiece { bytes: Bytes::copy_from_slice(chunk.bytes()), rows })
        }))
    });
    CsvText { header: context.input.header().into(), rows }
}

/// Copies the text of the given parts' rows to a file, starting at a position. Each chunk's position is known before
/// earlier chunks are written, so each thread writes its own. Returns rows and bytes of each.
fn copied(
    context: &Context,
    parts: Range<usize>,
    file: &PositionedFile,
    from: u64,
) -> BoxStream<'static, Result<(u64, u64)>> {
    worked(context, parts, || {
        let file = file.clone();
        Ok(Checking::new(context, move |chunk: &Chunk, rows| {
            file.write_at(chunk.bytes(), from + chunk.position)?;
            Ok((rows, chunk.bytes().len() as u64))
        }))
    })
}

/// Counts the rows of chunks and passes the chunks to the caller's function.
struct Checking<F> {
    input: Arc<Input>,
    progress: Arc<Progress>,
    /// Positions of delimiters, reused from chunk to chunk.
    ends: Vec<u32>,
    finish: F,
}

impl<F> Checking<F> {
    fn new(context: &Context, finish: F) -> Self {
        let (input, progress) = (Arc::clone(&context.input), Arc::clone(&context.progress));
        Checking { input, progress, ends: Vec::new(), finish }
    }
}

impl<T: Send + 'static, F: FnMut(&Chunk, u64) -> Result<T> + Send + 'static> Worker<Chunk> for Checking<F> {
    type Output = Checked<T>;

    fn work(&mut self, chunk: &mut Chunk) -> Result<Checked<T>> {
        let mut rows = 0;
        let mut lines = Vec::with_capacity(chunk.segments.len());
        for segment in &chunk.segments {
            let Contents::Csv { layout, .. } = &self.input.parts[segment.part].contents else {
                return Err(Error::Internal("text of a part that is not CSV".into()));
            };
            let text = &chunk.bytes()[segment.range.clone()];
            match count_rows(text, layout, &mut self.ends) {
                Ok(counted) => {
                    self.progress.add_rows_of(segment.part, counted.rows);
                    rows += counted.rows;
                    lines.push((segment.part, counted.lines));
                }
                Err(failed) => {
                    return Ok(Checked { value: Err((segment.part, failed.lines, failed.error)), lines });
                }
            }
        }
        Ok(Checked { value: Ok((self.finish)(chunk, rows)?), lines })
    }
}
