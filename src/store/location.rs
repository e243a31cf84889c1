//! Locations: takes text (`exports/`, `s3://bucket/exports`, a glob in the last segment), returns a store, a folder in
//! it and a filter on names. Never lists.

use super::bucket_url::split_bucket;
use super::handle::Store;
use super::object::Object;
use super::options::StoreOptions;
use super::remote::{check_local, connect, connect_web};
use super::spelling::{Spelled, spelled};
use super::system::{is_root, with_slashes};
use crate::model::{Error, PlaceProblem, Result, StoreProblem, UsageError, ValueKind};

use object_store::ObjectStore;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A folder, file or glob on local disk or in an object store; or several files and folders of one folder.
///
/// Keys and paths are literal: `a%20b`, `+` and spaces mean themselves. A `file://` URL has escapes: `file:///a%20b` is
/// `/a b`. An `https://` URL is one file of a web server, which can only be read; its query, which may be a signature,
/// is never shown.
///
/// ```
/// use forecast_export::Location;
///
/// let folder = Location::parse("exports/2026")?;
/// assert_eq!(folder.to_string(), "exports/2026");
/// # Ok::<(), forecast_export::Error>(())
/// ```
#[derive(Clone)]
pub struct Location {
    pub(crate) store: Store,
    /// The path or key without a trailing `/`; empty for the root of a bucket.
    pub(crate) path: String,
    /// The text ended in `/`: a folder, never a file.
    pub(crate) is_folder: bool,
    /// What to read there, if not everything.
    pub(super) files: Option<Arc<[Object]>>,
    text: String,
    /// If several files or folders of one folder were named, all of them; `path` is the first.
    named: Arc<[Location]>,
}

