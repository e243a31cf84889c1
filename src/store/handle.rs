//! The boundary to storage: reads local files and objects, with errors that name the object.
//!
//! Local disk is read through `std::fs` rather than through object_store: paths stay literal, reads go into our own
//! buffers, and a worker thread can read by itself.

use super::copier::Copier;
use super::direct::Direct;
use super::failure::store_error;
use super::object::{Object, blocking, changed, good_tag, local_object, open_local, read_local};
use super::objects::{ContentType, ObjectOptions};
use super::system::is_missing;
use super::tally::Tally;
use super::web::Web;
use crate::model::{Error, Escaped, Missing, NotFound, Requests, Result, StoreProblem, pages_of};

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct Store {
    backend: Backend,
    /// The text before a key in messages, such as `s3://bucket/`.
    root: Arc<str>,
    /// How objects are written.
    objects: Arc<ObjectOptions>,
    tally: Arc<Tally>,
    /// It came from the calling program, and no text leads to it.
    is_callers: bool,
}

/// A range of keys in order: those after one key, up to another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeySpan {
    pub(crate) after: Option<String>,
    pub(crate) last: Option<String>,
}

/// A store, and its capabilities beyond the trait that all stores share.
#[derive(Clone)]
pub(crate) struct Connected {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Access to uploads by their IDs, if the store has them.
    pub(crate) uploads: Option<Arc<dyn MultipartStore>>,
    /// Copies on the server, if it is S3 and requests are signed.
    pub(crate) copier: Option<Copier>,
    /// Lists and reads with our own requests, if it is S3.
    pub(crate) direct: Option<Direct>,
    /// It is a web server, which can only read files that were named.
    pub(crate) web: Option<Web>,
}

impl<T: ObjectStore> From<Arc<T>> for Connected {
    fn from(store: Arc<T>) -> Self {
        Connected { store, uploads: None, copier: None, direct: None, web: None }
    }
}

impl Connected {
    pub(super) fn web(web: Web) -> Self {
        Connected { store: web.store(), uploads: None, copier: None, direct: None, web: Some(web) }
    }
}

#[derive(Clone)]
enum Backend {
    Local,
    Remote(Connected),
}

/// The most objects in one listing: all are held in memory, a few hundred bytes each.
const MOST_OBJECTS: usize = 1_000_000;

/// Hashes of the keys of a listing so far, to detect a server that starts again and never ends.
#[derive(Default)]
struct KnownKeys {
    hashes: HashSet<u64, ahash::RandomState>,
    hasher: ahash::RandomState,
}

impl KnownKeys {
    /// Why a listing of these objects cannot continue with this key.
    fn problem(&mut self, objects: &[Object], key: &str) -> Option<String> {
        if objects.len() == MOST_OBJECTS {
            return Some(format!("there are more than {MOST_OBJECTS} objects; name a folder with fewer"));
        }
        let is_known = !self.hashes.insert(self.hasher.hash_one(key));
        // Two keys may have the same hash.
        (is_known && objects.iter().any(|object| object.key == key))
            .then(|| format!("the listing does not end: it contains {} twice", Escaped(key)))
    }
}

impl Store {
    pub(crate) fn local() -> Self {
        let (root, objects, tally) = (Arc::from(""), Arc::default(), Arc::default());
        Store { backend: Backend::Local, root, objects, tally, is_callers: false }
    }

    /// A store of the calling program.
    pub(crate) fn remote(store: Arc<dyn ObjectStore>, root: String) -> Self {
        let connected = Connected { store, uploads: None, copier: None, direct: None, web: None };
        Store { is_callers: true, ..Self::connected(connected, root) }
    }

    pub(crate) fn connected(connected: Connected, root: String) -> Self {
        let (root, objects, tally) = (Arc::from(root), Arc::default(), Arc::default());
        Store { backend: Backend::Remote(connected), root, objects, tally, is_callers: false }
    }

    pub(crate) fn with_objects(self, objects: &ObjectOptions) -> Self {
        Store { objects: Arc::new(objects.clone()), ..self }
    }

