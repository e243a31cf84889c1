//! The one boundary to storage: reads of local files and of objects, with errors that name the object.
//!
//! Local disk is read through `std::fs` rather than through object_store: paths stay literal, reads go into buffers
//! of ours, and a worker thread can read for itself.

use super::copier::Copier;
use super::objects::ObjectOptions;
use crate::error::{Error, Result};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use serde::Serialize;
use std::cmp::Ordering;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

/// A file or object, as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Object {
    /// The local path or the key in the bucket.
    #[serde(skip)]
    pub(crate) key: String,
    /// What people are shown: the path, or the URL.
    pub url: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: Option<DateTime<Utc>>,
    /// The store's identifier of this content, where it has one.
    pub e_tag: Option<String>,
}

impl Object {
    /// The key up to the last `/`.
    pub fn folder(&self) -> &str {
        self.key.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Whether a later look at the same key found the same content, as far as a listing tells.
    pub(crate) fn is_same_content(&self, later: &Object) -> bool {
        self.size == later.size
            && match (&self.e_tag, &later.e_tag) {
                (Some(before), Some(after)) => before == after,
                _ => self.modified == later.modified,
            }
    }

    /// The key after the last `/`.
    pub fn file_name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }
}

#[derive(Clone)]
pub(crate) struct Store {
    backend: Backend,
    /// What comes before a key when it is shown, such as `s3://bucket/`.
    root: Arc<str>,
    /// How objects are written.
    objects: Arc<ObjectOptions>,
}

/// A store, and what of it lies beyond the one trait of all stores.
#[derive(Clone)]
pub(crate) struct Connected {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Reaches uploads by their ids, where the store has such.
    pub(crate) uploads: Option<Arc<dyn MultipartStore>>,
    /// Has the server copy, where it is one of S3 and requests are signed.
    pub(crate) copier: Option<Copier>,
}

impl<T: ObjectStore> From<Arc<T>> for Connected {
    fn from(store: Arc<T>) -> Self {
        Connected { store, uploads: None, copier: None }
    }
}

/// Goes with the request that begins a multipart upload, as an extension that object_store passes on unseen.
#[derive(Debug, Clone, Default)]
pub(crate) struct UploadTicket {
    #[cfg_attr(not(any(feature = "aws", feature = "gcp", feature = "azure")), expect(dead_code))]
    pub(super) only_if_absent: bool,
    id: Arc<Mutex<Option<String>>>,
}

impl UploadTicket {
    /// With `only_if_absent` the upload's completion fails where an object of its name exists by then.
    pub(crate) fn new(only_if_absent: bool) -> Self {
        UploadTicket { only_if_absent, id: Arc::default() }
    }

    /// The upload's id, where it has begun on a store that has such.
    pub(crate) fn id(&self) -> Option<String> {
        self.id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
    pub(super) fn set_id(&self, id: &str) {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner) = Some(id.to_owned());
    }
}

#[derive(Clone)]
enum Backend {
    Local,
    Remote(Connected),
}

impl Store {
    pub(crate) fn local() -> Self {
        Store { backend: Backend::Local, root: Arc::from(""), objects: Arc::default() }
    }

    pub(crate) fn remote(store: Arc<dyn ObjectStore>, root: String) -> Self {
        Self::connected(Connected { store, uploads: None, copier: None }, root)
    }

    pub(crate) fn connected(connected: Connected, root: String) -> Self {
        Store { backend: Backend::Remote(connected), root: Arc::from(root), objects: Arc::default() }
    }

    pub(crate) fn with_objects(self, objects: &ObjectOptions) -> Self {
        Store { objects: Arc::new(objects.clone()), ..self }
    }

    pub(crate) fn objects(&self) -> &ObjectOptions {
        &self.objects
    }

    /// Has the server copy, where it is one of S3 and requests are signed.
    pub(crate) fn copier(&self) -> Option<&Copier> {
        match &self.backend {
            Backend::Local => None,
            Backend::Remote(connected) => connected.copier.as_ref(),
        }
    }

