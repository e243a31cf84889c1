//! Lists a [`Location`]: returns its objects sorted by key. Never parses names.

use super::glob::Glob;
use super::handle::{KeySpan, is_same};
use super::location::Location;
use super::object::{NoFile, Object, differs, local_object, object_without_file};
use super::place::Place;
use super::system::{is_missing, with_slashes};
use crate::model::{Error, NotFound, PlaceProblem, Result, UsageError};

use futures::{StreamExt, TryStreamExt, stream};
use std::borrow::Cow;
use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::Path;

/// The folder in which pieces of an output are staged, beside it. What is in it belongs to no export, so a listing of
/// a folder above leaves it out.
pub(crate) const STAGING: &str = ".forecast-export";

/// The objects found at a location.
#[derive(Debug)]
pub(crate) struct Listing {
    /// Sorted by key.
    pub(crate) objects: Vec<Object>,
    /// The location is a single file that was named explicitly.
    pub(crate) is_single_file: bool,
}

/// Lists a folder and its subfolders, one file, or what a glob in the last segment matches.
pub(crate) async fn list(location: &Location) -> Result<Listing> {
    list_spans(location, &[]).await
}

/// As [`list`], but only the given ranges of keys, if there are some: for stores that list in order.
pub(crate) async fn list_spans(location: &Location, spans: &[KeySpan]) -> Result<Listing> {
    if let Some(files) = &location.files {
        return look_again(location, files).await;
    }
    let mut listing = match location.named() {
        [] => list_one(location.clone(), spans).await?,
        several => list_each(several).await?,
    };
    listing.objects.sort_by(|a, b| a.key.cmp(&b.key));
    listing.objects.dedup_by(|a, b| a.key == b.key);
    listing.is_single_file &= listing.objects.len() == 1;
    Ok(listing)
}

/// Listings of individually named places that run at the same time.
const CONCURRENT_LISTINGS: usize = 16;

/// Everything at several places. Each was named on purpose, so an empty one is an error.
async fn list_each(several: &[Location]) -> Result<Listing> {
    let lists = stream::iter(several.iter().cloned()).map(|one| async move {
        let place = one.to_string();
        let found = list_one(one, &[]).await?;
        if found.objects.is_empty() { Err(Error::from(NotFound::Empty { place })) } else { Ok(found) }
    });
    let lists: Vec<Listing> = lists.buffered(CONCURRENT_LISTINGS).try_collect().await?;
    let is_single_file = lists.iter().all(|list| list.is_single_file);
    Ok(Listing { objects: lists.into_iter().flat_map(|list| list.objects).collect(), is_single_file })
}

async fn list_one(location: Location, spans: &[KeySpan]) -> Result<Listing> {
    match location.store.object_store() {
        None => super::object::blocking(move || list_local(&location)).await,
        Some(_) => list_remote(&location, spans).await,
    }
}

/// Files that are checked again at the same time.
const CONCURRENT_LOOKS: usize = 64;

/// The chosen files, which must be unchanged.
async fn look_again(location: &Location, files: &[Object]) -> Result<Listing> {
    let looks = stream::iter(files.to_vec()).map(|listed| {
        let store = location.store.clone();
        async move {
            match store.head(&listed.key).await? {
                // A listing may have a finer time than an answer, and no ETag.
                Some(now) if is_same(&listed, &now) => Ok(Object { modified: listed.modified, ..now }),
                now => Err(Error::from(differs(&listed, now.as_ref()))),
            }
        }
    });
    let mut objects: Vec<Object> = looks.buffered(CONCURRENT_LOOKS).try_collect().await?;
    objects.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(Listing { is_single_file: objects.len() == 1, objects })
}

async fn list_remote(location: &Location, spans: &[KeySpan]) -> Result<Listing> {
    let Some(store) = location.store.object_store() else {
        return Err(Error::Internal("no object store".into()));
    };
    if location.store.is_read_only() {
        // A web server cannot list, so its files are named one by one.
        return match location.store.head(&location.path).await? {
            Some(object) => Ok(Listing { objects: vec![object], is_single_file: true }),
            None => Err(NotFound::Path { path: location.to_string() }.into()),
        };
    }
    let (folder, last) = location.split();
    let glob = Glob::new(last);
    if !glob.is_literal() {
        let found = location.store.list_remote(store, folder, spans).await?;
        let skip = if folder.is_empty() { 0 } else { folder.len() + 1 };
        let objects = found
            .into_iter()
            .filter(|object| {
                // The glob's segment may match a folder: then everything below it counts, as in a shell.
                let below = object.key.get(skip..).unwrap_or_default();
                glob.matches(below.split('/').next().unwrap_or_default()) && !is_staged(below)
            })
            .collect();
        return Ok(Listing { objects: without_markers(objects), is_single_file: false });
    }
    // Perhaps only one object may be read: a name that looks like a file gets a HEAD request first, and is listed only
    // if there is no such object.
    let is_named_like_file = !location.is_folder && last.contains('.');
    if is_named_like_file && let Ok(Some(object)) = location.store.head(&location.path).await {
        return Ok(Listing { objects: vec![object], is_single_file: true });
    }
    let listed = location.store.list_remote(store, &location.path, spans).await;
    let objects = match listed {
        Err(denied @ Error::Denied { .. }) if !location.is_folder => {
            return match location.store.head(&location.path).await {
                Ok(Some(object)) => Ok(Listing { objects: vec![object], is_single_file: true }),
                _ => Err(denied),
            };
        }
        listed => listed?,
    };
    let mut objects = without_markers(objects);
    // This folder's own marker, and what is staged below it.
    objects.retain(|object| {
        object.key != location.path && !is_staged(object.key.get(location.path.len()..).unwrap_or_default())
    });
    if objects.is_empty()
        && !location.is_folder
        && !is_named_like_file
        && let Some(object) = location.store.head(&location.path).await?
    {
        return Ok(Listing { objects: vec![object], is_single_file: true });
    }
    Ok(Listing { objects, is_single_file: false })
}

