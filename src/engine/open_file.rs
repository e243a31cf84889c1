//! Files of the output: open ones, and finished ones that are not published yet.

use crate::codec::parquet::Assembler;
use crate::model::{Error, Result, WrittenFile};
use crate::sink::{Sink, SinkOptions, Target, publish_all};
use crate::store::{ContentType, Location};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// A completely written file that waits to be published.
pub(crate) struct Finished {
    pub(crate) sink: Sink,
    pub(crate) file: WrittenFile,
    /// The data for rewriting the footer, if its receipt must contain the digest of what was read back.
    pub(super) pending_footer: Option<Assembler>,
}

impl Finished {
    pub(crate) fn new(sink: Sink, file: WrittenFile) -> Self {
        Finished { sink, file, pending_footer: None }
    }
}

/// A file being written.
pub(super) struct OpenFile {
    pub(super) sink: Sink,
    name: String,
    pub(super) bytes: u64,
    /// `None` if uncounted rows were copied.
    pub(super) rows: Option<u64>,
    pub(super) pending_footer: Option<Assembler>,
}

impl OpenFile {
    pub(super) async fn create(target: &Target, options: SinkOptions) -> Result<Self> {
        Ok(Self::new(Sink::create(target, options).await?, target))
    }

    pub(super) fn new(sink: Sink, target: &Target) -> Self {
        OpenFile { sink, name: target.to_string(), bytes: 0, rows: Some(0), pending_footer: None }
    }

    pub(super) fn add_rows(&mut self, rows: u64) {
        self.rows = self.rows.map(|before| before + rows);
    }

    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.write_all(vec![bytes]).await
    }

    pub(super) async fn write_all(&mut self, pieces: Vec<Bytes>) -> Result<()> {
        self.bytes += pieces.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
        self.sink.write(pieces).await
    }

    /// Returns the file for publishing, or removes it if writing or finishing it failed.
    pub(super) async fn close(mut self, finished: Result<()>) -> Result<Finished> {
        match finished {
            Ok(()) => Ok(self.into_finished()),
            Err(error) => {
                self.sink.abort().await;
                Err(error)
            }
        }
    }

    pub(super) fn into_finished(self) -> Finished {
        Finished {
            sink: self.sink,
            file: WrittenFile { file: self.name, bytes: self.bytes, rows: self.rows },
            pending_footer: self.pending_footer,
        }
    }
}

/// Writes files, this many at a time, and returns them in order. After a failure, no more are started, those in
/// progress are awaited, so that each cleans up after itself, and then the finished ones are removed.
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

/// Removes files that will not be published.
pub(crate) async fn abort(files: &mut [Finished]) {
    for file in files {
        file.sink.abort().await;
    }
}

/// Publishes files, in order, or none of them.
pub(crate) async fn publish(files: &mut [Finished]) -> Result<()> {
    publish_all(files.iter_mut().map(|file| &mut file.sink).collect()).await
}

/// An empty marker file, as the service leaves next to the parts. It is not published yet.
pub(crate) async fn marker(target: &Location) -> Result<Finished> {
    let options = SinkOptions {
        overwrite: true,
        expected_bytes: 0,
        single_put_limit: 0,
        reread: false,
        content: ContentType::MARKER,
        run: None,
    };
    let mut file = OpenFile::create(&Target::File(target.clone()), options).await?;
    let finished = file.sink.finish().await;
    file.close(finished).await
}

/// The folders on local disk that were created for files, each once, the outermost first.
pub(crate) fn made_folders(files: &[Finished]) -> Vec<String> {
    let folders: BTreeSet<&PathBuf> = files.iter().flat_map(|file| file.sink.made_folders()).collect();
    folders.into_iter().map(|folder| format!("{}/", folder.display())).collect()
}
