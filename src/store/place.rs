//! Normalizes places so that two of them can be compared: `in`, `./in`, `in/../in` and a link to it are one folder, and
//! so is a folder mounted in two places. `s3a://` and `s3n://` are the same as `s3://`.

use super::location::Location;
use super::system::{self, Inode, inode, real_path};

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// Where a file or folder is, or would be.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The bucket; empty for local disk.
    root: String,
    /// Without a trailing slash.
    path: String,
}

impl Place {
    pub(crate) fn of_folder(location: &Location) -> Self {
        if location.is_local() {
            let path = resolved(Path::new(&location.path));
            let path = system::with_slashes(&path.to_string_lossy()).trim_end_matches('/').to_owned();
            return Place { root: String::new(), path };
        }
        let root = location.store.url("");
        let root = match root.split_once("://") {
            Some(("s3a" | "s3n", bucket)) => format!("s3://{bucket}"),
            _ => root,
        };
        // A store may or may not treat `a//b` as `a/b`.
        let segments: Vec<&str> = location.path.split('/').filter(|segment| !segment.is_empty()).collect();
        Place { root, path: segments.join("/") }
    }

    /// As [`Place::of_folder`], but a link in the file's place is not followed, because the link is what would be
    /// replaced.
    pub(crate) fn of_file(location: &Location) -> Self {
        Place::of_folder(&location.folder()).child(location.split().1)
    }

    /// Whether both are the same place.
    pub(crate) fn is(&self, other: &Place) -> bool {
        let is_on_disk = || is_one(self.on_disk(), other.on_disk()) || self.is_in_other_case(other);
        self.root == other.root && (self.path == other.path || is_on_disk())
    }

    /// The place of a name in this folder.
    pub(crate) fn child(&self, name: &str) -> Self {
        let slash = if self.path.is_empty() && !self.root.is_empty() { "" } else { "/" };
        Place { root: self.root.clone(), path: format!("{}{slash}{name}", self.path) }
    }

    /// The path of this place within a folder, if it is inside.
    pub(crate) fn within(&self, folder: &Place) -> Option<&str> {
        if self.root != folder.root {
            return None;
        }
        let below = |above: &str| {
            let below = self.path.strip_prefix(above)?;
            if above.is_empty() && !below.starts_with('/') { Some(below) } else { below.strip_prefix('/') }
        };
        below(&folder.path).or_else(|| {
            let wanted = folder.on_disk()?;
            let mut above = Path::new(&self.path).ancestors().skip(1);
            above
                .find(|above| {
                    is_one(id(above), Some(wanted)) || is_in_other_case(above, Path::new(&folder.path))
                })
                .and_then(|above| below(above.to_str()?.trim_end_matches('/')))
        })
    }

    /// Whether this is the place of `name` in a folder.
    pub(crate) fn is_in(&self, folder: &Place, name: &str) -> bool {
        self.within(folder) == Some(name)
    }

    /// Whether both are one file whose names differ only in case: some file systems do not distinguish such names.
    pub(crate) fn is_in_other_case(&self, other: &Place) -> bool {
        self.root.is_empty()
            && other.root.is_empty()
            && is_in_other_case(Path::new(&self.path), Path::new(&other.path))
    }

    /// The system's identity of the folder, if it is on local disk.
    fn on_disk(&self) -> Option<Inode> {
        let slash = if system::is_root(&self.path) { "/" } else { "" };
        self.root.is_empty().then(|| id(Path::new(&format!("{}{slash}", self.path)))).flatten()
    }
}

fn id(path: &Path) -> Option<Inode> {
    inode(path, &std::fs::metadata(path).ok()?).ok()
}

fn is_one(one: Option<Inode>, other: Option<Inode>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.is(&other))
}

/// Whether two paths that differ only in case lead to the same place. Inode numbers do not always tell: FUSE makes one
/// for each name that is looked up.
fn is_in_other_case(one: &Path, other: &Path) -> bool {
    let is_alike = one != other
        && one.as_os_str().len() == other.as_os_str().len()
        && one.to_string_lossy().to_lowercase() == other.to_string_lossy().to_lowercase();
    if !is_alike || one.symlink_metadata().is_err() || other.symlink_metadata().is_err() {
        return false;
    }
    let parts = |path: &Path| path.ancestors().map(Path::to_path_buf).collect::<Vec<_>>();
    // Each folder on the way lists its actual names: if one of the two is not among them, it is another spelling.
    parts(one).iter().zip(parts(other)).all(|(one, other)| match (one.file_name(), other.file_name()) {
        (Some(a), Some(b)) if a != b => is_one(id(one), id(&other)) || !lists_both(one, a, b),
        _ => true,
    })
}