/// Whether what has this name below a listed folder is staged.
fn is_staged(below: &str) -> bool {
    below.rsplit_once('/').is_some_and(|(folders, _)| folders.split('/').any(|folder| folder == STAGING))
}

/// Leaves out folder markers: empty objects made by consoles and named like the folder, with a slash that object_store
/// removes.
fn without_markers(mut objects: Vec<Object>) -> Vec<Object> {
    let mut folders = HashSet::new();
    for object in &objects {
        let mut folder = object.folder();
        while !folder.is_empty() && folders.insert(folder.to_owned()) {
            folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }
    objects
        .retain(|object| object.size > 0 || (!object.key.ends_with('/') && !folders.contains(&object.key)));
    objects
}

fn list_local(location: &Location) -> Result<Listing> {
    let path = if location.path.is_empty() { "." } else { &location.path };
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => {
            // What was named must itself be readable.
            std::fs::read_dir(path).map_err(|error| Error::io("listing", path, error))?;
            let mut objects = Vec::new();
            walk(path, &mut objects)?;
            Ok(Listing { objects, is_single_file: false })
        }
        Ok(_) if location.is_folder => Err(NotFound::NotAFolder { path: location.to_string() }.into()),
        Ok(meta) if !meta.is_file() => {
            Err(UsageError::Place { place: location.to_string(), problem: PlaceProblem::Endless }.into())
        }
        Ok(meta) => Ok(Listing { objects: vec![local_object(path, &meta)], is_single_file: true }),
        Err(error) if is_missing(&error) => list_local_glob(location),
        Err(error) => Err(Error::io("listing", path, error)),
    }
}

fn list_local_glob(location: &Location) -> Result<Listing> {
    let (folder, last) = location.split();
    let glob = Glob::new(last);
    if glob.is_literal() {
        return Err(NotFound::Path { path: location.to_string() }.into());
    }
    let read = if folder.is_empty() { "." } else { folder };
    let failed = |error| Error::io("listing", read, error);
    let mut objects = Vec::new();
    for entry in std::fs::read_dir(read).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if glob.matches(&name) && name != STAGING {
            let slash = if folder.is_empty() || folder.ends_with('/') { "" } else { "/" };
            walk(&format!("{folder}{slash}{name}"), &mut objects)?;
        }
    }
    Ok(Listing { objects, is_single_file: false })
}

/// What a listing of a location covers, however places are spelled. If several files of a folder were named, it is the
/// folder, because a shell glob may match another file next time.
pub(crate) struct Coverage {
    /// The location as a folder, and as a file of this name in the parent folder.
    folder: Place,
    above: Place,
    name: String,
    /// The folder in which names are matched.
    glob: Option<(Place, Glob)>,
}

impl Coverage {
    pub(crate) fn of(source: &Location) -> Self {
        let source = if source.named().is_empty() { source } else { &source.folder() };
        let glob = Glob::new(source.split().1);
        let is_there = source.is_local() && std::fs::metadata(&source.path).is_ok();
        Coverage {
            folder: Place::of_folder(source),
            above: Place::of_folder(&source.folder()),
            name: source.split().1.to_owned(),
            glob: (!glob.is_literal() && !is_there).then(|| (Place::of_folder(&source.folder()), glob)),
        }
    }

    /// Whether the listing covers a place.
    pub(crate) fn holds(&self, place: &Place) -> bool {
        let matches = |(folder, glob): &(Place, Glob)| {
            let name = place.within(folder).and_then(|below| below.split('/').next());
            name.is_some_and(|name| glob.matches(name))
        };
        let is_file = place.is_in(&self.above, &self.name);
        is_file || place.within(&self.folder).is_some() || self.glob.as_ref().is_some_and(matches)
    }
}

