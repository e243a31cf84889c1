//! Carries out one job: the rows of a forecast go to the job's destination as the service would leave them there.
//! [`Exporter::export`] is a table of contents: clear what a killed run left, mark the start, plan, run, mark the end.

use super::buckets::Buckets;
use super::config::Choice;
use super::source::chosen;
use super::state::Job;
use crate::engine::{marker, publish};
use crate::model::{Error, Event, MARKERS, Options, PartName, Pattern, Result, Split};
use crate::plan::{Output, plan};
use crate::run::{Report, run_until};
use crate::store::{Location, Object, StoreOptions, listing};

use std::future::Future;

/// Where and how jobs write.
pub(super) struct Exporter {
    pub(super) buckets: std::sync::Arc<Buckets>,
    pub(super) store: StoreOptions,
    pub(super) assume_roles: bool,
    pub(super) part_bytes: u64,
    /// Threads of each job.
    pub(super) threads: usize,
    /// Memory of each job, in bytes.
    pub(super) memory: u64,
}

impl Exporter {
    /// Writes the forecast at `source` to the job's destination.
    ///
    /// Parts are published together, once all of them are written. After an error or a stop, there is `_CHECK` and
    /// nothing else of this job.
    pub(super) async fn export(
        &self,
        job: &Job,
        source: &Location,
        choice: &Choice,
        stop: impl Future<Output = ()>,
        on_event: impl FnMut(Event),
    ) -> Result<Report> {
        let folder = self.destination(job)?;
        let name = job.part(0)?;
        tokio::pin!(stop);
        let prepared = async {
            clear(&folder, &name).await?;
            mark(&folder, MARKERS[0]).await?;
            let (source, reading) = chosen(source, choice).await?;
            let options = Options {
                to: Some(job.format()),
                split: Some(Split::Bytes(self.part_bytes)),
                names: Some(name.clone()),
                overwrite: true,
                no_receipt: true,
                threads: Some(self.threads),
                memory: Some(self.memory),
                ..reading
            };
            plan(&source, &Output::Folder(folder.clone()), &options).await
        };
        let planned = tokio::select! {
            planned = prepared => planned?,
            () = &mut stop => return Err(Error::Stopped),
        };
        let report = run_until(planned, stop, on_event).await?;
        if let Err(error) = mark(&folder, MARKERS[1]).await {
            if let Err(error) = clear(&folder, &name).await {
                tracing::warn!(%error, job = job.arn, "parts of a failed job remain");
            }
            return Err(error);
        }
        Ok(report)
    }

    /// Removes what a job that is to stop has published already.
    pub(super) async fn take_back(&self, job: &Job) -> Result<()> {
        clear(&self.destination(job)?, &job.part(0)?).await
    }

    /// The folder that a job writes to.
    fn destination(&self, job: &Job) -> Result<Location> {
        if let Some(folder) = self.buckets.folder_of(&job.path)? {
            return Location::parse(&format!("{}/", folder.display()));
        }
        let mut options = self.store.clone();
        if let Some(key) = &job.kms_key_arn {
            options.objects.encryption = Some("aws:kms".parse()?);
            options.objects.kms_key_id = Some(key.clone());
        }
        if self.assume_roles {
            options.role_arn = Some(job.role_arn.clone());
        }
        Location::parse_with(&format!("{}/", job.path.trim_end_matches('/')), &options)
    }
}

/// Publishes an empty marker.
async fn mark(folder: &Location, name: &str) -> Result<()> {
    publish(&mut [marker(&folder.child(name)).await?]).await
}

/// Removes the parts of a run that was killed while it published them.
async fn clear(folder: &Location, like: &PartName) -> Result<()> {
    let there = match listing::list(folder).await {
        Ok(listing) => listing.objects,
        Err(Error::NotFound(_)) if folder.is_local() => return Ok(()),
        // A role that may only write cannot look, and replaces what is there.
        Err(Error::Denied { .. }) if !folder.is_local() => return Ok(()),
        Err(error) => return Err(error),
    };
    let pattern = Pattern::default();
    let is_of_run = |object: &&Object| {
        pattern
            .parse(object.folder(), object.file_name())
            .is_some_and(|name| name.job() == like.job() && name.run() == like.run())
    };
    let is_in_folder = |object: &&Object| object.folder() == folder.path;
    for object in there.iter().filter(is_in_folder).filter(is_of_run) {
        folder.store.delete(object).await?;
    }
    Ok(())
}