    /// Whether it came from the calling program, so that no text leads to it.
    pub(crate) fn is_callers(&self) -> bool {
        self.is_callers
    }

    /// The same store with a request counter of its own.
    pub(crate) fn counted(&self) -> Self {
        Store { tally: Arc::default(), ..self.clone() }
    }

    /// The same store, sharing another's request counter.
    pub(super) fn counting_for(&self, other: &Store) -> Self {
        Store { tally: Arc::clone(&other.tally), ..self.clone() }
    }

    /// The requests made to inspect and read; writes are not counted.
    pub(crate) fn requests(&self) -> Requests {
        self.tally.requests()
    }

    /// Counts a HEAD request that was made elsewhere.
    pub(crate) fn note_look(&self) {
        self.tally.looked();
    }

    /// Whether S3's prices apply to it.
    pub(crate) fn is_s3(&self) -> bool {
        matches!(self.root.split_once("://"), Some(("s3" | "s3a" | "s3n", _)))
    }

    pub(crate) fn objects(&self) -> &ObjectOptions {
        &self.objects
    }

    /// Whether a server can copy from one store to the other.
    pub(crate) fn copies_to(&self, target: &Store) -> bool {
        match (self.copier(), target.copier()) {
            (Some(from), Some(to)) => to.reaches(from),
            _ => false,
        }
    }

    /// Copies on the server, if it is S3 and requests are signed.
    pub(crate) fn copier(&self) -> Option<&Copier> {
        match &self.backend {
            Backend::Local => None,
            Backend::Remote(connected) => connected.copier.as_ref(),
        }
    }

    /// Lists and reads with our own requests, if it is S3.
    fn direct(&self) -> Option<&Direct> {
        match &self.backend {
            Backend::Local => None,
            Backend::Remote(connected) => connected.direct.as_ref(),
        }
    }

    /// Whether the server has shown that it knows no conditional writes.
    pub(crate) fn knows_no_conditions(&self) -> bool {
        self.direct().is_some_and(Direct::knows_no_conditions)
    }

    pub(crate) fn is_local(&self) -> bool {
        matches!(self.backend, Backend::Local)
    }

    /// The underlying object store; `None` for local disk.
    pub(crate) fn object_store(&self) -> Option<&Arc<dyn ObjectStore>> {
        match &self.backend {
            Backend::Local => None,
            Backend::Remote(connected) => Some(&connected.store),
        }
    }

    /// Access to uploads by their IDs.
    pub(crate) fn uploads(&self) -> Option<&Arc<dyn MultipartStore>> {
        match &self.backend {
            Backend::Local => None,
            Backend::Remote(connected) => connected.uploads.as_ref(),
        }
    }

    /// Whether it is a web server: named files can be read, but nothing can be listed or written.
    pub(crate) fn is_read_only(&self) -> bool {
        self.web().is_some()
    }

    fn web(&self) -> Option<&Web> {
        match &self.backend {
            Backend::Local => None,
            Backend::Remote(connected) => connected.web.as_ref(),
        }
    }

    /// The same store, which also knows the files that were named in the other.
    pub(super) fn joined(&self, other: &Store) -> Store {
        match (self.web(), other.web()) {
            (Some(web), Some(more)) => {
                Store::connected(Connected::web(web.joined(more)), self.root.to_string())
            }
            _ => self.clone(),
        }
    }

    /// A key as people see it.
    pub(crate) fn url(&self, key: &str) -> String {
        format!("{}{key}", self.root)
    }

    /// Whether listings are ordered by key and can start after any key: S3's do, except for directory buckets.
    pub(crate) fn lists_in_order(&self) -> bool {
        self.copier().is_some() && !self.root.ends_with("--x-s3/")
    }

