//! CSV text on its way out: pieces of whole rows, cut into files and compressed.

use super::context::Context;
use super::piece::TextPiece;
use super::pool::Pool;
use super::row_group_workers::row_groups_worked;
use super::rows::{row_groups_of, rows};
use crate::codec::csv::{Fields, whole_records};
use crate::codec::parquet::Texts;
use crate::model::{Compression, Error, Format, Result, Split, Strategy};
use crate::plan::Plan;

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use std::io::Write;
use std::ops::Range;

/// The header line of every file of the output.
pub(crate) fn header(context: &Context, plan: &Plan) -> Vec<u8> {
    if plan.strategy == Strategy::CopyBytes {
        return crate::source::header(&context.input);
    }
    let mut header = Vec::new();
    crate::codec::csv::write_header(&context.input.schema, &mut header);
    header
}

/// The rows of the given parts as text, in order.
pub(crate) fn text(
    context: &Context,
    strategy: Strategy,
    parts: Range<usize>,
) -> BoxStream<'static, Result<TextPiece>> {
    if strategy == Strategy::CopyBytes {
        return super::copy_bytes::text(context, parts);
    }
    if context.input.format == Format::Parquet {
        let groups = row_groups_of(&context.input, parts);
        let pool = Pool::default();
        return row_groups_worked(context, groups, Texts::Keys, move || {
            let pool = pool.clone();
            move |batch: RecordBatch, url: &str| print(&batch, url, &pool)
        });
    }
    let pool = Pool::default();
    let jobs = context.jobs.clone();
    let file = context.input.parts.get(parts.start).map(|part| part.object.url.clone()).unwrap_or_default();
    rows(context, parts)
        .map(move |batch| {
            let (jobs, file, pool) = (jobs.clone(), file.clone(), pool.clone());
            async move {
                let batch = batch?;
                jobs.run(move || print(&batch, &file, &pool)).await
            }
        })
        .buffered(context.budget.window)
        .boxed()
}

fn print(batch: &RecordBatch, file: &str, pool: &Pool) -> Result<TextPiece> {
    let mut text = pool.take();
    let len = crate::codec::csv::write_rows(batch, file, &mut text, 0)?;
    Ok(TextPiece { bytes: pool.lend(text, len), rows: batch.num_rows() as u64 })
}

/// What stands between two files of an output that is cut anew.
#[derive(Debug)]
pub(crate) enum Cut {
    Piece(TextPiece),
    NextFile,
}

/// Cuts text into files. Sizes are those of the text, before compression, with a header in each file.
pub(crate) fn cut(
    pieces: BoxStream<'static, Result<TextPiece>>,
    split: Split,
    header: usize,
) -> BoxStream<'static, Result<Cut>> {
    let mut filled = Filled { rows: 0, bytes: header as u64 };
    pieces
        .map_ok(move |piece| {
            let mut cuts = Vec::new();
            let mut rest = piece;
            while !rest.bytes.is_empty() {
                let taken = match split {
                    Split::Rows(most) => first_rows(&rest, most.max(1) - filled.rows),
                    Split::Bytes(most) => {
                        first_bytes(&rest, most.saturating_sub(filled.bytes), filled.rows == 0)
                    }
                };
                match taken {
                    Some(length) => {
                        let bytes = rest.bytes.split_to(length);
                        let rows = if rest.bytes.is_empty() { rest.rows } else { count(&bytes) };
                        rest.rows -= rows;
                        filled.rows += rows;
                        filled.bytes += bytes.len() as u64;
                        cuts.push(Ok(Cut::Piece(TextPiece { bytes, rows })));
                        let full = matches!(split, Split::Rows(most) if filled.rows >= most.max(1));
                        if full {
                            filled = Filled { rows: 0, bytes: header as u64 };
                            cuts.push(Ok(Cut::NextFile));
                        }
                    }
                    None => {
                        filled = Filled { rows: 0, bytes: header as u64 };
                        cuts.push(Ok(Cut::NextFile));
                    }
                }
            }
            futures::stream::iter(cuts)
        })
        .try_flatten()
        .boxed()
}

struct Filled {
    rows: u64,
    bytes: u64,
}

fn count(text: &[u8]) -> u64 {
    let mut fields = Fields::new(text);
    std::iter::from_fn(|| fields.skip_record()).count() as u64
}

/// The bytes of the first `rows` rows.
fn first_rows(piece: &TextPiece, rows: u64) -> Option<usize> {
    if piece.rows <= rows {
        return Some(piece.bytes.len());
    }
    let mut fields = Fields::new(&piece.bytes);
    for _ in 0..rows {
        fields.skip_record();
    }
    Some(fields.position())
}

/// As many whole rows as fit into `room` bytes; `None` where not one fits into what is left of a file. A file takes
/// one row at least.
fn first_bytes(piece: &TextPiece, room: u64, is_empty: bool) -> Option<usize> {
    let text = &piece.bytes[..];
    if text.len() as u64 <= room {
        return Some(text.len());
    }
    match whole_records(&text[..room as usize]) {
        0 if is_empty => {
            let mut fields = Fields::new(text);
            fields.skip_record();
            Some(fields.position())
        }
        0 => None,
        whole => Some(whole),
    }
}

/// Compresses a piece by itself: members of gzip and frames of Zstandard may follow each other in a file.
pub(crate) fn compress(bytes: Bytes, compression: Compression) -> Result<Bytes> {
    let failed = |error: std::io::Error| Error::Internal(format!("compressing: {error}"));
    match compression {
        Compression::Gzip(level) => {
            let level = flate2::Compression::new(level.unwrap_or(6));
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(&bytes).map_err(failed)?;
            encoder.finish().map(Bytes::from).map_err(failed)
        }
        Compression::Zstd(level) => {
            zstd::stream::encode_all(&bytes[..], level.unwrap_or(3)).map(Bytes::from).map_err(failed)
        }
        _ => Ok(bytes),
    }
}
