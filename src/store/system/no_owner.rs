//! On Windows a new file has the permissions that its folder gives it, also if it replaces another.

use std::io;
use std::path::Path;
use tempfile::Builder;

/// The folder decides.
pub(crate) fn permit(_builder: &mut Builder<'_, '_>, _replaced: Option<&Path>) {}

/// Whether there is a file that will be replaced.
pub(crate) fn take_after(path: &Path, _new: &Path) -> io::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
