//! Files of the output, from the first byte to the last: each function writes one or more of them and gives them back
//! finished but not published.

use super::progress::WrittenFile;
use super::row_groups::{Full, assembled, encoded};
use super::rows::{Context, encoded_rows, reencoded_rows, row_groups_of, rows};
use super::text::{self, Cut, TextPiece};
use super::{copy_bytes, copy_row_groups};
use crate::encode::parquet::{Assembler, EncodedRowGroup, Encoder, MAGIC, codec};
use crate::error::Result;
use crate::location::ContentType;
use crate::options::{Compression, Format, Split};
use crate::plan::{
    Plan, PlannedOutput, PlannedPart, ROW_GROUP_ROWS, Recut, Strategy, Target, row_group_pieces,
};
use crate::sink::{Sink, SinkOptions};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

/// A file that is written to the end and waits to be published.
pub(crate) struct Finished {
    pub(crate) sink: Sink,
    pub(crate) file: WrittenFile,
}

/// A file being written.
struct Open {
    sink: Sink,
    name: String,
    bytes: u64,
    rows: u64,
}

impl Open {
    async fn create(target: &Target, options: SinkOptions) -> Result<Self> {
        Ok(Open { sink: Sink::create(target, options).await?, name: target.to_string(), bytes: 0, rows: 0 })
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.write_all(vec![bytes]).await
    }

    async fn write_all(&mut self, pieces: Vec<Bytes>) -> Result<()> {
        self.bytes += pieces.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
        self.sink.write(pieces).await
    }

    /// Gives the file to whoever publishes it, or clears it away where writing or finishing it failed.
    async fn close(mut self, finished: Result<()>) -> Result<Finished> {
        match finished {
            Ok(()) => Ok(self.into_finished()),
            Err(error) => {
                self.sink.abort().await;
                Err(error)
            }
        }
    }

    fn into_finished(self) -> Finished {
        Finished {
            sink: self.sink,
            file: WrittenFile { file: self.name, bytes: self.bytes, rows: self.rows },
        }
    }
}

/// Writes one file of the plan.
pub(crate) async fn write_output(context: &Context, plan: &Plan, output: &PlannedOutput) -> Result<Finished> {
    let options = sink_options(context, plan, &context.input.parts[output.parts.clone()]);
    let created = Open::create(&output.target, options);
    let mut file = match &output.target {
        // A pipe opens when somebody reads it, which may be never; nothing of ours is left where the wait is given up.
        Target::Device(_) => tokio::select! {
            file = created => file?,
            () = super::stopped(context.stopped.clone()) => return Err(crate::Error::Stopped),
        },
        _ => created.await?,
    };
    let stopped = context.stopped.clone();
    let finished = tokio::select! {
        // The last pieces may take long to arrive: a stop is heeded until they have.
        finished = async {
            fill(context, plan, output, &mut file).await?;
            file.sink.finish().await
        } => finished,
        () = super::stopped(stopped) => Err(crate::Error::Stopped),
    };
    file.close(finished).await
}

fn sink_options(context: &Context, plan: &Plan, parts: &[PlannedPart]) -> SinkOptions {
    let bytes: u64 = parts.iter().map(|part| part.object.size).sum();
    // Parquet unpacks to about four times its size as text.
    let expected_bytes =
        if plan.to == Format::Csv && context.input.format == Format::Parquet { bytes * 6 } else { bytes };
    let files = plan.outputs.len().max(1);
    let hold = (context.budget.prefetch / files).min(super::TRANSFER_BYTES);
    let content = ContentType::of(plan.to, plan.compression);
    SinkOptions { overwrite: plan.options.overwrite, expected_bytes, hold, content }
}

async fn fill(context: &Context, plan: &Plan, output: &PlannedOutput, file: &mut Open) -> Result<()> {
    match (plan.to, plan.strategy) {
        (Format::Csv, _) => fill_csv(context, plan, output, file).await,
        (Format::Parquet, Strategy::CopyRowGroups) => fill_by_copy(context, output, file).await,
        (Format::Parquet, _) => {
            let encoder = Encoder::new(&context.input.schema, codec(plan.compression)?)?;
            let mut groups = row_groups(context, plan, output, &encoder);
            let mut parquet = ParquetFile::begin(&encoder, file).await?;
            while let Some(group) = groups.try_next().await? {
                parquet.add(group, file).await?;
            }
            parquet.end(file).await
        }
    }
}

