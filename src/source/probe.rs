//! Probes parts by their first and last bytes: header, line ends, magic bytes, Parquet footer. Takes objects, returns a
//! [`Probe`] for each, usually with one request per part. Never decodes rows.

use super::csv_head::{CsvHead, CsvReading, HEAD_BYTES, parse_head};
use super::footer::{Footer, Footers};
use super::looks_like::{looks_like, named_like};
use super::unwrap::Wrapping;
use crate::codec::parquet::{FooterProblem, MAGIC, read_footer};
use crate::model::{DataError, DataErrorKind, Error, Format, HeaderMode, Remedy, Result, cores};
use crate::store::{Object, Store, blocking, open_local, read_local};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use parquet::file::metadata::ParquetMetaData;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes read from the start or the end of a longer one.
const NEAR_BYTES: u64 = 32 * 1024;
/// The longest header that is read.
const MAX_HEADER_BYTES: u64 = 1024 * 1024;
/// The longest Parquet footer that is read: roughly 100,000 row groups of 20 columns.
const MAX_FOOTER_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes after a Parquet footer: its length, and the magic bytes.
const FOOTER_ENDING: u64 = 8;
/// Bytes of small parts that are kept whole, so that they need no second request.
const KEPT_BYTES: u64 = 16 * 1024 * 1024;
/// Heads that are read at once from a store. With a distant store nearly all of the time is waiting: twice as many at
/// once take half as long, and they hold at most 64 times 64 KiB.
const CONCURRENT_HEADS: usize = 64;
/// Heads of local files per thread: fewer are not worth another thread.
const LOCAL_HEADS: usize = 64;

/// What a part is, according to its first and last bytes.
#[derive(Debug, Clone)]
pub(crate) enum Probe {
    /// No bytes, or only a byte order mark and line ends: no header, no rows.
    Empty,
    Csv(CsvHead),
    Parquet(Footer),
}

impl Probe {
    pub(crate) fn format(&self) -> Option<Format> {
        match self {
            Probe::Empty => None,
            Probe::Csv(_) => Some(Format::Csv),
            Probe::Parquet(_) => Some(Format::Parquet),
        }
    }
}

/// Probes all parts; the results are in the order of the parts.
pub(crate) async fn probe(
    store: &Store,
    objects: &[Arc<Object>],
    reading: &CsvReading,
) -> Result<Vec<Probe>> {
    probe_each(store, objects, reading).await?.into_iter().collect()
}

/// As [`probe`], with a result for each part even if some cannot be read.
pub(crate) async fn probe_each(
    store: &Store,
    objects: &[Arc<Object>],
    reading: &CsvReading,
) -> Result<Vec<Result<Probe>>> {
    let keeps = kept_whole(objects);
    let mut probes: Vec<(usize, Result<Probe>)> = Vec::with_capacity(objects.len());
    let mut common = Common::default();
    let mut answers = probe_as_answered(store, objects.to_vec(), reading);
    while let Some((index, mut probe)) = answers.try_next().await? {
        if let Ok(Probe::Csv(head)) = &mut probe {
            common.share(head);
            // A copy, because the bytes are a slice of a larger network buffer.
            head.whole =
                head.whole.take().filter(|_| index < keeps).map(|whole| Bytes::copy_from_slice(&whole));
        }
        probes.push((index, probe));
    }
    probes.sort_by_key(|(index, _)| *index);
    Ok(probes.into_iter().map(|(_, probe)| probe).collect())
}

/// How many of the first parts are kept whole, if they are small.
fn kept_whole(objects: &[Arc<Object>]) -> usize {
    let mut kept = 0;
    let is_too_much = |object: &Arc<Object>| {
        kept += if object.size <= HEAD_BYTES { object.size } else { 0 };
        kept > KEPT_BYTES
    };
    objects.iter().position(is_too_much).unwrap_or(objects.len())
}

/// Parts share what they have in common.
#[derive(Default)]
struct Common {
    header: Option<Arc<[String]>>,
    first_line: Bytes,
}

impl Common {
    fn share(&mut self, head: &mut CsvHead) {
        match &self.header {
            Some(known) if *known == head.header => head.header = Arc::clone(known),
            _ => self.header = Some(Arc::clone(&head.header)),
        }
        if self.first_line == head.first_line {
            head.first_line = self.first_line.clone();
        } else {
            self.first_line = head.first_line.clone();
        }
    }
}