    /// All objects below a folder of an object store, unordered. `folder` is whole segments: `x` never lists `x2/`. If
    /// there are `spans`, the store lists in order, and only the keys in them are requested, all spans at the same
    /// time.
    pub(crate) async fn list_remote(
        &self,
        store: &Arc<dyn ObjectStore>,
        folder: &str,
        spans: &[KeySpan],
    ) -> Result<Vec<Object>> {
        let spans = if spans.is_empty() { vec![KeySpan::default()] } else { spans.to_vec() };
        let spans: Vec<_> = stream::iter(spans)
            .map(|span| self.clone().list_span(Arc::clone(store), folder.to_owned(), span))
            .buffered(CONCURRENT_LISTINGS)
            .try_collect()
            .await?;
        Ok(spans.into_iter().flatten().collect())
    }

    /// The objects below a folder in a range of keys.
    async fn list_span(
        self,
        store: Arc<dyn ObjectStore>,
        folder: String,
        KeySpan { after, last }: KeySpan,
    ) -> Result<Vec<Object>> {
        let shown = self.url(&folder);
        let mut listed = match self.direct() {
            Some(direct) => {
                let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
                direct.list(&prefix, after, Arc::clone(&self.root))
            }
            None => self.listed(&store, &folder, after)?,
        };
        let mut objects = Vec::new();
        let mut known = KnownKeys::default();
        let mut answered = 0;
        self.tally.listed(pages_of(0));
        while let Some(object) = listed.try_next().await? {
            answered += 1;
            self.tally.listed(pages_of(answered) - pages_of(answered - 1));
            if let Some(reason) = known.problem(&objects, &object.key) {
                let (doing, remedy) = ("listing", None);
                return Err(Error::Store { doing, object: shown, reason, remedy, source: None });
            }
            let to_last = last.as_ref().map(|last| object.key.cmp(last));
            if to_last == Some(Ordering::Greater) {
                break;
            }
            objects.push(object);
            // Another page would start with the next span.
            if to_last == Some(Ordering::Equal) {
                break;
            }
        }
        Ok(objects)
    }

