//! Carries out a piece: once, however often it is asked for.

use super::attempt::{Start, attempt};
use super::document::ClusterPlan;
use super::staging::{PieceReceipt, Staging};
use crate::model::{DataErrorKind, Error, Event, Options, Remedy, Result, column_summaries};
use crate::plan::{Plan, RunPlan};
use crate::store::{Location, StoreOptions};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use std::future::Future;

/// What a machine brings along for its pieces.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PieceOptions {
    /// How stores are reached.
    pub store: StoreOptions,
    /// Bytes for buffers, as in [`Options::memory`].
    pub memory: Option<u64>,
    /// Threads, as in [`Options::threads`].
    pub threads: Option<usize>,
}

/// What became of a piece.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PieceReport {
    /// The plan's id.
    pub plan: String,
    /// The number of the piece.
    pub index: u64,
    /// Rows of the piece.
    pub rows: u64,
    /// Bytes that were staged.
    pub bytes: u64,
    /// Whether another attempt had done it, or the plan was committed, so that nothing was done.
    pub was_done: bool,
}

impl PieceReport {
    fn new(receipt: &PieceReceipt, was_done: bool) -> Self {
        PieceReport {
            plan: receipt.plan.clone(),
            index: receipt.index,
            rows: receipt.rows.iter().sum(),
            bytes: receipt.files.iter().map(|file| file.bytes).sum(),
            was_done,
        }
    }

    fn of_committed(plan: &ClusterPlan, index: u64) -> Self {
        PieceReport { plan: plan.id().to_owned(), index, rows: 0, bytes: 0, was_done: true }
    }
}

/// Carries out a piece. If that has been done before, nothing is done.
///
/// # Errors
/// As [`run()`](crate::run()); [`UsageError::NoSuchPiece`](crate::UsageError::NoSuchPiece). An error of kind
/// [`Error::Store`] may go away; the others will not.
pub async fn piece(plan: &ClusterPlan, index: u64, options: &PieceOptions) -> Result<PieceReport> {
    piece_until(plan, index, options, std::future::pending(), |_| ()).await
}

/// Carries out a piece until `stop` is ready, and reports events.
///
/// # Errors
/// As [`piece`].
pub async fn piece_until(
    plan: &ClusterPlan,
    index: u64,
    options: &PieceOptions,
    stop: impl Future<Output = ()> + Send,
    mut on_event: impl FnMut(Event) + Send,
) -> Result<PieceReport> {
    attend(plan, index, options, stop.boxed(), &mut on_event).await
}

/// Boxed here, or every program would compile it anew.
fn attend<'a>(
    plan: &'a ClusterPlan,
    index: u64,
    options: &'a PieceOptions,
    stop: BoxFuture<'a, ()>,
    on_event: &'a mut (dyn FnMut(Event) + Send),
) -> BoxFuture<'a, Result<PieceReport>> {
    async move {
        plan.piece(index)?;
        let staging = Staging::new(plan, &options.store)?;
        if let Some(receipt) = staging.receipt(index, None).await? {
            return Ok(PieceReport::new(&receipt, true));
        }
        let done = Box::pin(carry_out(plan, index, options, &staging, stop, on_event)).await;
        if let Err(error) = &done
            && !matches!(error, Error::Stopped)
        {
            if matches!(staging.is_marked().await, Ok(false))
                && matches!(
                    open(plan, &plan.source(&options.store)?, options).await,
                    Ok(Opened::Committed(_))
                )
            {
                // A commit has removed what this attempt was writing.
                staging.clear().await?;
                return Ok(PieceReport::of_committed(plan, index));
            }
            staging.put_failure(index, error).await;
        }
        done
    }
    .boxed()
}

async fn carry_out(
    plan: &ClusterPlan,
    index: u64,
    options: &PieceOptions,
    staging: &Staging,
    stop: BoxFuture<'_, ()>,
    on_event: &mut (dyn FnMut(Event) + Send),
) -> Result<PieceReport> {
    let source = plan.source(&options.store)?;
    // Before the look at the output: if that is committed later, whoever does it removes the mark, which is seen below.
    staging.mark().await?;
    let Opened::Open(whole) = open(plan, &source, options).await? else {
        staging.clear().await?;
        return Ok(PieceReport::of_committed(plan, index));
    };
    let receipt = attempt(
        plan,
        &whole,
        staging,
        (index, &plan.piece(index)?.shares, Start::Planned),
        stop.shared(),
        on_event,
    )
    .await?;
    if !staging.put_receipt(&receipt, None).await? {
        match staging.receipt(index, None).await? {
            // The answer to the request that wrote it was lost.
            Some(first) if first == receipt => {}
            // Another attempt was first.
            first => {
                staging.remove(&receipt.files).await;
                return Ok(match first {
                    Some(first) => PieceReport::new(&first, true),
                    None => PieceReport::of_committed(plan, index),
                });
            }
        }
    }
    if !staging.is_marked().await? {
        // Committed meanwhile: whoever did that may not have seen these.
        staging.remove(&receipt.files).await;
        staging.remove_receipt(index, None).await;
        staging.clear().await?;
        return Ok(PieceReport::of_committed(plan, index));
    }
    Ok(PieceReport::new(&receipt, false))
}

/// What there is to do.
pub(super) enum Opened {
    /// The output is there already.
    Committed(Plan),
    /// The plan on one machine, with the parts as they were.
    Open(Box<RunPlan>),
}

/// Plans on one machine what was planned, and compares. An output that is up to date counts as committed also if it may
/// be overwritten, or a commit could not be repeated.
pub(super) async fn open(plan: &ClusterPlan, source: &Location, options: &PieceOptions) -> Result<Opened> {
    let asked =
        Options { verify: false, memory: options.memory, threads: options.threads, ..plan.options()? };
    let output = plan.target(&options.store)?;
    let careful = Options { overwrite: false, ..asked.clone() };
    let planned = match crate::plan::plan(source, &output, &careful).await {
        Ok(done @ Plan::UpToDate(_)) => return Ok(Opened::Committed(done)),
        Ok(Plan::Run(_)) | Err(Error::OutputExists(_)) if asked.overwrite => {
            crate::plan::plan(source, &output, &asked).await?
        }
        planned => planned?,
    };
    let planned = match planned {
        Plan::Run(planned) => planned,
        done @ Plan::UpToDate(_) => return Ok(Opened::Committed(done)),
    };
    let parts = planned.input.exports.iter().flat_map(|export| &export.parts);
    if let Some(part) = plan.document.difference(source, parts) {
        return Err(has_changed(&part.url));
    }
    if column_summaries(&planned.input.schema) != plan.document.columns || planned.to != plan.document.to {
        return Err(has_changed(&source.to_string()));
    }
    Ok(Opened::Open(planned))
}

fn has_changed(place: &str) -> Error {
    let problem = "it is not as it was when the work was planned; plan again";
    Error::data(DataErrorKind::Changed, place, problem).remedy(Remedy::RunWhenQuiet).into()
}
