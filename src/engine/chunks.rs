//! The text of CSV parts, cut into chunks of whole records, in order.
//!
//! One thread reads the parts one after the other and cuts; jobs decode or check the chunks it hands out. Several
//! small parts make one chunk, one huge part makes many, so both are equally parallel.

use super::budget::{Budget, MAX_RECORD_BYTES, TRANSFER_BYTES};
use super::progress::Progress;
use crate::decode::csv::whole_records;
use crate::error::{Error, Result};
use crate::location::{Object, Store, changed, open_local};
use crate::probe::{CsvHead, Wrapping};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// A part of which the text is wanted.
#[derive(Debug, Clone)]
pub(crate) struct TextPart {
    /// Its place among all parts of the plan.
    pub(crate) index: usize,
    pub(crate) object: Object,
    pub(crate) head: CsvHead,
}

/// Whole records of one part within a chunk.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) part: usize,
    pub(crate) range: Range<usize>,
    /// The part ends with it.
    pub(crate) is_last: bool,
}

/// Records of one part or of several small ones.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) segments: Vec<Segment>,
}

/// Chunks that wait between the reader and the jobs.
const CHUNKS_AHEAD: usize = 1;

/// Reads the text after the headers of all parts.
pub(crate) fn chunks(
    store: &Store,
    parts: Vec<TextPart>,
    budget: Budget,
    progress: &Arc<Progress>,
) -> impl Stream<Item = Result<Chunk>> + Send + use<> {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let fetched = (!store.is_local()).then(|| prefetch(store, &parts, budget));
    let progress = Arc::clone(progress);
    // Ends with the last part, with an error, or when the stream is dropped and nobody takes chunks any more.
    tokio::task::spawn_blocking(move || {
        let mut cutter = Cutter { sender, chunk: budget.chunk, bytes: Vec::new(), segments: Vec::new() };
        if let Err(Some(error)) = cutter.run(&parts, fetched, &progress) {
            let _ = cutter.sender.blocking_send(Err(error));
        }
    });
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|chunk| (chunk, receiver)) })
}

struct Cutter {
    sender: mpsc::Sender<Result<Chunk>>,
    chunk: usize,
    /// The chunk being filled.
    bytes: Vec<u8>,
    segments: Vec<Segment>,
}

/// `Err(None)`: nobody takes chunks any more.
type Cut<T = ()> = Result<T, Option<Error>>;

impl Cutter {
    fn run(&mut self, parts: &[TextPart], fetched: Option<Fetched>, progress: &Arc<Progress>) -> Cut {
        for part in parts {
            let mut text = open(part, fetched.as_ref(), progress).map_err(Some)?;
            self.cut(part, &mut *text)?;
            if let Some(fetched) = &fetched {
                fetched.finish_part();
            }
        }
        self.send(0)
    }

    fn cut(&mut self, part: &TextPart, text: &mut dyn Read) -> Cut {
        if self.bytes.len() >= self.chunk / 2 {
            self.send(0)?;
        }
        let mut start = self.bytes.len();
        let mut room = self.chunk;
        loop {
            let wanted = (room.saturating_sub(self.bytes.len())).max(self.chunk / 4);
            self.bytes.reserve_exact(wanted);
            let read = (&mut *text)
                .take(wanted as u64)
                .read_to_end(&mut self.bytes)
                .map_err(|error| Some(read_error(part, error)))?;
            if read < wanted {
                let range = start..self.bytes.len();
                self.segments.push(Segment { part: part.index, range, is_last: true });
                return Ok(());
            }
            let whole = whole_records(&self.bytes[start..]);
            if whole > 0 {
                self.segments.push(Segment { part: part.index, range: start..start + whole, is_last: false });
                self.send(start + whole)?;
                (start, room) = (0, self.chunk);
            } else if start > 0 {
                self.send(start)?;
                (start, room) = (0, self.chunk);
            } else if self.bytes.len() >= MAX_RECORD_BYTES {
                return Err(Some(
                    Error::data(&part.object.url, "a record is longer than 64 MiB: is a quote never closed?")
                        .value(&self.bytes)
                        .remedy("the part may be damaged; fetch or export it again")
                        .into(),
                ));
            } else {
                room = self.bytes.len() * 2;
            }
        }
    }

    /// Hands the chunk out and begins the next one with what follows `end`, or with nothing where `end` is 0.
    fn send(&mut self, end: usize) -> Cut {
        let end = if end == 0 { self.bytes.len() } else { end };
        let rest = &self.bytes[end..];
        let mut next = Vec::with_capacity(self.chunk.max(rest.len()));
        next.extend_from_slice(rest);
        let mut bytes = std::mem::replace(&mut self.bytes, next);
        bytes.truncate(end);
        let segments = std::mem::take(&mut self.segments);
        if segments.is_empty() {
            return Ok(());
        }
        self.sender.blocking_send(Ok(Chunk { bytes, segments })).map_err(|_| None)
    }
}

/// Opens a part's text behind its header.
fn open(
    part: &TextPart,
    fetched: Option<&Fetched>,
    progress: &Arc<Progress>,
) -> Result<Box<dyn Read + Send>> {
    let head = &part.head;
    if let Some(whole) = &head.whole {
        progress.add_bytes(whole.len() as u64);
        return Ok(Box::new(std::io::Cursor::new(whole.slice(head.body as usize..))));
    }
    let wrapped = head.wrapping != Wrapping::Plain;
    let from = if wrapped { 0 } else { head.body };
    let raw: Box<dyn Read + Send> = match fetched {
        Some(fetched) => Box::new(fetched.begin_part(part.object.size - from)),
        None => {
            use std::io::Seek;
            let mut file = open_local(&part.object)?;
            file.seek(std::io::SeekFrom::Start(from))
                .map_err(|error| Error::io("reading", &part.object.url, error))?;
            Box::new(file)
        }
    };
    let left = part.object.size - from;
    let counted = Box::new(Counted { raw, left, progress: Arc::clone(progress) });
    progress.add_bytes(from);
    if !wrapped {
        return Ok(counted);
    }
    let mut text = head.wrapping.unwrap(counted).map_err(|error| read_error(part, error))?;
    std::io::copy(&mut text.by_ref().take(head.body), &mut std::io::sink())
        .map_err(|error| read_error(part, error))?;
    Ok(text)
}

/// A read within a compressed part fails for the part's contents, other reads carry the store's error.
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
            Error::data(&part.object.url, format!("the compressed part is cut short or damaged: {error}"))
                .remedy("fetch or export the part again")
                .into()
        }
    }
}

/// An error of ours on its way through a decompressor.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Carried(Error);

/// Reads as many bytes as the listing promised, no more, and counts them.
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
    /// Bytes of the part at hand that were not taken yet.
    left: u64,
}

/// Begins to fetch all parts that are not held already, a bounded number of bytes ahead.
fn prefetch(store: &Store, parts: &[TextPart], budget: Budget) -> Fetched {
    let mut ranges = Vec::new();
    for part in parts.iter().filter(|part| part.head.whole.is_none()) {
        let mut at = if part.head.wrapping == Wrapping::Plain { part.head.body } else { 0 };
        while at < part.object.size {
            let end = part.object.size.min(at + (TRANSFER_BYTES.min(budget.prefetch)) as u64);
            ranges.push((part.object.clone(), at..end));
            at = end;
        }
    }
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

    /// Lets go of what a decompressor left unread behind its last frame.
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
