//! Records on local disk the uploads that this process has begun. A killed run's uploads stay in the store, invisible
//! but billed, and only their IDs distinguish them from another program's. The next run that writes to the bucket
//! aborts them.
//!
//! There is one file per process, locked while the process lives: if the lock can be taken, the writer is dead. The
//! file is in `$XDG_STATE_HOME/forecast-export`, else in `~/.local/state/forecast-export`, on Windows in
//! `%LOCALAPPDATA%\forecast-export`; if there is none, as in many containers, nothing is recorded.

use crate::store::Store;
use crate::store::system::state_folder;

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};
use tempfile::NamedTempFile;

/// The end of the journals' names.
const SUFFIX: &str = ".uploads";

/// More than a run can have under way, and no more than is worth reading.
const LONGEST_JOURNAL: u64 = 64 << 20;

/// A line of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Line {
    Begun(NotedUpload),
    Ended(String),
}

/// An upload that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct NotedUpload {
    /// The bucket, as `s3://bucket/`.
    bucket: String,
    key: String,
    id: String,
}

/// The journal of this process, which exists while uploads are under way.
#[derive(Debug, Default)]
struct Journal {
    file: Option<NamedTempFile>,
    open: usize,
}

static JOURNAL: LazyLock<Mutex<Journal>> = LazyLock::new(Mutex::default);

/// An upload in the journal, until it is dropped.
#[derive(Debug)]
pub(super) struct Noted(String);

/// Records an upload that has begun; `None` if there is no place for the journal.
pub(super) fn note(store: &Store, key: &str, id: String) -> Option<Noted> {
    let upload = NotedUpload { bucket: store.url(""), key: key.to_owned(), id: id.clone() };
    let mut journal = JOURNAL.lock().unwrap_or_else(PoisonError::into_inner);
    if journal.file.is_none() {
        let folder = folder()?;
        std::fs::create_dir_all(&folder).ok()?;
        let file = tempfile::Builder::new().suffix(SUFFIX).tempfile_in(folder).ok()?;
        // Between these two lines the file is empty, so nothing is lost if another process mistakes it for a dead one.
        file.as_file().lock().ok()?;
        journal.file = Some(file);
    }
    journal.write(&Line::Begun(upload))?;
    journal.open += 1;
    Some(Noted(id))
}

impl Drop for Noted {
    fn drop(&mut self) {
        let mut journal = JOURNAL.lock().unwrap_or_else(PoisonError::into_inner);
        journal.open -= 1;
        if journal.open == 0 {
            journal.file = None;
        } else {
            journal.write(&Line::Ended(std::mem::take(&mut self.0)));
        }
    }
}

impl Journal {
    fn write(&mut self, line: &Line) -> Option<()> {
        let mut text = serde_json::to_string(line).ok()?;
        text.push('\n');
        self.file.as_mut()?.write_all(text.as_bytes()).ok()
    }
}

/// Aborts what killed runs on this machine have left in the bucket. Uploads that cannot be aborted now are left to a
/// later run.
pub(super) async fn clear(store: &Store) {
    let (Some(uploads), Some(folder)) = (store.uploads(), folder()) else { return };
    for (path, file, left) in dead_journals(&folder) {
        let mut are_gone = true;
        for upload in left {
            let aborted = match Path::parse(&upload.key) {
                Ok(key) if upload.bucket == store.url("") => uploads.abort_multipart(&key, &upload.id).await,
                _ => {
                    are_gone = false;
                    continue;
                }
            };
            are_gone &= matches!(aborted, Ok(()) | Err(object_store::Error::NotFound { .. }));
        }
        if are_gone {
            let _ = std::fs::remove_file(path);
        }
        // Locked until here, so that two runs do not clean up at the same time.
        drop(file);
    }
}

/// Journals of dead processes, with the uploads that they left.
fn dead_journals(folder: &std::path::Path) -> Vec<(PathBuf, File, Vec<NotedUpload>)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let dead = entries.flatten().filter_map(|entry| {
        let path = entry.path();
        path.to_str().filter(|path| path.ends_with(SUFFIX))?;
        let mut file = open_journal(&path)?;
        file.try_lock().ok()?;
        let mut text = String::new();
        // A journal has a line for each of a few uploads.
        (&mut file).take(LONGEST_JOURNAL).read_to_string(&mut text).ok()?;
        // An empty one may belong to a process that is about to lock it.
        (!text.is_empty()).then(|| (path, file, left(&text)))
    });
    dead.collect()
}

/// Opens what may be a journal. It may also be a pipe, which would block until its other end is opened, or a device.
fn open_journal(path: &std::path::Path) -> Option<File> {
    let is_file = |meta: std::io::Result<Metadata>| meta.is_ok_and(|meta| meta.is_file());
    if !is_file(std::fs::symlink_metadata(path)) {
        return None;
    }
    // For reading and writing, as locks require; this also opens a pipe without blocking.
    let file = File::options().read(true).write(true).open(path).ok()?;
    is_file(file.metadata()).then_some(file)
}

/// The uploads begun and not ended. A truncated last line does not hold a complete ID.
fn left(text: &str) -> Vec<NotedUpload> {
    let mut left: Vec<NotedUpload> = Vec::new();
    for line in text.lines() {
        match serde_json::from_str(line) {
            Ok(Line::Begun(upload)) => left.push(upload),
            Ok(Line::Ended(id)) => left.retain(|upload| upload.id != id),
            Err(_) => {}
        }
    }
    left
}

fn folder() -> Option<PathBuf> {
    Some(state_folder()?.join("forecast-export"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_no_journal() {
        let folder = tempfile::tempdir().expect("a folder");
        let line = serde_json::to_string(&Line::Begun(NotedUpload {
            bucket: "s3://b/".into(),
            key: "k".into(),
            id: "1".into(),
        }))
        .expect("JSON");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("dead.uploads"), format!("{line}\n")).expect("written");
        std::fs::create_dir(at("folder.uploads")).expect("a folder");
        std::os::unix::fs::symlink("/dev/zero", at("zero.uploads")).expect("a link");
        std::os::unix::fs::symlink("pipe.uploads", at("link.uploads")).expect("a link");
        drop(std::os::unix::net::UnixListener::bind(at("socket.uploads")).expect("a socket"));
        let made = std::process::Command::new("mkfifo").arg(at("pipe.uploads")).status().expect("mkfifo");
        assert!(made.success());
        let found = dead_journals(folder.path());
        let found: Vec<PathBuf> = found.into_iter().map(|(path, ..)| path).collect();
        assert_eq!(found, [at("dead.uploads")]);
    }

    #[test]
    fn what_was_begun_and_not_ended_is_left() {
        let upload = |id: &str| NotedUpload { bucket: "s3://b/".into(), key: "k\n".into(), id: id.into() };
        let lines = [Line::Begun(upload("1")), Line::Begun(upload("2")), Line::Ended("1".into())];
        let mut text: String =
            lines.iter().map(|line| serde_json::to_string(line).expect("JSON") + "\n").collect();
        text.push_str("{\"Begun\":{\"buck");
        assert_eq!(left(&text), [upload("2")]);
    }
}
