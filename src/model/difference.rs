//! Where two tables first differ, as data. `verify` finds it; an error carries it.

use super::escaped::Escaped;
use serde::Serialize;
use std::fmt;

/// The first place where an output and its source differ. Its `Display` is the sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// What differs.
    pub kind: DifferenceKind,
    /// The row, counted from 1 over all parts; `None` where columns, types or metadata differ.
    pub row: Option<u64>,
    /// The part of the source; `None` where the source has ended.
    pub part: Option<String>,
    /// The row within the part, from 1; a header does not count.
    pub part_row: Option<u64>,
    /// The file of the output; `None` where the output has ended.
    pub file: Option<String>,
    /// The row within that file, from 1.
    pub file_row: Option<u64>,
    /// The column's name; where columns differ, the source's name of it.
    pub column: Option<String>,
    /// The key of the metadata that differs.
    pub key: Option<String>,
    /// The source's cell as text, the name and type of its column, its Parquet type or the value of the key; `None` for null and where there is none.
    pub source_value: Option<String>,
    /// The output's cell as text, the name and type of its column, its Parquet type or the value of the key; `None` for null and where there is none.
    pub output_value: Option<String>,
}

/// What differs first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DifferenceKind {
    /// The names, order or types of columns.
    Columns,
    /// A cell.
    Cell,
    /// The output ends before a row of the source.
    RowMissing,
    /// The source ends before a row of the output.
    RowExtra,
    /// The Parquet types of a column; all rows are equal.
    Types,
    /// The metadata of Parquet files; all rows are equal.
    Metadata,
}

/// A cell for people: cut, escaped and in quotes; null has no quotes.
struct Shown<'a>(&'a Option<String>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("null"),
            Some(text) => {
                let cut: String = text.chars().take(80).collect();
                let more = if cut.len() < text.len() { "…" } else { "" };
                write!(f, "\"{}{more}\"", Escaped(&cut))
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |name: &Option<String>| Escaped(name.as_deref().unwrap_or_default()).to_string();
        let (part, file, column) = (name(&self.part), name(&self.file), name(&self.column));
        let row = self.row.unwrap_or(0);
        let part_row = self.part_row.unwrap_or(0);
        match self.kind {
            DifferenceKind::Columns => {
                let column_of = |value: &Option<String>| match value {
                    Some(text) => Escaped(text).to_string(),
                    None => "none".to_owned(),
                };
                write!(
                    f,
                    "column {column}: the source has {} ({part}), and the output has {} ({file}); read the \
                     source with the options the output was written with",
                    column_of(&self.source_value),
                    column_of(&self.output_value)
                )
            }
            DifferenceKind::Cell => write!(
                f,
                "row {row}, column {column}: the source has {} ({part}, row {part_row}), and the output has \
                 {} ({file}, row {})",
                Shown(&self.source_value),
                Shown(&self.output_value),
                self.file_row.unwrap_or(0)
            ),
            DifferenceKind::Types => write!(
                f,
                "all rows are equal, but the type of column {column} is {} in the source ({part}) and {} in \
                 the output ({file})",
                name(&self.source_value),
                name(&self.output_value)
            ),
            DifferenceKind::Metadata => write!(
                f,
                "all rows are equal, but for the metadata key \"{}\" parts such as {part} ask for {} and \
                 {file} has {}",
                name(&self.key),
                Shown(&self.source_value),
                Shown(&self.output_value)
            ),
            DifferenceKind::RowMissing => {
                write!(
                    f,
                    "row {row} is missing: it is in {part}, row {part_row}, and the output ends before it"
                )
            }
            DifferenceKind::RowExtra => write!(
                f,
                "row {row} is extra: it is in {file}, row {}, and the source ends before it",
                self.file_row.unwrap_or(0)
            ),
        }
    }
}
