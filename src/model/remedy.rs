//! Remedies for errors, as data.

use super::named::Named;
use super::setting::{Setting, SettingName};
use serde::Serialize;
use std::fmt;

/// What helps. Its `Display` is a clause with the library's names for settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Remedy {
    /// Fetch the part again, or have the service export it again.
    FetchAgain,
    /// As [`Remedy::FetchAgain`]: the part may be damaged.
    FetchDamaged,
    /// As [`Remedy::FetchAgain`]: the part may be cut short.
    FetchCutShort,
    /// Export again, or leave out the empty parts.
    LeaveEmptyPartsAway,
    /// Export the part again as UTF-8; a merge to CSV copies its bytes as they are.
    ExportAsUtf8,
    /// Export the part again without encryption.
    ExportUnencrypted,
    /// Export with column names that differ from each other.
    ExportDistinctNames,
    /// Name the export's own files as the source, because this file is not a part.
    NamePartFiles,
    /// As [`Remedy::NamePartFiles`]; or, if it is CSV under a name of another format, set a header mode.
    NamePartFilesOrSayCsv,
    /// Read the column as text, or name the text as one that means null.
    ReadAsText {
        /// The column.
        column: String,
    },
    /// Read the column as nanoseconds, or as text.
    ReadNanoseconds {
        /// The column.
        column: String,
    },
    /// Read the column as text, which keeps every value.
    KeepAsText {
        /// The column.
        column: String,
    },
    /// Read the column as text, which compares it as text.
    CompareAsText {
        /// The column.
        column: String,
    },
    /// Write the column's bytes as text, if they are UTF-8, or encoded as text; or write Parquet.
    BytesAsText {
        /// The column.
        column: String,
    },
    /// Give the column one type.
    GiveType {
        /// The column.
        column: String,
    },
    /// Align columns by name, which chooses the type that holds every value; or give the column one type.
    AlignTypes {
        /// The column.
        column: String,
    },
    /// Align columns by name.
    AlignByName,
    /// Read the first line of each part as a row, or say that it is a header.
    SayWhetherHeader,
    /// Read the first line of each part as a row.
    ReadFirstLineAsRow,
    /// The part may be cut short, or the columns that were named are not those of its rows.
    FitColumns,
    /// Export with commas between cells.
    ExportWithCommas,
    /// Export with quotes doubled within quoted cells.
    ExportDoubledQuotes,
    /// Remove the first line.
    DropFirstLine,
    /// Write the text as UTF-8.
    RewriteAsUtf8,
    /// Fetch what Git LFS points to.
    FetchFromLfs,
    /// Unpack the file first.
    Unpack,
    /// Unpack the file first, or compress it in a way that can be read.
    UnpackOrRepack,
    /// Write to another folder.
    WriteElsewhere,
    /// Write the output again, replacing it.
    WriteAgain,
    /// Fetch or export the part again; or, if it is CSV under a wrong name, set a header mode.
    FetchOrSayCsv,
    /// Align columns by name, which ends every line with LF.
    RewriteLineEnds,
    /// Write Parquet.
    WriteParquet,
    /// Write Parquet, or export without the column.
    WriteParquetOrDropColumn,
    /// Merge or convert to Parquet without settings that require re-encoding; values are then copied as they are.
    CopyUnchanged,
    /// Write the Parquet file with smaller pages.
    SmallerPages,
    /// Run again when the export is complete.
    RunWhenComplete,
    /// Run again when nothing is writing to the source.
    RunWhenQuiet,
    /// Run again when the export is complete and nothing is writing to the part.
    RunWhenCompleteAndQuiet,
    /// Name the bucket's region.
    NameRegion,
    /// Leave the region out; the bucket's own is then looked up.
    LeaveRegionAway,
    /// Name a profile, or read a public bucket without credentials.
    NameProfile,
    /// Trust the authority that issued the server's certificate.
    TrustAuthority,
    /// Have S3 restore the object from its archive.
    Restore,
    /// Run again when S3 has restored the parts.
    RunWhenRestored,
    /// Allow what was denied, with a policy statement.
    Grant(Box<Permission>),
}

/// What a policy must allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Permission {
    /// The actions to allow, such as `s3:GetObject`.
    pub actions: Vec<String>,
    /// The ARN of the resource to allow them on.
    pub resource: String,
}

impl Remedy {
    /// The clause with a program's own names for settings, as in [`Error::named`](crate::Error::named).
    pub fn named(&self, name: SettingName) -> impl fmt::Display {
        self.with_names(name)
    }
}

