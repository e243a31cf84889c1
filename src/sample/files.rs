//! Writes the files of a sample: generates and encodes pieces on worker threads, several parts at a time, and writes
//! them unpublished, in order. Memory use does not depend on the sample's size.

use super::encode;
use super::layout::Layout;
use super::options::SampleOptions;
use crate::codec::csv::write_header;
use crate::codec::parquet::{Assembler, Encoder, MAGIC, codec};
use crate::engine::{CpuPool, Finished, write_each};
use crate::model::{
    Compression, Error, Format, Progress, ROW_GROUP_ROWS, Result, TRANSFER_BYTES, WrittenFile, cores, stopped,
};
use crate::sink::{Sink, SinkOptions, Target};
use crate::store::{ContentType, Location};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::watch;

/// Rough bytes of text per job: small enough that the allocator reuses its buffer instead of mapping a new one.
const TEXT_BYTES: usize = 256 * 1024;
/// The most cells in one row group: 262,144 rows of up to eight columns.
const ROW_GROUP_CELLS: usize = 8 * ROW_GROUP_ROWS as usize;
/// Parts that are written at the same time: small ones wait for requests, not for the CPU.
const CONCURRENT_PARTS: u64 = 16;
/// Bytes of small objects held at the same time, each sent in one PUT request.
const HELD_BYTES: usize = 4 * TRANSFER_BYTES;

/// How to encode rows.
#[derive(Clone)]
enum Encoding {
    Csv,
    Parquet(Encoder),
}

/// The state shared by all parts of a sample.
pub(super) struct Parts {
    layout: Arc<Layout>,
    encoding: Encoding,
    seed: u64,
    overwrite: bool,
    /// The target of each part.
    targets: Vec<Location>,
    /// Rough bytes of a row as text.
    row_bytes: usize,
    /// Series per piece of text or row group.
    piece: u64,
    /// Pieces of one part that may be started ahead of the one that is due.
    window: usize,
    pool: CpuPool,
    progress: Arc<Progress>,
    stopped: watch::Receiver<bool>,
}

impl Parts {
    pub(super) fn new(
        layout: Layout,
        options: &SampleOptions,
        targets: Vec<Location>,
        progress: Arc<Progress>,
        stopped: watch::Receiver<bool>,
    ) -> Result<Self> {
        let threads = options.threads.unwrap_or_else(cores).max(1);
        let row_bytes = row_bytes(&layout, options.seed);
        // Rows are divided independently of the number of threads, so that a sample is the same everywhere.
        let piece_rows = match options.to {
            Format::Csv => TEXT_BYTES / row_bytes,
            Format::Parquet => (ROW_GROUP_CELLS / layout.columns.len()).min(ROW_GROUP_ROWS as usize),
        };
        let encoding = match options.to {
            Format::Csv => Encoding::Csv,
            Format::Parquet => {
                let compression = options.compression.unwrap_or(Compression::Snappy);
                Encoding::Parquet(Encoder::new(&layout.schema(), codec(compression)?)?)
            }
        };
        Ok(Parts {
            piece: (piece_rows / layout.rows).max(1) as u64,
            layout: Arc::new(layout),
            encoding,
            seed: options.seed,
            overwrite: options.overwrite,
            targets,
            row_bytes,
            window: threads + 1,
            pool: CpuPool::new(threads),
            progress,
            stopped,
        })
    }

    /// Rough bytes of the sample as text.
    pub(super) fn expected_bytes(&self) -> u64 {
        self.bytes_of(self.layout.series)
    }

    fn bytes_of(&self, series: u64) -> u64 {
        series.saturating_mul((self.layout.rows * self.row_bytes) as u64)
    }

    /// The series of a part; parts differ by at most one in their number.
    fn series(&self, part: usize) -> Range<u64> {
        let cut = |part: usize| {
            let cut = u128::from(self.layout.series) * part as u128 / self.targets.len().max(1) as u128;
            cut as u64
        };
        cut(part)..cut(part + 1)
    }

    /// Writes every part, all still unpublished.
    pub(super) async fn write(&self) -> Result<Vec<Finished>> {
        let largest = (self.layout.series / self.targets.len().max(1) as u64).max(1);
        // At least two, so that one is generated while another is being synced.
        let at_once = (self.piece / largest).clamp(2, CONCURRENT_PARTS) as usize;
        write_each(self.targets.len(), at_once, |part| self.write_part(part).boxed()).await
    }

    async fn write_part(&self, part: usize) -> Result<Finished> {
        let series = self.series(part);
        let options = SinkOptions {
            reread: false,
            overwrite: self.overwrite,
            expected_bytes: self.bytes_of(series.end - series.start),
            single_put_limit: (HELD_BYTES / self.targets.len()).min(TRANSFER_BYTES),
            content: ContentType::of(
                match self.encoding {
                    Encoding::Csv => Format::Csv,
                    Encoding::Parquet(_) => Format::Parquet,
                },
                Compression::None,
            ),
            run: None,
        };
        let mut file = create(&self.targets[part], options).await?;
        let stop = self.stopped.clone();
        let written = tokio::select! {
            written = self.fill(series, &mut file) => written,
            () = stopped(stop) => Err(Error::Stopped),
        };
        close(file, written).await
    }

