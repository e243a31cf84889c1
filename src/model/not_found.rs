//! Errors about things that were not found.

use super::escaped::Escaped;
use super::format::Format;
use super::kind::Kind;
use super::listed::listed;
use super::named::Named;
use super::setting::{Setting, SettingName};
use serde::Serialize;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// What was not found, and where.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NotFound {
    /// There is nothing at the source.
    Empty {
        /// The source.
        place: String,
    },
    /// There are files at the source, but none is named like a part.
    NoParts {
        /// The source.
        place: String,
        /// The number of files there.
        files: usize,
        /// The name of one of them.
        example: String,
    },
    /// No export is of the requested kind.
    Kind {
        /// The source.
        place: String,
        /// What was asked for.
        kind: Kind,
        /// What there is.
        found: Vec<Kind>,
    },
    /// No export is of the requested job.
    Job {
        /// The source.
        place: String,
        /// The name or glob that was asked for.
        job: String,
        /// The jobs there are.
        found: Vec<String>,
    },
    /// No export is of the requested format.
    Format {
        /// The source.
        place: String,
        /// What was asked for.
        format: Format,
    },
    /// No export is of the requested run.
    Run {
        /// The source.
        place: String,
        /// The timestamp that was asked for.
        run: String,
        /// Whether it has the form of a timestamp.
        is_timestamp: bool,
        /// The jobs and runs there are.
        found: Vec<String>,
    },
    /// No part has a requested number.
    Parts {
        /// The source.
        place: String,
        /// The first number that was asked for.
        from: u64,
        /// The last one.
        to: u64,
        /// How many parts there are.
        found: u64,
    },
    /// There is neither a file nor a folder of that name.
    Path {
        /// The path.
        path: String,
    },
    /// A folder was named, but there is a file.
    NotAFolder {
        /// The path.
        path: String,
    },
    /// A file, an object or its bucket was missing when it was needed.
    Object {
        /// What was being done, such as `reading`.
        doing: &'static str,
        /// The file or object.
        object: String,
        /// What is missing.
        missing: Missing,
        /// What the store or system said, if one of them reported it.
        #[serde(skip)]
        source: Option<Arc<dyn StdError + Send + Sync>>,
    },
}

/// What is missing: the object, its bucket or a folder, as far as the store tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Missing {
    /// The local file, or a folder above it.
    FileOrFolder,
    /// The bucket.
    Bucket,
    /// The object; some stores say the same if the bucket is missing.
    Object,
    /// The bucket or the object: the store did not say which.
    BucketOrObject,
    /// The object that the server was to copy.
    CopySource,
}

impl Named for NotFound {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result {
        match self {
            NotFound::Empty { place } => write!(f, "no export was found at {place}: no file is there"),
            NotFound::NoParts { place, files, example } => {
                write!(f, "no export was found at {place}: ")?;
                match files {
                    1 => f.write_str("1 file is")?,
                    files => write!(f, "{files} files are")?,
                }
                write!(
                    f,
                    " there, such as {example}, but none is named like a part; use {} or {} for other \
                     names, or name one file as the source",
                    name(Setting::Preset),
                    name(Setting::Pattern)
                )
            }
            NotFound::Kind { place, kind, found } => {
                write!(f, "{place} holds no {kind} export, only {}", listed(found))
            }
            NotFound::Job { place, job, found } => {
                write!(f, "{place} holds no job \"{job}\"; it holds {}", listed(found))
            }
            NotFound::Format { place, format } => write!(f, "{place} holds no {format} export of the job"),
            NotFound::Run { place, run, is_timestamp, found } => {
                write!(f, "{place} holds no run \"{}\"; it holds {}", Escaped(run), listed(found))?;
                match is_timestamp {
                    true => Ok(()),
                    false => write!(
                        f,
                        "; use {run} latest, {run} all or {run} TIMESTAMP, written as it is here",
                        run = name(Setting::Run)
                    ),
                }
            }
            NotFound::Parts { place, from, to, found } => {
                write!(f, "{place} holds no parts numbered {from} to {to}; it holds {found} in all")
            }
            NotFound::Path { path } => write!(f, "there is no file or folder {path}"),
            NotFound::NotAFolder { path } => write!(f, "{path} is a file, not a folder"),
            NotFound::Object { doing, object, missing, .. } => {
                let missing = match missing {
                    Missing::FileOrFolder => "no such file or folder",
                    Missing::Bucket => "there is no such bucket",
                    Missing::Object => "not found",
                    Missing::BucketOrObject => "no such bucket or object",
                    Missing::CopySource => "no such object",
                };
                write!(f, "{doing} {object}: {missing}")
            }
        }
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Setting::name)
    }
}

impl StdError for NotFound {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            NotFound::Object { source: Some(source), .. } => Some(&**source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_makes_a_whole_sentence() {
        let place = || "exports".to_owned();
        let object =
            |missing| NotFound::Object { doing: "reading", object: "s3://b/x".into(), missing, source: None };
        for (error, sentence) in [
            (NotFound::Empty { place: place() }, "no export was found at exports: no file is there"),
            (
                NotFound::NoParts { place: place(), files: 1, example: "notes.txt".into() },
                "no export was found at exports: 1 file is there, such as notes.txt, but none is named like \
                 a part; use preset or pattern for other names, or name one file as the source",
            ),
            (
                NotFound::NoParts { place: place(), files: 2, example: "notes.txt".into() },
                "no export was found at exports: 2 files are there, such as notes.txt, but none is named \
                 like a part; use preset or pattern for other names, or name one file as the source",
            ),
            (
                NotFound::Kind { place: place(), kind: Kind::WhatIf, found: vec![Kind::Forecast; 2] },
                "exports holds no what-if export, only forecast",
            ),
            (
                NotFound::Job { place: place(), job: "b".into(), found: vec!["a".into()] },
                "exports holds no job \"b\"; it holds a",
            ),
            (
                NotFound::Format { place: place(), format: Format::Parquet },
                "exports holds no Parquet export of the job",
            ),
            (
                NotFound::Run {
                    place: place(),
                    run: "2027-01-02T03-04-05Z".into(),
                    is_timestamp: true,
                    found: vec!["a 2026-01-02T03-04-05Z".into()],
                },
                "exports holds no run \"2027-01-02T03-04-05Z\"; it holds a 2026-01-02T03-04-05Z",
            ),
            (
                NotFound::Run {
                    place: place(),
                    run: "newest".into(),
                    is_timestamp: false,
                    found: vec!["a 2026-01-02T03-04-05Z".into()],
                },
                "exports holds no run \"newest\"; it holds a 2026-01-02T03-04-05Z; use run latest, run all \
                 or run TIMESTAMP, written as it is here",
            ),
            (
                NotFound::Parts { place: place(), from: 12, to: 14, found: 12 },
                "exports holds no parts numbered 12 to 14; it holds 12 in all",
            ),
            (NotFound::Path { path: place() }, "there is no file or folder exports"),
            (NotFound::NotAFolder { path: place() }, "exports is a file, not a folder"),
            (object(Missing::FileOrFolder), "reading s3://b/x: no such file or folder"),
            (object(Missing::Bucket), "reading s3://b/x: there is no such bucket"),
            (object(Missing::Object), "reading s3://b/x: not found"),
            (object(Missing::BucketOrObject), "reading s3://b/x: no such bucket or object"),
            (object(Missing::CopySource), "reading s3://b/x: no such object"),
        ] {
            assert_eq!(error.to_string(), sentence);
        }
    }
}
