//! Why a text names no place that can be read or written here.

use super::escaped::Escaped;
use serde::Serialize;
use std::fmt;

/// Why a text names no place that can be read or written here, or not in the way that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PlaceProblem {
    /// It is a path of Windows.
    OfWindows,
    /// It begins like a URL, and has other slashes than URLs have.
    HalfUrl {
        /// What was probably meant.
        meant: String,
    },
    /// It is a `file://` URL that names another machine, or a relative path.
    FileOfHost {
        /// What stands where the machine would.
        host: String,
    },
    /// It is a `file://` URL whose escapes do not stand for a path of UTF-8.
    FileEscapes,
    /// It is a web address that names no file: a web server lists no folders.
    WebFolder,
    /// It is a web address with a user or a password.
    WebUser,
    /// It is no web address.
    WebAddress {
        /// Why.
        why: String,
    },
    /// It is a web address, and something was to be written there.
    WebOutput,
    /// It is a pipe, a socket or a device, which can be read once only.
    Endless,
    /// It lies in another folder or store than the first of several places that were named as one source.
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
                "{place} is a path of Windows; here a path has slashes, and begins where the drive or share is mounted, \
                 such as /mnt/c for C: in WSL"
            ),
            PlaceProblem::HalfUrl { meant } => {
                write!(f, "{place} is no URL; write {}, or ./{place} for a path", Escaped(meant))
            }
            PlaceProblem::FileOfHost { host } => write!(
                f,
                "{place} names the machine \"{}\"; write file:///ABSOLUTE/PATH, or the path alone",
                Escaped(host)
            ),
            PlaceProblem::FileEscapes => {
                write!(f, "the escapes of {place} do not stand for a path; write the path alone")
            }
            PlaceProblem::WebFolder => {
                write!(f, "{place} names no file, and a web server lists no folders; name each file")
            }
            PlaceProblem::WebUser => {
                write!(f, "{place} holds a user or a password; only addresses without are read")
            }
            PlaceProblem::WebAddress { why } => write!(f, "{place} is no web address: {why}"),
            PlaceProblem::WebOutput => write!(
                f,
                "{place} can only be read; write to a local path, s3://, gs:// or az://, also where the address is of such a \
                 store"
            ),
            PlaceProblem::Endless => write!(
                f,
                "{place} is a pipe, a socket or a device, which can be read once only; pipe it to SOURCE -, or copy it to a \
                 file"
            ),
            PlaceProblem::OtherFolder { first } => write!(
                f,
                "{place} and {} do not lie in one folder, so they are no one source; name files of one folder, or a folder \
                 with both below it",
                Escaped(first)
            ),
        }
    }
}
