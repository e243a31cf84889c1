//! A local file: written to a temporary next to it, synced, and moved into place in one step.

use super::folder::{Folder, SUFFIX, longest_name};
use super::into_place::{Existing, Placed, into_place};
use crate::model::{Error, ExistsWhy, Remedy, Result};
use crate::store::system::{self, Inode, inode, inode_at, is_unknown_call};
use crate::store::{Location, Object, blocking, changed, local_tag, unpublished_tag};

use bytes::Bytes;
use std::collections::HashSet;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tempfile::{Builder, TempPath};

pub(crate) struct LocalSink {
    path: PathBuf,
    shown: String,
    overwrite: bool,
    /// Open while it is written.
    file: Option<Arc<File>>,
    /// Removes the temporary when it is dropped, whatever happens.
    temporary: Option<TempPath>,
    /// The file after it was published.
    published: Option<Published>,
    /// Declared after the temporary: fields are dropped in order, and only an empty folder can be removed.
    folder: Option<Arc<Folder>>,
}

/// A file under its final name, as it was when it got that name; a later file there may be another's.
#[derive(Debug, Clone)]
struct Published {
    inode: Inode,
    tag: String,
    modified: Option<SystemTime>,
    /// It replaced another file.
    has_replaced: bool,
    how: Placed,
}

/// A file that any thread can write to at a position.
#[derive(Clone)]
pub(crate) struct PositionedFile {
    file: Arc<File>,
    shown: Arc<str>,
}

impl PositionedFile {
    /// Writes all bytes at a position of the file. Blocks.
    pub(crate) fn write_at(&self, bytes: &[u8], position: u64) -> Result<()> {
        system::write_all_at(&self.file, bytes, position)
            .map_err(|error| Error::io("writing", &*self.shown, error))
    }
}

impl LocalSink {
    pub(crate) fn create(location: &Location, overwrite: bool) -> Result<Self> {
        let shown = super::target::shown(location);
        let path = PathBuf::from(&location.path);
        let folder = folder_of(&path);
        let held = Folder::open(folder).map_err(|error| creation(&folder.display().to_string(), error))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let prefix = format!(".{}.", cut(&name, longest_name(folder).saturating_sub(ADDED).min(180)));
        let mut temporary = Builder::new();
        temporary.prefix(&prefix).suffix(SUFFIX);
        system::permit(&mut temporary, overwrite.then_some(&path));
        let temporary = temporary.tempfile_in(folder).map_err(|error| creation(&shown, error))?;
        let (file, temporary) = temporary.into_parts();
        Ok(LocalSink {
            path,
            shown,
            overwrite,
            file: Some(Arc::new(file)),
            temporary: Some(temporary),
            published: None,
            folder: Some(held),
        })
    }

    /// A file in the system's temporary folder that is never moved into place, for what is shown as `location`.
    pub(crate) fn aside(location: &Location) -> Result<Self> {
        let folder = std::env::temp_dir();
        let failed = |error| creation(&folder.display().to_string(), error);
        let held = Folder::open(&folder).map_err(failed)?;
        let temporary = Builder::new().suffix(SUFFIX).tempfile_in(&folder).map_err(failed)?;
        let (file, temporary) = temporary.into_parts();
        let (path, shown) = (temporary.to_path_buf(), super::target::shown(location));
        Ok(LocalSink {
            path,
            shown,
            overwrite: false,
            file: Some(Arc::new(file)),
            temporary: Some(temporary),
            published: None,
            folder: Some(held),
        })
    }

    /// What distinguishes this file from any other of its name: as it was published, or as it will be.
    pub(crate) fn identity(&self) -> (Option<String>, Option<SystemTime>) {
        if let Some(published) = &self.published {
            return (Some(published.tag.clone()), published.modified);
        }
        let found = self.temporary().and_then(|path| look(path).ok());
        found.map_or((None, None), |(inode, modified)| (Some(unpublished_tag(&inode)), modified))
    }

    /// The path of the bytes until they are published.
    pub(crate) fn temporary(&self) -> Option<&Path> {
        self.temporary.as_deref()
    }

    pub(crate) async fn write(&mut self, pieces: Vec<Bytes>) -> Result<()> {
        let (shown, file) = (self.shown.clone(), self.file.clone());
        blocking(move || {
            let Some(file) = file else {
                return Err(Error::Internal("a file was written after its end".into()));
            };
            let written = pieces.iter().try_for_each(|bytes| (&*file).write_all(bytes));
            written.map_err(|error| Error::io("writing", shown, error))
        })
        .await
    }