/// The row groups of a file whose rows are encoded.
fn row_groups(
    context: &Context,
    plan: &Plan,
    output: &PlannedOutput,
    encoder: &Encoder,
) -> BoxStream<'static, Result<EncodedRowGroup>> {
    let (jobs, ahead, bytes) = (context.jobs.clone(), context.budget.threads, row_group_bytes(context, plan));
    let parts = output.parts.clone();
    match (context.input.format, plan.options.row_group_rows) {
        (Format::Csv, None) => {
            assembled(encoded_rows(context, parts, encoder), bytes, encoder.clone(), jobs, ahead)
        }
        (Format::Parquet, None) if encoder.encodes_batches() => {
            let groups = row_groups_of(&context.input, parts);
            assembled(reencoded_rows(context, groups, encoder), bytes, encoder.clone(), jobs, ahead)
        }
        (_, asked) => {
            let full = Full { rows: asked.unwrap_or(ROW_GROUP_ROWS), bytes, boundary: None };
            encoded(rows(context, parts), full, encoder.clone(), jobs, ahead)
        }
    }
}

/// A row group of a size that was asked for is not cut by memory.
fn row_group_bytes(context: &Context, plan: &Plan) -> usize {
    if plan.options.row_group_rows.is_some() { usize::MAX } else { context.budget.row_group }
}

async fn fill_csv(context: &Context, plan: &Plan, output: &PlannedOutput, file: &mut Open) -> Result<()> {
    let compression = plan.compression;
    file.write(text::compress(text::header(context, plan).into(), compression)?).await?;
    if plan.strategy == Strategy::CopyBytes
        && compression == Compression::None
        && let Some(place) = file.sink.positioned()
    {
        let mut copied = copy_bytes::copied(context, output.parts.clone(), &place, file.bytes);
        while let Some((rows, bytes)) = copied.try_next().await? {
            file.rows += rows;
            file.bytes += bytes;
        }
        return Ok(());
    }
    let jobs = context.jobs.clone();
    let mut pieces = text::text(context, plan.strategy, output.parts.clone())
        .map(move |piece| {
            let jobs = jobs.clone();
            async move { compress_piece(&jobs, piece?, compression).await }
        })
        .buffered(context.budget.window);
    while let Some(piece) = pieces.try_next().await? {
        file.rows += piece.rows;
        file.write(piece.bytes).await?;
    }
    Ok(())
}

async fn compress_piece(
    jobs: &super::jobs::Jobs,
    piece: TextPiece,
    compression: Compression,
) -> Result<TextPiece> {
    if compression == Compression::None {
        return Ok(piece);
    }
    jobs.run(move || Ok(TextPiece { bytes: text::compress(piece.bytes, compression)?, rows: piece.rows }))
        .await
}

async fn fill_by_copy(context: &Context, output: &PlannedOutput, file: &mut Open) -> Result<()> {
    let first = context.input.parts.iter().find_map(PlannedPart::parquet);
    let (descriptor, key_values) = match first {
        Some(metadata) => {
            let file = metadata.file_metadata();
            (file.schema_descr_ptr(), file.key_value_metadata().cloned().unwrap_or_default())
        }
        None => return Err(crate::Error::Internal("no part has a footer".into())),
    };
    let mut assembler = Assembler::new(descriptor, key_values);
    file.write(Bytes::from_static(MAGIC)).await?;
    let pieces = row_group_pieces(&context.input, output.parts.clone());
    file.rows = copy_row_groups::write(context, pieces, &mut assembler, &mut file.sink).await?;
    file.bytes = assembler.position();
    file.write(assembler.finish()?).await
}

/// A Parquet file whose row groups come encoded.
struct ParquetFile {
    assembler: Assembler,
}

impl ParquetFile {
    async fn begin(encoder: &Encoder, file: &mut Open) -> Result<Self> {
        file.write(Bytes::from_static(MAGIC)).await?;
        Ok(ParquetFile { assembler: Assembler::new(encoder.descriptor().clone(), encoder.key_values()) })
    }

    async fn add(&mut self, group: EncodedRowGroup, file: &mut Open) -> Result<()> {
        self.assembler.add(&group.metadata, &group.indexes)?;
        file.rows += group.rows();
        file.write_all(group.bytes).await
    }

    async fn end(self, file: &mut Open) -> Result<()> {
        file.write(self.assembler.finish()?).await
    }
}

/// Writes an output that is cut anew; on an error every file of it is cleared away.
pub(crate) async fn write_recut(context: &Context, plan: &Plan, recut: &Recut) -> Result<Vec<Finished>> {
    let mut files = Files { context, plan, recut, finished: Vec::new(), open: None };
    let stopped = context.stopped.clone();
    let written = tokio::select! {
        written = async {
            match plan.to {
                Format::Csv => recut_csv(&mut files).await?,
                Format::Parquet => recut_parquet(&mut files).await?,
            }
            files.close().await
        } => written,
        () = super::stopped(stopped) => Err(crate::Error::Stopped),
    };
    match written {
        Ok(()) => Ok(files.finished),
        Err(error) => {
            if let Some(mut open) = files.open.take() {
                open.sink.abort().await;
            }
            for file in &mut files.finished {
                file.sink.abort().await;
            }
            Err(error)
        }
    }
}

