//! Turns SOURCE, an ARN or an event into the location to read, in the same way for every command.

use super::args::{ExportJob, Global, Wait};
use super::failure::Failure;
use super::stdin;
use super::system;
use forecast_export::{Location, Selection, StoreOptions};
use std::borrow::Cow;

/// Where SOURCE is. For an export job, also selects its run there.
pub(crate) async fn locate(
    global: &Global,
    texts: &[String],
    job: &ExportJob,
    selection: &mut Selection,
) -> Result<Location, Failure> {
    // The ARN of a bucket is refused like other places that are not written as URLs.
    let is_of_bucket = |text: &str| matches!(text.split(':').nth(2), Some("s3" | "s3express"));
    let is_arn = |text: &String| text.starts_with("arn:") && !is_of_bucket(text);
    match texts {
        [] => return jobs::locate(global, None, job, selection).await,
        [arn] if is_arn(arn) => return jobs::locate(global, Some(arn), job, selection).await,
        [_] => {}
        several => {
            if let Some(arn) = several.iter().find(|text| is_arn(text)) {
                return Err(Failure::Usage(format!(
                    "{arn} is a job's ARN, which cannot be combined with other sources"
                )));
            }
            if several.iter().any(|text| stdin::is_named(text)) {
                return Err(Failure::Usage("standard input cannot be combined with other sources".into()));
            }
        }
    }
    let typed: Vec<Cow<'_, str>> = texts.iter().map(|text| as_typed(global, text)).collect();
    let location = Location::parse_all(&typed, &global.store_options())?;
    if job.wait.is_some() {
        return Err(Failure::Usage(format!(
            "--wait needs the ARN of an export job, and {location} is not one"
        )));
    }
    if texts.iter().any(|text| stdin::is_named(text)) {
        stdin::as_file().await?;
    }
    if typed.iter().any(|text| text.to_ascii_lowercase().starts_with("s3") && text.contains("://")) {
        name_credentials(global).await;
    }
    Ok(location)
}

/// A place to write to, or to read besides SOURCE.
pub(crate) fn place(global: &Global, text: &str, options: &StoreOptions) -> Result<Location, Failure> {
    Ok(Location::parse_with(&as_typed(global, text), options)?)
}

/// The output that is compared with SOURCE; standard input may be one of the two.
pub(crate) async fn output(global: &Global, text: &str, sources: &[String]) -> Result<Location, Failure> {
    let location = place(global, text, &global.store_options())?;
    if stdin::is_named(text) {
        if sources.iter().any(|source| stdin::is_named(source)) {
            return Err(Failure::Usage("standard input cannot be both OUTPUT and SOURCE".into()));
        }
        stdin::as_file().await?;
    }
    Ok(location)
}

/// What the typed text stands for: `-` means standard input, and `~/` the home folder, if the shell has left it as it
/// is (within quotes, or after an equals sign). If a folder named `~` exists, that is meant.
fn as_typed<'a>(global: &Global, text: &'a str) -> Cow<'a, str> {
    if stdin::is_named(text) {
        return Cow::Borrowed(system::stdin_name());
    }
    let below = if text == "~" { Some("") } else { text.strip_prefix("~/") };
    let home = std::env::var("HOME").ok().filter(|home| !home.is_empty());
    let (Some(below), Some(home)) = (below, home) else { return Cow::Borrowed(text) };
    if std::fs::symlink_metadata("~").is_ok() {
        return Cow::Borrowed(text);
    }
    let path = format!("{}/{below}", home.trim_end_matches('/'));
    if !global.quiet {
        super::output::note(&format!("note: {text} is {path}"));
    }
    Cow::Owned(path)
}

/// With `-v`, says where the credentials come from. If there are none, the request that needs them reports it.
async fn name_credentials(global: &Global) {
    #[cfg(feature = "aws")]
    if global.verbose {
        let options = global.store_options();
        if !options.no_sign_request
            && let Ok(from) = options.credentials_source().await
        {
            super::output::note(&format!("AWS credentials from {from}"));
        }
    }
    #[cfg(not(feature = "aws"))]
    let _ = global;
}

pub(crate) use jobs::wait;

#[cfg(feature = "forecast")]
mod jobs {
    use super::super::flags::flag;
    use super::super::output;
    use super::super::progress::Waiting;
    use super::{ExportJob, Failure, Global, Location, Selection, Wait, name_credentials};
    use forecast_export::{Error, Job, JobArn, JobEvent, Poll, WaitOptions, describe, wait_until};
    use std::io::Read;
    use std::time::Duration;

    /// EventBridge's events have at most 256 KB.
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

    /// Waits, with or without `--wait`.
    pub(crate) async fn wait(global: &Global, args: &Wait) -> Result<Job, Failure> {
        let arn = named(global, args.text.as_deref(), &args.job).await?;
        waited(global, &arn, &args.job, args.job.wait.flatten(), !global.quiet).await
    }

    /// The job that an ARN or an event names. An event about a failed job is an error.
    async fn named(global: &Global, text: Option<&str>, args: &ExportJob) -> Result<JobArn, Failure> {
        let arn = match (text, &args.event) {
            (Some(text), _) => text.parse()?,
            (None, Some(file)) => {
                let event = JobEvent::parse(&read_event(file)?)?;
                event.must_not_have_failed(&global.store_options()).await?;
                event.arn
            }
            (None, None) => return Err(Failure::Usage("SOURCE or --event is required".into())),
        };
        name_credentials(global).await;
        Ok(arn)
    }

    fn read_event(file: &str) -> Result<Vec<u8>, Failure> {
        let failed = |source| Error::Io {
            doing: "reading the event from",
            object: file.to_owned(),
            source: std::sync::Arc::new(source),
        };
        let mut event = Vec::new();
        let read = match file {
            "-" => std::io::stdin().lock().take(LARGEST_EVENT).read_to_end(&mut event),
            file => std::fs::File::open(file).map_err(failed)?.take(LARGEST_EVENT).read_to_end(&mut event),
        };
        read.map_err(failed)?;
        Ok(event)
    }

    /// `tells`: whether to report every change.
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
            "this build has no client for the Forecast API; build with the feature \"forecast\"".into(),
        )
    }
}
