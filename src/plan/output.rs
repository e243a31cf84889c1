//! Where a plan writes: takes an output as it is named, gives the files that there will be, and refuses those that stand in
//! the way.

use crate::model::{Compression, Error, Escaped, Format, Options, Result, Split};
use crate::sink::Target;
use crate::source::{Input, Part, export};
use crate::store::Location;

use std::collections::HashSet;
use std::mem::discriminant;

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

/// One file to be written.
#[derive(Debug)]
pub(crate) struct PlannedOutput {
    pub(crate) target: Target,
    /// The parts it is made of, as indexes.
    pub(crate) parts: std::ops::Range<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct Recut {
    pub(crate) folder: Location,
    pub(crate) like: crate::model::PartName,
    pub(crate) extension: &'static str,
    pub(crate) split: Split,
}

pub(super) fn asked_format(output: &Output, options: &Options) -> Result<Option<Format>> {
    if options.split.is_some() && !matches!(output, Output::Folder(_)) {
        return Err(Error::Usage(
            "a merge writes one file: --split-rows and --split-bytes are for convert".into(),
        ));
    }
    if let Output::File(location) = output {
        if location.is_folder && !is_device(location) {
            return Err(Error::Usage(format!(
                "{location} is a folder; name a file, or use convert for part files"
            )));
        }
        let said = Format::of_name(&location.path).map(|(format, _)| format);
        if options.to.is_none() && said.is_none() && !is_device(location) {
            return Err(Error::Usage(format!(
                "the extension of {location} says neither CSV nor Parquet; --to csv or --to parquet does"
            )));
        }
        return Ok(options.to.or(said));
    }
    Ok(options.to)
}

pub(super) fn is_written_straight(output: &Output) -> bool {
    match output {
        Output::Stdout => true,
        Output::File(location) => is_device(location),
        Output::Folder(_) => false,
    }
}

/// A device, a pipe or a socket on local disk.
pub(crate) fn is_device(location: &Location) -> bool {
    location.is_local()
        && std::fs::metadata(&location.path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

pub(crate) fn compression(output: &Output, to: Format, options: &Options) -> Result<Compression> {
    if to == Format::Parquet {
        return Ok(options.compression.unwrap_or(Compression::Snappy));
    }
    let said = match output {
        Output::File(location) => match Format::of_name(&location.path) {
            Some((Format::Csv, compression)) => Some(compression.unwrap_or(Compression::None)),
            _ => None,
        },
        _ => None,
    };
    let same_codec = |a: Compression, b: Compression| discriminant(&a) == discriminant(&b);
    match (options.compression, said) {
        (None, said) => Ok(said.unwrap_or(Compression::None)),
        (Some(Compression::Snappy | Compression::Lz4), _) => {
            Err(Error::Usage("CSV is compressed by gzip or zstd, or not at all".into()))
        }
        (Some(asked), Some(said)) if !same_codec(asked, said) => Err(Error::Usage(format!(
            "--compression {asked} does not go with the extension of the output; name it .csv.gz or .csv.zst"
        ))),
        (Some(asked), _) => Ok(asked),
    }
}

pub(super) fn outputs(
    input: &Input,
    output: &Output,
    to: Format,
    compression: Compression,
    options: &Options,
) -> Result<(Vec<PlannedOutput>, Option<Recut>)> {
    let all = 0..input.parts.len();
    let folder = match output {
        Output::Stdout => return Ok((vec![PlannedOutput { target: Target::Stdout, parts: all }], None)),
        Output::File(location) if is_device(location) => {
            let target = Target::Device(location.path.clone());
            return Ok((vec![PlannedOutput { target, parts: all }], None));
        }
        Output::File(location) => {
            return Ok((vec![PlannedOutput { target: Target::File(location.clone()), parts: all }], None));
        }
        Output::Folder(folder) => folder,
    };
    let extension = match (to, compression) {
        (Format::Parquet, _) => "parquet",
        (Format::Csv, Compression::Gzip(_)) => "csv.gz",
        (Format::Csv, Compression::Zstd(_)) => "csv.zst",
        (Format::Csv, _) => "csv",
    };
    let parts: Vec<&Part> = input.exports.iter().flat_map(|export| &export.parts).collect();
    if let Some(split) = options.split {
        let like = parts.iter().find_map(|part| part.name.clone());
        let like = like.ok_or_else(|| {
            Error::Usage(
                "the source is not named like a part, so new parts cannot be named; --pattern helps".into(),
            )
        })?;
        check_name(folder, &like.renumbered(u64::MAX, extension))?;
        return Ok((Vec::new(), Some(Recut { folder: folder.clone(), like, extension, split })));
    }
    let mut names = HashSet::new();
    let mut planned = Vec::with_capacity(parts.len());
    for (i, part) in parts.iter().enumerate() {
        let name = match &part.name {
            Some(name) => name.with_extension(extension),
            None => format!("{}.{extension}", export::strip_extension_of(&part.object)),
        };
        check_name(folder, &name)?;
        if !names.insert(name.clone()) {
            return Err(Error::Incomplete(format!(
                "two parts would both become {name}; convert the runs one by one with --run"
            )));
        }
        planned.push(PlannedOutput { target: Target::File(folder.child(&name)), parts: i..i + 1 });
    }
    Ok((planned, None))
}

/// The longest name that the usual file systems take, in bytes.
const MAX_NAME: usize = 255;

/// The new parts are named after the old ones, whose names came from a store: one that could lead out of the folder,
/// or mislead whoever sees it, is refused before anything is written.
fn check_name(folder: &Location, name: &str) -> Result<()> {
    let misleads = |c: char| c == '/' || c.is_control() || crate::model::is_override(c);
    let is_bad = matches!(name, "" | "." | "..") || name.contains(misleads);
    if is_bad || (folder.is_local() && name.len() > MAX_NAME) {
        let mut shown: String = name.chars().take(80).collect();
        if shown.len() < name.len() {
            shown.push('…');
        }
        return Err(Error::Usage(format!(
            "a part would be written as \"{}\", which is no name for a file; merge writes to a name of yours",
            Escaped(&shown)
        )));
    }
    Ok(())
}