    pub(crate) fn is_local(&self) -> bool {
        matches!(self.backend, Backend::Local)
    }

    /// The object store behind it; `None` for local disk.
    pub(crate) fn object_store(&self) -> Option<&Arc<dyn ObjectStore>> {
        match &self.backend {
            Backend::Local => None,
            Backend::Remote(connected) => Some(&connected.store),
        }
    }

    /// Reaches uploads by their ids.
    pub(crate) fn uploads(&self) -> Option<&Arc<dyn MultipartStore>> {
        match &self.backend {
            Backend::Local => None,
            Backend::Remote(connected) => connected.uploads.as_ref(),
        }
    }

    /// What people are shown for a key.
    pub(crate) fn url(&self, key: &str) -> String {
        format!("{}{key}", self.root)
    }

    /// Whether listings come in the order of keys and may begin after any: S3's do, but for directory buckets.
    pub(crate) fn lists_in_order(&self) -> bool {
        self.copier().is_some() && !self.root.ends_with("--x-s3/")
    }

    /// All objects below a folder of an object store, unordered. `folder` is whole segments: `x` never lists `x2/`. What
    /// lies between two of the ascending `marks` is asked for beside the rest: the store must list in that order.
    pub(crate) async fn list_remote(
        &self,
        store: &Arc<dyn ObjectStore>,
        folder: &str,
        marks: &[&str],
    ) -> Result<Vec<Object>> {
        let owned = || marks.iter().map(|&mark| Some(mark.to_owned()));
        let starts = std::iter::once(None).chain(owned());
        let spans: Vec<_> = starts.zip(owned().chain(std::iter::once(None))).collect();
        let spans: Vec<_> = stream::iter(spans)
            .map(|(after, last)| self.clone().list_span(Arc::clone(store), folder.to_owned(), after, last))
            .buffered(CONCURRENT_LISTINGS)
            .try_collect()
            .await?;
        Ok(spans.into_iter().flatten().collect())
    }

    /// The objects below a folder after one key and up to another.
    async fn list_span(
        self,
        store: Arc<dyn ObjectStore>,
        folder: String,
        after: Option<String>,
        last: Option<String>,
    ) -> Result<Vec<Object>> {
        let shown = self.url(&folder);
        let prefix = self.path(&folder)?;
        let prefix = (!folder.is_empty()).then_some(&prefix);
        let mut listed = match after {
            None => store.list(prefix),
            Some(after) => store.list_with_offset(prefix, &self.path(&after)?),
        };
        let mut objects = Vec::new();
        while let Some(meta) =
            listed.try_next().await.map_err(|error| store_error("listing", &shown, &error))?
        {
            let object = self.object(meta);
            let to_last = last.as_ref().map(|last| object.key.cmp(last));
            if to_last == Some(Ordering::Greater) {
                break;
            }
            objects.push(object);
            // Another page would begin with the next span.
            if to_last == Some(Ordering::Equal) {
                break;
            }
        }
        Ok(objects)
    }

