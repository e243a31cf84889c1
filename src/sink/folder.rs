//! A local folder that files are written into. It is created if it is missing, removed again if it stays empty, and
//! cleared of what killed runs left.
//!
//! Every writer holds a shared lock on the folder, which ends with its process, however that ends. So if an exclusive
//! lock can be taken, no one else is writing here, and every temporary is a killed run's. If a file system does not
//! support locks on folders, nothing is cleared; on Windows none does. A program that keeps an exclusive lock is not
//! waited for; it also keeps others from clearing.

use crate::store::system;

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The end of a temporary's name: long enough that no other file has it by chance.
pub(super) const SUFFIX: &str = ".forecast-export.tmp";

/// Held by every file that is being written into the folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    made: Vec<PathBuf>,
    /// Locked, if the file system supports that.
    _lock: Option<File>,
}

/// The folders that this process writes into: one lock for all of a run's files, of which there may be thousands.
static OPEN: LazyLock<Mutex<HashMap<PathBuf, Weak<Folder>>>> = LazyLock::new(Mutex::default);

impl Folder {
    /// Opens a folder, creating it and its parents if they are missing.
    pub(super) fn open(path: &Path) -> io::Result<Arc<Self>> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<PathBuf> = path
            .ancestors()
            .take_while(|above| !above.as_os_str().is_empty() && !above.exists())
            .map(Path::to_path_buf)
            .collect();
        std::fs::create_dir_all(path)?;
        let name = path.canonicalize()?;
        if let Some(folder) = open.get(&name).and_then(Weak::upgrade) {
            return Ok(folder);
        }
        let made = missing.into_iter().rev().collect();
        let folder = Arc::new(Folder { path: path.to_path_buf(), made, _lock: lock(path) });
        open.retain(|_, folder| folder.strong_count() > 0);
        open.insert(name, Arc::downgrade(&folder));
        Ok(folder)
    }

    /// The folders that did not exist before, the outermost first.
    pub(super) fn made(&self) -> &[PathBuf] {
        &self.made
    }

    /// Makes names durable: those in the folder, and its own if it was created. Not every file system supports that,
    /// and not every user may do it; the files themselves are safe without it.
    ///
    /// # Errors
    /// If the file system supports it but fails.
    pub(super) fn sync(&self) -> io::Result<()> {
        let above = self.made.iter().filter_map(|made| made.parent());
        for folder in above.chain([self.path.as_path()]) {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let Ok(folder) = File::open(folder) else { continue };
            match folder.sync_all() {
                Err(error) if !system::is_unknown_call(&error) && !system::is_no_file_to_sync(&error) => {
                    return Err(error);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The longest name on common file systems, in bytes.
const LONGEST_NAME: usize = 255;

/// The longest name, in bytes, that a file can have in a folder, which need not exist yet. Some encrypting file systems
/// allow only 143 bytes.
pub(crate) fn longest_name(folder: &Path) -> usize {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let found = folder.ancestors().find_map(system::longest_name);
    let most = found.and_then(|most| usize::try_from(most).ok()).filter(|most| *most > 0);
    most.map_or(LONGEST_NAME, |most| most.min(LONGEST_NAME))
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Only an empty folder can be removed, so one that another run has begun to use stays.
        for folder in self.made.iter().rev() {
            if !is_removed(folder) {
                break;
            }
        }
    }
}

/// Removes a folder that is empty. FUSE and NFS keep a removed file under another name until it is closed, which may be
/// a moment later; not all of them report this as the reason.
fn is_removed(folder: &Path) -> bool {
    for _ in 0..MOMENTS {
        match std::fs::remove_dir(folder) {
            Ok(()) => return true,
            Err(error) if error.kind() != io::ErrorKind::NotFound && is_closing(folder) => {
                std::thread::sleep(MOMENT);
            }
            Err(_) => return false,
        }
    }
    false
}

const MOMENT: Duration = Duration::from_millis(5);
const MOMENTS: usize = 40;

/// Whether the folder contains only removed files.
fn is_closing(folder: &Path) -> bool {
    let is_hidden = |name: &str| name.starts_with(".fuse_hidden") || name.starts_with(".nfs");
    std::fs::read_dir(folder).is_ok_and(|mut entries| {
        entries.all(|entry| entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(is_hidden)))
    })
}

fn lock(path: &Path) -> Option<File> {
    let folder = File::open(path).ok()?;
    if folder.try_lock().is_ok() {
        clear(path);
    }
    // The new lock replaces the old one. A process that clears holds it for a moment.
    let began = Instant::now();
    while began.elapsed() < CLEARING {
        match folder.try_lock_shared() {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// How long to wait for a process that clears the folder.
const CLEARING: Duration = Duration::from_millis(500);

/// Removes the temporaries of killed runs.
fn clear(path: &Path) {
    let Ok(entries) = std::fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(SUFFIX));
        // One that cannot be removed does no harm.
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_a_killed_run_left_is_cleared_away_but_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let names =
            [".x.csv.a1B2c3.forecast-export.tmp", ".x.csv.a1B2c3.tmp", "x.forecast-export.tmp", "x.csv"];
        for name in names {
            std::fs::write(folder.path().join(name), "x").expect("written");
        }
        let held = Folder::open(folder.path()).expect("open");
        assert!(!folder.path().join(names[0]).exists());
        assert!(names[1..].iter().all(|name| folder.path().join(name).exists()));
        drop(held);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_being_written_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(".x.csv.a1B2c3.forecast-export.tmp");
        std::fs::write(&file, "x").expect("written");
        // As another process would hold it.
        let other = File::open(folder.path()).expect("a folder");
        other.lock_shared().expect("locked");
        drop(Folder::open(folder.path()).expect("open"));
        assert!(file.exists());
        drop(other);
        drop(Folder::open(folder.path()).expect("open"));
        assert!(!file.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_of_another_program_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let other = File::open(folder.path()).expect("a folder");
        other.lock().expect("locked");
        let began = Instant::now();
        let held = Folder::open(folder.path()).expect("open");
        assert!(held._lock.is_none() && began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn folders_that_were_made_for_nothing_go_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (above, inner) = (folder.path().join("a"), folder.path().join("a/b/c"));
        let first = Folder::open(&inner).expect("open");
        let second = Folder::open(&inner).expect("open");
        drop(first);
        assert!(inner.exists());
        drop(second);
        assert!(!above.exists());
        assert!(folder.path().exists());

        let held = Folder::open(&inner).expect("open");
        std::fs::write(above.join("kept"), "x").expect("written");
        drop(held);
        assert!(above.join("kept").exists() && !above.join("b").exists());
    }
}
