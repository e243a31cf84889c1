//! A store in memory, of which one chosen request fails.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Operation {
    List,
    Head,
    Get,
    Put,
    Begin,
    Part,
    Complete,
    Abort,
    Delete,
}

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The store does not do what was asked.
    Refused,
    /// The store does it and the answer is lost; of a listing or an object, the second half is.
    AnswerLost,
    /// The store refuses this and every later request.
    Gone,
}

#[derive(Debug, Default)]
struct State {
    counts: Mutex<HashMap<Operation, usize>>,
    faults: Mutex<Vec<(Operation, usize, Failure)>>,
    fired: Mutex<Vec<Failure>>,
    uploads: AtomicIsize,
}

/// Clones are the same store.
#[derive(Debug, Clone, Default)]
pub(crate) struct FailingStore {
    inner: Arc<InMemory>,
    state: Arc<State>,
}

fn failed() -> Error {
    Error::Generic { store: "test", source: "this request was chosen to fail".into() }
}

impl FailingStore {
    /// The `k`-th request of this kind from now on, from 1, fails.
    pub(crate) fn fail(&self, operation: Operation, k: usize, failure: Failure) {
        self.state.faults.lock().expect("no panic").push((operation, k, failure));
    }

    /// How many requests failed because they were chosen to.
    pub(crate) fn fired(&self) -> usize {
        self.state.fired.lock().expect("no panic").len()
    }

    /// How often each operation was asked for.
    pub(crate) fn counts(&self) -> HashMap<Operation, usize> {
        self.state.counts.lock().expect("no panic").clone()
    }

    /// Uploads that were begun and neither completed nor aborted.
    pub(crate) fn open_uploads(&self) -> isize {
        self.state.uploads.load(Ordering::SeqCst)
    }

    /// The store without its faults.
    pub(crate) fn inner(&self) -> &InMemory {
        &self.inner
    }

    fn next(&self, operation: Operation) -> Option<Failure> {
        let mut fired = self.state.fired.lock().expect("no panic");
        if fired.contains(&Failure::Gone) {
            return Some(Failure::Refused);
        }
        let mut counts = self.state.counts.lock().expect("no panic");
        let count = counts.entry(operation).or_default();
        *count += 1;
        let faults = self.state.faults.lock().expect("no panic");
        let (_, _, failure) = faults.iter().find(|(kind, k, _)| *kind == operation && k == count)?;
        fired.push(*failure);
        Some(*failure)
    }

    /// Asks, unless the request is refused; loses the answer where that is its lot.
    async fn ask<T>(&self, operation: Operation, request: impl Future<Output = Result<T>>) -> Result<T> {
        match self.next(operation) {
            None => request.await,
            Some(Failure::AnswerLost) => {
                request.await?;
                Err(failed())
            }
            Some(_) => Err(failed()),
        }
    }
}

impl fmt::Display for FailingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that fails")
    }
}

// A method that is left to its default would go past the faults.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ObjectStore for FailingStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.ask(Operation::Put, self.inner.put_opts(path, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        // An upload whose first answer is lost has an id that nobody knows: nothing can be asked of it.
        let upload = match self.next(Operation::Begin) {
            None => self.inner.put_multipart_opts(path, options).await?,
            Some(_) => return Err(failed()),
        };
        self.state.uploads.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(FailingUpload { inner: upload, store: self.clone(), is_open: true }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let operation = if options.head { Operation::Head } else { Operation::Get };
        match self.next(operation) {
            None => self.inner.get_opts(path, options).await,
            Some(Failure::AnswerLost) if operation == Operation::Get => {
                let mut result = self.inner.get_opts(path, options).await?;
                let (meta, range, attributes) =
                    (result.meta.clone(), result.range.clone(), result.attributes.clone());
                let extensions = std::mem::take(&mut result.extensions);
                let bytes = result.bytes().await?;
                let half = stream::iter([Ok(bytes.slice(..bytes.len() / 2)), Err(failed())]);
                let payload = object_store::GetResultPayload::Stream(half.boxed());
                Ok(GetResult { payload, meta, range, attributes, extensions })
            }
            Some(_) => Err(failed()),
        }
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.ask(Operation::Get, self.inner.get_ranges(path, ranges)).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.next(Operation::Delete) {
            None => self.inner.delete_stream(paths),
            Some(_) => stream::once(async { Err(failed()) }).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let all = self.inner.list(prefix);
        match self.next(Operation::List) {
            None => all,
            // Some are told, then the answer breaks off.
            Some(Failure::AnswerLost) => all.take(1).chain(stream::once(async { Err(failed()) })).boxed(),
            Some(_) => stream::once(async { Err(failed()) }).boxed(),
        }
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.next(Operation::List) {
            None => self.inner.list_with_offset(prefix, offset),
            Some(_) => stream::once(async { Err(failed()) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.ask(Operation::List, self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.ask(Operation::Put, self.inner.copy_opts(from, to, options)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.ask(Operation::Put, self.inner.rename_opts(from, to, options)).await
    }
}

#[derive(Debug)]
struct FailingUpload {
    inner: Box<dyn MultipartUpload>,
    store: FailingStore,
    is_open: bool,
}

impl FailingUpload {
    fn close(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.store.state.uploads.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl MultipartUpload for FailingUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.inner.put_part(data);
        let store = self.store.clone();
        Box::pin(async move { store.ask(Operation::Part, part).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        match self.store.next(Operation::Complete) {
            Some(Failure::Refused | Failure::Gone) => Err(failed()),
            fault => {
                let done = self.inner.complete().await?;
                self.close();
                if fault.is_some() { Err(failed()) } else { Ok(done) }
            }
        }
    }

    async fn abort(&mut self) -> Result<()> {
        match self.store.next(Operation::Abort) {
            Some(Failure::Refused | Failure::Gone) => Err(failed()),
            fault => {
                self.inner.abort().await?;
                self.close();
                if fault.is_some() { Err(failed()) } else { Ok(()) }
            }
        }
    }
}
