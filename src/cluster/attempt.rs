//! One attempt at a piece: runs its share of the plan into staged files. Makes sure of cuts if something is wrong.

use super::document::ClusterPlan;
use super::exact::{At, Between, records_at};
use super::staging::{PieceReceipt, StagedFile, Staging};
use crate::model::{DataError, Error, Event, Result};
use crate::plan::{Output, Plan, PlannedOutput, RunPlan};
use crate::run::{Report, run_until};
use crate::sink::Target;
use crate::source::{Contents, Share};

use futures::future::{BoxFuture, Shared};
use std::ops::Range;

/// Ready when the work is to be stopped.
pub(super) type Asked<'a> = Shared<BoxFuture<'a, ()>>;

/// How the start of a piece is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// A record seems to begin there.
    Planned,
    /// The piece before it ends there.
    Proved,
}

/// Carries out these shares as a piece.
pub(super) async fn attempt(
    plan: &ClusterPlan,
    whole: &RunPlan,
    staging: &Staging,
    (index, shares, start): (u64, &[Share], Start),
    stop: Asked<'_>,
    on_event: &mut (dyn FnMut(Event) + Send),
) -> Result<PieceReceipt> {
    match run(plan, whole, staging, (index, shares), stop.clone(), on_event).await {
        Err(Error::Data(error)) if has_cuts(whole, shares) => {
            let exact = exact(whole, shares, start).await?;
            if exact.shares == shares {
                return Err(exact.with_line(whole, *error).into());
            }
            match run(plan, whole, staging, (index, &exact.shares), stop, on_event).await {
                Err(Error::Data(error)) => Err(exact.with_line(whole, *error).into()),
                done => done,
            }
        }
        done => done,
    }
}

/// Whether a share begins or ends within the text of a part.
fn has_cuts(whole: &RunPlan, shares: &[Share]) -> bool {
    shares.iter().any(|share| cut_text(whole, share).is_some())
}

fn cut_text<'a>(whole: &RunPlan, share: &'a Share) -> Option<&'a Range<u64>> {
    let is_text = matches!(whole.input.parts[share.part].contents, Contents::Csv { .. });
    share.range.as_ref().filter(|_| is_text)
}

/// Shares whose cuts are where records begin.
struct Exact {
    shares: Vec<Share>,
    /// Where each begins, if it is a cut one.
    begins: Vec<Option<Between>>,
}

async fn exact(whole: &RunPlan, shares: &[Share], start: Start) -> Result<Exact> {
    let mut is_known = start == Start::Proved;
    let mut exact = Exact { shares: shares.to_vec(), begins: vec![None; shares.len()] };
    for (share, begin) in exact.shares.iter_mut().zip(&mut exact.begins) {
        let Some(range) = cut_text(whole, share).cloned() else { continue };
        let part = &whole.input.parts[share.part];
        let from =
            if std::mem::take(&mut is_known) { At::Known(range.start) } else { At::About(range.start) };
        let bounds = records_at(&whole.input.store, part, &[from, At::About(range.end)]).await?;
        if let [from, to] = bounds[..] {
            share.range = Some(from.position..to.position);
            *begin = Some(from);
        }
    }
    Ok(exact)
}

impl Exact {
    /// The error with the line in the file: in a share that begins within a part, lines were counted from there.
    fn with_line(&self, whole: &RunPlan, mut error: DataError) -> DataError {
        let begin = self.shares.iter().zip(&self.begins).find_map(|(share, begin)| {
            let part = &whole.input.parts[share.part];
            (part.object.url == error.file).then_some((part.csv_head()?.header_lines, (*begin)?))
        });
        if let Some((counted, begin)) = begin {
            error.line = error.line.map(|line| line - counted + begin.lines);
        }
        error
    }
}

/// Runs the shares into staged files: one of a merge, one for each part of a conversion.
async fn run(
    plan: &ClusterPlan,
    whole: &RunPlan,
    staging: &Staging,
    (index, shares): (u64, &[Share]),
    stop: Asked<'_>,
    on_event: &mut (dyn FnMut(Event) + Send),
) -> Result<PieceReceipt> {
    let file = |number, parts| PlannedOutput {
        target: Target::File(staging.new_file(number, plan.document.to)),
        parts,
    };
    let (output, outputs) = match plan.document.converts {
        true => {
            let files = shares.iter().enumerate().map(|(at, share)| file(share.part as u64, at..at + 1));
            (Output::Folder(staging.folder.clone()), files.collect())
        }
        false => {
            let file = file(index, 0..shares.len());
            let Target::File(place) = &file.target else {
                return Err(Error::Internal("a staged file is no file".into()));
            };
            (Output::File(place.clone()), vec![file])
        }
    };
    let mut share = whole.share(shares, output, outputs)?;
    share.options.verify = plan.options()?.verify;
    let report = run_until(Plan::Run(Box::new(share)), stop, on_event).await?;
    receipt(plan, index, shares, report)
}

fn receipt(plan: &ClusterPlan, index: u64, shares: &[Share], report: Report) -> Result<PieceReceipt> {
    let files = report.receipt.outputs.iter().zip(&report.outputs).map(|(noted, written)| StagedFile {
        name: noted.file.clone(),
        bytes: written.bytes,
        e_tag: noted.e_tag.clone(),
    });
    let rows: Option<Vec<u64>> = report.receipt.sources.iter().map(|source| source.rows).collect();
    let rows = rows.filter(|rows| rows.len() == shares.len());
    Ok(PieceReceipt {
        plan: plan.id().to_owned(),
        index,
        files: files.collect(),
        shares: shares.to_vec(),
        rows: rows.ok_or_else(|| Error::Internal("a piece did not count its rows".into()))?,
    })
}
