//! Resolves an output: takes the named output and the options, and determines format, compression and files once the
//! parts are known. [`Asked`] is the entry point.

use crate::model::{
    Compression, Format, Incomplete, Options, PartName, Result, Split, UsageError, is_override,
};
use crate::sink::{Target, longest_name};
use crate::source::{Export, Input, Part, export};
use crate::store::{Location, Store};

use std::collections::HashSet;
use std::mem::discriminant;
use std::ops::Range;
use std::path::Path;

/// Where the output goes.
///
/// ```
/// use forecast_export::Output;
///
/// let file = Output::file("out/sales.parquet")?;
/// let folder = Output::folder("s3://bucket/converted/");
/// # Ok::<(), forecast_export::Error>(())
/// ```
#[derive(Debug, Clone)]
pub enum Output {
    /// One file, which a merge writes.
    File(Location),
    /// Standard output, which a merge writes.
    Stdout,
    /// A folder, into which a conversion writes part files.
    Folder(Location),
}

impl Output {
    /// One file at a path or URL.
    ///
    /// # Errors
    /// As [`Location::parse`].
    pub fn file(text: &str) -> Result<Self> {
        Location::parse(text).map(Output::File)
    }

    /// A folder at a path or URL.
    ///
    /// # Errors
    /// As [`Location::parse`].
    pub fn folder(text: &str) -> Result<Self> {
        Location::parse(text).map(Output::Folder)
    }
}

impl Output {
    /// Where files are written to.
    pub(crate) fn location(&self) -> Option<&Location> {
        match self {
            Output::Stdout => None,
            Output::File(location) | Output::Folder(location) => Some(location),
        }
    }

    /// Its store.
    pub(crate) fn store(&self) -> Option<&Store> {
        self.location().map(|location| &location.store)
    }

    /// The same place with a request counter of its own.
    pub(super) fn counted(&self) -> Output {
        match self {
            Output::File(location) => Output::File(location.counted()),
            Output::Folder(location) => Output::Folder(location.counted()),
            Output::Stdout => Output::Stdout,
        }
    }

    /// Whether output is written directly, because nothing can be taken back from a pipe, a device or a socket.
    pub(crate) fn is_written_straight(&self) -> bool {
        match self {
            Output::Stdout => true,
            Output::File(location) => is_device(location),
            Output::Folder(_) => false,
        }
    }
}

/// Whether it is a local device, pipe or socket, or is already open, such as `/dev/stdout`.
fn is_device(location: &Location) -> bool {
    let is_open = || {
        let path = location.path.as_str();
        path == "/dev/stdout"
            || path == "/dev/stderr"
            || path.starts_with("/dev/fd/")
            || path.starts_with("/proc/")
    };
    location.is_local()
        && std::fs::metadata(&location.path)
            .is_ok_and(|meta| !meta.is_dir() && (!meta.is_file() || is_open()))
}

/// The requested output, before any part is known.
pub(super) struct Asked<'a> {
    pub(super) output: &'a Output,
    pub(super) options: &'a Options,
    format: AskedFormat,
}

/// The requested format of the output.
#[derive(Debug, Clone, Copy)]
enum AskedFormat {
    This(Format),
    /// The parts' format.
    Same,
    /// The other format than the parts'.
    Other,
}

/// Format and compression of an output's files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) to: Format,
    pub(super) compression: Compression,
}

impl Form {
    /// The extension of part files.
    fn extension(self) -> &'static str {
        match (self.to, self.compression) {
            (Format::Parquet, _) => "parquet",
            (Format::Csv, Compression::Gzip(_)) => "csv.gz",
            (Format::Csv, Compression::Zstd(_)) => "csv.zst",
            (Format::Csv, _) => "csv",
        }
    }
}

/// The files to write.
#[derive(Debug)]
pub(crate) enum Outputs {
    /// Files made from whole parts.
    Files(Vec<PlannedOutput>),
    /// Files whose number is known only once rows are written.
    Resplit(Box<Resplit>),
}

/// One file to write.
#[derive(Debug)]
pub(crate) struct PlannedOutput {
    pub(crate) target: Target,
    /// Indexes of the parts it is made from.
    pub(crate) parts: Range<usize>,
}