impl Named for Remedy {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result {
        let (types, schema) = (name(Setting::Types), name(Setting::Schema));
        let (header, columns) = (name(Setting::Header), name(Setting::Columns));
        match self {
            Remedy::FetchAgain => f.write_str("fetch or export the part again"),
            Remedy::FetchDamaged => f.write_str("the part may be damaged; fetch or export it again"),
            Remedy::FetchCutShort => f.write_str("the part may be cut short; fetch or export it again"),
            Remedy::LeaveEmptyPartsAway => f.write_str("export again, or leave out the empty parts"),
            Remedy::ExportAsUtf8 => {
                f.write_str("export the part again as UTF-8; a merge to CSV copies the bytes as they are")
            }
            Remedy::ExportUnencrypted => f.write_str("export the part again without encryption"),
            Remedy::ExportDistinctNames => f.write_str("export with distinct column names"),
            Remedy::NamePartFiles => f.write_str("name the export's own part files"),
            Remedy::NamePartFilesOrSayCsv => {
                write!(f, "name the export's own part files; if it is CSV, use {header} yes or {header} no")
            }
            Remedy::ReadAsText { column } => write!(
                f,
                "use {types} {column}=string to keep the text, or {} TEXT to read it as null",
                name(Setting::Nulls)
            ),
            Remedy::ReadNanoseconds { column } => {
                write!(f, "use {types} {column}=timestamp_ns or {types} {column}=string to keep them")
            }
            Remedy::KeepAsText { column } => write!(f, "use {types} {column}=string to keep every value"),
            Remedy::CompareAsText { column } => {
                write!(f, "use {types} {column}=string to compare it as text")
            }
            Remedy::BytesAsText { column } => write!(
                f,
                "use {types} {column}=string if they are UTF-8, {} hex or base64 for any bytes; or write \
                 Parquet",
                name(Setting::Binary)
            ),
            Remedy::GiveType { column } => write!(f, "use {types} {column}=TYPE to give it one type"),
            Remedy::AlignTypes { column } => write!(
                f,
                "use {schema} by-name for the type that holds every value, or {types} {column}=TYPE to \
                 choose one"
            ),
            Remedy::AlignByName => write!(f, "use {schema} by-name to align columns by name"),
            Remedy::SayWhetherHeader => write!(
                f,
                "use {header} no or {columns} NAMES to read the first line of each part as a row, or \
                 {header} yes to treat it as a header anyway"
            ),
            Remedy::ReadFirstLineAsRow => {
                write!(f, "use {header} no or {columns} NAMES to read the first line of each part as a row")
            }
            Remedy::FitColumns => {
                write!(
                    f,
                    "the part may be cut short; if it is whole, {columns} must name every field of a row"
                )
            }
            Remedy::ExportWithCommas => f.write_str("export with a header, and with commas between cells"),
            Remedy::ExportDoubledQuotes => {
                f.write_str("export with quotes doubled in cells (Spark's option escape='\"'), or as Parquet")
            }
            Remedy::DropFirstLine => f.write_str("remove that line, and put commas between cells"),
            Remedy::RewriteAsUtf8 => f.write_str("convert it to UTF-8, for example with iconv -t UTF-8"),
            Remedy::FetchFromLfs => f.write_str("run git lfs pull to fetch the file"),
            Remedy::Unpack => f.write_str("unpack it first"),
            Remedy::UnpackOrRepack => f.write_str("unpack it first, or compress it with gzip or zstd"),
            Remedy::WriteElsewhere => {
                f.write_str("write to another folder, or change the access to this one")
            }
            Remedy::WriteAgain => {
                write!(f, "the output may be damaged; write it again with {}", name(Setting::Overwrite))
            }
            Remedy::FetchOrSayCsv => {
                write!(f, "fetch or export the part again; if it is CSV, use {header} yes or {header} no")
            }
            Remedy::RewriteLineEnds => write!(f, "use {schema} by-name to end every line with LF"),
            Remedy::WriteParquet => f.write_str("write Parquet"),
            Remedy::WriteParquetOrDropColumn => f.write_str("write Parquet, or export without the column"),
            Remedy::CopyUnchanged => {
                f.write_str("a merge to Parquet without other settings copies the values as they are")
            }
            Remedy::SmallerPages => f.write_str("write the file with smaller pages"),
            Remedy::RunWhenComplete => f.write_str("run again when the export is complete"),
            Remedy::RunWhenQuiet => f.write_str("run again when nothing is writing to the source"),
            Remedy::RunWhenCompleteAndQuiet => {
                f.write_str("run again when the export is complete and nothing is writing to it")
            }
            Remedy::NameRegion => write!(f, "name it with {}", name(Setting::Region)),
            Remedy::LeaveRegionAway => {
                f.write_str("the bucket is in a different region; leave the region out, and it is looked up")
            }
            Remedy::NameProfile => write!(
                f,
                "use {} to name a profile, or {} for public buckets",
                name(Setting::Profile),
                name(Setting::NoSignRequest)
            ),
            Remedy::TrustAuthority => f.write_str(
                "if the server is the right one, set AWS_CA_BUNDLE (for AWS) or SSL_CERT_FILE (for any \
                 server) to a PEM file with the certificate of its authority",
            ),
            Remedy::Restore => {
                write!(
                    f,
                    "use {} to ask S3 to restore it, which takes minutes to days",
                    name(Setting::Restore)
                )
            }
            Remedy::RunWhenRestored => f.write_str("run again when it is done"),
            Remedy::Grant(permission) => {
                let Permission { actions, resource } = &**permission;
                let statement = format!(
                    r#"{{"Effect":"Allow","Action":["{}"],"Resource":"{resource}"}}"#,
                    actions.join(r#"",""#)
                );
                write!(f, "this policy statement would allow it: {statement}")?;
                // S3 does not reveal whether an object exists to a caller that may not list the bucket.
                match actions.iter().any(|action| action == "s3:GetObject") {
                    true => f.write_str(
                        "; without s3:ListBucket, S3 also denies access to objects that do not exist",
                    ),
                    false => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Setting::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_names_settings_as_whoever_shows_it_does() {
        let remedy = Remedy::ReadAsText { column: "p50".into() };
        assert_eq!(
            remedy.to_string(),
            "use types p50=string to keep the text, or nulls TEXT to read it as null"
        );
        let shout = |setting| match setting {
            Setting::Types => "TYPES",
            _ => "OTHER",
        };
        assert_eq!(
            remedy.with_names(shout).to_string(),
            "use TYPES p50=string to keep the text, or OTHER TEXT to read it as null"
        );
    }
}
