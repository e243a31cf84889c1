//! The one error type of the library.
//!
//! Variants are cut by what the user must do about them, which is also how the command line chooses its exit
//! code. Every variant names the object it is about; text that came out of a file or a store is escaped before it
//! is shown, so that a cell cannot drive a terminal.

use super::escaped::Escaped;

use std::fmt;

/// A [`Result`](std::result::Result) with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, by what the user must do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request itself makes no sense: an unknown preset, a bad pattern, options that exclude each other.
    #[error("{0}")]
    Usage(String),

    /// There is nothing at the source: no such bucket, folder, job or run, or no part files in it.
    #[error("{0}")]
    NotFound(String),

    /// The parts that were found are no complete, unambiguous run: gaps, doubles, several runs or jobs.
    #[error("{0}")]
    Incomplete(String),

    /// The contents of a part are wrong, or parts disagree.
    #[error("{0}")]
    Data(Box<DataError>),

    /// The output does not hold exactly the source's rows.
    #[error("verification failed: {0}")]
    Different(Box<super::difference::Difference>),

    /// The output is already there.
    #[error("{path} exists; --overwrite replaces it")]
    OutputExists {
        /// The output, as it was asked for.
        path: String,
    },

    /// Access was refused, by a store or by the file system.
    #[error("{doing} {object}: access denied: {reason}")]
    Denied {
        /// What was being done, such as `reading`.
        doing: &'static str,
        /// The object or folder.
        object: String,
        /// What the store or system said.
        reason: String,
    },

    /// A store kept failing; a later try may help.
    #[error("{doing} {object}: the service failed: {reason}")]
    Store {
        /// What was being done, such as `listing`.
        doing: &'static str,
        /// The object or folder.
        object: String,
        /// What the store said.
        reason: String,
    },

    /// A local file operation failed.
    #[error("{doing} {object}: {source}")]
    Io {
        /// What was being done, such as `writing`.
        doing: &'static str,
        /// The file.
        object: String,
        /// The system's error.
        source: std::io::Error,
    },

    /// The run was told to stop; everything it had begun was cleared away.
    #[error("stopped")]
    Stopped,

    /// A defect of this program: please report it.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

impl Error {
    pub(crate) fn io(doing: &'static str, object: impl Into<String>, source: std::io::Error) -> Self {
        let object = object.into();
        match source.kind() {
            std::io::ErrorKind::PermissionDenied => {
                Error::Denied { doing, object, reason: source.to_string() }
            }
            std::io::ErrorKind::NotFound => {
                Error::NotFound(format!("{doing} {object}: no such file or folder"))
            }
            _ => Error::Io { doing, object, source },
        }
    }

    /// An error in the contents of `file`.
    pub(crate) fn data(file: impl Into<String>, problem: impl Into<String>) -> DataError {
        DataError { file: file.into(), problem: problem.into(), ..DataError::default() }
    }
}

impl From<DataError> for Error {
    fn from(error: DataError) -> Self {
        Error::Data(Box::new(error))
    }
}

/// Where and why the contents of a part are wrong.
///
/// Shown as `FILE, line N, column NAME: PROBLEM: "VALUE"; REMEDY`, leaving out what is not known.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataError {
    /// The part, as a path or URL.
    pub file: String,
    /// The line in the file, from 1, counting the header; a quoted cell may span several.
    pub line: Option<u64>,
    /// The column's name.
    pub column: Option<String>,
    /// The cell's text, cut to 80 characters.
    pub value: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What helps, such as a flag.
    pub remedy: Option<String>,
}

impl DataError {
    pub(crate) fn line(mut self, line: u64) -> Self {
        self.line = Some(line);
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

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped(&self.file))?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {}", Escaped(column))?;
        }
        write!(f, ": {}", self.problem)?;
        if let Some(value) = &self.value {
            write!(f, ": \"{}\"", Escaped(value))?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "; {remedy}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DataError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_error_names_file_line_column_value_and_remedy() {
        let error = Error::data("x_part0.csv", "not a number")
            .line(7)
            .column("p50")
            .value(b"abc\x1b[31m")
            .remedy("--type p50=string keeps the text");
        assert_eq!(
            error.to_string(),
            "x_part0.csv, line 7, column p50: not a number: \"abc\\u{1b}[31m\"; --type p50=string keeps the text"
        );
    }

    #[test]
    fn a_long_value_is_cut_to_eighty_characters() {
        let error = Error::data("f", "bad").value("é".repeat(500).as_bytes());
        assert_eq!(error.value.map(|v| v.chars().count()), Some(81));
    }
}
