//! Client of the Forecast API: describes a job of any of the four kinds through the SDK.

use super::arn::{JobArn, JobKind};
use crate::model::{Error, Format, Incomplete, Result, redacted};
use crate::store::{StoreOptions, Untrusted};

use aws_sdk_forecast::Client;
use aws_sdk_forecast::config::Region;
use aws_sdk_forecast::config::retry::RetryConfig;
use aws_sdk_forecast::config::timeout::TimeoutConfig;
use aws_sdk_forecast::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_forecast::primitives::DateTime;
use aws_sdk_forecast::types::DataDestination;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Serialize, Serializer};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How often the SDK sends a request that is throttled, lost or answered with 5xx, with back-off and jitter.
const ATTEMPTS: u32 = 4;
/// An answer of a few hundred bytes that takes longer than this will not arrive.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// The status of a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JobStatus {
    /// `ACTIVE`: everything was exported.
    Active,
    /// `CREATE_PENDING` or `CREATE_IN_PROGRESS`: it has not ended yet.
    Unfinished(String),
    /// Any other status, including unknown ones: it will not become `ACTIVE`.
    Ended(String),
}

impl JobStatus {
    /// Parses the service's word for it.
    pub fn new(word: &str) -> Self {
        match word {
            "ACTIVE" => JobStatus::Active,
            "CREATE_PENDING" | "CREATE_IN_PROGRESS" => JobStatus::Unfinished(word.to_owned()),
            _ => JobStatus::Ended(word.to_owned()),
        }
    }

    /// The service's word for it.
    pub fn word(&self) -> &str {
        match self {
            JobStatus::Active => "ACTIVE",
            JobStatus::Unfinished(word) | JobStatus::Ended(word) => word,
        }
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for JobStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// An export job, as the service describes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Job {
    /// Its ARN.
    pub arn: JobArn,
    /// What it exports.
    pub kind: JobKind,
    /// Its name, with which the names of its parts begin.
    pub name: String,
    /// Its status.
    pub status: JobStatus,
    /// What went wrong, if anything.
    pub message: Option<String>,
    /// Where it exports to: `s3://bucket/prefix`.
    pub destination: Option<String>,
    /// The format of its parts; `None` if the service does not say.
    pub format: Option<Format>,
    /// When it was created.
    pub created: Option<chrono::DateTime<chrono::Utc>>,
    /// When its status last changed.
    pub modified: Option<chrono::DateTime<chrono::Utc>>,
}

/// Asks the service about a job.
///
/// Requests that are throttled, lost or answered with 5xx are sent again a few times.
///
/// # Errors
/// [`Error::Incomplete`] for a job that does not exist, [`Error::Denied`] if the request is refused, [`Error::Store`]
/// if the service cannot be reached or returns another error.
pub async fn describe(arn: &JobArn, options: &StoreOptions) -> Result<Job> {
    ask(arn, options).await
}

/// Boxed here, or every program would compile it anew.
fn ask<'a>(arn: &'a JobArn, options: &'a StoreOptions) -> BoxFuture<'a, Result<Job>> {
    async move { Describer::new(arn, options).await?.describe().await.map_err(Failure::into_error) }.boxed()
}

/// A client for one job.
pub(super) struct Describer {
    arn: JobArn,
    client: Client,
}

/// Why a job was not described.
pub(super) enum Failure {
    /// Another try may help.
    Passing(Error),
    Lasting(Error),
}

impl Failure {
    pub(super) fn into_error(self) -> Error {
        match self {
            Failure::Passing(error) | Failure::Lasting(error) => error,
        }
    }
}

/// The members common to all four descriptions.
struct Description {
    name: Option<String>,
    status: Option<String>,
    message: Option<String>,
    destination: Option<DataDestination>,
    format: Option<String>,
    created: Option<DateTime>,
    modified: Option<DateTime>,
}

/// Sends one of the four requests and parses its answer.
macro_rules! description {
    ($request:expr, $name:ident) => {
        $request.send().await.map(|answer| Description {
            name: answer.$name,
            status: answer.status,
            message: answer.message,
            destination: answer.destination,
            format: answer.format,
            created: answer.creation_time,
            modified: answer.last_modification_time,
        })
    };
}

impl Describer {
    pub(super) fn new<'a>(arn: &'a JobArn, options: &'a StoreOptions) -> BoxFuture<'a, Result<Self>> {
        async move {
            options.check_service()?;
            let chain = options.chain();
            chain.endpoint("Forecast").await?;
            chain.check().await?;
            let shared = chain.sdk_config().await;
            let mut config = aws_sdk_forecast::config::Builder::from(&shared)
                // The ARN says where the job is, regardless of the region used otherwise.
                .region(Region::new(arn.region().to_owned()))
                .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
                .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build());
            if let Some(endpoint) = &options.endpoint_url {
                config = config.endpoint_url(endpoint);
            }
            Ok(Describer { arn: arn.clone(), client: Client::from_conf(config.build()) })
        }
        .boxed()
    }

