//! Files of the output, from the first byte to the last: each function writes one or more of them and gives them back
//! finished but not published.

use super::context::Context;
use super::piece::TextPiece;
use super::row_groups::{Full, assembled, encoded};
use super::rows::{encoded_rows, reencoded_rows, row_groups_of, rows};
use super::text::Cut;
use super::{copy_bytes, copy_on_server, copy_row_groups, text};
use crate::codec::parquet::{Assembler, EncodedRowGroup, Encoder, MAGIC, codec};
use crate::model::{Compression, Error, Format, ROW_GROUP_ROWS, Result, Split, Strategy, WrittenFile};
use crate::plan::{Plan, PlannedOutput, Receipt, ReceiptOutput, Recut, receipt, row_group_pieces};
use crate::sink::{Sink, SinkOptions, Sources, Target, publish_all};
use crate::source::PlannedPart;
use crate::store::ContentType;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::{BoxFuture, join};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file that is written to the end and waits to be published.
pub(crate) struct Finished {
    pub(crate) sink: Sink,
    pub(crate) file: WrittenFile,
    /// The books of a Parquet file that is read again: its receipt is to tell the digest.
    pub(crate) books: Option<Assembler>,
}

/// Writes files, so many at a time, and gives them in order. After a failure no more are begun, those that had begun are
/// awaited, so that each clears itself away, and then the finished ones are.
pub(crate) async fn write_each<'a>(
    count: usize,
    at_once: usize,
    write: impl Fn(usize) -> BoxFuture<'a, Result<Finished>>,
) -> Result<Vec<Finished>> {
    let has_failed = &AtomicBool::new(false);
    let mut written = stream::iter(0..count)
        .map(|index| {
            let writing = write(index);
            async move {
                if has_failed.load(Ordering::Relaxed) {
                    return Err(Error::Stopped);
                }
                let result = writing.await;
                has_failed.fetch_or(result.is_err(), Ordering::Relaxed);
                result
            }
        })
        .buffered(at_once);
    let mut files = Vec::new();
    let mut failure = None;
    while let Some(result) = written.next().await {
        match result {
            Ok(file) => files.push(file),
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
    }
    match failure {
        None => Ok(files),
        Some(error) => {
            abort(&mut files).await;
            Err(error)
        }
    }
}

/// Clears files away that will not be published.
pub(crate) async fn abort(files: &mut [Finished]) {
    for file in files {
        file.sink.abort().await;
    }
}

/// Brings files into sight, in order, or none of them.
pub(crate) async fn publish(files: &mut [Finished]) -> Result<()> {
    publish_all(files.iter_mut().map(|file| &mut file.sink).collect()).await
}

/// A file being written.
struct Open {
    sink: Sink,
    name: String,
    bytes: u64,
    rows: u64,
    /// Every row passed through here.
    are_rows_counted: bool,
    books: Option<Assembler>,
}

impl Open {
    async fn create(target: &Target, options: SinkOptions) -> Result<Self> {
        Ok(Self::new(Sink::create(target, options).await?, target))
    }

    fn new(sink: Sink, target: &Target) -> Self {
        Open { sink, name: target.to_string(), bytes: 0, rows: 0, are_rows_counted: true, books: None }
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
        let rows = self.are_rows_counted.then_some(self.rows);
        Finished {
            sink: self.sink,
            file: WrittenFile { file: self.name, bytes: self.bytes, rows },
            books: self.books,
        }
    }
}

/// Writes one file of the plan.
pub(crate) async fn write_output(context: &Context, plan: &Plan, output: &PlannedOutput) -> Result<Finished> {
    let options = sink_options(context, plan, &context.input.parts[output.parts.clone()]);
    let created = async {
        match (&plan.on_server, &output.target) {
            (Some(merge), Target::File(location)) => {
                let (input, progress) = (Arc::clone(&context.input), Arc::clone(&context.progress));
                let sources = Sources { input, progress };
                let sink = Box::pin(Sink::on_server(location, options, merge.limits, sources)).await?;
                Ok(Open::new(sink, &output.target))
            }
            (_, target) => Open::create(target, options).await,
        }
    };
    let mut file = match &output.target {
        // A pipe opens when somebody reads it, which may be never; nothing of ours is left where the wait is given up.
        Target::Device(_) => tokio::select! {
            file = created => file?,
            () = crate::model::stopped(context.stopped.clone()) => return Err(Error::Stopped),
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
        () = crate::model::stopped(stopped) => Err(Error::Stopped),
    };
    file.close(finished).await
}

fn sink_options(context: &Context, plan: &Plan, parts: &[PlannedPart]) -> SinkOptions {
    let bytes: u64 = parts.iter().map(|part| part.object.size).sum();
    // Parquet unpacks to about four times its size as text.
    let expected_bytes =
        if plan.to == Format::Csv && context.input.format == Format::Parquet { bytes * 6 } else { bytes };
    let files = plan.outputs.len().max(1);
    let hold = (context.budget.prefetch / files).min(crate::model::TRANSFER_BYTES);
    let (overwrite, reread) = (plan.options.overwrite, plan.options.verify);
    let content = ContentType::of(plan.to, plan.compression);
    SinkOptions { overwrite, expected_bytes, hold, reread, content }
}

async fn fill(context: &Context, plan: &Plan, output: &PlannedOutput, file: &mut Open) -> Result<()> {
    match (plan.to, plan.strategy) {
        // Boxed, like the rest of what the server does: a future within futures grows beyond what the compiler lays out.
        (_, Strategy::CopyOnServer) => Box::pin(fill_on_server(context, plan, output, file)).await,
        (Format::Csv, _) => fill_csv(context, plan, output, file).await,
        (Format::Parquet, Strategy::CopyRowGroups) => fill_by_copy(context, plan, output, file).await,
        (Format::Parquet, _) => {
            let encoder = Encoder::new(&context.input.schema, codec(plan.compression)?)?;
            let mut groups = row_groups(context, plan, output, &encoder);
            let mut parquet = ParquetFile::begin(context, output.parts.clone(), &encoder, file).await?;
            let mut next = groups.try_next().await?;
            while let Some(group) = next {
                // A stream does nothing while nobody asks: so the next one is made while this one is written.
                let (written, made) = join(parquet.add(group, file), groups.try_next()).await;
                written?;
                next = made?;
            }
            seal(context, plan, output, parquet.assembler, file).await
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
    let pieces = text::text(context, plan.strategy, output.parts.clone())
        .map(move |piece| {
            let jobs = jobs.clone();
            async move { compress_piece(&jobs, piece?, compression).await }
        })
        .buffered(context.budget.window);
    // What is ready is written at once: each write is a thread's waking.
    let mut pieces = pieces.try_ready_chunks(context.budget.window);
    let mut next = pieces.try_next().await.map_err(|error| error.1)?;
    while let Some(ready) = next {
        file.rows += ready.iter().map(|piece| piece.rows).sum::<u64>();
        let ready = ready.into_iter().map(|piece| piece.bytes).collect();
        let (written, made) = join(file.write_all(ready), pieces.try_next()).await;
        written?;
        next = made.map_err(|error| error.1)?;
    }
    Ok(())
}

async fn compress_piece(
    jobs: &super::threads::Jobs,
    piece: TextPiece,
    compression: Compression,
) -> Result<TextPiece> {
    if compression == Compression::None {
        return Ok(piece);
    }
    jobs.run(move || Ok(TextPiece { bytes: text::compress(piece.bytes, compression)?, rows: piece.rows }))
        .await
}

async fn fill_on_server(
    context: &Context,
    plan: &Plan,
    output: &PlannedOutput,
    file: &mut Open,
) -> Result<()> {
    let Some(merge) = &plan.on_server else {
        return Err(Error::Internal("a merge by the server that was not planned".into()));
    };
    match plan.to {
        Format::Csv => {
            let rows = copy_on_server::write_text(context, merge, &mut file.sink).await?;
            (file.rows, file.are_rows_counted) = (rows.unwrap_or(0), rows.is_some());
        }
        Format::Parquet => {
            let mut assembler = books_of_copy(context, output)?;
            let sink = &mut file.sink;
            file.rows = copy_on_server::write_row_groups(context, merge, &mut assembler, sink).await?;
            seal(context, plan, output, assembler, file).await?;
        }
    }
    file.bytes = file.sink.written_on_server().unwrap_or(0);
    Ok(())
}

/// The books of a file that gets row groups of the parts.
fn books_of_copy(context: &Context, output: &PlannedOutput) -> Result<Assembler> {
    let first = context.input.parts.iter().find_map(PlannedPart::parquet);
    let Some(descriptor) = first.map(|metadata| metadata.file_metadata().schema_descr_ptr()) else {
        return Err(Error::Internal("no part has a footer".into()));
    };
    let (mut key_values, _) = receipt::key_values(&context.input, output.parts.clone());
    if context.input.parts[output.parts.clone()].iter().all(|part| part.parquet().is_none()) {
        // A file made of parts without a byte has the columns of the others, so it has their Arrow schema too.
        let (of_all, _) = receipt::key_values(&context.input, 0..context.input.parts.len());
        key_values
            .extend(of_all.into_iter().filter(|pair| pair.key == parquet::arrow::ARROW_SCHEMA_META_KEY));
    }
    Ok(Assembler::new(descriptor, key_values))
}

async fn fill_by_copy(context: &Context, plan: &Plan, output: &PlannedOutput, file: &mut Open) -> Result<()> {
    let mut assembler = books_of_copy(context, output)?;
    file.write(Bytes::from_static(MAGIC)).await?;
    let pieces = row_group_pieces(&context.input, output.parts.clone());
    file.rows = copy_row_groups::write(context, pieces, &mut assembler, &mut file.sink).await?;
    file.bytes = assembler.position();
    seal(context, plan, output, assembler, file).await
}

/// Ends a Parquet file, with its receipt.
async fn seal(
    context: &Context,
    plan: &Plan,
    output: &PlannedOutput,
    mut assembler: Assembler,
    file: &mut Open,
) -> Result<()> {
    if plan.options.no_receipt || !matches!(output.target, Target::File(_)) {
        return file.write(assembler.finish()?).await;
    }
    // A digest is of all files of a run.
    file.books = (plan.options.verify && plan.outputs.len() == 1).then(|| assembler.clone());
    let written = receipt::now();
    let modified = file.sink.stamp(written)?.then_some(written);
    let (rows, bytes) = (file.rows, assembler.position());
    let receipt = receipt_within(context, plan, output, (rows, bytes), modified, written, None);
    assembler.add_key_value(receipt::KEY, receipt.to_json(false)?);
    file.write(assembler.finish()?).await?;
    file.sink.stamp(written).map(drop)
}

/// The receipt that a Parquet file carries.
fn receipt_within(
    context: &Context,
    plan: &Plan,
    output: &PlannedOutput,
    (rows, bytes): (u64, u64),
    modified: Option<DateTime<Utc>>,
    written: DateTime<Utc>,
    digest: Option<String>,
) -> Receipt {
    let name = output.target.to_string().rsplit('/').next().unwrap_or_default().to_owned();
    let outputs = vec![ReceiptOutput { file: name, rows: Some(rows), bytes, e_tag: None, modified }];
    let rows_of = |part| Some(context.progress.rows_of(part));
    Receipt::new(plan.made(output.parts.clone(), digest, &rows_of), written, outputs)
}

/// Has the receipt within a Parquet file tell the digest, which was known only after its last byte.
pub(crate) async fn note_digest(
    context: &Context,
    plan: &Plan,
    file: &mut Finished,
    digest: &str,
) -> Result<()> {
    let (Some(mut books), [output]) = (file.books.take(), plan.outputs.as_slice()) else { return Ok(()) };
    let written = receipt::now();
    let modified = file.sink.is_local().then_some(written);
    let (rows, bytes) = (file.file.rows.unwrap_or(0), books.position());
    let digest = Some(digest.to_owned());
    let receipt = receipt_within(context, plan, output, (rows, bytes), modified, written, digest);
    books.add_key_value(receipt::KEY, receipt.to_json(false)?);
    let end = books.finish()?;
    file.file.bytes = bytes + end.len() as u64;
    file.sink.replace_end(bytes, end, written).await
}

/// A Parquet file whose row groups come encoded.
struct ParquetFile {
    assembler: Assembler,
}

impl ParquetFile {
    async fn begin(
        context: &Context,
        parts: std::ops::Range<usize>,
        encoder: &Encoder,
        file: &mut Open,
    ) -> Result<Self> {
        file.write(Bytes::from_static(MAGIC)).await?;
        // The Arrow schema is that of the rows as they are encoded; other metadata is the parts' own.
        let mut key_values = encoder.key_values();
        let (kept, _) = receipt::key_values(&context.input, parts);
        for pair in kept {
            if key_values.iter().all(|ours| ours.key != pair.key) {
                key_values.push(pair);
            }
        }
        Ok(ParquetFile { assembler: Assembler::new(encoder.descriptor().clone(), key_values) })
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
        () = crate::model::stopped(stopped) => Err(Error::Stopped),
    };
    match written {
        Ok(()) => Ok(files.finished),
        Err(error) => {
            if let Some(mut open) = files.open.take() {
                open.sink.abort().await;
            }
            abort(&mut files.finished).await;
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
                let (overwrite, reread) = (self.plan.options.overwrite, self.plan.options.verify);
                let content = ContentType::of(self.plan.to, self.plan.compression);
                let options = SinkOptions { overwrite, expected_bytes, hold, reread, content };
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
            parquet = Some(
                ParquetFile::begin(context, 0..context.input.parts.len(), &encoder, files.open().await?)
                    .await?,
            );
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
