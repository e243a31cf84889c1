//! Suggests what a path with a typing error may have meant: looks for a similar name where the path goes wrong.

use std::path::{Path, PathBuf};

/// The most names of a folder that are compared.
const MOST_NAMES: usize = 10_000;

/// The existing path that a path which does not exist is most similar to.
pub(crate) fn nearest(path: &str) -> Option<String> {
    let mut there = PathBuf::new();
    let mut parts = Path::new(path).components();
    let wrong = parts.find(|part| {
        let next = there.join(part);
        let is_missing = !next.exists();
        if !is_missing {
            there = next;
        }
        is_missing
    })?;
    let meant = similar(&there, wrong.as_os_str().to_str()?)?;
    let nearest = there.join(meant);
    let whole: PathBuf = nearest.components().chain(parts).collect();
    let found = if whole.exists() { whole } else { nearest };
    let slash = if path.ends_with('/') && found.is_dir() { "/" } else { "" };
    Some(format!("{}{slash}", found.display()))
}

/// The name in a folder that differs least from this one, if at most every third letter differs.
fn similar(folder: &Path, name: &str) -> Option<String> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let most = name.chars().count() / 3;
    let names = std::fs::read_dir(folder).ok()?.flatten().take(MOST_NAMES);
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let distances = names.map(|other| (strsim::damerau_levenshtein(name, &other), other));
    distances.filter(|(distance, _)| *distance <= most).min().map(|(_, other)| other)
}
