//! An object: uploaded in pieces, which a store shows only once the upload is completed. A small one is held and sent
//! in one PUT request.

use super::journal;
use super::target::SinkOptions;
use crate::model::{Error, ExistsWhy, Result, TRANSFER_BYTES};
use crate::store::{Crc64Nvme, Location, UploadTicket, ended_early, store_error};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetOptions, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload,
};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use sync_wrapper::SyncWrapper;
use tokio::task::{JoinHandle, JoinSet};

/// Pieces that are in flight at the same time.
const CONCURRENT_PIECES: usize = 4;
/// A store accepts at most 10,000 pieces; some are kept in reserve, because the output's size is only an estimate.
const PLANNED_PIECES: u64 = 8_000;
/// Beyond the estimate, pieces double in size after every so many, so that no output outgrows the limit.
const PIECES_UNTIL_DOUBLED: usize = 1_000;
/// The key of our mark in an object's metadata, without hyphens, because Azure accepts only identifiers.
pub(super) const MARK: Attribute = Attribute::Metadata(std::borrow::Cow::Borrowed("uploadid"));

impl SinkOptions {
    /// Bytes of the first pieces of an upload.
    fn first_piece(&self) -> usize {
        let planned = usize::try_from(self.expected_bytes / PLANNED_PIECES).unwrap_or(usize::MAX);
        planned.clamp(TRANSFER_BYTES, 512 * 1024 * 1024)
    }

    /// The pieces in which an object of this size is uploaded; `None` if it is sent in one PUT request.
    pub(crate) fn pieces_of(&self, bytes: u64) -> Option<u64> {
        let mut piece = self.first_piece() as u64;
        if bytes < piece && bytes <= self.single_put_limit as u64 {
            return None;
        }
        let (mut left, mut count) = (bytes, 0);
        while left >= piece {
            left -= piece;
            count += 1;
            if count % PIECES_UNTIL_DOUBLED as u64 == 0 {
                piece *= 2;
            }
        }
        Some(count + u64::from(left > 0))
    }
}

pub(crate) struct ObjectSink {
    store: Arc<dyn ObjectStore>,
    location: Location,
    path: Path,
    options: SinkOptions,
    /// Bytes that are not in flight yet.
    held: Vec<Bytes>,
    held_bytes: usize,
    /// Bytes of all pieces, including those held.
    written: u64,
    /// A random text that distinguishes this object from any other of its name.
    mark: String,
    piece: usize,
    /// The request that begins the upload. It continues even if its sender is stopped, because its answer is needed to
    /// abort.
    beginning: Option<JoinHandle<object_store::Result<Box<dyn MultipartUpload>>>>,
    /// Wrapped, so that a run can move from thread to thread with its sinks borrowed.
    upload: Option<SyncWrapper<Box<dyn MultipartUpload>>>,
    ticket: UploadTicket,
    /// The checksum of all bytes so far, which the store's must equal.
    checksum: Crc64Nvme,
    noted: Option<journal::Noted>,
    pieces: usize,
    under_way: JoinSet<object_store::Result<()>>,
    /// The store's identifier of the published object.
    e_tag: Option<String>,
}