    /// One object, or `None` where there is none of that name.
    pub(crate) async fn head(&self, key: &str) -> Result<Option<Object>> {
        match &self.backend {
            Backend::Local => match std::fs::metadata(key) {
                Ok(meta) => Ok(meta.is_file().then(|| local_object(key, &meta))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(Error::io("looking at", key, error)),
            },
            Backend::Remote(Connected { store, .. }) => {
                let shown = self.url(key);
                match store.head(&self.path(key)?).await {
                    Ok(meta) => Ok(Some(self.object(meta))),
                    Err(error) => match store_error("looking at", &shown, &error) {
                        // A missing bucket is not the same as a missing key.
                        Error::NotFound(_) if !error.to_string().contains("NoSuchBucket") => Ok(None),
                        other => Err(other),
                    },
                }
            }
        }
    }

    fn object(&self, meta: object_store::ObjectMeta) -> Object {
        let key = meta.location.to_string();
        Object {
            url: self.url(&key),
            key,
            size: meta.size,
            modified: Some(meta.last_modified),
            e_tag: meta.e_tag,
        }
    }

    /// A whole small object in one request; `None` where there is none, or a larger one.
    pub(crate) async fn read_small(&self, key: &str, most: u64) -> Result<Option<Bytes>> {
        let Backend::Remote(Connected { store, .. }) = &self.backend else {
            return match self.head(key).await? {
                Some(object) if object.size <= most => self.read(&object, 0..object.size).await.map(Some),
                _ => Ok(None),
            };
        };
        let shown = self.url(key);
        let failed = |error| store_error("reading", &shown, &error);
        let result = match store.get(&self.path(key)?).await {
            Ok(result) if result.meta.size > most => return Ok(None),
            Ok(result) => result,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        result.bytes().await.map(Some).map_err(failed)
    }

    /// A key that exists, taken literally: `Path::from` would percent-encode it.
    pub(crate) fn path(&self, key: &str) -> Result<Path> {
        Path::parse(key)
            .map_err(|error| Error::Usage(format!("{} cannot be addressed: {error}", self.url(key))))
    }

    /// Reads a range of an object that was listed; fewer bytes than asked for, or another version of the object,
    /// are errors.
    pub(crate) async fn read(&self, object: &Object, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        match &self.backend {
            Backend::Local => {
                let object = object.clone();
                blocking(move || {
                    let file = open_local(&object)?;
                    let mut buffer = vec![0; (range.end - range.start) as usize];
                    read_local(&file, &object, range.start, &mut buffer)?;
                    Ok(Bytes::from(buffer))
                })
                .await
            }
            Backend::Remote(Connected { store, .. }) => {
                let wanted = range.end - range.start;
                let options = GetOptions {
                    if_match: object.e_tag.clone(),
                    range: Some(GetRange::Bounded(range)),
                    ..GetOptions::default()
                };
                let path = self.path(&object.key)?;
                let failed = |error| store_error("reading", &object.url, &error);
                let mut got = 0;
                // object_store does not count the bytes of an answer: one that ends early unnoticed on its way is
                // asked for again.
                for _ in 0..READS_UNTIL_WHOLE {
                    let result = store.get_opts(&path, options.clone()).await.map_err(failed)?;
                    if !is_same(object, &result.meta) {
                        return Err(changed(object).into());
                    }
                    let bytes = result.bytes().await.map_err(failed)?;
                    if bytes.len() as u64 == wanted {
                        return Ok(bytes);
                    }
                    got = bytes.len();
                }
                Err(Error::Store {
                    doing: "reading",
                    object: object.url.clone(),
                    reason: format!("it keeps answering with {got} bytes where {wanted} were asked for"),
                })
            }
        }
    }
}

/// Whether an answer is about the object that was listed. Servers exist that list no ETags, and others that ignore
/// `If-Match`.
fn is_same(listed: &Object, answered: &object_store::ObjectMeta) -> bool {
    // Azure lists an ETag without the quotes that it answers with.
    let bare = |e_tag: &str| e_tag.trim_start_matches("W/").trim_matches('"').to_owned();
    let same_version = match (&listed.e_tag, &answered.e_tag, listed.modified) {
        (Some(a), Some(b), _) => bare(a) == bare(b),
        // A header has whole seconds, and where there is none the time is 0.
        (_, _, Some(modified)) if answered.last_modified.timestamp() != 0 => {
            modified.timestamp() == answered.last_modified.timestamp()
        }
        _ => true,
    };
    same_version && listed.size == answered.size
}

/// Pages of a listing that are asked for at once.
const CONCURRENT_LISTINGS: usize = 16;

/// How often a range is asked for when its answers are too short or too long.
const READS_UNTIL_WHOLE: usize = 3;

/// Runs blocking work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Internal(match error.try_into_panic() {
            Ok(panic) => format!("a worker gave up: {}", crate::guard::panic_text(&*panic)),
            Err(error) => format!("a worker ended early: {error}"),
        })),
    }
}

