//! Why the files found are not one complete run.

use super::escaped::Escaped;
use super::format::Format;
use super::gap::Gap;
use super::kind::Kind;
use super::listed::listed;
use super::named::Named;
use super::setting::{Setting, SettingName};
use serde::{Serialize, Serializer};
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why the files found are not one complete, unambiguous run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Incomplete {
    /// Part numbers are missing.
    Gaps {
        /// The job and run.
        run: String,
        /// What is missing.
        gaps: Vec<Gap>,
        /// The least number of parts that there must be, judging by the highest number.
        parts: u64,
    },
    /// A part is a broken link.
    LinkToNothing {
        /// The part's path.
        part: String,
    },
    /// Two files claim the same part.
    Duplicate {
        /// The job and run.
        run: String,
        /// Their names.
        files: [String; 2],
    },
    /// There are several jobs, and none was chosen.
    SeveralJobs {
        /// The source.
        place: String,
        /// Their names.
        jobs: Vec<String>,
    },
    /// There are exports of several kinds, and none was chosen.
    SeveralKinds {
        /// The source.
        place: String,
        /// What they hold.
        kinds: Vec<Kind>,
    },
    /// There are several runs of a job, and none was chosen.
    SeveralRuns {
        /// The source.
        place: String,
        /// The job.
        job: String,
        /// Their timestamps; `None` if the names have none.
        runs: Vec<Option<String>>,
    },
    /// One run is in two folders.
    TwoFolders {
        /// The job and run.
        run: String,
        /// The folders; the top-level one is empty.
        folders: [String; 2],
    },
    /// A run has parts of both formats.
    MixedFormats {
        /// The two formats.
        formats: [Format; 2],
        /// The names of a part of each.
        files: [String; 2],
    },
    /// The source does not have the expected number of parts.
    Parts {
        /// The source.
        place: String,
        /// Parts there are.
        found: u64,
        /// Parts there must be.
        expected: u64,
    },
    /// The parts do not have the expected number of rows.
    Rows {
        /// Rows there are.
        found: u64,
        /// Rows there must be.
        expected: u64,
    },
    /// Pieces of divided work are not done.
    Pieces {
        /// Their numbers.
        missing: Vec<u64>,
        /// How many pieces there are.
        pieces: u64,
    },
    /// Two parts of a conversion would be written under the same name.
    SameName {
        /// The name.
        name: String,
    },
    /// Two files of a conversion have names that differ only in case, which the file system does not distinguish.
    SameNameHere {
        /// One of the files.
        name: String,
    },
    /// An export job is not done yet.
    JobUnfinished {
        /// The job's ARN.
        arn: String,
        /// Its status, as the service calls it.
        status: String,
        /// What the service says about it.
        message: Option<String>,
    },
    /// An export job has failed.
    JobFailed {
        /// The job's ARN.
        arn: String,
        /// Why, as the service says.
        message: Option<String>,
    },
    /// An export job was stopped or deleted, or has a status that is not known.
    JobEnded {
        /// The job's ARN.
        arn: String,
        /// Its status, as the service calls it.
        status: String,
        /// What the service says about it.
        message: Option<String>,
    },
    /// An export job did not finish before the deadline.
    JobLate {
        /// The job's ARN.
        arn: String,
        /// How long it was waited for.
        #[serde(rename = "waited_seconds", serialize_with = "as_seconds")]
        waited: Duration,
        /// The last answer about it.
        last: LastAnswer,
    },
    /// There is no such export job.
    NoSuchJob {
        /// The job's ARN.
        arn: String,
        /// What the service says.
        reason: String,
    },
    /// The service does not describe the export job, because it considers the ARN malformed.
    JobRefused {
        /// The job's ARN.
        arn: String,
        /// What the service says.
        reason: String,
    },
    /// An export job has no destination in S3.
    JobWithoutDestination {
        /// The job's ARN.
        arn: String,
    },
    /// An export job writes a format that is not known.
    JobOfUnknownFormat {
        /// The job's ARN.
        arn: String,
        /// The format, as the service calls it.
        format: String,
    },
}