    async fn fill(&self, series: Range<u64>, file: &mut Finished) -> Result<()> {
        match &self.encoding {
            Encoding::Csv => self.fill_csv(series, file).await,
            Encoding::Parquet(encoder) => self.fill_parquet(encoder, series, file).await,
        }
    }

    async fn fill_csv(&self, series: Range<u64>, file: &mut Finished) -> Result<()> {
        let mut header = Vec::new();
        write_header(&self.layout.schema(), &mut header);
        append(file, vec![header.into()]).await?;
        let mut pieces = stream::iter(cut(series, self.piece))
            .map(|numbers| {
                let (layout, seed) = (Arc::clone(&self.layout), self.seed);
                let series = numbers.end - numbers.start;
                // The estimate comes from one series; extra room for a longer one avoids reallocating.
                let room = self.bytes_of(series) as usize * 5 / 4;
                self.pool.run(move || {
                    let mut text = Vec::with_capacity(room);
                    encode::text(&layout, seed, numbers, &mut text);
                    Ok((series, Bytes::from(text)))
                })
            })
            .buffered(self.window);
        while let Some((series, text)) = pieces.try_next().await? {
            append(file, vec![text]).await?;
            self.count(series, file);
        }
        Ok(())
    }

    async fn fill_parquet(&self, encoder: &Encoder, series: Range<u64>, file: &mut Finished) -> Result<()> {
        append(file, vec![Bytes::from_static(MAGIC)]).await?;
        let mut assembler = Assembler::new(
            encoder.descriptor().clone(),
            vec![crate::codec::parquet::arrow_schema(&self.layout.schema())],
        );
        let schema = self.layout.schema();
        let mut groups = stream::iter(cut(series, self.piece))
            .map(|numbers| {
                let (layout, seed) = (Arc::clone(&self.layout), self.seed);
                let (schema, encoder) = (Arc::clone(&schema), encoder.clone());
                self.pool.run(move || {
                    let series = numbers.end - numbers.start;
                    let batch = encode::batch(&layout, &schema, seed, numbers)?;
                    Ok((series, encoder.encode(&[batch])?))
                })
            })
            .buffered(self.window);
        while let Some((series, group)) = groups.try_next().await? {
            assembler.add(&group)?;
            append(file, group.bytes).await?;
            self.count(series, file);
        }
        append(file, vec![assembler.finish()?]).await
    }

    fn count(&self, series: u64, file: &mut Finished) {
        let rows = series * self.layout.rows as u64;
        *file.file.rows.get_or_insert(0) += rows;
        self.progress.add_rows(rows);
        self.progress.add_bytes(self.bytes_of(series));
    }
}

/// Rough bytes of a row as text, from the first series.
fn row_bytes(layout: &Layout, seed: u64) -> usize {
    let mut text = Vec::new();
    encode::text(layout, seed, 0..1, &mut text);
    (text.len() / layout.rows.max(1)).max(1)
}

/// Ranges of up to `length` numbers.
fn cut(all: Range<u64>, length: u64) -> impl Iterator<Item = Range<u64>> {
    let mut start = all.start;
    std::iter::from_fn(move || {
        let end = start.saturating_add(length).min(all.end);
        let range = start..end;
        start = end;
        (!range.is_empty()).then_some(range)
    })
}

async fn create(target: &Location, options: SinkOptions) -> Result<Finished> {
    let sink = Sink::create(&Target::File(target.clone()), options).await?;
    let file = WrittenFile { file: target.to_string(), bytes: 0, rows: Some(0) };
    Ok(Finished::new(sink, file))
}

async fn append(file: &mut Finished, pieces: Vec<Bytes>) -> Result<()> {
    file.file.bytes += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
    file.sink.write(pieces).await
}

/// Ends the file, or removes it if writing it failed.
async fn close(mut file: Finished, written: Result<()>) -> Result<Finished> {
    let finished = match written {
        Ok(()) => file.sink.finish().await,
        failed => failed,
    };
    match finished {
        Ok(()) => Ok(file),
        Err(error) => {
            file.sink.abort().await;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_without_loss_or_overlap() {
        assert_eq!(cut(3..10, 3).collect::<Vec<_>>(), [3..6, 6..9, 9..10]);
        assert_eq!(cut(3..3, 3).count(), 0);
        let end = u64::MAX;
        assert_eq!(cut(end - 2..end, 5).collect::<Vec<_>>(), vec![end - 2..end]);
    }

    #[test]
    fn parts_share_the_series_evenly_and_in_order() {
        for (items, count) in [(100, 4), (7, 3), (2, 5), (0, 3)] {
            let mut options = SampleOptions::default();
            (options.items, options.parts) = (items, count);
            let layout = Layout::new(&options).expect("a layout");
            let folder = Location::parse("out").expect("a path");
            let targets = (0..count).map(|i| folder.child(&i.to_string())).collect();
            let (_, stopped) = watch::channel(false);
            let parts = Parts::new(layout, &options, targets, Arc::default(), stopped).expect("parts");
            let shares: Vec<Range<u64>> = (0..count as usize).map(|part| parts.series(part)).collect();
            let numbers: Vec<u64> = shares.iter().cloned().flatten().collect();
            assert_eq!(numbers, (0..items).collect::<Vec<_>>());
            let sizes: Vec<u64> = shares.iter().map(|share| share.end - share.start).collect();
            assert!(sizes.iter().max() <= sizes.iter().min().map(|least| least + 1).as_ref(), "{sizes:?}");
        }
    }
}
