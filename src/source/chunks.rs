//! Cuts the text of CSV parts into chunks of whole records, in order. Several small parts make one chunk, one huge part
//! makes many, so both are equally parallel.

use super::csv_head::{CsvHead, LineEnd};
use super::unwrap::Wrapping;
use crate::codec::csv::whole_records;
use crate::model::{
    Budget, DataErrorKind, Error, MAX_RECORD_BYTES, Progress, Remedy, Result, TRANSFER_BYTES,
};
use crate::store::{Object, Store, changed, open_local};

use bytes::Bytes;
use futures::{StreamExt, stream};
use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// A part whose text is wanted.
#[derive(Debug, Clone)]
pub(crate) struct TextPart {
    /// Its index among all parts of the plan.
    pub(crate) index: usize,
    pub(crate) object: Arc<Object>,
    pub(crate) head: Arc<CsvHead>,
}

impl TextPart {
    /// Whether this end of a share is not the end of a line; only the last line of a part may lack that. A carriage
    /// return may be the first half of a line end.
    fn is_cut_within_line(&self, text: &[u8]) -> bool {
        let is_cut = self.head.end.is_some_and(|end| end < self.object.size);
        let last = self.head.line_end.unwrap_or(LineEnd::Lf).last_byte();
        is_cut && text.last().is_some_and(|byte| *byte != last)
    }
}

/// Whole records of one part within a chunk.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) part: usize,
    pub(crate) range: Range<usize>,
}

/// Records of one part or of several small ones; every line has its end. The buffer is reused.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    /// Always at its full length, so that no byte is cleared twice.
    buffer: Vec<u8>,
    length: usize,
    pub(crate) segments: Vec<Segment>,
    /// Its position in the text of all parts.
    pub(crate) position: u64,
}

impl Chunk {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

/// The text of all parts without their headers, cut into chunks in order. The caller supplies the memory for each
/// chunk.
pub(crate) struct Text {
    parts: std::vec::IntoIter<TextPart>,
    current: Option<(TextPart, Box<dyn Read + Send>)>,
    fetched: Option<Fetched>,
    /// The start of a record of the current part, in the middle of which the last chunk ended.
    rest: Vec<u8>,
    chunk: usize,
    /// The line end to add to a last line that lacks one.
    line_end: LineEnd,
    position: u64,
    progress: Arc<Progress>,
}

impl Text {
    pub(crate) fn new(
        store: &Store,
        parts: Vec<TextPart>,
        budget: Budget,
        line_end: LineEnd,
        progress: &Arc<Progress>,
    ) -> Self {
        let fetched = (!store.is_local()).then(|| prefetch(store, &parts, budget));
        Text {
            parts: parts.into_iter(),
            current: None,
            fetched,
            rest: Vec::new(),
            chunk: budget.chunk,
            line_end,
            position: 0,
            progress: Arc::clone(progress),
        }
    }

    /// Takes the next records; `false` if there are none. Blocks.
    pub(crate) fn cut(&mut self, chunk: &mut Chunk) -> Result<bool> {
        chunk.length = 0;
        chunk.segments.clear();
        chunk.position = self.position;
        while chunk.length < self.chunk / 4 * 3 {
            let (part, mut text) = match self.current.take() {
                Some(current) => current,
                None => match self.parts.next() {
                    Some(part) => {
                        let text = open(&part, self.fetched.as_ref(), &self.progress)?;
                        (part, text)
                    }
                    None => break,
                },
            };
            if self.fill(chunk, &part, &mut *text)? {
                self.current = Some((part, text));
                break;
            }
            if let Some(fetched) = &self.fetched {
                fetched.finish_part();
            }
        }
        self.position += chunk.length as u64;
        Ok(!chunk.segments.is_empty())
    }