/// The last answer about a job that was waited for.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LastAnswer {
    /// Nothing.
    Nothing,
    /// A status, as the service calls it.
    Status(String),
    /// An error.
    #[serde(serialize_with = "as_text")]
    Failure(Arc<dyn StdError + Send + Sync>),
}

fn as_text<S: Serializer>(error: &Arc<dyn StdError + Send + Sync>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(error)
}

fn as_seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

/// What the service says, if anything.
fn said(message: Option<&String>) -> String {
    let message = message.filter(|message| !message.is_empty());
    message.map_or(String::new(), |message| format!(": {}", Escaped(message)))
}

/// Says which parts are missing; returns the pronoun for them.
pub(super) fn write_gaps(
    f: &mut fmt::Formatter<'_>,
    run: &str,
    gaps: &[Gap],
    parts: u64,
) -> Result<&'static str, fmt::Error> {
    let is_one = |gap: &Gap| gap.to <= gap.from;
    let several = gaps.len() > 1 || !gaps.iter().all(is_one);
    let numbers: Vec<String> = gaps.iter().take(10).map(Gap::to_string).collect();
    write!(
        f,
        "{} {}{} of {parts} {} missing",
        if several { "parts" } else { "part" },
        numbers.join(", "),
        if gaps.len() > 10 { ", …" } else { "" },
        if several { "are" } else { "is" },
    )?;
    match gaps {
        [Gap { after: Some(after), before, .. }] => write!(f, " between {after} and {before}")?,
        [Gap { after: None, before, .. }] => write!(f, " before {before}")?,
        _ => write!(f, " from {run}")?,
    }
    Ok(if several { "them" } else { "it" })
}

