//! Writes the files of a plan, and returns them finished but not published. This is the only file that branches on the
//! plan's strategy; each strategy is in the file of its name.

use super::context::Context;
use super::open_file::{Finished, OpenFile, write_each};
use super::{copy_bytes, copy_on_server, copy_row_groups, resplit, transcode};
use crate::model::{Error, Format, Result, stopped};
use crate::plan::{Outputs, PlannedOutput, Resplit, RunPlan, ServerMerge, Way};
use crate::sink::{Sink, SinkOptions, Sources, Target};

use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;

/// Files of a conversion that are written at the same time: small ones wait for requests, not for the CPU.
const CONCURRENT_FILES: usize = 16;

/// Writes every file of the output, all still unpublished.
pub(crate) fn write_all<'a>(context: &'a Context, plan: &'a RunPlan) -> BoxFuture<'a, Result<Vec<Finished>>> {
    match &plan.outputs {
        Outputs::Files(files) => {
            let largest = plan.input.parts.iter().map(|part| part.object.size).max().unwrap_or(0).max(1);
            let at_once = (context.budget.chunk as u64 / largest).clamp(1, CONCURRENT_FILES as u64) as usize;
            let write = |index: usize| write_file(context, plan, files, &files[index]).boxed();
            write_each(files.len(), at_once, write).boxed()
        }
        Outputs::Resplit(resplit) => write_resplit(context, plan, resplit).boxed(),
    }
}

/// Fills one file with its parts.
async fn fill(context: &Context, plan: &RunPlan, output: &PlannedOutput, file: &mut OpenFile) -> Result<()> {
    match &plan.way {
        // Boxed, like all server operations, because deeply nested futures exceed the compiler's limits.
        Way::CopyOnServer(merge) => Box::pin(copy_on_server::fill(context, plan, merge, output, file)).await,
        Way::CopyBytes => copy_bytes::fill(context, plan, output, file).await,
        Way::CopyRowGroups => copy_row_groups::fill(context, plan, output, file).await,
        Way::Transcode => transcode::fill(context, plan, output, file).await,
    }
}

/// Resplits the rows of all parts into new files.
async fn write_resplit(context: &Context, plan: &RunPlan, resplit: &Resplit) -> Result<Vec<Finished>> {
    let all = 0..context.input.parts.len();
    match (&plan.way, plan.to) {
        (Way::CopyBytes, _) => {
            resplit::write_csv(context, plan, resplit, copy_bytes::text(context, all)).await
        }
        (_, Format::Csv) => resplit::write_csv(context, plan, resplit, transcode::text(context, all)).await,
        (_, Format::Parquet) => resplit::write_parquet(context, plan, resplit).await,
    }
}

/// Writes one file of the plan.
async fn write_file(
    context: &Context,
    plan: &RunPlan,
    files: &[PlannedOutput],
    output: &PlannedOutput,
) -> Result<Finished> {
    let options = plan.sink_options(context.budget, files.len(), output);
    let created = create(context, output, plan.on_server(), options);
    let mut file = match &output.target {
        // A pipe opens when a reader opens it, which may never happen; if we stop waiting, nothing of ours is left.
        Target::Device(_) => tokio::select! {
            file = created => file?,
            () = stopped(context.stopped.clone()) => return Err(Error::Stopped),
        },
        _ => created.await?,
    };
    let finished = tokio::select! {
        // The last pieces may take long to arrive; until then, a stop is still honoured.
        finished = async {
            fill(context, plan, output, &mut file).await?;
            file.sink.finish().await
        } => finished,
        () = stopped(context.stopped.clone()) => Err(Error::Stopped),
    };
    file.close(finished).await
}

async fn create(
    context: &Context,
    output: &PlannedOutput,
    merge: Option<&ServerMerge>,
    options: SinkOptions,
) -> Result<OpenFile> {
    match (merge, &output.target) {
        (Some(merge), Target::File(location)) => {
            let (input, progress) = (Arc::clone(&context.input), Arc::clone(&context.progress));
            let sources = Sources { input, progress };
            let sink = Box::pin(Sink::on_server(location, options, merge.limits, sources)).await?;
            Ok(OpenFile::new(sink, &output.target))
        }
        (_, target) => OpenFile::create(target, options).await,
    }
}
