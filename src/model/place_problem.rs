//! Why a text does not name a place that can be read or written here.

use super::escaped::Escaped;
use serde::Serialize;
use std::fmt;

/// Why a text does not name a place that can be read or written here, or not in the requested way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PlaceProblem {
    /// It is a Windows path.
    OfWindows,
    /// It begins like a URL but has the wrong slashes.
    HalfUrl {
        /// What was probably meant.
        meant: String,
    },
    /// It is the ARN of a bucket, of an object in it or of an access point, in place of a URL.
    BucketArn {
        /// The URL.
        meant: String,
    },
    /// It is a `file://` URL that names another machine, or a relative path.
    FileOfHost {
        /// What is in the machine's place.
        host: String,
    },
    /// It is a `file://` URL whose escapes do not make a UTF-8 path.
    FileEscapes,
    /// It is a web address that does not name a file: a web server does not list folders.
    WebFolder,
    /// It is a web address with a user or a password.
    WebUser,
    /// It is not a valid web address.
    WebAddress {
        /// Why.
        why: String,
    },
    /// It is a web address, which cannot be written to.
    WebOutput,
    /// It is a pipe, a socket or a device, which can be read only once.
    Endless,
    /// It is in another folder or store than the first of several places named as one source.
    OtherFolder {
        /// The first.
        first: String,
    },
}

impl PlaceProblem {
    /// Writes the sentence about a place.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, place: &str) -> fmt::Result {
        let place = Escaped(place);
        match self {
            PlaceProblem::OfWindows => write!(
                f,
                "{place} is a Windows path; write it with forward slashes, starting where the drive or \
                 share is mounted, such as /mnt/c for C: in WSL"
            ),
            PlaceProblem::HalfUrl { meant } => {
                write!(f, "{place} is not a URL; write {}, or ./{place} for a path", Escaped(meant))
            }
            PlaceProblem::BucketArn { meant } => {
                write!(f, "{place} is the ARN of a bucket; write {}", Escaped(meant))
            }
            PlaceProblem::FileOfHost { host } => write!(
                f,
                "{place} names the machine \"{}\"; write file:///ABSOLUTE/PATH, or just the path",
                Escaped(host)
            ),
            PlaceProblem::FileEscapes => {
                write!(f, "the percent escapes in {place} do not make a valid path; write just the path")
            }
            PlaceProblem::WebFolder => {
                write!(
                    f,
                    "{place} does not name a file, and a web server does not list folders; name each file"
                )
            }
            PlaceProblem::WebUser => {
                write!(f, "{place} contains a user or a password; use an address without them")
            }
            PlaceProblem::WebAddress { why } => write!(f, "{place} is not a valid web address: {why}"),
            PlaceProblem::WebOutput => write!(
                f,
                "{place} is a web address, which can only be read; write to a local path, or to the s3://, \
                 gs:// or az:// URL of a store"
            ),
            PlaceProblem::Endless => write!(
                f,
                "{place} is a pipe, a socket or a device, which can be read only once; pipe it to SOURCE -, \
                 or copy it to a file"
            ),
            PlaceProblem::OtherFolder { first } => write!(
                f,
                "{place} and {} are not in the same folder; name files of one folder, or a folder that \
                 contains both",
                Escaped(first)
            ),
        }
    }
}
