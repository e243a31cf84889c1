//! A client of the Forecast API: takes an export job's ARN or an event about it, returns the finished job, and with it
//! a source. Does not read exports, and knows nothing about merging.
//!
//! [`JobArn`] and [`JobEvent`] are parsed text; [`describe`] asks once, [`wait_until`] asks until the job has ended;
//! [`Job::source`] says where the export is and which run it is.

mod arn;
mod client;
mod event;
mod wait;

pub use arn::{JobArn, JobKind};
pub use client::{Job, JobStatus, describe};
pub use event::JobEvent;
pub use wait::{Poll, WaitOptions, wait_until};

use crate::model::{Error, Incomplete, Result, RunChoice, Selection, UsageError};
use crate::store::{Location, StoreOptions};

impl Job {
    /// Where the export is. Also selects its run there: the newest of this job's name and format, unless `selection`
    /// chooses another one.
    ///
    /// # Errors
    /// [`Error::Incomplete`] for a job that is not `ACTIVE` or has no destination, [`Error::Usage`] if `selection`
    /// already names a job.
    pub fn source(&self, selection: &mut Selection, options: &StoreOptions) -> Result<Location> {
        self.must_be_active()?;
        if selection.job.is_some() {
            return Err(UsageError::JobNamedTwice.into());
        }
        let Some(destination) = &self.destination else {
            return Err(Incomplete::JobWithoutDestination { arn: self.arn.to_string() }.into());
        };
        selection.job = Some(self.name.clone());
        selection.format = self.format;
        if selection.run == RunChoice::Only {
            selection.run = RunChoice::Latest;
        }
        // A destination is a prefix, with or without a trailing slash, never a file or a glob.
        let folder = destination.trim_end_matches('/');
        Location::parse_with(&format!("{folder}/"), options)
    }

    /// An error with the job's status, unless it is `ACTIVE`.
    ///
    /// # Errors
    /// [`Error::Incomplete`] with the job's status and message.
    pub fn must_be_active(&self) -> Result<()> {
        match self.status {
            JobStatus::Active => Ok(()),
            _ => Err(not_active(&self.arn, &self.status, self.message.as_deref())),
        }
    }
}

impl JobEvent {
    /// An error with the job's message, if the event says that the job will not become `ACTIVE`. EventBridge leaves
    /// messages out, so the job is described; if that fails, the error is based on the event alone.
    ///
    /// # Errors
    /// [`Error::Incomplete`] with what happened.
    pub async fn must_not_have_failed(&self, options: &StoreOptions) -> Result<()> {
        if !matches!(self.status, JobStatus::Ended(_)) {
            return Ok(());
        }
        let message = match &self.message {
            Some(message) => Some(message.clone()),
            None => describe(&self.arn, options).await.ok().and_then(|job| job.message),
        };
        Err(not_active(&self.arn, &self.status, message.as_deref()))
    }
}

fn not_active(arn: &JobArn, status: &JobStatus, message: Option<&str>) -> Error {
    let (arn, message) = (arn.to_string(), message.map(str::to_owned));
    let word = status.word().to_owned();
    Error::Incomplete(match status {
        JobStatus::Active | JobStatus::Unfinished(_) => {
            Incomplete::JobUnfinished { arn, status: word, message }
        }
        JobStatus::Ended(_) if word == "CREATE_FAILED" => Incomplete::JobFailed { arn, message },
        JobStatus::Ended(_) => Incomplete::JobEnded { arn, status: word, message },
    })
}
