//! Why an existing output is not replaced.

use super::named::Named;
use super::setting::{Setting, SettingName};
use serde::Serialize;
use std::fmt;

/// An output that already exists, and why it is neither replaced nor up to date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OutputExists {
    /// The output as the caller named it; if one of its files is in the way, that file.
    pub path: String,
    /// Why it differs from what a run would write.
    pub why: ExistsWhy,
}

/// Why an existing output differs from what a run would write, as far as its receipt tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ExistsWhy {
    /// It exists, and nothing tells what it was made from.
    Exists,
    /// It was written with another value of this setting.
    OtherOptions(Setting),
    /// The receipt should go there, but the file is not a receipt.
    NoReceipt,
    /// It was made from another job or from other runs.
    OtherRun {
        /// The job it was made from.
        job: String,
        /// The runs it was made from; empty if the parts' names have none.
        runs: Vec<String>,
    },
    /// It was made from more or fewer parts than the run has now.
    OtherParts {
        /// Parts it was made from.
        was: usize,
        /// Parts of the run now.
        now: usize,
    },
    /// A part that it was made from has changed.
    PartChanged {
        /// The part, as a path or URL.
        part: String,
    },
    /// It has changed since it was written.
    OutputChanged {
        /// The file that changed, if the output is a folder.
        file: Option<String>,
    },
    /// It was written without the verification that is now requested.
    NotVerified,
    /// A number of rows is expected, but its rows were never counted, because the server merged it.
    RowsNotCounted,
    /// It is a part of the same run that would stay next to the new parts. Overwriting does not help; it must be
    /// removed.
    StalePart,
}

impl OutputExists {
    pub(crate) fn new(path: impl Into<String>, why: ExistsWhy) -> Self {
        OutputExists { path: path.into(), why }
    }
}

impl Named for OutputExists {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result {
        write!(f, "{} already exists", self.path)?;
        match &self.why {
            ExistsWhy::Exists => {}
            ExistsWhy::NoReceipt => {
                return write!(
                    f,
                    " and is not a receipt; use {} to write none, or {} to replace it",
                    name(Setting::NoReceipt),
                    name(Setting::Overwrite)
                );
            }
            ExistsWhy::OtherOptions(setting) => {
                write!(f, " and was written with different options ({})", name(*setting))?;
            }
            ExistsWhy::OtherRun { job, runs } => {
                let run = format!("{job} {}", runs.join(", "));
                write!(f, " and was made from a different run ({})", run.trim())?;
            }
            ExistsWhy::OtherParts { was, now } => {
                let parts = if *was == 1 { "part" } else { "parts" };
                write!(f, " and was made from {was} {parts}, but the run now has {now}")?;
            }
            ExistsWhy::PartChanged { part } => {
                write!(f, ", but the part {part} has changed since it was written")?;
            }
            ExistsWhy::OutputChanged { file: None } => {
                f.write_str(" and has changed since it was written")?
            }
            ExistsWhy::OutputChanged { file: Some(file) } => {
                write!(f, ", and its file {file} has changed since it was written")?;
            }
            ExistsWhy::NotVerified => write!(f, " and was written without {}", name(Setting::Verify))?,
            ExistsWhy::RowsNotCounted => write!(
                f,
                " and was merged by the server, which does not count rows, so {} cannot be checked",
                name(Setting::ExpectRows)
            )?,
            ExistsWhy::StalePart => {
                return f.write_str(
                    ", belongs to the same run and would stay next to the new parts; remove it first",
                );
            }
        }
        write!(f, "; use {} to replace it", name(Setting::Overwrite))
    }
}

impl fmt::Display for OutputExists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Setting::name)
    }
}

impl std::error::Error for OutputExists {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_makes_a_whole_sentence() {
        let said = |why| OutputExists::new("sales.parquet", why).to_string();
        for (why, sentence) in [
            (
                ExistsWhy::NoReceipt,
                "sales.parquet already exists and is not a receipt; use no_receipt to write none, or \
                 overwrite to replace it",
            ),
            (ExistsWhy::Exists, "sales.parquet already exists; use overwrite to replace it"),
            (
                ExistsWhy::OtherOptions(Setting::AllStrings),
                "sales.parquet already exists and was written with different options (all_strings); use \
                 overwrite to replace it",
            ),
            (
                ExistsWhy::OtherRun { job: "sales".into(), runs: vec!["2026".into(), "2027".into()] },
                "sales.parquet already exists and was made from a different run (sales 2026, 2027); use \
                 overwrite to replace it",
            ),
            (
                ExistsWhy::OtherRun { job: "sales".into(), runs: Vec::new() },
                "sales.parquet already exists and was made from a different run (sales); use overwrite to \
                 replace it",
            ),
            (
                ExistsWhy::OtherParts { was: 12, now: 13 },
                "sales.parquet already exists and was made from 12 parts, but the run now has 13; use \
                 overwrite to replace it",
            ),
            (
                ExistsWhy::PartChanged { part: "x_part3.csv".into() },
                "sales.parquet already exists, but the part x_part3.csv has changed since it was written; \
                 use overwrite to replace it",
            ),
            (
                ExistsWhy::OutputChanged { file: None },
                "sales.parquet already exists and has changed since it was written; use overwrite to \
                 replace it",
            ),
            (
                ExistsWhy::OutputChanged { file: Some("x_part0.csv".into()) },
                "sales.parquet already exists, and its file x_part0.csv has changed since it was written; \
                 use overwrite to replace it",
            ),
            (
                ExistsWhy::NotVerified,
                "sales.parquet already exists and was written without verify; use overwrite to replace it",
            ),
            (
                ExistsWhy::RowsNotCounted,
                "sales.parquet already exists and was merged by the server, which does not count rows, so \
                 expect_rows cannot be checked; use overwrite to replace it",
            ),
            (
                ExistsWhy::StalePart,
                "sales.parquet already exists, belongs to the same run and would stay next to the new parts; \
                 remove it first",
            ),
        ] {
            assert_eq!(said(why), sentence);
        }
    }
}
