//! What helps against an error, as data.

use super::named::Named;
use super::setting::{Setting, SettingName};
use serde::Serialize;
use std::fmt;

/// What helps. Its `Display` is a clause that calls settings by the library's names.
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
    /// Export again, or leave the empty parts away.
    LeaveEmptyPartsAway,
    /// Export the part again as UTF-8; a merge to CSV copies its bytes as they are.
    ExportAsUtf8,
    /// Export the part again without encryption.
    ExportUnencrypted,
    /// Export with column names that differ from each other.
    ExportDistinctNames,
    /// The file is not a part: name the export's own files as the source.
    NamePartFiles,
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
    /// Write the column's bytes as text, where they are UTF-8 or else by digits; or write Parquet.
    BytesAsText {
        /// The column.
        column: String,
    },
    /// Give the column one type.
    GiveType {
        /// The column.
        column: String,
    },
    /// Align columns by name, which takes the type that holds every value; or give the column one type.
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
    /// Take the first line away.
    DropFirstLine,
    /// Write the text as UTF-8.
    RewriteAsUtf8,
    /// Fetch what Git LFS points to.
    FetchFromLfs,
    /// Unpack the file first.
    Unpack,
    /// Fetch or export the part again; where it is CSV under a wrong name, a header mode says so.
    FetchOrSayCsv,
    /// Align columns by name, which ends every line with LF.
    RewriteLineEnds,
    /// Write Parquet.
    WriteParquet,
    /// Write Parquet, or export without the column.
    WriteParquetOrDropColumn,
    /// Merge or convert to Parquet without settings by which rows are encoded anew: values are copied as they are.
    CopyUnchanged,
    /// Write the Parquet file with smaller pages.
    SmallerPages,
    /// Run again when the export is complete.
    RunWhenComplete,
    /// Run again when nobody writes to the source.
    RunWhenQuiet,
    /// Run again when the export is complete and nobody writes to the part.
    RunWhenCompleteAndQuiet,
    /// Name the bucket's region.
    NameRegion,
    /// Name no region: then the bucket's own is found.
    LeaveRegionAway,
    /// Name a profile, or read a public bucket without credentials.
    NameProfile,
    /// Have S3 bring the object back from its archive.
    Restore,
    /// Run again when S3 has brought the parts back.
    RunWhenRestored,
    /// Allow what was refused, by a statement of a policy.
    Grant(Box<Permission>),
}

/// What a policy would have to allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Permission {
    /// What is to be allowed, such as `s3:GetObject`.
    pub actions: Vec<String>,
    /// The ARN of what it is to be allowed on.
    pub resource: String,
}

