//! Supplies the bytes of one row group to the Parquet decoder, from local disk or a store.

use crate::codec::parquet::{MAX_PAGE_BYTES, unpacked_size};
use crate::model::{Budget, DataError, DataErrorKind, Error, Remedy, Result};
use crate::store::{Object, Store, open_local, read_local};

use bytes::Bytes;
use futures::future::try_join_all;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;

/// Bytes per read for one column of a row group that is too large to fetch whole.
const WINDOW_BYTES: u64 = 1024 * 1024;

/// The error for a page with this many bytes before compression.
pub(super) fn too_large(object: &Object, size: u64) -> DataError {
    let problem = format!("a page has {size} bytes, and the limit is 256 MiB");
    Error::data(DataErrorKind::TooLarge, &object.url, problem).remedy(Remedy::SmallerPages)
}

#[derive(Clone)]
pub(crate) struct RowGroupReader {
    object: Arc<Object>,
    source: Source,
    failure: ReadFailure,
}

/// Why a read failed. The decoder passes on only the text, and treats it as damage.
#[derive(Clone, Default)]
pub(crate) struct ReadFailure(Arc<Mutex<Option<Error>>>);

impl ReadFailure {
    /// The failure behind a decoder's error, if there is one.
    pub(crate) fn behind(&self, error: Error) -> Error {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(error)
    }

    /// Stores an error, and returns its text.
    fn keep(&self, error: Error) -> String {
        let text = error.to_string();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        text
    }
}

#[derive(Clone)]
enum Source {
    Local(Arc<File>),
    /// Everything needed of the row group, by position in the file.
    Held(Arc<[(u64, Bytes)]>),
    /// A row group too large to hold: each column is read separately, window by window.
    Remote(Store, Handle),
}

impl RowGroupReader {
    /// Opens these ranges, which are in ascending order.
    pub(crate) fn open(
        store: &Store,
        object: &Arc<Object>,
        ranges: Vec<Range<u64>>,
        budget: Budget,
        runtime: &Handle,
    ) -> Result<Self> {
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let source = if store.is_local() {
            Source::Local(Arc::new(open_local(object)?))
        } else if bytes <= (budget.prefetch / budget.threads) as u64 {
            let reads = ranges.into_iter().map(|range| async move {
                let start = range.start;
                Ok::<_, Error>((start, store.read(object, range).await?))
            });
            Source::Held(runtime.block_on(try_join_all(reads))?.into())
        } else {
            Source::Remote(store.clone(), runtime.clone())
        };
        Ok(RowGroupReader { object: Arc::clone(object), source, failure: ReadFailure::default() })
    }

    pub(crate) fn failure(&self) -> ReadFailure {
        self.failure.clone()
    }

    fn read(&self, range: Range<u64>) -> Result<Bytes> {
        if range.end > self.object.size {
            let kind = DataErrorKind::Damaged;
            return Err(Error::data(kind, &self.object.url, "a page is outside the file").into());
        }
        match &self.source {
            Source::Local(file) => {
                let mut buffer = vec![0; (range.end - range.start) as usize];
                read_local(file, &self.object, range.start, &mut buffer)?;
                Ok(buffer.into())
            }
            Source::Held(held) => {
                let found = held
                    .iter()
                    .find(|(from, bytes)| *from <= range.start && range.end <= from + bytes.len() as u64);
                match found {
                    Some((from, bytes)) => {
                        Ok(bytes.slice((range.start - from) as usize..(range.end - from) as usize))
                    }
                    None => {
                        let problem = "a page is outside its row group";
                        Err(Error::data(DataErrorKind::Damaged, &self.object.url, problem).into())
                    }
                }
            }
            Source::Remote(store, runtime) => runtime.block_on(store.read(&self.object, range)),
        }
    }
}

impl Length for RowGroupReader {
    fn len(&self) -> u64 {
        self.object.size
    }
}

impl ChunkReader for RowGroupReader {
    type T = Window;

    /// Only page headers are read this way. The decoder allocates what a header promises, so the promise is checked
    /// first.
    fn get_read(&self, start: u64) -> parquet::errors::Result<Window> {
        let mut window = Window { reader: self.clone(), position: start, held: Bytes::new() };
        let checked = window.fill().and_then(|()| match unpacked_size(&window.held) {
            Some(size) if size > MAX_PAGE_BYTES => Err(too_large(&self.object, size).into()),
            _ => Ok(()),
        });
        checked.map_err(|error| ParquetError::General(self.failure.keep(error)))?;
        Ok(window)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let end = start.saturating_add(length as u64);
        self.read(start..end).map_err(|error| ParquetError::General(self.failure.keep(error)))
    }
}

/// Reads from a position on, a window at a time.
pub(crate) struct Window {
    reader: RowGroupReader,
    position: u64,
    held: Bytes,
}

impl Window {
    /// Reads on; empty at the end.
    fn fill(&mut self) -> Result<()> {
        let end = match &self.reader.source {
            Source::Held(held) => {
                let ends = held.iter().map(|(from, bytes)| (from, from + bytes.len() as u64));
                let mut ends = ends.filter(|(from, end)| (**from..*end).contains(&self.position));
                ends.next().map_or(self.position, |(_, end)| end)
            }
            Source::Local(_) => self.reader.object.size.min(self.position.saturating_add(4096)),
            Source::Remote(..) => self.reader.object.size.min(self.position.saturating_add(WINDOW_BYTES)),
        };
        if self.position < end {
            self.held = self.reader.read(self.position..end)?;
            self.position = end;
        }
        Ok(())
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.held.is_empty() {
            self.fill().map_err(|error| std::io::Error::other(self.reader.failure.keep(error)))?;
        }
        let length = buffer.len().min(self.held.len());
        buffer[..length].copy_from_slice(&self.held.split_to(length));
        Ok(length)
    }
}