pub(crate) fn local_object(path: &str, meta: &std::fs::Metadata) -> Object {
    Object {
        key: path.to_owned(),
        url: path.to_owned(),
        size: meta.len(),
        modified: meta.modified().ok().map(DateTime::from),
        e_tag: None,
    }
}

pub(crate) fn open_local(object: &Object) -> Result<File> {
    File::open(&object.key).map_err(|error| Error::io("reading", &object.url, error))
}

/// Fills `buffer` from `offset` on.
pub(crate) fn read_local(file: &File, object: &Object, offset: u64, buffer: &mut [u8]) -> Result<()> {
    file.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => changed(object).into(),
        _ => Error::io("reading", &object.url, error),
    })
}

pub(crate) fn changed(object: &Object) -> crate::error::DataError {
    Error::data(&object.url, "the file changed while it was read")
        .remedy("run again when the export is complete and nobody writes to it")
}

/// Gives a store's error the name of the object and of what was being done, and sorts it by what helps.
pub(crate) fn store_error(doing: &'static str, object: &str, error: &object_store::Error) -> Error {
    use object_store::Error as Raw;
    if let Some(own) = own_error(error) {
        return own;
    }
    let text = one_line(error);
    let object = object.to_owned();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match error {
        Raw::NotFound { .. } => Error::NotFound(format!("{doing} {object}: not found")),
        error if is_refusal(error) => Error::Denied { doing, object, reason: text },
        Raw::AlreadyExists { .. } => Error::OutputExists { path: object },
        Raw::Precondition { .. } | Raw::NotModified { .. } => {
            Error::data(&object, "the object changed while it was read")
                .remedy("run again when the export is complete")
                .into()
        }
        _ if says(&["status code: 404", "NoSuchBucket", "NoSuchKey"]) => {
            Error::NotFound(format!("{doing} {object}: no such bucket or object"))
        }
        // S3 answers with a redirect that leads nowhere, or names the region that the signature should have been for.
        _ if says(&[
            "incorrectly configured region",
            "PermanentRedirect",
            "AuthorizationHeaderMalformed",
        ]) =>
        {
            let hint = "the bucket is in another region than was given: without one it is found";
            Error::Store { doing, object, reason: format!("{text}; {hint}") }
        }
        _ => Error::Store { doing, object, reason: text },
    }
}

/// Whether a store refuses the request, as opposed to failing at it.
pub(super) fn is_refusal(error: &object_store::Error) -> bool {
    use object_store::Error as Raw;
    const WORDS: [&str; 5] =
        ["status code: 401", "status code: 403", "AccessDenied", "InvalidAccessKeyId", "CredentialsError"];
    match error {
        Raw::PermissionDenied { .. } | Raw::Unauthenticated { .. } => true,
        // Errors of a list are always of this kind, whatever the status was, so the text has to be asked.
        Raw::Generic { .. } => {
            let text = one_line(error);
            WORDS.iter().any(|word| text.contains(word))
        }
        _ => false,
    }
}

/// An error of ours on its way through object_store.
#[cfg(feature = "aws")]
pub(super) fn carried(error: Error) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: Box::new(Carried(Mutex::new(Some(error)))) }
}

/// An error can be told once only, so that is how it is carried.
#[derive(Debug)]
struct Carried(Mutex<Option<Error>>);

impl std::fmt::Display for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the store cannot be reached")
    }
}

impl std::error::Error for Carried {}

/// The error of ours that an error of object_store was made from.
fn own_error(error: &object_store::Error) -> Option<Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(Carried(own)) = inner.downcast_ref() {
            return own.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        cause = inner.source();
    }
    None
}

/// An error with its causes on one line, as bodies of XML come in several.
pub(crate) fn one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > 500 {
        let cut = (0..=500).rev().find(|&at| line.is_char_boundary(at)).unwrap_or(0);
        line.truncate(cut);
        line.push('…');
    }
    line
}