    /// Appends a range of a file.
    pub(crate) async fn copy(&mut self, from: &File, object: &Object, range: Range<u64>) -> Result<()> {
        let (shown, file) = (self.shown.clone(), self.file.clone());
        let from = from.try_clone().map_err(|error| Error::io("reading", &object.url, error))?;
        let object = object.clone();
        blocking(move || {
            let Some(file) = file else {
                return Err(Error::Internal("a file was written after its end".into()));
            };
            let mut from = &from;
            from.seek(SeekFrom::Start(range.start))
                .map_err(|error| Error::io("reading", &object.url, error))?;
            let wanted = range.end - range.start;
            // Between files this uses `copy_file_range` if it is available.
            let copied = std::io::copy(&mut from.take(wanted), &mut &*file)
                .map_err(|error| Error::io("writing", shown, error))?;
            if copied < wanted { Err(changed(&object).into()) } else { Ok(()) }
        })
        .await
    }

    pub(crate) fn positioned(&self) -> Option<PositionedFile> {
        let file = self.file.as_ref().map(Arc::clone)?;
        Some(PositionedFile { file, shown: self.shown.as_str().into() })
    }

    /// Sets the file's modification time before it is published; nothing is written afterwards. Returns the time as the
    /// file system keeps it, possibly cut to whole seconds; `None` if it cannot be set.
    pub(crate) fn stamp(&mut self, time: SystemTime) -> Result<Option<SystemTime>> {
        let set = |file: &File| file.set_modified(time).and_then(|()| file.metadata()?.modified());
        let kept = match (&self.file, self.temporary()) {
            (Some(file), _) => set(file),
            (None, Some(path)) => File::options().write(true).open(path).and_then(|file| set(&file)),
            (None, None) => return Ok(None),
        };
        match kept {
            Ok(time) => Ok(Some(time)),
            Err(error) if is_unknown_call(&error) || error.kind() == ErrorKind::PermissionDenied => Ok(None),
            Err(error) => Err(Error::io("writing", &self.shown, error)),
        }
    }

    /// Replaces the end of a finished file that is not published.
    pub(crate) async fn replace_end(&mut self, from: u64, end: Bytes, time: SystemTime) -> Result<()> {
        let (shown, path) = (self.shown.clone(), self.temporary().map(Path::to_path_buf));
        blocking(move || {
            let Some(path) = path else {
                return Err(Error::Internal("a file was changed after it was published".into()));
            };
            let changed = File::options().write(true).open(path).and_then(|file| {
                file.set_len(from)?;
                system::write_all_at(&file, &end, from)?;
                // If it cannot be set, no receipt names it.
                let _ = file.set_modified(time);
                sync(&file)
            });
            changed.map_err(|error| Error::io("writing", shown, error))
        })
        .await
    }

    pub(crate) async fn finish(&mut self) -> Result<()> {
        let (shown, file) = (self.shown.clone(), self.file.take());
        blocking(move || match file {
            // The rename must never reach the disk before the contents.
            Some(file) => sync(&file).map_err(|error| Error::io("writing", shown, error)),
            None => Ok(()),
        })
        .await
    }

