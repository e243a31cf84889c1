//! Puts the pieces together: checks that each is there and fits, has what is wrong done again, and runs a merge or a
//! conversion over what is staged, which publishes as every other does.

use super::attempt::{Asked, Start, attempt};
use super::document::ClusterPlan;
use super::piece::{Opened, PieceOptions, open};
use super::staging::{PieceReceipt, Staging};
use crate::model::{DataErrorKind, Error, Event, Incomplete, Options, Remedy, Result};
use crate::plan::{Plan, RunPlan};
use crate::run::{Report, run_until};
use crate::source::{Share, choose, look_at_output, rows_missing};
use crate::store::{Location, Object, is_same_tag};

use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

/// How often a commit looks whether another one that publishes at the same moment is done; ten seconds in all.
const LOOKS: usize = 40;
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// Puts the pieces of a plan together, publishes the output, and removes what was staged. If that was done before, only
/// what may still be staged is removed.
///
/// # Errors
/// [`Incomplete::Pieces`] if pieces are missing; [`Error::Data`] if parts have changed since the plan was made; as
/// [`run()`](crate::run()).
pub async fn commit(
    plan: &ClusterPlan,
    options: &PieceOptions,
    stop: impl Future<Output = ()> + Send,
    mut on_event: impl FnMut(Event) + Send,
) -> Result<Report> {
    put_together(plan, options, stop.boxed(), &mut on_event).await
}

fn put_together<'a>(
    plan: &'a ClusterPlan,
    options: &'a PieceOptions,
    stop: BoxFuture<'a, ()>,
    on_event: &'a mut (dyn FnMut(Event) + Send),
) -> BoxFuture<'a, Result<Report>> {
    async move {
        let stop = stop.shared();
        let staging = Staging::new(plan, &options.store)?;
        let source = plan.source(&options.store)?;
        let published = match open(plan, &source, options).await? {
            Opened::Open(whole) => publish(plan, *whole, &staging, stop.clone(), &mut *on_event).await,
            Opened::Committed(done) => run_until(done, stop.clone(), &mut *on_event).await,
        };
        let report = match published {
            Err(error) if !matches!(error, Error::Stopped) => {
                let another = made_by_another(plan, &source, options, &error);
                tokio::select! {
                    done = another => match done {
                        Some(done) => run_until(done, stop, on_event).await?,
                        None => return Err(error),
                    },
                    () = stop.clone() => return Err(Error::Stopped),
                }
            }
            published => published?,
        };
        staging.clear().await?;
        Ok(report)
    }
    .boxed()
}