impl Named for Incomplete {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result {
        match self {
            Incomplete::Gaps { run, gaps, parts } => {
                let them = write_gaps(f, run, gaps, *parts)?;
                write!(f, "; {} merges without {them}", name(Setting::AllowGaps))
            }
            Incomplete::LinkToNothing { part } => write!(
                f,
                "{} is a broken link; restore the file it points to, or remove the link",
                Escaped(part)
            ),
            Incomplete::Duplicate { run, files: [one, other] } => {
                write!(f, "{run}: two files claim the same part: {one} and {other}; remove one of them")
            }
            Incomplete::SeveralJobs { place, jobs } => write!(
                f,
                "{place} holds {} jobs: {}; choose one with {} NAME",
                jobs.len(),
                listed(jobs),
                name(Setting::Job)
            ),
            Incomplete::SeveralKinds { place, kinds } => write!(
                f,
                "{place} holds {} kinds of export: {}; choose one with {} KIND",
                kinds.len(),
                listed(kinds),
                name(Setting::Kind)
            ),
            Incomplete::SeveralRuns { place, job, runs } => write!(
                f,
                "{place} holds {} runs of {job}: {}; choose with {run} latest, {run} all or {run} TIMESTAMP",
                runs.len(),
                listed(runs.iter().flatten()),
                run = name(Setting::Run)
            ),
            Incomplete::TwoFolders { run, folders } => {
                let [one, other] = folders.each_ref().map(|folder| match folder.as_str() {
                    "" => "the top-level folder".to_owned(),
                    folder => format!("{folder}/"),
                });
                write!(f, "{run} is in two folders, {one} and {other}; name one of them as the source")
            }
            Incomplete::MixedFormats { formats, files } => write!(
                f,
                "the run holds both {} and {}: {} and {}; move one of the formats to another folder",
                formats[0], formats[1], files[0], files[1]
            ),
            Incomplete::Parts { place, found, expected } => {
                write!(f, "{place} holds {found} parts, but {} is {expected}", name(Setting::ExpectParts))
            }
            Incomplete::Rows { found, expected } => {
                write!(f, "the parts hold {found} rows, but {} is {expected}", name(Setting::ExpectRows))
            }
            Incomplete::Pieces { missing, pieces } => {
                let shown: Vec<String> = missing.iter().take(10).map(u64::to_string).collect();
                write!(
                    f,
                    "{} of {pieces} pieces {} missing: {}{}; carry them out, and commit again",
                    missing.len(),
                    if missing.len() == 1 { "is" } else { "are" },
                    shown.join(", "),
                    if missing.len() > 10 { ", …" } else { "" }
                )
            }
            Incomplete::SameName { name: shared } => write!(
                f,
                "two parts would both become {shared}; convert the runs one by one with {}",
                name(Setting::Run)
            ),
            Incomplete::SameNameHere { name: shared } => write!(
                f,
                "two parts would both become {}, because the file system does not distinguish upper and \
                 lower case; convert the runs one by one with {}, or write to another file system",
                Escaped(shared),
                name(Setting::Run)
            ),
            Incomplete::JobUnfinished { arn, status, message } => write!(
                f,
                "{arn} is {}{}; use {} to wait until it is ACTIVE",
                Escaped(status),
                said(message.as_ref()),
                name(Setting::Wait)
            ),
            Incomplete::JobFailed { arn, message } => {
                write!(f, "{arn} has failed (CREATE_FAILED){}", said(message.as_ref()))
            }
            Incomplete::JobEnded { arn, status, message } => {
                write!(f, "{arn} will not become ACTIVE: it is {}{}", Escaped(status), said(message.as_ref()))
            }
            Incomplete::JobLate { arn, waited, last } => {
                write!(f, "{arn} did not become ACTIVE within {waited:?}: ")?;
                match last {
                    LastAnswer::Nothing => f.write_str("there was no answer"),
                    LastAnswer::Status(status) => write!(f, "it is still {status}"),
                    LastAnswer::Failure(error) => write!(f, "the last answer was an error: {error}"),
                }
            }
            Incomplete::NoSuchJob { arn, reason } => write!(f, "{arn} does not exist: {reason}"),
            Incomplete::JobRefused { arn, reason } => write!(f, "{arn} cannot be described: {reason}"),
            Incomplete::JobWithoutDestination { arn } => write!(f, "{arn} has no destination in S3"),
            Incomplete::JobOfUnknownFormat { arn, format } => {
                write!(f, "{arn} has the unknown format {}", Escaped(format))
            }
        }
    }
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Setting::name)
    }
}