    pub(crate) async fn publish(&mut self) -> Result<String> {
        let Some(mut temporary) = self.temporary.take() else {
            return Err(Error::Internal("a file was published twice".into()));
        };
        let (path, shown, overwrite) = (self.path.clone(), self.shown.clone(), self.overwrite);
        let folder = self.folder.clone();
        let (published, synced) = blocking(move || {
            let failed = |error| Error::io("writing", shown.clone(), error);
            let has_replaced = overwrite && system::take_after(&path, &temporary).map_err(failed)?;
            let ours = look(&temporary).map_err(failed)?;
            let existing = if overwrite { Existing::Replaced } else { Existing::Kept };
            let how = into_place(&temporary, &path, existing).map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => Error::exists(&shown, ExistsWhy::Exists),
                _ => failed(error),
            })?;
            temporary.disable_cleanup(true);
            let published = Published::now(&path, ours, has_replaced, how);
            Ok((published, folder.map_or(Ok(()), |folder| folder.sync()).map_err(failed)))
        })
        .await?;
        self.published = Some(published);
        if let Err(error) = synced {
            // The name might not survive a crash.
            self.retract();
            return Err(error);
        }
        Ok(self.shown.clone())
    }

    /// Whether the file is in its place but may have replaced a file that appeared at the same moment, because the file
    /// system has no safe rename.
    pub(crate) fn came_after_a_look(&self) -> bool {
        self.published.as_ref().is_some_and(|published| published.how == Placed::AfterALook)
    }

    /// A file waiting to be published that would get another's name: their names differ only in case, and the folder
    /// does not distinguish such names.
    pub(super) fn with_anothers_name<'a>(files: impl Iterator<Item = &'a LocalSink>) -> Option<String> {
        let mut names = HashSet::new();
        let mut again = files.filter(|file| !names.insert(file.path.to_string_lossy().to_lowercase()));
        again.find(|file| file.temporary().is_some_and(is_in_other_case)).map(|file| file.shown.clone())
    }

    /// The folders that were created for this file, the outermost first.
    pub(crate) fn made_folders(&self) -> &[PathBuf] {
        self.folder.as_ref().map_or(&[], |folder| folder.made())
    }

    pub(crate) fn abort(&mut self) {
        self.file = None;
        self.temporary = None;
        self.folder = None;
    }

    /// Unpublishes a file, unless it has replaced another. Another file may have taken its place since, so the file
    /// there is first moved aside, and moved back if it is not ours.
    pub(crate) fn retract(&mut self) {
        if let Some(published) = self.published.take()
            && !published.has_replaced
            && published.lies_at(&self.path)
            && let Ok(aside) = Builder::new().prefix(".").suffix(".aside").tempfile_in(folder_of(&self.path))
            // Closed, because Windows does not always replace an open file.
            && let mut aside = aside.into_temp_path()
            && std::fs::rename(&self.path, &aside).is_ok()
            && !published.lies_at(&aside)
        {
            // If two foreign files compete for the name, neither is removed.
            let _ = into_place(&aside, &self.path, Existing::Kept);
            aside.disable_cleanup(true);
        }
        self.folder = None;
    }
}

impl Published {
    /// The file that has just got this name, and what was known of it before.
    fn now(path: &Path, ours: (Inode, Option<SystemTime>), has_replaced: bool, how: Placed) -> Self {
        let (inode, modified) = ours;
        // If another file is already there, we will never know more about ours than this.
        let there = inode_at(path).ok().filter(|there| there.is(&inode));
        let tag = there.map_or_else(|| unpublished_tag(&inode), |there| local_tag(&there));
        Published { inode, tag, modified, has_replaced, how }
    }

    fn lies_at(&self, path: &Path) -> bool {
        inode_at(path).is_ok_and(|there| there.is(&self.inode))
    }
}

/// What is known of the file or link at a path, and when it was last written.
fn look(path: &Path) -> std::io::Result<(Inode, Option<SystemTime>)> {
    let meta = std::fs::symlink_metadata(path)?;
    Ok((inode(path, &meta)?, meta.modified().ok()))
}

/// Why nothing can be created in a folder. A folder that cannot be created must not be reported as a source that was not
/// found.
fn creation(shown: &str, error: std::io::Error) -> Error {
    let doing = "writing";
    let source = match error.kind() {
        // Some file systems, such as /proc, say so of any new name.
        ErrorKind::NotFound => {
            std::io::Error::new(error.kind(), "no file can be created there; write to another folder")
        }
        ErrorKind::NotADirectory | ErrorKind::ReadOnlyFilesystem => {
            std::io::Error::new(error.kind(), format!("{error}; write to another folder"))
        }
        _ => return Error::io(doing, shown, error).or_remedy(Remedy::WriteElsewhere),
    };
    Error::Io { doing, object: shown.to_owned(), source: Arc::new(source) }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// What a temporary's name adds to the file's: two dots, six random characters, and the suffix.
const ADDED: usize = 8 + SUFFIX.len();

/// Makes the bytes durable, on every file system that supports it.
fn sync(file: &File) -> std::io::Result<()> {
    file.sync_all().or_else(|error| if is_unknown_call(&error) { Ok(()) } else { Err(error) })
}

/// Whether a temporary can also be found by its name in upper case; no other file has such a name.
fn is_in_other_case(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).map(str::to_uppercase);
    name.is_some_and(|name| std::fs::symlink_metadata(path.with_file_name(name)).is_ok())
}

