//! Buckets that are folders of this machine: where they are, and that nothing leads out of them.

use crate::model::{Error, Result, UsageError};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The mapped buckets, by name.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    folders: BTreeMap<String, PathBuf>,
}

impl Buckets {
    /// Makes the folders that do not exist yet.
    pub(super) fn open(mapped: BTreeMap<String, PathBuf>) -> Result<Self> {
        let mut folders = BTreeMap::new();
        for (name, folder) in mapped {
            let is_name = name.len() >= 3
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
                && name.as_bytes()[0] != b'.'
                && !name.contains("..");
            if !is_name {
                let problem = format!("\"{name}\" cannot be a bucket's name");
                return Err(UsageError::Config { file: "the buckets".into(), problem }.into());
            }
            let failed = |error| Error::io("opening", folder.display().to_string(), error);
            std::fs::create_dir_all(&folder).map_err(failed)?;
            folders.insert(name, folder.canonicalize().map_err(failed)?);
        }
        Ok(Buckets { folders })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.folders.keys().map(String::as_str)
    }

    /// The folder of a bucket.
    pub(super) fn root(&self, bucket: &str) -> Option<&Path> {
        self.folders.get(bucket).map(PathBuf::as_path)
    }

    /// Whether a folder is in a bucket, or holds one.
    pub(super) fn overlap(&self, folder: &Path) -> bool {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        self.folders.values().any(|bucket| bucket.starts_with(&folder) || folder.starts_with(bucket))
    }

    /// The folder that `s3://bucket/prefix` stands for, if the bucket is mapped.
    ///
    /// # Errors
    /// [`UsageError::Config`] if the prefix would lead out of the bucket.
    pub(super) fn folder_of(&self, path: &str) -> Result<Option<PathBuf>> {
        let Some((bucket, prefix)) = split(path) else { return Ok(None) };
        let Some(root) = self.root(bucket) else { return Ok(None) };
        within(root, prefix.trim_end_matches('/')).map(Some).ok_or_else(|| {
            let problem = format!("{path} is not a path within the bucket's folder");
            UsageError::Config { file: format!("the bucket {bucket}"), problem }.into()
        })
    }
}

/// Bucket and key of `s3://bucket/key`.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("s3://")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

/// The file or folder of a key, which may not exist yet; `None` if the key would lead out of the folder, by its
/// segments or by a link.
pub(super) fn within(root: &Path, key: &str) -> Option<PathBuf> {
    let mut path = root.to_owned();
    if key.is_empty() {
        return Some(path);
    }
    for segment in key.split('/') {
        let leads_out = matches!(segment, "" | "." | "..")
            || segment.contains(|c: char| c == '\\' || c.is_control())
            || (cfg!(windows) && segment.contains(':'));
        if leads_out {
            return None;
        }
        path.push(segment);
    }
    // What does not exist yet cannot be a link.
    let existing = path.ancestors().find(|ancestor| std::fs::symlink_metadata(ancestor).is_ok())?;
    existing.canonicalize().ok()?.starts_with(root).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped() -> (tempfile::TempDir, Buckets) {
        let folder = tempfile::tempdir().expect("a folder");
        let bucket = folder.path().join("bucket");
        let buckets = Buckets::open(BTreeMap::from([("exports".to_owned(), bucket)])).expect("a bucket");
        (folder, buckets)
    }

    #[test]
    fn a_path_is_a_folder_of_its_bucket() {
        let (_folder, buckets) = mapped();
        let root = buckets.root("exports").expect("mapped").to_owned();
        for (path, expected) in [
            ("s3://exports", root.clone()),
            ("s3://exports/", root.clone()),
            ("s3://exports/a/b", root.join("a/b")),
            ("s3://exports/a/b/", root.join("a/b")),
            ("s3://exports/..a/b..", root.join("..a/b..")),
        ] {
            assert_eq!(buckets.folder_of(path).expect("within"), Some(expected), "{path}");
        }
        assert_eq!(buckets.folder_of("s3://other/a").expect("not mapped"), None);
        assert_eq!(buckets.folder_of("/somewhere/else").expect("no bucket"), None);
    }

    #[test]
    fn no_path_leads_out_of_its_bucket() {
        let (_folder, buckets) = mapped();
        for path in ["..", "a/../../b", "./a", "a//b", "/etc", "a\\b", "a\0b", "a\nb"] {
            assert!(buckets.folder_of(&format!("s3://exports/{path}")).is_err(), "{path:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn no_link_leads_out_of_its_bucket() {
        let (folder, buckets) = mapped();
        let root = buckets.root("exports").expect("mapped");
        std::os::unix::fs::symlink(folder.path(), root.join("out")).expect("a link");
        std::os::unix::fs::symlink("/nothing/there", root.join("broken")).expect("a link");
        for path in ["out", "out/a", "broken", "broken/a"] {
            assert!(buckets.folder_of(&format!("s3://exports/{path}")).is_err(), "{path}");
        }
    }
}
