//! Decodes the rows of all parts as one ordered stream of batches.

use super::context::Context;
use super::row_group::{Wanted, row_groups_worked};
use super::workers::{Bounds, ItemSource, Opening, Worker, in_order};
use crate::codec::csv::Decoder;
use crate::codec::parquet::{EncodedRows, Encoder, StringDecoding};
use crate::model::{DataError, DataErrorKind, Error, Format, Progress, Remedy, Result};
use crate::source::{Chunk, Contents, Input, PlannedPart, Text, TextPart};

use arrow::array::RecordBatch;
use futures::StreamExt;
use futures::stream::BoxStream;
use parquet::basic::Compression as Codec;
use std::ops::Range;
use std::sync::Arc;

/// Decodes the given parts, in order, by the meaning of their values.
pub(crate) fn rows(context: &Context, parts: Range<usize>) -> BoxStream<'static, Result<RecordBatch>> {
    rows_for(context, parts, Wanted::Values(StringDecoding::Plain))
}

/// Decodes the given parts, in order, for an [`Encoder`] made by [`encoder`].
pub(crate) fn rows_to_encode(
    context: &Context,
    parts: Range<usize>,
) -> BoxStream<'static, Result<RecordBatch>> {
    rows_for(context, parts, Wanted::Parquet(StringDecoding::Plain))
}

fn rows_for(
    context: &Context,
    parts: Range<usize>,
    wanted: Wanted,
) -> BoxStream<'static, Result<RecordBatch>> {
    match context.input.format {
        Format::Csv => csv_rows(context, parts),
        Format::Parquet => row_group_rows(context, row_groups_of(&context.input, parts), wanted),
    }
}

/// The encoder for the rows of an input; columns of Parquet parts keep their declared types.
pub(crate) fn encoder(input: &Input, codec: Codec) -> Result<Encoder> {
    let Some(carried) = &input.carried else { return Encoder::new(&input.schema, codec) };
    if let Some(column) = &carried.not_encoded {
        let file = input.parts.iter().find(|part| part.footer().is_some());
        let file = file.map_or("", |part| part.object.url.as_str());
        let problem = "this nested type can be copied but not re-encoded";
        let error = Error::data(DataErrorKind::Unsupported, file, problem);
        return Err(error.column(column).remedy(Remedy::CopyUnchanged).into());
    }
    Ok(Encoder::declaring(&carried.schema, &carried.descriptor, codec))
}

/// Those of the given CSV parts that have rows.
pub(crate) fn text_parts(input: &Input, parts: impl IntoIterator<Item = usize>) -> Vec<TextPart> {
    parts
        .into_iter()
        .filter_map(|index| match &input.parts[index].contents {
            Contents::Csv { head, .. } if !head.is_header_only => Some(TextPart {
                index,
                object: Arc::clone(&input.parts[index].object),
                head: Arc::clone(head),
            }),
            _ => None,
        })
        .collect()
}

/// A processed chunk: its result, and its number of lines by part.
pub(crate) struct Checked<T> {
    pub(crate) value: Result<T, (usize, u64, Box<DataError>)>,
    pub(crate) lines: Vec<(usize, u64)>,
}

/// Counts lines across chunks, so that an error can name its line in the file.
#[derive(Default)]
pub(crate) struct LineCounter {
    part: usize,
    lines: u64,
}

impl LineCounter {
    pub(crate) fn resolve<T>(&mut self, input: &Input, checked: Checked<T>) -> Result<T> {
        let value = checked.value.map_err(|(part, lines_within, mut error)| {
            let before = if part == self.part { self.lines } else { 0 };
            let planned: &PlannedPart = &input.parts[part];
            let header = planned.csv_head().map_or(0, |head| head.header_lines);
            error.file.clone_from(&planned.object.url);
            error.line = Some(header + before + lines_within + 1);
            Error::Data(error)
        })?;
        for (part, lines) in checked.lines {
            if part != self.part {
                *self = LineCounter { part, lines: 0 };
            }
            self.lines += lines;
        }
        Ok(value)
    }
}

fn csv_rows(context: &Context, parts: Range<usize>) -> BoxStream<'static, Result<RecordBatch>> {
    csv_rows_worked(context, parts.collect(), Ok)
}

/// Decodes CSV parts, and processes each batch on the thread that decoded it.
pub(super) fn csv_rows_worked(
    context: &Context,
    parts: Vec<usize>,
    work: impl Fn(RecordBatch) -> Result<RecordBatch> + Clone + Send + 'static,
) -> BoxStream<'static, Result<RecordBatch>> {
    worked(context, parts, || {
        let work = work.clone();
        Ok(Decoding::new(context, move |decoder: &mut Decoder| work(decoder.finish()?)))
    })
}

