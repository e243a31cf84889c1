//! One file or object, and reading it from local disk.

use super::system::{Inode, inode, read_exact_at};
use crate::model::{DataErrorKind, Error, Incomplete, Remedy, Result};

use chrono::{DateTime, Utc};
use serde::Serialize;
use std::fs::File;
use std::path::Path;

/// A file or object, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Object {
    /// The local path or the key in the bucket.
    #[serde(skip)]
    pub(crate) key: String,
    /// The path or URL for people; `file` in JSON.
    #[serde(rename = "file")]
    pub url: String,
    /// Bytes; also called `bytes` in JSON.
    #[serde(rename = "bytes")]
    pub size: u64,
    /// When it was last written.
    pub modified: Option<DateTime<Utc>>,
    /// The store's identifier for this content, if it has one. For a local file, its inode's number and the time when
    /// the inode last changed, which cannot be set back; on Windows, when the file was last written.
    pub e_tag: Option<String>,
    /// There is a name, but nothing that can be read under it.
    #[serde(skip)]
    pub(crate) no_file: Option<NoFile>,
}

/// Why nothing can be read under a name found in a local listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoFile {
    /// A link that leads nowhere or in a circle.
    LinkToNothing,
    /// A folder, or a link to a place, that may not be read.
    Denied,
    /// A folder so deep that its path is longer than the system accepts.
    TooDeep,
    /// A pipe, a socket or a device, which has no end.
    Endless,
    /// S3 keeps the object in an archive of this storage class, so it must be restored first.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "S3's archives only"))]
    Archived(&'static str),
}

/// [`NoFile::Archived`] if a storage class means an archive. Listings do not tell what Intelligent-Tiering has
/// archived.
#[cfg(feature = "aws")]
pub(super) fn archive(storage_class: Option<&str>) -> Option<NoFile> {
    let archives = ["GLACIER", "DEEP_ARCHIVE"].into_iter();
    archives.filter(|class| storage_class == Some(class)).map(NoFile::Archived).next()
}

/// An ETag that can be sent in a header; other ETags are dropped, because time and size also identify the object.
pub(super) fn good_tag(e_tag: Option<String>) -> Option<String> {
    e_tag.filter(|tag| tag.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()))
}

impl From<&Object> for Object {
    fn from(object: &Object) -> Self {
        object.clone()
    }
}

impl Object {
    /// Whether it may contain unseen parts.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.no_file, Some(NoFile::Denied | NoFile::TooDeep))
    }

    /// Whether it is a pipe, a socket or a device, which no export writes as a part.
    pub(crate) fn is_endless(&self) -> bool {
        self.no_file == Some(NoFile::Endless)
    }

    /// The archive that it must be restored from.
    pub(crate) fn archive(&self) -> Option<&'static str> {
        match self.no_file {
            Some(NoFile::Archived(class)) => Some(class),
            _ => None,
        }
    }

    /// Fails for an object that cannot be read.
    pub(crate) fn must_be_file(&self) -> Result<()> {
        use std::io::ErrorKind;
        let Some(no_file) = self.no_file else { return Ok(()) };
        let kind = match no_file {
            NoFile::LinkToNothing => return Err(Incomplete::LinkToNothing { part: self.url.clone() }.into()),
            NoFile::Denied => ErrorKind::PermissionDenied,
            NoFile::TooDeep => ErrorKind::InvalidFilename,
            NoFile::Endless => ErrorKind::NotSeekable,
            NoFile::Archived(class) => return Err(archived(&self.url, Some(class))),
        };
        Err(Error::io("reading", &self.url, kind.into()))
    }

    /// The key up to the last `/`.
    pub fn folder(&self) -> &str {
        self.key.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Whether a later listing of the same key shows the same content, as far as a listing tells.
    pub(crate) fn is_same_content(&self, later: &Object) -> bool {
        self.size == later.size
            && match (&self.e_tag, &later.e_tag) {
                (Some(before), Some(after)) if is_unpublished(before) => {
                    after.starts_with(before) && self.modified == later.modified
                }
                (Some(before), Some(after)) => before == after,
                _ => self.modified == later.modified,
            }
    }

    /// The key after the last `/`.
    pub fn file_name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }
}

/// The error for an object that must be restored before it can be read.
pub(super) fn archived(url: &str, class: Option<&str>) -> Error {
    let class = class.map_or_else(String::new, |class| format!(" (storage class {class})"));
    Error::Store {
        doing: "reading",
        object: url.to_owned(),
        reason: format!("it is archived{class} and must be restored before it can be read"),
        remedy: Some(Remedy::Restore),
        source: None,
    }
}

/// Runs blocking work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ended_early("working", error)),
    }
}

/// Why a task did not finish.
pub(crate) fn ended_early(doing: &'static str, error: tokio::task::JoinError) -> Error {
    match error.try_into_panic() {
        Ok(panic) => Error::from_panic(doing, &*panic),
        // Only a runtime that is shutting down ends tasks early.
        Err(_) => Error::Stopped,
    }
}

pub(crate) fn local_object(path: &str, meta: &std::fs::Metadata) -> Object {
    Object {
        key: path.to_owned(),
        url: path.to_owned(),
        size: meta.len(),
        modified: meta.modified().ok().map(DateTime::from),
        e_tag: inode(Path::new(path), meta).ok().map(|inode| local_tag(&inode)),
        no_file: None,
    }
}

/// The end of [`unpublished_tag`]; no store's identifier ends like this.
const UNPUBLISHED: char = '-';

/// Distinguishes the content of a local file from any other file of its name, earlier or later.
pub(crate) fn local_tag(inode: &Inode) -> String {
    format!("{}{:016x}", unpublished_tag(inode), inode.changed)
}

/// Whether an identifier was made before its file was published.
pub(crate) fn is_unpublished(e_tag: &str) -> bool {
    e_tag.ends_with(UNPUBLISHED)
}

/// The part of [`local_tag`] that is known before the file gets its final name, because renaming changes the inode once
/// more.
pub(crate) fn unpublished_tag(inode: &Inode) -> String {
    format!("{:016x}{UNPUBLISHED}", inode.number)
}

/// A local name under which there is nothing to read.
pub(crate) fn object_without_file(path: &str, no_file: NoFile) -> Object {
    Object {
        key: path.to_owned(),
        url: path.to_owned(),
        size: 0,
        modified: None,
        e_tag: None,
        no_file: Some(no_file),
    }
}

pub(crate) fn open_local(object: &Object) -> Result<File> {
    File::open(&object.key).map_err(|error| Error::io("reading", &object.url, error))
}

/// Fills `buffer` from `offset` on.
pub(crate) fn read_local(file: &File, object: &Object, offset: u64, buffer: &mut [u8]) -> Result<()> {
    read_exact_at(file, buffer, offset).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => changed(object).into(),
        _ => Error::io("reading", &object.url, error),
    })
}

/// What happened to an object since it was listed.
pub(super) fn differs(object: &Object, now: Option<&Object>) -> crate::model::DataError {
    let problem = match now {
        Some(_) => "the file changed since it was listed",
        None => "the file was removed since it was listed",
    };
    Error::data(DataErrorKind::Changed, &object.url, problem).remedy(Remedy::RunWhenQuiet)
}

pub(crate) fn changed(object: &Object) -> crate::model::DataError {
    Error::data(DataErrorKind::Changed, &object.url, "the file changed while it was read")
        .remedy(Remedy::RunWhenCompleteAndQuiet)
}
