//! Work on many machines: a plan is frozen into a document, its pieces are carried out anywhere and in any order, and one
//! commit puts them together. Knows no engine; whatever places and repeats tasks needs only these calls.
//!
//! - [`plan`] checks everything as a merge or a conversion does, cuts the work into pieces, and returns a [`ClusterPlan`],
//!   a JSON document. It writes nothing, and the same question gives the same document.
//! - [`piece`] carries out one piece. It leaves a staged file of a name that no other attempt has, and then a receipt.
//!   The first receipt of a piece counts; a later attempt removes what it wrote.
//! - [`commit`] checks that every piece is there once and fits the others, puts the output together, publishes it, and
//!   removes what was staged. [`status`] tells how far a plan is.
//!
//! # Cuts within CSV
//!
//! Where a record begins cannot be seen from the middle of a text with quoted line ends. [`cut`] takes a line end near
//! the wanted place that looks right. Each piece says in its receipt where its rows began and ended. A piece that begins
//! at the start of a record and is read without an error ends at the end of one. So if each piece begins where the one
//! before it ended, from the first byte of a part to its last, every start was right. That is what the commit checks. A
//! piece whose start was wrong is done again from where the one before it ended. If a piece fails over a cell, it is
//! first made sure, from the start of the part, that it began and ended rightly.

mod attempt;
mod commit;
mod cut;
mod document;
mod exact;
mod here;
mod piece;
mod staging;
mod status;

pub use commit::commit;
pub use document::{ClusterPlan, Pieces};
pub use here::run_here;
pub use piece::{PieceOptions, PieceReport, piece, piece_until};
pub use status::{ClusterStatus, FailedPiece, status};

use crate::model::{Error, Options, Result, Setting, UsageError};
use crate::plan::{Output, Plan, RunPlan};
use crate::store::Location;

/// Plans a merge or a conversion in pieces: checks and decides as [`plan()`](crate::plan()), and writes nothing.
///
/// Places on local disk must be the same path on every machine that takes part.
///
/// # Errors
/// As [`plan()`](crate::plan()); [`UsageError::NotInPieces`] for a conversion that splits its output, and
/// [`UsageError::StdoutOfPieces`].
///
/// ```
/// use forecast_export::{Location, Options, Output, cluster};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let folder = tempfile::tempdir().unwrap();
/// # let target = folder.path().join("sales.parquet").display().to_string();
/// let source = Location::parse("testdata/forecast")?;
/// let pieces = cluster::Pieces::Number(3);
/// let plan = cluster::plan(&source, &Output::file(&target)?, &Options::default(), pieces).await?;
/// for index in 0..plan.pieces() {
///     cluster::piece(&plan, index, &Default::default()).await?;
/// }
/// let report = cluster::commit(&plan, &Default::default(), std::future::pending(), |_event| ()).await?;
/// assert_eq!((report.parts, report.rows), (12, Some(36)));
/// # Ok::<(), forecast_export::Error>(())
/// # }).unwrap();
/// ```
pub async fn plan(
    source: &Location,
    output: &Output,
    options: &Options,
    pieces: Pieces,
) -> Result<ClusterPlan> {
    if let Some(split) = options.split {
        let setting = match split {
            crate::model::Split::Rows(_) => Setting::SplitRows,
            crate::model::Split::Bytes(_) => Setting::SplitBytes,
        };
        return Err(UsageError::NotInPieces { setting }.into());
    }
    let (source, output) = (document::everywhere(source)?, document::output_everywhere(output)?);
    let whole = whole(&source, &output, options).await?;
    let cut = cut::cut(&whole, pieces).await?;
    ClusterPlan::new(&source, &output, options, &whole, cut)
}

/// The plan on one machine, also if its output is up to date.
async fn whole(source: &Location, output: &Output, options: &Options) -> Result<RunPlan> {
    // Each piece is verified by itself, so the output's receipt has no digest.
    let options = Options { verify: false, ..options.clone() };
    let again = Options { overwrite: true, ..options.clone() };
    for options in [options, again] {
        if let Plan::Run(plan) = crate::plan::plan(source, output, &options).await? {
            return Ok(*plan);
        }
    }
    Err(Error::Internal("an output that is to be replaced is up to date".into()))
}