impl Location {
    /// Reads a path or URL with the stores' usual credentials from the environment.
    ///
    /// # Errors
    /// [`Error::Usage`] for a URL of an unknown store, of one not in this build, or without a bucket.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_with(text, &StoreOptions::default())
    }

    /// Reads a path or URL; `options` say how to reach a store.
    ///
    /// # Errors
    /// As [`Location::parse`].
    pub fn parse_with(text: &str, options: &StoreOptions) -> Result<Self> {
        if text.is_empty() {
            return Err(UsageError::Empty { what: ValueKind::Location }.into());
        }
        let (scheme, rest) = match spelled(text)? {
            Spelled::Path(path) => {
                check_local(options)?;
                return Ok(Self::new(Store::local(), &path, &with_slashes(text)));
            }
            Spelled::Url { scheme, rest } => (scheme, rest),
        };
        if matches!(scheme.as_str(), "http" | "https") {
            let (connected, root, key) = connect_web(&scheme, rest, options)?;
            let shown = format!("{root}{key}");
            return Ok(Self::new(Store::connected(connected, root), &key, &shown));
        }
        let (bucket, key) = split_bucket(rest);
        if bucket.is_empty() {
            return Err(StoreProblem::NoBucket { url: text.to_owned(), scheme }.into());
        }
        let connected = connect(&scheme, bucket, options)?;
        let store =
            Store::connected(connected, format!("{scheme}://{bucket}/")).with_objects(&options.objects);
        Ok(Self::new(store, key, text))
    }

    /// Several files or folders of one folder as one source; `self` is the first of them.
    pub(super) fn with_all(self, named: Vec<Location>) -> Location {
        let text = format!("{self} and {} more", named.len() - 1);
        Location { text, named: named.into(), ..self }
    }

    /// The same place, with this store and spelling.
    pub(super) fn by(self, store: &Store, path: String) -> Location {
        Location { store: store.clone(), path, ..self }
    }

    /// The files and folders that were named, if there are several.
    pub(crate) fn named(&self) -> &[Location] {
        &self.named
    }

    /// Fails for a place that can only be read, or that is below a local file.
    pub(crate) fn must_be_writable(&self) -> Result<()> {
        if self.store.is_read_only() {
            return Err(
                UsageError::Place { place: self.to_string(), problem: PlaceProblem::WebOutput }.into()
            );
        }
        if !self.is_local() {
            return Ok(());
        }
        let mut above = Path::new(&self.path).ancestors().skip(1);
        match above.find_map(|above| Some((above, std::fs::metadata(above).ok()?))) {
            Some((file, meta)) if !meta.is_dir() => {
                Err(UsageError::BelowFile { path: self.to_string(), file: file.display().to_string() }.into())
            }
            _ => Ok(()),
        }
    }

    /// A place in the caller's own store; `root` is shown before its objects' names, such as `memory://name/`.
    ///
    /// ```
    /// use forecast_export::Location;
    /// use object_store::memory::InMemory;
    /// use std::sync::Arc;
    ///
    /// let location = Location::in_store(Arc::new(InMemory::new()), "memory://test/", "exports/");
    /// assert_eq!(location.to_string(), "memory://test/exports/");
    /// ```
    pub fn in_store(store: Arc<dyn ObjectStore>, root: &str, path: &str) -> Self {
        Self::new(Store::remote(store, root.to_owned()), path, &format!("{root}{path}"))
    }

    /// The same place with only these files: parts that [`find`](crate::find()) or [`inventory`](crate::inventory())
    /// found in it. It is a source like any other: parts are read in the order of their numbers, and gaps, duplicates
    /// and several runs are errors.
    ///
    /// Nothing is listed. Each file is checked once more and must be unchanged since it was found. A file that is not
    /// named like a part is an error, unless it is the only one.
    ///
    /// # Errors
    /// [`UsageError::OtherStore`] for a file of another bucket or store.
    ///
    /// ```
    /// use forecast_export::{Error, Incomplete, InventoryOptions, Location, Options, inventory, read};
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let folder = Location::parse("testdata/forecast")?;
    /// let mut by_names = InventoryOptions::default();
    /// by_names.names_only = true;
    /// let found = inventory(&folder, &by_names).await?;
    /// let mut parts = found.exports[0].parts.clone();
    /// assert!(read(&folder.with_parts(&parts)?, &Options::default()).await.is_ok());
    /// parts.remove(3);
    /// let error = read(&folder.with_parts(&parts)?, &Options::default()).await.unwrap_err();
    /// assert!(matches!(error, Error::Incomplete(Incomplete::Gaps { .. })));
    /// # Ok::<(), forecast_export::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_parts<P: Into<Object>>(&self, parts: impl IntoIterator<Item = P>) -> Result<Self> {
        let files: Vec<Object> = parts.into_iter().map(Into::into).collect();
        match files.iter().find(|file| self.store.url(&file.key) != file.url) {
            None => Ok(Location { files: Some(files.into()), ..self.clone() }),
            Some(other) => {
                let (path, place) = (other.url.clone(), self.to_string());
                Err(UsageError::OtherStore { path, place }.into())
            }
        }
    }

    /// Whether only some of the files there were chosen.
    pub(crate) fn is_choice(&self) -> bool {
        self.files.is_some()
    }

    /// Whether another program finds the same by this place's text.
    pub(crate) fn is_found_by_text(&self) -> bool {
        !self.is_choice() && !self.store.is_callers()
    }

    fn new(store: Store, path: &str, text: &str) -> Self {
        let is_folder = path.is_empty() || path.ends_with('/') || (store.is_local() && path == ".");
        let trimmed = path.trim_end_matches('/');
        // The slash of a root belongs to it.
        let has_root = store.is_local() && is_root(trimmed) && trimmed.len() < path.len();
        let path = if has_root { &path[..=trimmed.len()] } else { trimmed };
        Location {
            store,
            path: path.to_owned(),
            is_folder,
            files: None,
            text: text.to_owned(),
            named: Arc::default(),
        }
    }

    /// The parent folder, and the last segment.
    pub(crate) fn split(&self) -> (&str, &str) {
        match self.path.rsplit_once('/') {
            Some((root, name)) if self.store.is_local() && is_root(root) => (&self.path[..=root.len()], name),
            Some((folder, name)) => (folder, name),
            None => ("", &self.path),
        }
    }

    /// The object `name` in this folder.
    pub(crate) fn child(&self, name: &str) -> Location {
        let path = match self.path.as_str() {
            "" => name.to_owned(),
            folder if self.store.is_local() && folder.strip_suffix('/').is_some_and(is_root) => {
                format!("{folder}{name}")
            }
            folder => format!("{folder}/{name}"),
        };
        let slash = if self.text.is_empty() || self.text.ends_with('/') { "" } else { "/" };
        Location {
            store: self.store.clone(),
            path,
            is_folder: false,
            files: None,
            text: format!("{}{slash}{name}", self.text),
            named: Arc::default(),
        }
    }

    /// The name of an object that was found here: its URL, or for a local file its path within this folder, or the
    /// folder in which names are matched. A folder's place on a machine, which may reveal who works there, is left out.
    pub(crate) fn within<'a>(&self, object: &'a Object) -> &'a str {
        if !self.is_local() {
            return &object.url;
        }
        let bare = |path: &'a str| path.trim_start_matches('/');
        let below =
            |folder: &str| object.key.strip_prefix(folder).filter(|rest| rest.starts_with('/')).map(bare);
        let is_one = self.named.is_empty();
        let within = below(bare_of_dot(&self.path)).filter(|_| is_one);
        match within.or_else(|| below(bare_of_dot(self.split().0))) {
            Some(below) => below,
            None if Path::new(&object.key).is_absolute() => object.file_name(),
            None => &object.key,
        }
    }

    /// The parent folder.
    pub(crate) fn folder(&self) -> Location {
        let path = self.split().0.to_owned();
        Location { path, is_folder: true, files: None, named: Arc::default(), ..self.clone() }
    }

    /// The object with this key in the same store.
    pub(crate) fn at(&self, key: &str) -> Location {
        Location {
            store: self.store.clone(),
            path: key.to_owned(),
            is_folder: false,
            files: None,
            text: self.store.url(key),
            named: Arc::default(),
        }
    }

    /// The object `name` next to this one.
    pub(crate) fn sibling(&self, name: &str) -> Location {
        let beside = |text: &str| match text.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{name}"),
            None => name.to_owned(),
        };
        let (path, text) = (beside(&self.path), beside(&self.text));
        let store = self.store.clone();
        Location { store, path, is_folder: false, files: None, text, named: Arc::default() }
    }

    /// The same place as a folder.
    pub(crate) fn as_folder(&self) -> Location {
        Location { is_folder: true, files: None, ..self.clone() }
    }

    /// The same place with a request counter of its own.
    pub(crate) fn counted(&self) -> Location {
        let store = self.store.counted();
        let of_each = |one: &Location| Location { store: one.store.counting_for(&store), ..one.clone() };
        Location { named: self.named.iter().map(of_each).collect(), store, ..self.clone() }
    }

    /// Whether the location is on local disk.
    pub fn is_local(&self) -> bool {
        self.store.is_local()
    }
}