/// The files of an output that is cut anew, numbered from 0.
struct Files<'a> {
    context: &'a Context,
    plan: &'a Plan,
    recut: &'a Recut,
    finished: Vec<Finished>,
    open: Option<Open>,
}

impl Files<'_> {
    /// The file being written; the next one is begun where there is none.
    async fn open(&mut self) -> Result<&mut Open> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let name = self.recut.like.renumbered(self.finished.len() as u64, self.recut.extension);
                let target = Target::File(self.recut.folder.child(&name));
                let expected_bytes = match self.recut.split {
                    Split::Bytes(bytes) => bytes,
                    Split::Rows(_) => self.context.input.bytes(),
                };
                let hold = 64 * 1024;
                let content = ContentType::of(self.plan.to, self.plan.compression);
                let overwrite = self.plan.options.overwrite;
                let options = SinkOptions { overwrite, expected_bytes, hold, content };
                Open::create(&target, options).await?
            }
        };
        Ok(self.open.insert(open))
    }

    async fn close(&mut self) -> Result<()> {
        if let Some(open) = &mut self.open {
            // It stays in its place meanwhile, so that a stop finds it there.
            open.sink.finish().await?;
        }
        self.finished.extend(self.open.take().map(Open::into_finished));
        Ok(())
    }
}

async fn recut_csv(files: &mut Files<'_>) -> Result<()> {
    let (context, plan) = (files.context, files.plan);
    let header = Bytes::from(text::header(context, plan));
    let pieces = text::text(context, plan.strategy, 0..context.input.parts.len());
    let mut cuts = text::cut(pieces, files.recut.split, header.len());
    let mut is_new = true;
    loop {
        let cut = cuts.try_next().await?;
        // A file is begun when a row comes for it, and the first one in any case.
        if is_new && (matches!(cut, Some(Cut::Piece(_))) || (cut.is_none() && files.finished.is_empty())) {
            files.open().await?.write(text::compress(header.clone(), plan.compression)?).await?;
            is_new = false;
        }
        match cut {
            None => return Ok(()),
            Some(Cut::NextFile) => {
                files.close().await?;
                is_new = true;
            }
            Some(Cut::Piece(piece)) => {
                let piece = compress_piece(&context.jobs, piece, plan.compression).await?;
                let file = files.open().await?;
                file.rows += piece.rows;
                file.write(piece.bytes).await?;
            }
        }
    }
}

/// Bytes of a footer for one row group and column, about: kept in hand where a file must not pass a size.
const FOOTER_BYTES: u64 = 300;

async fn recut_parquet(files: &mut Files<'_>) -> Result<()> {
    let (context, plan) = (files.context, files.plan);
    let encoder = Encoder::new(&context.input.schema, codec(plan.compression)?)?;
    let mut full = Full {
        rows: plan.options.row_group_rows.unwrap_or(ROW_GROUP_ROWS),
        bytes: row_group_bytes(context, plan),
        boundary: None,
    };
    let columns = context.input.schema.fields().len() as u64;
    let most = match files.recut.split {
        Split::Rows(rows) => {
            full.boundary = Some(rows.max(1));
            None
        }
        Split::Bytes(bytes) => {
            // Rows take less space encoded than decoded, so some row groups fit into a file.
            full.bytes = full.bytes.min(usize::try_from(bytes / 2).unwrap_or(usize::MAX)).max(1);
            Some(bytes)
        }
    };
    // A batch is the least that a row group has: small files need small ones.
    let batches = rows(context, 0..context.input.parts.len());
    let batches = match most {
        Some(bytes) => super::rows::cut_every(batches, (bytes / (16 * columns.max(1))).clamp(1, 16_384)),
        None => batches,
    };
    let ahead = context.budget.threads;
    let mut groups = encoded(batches, full, encoder.clone(), context.jobs.clone(), ahead);
    let mut parquet: Option<ParquetFile> = None;
    loop {
        let group = groups.try_next().await?;
        let is_full = match (&group, files.open.as_ref(), files.recut.split) {
            (Some(_), Some(open), Split::Rows(rows)) => open.rows >= rows,
            (Some(group), Some(open), Split::Bytes(most)) => {
                let after = open.bytes + group.len();
                open.rows > 0 && after + FOOTER_BYTES * columns * 4 > most
            }
            _ => false,
        };
        if is_full && let Some(parquet) = parquet.take() {
            parquet.end(files.open().await?).await?;
            files.close().await?;
        }
        if parquet.is_none() && (group.is_some() || files.finished.is_empty()) {
            parquet = Some(ParquetFile::begin(&encoder, files.open().await?).await?);
        }
        match (group, &mut parquet) {
            (Some(group), Some(parquet)) => parquet.add(group, files.open().await?).await?,
            (_, ended) => {
                if let Some(parquet) = ended.take() {
                    parquet.end(files.open().await?).await?;
                }
                return Ok(());
            }
        }
    }
}
