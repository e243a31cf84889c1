//! An error in the contents of a part: where it is, and what is wrong.

use super::escaped::Escaped;
use super::named::Named;
use super::remedy::Remedy;
use super::setting::{Setting, SettingName};
use serde::Serialize;
use std::fmt;

/// An error in the contents of a part: where it is, and what is wrong.
///
/// Shown as `FILE, line N, row N, column NAME: PROBLEM: "VALUE"; REMEDY`, leaving out what is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DataError {
    /// The part, as a path or URL.
    pub file: String,
    /// The line in the file, from 1, counting the header; a quoted cell may span several.
    pub line: Option<u64>,
    /// The row of a Parquet file, from 1.
    pub row: Option<u64>,
    /// The column's name.
    pub column: Option<String>,
    /// The cell's text, cut to 80 characters.
    pub value: Option<String>,
    /// What is wrong, as a case to match on.
    pub kind: DataErrorKind,
    /// What is wrong, in words.
    pub problem: String,
    /// What helps.
    pub remedy: Option<Remedy>,
}

/// What is wrong with the contents of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DataErrorKind {
    /// A cell is not of its column's type.
    BadCell,
    /// Text is not UTF-8.
    NotUtf8,
    /// A row has more or fewer fields than the header.
    WrongWidth,
    /// A quote is never closed.
    OpenQuote,
    /// A Parquet file or a compressed part is damaged or cut short.
    Damaged,
    /// A Parquet file is encrypted.
    Encrypted,
    /// A record or a page is larger than the limit.
    TooLarge,
    /// No part has a header, so the columns are unknown; or the first line is not one.
    NoHeader,
    /// Two columns of a part have the same name.
    DuplicateColumn,
    /// Parts differ in their columns, in the order of these, or in types.
    SchemasDiffer,
    /// Parts end their lines differently.
    LineEndsDiffer,
    /// The file is not of the format that its name promises.
    NotTheFormat,
    /// The text separates its cells, or quotes within them, in a way that is not supported.
    OtherDialect,
    /// The part was changed, removed or added while the run was read.
    Changed,
    /// The output cannot hold the type or the value, or the type cannot be compared.
    Unsupported,
    /// A value would change if it were given the requested type.
    ValueLost,
    /// A point in time is outside the range of the output or the comparison.
    OutOfRange,
}

impl DataError {
    pub(crate) fn new(kind: DataErrorKind, file: impl Into<String>, problem: impl Into<String>) -> Self {
        DataError {
            file: file.into(),
            line: None,
            row: None,
            column: None,
            value: None,
            kind,
            problem: problem.into(),
            remedy: None,
        }
    }

    pub(crate) fn line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    pub(crate) fn row(mut self, row: u64) -> Self {
        self.row = Some(row);
        self
    }

    pub(crate) fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }

    pub(crate) fn value(mut self, value: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&value[..value.len().min(400)]);
        let cut = text.chars().count() > 80 || value.len() > 400;
        let mut shown: String = text.chars().take(80).collect();
        if cut {
            shown.push('…');
        }
        self.value = Some(shown);
        self
    }

    pub(crate) fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }
}

impl Named for DataError {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result {
        write!(f, "{}", Escaped(&self.file))?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {}", Escaped(column))?;
        }
        write!(f, ": {}", self.problem)?;
        if let Some(value) = &self.value {
            write!(f, ": \"{}\"", Escaped(value))?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "; {}", remedy.with_names(name))?;
        }
        Ok(())
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Setting::name)
    }
}

impl std::error::Error for DataError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_error_names_file_line_column_value_and_remedy() {
        let error = DataError::new(DataErrorKind::BadCell, "x_part0.csv", "not a number")
            .line(7)
            .column("p50")
            .value(b"abc\x1b[31m")
            .remedy(Remedy::KeepAsText { column: "p50".into() });
        assert_eq!(
            error.to_string(),
            "x_part0.csv, line 7, column p50: not a number: \"abc\\u{1b}[31m\"; use types p50=string to \
             keep every value"
        );
    }

    #[test]
    fn a_long_value_is_cut_to_eighty_characters() {
        let error = DataError::new(DataErrorKind::BadCell, "f", "bad").value("é".repeat(500).as_bytes());
        assert_eq!(error.value.map(|v| v.chars().count()), Some(81));
    }
}