/// Probes parts, many at once, and yields each result as it arrives, with the part's index. A slow part does not delay
/// the others, and the consumer decides how much to hold.
pub(crate) fn probe_as_answered(
    store: &Store,
    objects: Vec<Arc<Object>>,
    reading: &CsvReading,
) -> BoxStream<'static, Result<(usize, Result<Probe>)>> {
    let reader = Arc::new(Reader::new(store, &tokio::runtime::Handle::current(), reading));
    let mut objects = objects.into_iter().enumerate();
    if !store.is_local() {
        return stream::iter(objects)
            .map(move |(index, object)| {
                let reader = Arc::clone(&reader);
                async move {
                    if let Err(error) = object.must_be_file() {
                        return Ok((index, Err(error)));
                    }
                    match reader.store.read(&object, reader.first_range(&object)).await {
                        // A small part is already complete, which is not worth waking a thread for.
                        Ok(first) if first.len() as u64 == object.size => {
                            Ok((index, reader.probe(&object, first)))
                        }
                        Ok(first) => blocking(move || Ok((index, reader.probe(&object, first)))).await,
                        Err(error) => Ok((index, Err(error))),
                    }
                }
            })
            .buffer_unordered(CONCURRENT_HEADS)
            .boxed();
    }
    let shares = std::iter::from_fn(move || {
        let share: Vec<(usize, Arc<Object>)> = objects.by_ref().take(LOCAL_HEADS).collect();
        (!share.is_empty()).then_some(share)
    });
    stream::iter(shares)
        .map(move |share| {
            let reader = Arc::clone(&reader);
            let probe = move |(index, object): (usize, Arc<Object>)| {
                let first = reader.read(&object, reader.first_range(&object));
                Ok((index, first.and_then(|first| reader.probe(&object, first))))
            };
            blocking(move || Ok(share.into_iter().map(probe).collect::<Vec<_>>()))
        })
        .buffer_unordered(cores())
        .map_ok(stream::iter)
        .try_flatten()
        .boxed()
}

/// Whether to read a part from its end, where a Parquet file has its footer.
fn starts_at_end(object: &Object) -> bool {
    object.size > HEAD_BYTES && matches!(Format::of_name(&object.url), Some((Format::Parquet, _)))
}

/// Reads ranges of objects from a thread that may block.
pub(crate) struct Reader {
    pub(crate) store: Store,
    pub(crate) runtime: tokio::runtime::Handle,
    reading: CsvReading,
    /// Bytes read from the start or the end of a long part.
    near: u64,
    footers: Mutex<Footers>,
}

impl Reader {
    fn new(store: &Store, runtime: &tokio::runtime::Handle, reading: &CsvReading) -> Self {
        // The rows below the first line show what it is.
        let near = if reading.header == HeaderMode::Auto { HEAD_BYTES } else { NEAR_BYTES };
        Reader {
            store: store.clone(),
            runtime: runtime.clone(),
            reading: reading.clone(),
            near,
            footers: Mutex::default(),
        }
    }

    /// The first range to read from a part.
    fn first_range(&self, object: &Object) -> std::ops::Range<u64> {
        match object.size {
            size if starts_at_end(object) => size - self.near..size,
            size if size > HEAD_BYTES => 0..self.near,
            size => 0..size,
        }
    }

    pub(crate) fn read(&self, object: &Object, range: std::ops::Range<u64>) -> Result<Bytes> {
        if !self.store.is_local() {
            return self.runtime.block_on(self.store.read(object, range));
        }
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let mut buffer = vec![0; (range.end - range.start) as usize];
        read_local(&open_local(object)?, object, range.start, &mut buffer)?;
        Ok(buffer.into())
    }

    /// Probes a part whose first range was read.
    fn probe(&self, object: &Object, first: Bytes) -> Result<Probe> {
        object.must_be_file()?;
        let mut head = first;
        if starts_at_end(object) {
            if is_parquet(&head[head.len() - 4..]) {
                return self.parquet(object, head);
            }
            head = self.read(object, 0..self.near)?;
        }
        if is_parquet(&head) {
            let size = object.size;
            let tail = if size > HEAD_BYTES { self.read(object, size - self.near..size)? } else { head };
            return self.parquet(object, tail);
        }
        self.csv(object, head)
    }