    /// Adds records of one part; `true` if the part continues after the chunk.
    fn fill(&mut self, chunk: &mut Chunk, part: &TextPart, text: &mut dyn Read) -> Result<bool> {
        let start = chunk.length;
        let mut end = start + self.rest.len();
        let mut wanted = self.chunk.max(end);
        loop {
            // Room for two more bytes, in case the part lacks its last line end.
            if chunk.buffer.len() < wanted + 2 {
                chunk.buffer.resize(wanted + 2, 0);
            }
            if !self.rest.is_empty() {
                chunk.buffer[start..end].copy_from_slice(&self.rest);
                self.rest.clear();
            }
            let is_whole = read_full(part, text, &mut chunk.buffer[..wanted], &mut end)?;
            if is_whole {
                if part.is_cut_within_line(&chunk.buffer[start..end]) {
                    return Err(ends_within(part, &chunk.buffer[start..end]));
                }
                if end > start && !matches!(chunk.buffer[end - 1], b'\n' | b'\r') {
                    let line_end = self.line_end.bytes();
                    chunk.buffer[end..end + line_end.len()].copy_from_slice(line_end);
                    end += line_end.len();
                }
                chunk.segments.push(Segment { part: part.index, range: start..end });
                chunk.length = end;
                return Ok(false);
            }
            let whole = whole_records(&chunk.buffer[start..end]);
            if whole > 0 || start > 0 {
                if whole > 0 {
                    chunk.segments.push(Segment { part: part.index, range: start..start + whole });
                }
                self.rest.extend_from_slice(&chunk.buffer[start + whole..end]);
                chunk.length = start + whole;
                return Ok(true);
            }
            if end >= MAX_RECORD_BYTES {
                return Err(Error::data(
                    DataErrorKind::TooLarge,
                    &part.object.url,
                    "a record is longer than 64 MiB; maybe a quote is never closed",
                )
                .value(&chunk.buffer[..end])
                .remedy(Remedy::FetchDamaged)
                .into());
            }
            wanted = end * 2;
        }
    }
}

/// A share of a part that was cut within a record.
fn ends_within(part: &TextPart, text: &[u8]) -> Error {
    let line = memchr::memrchr2(b'\n', b'\r', text).map_or(0, |at| at + 1);
    let problem = "a share of the part ends within a record";
    Error::data(DataErrorKind::OpenQuote, &part.object.url, problem).value(&text[line..]).into()
}

/// Reads until the buffer is full; `true` if the text ends before that.
fn read_full(part: &TextPart, text: &mut dyn Read, buffer: &mut [u8], end: &mut usize) -> Result<bool> {
    while *end < buffer.len() {
        match text.read(&mut buffer[*end..]) {
            Ok(0) => return Ok(true),
            Ok(length) => *end += length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(read_error(part, error)),
        }
    }
    Ok(false)
}

/// Opens a part's text after its header.
fn open(
    part: &TextPart,
    fetched: Option<&Fetched>,
    progress: &Arc<Progress>,
) -> Result<Box<dyn Read + Send>> {
    let head = &part.head;
    let end = head.end.unwrap_or(part.object.size);
    if let Some(whole) = &head.whole {
        progress.add_bytes(whole.len() as u64);
        let rows = whole.slice(head.body as usize..end as usize);
        return Ok(Box::new(std::io::Cursor::new(rows)));
    }
    let wrapped = head.wrapping != Wrapping::Plain;
    let from = if wrapped { 0 } else { head.body };
    let raw: Box<dyn Read + Send> = match fetched {
        Some(fetched) => Box::new(fetched.begin_part(end - from)),
        None => {
            use std::io::Seek;
            let mut file = open_local(&part.object)?;
            file.seek(std::io::SeekFrom::Start(from))
                .map_err(|error| Error::io("reading", &part.object.url, error))?;
            Box::new(file)
        }
    };
    let left = end - from;
    let counted = Box::new(Counted { raw, left, progress: Arc::clone(progress) });
    // The header, unless only a share of the part is read.
    if head.end.is_none() {
        progress.add_bytes(from);
    }
    if !wrapped {
        return Ok(counted);
    }
    let mut text = head.wrapping.unwrap(counted).map_err(|error| read_error(part, error))?;
    std::io::copy(&mut text.by_ref().take(head.body), &mut std::io::sink())
        .map_err(|error| read_error(part, error))?;
    Ok(text)
}

/// A read within a compressed part fails because of the part's contents; other reads carry the store's error.
fn read_error(part: &TextPart, error: std::io::Error) -> Error {
    match error.downcast::<Carried>() {
        Ok(Carried(error)) => error,
        Err(error)
            if part.head.wrapping == Wrapping::Plain && error.kind() != std::io::ErrorKind::UnexpectedEof =>
        {
            Error::io("reading", &part.object.url, error)
        }
        Err(_) if part.head.wrapping == Wrapping::Plain => changed(&part.object).into(),
        Err(error) => {
            let problem = format!("the compressed part is cut short or damaged: {error}");
            Error::data(DataErrorKind::Damaged, &part.object.url, problem).remedy(Remedy::FetchAgain).into()
        }
    }
}

/// Carries one of our errors through a decompressor.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Carried(Error);

/// Reads as many bytes as the listing said, no more, and counts them.
struct Counted {
    raw: Box<dyn Read + Send>,
    left: u64,
    progress: Arc<Progress>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
        }
        let read = self.raw.read(&mut buffer[..room])?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        self.progress.add_bytes(read as u64);
        Ok(read)
    }
}

