//! Tells how far a plan is.

use super::document::ClusterPlan;
use super::piece::{Opened, PieceOptions, open};
use super::staging::Staging;
use crate::model::Result;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use std::collections::BTreeSet;

/// How far a plan is.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ClusterStatus {
    /// The plan's id.
    pub plan: String,
    /// The output.
    pub output: String,
    /// The number of pieces.
    pub pieces: u64,
    /// The pieces that are done.
    pub done: Vec<u64>,
    /// The pieces that are not done.
    pub missing: Vec<u64>,
    /// Those of them that have failed, with the last error that was noted.
    pub failed: Vec<FailedPiece>,
    /// Whether the output is there and up to date.
    pub committed: bool,
}

/// A piece that has failed.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FailedPiece {
    /// Its number.
    pub index: u64,
    /// The error, as in [`Error`](crate::Error)'s form in JSON.
    pub error: serde_json::Value,
}

/// Tells how far a plan is.
///
/// # Errors
/// Errors of the store in which the output is.
pub async fn status(plan: &ClusterPlan, options: &PieceOptions) -> Result<ClusterStatus> {
    look(plan, options).await
}

/// Boxed here, or every program would compile it anew.
fn look<'a>(plan: &'a ClusterPlan, options: &'a PieceOptions) -> BoxFuture<'a, Result<ClusterStatus>> {
    async move {
        let staging = Staging::new(plan, &options.store)?;
        let opened = open(plan, &plan.source(&options.store)?, options).await;
        let committed = matches!(opened, Ok(Opened::Committed(_)));
        let found = staging.list().await?;
        let mut done: BTreeSet<u64> =
            staging.receipts(&found).await?.iter().map(|receipt| receipt.index).collect();
        if committed {
            done = (0..plan.pieces()).collect();
        }
        let missing: Vec<u64> = (0..plan.pieces()).filter(|index| !done.contains(index)).collect();
        let mut failed: Vec<FailedPiece> = Vec::new();
        for note in staging.failures(&found).await? {
            if missing.contains(&note.index) {
                failed.retain(|known| known.index != note.index);
                failed.push(FailedPiece { index: note.index, error: note.error });
            }
        }
        failed.sort_by_key(|failed| failed.index);
        Ok(ClusterStatus {
            plan: plan.id().to_owned(),
            output: plan.output().to_owned(),
            pieces: plan.pieces(),
            done: done.into_iter().collect(),
            missing,
            failed,
            committed,
        })
    }
    .boxed()
}
