//! What differs between systems: each of the modules below is one file for systems like Unix, and one with the same
//! functions for Windows. All other code of the library is the same everywhere.

mod inode;
#[cfg(windows)]
#[path = "no_owner.rs"]
mod owner;
#[cfg(unix)]
mod owner;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as own;
#[cfg(windows)]
use windows as own;

use std::fs::File;
use std::io;
use std::path::Path;

pub(crate) use inode::Inode;
pub(crate) use own::{
    HAS_DRIVES, inode, inode_of, is_lacking, is_missing, is_no_file_to_sync, is_root, is_unknown_call,
    longest_name, read_exact_at, real_path, rename, rename_to_free, state_folder, with_slashes, write_all_at,
};
pub(crate) use owner::{permit, take_after};

/// Opens a file for a lock, or makes one that only its owner may open. A link in its place is not followed.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    own::keep_private(&mut options);
    options.open(path)
}

/// What is kept of the file or link at a path.
pub(crate) fn inode_at(path: &Path) -> io::Result<Inode> {
    inode(path, &std::fs::symlink_metadata(path)?)
}