    pub(super) fn describe(&self) -> BoxFuture<'_, Result<Job, Failure>> {
        async move {
            let (client, arn) = (&self.client, self.arn.as_str());
            let described = match self.arn.kind() {
                JobKind::ForecastExport => description!(
                    client.describe_forecast_export_job().forecast_export_job_arn(arn),
                    forecast_export_job_name
                )
                .map_err(|error| self.failure(error)),
                JobKind::BacktestExport => description!(
                    client.describe_predictor_backtest_export_job().predictor_backtest_export_job_arn(arn),
                    predictor_backtest_export_job_name
                )
                .map_err(|error| self.failure(error)),
                JobKind::ExplainabilityExport => description!(
                    client.describe_explainability_export().explainability_export_arn(arn),
                    explainability_export_name
                )
                .map_err(|error| self.failure(error)),
                JobKind::WhatIfExport => description!(
                    client.describe_what_if_forecast_export().what_if_forecast_export_arn(arn),
                    what_if_forecast_export_name
                )
                .map_err(|error| self.failure(error)),
            };
            self.job(described?).map_err(Failure::Lasting)
        }
        .boxed()
    }

    fn job(&self, described: Description) -> Result<Job> {
        let format = match described.format.as_deref() {
            None | Some("") => None,
            Some("CSV") => Some(Format::Csv),
            Some("PARQUET") => Some(Format::Parquet),
            Some(other) => {
                let (arn, format) = (self.arn.to_string(), other.to_owned());
                return Err(Incomplete::JobOfUnknownFormat { arn, format }.into());
            }
        };
        let status = described.status.unwrap_or_else(|| "without a status".to_owned());
        Ok(Job {
            arn: self.arn.clone(),
            kind: self.arn.kind(),
            name: described.name.unwrap_or_else(|| self.arn.name().to_owned()),
            status: JobStatus::new(&status),
            message: described.message.as_deref().map(|message| redacted(message).into_owned()),
            destination: described.destination.and_then(|to| to.s3_config).map(|s3| s3.path),
            format,
            created: described.created.as_ref().and_then(instant),
            modified: described.modified.as_ref().and_then(instant),
        })
    }

    fn failure<E>(&self, error: SdkError<E>) -> Failure
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let object = self.arn.to_string();
        let doing = "describing";
        if let Some(untrusted) = Untrusted::behind(&error) {
            let (reason, remedy) = (untrusted.to_string(), untrusted.remedy());
            let source = Some(Arc::new(error) as _);
            return Failure::Lasting(Error::Store { doing, object, reason, remedy, source });
        }
        let code = error.code().unwrap_or_default();
        let reason = match error.message() {
            Some(message) => format!("{code}: {}", crate::model::Escaped(message)),
            None => shown(&error),
        };
        let cause = match &error {
            // A successful answer that cannot be parsed is not an answer from the service either.
            SdkError::ServiceError(answer) if answer.raw().status().is_client_error() => match code {
                "ResourceNotFoundException" => Cause::NoSuchJob,
                "InvalidInputException" => Cause::BadArn,
                "AccessDeniedException"
                | "UnrecognizedClientException"
                | "InvalidSignatureException"
                | "IncompleteSignatureException"
                | "MissingAuthenticationTokenException"
                | "ExpiredTokenException"
                | "OptInRequired" => Cause::Denied,
                "ThrottlingException"
                | "Throttling"
                | "TooManyRequestsException"
                | "LimitExceededException" => Cause::Passing,
                _ => Cause::Lasting,
            },
            // The request could not be made at all, usually because there are no credentials.
            SdkError::ConstructionFailure(_) => Cause::Denied,
            SdkError::DispatchFailure(_) if reason.contains("credentials") => Cause::Denied,
            _ => Cause::Passing,
        };
        let (remedy, source) = (None, Some(Arc::new(error) as _));
        match cause {
            Cause::NoSuchJob => Failure::Lasting(Incomplete::NoSuchJob { arn: object, reason }.into()),
            Cause::BadArn => Failure::Lasting(Incomplete::JobRefused { arn: object, reason }.into()),
            Cause::Denied => Failure::Lasting(Error::Denied { doing, object, reason, remedy, source }),
            Cause::Lasting => Failure::Lasting(Error::Store { doing, object, reason, remedy, source }),
            Cause::Passing => Failure::Passing(Error::Store { doing, object, reason, remedy, source }),
        }
    }
}

/// The essence of an SDK error.
enum Cause {
    NoSuchJob,
    BadArn,
    Denied,
    Lasting,
    Passing,
}

/// An SDK error with its causes, because only these say what happened.
fn shown<E: std::error::Error + 'static>(error: &SdkError<E>) -> String {
    crate::store::one_line(error)
}

fn instant(time: &DateTime) -> Option<chrono::DateTime<chrono::Utc>> {
    chrono::DateTime::from_timestamp(time.secs(), time.subsec_nanos())
}
