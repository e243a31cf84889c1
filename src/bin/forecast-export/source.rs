//! From the text of SOURCE, an ARN or an event to the place that is read: the one way for every command.

use crate::args::{ExportJob, Global, Wait};
use crate::failure::Failure;
use forecast_export::{Error, Location, Selection};

/// Where SOURCE is, and for an export job what chooses its run there.
pub(crate) async fn locate(
    global: &Global,
    text: Option<&str>,
    job: &ExportJob,
    selection: &mut Selection,
) -> Result<Location, Failure> {
    if let Some(text) = text.filter(|text| !text.starts_with("arn:")) {
        if job.wait.is_some() {
            return Err(Failure::Usage(format!(
                "--wait waits for an export job, and {text} is no ARN of one"
            )));
        }
        let location = Location::parse_with(text, &global.store_options())?;
        if text.starts_with("s3") && text.contains("://") {
            name_credentials(global).await;
        }
        return Ok(location);
    }
    jobs::locate(global, text, job, selection).await
}

/// With `-v`, says where the credentials come from. That there are none is left to those who need them.
async fn name_credentials(global: &Global) {
    #[cfg(feature = "aws")]
    if global.verbose {
        let options = global.store_options();
        if !options.no_sign_request
            && let Ok(from) = options.credentials_source().await
        {
            crate::output::note(&format!("AWS credentials from {from}"));
        }
    }
    #[cfg(not(feature = "aws"))]
    let _ = global;
}

pub(crate) use jobs::wait;

#[cfg(feature = "forecast")]
mod jobs {
    use super::{Error, ExportJob, Failure, Global, Location, Selection, Wait, name_credentials};
    use crate::flags::flag;
    use crate::output;
    use crate::progress::Waiting;
    use forecast_export::{Job, JobArn, JobEvent, Poll, WaitOptions, describe, wait_until};
    use std::io::Read;
    use std::time::Duration;

    /// EventBridge's events have 256 KB at most.
    const LARGEST_EVENT: u64 = 1 << 20;

    pub(super) async fn locate(
        global: &Global,
        text: Option<&str>,
        args: &ExportJob,
        selection: &mut Selection,
    ) -> Result<Location, Failure> {
        let options = global.store_options();
        let arn = named(global, text, args).await?;
        let job = match &args.wait {
            Some(timeout) => waited(global, &arn, args, *timeout, global.verbose).await?,
            None => describe(&arn, &options).await?,
        };
        let location = job.source(selection, &options)?;
        if global.verbose {
            output::note(&output::job(&job));
        }
        Ok(location)
    }

    /// Waits, whether `--wait` is there or not.
    pub(crate) async fn wait(global: &Global, args: &Wait) -> Result<Job, Failure> {
        let arn = named(global, args.text.as_deref(), &args.job).await?;
        waited(global, &arn, &args.job, args.job.wait.flatten(), !global.quiet).await
    }

    /// The job that an ARN or an event names; a failure that an event tells is an error.
    async fn named(global: &Global, text: Option<&str>, args: &ExportJob) -> Result<JobArn, Failure> {
        let arn = match (text, &args.event) {
            (Some(text), _) => text.parse()?,
            (None, Some(file)) => {
                let event = JobEvent::parse(&read_event(file)?)?;
                event.must_not_have_failed(&global.store_options()).await?;
                event.arn
            }
            (None, None) => return Err(Failure::Usage("neither SOURCE nor --event".into())),
        };
        name_credentials(global).await;
        Ok(arn)
    }

    fn read_event(file: &str) -> Result<Vec<u8>, Failure> {
        let failed = |source| Error::Io { doing: "reading the event from", object: file.to_owned(), source };
        let mut event = Vec::new();
        let read = match file {
            "-" => std::io::stdin().lock().take(LARGEST_EVENT).read_to_end(&mut event),
            file => std::fs::File::open(file).map_err(failed)?.take(LARGEST_EVENT).read_to_end(&mut event),
        };
        read.map_err(failed)?;
        Ok(event)
    }

    /// `tells`: whether people want to know of every change.
    async fn waited(
        global: &Global,
        arn: &JobArn,
        args: &ExportJob,
        timeout: Option<Duration>,
        tells: bool,
    ) -> Result<Job, Failure> {
        let mut wait = WaitOptions::default();
        wait.timeout = timeout.unwrap_or(wait.timeout);
        wait.first_delay = args.poll.unwrap_or(wait.first_delay);
        let mut waiting = Waiting::new(global, tells);
        let job = wait_until(arn, &global.store_options(), &wait, |poll| match poll {
            Poll::Status(status) => waiting.show(status.word()),
            Poll::Failed(error) => waiting.show(&format!("no answer: {}", error.named(flag))),
            _ => {}
        })
        .await;
        waiting.finish();
        Ok(job?)
    }
}

#[cfg(not(feature = "forecast"))]
mod jobs {
    use super::{ExportJob, Failure, Global, Location, Selection, Wait};

    pub(super) async fn locate(
        _: &Global,
        _: Option<&str>,
        _: &ExportJob,
        _: &mut Selection,
    ) -> Result<Location, Failure> {
        Err(left_out())
    }

    pub(crate) async fn wait(_: &Global, _: &Wait) -> Result<(), Failure> {
        Err(left_out())
    }

    fn left_out() -> Failure {
        Failure::Usage(
            "this build does not know the Forecast API; build with the feature \"forecast\"".into(),
        )
    }
}
