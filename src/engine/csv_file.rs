//! A CSV file of the output: takes text, compresses it piece by piece, and writes it.

use super::context::Context;
use super::open_file::OpenFile;
use super::piece::{CsvText, TextPiece};
use super::threads::CpuPool;
use crate::model::{Compression, Error, Result};

use bytes::Bytes;
use futures::future::join;
use futures::{StreamExt, TryStreamExt};
use std::io::Write;

/// Writes a whole file.
pub(super) async fn fill(
    context: &Context,
    text: CsvText,
    compression: Compression,
    file: &mut OpenFile,
) -> Result<()> {
    file.write(compress(text.header, compression)?).await?;
    let pool = context.pool.clone();
    let pieces = text
        .rows
        .map(move |piece| {
            let pool = pool.clone();
            async move { compress_piece(&pool, piece?, compression).await }
        })
        .buffered(context.budget.window);
    // What is ready is written at once: each write is a thread's waking.
    let mut pieces = pieces.try_ready_chunks(context.budget.window);
    // What was ready before a failure is lost with it: nothing of the file will be published.
    let failure = |failed: futures::stream::TryReadyChunksError<_, Error>| failed.1;
    let mut next = pieces.try_next().await.map_err(failure)?;
    while let Some(ready) = next {
        file.add_rows(ready.iter().map(|piece| piece.rows).sum());
        let ready = ready.into_iter().map(|piece| piece.bytes).collect();
        // A stream does nothing while nobody asks: so the next pieces are made while these are written.
        let (written, made) = join(file.write_all(ready), pieces.try_next()).await;
        written?;
        next = made.map_err(failure)?;
    }
    Ok(())
}

/// Compresses a piece on a thread of the pool, where there is something to compress.
pub(super) async fn compress_piece(
    pool: &CpuPool,
    piece: TextPiece,
    compression: Compression,
) -> Result<TextPiece> {
    if compression == Compression::None {
        return Ok(piece);
    }
    pool.run(move || Ok(TextPiece { bytes: compress(piece.bytes, compression)?, rows: piece.rows })).await
}

/// Compresses text by itself: members of gzip and frames of Zstandard may follow each other in a file.
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