/// The start of a name, so that the temporary's name stays within the file system's limit.
fn cut(name: &str, most: usize) -> &str {
    let end = (0..=most.min(name.len())).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(folder: &Path) -> Location {
        Location::parse(&folder.join("new/out.csv").display().to_string()).expect("a path")
    }

    #[tokio::test]
    async fn nothing_is_seen_before_it_is_published() {
        let folder = tempfile::tempdir().expect("a folder");
        let location = target(folder.path());
        let mut sink = LocalSink::create(&location, false).expect("created");
        sink.write(vec![Bytes::from_static(b"a\n")]).await.expect("written");
        assert!(!Path::new(&location.path).exists());
        sink.finish().await.expect("finished");
        sink.publish().await.expect("published");
        assert_eq!(std::fs::read(&location.path).expect("there"), b"a\n");
        assert_eq!(std::fs::read_dir(folder.path().join("new")).expect("a folder").count(), 1);
    }

    #[tokio::test]
    async fn what_is_taken_back_is_our_own_file_and_no_file_that_came_in_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        for (overwrite, was_there, is_replaced) in
            [(false, false, false), (false, false, true), (true, false, false), (true, true, false)]
        {
            let location = target(folder.path());
            let mut sink = LocalSink::create(&location, overwrite).expect("created");
            if was_there {
                std::fs::write(&location.path, "old").expect("written by another");
            }
            sink.write(vec![Bytes::from_static(b"ours")]).await.expect("written");
            sink.finish().await.expect("finished");
            sink.publish().await.expect("published");
            if is_replaced {
                let theirs = folder.path().join("theirs");
                std::fs::write(&theirs, "theirs").expect("written");
                std::fs::rename(&theirs, &location.path).expect("moved into place");
            }
            sink.retract();
            let left = std::fs::read_to_string(&location.path).ok();
            // The replaced file is gone, and a complete file is better than none.
            let expected = if is_replaced { Some("theirs") } else { was_there.then_some("ours") };
            assert_eq!(left.as_deref(), expected, "{overwrite} {was_there} {is_replaced}");
            drop(sink);
            if left.is_some() {
                let names = std::fs::read_dir(folder.path().join("new")).expect("a folder").count();
                assert_eq!(names, 1);
                std::fs::remove_file(&location.path).expect("removed");
            }
        }
    }

    #[tokio::test]
    async fn an_abort_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sink = LocalSink::create(&target(folder.path()), false).expect("created");
        sink.write(vec![Bytes::from_static(b"a\n")]).await.expect("written");
        sink.abort();
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_many_writers_exactly_one_wins() {
        let folder = tempfile::tempdir().expect("a folder");
        for round in 0..20 {
            let location = Location::parse(&folder.path().join(format!("{round}.csv")).display().to_string());
            let location = location.expect("a path");
            let start = Arc::new(tokio::sync::Barrier::new(8));
            let mut writers = tokio::task::JoinSet::new();
            for writer in 0..8_u8 {
                let (location, start) = (location.clone(), Arc::clone(&start));
                writers.spawn(async move {
                    let mut sink = LocalSink::create(&location, false).expect("created");
                    sink.write(vec![Bytes::copy_from_slice(&[writer; 3])]).await.expect("written");
                    sink.finish().await.expect("finished");
                    start.wait().await;
                    (writer, sink.publish().await)
                });
            }
            let ended = writers.join_all().await;
            let won: Vec<u8> =
                ended.iter().filter(|(_, end)| end.is_ok()).map(|(writer, _)| *writer).collect();
            assert_eq!(won.len(), 1, "{ended:?}");
            assert!(
                ended.iter().all(|(_, end)| matches!(end, Ok(_) | Err(Error::OutputExists(_)))),
                "{ended:?}"
            );
            assert_eq!(std::fs::read(&location.path).expect("there"), [won[0]; 3]);
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 20);
    }

    #[tokio::test]
    async fn a_file_that_came_meanwhile_is_not_replaced_unless_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let location = target(folder.path());
        for (overwrite, expected) in [(false, &b"old"[..]), (true, b"new")] {
            let mut sink = LocalSink::create(&location, overwrite).expect("created");
            std::fs::write(&location.path, "old").expect("written by another");
            sink.write(vec![Bytes::from_static(b"new")]).await.expect("written");
            sink.finish().await.expect("finished");
            assert_eq!(sink.publish().await.is_ok(), overwrite);
            assert_eq!(std::fs::read(&location.path).expect("there"), expected);
        }
    }
}
