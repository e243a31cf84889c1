//! Warnings, as data.

use super::escaped::Escaped;
use super::gap::Gap;
use super::incomplete::write_gaps;
use super::named::Named;
use super::setting::{Setting, SettingName};
use serde::{Serialize, Serializer};
use std::fmt;

/// Something unusual that is not an error. Its `Display`, and its form in JSON, is a sentence with the library's names
/// for settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The export has its start marker but not its end marker.
    MayBeRunning {
        /// The source, as the caller named it.
        source: String,
    },
    /// Parts are missing, which the caller allowed.
    Gaps {
        /// The job and run.
        run: String,
        /// What is missing.
        gaps: Vec<Gap>,
        /// The least number of parts that there must be, judging by the highest number.
        parts: u64,
    },
    /// A folder or link among the parts was skipped: it cannot be read, or its path is too long.
    NotLookedInto {
        /// The folder or link.
        path: String,
    },
    /// A pipe, a socket or a device is named like a part, and was skipped.
    NoFile {
        /// Its path.
        path: String,
    },
    /// The output folder may not be listed, so it was not checked for older parts.
    OutputNotListed {
        /// The folder.
        path: String,
    },
    /// The server ignores the condition not to replace objects, so what another run writes at the same time may be
    /// lost.
    NoConditions {
        /// The output, as a URL.
        path: String,
    },
    /// Since the run began, another file has appeared in the receipt's place, so there is no receipt.
    ReceiptTaken {
        /// The place, as a URL.
        path: String,
    },
    /// The output is a link to a file, and that file is written instead.
    LinkFollowed {
        /// The link, as the caller named it.
        path: String,
        /// The file it points to.
        to: String,
    },
    /// The output's file system cannot publish a file without the risk of replacing another: a file that appeared
    /// between the last check and the rename was replaced.
    PublishedAfterALook {
        /// The output.
        path: String,
    },
    /// A setting has no effect, because CSV to CSV copies text.
    NoEffectOnText(Setting),
    /// A setting has no effect on CSV.
    NoEffectOnCsv(Setting),
    /// A setting has no effect on Parquet.
    NoEffectOnParquet(Setting),
    /// The first line of each part was treated as a header, for only one reason.
    HeaderInferred {
        /// The column that holds only numbers, dates or booleans below that line. `None` if there is none, and other
        /// parts begin with the same line.
        column: Option<String>,
    },
    /// Every part begins with the same line, which looks like a header, but it was read as a row as requested.
    LikelyHeader {
        /// The start of the line.
        line: String,
        /// Whether that is because columns were named.
        columns_named: bool,
    },
    /// Parts differ in their own metadata; the first part's value is kept.
    MetadataDiffers {
        /// The key.
        key: String,
    },
    /// Metadata of the parts does not hold for the output, so it is left out.
    MetadataLeftOut {
        /// The key.
        key: String,
    },
    /// Parts differ in the Arrow type of a column; the output has the one of its Parquet type.
    ArrowTypesDiffer {
        /// The column.
        column: String,
    },
    /// Parts differ in the field ids of a column; the output has none there.
    FieldIdsDiffer {
        /// The column.
        column: String,
    },
    /// The server refused to copy, so the merge was done here instead.
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
                "{source} has a _CHECK but no _SUCCESS: the export may still be running, and its last parts \
                 may be missing"
            ),
            Warning::Gaps { run, gaps, parts } => {
                let them = write_gaps(f, run, gaps, *parts)?;
                write!(f, "; {} continues without {them}", name(Setting::AllowGaps))
            }
            Warning::NotLookedInto { path } => write!(
                f,
                "{} was skipped because it cannot be read; if it holds parts, they are missing here",
                Escaped(path)
            ),
            Warning::NoFile { path } => write!(
                f,
                "{} is named like a part but is a pipe, a socket or a device, so it was skipped",
                Escaped(path)
            ),
            Warning::OutputNotListed { path } => write!(
                f,
                "{} was not checked for older parts, because listing it is not allowed; s3:ListBucket would \
                 allow it",
                Escaped(path)
            ),
            Warning::NoConditions { path } => write!(
                f,
                "the server of {} does not support conditional writes: the name was checked just before the \
                 write, but a file that another run writes at the same moment is replaced",
                Escaped(path)
            ),
            Warning::ReceiptTaken { path } => {
                write!(f, "the output has no receipt, because another file appeared at {}", Escaped(path))
            }
            Warning::LinkFollowed { path, to } => {
                write!(f, "{} is a link; the file it points to is written: {}", Escaped(path), Escaped(to))
            }
            Warning::PublishedAfterALook { path } => {
                write!(
                    f,
                    "the file system of {} can neither link nor rename without replacing: the output was \
                     published after a check that its name was free, so it may have replaced a file that \
                     appeared at the same moment",
                    Escaped(path)
                )
            }
            Warning::NoEffectOnText(setting) => {
                write!(f, "{} has no effect: CSV to CSV copies text", name(*setting))
            }
            Warning::NoEffectOnCsv(setting) => write!(f, "{} has no effect on CSV", name(*setting)),
            Warning::NoEffectOnParquet(setting) => write!(f, "{} has no effect on Parquet", name(*setting)),
            Warning::HeaderInferred { column } => {
                f.write_str("the first line of each part is treated as a header, because ")?;
                match column {
                    Some(column) => write!(f, "{} is the only text in its column", Escaped(column))?,
                    None => f.write_str("other parts begin with the same line")?,
                }
                let header = name(Setting::Header);
                write!(f, "; use {header} yes to confirm this, or {header} no if it is a row")
            }
            Warning::LikelyHeader { line, columns_named } => {
                write!(
                    f,
                    "every part begins with the line \"{}\", which looks like a header but is read as a row; \
                     use {} yes",
                    Escaped(line),
                    name(Setting::Header)
                )?;
                match columns_named {
                    true => write!(f, " in place of {} if it is a header", name(Setting::Columns)),
                    false => f.write_str(" if it is a header"),
                }
            }
            Warning::MetadataDiffers { key } => write!(
                f,
                "parts differ in their metadata under the key \"{key}\": the first part's value is kept"
            ),
            Warning::MetadataLeftOut { key } => write!(
                f,
                "the parts' metadata under the key \"{key}\" does not hold for the output, so it is left out"
            ),
            Warning::ArrowTypesDiffer { column } => write!(
                f,
                "parts differ in the Arrow type of column {column}: the output has that of its Parquet type"
            ),
            Warning::FieldIdsDiffer { column } => {
                write!(f, "parts differ in the field ids of column {column}: the output has none there")
            }
            Warning::MergedHere { doing, object, reason } => {
                write!(f, "{doing} {object}: access denied: {reason}; the merge was done here instead")
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