/// Decodes text and re-encodes it while it is in the cache.
pub(crate) fn encoded_rows(
    context: &Context,
    parts: Range<usize>,
    encoder: &Encoder,
) -> BoxStream<'static, Result<EncodedRows>> {
    worked(context, parts, || {
        let mut encoder = encoder.chunk_encoder();
        Ok(Decoding::new(context, move |decoder: &mut Decoder| {
            Ok(encoder.encode(decoder.rows(), decoder.columns()))
        }))
    })
}

/// Decodes row groups and re-encodes them on the same threads, as row groups of other sizes.
pub(crate) fn reencoded_rows(
    context: &Context,
    groups: Vec<(usize, usize)>,
    encoder: &Encoder,
) -> BoxStream<'static, Result<EncodedRows>> {
    let encoder = encoder.clone();
    row_groups_worked(context, groups, Wanted::Parquet(StringDecoding::Dictionary), move || {
        let mut encoder = encoder.chunk_encoder();
        move |batch: RecordBatch, _url: &str| encoder.encode_batch(&batch)
    })
}
/// Processes the text of some parts; adds the line to an error.
pub(super) fn worked<T: Send + 'static, W: Worker<Chunk, Output = Checked<T>>>(
    context: &Context,
    parts: impl IntoIterator<Item = usize>,
    worker: impl Fn() -> Result<W>,
) -> BoxStream<'static, Result<T>> {
    let input = Arc::clone(&context.input);
    let parts = text_parts(&input, parts);
    let bytes: u64 = parts.iter().map(|part| part.object.size).sum();
    let text = Text::new(&input.store, parts, context.budget, input.line_end(), &context.progress);
    let chunks = (bytes / context.budget.chunk as u64).saturating_add(1);
    let threads = usize::try_from(chunks).unwrap_or(usize::MAX).min(context.budget.threads);
    let ahead = threads + context.budget.window;
    let bounds = Bounds { threads, ahead, ahead_when_due: ahead };
    let sources: Vec<Opening<Text>> = vec![Box::new(|| Ok(text))];
    in_order(context, sources, bounds, worker)
        .scan(LineCounter::default(), move |counter, checked| {
            std::future::ready(Some(checked.and_then(|checked| counter.resolve(&input, checked))))
        })
        .boxed()
}

impl ItemSource for Text {
    type Item = Chunk;
    const IS_CPU_WORK: bool = false;

    fn next(&mut self, chunk: &mut Chunk) -> Result<bool> {
        self.cut(chunk)
    }
}

/// Decodes chunks and passes the rows to the caller's function.
struct Decoding<F> {
    input: Arc<Input>,
    progress: Arc<Progress>,
    decoder: Decoder,
    finish: F,
}

impl<F> Decoding<F> {
    fn new(context: &Context, finish: F) -> Self {
        let (input, progress) = (Arc::clone(&context.input), Arc::clone(&context.progress));
        Decoding { decoder: Decoder::new(&input.typing), input, progress, finish }
    }
}

impl<T: Send + 'static, F: FnMut(&mut Decoder) -> Result<T> + Send + 'static> Worker<Chunk> for Decoding<F> {
    type Output = Checked<T>;

    fn work(&mut self, chunk: &mut Chunk) -> Result<Checked<T>> {
        self.decoder.clear();
        let mut lines = Vec::with_capacity(chunk.segments.len());
        for segment in &chunk.segments {
            let part = &self.input.parts[segment.part];
            let Contents::Csv { layout, .. } = &part.contents else {
                return Err(Error::Internal("text of a part that is not CSV".into()));
            };
            let text = &chunk.bytes()[segment.range.clone()];
            let before = self.decoder.rows();
            match self.decoder.append(text, layout, &part.constants) {
                Ok(more) => {
                    self.progress.add_rows_of(segment.part, (self.decoder.rows() - before) as u64);
                    lines.push((segment.part, more));
                }
                Err(failed) => {
                    return Ok(Checked { value: Err((segment.part, failed.lines, failed.error)), lines });
                }
            }
        }
        Ok(Checked { value: Ok((self.finish)(&mut self.decoder)?), lines })
    }
}

/// All row groups of some parts, by part and index.
pub(crate) fn row_groups_of(input: &Input, parts: Range<usize>) -> Vec<(usize, usize)> {
    parts
        .filter_map(|part| Some((part, input.parts[part].parquet()?)))
        .flat_map(|(part, metadata)| (0..metadata.num_row_groups()).map(move |group| (part, group)))
        .collect()
}

/// Decodes row groups in order.
pub(crate) fn row_group_rows(
    context: &Context,
    groups: Vec<(usize, usize)>,
    wanted: Wanted,
) -> BoxStream<'static, Result<RecordBatch>> {
    row_groups_worked(context, groups, wanted, || |batch, _url: &str| Ok(batch))
}
