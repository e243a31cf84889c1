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

use futures::FutureExt;
use futures::future::BoxFuture;

/// Plans a merge or a conversion in pieces: checks and decides as [`plan()`](crate::plan()), and writes nothing.
///
/// Places on local disk must be the same path on every machine that takes part.
///
/// # Errors
/// As [`plan()`](crate::plan()); [`UsageError::NotInPieces`] for a conversion that splits its output,
/// [`UsageError::StdoutOfPieces`], and [`UsageError::NotInText`] for chosen parts and for the calling program's own store.
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
    divide(source, output, options, pieces).await
}

/// Boxed here, or every program would compile it anew.
fn divide<'a>(
    source: &'a Location,
    output: &'a Output,
    options: &'a Options,
    pieces: Pieces,
) -> BoxFuture<'a, Result<ClusterPlan>> {
    async move {
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
    .boxed()
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
    use crate::run::Report;
    use crate::source::Share;
    use document::Piece;
    use proptest::prelude::*;

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

    /// The text of a part with a header, where its rows begin, and where it is cut.
    #[derive(Debug, Clone)]
    struct CutPart {
        text: String,
        body: usize,
        cuts: Vec<prop::sample::Index>,
    }

    /// Parts of two columns whose first cell is never empty. If one row is to be wrong, it has a cell too many; then no
    /// line ends by CR alone, as lines cannot be told from each other where cells hold LF.
    fn parts(has_wrong: bool) -> impl Strategy<Value = Vec<CutPart>> {
        let ends = if has_wrong { &["\n", "\r\n"][..] } else { &["\n", "\r\n", "\r"][..] };
        let row = (cell(), cell()).prop_map(|(one, other)| format!("k{},{other}", one.len()));
        let part = (
            prop::collection::vec(row, usize::from(has_wrong)..12),
            prop::sample::select(ends),
            any::<bool>(),
            prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        );
        let wrong = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
        (prop::collection::vec(part, 1..4), wrong).prop_map(move |(mut parts, (part, row))| {
            if has_wrong {
                let rows = &mut part.get_mut(&mut parts).0;
                row.get_mut(rows).push_str(",x");
            }
            let cut_part = |(rows, end, has_last, cuts): (Vec<String>, &str, bool, _)| {
                let header = format!("a,b{end}");
                let mut text = header.clone() + &rows.join(end);
                if has_last && !rows.is_empty() {
                    text.push_str(end);
                }
                CutPart { text, body: header.len(), cuts }
            };
            parts.into_iter().map(cut_part).collect()
        })
    }

    /// Text of two columns that is well-formed by chance only: quotes within cells, empty lines, line ends of all kinds.
    fn any_text() -> impl Strategy<Value = Vec<CutPart>> {
        let usual = ["k,v\n", "k,\"v\"\n", "\"k\",\"v,\n\"\n", "k,\"v\"\"\"\n"];
        let odd = ["k,v\r\n", "k,v\r", "\n", "\r\n", "k,v\"w\n", "\"k\"l,v\n", "k, \"v\"\n"];
        let broken = ["\"", "k", ",", "k,\"", "\"\n"];
        let token = prop_oneof![
            12 => prop::sample::select(usual.to_vec()),
            1 => prop::sample::select(odd.to_vec()),
            1 => prop::sample::select(broken.to_vec()),
        ];
        let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..5);
        let part = (prop::collection::vec(token, 0..12), cuts).prop_map(|(tokens, cuts)| {
            let header = "a,b\n";
            CutPart { text: header.to_owned() + &tokens.concat(), body: header.len(), cuts }
        });
        prop::collection::vec(part, 1..3)
    }

    /// The plan, cut anywhere in the text of parts, also within records and within quotes.
    fn cut_anywhere(plan: &ClusterPlan, parts: &[CutPart]) -> ClusterPlan {
        let mut pieces = Vec::new();
        for (part, CutPart { text, body, cuts }) in parts.iter().enumerate() {
            let (body, end) = (*body as u64, text.len() as u64);
            let mut at: Vec<u64> = match text.len() - body as usize {
                0 => Vec::new(),
                bytes => cuts.iter().map(|cut| body + cut.index(bytes) as u64).collect(),
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

    /// A folder with parts, and what is made of it in one run and in pieces.
    struct Made {
        scratch: tempfile::TempDir,
        format: &'static str,
        one: Result<Report>,
        /// From the pieces that failed, or from the commit.
        pieced: std::result::Result<Report, Vec<Error>>,
    }

    impl Made {
        fn of(parts: &[CutPart], format: &'static str) -> Made {
            let scratch = tempfile::tempdir().expect("a folder");
            std::fs::create_dir(scratch.path().join("in")).expect("a folder");
            for (number, part) in parts.iter().enumerate() {
                let name = format!("in/{STEM}{number}.csv");
                std::fs::write(scratch.path().join(name), &part.text).expect("written");
            }
            let made = |name: &str| Output::File(at(&scratch, &format!("{name}.{format}")));
            let (source, options) = (at(&scratch, "in"), options());
            let (one, pieced) = runtime().block_on(async {
                let one = async {
                    let plan = crate::plan::plan(&source, &made("one"), &options).await?;
                    crate::run::run(plan, |_| ()).await
                };
                let pieced = async {
                    let plan = plan(&source, &made("pieces"), &options, Pieces::Number(1)).await;
                    let plan = cut_anywhere(&plan.map_err(|error| vec![error])?, parts);
                    let mut failed = Vec::new();
                    for index in 0..plan.pieces() {
                        failed.extend(piece(&plan, index, &PieceOptions::default()).await.err());
                    }
                    if !failed.is_empty() {
                        return Err(failed);
                    }
                    let never = std::future::pending();
                    commit(&plan, &PieceOptions::default(), never, |_| ()).await.map_err(|error| vec![error])
                };
                (one.await, pieced.await)
            });
            Made { scratch, format, one, pieced }
        }

        fn have_same_rows(&self) -> bool {
            let place = |name: &str| at(&self.scratch, &format!("{name}.{}", self.format));
            let (one, pieces, options) = (place("one"), place("pieces"), options());
            let proof = crate::verify::verify(&pieces, &one, &options, |_| ());
            runtime().block_on(proof).expect("compared").equal
        }

        /// What one run and the pieces have written, if that is CSV.
        fn texts(&self) -> Option<[Vec<u8>; 2]> {
            let file = |name: &str| self.scratch.path().join(name).with_extension(self.format);
            (self.format == "csv")
                .then(|| ["one", "pieces"].map(|name| std::fs::read(file(name)).expect("read")))
        }
    }

    fn without_blank_lines(mut text: Vec<u8>) -> Vec<u8> {
        text.dedup_by(|next, last| b"\r\n".contains(next) && b"\r\n".contains(last));
        text
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Runtime::new().expect("a runtime")
    }

    fn at(scratch: &tempfile::TempDir, name: &str) -> Location {
        Location::parse(&scratch.path().join(name).display().to_string()).expect("a place")
    }

    /// Parts may end their lines differently.
    fn options() -> Options {
        Options { schema: SchemaMode::ByName, all_strings: true, ..Options::default() }
    }

    fn rows_of_parts(report: &Report) -> Vec<Option<u64>> {
        report.receipt.sources.iter().map(|source| source.rows).collect()
    }

    fn cases() -> u32 {
        if std::env::var_os("FORECAST_EXPORT_TESTS").is_some() { 150 } else { 12 }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

        /// Wherever text is cut, the output has the bytes that one run writes.
        #[test]
        fn any_table_cut_anywhere_is_as_from_one_run(parts in parts(false)) {
            for format in ["csv", "parquet"] {
                let made = Made::of(&parts, format);
                prop_assert!(made.have_same_rows());
                let texts = made.texts();
                prop_assert!(texts.is_none_or(|[one, pieces]| one == pieces));
                let source = at(&made.scratch, "in");
                let pieces = at(&made.scratch, &format!("pieces.{format}"));
                let proof = runtime().block_on(crate::verify::verify(&pieces, &source, &options(), |_| ()));
                prop_assert!(proof.expect("compared").equal);
                prop_assert!(!made.scratch.path().join(".forecast-export").exists());
                let (one, pieced) = (made.one.expect("one run"), made.pieced.expect("pieces"));
                prop_assert_eq!(one.rows, pieced.rows);
                prop_assert_eq!(rows_of_parts(&one), rows_of_parts(&pieced));
            }
        }

        /// Wherever text is cut, what one run refuses is refused, and what it takes is taken for the same rows.
        #[test]
        fn any_text_cut_anywhere_is_taken_or_refused_as_by_one_run(parts in any_text()) {
            for format in ["csv", "parquet"] {
                let made = Made::of(&parts, format);
                match (&made.one, &made.pieced) {
                    (Ok(one), Ok(pieced)) => {
                        prop_assert_eq!(rows_of_parts(one), rows_of_parts(pieced));
                        prop_assert!(made.have_same_rows());
                        // A piece of blank lines alone leaves nothing, as a part of them does in one run.
                        let texts = made.texts().map(|texts| texts.map(without_blank_lines));
                        prop_assert!(texts.is_none_or(|[one, pieces]| one == pieces));
                    }
                    (Err(one), Err(pieced)) => {
                        let is_alike = pieced.iter().all(|error| error.code() == one.code());
                        prop_assert!(is_alike, "{:?}\n{:?}", one, pieced);
                    }
                    (one, pieced) => prop_assert!(false, "{:?}\n{:?}", one, pieced),
                }
            }
        }

        /// Wherever text is cut, a wrong row has the file and the line that one run names.
        #[test]
        fn a_wrong_row_has_its_line_wherever_text_is_cut(parts in parts(true)) {
            for format in ["csv", "parquet"] {
                let Made { scratch, one, pieced, .. } = Made::of(&parts, format);
                let Err(Error::Data(expected)) = one else { panic!("one run: {one:?}") };
                for error in pieced.expect_err("a wrong row") {
                    let Error::Data(error) = error else { panic!("{error:?}") };
                    prop_assert_eq!((&error.file, error.line), (&expected.file, expected.line));
                    prop_assert_eq!(error.kind, expected.kind);
                }
                let made = scratch.path().join("pieces").with_extension(format);
                prop_assert!(!made.exists());
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