    /// The objects that object_store lists.
    fn listed(
        &self,
        store: &Arc<dyn ObjectStore>,
        folder: &str,
        after: Option<String>,
    ) -> Result<BoxStream<'static, Result<Object>>> {
        let prefix = self.path(folder)?;
        let prefix = (!folder.is_empty()).then_some(&prefix);
        let listed = match after {
            None => store.list(prefix),
            Some(after) => store.list_with_offset(prefix, &self.path(&after)?),
        };
        let (found, failed) = (self.clone(), self.url(folder));
        let failed = move |error| store_error("listing", &failed, error);
        Ok(listed.map_ok(move |meta| found.object(meta)).map_err(failed).boxed())
    }

    /// One object, or `None` if there is none of that name.
    pub(crate) async fn head(&self, key: &str) -> Result<Option<Object>> {
        match &self.backend {
            Backend::Local => match std::fs::metadata(key) {
                Ok(meta) => Ok(meta.is_file().then(|| local_object(key, &meta))),
                Err(error) if is_missing(&error) => Ok(None),
                Err(error) => Err(Error::io("looking at", key, error)),
            },
            Backend::Remote(Connected { store, direct, .. }) => {
                let shown = self.url(key);
                self.tally.looked();
                let path = match (self.path(key), direct) {
                    (Err(_), Some(direct)) => return direct.head(key, &shown).await,
                    (path, _) => path?,
                };
                match store.head(&path).await {
                    Ok(meta) => Ok(Some(self.object(meta))),
                    Err(error) => match store_error("looking at", &shown, error) {
                        // A missing bucket is different from a missing key.
                        Error::NotFound(NotFound::Object { missing: Missing::Object, .. }) => Ok(None),
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
            // If an answer has no time, object_store uses the earliest time there is.
            modified: Some(meta.last_modified).filter(|time| time.timestamp() != 0),
            e_tag: good_tag(meta.e_tag),
            no_file: None,
        }
    }

    /// A whole small object in one request; `None` if there is none, or if it is larger.
    pub(crate) async fn read_small(&self, key: &str, most: u64) -> Result<Option<Bytes>> {
        let Backend::Remote(Connected { store, .. }) = &self.backend else {
            let key = key.to_owned();
            return blocking(move || read_small_file(&key, most)).await;
        };
        let shown = self.url(key);
        let failed = |error| store_error("reading", &shown, error);
        self.tally.got();
        let result = match store.get(&self.path(key)?).await {
            Ok(result) if result.meta.size > most => return Ok(None),
            Ok(result) => result,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        result.bytes().await.map(Some).map_err(failed)
    }

    /// The current version of a small object, for [`Self::put_over`]; for a larger one, without bytes.
    pub(crate) async fn version(&self, key: &str, most: u64) -> Result<Version> {
        let Some(store) = self.object_store() else { return Ok(Version::Unknown) };
        let shown = self.url(key);
        let failed = |error| store_error("reading", &shown, error);
        self.tally.got();
        let result = match store.get(&self.path(key)?).await.map_err(failed) {
            Ok(result) => result,
            Err(Error::NotFound(NotFound::Object { missing: Missing::Object, .. })) => {
                return Ok(Version::Nothing);
            }
            Err(Error::Denied { .. }) => return Ok(Version::Unknown),
            Err(error) => return Err(error),
        };
        let version =
            UpdateVersion { e_tag: result.meta.e_tag.clone(), version: result.meta.version.clone() };
        if result.meta.size > most {
            return Ok(Version::Known(version, Bytes::new()));
        }
        result.bytes().await.map(|bytes| Version::Known(version, bytes)).map_err(failed)
    }

    /// Writes a small object in place of the version that was seen; `false` if it has changed. If the store does not
    /// support conditions, or the version is not known, it is always written.
    pub(crate) async fn put_over(
        &self,
        key: &str,
        bytes: Bytes,
        content: ContentType,
        seen: Version,
    ) -> Result<bool> {
        let Some(store) = self.object_store() else {
            return Err(Error::Internal("a local file was put like an object".into()));
        };
        let path = self.path(key)?;
        let mut modes = vec![PutMode::Overwrite];
        match seen {
            Version::Nothing => modes.push(PutMode::Create),
            Version::Known(version, _) => modes.push(PutMode::Update(version)),
            Version::Unknown => {}
        }
        while let Some(mode) = modes.pop() {
            let options = PutOptions {
                mode,
                attributes: self.objects.attributes(content),
                tags: self.objects.tag_set(),
                ..PutOptions::default()
            };
            match store.put_opts(&path, bytes.clone().into(), options).await {
                Ok(_) => return Ok(true),
                Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                    return Ok(false);
                }
                Err(
                    object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. },
                ) if !modes.is_empty() => {}
                // The answer to a request may have been lost.
                Err(_) if self.holds(key, &bytes).await => return Ok(true),
                Err(error) => return Err(store_error("writing", &self.url(key), error)),
            }
        }
        Ok(false)
    }

    /// Deletes an object, or a local file.
    pub(crate) async fn delete(&self, object: &Object) -> Result<()> {
        match self.object_store() {
            Some(store) => {
                let deleted = store.delete(&self.path(&object.key)?).await;
                deleted.map_err(|error| store_error("deleting", &object.url, error))
            }
            None => std::fs::remove_file(&object.key)
                .map_err(|error| Error::io("deleting", object.url.clone(), error)),
        }
    }

    /// Whether a small object exists with these bytes.
    async fn holds(&self, key: &str, bytes: &Bytes) -> bool {
        let there = self.version(key, bytes.len() as u64).await;
        matches!(there, Ok(Version::Known(_, there)) if there == bytes)
    }

    /// An existing key, taken literally: `Path::from` would percent-encode it.
    ///
    /// # Errors
    /// [`StoreProblem::BadKey`] for a key that object_store cannot represent; on S3 such keys can still be listed and
    /// read.
    pub(crate) fn path(&self, key: &str) -> Result<Path> {
        let bad = |why: Box<dyn std::error::Error + Send + Sync>| {
            Error::from(StoreProblem::BadKey { url: self.url(key), source: why.into() })
        };
        let path = Path::parse(key).map_err(|error| bad(Box::new(error)))?;
        // It would remove a slash from either end, which makes the key of another object.
        if path.as_ref() == key { Ok(path) } else { Err(bad("it begins or ends with a slash".into())) }
    }

    /// Asks S3 to restore an archived object for this many days.
    pub(crate) async fn restore(&self, object: &Object, days: u32) -> Result<()> {
        match self.direct() {
            Some(direct) => direct.restore(object, days).await,
            None => object.must_be_file(),
        }
    }

    /// A range of an object through object_store, and its metadata from the answer.
    async fn get(
        &self,
        store: &Arc<dyn ObjectStore>,
        path: &Path,
        object: &Object,
        range: Range<u64>,
    ) -> Result<(Object, Bytes)> {
        let options = GetOptions {
            if_match: object.e_tag.clone(),
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let failed = |error| store_error("reading", &object.url, error);
        let result = store.get_opts(path, options).await.map_err(failed)?;
        let answered = self.object(result.meta.clone());
        if !is_same(object, &answered) {
            return Ok((answered, Bytes::new()));
        }
        Ok((answered, result.bytes().await.map_err(failed)?))
    }

    /// Reads a range of an object that was listed. Fewer bytes than requested, or another version of the object, are
    /// errors.
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
            Backend::Remote(Connected { store, direct, .. }) => {
                let wanted = range.end - range.start;
                let (path, direct) = match (self.path(&object.key), direct) {
                    (Err(_), Some(direct)) => (Path::default(), Some(direct)),
                    (path, _) => (path?, None),
                };
                let mut got = 0;
                // object_store does not count the bytes of an answer, so an answer that ended early unnoticed is
                // requested again.
                for _ in 0..READS_UNTIL_WHOLE {
                    self.tally.got();
                    let (answered, bytes) = match direct {
                        Some(direct) => direct.read(object, range.clone()).await?,
                        None => self.get(store, &path, object, range.clone()).await?,
                    };
                    if !is_same(object, &answered) {
                        return Err(changed(object).into());
                    }
                    if bytes.len() as u64 == wanted {
                        return Ok(bytes);
                    }
                    got = bytes.len();
                }
                Err(Error::Store {
                    doing: "reading",
                    object: object.url.clone(),
                    reason: format!(
                        "it keeps answering with {got} bytes instead of the {wanted} that were requested"
                    ),
                    remedy: None,
                    source: None,
                })
            }
        }
    }
}

