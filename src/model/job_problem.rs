//! Why a text or an event does not name an export job.

use super::escaped::Escaped;
use serde::Serialize;
use std::fmt;

/// Why a text is not the ARN of an export job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ArnProblem {
    /// It does not have the form of one.
    Malformed,
    /// It is longer than an ARN can be.
    TooLong {
        /// Characters it may have.
        most: usize,
    },
    /// It names a resource of another service.
    OtherService {
        /// The service.
        service: String,
    },
    /// It names a resource of Forecast that exports nothing.
    ExportsNothing {
        /// The type of resource.
        resource: String,
        /// The types that export something.
        known: Vec<String>,
    },
}

/// Why an event is not about an export job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EventProblem {
    /// It does not come from Forecast.
    OtherSource {
        /// Where it comes from.
        source: String,
    },
    /// It is about something else.
    OtherDetailType {
        /// What it is about.
        detail_type: String,
    },
    /// It has no ARN or no status.
    NoDetail,
    /// Its type is that of one kind of export, but it names a job of another.
    OtherJob {
        /// What it is about.
        detail_type: String,
        /// The job's ARN.
        arn: String,
    },
}

impl ArnProblem {
    /// Writes the end of a sentence about the text.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArnProblem::Malformed => f.write_str(
                "is not the ARN of an export job, such as \
                 arn:aws:forecast:REGION:ACCOUNT:forecast-export-job/FORECAST/JOB",
            ),
            ArnProblem::TooLong { most } => write!(f, "is longer than the {most} characters of an ARN"),
            ArnProblem::OtherService { service } => {
                write!(f, "names a resource of {service}, not of forecast")
            }
            ArnProblem::ExportsNothing { resource, known } => write!(
                f,
                "names a {}, which does not export anything; use the ARN of one of these: {}",
                Escaped(resource),
                known.join(", ")
            ),
        }
    }
}

impl EventProblem {
    /// Writes the end of a sentence about the event.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventProblem::OtherSource { source } => {
                write!(f, "its source is \"{}\", not aws.forecast", Escaped(source))
            }
            EventProblem::OtherDetailType { detail_type } => {
                write!(f, "its detail-type is \"{}\", which is not about an export", Escaped(detail_type))
            }
            EventProblem::NoDetail => f.write_str("its detail has no Arn or no Status"),
            EventProblem::OtherJob { detail_type, arn } => {
                write!(f, "its detail-type is \"{detail_type}\", but it is about {arn}")
            }
        }
    }
}