/// The output, if another commit was first: it has removed what this one wanted to read, or has taken its place.
async fn made_by_another(
    plan: &ClusterPlan,
    source: &Location,
    options: &PieceOptions,
    error: &Error,
) -> Option<Plan> {
    // The files of a conversion appear one by one, and only the last tells that they belong together.
    let looks = if matches!(error, Error::OutputExists(_)) { LOOKS } else { 1 };
    for look in 0..looks {
        if look > 0 {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        if let Ok(Opened::Committed(done)) = open(plan, source, options).await {
            return Some(done);
        }
    }
    None
}

async fn publish(
    plan: &ClusterPlan,
    whole: RunPlan,
    staging: &Staging,
    stop: Asked<'_>,
    on_event: &mut (dyn FnMut(Event) + Send),
) -> Result<Report> {
    let found = staging.list().await?;
    let mut receipts: HashMap<u64, Vec<PieceReceipt>> = HashMap::new();
    for receipt in staging.receipts(&found).await? {
        receipts.entry(receipt.index).or_default().push(receipt);
    }
    let missing: Vec<u64> = (0..plan.pieces()).filter(|index| !receipts.contains_key(index)).collect();
    if !missing.is_empty() {
        return Err(Incomplete::Pieces { missing, pieces: plan.pieces() }.into());
    }
    let mut chain = Chain::new(&whole);
    let mut chosen = Vec::with_capacity(receipts.len());
    for index in 0..plan.pieces() {
        let known = receipts.remove(&index).unwrap_or_default();
        let receipt = match known.into_iter().find(|receipt| chain.fits(&receipt.shares)) {
            Some(receipt) => receipt,
            None => {
                // Its start was taken wrongly: the piece before it ends elsewhere.
                let shares = chain.left_of(&plan.piece(index)?.shares);
                let Some(first) = shares.first() else { continue };
                let start = first.range.as_ref().map(|range| range.start);
                let again = (index, shares.as_slice(), Start::Proved);
                let receipt = attempt(plan, &whole, staging, again, stop.clone(), on_event).await?;
                staging.put_receipt(&receipt, start).await?;
                receipt
            }
        };
        chain.add(&receipt.shares)?;
        chosen.push(receipt);
    }
    chain.must_be_whole()?;
    let rows = rows_of(&whole, &chosen);
    let total: u64 = rows.iter().sum();
    if let Some(expected) = whole.options.select.expect_rows
        && expected != total
    {
        return Err(rows_missing(total, expected));
    }
    let names = Staging::names()?;
    let staged = staged_source(staging, &chosen).await?;
    let (memory, threads) = (whole.options.memory, whole.options.threads);
    let mut reading = Options { memory, threads, ..Options::default() };
    reading.select.pattern = names.clone();
    // Of a piece whose rows all belong to the one before it, nothing is left.
    reading.select.allow_gaps = true;
    // Text without names has no header; that of each piece is the whole's.
    let columns = (!whole.input.has_names).then(Vec::new);
    let mut input =
        look_at_output(&staged.store, choose(&staged, &reading).await?, &reading, columns).await?;
    input.warnings.clone_from(&whole.input.warnings);
    let rows = rows.into_iter().map(Some).collect();
    let over = whole.over(staged, names, input, rows).await?;
    run_until(Plan::Run(Box::new(over)), stop, on_event).await
}

/// Rows of each part.
fn rows_of(whole: &RunPlan, receipts: &[PieceReceipt]) -> Vec<u64> {
    let mut rows = vec![0; whole.input.parts.len()];
    for receipt in receipts {
        for (share, more) in receipt.shares.iter().zip(&receipt.rows) {
            rows[share.part] += more;
        }
    }
    rows
}

/// The staged files as a source, each as its receipt says.
async fn staged_source(staging: &Staging, receipts: &[PieceReceipt]) -> Result<Location> {
    let there: HashMap<String, Object> =
        staging.list().await?.into_iter().map(|object| (object.file_name().to_owned(), object)).collect();
    let mut files = Vec::new();
    for file in receipts.iter().flat_map(|receipt| &receipt.files) {
        let changed = |problem, found: &str| {
            let place = staging.folder.child(&file.name).to_string();
            let error = Error::data(DataErrorKind::Changed, place, problem).remedy(Remedy::RunWhenQuiet);
            error.value(found.as_bytes())
        };
        let Some(object) = there.get(&file.name) else {
            return Err(changed("this file of a piece is missing", "").into());
        };
        let tags = file.e_tag.as_ref().zip(object.e_tag.as_ref());
        if object.size != file.bytes || !tags.is_none_or(|(noted, found)| is_same_tag(noted, found)) {
            let found = object.e_tag.as_deref().unwrap_or_default();
            return Err(changed("this file of a piece is not as it was written", found).into());
        }
        files.push(object.clone());
    }
    staging.folder.with_parts(files)
}

/// How far the shares of pieces, in order, cover the parts.
struct Chain<'a> {
    whole: &'a RunPlan,
    /// The part that is covered next, and up to where, if it was begun.
    part: usize,
    at: Option<u64>,
}

impl<'a> Chain<'a> {
    fn new(whole: &'a RunPlan) -> Self {
        Chain { whole, part: 0, at: None }
    }

    /// Where a part's rows begin and end, in the units of shares.
    fn extent(&self, part: usize) -> (u64, u64) {
        let planned = &self.whole.input.parts[part];
        match (planned.footer(), planned.csv_head()) {
            (Some(footer), _) => (0, footer.metadata().num_row_groups() as u64),
            (None, Some(head)) => (head.body, planned.object.size),
            (None, None) => (0, 0),
        }
    }

    /// The chain after these shares; `None` if they do not continue it.
    fn after(&self, shares: &[Share]) -> Option<(usize, Option<u64>)> {
        let (mut part, mut at) = (self.part, self.at);
        for share in shares {
            if share.part != part || part >= self.whole.input.parts.len() {
                return None;
            }
            let (begin, end) = self.extent(part);
            match &share.range {
                None if at.is_none() => part += 1,
                None => return None,
                Some(range) if range.start == at.unwrap_or(begin) && range.end <= end => {
                    at = Some(range.end);
                    if range.end == end {
                        (part, at) = (part + 1, None);
                    }
                }
                Some(_) => return None,
            }
        }
        Some((part, at))
    }

    fn fits(&self, shares: &[Share]) -> bool {
        self.after(shares).is_some()
    }

    /// What is left of these shares: a record that began before may end within them, or after them.
    fn left_of(&self, shares: &[Share]) -> Vec<Share> {
        let left = shares.iter().filter_map(|share| match &share.range {
            _ if share.part < self.part => None,
            Some(range) if share.part == self.part => {
                let start = self.at.unwrap_or(range.start);
                (start < range.end).then_some(Share { part: share.part, range: Some(start..range.end) })
            }
            _ => Some(share.clone()),
        });
        left.collect()
    }

    fn add(&mut self, shares: &[Share]) -> Result<()> {
        match self.after(shares) {
            Some((part, at)) => (self.part, self.at) = (part, at),
            None => return Err(Error::Internal("the pieces do not fit each other".into())),
        }
        Ok(())
    }

    fn must_be_whole(&self) -> Result<()> {
        match self.part == self.whole.input.parts.len() && self.at.is_none() {
            true => Ok(()),
            false => Err(Error::Internal("the pieces do not cover all parts".into())),
        }
    }
}
