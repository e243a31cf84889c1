//! One file or object, and reading it from local disk.

use crate::model::{DataErrorKind, Error, Remedy, Result};
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
    /// What people are shown: the path, or the URL.
    pub url: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: Option<DateTime<Utc>>,
    /// The store's identifier of this content, where it has one. Of a local file the number of its inode and the time when
    /// that was last changed, which nobody can put back.
    pub e_tag: Option<String>,
    /// A link that leads nowhere or in a circle: there is a name, and nothing to read.
    #[serde(skip)]
    pub(crate) is_dangling: bool,
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

/// Runs blocking work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Internal(match error.try_into_panic() {
            Ok(panic) => format!("a worker gave up: {}", crate::codec::panic_text(&*panic)),
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
        e_tag: Some(local_tag(meta)),
        is_dangling: false,
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

/// A link on local disk that leads nowhere.
pub(crate) fn dangling_object(path: &str) -> Object {
    Object {
        key: path.to_owned(),
        url: path.to_owned(),
        size: 0,
        modified: None,
        e_tag: None,
        is_dangling: true,
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

pub(crate) fn changed(object: &Object) -> crate::model::DataError {
    Error::data(DataErrorKind::Changed, &object.url, "the file changed while it was read")
        .remedy(Remedy::RunWhenCompleteAndQuiet)
}
