//! Carries over the owner and permissions of a replaced file to the new one.

use super::unix::is_unknown_call;
use rustix::fs::{XattrFlags, getxattr, setxattr};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use tempfile::Builder;

/// Extended attributes with permissions beyond the mode, and with the file's security label.
const ATTRIBUTES: [&str; 2] = ["system.posix_acl_access", "security.selinux"];

/// Makes a temporary file readable according to the umask, because tempfile's own default is for secrets. When it
/// replaces a file, users who could not read the old one cannot read the new one meanwhile.
pub(crate) fn permit(builder: &mut Builder<'_, '_>, replaced: Option<&Path>) {
    let mode = replaced.and_then(mode).map_or(0o666, |mode| mode & 0o666);
    builder.permissions(Permissions::from_mode(mode));
}

/// The mode of a regular file at a path.
fn mode(path: &Path) -> Option<u32> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    meta.is_file().then(|| meta.mode() & 0o7777)
}

/// Gives a file the owner, group, mode, access list and label of the one that it is about to replace; `false` if there
/// is none. Owner and label are set only if the system allows it, which it does not for most users; but a private file
/// stays private.
pub(crate) fn take_after(path: &Path, new: &Path) -> io::Result<bool> {
    let old = match std::fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if !old.is_file() {
        return Ok(true);
    }
    let own = std::fs::symlink_metadata(new)?;
    let owner = (old.uid() != own.uid()).then(|| old.uid());
    let group = (old.gid() != own.gid()).then(|| old.gid());
    let has_owner = owner.is_none() || std::os::unix::fs::chown(new, owner, None).is_ok();
    let has_group = group.is_none() || std::os::unix::fs::chown(new, None, group).is_ok();
    // The group's permissions must not pass to another group, and nothing may run under another owner's name.
    let kept = if has_group { 0o777 } else { 0o707 };
    let special = if has_owner && has_group { old.mode() & 0o7000 } else { 0 };
    let wanted = old.mode() & kept | special;
    match std::fs::set_permissions(new, Permissions::from_mode(wanted)) {
        // A file system without modes, or with the same mode for all files: the new file must not allow more than the
        // old one.
        Err(error) if has_no_modes(&error) && is_within(own.mode(), old.mode()) => {}
        set => set?,
    }
    for name in ATTRIBUTES {
        let mut value = vec![0; 64 * 1024];
        if let Ok(length) = getxattr(path, name, &mut value[..]) {
            // A list that cannot be set is replaced by the mode, which allows others no more.
            let _ = setxattr(new, name, &value[..length], XattrFlags::empty());
        }
    }
    Ok(true)
}

fn has_no_modes(error: &io::Error) -> bool {
    is_unknown_call(error) || error.kind() == io::ErrorKind::PermissionDenied
}

/// Whether a mode allows nothing beyond another mode.
fn is_within(mode: u32, other: u32) -> bool {
    mode & 0o777 & !other == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_as_private_as_the_one_it_replaces() {
        let folder = tempfile::tempdir().expect("a folder");
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        for mode in [0o600, 0o640, 0o444, 0o666] {
            std::fs::write(&new, "new").expect("written");
            assert!(!take_after(&old, &new).expect("nothing there"));
            std::fs::write(&old, "old").expect("written");
            std::fs::set_permissions(&old, Permissions::from_mode(mode)).expect("set");
            assert_eq!(super::mode(&old), Some(mode));
            assert!(take_after(&old, &new).expect("taken"));
            assert_eq!(super::mode(&new), Some(mode));
            std::fs::remove_file(&old).expect("removed");
            std::fs::remove_file(&new).expect("removed");
        }
    }
}
