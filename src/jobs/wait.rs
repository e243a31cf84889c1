//! Polls a job until it has ended, because the SDK has no waiter for export jobs.

use super::arn::JobArn;
use super::client::{Describer, Failure, Job, JobStatus};
use crate::model::{Error, Incomplete, LastAnswer, Result};
use crate::store::StoreOptions;

use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Consecutive unanswered requests after which waiting is given up.
const FAILURES_IN_A_ROW: u32 = 10;

/// How long to wait, and how often to poll.
///
/// ```
/// use forecast_export::WaitOptions;
/// use std::time::Duration;
///
/// let mut options = WaitOptions::default();
/// options.timeout = Duration::from_secs(30 * 60);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitOptions {
    /// The time after which waiting ends with an error: two hours by default.
    pub timeout: Duration,
    /// The delay between the first two requests, 2 s by default; it grows from there.
    pub first_delay: Duration,
    /// The longest delay between two requests: 30 s by default.
    pub longest_delay: Duration,
}

impl Default for WaitOptions {
    fn default() -> Self {
        WaitOptions {
            timeout: Duration::from_secs(2 * 60 * 60),
            first_delay: Duration::from_secs(2),
            longest_delay: Duration::from_secs(30),
        }
    }
}

/// One answer while waiting for a job.
#[derive(Debug)]
#[non_exhaustive]
pub enum Poll<'a> {
    /// The job has this status.
    Status(&'a JobStatus),
    /// There was no answer, and the request will be repeated.
    Failed(&'a Error),
}

/// Waits until a job is `ACTIVE`, reporting every answer on the way.
///
/// # Errors
/// [`Error::Incomplete`] for every other end: a failure with its message, a stop, a deletion, a job that does not
/// exist, an unknown status, the deadline. [`Error::Denied`] if the request is refused, [`Error::Store`] if the service
/// has not answered ten times in a row.
pub async fn wait_until(
    arn: &JobArn,
    options: &StoreOptions,
    wait: &WaitOptions,
    mut on_poll: impl FnMut(Poll<'_>),
) -> Result<Job> {
    let start = Instant::now();
    let deadline = start.checked_add(wait.timeout);
    let Some(describer) = within(deadline, Describer::new(arn, options)).await else {
        return Err(late(arn, wait, LastAnswer::Nothing));
    };
    let describer = describer?;
    let mut delay = wait.first_delay;
    let mut failures = 0;
    let mut last = LastAnswer::Nothing;
    loop {
        let asked = within(deadline, describer.describe()).await;
        let Some(answer) = asked else { return Err(late(arn, wait, last)) };
        match answer {
            Ok(job) => {
                failures = 0;
                on_poll(Poll::Status(&job.status));
                if !matches!(job.status, JobStatus::Unfinished(_)) {
                    job.must_be_active()?;
                    return Ok(job);
                }
                last = LastAnswer::Status(job.status.to_string());
            }
            Err(Failure::Lasting(error)) => return Err(error),
            Err(Failure::Passing(error)) => {
                failures += 1;
                on_poll(Poll::Failed(&error));
                if failures >= FAILURES_IN_A_ROW {
                    return Err(error);
                }
                last = LastAnswer::Failure(Arc::new(error));
            }
        }
        if within(deadline, tokio::time::sleep(jittered(delay))).await.is_none() {
            return Err(late(arn, wait, last));
        }
        delay = (delay * 3 / 2).min(wait.longest_delay.max(wait.first_delay));
    }
}

/// The result of a future before the deadline. A timeout beyond the clock's range means no deadline.
async fn within<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

fn late(arn: &JobArn, wait: &WaitOptions, last: LastAnswer) -> Error {
    Incomplete::JobLate { arn: arn.to_string(), waited: wait.timeout, last }.into()
}

/// The delay, up to a quarter shorter or longer, so that many processes waiting for the same job do not ask at the same
/// moment.
fn jittered(delay: Duration) -> Duration {
    delay.mul_f64(0.75 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_varies_by_a_quarter() {
        let delays: Vec<Duration> = (0..1000).map(|_| jittered(Duration::from_secs(4))).collect();
        let (least, most) = (Duration::from_secs(3), Duration::from_secs(5));
        assert!(delays.iter().all(|delay| (least..=most).contains(delay)));
        assert!(delays.iter().any(|delay| *delay != delays[0]));
    }
}