/// The file as it is when opened: another run may replace it meanwhile.
fn read_small_file(path: &str, most: u64) -> Result<Option<Bytes>> {
    let failed = |error| Error::io("reading", path, error);
    let file = match std::fs::metadata(path) {
        Ok(meta) if !meta.is_file() => return Ok(None),
        Ok(_) => std::fs::File::open(path),
        Err(error) => Err(error),
    };
    let mut bytes = Vec::new();
    match file {
        Ok(file) => file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    Ok((bytes.len() as u64 <= most).then(|| bytes.into()))
}

/// The observed version of an object.
pub(crate) enum Version {
    Nothing,
    Known(UpdateVersion, Bytes),
    /// Access to it is denied.
    Unknown,
}

/// Whether two ETags are the same. Azure lists them without quotes but returns them with quotes.
pub(crate) fn is_same_tag(one: &str, other: &str) -> bool {
    let bare = |e_tag| str::trim_matches(str::trim_start_matches(e_tag, "W/"), '"');
    bare(one) == bare(other)
}

/// Whether an answer is about the object that was listed. Some servers list no ETags, and others ignore `If-Match`.
pub(super) fn is_same(listed: &Object, answered: &Object) -> bool {
    let seconds = |object: &Object| object.modified.map(|time| time.timestamp());
    let same_version = match (&listed.e_tag, &answered.e_tag) {
        (Some(a), Some(b)) => is_same_tag(a, b),
        // A header has whole seconds; if it is missing, the time is 0.
        _ => match (seconds(listed), seconds(answered)) {
            (Some(listed), Some(answered)) if answered != 0 => listed == answered,
            _ => true,
        },
    };
    same_version && listed.size == answered.size
}

/// Pages of a listing that are requested at once.
const CONCURRENT_LISTINGS: usize = 16;

/// How often to request a range whose answers are too short or too long.
const READS_UNTIL_WHOLE: usize = 3;
