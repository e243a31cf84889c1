//! Gives a finished file its final name: takes two paths in one folder, returns whether it is certain that no other
//! file was replaced.
//!
//! Linux, macOS and Windows have a rename that fails if the name is taken, and all of their native file systems support
//! it. On Linux and macOS many others do not: FUSE, SMB, 9p, FAT and exFAT. There a hard link does the same. Without
//! links, all that is left is to check before the rename.

use crate::store::system::{self, Inode, inode_at, is_lacking};

use std::fs;
use std::io;
use std::path::Path;

/// How a file got its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// In one step: it replaced what it should replace, and nothing else.
    InOneStep,
    /// After checking that the name is free: a file that appeared between check and rename is replaced.
    AfterALook,
}

/// Whether to replace a file that already has the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Replaced,
    Kept,
}

/// Gives a file its name.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if the name is taken and that file must be kept.
pub(super) fn into_place(file: &Path, name: &Path, existing: Existing) -> io::Result<Placed> {
    let ours = inode_at(file)?;
    let moved = |done: io::Result<()>| done.or_else(|error| moved_all_the_same(error, file, name, &ours));
    if existing == Existing::Replaced {
        return moved(system::rename(file, name)).map(|()| Placed::InOneStep);
    }
    match moved(system::rename_to_free(file, name)) {
        Err(error) if is_lacking(&error) => {}
        done => return done.map(|()| Placed::InOneStep),
    }
    match fs::hard_link(file, name).or_else(|error| linked_all_the_same(error, name, &ours)) {
        Err(error) if is_lacking(&error) => {}
        // A second name is harmless: the next run that writes here removes it.
        done => return done.map(|()| drop(fs::remove_file(file))).map(|()| Placed::InOneStep),
    }
    match fs::symlink_metadata(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
    }
    moved(system::rename(file, name)).map(|()| Placed::AfterALook)
}

/// A server may have renamed the file although its answer was lost: on the retry, NFS reports that there is no such
/// file, or that the name is taken. No one else knows the temporary, so a file with its inode number under the final
/// name is ours.
fn moved_all_the_same(error: io::Error, file: &Path, name: &Path, ours: &Inode) -> io::Result<()> {
    let is_doubtful = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists);
    let is_gone = || fs::symlink_metadata(file).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    match is_doubtful && is_gone() && inode_at(name).is_ok_and(|there| is_same(&there, ours)) {
        true => Ok(()),
        false => Err(error),
    }
}

/// As [`moved_all_the_same`], for a link: then the file has two names.
fn linked_all_the_same(error: io::Error, name: &Path, ours: &Inode) -> io::Result<()> {
    let is_second = |there: Inode| is_same(&there, ours) && there.links == ours.links + 1;
    match error.kind() == io::ErrorKind::AlreadyExists && inode_at(name).is_ok_and(is_second) {
        true => Ok(()),
        false => Err(error),
    }
}

fn is_same(there: &Inode, ours: &Inode) -> bool {
    there.is(ours) && there.size == ours.size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_kept_unless_it_is_to_be_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, name) = (folder.path().join("file"), folder.path().join("name"));
        for existing in [Existing::Kept, Existing::Replaced] {
            for was_there in [false, true] {
                fs::write(&file, "ours").expect("written");
                let _ = fs::remove_file(&name);
                if was_there {
                    fs::write(&name, "theirs").expect("written");
                }
                let placed = into_place(&file, &name, existing);
                if was_there && existing == Existing::Kept {
                    assert_eq!(placed.expect_err("taken").kind(), io::ErrorKind::AlreadyExists);
                    assert_eq!(fs::read_to_string(&name).expect("there"), "theirs");
                    assert!(file.exists());
                } else {
                    assert_eq!(placed.expect("placed"), Placed::InOneStep);
                    assert_eq!(fs::read_to_string(&name).expect("there"), "ours");
                    assert!(!file.exists());
                }
            }
        }
    }

    #[test]
    fn what_an_answer_says_of_a_file_that_is_in_its_place_is_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, name) = (folder.path().join("file"), folder.path().join("name"));
        fs::write(&file, "ours").expect("written");
        let ours = inode_at(&file).expect("there");
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let taken = || io::Error::from(io::ErrorKind::AlreadyExists);
        // The call had no effect.
        assert!(moved_all_the_same(missing(), &file, &name, &ours).is_err());
        assert!(linked_all_the_same(taken(), &name, &ours).is_err());
        fs::write(&name, "them").expect("written");
        assert!(moved_all_the_same(taken(), &file, &name, &ours).is_err());
        assert!(linked_all_the_same(taken(), &name, &ours).is_err());
        fs::remove_file(&name).expect("removed");
        // The call succeeded, but its answer was lost.
        fs::hard_link(&file, &name).expect("linked");
        assert!(linked_all_the_same(taken(), &name, &ours).is_ok());
        assert!(moved_all_the_same(taken(), &file, &name, &ours).is_err());
        fs::remove_file(&file).expect("removed");
        assert!(moved_all_the_same(missing(), &file, &name, &ours).is_ok());
        assert!(moved_all_the_same(taken(), &file, &name, &ours).is_ok());
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(moved_all_the_same(denied, &file, &name, &ours).is_err());
        // Another process's file took its place.
        fs::remove_file(&name).expect("removed");
        fs::write(&name, "theirs").expect("written");
        assert!(moved_all_the_same(missing(), &file, &name, &ours).is_err());
    }
}
