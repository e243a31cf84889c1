//! Work on many machines: a plan is frozen into a document, its pieces are carried out anywhere and in any order, and one
//! commit puts them together. Knows no engine; whatever places and repeats tasks needs only these calls.
//!
//! - [`plan`] checks everything as a merge or a conversion does, cuts the work into pieces, and returns a [`ClusterPlan`],
//!   a JSON document. It writes nothing, and the same question gives the same document.
//! - [`piece()`] carries out one piece. It leaves a staged file of a name that no other attempt has, and then a receipt.
//!   The first receipt of a piece counts; a later attempt removes what it wrote.
//! - [`commit()`] checks that every piece is there once and fits the others, puts the output together, publishes it, and
//!   removes what was staged. [`status()`] tells how far a plan is.
//!
//! # Cuts within CSV
//!
//! Where a record begins cannot be seen from the middle of a text with quoted line ends. `cut` takes a line end near
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SchemaMode;
    use crate::plan::Output;
    use crate::source::Share;
    use document::Piece;
    use proptest::prelude::*;
    use std::path::Path;

    const STEM: &str = "sales_2026-01-02T03-04-05Z_part";

    /// Cells of all that matters to CSV, quoted where they have to be.
    fn cell() -> impl Strategy<Value = String> {
        let text = prop::collection::vec(
            prop_oneof![
                5 => Just("a".to_owned()), 1 => Just("é".to_owned()), 2 => Just(",".to_owned()),
                2 => Just("\"".to_owned()), 2 => Just("\n".to_owned()), 1 => Just("\r\n".to_owned()),
                1 => Just("\r".to_owned()), 1 => Just("x,y\nz,w\n".to_owned()),
            ],
            0..6,
        );
        (text, any::<bool>()).prop_map(|(text, is_quoted)| {
            let text = text.concat();
            let must_be = text.contains([',', '"', '\n', '\r']);
            if must_be || is_quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
        })
    }

    /// Parts with a header, of two columns whose first cell is never empty, and where each is cut.
    fn parts() -> impl Strategy<Value = Vec<(String, Vec<prop::sample::Index>)>> {
        let row = (cell(), cell()).prop_map(|(one, other)| format!("k{}", one.len()) + "," + &other);
        let part = prop::collection::vec(row, 0..12).prop_flat_map(|rows| {
            (
                Just(rows),
                prop_oneof![Just("\n"), Just("\r\n")],
                any::<bool>(),
                prop::collection::vec(any::<prop::sample::Index>(), 0..5),
            )
        });
        let part = part.prop_map(|(rows, end, has_last, cuts)| {
            let mut text = format!("a,b{end}");
            text.extend(rows.iter().map(|row| format!("{row}{end}")));
            if !has_last && !rows.is_empty() {
                text.truncate(text.len() - end.len());
            }
            (text, cuts)
        });
        prop::collection::vec(part, 1..4)
    }

    fn write(folder: &Path, parts: &[(String, Vec<prop::sample::Index>)]) {
        for (number, (text, _)) in parts.iter().enumerate() {
            std::fs::write(folder.join(format!("{STEM}{number}.csv")), text).expect("written");
        }
    }

    /// The plan, cut anywhere in the text of parts, also within records and within quotes.
    fn cut_anywhere(plan: &ClusterPlan, parts: &[(String, Vec<prop::sample::Index>)]) -> ClusterPlan {
        let mut pieces = Vec::new();
        for (part, (text, cuts)) in parts.iter().enumerate() {
            let body = text.find('\n').expect("a header") as u64 + 1;
            let end = text.len() as u64;
            let mut at: Vec<u64> = match end - body {
                0 => Vec::new(),
                bytes => cuts.iter().map(|cut| body + cut.index(bytes as usize) as u64).collect(),
            };
            at.sort_unstable();
            at.dedup();
            at.retain(|at| *at > body);
            if at.is_empty() {
                pieces.push(Piece { bytes: end, shares: vec![Share { part, range: None }] });
                continue;
            }
            let bounds: Vec<u64> = [body].into_iter().chain(at).chain([end]).collect();
            pieces.extend(bounds.windows(2).map(|pair| Piece {
                bytes: pair[1] - pair[0],
                shares: vec![Share { part, range: Some(pair[0]..pair[1]) }],
            }));
        }
        let mut plan = plan.clone();
        plan.document.pieces = pieces;
        plan
    }

    fn cases() -> u32 {
        if std::env::var_os("FORECAST_EXPORT_TESTS").is_some() { 400 } else { 40 }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

        /// Wherever text is cut, the output has the bytes that one run writes.
        #[test]
        fn any_table_cut_anywhere_is_as_from_one_run(parts in parts()) {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            let scratch = tempfile::tempdir().expect("a folder");
            let at = |name: &str| scratch.path().join(name).display().to_string();
            std::fs::create_dir(at("in")).expect("a folder");
            write(Path::new(&at("in")), &parts);
            // Parts may end their lines differently.
            let options = Options { schema: SchemaMode::ByName, all_strings: true, ..Options::default() };
            let source = Location::parse(&at("in")).expect("a place");
            for name in ["one.csv", "one.parquet"] {
                let output = Output::file(&at(name)).expect("a place");
                let pieced = Output::file(&at(&name.replace("one", "pieces"))).expect("a place");
                let done = runtime.block_on(async {
                    let one = crate::plan::plan(&source, &output, &options).await?;
                    let one = crate::run::run(one, |_| ()).await?;
                    let plan = plan(&source, &pieced, &options, Pieces::Number(1)).await?;
                    let plan = cut_anywhere(&plan, &parts);
                    for index in 0..plan.pieces() {
                        piece(&plan, index, &PieceOptions::default()).await?;
                    }
                    let never = std::future::pending();
                    Ok::<_, Error>((one, commit(&plan, &PieceOptions::default(), never, |_| ()).await?))
                });
                let (one, pieces) = done.expect("both are done");
                prop_assert_eq!(one.rows, pieces.rows);
                let rows = |report: &crate::run::Report| {
                    report.receipt.sources.iter().map(|source| source.rows).collect::<Vec<_>>()
                };
                prop_assert_eq!(rows(&one), rows(&pieces));
                if name == "one.csv" {
                    let read = |name: &str| std::fs::read(at(name)).expect("read");
                    prop_assert_eq!(read("one.csv"), read("pieces.csv"));
                }
                let output = Location::parse(&at(&name.replace("one", "pieces"))).expect("a place");
                let proof = runtime.block_on(crate::verify::verify(&output, &source, &options, |_| ()));
                prop_assert!(proof.expect("compared").equal);
                prop_assert!(!scratch.path().join(".forecast-export").exists());
            }
        }
    }

    #[test]
    fn a_plan_that_was_changed_is_refused() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let scratch = tempfile::tempdir().expect("a folder");
        let source = Location::parse("testdata/forecast").expect("a place");
        let output = Output::file(&scratch.path().join("x.csv").display().to_string()).expect("a place");
        let plan = runtime.block_on(plan(&source, &output, &Options::default(), Pieces::Number(2)));
        let json = plan.expect("planned").to_json().expect("JSON");
        assert!(ClusterPlan::parse(json.as_bytes()).is_ok());
        for (from, to, problem) in [
            ("\"part\": 0", "\"part\": 1", "its id is not that of its contents"),
            ("\"format\": 1", "\"format\": 2", "its format is 2, and this tool knows 1"),
            (
                "\"tool\": \"forecast-export ",
                "\"tool\": \"forecast-export 9.",
                "it was made by forecast-export 9.",
            ),
            ("{", "", "expected struct Document"),
        ] {
            let error = ClusterPlan::parse(json.replacen(from, to, 1).as_bytes()).expect_err(from);
            assert!(error.to_string().contains(problem), "{error}");
            assert_eq!(error.code(), 2);
        }
    }
}