/// A path as in listings.
fn bare_of_dot(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({})", self.text)
    }
}

pub(crate) async fn exists(location: &Location) -> Result<bool> {
    if location.is_local() && std::fs::metadata(&location.path).is_ok_and(|meta| meta.is_dir()) {
        return Err(UsageError::IsFolder { path: location.to_string() }.into());
    }
    match location.store.head(&location.path).await {
        Ok(found) => Ok(found.is_some()),
        // A caller that may only write relies on the condition of the write.
        Err(Error::Denied { .. }) if !location.is_local() => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Error;

    fn local(text: &str) -> Location {
        Location::parse(text).expect("a local path")
    }

    #[test]
    fn a_path_is_split_into_folder_and_name() {
        assert_eq!(local("a/b/c_*").split(), ("a/b", "c_*"));
        assert_eq!(local("c.csv").split(), ("", "c.csv"));
        assert_eq!(local("/c.csv").split(), ("/", "c.csv"));
        assert_eq!(local("/").path, "/");
        assert_eq!(local("a//").path, "a");
    }

    #[cfg(windows)]
    #[test]
    fn a_drive_keeps_its_slash() {
        assert_eq!(local(r"C:\").path, "C:/");
        assert_eq!(local(r"C:\c.csv").split(), ("C:/", "c.csv"));
        assert_eq!(local(r"C:\").child("x.csv").path, "C:/x.csv");
        assert_eq!(local(r"C:\out").child("x.csv").to_string(), "C:/out/x.csv");
    }

    #[test]
    fn a_child_keeps_the_way_the_user_wrote_the_folder() {
        assert_eq!(local("out/").child("x.csv").to_string(), "out/x.csv");
        assert_eq!(local("out").child("x.csv").to_string(), "out/x.csv");
        assert_eq!(local("/").child("x.csv").path, "/x.csv");
    }

    #[test]
    fn unknown_schemes_and_missing_buckets_are_usage_errors() {
        for text in ["ftp://x/y", "memory://", "s3:///x", ""] {
            assert!(matches!(Location::parse(text), Err(Error::Usage(_))), "{text}");
        }
    }
}