impl Named for Remedy {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result {
        let (types, schema) = (name(Setting::Types), name(Setting::Schema));
        let (header, columns) = (name(Setting::Header), name(Setting::Columns));
        match self {
            Remedy::FetchAgain => f.write_str("fetch or export the part again"),
            Remedy::FetchDamaged => f.write_str("the part may be damaged; fetch or export it again"),
            Remedy::FetchCutShort => f.write_str("the part may be cut short; fetch or export it again"),
            Remedy::LeaveEmptyPartsAway => f.write_str("export again, or leave the empty parts away"),
            Remedy::ExportAsUtf8 => {
                f.write_str("export the part again as UTF-8; a merge to CSV copies the bytes as they are")
            }
            Remedy::ExportUnencrypted => f.write_str("export the part again without encryption"),
            Remedy::ExportDistinctNames => f.write_str("export with distinct column names"),
            Remedy::NamePartFiles => f.write_str("name the export's own part files"),
            Remedy::ReadAsText { column } => write!(
                f,
                "{types} {column}=string keeps the text, {} TEXT reads a text as null",
                name(Setting::Nulls)
            ),
            Remedy::ReadNanoseconds { column } => {
                write!(f, "{types} {column}=timestamp_ns keeps them, and so does {types} {column}=string")
            }
            Remedy::KeepAsText { column } => write!(f, "{types} {column}=string keeps every value"),
            Remedy::CompareAsText { column } => write!(f, "{types} {column}=string compares it as text"),
            Remedy::BytesAsText { column } => write!(
                f,
                "{types} {column}=string takes them for UTF-8, {} hex or base64 writes any bytes; or write Parquet",
                name(Setting::Binary)
            ),
            Remedy::GiveType { column } => write!(f, "{types} {column}=TYPE gives it one type"),
            Remedy::AlignTypes { column } => write!(
                f,
                "{schema} by-name takes the type that holds every value, {types} {column}=TYPE gives it one"
            ),
            Remedy::AlignByName => write!(f, "{schema} by-name aligns columns by name"),
            Remedy::SayWhetherHeader => write!(
                f,
                "{header} no or {columns} NAMES reads the first line of each part as a row, {header} yes takes it for a \
                 header all the same"
            ),
            Remedy::ReadFirstLineAsRow => {
                write!(f, "{header} no or {columns} NAMES reads the first line of each part as a row")
            }
            Remedy::FitColumns => {
                write!(f, "the part may be cut short, or {columns} must name each field of a row")
            }
            Remedy::ExportWithCommas => f.write_str("export with commas between cells, and a header"),
            Remedy::ExportDoubledQuotes => {
                f.write_str("export with quotes doubled in cells (Spark's option escape='\"'), or as Parquet")
            }
            Remedy::DropFirstLine => f.write_str("take that line away, and put commas between cells"),
            Remedy::RewriteAsUtf8 => f.write_str("write it as UTF-8, such as with iconv -t UTF-8"),
            Remedy::FetchFromLfs => f.write_str("git lfs pull fetches the file"),
            Remedy::Unpack => f.write_str("unpack it first"),
            Remedy::FetchOrSayCsv => {
                write!(f, "fetch or export the part again; {header} yes or {header} no reads it as CSV")
            }
            Remedy::RewriteLineEnds => write!(f, "{schema} by-name rewrites them all with LF"),
            Remedy::WriteParquet => f.write_str("write Parquet"),
            Remedy::WriteParquetOrDropColumn => f.write_str("write Parquet, or export without the column"),
            Remedy::CopyUnchanged => {
                f.write_str("a merge to Parquet without other settings copies the values as they are")
            }
            Remedy::SmallerPages => f.write_str("write the file with smaller pages"),
            Remedy::RunWhenComplete => f.write_str("run again when the export is complete"),
            Remedy::RunWhenQuiet => f.write_str("run again when nobody writes to the source"),
            Remedy::RunWhenCompleteAndQuiet => {
                f.write_str("run again when the export is complete and nobody writes to it")
            }
            Remedy::NameRegion => write!(f, "{} names it", name(Setting::Region)),
            Remedy::LeaveRegionAway => {
                f.write_str("the bucket is in another region than was given: without one it is found")
            }
            Remedy::NameProfile => write!(
                f,
                "{} names a profile, {} reads public buckets",
                name(Setting::Profile),
                name(Setting::NoSignRequest)
            ),
            Remedy::Restore => {
                write!(f, "{} asks S3 to restore it, which takes minutes to days", name(Setting::Restore))
            }
            Remedy::RunWhenRestored => f.write_str("run again when it has"),
            Remedy::Grant(permission) => {
                let Permission { actions, resource } = &**permission;
                let statement = format!(
                    r#"{{"Effect":"Allow","Action":["{}"],"Resource":"{resource}"}}"#,
                    actions.join(r#"",""#)
                );
                write!(f, "this statement of a policy allows it: {statement}")?;
                // S3 does not tell those who may not list whether an object is there.
                match actions.iter().any(|action| action == "s3:GetObject") {
                    true => f.write_str("; without s3:ListBucket an object that is missing is refused, too"),
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
        assert_eq!(remedy.to_string(), "types p50=string keeps the text, nulls TEXT reads a text as null");
        let shout = |setting| match setting {
            Setting::Types => "TYPES",
            _ => "OTHER",
        };
        assert_eq!(
            remedy.with_names(shout).to_string(),
            "TYPES p50=string keeps the text, OTHER TEXT reads a text as null"
        );
    }
}
