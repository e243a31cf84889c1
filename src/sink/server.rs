//! An S3 object that the server assembles from ranges of the parts, which it copies, and from bytes sent between them.
//! Like any upload, it appears when it is completed.

use super::journal;
use super::object::{ATTEMPTS, MARK, identity_of, is_marked, not_published, random_mark};
use super::target::SinkOptions;
use crate::model::{Error, ExistsWhy, Progress, Result};
use crate::source::Input;
use crate::store::{
    Copier, Cutter, Limits, Location, Own, Span, UploadPiece, UploadTicket, ended_early, store_error,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{MultipartId, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutPayload};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Requests in flight at the same time: a copy only waits for the server.
const CONCURRENT_PARTS: usize = 16;
/// How many of them hold bytes here.
const CONCURRENT_SENT: usize = 4;
/// The delay between two aborts, so that a copy in progress during the first has ended.
const ABORT_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The parts of an input, as sources of an upload.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) input: Arc<Input>,
    pub(crate) progress: Arc<Progress>,
}

/// A finished piece: its number, and whether it was sent from here.
type Arrived = (usize, bool, PartId);

pub(crate) struct ServerSink {
    upload: Arc<OpenUpload>,
    store: Arc<dyn ObjectStore>,
    location: Location,
    overwrite: bool,
    mark: String,
    /// Taken at the end.
    cutter: Option<Cutter<Bytes>>,
    /// Bytes of everything pushed.
    written: u64,
    /// By number; `None` while a piece is in flight.
    pieces: Vec<Option<PartId>>,
    under_way: JoinSet<Result<Arrived>>,
    sent_under_way: usize,
    /// The server has copied a piece, so it will copy others.
    copies: bool,
    /// There is an upload to abort.
    is_open: bool,
    noted: Option<journal::Noted>,
    e_tag: Option<String>,
}

/// The state shared by all requests of an upload.
struct OpenUpload {
    copier: Copier,
    from: Copier,
    sources: Sources,
    path: Path,
    id: MultipartId,
    shown: String,
}

impl ServerSink {
    /// Begins an upload.
    #[cfg_attr(
        not(feature = "aws"),
        expect(unused_variables, reason = "without S3 there is no copier, so no upload")
    )]
    pub(crate) async fn create(
        location: &Location,
        options: SinkOptions,
        limits: Limits,
        sources: Sources,
    ) -> Result<Self> {
        let (Some(store), Some(copier), Some(from)) =
            (location.store.object_store(), location.store.copier(), sources.input.store.copier())
        else {
            return Err(Error::Internal("a store that does not copy was asked to".into()));
        };
        let (copier, from) = (copier.clone(), from.clone());
        let path = location.store.path(&location.path)?;
        let shown = super::target::shown(location);
        let mark = random_mark(options.run);
        let objects = location.store.objects();
        let mut attributes = objects.attributes(options.content);
        attributes.insert(MARK, mark.clone().into());
        let tags = objects.tag_set();
        let mut begin = PutMultipartOptions { attributes, tags, ..Default::default() };
        begin.extensions.insert(UploadTicket::new(!options.overwrite));
        let begun = copier.begin(&path, begin).await;
        let id = begun.map_err(|error| store_error("writing", &shown, error))?;
        let noted = journal::note(&location.store, &location.path, id.clone());
        let store = Arc::clone(store);
        Ok(ServerSink {
            upload: Arc::new(OpenUpload { copier, from, sources, path, id, shown }),
            store,
            location: location.clone(),
            overwrite: options.overwrite,
            mark,
            cutter: Some(Cutter::new(limits)),
            written: 0,
            pieces: Vec::new(),
            under_way: JoinSet::new(),
            sent_under_way: 0,
            copies: false,
            is_open: true,
            noted,
            e_tag: None,
        })
    }

    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Appends bytes.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.push(Span::Ours(bytes)).await
    }

    /// Appends a range of a part of the input.
    pub(crate) async fn copy(&mut self, part: usize, range: Range<u64>) -> Result<()> {
        self.push(Span::Source(part, range)).await
    }

    async fn push(&mut self, span: Span<Bytes>) -> Result<()> {
        self.written += span.len();
        let mut pieces = Vec::new();
        if let Some(cutter) = &mut self.cutter {
            cutter.push(span, &mut pieces);
        }
        self.begin_pieces(pieces).await
    }

    /// Starts copying or sending pieces; waits if too many are in flight.
    async fn begin_pieces(&mut self, pieces: Vec<UploadPiece<Bytes>>) -> Result<()> {
        for piece in pieces {
            let number = self.pieces.len();
            self.pieces.push(None);
            let is_sent = matches!(piece, UploadPiece::Glue(_));
            while self.under_way.len() >= CONCURRENT_PARTS
                || (is_sent && self.sent_under_way >= CONCURRENT_SENT)
            {
                self.wait_for_part().await?;
            }
            let upload = Arc::clone(&self.upload);
            // Each ends with its request; dropped, and so cancelled, with the set.
            match piece {
                UploadPiece::Copy(source, range) if !self.copies => {
                    // A server that refuses the first copy would refuse all of them.
                    let copied = upload.copy(number, source, range).await?;
                    self.arrived(copied);
                    self.copies = true;
                }
                UploadPiece::Copy(source, range) => {
                    self.under_way.spawn(async move { upload.copy(number, source, range).await });
                }
                UploadPiece::Glue(spans) => {
                    self.sent_under_way += 1;
                    self.under_way.spawn(async move { upload.send(number, spans).await });
                }
            }
        }
        Ok(())
    }

    fn arrived(&mut self, (number, is_sent, piece): Arrived) {
        self.sent_under_way -= usize::from(is_sent);
        self.pieces[number] = Some(piece);
    }

    async fn wait_for_part(&mut self) -> Result<()> {
        match self.under_way.join_next().await {
            None => Ok(()),
            Some(Ok(arrived)) => {
                self.arrived(arrived?);
                Ok(())
            }
            Some(Err(error)) => Err(ended_early("uploading", error)),
        }
    }

    pub(crate) async fn finish(&mut self) -> Result<()> {
        let mut pieces = Vec::new();
        if let Some(cutter) = self.cutter.take() {
            cutter.finish(&mut pieces);
        }
        self.begin_pieces(pieces).await?;
        while !self.under_way.is_empty() {
            self.wait_for_part().await?;
        }
        Ok(())
    }

    pub(crate) async fn publish(&mut self) -> Result<String> {
        let pieces: Vec<PartId> = self.pieces.iter().flatten().cloned().collect();
        if pieces.len() != self.pieces.len() {
            return Err(Error::Internal("an upload is published before it is finished".into()));
        }
        let OpenUpload { copier, path, id, shown, .. } = &*self.upload;
        // Some servers ignore the condition on the completion.
        if !self.overwrite && crate::store::exists(&self.location).await? {
            return Err(Error::exists(shown, ExistsWhy::Exists));
        }
        match copier.complete(path, id, pieces).await {
            Ok(put) => self.e_tag = put.e_tag,
            Err(_) if self.is_there().await => {}
            Err(error) => return Err(not_published(error, shown, self.overwrite)),
        }
        self.is_open = false;
        self.noted = None;
        Ok(shown.clone())
    }

    async fn is_there(&self) -> bool {
        is_marked(&*self.store, &self.upload.path, self.written, &self.mark).await
    }

    /// Unpublishes an object, unless it may have replaced another or was replaced itself.
    pub(crate) async fn retract(&mut self) {
        for _ in 0..ATTEMPTS {
            if self.overwrite || !self.is_there().await || self.store.delete(&self.upload.path).await.is_ok()
            {
                return;
            }
        }
    }

    pub(crate) fn e_tag(&self) -> Option<String> {
        self.e_tag.clone()
    }

    /// The store's identifier of the published object.
    pub(crate) async fn identity(&self) -> Result<(Option<String>, Option<DateTime<Utc>>)> {
        identity_of(self.e_tag.as_ref(), &self.location).await
    }

    pub(crate) async fn abort(&mut self) {
        let was_under_way = !self.under_way.is_empty();
        self.under_way.shutdown().await;
        if std::mem::take(&mut self.is_open) {
            self.upload.abort(was_under_way, self.noted.take()).await;
        }
    }
}

