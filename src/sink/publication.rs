//! Allows one publication at a time in a folder, so that files and their receipt appear together, and earlier checks
//! still hold.
//!
//! A run holds the lock only while it renames its files, not while it writes them. The lock is a file that only its
//! owner may open, so that no other user can hold it; it ends with its process, however that ends.

use super::folder::SUFFIX;
use crate::model::{Error, Result};
use crate::store::Location;
use crate::store::system::{inode_at, inode_of, open_lock};

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longer than any publication takes: a run that is suspended in the middle must not block others forever.
const LONGEST: Duration = Duration::from_secs(10);
const AGAIN_AFTER: Duration = Duration::from_millis(10);

/// The right to publish to a folder, until it is dropped.
pub(crate) struct Publication {
    /// `None` if the file system does not support locks, and in object stores, where the receipt is written
    /// conditionally.
    lock: Option<(PathBuf, File)>,
}

impl Publication {
    /// For output that no one else can write, or that no lock protects.
    pub(crate) fn of_nothing() -> Self {
        Publication { lock: None }
    }

    /// Waits for the right to publish a file or a folder's files.
    ///
    /// # Errors
    /// [`Error::Store`] if another run holds it for longer than any publication takes.
    pub(crate) async fn begin(location: &Location, is_folder: bool) -> Result<Self> {
        if !location.is_local() {
            return Ok(Publication::of_nothing());
        }
        let folder = if is_folder { location.path.as_str() } else { location.split().0 };
        let folder = if folder.is_empty() { "." } else { folder };
        let path = Path::new(folder).join(format!(".publication{SUFFIX}"));
        let began = Instant::now();
        loop {
            match try_lock(&path) {
                Ok(Tried::Locked(file)) => return Ok(Publication { lock: Some((path, file)) }),
                Ok(Tried::NoLocks) => return Ok(Publication::of_nothing()),
                Ok(Tried::Busy) if began.elapsed() > LONGEST => {
                    return Err(Error::Store {
                        doing: "writing",
                        object: location.to_string(),
                        reason: format!(
                            "another run has been publishing to the folder for {} seconds",
                            LONGEST.as_secs()
                        ),
                        remedy: None,
                        source: None,
                    });
                }
                Ok(Tried::Busy) => tokio::time::sleep(AGAIN_AFTER).await,
                Err(error) => return Err(Error::io("writing", location.to_string(), error)),
            }
        }
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        if let Some((path, _)) = &self.lock {
            // Removed while still locked: a waiting process sees that the name is gone, and makes a new lock.
            let _ = std::fs::remove_file(path);
        }
    }
}

enum Tried {
    Locked(File),
    Busy,
    NoLocks,
}

fn try_lock(path: &Path) -> io::Result<Tried> {
    let file = match open_lock(path) {
        Ok(file) => file,
        // The lock belongs to another user.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && path.exists() => {
            return Ok(Tried::Busy);
        }
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Ok(Tried::Busy),
        Err(std::fs::TryLockError::Error(_)) => {
            let _ = std::fs::remove_file(path);
            return Ok(Tried::NoLocks);
        }
    }
    let ours = inode_of(&file)?;
    let is_there = inode_at(path).is_ok_and(|there| there.is(&ours));
    Ok(if is_there { Tried::Locked(file) } else { Tried::Busy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn at(folder: &Path) -> Location {
        Location::parse(&format!("{}/", folder.display())).expect("a path")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_publishes_at_a_time_and_nothing_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = Arc::new(AtomicUsize::new(0));
        let mut runs = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let (location, inside) = (at(folder.path()), Arc::clone(&inside));
            runs.spawn(async move {
                let held = Publication::begin(&location, true).await.expect("begun");
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                tokio::time::sleep(Duration::from_millis(2)).await;
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(held);
            });
        }
        while let Some(run) = runs.join_next().await {
            run.expect("no two at a time");
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_lock_that_was_left_is_no_obstacle_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let lock = folder.path().join(format!(".publication{SUFFIX}"));
        std::fs::write(&lock, "").expect("written");
        drop(Publication::begin(&at(folder.path()), true).await.expect("begun"));
        assert!(!lock.exists());
        std::os::unix::fs::symlink("elsewhere", &lock).expect("a link");
        assert!(Publication::begin(&at(folder.path()), true).await.is_err());
        assert!(!folder.path().join("elsewhere").exists());
    }
}
