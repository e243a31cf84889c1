//! ARNs of export jobs: parses an ARN and determines which kind of job it names.

use crate::model::{ArnProblem, Error, Result, UsageError};

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The longest ARN that Forecast accepts.
const LONGEST: usize = 256;

/// The four jobs that export something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobKind {
    /// A forecast export job.
    ForecastExport,
    /// A predictor backtest export job.
    BacktestExport,
    /// An explainability export.
    ExplainabilityExport,
    /// A what-if forecast export.
    WhatIfExport,
}

impl JobKind {
    /// Each kind with its resource type in ARNs and the `detail-type` of its events.
    pub(super) const ALL: [(JobKind, &'static str, &'static str); 4] = [
        (JobKind::ForecastExport, "forecast-export-job", "Forecast Forecast Export Job State Change"),
        (
            JobKind::BacktestExport,
            "predictor-backtest-export-job",
            "Forecast Predictor Backtest Export Job State Change",
        ),
        (
            JobKind::ExplainabilityExport,
            "explainability-export",
            "Forecast Explainability Export Creation State Change",
        ),
        (
            JobKind::WhatIfExport,
            "what-if-forecast-export",
            "Forecast What-if Forecast Export Creation State Change",
        ),
    ];
}

/// The ARN of an export job.
///
/// ```
/// use forecast_export::{JobArn, JobKind};
///
/// let arn: JobArn = "arn:aws:forecast:eu-west-1:123456789012:forecast-export-job/sales/sales_export".parse()?;
/// assert_eq!(arn.region(), "eu-west-1");
/// assert_eq!(arn.kind(), JobKind::ForecastExport);
/// # Ok::<(), forecast_export::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobArn {
    text: String,
    region: String,
    name: String,
    kind: JobKind,
}

impl JobArn {
    /// Whether a text is meant as an ARN. A file of such a name can be written as `./arn:...`.
    pub fn looks_like(text: &str) -> bool {
        text.starts_with("arn:")
    }

    /// The region of the job, where it can be described.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The last segment: the job's name, as far as the ARN tells.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the job exports.
    pub fn kind(&self) -> JobKind {
        self.kind
    }

    /// The whole ARN.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for JobArn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |problem| Error::Usage(UsageError::Arn { text: text.to_owned(), problem });
        if text.chars().count() > LONGEST {
            return Err(bad(ArnProblem::TooLong { most: LONGEST }));
        }
        let fields: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, service, region, account, resource] = fields.as_slice() else {
            return Err(bad(ArnProblem::Malformed));
        };
        if *service != "forecast" {
            return Err(bad(ArnProblem::OtherService { service: (*service).to_owned() }));
        }
        // The region becomes part of a host name.
        let is_word = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if !is_word(partition) || !is_word(region) || !is_word(account) {
            return Err(bad(ArnProblem::Malformed));
        }
        let (resource_type, path) = resource.split_once('/').unwrap_or((resource, ""));
        let Some((kind, ..)) = JobKind::ALL.into_iter().find(|(_, name, _)| *name == resource_type) else {
            let known = JobKind::ALL.iter().map(|(_, name, _)| (*name).to_owned()).collect();
            return Err(bad(ArnProblem::ExportsNothing { resource: resource_type.to_owned(), known }));
        };
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/');
        if name.is_empty() || !path.chars().all(is_name) {
            return Err(bad(ArnProblem::Malformed));
        }
        Ok(JobArn { text: text.to_owned(), region: (*region).to_owned(), name: name.to_owned(), kind })
    }
}

impl fmt::Display for JobArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for JobArn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_export_is_told_by_its_arn() {
        for (kind, resource, _) in JobKind::ALL {
            let text = format!("arn:aws-cn:forecast:cn-north-1:123456789012:{resource}/a_b/x_1");
            let arn: JobArn = text.parse().expect("an ARN");
            assert_eq!((arn.kind(), arn.name(), arn.region()), (kind, "x_1", "cn-north-1"));
            assert_eq!(arn.to_string(), text);
        }
    }

    #[test]
    fn other_arns_are_usage_errors_that_say_what_they_name() {
        let long = format!("arn:aws:forecast:r:1:forecast-export-job/{}", "x".repeat(250));
        for (text, says) in [
            ("arn:aws:s3:::bucket", "of s3, not of forecast"),
            ("arn:aws:forecast:us-east-1:1:forecast/x", "names a forecast, which does not export anything"),
            ("arn:aws:forecast:us-east-1:1:forecast-export-job", "is not the ARN"),
            ("arn:aws:forecast:us-east-1:1:forecast-export-job/a/", "is not the ARN"),
            ("arn:aws:forecast:evil.example/:1:forecast-export-job/a/b", "is not the ARN"),
            ("arn:aws:forecast::1:forecast-export-job/a/b", "is not the ARN"),
            ("arn:aws:forecast:us-east-1:1:forecast-export-job/a/b\n", "is not the ARN"),
            ("arn:", "is not the ARN"),
            (&long, "longer than"),
        ] {
            match text.parse::<JobArn>() {
                Err(error @ Error::Usage(UsageError::Arn { .. })) => {
                    assert!(error.to_string().contains(says), "{error}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