    fn parquet(&self, object: &Object, tail: Bytes) -> Result<Probe> {
        let damaged = |reason: String| {
            let problem = format!("the Parquet footer is damaged or cut off: {reason}");
            damaged_part(object, problem)
        };
        // Its length, and the format's magic bytes.
        let length = match tail.last_chunk::<8>() {
            Some(&[l0, l1, l2, l3, b'P', b'A', b'R', b'1']) => u32::from_le_bytes([l0, l1, l2, l3]).into(),
            Some([.., b'P', b'A', b'R', b'E']) => {
                return Err(encrypted(object, "the Parquet footer is encrypted").into());
            }
            Some(_) => return Err(damaged("the file does not end in PAR1".into())),
            None => return Err(damaged(format!("a file of {} bytes is too short to have one", object.size))),
        };
        if length > MAX_FOOTER_BYTES {
            return Err(damaged(format!("it claims {length} bytes, and the limit is 256 MiB")));
        }
        let end = object.size - FOOTER_ENDING;
        // Before it there are at least the magic bytes.
        let start = end.checked_sub(length).filter(|start| *start >= MAGIC.len() as u64);
        let start = start.ok_or_else(|| damaged("it points outside the file".into()))?;
        let tail_start = object.size - tail.len() as u64;
        let text = match start.checked_sub(tail_start) {
            Some(from) => tail.slice(from as usize..tail.len() - FOOTER_ENDING as usize),
            None => self.read(object, start..end)?,
        };
        match read_footer(&text) {
            Ok(metadata) => {
                check_metadata(object, &metadata)?;
                let mut footer = Footer::new(metadata);
                self.footers.lock().unwrap_or_else(PoisonError::into_inner).keep(&mut footer, &text);
                Ok(Probe::Parquet(footer))
            }
            Err(FooterProblem::Encrypted(column)) => {
                Err(encrypted(object, "the column is encrypted").column(column).into())
            }
            Err(FooterProblem::Damaged(reason)) => Err(damaged(reason)),
        }
    }

    fn csv(&self, object: &Object, raw: Bytes) -> Result<Probe> {
        let wrapping = Wrapping::of(&raw);
        let mut raw = raw;
        loop {
            let raw_is_whole = raw.len() as u64 == object.size;
            let (text, text_is_whole) = match wrapping {
                Wrapping::Plain => (raw.clone(), raw_is_whole),
                _ => unwrapped_head(object, wrapping, &raw, raw_is_whole)?,
            };
            let is_whole = text_is_whole && raw_is_whole;
            self.refuse_other_formats(object, wrapping, &text)?;
            match parse_head(object, wrapping, &text, is_whole, &self.reading)? {
                Some(head) => return Ok(Probe::Csv(head)),
                // The header continues after what was read.
                None if is_whole => return Ok(Probe::Empty),
                // Nothing is left to read, or the limit is reached.
                None if raw_is_whole || raw.len() as u64 >= MAX_HEADER_BYTES => {
                    return Err(Error::data(
                        DataErrorKind::NotTheFormat,
                        &object.url,
                        "no line end within the first MiB, so this is not CSV",
                    )
                    .remedy(Remedy::NamePartFiles)
                    .into());
                }
                None => raw = self.read(object, 0..object.size.min(MAX_HEADER_BYTES))?,
            }
        }
    }

    /// Fails for anything that is not CSV, which must not become a table of one column.
    fn refuse_other_formats(&self, object: &Object, wrapping: Wrapping, text: &[u8]) -> Result<()> {
        if self.reading.is_output || object.size == 0 {
            return Ok(());
        }
        let kind = DataErrorKind::NotTheFormat;
        if let Some(sign) = looks_like(text) {
            let problem = format!("this is not CSV: it looks like {}", sign.what);
            return Err(Error::data(kind, &object.url, problem).remedy(sign.remedy).into());
        }
        if self.reading.is_told {
            return Ok(());
        }
        if let Some(what) = named_like(object.file_name()) {
            let problem = format!("this is not CSV: it is named like {what}");
            return Err(Error::data(kind, &object.url, problem).remedy(Remedy::NamePartFilesOrSayCsv).into());
        }
        if matches!(Format::of_name(&object.url), Some((Format::Parquet, _))) {
            let what = match wrapping {
                Wrapping::Plain => "text",
                Wrapping::Gzip => "text compressed with gzip",
                Wrapping::Zstd => "text compressed with Zstandard",
            };
            let problem = format!("this is not Parquet, which begins with PAR1: it looks like {what}");
            return Err(Error::data(kind, &object.url, problem).remedy(Remedy::FetchOrSayCsv).into());
        }
        Ok(())
    }
}

