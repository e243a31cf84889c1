//! Windows. A file's number comes from a handle, so a file that is known by its path is opened once more, only for its
//! attributes. That needs no permission to read, and no sharing mode forbids it.

use super::inode::Inode;
use tempfile::TempPath;

use std::borrow::Cow;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Whether a path may begin with a drive or a server, as `C:/` or `//server/share`.
pub(crate) const HAS_DRIVES: bool = true;

/// From the Windows API, as are all constants below.
const FILE_READ_ATTRIBUTES: u32 = 0x80;
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
const ERROR_INVALID_FUNCTION: i32 = 1;
const ERROR_NOT_SUPPORTED: i32 = 50;
const ERROR_INVALID_PARAMETER: i32 = 87;
const ERROR_CALL_NOT_IMPLEMENTED: i32 = 120;

/// A path with `/` between its names, which Windows takes as well as `\`; a `\\?\` before it, after which it would not,
/// is left out.
pub(crate) fn with_slashes(path: &str) -> Cow<'_, str> {
    let (start, path) = match path.strip_prefix(r"\\?\") {
        Some(path) => path.strip_prefix(r"UNC\").map_or(("", path), |path| ("//", path)),
        None => ("", path),
    };
    match start.is_empty() && !path.contains('\\') {
        true => Cow::Borrowed(path),
        false => Cow::Owned(format!("{start}{}", path.replace('\\', "/"))),
    }
}

/// The absolute path in which no name is a link.
pub(crate) fn real_path(path: &Path) -> io::Result<PathBuf> {
    let real = path.canonicalize()?;
    Ok(real.to_str().map(|real| PathBuf::from(&*with_slashes(real))).unwrap_or(real))
}

/// Whether what precedes a path's last `/` is a drive or nothing, because the slash itself is the root.
pub(crate) fn is_root(before_slash: &str) -> bool {
    matches!(before_slash.as_bytes(), [] | [_, b':'])
}

/// Whether an error means that there is no such file. No file has a name that is not allowed, such as one with a `*`.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename)
}

/// The folder for what programs remember between runs.
pub(crate) fn state_folder() -> Option<PathBuf> {
    std::env::var_os("LOCALAPPDATA").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// What is kept of a file at a path, or of a link there if the metadata are of one.
pub(crate) fn inode(path: &Path, meta: &Metadata) -> io::Result<Inode> {
    // Without the first flag, folders cannot be opened.
    let link = if meta.is_symlink() { FILE_FLAG_OPEN_REPARSE_POINT } else { 0 };
    let flags = FILE_FLAG_BACKUP_SEMANTICS | link;
    inode_of(&OpenOptions::new().access_mode(FILE_READ_ATTRIBUTES).custom_flags(flags).open(path)?)
}

/// As [`inode`], of an open file.
pub(crate) fn inode_of(file: &File) -> io::Result<Inode> {
    let known = winapi_util::file::information(file)?;
    Ok(Inode {
        device: known.volume_serial_number(),
        number: known.file_index(),
        size: known.file_size(),
        links: known.number_of_links(),
        // A program could set it back, unlike the time that other systems keep.
        changed: known.last_write_time().unwrap_or_default().into(),
    })
}

/// Fills `buffer` from `offset` on.
pub(crate) fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.seek_read(buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes all bytes from `offset` on.
pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_write(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Renames a temporary file, and replaces the file that has its new name.
pub(crate) fn rename(file: &Path, name: &Path) -> io::Result<()> {
    // It is no longer marked as one that need not reach the disk.
    TempPath::try_from_path(file)?.keep()?;
    std::fs::rename(file, name)
}

/// Renames a temporary file in one step that fails if another file has its new name.
pub(crate) fn rename_to_free(file: &Path, name: &Path) -> io::Result<()> {
    TempPath::try_from_path(unlimited(file))?.persist_noclobber(unlimited(name)).map_err(|mut failed| {
        // The caller decides what becomes of the file.
        failed.path.disable_cleanup(true);
        failed.error
    })
}

/// The same path in the form that may be longer than 260 characters. The standard library finds it by itself.
fn unlimited(path: &Path) -> PathBuf {
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path.to_path_buf(),
    }
}

/// A link is not followed. The folder decides who may open the file.
pub(super) fn keep_private(options: &mut OpenOptions) {
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
}

/// The length of the longest name that a file can have in a folder, if the file system tells.
pub(crate) fn longest_name(_folder: &Path) -> Option<u64> {
    None
}

/// Whether a file system does not support a call, as opposed to failing at it.
pub(crate) fn is_lacking(error: &io::Error) -> bool {
    is_unknown_call(error)
}

/// Whether the call does not exist for the file.
pub(crate) fn is_unknown_call(error: &io::Error) -> bool {
    let lacking =
        [ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED, ERROR_INVALID_PARAMETER, ERROR_CALL_NOT_IMPLEMENTED];
    error.raw_os_error().is_some_and(|error| lacking.contains(&error))
}

/// Folders are not opened here, so there is no such error.
pub(crate) fn is_no_file_to_sync(_error: &io::Error) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_gets_slashes_and_loses_what_only_windows_puts_before_it() {
        for (path, expected) in [
            (r"C:\x\y.csv", "C:/x/y.csv"),
            (r"\\?\C:\x", "C:/x"),
            (r"\\?\UNC\server\share\x", "//server/share/x"),
            (r"\\server\share", "//server/share"),
            ("a/b", "a/b"),
        ] {
            assert_eq!(with_slashes(path), expected);
        }
    }

    #[test]
    fn a_file_that_is_published_is_no_longer_marked_as_temporary() {
        use std::os::windows::fs::MetadataExt;
        let folder = tempfile::tempdir().expect("a folder");
        let name = folder.path().join("name");
        for (moved, is_taken) in [(rename_to_free as fn(&Path, &Path) -> _, false), (rename, true)] {
            assert_eq!(name.exists(), is_taken);
            let file = tempfile::NamedTempFile::new_in(folder.path()).expect("a file").into_temp_path();
            moved(&file, &name).expect("moved");
            assert!(!file.exists());
            assert_eq!(std::fs::metadata(&name).expect("there").file_attributes() & 0x100, 0);
        }
        let file = tempfile::NamedTempFile::new_in(folder.path()).expect("a file").into_temp_path();
        let taken = rename_to_free(&file, &name).expect_err("taken");
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert!(file.exists());
    }
}
