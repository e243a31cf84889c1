//! Writes a CSV file of the output: takes text, compresses it block by block, and writes it.

use super::context::Context;
use super::open_file::OpenFile;
use super::piece::{CsvText, Cut, TextPiece};
use crate::model::{COMPRESSED_BYTES, Compression, Error, Result};

use bytes::Bytes;
use futures::future::join;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use std::io::Write;

/// Writes a whole file.
pub(super) async fn fill(
    context: &Context,
    text: CsvText,
    compression: Compression,
    file: &mut OpenFile,
) -> Result<()> {
    file.write(compress(text.header, compression)?).await?;
    let pieces = compressed(context, text.rows.map_ok(Cut::Piece).boxed(), compression);
    // Everything that is ready is written at once, because each write wakes a thread.
    let mut pieces = pieces.try_ready_chunks(context.budget.window);
    // After a failure, ready data is discarded, because nothing of the file will be published.
    let failure = |failed: stream::TryReadyChunksError<_, Error>| failed.1;
    let mut next = pieces.try_next().await.map_err(failure)?;
    while let Some(ready) = next {
        let ready = ready.into_iter().filter_map(|cut| match cut {
            Cut::Piece(piece) => {
                file.add_rows(piece.rows);
                Some(piece.bytes)
            }
            Cut::NextFile => None,
        });
        let ready = ready.collect();
        // A stream only makes progress when polled, so poll it for the next pieces while these are written.
        let (written, made) = join(file.write_all(ready), pieces.try_next()).await;
        written?;
        next = made.map_err(failure)?;
    }
    Ok(())
}

/// Compresses the text of files on the thread pool, if it is to be compressed. Pieces are joined and cut to the same
/// sizes however they were divided.
pub(super) fn compressed(
    context: &Context,
    text: BoxStream<'static, Result<Cut>>,
    compression: Compression,
) -> BoxStream<'static, Result<Cut>> {
    if compression == Compression::None {
        return text;
    }
    let pool = context.pool.clone();
    blocks(text, COMPRESSED_BYTES)
        .map(move |block| {
            let pool = pool.clone();
            async move {
                let Block { pieces, rows, ends_file, .. } = block?;
                if ends_file && pieces.is_empty() {
                    return Ok::<_, Error>(vec![Ok(Cut::NextFile)]);
                }
                let bytes = pool.run(move || compress(joined(pieces), compression)).await?;
                let next_file = ends_file.then_some(Ok(Cut::NextFile));
                Ok(std::iter::once(Ok(Cut::Piece(TextPiece { bytes, rows }))).chain(next_file).collect())
            }
        })
        .buffered(context.budget.compressed)
        .map_ok(stream::iter::<Vec<Result<Cut>>>)
        .try_flatten()
        .boxed()
}

/// A block of text that is compressed separately.
#[derive(Debug, Default)]
struct Block {
    pieces: Vec<Bytes>,
    length: usize,
    /// The pieces that end in it.
    rows: u64,
    ends_file: bool,
}

/// Cuts text into blocks of this many bytes; the last one of each file may be smaller.
fn blocks(
    text: BoxStream<'static, Result<Cut>>,
    size: usize,
) -> impl Stream<Item = Result<Block>> + Send + 'static {
    stream::try_unfold((text, None), move |(mut text, mut rest): (_, Option<TextPiece>)| async move {
        let mut block = Block::default();
        while block.length < size {
            let piece = match rest.take() {
                Some(piece) => piece,
                None => match text.try_next().await? {
                    Some(Cut::Piece(piece)) => piece,
                    Some(Cut::NextFile) => {
                        block.ends_file = true;
                        break;
                    }
                    None => break,
                },
            };
            let TextPiece { mut bytes, rows } = piece;
            let taken = bytes.split_to(bytes.len().min(size - block.length));
            block.length += taken.len();
            if !taken.is_empty() {
                block.pieces.push(taken);
            }
            if bytes.is_empty() {
                block.rows += rows;
            } else {
                rest = Some(TextPiece { bytes, rows });
            }
        }
        let is_end = block.pieces.is_empty() && !block.ends_file;
        Ok((!is_end).then_some((block, (text, rest))))
    })
}

fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        0 | 1 => pieces.pop().unwrap_or_default(),
        _ => pieces.concat().into(),
    }
}

/// Compresses a block separately: a file may consist of several gzip members or Zstandard frames.
pub(super) fn compress(bytes: Bytes, compression: Compression) -> Result<Bytes> {
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