impl StdError for Incomplete {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Incomplete::JobLate { last: LastAnswer::Failure(error), .. } => Some(&**error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(from: u64, to: u64, after: Option<&str>) -> Gap {
        Gap { from, to, after: after.map(str::to_owned), before: format!("x_part{}.csv", to + 1) }
    }

    #[test]
    fn gaps_are_counted_and_named() {
        let said = |gaps, parts| Incomplete::Gaps { run: "x 2026".into(), gaps, parts }.to_string();
        assert_eq!(
            said(vec![gap(3, 3, Some("x_part2.csv"))], 5),
            "part 3 of 5 is missing between x_part2.csv and x_part4.csv; allow_gaps merges without it"
        );
        assert_eq!(
            said(vec![gap(0, 1, None)], 3),
            "parts 0-1 of 3 are missing before x_part2.csv; allow_gaps merges without them"
        );
        assert_eq!(
            said((0..11).map(|n| gap(2 * n, 2 * n, None)).collect(), 22),
            "parts 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, … of 22 are missing from x 2026; allow_gaps merges \
             without them"
        );
    }

    #[test]
    fn every_other_case_makes_a_whole_sentence() {
        let (place, arn) = (|| "exports".to_owned(), || "arn:x".to_owned());
        let pair = |one: &str, other: &str| [one.to_owned(), other.to_owned()];
        for (error, sentence) in [
            (
                Incomplete::LinkToNothing { part: "x".into() },
                "x is a broken link; restore the file it points to, or remove the link",
            ),
            (
                Incomplete::Duplicate { run: "x 2026".into(), files: pair("a", "b") },
                "x 2026: two files claim the same part: a and b; remove one of them",
            ),
            (
                Incomplete::SeveralJobs { place: place(), jobs: pair("b", "a").to_vec() },
                "exports holds 2 jobs: a, b; choose one with job NAME",
            ),
            (
                Incomplete::SeveralKinds { place: place(), kinds: vec![Kind::WhatIf, Kind::Forecast] },
                "exports holds 2 kinds of export: forecast, what-if; choose one with kind KIND",
            ),
            (
                Incomplete::SeveralRuns {
                    place: place(),
                    job: "x".into(),
                    runs: vec![None, Some("2026".into())],
                },
                "exports holds 2 runs of x: 2026; choose with run latest, run all or run TIMESTAMP",
            ),
            (
                Incomplete::TwoFolders { run: "x 2026".into(), folders: pair("", "copy") },
                "x 2026 is in two folders, the top-level folder and copy/; name one of them as the source",
            ),
            (
                Incomplete::MixedFormats { formats: [Format::Csv, Format::Parquet], files: pair("a", "b") },
                "the run holds both CSV and Parquet: a and b; move one of the formats to another folder",
            ),
            (
                Incomplete::Parts { place: place(), found: 2, expected: 3 },
                "exports holds 2 parts, but expect_parts is 3",
            ),
            (
                Incomplete::Pieces { missing: vec![1, 3], pieces: 4 },
                "2 of 4 pieces are missing: 1, 3; carry them out, and commit again",
            ),
            (Incomplete::Rows { found: 2, expected: 3 }, "the parts hold 2 rows, but expect_rows is 3"),
            (
                Incomplete::SameName { name: "a".into() },
                "two parts would both become a; convert the runs one by one with run",
            ),
            (
                Incomplete::SameNameHere { name: "o/A.csv".into() },
                "two parts would both become o/A.csv, because the file system does not distinguish upper \
                 and lower case; convert the runs one by one with run, or write to another file system",
            ),
            (
                Incomplete::JobUnfinished { arn: arn(), status: "CREATE_PENDING".into(), message: None },
                "arn:x is CREATE_PENDING; use wait_until to wait until it is ACTIVE",
            ),
            (
                Incomplete::JobFailed { arn: arn(), message: Some("no access".into()) },
                "arn:x has failed (CREATE_FAILED): no access",
            ),
            (
                Incomplete::JobEnded { arn: arn(), status: "DELETING".into(), message: Some(String::new()) },
                "arn:x will not become ACTIVE: it is DELETING",
            ),
            (
                Incomplete::JobLate {
                    arn: arn(),
                    waited: Duration::from_secs(60),
                    last: LastAnswer::Nothing,
                },
                "arn:x did not become ACTIVE within 60s: there was no answer",
            ),
            (
                Incomplete::JobLate {
                    arn: arn(),
                    waited: Duration::from_secs(60),
                    last: LastAnswer::Failure(Box::<dyn StdError + Send + Sync>::from("throttled").into()),
                },
                "arn:x did not become ACTIVE within 60s: the last answer was an error: throttled",
            ),
            (Incomplete::NoSuchJob { arn: arn(), reason: "gone".into() }, "arn:x does not exist: gone"),
            (
                Incomplete::JobRefused { arn: arn(), reason: "malformed".into() },
                "arn:x cannot be described: malformed",
            ),
            (Incomplete::JobWithoutDestination { arn: arn() }, "arn:x has no destination in S3"),
            (
                Incomplete::JobOfUnknownFormat { arn: arn(), format: "ORC".into() },
                "arn:x has the unknown format ORC",
            ),
        ] {
            assert_eq!(error.to_string(), sentence);
        }
    }
}
