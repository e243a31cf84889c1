//! What is worth a look, but no error, as data.

use super::escaped::Escaped;
use super::named::Named;
use super::setting::{Setting, SettingName};
use serde::{Serialize, Serializer};
use std::fmt;

/// What is worth a look. Its `Display` is a sentence that calls settings by the library's names; so is its form in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The export's marker of a beginning is there, and that of its end is not.
    MayBeRunning {
        /// The source, as it was asked for.
        source: String,
    },
    /// A folder or link beside the parts was passed over: it may not be looked into, or its path is too long.
    NotLookedInto {
        /// The folder or link.
        path: String,
    },
    /// A pipe, a socket or a device is named like a part, and was passed over.
    NoFile {
        /// Its path.
        path: String,
    },
    /// What lies in the folder that was written to may not be listed, so nobody looked for older parts in it.
    OutputNotListed {
        /// The folder.
        path: String,
    },
    /// The server replaces objects although it was told not to: what another run writes at the same time may be lost.
    NoConditions {
        /// The output, as a URL.
        path: String,
    },
    /// Where the receipt was to go somebody has put another file since the run began; there is no receipt.
    ReceiptTaken {
        /// The place, as a URL.
        path: String,
    },
    /// The output is a link to a file, and that file is written.
    LinkFollowed {
        /// The link, as it was asked for.
        path: String,
        /// The file that it leads to.
        to: String,
    },
    /// The file system of the output has no step that publishes a file and keeps one that is there: a file that somebody put
    /// there between the last look and the rename was replaced.
    PublishedAfterALook {
        /// The output.
        path: String,
    },
    /// A setting has no effect, as CSV to CSV copies text.
    NoEffectOnText(Setting),
    /// A setting has no effect on CSV.
    NoEffectOnCsv(Setting),
    /// A setting has no effect on Parquet.
    NoEffectOnParquet(Setting),
    /// The first line of each part was taken for a header, for one reason only.
    HeaderInferred {
        /// The column that below that line holds nothing but numbers, dates or booleans. `None` where there is none, and
        /// other parts begin with the same line.
        column: Option<String>,
    },
    /// Parts differ in their own metadata; the first part's value is kept.
    MetadataDiffers {
        /// The key.
        key: String,
    },
    /// Metadata of the parts that is not true of the output, and is left out.
    MetadataLeftOut {
        /// The key.
        key: String,
    },
    /// Parts differ in the Arrow type of a column; the output has the one that its Parquet type stands for.
    ArrowTypesDiffer {
        /// The column.
        column: String,
    },
    /// Parts differ in the field ids of a column; the output has none there.
    FieldIdsDiffer {
        /// The column.
        column: String,
    },
    /// The server refused to copy, so the merge was done here.
    MergedHere {
        /// What was being done.
        doing: &'static str,
        /// The part or the output.
        object: String,
        /// What the server said.
        reason: String,
    },
}

impl Warning {
    /// The warning's sentence with a program's own names for settings, such as its flags.
    pub fn named(&self, name: SettingName) -> impl fmt::Display {
        self.with_names(name)
    }
}

impl Named for Warning {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result {
        match self {
            Warning::MayBeRunning { source } => write!(
                f,
                "{source} has a _CHECK but no _SUCCESS: the export may still be running, and last parts may be missing"
            ),
            Warning::NotLookedInto { path } => write!(
                f,
                "{} was passed over, as it cannot be looked into; parts that lie there are not seen",
                Escaped(path)
            ),
            Warning::NoFile { path } => write!(
                f,
                "{} is named like a part but is a pipe, a socket or a device; it was not read",
                Escaped(path)
            ),
            Warning::OutputNotListed { path } => write!(
                f,
                "{} may not be listed, so nobody looked for older parts there; s3:ListBucket allows it",
                Escaped(path)
            ),
            Warning::NoConditions { path } => write!(
                f,
                "the server of {} knows no conditional writes: the name was looked at just before, and what another run \
                 writes in the same moment is replaced",
                Escaped(path)
            ),
            Warning::ReceiptTaken { path } => {
                write!(f, "the output has no receipt, as another file came to {}", Escaped(path))
            }
            Warning::LinkFollowed { path, to } => {
                write!(
                    f,
                    "{} is a link; the file that it leads to is written: {}",
                    Escaped(path),
                    Escaped(to)
                )
            }
            Warning::PublishedAfterALook { path } => {
                write!(
                    f,
                    "the file system of {} can neither link nor rename without replacing: the output was published after a look \
                     whether its name is free, so it may have replaced a file that came at the same moment",
                    Escaped(path)
                )
            }
            Warning::NoEffectOnText(setting) => {
                write!(f, "{} has no effect: CSV to CSV copies text", name(*setting))
            }
            Warning::NoEffectOnCsv(setting) => write!(f, "{} has no effect on CSV", name(*setting)),
            Warning::NoEffectOnParquet(setting) => write!(f, "{} has no effect on Parquet", name(*setting)),
            Warning::HeaderInferred { column } => {
                f.write_str("the first line of each part is taken for a header, as ")?;
                match column {
                    Some(column) => write!(f, "{} is the only text in its column", Escaped(column))?,
                    None => f.write_str("other parts begin with the same one")?,
                }
                let header = name(Setting::Header);
                write!(f, "; {header} yes says that it is one, {header} no that it is a row")
            }
            Warning::MetadataDiffers { key } => write!(
                f,
                "parts differ in their metadata under the key \"{key}\": the first part's value is kept"
            ),
            Warning::MetadataLeftOut { key } => write!(
                f,
                "the parts' metadata under the key \"{key}\" is not true of the output, and is left out"
            ),
            Warning::ArrowTypesDiffer { column } => write!(
                f,
                "parts differ in the Arrow type of column {column}: the output has that of its Parquet type"
            ),
            Warning::FieldIdsDiffer { column } => {
                write!(f, "parts differ in the field ids of column {column}: the output has none there")
            }
            Warning::MergedHere { doing, object, reason } => {
                write!(f, "{doing} {object}: access denied: {reason}; the merge was done here")
            }
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Setting::name)
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_names_settings_as_whoever_shows_it_does() {
        let warning = Warning::NoEffectOnText(Setting::Types);
        assert_eq!(warning.to_string(), "types has no effect: CSV to CSV copies text");
        assert_eq!(warning.named(|_| "TYPES").to_string(), "TYPES has no effect: CSV to CSV copies text");
        let json = serde_json::to_string(&warning).expect("JSON");
        assert_eq!(json, "\"types has no effect: CSV to CSV copies text\"");
    }
}