/// A run whose rows are resplit into new files, numbered from 0.
#[derive(Debug, Clone)]
pub(crate) struct Resplit {
    pub(crate) folder: Location,
    /// The new files are named like this part.
    pub(crate) like: PartName,
    pub(crate) extension: &'static str,
    pub(crate) split: Split,
}

impl Resplit {
    /// The place of the file with this number.
    pub(crate) fn file(&self, number: u64) -> Location {
        self.folder.child(&self.like.renumbered(number, self.extension))
    }
}

impl<'a> Asked<'a> {
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) if the output's name and the options do not fit together.
    pub(super) fn new(output: &'a Output, options: &'a Options) -> Result<Self> {
        if options.split.is_some() && !matches!(output, Output::Folder(_)) {
            return Err(UsageError::SplitOfMerge.into());
        }
        if let Output::File(location) | Output::Folder(location) = output {
            location.must_be_writable()?;
        }
        if options.verify && output.is_written_straight() {
            return Err(UsageError::VerifyStream.into());
        }
        if let Output::File(location) = output {
            check_length(location)?;
        }
        let said = match output {
            Output::File(location) if !is_device(location) => said_by_name(location, options)?,
            _ => None,
        };
        let format = match (options.to.or(said), output) {
            (Some(format), _) => AskedFormat::This(format),
            (None, Output::Folder(_)) => AskedFormat::Other,
            (None, _) => AskedFormat::Same,
        };
        Ok(Asked { output, options, format })
    }

    /// The format of an output made from parts of this format.
    pub(super) fn becomes(&self, from: Format) -> Format {
        match self.format {
            AskedFormat::This(format) => format,
            AskedFormat::Same => from,
            AskedFormat::Other => from.other(),
        }
    }

    /// Format and compression of an output made from parts of this format.
    pub(super) fn form(&self, from: Format) -> Result<Form> {
        let to = self.becomes(from);
        Ok(Form { to, compression: self.compression(to)? })
    }

    fn compression(&self, to: Format) -> Result<Compression> {
        let asked = self.options.compression;
        if to == Format::Parquet {
            return Ok(asked.unwrap_or(Compression::Snappy));
        }
        let said = match self.output {
            Output::File(location) => match Format::of_name(&location.path) {
                Some((Format::Csv, compression)) => Some(compression.unwrap_or(Compression::None)),
                _ => None,
            },
            _ => None,
        };
        let same_codec = |a: Compression, b: Compression| discriminant(&a) == discriminant(&b);
        match (asked, said) {
            (None, said) => Ok(said.unwrap_or(Compression::None)),
            (Some(compression @ (Compression::Snappy | Compression::Lz4)), _) => {
                Err(UsageError::CompressedCsv { compression }.into())
            }
            (Some(compression), Some(said)) if !same_codec(compression, said) => {
                Err(UsageError::CompressionOfName { compression }.into())
            }
            (Some(asked), _) => Ok(asked),
        }
    }

    /// Whether these are the names of the files to write.
    pub(super) fn are_outputs<'n>(
        &self,
        exports: &[Export],
        form: Form,
        names: impl Iterator<Item = &'n str>,
    ) -> bool {
        let folder = match self.output {
            Output::Folder(folder) => folder,
            Output::File(location) => return names.eq([location.split().1]),
            Output::Stdout => return false,
        };
        let parts: Vec<&Part> = exports.iter().flat_map(|export| &export.parts).collect();
        match self.options.split {
            // Only the receipt tells how many there are.
            Some(split) => self.resplit(folder, &parts, form.extension(), split).is_ok_and(|resplit| {
                names.enumerate().all(|(number, name)| resplit.file(number as u64).split().1 == name)
            }),
            None => self.one_by_one(folder, &parts, form.extension()).is_ok_and(|files| {
                names.eq(files.iter().filter_map(|file| file.target.location()).map(|file| file.split().1))
            }),
        }
    }

    /// The files to make from the parts.
    pub(super) fn outputs(&self, input: &Input, form: Form) -> Result<Outputs> {
        let whole = |target| Outputs::Files(vec![PlannedOutput { target, parts: 0..input.parts.len() }]);
        let folder = match self.output {
            Output::Stdout => return Ok(whole(Target::Stdout)),
            Output::File(location) if is_device(location) => {
                return Ok(whole(Target::Device(location.path.clone())));
            }
            Output::File(location) => return Ok(whole(Target::File(location.clone()))),
            Output::Folder(folder) => folder,
        };
        let extension = form.extension();
        let parts: Vec<&Part> = input.exports.iter().flat_map(|export| &export.parts).collect();
        match self.options.split {
            Some(split) => self
                .resplit(folder, &parts, extension, split)
                .map(|resplit| Outputs::Resplit(Box::new(resplit))),
            None => self.one_by_one(folder, &parts, extension).map(Outputs::Files),
        }
    }

    fn resplit(
        &self,
        folder: &Location,
        parts: &[&Part],
        extension: &'static str,
        split: Split,
    ) -> Result<Resplit> {
        let of_parts = || parts.iter().find_map(|part| part.name.clone());
        let like = self.options.names.clone().or_else(of_parts).ok_or(UsageError::UnnamedParts)?;
        check_name(folder, &like.renumbered(u64::MAX, extension))?;
        Ok(Resplit { folder: folder.clone(), like, extension, split })
    }

    /// A new file for each part, named after it.
    fn one_by_one(&self, folder: &Location, parts: &[&Part], extension: &str) -> Result<Vec<PlannedOutput>> {
        let mut names = HashSet::new();
        let mut planned = Vec::with_capacity(parts.len());
        for (i, part) in parts.iter().enumerate() {
            let name = match (&self.options.names, &part.name) {
                (Some(like), _) => like.renumbered(i as u64, extension),
                (None, Some(name)) => name.with_extension(extension),
                (None, None) => format!("{}.{extension}", export::strip_extension_of(&part.object)),
            };
            check_name(folder, &name)?;
            if !names.insert(name.clone()) {
                return Err(Incomplete::SameName { name }.into());
            }
            planned.push(PlannedOutput { target: Target::File(folder.child(&name)), parts: i..i + 1 });
        }
        Ok(planned)
    }
}

