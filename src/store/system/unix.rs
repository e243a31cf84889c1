//! Linux, macOS and other systems that are like Unix.

use super::inode::Inode;
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use std::borrow::Cow;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Whether a path may begin with a drive or a server, as `C:/` or `//server/share`.
pub(crate) const HAS_DRIVES: bool = false;

/// A path with `/` between its names.
pub(crate) fn with_slashes(path: &str) -> Cow<'_, str> {
    Cow::Borrowed(path)
}

/// The absolute path in which no name is a link.
pub(crate) fn real_path(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// Whether what precedes a path's last `/` is empty, because the slash itself is the root.
pub(crate) fn is_root(before_slash: &str) -> bool {
    before_slash.is_empty()
}

/// Whether an error means that there is no such file.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// The folder for what programs remember between runs.
pub(crate) fn state_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")))
}

/// What the metadata of a path, or of a link there, tell of the file.
pub(crate) fn inode(_path: &Path, meta: &Metadata) -> io::Result<Inode> {
    Ok(Inode {
        device: meta.dev(),
        number: meta.ino(),
        size: meta.len(),
        links: meta.nlink(),
        changed: i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec()),
    })
}

/// As [`inode`], of an open file.
pub(crate) fn inode_of(file: &File) -> io::Result<Inode> {
    inode(Path::new(""), &file.metadata()?)
}

/// Fills `buffer` from `offset` on.
pub(crate) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(buffer, offset)
}

/// Writes all bytes from `offset` on.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Renames a temporary file, and replaces the file that has its new name.
pub(crate) fn rename(file: &Path, name: &Path) -> io::Result<()> {
    std::fs::rename(file, name)
}

/// Renames a temporary file in one step that fails if another file has its new name. Linux and macOS can, and so can
/// all of their native file systems.
pub(crate) fn rename_to_free(file: &Path, name: &Path) -> io::Result<()> {
    renameat_with(CWD, file, CWD, name, RenameFlags::NOREPLACE).map_err(io::Error::from)
}

/// Only its owner may open a file that is made, and a link is not followed.
pub(super) fn keep_private(options: &mut OpenOptions) {
    options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits() as i32);
}

/// The length of the longest name that a file can have in a folder, if the file system tells.
pub(crate) fn longest_name(folder: &Path) -> Option<u64> {
    rustix::fs::statvfs(folder).ok().map(|found| found.f_namemax)
}

/// Whether a file system does not support a call, as opposed to failing at it. Some report "not permitted": if that is
/// about the user, the next attempt fails too.
pub(crate) fn is_lacking(error: &io::Error) -> bool {
    is_unknown_call(error) || Errno::from_io_error(error) == Some(Errno::PERM)
}

/// Whether the call does not exist for the file.
pub(crate) fn is_unknown_call(error: &io::Error) -> bool {
    let lacking = [Errno::NOSYS, Errno::INVAL, Errno::NOTSUP, Errno::OPNOTSUPP];
    Errno::from_io_error(error).is_some_and(|error| lacking.contains(&error))
}

/// The error of some network file systems if a folder is to be made durable.
pub(crate) fn is_no_file_to_sync(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::BADF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_fails_is_no_call_that_is_lacking() {
        let is = |errno: Errno| is_lacking(&errno.into());
        assert!([Errno::NOSYS, Errno::INVAL, Errno::PERM, Errno::OPNOTSUPP].into_iter().all(is));
        assert!(![Errno::IO, Errno::EXIST, Errno::NOSPC, Errno::ACCESS, Errno::ROFS].into_iter().any(is));
    }
}