/// All files below `path`, or `path` itself. Links are followed. Anything unreadable is listed as such, because it may
/// be a part. It does not end the listing, unless the system itself failed.
fn walk(path: &str, objects: &mut Vec<Object>) -> Result<()> {
    let is_listed = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || entry.file_name() != STAGING || !entry.file_type().is_dir()
    };
    for entry in walkdir::WalkDir::new(path).follow_links(true).into_iter().filter_entry(is_listed) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let Some(at) = error.path().map(Path::to_path_buf) else {
                    return Err(Error::io("listing", path, error.into()));
                };
                let Some(no_file) = no_file(&at, error.io_error()) else {
                    match error.into_io_error() {
                        Some(cause) if cause.kind() != ErrorKind::NotFound => {
                            return Err(Error::io("listing", at.display().to_string(), cause));
                        }
                        // A link to a folder that contains it, or something removed meanwhile.
                        _ => continue,
                    }
                };
                if let Some(name) = at.to_str() {
                    objects.push(object_without_file(&shown(name), no_file));
                }
                continue;
            }
        };
        // A name that is not UTF-8 is neither a part's name nor a key.
        let Some(name) = entry.path().to_str() else {
            continue;
        };
        if entry.file_type().is_dir() {
            continue;
        }
        if !entry.file_type().is_file() {
            objects.push(object_without_file(&shown(name), NoFile::Endless));
            continue;
        }
        let meta = entry.metadata().map_err(|error| Error::io("listing", name, error.into()))?;
        objects.push(local_object(&shown(name), &meta));
    }
    Ok(())
}

fn shown(name: &str) -> Cow<'_, str> {
    let name = with_slashes(name);
    let bare = name.strip_prefix("./").map(str::to_owned);
    bare.map_or(name, Cow::Owned)
}

/// Why there is nothing to read at a path, if that is permanent.
fn no_file(path: &Path, error: Option<&std::io::Error>) -> Option<NoFile> {
    // Nothing more can be found out about a path that is too long.
    match error.map(std::io::Error::kind) {
        Some(ErrorKind::PermissionDenied) => return Some(NoFile::Denied),
        Some(ErrorKind::InvalidFilename) => return Some(NoFile::TooDeep),
        _ => {}
    }
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
    (is_link && std::fs::metadata(path).is_err()).then_some(NoFile::LinkToNothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_that_leads_nowhere_is_listed_as_one() {
        let scratch = tempfile::tempdir().expect("a folder");
        let at = |name: &str| scratch.path().join(name);
        std::fs::write(at("file"), "x").expect("written");
        for (to, link) in [("file", "good"), ("absent", "gone"), ("b", "a"), ("a", "b"), (".", "circle")] {
            std::os::unix::fs::symlink(to, at(link)).expect("a link");
        }
        let location = Location::parse(&scratch.path().display().to_string()).expect("a path");
        let found = list(&location).await.expect("a listing").objects;
        let found: Vec<(&str, bool)> =
            found.iter().map(|object| (object.file_name(), object.no_file.is_some())).collect();
        assert_eq!(found, [("a", true), ("b", true), ("file", false), ("gone", true), ("good", false)]);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_folder_beyond_the_longest_path_is_no_end_of_a_listing() {
        let scratch = tempfile::tempdir().expect("a folder");
        std::fs::write(scratch.path().join("file"), "x").expect("written");
        // Deeper than a path can express: made step by step, by names within folders.
        let name = "d".repeat(200);
        let made = std::process::Command::new("sh")
            .arg("-c")
            .arg("for i in $(seq 30); do mkdir \"$0\" && cd -P \"$0\" || exit 1; done")
            .arg(&name)
            .current_dir(scratch.path())
            .status()
            .expect("a shell");
        assert!(made.success());
        let location = Location::parse(&scratch.path().display().to_string()).expect("a path");
        let found = list(&location).await.expect("a listing").objects;
        let is_deep = |object: &Object| object.no_file == Some(NoFile::TooDeep);
        assert_eq!(found.iter().filter(|object| is_deep(object)).count(), 1);
        assert!(found.iter().any(|object| object.file_name() == "file"));
    }

    #[test]
    fn a_listing_holds_what_is_written_below_its_folder_or_matches_its_glob() {
        let scratch = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(scratch.path().join("in")).expect("a folder");
        std::fs::write(scratch.path().join("in/one"), "x").expect("written");
        let at =
            |path: &str| Location::parse(&scratch.path().join(path).display().to_string()).expect("a path");
        for (source, target, is_covered) in [
            ("in", "in/x", true),
            ("in/", "in/../in/new/x", true),
            ("in", "in2/x", false),
            ("in", "x", false),
            ("in/s_*", "in/s_x", true),
            ("in/s_*", "in/s_folder/x", true),
            ("in/s_*", "in/t_x", false),
            ("in/one", "in/one", true),
            ("in/one", "in/two", false),
        ] {
            let place = Place::of_file(&at(target));
            assert_eq!(Coverage::of(&at(source)).holds(&place), is_covered, "{source} {target}");
        }
    }
}