impl OpenUpload {
    async fn copy(&self, number: usize, source: usize, range: Range<u64>) -> Result<Arrived> {
        let object = &self.sources.input.parts[source].object;
        let bytes = range.end - range.start;
        let piece = self.copier.copy_piece((&self.path, &self.id, number), &self.from, object, range).await?;
        self.sources.progress.add_bytes(bytes);
        Ok((number, false, piece))
    }

    async fn send(&self, number: usize, spans: Vec<Span<Bytes>>) -> Result<Arrived> {
        let mut pieces = Vec::with_capacity(spans.len());
        for span in spans {
            pieces.push(match span {
                Span::Ours(bytes) => bytes,
                Span::Source(source, range) => {
                    let Input { store, parts, .. } = &*self.sources.input;
                    let bytes = store.read(&parts[source].object, range).await?;
                    self.sources.progress.add_bytes(Own::len(&bytes));
                    bytes
                }
            });
        }
        let sent = self.copier.send_piece(&self.path, &self.id, number, PutPayload::from_iter(pieces)).await;
        let piece = sent.map_err(|error| store_error("writing", &self.shown, error))?;
        Ok((number, true, piece))
    }

    /// A copy continues on the server even if no one waits for it. One that ends after the abort would stay and cost
    /// money, so the abort is repeated when the copy should be over. An upload that stays anyway is left in the
    /// journal, for the next run.
    async fn abort(&self, was_under_way: bool, noted: Option<journal::Noted>) {
        let mut is_again = was_under_way;
        for _ in 0..ATTEMPTS {
            match self.copier.abort(&self.path, &self.id).await {
                Err(object_store::Error::NotFound { .. }) => return,
                Ok(()) if !std::mem::take(&mut is_again) => return,
                Ok(()) => tokio::time::sleep(ABORT_AGAIN_AFTER).await,
                Err(_) => {}
            }
        }
        std::mem::forget(noted);
    }
}

impl Drop for ServerSink {
    /// For a run whose future was dropped; an explicit abort is awaited.
    fn drop(&mut self) {
        if std::mem::take(&mut self.is_open)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let upload = Arc::clone(&self.upload);
            self.under_way.abort_all();
            let noted = self.noted.take();
            runtime.spawn(async move { upload.abort(true, noted).await });
        }
    }
}
