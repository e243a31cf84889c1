//! EventBridge events about export jobs: takes one JSON document, returns the job it is about and its status.

use super::arn::{JobArn, JobKind};
use super::client::JobStatus;
use crate::model::{EventProblem, Result, UsageError};

use serde::Deserialize;
use std::sync::Arc;

/// An event of one of the four kinds of export.
///
/// ```
/// use forecast_export::JobEvent;
///
/// let event = JobEvent::parse(br#"{
///   "source": "aws.forecast",
///   "detail-type": "Forecast Forecast Export Job State Change",
///   "detail": {"Arn": "arn:aws:forecast:eu-west-1:123456789012:forecast-export-job/sales/x", "Status": "ACTIVE"}
/// }"#)?;
/// assert_eq!(event.arn.name(), "x");
/// # Ok::<(), forecast_export::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobEvent {
    /// The job.
    pub arn: JobArn,
    /// Its status.
    pub status: JobStatus,
    /// What the event says about a failure, if anything.
    pub message: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    source: Option<String>,
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    detail: Option<Detail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Detail {
    arn: Option<String>,
    status: Option<String>,
    message: Option<String>,
}

impl JobEvent {
    /// Parses an event as EventBridge delivers it. Other members are ignored.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for anything that is not such an event, and for events of other kinds.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let event: Envelope = serde_json::from_slice(json)
            .map_err(|error| UsageError::NotAnEvent { source: Arc::new(error) })?;
        let text = |value: Option<String>| value.unwrap_or_default();
        let (source, detail_type) = (text(event.source), text(event.detail_type));
        if source != "aws.forecast" {
            return Err(UsageError::Event(EventProblem::OtherSource { source }).into());
        }
        let Some((kind, ..)) = JobKind::ALL.into_iter().find(|(.., name)| *name == detail_type) else {
            return Err(UsageError::Event(EventProblem::OtherDetailType { detail_type }).into());
        };
        let Some(Detail { arn: Some(arn), status: Some(status), message }) = event.detail else {
            return Err(UsageError::Event(EventProblem::NoDetail).into());
        };
        let arn: JobArn = arn.parse()?;
        if arn.kind() != kind {
            let arn = arn.to_string();
            return Err(UsageError::Event(EventProblem::OtherJob { detail_type, arn }).into());
        }
        Ok(JobEvent { arn, status: JobStatus::new(&status), message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Error;

    fn event(source: &str, detail_type: &str, detail: &str) -> Result<JobEvent> {
        let json = format!(
            r#"{{"version":"0","source":"{source}","detail-type":"{detail_type}","detail":{detail}}}"#
        );
        JobEvent::parse(json.as_bytes())
    }

    #[test]
    fn every_kind_of_export_has_its_event() {
        for (kind, resource, detail_type) in JobKind::ALL {
            let arn = format!("arn:aws:forecast:eu-west-1:1:{resource}/a/b");
            let detail = format!(r#"{{"Arn":"{arn}","Duration":"123","Status":"ACTIVE"}}"#);
            let event = event("aws.forecast", detail_type, &detail).expect("an event");
            assert_eq!((event.arn.kind(), event.arn.as_str()), (kind, arn.as_str()));
            assert_eq!(event.status, JobStatus::Active);
        }
    }

    #[test]
    fn whatever_else_is_a_usage_error() {
        let export = "Forecast Forecast Export Job State Change";
        let detail = r#"{"Arn":"arn:aws:forecast:r:1:forecast-export-job/a/b","Status":"ACTIVE"}"#;
        let predictor = r#"{"Arn":"arn:aws:forecast:r:1:explainability-export/b","Status":"ACTIVE"}"#;
        for event in [
            event("aws.s3", export, detail),
            event("aws.forecast", "Forecast Predictor Creation State Change", detail),
            event("aws.forecast", export, predictor),
            event("aws.forecast", export, r#"{"Status":"ACTIVE"}"#),
            event("aws.forecast", export, r#"{"Arn":"arn:aws:forecast:r:1:forecast-export-job/a/b"}"#),
            event("aws.forecast", export, "null"),
            event("aws.forecast", export, "7"),
            JobEvent::parse(b""),
            JobEvent::parse(b"\xff"),
            JobEvent::parse(b"[]"),
        ] {
            assert!(matches!(event, Err(Error::Usage(_))), "{event:?}");
        }
    }
}