/// The format according to a file's name.
fn said_by_name(location: &Location, options: &Options) -> Result<Option<Format>> {
    let is_folder_here = || std::fs::metadata(&location.path).is_ok_and(|meta| meta.is_dir());
    if location.is_folder || (location.is_local() && is_folder_here()) {
        return Err(UsageError::IsFolder { path: location.to_string() }.into());
    }
    let said = Format::of_name(&location.path).map(|(format, _)| format);
    if options.to.is_none() && said.is_none() {
        let path = location.to_string();
        let stem = location.path.rsplit_once('.').map_or("", |(stem, _)| stem);
        return Err(match Format::of_name(stem) {
            Some((Format::Csv, _)) => UsageError::UnknownCompression { path }.into(),
            _ => UsageError::UnknownExtension { path }.into(),
        });
    }
    Ok(said)
}

/// The longest key that the stores accept, in bytes.
const MAX_KEY: usize = 1024;

/// The future name or key of a file, and the most bytes it may have.
pub(super) fn longest(file: &Location) -> (&str, usize) {
    match file.is_local() {
        true => (file.split().1, longest_name(Path::new(file.split().0))),
        false => (&file.path, MAX_KEY),
    }
}

fn check_length(file: &Location) -> Result<()> {
    let (name, most) = longest(file);
    match name.len() > most {
        true => Err(UsageError::NameTooLong { name: name.to_owned(), most }.into()),
        false => Ok(()),
    }
}

/// The new parts are named after the old ones, whose names came from a store. A name that could lead out of the folder,
/// or mislead people, is refused before anything is written.
fn check_name(folder: &Location, name: &str) -> Result<()> {
    let misleads = |c: char| c == '/' || c.is_control() || is_override(c);
    let is_bad = matches!(name, "" | "." | "..") || name.contains(misleads);
    if is_bad || (folder.is_local() && name.len() > longest_name(Path::new(&folder.path))) {
        return Err(UsageError::BadFileName { name: name.to_owned() }.into());
    }
    check_length(&folder.child(name))
}