fn damaged_part(object: &Object, problem: String) -> Error {
    Error::data(DataErrorKind::Damaged, &object.url, problem).remedy(Remedy::FetchAgain).into()
}

fn is_parquet(head: &[u8]) -> bool {
    head.starts_with(b"PAR1") || head.starts_with(b"PARE")
}

fn encrypted(object: &Object, problem: &str) -> DataError {
    Error::data(DataErrorKind::Encrypted, &object.url, problem).remedy(Remedy::ExportUnencrypted)
}

/// The least size of a page header in bytes.
const LEAST_PAGE_BYTES: u64 = 8;

/// Checks every number in a footer that is later used as a position or a count.
fn check_metadata(object: &Object, metadata: &ParquetMetaData) -> Result<()> {
    let damaged = |problem: String| damaged_part(object, format!("the Parquet footer is damaged: {problem}"));
    let mut rows: i64 = 0;
    for (i, group) in metadata.row_groups().iter().enumerate() {
        if group.num_rows() < 0 {
            return Err(damaged(format!("row group {i} has {} rows", group.num_rows())));
        }
        rows = rows.checked_add(group.num_rows()).ok_or_else(|| damaged("too many rows".into()))?;
        for column in group.columns() {
            let wrong = |what: &str| {
                let name = column.column_path().string();
                damaged(format!("column {name} of row group {i} {what}"))
            };
            if column.file_path().is_some_and(|path| !path.is_empty()) {
                return Err(wrong("is in another file"));
            }
            #[cfg(not(feature = "brotli"))]
            if matches!(column.compression(), parquet::basic::Compression::BROTLI(_)) {
                let problem = "pages are compressed with Brotli, which this build does not support; build \
                               with the feature \"brotli\"";
                return Err(Error::data(DataErrorKind::Unsupported, &object.url, problem).into());
            }
            let count = |number: i64| u64::try_from(number).ok();
            let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
            let size = count(column.compressed_size());
            let place = count(start).zip(size.and_then(|size| count(start)?.checked_add(size)));
            let Some((start, end)) = place.filter(|(_, end)| *end <= object.size) else {
                return Err(wrong("is outside the file"));
            };
            let values = count(column.num_values()).zip(count(column.uncompressed_size()));
            let Some((values, _)) = values else { return Err(wrong("has a negative size")) };
            // A page counts its values in 31 bits.
            let most = ((end - start) / LEAST_PAGE_BYTES).saturating_mul(i32::MAX as u64);
            if values > most {
                return Err(wrong(&format!("claims {values} values in {} bytes", end - start)));
            }
            let rows = group.num_rows().unsigned_abs();
            let is_flat = column.column_descr().max_rep_level() == 0;
            if values < rows || (is_flat && values != rows) {
                return Err(wrong(&format!("has {values} values in {rows} rows")));
            }
            let data = count(column.data_page_offset());
            if rows > 0 && !data.is_some_and(|data| (start..end).contains(&data)) {
                return Err(wrong("has no pages where it says"));
            }
        }
    }
    if rows != metadata.file_metadata().num_rows() {
        return Err(damaged(format!(
            "its row groups hold {rows} rows, the file says {}",
            metadata.file_metadata().num_rows()
        )));
    }
    Ok(())
}

/// The first text of a compressed part, and whether it is all of it.
fn unwrapped_head(
    object: &Object,
    wrapping: Wrapping,
    raw: &Bytes,
    raw_is_whole: bool,
) -> Result<(Bytes, bool)> {
    let failed =
        |error: std::io::Error| damaged_part(object, format!("the compressed part cannot be read: {error}"));
    let raw: Box<dyn Read + Send> = Box::new(std::io::Cursor::new(raw.clone()));
    let mut reader = wrapping.unwrap(raw).map_err(failed)?;
    let mut text = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((text.into(), true)),
            Ok(length) => text.extend_from_slice(&buffer[..length]),
            // Only the head of the part was given, so an early end is expected.
            Err(_) if !raw_is_whole && !text.is_empty() => return Ok((text.into(), false)),
            Err(error) => return Err(failed(error)),
        }
        if text.len() as u64 >= MAX_HEADER_BYTES {
            return Ok((text.into(), false));
        }
    }
}
