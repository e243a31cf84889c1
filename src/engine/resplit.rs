//! Resplits rows into new files: text is cut at the end of a row, and a new file begins when the current one is full.
//! Files are numbered consecutively, because their number is not known beforehand.

use super::context::Context;
use super::csv_file::{compress, compressed};
use super::open_file::{Finished, OpenFile, abort};
use super::parquet_file::ParquetFile;
use super::piece::{CsvText, Cut, TextPiece};
use super::row_groups::{RowGroupLimits, of_parts};
use super::transcode::encoder;
use crate::codec::csv::{Fields, whole_records};
use crate::codec::parquet::FOOTER_BYTES;
use crate::model::{Error, Result, Split, stopped};
use crate::plan::{Extent, Resplit, RunPlan};
use crate::sink::Target;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use std::future::Future;

/// Distributes text over files.
pub(super) async fn write_csv(
    context: &Context,
    plan: &RunPlan,
    resplit: &Resplit,
    text: CsvText,
) -> Result<Vec<Finished>> {
    let mut files = Files::new(context, plan, resplit);
    let written = until_stopped(context, fill_csv(&mut files, text)).await;
    files.end(written).await
}

/// Encodes rows and distributes the row groups over files.
pub(super) async fn write_parquet(
    context: &Context,
    plan: &RunPlan,
    resplit: &Resplit,
) -> Result<Vec<Finished>> {
    let mut files = Files::new(context, plan, resplit);
    let written = until_stopped(context, fill_parquet(&mut files)).await;
    files.end(written).await
}

async fn until_stopped(context: &Context, work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        written = work => written,
        () = stopped(context.stopped.clone()) => Err(Error::Stopped),
    }
}

/// The files, numbered from 0.
struct Files<'a> {
    context: &'a Context,
    plan: &'a RunPlan,
    resplit: &'a Resplit,
    finished: Vec<Finished>,
    open: Option<OpenFile>,
}

impl<'a> Files<'a> {
    fn new(context: &'a Context, plan: &'a RunPlan, resplit: &'a Resplit) -> Self {
        Files { context, plan, resplit, finished: Vec::new(), open: None }
    }

    /// The current file; starts the next one if there is none.
    async fn open(&mut self) -> Result<&mut OpenFile> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let location = self.resplit.file(self.finished.len() as u64);
                let options = self.plan.sink_options_of_cut(self.resplit, &location);
                let target = Target::File(location);
                OpenFile::create(&target, options).await?
            }
        };
        Ok(self.open.insert(open))
    }

    async fn close(&mut self) -> Result<()> {
        if let Some(open) = &mut self.open {
            // It stays in place meanwhile, so that a stop finds it.
            open.sink.finish().await?;
        }
        self.finished.extend(self.open.take().map(OpenFile::into_finished));
        Ok(())
    }

    /// Returns the files, or removes all of them.
    async fn end(mut self, written: Result<()>) -> Result<Vec<Finished>> {
        let Err(error) = written else { return Ok(self.finished) };
        if let Some(open) = &mut self.open {
            open.sink.abort().await;
        }
        abort(&mut self.finished).await;
        Err(error)
    }
}

async fn fill_csv(files: &mut Files<'_>, text: CsvText) -> Result<()> {
    let (context, compression) = (files.context, files.plan.compression);
    let cuts = cut(text.rows, files.resplit.split, text.header.len());
    let mut cuts = compressed(context, cuts, compression);
    let mut is_new = true;
    loop {
        let cut = cuts.try_next().await?;
        // A file is started when its first row arrives, but the first file always is.
        if is_new && (matches!(cut, Some(Cut::Piece(_))) || (cut.is_none() && files.finished.is_empty())) {
            files.open().await?.write(compress(text.header.clone(), compression)?).await?;
            is_new = false;
        }
        match cut {
            None => return files.close().await,
            Some(Cut::NextFile) => {
                files.close().await?;
                is_new = true;
            }
            Some(Cut::Piece(piece)) => {
                let file = files.open().await?;
                file.add_rows(piece.rows);
                file.write(piece.bytes).await?;
            }
        }
    }
}

async fn fill_parquet(files: &mut Files<'_>) -> Result<()> {
    let (context, plan, split) = (files.context, files.plan, files.resplit.split);
    let all = 0..context.input.parts.len();
    let encoder = encoder(context, plan)?;
    let columns = context.input.schema.fields().len() as u64;
    let mut limits = RowGroupLimits::of(plan);
    match split {
        Split::Rows(rows) => limits.boundary = Some(rows.max(1)),
        // Rows take less space encoded than decoded, so several row groups fit into a file.
        Split::Bytes(bytes) => limits.bytes = limits.bytes.min(bytes / 2),
    }
    let mut groups = of_parts(context, all.clone(), limits, &encoder);
    let mut parquet: Option<ParquetFile> = None;
    loop {
        let group = groups.try_next().await?;
        let is_full = match (&group, files.open.as_ref(), split) {
            (Some(_), Some(open), Split::Rows(most)) => open.rows.unwrap_or(0) >= most,
            (Some(group), Some(open), Split::Bytes(most)) => {
                let after = open.bytes + group.len();
                // The footer is kept in reserve, with room for a few more row groups.
                open.rows.unwrap_or(0) > 0 && after + FOOTER_BYTES * columns * 4 > most
            }
            _ => false,
        };
        if is_full && let Some(parquet) = parquet.take() {
            parquet.end(files.open().await?).await?;
            files.close().await?;
        }
        if parquet.is_none() && (group.is_some() || files.finished.is_empty()) {
            parquet = Some(
                ParquetFile::begin(context, (all.clone(), Extent::Cut), &encoder, files.open().await?)
                    .await?,
            );
        }
        match (group, &mut parquet) {
            (Some(group), Some(parquet)) => parquet.add(group, files.open().await?).await?,
            (_, ended) => {
                if let Some(parquet) = ended.take() {
                    parquet.end(files.open().await?).await?;
                }
                return files.close().await;
            }
        }
    }
}

/// Splits text into files. Sizes are of the uncompressed text, including a header in each file.
fn cut(
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

/// The length in bytes of the first `rows` rows.
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

/// As many whole rows as fit into `room` bytes; `None` if none fits into the rest of a file. A file takes at least one
/// row.
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
