//! Checks between a run's last byte and its publication: that the parts are still those that were read, and, if
//! requested, that the output holds exactly their rows.

use crate::engine::{Context, Finished};
use crate::model::{DataErrorKind, Error, Progress, Remedy, Result};
use crate::plan::RunPlan;
use crate::source::{Part, Relisting, find_again};
use crate::store::{Object, Store, changed, local_object};
use crate::verify::{Compared, compare, export_of, look_at_output};

use std::collections::HashMap;
use std::sync::Arc;

/// Lists the source again, or only the ranges that can hold parts of the run if a full listing would take many
/// requests. Every part must be unchanged, and the run must have no new ones.
pub(crate) async fn unchanged(plan: &RunPlan) -> Result<()> {
    if let Some(origin) = &plan.origin {
        Box::pin(unchanged(&origin.plan)).await?;
    }
    match is_unchanged(plan, &plan.input.relisting).await {
        // A change found by listing ranges must also show in the full listing, because some servers may have their own
        // order.
        Err(_) if !plan.input.relisting.is_whole() => is_unchanged(plan, &Relisting::default()).await,
        unchanged => unchanged,
    }
}

async fn is_unchanged(plan: &RunPlan, relisting: &Relisting) -> Result<()> {
    let exports = &plan.input.exports;
    let found = match find_again(&plan.source, &plan.options.select.pattern, relisting).await {
        Ok(found) => found.exports,
        Err(Error::NotFound(_)) => Vec::new(),
        Err(error) => return Err(error),
    };
    let there = found.iter().filter(|export| {
        exports
            .iter()
            .any(|read| (&read.folder, &read.job, &read.run) == (&export.folder, &export.job, &export.run))
    });
    let mut there: HashMap<&str, &Object> = there
        .flat_map(|export| &export.parts)
        .map(|part| (part.object.key.as_str(), &*part.object))
        .collect();
    for part in &plan.input.parts {
        match there.remove(part.object.key.as_str()) {
            None => {
                let problem = "the part was removed while the run was read";
                return Err(Error::data(DataErrorKind::Changed, &part.object.url, problem)
                    .remedy(Remedy::RunWhenQuiet)
                    .into());
            }
            Some(now) if !part.object.is_same_content(now) => return Err(changed(&part.object).into()),
            Some(_) => {}
        }
    }
    match there.into_values().next() {
        None => Ok(()),
        Some(new) => {
            let problem = "the part was added while the run was read";
            Err(Error::data(DataErrorKind::Changed, &new.url, problem).remedy(Remedy::RunWhenComplete).into())
        }
    }
}

/// Reads the finished files back and compares them with the parts; returns the digest of the rows.
pub(crate) async fn reread(
    context: &Context,
    plan: &RunPlan,
    files: &[Finished],
    counts: Arc<Progress>,
) -> Result<String> {
    let mut parts = Vec::with_capacity(files.len());
    for file in files {
        let Some(path) = file.sink.written() else {
            return Err(Error::Internal(format!("{} cannot be read again", file.file.file)));
        };
        let path = path.display().to_string();
        let meta = std::fs::metadata(&path).map_err(|error| Error::io("reading", &path, error))?;
        // It is read under its temporary name, but messages use its final one.
        let object = Object { url: file.file.file.clone(), ..local_object(&path, &meta) };
        parts.push(Part { object: Arc::new(object), name: None });
    }
    let output = look_at_output(&Store::local(), export_of(parts), &context.input, &plan.options).await?;
    let (output, stopped) = (Arc::new(output), context.stopped.clone());
    match compare(&context.input, &output, &plan.options, counts, stopped).await? {
        Compared::Equal { digest, .. } => Ok(digest),
        Compared::Different { difference, .. } => Err(Error::Different(difference)),
    }
}
