//! Where a call reads from: places, an export job's ARN, or an event about one.

use crate::failure;
use crate::given::Given;

use forecast_export::{
    Job, JobArn, JobEvent, Location, Result, Selection, StoreOptions, WaitOptions, describe, wait_until,
};
use pyo3::prelude::*;
use std::time::Duration;

/// Where to read from, as the package hands it over.
#[derive(FromPyObject)]
pub(crate) enum Named {
    /// EventBridge's event, as JSON.
    Event(String),
    /// Paths, URLs or globs, or one ARN.
    Texts(Vec<String>),
}

/// Where to read from.
pub(crate) struct Source {
    named: Named,
    /// How to wait for the job; by default it must be done.
    wait: Option<WaitOptions>,
}

impl Source {
    pub(crate) fn new(named: Named, given: &Given<'_, '_>) -> PyResult<Self> {
        let wait = match given.object("wait")? {
            None => None,
            Some(wait) => {
                let mut options = WaitOptions::default();
                match wait.extract::<bool>() {
                    Ok(true) => Some(options),
                    Ok(false) => None,
                    Err(_) => {
                        options.timeout = given.duration("wait")?.unwrap_or(options.timeout);
                        Some(options)
                    }
                }
            }
        };
        let poll = given.duration("poll")?;
        if poll == Some(Duration::ZERO) {
            return Err(failure::usage(given.py(), "poll must be more than 0"));
        }
        let wait = wait.map(|mut wait| {
            wait.first_delay = poll.unwrap_or(wait.first_delay);
            wait
        });
        let source = Source { named, wait };
        if let (Some(_), Named::Texts(texts)) = (&source.wait, &source.named)
            && source.arn().is_none()
        {
            let place = texts.join(", ");
            let text = format!("wait needs the ARN of an export job, and {place} is not one");
            return Err(failure::usage(given.py(), &text));
        }
        Ok(source)
    }

    /// The text, if it is meant as a job's ARN. The ARN of a bucket is refused like other places that are not written as
    /// URLs.
    fn arn(&self) -> Option<&str> {
        match &self.named {
            Named::Texts(texts) => match texts.as_slice() {
                [text] if JobArn::looks_like(text) => {
                    (!matches!(text.split(':').nth(2), Some("s3" | "s3express"))).then_some(text)
                }
                _ => None,
            },
            Named::Event(_) => None,
        }
    }

    /// The location; for a job, also selects its run there.
    pub(crate) async fn locate(&self, store: &StoreOptions, selection: &mut Selection) -> Result<Location> {
        match &self.named {
            Named::Texts(texts) if self.arn().is_none() => Location::parse_all(texts, store),
            _ => self.job(store).await?.source(selection, store),
        }
    }

    /// The job that is named.
    pub(crate) async fn job(&self, store: &StoreOptions) -> Result<Job> {
        let arn = match &self.named {
            Named::Event(json) => {
                let event = JobEvent::parse(json.as_bytes())?;
                event.must_not_have_failed(store).await?;
                event.arn
            }
            Named::Texts(texts) => texts.join(" ").parse()?,
        };
        match &self.wait {
            Some(wait) => wait_until(&arn, store, wait, |_| ()).await,
            None => describe(&arn, store).await,
        }
    }
}
