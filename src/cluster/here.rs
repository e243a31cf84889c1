//! All pieces of a plan on this machine, one after the other: a merge that can be resumed.

use super::commit::commit;
use super::document::ClusterPlan;
use super::piece::{PieceOptions, piece_until};
use crate::model::{Event, Phase, Result};
use crate::run::Report;

use futures::FutureExt;
use futures::future::BoxFuture;
use std::future::Future;

/// Carries out the pieces that are missing, one after the other, and commits. After a crash the same call does only what
/// is missing.
///
/// # Errors
/// As [`piece`](super::piece()) and [`commit`]. What is staged stays, for the next call.
pub async fn run_here(
    plan: &ClusterPlan,
    options: &PieceOptions,
    stop: impl Future<Output = ()> + Send,
    mut on_event: impl FnMut(Event) + Send,
) -> Result<Report> {
    one_by_one(plan, options, stop.boxed(), &mut on_event).await
}

/// Boxed here, or every program would compile it anew.
fn one_by_one<'a>(
    plan: &'a ClusterPlan,
    options: &'a PieceOptions,
    stop: BoxFuture<'a, ()>,
    on_event: &'a mut (dyn FnMut(Event) + Send),
) -> BoxFuture<'a, Result<Report>> {
    async move {
        let stop = stop.shared();
        let (mut read, mut counted) = (0, 0);
        on_event(Event::Began { phase: Phase::Writing });
        for (index, piece) in (0..).zip(&plan.document.pieces) {
            let tell = |event| {
                if let Event::Progress { phase: Phase::Writing, bytes, rows, .. } = event {
                    on_event(Event::Progress {
                        phase: Phase::Writing,
                        // A part's header is read for each piece.
                        bytes: read + bytes.min(piece.bytes),
                        total_bytes: plan.bytes(),
                        rows: rows.map(|rows| counted + rows),
                    });
                }
            };
            let report = piece_until(plan, index, options, stop.clone(), tell).await?;
            read += piece.bytes;
            counted += report.rows;
        }
        // What the commit writes was written once before.
        let tell = |event| match event {
            Event::Published { .. } => on_event(event),
            Event::Began { phase } | Event::Progress { phase, .. } if phase == Phase::Publishing => {
                on_event(event)
            }
            _ => {}
        };
        commit(plan, options, stop, tell).await
    }
    .boxed()
}
