//! One file or object, and reading it from local disk.

use crate::model::{DataErrorKind, Error, Incomplete, Remedy, Result};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

/// A file or object, as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Object {
    /// The local path or the key in the bucket.
    #[serde(skip)]
    pub(crate) key: String,
    /// What people are shown: the path, or the URL; `file` in JSON.
    #[serde(rename = "file")]
    pub url: String,
    /// Bytes; so it is called in JSON.
    #[serde(rename = "bytes")]
    pub size: u64,
    /// When it was last written.
    pub modified: Option<DateTime<Utc>>,
    /// The store's identifier of this content, where it has one. Of a local file the number of its inode and the time when
    /// that was last changed, which nobody can put back.
    pub e_tag: Option<String>,
    /// There is a name, and nothing that could be read under it.
    #[serde(skip)]
    pub(crate) no_file: Option<NoFile>,
}

/// Why nothing can be read under a name that a listing of local disk found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoFile {
    /// A link that leads nowhere or in a circle.
    LinkToNothing,
    /// A folder, or a link to a place, that may not be looked into.
    Denied,
    /// A folder so deep that its path is longer than the system takes.
    TooDeep,
    /// A pipe, a socket or a device, which has no end.
    Endless,
    /// S3 keeps the object in an archive, by this storage class: it has to be restored first.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "S3's archives only"))]
    Archived(&'static str),
}

/// The archive that a storage class means. What Intelligent-Tiering has archived no listing tells.
#[cfg(feature = "aws")]
pub(super) fn archive(storage_class: Option<&str>) -> Option<NoFile> {
    let archives = ["GLACIER", "DEEP_ARCHIVE"].into_iter();
    archives.filter(|class| storage_class == Some(class)).map(NoFile::Archived).next()
}

/// An ETag as it may go back in a header, which takes no others; by time and size the object is known too.
pub(super) fn good_tag(e_tag: Option<String>) -> Option<String> {
    e_tag.filter(|tag| tag.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()))
}

impl From<&Object> for Object {
    fn from(object: &Object) -> Self {
        object.clone()
    }
}

impl Object {
    /// Whether there may be parts in it that nobody sees.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.no_file, Some(NoFile::Denied | NoFile::TooDeep))
    }

    /// Whether it is a pipe, a socket or a device: no export writes parts as such.
    pub(crate) fn is_endless(&self) -> bool {
        self.no_file == Some(NoFile::Endless)
    }

    /// The archive that it has to be brought back from.
    pub(crate) fn archive(&self) -> Option<&'static str> {
        match self.no_file {
            Some(NoFile::Archived(class)) => Some(class),
            _ => None,
        }
    }

    /// Refuses an object that cannot be read.
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

    /// Whether a later look at the same key found the same content, as far as a listing tells.
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

/// An object that has to be restored before it can be read.
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

/// Why a task did not come to its end.
pub(crate) fn ended_early(doing: &'static str, error: tokio::task::JoinError) -> Error {
    match error.try_into_panic() {
        Ok(panic) => Error::from_panic(doing, &*panic),
        // Only a runtime that is being shut down ends tasks early.
        Err(_) => Error::Stopped,
    }
}

pub(crate) fn local_object(path: &str, meta: &std::fs::Metadata) -> Object {
    Object {
        key: path.to_owned(),
        url: path.to_owned(),
        size: meta.len(),
        modified: meta.modified().ok().map(DateTime::from),
        e_tag: Some(local_tag(meta)),
        no_file: None,
    }
}

/// What [`unpublished_tag`] ends in; no store ends an identifier so.
const UNPUBLISHED: char = '-';

/// Tells the content of a local file from that of any other file of its name, before or after.
pub(crate) fn local_tag(meta: &std::fs::Metadata) -> String {
    let changed = i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec());
    format!("{}{changed:016x}", unpublished_tag(meta))
}

/// Whether an identifier is all that is known of a file before it is published.
pub(crate) fn is_unpublished(e_tag: &str) -> bool {
    e_tag.ends_with(UNPUBLISHED)
}

/// The part of [`local_tag`] that is known before the file gets its final name, which changes the inode once more.
pub(crate) fn unpublished_tag(meta: &std::fs::Metadata) -> String {
    format!("{:016x}{UNPUBLISHED}", meta.ino())
}

/// A name on local disk under which there is nothing to read.
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
    file.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => changed(object).into(),
        _ => Error::io("reading", &object.url, error),
    })
}

/// What became of an object since it was listed.
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
