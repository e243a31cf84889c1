//! Why an output that is there is not written.

use super::named::Named;
use super::setting::{Setting, SettingName};
use serde::Serialize;
use std::fmt;

/// An output that is there, and why it is neither replaced nor left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OutputExists {
    /// The output as it was asked for; where one of its files is in the way, that file.
    pub path: String,
    /// Why it is not what a run would write.
    pub why: ExistsWhy,
}

/// Why an output that is there is not what a run would write, as far as its receipt tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ExistsWhy {
    /// It is there, and nothing tells what it was made of.
    Exists,
    /// It was written with another value of this setting.
    OtherOptions(Setting),
    /// A receipt is to go there, and it is none.
    NoReceipt,
    /// It was made of another job or of other runs.
    OtherRun {
        /// The job it was made of.
        job: String,
        /// The runs it was made of; none where the parts' names have none.
        runs: Vec<String>,
    },
    /// It was made of more or fewer parts than the run has now.
    OtherParts {
        /// Parts it was made of.
        was: usize,
        /// Parts of the run now.
        now: usize,
    },
    /// A part that it was made of is another one now.
    PartChanged {
        /// The part, as a path or URL.
        part: String,
    },
    /// It is not any more as it was written.
    OutputChanged {
        /// The file that was changed, where the output is a folder.
        file: Option<String>,
    },
    /// It was written without the verification that is asked for now.
    NotVerified,
    /// A number of rows is expected, and its rows were never counted: the server put it together.
    RowsNotCounted,
    /// It is a part of the same run that would stay beside the new parts. To overwrite does not help: it has to be
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
                    " and is no receipt; {} writes none, {} replaces it",
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
                " and was put together by the server, which counts no rows, so {} cannot be checked",
                name(Setting::ExpectRows)
            )?,
            ExistsWhy::StalePart => {
                return f.write_str(
                    ", belongs to the same run and would stay beside the new parts; remove it first",
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
                "sales.parquet already exists and is no receipt; no_receipt writes none, overwrite replaces it",
            ),
            (ExistsWhy::Exists, "sales.parquet already exists; use overwrite to replace it"),
            (
                ExistsWhy::OtherOptions(Setting::AllStrings),
                "sales.parquet already exists and was written with different options (all_strings); use overwrite \
                 to replace it",
            ),
            (
                ExistsWhy::OtherRun { job: "sales".into(), runs: vec!["2026".into(), "2027".into()] },
                "sales.parquet already exists and was made from a different run (sales 2026, 2027); use overwrite \
                 to replace it",
            ),
            (
                ExistsWhy::OtherRun { job: "sales".into(), runs: Vec::new() },
                "sales.parquet already exists and was made from a different run (sales); use overwrite to replace \
                 it",
            ),
            (
                ExistsWhy::OtherParts { was: 12, now: 13 },
                "sales.parquet already exists and was made from 12 parts, but the run now has 13; use overwrite to \
                 replace it",
            ),
            (
                ExistsWhy::PartChanged { part: "x_part3.csv".into() },
                "sales.parquet already exists, but the part x_part3.csv has changed since it was written; use \
                 overwrite to replace it",
            ),
            (
                ExistsWhy::OutputChanged { file: None },
                "sales.parquet already exists and has changed since it was written; use overwrite to replace it",
            ),
            (
                ExistsWhy::OutputChanged { file: Some("x_part0.csv".into()) },
                "sales.parquet already exists, and its file x_part0.csv has changed since it was written; use \
                 overwrite to replace it",
            ),
            (
                ExistsWhy::NotVerified,
                "sales.parquet already exists and was written without verify; use overwrite to replace it",
            ),
            (
                ExistsWhy::RowsNotCounted,
                "sales.parquet already exists and was put together by the server, which counts no rows, so \
                 expect_rows cannot be checked; use overwrite to replace it",
            ),
            (
                ExistsWhy::StalePart,
                "sales.parquet already exists, belongs to the same run and would stay beside the new parts; remove \
                 it first",
            ),
        ] {
            assert_eq!(said(why), sentence);
        }
    }
}