fn lists_both(path: &Path, one: &OsStr, other: &OsStr) -> bool {
    let Some(entries) = path.parent().and_then(|folder| std::fs::read_dir(folder).ok()) else { return true };
    let names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
    [one, other].iter().all(|wanted| names.iter().any(|name| name == wanted))
}

/// The absolute path, with links resolved as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    if let Ok(real) = real_path(path) {
        return real;
    }
    let mut found = std::env::current_dir().unwrap_or_default();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                found.pop();
            }
            other => found.push(other),
        }
        if let Ok(real) = real_path(&found) {
            found = real;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;
    use std::sync::Arc;

    fn local(path: &Path) -> Location {
        Location::parse(&path.display().to_string()).expect("a path")
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_is_one_place_however_it_is_spelled() {
        let scratch = tempfile::tempdir().expect("a folder");
        let folder = scratch.path().join("in");
        std::fs::create_dir(&folder).expect("a folder");
        std::os::unix::fs::symlink("in", scratch.path().join("link")).expect("a link");
        let place = Place::of_folder(&local(&folder));
        for spelled in ["in/", "./in", "in/../in", "new/../in", "link", "link/../in/."] {
            assert_eq!(Place::of_folder(&local(&scratch.path().join(spelled))).path, place.path, "{spelled}");
        }
        let file = Place::of_file(&local(&scratch.path().join("link/new/x.csv")));
        assert_eq!(file.within(&place), Some("new/x.csv"));
        assert_eq!(Place::of_file(&local(&scratch.path().join("in2/x.csv"))).within(&place), None);
        // A link in place of a file is what is replaced.
        assert_ne!(Place::of_file(&local(&scratch.path().join("link"))).path, place.path);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_differ_in_case_are_two_where_both_are_listed() {
        let scratch = tempfile::tempdir().expect("a folder");
        for name in ["in", "IN", "in/x.csv", "in/X.csv", "IN/x.csv"] {
            let path = scratch.path().join(name);
            let made = if name.contains('.') { std::fs::write(path, "x") } else { std::fs::create_dir(path) };
            made.expect("made");
        }
        let at = |name: &str| Place::of_file(&local(&scratch.path().join(name)));
        for (one, other) in
            [("in/x.csv", "in/X.csv"), ("in/x.csv", "IN/x.csv"), ("in/x.csv", "in/absent.csv")]
        {
            assert!(!at(one).is_in_other_case(&at(other)), "{one} {other}");
        }
        assert!(!at("in/x.csv").is(&at("IN/x.csv")));
        assert_eq!(at("IN/x.csv").within(&Place::of_folder(&local(&scratch.path().join("in")))), None);
        // As on a case-insensitive file system.
        std::fs::remove_file(scratch.path().join("in/X.csv")).expect("removed");
        std::fs::hard_link(scratch.path().join("in/x.csv"), scratch.path().join("in/X.csv")).expect("linked");
        assert!(at("in/x.csv").is_in_other_case(&at("in/X.csv")));
    }

    #[test]
    fn a_relative_path_starts_at_the_working_folder() {
        let here = std::env::current_dir().expect("a working folder");
        let file = Place::of_file(&Location::parse("src/new.csv").expect("a path"));
        assert_eq!(file.within(&Place::of_folder(&local(&here))), Some("src/new.csv"));
        assert_eq!(
            file.within(&Place::of_folder(&local(Path::new("/")))).map(|path| path.starts_with('/')),
            Some(false)
        );
    }

    #[test]
    fn keys_are_compared_within_their_bucket() {
        let of = |root: &str, path: &str| Location::in_store(Arc::new(InMemory::new()), root, path);
        let file = Place::of_file(&of("memory://a/", "x/y.csv"));
        assert_eq!(file.within(&Place::of_folder(&of("memory://a/", "x/"))), Some("y.csv"));
        assert_eq!(file.within(&Place::of_folder(&of("memory://a/", ""))), Some("x/y.csv"));
        assert_eq!(file.within(&Place::of_folder(&of("memory://b/", "x/"))), None);
        for (root, key) in [("s3a://a/", "x/y.csv"), ("s3n://a/", "/x//y.csv"), ("s3://a/", "//x/y.csv")] {
            assert!(
                Place::of_file(&of(root, key)).is_in(&Place::of_folder(&of("s3://a/", "x")), "y.csv"),
                "{root}{key}"
            );
        }
    }
}