/// Bytes of remote parts, fetched ahead in order.
struct Fetched {
    shared: Arc<Mutex<Incoming>>,
}

struct Incoming {
    receiver: mpsc::Receiver<Result<Bytes>>,
    current: Bytes,
    /// Bytes of the current part that are not consumed yet.
    left: u64,
}

/// The ranges in which to fetch a part's text from a store; none if all of it is already in memory.
pub(crate) fn fetched_ranges(
    object: &Object,
    head: &CsvHead,
    budget: Budget,
) -> impl Iterator<Item = Range<u64>> {
    // Up to a multiple of that size: most stores keep objects in pieces of 8 or 16 MiB, and a range across two costs
    // both.
    let piece = TRANSFER_BYTES.min(budget.prefetch) as u64;
    let size = if head.whole.is_some() { 0 } else { head.end.unwrap_or(object.size) };
    let mut at = if head.wrapping == Wrapping::Plain { head.body } else { 0 };
    std::iter::from_fn(move || {
        let end = size.min((at / piece + 1) * piece);
        (at < size).then(|| std::mem::replace(&mut at, end)..end)
    })
}

/// Starts fetching all parts that are not in memory, a bounded number of bytes ahead.
fn prefetch(store: &Store, parts: &[TextPart], budget: Budget) -> Fetched {
    let of_part = |part: &TextPart| {
        let object = Arc::clone(&part.object);
        fetched_ranges(&part.object, &part.head, budget)
            .map(move |range| (object.clone(), range))
            .collect::<Vec<_>>()
    };
    let ranges: Vec<(Arc<Object>, Range<u64>)> = parts.iter().flat_map(of_part).collect();
    let longest = ranges.iter().map(|(_, range)| range.end - range.start).max().unwrap_or(1);
    let concurrent = (budget.prefetch as u64 / longest).clamp(1, 64) as usize;
    let (sender, receiver) = mpsc::channel(1);
    let store = store.clone();
    // Ends with the last range, with the first error, or when the reader is gone.
    tokio::spawn(async move {
        let mut reads = stream::iter(ranges)
            .map(|(object, range)| {
                let store = store.clone();
                async move { store.read(&object, range).await }
            })
            .buffered(concurrent);
        while let Some(read) = reads.next().await {
            let failed = read.is_err();
            if sender.send(read).await.is_err() || failed {
                break;
            }
        }
    });
    Fetched { shared: Arc::new(Mutex::new(Incoming { receiver, current: Bytes::new(), left: 0 })) }
}

impl Fetched {
    fn begin_part(&self, bytes: u64) -> FetchedPart {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).left = bytes;
        FetchedPart { shared: Arc::clone(&self.shared) }
    }

    /// Drops what a decompressor left unread after its last frame.
    fn finish_part(&self) {
        let mut incoming = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        while incoming.left > 0 && incoming.take(usize::MAX).is_ok_and(|bytes| !bytes.is_empty()) {}
    }
}

impl Incoming {
    fn take(&mut self, most: usize) -> std::io::Result<Bytes> {
        if self.left == 0 {
            return Ok(Bytes::new());
        }
        if self.current.is_empty() {
            self.current = match self.receiver.blocking_recv() {
                Some(Ok(bytes)) => bytes,
                Some(Err(error)) => return Err(std::io::Error::other(Carried(error))),
                None => return Ok(Bytes::new()),
            };
        }
        let length = self.current.len().min(most).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= length as u64;
        Ok(self.current.split_to(length))
    }
}

struct FetchedPart {
    shared: Arc<Mutex<Incoming>>,
}

impl Read for FetchedPart {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.shared.lock().unwrap_or_else(PoisonError::into_inner).take(buffer.len())?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}