impl ObjectSink {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, location: Location, options: SinkOptions) -> Result<Self> {
        let path = location.store.path(&location.path)?;
        let piece = options.first_piece();
        Ok(ObjectSink {
            store,
            location,
            path,
            options,
            held: Vec::new(),
            held_bytes: 0,
            written: 0,
            mark: random_mark(options.run),
            piece,
            beginning: None,
            upload: None,
            ticket: UploadTicket::new(!options.overwrite),
            checksum: Crc64Nvme::default(),
            noted: None,
            pieces: 0,
            under_way: JoinSet::new(),
            e_tag: None,
        })
    }

    fn failed(&self, error: object_store::Error) -> Error {
        store_error("writing", &super::target::shown(&self.location), error)
    }

    pub(crate) async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        self.written += bytes.len() as u64;
        self.checksum.update(&bytes);
        while self.held_bytes + bytes.len() >= self.piece {
            let fits = self.piece - self.held_bytes;
            self.held.push(bytes.split_to(fits));
            self.held_bytes += fits;
            self.send_piece().await?;
        }
        if !bytes.is_empty() {
            self.held_bytes += bytes.len();
            self.held.push(bytes);
        }
        Ok(())
    }

    /// Sends what is held as the next piece; waits for an earlier one if too many are in flight.
    async fn send_piece(&mut self) -> Result<()> {
        while self.under_way.len() >= CONCURRENT_PIECES {
            self.wait_for_piece().await?;
        }
        let payload = PutPayload::from_iter(std::mem::take(&mut self.held));
        self.held_bytes = 0;
        if self.upload.is_none() {
            let mut options = PutMultipartOptions {
                attributes: self.attributes(),
                tags: self.location.store.objects().tag_set(),
                ..PutMultipartOptions::default()
            };
            options.extensions.insert(self.ticket.clone());
            let (store, path) = (Arc::clone(&self.store), self.path.clone());
            // Ends with its request, and is awaited by an abort.
            self.beginning =
                Some(tokio::spawn(async move { store.put_multipart_opts(&path, options).await }));
            self.begun().await?;
        }
        if let Some(upload) = &mut self.upload {
            // Ends with its request; dropped, and so cancelled, with the set.
            self.under_way.spawn(upload.get_mut().put_part(payload));
        }
        self.pieces += 1;
        if self.pieces.is_multiple_of(PIECES_UNTIL_DOUBLED) {
            self.piece = self.piece.saturating_mul(2);
        }
        Ok(())
    }

    /// Waits until the upload has begun.
    async fn begun(&mut self) -> Result<()> {
        let Some(beginning) = &mut self.beginning else { return Ok(()) };
        let begun = beginning.await;
        self.beginning = None;
        let begun = begun.map_err(|error| ended_early("uploading", error))?;
        self.upload = Some(SyncWrapper::new(begun.map_err(|error| self.failed(error))?));
        let id = self.ticket.id();
        self.noted = id.and_then(|id| journal::note(&self.location.store, &self.location.path, id));
        Ok(())
    }

    async fn wait_for_piece(&mut self) -> Result<()> {
        match self.under_way.join_next().await {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(self.failed(error)),
            Some(Err(error)) => Err(ended_early("uploading", error)),
        }
    }

    pub(crate) async fn finish(&mut self) -> Result<()> {
        let is_small = self.upload.is_none() && self.held_bytes <= self.options.single_put_limit;
        if !is_small && self.held_bytes > 0 {
            self.send_piece().await?;
        }
        while !self.under_way.is_empty() {
            self.wait_for_piece().await?;
        }
        Ok(())
    }

    pub(crate) async fn publish(&mut self) -> Result<String> {
        let shown = super::target::shown(&self.location);
        // Some servers do not support the condition, or ignore it, so check once more right before.
        if !self.options.overwrite && crate::store::exists(&self.location).await? {
            return Err(Error::exists(shown, ExistsWhy::Exists));
        }
        if let Some(upload) = &mut self.upload {
            match upload.get_mut().complete().await {
                Ok(put) => self.e_tag = put.e_tag,
                Err(_) if self.is_there().await => {}
                Err(error) => return Err(self.not_published(error)),
            }
            self.upload = None;
            self.noted = None;
        } else {
            let mode = if self.options.overwrite { PutMode::Overwrite } else { PutMode::Create };
            let payload = PutPayload::from_iter(self.held.iter().cloned());
            let mut options = PutOptions {
                mode,
                attributes: self.attributes(),
                tags: self.location.store.objects().tag_set(),
                ..PutOptions::default()
            };
            options.extensions.insert(self.ticket.clone());
            match self.store.put_opts(&self.path, payload, options).await {
                Ok(put) => self.e_tag = put.e_tag,
                Err(_) if self.is_there().await => {}
                Err(error) => return Err(self.not_published(error)),
            }
        }
        self.check_stored(&shown).await?;
        Ok(shown)
    }

    /// Compares the store's checksum, if it returned one, with that of the sent bytes.
    async fn check_stored(&mut self, shown: &str) -> Result<()> {
        let (sent, Some(stored)) = (self.checksum.base64(), self.ticket.checksum()) else { return Ok(()) };
        if stored == sent {
            return Ok(());
        }
        self.retract().await;
        Err(Error::Store {
            doing: "writing",
            object: shown.to_owned(),
            reason: format!(
                "the store holds different bytes than were sent: their CRC64NVME is {stored}, not {sent}"
            ),
            remedy: None,
            source: None,
        })
    }

    pub(crate) fn e_tag(&self) -> Option<String> {
        self.e_tag.clone()
    }

    /// The store's identifier of the published object, from a HEAD request if the store returned none.
    pub(crate) async fn identity(&self) -> Result<(Option<String>, Option<DateTime<Utc>>)> {
        identity_of(self.e_tag.as_ref(), &self.location).await
    }

    fn not_published(&self, error: object_store::Error) -> Error {
        not_published(error, &super::target::shown(&self.location), self.options.overwrite)
    }

    /// Unpublishes an object, unless it may have replaced another or was replaced itself.
    pub(crate) async fn retract(&mut self) {
        for _ in 0..ATTEMPTS {
            if self.options.overwrite || !self.is_there().await || self.store.delete(&self.path).await.is_ok()
            {
                return;
            }
        }
    }

    fn attributes(&self) -> Attributes {
        let mut attributes = self.location.store.objects().attributes(self.options.content);
        attributes.insert(MARK, self.mark.clone().into());
        attributes
    }

    /// Whether the object exists, whole and ours, although the store reported an error. If the answer to a request is
    /// lost, the retry fails precisely because the first one succeeded: the upload is gone, the name is taken.
    async fn is_there(&self) -> bool {
        is_marked(&*self.store, &self.path, self.written, &self.mark).await
    }

    pub(crate) async fn abort(&mut self) {
        // Pieces first, because one that arrives after the abort would stay and cost money.
        self.under_way.shutdown().await;
        let _ = self.begun().await;
        if let Some(upload) = self.upload.take() {
            abort_upload(upload.into_inner(), self.noted.take()).await;
        }
    }
}

/// How often to try to clean up, each time with the store's own retries.
pub(super) const ATTEMPTS: usize = 3;

/// Aborts an upload. If it stays anyway, it is left in the journal, for the next run.
async fn abort_upload(mut upload: Box<dyn MultipartUpload>, noted: Option<journal::Noted>) {
    for _ in 0..ATTEMPTS {
        match upload.abort().await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => return,
            Err(_) => {}
        }
    }
    std::mem::forget(noted);
}

/// Why an object was not published.
pub(super) fn not_published(error: object_store::Error, shown: &str, overwrite: bool) -> Error {
    use object_store::Error as Raw;
    match error {
        Raw::AlreadyExists { .. } | Raw::Precondition { .. } if !overwrite => {
            Error::exists(shown, ExistsWhy::Exists)
        }
        _ => store_error("writing", shown, error),
    }
}

/// The store's identifier of a published object, from a HEAD request if it returned no ETag.
pub(super) async fn identity_of(
    e_tag: Option<&String>,
    location: &Location,
) -> Result<(Option<String>, Option<DateTime<Utc>>)> {
    if e_tag.is_some() {
        return Ok((e_tag.cloned(), None));
    }
    let found = location.store.head(&location.path).await?;
    Ok(found.map_or((None, None), |object| (object.e_tag, object.modified)))
}

/// Whether an object with this size and mark exists.
pub(super) async fn is_marked(store: &dyn ObjectStore, path: &Path, size: u64, mark: &str) -> bool {
    let options = GetOptions { head: true, ..GetOptions::default() };
    match store.get_opts(path, options).await {
        Ok(found) => found.meta.size == size && found.attributes.get(&MARK).map(AsRef::as_ref) == Some(mark),
        Err(_) => false,
    }
}

/// The run in an object's mark; `None` if it has no mark, or does not exist.
pub(crate) async fn run_of(location: &Location) -> Option<u64> {
    let store = location.store.object_store()?;
    let options = GetOptions { head: true, ..GetOptions::default() };
    location.store.note_look();
    let found = store.get_opts(&location.store.path(&location.path).ok()?, options).await.ok()?;
    let mark = found.attributes.get(&MARK)?.as_ref();
    u64::from_str_radix(mark.get(RANDOM_DIGITS..)?, 16).ok()
}

/// Random digits of a mark; those of the run follow.
const RANDOM_DIGITS: usize = 32;

pub(super) fn random_mark(run: Option<u64>) -> String {
    // With equal marks, a run would mistake another's object for its own. So this does not use fastrand, as delays do:
    // it is seeded from a clock, with 64 bits in all. The standard library seeds every `RandomState` from the system's
    // randomness.
    let random = || RandomState::new().build_hasher().finish();
    let run = run.map_or_else(String::new, |run| format!("{run:016x}"));
    format!("{:016x}{:016x}{run}", random(), random())
}

impl Drop for ObjectSink {
    /// A dropped upload would stay in the store, invisible but billed. An explicit abort is awaited; this is for a run
    /// whose future was dropped.
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let noted = self.noted.take();
        if let Some(upload) = self.upload.take() {
            runtime.spawn(abort_upload(upload.into_inner(), noted));
        } else if let Some(beginning) = self.beginning.take() {
            runtime.spawn(async move {
                if let Ok(Ok(upload)) = beginning.await {
                    abort_upload(upload, None).await;
                }
            });
        }
    }
}
